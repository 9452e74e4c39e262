//! Tables of what was measured, as Markdown.

use std::fmt::Write;

use crate::bars::{Bar, Spread};
use crate::counts::Counts;
use crate::duel::{Cell, Row, Sample};
use crate::latency::Latency;
use crate::servers::Kind;

/// Goals first, then what stands behind them.
pub fn report(bars: &[Bar], results: &[(Cell, Vec<Row>)], counts: &[(Kind, Counts)], latencies: &[Latency]) -> String {
    let mut text = String::from("# upxe beside other TFTP servers\n\n");
    if !bars.is_empty() {
        goals(&mut text, bars);
    }
    if !results.is_empty() {
        cells(&mut text, results);
    }
    counted(&mut text, counts);
    if !latencies.is_empty() {
        latency(&mut text, latencies);
    }
    text
}

fn goals(text: &mut String, bars: &[Bar]) {
    text.push_str("Goals: ratios to others in the same run; of the best turns, and over the rounds.\n\n");
    text.push_str(
        "| cell | what | goal | best turns | median (quartiles) | holds |\n| --- | --- | --- | --- | --- | --- |\n",
    );
    for bar in bars {
        let rounds = bar.rounds.map_or("counted".into(), |Spread { low, median, high }| {
            format!("{} ({}–{})", short(median), short(low), short(high))
        });
        let holds = if bar.holds() { "yes" } else { "**no**" };
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {rounds} | {holds} |",
            bar.cell,
            bar.what,
            bar.limit,
            short(bar.best)
        );
    }
}

fn cells(text: &mut String, results: &[(Cell, Vec<Row>)]) {
    text.push_str(
        "\nCells: the best turn, and the median in brackets. × upxe: the server's CPU time divided by upxe's.\n\n",
    );
    text.push_str(
        "| cell | server | MB/s | s CPU/GB | µs CPU/block | × upxe (quartiles) | first DATA ms | resent | failed |\n",
    );
    text.push_str("| --- | --- | --- | --- | --- | --- | --- | --- | --- |\n");
    for (cell, rows) in results {
        let ours = rows.iter().find(|row| row.kind == Kind::Upxe);
        for row in rows {
            let samples = &row.samples;
            let most = |of: fn(&Sample) -> f64| samples.iter().map(of).fold(0.0, f64::max);
            let least = |of: fn(&Sample) -> f64| samples.iter().map(of).fold(f64::INFINITY, f64::min);
            let median = |of: fn(&Sample) -> f64| Spread::of(samples.iter().map(of)).median;
            let pair = |of| format!("{} ({})", short(least(of)), short(median(of)));
            let ratio = ours.map_or(String::new(), |ours| {
                let ratios = samples.iter().zip(&ours.samples);
                let ratios = ratios.map(|(theirs, ours)| theirs.cpu_per_gb() / ours.cpu_per_gb());
                let Spread { low, median, high } = Spread::of(ratios);
                format!("{} ({}–{})", short(median), short(low), short(high))
            });
            let _ = writeln!(
                text,
                "| {} | {} | {} ({}) | {} | {} | {ratio} | {} | {} | {} |",
                cell.name(),
                row.kind.name(),
                short(most(Sample::throughput)),
                short(median(Sample::throughput)),
                pair(Sample::cpu_per_gb),
                pair(Sample::micros_per_block),
                pair(|sample| sample.first_data.as_secs_f64() * 1e3),
                short(median(|sample| sample.resent as f64)),
                samples.iter().map(|sample| sample.failed).max().unwrap_or(0),
            );
        }
    }
}

fn counted(text: &mut String, counts: &[(Kind, Counts)]) {
    text.push_str("\nCounted: system calls for a block of 1468 bytes; memory in KiB (PSS, children included).\n\n");
    text.push_str("| server | calls, lock-step | calls, w16 | idle | for each silent client | peak, 128 clients |\n");
    text.push_str("| --- | --- | --- | --- | --- | --- |\n");
    for (kind, counts) in counts {
        let window = counts.calls_window.map_or("no windows".into(), short);
        let _ = writeln!(
            text,
            "| {} | {} | {window} | {} | {} | {} |",
            kind.name(),
            short(counts.calls_lock_step),
            counts.idle,
            short(counts.silent_each),
            counts.peak
        );
    }
}

fn latency(text: &mut String, latencies: &[Latency]) {
    text.push_str("\nLatency in µs; loaded: while 32 lock-step transfers run from upxe on the same core.\n\n");
    text.push_str("| question | server | loaded | least | median | 90 of 100 | answered |\n| --- | --- | --- | --- | --- | --- | --- |\n");
    for latency in latencies {
        let micros = |percent| short(latency.at(percent).as_secs_f64() * 1e6);
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} | {} |",
            latency.question,
            latency.of.name(),
            if latency.is_loaded { "yes" } else { "no" },
            micros(0),
            micros(50),
            micros(90),
            latency.times.len()
        );
    }
}

/// Three digits that matter.
pub fn short(value: f64) -> String {
    match value.abs() {
        _ if !value.is_finite() => "–".into(),
        size if size >= 99.95 => format!("{value:.0}"),
        size if size >= 9.995 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}
