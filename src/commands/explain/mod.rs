//! `upxe explain`: what a client is told, and why, by the very code that answers it. A described or captured request in; who
//! it is, its tags, each line's fate and the reply out.

pub mod client;
mod fate;
pub mod json;
pub mod packet;
pub mod text;

use std::io;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use dhcproto::v4::OptionCode;

pub use self::client::Description;
pub use self::fate::{Fate, setters};
use self::fate::{Judge, setter_kind};
use self::packet::{Field, Shown};
use super::complain;
use crate::config::files::{load_from, read};
use crate::config::{Config, Diagnostic, Origin, Overrides, Rules};
use crate::daemon::files::Files;
use crate::proxy::advice::{Trouble, advice};
use crate::proxy::client::Client;
use crate::proxy::clients::Past;
use crate::proxy::options::ETHERBOOT;
use crate::proxy::select::is_url;
use crate::proxy::tags::SetBy;
use crate::proxy::vendor;
use crate::proxy::{self, Arrival, BootFiles, ChosenBy, Decision, Door, Offer, OfferForm, Silence};
use crate::sys::link;
use crate::wire::capture::{self, Captured};
use crate::wire::reply::Written;
use crate::wire::request::{Request, message_name};

/// A capture is held in memory; one of a boot has a few hundred kilobytes without the files' contents.
const MAX_CAPTURE: usize = 16 << 20;
/// The router's address where its device isn't at hand and nothing else is said: OpenWrt's.
const DEFAULT_ROUTER: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 1);
/// The mask that goes with an address that was given by hand.
const DEFAULT_MASK: Ipv4Addr = Ipv4Addr::new(255, 255, 255, 0);

/// What the command line asks.
#[derive(Debug, Default)]
pub struct ExplainArgs {
    /// A client in words.
    pub client: Description,
    /// `--pcap`.
    pub pcap: Option<PathBuf>,
    /// `--hex`: a file's name, or the digits.
    pub hex: Option<String>,
    /// `--router`.
    pub router: Option<String>,
    /// `--json`.
    pub json: bool,
}

/// Where the client is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Network {
    /// The interface's name in the configuration.
    pub interface: String,
    /// Its device.
    pub device: String,
    /// Our address there.
    pub router: Ipv4Addr,
    /// The mask that goes with it.
    pub mask: Ipv4Addr,
}

impl Network {
    /// A request's way in.
    pub fn arrival(&self, door: Door) -> Arrival<'_> {
        Arrival { door, interface: &self.interface, device: &self.device, router: self.router, mask: self.mask }
    }
}

/// Answers the question, on standard output.
#[inline(never)]
pub fn run(confdir: &Path, overrides: &Overrides, question: &ExplainArgs) -> ExitCode {
    let reports = reports(confdir, overrides, question);
    match reports {
        Ok(reports) => {
            let text = if question.json { json::write(&reports) } else { text::write(&reports) };
            super::print(text.as_bytes());
            ExitCode::SUCCESS
        }
        Err(wrong) => {
            complain(format_args!("{wrong}"));
            ExitCode::FAILURE
        }
    }
}

fn reports(confdir: &Path, overrides: &Overrides, question: &ExplainArgs) -> Result<Vec<Report>, String> {
    let config = usable(load_from(confdir, overrides))?;
    let network = network(&config, question.router.as_deref())?;
    let files = Files::new(&config.tftp, &config.rules);
    let explained = |captured: &Captured<'_>| explain(&config, &files, &network, captured, question.client.door());
    match (&question.pcap, &question.hex) {
        (Some(_), Some(_)) => Err("--pcap or --hex, not both".to_owned()),
        (None, None) => {
            let packet = question.client.packet(network.router)?;
            Ok(vec![explained(&Captured { number: 1, ports: None, payload: &packet })?])
        }
        (Some(path), None) => {
            let named = |wrong: &dyn std::fmt::Display| format!("{}: {wrong}", path.display());
            let file = read(path, MAX_CAPTURE).map_err(|error| named(&error))?;
            let capture = capture::pcap(&file).map_err(|error| named(&error))?;
            if let Some(trouble) = capture.trouble {
                complain(format_args!("{}", named(&trouble)));
            }
            if capture.requests.is_empty() {
                return Err(named(&"no DHCP request to port 67 or 4011 in it"));
            }
            capture.requests.iter().map(explained).collect()
        }
        (None, Some(given)) => {
            let text = match read(Path::new(given), MAX_CAPTURE) {
                Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
                Err(error) if error.kind() == io::ErrorKind::NotFound => given.clone(),
                // Digits may be longer than any file's name.
                Err(_) if given.len() > 255 => given.clone(),
                Err(error) => return Err(format!("{given}: {error}")),
            };
            let named = |error: capture::CaptureError| format!("--hex: {error}");
            let bytes = capture::hex(&text).map_err(named)?;
            Ok(vec![explained(&capture::packet(&bytes).map_err(named)?)?])
        }
    }
}

/// The configuration, or what is wrong with it.
pub(super) fn usable((config, diagnostics): (Option<Config>, Vec<Diagnostic>)) -> Result<Config, String> {
    config.ok_or_else(|| {
        let errors = diagnostics.iter().filter(|diagnostic| diagnostic.is_error());
        let errors: String = errors.map(|error| format!("{error}\n")).collect();
        errors + "nothing is answered by this configuration"
    })
}

/// The first network that is served, with our address there if its device is here.
pub(super) fn network(config: &Config, router: Option<&str>) -> Result<Network, String> {
    let (interface, device) = match config.interfaces.first() {
        Some(interface) => (interface.name.clone(), interface.device.clone()),
        None => (String::from("lan"), String::from("lan")),
    };
    let (router, mask) = match router {
        Some(given) => {
            let wrong = || format!("--router: found '{given}', expected an IPv4 address");
            (given.parse().map_err(|_| wrong())?, DEFAULT_MASK)
        }
        None => {
            let found = link::device(&device).ok().flatten();
            let address = found.and_then(|device| device.addresses.first().copied());
            address.map_or((DEFAULT_ROUTER, DEFAULT_MASK), |address| (address.ip, address.mask))
        }
    };
    Ok(Network { interface, device, router, mask })
}

/// All there is to say about one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Its number in the capture.
    pub number: usize,
    /// The port that it was sent to.
    pub port: u16,
    /// Where it came in.
    pub network: Network,
    /// What it is called: `DHCPDISCOVER`.
    pub message: &'static str,
    /// Whose it is.
    pub mac: String,
    /// What is known of its sender.
    pub client: Vec<Field>,
    /// Its tags.
    pub tags: Vec<Tag>,
    /// The lines that name something to boot.
    pub rules: Vec<Fate>,
    /// The lines that add options.
    pub options: Vec<Fate>,
    /// The reply, or why there is none, to a client that the running service knows nothing of.
    pub outcome: Result<ReplyReport, SilenceReport>,
    /// What it is told if there was more before.
    pub later: Vec<Later>,
}

/// An answer that depends on what happened before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Later {
    /// What happened.
    pub when: &'static str,
    /// What it is told then.
    pub told: String,
}

/// A tag, and who set it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tag {
    /// Its name.
    pub name: String,
    /// What kind of line set it, or `interface`.
    pub kind: &'static str,
    /// The line.
    pub origin: Option<Origin>,
}

/// A reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplyReport {
    /// What it is called: `DHCPOFFER`.
    pub message: &'static str,
    /// Its length in bytes, without the headers of UDP and IP.
    pub len: usize,
    /// The file was chosen by no line: by what, then.
    pub custom: Option<&'static str>,
    /// The fields of its header.
    pub fields: Vec<Field>,
    /// Its options, each with the lines that it comes from.
    pub options: Vec<(Shown, Vec<Origin>)>,
    /// The first option that did not fit.
    pub left_out: Option<u8>,
}

impl ReplyReport {
    /// The boot file that its header names.
    fn file(&self) -> &str {
        self.fields.iter().find(|field| field.name == "file").map_or("", |field| &field.value)
    }
}

/// Silence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SilenceReport {
    /// The reason in one word, for programs.
    pub code: &'static str,
    /// The reason.
    pub reason: String,
    /// What to do about it.
    pub advice: String,
}

/// Explains one request; `door` is the port that it is sent to, if the capture doesn't say.
///
/// # Errors
/// When the door can't be told.
pub fn explain(
    config: &Config,
    files: &dyn BootFiles,
    network: &Network,
    captured: &Captured<'_>,
    door: Result<Door, String>,
) -> Result<Report, String> {
    let door = match captured.ports {
        Some((_, 4011)) => Door::BootServer,
        Some(_) => Door::Proxy,
        None => door?,
    };
    let arrival = network.arrival(door);
    let mut report = Report {
        number: captured.number,
        port: if door == Door::Proxy { 67 } else { 4011 },
        network: network.clone(),
        message: "DHCP",
        mac: String::new(),
        client: Vec::new(),
        tags: Vec::new(),
        rules: Vec::new(),
        options: Vec::new(),
        outcome: Err(quiet(&Silence::NotBooting, config)),
        later: Vec::new(),
    };
    let request = match Request::read(captured.payload) {
        Ok(request) => request,
        Err(error) => {
            report.outcome = Err(quiet(&Silence::Request(error), config));
            return Ok(report);
        }
    };
    report.message = message_name(request.message_type.into());
    report.mac = request.chaddr.to_string();
    // As the daemon does it: port 67 is heard whoever sends to it.
    if let (Door::BootServer, Some((source, _))) = (door, captured.ports)
        && let Err(silence) = proxy::admit_source(source)
    {
        report.outcome = Err(quiet(&silence, config));
        return Ok(report);
    }
    let (decision, written) = proxy::consider(&config.rules, files, &arrival, &request, &Past::default());
    let consider = |past: &Past| proxy::consider(&config.rules, files, &arrival, &request, past).0;
    report.later = later(&decision, &consider);
    report.client = client_facts(&request, decision.client());
    report.tags = decision.tags.iter().map(|(tag, by)| set_by(&config.rules, tag, by)).collect();
    let judge = Judge::new(&config.rules, &decision, &request);
    report.rules = judge.boots();
    report.options = judge.options();
    report.outcome = match (&decision.outcome, written) {
        (Err(silence), _) => Err(quiet(silence, config)),
        (Ok(offer), Some(written)) => Ok(reply(offer, &written)),
        (Ok(_), None) => return Ok(report),
    };
    Ok(report)
}

/// A silence, with its name and what to do about it.
fn quiet(silence: &Silence, config: &Config) -> SilenceReport {
    let Trouble { code, advice, .. } = advice(silence);
    let root = config.tftp.root.to_string_lossy();
    SilenceReport { code, reason: silence.to_string(), advice: advice.replace("ROOT", &root) }
}

/// What the running service tells this client once it has seen more of it than this request.
fn later(first: &Decision, consider: &dyn Fn(&Past) -> Decision) -> Vec<Later> {
    let Ok(offer) = &first.outcome else { return Vec::new() };
    let mut later = Vec::new();
    let mut add = |when, past: &Past| match consider(past).outcome {
        Ok(other) if other.form == offer.form => {}
        Ok(other) => {
            let told = match other.form {
                Some(OfferForm::AskAgain) => "the file is to be asked for on port 4011: no option 43",
                Some(OfferForm::Menu) => "the file as a menu of one entry that boots at once",
                _ => "the file itself",
            };
            later.push(Later { when, told: told.to_owned() });
        }
        Err(Silence::Looping { .. }) => {
            later.push(Later { when, told: "no answer until it was quiet for a minute".to_owned() });
        }
        Err(silence) => later.push(Later { when, told: format!("no answer: {silence}") }),
    };
    add("asks a third time and went no further", &Past { form: OfferForm::AskAgain, ..Past::default() });
    add("asks a fourth time", &Past { form: OfferForm::Menu, ..Past::default() });
    add("was sent this already", &Past { upgraded: true, ..Past::default() });
    // What is loaded by HTTP isn't seen.
    if !is_url(&offer.file) {
        add("has loaded it three times in a minute", &Past::loop_of(&offer.client, &offer.file));
    }
    later
}

fn set_by(rules: &Rules, tag: &str, by: &SetBy) -> Tag {
    let (kind, origin) = match by {
        SetBy::Interface => ("interface", None),
        SetBy::Rule(origin) => (setter_kind(rules, origin), Some(origin.clone())),
    };
    Tag { name: tag.to_owned(), kind, origin }
}

/// What the request says about its sender, as far as it counts.
fn client_facts(request: &Request<'_>, client: Option<&Client>) -> Vec<Field> {
    let mut facts = Vec::new();
    let mut say = |name, value: String| facts.push(Field { name, value });
    if let Some(client) = client {
        say("client", client.to_string());
        say("program", client.program.words().to_owned());
    }
    const TOLD: &[(&str, u8)] =
        &[("architecture", 93), ("vendor_class", 60), ("user_class", 77), ("uuid", 97), ("host_name", 12)];
    for (name, code) in TOLD {
        if let Some(value) = request.option(OptionCode::from(*code)) {
            say(name, packet::in_words(*code, &value));
        }
    }
    if let Some(value) = request.option(OptionCode::from(ETHERBOOT)) {
        say("features", packet::features(&value));
    }
    if let Some(item) = request.option(OptionCode::VendorExtensions).and_then(|value| vendor::boot_item(&value)) {
        say("boot_item", packet::boot_item(item));
    }
    if !request.ciaddr.is_unspecified() {
        say("address", request.ciaddr.to_string());
    }
    facts
}

fn reply(offer: &Offer, written: &Written) -> ReplyReport {
    let options = packet::options(&written.bytes);
    let kind = options.iter().find(|option| option.code == 53).and_then(|option| option.bytes.first().copied());
    let with_origins = |option: Shown| {
        let sent = offer.options.iter().find(|sent| sent.code == option.code && sent.value == option.bytes);
        let origins = sent.map(|sent| sent.origins.clone()).unwrap_or_default();
        (option, origins)
    };
    ReplyReport {
        message: message_name(kind.unwrap_or_default()),
        len: written.bytes.len(),
        custom: match offer.chosen_by {
            ChosenBy::Rule(_) => None,
            ChosenBy::Script => Some("option script"),
            ChosenBy::Machine => Some("the machine's own"),
            ChosenBy::Group(_) => Some("the group's own"),
            ChosenBy::Menu => Some("menu"),
            ChosenBy::Custom => Some("customary"),
        },
        fields: packet::fields(&written.bytes),
        options: options.into_iter().map(with_origins).collect(),
        left_out: written.left_out.map(u8::from),
    }
}
