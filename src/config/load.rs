//! The texts of `/etc/config` → one checked [`Config`], and everything there is to say about them. Reads no files.

use std::path::PathBuf;
use std::rc::Rc;

use super::boot::{self, Home};
use super::diagnostic::{Diagnostic, Severity, quoted};
use super::dnsmasq::files::{ConfFiles, ConfReader};
use super::dnsmasq::{Collected, TftpLines};
use super::hosts::Hosts;
use super::menu;
use super::network::{Meaning, is_device_name, resolve};
use super::options::{self, Known, common, dhcp, dnsmasq, entry, nearest, upxe};
use super::rules::Web;
use super::section::{self, Reader};
use super::sections::{self, Sections};
use super::uci::{self, Package, Section, Value};
use super::{Config, DnsmasqPorts, Interface, Origin, PerSecond, Rules, Tftp, TftpLimits};

/// Networks served at once; each has a socket, and no router has more.
pub const MAX_INTERFACES: usize = 32;
/// Transfers at once that may be asked for: each has a socket.
const MAX_TRANSFERS: u16 = 1024;
/// Diagnostics that are kept, errors first.
pub const MAX_DIAGNOSTICS: usize = 200;

/// OpenWrt's web server, which the init script starts for `option http`.
pub const UHTTPD: &str = "/usr/sbin/uhttpd";

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
    /// dnsmasq's own file, `/etc/dnsmasq.conf`, if there is one.
    pub conf_file: Option<String>,
    /// Whether uhttpd is installed, which `option http` needs.
    pub uhttpd: bool,
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
    /// `--conf-file`: lines in dnsmasq's words, instead of those of dnsmasq's own file.
    pub conf_file: Option<String>,
}

/// The name under which diagnostics of [`Overrides`] appear.
pub const COMMAND_LINE: &str = "command line";

/// Reads everything, and says everything that is wrong with it; a configuration comes of it if there is no error. Files
/// that others name are had from `conf`.
pub fn load(sources: &Sources, overrides: &Overrides, conf: &mut dyn ConfFiles) -> (Option<Config>, Vec<Diagnostic>) {
    let mut out = Vec::new();
    let own = parse(&sources.upxe, &mut out);
    let dhcp = parse(&sources.dhcp, &mut out);
    let network = parse(&sources.network, &mut out);
    let incomplete = !out.is_empty();
    let hosts = Hosts { text: sources.hosts.text.as_deref().unwrap_or_default(), sections: &dhcp.sections };

    // The last of several matching lines wins: ours come behind dnsmasq's, so that they win; and of those the ones of
    // dnsmasq.conf come first, as in the file that dnsmasq.init makes.
    let mut collected = Collected::default();
    let mut lines = ConfReader::new(conf, &hosts, &mut collected, &mut out);
    if let Some(path) = &overrides.conf_file {
        lines.read(path, &command_line());
    } else if let Some(path) = &sources.conf_file {
        lines.read(path, &Origin { file: path.as_str().into(), line: 0 });
        conf_folders(&dhcp).iter().for_each(|folder| lines.folder_if_there(folder));
    }
    let mut stock = Stock::of_conf(&collected.tftp, overrides);
    read_dhcp(&sources.dhcp.name, &dhcp, &hosts, &mut collected, &mut stock, &mut out);
    let mut main = read_main(sources, &own, &network, overrides, &mut out);
    settle_tftp(&stock, overrides, &mut main, &mut out);
    if let (Some((max, _)), false) = (&collected.tftp.max, main.max_written) {
        main.config.tftp.max_transfers = u16::try_from(*max).unwrap_or(u16::MAX).clamp(1, MAX_TRANSFERS);
    }
    main.config.tftp.single_port |= collected.tftp.single_port;
    read_own_sections(&sources.upxe.name, &own, &hosts, &mut collected, &mut out);
    let Rules { script, no_override, relay, web, .. } = main.config.rules;
    main.config.rules = Rules { script, no_override, relay, web, ..collected.rules };

    main.config.rules.menu = menu::read(&sources.upxe.name, &own, &mut out);
    main.config.rules.take_off_root(&main.config.tftp.root);

    let refused = out.iter().any(Diagnostic::is_error);
    let config = if refused { None } else { Some(main.config) };
    if incomplete {
        // Remarks on what is missing could be on what could not be read.
        out.retain(Diagnostic::is_error);
    }
    (config, tidy(out, sources))
}

/// The folders of lines that dnsmasq.init has dnsmasq read, and writes `option extraconftext` to.
fn conf_folders(dhcp: &Package) -> Vec<String> {
    let mut folders = Vec::new();
    for section in dhcp.sections.iter().filter(|section| section.kind == dnsmasq::SECTION.kind) {
        let first = |name| section.option(name).and_then(|option| option.value.items().first());
        let text = |name| first(name).and_then(|item| str::from_utf8(&item.bytes).ok());
        if text(dnsmasq::DISABLED.name).is_some_and(|flag| section::flag(&dnsmasq::DISABLED.form, flag) == Some(true)) {
            continue;
        }
        match text("confdir") {
            Some(folder) => folders.push(folder.to_owned()),
            // Since 24.10, and before.
            None => folders.extend([["/tmp/dnsmasq.", &section.name, ".d"].concat(), "/tmp/dnsmasq.d".to_owned()]),
        }
    }
    folders
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
    /// Whether `tftp_max` was.
    max_written: bool,
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
    if let Some(section) = section.filter(|section| section.name != "main") {
        let origin = Origin { file: file.clone(), line: section.line };
        let parts = &["the service starts by a section of the name main: config upxe 'main'"];
        out.push(Diagnostic::text(Severity::Warning, origin, "config upxe", parts));
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
    let single_port = reader.flag(&upxe::TFTP_SINGLE_PORT);
    let limits = TftpLimits {
        client_transfers: small_number(&mut reader, &upxe::TFTP_MAX_CLIENT),
        retries: small_number(&mut reader, &upxe::TFTP_RETRIES) as u8,
        errors: PerSecond {
            all: small_number(&mut reader, &upxe::TFTP_ERRORS),
            client: small_number(&mut reader, &upxe::TFTP_ERRORS_CLIENT),
        },
        in_flight: reader.number(&upxe::TFTP_IN_FLIGHT).saturating_mul(1024),
    };
    let replies = PerSecond {
        all: small_number(&mut reader, &upxe::REPLIES),
        client: small_number(&mut reader, &upxe::REPLIES_CLIENT),
    };
    let script = reader.text(&upxe::SCRIPT);
    let no_override = reader.flag(&upxe::NO_OVERRIDE);
    let relay = reader.flag(&upxe::RELAY);
    let user = reader.text(&upxe::USER).unwrap_or_else(|| upxe::USER.default.to_owned());
    let log_level = reader.log_level(&upxe::LOG_LEVEL);
    let web = web(&mut reader, sources.uhttpd);
    let names = interface_names(&mut reader, overrides);
    let interfaces = interfaces(sources, network, names, out);
    let config = Config {
        // Whoever names an interface on the command line wants it served.
        enabled: enabled || !overrides.interfaces.is_empty(),
        dnsmasq: DnsmasqPorts::default(),
        interfaces,
        tftp: Tftp {
            enabled: tftp,
            root,
            allow: allow.into_iter().map(|(path, _)| path).collect(),
            max_transfers: u16::try_from(max_transfers).unwrap_or(u16::MAX),
            single_port,
            limits,
        },
        replies,
        rules: Rules { script, no_override, relay, web, ..Rules::default() },
        user,
        read_from: Vec::new(),
        log_level,
    };
    let max_written = section.is_some_and(|section| section.option(upxe::TFTP_MAX.name).is_some());
    Main { config, root_origin, max_written }
}

/// A number whose option has bounds that fit.
fn small_number(reader: &mut Reader<'_>, known: &'static Known) -> u16 {
    u16::try_from(reader.number(known)).unwrap_or(u16::MAX)
}

/// The web server that has the boot files, if there is one.
fn web(reader: &mut Reader<'_>, uhttpd: bool) -> Option<Web> {
    let own = reader.written(&upxe::HTTP, section::flag).filter(|(on, _)| *on);
    let port = u16::try_from(reader.number(&upxe::HTTP_PORT)).ok();
    let base = reader.written(&upxe::HTTP_BASE, section::url);
    match (own, base) {
        (Some((_, origin)), Some((base, _))) => {
            let parts =
                &["http_base names another web server, so the router's own is not started; take one of them out"];
            reader.remark(Severity::Warning, &upxe::HTTP, origin, parts);
            Some(Web::At(base))
        }
        (None, Some((base, _))) => Some(Web::At(base)),
        (Some(_), None) if uhttpd => port.map(Web::Own),
        (Some((_, origin)), None) => {
            let parts = &[
                UHTTPD,
                " is not there, so all goes by TFTP; install it (opkg install uhttpd, or apk add uhttpd), and then \
                 'service upxe restart'; or name another web server: option http_base",
            ];
            reader.remark(Severity::Warning, &upxe::HTTP, origin, parts);
            None
        }
        (None, None) => None,
    }
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

/// What dnsmasq's configuration says about TFTP.
#[derive(Default)]
struct Stock {
    root: Option<(PathBuf, Origin)>,
    /// A dnsmasq that serves TFTP: where that is said, and how to switch it off.
    tftp: Option<(Origin, String)>,
    /// A dnsmasq that opens port 4011 (dnsmasq `enable_pxe`).
    serves_pxe: bool,
    /// The files of lines that say so.
    conf: Vec<Rc<str>>,
}

impl Stock {
    /// From the lines of dnsmasq.conf. A file that was named by hand is for us, not for dnsmasq.
    fn of_conf(lines: &TftpLines, overrides: &Overrides) -> Self {
        let by_dnsmasq = lines.enabled.as_ref().filter(|_| overrides.conf_file.is_none());
        let remedy = || "take enable-tftp out of that file; service dnsmasq restart".to_owned();
        let origins = lines.root.iter().map(|(_, origin)| origin).chain(&lines.enabled);
        Stock {
            root: lines.root.clone(),
            tftp: by_dnsmasq.map(|origin| (origin.clone(), remedy())),
            serves_pxe: lines.serves_pxe && overrides.conf_file.is_none(),
            conf: origins.map(|origin| origin.file.clone()).collect(),
        }
    }

    /// True for a place in a file of lines.
    fn is_conf(&self, origin: &Origin) -> bool {
        self.conf.contains(&origin.file)
    }
}

fn read_dhcp(
    file: &Rc<str>,
    dhcp: &Package,
    hosts: &Hosts<'_>,
    collected: &mut Collected,
    stock: &mut Stock,
    out: &mut Vec<Diagnostic>,
) {
    let mut disabled = Vec::new();
    let masqs = dhcp.sections.iter().filter(|section| section.kind == dnsmasq::SECTION.kind);
    for section in masqs {
        // dnsmasq.init reads a flag it does not understand as its default.
        let mut reader = Reader::new(file, Some(section), Severity::Warning, out);
        if reader.flag(&dnsmasq::DISABLED) {
            disabled.push(section.name.as_bytes());
            continue;
        }
        reader.check_names(&dnsmasq::SECTION, false);
        let root = reader.folder(&dnsmasq::TFTP_ROOT);
        let serves = reader.written(&dnsmasq::ENABLE_TFTP, section::flag);
        let pxe = [&dnsmasq::PXE_SERVICE, &dnsmasq::PXE_PROMPT];
        stock.serves_pxe |= pxe.iter().any(|known| section.option(known.name).is_some());
        remark_on_several_boots(&mut reader, section);
        Sections { file, home: Home::Dhcp, hosts, collected, out }.main(section);
        // dnsmasq.init: enable_tftp counts only together with tftp_root, whatever that is.
        if let (Some((true, at)), Some(_)) = (serves, section.option(dnsmasq::TFTP_ROOT.name)) {
            stock.tftp.get_or_insert_with(|| (at, remedy(&section.address("dhcp", dhcp))));
        }
        if let (path, Some(origin)) = root {
            stock.root.get_or_insert((path, origin));
        }
    }
    // dnsmasq.init writes all other sections behind; its filter_dnsmasq heeds `option instance`.
    let passed_over = |section: &Section| {
        let instance = section.option(common::INSTANCE.name).and_then(|option| option.value.items().first());
        instance.is_some_and(|instance| disabled.contains(&instance.bytes.as_slice()))
    };
    Sections { file, home: Home::Dhcp, hosts, collected, out }.read(dhcp, &passed_over);
}

fn remedy(section: &str) -> String {
    ["uci set ", section, ".enable_tftp='0'; uci commit dhcp; service dnsmasq restart"].concat()
}

/// dnsmasq.init hands the items of a list to dnsmasq in one line.
fn remark_on_several_boots(reader: &mut Reader<'_>, section: &Section) {
    let lines = reader.items(&dnsmasq::DHCP_BOOT, boot::whole);
    let is_list = section.option(dnsmasq::DHCP_BOOT.name).is_some_and(|option| matches!(option.value, Value::List(_)));
    if let ([(_, origin), _, ..], true) = (lines.as_slice(), is_list) {
        let parts = &[
            "dnsmasq takes all items of this list for one line, and boots only the first file; upxe reads each item \
             as a line. For one file per architecture, config boot sections serve both",
        ];
        reader.remark(Severity::Warning, &dnsmasq::DHCP_BOOT, origin.clone(), parts);
    }
}

/// Which folder is served, and whether two servers want to do it.
fn settle_tftp(stock: &Stock, overrides: &Overrides, main: &mut Main, out: &mut Vec<Diagnostic>) {
    main.config.dnsmasq = DnsmasqPorts { tftp: stock.tftp.is_some(), boot_server: stock.serves_pxe };
    let tftp = &mut main.config.tftp;
    let mut subject = "option tftp_root";
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
        if stock.is_conf(at) {
            subject = "tftp-root";
        }
        let parts = &[if tftp.enabled {
            "upxe serves this folder too, since no tftp_root of its own is set"
        } else {
            "upxe offers the files of this folder, for dnsmasq to send"
        }];
        out.push(Diagnostic::text(Severity::Note, at.clone(), subject, parts));
        tftp.root.clone_from(root);
        origin = Some(at.clone());
    }
    if tftp.root.parent().is_none() {
        let origin = origin.unwrap_or_else(command_line);
        out.push(Diagnostic::text(Severity::Warning, origin, subject, &["the whole file system would be served"]));
    }
    if let (Some((at, remedy)), true) = (&stock.tftp, tftp.enabled) {
        let parts = &[
            "dnsmasq serves TFTP itself and holds port 69; switch that off (",
            remedy,
            "), or upxe's (uci set upxe.main.tftp='0')",
        ];
        let subject = if stock.is_conf(at) { "enable-tftp" } else { "option enable_tftp" };
        out.push(Diagnostic::text(Severity::Warning, at.clone(), subject, parts));
    }
}

/// The sections of our own file besides `config upxe`.
fn read_own_sections(
    file: &Rc<str>,
    own: &Package,
    hosts: &Hosts<'_>,
    collected: &mut Collected,
    out: &mut Vec<Diagnostic>,
) {
    // `config dhcp` and `config dnsmasq` are dnsmasq's, and stand in its file only.
    let menu = [options::menu::SECTION.kind, entry::SECTION.kind];
    let known = || sections::kinds().filter(|&kind| kind != dhcp::SECTION.kind).chain(menu);
    let unknown = |section: &Section| section.kind != upxe::SECTION.kind && !known().any(|kind| kind == section.kind);
    for section in own.sections.iter().filter(|section| unknown(section)) {
        let origin = Origin { file: file.clone(), line: section.line };
        let subject = ["config ", &section.kind].concat();
        let near = nearest(&section.kind, known().chain([upxe::SECTION.kind]));
        out.push(Diagnostic::unknown(origin, &subject, &section.kind, "config ", near));
    }
    let mut sections = Sections { file, home: Home::Ours, hosts, collected, out };
    if let Some(main) = own.sections.iter().find(|section| section.kind == upxe::SECTION.kind) {
        sections.main(main);
    }
    sections.read(own, &|section| section.kind == dhcp::SECTION.kind);
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
        // Those of dnsmasq.conf and its like come last, in the order in which they were read.
        file.map_or((files.len(), 0), |file| (file, diagnostic.origin.line))
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
