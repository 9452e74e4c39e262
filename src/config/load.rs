//! The texts of `/etc/config` → one checked [`Config`], and everything there is to say about them. Reads no files.

use std::rc::Rc;

use super::boot::Home;
use super::diagnostic::{Diagnostic, MAX_DIAGNOSTICS, Severity};
use super::dnsmasq::Collected;
use super::dnsmasq::files::{ConfFiles, ConfReader};
use super::hosts::Hosts;
use super::menu;
use super::network::interfaces;
use super::options::{self, Known, dhcp, entry, upxe};
use super::rules::Web;
use super::section::{self, Reader};
use super::sections::{self, Sections};
use super::spelling::nearest;
use super::stock::{self, Stock};
use super::uci::{self, Package};
use super::{Config, DnsmasqPorts, Origin, Overrides, PerSecond, Rules, Tftp, TftpLimits};

/// Transfers at once that may be asked for: each has a socket.
const MAX_TRANSFERS: u16 = 1024;
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
        lines.read(path, &Origin::command_line());
    } else if let Some(path) = &sources.conf_file {
        lines.read(path, &Origin { file: path.as_str().into(), line: 0 });
        stock::conf_folders(&dhcp).iter().for_each(|folder| lines.folder_if_there(folder));
    }
    let mut stock = Stock::of_conf(&collected.tftp, overrides);
    stock.read(&sources.dhcp.name, &dhcp, &hosts, &mut collected, &mut out);
    let mut config = read_main(sources, &own, &network, overrides, &stock, &mut collected, &mut out);
    read_own_sections(&sources.upxe.name, &own, &hosts, &mut collected, &mut out);
    config.rules = collected.rules;
    config.rules.menu = menu::read(&sources.upxe.name, &own, &mut out);
    config.rules.take_off_root(&config.tftp.root);

    let refused = out.iter().any(Diagnostic::is_error);
    if incomplete {
        // Remarks on what is missing could be on what could not be read.
        out.retain(Diagnostic::is_error);
    }
    ((!refused).then_some(config), tidy(out, sources))
}

/// A file's sections; those that can be read when it isn't UCI.
fn parse(source: &Source, out: &mut Vec<Diagnostic>) -> Package {
    let (package, errors) = uci::parse(source.text.as_deref().unwrap_or_default());
    for error in errors {
        out.push(Diagnostic::syntax(&source.name, error));
    }
    package
}

/// `config upxe`, joined with what dnsmasq's own configuration says of TFTP. Its rules go to those of the lines.
fn read_main(
    sources: &Sources,
    own: &Package,
    network: &Package,
    overrides: &Overrides,
    stock: &Stock,
    collected: &mut Collected,
    out: &mut Vec<Diagnostic>,
) -> Config {
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
    let (tftp, root_origin) = tftp(&mut reader);
    let replies = PerSecond {
        all: small_number(&mut reader, &upxe::REPLIES),
        client: small_number(&mut reader, &upxe::REPLIES_CLIENT),
    };
    let rules = &mut collected.rules;
    rules.script = reader.text(&upxe::SCRIPT);
    rules.no_override = reader.flag(&upxe::NO_OVERRIDE);
    rules.relay = reader.flag(&upxe::RELAY);
    let user = reader.text(&upxe::USER).unwrap_or_else(|| upxe::USER.default.to_owned());
    let log_level = reader.log_level(&upxe::LOG_LEVEL);
    rules.web = web(&mut reader, sources.uhttpd);
    let names = interface_names(&mut reader, overrides);
    let interfaces = interfaces(&sources.network.name, network, names, out);
    let mut config = Config {
        // Whoever names an interface on the command line wants it served.
        enabled: enabled || !overrides.interfaces.is_empty(),
        dnsmasq: DnsmasqPorts::default(),
        interfaces,
        tftp,
        replies,
        rules: Rules::default(),
        user,
        read_from: Vec::new(),
        log_level,
    };
    stock.settle_tftp(overrides, &mut config, root_origin, out);
    let max_written = section.is_some_and(|section| section.option(upxe::TFTP_MAX.name).is_some());
    if let (Some((max, _)), false) = (&collected.tftp.max, max_written) {
        config.tftp.max_transfers = u16::try_from(*max).unwrap_or(u16::MAX).clamp(1, MAX_TRANSFERS);
    }
    config.tftp.single_port |= collected.tftp.single_port;
    config
}

/// The TFTP server's settings, and where its root was written, if it was.
fn tftp(reader: &mut Reader<'_>) -> (Tftp, Option<Origin>) {
    let enabled = reader.flag(&upxe::TFTP);
    let (root, origin) = reader.folder(&upxe::TFTP_ROOT);
    let allow = reader.items(&upxe::TFTP_ALLOW, section::folder);
    let max_transfers = small_number(reader, &upxe::TFTP_MAX);
    let single_port = reader.flag(&upxe::TFTP_SINGLE_PORT);
    let limits = TftpLimits {
        client_transfers: small_number(reader, &upxe::TFTP_MAX_CLIENT),
        retries: small_number(reader, &upxe::TFTP_RETRIES) as u8,
        errors: PerSecond {
            all: small_number(reader, &upxe::TFTP_ERRORS),
            client: small_number(reader, &upxe::TFTP_ERRORS_CLIENT),
        },
        in_flight: reader.number(&upxe::TFTP_IN_FLIGHT).saturating_mul(1024),
    };
    (Tftp { enabled, root, allow, max_transfers, single_port, limits }, origin)
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
    let written = reader.words(&upxe::INTERFACE);
    let given = &overrides.interfaces;
    if given.is_empty() && !written.is_empty() {
        return written;
    }
    let (names, origin): (Vec<&str>, Origin) = if given.is_empty() {
        (upxe::INTERFACE.default.split_ascii_whitespace().collect(), Origin { line: 0, ..reader.origin() })
    } else {
        (given.iter().map(String::as_str).collect(), Origin::command_line())
    };
    names.into_iter().map(|name| (name.to_owned(), origin.clone())).collect()
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
    let mut known: Vec<&str> = sections::kinds().filter(|&kind| kind != dhcp::SECTION.kind).collect();
    known.extend_from_slice(&[upxe::SECTION.kind, options::menu::SECTION.kind, entry::SECTION.kind]);
    for section in own.sections.iter().filter(|section| !known.contains(&&*section.kind)) {
        let origin = Origin { file: file.clone(), line: section.line };
        let subject = ["config ", &section.kind].concat();
        let near = nearest(&section.kind, known.iter().copied());
        out.push(Diagnostic::unknown(origin, &subject, &section.kind, "config ", near));
    }
    let mut sections = Sections { file, home: Home::Ours, hosts, collected, out };
    if let Some(main) = own.sections.iter().find(|section| section.kind == upxe::SECTION.kind) {
        sections.main(main);
    }
    sections.read(own, &|section| section.kind == dhcp::SECTION.kind);
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
