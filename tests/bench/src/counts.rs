//! What can be counted, and so is the same on every machine: system calls and memory.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::client::{self, Job, Silent};
use crate::servers::{Place, Server};

/// Clients for the measurements of memory.
const CLIENTS: usize = 128;

/// A server's counts.
#[derive(Debug, Clone, Copy)]
pub struct Counts {
    /// System calls for each block of 1468 bytes, in lock-step.
    pub calls_lock_step: f64,
    /// The same with a windowsize of 16; `None` when the server doesn't know windows.
    pub calls_window: Option<f64>,
    /// Memory of the fresh server, KiB.
    pub idle: u64,
    /// What each of 128 clients adds that have asked and then fallen silent, KiB.
    pub silent_each: f64,
    /// The most that was seen while 128 clients fetched a file, KiB.
    pub peak: u64,
}

/// Counts; `server` must be a fresh one.
pub fn count(place: &Place, server: &Server) -> io::Result<Counts> {
    let idle = server.memory();
    // What of the program it takes to serve at all is in memory before it is asked what each client takes.
    drop(Silent::begin(server.address, "16M", 1)?);
    std::thread::sleep(Duration::from_millis(300));
    let served = server.memory();
    let silent = Silent::begin(server.address, "16M", CLIENTS)?;
    std::thread::sleep(Duration::from_millis(100));
    let silent_each = server.memory().saturating_sub(served) as f64 / CLIENTS as f64;
    drop(silent);
    std::thread::sleep(Duration::from_millis(300));
    let calls_lock_step = calls(place, server, 1)?.unwrap_or(0.0);
    let calls_window = calls(place, server, 16)?;
    Ok(Counts { calls_lock_step, calls_window, idle, silent_each, peak: peak(server)? })
}

fn calls(place: &Place, server: &Server, windowsize: u16) -> io::Result<Option<f64>> {
    let mut outcome = client::Outcome::default();
    let job = Job::simple(server.address, "16M", 1468, windowsize);
    let calls = server.count_system_calls(&place.scratch, || {
        outcome = client::play(&job)?;
        Ok(())
    })?;
    let has_window = windowsize == 1 || outcome.windowsize > 1;
    Ok(has_window.then(|| calls as f64 / outcome.blocks.max(1) as f64))
}

fn peak(server: &Server) -> io::Result<u64> {
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let watch = scope.spawn(|| {
            let mut most = 0;
            while !over.load(Ordering::Relaxed) {
                most = most.max(server.memory());
                std::thread::sleep(Duration::from_millis(20));
            }
            most
        });
        let job = Job { clients: CLIENTS, ..Job::simple(server.address, "1M", 1468, 16) };
        let result = client::play(&job);
        over.store(true, Ordering::Relaxed);
        result?;
        watch.join().map_err(|_| io::Error::other("the watch has failed"))
    })
}

/// Says what is beyond its limit.
pub fn complaints(counts: &Counts) -> Vec<String> {
    let limits = [
        ("system calls for each block in lock-step", counts.calls_lock_step, 4.0),
        ("system calls for each block with windowsize 16", counts.calls_window.unwrap_or(f64::INFINITY), 0.35),
        ("KiB for each silent client", counts.silent_each, 1.0),
    ];
    limits
        .iter()
        .filter(|(_, counted, limit)| counted > limit)
        .map(|(what, counted, limit)| format!("{what}: {counted:.2}, more than {limit}"))
        .collect()
}
