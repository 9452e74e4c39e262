//! Lines that tell machines by their addresses, classes, names and ranges: `dhcp-host`, `dhcp-mac`, `dhcp-vendorclass` and
//! its likes, `dhcp-name-match`, `dhcp-range`.

use std::net::Ipv4Addr;

use super::value::hex;
use super::words::Words;
use super::{Wrong, plain_tag, tag_name, tag_test};
use crate::config::hosts::is_host_name;
use crate::config::rules::{Condition, Host, MacPattern, Origin, Range, Tagger};

/// Bytes of a hardware address (RFC 2131 §2: `chaddr`).
const MAX_MAC: usize = 16;

/// `dhcp-host=[MAC|id:…|set:tag|tag:tag|address|name|time|ignore,…]`, in any order.
///
/// # Errors
/// What is wrong with it.
pub fn dhcp_host<'l>(origin: &Origin, arg: Words<'l>) -> Result<Host, Wrong<'l>> {
    let mut host = Host {
        origin: origin.clone(),
        macs: Vec::new(),
        client_id: None,
        name: None,
        address: None,
        when: Vec::new(),
        set: Vec::new(),
        ignore: false,
    };
    for part in arg.parts().filter(|part| !part.is_empty()) {
        if part.contains(b':') {
            host_sign(&mut host, part)?;
        } else if let Some(address) = part.text().and_then(|text| text.parse().ok()) {
            host.address = Some(address);
        } else if part.is("ignore") {
            host.ignore = true;
        } else if !is_lease_time(part) {
            host.name = Some(host_name(part)?);
        }
    }
    Ok(host)
}

/// A part of `dhcp-host` that has a colon in it.
fn host_sign<'l>(host: &mut Host, part: Words<'l>) -> Result<(), Wrong<'l>> {
    let id = ["id:", "ID:", "Id:", "iD:"].iter().find_map(|prefix| part.strip_prefix(prefix));
    if let Some(id) = id {
        // `id:*` makes dnsmasq lease by the hardware address alone; tags don't depend on it.
        if !id.bytes().starts_with(b"*") {
            host.client_id = Some(if id.contains(b':') { hex_bytes(id)? } else { id.bytes() });
        }
    } else if let Some(tag) = part.strip_prefix("net:").or_else(|| part.strip_prefix("set:")) {
        host.set.push(tag_name(tag)?);
    } else if let Some(tag) = part.strip_prefix("tag:") {
        host.when.push(tag_test(tag)?);
    } else if !part.bytes().starts_with(b"[") {
        host.macs.push(mac_pattern(part)?);
    }
    Ok(())
}

/// True for a lease time (`infinite`, `3600`, `2h`), which is no business of ours.
pub fn is_lease_time(part: Words<'_>) -> bool {
    let bytes = part.bytes();
    let digits = match bytes.split_last() {
        Some((last, rest)) if !rest.is_empty() && b"wWdDhHmMsS".contains(last) => rest,
        _ => bytes.as_slice(),
    };
    part.is("infinite") || digits.iter().all(|byte| byte.is_ascii_digit() || *byte == b' ')
}

/// A host's name without its domain (util.c: `legal_hostname`).
fn host_name(part: Words<'_>) -> Result<String, Wrong<'_>> {
    let wrong = || Wrong::new(part, "a hardware address, an IPv4 address, a host's name or a lease time");
    let text = part.text().ok_or_else(wrong)?;
    let name = text.split('.').next().unwrap_or_default();
    if is_host_name(name) { Ok(name.to_owned()) } else { Err(wrong()) }
}

fn hex_bytes(words: Words<'_>) -> Result<Vec<u8>, Wrong<'_>> {
    let read = hex(&words.bytes(), 255, false).ok_or_else(|| Wrong::new(words, "hex bytes parted by colons"))?;
    Ok(read.bytes.into_iter().map(Option::unwrap_or_default).collect())
}

fn mac_pattern(words: Words<'_>) -> Result<MacPattern, Wrong<'_>> {
    let read = hex(&words.bytes(), MAX_MAC, true);
    let read = read.ok_or_else(|| Wrong::new(words, "a hardware address, * for any of its bytes"))?;
    let hardware_type = (read.hardware_type != 0).then_some(read.hardware_type);
    Ok(MacPattern { hardware_type, bytes: read.bytes })
}

/// The tag and the rest of `set:tag,…`.
fn set_tag(arg: Words<'_>) -> Result<(String, Words<'_>), Wrong<'_>> {
    let (tag, rest) = arg.split();
    let rest = rest.ok_or_else(|| Wrong::new(arg, "a tag, a comma, and what sets it"))?;
    Ok((plain_tag(tag)?, rest))
}

/// By what sign of a machine a tag is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Identity {
    /// `dhcp-mac`
    Mac,
    /// `dhcp-name-match`
    Name,
    /// `dhcp-vendorclass`
    VendorClass,
    /// `dhcp-userclass`
    UserClass,
    /// `dhcp-circuitid`, `dhcp-remoteid`, `dhcp-subscrid`: the suboption of option 82.
    Agent(u8),
}

/// `dhcp-mac=set:tag,address`, `dhcp-name-match=set:tag,name[*]`, `dhcp-vendorclass=set:tag,[enterprise:N,]text` and its
/// likes.
///
/// # Errors
/// What is wrong with it.
pub fn identity<'l>(origin: &Origin, arg: Words<'l>, kind: Identity) -> Result<Tagger, Wrong<'l>> {
    let (tag, rest) = set_tag(arg)?;
    let condition = match kind {
        Identity::Mac => Condition::Mac(mac_pattern(rest)?),
        Identity::Name => name_pattern(rest)?,
        Identity::VendorClass => Condition::VendorClass(class(rest, kind)?.bytes()),
        Identity::UserClass => Condition::UserClass(class(rest, kind)?.bytes()),
        Identity::Agent(code) => agent_id(code, class(rest, kind)?)?,
    };
    Ok(Tagger { origin: origin.clone(), tag, condition })
}

fn name_pattern(name: Words<'_>) -> Result<Condition, Wrong<'_>> {
    let start = name.strip_suffix(b'*');
    let text = start.unwrap_or(name).text().filter(|_| !name.is_empty());
    let text = text.ok_or_else(|| Wrong::new(name, "a host's name, * at its end for any that begin so"))?;
    Ok(Condition::Name { name: text, prefix: start.is_some() })
}

/// The one value of a class or an agent's id. DHCPv4 has no enterprise here, so dnsmasq passes over its number.
fn class(rest: Words<'_>, kind: Identity) -> Result<Words<'_>, Wrong<'_>> {
    let (first, second) = rest.split();
    match second {
        None => Ok(first),
        Some(value) if kind == Identity::VendorClass && first.strip_prefix("enterprise:").is_some() => Ok(value),
        Some(_) => Err(Wrong::new(rest, "one value (quotes allow for commas in it)")),
    }
}

/// Text, or hex bytes if it looks like them.
fn agent_id(code: u8, value: Words<'_>) -> Result<Condition, Wrong<'_>> {
    let is_hex = |letter: u16| u8::try_from(letter).is_ok_and(|byte| byte == b':' || byte.is_ascii_hexdigit());
    let digits = value.letters().any(|letter| letter != u16::from(b':') && is_hex(letter));
    let looks_hex = value.contains(b':') && digits && value.letters().all(is_hex);
    Ok(Condition::Agent(code, if looks_hex { hex_bytes(value)? } else { value.bytes() }))
}

/// `dhcp-range=[tag:…,][set:…,]start,(end|static|proxy)[,…]`; `None` for IPv6.
///
/// # Errors
/// What is wrong with it.
pub fn dhcp_range<'l>(origin: &Origin, arg: Words<'l>) -> Result<Option<Range>, Wrong<'l>> {
    let (mut when, mut set) = (Vec::new(), None);
    let mut rest = arg;
    let (start, end, more) = loop {
        let (part, behind) = rest.split();
        let behind = behind.ok_or_else(|| Wrong::new(arg, "a range's first address, and its last or 'proxy'"))?;
        if part.letters().all(is_address_letter) {
            let (end, more) = behind.split();
            break (part, end, more);
        }
        if let Some(tag) = part.strip_prefix("net:").or_else(|| part.strip_prefix("tag:")) {
            when.push(tag_test(tag)?);
        } else if set.replace(plain_tag(part)?).is_some() {
            return Err(Wrong::new(part, "only one tag to set"));
        }
        rest = behind;
    };
    if start.contains(b':') {
        return Ok(None);
    }
    let wrong = |words| Wrong::new(words, "an IPv4 address");
    let first: Ipv4Addr = start.text().and_then(|text| text.parse().ok()).ok_or_else(|| wrong(start))?;
    let proxy = end.is("proxy");
    let last = if proxy || end.is("static") { Some(first) } else { end.text().and_then(|text| text.parse().ok()) };
    let last = last.ok_or_else(|| wrong(end))?;
    // What else may stand there is a lease time.
    let mask = more.and_then(|more| more.split().0.text()?.parse().ok());
    Ok(Some(Range { origin: origin.clone(), when, set, start: first.min(last), mask, proxy }))
}

fn is_address_letter(letter: u16) -> bool {
    u8::try_from(letter).is_ok_and(|byte| b" .:".contains(&byte) || byte.is_ascii_hexdigit())
}
