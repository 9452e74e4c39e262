//! Lines that say what is booted: `dhcp-boot` and `pxe-service`.

use std::net::Ipv4Addr;

use super::words::Words;
use super::{Wrong, leading_tags, names};
use crate::config::hosts::Hosts;
use crate::config::rules::{Boot, Origin, Service, Target};

/// RFC 2131 §2: `file` and `sname` hold a NUL behind the name.
const MAX_FILE: usize = 127;
const MAX_SNAME: usize = 63;

/// `dhcp-boot=[tag:…,]file[,server name[,address]]`; any part may be empty.
///
/// # Errors
/// What is wrong with it.
pub fn dhcp_boot<'l>(origin: &Origin, arg: Words<'l>, hosts: &Hosts<'_>) -> Result<Boot, Wrong<'l>> {
    let (when, rest) = leading_tags(arg)?;
    let (file, rest) = rest.split();
    let (server_name, address) = match rest {
        Some(rest) => rest.split(),
        None => (Words::default(), None),
    };
    Ok(Boot {
        origin: origin.clone(),
        when,
        file: name(file, MAX_FILE, "a file name of at most 127 bytes")?,
        server_name: name(server_name, MAX_SNAME, "a server name of at most 63 bytes")?,
        server: address.map(|address| server(address, hosts)).transpose()?.flatten(),
    })
}

/// `pxe-service=[tag:…,]architecture,text[,(file|type)[,server]]`
///
/// # Errors
/// What is wrong with it.
pub fn pxe_service<'l>(origin: &Origin, arg: Words<'l>, hosts: &Hosts<'_>) -> Result<Service, Wrong<'l>> {
    const CSA: &str = "an architecture (x86PC, x86-64_EFI, …, or its number), a comma, and a text for the menu";
    let (when, rest) = leading_tags(arg)?;
    let (architecture, rest) = rest.split();
    let rest = rest.ok_or_else(|| Wrong::new(arg, CSA))?;
    let by_number = || architecture.number().filter(|_| !architecture.is_empty()).and_then(|n| u16::try_from(n).ok());
    let number = architecture.text().and_then(|text| names::architecture(&text)).or_else(by_number);
    let number = number.ok_or_else(|| Wrong::new(architecture, CSA))?;

    let (text, rest) = rest.split();
    // What an option holds besides the entry's own three bytes and the other suboptions.
    let text = text.text().filter(|text| (1..=230).contains(&text.len()));
    let text = text.ok_or_else(|| Wrong::new(arg, "a text for the menu, of at most 230 bytes"))?;
    let mut service = Service {
        origin: origin.clone(),
        when,
        architecture: number,
        text,
        target: Target::Local,
        server_name: String::new(),
        server: None,
    };
    let Some(rest) = rest else { return Ok(service) };
    let (what, address) = rest.split();
    service.target = match what.number() {
        Some(number) => Target::Type(u16::try_from(number).map_err(|_| Wrong::new(what, "a server type up to 65535"))?),
        None => Target::File(name(what, MAX_FILE - 6, "a file name of at most 121 bytes")?),
    };
    if let Some(address) = address {
        service.server = server(address, hosts)?;
        service.server_name = match address.text() {
            Some(text) if text.parse::<Ipv4Addr>().is_err() => name(address, MAX_SNAME, "a server's name or address")?,
            _ => String::new(),
        };
    }
    Ok(service)
}

fn name<'l>(words: Words<'l>, max: usize, expected: &'static str) -> Result<String, Wrong<'l>> {
    words.text().filter(|text| text.len() <= max).ok_or_else(|| Wrong::new(words, expected))
}

/// An address, or the address of a name that is known here; none for nothing and for 0.0.0.0, which stand for ourselves.
fn server<'l>(words: Words<'l>, hosts: &Hosts<'_>) -> Result<Option<Ipv4Addr>, Wrong<'l>> {
    let text = words.text().unwrap_or_default();
    if text.is_empty() {
        return Ok(None);
    }
    let address = text.parse().ok().or_else(|| hosts.address(&text));
    let address: Ipv4Addr = address.ok_or_else(|| Wrong::new(words, "an IPv4 address, or a name from /etc/hosts"))?;
    Ok(Some(address).filter(|address| !address.is_unspecified()))
}
