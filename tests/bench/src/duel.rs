//! The measurement: servers take turns in every cell, round after round, so that all of them see the same weather.

use std::collections::HashSet;
use std::io;
use std::time::Duration;

use crate::client::{self, Job};
use crate::floor::{self, Blast};
use crate::servers::{Kind, Server};

/// A server that took longer than this for one turn is not asked again.
const SLOW: Duration = Duration::from_secs(5);

/// One way to fetch files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cell {
    pub file: &'static str,
    pub blksize: u16,
    pub windowsize: u16,
    pub clients: usize,
    pub round_trip_ms: u64,
    /// Percent, each way.
    pub loss: u64,
}

impl Cell {
    const fn new(file: &'static str, blksize: u16, windowsize: u16) -> Self {
        Self { file, blksize, windowsize, clients: 1, round_trip_ms: 0, loss: 0 }
    }

    pub fn name(&self) -> String {
        let mut name = format!("{} w{}", self.blksize, self.windowsize);
        if self.clients > 1 {
            name += &format!(", {} clients", self.clients);
        }
        if self.round_trip_ms > 0 {
            name += &format!(", {} ms", self.round_trip_ms);
        }
        if self.loss > 0 {
            name += &format!(", {} % loss", self.loss);
        }
        name
    }

    fn job(&self, server: &Server, round: usize) -> Job<'static> {
        Job {
            clients: self.clients,
            round_trip: Duration::from_millis(self.round_trip_ms),
            loss: self.loss * 10,
            // What a server does about losses shows when nobody helps it.
            lingers: server.forks(),
            retry: (self.loss == 0).then_some(Duration::from_secs(1)),
            seed: 0x9e37_79b9_7f4a_7c15 ^ (round as u64) << 7,
            ..Job::simple(server.address, self.file, self.blksize, self.windowsize)
        }
    }
}

/// The cells that the README quotes.
pub fn usual() -> Vec<Cell> {
    let mut cells = Vec::new();
    for blksize in [512, 1024, 1468] {
        cells.extend([1, 4, 16, 64].map(|windowsize| Cell::new("16M", blksize, windowsize)));
    }
    let large = |windowsize| Cell::new("2M", 1468, windowsize);
    for (clients, file) in [(32, "2M"), (128, "1M")] {
        cells.extend([1, 16].map(|windowsize| Cell { clients, file, ..large(windowsize) }));
    }
    cells.extend([1, 4, 16, 64].map(|windowsize| Cell { round_trip_ms: 1, ..large(windowsize) }));
    cells.extend([1, 16].map(|windowsize| Cell { round_trip_ms: 1, loss: 1, ..large(windowsize) }));
    cells
}

/// Enough for a first impression.
pub fn few() -> Vec<Cell> {
    let cells = usual().into_iter();
    cells.filter(|cell| cell.blksize == 1468 && cell.loss == 0 && !matches!(cell.clients, 32)).collect()
}

/// Every combination.
pub fn all() -> Vec<Cell> {
    let mut cells = Vec::new();
    for blksize in [512, 1024, 1468] {
        for windowsize in [1, 4, 16, 64] {
            for clients in [1, 32, 128] {
                for (round_trip_ms, loss) in [(0, 0), (1, 0), (0, 1), (1, 1)] {
                    let file = match (clients, round_trip_ms, loss) {
                        (1, 0, 0) => "16M",
                        (1, ..) | (32, ..) => "2M",
                        _ => "1M",
                    };
                    cells.push(Cell { clients, round_trip_ms, loss, ..Cell::new(file, blksize, windowsize) });
                }
            }
        }
    }
    cells
}

/// One turn of one server.
#[derive(Debug, Clone)]
pub struct Sample {
    pub cpu: Duration,
    pub wall: Duration,
    pub bytes: u64,
    pub blocks: u64,
    pub resent: u64,
    pub failed: usize,
    /// From request to first block, the median client's.
    pub first_data: Duration,
    /// The slowest client's time as a multiple of the median client's.
    pub spread: f64,
}

impl Sample {
    /// Seconds of CPU for 10⁹ bytes.
    pub fn cpu_per_gb(&self) -> f64 {
        self.cpu.as_secs_f64() / self.bytes.max(1) as f64 * 1e9
    }

    pub fn micros_per_block(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / self.blocks.max(1) as f64
    }

    /// Megabytes a second.
    pub fn throughput(&self) -> f64 {
        if self.failed > 0 || self.wall.is_zero() {
            return 0.0;
        }
        self.bytes as f64 / 1e6 / self.wall.as_secs_f64()
    }

    /// Seconds; endless when a client never finished.
    pub fn seconds(&self) -> f64 {
        if self.failed > 0 { f64::INFINITY } else { self.wall.as_secs_f64() }
    }
}

/// A server's turns in a cell.
#[derive(Debug, Clone)]
pub struct Row {
    pub kind: Kind,
    pub samples: Vec<Sample>,
}

/// Measures all cells. Rows stand in the order of `servers`.
pub fn measure(servers: &[Server], cells: &[Cell], rounds: usize) -> io::Result<Vec<(Cell, Vec<Row>)>> {
    let rows = || servers.iter().map(|server| Row { kind: server.kind, samples: Vec::new() }).collect();
    let mut results: Vec<(Cell, Vec<Row>)> = cells.iter().map(|&cell| (cell, rows())).collect();
    let mut slow = HashSet::new();
    for round in 0..rounds {
        eprintln!("round {} of {rounds}", round + 1);
        for (at, (cell, rows)) in results.iter_mut().enumerate() {
            for turn in 0..servers.len() {
                // Who comes first has the colder caches: nobody always does.
                let number = (turn + round) % servers.len();
                if slow.contains(&(at, number)) {
                    continue;
                }
                let Some(sample) = take_turn(cell, &servers[number], round)? else { continue };
                if sample.wall > SLOW || sample.failed > 0 {
                    slow.insert((at, number));
                }
                rows[number].samples.push(sample);
            }
        }
    }
    for (_, rows) in &mut results {
        rows.retain(|row| !row.samples.is_empty());
    }
    Ok(results)
}

/// `None` where the server has no part in the cell.
fn take_turn(cell: &Cell, server: &Server, round: usize) -> io::Result<Option<Sample>> {
    let is_plain = cell.clients == 1 && cell.round_trip_ms == 0 && cell.loss == 0;
    if server.forks() {
        // Children of the turn before may be about to end.
        std::thread::sleep(Duration::from_millis(50));
    }
    let before = server.cpu_time()?;
    match server.kind {
        Kind::Floor if !is_plain || cell.windowsize > 1 => Ok(None),
        Kind::Blaster if !is_plain || cell.windowsize == 1 => Ok(None),
        Kind::Blaster => {
            let (window, blksize) = (u32::from(cell.windowsize), u32::from(cell.blksize));
            // As many as one send takes.
            let window = window.min(65_507 / (blksize + 4));
            let order = Blast { window, blksize, count: (16 << 20) / (window * blksize) };
            let bytes = floor::swallow(server.address, order)?;
            let cpu = server.cpu_time()? - before;
            let blocks = bytes / u64::from(blksize);
            let (wall, first_data) = (Duration::ZERO, Duration::ZERO);
            Ok(Some(Sample { cpu, wall, bytes, blocks, resent: 0, failed: 0, first_data, spread: 1.0 }))
        }
        _ => {
            let outcome = client::play(&cell.job(server, round))?;
            let cpu = server.cpu_time()? - before;
            let median = |times: &[Duration]| times.get(times.len() / 2).copied().unwrap_or_default();
            let slowest = outcome.durations.last().copied().unwrap_or_default();
            Ok(Some(Sample {
                cpu,
                wall: outcome.wall,
                bytes: outcome.bytes,
                blocks: outcome.blocks,
                resent: outcome.resent(),
                failed: outcome.failed,
                first_data: median(&outcome.first_data),
                spread: slowest.as_secs_f64() / median(&outcome.durations).as_secs_f64().max(1e-9),
            }))
        }
    }
}
