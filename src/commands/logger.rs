//! Log lines to standard output, without ever stopping the service for them.

use log::{LevelFilter, Log, Metadata, Record};
use simple_logger::SimpleLogger;

use crate::sys::stdout;

/// simple_logger, asked only while somebody reads: a log daemon that stands still would make the service stand still,
/// and one that has ended would end it (`println!` panics on a closed pipe).
struct PatientLogger(SimpleLogger);

impl Log for PatientLogger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        self.0.enabled(metadata)
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) && stdout::takes_a_line() {
            self.0.log(record);
        }
    }

    fn flush(&self) {}
}

/// Starts logging at `level`.
pub fn start(level: LevelFilter) {
    // Only a second call can fail, and then a logger is there already.
    let _ = log::set_boxed_logger(Box::new(PatientLogger(SimpleLogger::new())));
    set_level(level);
}

/// Changes the level.
pub fn set_level(level: LevelFilter) {
    log::set_max_level(level);
}
