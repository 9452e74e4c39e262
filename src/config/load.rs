//! The texts of `/etc/config` → one checked [`Config`], and everything there is to say about them. Reads no files.

use std::rc::Rc;

use super::boot::{self, Home, parse_line};
use super::diagnostic::{Diagnostic, Severity, quoted};
use super::hosts::Hosts;
use super::network::{Meaning, is_device_name, resolve};
use super::options::{self, dnsmasq, nearest, upxe};
use super::section::{self, Reader};
use super::uci::{self, Package, Section, Value};
use super::{Boot, Config, Interface, Origin, Rules, Tftp};

/// Networks served at once; each has a socket, and no router has more.
pub const MAX_INTERFACES: usize = 32;
/// Diagnostics that are kept, errors first.
pub const MAX_DIAGNOSTICS: usize = 200;

/// The files that a configuration is made of.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// `/etc/config/upxe`.
    pub upxe: Source,
    /// `/etc/config/dhcp`.
    pub dhcp: Source,
    /// `/etc/config/network`.
    pub network: Source,
    /// `/etc/hosts`.
    pub hosts: Source,
}

/// One file.
#[derive(Debug, Clone, Default)]
pub struct Source {
    /// Its path, for diagnostics.
    pub name: Rc<str>,
    /// Its contents; `None` when it does not exist.
    pub text: Option<Vec<u8>>,
}

/// What the command line says, which beats the files.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    /// `-i`, each: a logical interface or a device; any at all replace the configured ones.
    pub interfaces: Vec<String>,
    /// `--tftp-root`.
    pub tftp_root: Option<String>,
}

/// The name under which diagnostics of [`Overrides`] appear.
pub const COMMAND_LINE: &str = "command line";

/// Reads everything, and says everything that is wrong with it; a configuration comes of it if there is no error.
pub fn load(sources: &Sources, overrides: &Overrides) -> (Option<Config>, Vec<Diagnostic>) {
    let mut out = Vec::new();
    let own = parse(&sources.upxe, &mut out);
    let dhcp = parse(&sources.dhcp, &mut out);
    let network = parse(&sources.network, &mut out);
    let incomplete = !out.is_empty();
    let hosts = Hosts { text: sources.hosts.text.as_deref().unwrap_or_default(), sections: &dhcp.sections };

    let stock = read_dhcp(&sources.dhcp.name, &dhcp, &hosts, &mut out);
    let mut main = read_main(sources, &own, &network, overrides, &mut out);
    settle_tftp(&sources.dhcp.name, &stock, overrides, &mut main, &mut out);

    // The last of several matching lines wins: ours come behind dnsmasq's, so that they win.
    main.config.rules.boots = stock.boots;
    read_own_sections(&sources.upxe.name, &own, &hosts, &mut main.config.rules, &mut out);

    let refused = out.iter().any(Diagnostic::is_error);
    let config = if refused { None } else { Some(main.config) };
    if incomplete {
        // Remarks on what is missing could be on what could not be read.
        out.retain(Diagnostic::is_error);
    }
    (config, tidy(out, sources))
}

/// A file's sections; those that can be read when it isn't UCI.
fn parse(source: &Source, out: &mut Vec<Diagnostic>) -> Package {
    let (package, errors) = uci::parse(source.text.as_deref().unwrap_or_default());
    out.extend(errors.into_iter().map(|error| Diagnostic::syntax(&source.name, error)));
    package
}

/// `config upxe`, not yet joined with what `/etc/config/dhcp` says.
struct Main {
    config: Config,
    /// Where `tftp_root` was written, if it was.
    root_origin: Option<Origin>,
}

fn read_main(
    sources: &Sources,
    own: &Package,
    network: &Package,
    overrides: &Overrides,
    out: &mut Vec<Diagnostic>,
) -> Main {
    let file = &sources.upxe.name;
    let mut mains = own.sections.iter().filter(|section| section.kind == upxe::SECTION.kind);
    let section = mains.next();
    if sources.upxe.text.is_none() {
        let origin = Origin { file: file.clone(), line: 0 };
        out.push(Diagnostic::text(Severity::Note, origin, "", &["no such file: the defaults hold"]));
    }
    for extra in mains {
        let origin = Origin { file: file.clone(), line: extra.line };
        let parts = &["only the first such section is read"];
        out.push(Diagnostic::text(Severity::Warning, origin, "config upxe", parts));
    }
    let mut reader = Reader::new(file, section, Severity::Error, out);
    reader.check_names(&upxe::SECTION, true);
    let enabled = reader.flag(&upxe::ENABLED);
    let tftp = reader.flag(&upxe::TFTP);
    let (root, root_origin) = reader.folder(&upxe::TFTP_ROOT);
    let allow = reader.items(&upxe::TFTP_ALLOW, section::folder);
    let max_transfers = reader.number(&upxe::TFTP_MAX);
    let script = reader.text(&upxe::SCRIPT);
    let no_override = reader.flag(&upxe::NO_OVERRIDE);
    let user = reader.text(&upxe::USER).unwrap_or_else(|| upxe::USER.default.to_owned());
    let log_level = reader.log_level(&upxe::LOG_LEVEL);
    let names = interface_names(&mut reader, overrides);
    let interfaces = interfaces(sources, network, names, out);
    let config = Config {
        enabled,
        interfaces,
        tftp: Tftp {
            enabled: tftp,
            root,
            allow: allow.into_iter().map(|(path, _)| path).collect(),
            max_transfers: u16::try_from(max_transfers).unwrap_or(u16::MAX),
        },
        rules: Rules { script, boots: Vec::new(), no_override },
        user,
        log_level,
    };
    Main { config, root_origin }
}

/// The names to serve, each with its place: those of the command line, else of the file, else the default.
fn interface_names(reader: &mut Reader<'_>, overrides: &Overrides) -> Vec<(String, Origin)> {
    let written = reader.items(&upxe::INTERFACE, section::names);
    if !overrides.interfaces.is_empty() {
        return overrides.interfaces.iter().map(|name| (name.clone(), command_line())).collect();
    }
    let written: Vec<_> =
        written.into_iter().flat_map(|(names, at)| names.into_iter().map(move |name| (name, at.clone()))).collect();
    if !written.is_empty() {
        return written;
    }
    let origin = Origin { line: 0, ..reader.origin() };
    upxe::INTERFACE.default.split_ascii_whitespace().map(|name| (name.to_owned(), origin.clone())).collect()
}

fn interfaces(
    sources: &Sources,
    network: &Package,
    names: Vec<(String, Origin)>,
    out: &mut Vec<Diagnostic>,
) -> Vec<Interface> {
    let mut interfaces: Vec<Interface> = Vec::new();
    for (name, origin) in names {
        let given_here = &*origin.file == COMMAND_LINE;
        let subject = if given_here { "-i" } else { "option interface" };
        let mut say = |severity, parts: &[&str]| out.push(Diagnostic::text(severity, origin.clone(), subject, parts));
        let device = match resolve(network, &name) {
            Meaning::Device(device) => Some(device),
            Meaning::FirstOf(device) => {
                let parts =
                    &["'", &name, "' stands for several devices without a bridge; only ", &device, " is served"];
                say(Severity::Warning, parts);
                Some(device)
            }
            Meaning::NoDevice if is_device_name(&name) => {
                say(Severity::Warning, &["interface '", &name, "' names no device: one of the same name is served"]);
                Some(name.clone())
            }
            Meaning::Unknown if is_device_name(&name) => {
                if !given_here {
                    let file = &sources.network.name;
                    say(Severity::Note, &["no interface '", &name, "' in ", file, ": taken for a device's name"]);
                }
                Some(name.clone())
            }
            Meaning::Broken => {
                say(Severity::Error, &["interface '", &name, "' of ", &sources.network.name, " leads to no device"]);
                None
            }
            Meaning::NoDevice | Meaning::Unknown => {
                let expected = "an interface of /etc/config/network, or a device's name of at most 15 bytes";
                let found = quoted(name.as_bytes());
                out.push(Diagnostic::found(Severity::Error, origin.clone(), subject, found, expected));
                None
            }
        };
        let Some(device) = device else { continue };
        if interfaces.iter().any(|known| known.device == device) {
            let parts = &["'", &name, "' stands for ", &device, ", which is served already"];
            out.push(Diagnostic::text(Severity::Warning, origin, subject, parts));
        } else if interfaces.len() == MAX_INTERFACES {
            let parts = &["more interfaces than upxe serves at once (32)"];
            out.push(Diagnostic::text(Severity::Error, origin, subject, parts));
            break;
        } else {
            interfaces.push(Interface { name, device });
        }
    }
    interfaces
}

/// What `/etc/config/dhcp` says about booting.
#[derive(Default)]
struct Stock {
    boots: Vec<Boot>,
    root: Option<(std::path::PathBuf, Origin)>,
    /// A dnsmasq that serves TFTP: where that is said, and how `uci` calls its section.
    tftp: Option<(Origin, String)>,
}

fn read_dhcp(file: &Rc<str>, dhcp: &Package, hosts: &Hosts<'_>, out: &mut Vec<Diagnostic>) -> Stock {
    let mut stock = Stock::default();
    let mut disabled = Vec::new();
    let of_kind = |kind: &'static str| dhcp.sections.iter().filter(move |section| section.kind == kind);
    for (index, section) in of_kind(dnsmasq::SECTION.kind).enumerate() {
        // dnsmasq.init reads a flag it does not understand as its default.
        let mut reader = Reader::new(file, Some(section), Severity::Warning, out);
        if reader.flag(&dnsmasq::DISABLED) {
            disabled.push(section.name.as_bytes());
            continue;
        }
        reader.check_names(&dnsmasq::SECTION, false);
        let root = reader.folder(&dnsmasq::TFTP_ROOT);
        let serves = reader.written(&dnsmasq::ENABLE_TFTP, section::flag);
        read_dhcp_boot(&mut reader, section, hosts, &mut stock.boots);
        if let (path, Some(origin)) = root {
            // dnsmasq.init: enable_tftp counts only together with tftp_root.
            if let Some((true, at)) = serves {
                stock.tftp.get_or_insert_with(|| (at, uci_name(section, index)));
            }
            stock.root.get_or_insert((path, origin));
        }
    }
    // dnsmasq.init writes all boot sections behind dhcp_boot; its filter_dnsmasq heeds `option instance`.
    for section in of_kind(options::boot::SECTION.kind) {
        let instance = section.option(options::boot::INSTANCE.name).and_then(|option| option.value.items().first());
        if instance.is_some_and(|instance| disabled.contains(&instance.bytes.as_slice())) {
            continue;
        }
        let mut reader = Reader::new(file, Some(section), Severity::Error, out);
        stock.boots.extend(boot::read_section(&mut reader, Home::Dhcp, hosts));
    }
    for section in dhcp.sections.iter().filter(|section| TAGGING.contains(&section.kind.as_str())) {
        out.push(not_yet(file, section));
    }
    stock
}

/// `dhcp_boot`, as an option or as a list.
fn read_dhcp_boot(reader: &mut Reader<'_>, section: &Section, hosts: &Hosts<'_>, boots: &mut Vec<Boot>) {
    let lines = reader.items(&dnsmasq::DHCP_BOOT, boot::whole);
    let is_list = section.option(dnsmasq::DHCP_BOOT.name).is_some_and(|option| matches!(option.value, Value::List(_)));
    if let ([(_, origin), _, ..], true) = (lines.as_slice(), is_list) {
        let parts = &[
            "dnsmasq takes all items of this list for one line, and boots only the first file; upxe reads each item \
             as a line. For one file per architecture, config boot sections serve both",
        ];
        reader.remark(Severity::Warning, &dnsmasq::DHCP_BOOT, origin.clone(), parts);
    }
    for (text, origin) in lines {
        let line = match parse_line(&text, &origin) {
            Ok(line) => line,
            Err(wrong) => {
                reader.reject(&dnsmasq::DHCP_BOOT, origin, &wrong.found, wrong.expected);
                continue;
            }
        };
        if line.set_prefix {
            let parts = &["upxe reads set: as tag:, while dnsmasq takes it for a part of the file's name"];
            reader.remark(Severity::Warning, &dnsmasq::DHCP_BOOT, origin.clone(), parts);
        }
        let server = boot::server(reader, &dnsmasq::DHCP_BOOT, &origin, &line.address, Home::Dhcp, hosts);
        boots.extend(server.map(|server| Boot { server, ..line.boot }));
    }
}

/// How `uci set` addresses a `config dnsmasq` section.
fn uci_name(section: &Section, index: usize) -> String {
    if section.anonymous {
        ["dhcp.@dnsmasq[", &index.to_string(), "]"].concat()
    } else {
        ["dhcp.", &section.name].concat()
    }
}

/// Which folder is served, and whether two servers want to do it.
fn settle_tftp(dhcp_name: &Rc<str>, stock: &Stock, overrides: &Overrides, main: &mut Main, out: &mut Vec<Diagnostic>) {
    let tftp = &mut main.config.tftp;
    if !tftp.enabled {
        return;
    }
    let subject = "option tftp_root";
    let mut origin = main.root_origin.clone();
    if let Some(given) = &overrides.tftp_root {
        origin = Some(command_line());
        match section::folder(&upxe::TFTP_ROOT.form, given) {
            Some(root) => tftp.root = root,
            None => {
                let expected = upxe::TFTP_ROOT.form.words();
                let found = quoted(given.as_bytes());
                out.push(Diagnostic::found(Severity::Error, command_line(), "--tftp-root", found, &expected));
            }
        }
    } else if let (None, Some((root, at))) = (&main.root_origin, &stock.root) {
        let parts = &["upxe serves this folder too, since no tftp_root of its own is set"];
        out.push(Diagnostic::text(Severity::Note, at.clone(), subject, parts));
        tftp.root.clone_from(root);
        origin = Some(at.clone());
    }
    if tftp.root.parent().is_none() {
        let origin = origin.unwrap_or_else(command_line);
        out.push(Diagnostic::text(Severity::Warning, origin, subject, &["the whole file system would be served"]));
    }
    if let Some((at, section)) = &stock.tftp {
        let parts = &[
            "dnsmasq serves TFTP itself and holds port 69; switch that off (uci set ",
            section,
            ".enable_tftp='0'; uci commit dhcp; service dnsmasq restart), or upxe's (uci set upxe.main.tftp='0')",
        ];
        let origin = Origin { file: dhcp_name.clone(), ..at.clone() };
        out.push(Diagnostic::text(Severity::Warning, origin, "option enable_tftp", parts));
    }
}

/// The sections of our own file besides `config upxe`.
fn read_own_sections(file: &Rc<str>, own: &Package, hosts: &Hosts<'_>, rules: &mut Rules, out: &mut Vec<Diagnostic>) {
    for section in &own.sections {
        match section.kind.as_str() {
            "upxe" => {}
            "boot" => {
                let mut reader = Reader::new(file, Some(section), Severity::Error, out);
                rules.boots.extend(boot::read_section(&mut reader, Home::Ours, hosts));
            }
            kind if TAGGING.contains(&kind) => out.push(not_yet(file, section)),
            kind => {
                let origin = Origin { file: file.clone(), line: section.line };
                let known = options::SECTIONS.iter().map(|known| known.kind).filter(|&known| known != "dnsmasq");
                let subject = ["config ", kind].concat();
                let diagnostic = match nearest(kind, known) {
                    Some(near) => {
                        let parts = &["unknown, and without effect; did you mean 'config ", near, "'?"];
                        Diagnostic::text(Severity::Warning, origin, &subject, parts)
                    }
                    None => Diagnostic::text(Severity::Warning, origin, &subject, &["unknown, and without effect"]),
                };
                out.push(diagnostic);
            }
        }
    }
}

/// Section types of dnsmasq.init that set tags of clients.
const TAGGING: &[&str] = &["match", "vendorclass", "userclass", "mac", "circuitid", "remoteid", "subscrid"];

fn not_yet(file: &Rc<str>, section: &Section) -> Diagnostic {
    let origin = Origin { file: file.clone(), line: section.line };
    let subject = ["config ", &section.kind].concat();
    Diagnostic::text(Severity::Warning, origin, &subject, &["upxe does not honour it yet: its tag is never set"])
}

fn command_line() -> Origin {
    Origin { file: COMMAND_LINE.into(), line: 0 }
}

/// At most [`MAX_DIAGNOSTICS`], in the order of files and lines.
fn tidy(mut out: Vec<Diagnostic>, sources: &Sources) -> Vec<Diagnostic> {
    if out.len() > MAX_DIAGNOSTICS && out.iter().any(Diagnostic::is_error) {
        out.retain(Diagnostic::is_error);
    }
    out.truncate(MAX_DIAGNOSTICS);
    let files = [&sources.upxe.name, &sources.dhcp.name, &sources.network.name];
    let rank = |diagnostic: &Diagnostic| {
        let file = files.iter().position(|&file| *file == diagnostic.origin.file);
        (file.unwrap_or(files.len()), diagnostic.origin.line)
    };
    // By hand, for it is nearly in order, and the standard sort is 5 KB of code.
    for end in 1..out.len() {
        for at in (1..=end).rev() {
            match (out.get(at - 1).map(rank), out.get(at).map(rank)) {
                (Some(before), Some(here)) if before > here => out.swap(at - 1, at),
                _ => break,
            }
        }
    }
    out
}
