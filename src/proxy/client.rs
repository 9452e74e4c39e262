//! What a request says about the machine and the program that sent it.

use std::fmt;

use dhcproto::v4::OptionCode;
use heapless::Vec;

use super::architecture::Architecture;
use super::options::ETHERBOOT;
use super::raspberry_pi;
use crate::wire::request::Request;

/// Architectures remembered of option 93's list; firmware sends one, seldom two.
const MAX_ARCHITECTURES: usize = 8;

/// iPXE's feature numbers within option 175 (ipxe.org: `DHCP_EB_FEATURE_HTTP`, `_HTTPS`).
pub(super) const FEATURE_HTTP: u8 = 0x13;
const FEATURE_HTTPS: u8 = 0x14;

/// A client that asked to boot from the network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    /// The program that speaks.
    pub program: Program,
    /// What it can run, in the order of option 93; empty if it didn't say.
    pub architectures: Vec<Architecture, MAX_ARCHITECTURES>,
    /// The beginning of its vendor class by which it is known, which replies repeat.
    pub vendor: String,
}

/// RFC 4578's vendor class, and UEFI's (§24.7).
const PXE_CLIENT: &str = "PXEClient";
const HTTP_CLIENT: &str = "HTTPClient";

/// The program that sent a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    /// Firmware: a BIOS ROM or UEFI's own PXE.
    Pxe,
    /// iPXE, and whether it can fetch by HTTP.
    Ipxe {
        /// False only when iPXE listed its features and HTTP was not among them.
        http: bool,
        /// The same for HTTPS.
        https: bool,
    },
    /// gPXE, which preceded iPXE and reads scripts of its own kind only.
    Gpxe,
    /// UEFI HTTP Boot, which takes URLs and never TFTP.
    HttpBoot,
    /// A Raspberry Pi's bootloader, which knows its files by itself.
    RaspberryPi,
}

impl Client {
    /// Looks at a request; `None` when its sender doesn't ask to boot. `vendors` are the beginnings of vendor classes
    /// that stand in place of `PXEClient` (dnsmasq: `dhcp-pxe-vendor`).
    pub fn recognise(request: &Request<'_>, vendors: &[String]) -> Option<Self> {
        let class = request.option(OptionCode::ClassIdentifier)?;
        let architectures = architectures(request, &class);
        let begins = |start: &[u8]| class.starts_with(start);
        let vendor = match vendors {
            [] => begins(PXE_CLIENT.as_bytes()).then_some(PXE_CLIENT),
            // dnsmasq `is_pxe_client`: the last one written is tried first.
            vendors => vendors.iter().rev().map(String::as_str).find(|vendor| begins(vendor.as_bytes())),
        };
        let (program, vendor) = match vendor {
            _ if begins(HTTP_CLIENT.as_bytes()) => (Program::HttpBoot, HTTP_CLIENT),
            Some(vendor) => (pxe_program(request, architectures.first().copied()), vendor),
            None => return None,
        };
        Some(Self { program, architectures, vendor: vendor.to_owned() })
    }

    /// True for iPXE and gPXE.
    pub fn is_ipxe(&self) -> bool {
        matches!(self.program, Program::Ipxe { .. } | Program::Gpxe)
    }
}

impl Program {
    /// What it is, in words.
    pub fn words(self) -> &'static str {
        match self {
            Program::Pxe => "firmware (PXE)",
            Program::Ipxe { http: true, .. } => "iPXE",
            Program::Ipxe { http: false, .. } => "iPXE without HTTP",
            Program::Gpxe => "gPXE",
            Program::RaspberryPi => "firmware (Raspberry Pi)",
            Program::HttpBoot => "firmware (UEFI HTTP Boot)",
        }
    }
}

/// A client in few words: `x64 iPXE`.
pub fn short(architecture: Option<Architecture>, program: Program) -> String {
    if program == Program::RaspberryPi {
        return "Raspberry Pi".to_owned();
    }
    let mut words = architecture.map_or_else(|| "unknown".to_owned(), |architecture| architecture.to_string());
    words.push_str(match program {
        Program::Pxe | Program::HttpBoot | Program::RaspberryPi => "",
        Program::Ipxe { .. } => " iPXE",
        Program::Gpxe => " gPXE",
    });
    words
}

impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&short(self.architectures.first().copied(), self.program))
    }
}

/// Option 93, or what the vendor class says: a chain-loaded iPXE may send either alone.
fn architectures(request: &Request<'_>, class: &[u8]) -> Vec<Architecture, MAX_ARCHITECTURES> {
    let mut listed = Vec::new();
    let list = request.option(OptionCode::ClientSystemArchitecture);
    for pair in list.iter().flat_map(|list| list.as_chunks().0) {
        let architecture = Architecture(u16::from_be_bytes(*pair));
        if !listed.contains(&architecture) {
            // What is more than there is room for is more than any machine can be.
            let _ = listed.push(architecture);
        }
    }
    if listed.is_empty() { architecture_in_class(class).into_iter().collect() } else { listed }
}

/// PXE 2.1 §2.2.2: `PXEClient:Arch:xxxxx:UNDI:yyyzzz`.
fn architecture_in_class(class: &[u8]) -> Option<Architecture> {
    let class = std::str::from_utf8(class).ok()?;
    let mut fields = class.split(':').skip_while(|field| *field != "Arch");
    fields.nth(1)?.parse().ok().map(Architecture)
}

fn pxe_program(request: &Request<'_>, architecture: Option<Architecture>) -> Program {
    let settings = request.option(OptionCode::from(ETHERBOOT));
    let user_class = request.option(OptionCode::UserClass);
    let says = |name: &[u8]| user_class.as_deref().is_some_and(|value| user_class_contains(value, name));
    if says(b"gPXE") {
        Program::Gpxe
    } else if settings.is_some() || says(b"iPXE") {
        let has = |feature| settings.as_deref().is_none_or(|settings| has_feature(settings, feature));
        Program::Ipxe { http: has(FEATURE_HTTP), https: has(FEATURE_HTTPS) }
    } else if raspberry_pi::is_one(request, architecture) {
        Program::RaspberryPi
    } else {
        Program::Pxe
    }
}

/// Option 77, as RFC 3004 has it (each class behind its length) and as iPXE sends it (one bare string).
fn user_class_contains(value: &[u8], name: &[u8]) -> bool {
    if value == name {
        return true;
    }
    let mut rest = value;
    while let [len, tail @ ..] = rest {
        let Some((class, next)) = tail.split_at_checked(usize::from(*len)) else { return false };
        if class == name {
            return true;
        }
        rest = next;
    }
    false
}

/// Looks for a feature among encapsulated settings. An empty list, or one that is cut short, says nothing about
/// features; then none is held against the client.
fn has_feature(settings: &[u8], feature: u8) -> bool {
    let mut rest = settings;
    let mut any = false;
    while let [code, len, tail @ ..] = rest {
        let Some((value, next)) = tail.split_at_checked(usize::from(*len)) else { break };
        if *code == feature {
            return value != [0];
        }
        // Features are numbered from 0x10 to 0x2f; below are settings, above versions and bus numbers.
        any |= (0x10..=0x2f).contains(code);
        rest = next;
    }
    !any
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::request::tests::discover;

    fn seen(options: &[(u8, &[u8])]) -> Option<String> {
        let packet = discover(options);
        let client = Client::recognise(&Request::read(&packet).unwrap(), &[])?;
        Some(format!("{client} {:?}", client.program))
    }

    #[test]
    fn clients_are_told_apart() {
        let pxe: (u8, &[u8]) = (60, b"PXEClient:Arch:00007:UNDI:003000");
        let x64: (u8, &[u8]) = (93, &[0, 7]);
        let cases: &[(&[(u8, &[u8])], Option<&str>)] = &[
            (&[], None),
            (&[(60, b"android-dhcp-13")], None),
            (&[(60, b"MSFT 5.0"), x64], None),
            (&[pxe, x64], Some("x64 Pxe")),
            (&[pxe], Some("x64 Pxe")),
            (&[(60, b"PXEClient")], Some("unknown Pxe")),
            (&[(60, b"PXEClient"), (93, &[0, 0])], Some("BIOS Pxe")),
            (&[pxe, (93, &[0])], Some("x64 Pxe")),
            (&[pxe, x64, (77, b"iPXE")], Some("x64 iPXE Ipxe { http: true, https: true }")),
            (&[pxe, x64, (77, b"\x04iPXE")], Some("x64 iPXE Ipxe { http: true, https: true }")),
            (&[pxe, x64, (77, b"\x02ab\x04iPXE")], Some("x64 iPXE Ipxe { http: true, https: true }")),
            (&[pxe, x64, (77, b"\xff")], Some("x64 Pxe")),
            (&[pxe, x64, (175, &[])], Some("x64 iPXE Ipxe { http: true, https: true }")),
            (&[pxe, x64, (175, &[0x13, 1, 1, 0x11, 1, 1])], Some("x64 iPXE Ipxe { http: true, https: false }")),
            (&[pxe, x64, (175, &[0x11, 1, 1])], Some("x64 iPXE Ipxe { http: false, https: false }")),
            (&[pxe, x64, (175, &[0x11, 9])], Some("x64 iPXE Ipxe { http: true, https: true }")),
            (&[pxe, x64, (175, &[1, 1, 1]), (77, b"gPXE")], Some("x64 gPXE Gpxe")),
            (&[(60, b"HTTPClient:Arch:00016:UNDI:003001"), (93, &[0, 16])], Some("x64 HTTP HttpBoot")),
        ];
        for (options, expected) in cases {
            assert_eq!(seen(options).as_deref(), *expected, "{options:?}");
        }
    }

    #[test]
    fn other_vendor_classes_take_the_place_of_pxe_client() {
        let vendors = ["PXEClient".to_owned(), "HW-Client".to_owned(), "HW".to_owned()];
        for (class, vendors, expected) in [
            ("HW-Client:7", &vendors[..], Some("HW")),
            ("HW-Client:7", &vendors[..2], Some("HW-Client")),
            ("PXEClient:Arch:00000", &vendors[..], Some("PXEClient")),
            ("PXEClient:Arch:00000", &vendors[1..], None),
            ("HTTPClient", &vendors[1..], Some("HTTPClient")),
        ] {
            let packet = discover(&[(60, class.as_bytes())]);
            let client = Client::recognise(&Request::read(&packet).unwrap(), vendors);
            assert_eq!(client.map(|client| client.vendor).as_deref(), expected, "{class} {vendors:?}");
        }
    }

    #[test]
    fn a_long_architecture_list_is_bounded() {
        let many: std::vec::Vec<u8> = (0..100u16).flat_map(u16::to_be_bytes).collect();
        let packet = discover(&[(60, b"PXEClient"), (93, &many)]);
        let client = Client::recognise(&Request::read(&packet).unwrap(), &[]).unwrap();
        assert_eq!(client.architectures.len(), MAX_ARCHITECTURES);
    }

    #[test]
    fn an_architecture_counts_once() {
        let packet = discover(&[(60, b"PXEClient"), (93, &[0, 7, 0, 7, 0, 9])]);
        let client = Client::recognise(&Request::read(&packet).unwrap(), &[]).unwrap();
        assert_eq!(client.architectures.as_slice(), [Architecture(7), Architecture(9)]);
    }
}
