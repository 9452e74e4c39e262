//! An explanation for people to read.

use std::fmt;

use super::{Fate, Network, ReplyReport, Report, SilenceReport};
use crate::config::Origin;

/// All reports, one after the other.
pub fn write(reports: &[Report]) -> String {
    let mut text = String::new();
    for report in reports {
        if !text.is_empty() {
            text.push('\n');
        }
        if reports.len() > 1 {
            push(&mut text, format_args!("packet {}: ", report.number));
        }
        one(&mut text, report);
    }
    text
}

fn one(text: &mut String, report: &Report) {
    let network = &report.network;
    let device = if network.device == network.interface { String::new() } else { format!(" ({})", network.device) };
    let from = if report.mac.is_empty() { String::new() } else { format!(" from {}", report.mac) };
    let Report { message, port, network: Network { interface, router, .. }, .. } = report;
    push(text, format_args!("{message}{from} to port {port} on {interface}{device}, where the router is {router}\n"));
    let mut table = Table::default();
    for fact in &report.client {
        table.row(["  ", &fact.name.replace('_', " "), &fact.value, ""]);
    }
    table.write(text, "\nclient\n");
    for tag in &report.tags {
        let line = tag.origin.as_ref().map(|origin| format!(" {origin}"));
        table.row(["  ", &tag.name, &[tag.kind, &line.unwrap_or_default()].concat(), ""]);
    }
    table.write(text, "\ntags\n");
    // The menu has its lines.
    let in_menu = || report.rules.iter().any(|fate| fate.won && fate.kind == "menu");
    if let Ok(reply) = &report.outcome
        && let Some(custom) = reply.custom.filter(|_| !in_menu())
    {
        table.row(["> ", "(no line)", &format!("{custom} {}", reply.file()), "no line names a file that is of use"]);
    }
    rows(&mut table, &report.rules);
    table.write(text, "\nwhat it boots (> is heeded)\n");
    rows(&mut table, &report.options);
    table.write(text, "\noptions (> is sent)\n");
    match &report.outcome {
        Ok(reply) => answered(text, reply),
        Err(SilenceReport { reason, advice, .. }) => push(text, format_args!("\nno answer: {reason}\n{advice}\n")),
    }
    for later in &report.later {
        table.row(["  ", later.when, &later.told, ""]);
    }
    table.write(text, "\nlater, if it\n");
}

fn rows(table: &mut Table, fates: &[Fate]) {
    for fate in fates {
        let mark = if fate.won { "> " } else { "  " };
        table.row([mark, &fate.origin.to_string(), &format!("{} {}", fate.kind, fate.what), &fate.why]);
    }
}

fn answered(text: &mut String, reply: &ReplyReport) {
    push(text, format_args!("\nreply: {}, {} bytes\n", reply.message, reply.len));
    let mut table = Table::default();
    for field in &reply.fields {
        table.row(["  ", field.name, "", &field.value]);
    }
    for (option, origins) in &reply.options {
        let from = lines(origins);
        let gap = if option.value.is_empty() || from.is_empty() { "" } else { "  " };
        let code = option.code;
        table.row(["  ", &code.to_string(), option.name, &[&option.value, gap, &from].concat()]);
        for inner in &option.suboptions {
            table.row(["  ", &format!("{code}.{}", inner.code), inner.name, &inner.value]);
        }
    }
    table.write(text, "");
    if let Some(code) = reply.left_out {
        push(text, format_args!("  no room for option {code}\n"));
    }
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
#[derive(Debug, Default)]
pub struct Table {
    rows: Vec<[String; 4]>,
}

impl Table {
    /// Adds a row.
    pub fn row(&mut self, cells: [&str; 4]) {
        self.rows.push(cells.map(str::to_owned));
    }

    /// Appends the rows to `text` under their heading, if there are any, and begins anew.
    pub fn write(&mut self, text: &mut String, heading: &str) {
        const WIDEST: usize = 48;
        let rows = std::mem::take(&mut self.rows);
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
            push(text, format_args!("{}\n", line.trim_end()));
        }
    }
}

fn push(text: &mut String, words: fmt::Arguments<'_>) {
    text.push_str(&words.to_string());
}
