//! `upxe import`: dnsmasq.conf lines as sections of `/etc/config/upxe`, in OpenWrt's words. Each line is read by the parser that
//! the service uses, and written section by section; what no section can say stays a comment.

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;
use std::rc::Rc;

use crate::config::diagnostic::{Diagnostic, Severity, quoted};
use crate::config::dnsmasq::words::{Line, Words};
use crate::config::dnsmasq::{Collected, Outcome};
use crate::config::files::read;
use crate::config::hosts::Hosts;
use crate::config::rules::{Origin, Range};
use crate::config::uci;

/// Imports the file's lines: sections on standard output, remarks on standard error; fails if a line is wrong, or none is about
/// booting.
pub fn run(path: &Path) -> ExitCode {
    let name = path.to_string_lossy();
    let (text, hosts) = match read(path, uci::MAX_FILE + 1) {
        Ok(text) if text.len() <= uci::MAX_FILE => {
            (text, read(Path::new("/etc/hosts"), uci::MAX_FILE).unwrap_or_default())
        }
        Ok(_) => return complain(&[&name, ": larger than upxe reads (1 MiB)"]),
        Err(error) => return complain(&[&name, ": ", &error.to_string()]),
    };
    let imported = import(&name, &text, &Hosts { text: &hosts, sections: &[] });
    // Nobody is left to be told when standard output is closed.
    let _ = io::stdout().lock().write_all(imported.uci.as_bytes());
    for remark in &imported.remarks {
        complain(&[&remark.to_string()]);
    }
    if imported.uci.is_empty() && imported.remarks.is_empty() {
        let hint =
            ": no line of dnsmasq.conf about booting; UCI sections need no import: they go into /etc/config/upxe";
        return complain(&[&name, hint]);
    }
    if imported.remarks.iter().any(Diagnostic::is_error) { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn complain(parts: &[&str]) -> ExitCode {
    let _ = io::stderr().lock().write_all([&parts.concat(), "\n"].concat().as_bytes());
    ExitCode::FAILURE
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
            Some(line) => import.line(&line, &origin, hosts),
            None => import.remark(Severity::Error, &origin, "", &["a quote is not closed; the line is left out"]),
        }
    }
    import.finish()
}

#[derive(Default)]
struct Import {
    /// Options of `config upxe 'main'`.
    main: String,
    /// The other sections.
    sections: String,
    /// Codes of `dhcp-option-force` lines so far: lines of the two kinds change places.
    forced: Vec<String>,
    remarks: Vec<Diagnostic>,
}

impl Import {
    fn line(&mut self, line: &Line, origin: &Origin, hosts: &Hosts<'_>) {
        let (keyword, value) = line.words().assignment();
        let keyword = keyword.text().unwrap_or_default();
        let mut collected = Collected::default();
        match collected.line(line, origin, hosts) {
            Err(wrong) => {
                let expected = [wrong.expected, "; the line is left out"].concat();
                let found = quoted(&wrong.found);
                self.remarks.push(Diagnostic::found(Severity::Error, origin.clone(), &keyword, found, &expected));
            }
            Ok(Outcome::NotHonoured(why)) => self.left_out(line, origin, &keyword, why),
            Ok(Outcome::NotOurs)
                if matches!(keyword.as_str(), "conf-file" | "conf-dir" | "dhcp-hostsfile" | "dhcp-optsfile") =>
            {
                self.left_out(line, origin, &keyword, "import what it names on its own");
            }
            Ok(Outcome::NotOurs) => {}
            // One for DHCPv6.
            Ok(Outcome::Taken) if collected.is_nothing() => {}
            // A range without tags changes nothing for clients.
            Ok(Outcome::Taken) if keyword == "dhcp-range" && collected.rules.ranges.last().is_some_and(is_plain) => {}
            Ok(Outcome::Taken) => {
                if self.section(&keyword, value.unwrap_or_default(), origin).is_none() {
                    let why = "no section says this; keep the line in a file of dnsmasq.conf lines (--conf-file)";
                    self.left_out(line, origin, &keyword, why);
                }
            }
        }
    }

    /// Writes the section or option for a line; `None` when there is none.
    fn section(&mut self, keyword: &str, value: Words<'_>, origin: &Origin) -> Option<()> {
        // Options of DHCP may have any bytes, and what is printed is text.
        String::from_utf8(value.bytes()).ok()?;
        match keyword {
            "dhcp-boot" => self.boot(value)?,
            "dhcp-host" => self.host(value)?,
            "dhcp-match" => self.tagging("match", "match", value)?,
            "dhcp-vendorclass" => self.tagging("vendorclass", "vendorclass", value)?,
            "dhcp-userclass" => self.tagging("userclass", "userclass", value)?,
            "dhcp-mac" => self.tagging("mac", "mac", value)?,
            "dhcp-circuitid" => self.tagging("circuitid", "circuitid", value)?,
            "dhcp-remoteid" => self.tagging("remoteid", "remoteid", value)?,
            "dhcp-subscrid" => self.tagging("subscrid", "subscriberid", value)?,
            "pxe-service" => push(&mut self.main, "list", "pxe_service", &value.written()),
            // An empty item of a list is none (UCI), an empty prompt is one.
            "pxe-prompt" if value.is_empty() => return None,
            "pxe-prompt" => push(&mut self.main, "list", "pxe_prompt", &value.written()),
            "dhcp-option" => {
                let code = code_of(value);
                if self.forced.contains(&code) {
                    let parts =
                        &["comes before the dhcp-option-force lines for ", &code, " now, which win if both hold"];
                    self.remark(Severity::Warning, origin, keyword, parts);
                }
                push(&mut self.main, "list", "dhcp_option", &value.written());
            }
            "dhcp-option-force" => {
                self.forced.push(code_of(value));
                push(&mut self.main, "list", "dhcp_option_force", &value.written());
            }
            "dhcp-no-override" => push(&mut self.main, "option", "no_override", "1"),
            "enable-tftp" => push(&mut self.main, "option", "tftp", "1"),
            "tftp-root" => push(&mut self.main, "option", "tftp_root", &value.text()?),
            "tftp-max" => push(&mut self.main, "option", "tftp_max", &value.number()?.clamp(1, 1024).to_string()),
            _ => return None,
        }
        Some(())
    }

    fn boot(&mut self, value: Words<'_>) -> Option<()> {
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
        let mut any = false;
        let parts = [("filename", file), ("servername", name), ("serveraddress", address.unwrap_or_default())];
        for (option, words) in parts {
            let text = words.text()?;
            if !text.is_empty() {
                push(&mut section, "option", option, &text);
                any = true;
            }
        }
        if !tags.is_empty() {
            push(&mut section, "option", "networkid", &tags.join(","));
        }
        if any {
            self.sections.push_str(&section);
        }
        any.then_some(())
    }

    fn tagging(&mut self, kind: &str, option: &str, value: Words<'_>) -> Option<()> {
        let (tag, rest) = value.split();
        let prefixed = ["set:", "tag:", "net:"].iter().find_map(|prefix| tag.strip_prefix(prefix));
        // An empty option is none (UCI).
        let value = Some(rest?.written()).filter(|value| !value.is_empty())?;
        self.sections.push_str(&["\nconfig ", kind, "\n"].concat());
        push(&mut self.sections, "option", "networkid", &prefixed.unwrap_or(tag).written());
        push(&mut self.sections, "option", option, &value);
        Some(())
    }

    fn host(&mut self, value: Words<'_>) -> Option<()> {
        let mut section = String::from("\nconfig host\n");
        for part in value.parts().filter(|part| !part.is_empty()) {
            let text = part.text()?;
            if text.contains(' ') {
                return None;
            }
            let is_id = text.get(..3).is_some_and(|start| start.eq_ignore_ascii_case("id:"));
            if let Some(tag) = part.strip_prefix("set:").or_else(|| part.strip_prefix("net:")) {
                push(&mut section, "list", "tag", &tag.text()?);
            } else if let Some(test) = part.strip_prefix("tag:") {
                push(&mut section, "list", "match_tag", &test_name(test)?);
            } else if is_id {
                return None;
            } else if part.contains(b':') {
                push(&mut section, "list", "mac", &text);
            } else if part.is("ignore") || text.parse::<std::net::Ipv4Addr>().is_ok() {
                push(&mut section, "option", "ip", &text);
            } else if !is_lease_time(&text) {
                push(&mut section, "option", "name", &text);
            }
        }
        // The init script passes over a section that names no machine.
        let names_one = ["\tlist mac ", "\toption name "].iter().any(|option| section.contains(option));
        names_one.then(|| self.sections.push_str(&section))
    }

    fn left_out(&mut self, line: &Line, origin: &Origin, keyword: &str, why: &str) {
        self.sections.push_str(&["\n# ", &line.words().written(), "\n"].concat());
        self.remark(Severity::Warning, origin, keyword, &["left as a comment: ", why]);
    }

    fn remark(&mut self, severity: Severity, origin: &Origin, subject: &str, parts: &[&str]) {
        self.remarks.push(Diagnostic::text(severity, origin.clone(), subject, parts));
    }

    fn finish(self) -> Imported {
        let main = if self.main.is_empty() { String::new() } else { ["config upxe 'main'\n", &self.main].concat() };
        let uci = [&main, &self.sections].into_iter().map(String::as_str).collect::<String>();
        Imported { uci: uci.trim_start_matches('\n').to_owned(), remarks: self.remarks }
    }
}

/// A tag that is tested, with `!` before it if negated; `None` if it can't stand in a list of tags.
fn test_name(test: Words<'_>) -> Option<String> {
    let negated = test.strip_prefix("!").or_else(|| test.strip_prefix("#"));
    let name = negated.unwrap_or(test).text()?;
    let fits = !name.is_empty() && !name.contains([',', ' ']);
    fits.then(|| [if negated.is_some() { "!" } else { "" }, &name].concat())
}

fn is_plain(range: &Range) -> bool {
    range.when.is_empty() && range.set.is_none()
}

/// The option's number or name in `tag:x,encap:175,8,1b`, with what holds it.
fn code_of(value: Words<'_>) -> String {
    let is_code = |part: &Words<'_>| part.strip_prefix("option:").is_some() || part.number().is_some();
    value.parts().find(is_code).and_then(Words::text).unwrap_or_default()
}

/// dnsmasq's `infinite`, `3600`, `2h`.
fn is_lease_time(text: &str) -> bool {
    let digits = text.strip_suffix(['w', 'W', 'd', 'D', 'h', 'H', 'm', 'M', 's', 'S']).filter(|rest| !rest.is_empty());
    text == "infinite" || digits.unwrap_or(text).bytes().all(|byte| byte.is_ascii_digit())
}

/// Appends an option as `uci export` writes it.
fn push(section: &mut String, word: &str, name: &str, value: &str) {
    section.push_str(&["\t", word, " ", name, " '", &value.replace('\'', "'\\''"), "'\n"].concat());
}
