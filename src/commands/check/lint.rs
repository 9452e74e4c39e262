//! What people get wrong although every line can be read: rules that never win, tags that nobody sets, files that aren't
//! there, loops. Pure: the configuration, the files and the surroundings in, diagnostics out.

pub mod boot;
mod clients;
mod menu;
mod tags;
#[cfg(test)]
mod tests;

use std::fmt;
use std::path::Path;

use crate::config::diagnostic::Mend;
use crate::config::menu::Kind;
use crate::config::rules::{DhcpOption, OptionValue, Origin, Place, Rules, Service, TagTest, VendorClass, Web};
use crate::config::{Config, Diagnostic, Severity};
use crate::proxy::BootFiles;
use crate::proxy::options::BOOT_FILE;
use crate::proxy::select::{file_of, is_url};
use crate::proxy::vendor;

/// What can't be read off the configuration.
#[derive(Debug, Clone, Default)]
pub struct Surroundings {
    /// What is wrong with the TFTP root.
    pub root_trouble: Option<String>,
    /// What `dnsmasq --version` says first.
    pub dnsmasq: Option<String>,
    /// Who listens on the port that is meant for uhttpd, if it is another.
    pub web_port: Option<String>,
    /// Scripts under the TFTP root that upxe fills in, or that come before its menu.
    pub scripts: Vec<Script>,
}

/// A script under the TFTP root.
#[derive(Debug, Clone, Default)]
pub struct Script {
    /// Where it is.
    pub path: String,
    /// What it says.
    pub text: String,
    /// iPXE gets it without being told by any rule.
    pub comes_first: bool,
}

/// Everything there is to remark about a configuration that can be used.
pub fn lint(config: &Config, files: &dyn BootFiles, surroundings: &Surroundings) -> Vec<Diagnostic> {
    let mut out = Remarks { out: lint_rules(config, files), mend: Mend::Edit };
    if let Some(trouble) = &surroundings.root_trouble {
        let origin = Origin { file: config.tftp.root.to_string_lossy().into(), line: 0 };
        let what = format_args!("{trouble}; no file can be offered until it is there (option tftp_root names it)");
        out.warn(&origin, "TFTP root", what);
    }
    // Without the root they are what it has to hold.
    boot::missing(&config.rules, files, &mut out);
    menu::missing(&config.rules, files, &mut out);
    menu::scripts(&config.rules, &surroundings.scripts, &mut out);
    web(config, surroundings, &mut out);
    out.out.extend(lint_dnsmasq(&config.rules, surroundings));
    out.out
}

/// What is odd about the rules themselves, whether their files are there or not.
pub fn lint_rules(config: &Config, files: &dyn BootFiles) -> Vec<Diagnostic> {
    let mut out = Remarks { out: Vec::new(), mend: Mend::Edit };
    let rules = &config.rules;
    tags::unset(config, &mut out);
    tags::never(rules, &mut out);
    boot::overwritten(rules, files, &mut out);
    boot::options_overwritten(rules, &mut out);
    boot::too_long(rules, &mut out);
    clients::architectures(rules, &mut out);
    clients::loops(config, files, &mut out);
    menu::odd(&rules.menu, &mut out);
    out.out
}

/// The router's own web server: what keeps it from its port, and what it does otherwise than TFTP.
fn web(config: &Config, surroundings: &Surroundings, out: &mut Remarks) {
    images(&config.rules, out);
    let Some(Web::Own(port)) = config.rules.web else { return };
    let origin = Origin { file: "upxe".into(), line: 0 };
    if let Some(owner) = &surroundings.web_port {
        let what = format_args!(
            "TCP port {port} is held by {owner}; uhttpd cannot serve there: stop that, or name another port (option \
             http_port)"
        );
        out.warn(&origin, "option http", what);
    }
    if !config.tftp.allow.is_empty() {
        let what = format_args!(
            "uhttpd follows no link that leads out of the TFTP root, not even to tftp_allow: a script that names what is \
             behind one fails; copy those files into the root, or give their tftp:// URLs"
        );
        out.warn(&origin, "option http", what);
    }
}

/// Images that iPXE can't have from this router.
fn images(rules: &Rules, out: &mut Remarks) {
    let why = match rules.web {
        Some(Web::At(_)) => return,
        Some(Web::Own(_)) => {
            "iPXE reads an image in parts, and uhttpd sends whole files only: give the image's URL on another web server, or \
             name that by option http_base instead of http"
        }
        None => {
            "iPXE reads images by HTTP only, so its menu leaves this out: give the image's URL on a web server, or name that \
             by option http_base"
        }
    };
    for entry in &rules.menu.entries {
        if matches!(&entry.kind, Kind::Iso(image) if !is_url(image)) {
            out.warn(&entry.origin, &format!("entry '{}'", entry.name), format_args!("{why}"));
        }
    }
}

/// What the dnsmasq beside us does about booting itself.
pub fn lint_dnsmasq(rules: &Rules, surroundings: &Surroundings) -> Vec<Diagnostic> {
    let mut out = Remarks { out: Vec::new(), mend: Mend::Edit };
    dnsmasqs_own(rules, &mut out);
    broken_dnsmasq(rules, surroundings, &mut out);
    out.out
}

/// Diagnostics on their way.
struct Remarks {
    out: Vec<Diagnostic>,
    /// Of the next one.
    mend: Mend,
}

impl Remarks {
    /// Says what a command can do about what is remarked on next.
    fn mend(&mut self, mend: Mend) -> &mut Self {
        self.mend = mend;
        self
    }

    fn warn(&mut self, origin: &Origin, subject: &str, what: fmt::Arguments<'_>) {
        self.say(Severity::Warning, origin, subject, what);
    }

    fn note(&mut self, origin: &Origin, subject: &str, what: fmt::Arguments<'_>) {
        self.say(Severity::Note, origin, subject, what);
    }

    fn say(&mut self, severity: Severity, origin: &Origin, subject: &str, what: fmt::Arguments<'_>) {
        let mut diagnostic = Diagnostic::text(severity, origin.clone(), subject, &[&what.to_string()]);
        diagnostic.mend = std::mem::take(&mut self.mend);
        if !self.out.contains(&diagnostic) {
            self.out.push(diagnostic);
        }
    }
}

/// How a rule that boots `file` is called.
fn named(file: &str) -> String {
    if file.is_empty() { "boot rule".to_owned() } else { ["boot file '", file, "'"].concat() }
}

/// True when every client for which `narrow` holds meets `wide` as well.
fn follows(narrow: &[TagTest], wide: &[TagTest]) -> bool {
    wide.iter().all(|test| narrow.contains(test))
}

/// The text of `dhcp-option=67,…`.
fn option_text(option: &DhcpOption) -> Option<&str> {
    match (&option.place, &option.value) {
        (Place::Plain(BOOT_FILE), OptionValue::Text(bytes) | OptionValue::Bytes(bytes)) => str::from_utf8(bytes).ok(),
        _ => None,
    }
}

/// True for a line of `/etc/config/dhcp`.
fn is_uci(origin: &Origin) -> bool {
    Path::new(&*origin.file).file_name().is_some_and(|name| name == "dhcp")
}

/// True for a line of a file that dnsmasq reads itself.
fn is_dnsmasqs(origin: &Origin) -> bool {
    is_uci(origin)
        || ["/etc/dnsmasq", "/tmp/dnsmasq", "/var/etc/dnsmasq"].iter().any(|start| origin.file.starts_with(start))
}

/// dnsmasq sends what stands in its own configuration as well, to every client (what clients make of two answers:
/// README, "How a machine boots").
fn dnsmasqs_own(rules: &Rules, out: &mut Remarks) {
    let differs = rules.script.is_some()
        || rules.boots.iter().any(|boot| !is_dnsmasqs(&boot.origin))
        || rules.services.iter().any(|service| !is_dnsmasqs(&service.origin));
    for boot in rules.boots.iter().filter(|boot| is_dnsmasqs(&boot.origin)) {
        if differs {
            let how = if is_uci(&boot.origin) { "a config boot section" } else { "'upxe import' writes it" };
            let what = format_args!(
                "dnsmasq offers this itself, beside what upxe offers by its own rules, and some firmware takes dnsmasq's; \
                 move the rule to /etc/config/upxe ({how})"
            );
            out.warn(&boot.origin, &named(&boot.file), what);
        } else {
            out.note(&boot.origin, &named(&boot.file), format_args!("dnsmasq offers this itself too, to every client"));
        }
    }
    let services = rules.services.iter().map(|service| (&service.origin, "pxe-service"));
    // dnsmasq opens that port for a prompt alone, too (option.c `enable_pxe`).
    let is_prompt = |option: &&DhcpOption| matches!(option.place, Place::Vendor { class: VendorClass::Pxe, code } if vendor::is_prompt(code));
    let prompts = rules.options.iter().filter(is_prompt).map(|option| (&option.origin, "pxe-prompt"));
    for (origin, subject) in services.chain(prompts).filter(|(origin, _)| is_dnsmasqs(origin)) {
        let how = if is_uci(origin) { "config upxe 'main'" } else { "'upxe import' writes it" };
        let what = format_args!(
            "dnsmasq answers on port 4011 itself because of this line, and then upxe cannot; move it to /etc/config/upxe \
             ({how})"
        );
        out.warn(origin, subject, what);
    }
}

/// dnsmasq 2.92 sends what it answers on port 4011 to 255.255.255.255:68 (a lost `else` in `dhcp_packet`; mended in 2.93).
fn broken_dnsmasq(rules: &Rules, surroundings: &Surroundings, out: &mut Remarks) {
    let is_broken =
        |line: &str| line.split_ascii_whitespace().any(|word| word.starts_with("2.92") && !word.starts_with("2.92."));
    if !surroundings.dnsmasq.as_deref().is_some_and(is_broken) {
        return;
    }
    let services = rules.services.iter().map(|service| &service.origin);
    let proxies = rules.ranges.iter().filter(|range| range.proxy).map(|range| &range.origin);
    if let Some(origin) = services.chain(proxies).find(|origin| is_dnsmasqs(origin)) {
        let what = format_args!(
            "this dnsmasq is 2.92, whose answers on port 4011 do not reach the client; let upxe answer (take the \
             pxe-service lines and the proxy range out of dnsmasq's configuration), or install dnsmasq 2.93"
        );
        out.warn(origin, "dnsmasq", what);
    }
}

/// Menu entries that name a file, each with the file.
fn service_files(rules: &Rules) -> Vec<(&Service, String)> {
    rules.services.iter().filter_map(|service| Some((service, file_of(service)?))).collect()
}
