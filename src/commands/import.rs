//! `upxe import`: dnsmasq.conf lines as sections of `/etc/config/upxe`, in OpenWrt's words. Each line is read by the parser that
//! the service uses, and written section by section. What the reader of sections does not read back as the line's own rule stays
//! a comment: empty items, names with commas in them, and whatever else UCI or a section takes otherwise.

use std::path::Path;
use std::process::ExitCode;
use std::rc::Rc;

use super::complain;
use crate::config::diagnostic::{Diagnostic, Severity, quoted};
use crate::config::dnsmasq::words::{Line, Words};
use crate::config::dnsmasq::{Collected, MAX_LINE, Outcome, is_lease_time, keywords};
use crate::config::files::read;
use crate::config::hosts::Hosts;
use crate::config::rules::{DhcpOption, Origin, Place, Range, Rules};
use crate::config::spelling::nearest;
use crate::config::{sections, uci};

/// Imports the file's lines: sections on standard output, remarks on standard error; fails if a line is wrong, or none is about
/// booting.
#[inline(never)]
pub fn run(path: &Path) -> ExitCode {
    let name = path.to_string_lossy();
    let text = match read(path, uci::MAX_FILE + 1) {
        Ok(text) if text.len() <= uci::MAX_FILE => text,
        Ok(_) => {
            complain(format_args!("{name}: larger than upxe reads (1 MiB)"));
            return ExitCode::FAILURE;
        }
        Err(error) => {
            complain(format_args!("{name}: {error}"));
            return ExitCode::FAILURE;
        }
    };
    let hosts = read(Path::new("/etc/hosts"), uci::MAX_FILE).unwrap_or_default();
    let imported = import(&name, &text, &Hosts { text: &hosts, sections: &[] });
    super::print(imported.uci.as_bytes());
    for remark in &imported.remarks {
        complain(format_args!("{remark}"));
    }
    if imported.uci.is_empty() && imported.remarks.is_empty() {
        complain(format_args!(
            "{name}: no line of dnsmasq.conf about booting; UCI sections need no import: they go into /etc/config/upxe"
        ));
        return ExitCode::FAILURE;
    }
    if imported.remarks.iter().any(Diagnostic::is_error) { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// What became of a file's lines.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Imported {
    /// The text for `/etc/config/upxe`.
    pub uci: String,
    /// What could not be said there.
    pub remarks: Vec<Diagnostic>,
}

/// Translates lines; names of servers are looked up in `hosts` to see that they can be had.
pub fn import(name: &str, text: &[u8], hosts: &Hosts<'_>) -> Imported {
    let file: Rc<str> = name.into();
    let mut import = Import::default();
    for (number, bytes) in (1..).zip(text.split(|&byte| byte == b'\n')) {
        let origin = Origin { file: file.clone(), line: number };
        match Line::read(bytes) {
            Some(line) if line.words().is_empty() => {}
            Some(line) => import.line(&line, bytes.len() > MAX_LINE, &origin, hosts),
            None => import.remark(Severity::Error, &origin, "", &["a quote is not closed; the line is left out"]),
        }
    }
    import.finish()
}

#[derive(Default)]
struct Import {
    /// Options of `config upxe 'main'`, each once: of several lines the last one counts.
    options: Vec<(&'static str, String)>,
    /// Lists there.
    lists: String,
    /// The other sections.
    sections: String,
    /// What options are set so far, by which of [`OPTION_LINES`].
    placed: Vec<(usize, Place)>,
    remarks: Vec<Diagnostic>,
}

impl Import {
    fn line(&mut self, line: &Line, too_long: bool, origin: &Origin, hosts: &Hosts<'_>) {
        let keyword = line.words().assignment().0.text().unwrap_or_default();
        let mut collected = Collected::default();
        match collected.line(line, origin, hosts) {
            Err(wrong) => {
                let expected = format!("{}; the line is left out", wrong.expected);
                let found = quoted(&wrong.found.bytes());
                self.remarks.push(Diagnostic::found(Severity::Error, origin.clone(), &keyword, found, &expected));
            }
            Ok(Outcome::NotHonoured(why)) => self.left_out(line, origin, &keyword, why),
            Ok(Outcome::NotOurs) if NAMES_FILES.contains(&keyword.as_str()) => {
                self.left_out(line, origin, &keyword, "import what it names on its own");
            }
            Ok(Outcome::NotOurs) if keyword == "interface" => {
                self.left_out(
                    line,
                    origin,
                    &keyword,
                    "option interface of config upxe 'main' names the networks to serve",
                );
            }
            // No word of dnsmasq's own is that near to one of these.
            Ok(Outcome::NotOurs) => {
                if let Some(near) = nearest(&keyword, keywords()) {
                    let why = format!("unknown to dnsmasq, too; did you mean {near}?");
                    self.left_out(line, origin, &keyword, &why);
                }
            }
            Ok(Outcome::Taken) if too_long => {
                self.left_out(line, origin, &keyword, "dnsmasq reads no line of more than 1024 bytes as one");
            }
            // One for DHCPv6.
            Ok(Outcome::Taken) if collected.is_nothing() => {}
            // A range without tags changes nothing for clients.
            Ok(Outcome::Taken) if keyword == "dhcp-range" && collected.rules.ranges.last().is_some_and(is_plain) => {}
            Ok(Outcome::Taken) => {
                if self.taken(line, &collected.rules, origin, hosts).is_none() {
                    let why = "no section says this; keep the line in a file of dnsmasq.conf lines (--conf-file)";
                    self.left_out(line, origin, &keyword, why);
                }
            }
        }
    }

    /// Writes the section or option for a line that came to `rules`; `None` when there is none.
    fn taken(&mut self, line: &Line, rules: &Rules, origin: &Origin, hosts: &Hosts<'_>) -> Option<()> {
        let (keyword, value) = line.words().assignment();
        let (keyword, value) = (&*keyword.text()?, value.unwrap_or_default());
        let option = match keyword {
            "dhcp-no-override" => Some(("no_override", "1".to_owned())),
            "enable-tftp" => Some(("tftp", "1".to_owned())),
            "tftp-single-port" => Some(("tftp_single_port", "1".to_owned())),
            "tftp-root" => Some(("tftp_root", value.text()?)),
            "tftp-max" => Some(("tftp_max", value.number()?.clamp(1, 1024).to_string())),
            _ => None,
        };
        let list = match keyword {
            "pxe-service" => Some("pxe_service"),
            "pxe-prompt" => Some("pxe_prompt"),
            "dhcp-option" => Some("dhcp_option"),
            "dhcp-option-force" => Some("dhcp_option_force"),
            _ if NO_SECTION.contains(&keyword) => Some("line"),
            _ => None,
        };
        let mut text = String::new();
        match (&option, list) {
            (Some((name, value)), _) => push(&mut text, "option", name, value),
            (None, Some("line")) => push(&mut text, "list", "line", &line.words().written()),
            (None, Some(name)) => push(&mut text, "list", name, &value.written()),
            (None, None) => text = section(keyword, value)?,
        }
        let whole = [if option.is_some() || list.is_some() { "config upxe\n" } else { "" }, &text].concat();
        if !is_same(rules, &sections::read_alone(&whole, origin, hosts)?) {
            return None;
        }
        if let Some((name, text)) = option {
            match self.options.iter_mut().find(|(other, _)| *other == name) {
                Some((_, before)) => *before = text,
                None => self.options.push((name, text)),
            }
            return Some(());
        }
        if list.is_some() { &mut self.lists } else { &mut self.sections }.push_str(&text);
        let Some(rank) = OPTION_LINES.iter().position(|kind| *kind == keyword) else { return Some(()) };
        for DhcpOption { place, .. } in &rules.options {
            let mut before = self.placed.iter().filter(|(_, other)| other == place).map(|(rank, _)| *rank);
            if let Some(kind) = before.find(|before| rank < *before).and_then(|before| OPTION_LINES.get(before)) {
                let parts = &["comes before the ", kind, " lines for this option now, which win if both hold"];
                self.remark(Severity::Warning, origin, keyword, parts);
            }
            self.placed.push((rank, place.clone()));
        }
        Some(())
    }

    fn left_out(&mut self, line: &Line, origin: &Origin, keyword: &str, why: &str) {
        self.sections.push_str(&format!("\n# {}\n", line.words().written()));
        self.remark(Severity::Warning, origin, keyword, &["left as a comment: ", why]);
    }

    fn remark(&mut self, severity: Severity, origin: &Origin, subject: &str, parts: &[&str]) {
        self.remarks.push(Diagnostic::text(severity, origin.clone(), subject, parts));
    }

    fn finish(self) -> Imported {
        let mut main = String::new();
        for (name, text) in &self.options {
            push(&mut main, "option", name, text);
        }
        main.push_str(&self.lists);
        let head = if main.is_empty() { "" } else { "config upxe 'main'\n" };
        let uci = [head, &main, &self.sections].concat();
        Imported { uci: uci.trim_start_matches('\n').to_owned(), remarks: self.remarks }
    }
}

/// Lines about options in the order in which the lists that they become are read, whatever the file's.
const OPTION_LINES: [&str; 3] = ["dhcp-option", "dhcp-option-force", "dhcp-option-pxe"];

/// Lines that no section says in words of its own.
const NO_SECTION: [&str; 7] = [
    "dhcp-ignore",
    "dhcp-ignore-clid",
    "dhcp-name-match",
    "dhcp-option-pxe",
    "dhcp-pxe-vendor",
    "dhcp-range",
    "tag-if",
];

/// Lines that name files of more lines.
const NAMES_FILES: [&str; 6] =
    ["conf-file", "conf-dir", "dhcp-hostsfile", "dhcp-hostsdir", "dhcp-optsfile", "dhcp-optsdir"];

/// The section for a line's value; `None` when there is none.
fn section(keyword: &str, value: Words<'_>) -> Option<String> {
    let (kind, option) = match keyword {
        "dhcp-boot" => return boot(value),
        "dhcp-host" => return host(value),
        "dhcp-match" => ("match", "match"),
        "dhcp-vendorclass" => ("vendorclass", "vendorclass"),
        "dhcp-userclass" => ("userclass", "userclass"),
        "dhcp-mac" => ("mac", "mac"),
        "dhcp-circuitid" => ("circuitid", "circuitid"),
        "dhcp-remoteid" => ("remoteid", "remoteid"),
        "dhcp-subscrid" => ("subscrid", "subscriberid"),
        _ => return None,
    };
    let (tag, rest) = value.split();
    let prefixed = ["set:", "tag:", "net:"].iter().find_map(|prefix| tag.strip_prefix(prefix));
    let mut section = format!("\nconfig {kind}\n");
    push(&mut section, "option", "networkid", &prefixed.unwrap_or(tag).written());
    push(&mut section, "option", option, &rest?.written());
    Some(section)
}

fn boot(value: Words<'_>) -> Option<String> {
    let mut tags = Vec::new();
    let mut rest = value;
    loop {
        let (part, behind) = rest.split();
        let Some(test) = part.strip_prefix("tag:").or_else(|| part.strip_prefix("net:")) else { break };
        tags.push(test_name(test)?);
        rest = behind?;
    }
    let (file, rest) = rest.split();
    let (name, address) = rest.unwrap_or_default().split();
    let mut section = String::from("\nconfig boot\n");
    let parts = [("filename", file), ("servername", name), ("serveraddress", address.unwrap_or_default())];
    for (option, words) in parts {
        let text = words.text()?;
        if !text.is_empty() {
            push(&mut section, "option", option, &text);
        }
    }
    if !tags.is_empty() {
        push(&mut section, "option", "networkid", &tags.join(","));
    }
    Some(section)
}

fn host(value: Words<'_>) -> Option<String> {
    let mut section = String::from("\nconfig host\n");
    for part in value.parts().filter(|part| !part.is_empty()) {
        let text = part.text()?;
        if let Some(tag) = part.strip_prefix("set:").or_else(|| part.strip_prefix("net:")) {
            push(&mut section, "list", "tag", &tag.text()?);
        } else if let Some(test) = part.strip_prefix("tag:") {
            push(&mut section, "list", "match_tag", &test_name(test)?);
        } else if part.contains(b':') {
            push(&mut section, "list", "mac", &text);
        } else if part.is("ignore") || text.parse::<std::net::Ipv4Addr>().is_ok() {
            push(&mut section, "option", "ip", &text);
        } else if !is_lease_time(part) {
            push(&mut section, "option", "name", &text);
        }
    }
    Some(section)
}

/// A tag that is tested, with `!` before it if negated.
fn test_name(test: Words<'_>) -> Option<String> {
    let negated = test.strip_prefix("!").or_else(|| test.strip_prefix("#"));
    Some([if negated.is_some() { "!" } else { "" }, &negated.unwrap_or(test).text()?].concat())
}

/// True when the rules that sections can say are the same.
fn is_same(one: &Rules, other: &Rules) -> bool {
    one.taggers == other.taggers
        && one.hosts == other.hosts
        && one.boots == other.boots
        && one.services == other.services
        && one.options == other.options
        && one.tag_ifs == other.tag_ifs
        && one.ignores == other.ignores
        && one.ranges == other.ranges
        && one.pxe_vendors == other.pxe_vendors
        && one.ignore_client_ids == other.ignore_client_ids
}

fn is_plain(range: &Range) -> bool {
    range.when.is_empty() && range.set.is_none()
}

/// Appends an option as `uci export` writes it.
fn push(section: &mut String, word: &str, name: &str, value: &str) {
    section.push_str(&format!("\t{word} {name} '{}'\n", value.replace('\'', "'\\''")));
}
