//! Names of machines that are known without asking anybody: `/etc/hosts`, and `config domain` of `/etc/config/dhcp`.

use std::net::Ipv4Addr;

use super::uci::Section;

/// Where names are looked up.
#[derive(Debug, Clone, Copy, Default)]
pub struct Hosts<'a> {
    /// Lines of an address and its names.
    pub text: &'a [u8],
    /// Sections of `/etc/config/dhcp`, whose `config domain` become dnsmasq's hosts file (dnsmasq.init).
    pub sections: &'a [Section],
}

impl Hosts<'_> {
    /// The first IPv4 address of that name. dnsmasq would take turns among several; one is as good.
    pub fn address(&self, name: &str) -> Option<Ipv4Addr> {
        let lines = self.text.split(|&byte| byte == b'\n').filter_map(|line| str::from_utf8(line).ok());
        lines.filter_map(|line| line_address(line, name)).next().or_else(|| self.domain(name))
    }

    fn domain(&self, name: &str) -> Option<Ipv4Addr> {
        let domains = self.sections.iter().filter(|section| section.kind == "domain");
        domains.filter_map(|section| domain_address(section, name)).next()
    }
}

/// A host's name without a domain: letters, digits, `-` and `_`, at most 63 of them (RFC 1123 §2.1, and dnsmasq's `_`).
pub fn is_host_name(text: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    (1..=63).contains(&text.len()) && text.bytes().all(legal) && !text.starts_with(['-', '_'])
}

/// hosts(5): an address, then names, then perhaps a comment.
fn line_address(line: &str, name: &str) -> Option<Ipv4Addr> {
    let mut words = line.split('#').next()?.split_ascii_whitespace();
    let address = words.next()?.parse().ok()?;
    words.any(|word| word.eq_ignore_ascii_case(name)).then_some(address)
}

fn domain_address(section: &Section, name: &str) -> Option<Ipv4Addr> {
    let mut names = section.option("name")?.value.items().iter();
    let is_name = |word: &[u8]| word.eq_ignore_ascii_case(name.as_bytes());
    if !names.any(|item| item.bytes.split(u8::is_ascii_whitespace).any(is_name)) {
        return None;
    }
    let [address] = section.option("ip")?.value.items() else { return None };
    str::from_utf8(&address.bytes).ok()?.parse().ok()
}
