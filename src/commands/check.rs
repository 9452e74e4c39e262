//! `upxe check`: everything there is to say about a configuration, and whether `upxe run` would take it.
//!
//! For programs:
//!
//! ```text
//! { "version": 1,                        higher when something below changes its meaning; more may be added without
//!   "errors": 0, "warnings": 1,
//!   "summary": "enabled, on lan …",      null if there are errors
//!   "diagnostics": [ { "severity": "error", "warning" or "note", "file": "/etc/config/upxe", "line": 7,
//!                      "message": "…",
//!                      "mend": "…" } ] }      a command; null where none can do it
//! ```
//!
//! Line 0 stands for the file as a whole.

pub mod lint;
pub mod mend;

use std::io;
use std::path::Path;
use std::process::ExitCode;
use std::rc::Rc;

use self::lint::{Script, Surroundings};
use crate::config::files::{load_from, package, read};
use crate::config::options::upxe;
use crate::config::rules::Web;
use crate::config::uci::{Opt, Package};
use crate::config::{Config, Diagnostic, Origin, Overrides, Severity};
use crate::daemon::files::Files;
use crate::menu::{self, MAX_TEXT, template};
use crate::proxy::select::IPXE_SCRIPTS;
use crate::sys::{link, port_owner, program};
use crate::wire::json::Printer;

/// What remarks on the networks are about.
const NETWORKS: &str = "option interface";
/// Files of the TFTP root that are looked at for scripts.
const MAX_FILES: usize = 1000;

/// Checks the configuration under `confdir`, prints what was found on standard output, and fails if there is an error.
#[inline(never)]
pub fn run(confdir: &Path, overrides: &Overrides, json: bool) -> ExitCode {
    let (config, mut diagnostics) = load_from(confdir, overrides);
    if let Some(config) = &config {
        no_such_network(confdir, config, &mut diagnostics);
        let surroundings = Surroundings { scripts: scripts(&config.tftp.root), ..surroundings(config) };
        let found = lint::lint(config, &Files::new(&config.tftp, &config.rules), &surroundings);
        let own = package(confdir, "upxe");
        diagnostics.extend(found.into_iter().map(|diagnostic| placed(&own, diagnostic)));
    }
    let report = if json {
        let packages = mend::Packages::read(confdir);
        let mend = |diagnostic: &Diagnostic| mend::command(&packages, config.as_ref(), diagnostic);
        self::json(config.as_ref(), &diagnostics, &mend)
    } else {
        report(config.as_ref(), &diagnostics)
    };
    super::print(report.as_bytes());
    if config.is_some() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Looks at the folder of boot files and at the dnsmasq beside us.
pub(super) fn surroundings(config: &Config) -> Surroundings {
    Surroundings {
        root_trouble: root_trouble(&config.tftp.root).err().map(|error| error.to_string()),
        dnsmasq: program::first_line(c"dnsmasq --version 2>/dev/null"),
        web_port: match config.rules.web {
            // Our own uhttpd is not told from another.
            Some(Web::Own(port)) => port_owner::listener(port).filter(|owner| !owner.starts_with("uhttpd ")),
            _ => None,
        },
        scripts: Vec::new(),
    }
}

/// Templates, and what comes before the menu, of those in the folder that `upxe check` gets to.
fn scripts(root: &Path) -> Vec<Script> {
    let (mut found, mut left) = (Vec::new(), MAX_FILES);
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in folder.read_dir().into_iter().flatten().flatten().take(left) {
            left -= 1;
            let path = entry.path();
            // Links to folders may lead in a circle.
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                folders.push(path);
                continue;
            }
            let shown = path.to_string_lossy().into_owned();
            let name = path.strip_prefix(root).ok().and_then(Path::to_str).unwrap_or_default();
            let name = name.strip_suffix(template::ENDING).unwrap_or(name);
            let comes_first = name != menu::SCRIPT && IPXE_SCRIPTS.contains(&name);
            if (comes_first || shown.ends_with(template::ENDING)) && path.is_file() {
                // What can't be read is another remark's business.
                let text = read(&path, MAX_TEXT).unwrap_or_default();
                found.push(Script { path: shown, text: String::from_utf8_lossy(&text).into_owned(), comes_first });
            }
        }
    }
    found
}

/// Where `option NAME` of `config upxe` was written in our own file; line 0 if it wasn't.
pub(super) fn option_place((file, own): &(Rc<str>, Package), name: &str) -> Origin {
    let main = own.sections.iter().find(|section| section.kind == upxe::SECTION.kind);
    let line = main.and_then(|section| section.option(name)).map_or(0, Opt::line);
    Origin { file: file.clone(), line }
}

/// Gives remarks on an option, which the rules hold without its place, a file and a line.
fn placed(own: &(Rc<str>, Package), mut diagnostic: Diagnostic) -> Diagnostic {
    let mut words = diagnostic.subject.split(' ');
    if let (0, Some("option"), Some(name)) = (diagnostic.origin.line, words.next(), words.next()) {
        diagnostic.origin = option_place(own, name);
    }
    diagnostic
}

/// A name that stands for no network, which is taken for a device's, and no such device is here either.
fn no_such_network(confdir: &Path, config: &Config, diagnostics: &mut [Diagnostic]) {
    let (file, network) = package(confdir, "network");
    let names = network.sections.iter().filter(|section| section.kind == "interface" && section.name != "loopback");
    let names: Vec<&str> = names.map(|section| section.name.as_str()).collect();
    // Without any this is no router's configuration, or not yet.
    let is_new = |name: &str| !names.is_empty() && !names.contains(&name) && matches!(link::device(name), Ok(None));
    for name in config.interfaces.iter().map(|it| it.name.as_str()).filter(|name| is_new(name)) {
        let quoted = format!("'{name}'");
        let is_it = |it: &&mut Diagnostic| it.subject == NETWORKS && it.words().contains(&quoted);
        if let Some(diagnostic) = diagnostics.iter_mut().find(is_it) {
            let there = names.join(", ");
            let parts = &["no interface ", &quoted, " in ", &file, ", and no such device here; there are: ", &there];
            *diagnostic = Diagnostic::text(Severity::Warning, diagnostic.origin.clone(), NETWORKS, parts);
        }
    }
}

fn root_trouble(root: &Path) -> io::Result<()> {
    if root.metadata()?.is_dir() { root.read_dir().map(|_| ()) } else { Err(io::Error::other("not a folder")) }
}

/// One line for each diagnostic, and the summary.
pub fn report(config: Option<&Config>, diagnostics: &[Diagnostic]) -> String {
    let mut report = String::new();
    for diagnostic in diagnostics {
        report.push_str(&format!("{diagnostic}\n"));
    }
    let errors = counted(count(diagnostics, Severity::Error), "error");
    let warnings = counted(count(diagnostics, Severity::Warning), "warning");
    report.push_str(&format!("{errors}, {warnings}"));
    if let Some(config) = config {
        report.push_str(": ");
        report.push_str(&summary(config));
    }
    report.push('\n');
    report
}

/// The same as JSON, with the command that mends each.
pub fn json(
    config: Option<&Config>,
    diagnostics: &[Diagnostic],
    mend: &dyn Fn(&Diagnostic) -> Option<String>,
) -> String {
    let mut out = Printer::default();
    out.item();
    out.number("version", 1);
    out.number("errors", count(diagnostics, Severity::Error));
    out.number("warnings", count(diagnostics, Severity::Warning));
    out.text_or_null("summary", config.map(summary).as_deref());
    out.list("diagnostics");
    for diagnostic in diagnostics {
        out.item();
        out.text("severity", diagnostic.severity.name());
        out.text("file", &diagnostic.origin.file);
        out.number("line", usize::try_from(diagnostic.origin.line).unwrap_or_default());
        out.text("message", &diagnostic.words());
        out.text_or_null("mend", mend(diagnostic).as_deref());
        out.end();
    }
    out.end_list();
    out.end();
    out.line()
}

fn count(diagnostics: &[Diagnostic], severity: Severity) -> usize {
    diagnostics.iter().filter(|diagnostic| diagnostic.severity == severity).count()
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
            summary.push_str(&format!(" ({})", interface.device));
        }
    }
    if config.tftp.enabled {
        summary.push_str(&format!("; TFTP from {}", config.tftp.root.display()));
    } else {
        summary.push_str("; no TFTP");
    }
    let (boots, entries) = (config.rules.boots.len(), config.rules.menu.entries.len());
    if boots > 0 || entries == 0 {
        summary.push_str(&format!("; {}", counted(boots, "boot line")));
    }
    if entries > 0 {
        let entries = if entries == 1 { "1 entry".to_owned() } else { format!("{entries} entries") };
        summary.push_str(&format!("; a menu of {entries}"));
    }
    summary
}

/// `1 error`, `2 errors`.
fn counted(count: usize, thing: &str) -> String {
    let ending = if count == 1 { "" } else { "s" };
    format!("{count} {thing}{ending}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::json::Raw;

    #[test]
    fn programs_are_told_the_same() {
        let at = |line| Origin { file: "/etc/config/upxe".into(), line };
        let diagnostics = [
            Diagnostic::found(Severity::Error, at(7), "option a", "'\u{1b}\"'".to_owned(), "a number"),
            Diagnostic::text(Severity::Warning, at(0), "", &["say ", "more"]),
            Diagnostic::text(Severity::Note, at(2), "b", &["c"]),
        ];
        let text = json(None, &diagnostics, &|it| it.is_error().then(|| "vi".to_owned()));
        let value = Raw(&text);
        assert_eq!(["version", "errors", "warnings"].map(|name| value.number_of(name)), [Some(1); 3]);
        assert_eq!(value.get("summary").map(|summary| summary.0), Some("null"));
        let list = value.get("diagnostics").unwrap().items().map(|item| {
            let text = |name| item.text_of(name).unwrap();
            format!("{} {} {:?} {}", text("severity"), text("file"), item.number_of("line"), text("message"))
        });
        let mends = value.get("diagnostics").unwrap().items().map(|item| item.text_of("mend"));
        assert_eq!(mends.collect::<Vec<_>>(), [Some("vi".into()), None, None]);
        let expected = [
            "error /etc/config/upxe Some(7) option a: found '\u{1b}\"', expected a number",
            "warning /etc/config/upxe Some(0) say more",
            "note /etc/config/upxe Some(2) b: c",
        ];
        assert_eq!(list.collect::<Vec<_>>(), expected);
    }
}
