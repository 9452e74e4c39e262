//! Why each line of the configuration won or lost for one client: read off the decision, never decided anew.

use crate::config::rules::{Boot, DhcpOption, Origin, Place, Rules, Send, Service, TagTest, Target, VendorClass};
use crate::proxy::client::Program;
use crate::proxy::options::{BOOT_FILE, LEASE, OURS};
use crate::proxy::select::{boots_by_precedence, file_of};
use crate::proxy::tags::SetBy;
use crate::proxy::vendor::{self, Shape};
use crate::proxy::{ChosenBy, Decision, Offer, Silence};
use crate::wire::request::Request;
use dhcproto::v4::OptionCode;

/// What became of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fate {
    /// The line.
    pub origin: Origin,
    /// dnsmasq's keyword for it.
    pub kind: &'static str,
    /// What it would boot, or send.
    pub what: String,
    /// True for the line that is heeded.
    pub won: bool,
    /// Why.
    pub why: String,
}

/// All that fates depend on.
pub struct Judge<'a> {
    rules: &'a Rules,
    decision: &'a Decision,
    request: &'a Request<'a>,
}

impl<'a> Judge<'a> {
    /// Judges the lines of `rules` by what was decided for `request`.
    pub fn new(rules: &'a Rules, decision: &'a Decision, request: &'a Request<'a>) -> Self {
        Judge { rules, decision, request }
    }

    /// What became of the lines that name something to boot; none when they weren't looked at.
    pub fn boots(&self) -> Vec<Fate> {
        let unasked =
            matches!(self.decision.outcome, Err(Silence::Barred(_) | Silence::Message(..) | Silence::Relayed(_)));
        if self.decision.client().is_none() || unasked {
            return Vec::new();
        }
        let mut fates = Vec::new();
        for it in &self.rules.services {
            fates.push(fate(&it.origin, "pxe-service", entry(it), self.service(it)));
        }
        for it in &self.rules.boots {
            fates.push(fate(&it.origin, "dhcp-boot", line(it), self.boot(it)));
        }
        for it in self.rules.options.iter().filter(|option| option.place == Place::Plain(BOOT_FILE)) {
            fates.push(fate(&it.origin, "dhcp-option", "67".to_owned(), self.file_option(it)));
        }
        // It is no line of its own, and behind all of them.
        let menu = &self.rules.menu;
        let origin = menu.origin.as_ref().or(menu.entries.first().map(|entry| &entry.origin));
        if let (Ok(Offer { chosen_by: ChosenBy::Menu, file, .. }), Some(origin)) = (&self.decision.outcome, origin) {
            let why = "no line, and no file of the machine's own, comes before it".to_owned();
            fates.push(fate(origin, "menu", file.as_str().to_owned(), (true, why)));
        }
        fates
    }

    /// What became of the lines that add options.
    pub fn options(&self) -> Vec<Fate> {
        let mut fates = Vec::new();
        let Ok(offer) = &self.decision.outcome else { return fates };
        for it in self.rules.options.iter().filter(|option| option.place != Place::Plain(BOOT_FILE)) {
            let won = offer.options.iter().any(|sent| sent.origins.contains(&it.origin));
            let why = if won { String::new() } else { self.unsent(it, offer) };
            fates.push(fate(&it.origin, keyword(it), place(it), (won, why)));
        }
        fates
    }

    fn winner(&self) -> Option<&'a Origin> {
        match &self.decision.outcome {
            Ok(Offer { chosen_by: ChosenBy::Rule(origin), .. }) => Some(origin),
            _ => None,
        }
    }

    fn is_upgrade(&self) -> bool {
        matches!(self.decision.outcome, Ok(Offer { upgrade: true, .. }))
    }

    fn boot(&self, boot: &Boot) -> (bool, String) {
        if self.winner() == Some(&boot.origin) {
            if self.is_upgrade() {
                return (true, FULLER.to_owned());
            }
            let untagged = || "no dhcp-boot with tags holds".to_owned();
            return (true, if boot.when.is_empty() { untagged() } else { tags_hold(&boot.when) });
        }
        if let Some(why) = self.kept_out(&boot.when, &boot.origin) {
            return (false, why);
        }
        match &self.decision.outcome {
            Err(Silence::NeedsHttp { url }) if *url == boot.file => {
                (true, "would be taken, but this iPXE was built without HTTP".to_owned())
            }
            Ok(Offer { shape: Shape::Menu(_), file, .. }) if !file.is_empty() && self.is_first(boot) => {
                (false, "stands beside the menu, for clients that show none".to_owned())
            }
            Err(Silence::OtherServer(_) | Silence::Credentials) | Ok(Offer { shape: Shape::Chosen(_), .. }) => {
                (false, "the client asks for an entry of the menu".to_owned())
            }
            _ if boot.file.is_empty() && self.is_first(boot) => {
                (true, "names no file: the architecture's customary file is taken, from its server".to_owned())
            }
            _ => (false, self.outranked(boot)),
        }
    }

    /// Which line came before one that holds as well.
    fn outranked(&self, boot: &Boot) -> String {
        let mut better = boots_by_precedence(&self.rules.boots, &self.decision.tags);
        let decisive = |other: &&Boot| self.winner() == Some(&other.origin) || other.file.is_empty();
        if let Some(service) = self.rules.services.iter().find(|service| self.winner() == Some(&service.origin)) {
            return said("firmware takes menu entries before boot lines: ", &service.origin);
        }
        match better.find(decisive) {
            Some(other) if !other.when.is_empty() && boot.when.is_empty() => {
                said("a line with tags comes before one without: ", &other.origin)
            }
            Some(other) => said("a later line comes first: ", &other.origin),
            None => "not reached".to_owned(),
        }
    }

    fn is_first(&self, boot: &Boot) -> bool {
        let passed_over = |other: &&Boot| self.decision.passed_over.iter().any(|passed| passed.origin == other.origin);
        let mut better = boots_by_precedence(&self.rules.boots, &self.decision.tags);
        better.find(|other| !passed_over(other)).is_some_and(|first| first.origin == boot.origin)
    }

    fn service(&self, service: &Service) -> (bool, String) {
        let in_menu = match &self.decision.outcome {
            Ok(Offer { shape: Shape::Menu(menu), .. }) => {
                menu.entries.iter().any(|entry| entry.origin == service.origin)
            }
            _ => false,
        };
        if in_menu {
            return (true, "is in the menu".to_owned());
        }
        if self.winner() == Some(&service.origin) {
            let why = match &self.decision.outcome {
                Ok(Offer { shape: Shape::Chosen(_), .. }) => "the client asks for this entry".to_owned(),
                Ok(Offer { shape: Shape::AskAgain, .. }) => {
                    "is in the menu, which UEFI asks for on port 4011".to_owned()
                }
                _ if self.is_upgrade() => FULLER.to_owned(),
                _ if service.when.is_empty() => "is the menu's entry for this architecture".to_owned(),
                _ => tags_hold(&service.when),
            };
            return (true, why);
        }
        if let Err(Silence::OtherServer(_) | Silence::Credentials) | Ok(Offer { shape: Shape::Chosen(_), .. }) =
            self.decision.outcome
        {
            return (false, "the client asks for another entry".to_owned());
        }
        (false, self.why_not_in_menu(service))
    }

    fn why_not_in_menu(&self, service: &Service) -> String {
        let Some(client) = self.decision.client() else { return String::new() };
        if client.program == Program::HttpBoot {
            return "UEFI HTTP Boot shows no menu".to_owned();
        }
        let mut numbers = client.architectures.iter().flat_map(|architecture| architecture.aliases());
        if !numbers.any(|number| number == service.architecture) {
            return format!("is for architecture {}, this client is {client}", service.architecture);
        }
        if let Some(why) = self.kept_out(&service.when, &service.origin) {
            return why;
        }
        match &self.decision.outcome {
            Ok(Offer { shape: Shape::AskAgain, .. }) => "is in the menu, which UEFI asks for on port 4011".to_owned(),
            Ok(Offer { shape: Shape::Menu(menu), .. }) if menu.left_out > 0 => {
                "did not fit the 255 bytes of a menu".to_owned()
            }
            Ok(Offer { shape: Shape::Menu(_), .. }) => "entries for the exact architecture come first".to_owned(),
            _ if client.is_ipxe() => match self.winner() {
                Some(origin) => said("iPXE is shown no menu, and this comes first: ", origin),
                None => "has no file, and iPXE is shown no menu".to_owned(),
            },
            _ => match self.winner() {
                Some(origin) => said("only the entry with a file is offered: ", origin),
                None => "not reached".to_owned(),
            },
        }
    }

    fn file_option(&self, option: &DhcpOption) -> (bool, String) {
        if self.winner() == Some(&option.origin) {
            return (true, "no dhcp-boot line is of use to the client".to_owned());
        }
        let why = match self.kept_out(&option.when, &option.origin) {
            Some(why) => why,
            None => match self.winner() {
                Some(origin) => said("comes behind all dhcp-boot lines: ", origin),
                None => "not reached".to_owned(),
            },
        };
        (false, why)
    }

    /// Why a line doesn't hold or is of no use, if that is so.
    fn kept_out(&self, when: &[TagTest], origin: &Origin) -> Option<String> {
        let passed = || self.decision.passed_over.iter().find(|passed| passed.origin == *origin);
        self.failed_test(when).or_else(|| passed().map(|passed| format!("{} {}", passed.file, passed.why.words())))
    }

    /// The first test that fails, and who would change that.
    fn failed_test(&self, when: &[TagTest]) -> Option<String> {
        let tags = &self.decision.tags;
        let test = when.iter().find(|test| tags.has(&test.tag) != test.set)?;
        if test.set {
            let who = match setters(self.rules, &test.tag).first() {
                Some(origin) => format!("; {origin} would set it"),
                None => "; nothing sets it".to_owned(),
            };
            return Some(format!("tag {} is not set{who}", test.tag));
        }
        let by = tags.iter().find(|(tag, _)| *tag == test.tag).map(|(_, by)| match by {
            SetBy::Rule(origin) => said(", by ", origin),
            SetBy::Interface => ", by the interface's name".to_owned(),
        });
        Some(format!("tag {} is set{}", test.tag, by.unwrap_or_default()))
    }

    /// Why an option isn't sent.
    fn unsent(&self, option: &DhcpOption, offer: &Offer) -> String {
        if let Some(why) = self.failed_test(&option.when) {
            return why;
        }
        let class = self.request.option(OptionCode::ClassIdentifier);
        let other_class =
            |part: &[u8]| !class.as_deref().is_some_and(|class| class.windows(part.len().max(1)).any(|it| it == part));
        let (code, outer) = match &option.place {
            Place::Plain(code) => (*code, *code),
            Place::Encapsulated { outer, code } => (*code, *outer),
            Place::Vendor { class: VendorClass::Containing(part), .. } if !part.is_empty() && other_class(part) => {
                return "the client's vendor class does not contain that".to_owned();
            }
            Place::Vendor { code, .. } => (*code, VENDOR),
            Place::Enterprise { code, .. } => (*code, ENTERPRISES),
        };
        if option.send == Send::IfAsked && option.place != (Place::Plain(NEXT_SERVER)) && !self.asks_for(outer) {
            return format!("the client does not ask for {outer} in option 55; dhcp-option-force sends it");
        }
        if outer == VENDOR && vendor::is_reserved(code) {
            return "the reply itself sets this suboption".to_owned();
        }
        if outer == VENDOR && !offer.options.iter().any(|sent| sent.code == VENDOR) {
            return "this reply has no option 43".to_owned();
        }
        match option.place {
            Place::Plain(SERVER_NAME | NEXT_SERVER) => "names the server, which the reply's own fields do".to_owned(),
            Place::Plain(code) if OURS.contains(&code) => "the reply itself sets this option".to_owned(),
            Place::Plain(code) if LEASE.contains(&code) && option.send != Send::Pxe => {
                "belongs to the lease, which the DHCP server sends; dhcp-option-pxe sends it".to_owned()
            }
            Place::Plain(code) => match offer.options.iter().find(|sent| sent.code == code) {
                Some(sent) => {
                    sent.origins.first().map_or_else(String::new, |origin| said("another line comes first: ", origin))
                }
                None => String::new(),
            },
            _ => "there was no room for it".to_owned(),
        }
    }

    fn asks_for(&self, code: u8) -> bool {
        let asked = self.request.option(OptionCode::ParameterRequestList);
        asked.is_none_or(|asked| asked.contains(&code))
    }
}

/// Tags don't tell why: the line is one for the machine's firmware.
const FULLER: &str = "is the iPXE that this machine's firmware loads, and may fetch the URL";

const VENDOR: u8 = 43;
const SERVER_NAME: u8 = 66;
const ENTERPRISES: u8 = 125;
const NEXT_SERVER: u8 = 255;

fn tags_hold(when: &[TagTest]) -> String {
    let mut text = String::from("its tags hold: ");
    for (at, test) in when.iter().enumerate() {
        text.push_str(if at > 0 { ", " } else { "" });
        text.push_str(if test.set { "" } else { "not " });
        text.push_str(&test.tag);
    }
    text
}

/// The lines that set a tag.
pub fn setters<'r>(rules: &'r Rules, tag: &str) -> Vec<&'r Origin> {
    let mut setters = Vec::new();
    let mut add = |sets: bool, origin: &'r Origin| setters.extend(sets.then_some(origin));
    for it in &rules.taggers {
        add(it.tag == tag, &it.origin);
    }
    for it in &rules.hosts {
        add(tag == "known" || it.set.iter().any(|set| set == tag), &it.origin);
    }
    for it in &rules.tag_ifs {
        add(it.set.iter().any(|set| set == tag), &it.origin);
    }
    for it in &rules.ranges {
        add(it.set.as_deref() == Some(tag), &it.origin);
    }
    for it in &rules.interface_tags {
        add(it.tag == tag, &it.origin);
    }
    setters
}

/// What kind of line set a tag.
pub fn setter_kind(rules: &Rules, origin: &Origin) -> &'static str {
    if rules.tag_ifs.iter().any(|tag_if| tag_if.origin == *origin) {
        "tag-if"
    } else if rules.hosts.iter().any(|host| host.origin == *origin) {
        "dhcp-host"
    } else if rules.ranges.iter().any(|range| range.origin == *origin) {
        "dhcp-range"
    } else if rules.interface_tags.iter().any(|network| network.origin == *origin) {
        "networkid"
    } else {
        "match"
    }
}

fn fate(origin: &Origin, kind: &'static str, what: String, (won, why): (bool, String)) -> Fate {
    Fate { origin: origin.clone(), kind, what, won, why }
}

fn said(what: &str, origin: &Origin) -> String {
    format!("{what}{origin}")
}

fn line(boot: &Boot) -> String {
    let file = if boot.file.is_empty() { "(no file)" } else { &boot.file };
    match boot.server {
        Some(server) => format!("{file} from {server}"),
        None => file.to_owned(),
    }
}

fn entry(service: &Service) -> String {
    let target = match &service.target {
        Target::Local => "the next boot device".to_owned(),
        Target::Type(number) => format!("server type {number}"),
        Target::File(_) => file_of(service).unwrap_or_default(),
    };
    format!("{target}, \"{}\"", service.text)
}

fn keyword(option: &DhcpOption) -> &'static str {
    match (option.send, &option.place) {
        (_, Place::Vendor { class: VendorClass::Pxe, .. }) => "pxe-prompt",
        (Send::IfAsked, _) => "dhcp-option",
        (Send::Always, _) => "dhcp-option-force",
        (Send::Pxe, _) => "dhcp-option-pxe",
    }
}

fn place(option: &DhcpOption) -> String {
    match &option.place {
        Place::Plain(code) => code.to_string(),
        Place::Encapsulated { outer, code } => format!("{outer}.{code}"),
        Place::Vendor { code, .. } => format!("43.{code}"),
        Place::Enterprise { number, code } => format!("125.{number}.{code}"),
    }
}
