//! Log lines to standard output, without ever stopping the service for them.

use std::fmt::Write;

use log::{LevelFilter, Log, Metadata, Record};
use simple_logger::SimpleLogger;

use crate::sys::stdout::Relay;

/// The longest line, in bytes; a longer one is cut. Names that clients send are a part of lines.
const MAX_LINE: usize = 1024;

/// simple_logger behind a [`Relay`].
struct PatientLogger {
    inner: SimpleLogger,
    relay: Option<Relay>,
}

impl Log for PatientLogger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        self.inner.enabled(metadata)
    }

    fn log(&self, record: &Record<'_>) {
        let Some(relay) = self.relay.as_ref().filter(|_| self.enabled(record.metadata())) else { return };
        let mut line = heapless::String::<MAX_LINE>::new();
        // Writing stops with an error where the line is full; what stands there is the line.
        let _ = line.write_fmt(*record.args());
        // One short name instead of the module's: users look for the message.
        let mut short = Record::builder();
        short.level(record.level()).target("upxe");
        self.inner.log(&short.args(format_args!("{line}")).build());
        relay.forward();
    }

    fn flush(&self) {}
}

/// Starts logging at `level`. Without a standard output, nothing is logged.
pub fn start(level: LevelFilter) {
    let logger = PatientLogger { inner: SimpleLogger::new(), relay: Relay::install().ok() };
    // Only a second call can fail, and then a logger is there already.
    let _ = log::set_boxed_logger(Box::new(logger));
    set_level(level);
}

/// Changes the level.
pub fn set_level(level: LevelFilter) {
    log::set_max_level(level);
}
