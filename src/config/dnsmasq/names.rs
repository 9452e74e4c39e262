//! dnsmasq's names for DHCP options and for client architectures, and what it knows of each option's encoding
//! (dhcp-common.c: `opttab`; option.c: `CSA`).

/// What an option's value is known to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// Whatever it looks like.
    Any,
    /// One address or several.
    Addresses,
    /// Text.
    Name,
    /// A number of so many bytes.
    Number(usize),
    /// Seconds, minutes, hours, days or weeks.
    Time,
    /// Domain names in the wire form of RFC 1035.
    Domains,
}

/// A DHCP option that dnsmasq has a name or an encoding for.
#[derive(Debug)]
pub struct KnownOption {
    /// Its name behind `option:`.
    pub name: &'static str,
    /// Its code.
    pub code: u8,
    /// Its encoding.
    pub encoding: Encoding,
    /// True when it may be matched by its name, but not sent: it is the protocol's own.
    pub internal: bool,
}

use Encoding::{Addresses, Any, Domains, Name, Number, Time};

const fn known(name: &'static str, code: u8, encoding: Encoding) -> KnownOption {
    KnownOption { name, code, encoding, internal: false }
}

const fn internal(name: &'static str, code: u8, encoding: Encoding) -> KnownOption {
    KnownOption { name, code, encoding, internal: true }
}

const OPTIONS: &[KnownOption] = &[
    known("netmask", 1, Addresses),
    known("time-offset", 2, Number(4)),
    known("router", 3, Addresses),
    known("dns-server", 6, Addresses),
    known("log-server", 7, Addresses),
    known("lpr-server", 9, Addresses),
    internal("hostname", 12, Name),
    known("boot-file-size", 13, Number(2)),
    known("domain-name", 15, Name),
    known("swap-server", 16, Addresses),
    known("root-path", 17, Name),
    known("extension-path", 18, Name),
    known("ip-forward-enable", 19, Number(1)),
    known("non-local-source-routing", 20, Number(1)),
    known("policy-filter", 21, Addresses),
    known("max-datagram-reassembly", 22, Number(2)),
    known("default-ttl", 23, Number(1)),
    known("mtu", 26, Number(2)),
    known("all-subnets-local", 27, Number(1)),
    internal("broadcast", 28, Addresses),
    known("router-discovery", 31, Number(1)),
    known("router-solicitation", 32, Addresses),
    known("static-route", 33, Addresses),
    known("trailer-encapsulation", 34, Number(1)),
    known("arp-timeout", 35, Number(4)),
    known("ethernet-encap", 36, Number(1)),
    known("tcp-ttl", 37, Number(1)),
    known("tcp-keepalive", 38, Number(4)),
    known("nis-domain", 40, Name),
    known("nis-server", 41, Addresses),
    known("ntp-server", 42, Addresses),
    internal("vendor-encap", 43, Any),
    known("netbios-ns", 44, Addresses),
    known("netbios-dd", 45, Addresses),
    known("netbios-nodetype", 46, Number(1)),
    known("netbios-scope", 47, Any),
    known("x-windows-fs", 48, Addresses),
    known("x-windows-dm", 49, Addresses),
    internal("requested-address", 50, Addresses),
    internal("lease-time", 51, Time),
    internal("option-overload", 52, Any),
    internal("message-type", 53, Any),
    internal("server-identifier", 54, Addresses),
    internal("parameter-request", 55, Any),
    internal("message", 56, Any),
    internal("max-message-size", 57, Any),
    known("T1", 58, Time),
    known("T2", 59, Time),
    known("vendor-class", 60, Any),
    internal("client-id", 61, Any),
    known("nis+-domain", 64, Name),
    known("nis+-server", 65, Addresses),
    known("tftp-server", 66, Name),
    known("bootfile-name", 67, Name),
    known("mobile-ip-home", 68, Addresses),
    known("smtp-server", 69, Addresses),
    known("pop3-server", 70, Addresses),
    known("nntp-server", 71, Addresses),
    known("irc-server", 74, Addresses),
    known("user-class", 77, Any),
    known("rapid-commit", 80, Any),
    internal("FQDN", 81, Any),
    internal("agent-id", 82, Any),
    // So called since dnsmasq 2.91.
    internal("agent-info", 82, Any),
    known("last-transaction", 91, Time),
    known("associated-ip", 92, Addresses),
    known("client-arch", 93, Number(2)),
    known("client-interface-id", 94, Any),
    known("client-machine-id", 97, Any),
    known("posix-timezone", 100, Name),
    known("tzdb-timezone", 101, Name),
    known("ipv6-only", 108, Number(4)),
    known("captive-portal", 114, Name),
    internal("subnet-select", 118, Any),
    known("domain-search", 119, Domains),
    known("sip-server", 120, Any),
    known("classless-static-route", 121, Any),
    known("vendor-id-encap", 125, Any),
    known("tftp-server-address", 150, Addresses),
    known("server-ip-address", 255, Addresses),
];

/// The option of that name, in any case.
pub fn by_name(name: &str) -> Option<&'static KnownOption> {
    OPTIONS.iter().find(|known| known.name.eq_ignore_ascii_case(name))
}

/// What is known about a code.
pub fn by_code(code: u8) -> Option<&'static KnownOption> {
    OPTIONS.iter().find(|known| known.code == code)
}

/// The architectures of option 93 by dnsmasq's names; each stands at its number.
const ARCHITECTURES: &[&str] = &[
    "x86PC",
    "PC98",
    "IA64_EFI",
    "Alpha",
    "Arc_x86",
    "Intel_Lean_Client",
    "IA32_EFI",
    "x86-64_EFI",
    "Xscale_EFI",
    "BC_EFI",
    "ARM32_EFI",
    "ARM64_EFI",
];

/// The number of an architecture by its name, in any case.
pub fn architecture(name: &str) -> Option<u16> {
    let at = ARCHITECTURES.iter().position(|known| known.eq_ignore_ascii_case(name))?;
    u16::try_from(at).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_agree() {
        assert_eq!(by_name("Client-Arch").map(|known| known.code), Some(93));
        assert_eq!(by_code(67).map(|known| known.encoding), Some(Name));
        assert!(by_name("nothing").is_none() && by_code(175).is_none());
        for (name, number) in [("x86pc", 0), ("IA32_EFI", 6), ("X86-64_EFI", 7), ("BC_EFI", 9), ("ARM64_EFI", 11)] {
            assert_eq!(architecture(name), Some(number));
        }
        assert_eq!(architecture("x64"), None);
    }
}
