//! `upxe check`: everything there is to say about a configuration, and whether `upxe run` would take it.

pub mod lint;

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use self::lint::Surroundings;
use crate::config::files::load_from;
use crate::config::{Config, Diagnostic, Overrides, Severity};
use crate::daemon::files::Files;
use crate::sys::program;

/// Checks the configuration under `confdir`, prints what was found on standard output, and fails if there is an error.
pub fn run(confdir: &Path, overrides: &Overrides) -> ExitCode {
    let (config, mut diagnostics) = load_from(confdir, overrides);
    if let Some(config) = &config {
        diagnostics.extend(lint::lint(config, &Files::new(&config.tftp), &surroundings(config)));
    }
    let report = report(config.as_ref(), &diagnostics);
    // Nobody is left to be told when standard output is closed.
    let _ = io::stdout().lock().write_all(report.as_bytes());
    if config.is_some() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Looks at the folder of boot files and at the dnsmasq beside us.
fn surroundings(config: &Config) -> Surroundings {
    Surroundings {
        root_trouble: root_trouble(&config.tftp.root).err().map(|error| error.to_string()),
        dnsmasq: program::first_line(c"dnsmasq --version 2>/dev/null"),
    }
}

fn root_trouble(root: &Path) -> io::Result<()> {
    if root.metadata()?.is_dir() { root.read_dir().map(|_| ()) } else { Err(io::Error::other("not a folder")) }
}

/// One line for each diagnostic, and the summary.
pub fn report(config: Option<&Config>, diagnostics: &[Diagnostic]) -> String {
    let mut report = String::new();
    for diagnostic in diagnostics {
        report.push_str(&diagnostic.to_string());
        report.push('\n');
    }
    let count = |severity| diagnostics.iter().filter(|diagnostic| diagnostic.severity == severity).count();
    let errors = counted(count(Severity::Error), "error");
    let warnings = counted(count(Severity::Warning), "warning");
    report.push_str(&[&errors, ", ", &warnings].concat());
    if let Some(config) = config {
        report.push_str(": ");
        report.push_str(&summary(config));
    }
    report.push('\n');
    report
}

/// What the configuration comes to, in one line.
pub fn summary(config: &Config) -> String {
    let mut summary = String::from(if config.enabled { "enabled, on " } else { "not enabled, on " });
    for (index, interface) in config.interfaces.iter().enumerate() {
        if index > 0 {
            summary.push_str(", ");
        }
        summary.push_str(&interface.name);
        if interface.device != interface.name {
            summary.push_str(&[" (", &interface.device, ")"].concat());
        }
    }
    if config.tftp.enabled {
        summary.push_str(&["; TFTP from ", &config.tftp.root.to_string_lossy()].concat());
    } else {
        summary.push_str("; no TFTP");
    }
    summary.push_str("; ");
    summary.push_str(&counted(config.rules.boots.len(), "boot line"));
    summary
}

/// `1 error`, `2 errors`.
fn counted(count: usize, thing: &str) -> String {
    let ending = if count == 1 { "" } else { "s" };
    [&count.to_string(), " ", thing, ending].concat()
}
