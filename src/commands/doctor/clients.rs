//! What became of the machines that asked lately, by the running service's own word.

use super::{Findings, Patient};
use crate::commands::status::ago;
use crate::wire::json::Raw;

/// Failed machines that are told of.
const MAX_FAILED: usize = 8;

/// Failures longer ago than this, a day in milliseconds, are history.
const RECENT: u64 = 86_400_000;

/// Who failed, and when somebody was last offered something.
pub fn examine(patient: &Patient<'_>, found: &mut Findings) {
    let Some(status) = patient.status else { return };
    let clients = status.items_of("clients");
    let mut told = 0;
    for client in &clients {
        let Some(trouble) = client.get("trouble").filter(|trouble| trouble.0 != "null") else { continue };
        // Whom a rule keeps from being answered has not failed.
        let is_meant = matches!(trouble.text_of("code").as_deref(), Some("ignored" | "other-range"));
        let is_recent = client.number_of("ago").is_some_and(|ago| ago < RECENT);
        if is_meant || !is_recent || told == MAX_FAILED {
            continue;
        }
        told += 1;
        let kind = client.text_of("client").map(|kind| format!(", {kind}")).unwrap_or_default();
        let host = client.text_of("host").map(|host| format!(" ({host})")).unwrap_or_default();
        let since = ago(client.number_of("ago").unwrap_or_default());
        let reason = trouble.text_of("reason").unwrap_or_default();
        let what = format_args!("{}{host}{kind}, {since} ago: {reason}", client.text_of("mac").unwrap_or_default());
        found.warning("client-failed", what, &trouble.text_of("advice").unwrap_or_default());
    }
    let mut last: Option<(u64, &Raw<'_>)> = None;
    for client in &clients {
        for step in client.items_of("steps") {
            let Some(since) = step.number_of("ago") else { continue };
            if step.text_of("stage").as_deref() == Some("offered") && last.is_none_or(|(other, _)| since < other) {
                last = Some((since, client));
            }
        }
    }
    let why = "A machine that was switched on since and is not listed by 'upxe status' was not heard: is it on this network, \
               and is network boot the first choice in its firmware?";
    match last {
        Some((since, client)) => {
            let mac = client.text_of("mac").unwrap_or_default();
            found.note("last-offer", format_args!("the last offer went to {mac} {} ago", ago(since)), why)
        }
        None => {
            let uptime = ago(status.number_of("uptime").unwrap_or_default().saturating_mul(1000));
            found.note("last-offer", format_args!("no machine was offered anything since the start {uptime} ago"), why)
        }
    };
}
