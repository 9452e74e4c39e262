//! Which tags a request gets, and from which line (dnsmasq: `dhcp_reply` up to its tag-if, `find_config`).

use std::net::Ipv4Addr;

use dhcproto::v4::OptionCode;

use super::Arrival;
use super::tags::{SetBy, TagSet};
use crate::config::rules::{Condition, Host, MacPattern, Origin, Pattern, Range, Rules, Tagger};
use crate::wire::request::Request;

/// Options and suboptions that tell clients apart.
const CLIENT_FQDN: u8 = 81;
const VENDOR_IDENTIFYING_CLASS: u8 = 124;

/// The tags of a request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Carried {
    /// All tags but those of the address range, and what follows from them; `dhcp-ignore` looks at these.
    pub early: TagSet,
    /// All tags.
    pub all: TagSet,
    /// The machine's name: that of its line (dnsmasq: `dhcp-host`), else the one that it gives itself, whatever that is.
    pub name: Option<String>,
}

/// Why rules keep a request from being answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Barred {
    /// A `dhcp-ignore` or `dhcp-host=…,ignore` holds.
    Ignored(Origin),
    /// dnsmasq's proxy ranges on this network are for clients with other tags.
    OtherRange(Origin),
}

/// Finds the tags that `rules` give to a request, and whether they leave it an answer.
pub fn carried(rules: &Rules, arrival: &Arrival<'_>, request: &Request<'_>) -> (Carried, Result<(), Barred>) {
    let mut tags = TagSet::default();
    tags.set(arrival.device, SetBy::Interface);
    set_by(&rules.taggers, &mut tags, |condition| meets(request, condition));
    let host = set_host_tags(rules, arrival, request, &mut tags);
    let early = tags.inferring(&rules.tag_ifs);
    let ignored = rules.ignores.iter().find(|ignore| early.meets(&ignore.when)).map(|ignore| &ignore.origin);
    let ignored = ignored.or_else(|| host.filter(|host| host.ignore).map(|host| &host.origin));

    let mut result = match ignored {
        Some(origin) => Err(Barred::Ignored(origin.clone())),
        None => Ok(()),
    };
    tags.set(arrival.interface, SetBy::Interface);
    for network in rules.interface_tags.iter().filter(|network| network.interface == arrival.interface) {
        tags.set(&network.tag, SetBy::Rule(network.origin.clone()));
    }
    match range(&rules.ranges, &Subnet::of(rules, arrival, request), &early) {
        Ok(Some(Range { set: Some(tag), origin, .. })) => tags.set(tag, SetBy::Rule(origin.clone())),
        Ok(_) => {}
        Err(other) => result = result.and(Err(Barred::OtherRange(other.origin.clone()))),
    }
    let all = tags.inferring(&rules.tag_ifs);
    let name = host.and_then(|host| host.name.clone()).or_else(|| client_name(request));
    (Carried { early, all, name }, result)
}

fn set_by(taggers: &[Tagger], tags: &mut TagSet, holds: impl Fn(&Condition) -> bool) {
    for tagger in taggers.iter().filter(|tagger| holds(&tagger.condition)) {
        tags.set(&tagger.tag, SetBy::Rule(tagger.origin.clone()));
    }
}

/// The range that a client belongs to: of the proxy ranges on this network the first for it, else of the others; or a
/// proxy range, where those that there are are all for others.
fn range<'r>(ranges: &'r [Range], network: &Subnet, tags: &TagSet) -> Result<Option<&'r Range>, &'r Range> {
    let mut here = ranges.iter().filter(|range| network.holds(range.start));
    let mut proxies = here.clone().filter(|range| range.proxy);
    match (proxies.clone().find(|range| tags.meets(&range.when)), proxies.next()) {
        (Some(range), _) => Ok(Some(range)),
        (None, Some(other)) => Err(other),
        (None, None) => Ok(here.find(|range| tags.meets(&range.when))),
    }
}

fn meets(request: &Request<'_>, condition: &Condition) -> bool {
    let option = |code| request.option(code).filter(|value| !value.is_empty());
    match condition {
        Condition::Option(code, pattern) => option(OptionCode::from(*code)).is_some_and(|value| fits(pattern, &value)),
        Condition::Enterprise(number, pattern) => option(OptionCode::from(VENDOR_IDENTIFYING_CLASS))
            .is_some_and(|value| enterprise_strings(&value, *number).any(|string| fits(pattern, string))),
        Condition::VendorClass(part) => option(OptionCode::ClassIdentifier).is_some_and(|value| contains(&value, part)),
        Condition::UserClass(part) => {
            option(OptionCode::UserClass).is_some_and(|value| contains(&without_counts(&value), part))
        }
        Condition::Mac(pattern) => mac_fits(pattern, &request.chaddr.0).is_some(),
        Condition::Agent(code, wanted) => option(OptionCode::RelayAgentInformation)
            .is_some_and(|value| suboption(&value, *code).is_some_and(|value| value == wanted)),
        // Names are looked at later, when it is clear whether the machine is known by its address.
        Condition::Name { .. } => false,
    }
}

fn is_named(name: &str, condition: &Condition) -> bool {
    let Condition::Name { name: wanted, prefix } = condition else { return false };
    let same = name.get(..wanted.len()).is_some_and(|start| start.eq_ignore_ascii_case(wanted));
    same && (*prefix || name.len() == wanted.len())
}

/// dnsmasq `match_bytes`.
fn fits(pattern: &Pattern, value: &[u8]) -> bool {
    match pattern {
        Pattern::Present => true,
        Pattern::Start(start) => {
            start.len() <= value.len()
                && start.iter().zip(value).all(|(wanted, byte)| wanted.is_none_or(|w| w == *byte))
        }
        Pattern::Anywhere(part) => contains(value, part),
        Pattern::Element(element) => {
            element.is_empty() || value.chunks_exact(element.len()).any(|chunk| chunk == element)
        }
    }
}

/// True when `part` stands anywhere in `value`.
pub(super) fn contains(value: &[u8], part: &[u8]) -> bool {
    part.is_empty() || value.windows(part.len()).any(|window| window == part)
}

/// RFC 3925 §3: enterprise numbers, each with a length and strings of a length each. Data that runs past its end is
/// passed over as dnsmasq does it.
fn enterprise_strings(value: &[u8], number: u32) -> impl Iterator<Item = &[u8]> {
    let mut rest = value;
    let blocks = std::iter::from_fn(move || {
        let [a, b, c, d, len, tail @ ..] = rest else { return None };
        let (data, next) = tail.split_at_checked(usize::from(*len))?;
        rest = next;
        Some((u32::from_be_bytes([*a, *b, *c, *d]), data))
    });
    blocks.filter(move |(enterprise, _)| *enterprise == number).flat_map(|(_, data)| counted(data))
}

/// Strings that stand behind a byte with their length each.
fn counted(data: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = data;
    std::iter::from_fn(move || {
        let (len, tail) = rest.split_first()?;
        let (string, next) = tail.split_at_checked(usize::from(*len))?;
        rest = next;
        Some(string)
    })
}

/// A user class in RFC 3004's form has its counts zeroed, so that no text runs across them; any other is one string.
fn without_counts(value: &[u8]) -> Vec<u8> {
    let mut zeroed = value.to_vec();
    let mut at = 0;
    while let Some(count) = zeroed.get_mut(at) {
        at += usize::from(*count) + 1;
        *count = 0;
    }
    if at == value.len() { zeroed } else { value.to_vec() }
}

/// A suboption that isn't empty.
pub(super) fn suboption(value: &[u8], wanted: u8) -> Option<&[u8]> {
    let mut rest = value;
    while let [code, len, tail @ ..] = rest {
        let (data, next) = tail.split_at_checked(usize::from(*len))?;
        if *code == wanted && !data.is_empty() {
            return Some(data);
        }
        rest = next;
    }
    None
}

/// How many bytes of a hardware address a pattern names, if it fits (dnsmasq: `memcmp_masked`).
fn mac_fits(pattern: &MacPattern, mac: &[u8; 6]) -> Option<usize> {
    const ETHERNET: u32 = 1;
    let same = |(wanted, byte): (&Option<u8>, &u8)| wanted.is_none_or(|wanted| wanted == *byte);
    let fits = pattern.bytes.len() == mac.len()
        && pattern.hardware_type.is_none_or(|number| number == ETHERNET)
        && pattern.bytes.iter().zip(mac).all(same);
    fits.then(|| pattern.bytes.iter().flatten().count())
}

/// Finds the `dhcp-host` line for a client and sets its tags; in dnsmasq's order: by address or identifier first, then the
/// tags by name, then the line by name.
fn set_host_tags<'r>(
    rules: &'r Rules,
    arrival: &Arrival<'_>,
    request: &Request<'_>,
    tags: &mut TagSet,
) -> Option<&'r Host> {
    let by_name = rules.taggers.iter().any(|tagger| matches!(tagger.condition, Condition::Name { .. }));
    if rules.hosts.is_empty() && !by_name {
        return None;
    }
    let so_far = tags.inferring(&rules.tag_ifs);
    let id = request.option(OptionCode::ClientIdentifier).filter(|id| !rules.ignore_client_ids && !id.is_empty());
    let search = Search { hosts: &rules.hosts, tags: &so_far, id: id.as_deref(), mac: &request.chaddr.0 };
    let network = Subnet::of(rules, arrival, request);
    let here = |host: &Host| host.address.is_none_or(|address| network.holds(address));
    let mut host = search.find(here);
    match (host, search.find(|_| true)) {
        (Some(host), _) => tags.set("known", SetBy::Rule(host.origin.clone())),
        (None, Some(elsewhere)) => tags.set("known-othernet", SetBy::Rule(elsewhere.origin.clone())),
        (None, None) => {}
    }
    if let Some(name) = client_name(request) {
        set_by(&rules.taggers, tags, |condition| is_named(&name, condition));
        if host.is_none() {
            let so_far = tags.inferring(&rules.tag_ifs);
            host = Search { tags: &so_far, ..search }.find_name(name.split('.').next()?, here);
        }
    }
    let host = host?;
    tags.set("known", SetBy::Rule(host.origin.clone()));
    host.set.iter().for_each(|tag| tags.set(tag, SetBy::Rule(host.origin.clone())));
    Some(host)
}

/// dnsmasq `find_config`: lines with tags first, then those without; of several the last one written.
struct Search<'r, 's> {
    hosts: &'r [Host],
    tags: &'s TagSet,
    id: Option<&'s [u8]>,
    mac: &'s [u8; 6],
}

impl<'r> Search<'r, '_> {
    fn find(&self, suits: impl Fn(&Host) -> bool) -> Option<&'r Host> {
        [true, false].into_iter().find_map(|tagged| {
            let lines = self.lines(tagged).filter(|host| suits(host));
            lines.clone().find(|host| self.has_id(host)).or_else(|| self.by_mac(lines).map(|(_, host)| host))
        })
    }

    /// By the name that the client gives itself; only lines that are about no other sign of it, lest one machine passes for
    /// another by its name. dnsmasq looks for its address once more, with the tags that the name set, and then has found
    /// nothing.
    fn find_name(&self, name: &str, suits: impl Fn(&Host) -> bool) -> Option<&'r Host> {
        let found = [true, false].into_iter().find_map(|tagged| {
            let lines = self.lines(tagged).filter(|host| suits(host));
            let by_mac = self.by_mac(lines.clone());
            let is_named = |host: &&Host| host.name.as_deref().is_some_and(|own| own.eq_ignore_ascii_case(name));
            match by_mac {
                Some((named, host)) if named == self.mac.len() => Some(host),
                _ => lines.clone().find(is_named).or(by_mac.map(|(_, host)| host)),
            }
        });
        found.filter(|host| host.client_id.is_none() && host.macs.is_empty())
    }

    fn lines(&self, tagged: bool) -> impl Iterator<Item = &'r Host> + Clone {
        let tags = self.tags;
        self.hosts.iter().rev().filter(move |host| host.when.is_empty() != tagged && tags.meets(&host.when))
    }

    fn has_id(&self, host: &Host) -> bool {
        match (&host.client_id, self.id) {
            // dhcpcd puts a zero before text; dnsmasq copes with that.
            (Some(wanted), Some(id)) => wanted == id || id.split_first() == Some((&0, wanted)),
            _ => false,
        }
    }

    /// A full address beats a pattern, and the pattern that names most of the address beats the others.
    fn by_mac(&self, lines: impl Iterator<Item = &'r Host> + Clone) -> Option<(usize, &'r Host)> {
        let mut best: Option<(usize, &Host)> = None;
        for host in lines {
            for pattern in &host.macs {
                let Some(named) = mac_fits(pattern, self.mac) else { continue };
                if best.is_none_or(|(most, _)| named > most) {
                    best = Some((named, host));
                }
            }
        }
        best
    }
}

/// The name that a client gives itself in option 81 or 12, if it is a host's name (dnsmasq: `legal_hostname`).
fn client_name(request: &Request<'_>) -> Option<String> {
    let name = match request.option(OptionCode::from(CLIENT_FQDN)).filter(|value| value.len() >= 3) {
        Some(value) => fully_qualified(&value)?,
        None => request.option(OptionCode::Hostname)?.split(|&byte| byte == 0).next()?.to_vec(),
    };
    let name = String::from_utf8(name).ok()?;
    let host = name.split('.').next()?;
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    let fits = host.bytes().all(legal) && !host.is_empty() && !host.starts_with(['-', '_']);
    fits.then_some(name)
}

/// RFC 4702 §2: flags and two result codes, then a name as text or, by the flag E, as DNS labels.
fn fully_qualified(value: &[u8]) -> Option<Vec<u8>> {
    const ENCODED: u8 = 4;
    let [flags, _, _, name @ ..] = value else { return None };
    if flags & ENCODED == 0 {
        return Some(name.split(|&byte| byte == 0).next().unwrap_or_default().to_vec());
    }
    let mut text = Vec::new();
    for label in counted(name).take_while(|label| !label.is_empty()) {
        if !text.is_empty() {
            text.push(b'.');
        }
        text.extend_from_slice(label);
    }
    Some(text)
}

/// The network that a client is on.
struct Subnet {
    address: Ipv4Addr,
    mask: Ipv4Addr,
}

impl Subnet {
    /// That of the relay before the client (dnsmasq: `complete_context`), or of the client's own address where a relay has
    /// helped it to one; else the one that the request came in on.
    fn of(rules: &Rules, arrival: &Arrival<'_>, request: &Request<'_>) -> Subnet {
        let own = Subnet { address: arrival.router, mask: arrival.mask };
        let elsewhere = [request.giaddr, request.ciaddr].into_iter().find(|address| !address.is_unspecified());
        match elsewhere.filter(|address| rules.relay && !own.holds(*address)) {
            None => own,
            Some(address) => {
                let masks = rules.ranges.iter().filter_map(|range| Some((range.start, range.mask?)));
                let written = masks.map(|(start, mask)| (Subnet { address: start, mask }, mask));
                let mut written = written.filter(|(network, _)| network.holds(address));
                Subnet { address, mask: written.next().map_or(Ipv4Addr::new(255, 255, 255, 0), |(_, mask)| mask) }
            }
        }
    }

    /// True when `address` is on it.
    fn holds(&self, address: Ipv4Addr) -> bool {
        let mask = u32::from(self.mask);
        u32::from(self.address) & mask == u32::from(address) & mask
    }
}
