//! `upxe doctor`: what on this router stands in the way of a machine that wants to boot, and the command that mends it.
//!
//! For programs:
//!
//! ```text
//! { "version": 1,                        higher when something below changes its meaning; more may be added without
//!   "findings": [ {                      the worst first
//!     "severity": "error",               "error": machines don't boot; "warning": some may not; "note": good to know
//!     "code": "port-taken",              the same for the same trouble, whatever the words
//!     "what": "…", "why": "…",
//!     "mend": "uci set … && …",          null where no command can do it
//!     "where": "/etc/config/dhcp:12" } ] }  null where no line is to blame
//! ```

mod access;
mod clients;
mod dnsmasq;
mod firewall;
mod jail;
mod probe;
mod service;
mod web;

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::check::lint;
use super::check::mend::shell_word;
use super::status::{self, for_terminal};
use crate::config::files::load_from;
use crate::config::{Config, Diagnostic, Origin, Overrides, Severity};
use crate::daemon::files::Files;
use crate::sys::privileges;
use crate::wire::json::{Printer, Raw};

/// Errors of the configuration that are shown; `upxe check` has them all.
const MAX_ERRORS: usize = 5;

/// What the command line asks.
#[derive(Debug)]
pub struct DoctorArgs {
    /// `--socket`: where the service answers.
    pub socket: PathBuf,
    /// `--probe`: ask the network who gives out addresses.
    pub probe: bool,
    /// `--json`.
    pub json: bool,
}

/// Something that stands in the way, or is good to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// An error keeps machines from booting, a warning may keep some.
    pub severity: Severity,
    /// Its name for programs.
    pub code: &'static str,
    /// What was found.
    pub what: String,
    /// Why that matters.
    pub why: String,
    /// The command that mends it.
    pub mend: Option<String>,
    /// The line to blame.
    pub origin: Option<Origin>,
}

/// What was found so far.
#[derive(Debug, Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn add(&mut self, severity: Severity, code: &'static str, what: fmt::Arguments<'_>, why: &str) -> &mut Self {
        self.0.push(Finding { severity, code, what: what.to_string(), why: why.to_owned(), mend: None, origin: None });
        self
    }

    fn error(&mut self, code: &'static str, what: fmt::Arguments<'_>, why: &str) -> &mut Self {
        self.add(Severity::Error, code, what, why)
    }

    fn warning(&mut self, code: &'static str, what: fmt::Arguments<'_>, why: &str) -> &mut Self {
        self.add(Severity::Warning, code, what, why)
    }

    fn note(&mut self, code: &'static str, what: fmt::Arguments<'_>, why: &str) -> &mut Self {
        self.add(Severity::Note, code, what, why)
    }

    /// Says what mends the last one.
    fn mend(&mut self, command: fmt::Arguments<'_>) -> &mut Self {
        if let Some(last) = self.0.last_mut() {
            last.mend = Some(command.to_string());
        }
        self
    }

    /// Says which line is to blame for the last one.
    fn at(&mut self, origin: &Origin) -> &mut Self {
        if let Some(last) = self.0.last_mut() {
            last.origin = Some(origin.clone());
        }
        self
    }
}

/// What there is to look at.
struct Patient<'a> {
    confdir: &'a Path,
    config: &'a Config,
    files: Files,
    /// What the running service says of itself.
    status: Option<Raw<'a>>,
    /// It is switched off or doesn't run: the init script has not yet opened the firewall for it, nor started its uhttpd.
    is_off: bool,
}

/// Looks at everything, says what was found on standard output, and fails with 1 for warnings, with 2 for errors.
#[inline(never)]
pub fn run(confdir: &Path, overrides: &Overrides, question: &DoctorArgs) -> ExitCode {
    let found = examine(confdir, overrides, question).0;
    let text = if question.json { json(&found) } else { text(&found) };
    super::print(text.as_bytes());
    match worst(&found) {
        Severity::Note => ExitCode::SUCCESS,
        Severity::Warning => ExitCode::from(1),
        Severity::Error => ExitCode::from(2),
    }
}

fn examine(confdir: &Path, overrides: &Overrides, question: &DoctorArgs) -> Findings {
    let mut found = Findings::default();
    let (config, diagnostics) = load_from(confdir, overrides);
    let Some(config) = config else {
        for error in diagnostics.iter().filter(|diagnostic| diagnostic.is_error()).take(MAX_ERRORS) {
            let why = "With an error in its configuration upxe does not start, and a running one goes on with the old.";
            found
                .error("config-error", format_args!("{}", error.words()), why)
                .mend(format_args!("upxe check"))
                .at(&error.origin);
        }
        return found;
    };
    if !privileges::is_root() {
        let why = "Only root is told who holds a port, and what the service says of itself.";
        found.note("not-root", format_args!("not everything can be seen without root"), why);
    }
    let answer = status::ask(&question.socket);
    let is_off = service::is_off(&config, answer.as_ref().err(), &question.socket, &mut found);
    let files = Files::new(&config.tftp, &config.rules);
    let status = answer.as_deref().ok().map(Raw);
    let patient = Patient { confdir, config: &config, files, status, is_off };
    service::networks(&patient, &mut found);
    service::ports(&patient, &mut found);
    if question.probe {
        probe::ask(&patient, &mut found);
    } else {
        service::dhcp_server(&mut found);
    }
    firewall::examine(&patient, &mut found);
    dnsmasq::examine(&patient, &diagnostics, &mut found);
    access::examine(&patient, &mut found);
    jail::examine(&patient, &mut found);
    web::examine(&patient, &diagnostics, &mut found);
    rules(&patient, &diagnostics, &mut found);
    clients::examine(&patient, &mut found);
    found
}

/// What `upxe check` has to say about the rules, which is its business to tell.
fn rules(patient: &Patient<'_>, diagnostics: &[Diagnostic], found: &mut Findings) {
    let lint = lint::lint_rules(patient.config, &patient.files);
    let is_told = |diagnostic: &Diagnostic| dnsmasq::is_tftp(diagnostic) || web::is_missing(diagnostic);
    let worth = |diagnostic: &&Diagnostic| diagnostic.severity > Severity::Note && !is_told(diagnostic);
    let count = diagnostics.iter().chain(&lint).filter(worth).count();
    if let Some(first) = diagnostics.iter().chain(&lint).find(worth) {
        let more = if count > 1 { format!(", and {} more", count - 1) } else { String::new() };
        let what = format_args!("{}{more}", first.words());
        let why = "A line of the configuration may not do what was meant.";
        found.note("check", what, why).mend(format_args!("upxe check")).at(&first.origin);
    }
}

fn worst(found: &[Finding]) -> Severity {
    found.iter().map(|finding| finding.severity).max().unwrap_or(Severity::Note)
}

/// The worst first, otherwise in the order in which they were found.
fn ordered(found: &[Finding]) -> Vec<&Finding> {
    let mut ordered = Vec::new();
    for severity in [Severity::Error, Severity::Warning, Severity::Note] {
        ordered.extend(found.iter().filter(|finding| finding.severity == severity));
    }
    ordered
}

fn json(found: &[Finding]) -> String {
    let mut out = Printer::default();
    out.item();
    out.number("version", 1);
    out.list("findings");
    for finding in ordered(found) {
        out.item();
        out.text("severity", finding.severity.name());
        out.text("code", finding.code);
        out.text("what", &finding.what);
        out.text("why", &finding.why);
        out.text_or_null("mend", finding.mend.as_deref());
        out.text_or_null("where", finding.origin.as_ref().map(Origin::to_string).as_deref());
        out.end();
    }
    out.end_list();
    out.end();
    out.line()
}

fn text(found: &[Finding]) -> String {
    let mut text = String::new();
    if worst(found) == Severity::Note {
        text.push_str("nothing stands in the way\n");
    }
    for finding in ordered(found) {
        text.push_str(if text.is_empty() { "" } else { "\n" });
        let (what, why) = (for_terminal(&finding.what), for_terminal(&finding.why));
        for part in [finding.severity.name(), ": ", &what, "\n    ", &why, "\n"] {
            text.push_str(part);
        }
        // What has to be changed before it can be shown is no command any more.
        if let Some(command) = finding.mend.as_ref().filter(|command| !command.contains(char::is_control)) {
            text.extend(["    To mend it: ", command, "\n"]);
        }
        if let Some(origin) = &finding.origin {
            text.extend(["    See ", &for_terminal(&origin.to_string()), "\n"]);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_strangers_chose_make_no_lines_of_their_own() {
        let hostile = "x\u{1b}[2J\n    To mend it: evil";
        let mut found = Findings::default();
        found
            .warning("client-failed", format_args!("it asked for {hostile}"), hostile)
            .mend(format_args!("rm {hostile}"));
        let text = text(&found.0);
        assert!(text.contains("it asked for x?[2J?    To mend it: evil"), "{text}");
        assert!(!text.contains('\u{1b}') && text.lines().all(|line| !line.starts_with("    To mend")), "{text}");
        assert_eq!(shell_word("a'; rm b"), r"'a'\''; rm b'");
    }
}
