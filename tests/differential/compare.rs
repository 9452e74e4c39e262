//! What must agree, and the differences that are meant, each with its reason.

use std::collections::{BTreeMap, BTreeSet};

use upxe::config::Rules;
use upxe::config::rules::{OptionValue, Place};
use upxe::proxy::architecture::is_ipxe_binary;
use upxe::proxy::matching::Barred;
use upxe::proxy::{ChosenBy, Door, Silence, Unfit};

use crate::bench::{Exchange, Mode, ROUTER, rules};
use crate::clients::Client;

/// A reply by names: header fields, and options by their codes; an option in several pieces is joined.
pub struct Fields(pub BTreeMap<String, Vec<u8>>);

/// What was found for one client.
#[derive(Default)]
pub struct Findings {
    /// Reasons of differences that are meant.
    pub accepted: BTreeSet<&'static str>,
    /// Differences that are not.
    pub unexplained: Vec<String>,
}

/// The differences that are meant.
mod reason {
    pub const SECS: &str = "secs is 0 in replies (RFC 2131 table 3); dnsmasq leaves the client's value";
    pub const SNAME: &str = "sname is never empty: firmware looks for the server there";
    pub const BOOT_SNAME: &str = "a boot line's server name is sent by the proxy too";
    pub const SIADDR: &str = "siaddr is never 0, or iPXE finds no boot server in the offer and gives up";
    pub const DIRECT: &str = "the file stands in the offer where dnsmasq sends UEFI to port 4011 for it first";
    pub const ONE_ENTRY: &str = "a menu of one entry that boots at once is answered with that entry's file";
    pub const DIRECT_ACK: &str = "option 43 stands in port 4011's answers to UEFI too: load this file";
    pub const NOTHING: &str = "silence where dnsmasq makes an offer without a file, which costs seconds";
    pub const IPXE_MENU: &str = "iPXE gets no menu, and a boot line's file rather than a menu entry's";
    pub const LOOP: &str = "iPXE is never told to load iPXE";
    pub const URL: &str = "a ROM is never told to load a URL";
    pub const HTTP: &str = "iPXE without HTTP isn't given an http URL, but a fuller iPXE";
    pub const HTTP_BOOT: &str = "UEFI HTTP Boot is answered with URLs";
    pub const PRIORITY: &str = "175.1 makes iPXE prefer our file to one in the DHCP server's reply";
    pub const OPTIONS: &str = "dhcp-option acts in proxy replies too";
    pub const RESERVED: &str = "43.6, 8, 9 and 71 are the reply's own; dnsmasq sends a configured one a second time";
    pub const AGENT: &str = "option 82 is not repeated to clients that no relay stands before";
    pub const HOST_IGNORE: &str = "dhcp-host=…,ignore keeps the proxy silent too";
    pub const BY_CLASS: &str = "without option 93 the vendor class tells the architecture";
    pub const ALIAS: &str = "entries for x64's one number (7, 9) hold for the other where it has none";
    pub const BESIDE: &str = "the file beside a menu is one that its client could use";
    pub const OWN_43: &str = "option 43 in a server's reply is PXE's alone";
    pub const LEASE: &str = "options about the lease are left to the DHCP server";
    pub const ONE_NAME: &str = "dhcp-option 66 and 67 count only where no boot line holds";
    pub const SIADDR_66: &str = "an address in dhcp-option 66 or 150 is where the file is fetched from";
    pub const CLASS: &str = "option 60 is the reply's own";
    pub const RANGE_TAG: &str = "the address range's tag counts when a menu entry is asked for, too";
    pub const ALL: &[&str] = &[
        RANGE_TAG,
        SECS,
        SNAME,
        BOOT_SNAME,
        SIADDR,
        DIRECT,
        ONE_ENTRY,
        DIRECT_ACK,
        NOTHING,
        IPXE_MENU,
        LOOP,
        URL,
        HTTP,
        HTTP_BOOT,
        PRIORITY,
        OPTIONS,
        RESERVED,
        AGENT,
        HOST_IGNORE,
        BY_CLASS,
        ALIAS,
        BESIDE,
        OWN_43,
        LEASE,
        ONE_NAME,
        SIADDR_66,
        CLASS,
    ];
}

/// What is accepted here is what users are told: the README's list is this one.
pub fn assert_that_the_readme_tells() {
    const README: &str = include_str!("../../README.md");
    let (_, rest) = README.split_once("<!-- differences -->").expect("the README's list");
    let (list, _) = rest.split_once("<!-- /differences -->").expect("its end");
    let mut told: Vec<String> = list
        .lines()
        .filter_map(|line| line.strip_prefix("- "))
        .map(|line| line.trim_end_matches('.').to_lowercase())
        .collect();
    let mut meant: Vec<String> = reason::ALL.iter().map(|reason| reason.to_lowercase()).collect();
    told.sort();
    meant.sort();
    assert_eq!(told, meant);
}

/// A difference that never shows is no longer meant.
pub fn assert_that_every_reason_is_needed(found: &BTreeMap<&'static str, usize>) {
    let stale: Vec<&&str> = reason::ALL.iter().filter(|reason| !found.contains_key(**reason)).collect();
    assert!(stale.is_empty(), "accepted differences that did not occur: {stale:#?}");
}

impl Fields {
    pub fn of(reply: &[u8]) -> Self {
        const FIELDS: &[(&str, std::ops::Range<usize>)] = &[
            ("op", 0..1),
            ("htype", 1..2),
            ("hlen", 2..3),
            ("hops", 3..4),
            ("xid", 4..8),
            ("secs", 8..10),
            ("flags", 10..12),
            ("ciaddr", 12..16),
            ("yiaddr", 16..20),
            ("siaddr", 20..24),
            ("giaddr", 24..28),
            ("chaddr", 28..44),
            ("sname", 44..108),
            ("file", 108..236),
            ("cookie", 236..240),
        ];
        let mut fields: BTreeMap<String, Vec<u8>> =
            FIELDS.iter().map(|(name, range)| ((*name).to_owned(), reply[range.clone()].to_vec())).collect();
        let mut at = 240;
        while at + 1 < reply.len() && reply[at] != 255 {
            if reply[at] == 0 {
                at += 1;
                continue;
            }
            let (code, len) = (reply[at], usize::from(reply[at + 1]));
            fields.entry(format!("{code:03}")).or_default().extend(&reply[at + 2..at + 2 + len]);
            at += 2 + len;
        }
        Fields(fields)
    }

    fn get(&self, name: &str) -> &[u8] {
        self.0.get(name).map_or(&[], Vec::as_slice)
    }

    fn option(&self, code: u8) -> Option<&[u8]> {
        self.0.get(&format!("{code:03}")).map(Vec::as_slice)
    }

    /// A field's text up to its first NUL.
    fn text(&self, name: &str) -> String {
        let value = self.get(name);
        let end = value.iter().position(|&byte| byte == 0).unwrap_or(value.len());
        String::from_utf8_lossy(&value[..end]).into_owned()
    }

    /// The boot file, wherever it stands.
    fn file(&self) -> String {
        let field = self.text("file");
        if field.is_empty() { self.text("067") } else { field }
    }

    fn server_name(&self) -> String {
        let field = self.text("sname");
        if field.is_empty() { self.text("066") } else { field }
    }

    fn suboptions(&self) -> Vec<(u8, Vec<u8>)> {
        suboptions(self.option(43).unwrap_or_default())
    }
}

fn suboptions(value: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let (mut found, mut rest) = (Vec::new(), value);
    while let [code, len, tail @ ..] = rest {
        let len = usize::from(*len).min(tail.len());
        found.push((*code, tail[..len].to_vec()));
        rest = &tail[len..];
    }
    found
}

/// What a client ends up with when it follows the protocol.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Boots {
    /// Nobody answered.
    Unanswered,
    /// It was answered, and told nothing.
    Nothing,
    /// A file from a server.
    File(String, Vec<u8>),
    /// A menu: option 43.
    Menu(Vec<(u8, Vec<u8>)>),
}

/// Follows the protocol through the replies of one side.
fn follow(exchanges: &[Exchange], reply: impl Fn(&Exchange) -> Option<&Vec<u8>>) -> Boots {
    let fields = |exchange: &Exchange| reply(exchange).map(|bytes| Fields::of(bytes));
    let Some(offer) = exchanges.first().and_then(fields) else { return Boots::Unanswered };
    let told = if offer.option(43).is_some() { Some(offer) } else { exchanges.get(1).and_then(fields) };
    let Some(told) = told else { return Boots::Nothing };
    let own = |fields: &Fields| {
        let siaddr = fields.get("siaddr").to_vec();
        if siaddr == [0; 4] { ROUTER.octets().to_vec() } else { siaddr }
    };
    let suboptions = told.suboptions();
    let menu = suboptions.iter().find(|(code, _)| *code == 9).map(|(_, value)| value.as_slice());
    let item = |number: u16| exchanges.iter().find(|exchange| exchange.item == Some(number)).and_then(fields);
    match menu {
        Some([a, b, len, text @ ..])
            if text.len() == usize::from(*len) && suboptions.contains(&(10, b"\0PXE".to_vec())) =>
        {
            match item(u16::from_be_bytes([*a, *b])) {
                Some(told) => Boots::File(told.text("file"), own(&told)),
                None => Boots::Menu(suboptions),
            }
        }
        Some(_) => Boots::Menu(suboptions),
        None if told.file().is_empty() => Boots::Nothing,
        None => Boots::File(told.file(), own(&told)),
    }
}

struct Comparison<'a> {
    rules: Rules,
    client: &'a Client,
    exchanges: &'a [Exchange],
    findings: Findings,
}

pub fn compare(config: &str, mode: Mode, client: &Client, exchanges: &[Exchange]) -> Findings {
    let mut comparison = Comparison { rules: rules(config), client, exchanges, findings: Findings::default() };
    exchanges.iter().for_each(|exchange| comparison.tags(exchange));
    match mode {
        Mode::Proxy => comparison.proxy(),
        Mode::Server => comparison.server(),
    }
    comparison.findings
}

impl Comparison<'_> {
    fn accept(&mut self, reason: &'static str) {
        self.findings.accepted.insert(reason);
    }

    fn complain(&mut self, what: String) {
        self.findings.unexplained.push(what);
    }

    /// Only requests of clients that boot have tags with upxe.
    fn tags(&mut self, exchange: &Exchange) {
        let Some(theirs) = &exchange.their_tags else { return };
        let ours: BTreeSet<String> = exchange.decision.tags.iter().map(|(tag, _)| tag.to_owned()).collect();
        if exchange.item.is_some() && *theirs != ours && *theirs == exchange.early_tags {
            return self.accept(reason::RANGE_TAG);
        }
        if exchange.decision.client().is_some() && *theirs != ours {
            self.complain(format!("tags: dnsmasq {theirs:?}, upxe {ours:?}"));
        }
    }

    fn proxy(&mut self) {
        let theirs = follow(self.exchanges, |exchange| exchange.theirs.as_ref());
        let ours = follow(self.exchanges, |exchange| exchange.ours.as_ref());
        let same = theirs == ours;
        if !same {
            match self.why_other(&theirs, &ours) {
                Some(reason) => self.accept(reason),
                None => self.complain(format!("boots: dnsmasq {theirs:?}, upxe {ours:?}")),
            }
        }
        for exchange in self.exchanges {
            match (&exchange.theirs, &exchange.ours) {
                (Some(theirs), Some(ours)) => self.fields(exchange, &Fields::of(theirs), &Fields::of(ours), same),
                (None, None) => {}
                // Whether a client is answered at all has been compared; what follows from that has no weight.
                _ if exchange.item.is_none() => {}
                (theirs, _) => self.item_silence(exchange, theirs.is_some()),
            }
        }
    }

    /// Why a client boots something else than with dnsmasq, if that is meant.
    fn why_other(&self, theirs: &Boots, ours: &Boots) -> Option<&'static str> {
        let decision = &self.exchanges.first()?.decision;
        let passed =
            |unfit: Unfit| decision.outcome.is_ok() && decision.passed_over.iter().any(|passed| passed.why == unfit);
        let their_file = match theirs {
            Boots::File(file, _) => file.as_str(),
            _ => "",
        };
        let is_url = their_file.contains("://");
        match (&decision.outcome, theirs) {
            _ if self.client.option(60).is_some_and(|class| class.starts_with(b"HTTP")) => Some(reason::HTTP_BOOT),
            (Err(Silence::Barred(Barred::Ignored(origin))), _) => {
                let is_host = self.rules.hosts.iter().any(|host| host.ignore && host.origin == *origin);
                is_host.then_some(reason::HOST_IGNORE)
            }
            _ if self.client.option(93).is_none() && *theirs == Boots::Unanswered => Some(reason::BY_CLASS),
            (Err(Silence::NoFile { .. } | Silence::UnknownArchitecture(_)), Boots::Nothing) => Some(reason::NOTHING),
            (Err(Silence::NeedsHttp { .. }), _) => Some(reason::HTTP),
            (Ok(offer), _) if offer.upgrade => Some(reason::HTTP),
            _ if self.client.is_ipxe() && (is_ipxe_binary(their_file) || passed(Unfit::Loop)) => Some(reason::LOOP),
            _ if self.client.is_ipxe() && self.has_entries() => Some(reason::IPXE_MENU),
            _ if !self.client.is_ipxe() && (is_url || passed(Unfit::Url)) => Some(reason::URL),
            (Ok(offer), _) if matches!(ours, Boots::File(..) | Boots::Menu(_)) => {
                let ChosenBy::Rule(origin) = &offer.chosen_by else { return None };
                let service = self.rules.services.iter().find(|service| service.origin == *origin)?;
                if Some(service.architecture) != self.client.architecture() {
                    return Some(reason::ALIAS);
                }
                match (theirs, ours) {
                    (Boots::Menu(theirs), Boots::Menu(ours)) if same_but_reserved(theirs, ours) => {
                        Some(reason::RESERVED)
                    }
                    _ => None,
                }
            }
            _ => None,
        }
    }

    /// True when menu entries hold for the client.
    fn has_entries(&self) -> bool {
        let Some(decision) = self.exchanges.first().map(|exchange| &exchange.decision) else { return false };
        let holds = |number: u16| {
            self.rules.services.iter().any(|it| it.architecture == number && decision.tags.meets(&it.when))
        };
        self.client.architecture().is_some_and(holds)
    }

    fn item_silence(&mut self, exchange: &Exchange, answered: bool) {
        match &exchange.decision.outcome {
            Err(Silence::Barred(Barred::Ignored(_))) if answered => self.accept(reason::HOST_IGNORE),
            Err(Silence::Barred(_)) => {}
            _ if self.client.option(60).is_some_and(|class| class.starts_with(b"HTTP")) => {
                self.accept(reason::HTTP_BOOT);
            }
            outcome => {
                let ours = outcome.as_ref().map(|offer| offer.file.as_str()).map_err(ToString::to_string);
                let item = exchange.item;
                self.complain(format!("item {item:04x?}: dnsmasq answers: {answered}, upxe {ours:?}"));
            }
        }
    }

    /// Every field of a reply. Where the client boots something else on purpose, the fields that say what are not compared.
    fn fields(&mut self, exchange: &Exchange, theirs: &Fields, ours: &Fields, same_boot: bool) {
        let names: BTreeSet<&String> = theirs.0.keys().chain(ours.0.keys()).collect();
        for name in names {
            let (left, right) = (theirs.0.get(name), ours.0.get(name));
            if left == right {
                continue;
            }
            let about_boot = ["file", "siaddr", "sname", "043"].contains(&name.as_str());
            if about_boot && !same_boot && exchange.item.is_none() {
                continue;
            }
            match self.why(exchange, name, theirs, ours) {
                Some(reason) => self.accept(reason),
                None => {
                    let shown = |value: Option<&Vec<u8>>| value.map(|value| trimmed(value).escape_ascii().to_string());
                    let (left, right) = (shown(left), shown(right));
                    self.complain(format!("{:?} {:04x?} {name}: {left:?} {right:?}", exchange.door, exchange.item));
                }
            }
        }
    }

    fn why(&self, exchange: &Exchange, name: &str, theirs: &Fields, ours: &Fields) -> Option<&'static str> {
        let offer = exchange.decision.outcome.as_ref().ok()?;
        let uefi = self.client.architecture().is_some_and(|number| number >= 6);
        let direct = ours.suboptions().first() == Some(&(6, vec![8]));
        let menu = theirs.suboptions().iter().any(|(code, _)| *code == 9);
        match name {
            "secs" => Some(reason::SECS),
            "sname" if theirs.text(name).is_empty() && offer.server_name.is_empty() => {
                (ours.text(name) == offer.server.to_string()).then_some(reason::SNAME)
            }
            "sname" if theirs.text(name).is_empty() => Some(reason::BOOT_SNAME),
            "sname" if self.client.is_ipxe() && self.has_entries() => Some(reason::IPXE_MENU),
            // What was followed through both sides' replies came to the same file from the same server.
            "file" | "siaddr" | "043" if direct && menu => Some(reason::ONE_ENTRY),
            "file" | "siaddr" | "043" if direct && uefi && exchange.door == Door::Proxy => Some(reason::DIRECT),
            "043" if direct && uefi && theirs.option(43).is_none() => Some(reason::DIRECT_ACK),
            "siaddr" if theirs.get(name) == [0; 4] => Some(reason::SIADDR),
            "043" if same_but_reserved(&theirs.suboptions(), &ours.suboptions()) => Some(reason::RESERVED),
            "043" if exchange.item.is_some() && self.rules.ranges.iter().any(|range| range.set.is_some()) => {
                Some(reason::RANGE_TAG)
            }
            "file" if menu || exchange.item.is_none() && theirs.option(43).is_none() => Some(reason::BESIDE),
            "siaddr" if menu || exchange.item.is_none() && theirs.option(43).is_none() => Some(reason::BESIDE),
            "082" => Some(reason::AGENT),
            "175" if theirs.option(175).is_none() && ours.get(name) == [1, 1, 1] => Some(reason::PRIORITY),
            "175" | "209" if !theirs.0.contains_key(name) => Some(reason::OPTIONS),
            _ => None,
        }
    }

    /// dnsmasq as a server: its boot file, names and options against those of our proxy reply.
    fn server(&mut self) {
        let Some(exchange) = self.exchanges.first() else { return };
        let Some(theirs) = exchange.theirs.as_deref().map(Fields::of) else { return };
        match &exchange.ours {
            Some(ours) => self.server_reply(exchange, &theirs, &Fields::of(ours)),
            None => match &exchange.decision.outcome {
                Err(Silence::NoFile { .. } | Silence::UnknownArchitecture(_)) if theirs.file().is_empty() => {
                    self.accept(reason::NOTHING);
                }
                Err(Silence::NeedsHttp { .. }) => self.accept(reason::HTTP),
                // As a server it answers everybody.
                Err(Silence::NotBooting) => {}
                Err(Silence::NoFile { .. } | Silence::UnknownArchitecture(_)) if self.client.is_ipxe() => {
                    self.accept_if(is_ipxe_binary(&theirs.file()), reason::LOOP, "no reply to iPXE");
                }
                Err(Silence::NoFile { .. } | Silence::UnknownArchitecture(_)) => {
                    self.accept_if(theirs.file().contains("://"), reason::URL, "no reply to a ROM");
                }
                Err(silence) => self.complain(format!("upxe is silent: {silence}")),
                Ok(_) => {}
            },
        }
    }

    fn accept_if(&mut self, holds: bool, reason: &'static str, what: &str) {
        if holds { self.accept(reason) } else { self.complain(what.to_owned()) }
    }

    fn server_reply(&mut self, exchange: &Exchange, theirs: &Fields, ours: &Fields) {
        if exchange.decision.outcome.as_ref().is_ok_and(|offer| offer.upgrade) {
            return self.accept(reason::HTTP);
        }
        if theirs.file() != ours.file() {
            let fits =
                if self.client.is_ipxe() { is_ipxe_binary(&theirs.file()) } else { theirs.file().contains("://") };
            let reason = if self.client.is_ipxe() { reason::LOOP } else { reason::URL };
            return self.accept_if(fits, reason, &format!("file: {} {}", theirs.file(), ours.file()));
        }
        let by_option = self.chosen_by_option(exchange);
        if theirs.server_name() != ours.server_name() {
            let is_address = ours.server_name() == offered_server(exchange);
            let fits = theirs.server_name().is_empty() && is_address;
            // With a boot line, dnsmasq still sends option 66 if it is asked for.
            let named_twice = !by_option && theirs.option(66).is_some();
            let reason = if named_twice { reason::ONE_NAME } else { reason::SNAME };
            self.accept_if(
                fits || named_twice,
                reason,
                &format!("sname: {} {}", theirs.server_name(), ours.server_name()),
            );
        }
        if theirs.get("siaddr") != ours.get("siaddr") {
            self.accept_if(by_option, reason::SIADDR_66, "siaddr");
        }
        let codes: BTreeSet<u8> = theirs.0.keys().chain(ours.0.keys()).filter_map(|name| name.parse().ok()).collect();
        for code in codes {
            let (left, right) = (theirs.option(code), ours.option(code));
            if left != right {
                self.server_option(code, left, right, by_option);
            }
        }
    }

    fn server_option(&mut self, code: u8, theirs: Option<&[u8]>, ours: Option<&[u8]>, by_option: bool) {
        match code {
            // The message's own, and the lease's.
            51..=59 | 1 | 28 => {}
            3 | 6 | 12 | 15 if ours.is_none() => self.accept(reason::LEASE),
            43 => self.accept(reason::OWN_43),
            60 => self.accept(reason::CLASS),
            97 if theirs.is_none() => {}
            82 => self.accept(reason::AGENT),
            66 | 67 if by_option || ours.is_none() || self.is_configured(code) => self.accept(reason::ONE_NAME),
            // Ours stand in options as well, when dhcp-no-override is missing.
            66 if theirs.is_none() => self.accept(reason::SNAME),
            175 if self.client.is_ipxe() => {
                let unset = ours.and_then(|ours| ours.strip_prefix(&[1, 1, 1]));
                self.accept_if(unset == Some(theirs.unwrap_or_default()), reason::PRIORITY, "175");
            }
            _ => {
                let shown = |value: Option<&[u8]>| value.map(|value| value.escape_ascii().to_string());
                self.complain(format!("option {code}: {:?} {:?}", shown(theirs), shown(ours)));
            }
        }
    }

    fn is_configured(&self, code: u8) -> bool {
        self.rules.options.iter().any(|option| option.place == Place::Plain(code))
    }

    fn chosen_by_option(&self, exchange: &Exchange) -> bool {
        let Ok(offer) = &exchange.decision.outcome else { return false };
        let ChosenBy::Rule(origin) = &offer.chosen_by else { return false };
        self.rules.options.iter().any(|option| option.origin == *origin && matches!(option.value, OptionValue::Text(_)))
    }
}

fn offered_server(exchange: &Exchange) -> String {
    exchange.decision.outcome.as_ref().map(|offer| offer.server.to_string()).unwrap_or_default()
}

/// True when the suboptions are the same but for those that a rule may not add.
fn same_but_reserved(theirs: &[(u8, Vec<u8>)], ours: &[(u8, Vec<u8>)]) -> bool {
    let mut left = ours.iter().peekable();
    let added = |code: u8| [6, 8, 9, 71].contains(&code);
    theirs.iter().all(|suboption| left.next_if(|own| *own == suboption).is_some() || added(suboption.0))
        && left.next().is_none()
}

fn trimmed(value: &[u8]) -> &[u8] {
    let end = value.iter().rposition(|&byte| byte != 0).map_or(0, |at| at + 1);
    &value[..end]
}
