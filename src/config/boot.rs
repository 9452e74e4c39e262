//! `config boot` sections, and the servers that they and boot lines name.

use std::net::Ipv4Addr;

use super::diagnostic::Severity;
use super::hosts::Hosts;
use super::options::{Form, Known, boot};
use super::section::Reader;
use super::{Boot, Origin};

/// What the third part of a boot line stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Server {
    /// Nothing, or 0.0.0.0: this router, as in dnsmasq.
    This,
    /// Another machine.
    At(Ipv4Addr),
    /// A name without an address here; dnsmasq would send 0.0.0.0.
    UnknownName,
    /// Neither an address nor a name.
    Nonsense,
}

impl Server {
    /// Reads an address or looks up a name.
    pub fn read(text: &str, hosts: &Hosts<'_>) -> Self {
        let is_host_byte = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
        match text.parse().ok().or_else(|| hosts.address(text)) {
            Some(Ipv4Addr::UNSPECIFIED) => Server::This,
            Some(address) => Server::At(address),
            None if text.is_empty() => Server::This,
            None if text.bytes().all(is_host_byte) && text.bytes().any(|byte| byte.is_ascii_alphabetic()) => {
                Server::UnknownName
            }
            None => Server::Nonsense,
        }
    }
}

/// Reads the address that stands in option `known`; `None`, with a complaint, when the line can't be used.
pub fn server(
    reader: &mut Reader<'_>,
    known: &'static Known,
    origin: &Origin,
    text: &str,
    home: Home,
    hosts: &Hosts<'_>,
) -> Option<Option<Ipv4Addr>> {
    match Server::read(text, hosts) {
        Server::This => Some(None),
        Server::At(address) => Some(Some(address)),
        // dnsmasq runs with such a line; it must not keep all else from booting.
        Server::UnknownName if home == Home::Dhcp => {
            let parts = &["no address of '", text, "' is known here (/etc/hosts): upxe passes over this line"];
            reader.remark(Severity::Warning, known, origin.clone(), parts);
            None
        }
        Server::UnknownName | Server::Nonsense => {
            reader.reject(known, origin.clone(), text, &Form::Server.words());
            None
        }
    }
}

/// Where a `config boot` section stands, which decides what its gaps mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Home {
    /// `/etc/config/upxe`.
    Ours,
    /// `/etc/config/dhcp`, where dnsmasq's init script reads the section too.
    Dhcp,
}

/// Reads a `config boot` section.
pub fn read_section(reader: &mut Reader<'_>, home: Home, hosts: &Hosts<'_>) -> Option<Boot> {
    reader.check_names(&boot::SECTION, true);
    let origin = reader.origin();
    let when = reader.tags(&boot::NETWORKID);
    let file = reader.text(&boot::FILENAME);
    let server_name = reader.text(&boot::SERVERNAME);
    let address = reader.written(&boot::SERVERADDRESS, whole);
    let server = match &address {
        None => None,
        Some((text, origin)) => server(reader, &boot::SERVERADDRESS, origin, text, home, hosts)?,
    };
    match (home, &file, &server_name, &address) {
        // dnsmasq.init dhcp_boot_add: without a file name the section is passed over.
        (Home::Dhcp, None, ..) => {
            let parts = &["without a filename dnsmasq passes over this section, and so does upxe"];
            reader.remark(Severity::Warning, &boot::FILENAME, origin, parts);
            return None;
        }
        // The same function drops such a section without a word.
        (Home::Dhcp, Some(_), None, Some(_)) => {
            let parts = &["upxe heeds this section, though dnsmasq does not, which wants a servername too"];
            reader.remark(Severity::Note, &boot::SERVERADDRESS, origin.clone(), parts);
        }
        (Home::Ours, None, None, None) => {
            let parts = &["this section has neither filename nor serveraddress, and no effect"];
            reader.remark(Severity::Warning, &boot::FILENAME, origin, parts);
            return None;
        }
        _ => {}
    }
    Some(Boot { origin, when, file: file.unwrap_or_default(), server_name: server_name.unwrap_or_default(), server })
}

/// Any text, to be judged elsewhere.
pub fn whole(_: &Form, text: &str) -> Option<String> {
    Some(text.to_owned())
}
