//! An explanation for people to read.

use super::packet::Shown;
use super::{Fate, ReplyReport, Report, SilenceReport};
use crate::config::Origin;

/// All reports, one after the other.
pub fn write(reports: &[Report]) -> String {
    let mut text = String::new();
    for report in reports {
        if !text.is_empty() {
            text.push('\n');
        }
        if reports.len() > 1 {
            push(&mut text, &["packet ", &report.number.to_string(), ": "]);
        }
        one(&mut text, report);
    }
    text
}

fn one(text: &mut String, report: &Report) {
    let network = &report.network;
    let device =
        if network.device == network.interface { String::new() } else { [" (", &network.device, ")"].concat() };
    let from = if report.mac.is_empty() { String::new() } else { [" from ", &report.mac].concat() };
    let (port, router) = (report.port.to_string(), network.router.to_string());
    push(
        text,
        &[
            report.message,
            &from,
            " to port ",
            &port,
            " on ",
            &network.interface,
            &device,
            ", where the router is ",
            &router,
            "\n",
        ],
    );
    table(
        text,
        "\nclient\n",
        report.client.iter().map(|fact| ["  ", &fact.name.replace('_', " "), &fact.value, ""].map(str::to_owned)),
    );
    table(
        text,
        "\ntags\n",
        report.tags.iter().map(|tag| {
            let by = tag
                .origin
                .as_ref()
                .map_or_else(|| tag.kind.to_owned(), |origin| [tag.kind, " ", &origin.to_string()].concat());
            ["  ".to_owned(), tag.name.clone(), by, String::new()]
        }),
    );
    let chosen = report.outcome.as_ref().ok().and_then(|reply| {
        // The menu has its lines.
        let custom = reply.custom.filter(|_| !report.rules.iter().any(|fate| fate.won && fate.kind == "menu"))?;
        let what = [custom, " ", reply.file()].concat();
        Some(["> ", "(no line)", &what, "no line names a file that is of use"].map(str::to_owned))
    });
    table(text, "\nwhat it boots (> is heeded)\n", chosen.into_iter().chain(report.rules.iter().map(row)));
    table(text, "\noptions (> is sent)\n", report.options.iter().map(row));
    match &report.outcome {
        Ok(reply) => answered(text, reply),
        Err(SilenceReport { reason, advice, .. }) => push(text, &["\nno answer: ", reason, "\n", advice, "\n"]),
    }
    let later = report.later.iter().map(|later| ["  ", later.when, &later.told, ""].map(str::to_owned));
    table(text, "\nlater, if it\n", later);
}

fn row(fate: &Fate) -> [String; 4] {
    let mark = if fate.won { "> " } else { "  " };
    let what = [fate.kind, " ", &fate.what].concat();
    [mark.to_owned(), fate.origin.to_string(), what, fate.why.clone()]
}

fn answered(text: &mut String, reply: &ReplyReport) {
    push(text, &["\nreply: ", reply.message, ", ", &reply.len.to_string(), " bytes\n"]);
    let fields = reply.fields.iter().map(|field| ["  ", field.name, "", &field.value].map(str::to_owned));
    let options = reply.options.iter().flat_map(|(option, origins)| {
        let from = lines(origins);
        let gap = if option.value.is_empty() || from.is_empty() { "" } else { "  " };
        let head = option_row("", option, &[&option.value, gap, &from].concat());
        let outer = [&option.code.to_string(), "."].concat();
        let inner = option.suboptions.iter().map(move |suboption| option_row(&outer, suboption, &suboption.value));
        std::iter::once(head).chain(inner)
    });
    table(text, "", fields.chain(options));
    if let Some(code) = reply.left_out {
        push(text, &["  no room for option ", &code.to_string(), "\n"]);
    }
}

fn option_row(outer: &str, option: &Shown, value: &str) -> [String; 4] {
    ["  ".to_owned(), [outer, &option.code.to_string()].concat(), option.name.to_owned(), value.to_owned()]
}

/// The lines that something comes from.
fn lines(origins: &[Origin]) -> String {
    let mut text = String::new();
    for origin in origins {
        text.push_str(if text.is_empty() { "[" } else { ", " });
        text.push_str(&origin.to_string());
    }
    if !text.is_empty() {
        text.push(']');
    }
    text
}

/// Rows in columns that are as wide as they need to be; a very wide cell doesn't push the others aside.
pub fn table(text: &mut String, heading: &str, rows: impl Iterator<Item = [String; 4]>) {
    const WIDEST: usize = 48;
    let rows: Vec<[String; 4]> = rows.collect();
    if rows.is_empty() {
        return;
    }
    text.push_str(heading);
    let width = |column: fn(&[String; 4]) -> &String| {
        let widths = rows.iter().map(|row| column(row).chars().count());
        widths.filter(|width| *width <= WIDEST).max().unwrap_or(0)
    };
    let widths = [0, width(|[_, first, ..]| first), width(|[_, _, second, _]| second), 0];
    for row in &rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(widths) {
            line.push_str(cell);
            let len = cell.chars().count();
            if width > 0 || len > WIDEST {
                line.extend(std::iter::repeat_n(' ', (width + 2).saturating_sub(len).max(2)));
            }
        }
        push(text, &[line.trim_end(), "\n"]);
    }
}

fn push(text: &mut String, parts: &[&str]) {
    parts.iter().for_each(|part| text.push_str(part));
}
