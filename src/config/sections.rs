//! UCI sections that stand for dnsmasq lines: each is put into the words that OpenWrt's `dnsmasq.init` writes for it, and
//! read by the same parsers.

use std::rc::Rc;

use super::Origin;
use super::boot::{self, Home};
use super::diagnostic::{Diagnostic, Severity, quoted};
use super::dnsmasq::words::Line;
use super::dnsmasq::{Collected, Outcome, keywords};
use super::hosts::Hosts;
use super::options::{self, Known, common, dhcp, dnsmasq, host, tag, tagging};
use super::rules::{InterfaceTag, Rules};
use super::section::Reader;
use super::uci::{self, Opt, Package, Section, Value};

/// A section that sets a tag: the line it becomes, and the option that says when.
struct Tagging {
    kind: &'static str,
    keyword: &'static str,
    value: &'static Known,
}

const TAGGING: &[Tagging] = &[
    Tagging { kind: "mac", keyword: "dhcp-mac", value: &tagging::MAC },
    Tagging { kind: "vendorclass", keyword: "dhcp-vendorclass", value: &tagging::VENDORCLASS },
    Tagging { kind: "userclass", keyword: "dhcp-userclass", value: &tagging::USERCLASS },
    Tagging { kind: "circuitid", keyword: "dhcp-circuitid", value: &tagging::CIRCUITID },
    Tagging { kind: "remoteid", keyword: "dhcp-remoteid", value: &tagging::REMOTEID },
    Tagging { kind: "subscrid", keyword: "dhcp-subscrid", value: &tagging::SUBSCRIBERID },
    Tagging { kind: "match", keyword: "dhcp-match", value: &tagging::MATCH },
];

/// What has no colons would be taken for a name or an address, as in a line of dnsmasq's; what is longer or shorter than an
/// address is like no machine's.
fn remark_on_macs(reader: &mut Reader<'_>) {
    for (word, origin) in reader.words(&host::MAC) {
        if word.split(':').count() != 6 && !word.starts_with("id:") {
            let found = quoted(word.as_bytes());
            let parts =
                &[&found, " is no hardware address, which is six bytes parted by colons: no machine is meant by it"];
            reader.remark(Severity::Warning, &host::MAC, origin, parts);
        }
    }
}

/// Every kind of section that [`Sections::read`] knows.
pub fn kinds() -> impl Iterator<Item = &'static str> {
    let others = [options::boot::SECTION.kind, host::SECTION.kind, tag::SECTION.kind, dhcp::SECTION.kind];
    others.into_iter().chain(TAGGING.iter().map(|tagging| tagging.kind))
}

/// What a text of `/etc/config/upxe` comes to by itself, as if all of it stood at `place`; `None` if there is anything to complain of.
pub fn read_alone(text: &str, place: &Origin, hosts: &Hosts<'_>) -> Option<Rules> {
    let (mut package, errors) = uci::parse(text.as_bytes());
    for section in &mut package.sections {
        section.line = place.line;
        for option in &mut section.options {
            match &mut option.value {
                Value::Single(value) => value.line = place.line,
                Value::List(items) => items.iter_mut().for_each(|item| item.line = place.line),
            }
        }
    }
    let (mut collected, mut out) = (Collected::default(), Vec::new());
    let mut sections =
        Sections { file: &place.file, home: Home::Ours, hosts, collected: &mut collected, out: &mut out };
    if let Some(main) = package.sections.iter().find(|section| section.kind == options::upxe::SECTION.kind) {
        sections.main(main);
        sections.reader(main).folder(&options::upxe::TFTP_ROOT);
    }
    sections.read(&package, &|_| false);
    (errors.is_empty() && out.is_empty()).then_some(collected.rules)
}

/// Reads the sections of one file.
pub struct Sections<'a> {
    /// The file's name.
    pub file: &'a Rc<str>,
    /// Which file it is.
    pub home: Home,
    /// Where names are looked up.
    pub hosts: &'a Hosts<'a>,
    /// Where lines go.
    pub collected: &'a mut Collected,
    /// Where complaints go.
    pub out: &'a mut Vec<Diagnostic>,
}

impl Sections<'_> {
    /// Reads all of them, in the order in which `dnsmasq.init` writes their lines.
    pub fn read(&mut self, package: &Package, passed_over: &dyn Fn(&Section) -> bool) {
        let sections: Vec<&Section> = package.sections.iter().filter(|section| !passed_over(section)).collect();
        let of_kind = |kind: &'static str| sections.iter().copied().filter(move |section| section.kind == kind);
        of_kind(host::SECTION.kind).for_each(|section| self.host(section));
        of_kind(options::boot::SECTION.kind).for_each(|section| self.boot(section));
        of_kind(tag::SECTION.kind).for_each(|section| self.tag(section));
        for tagging in TAGGING {
            of_kind(tagging.kind).for_each(|section| self.tagging(section, tagging));
        }
        of_kind(dhcp::SECTION.kind).for_each(|section| self.dhcp(section));
    }

    /// The lines that stand in options of `config dnsmasq` and `config upxe`.
    pub fn main(&mut self, section: &Section) {
        for (text, origin) in self.items(section, &dnsmasq::DHCP_BOOT) {
            let text = self.with_tag_prefix(&text, &origin);
            self.take("dhcp-boot", &text, &dnsmasq::DHCP_BOOT, &origin);
        }
        for (text, origin) in self.items(section, &dnsmasq::PXE_SERVICE) {
            self.take("pxe-service", &text, &dnsmasq::PXE_SERVICE, &origin);
        }
        for (text, origin) in self.items(section, &dnsmasq::PXE_PROMPT) {
            self.take("pxe-prompt", &text, &dnsmasq::PXE_PROMPT, &origin);
        }
        self.options(section, "");
        if self.home == Home::Ours {
            for (text, origin) in self.items(section, &options::upxe::LINE) {
                self.line(section, &text, &origin);
            }
        }
    }

    /// A line in dnsmasq's words, for what no section says.
    fn line(&mut self, section: &Section, text: &str, origin: &Origin) {
        const EXPECTED: &str = "a line about booting in dnsmasq's words, such as tag-if=set:a,tag:b";
        let (keyword, value) = text.split_once('=').unwrap_or((text, ""));
        let keyword = keyword.trim();
        // Those have options here, which the daemon is set up by.
        let is_option = keyword.contains("tftp") || keyword == "dhcp-no-override";
        if is_option || !keywords().any(|known| known == keyword) {
            self.reader(section).reject(&options::upxe::LINE, origin.clone(), text, EXPECTED);
        } else {
            self.take(keyword, value, &options::upxe::LINE, origin);
        }
    }

    fn host(&mut self, section: &Section) {
        let ours = self.home == Home::Ours;
        let mut reader = self.reader(section);
        reader.check_names(&host::SECTION, false);
        if !reader.flag(&host::ENABLE) {
            return;
        }
        let origin = reader.origin();
        if ours {
            remark_on_macs(&mut reader);
        }
        let mut words = |known| -> Vec<String> { reader.words(known).into_iter().map(|(word, _)| word).collect() };
        let (macs, address) = (words(&host::MAC), words(&host::IP));
        let (network, tags, filters) = (words(&host::NETWORKID), words(&host::TAG), words(&host::MATCH_TAG));
        let name = words(&host::NAME);
        // dnsmasq.init: what is neither fixed nor named has no line of its own.
        // In our own file a machine may carry tags without either.
        let unfixed = self.home == Home::Dhcp && address.is_empty() && name.is_empty();
        if unfixed || macs.is_empty() && name.is_empty() {
            return;
        }
        let mut parts = Vec::new();
        for (prefix, words) in
            [("tag:", &filters), ("", &macs), ("set:", &network), ("set:", &tags), ("", &address), ("", &name)]
        {
            parts.extend(words.iter().map(|word| [prefix, word].concat()));
        }
        self.take("dhcp-host", &parts.join(","), &host::MAC, &origin);
        self.options(section, &network.join(","));
    }

    fn boot(&mut self, section: &Section) {
        let (home, hosts) = (self.home, self.hosts);
        let mut reader = self.reader(section);
        let boot = boot::read_section(&mut reader, home, hosts);
        let tags: Vec<String> = reader.items(&options::boot::NETWORKID, boot::whole);
        if let Some(boot) = boot {
            self.collected.rules.boots.push(boot);
            self.options(section, &tags.join(","));
        }
    }

    /// `config tag 'x'`: options for clients that carry the tag.
    fn tag(&mut self, section: &Section) {
        self.reader(section).check_names(&tag::SECTION, false);
        if !section.anonymous {
            self.options(section, &section.name);
        }
    }

    fn tagging(&mut self, section: &Section, tagging: &Tagging) {
        let ours = self.home == Home::Ours;
        let mut reader = self.reader(section);
        reader.check_names(&tagging::SECTION, ours);
        let network = reader.written(&tagging::NETWORKID, boot::whole);
        let value = reader.written(tagging.value, boot::whole);
        match (network, value) {
            (Some((network, _)), Some((value, origin))) => {
                self.take(tagging.keyword, &["set:", &network, ",", &value].concat(), tagging.value, &origin);
                self.options(section, &network);
            }
            // dnsmasq.init passes over what is incomplete, without a word.
            (network, _) => {
                let missing = if network.is_none() { &tagging::NETWORKID } else { tagging.value };
                let origin = reader.origin();
                reader.remark(Severity::Warning, missing, origin, &["missing, and so the section has no effect"]);
            }
        }
    }

    /// `config dhcp`: the tag of an interface's clients, and options for them.
    fn dhcp(&mut self, section: &Section) {
        let mut reader = self.reader(section);
        let Some((interface, _)) = reader.written(&dhcp::INTERFACE, boot::whole) else { return };
        let network = reader.written(&dhcp::NETWORKID, boot::whole);
        if let Some((tag, origin)) = network.clone() {
            self.collected.rules.interface_tags.push(InterfaceTag { origin, interface: interface.clone(), tag });
        }
        self.options(section, &network.map_or(interface, |(tag, _)| tag));
    }

    /// `list dhcp_option` and `list dhcp_option_force` of any section, for clients that carry `tags`.
    fn options(&mut self, section: &Section, tags: &str) {
        let force = self.reader(section).flag(&common::FORCE);
        let lines = [
            (&common::DHCP_OPTION, if force { "dhcp-option-force" } else { "dhcp-option" }),
            (&common::DHCP_OPTION_FORCE, "dhcp-option-force"),
        ];
        for (known, keyword) in lines {
            for (text, origin) in self.option_items(section, known) {
                let text = if tags.is_empty() { text } else { [tags, ",", &text].concat() };
                self.take(keyword, &text, known, &origin);
            }
        }
    }

    fn reader<'r>(&'r mut self, section: &'r Section) -> Reader<'r> {
        let severity = self.severity();
        Reader::new(self.file, Some(section), severity, self.out)
    }

    fn items(&mut self, section: &Section, known: &'static Known) -> Vec<(String, Origin)> {
        self.reader(section).texts(known)
    }

    /// The same for `dhcp_option`, whose old form is one `option` of several, parted by spaces.
    fn option_items(&mut self, section: &Section, known: &'static Known) -> Vec<(String, Origin)> {
        match section.option(known.name) {
            Some(Opt { value: Value::Single(_), .. }) => self.reader(section).words(known),
            _ => self.items(section, known),
        }
    }

    /// A wrong value in our own file is an error; dnsmasq's has to serve dnsmasq.
    fn severity(&self) -> Severity {
        match self.home {
            Home::Ours => Severity::Error,
            Home::Dhcp => Severity::Warning,
        }
    }

    /// `set:x,file` in `dhcp_boot` means a tag; dnsmasq takes it for a file's name.
    fn with_tag_prefix(&mut self, text: &str, origin: &Origin) -> String {
        let Some(rest) = text.trim_start().strip_prefix("set:") else { return text.to_owned() };
        let parts = &["upxe reads set: as tag:, while dnsmasq takes it for a part of the file's name"];
        let subject = "option dhcp_boot";
        self.out.push(Diagnostic::text(Severity::Warning, origin.clone(), subject, parts));
        ["tag:", rest].concat()
    }

    /// Takes a line; complaints are about option `known`.
    fn take(&mut self, keyword: &str, text: &str, known: &Known, origin: &Origin) {
        let subject = ["option ", known.name].concat();
        let Some(line) = Line::read(text.as_bytes()) else {
            let (severity, found) = (self.severity(), quoted(text.as_bytes()));
            self.out.push(Diagnostic::found(severity, origin.clone(), &subject, found, "a closing quote"));
            return;
        };
        match self.collected.take(keyword, Some(line.words()), origin, self.hosts) {
            Ok(Outcome::NotHonoured(why)) => {
                self.out.push(Diagnostic::text(Severity::Warning, origin.clone(), &subject, &[why]));
            }
            Ok(_) => {}
            Err(wrong) => {
                let found = quoted(&wrong.found.bytes());
                self.out.push(Diagnostic::found(self.severity(), origin.clone(), &subject, found, wrong.expected));
            }
        }
    }
}
