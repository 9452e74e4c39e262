//! What upxe wants to reach, as ratios to others within the same run, and what it reached.

use std::fmt;

use crate::counts::Counts;
use crate::duel::{Cell, Row, Sample};
use crate::latency::Latency;
use crate::servers::{Kind, PEERS};

/// A goal and the measurement that belongs to it.
#[derive(Debug)]
pub struct Bar {
    pub cell: String,
    pub what: String,
    pub limit: Limit,
    /// From the best turns of both sides; the whole truth where something was counted.
    pub best: f64,
    /// Over the rounds, with the quartiles around it; `None` where something was counted.
    pub rounds: Option<Spread>,
}

#[derive(Debug, Clone, Copy)]
pub enum Limit {
    AtMost(f64),
    AtLeast(f64),
}

#[derive(Debug, Clone, Copy)]
pub struct Spread {
    pub low: f64,
    pub median: f64,
    pub high: f64,
}

impl Bar {
    pub fn holds(&self) -> bool {
        match self.limit {
            Limit::AtMost(most) => self.best <= most,
            Limit::AtLeast(least) => self.best >= least,
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtMost(limit) => write!(formatter, "≤ {limit}"),
            Self::AtLeast(limit) => write!(formatter, "≥ {limit}"),
        }
    }
}

impl Spread {
    /// The median and the quartiles.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let at = |quarter: usize| values.get((values.len().saturating_sub(1) * quarter + 2) / 4);
        let at = |quarter| at(quarter).copied().unwrap_or(f64::NAN);
        Self { low: at(1), median: at(2), high: at(3) }
    }
}

/// What is compared.
#[derive(Clone, Copy)]
struct Metric {
    of: fn(&Sample) -> f64,
    more_is_better: bool,
}

const CPU: Metric = Metric { of: Sample::cpu_per_gb, more_is_better: false };
const THROUGHPUT: Metric = Metric { of: Sample::throughput, more_is_better: true };

impl Metric {
    fn best(self, values: impl Iterator<Item = f64>) -> f64 {
        let worst = if self.more_is_better { 0.0 } else { f64::INFINITY };
        values.fold(worst, if self.more_is_better { f64::max } else { f64::min })
    }
}

/// upxe's measure divided by that of the best of `others`: from the best turns, and round by round.
fn ratio(rows: &[Row], metric: Metric, others: &[Kind]) -> Option<(f64, Spread)> {
    let ours = &rows.iter().find(|row| row.kind == Kind::Upxe)?.samples;
    let others: Vec<_> = rows.iter().filter(|row| others.contains(&row.kind)).collect();
    if others.is_empty() {
        return None;
    }
    let their_best = metric.best(others.iter().flat_map(|row| &row.samples).map(metric.of));
    let best = metric.best(ours.iter().map(metric.of)) / their_best;
    let each_round = ours.iter().enumerate().map(|(round, sample)| {
        let theirs = others.iter().filter_map(|row| row.samples.get(round).or(row.samples.last()));
        (metric.of)(sample) / metric.best(theirs.map(metric.of))
    });
    Some((best, Spread::of(each_round)))
}

/// All the goals for which something was measured.
pub fn bars(results: &[(Cell, Vec<Row>)], counts: &[(Kind, Counts)], latencies: &[Latency]) -> Vec<Bar> {
    let mut bars = Vec::new();
    for (name, goals) in [
        ("1468 w1", &[("CPU, of dnsmasq's", CPU, &[Kind::Dnsmasq][..], Limit::AtMost(0.9))][..]),
        ("1468 w4", &against_the_best_peer(0.5, 1.5)),
        ("1468 w16", &against_the_best_peer(0.3, 3.0)),
        ("1468 w64", &against_the_best_peer(0.3, 3.0)),
        ("1468 w16", &[("CPU, of the blaster's", CPU, &[Kind::Blaster][..], Limit::AtMost(1.4))]),
        ("1468 w1, 128 clients", &[("throughput, of the best peer's", THROUGHPUT, &PEERS[..], Limit::AtLeast(1.0))]),
    ] {
        let Some((_, rows)) = results.iter().find(|(cell, _)| cell.name() == name) else { continue };
        for &(what, metric, others, limit) in goals {
            let Some((best, rounds)) = ratio(rows, metric, others) else { continue };
            bars.push(Bar { cell: name.into(), what: what.into(), limit, best, rounds: Some(rounds) });
        }
    }
    for (name, what, of, most) in [
        ("1468 w1, 128 clients", "slowest client, of the median", (|sample| sample.spread) as fn(&Sample) -> f64, 1.5),
        ("1468 w1, 1 ms, 1 % loss", "seconds for 2 MiB", Sample::seconds, 2.5),
        ("1468 w16, 1 ms, 1 % loss", "seconds for 2 MiB", Sample::seconds, 0.25),
    ] {
        let Some((_, rows)) = results.iter().find(|(cell, _)| cell.name() == name) else { continue };
        let Some(row) = rows.iter().find(|row| row.kind == Kind::Upxe) else { continue };
        let values = || row.samples.iter().map(of);
        let best = values().fold(f64::INFINITY, f64::min);
        let rounds = Some(Spread::of(values()));
        bars.push(Bar { cell: name.into(), what: what.into(), limit: Limit::AtMost(most), best, rounds });
    }
    bars.extend(counted(counts));
    bars.extend(latency(latencies));
    bars
}

fn against_the_best_peer(cpu: f64, throughput: f64) -> [(&'static str, Metric, &'static [Kind], Limit); 2] {
    [
        ("CPU, of the best peer's", CPU, &PEERS, Limit::AtMost(cpu)),
        ("throughput, of the best peer's", THROUGHPUT, &PEERS, Limit::AtLeast(throughput)),
    ]
}

fn counted(counts: &[(Kind, Counts)]) -> Vec<Bar> {
    let Some((_, ours)) = counts.iter().find(|(kind, _)| *kind == Kind::Upxe) else { return Vec::new() };
    [
        ("1468 w1", "system calls for a block", ours.calls_lock_step, 4.0),
        ("1468 w16", "system calls for a block", ours.calls_window.unwrap_or(f64::INFINITY), 0.35),
        ("128 silent clients", "KiB each", ours.silent_each, 1.0),
    ]
    .map(|(cell, what, best, most)| Bar {
        cell: cell.into(),
        what: what.into(),
        limit: Limit::AtMost(most),
        best,
        rounds: None,
    })
    .into()
}

fn latency(latencies: &[Latency]) -> Vec<Bar> {
    let find = |question: &str, of: Kind, is_loaded| {
        let mut found = latencies.iter().filter(|latency| latency.of == of && latency.is_loaded == is_loaded);
        found.find(|latency| latency.question.starts_with(question)).map(|latency| {
            let micros = |percent| latency.at(percent).as_secs_f64() * 1e6;
            (micros(0), Spread { low: micros(25), median: micros(50), high: micros(75) })
        })
    };
    let mut bars = Vec::new();
    if let (Some((ours, our_spread)), Some((theirs, their_spread))) =
        (find("read", Kind::Upxe, false), find("read", Kind::Dnsmasq, false))
    {
        bars.push(Bar {
            cell: "request to first DATA".into(),
            what: "time, of dnsmasq's".into(),
            limit: Limit::AtMost(1.0),
            best: ours / theirs,
            rounds: Some(Spread {
                low: our_spread.low / their_spread.low,
                median: our_spread.median / their_spread.median,
                high: our_spread.high / their_spread.high,
            }),
        });
    }
    for is_loaded in [false, true] {
        let Some((floor, floor_spread)) = find("read", Kind::Floor, is_loaded) else { continue };
        for question in ["read request to first DATA", "DISCOVER to OFFER"] {
            let Some((ours, our_spread)) = find(question, Kind::Upxe, is_loaded) else { continue };
            bars.push(Bar {
                cell: format!("{question}{}", if is_loaded { ", 32 transfers running" } else { "" }),
                what: "µs above the kernel's floor".into(),
                limit: Limit::AtMost(100.0),
                best: ours - floor,
                rounds: Some(Spread {
                    low: our_spread.low - floor_spread.low,
                    median: our_spread.median - floor_spread.median,
                    high: our_spread.high - floor_spread.high,
                }),
            });
        }
    }
    bars
}
