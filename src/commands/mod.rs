//! What the command line can be told to do, one file a command.
//!
//! A command's `run` that the service doesn't need is never made a part of `main`: it would come into the router's memory
//! with the service, which runs `main` (openwrt/cross/layout.ld puts these commands aside).

pub mod check;
pub mod doctor;
pub mod explain;
pub mod import;
mod logger;
pub mod run;
pub mod script;
pub mod status;

use std::fmt;
use std::io::{self, Write};

/// Prints on standard output.
fn print(text: &[u8]) {
    // Nobody is left to be told when it is closed.
    let _ = io::stdout().lock().write_all(text);
}

/// Says on standard error, in a line, what is wrong.
fn complain(what: fmt::Arguments<'_>) {
    let _ = io::stderr().lock().write_all(format!("{what}\n").as_bytes());
}
