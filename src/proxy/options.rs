//! Which configured DHCP options go into a reply, and how (dnsmasq: `option_filter`, `do_options`, `do_encap_opts`).

use std::net::Ipv4Addr;

use dhcproto::v4::OptionCode;

use super::matching::{Carried, contains, suboption};
use super::vendor::{self, Shape};
use crate::config::rules::{DhcpOption, OptionValue, Origin, Place, Rules, Send, VendorClass, octets};
use crate::wire::request::Request;

/// Option 43, which PXE has to itself.
const VENDOR: u8 = 43;
/// The option that names the boot server.
const SERVER_NAME: u8 = 66;
/// The option that names the boot file.
pub const BOOT_FILE: u8 = 67;
const TFTP_SERVERS: u8 = 150;
const NEXT_SERVER: u8 = 255;
/// The option that iPXE and gPXE keep their own settings in (the number was Etherboot's).
pub const ETHERBOOT: u8 = 175;
/// RFC 3925: options of enterprises.
const ENTERPRISES: u8 = 125;

/// Suboption 1 of option 175, priority: iPXE prefers the settings block with the higher one, so that a boot file left
/// in the DHCP server's configuration doesn't beat ours (iPXE `settings.c`).
const PRIORITY: u8 = 1;

/// The codes that the reply itself takes care of; no rule changes them.
pub const OURS: &[u8] = &[0, VENDOR, 52, 53, 54, 55, 57, 60, SERVER_NAME, BOOT_FILE, 97, NEXT_SERVER];
/// Options about the lease or the network's own services: the DHCP server beside us sends those, and a second opinion
/// on them would only take room. `dhcp-option-pxe` sends them all the same.
pub const LEASE: &[u8] = &[1, 3, 6, 12, 15, 28, 33, 50, 51, 58, 59, 61, 81, 82, 119, 121, 249];

/// An option of a reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// Its code.
    pub code: u8,
    /// Its value, at most 255 bytes.
    pub value: Vec<u8>,
    /// The lines it comes from; none, if upxe sends it of itself.
    pub origins: Vec<Origin>,
}

/// The rules' options for one client.
pub struct Selection<'r> {
    rules: &'r Rules,
    carried: &'r Carried,
    /// The plain options that hold, one of each code.
    plain: Vec<(u8, &'r DhcpOption)>,
    request: &'r Request<'r>,
    router: Ipv4Addr,
}

impl<'r> Selection<'r> {
    /// Chooses for a client that carries these tags.
    pub fn new(rules: &'r Rules, carried: &'r Carried, request: &'r Request<'r>, router: Ipv4Addr) -> Self {
        Selection { rules, carried, plain: plain(&rules.options, carried), request, router }
    }

    /// The plain option of this code, whether it is sent or not.
    fn find(&self, wanted: u8) -> Option<&'r DhcpOption> {
        self.plain.iter().find(|(code, _)| *code == wanted).map(|(_, option)| *option)
    }

    /// True when a line sets the plain option of this code.
    pub fn sets(&self, code: u8) -> bool {
        self.find(code).is_some()
    }

    /// The boot file that `dhcp-option=67,…` names, and who names it.
    pub fn boot_file(&self) -> Option<(String, &'r Origin)> {
        let option = self.find(BOOT_FILE)?;
        text(&option.value).map(|file| (file, &option.origin)).filter(|(file, _)| !file.is_empty())
    }

    /// The server's name that `dhcp-option=66,…` gives.
    pub fn server_name(&self) -> String {
        self.find(SERVER_NAME).and_then(|option| text(&option.value)).unwrap_or_default()
    }

    /// The server's address that options 255 (dnsmasq's `option:server-ip-address`), 66 or 150 give.
    pub fn server(&self) -> Option<Ipv4Addr> {
        let first = |code| match &self.find(code)?.value {
            OptionValue::Addresses(addresses) => addresses.first().copied(),
            _ => None,
        };
        let server = first(NEXT_SERVER).or_else(|| self.server_name().parse().ok()).or_else(|| first(TFTP_SERVERS));
        server.filter(|address| !address.is_unspecified())
    }

    /// True when some line gives the menu a prompt.
    pub fn has_prompt(&self) -> bool {
        self.vendor_suboptions().iter().any(|(code, _)| vendor::is_prompt(*code))
    }

    /// The configured suboptions of option 43 (dnsmasq: `match_vendor_opts`, `prune_vendor_opts`).
    pub fn vendor_suboptions(&self) -> Vec<(u8, &'r [u8])> {
        self.vendor_lines().filter_map(|(code, option)| Some((code, bytes(&option.value)?))).collect()
    }

    /// Without addresses, which [`bytes`] can't lend out; the parser makes bytes of them in option 43.
    fn vendor_lines(&self) -> impl Iterator<Item = (u8, &'r DhcpOption)> {
        self.rules.options.iter().rev().filter_map(|option| {
            let code = match &option.place {
                Place::Vendor { class: VendorClass::Pxe, code } => *code,
                Place::Vendor { class: VendorClass::Containing(part), code } if self.is_of_class(part) => *code,
                Place::Encapsulated { outer: VENDOR, code } if self.is_sent(option, VENDOR) => *code,
                _ => return None,
            };
            let holds = self.carried.all.meets(&option.when) && !vendor::is_reserved(code);
            holds.then_some((code, option))
        })
    }

    fn is_of_class(&self, part: &[u8]) -> bool {
        let Some(class) = self.request.option(OptionCode::ClassIdentifier) else { return false };
        contains(&class, part)
    }

    /// Everything to be sent: option 43 first, then 175, then the others, the last line first as dnsmasq does it.
    pub fn compose(&self, shape: &Shape, to_ipxe: bool) -> Vec<Sent> {
        let mut sent = Vec::new();
        sent.extend(vendor::encode(shape, &self.vendor_suboptions()).map(|value| Sent {
            code: VENDOR,
            value: value.to_vec(),
            origins: self.vendor_lines().map(|(_, option)| option.origin.clone()).collect(),
        }));
        sent.extend(self.etherboot(to_ipxe));
        let others = self.plain.iter().filter(|(code, option)| self.is_ours_to_send(*code, option));
        sent.extend(others.map(|(code, option)| Sent {
            code: *code,
            value: self.plain_value(&option.value),
            origins: vec![option.origin.clone()],
        }));
        for outer in self.outers() {
            sent.extend(self.encapsulated(outer));
        }
        for number in self.enterprises() {
            sent.extend(self.enterprise(number));
        }
        sent
    }

    fn is_ours_to_send(&self, code: u8, option: &DhcpOption) -> bool {
        let barred = OURS.contains(&code) || code == ETHERBOOT;
        let lease = LEASE.contains(&code) && option.send != Send::Pxe;
        !barred && !lease && self.is_sent(option, code)
    }

    /// Whether the client gets an option that stands in `outer`: dnsmasq `in_list`, who asks for nothing gets all.
    fn is_sent(&self, option: &DhcpOption, outer: u8) -> bool {
        option.send != Send::IfAsked
            || self.request.option(OptionCode::ParameterRequestList).is_none_or(|asked| asked.contains(&outer))
    }

    /// Option 175: one only, for iPXE reads no second one. Ours comes first, unless a rule sets the priority.
    fn etherboot(&self, to_ipxe: bool) -> Option<Sent> {
        let mut option = Sent { code: ETHERBOOT, value: Vec::new(), origins: Vec::new() };
        if let Some(plain) = self.find(ETHERBOOT).filter(|plain| self.is_sent(plain, ETHERBOOT)) {
            option.value = self.plain_value(&plain.value);
            option.origins.push(plain.origin.clone());
        }
        if let Some(more) = self.encapsulated(ETHERBOOT)
            && option.value.len() + more.value.len() <= vendor::MAX_LEN
        {
            option.value.extend(more.value);
            option.origins.extend(more.origins);
        }
        let unset = suboption(&option.value, PRIORITY).is_none();
        if to_ipxe && unset && option.value.len() + 3 <= vendor::MAX_LEN {
            option.value = [&[PRIORITY, 1, 1], option.value.as_slice()].concat();
        }
        (!option.value.is_empty()).then_some(option)
    }

    /// The codes that hold encapsulated options, each once; 43 and 175 are put together elsewhere.
    fn outers(&self) -> Vec<u8> {
        let mut outers = Vec::new();
        for option in self.rules.options.iter().rev() {
            if let Place::Encapsulated { outer, .. } = option.place
                && !outers.contains(&outer)
                && !OURS.contains(&outer)
                && outer != ETHERBOOT
            {
                outers.push(outer);
            }
        }
        outers
    }

    fn encapsulated_lines(&self, wanted: u8) -> impl Iterator<Item = (u8, &'r DhcpOption)> {
        self.rules.options.iter().rev().filter_map(move |option| match option.place {
            Place::Encapsulated { outer, code }
                if outer == wanted && self.carried.all.meets(&option.when) && self.is_sent(option, outer) =>
            {
                Some((code, option))
            }
            _ => None,
        })
    }

    /// An option with the suboptions that fit it, and an end mark as dnsmasq writes it.
    fn encapsulated(&self, outer: u8) -> Option<Sent> {
        const END: u8 = 255;
        let mut option = Sent { code: outer, value: Vec::new(), origins: Vec::new() };
        for (code, line) in self.encapsulated_lines(outer) {
            option.append(code, line, vendor::MAX_LEN - 1);
        }
        if option.value.is_empty() {
            return None;
        }
        option.value.push(END);
        Some(option)
    }

    fn enterprises(&self) -> Vec<u32> {
        let mut numbers = Vec::new();
        for option in self.rules.options.iter().rev() {
            if let Place::Enterprise { number, .. } = option.place
                && !numbers.contains(&number)
            {
                numbers.push(number);
            }
        }
        numbers
    }

    /// RFC 3925 §4: the enterprise's number, the length of its options, the options.
    fn enterprise(&self, wanted: u32) -> Option<Sent> {
        let mut option = Sent { code: ENTERPRISES, value: Vec::new(), origins: Vec::new() };
        for line in self.rules.options.iter().rev() {
            if let Place::Enterprise { number, code } = line.place
                && number == wanted
                && self.carried.all.meets(&line.when)
                && self.is_sent(line, ENTERPRISES)
            {
                option.append(code, line, 250);
            }
        }
        let len = u8::try_from(option.value.len()).ok().filter(|&len| len > 0)?;
        let [a, b, c, d] = wanted.to_be_bytes();
        option.value = [&[a, b, c, d, len], option.value.as_slice()].concat();
        Some(option)
    }

    /// 0.0.0.0 stands for ourselves (dnsmasq `do_opt`).
    fn plain_value(&self, value: &OptionValue) -> Vec<u8> {
        match value {
            OptionValue::Bytes(bytes) | OptionValue::Text(bytes) => bytes.clone(),
            OptionValue::Addresses(addresses) => {
                let mut addresses = addresses.clone();
                addresses.iter_mut().filter(|address| address.is_unspecified()).for_each(|own| *own = self.router);
                octets(&addresses)
            }
        }
    }
}

impl Sent {
    /// Appends a suboption if the value stays within `limit`.
    fn append(&mut self, code: u8, line: &DhcpOption, limit: usize) {
        let Some(value) = bytes(&line.value) else { return };
        let Ok(len) = u8::try_from(value.len()) else { return };
        if self.value.len() + 2 + value.len() <= limit {
            self.value.extend([code, len]);
            self.value.extend(value);
            self.origins.push(line.origin.clone());
        }
    }
}

/// Of the lines for one code, one with tags beats one without, and the last one written wins; a line that holds only by
/// the tag of the address range yields to one that holds without it (dnsmasq: `option_filter`).
fn plain<'r>(options: &'r [DhcpOption], carried: &Carried) -> Vec<(u8, &'r DhcpOption)> {
    let rank = |option: &DhcpOption| match option.when.as_slice() {
        [] => Some(1),
        when if !carried.all.meets(when) => None,
        when if carried.early.meets(when) => Some(3),
        _ => Some(2),
    };
    let mut chosen: Vec<(u8, u8, &DhcpOption)> = Vec::new();
    for option in options.iter().rev() {
        let Place::Plain(code) = option.place else { continue };
        let Some(rank) = rank(option) else { continue };
        match chosen.iter_mut().find(|(known, ..)| *known == code) {
            Some(best) if best.1 < rank => *best = (code, rank, option),
            Some(_) => {}
            None => chosen.push((code, rank, option)),
        }
    }
    chosen.into_iter().map(|(code, _, option)| (code, option)).collect()
}

/// A value as it stands in a suboption; the parser makes bytes of addresses there.
fn bytes(value: &OptionValue) -> Option<&[u8]> {
    match value {
        OptionValue::Bytes(bytes) | OptionValue::Text(bytes) => Some(bytes),
        OptionValue::Addresses(_) => None,
    }
}

fn text(value: &OptionValue) -> Option<String> {
    match value {
        OptionValue::Bytes(bytes) | OptionValue::Text(bytes) => {
            let end = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len());
            Some(str::from_utf8(bytes.get(..end)?).ok()?.to_owned())
        }
        OptionValue::Addresses(addresses) => addresses.first().map(Ipv4Addr::to_string),
    }
}
