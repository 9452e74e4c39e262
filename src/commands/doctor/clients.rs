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
    let clients = || status.get("clients").into_iter().flat_map(Raw::items);
    let failed = clients().filter_map(|client| Some((client, client.get("trouble")?)));
    // Whom a rule keeps from being answered has not failed.
    let meant = |trouble: &Raw<'_>| {
        trouble.text_of("code").is_some_and(|code| matches!(code.as_str(), "ignored" | "other-range"))
    };
    let failed = failed.filter(|(client, trouble)| {
        trouble.0 != "null" && !meant(trouble) && client.number_of("ago").is_some_and(|ago| ago < RECENT)
    });
    for (client, trouble) in failed.take(MAX_FAILED) {
        let kind = client.text_of("client").map(|kind| format!(", {kind}")).unwrap_or_default();
        let host = client.text_of("host").map(|host| format!(" ({host})")).unwrap_or_default();
        let since = ago(client.number_of("ago").unwrap_or_default());
        let reason = trouble.text_of("reason").unwrap_or_default();
        let what = format_args!("{}{host}{kind}, {since} ago: {reason}", client.text_of("mac").unwrap_or_default());
        found.warning("client-failed", what, &trouble.text_of("advice").unwrap_or_default());
    }
    let offered = clients().filter_map(|client| {
        let steps = client.get("steps")?.items();
        let offers = steps.filter(|step| step.text_of("stage").is_some_and(|stage| stage == "offered"));
        Some((offers.filter_map(|step| step.number_of("ago")).min()?, client))
    });
    let why = "A machine that was switched on since and is not listed by 'upxe status' was not heard: is it on this network, \
               and is network boot the first choice in its firmware?";
    match offered.min_by_key(|(ago, _)| *ago) {
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
