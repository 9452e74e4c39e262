//! A client described in words → the packet that such a client sends.

use std::net::Ipv4Addr;

use crate::config::menu::{self, ARCHITECTURES};
use crate::proxy::Door;
use crate::wire::capture;
use crate::wire::request::uuid_as_written;

/// What the command line says about a client.
#[derive(Debug, Clone, Default)]
pub struct Description {
    /// `--arch`, each.
    pub architectures: Vec<String>,
    /// `--ipxe`.
    pub ipxe: bool,
    /// `--gpxe`.
    pub gpxe: bool,
    /// `--http`: UEFI HTTP Boot, unless it is iPXE, which can do it anyway.
    pub http: bool,
    /// `--no-http`: iPXE that was built without HTTP.
    pub no_http: bool,
    /// `--mac`.
    pub mac: Option<String>,
    /// `--uuid`.
    pub uuid: Option<String>,
    /// `--user-class`.
    pub user_class: Option<String>,
    /// `--vendor-class`.
    pub vendor_class: Option<String>,
    /// `--option`, each.
    pub options: Vec<String>,
    /// `--door`.
    pub door: Option<u16>,
    /// `--boot-item`.
    pub boot_item: Option<String>,
}

/// The number under which the same machine boots by HTTP.
const BY_HTTP: &[(u16, u16)] = &[(0, 20), (6, 15), (7, 16), (9, 16), (10, 18), (11, 19), (27, 28), (39, 40)];

/// What EDK2 asks for in option 55, which is PXE 2.1's list (seen on the wire).
const FIRMWARE_ASKS: &[u8] = &[
    1, 2, 3, 4, 5, 6, 12, 13, 15, 17, 18, 22, 23, 28, 40, 41, 42, 43, 50, 51, 54, 58, 59, 60, 66, 67, 97, 128, 129,
    130, 131, 132, 133, 134, 135,
];
/// What iPXE asks for (seen on the wire).
const IPXE_ASKS: &[u8] =
    &[1, 3, 6, 7, 12, 15, 17, 26, 43, 60, 66, 67, 119, 128, 129, 130, 131, 132, 133, 134, 135, 175, 203];
/// What Debian's iPXE says of itself in option 175, as far as it matters: HTTP (0x13), iSCSI, AoE, TFTP, DNS, bzImage, menus.
const IPXE_FEATURES: &[u8] = &[0x17, 1, 1, 0x13, 1, 1, 0x11, 1, 1, 0x27, 1, 1, 0x15, 1, 1, 0x18, 1, 1, 0x12, 1, 1];
const FEATURES_WITHOUT_HTTP: &[u8] = &[0x17, 1, 1, 0x11, 1, 1, 0x27, 1, 1, 0x15, 1, 1, 0x18, 1, 1, 0x12, 1, 1];

/// Options with their values, in the order in which they are sent.
#[derive(Default)]
struct Options(Vec<(u8, Vec<u8>)>);

impl Options {
    fn add(&mut self, code: u8, value: &[u8]) {
        self.0.push((code, value.to_vec()));
    }
}

/// A complaint about a word of the command line.
fn wrong(what: &str, found: &str, expected: &str) -> String {
    format!("{what}: found '{found}', expected {expected}")
}

impl Description {
    /// True when nothing is said about a client.
    pub fn is_empty(&self) -> bool {
        self.architectures.is_empty()
            && self.options.is_empty()
            && !(self.ipxe || self.gpxe || self.http || self.no_http)
            && [&self.mac, &self.uuid, &self.user_class, &self.vendor_class, &self.boot_item]
                .into_iter()
                .all(Option::is_none)
    }

    /// The port that the client asks at.
    ///
    /// # Errors
    /// What is wrong with the description.
    pub fn door(&self) -> Result<Door, String> {
        match self.door {
            Some(67) => Ok(Door::Proxy),
            Some(4011) => Ok(Door::BootServer),
            Some(other) => Err(wrong("--door", &other.to_string(), "67 or 4011")),
            None if self.boot_item.is_some() => Ok(Door::BootServer),
            None => Ok(Door::Proxy),
        }
    }

    /// The packet, from a client that `router` gave an address if it asks at port 4011.
    ///
    /// # Errors
    /// What is wrong with the description.
    pub fn packet(&self, router: Ipv4Addr) -> Result<Vec<u8>, String> {
        const REQUEST: u8 = 1;
        const ETHERNET: u8 = 1;
        let door = self.door()?;
        let mac = self.mac.as_deref().map_or(Ok(vec![0x52, 0x54, 0, 0x12, 0x34, 0x56]), mac)?;
        let (message_type, client) = match door {
            Door::Proxy => (1, Ipv4Addr::UNSPECIFIED),
            Door::BootServer => (3, neighbour(router)),
        };
        let mut packet = vec![REQUEST, ETHERNET, 6, 0, 0x75, 0x70, 0x78, 0x65];
        packet.resize(12, 0);
        packet.extend_from_slice(&client.octets());
        packet.resize(28, 0);
        packet.extend_from_slice(&mac);
        packet.resize(236, 0);
        packet.extend_from_slice(&[99, 130, 83, 99]);
        let mut options = Options::default();
        options.add(53, &[message_type]);
        options.add(57, &[5, 0xc0]);
        self.say_who(&mut options)?;
        for option in &self.options {
            let (code, value) = raw_option(option)?;
            options.0.retain(|(known, _)| *known != code);
            if !value.is_empty() {
                options.add(code, &value);
            }
        }
        for (code, value) in &options.0 {
            let len = u8::try_from(value.len());
            let len = len.map_err(|_| wrong("option", &code.to_string(), "at most 255 bytes in it"))?;
            packet.extend_from_slice(&[*code, len]);
            packet.extend_from_slice(value);
        }
        packet.push(255);
        Ok(packet)
    }

    /// The options by which clients tell who they are.
    fn say_who(&self, options: &mut Options) -> Result<(), String> {
        let http_boot = self.http && !self.ipxe && !self.gpxe;
        let mut numbers = Vec::new();
        for name in &self.architectures {
            numbers.push(architecture(name)?);
        }
        if numbers.is_empty() {
            numbers.push(if http_boot { 7 } else { 0 });
        }
        let mut architectures = Vec::new();
        for number in &mut numbers {
            if http_boot {
                *number = BY_HTTP.iter().find(|(pxe, _)| pxe == number).map_or(*number, |(_, http)| *http);
            }
            architectures.extend_from_slice(&number.to_be_bytes());
        }
        let first = numbers.first().copied().unwrap_or_default();
        options.add(55, if self.ipxe || self.gpxe { IPXE_ASKS } else { FIRMWARE_ASKS });
        if let Some(uuid) = &self.uuid {
            options.add(97, &uuid_bytes(uuid)?);
        }
        options.add(94, if first == 0 { &[1, 2, 1] } else { &[1, 3, 0] });
        options.add(93, &architectures);
        let class = self.vendor_class.clone().unwrap_or_else(|| {
            let number = first.to_string();
            let zeros = "00000".get(number.len()..).unwrap_or_default();
            let undi = if first == 0 { "002001" } else { "003000" };
            format!("{}{zeros}{number}:UNDI:{undi}", if http_boot { "HTTPClient:Arch:" } else { "PXEClient:Arch:" })
        });
        options.add(60, class.as_bytes());
        let user_class = match &self.user_class {
            Some(class) => Some(class.as_str()),
            None if self.gpxe => Some("gPXE"),
            None if self.ipxe => Some("iPXE"),
            None => None,
        };
        if let Some(class) = user_class {
            options.add(77, class.as_bytes());
        }
        if self.ipxe || self.gpxe {
            options.add(175, if self.no_http { FEATURES_WITHOUT_HTTP } else { IPXE_FEATURES });
        }
        if let Some(item) = &self.boot_item {
            options.add(43, &boot_item(item)?);
        }
        Ok(())
    }
}

/// An address on the router's network, for a client that has one.
fn neighbour(router: Ipv4Addr) -> Ipv4Addr {
    let [a, b, c, d] = router.octets();
    Ipv4Addr::new(a, b, c, if d == 100 { 101 } else { 100 })
}

/// A number, a name of ours, or dnsmasq's (`x86-64_EFI`).
fn architecture(name: &str) -> Result<u16, String> {
    menu::architecture(name).ok_or_else(|| {
        let mut known = String::new();
        for (name, _) in ARCHITECTURES {
            known.push_str(name);
            known.push_str(", ");
        }
        wrong("--arch", name, &format!("{known}dnsmasq's names, or a number of option 93"))
    })
}

fn mac(text: &str) -> Result<Vec<u8>, String> {
    let expected = || wrong("--mac", text, "six bytes, such as 52:54:00:12:34:56");
    capture::hex(text).ok().filter(|bytes| bytes.len() == 6).ok_or_else(expected)
}

/// `code=hex`
fn raw_option(text: &str) -> Result<(u8, Vec<u8>), String> {
    let expected = || wrong("--option", text, "a number from 1 to 254, =, and hex digits, such as 93=0007");
    let (code, value) = text.split_once('=').ok_or_else(expected)?;
    let code = code.parse().ok().filter(|code| (1..=254).contains(code)).ok_or_else(expected)?;
    Ok((code, capture::hex(value).map_err(|_| expected())?))
}

/// `type[:layer]`, each in decimal or hex, as suboption 71 of option 43.
fn boot_item(text: &str) -> Result<Vec<u8>, String> {
    let expected = || wrong("--boot-item", text, "a server type such as 0x8000, or 0x8000:1 for another layer");
    let number = |text: &str| match text.strip_prefix("0x") {
        Some(digits) => u16::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    };
    let (server_type, layer) = text.split_once(':').unwrap_or((text, "0"));
    let [a, b] = number(server_type).ok_or_else(expected)?.to_be_bytes();
    let [c, d] = number(layer).ok_or_else(expected)?.to_be_bytes();
    Ok(vec![71, 4, a, b, c, d, 255])
}

/// Option 97: a type byte, then the UUID.
fn uuid_bytes(text: &str) -> Result<Vec<u8>, String> {
    let bytes: Option<[u8; 16]> = capture::hex(text).ok().and_then(|bytes| bytes.try_into().ok());
    let bytes =
        bytes.ok_or_else(|| wrong("--uuid", text, "32 hex digits, such as 0017001e-8c00-00ad-5087-90e6ba2f3423"))?;
    Ok([&[0][..], &uuid_as_written(bytes)].concat())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proxy::client::Client;
    use crate::wire::request::Request;

    fn seen(description: &Description) -> String {
        let packet = description.packet(Ipv4Addr::new(192, 168, 1, 1)).unwrap();
        let request = Request::read(&packet).unwrap();
        let client = Client::recognise(&request, &[]).map(|client| format!("{client} {:?}", client.program));
        format!("{:?} {} {}", request.message_type, request.chaddr, client.unwrap_or_default())
    }

    fn described(words: &[&str]) -> Description {
        let mut described = Description::default();
        for word in words {
            match word.split_once('=') {
                Some(("arch", name)) => described.architectures.push(name.to_owned()),
                Some(("mac", mac)) => described.mac = Some(mac.to_owned()),
                Some(("item", item)) => described.boot_item = Some(item.to_owned()),
                Some(("class", class)) => described.vendor_class = Some(class.to_owned()),
                Some(("user", class)) => described.user_class = Some(class.to_owned()),
                Some(_) => described.options.push((*word).to_owned()),
                None if *word == "ipxe" => described.ipxe = true,
                None if *word == "gpxe" => described.gpxe = true,
                None if *word == "http" => described.http = true,
                None => described.no_http = true,
            }
        }
        described
    }

    #[test]
    fn a_described_client_is_recognised_as_what_it_is() {
        const MAC: &str = "52:54:00:12:34:56";
        for (words, expected) in [
            (&[][..], format!("Discover {MAC} BIOS Pxe")),
            (&["arch=x64"], format!("Discover {MAC} x64 Pxe")),
            (&["arch=x86-64_EFI", "mac=02-00-00-00-00-01"], "Discover 02:00:00:00:00:01 x64 Pxe".to_owned()),
            (&["arch=27"], format!("Discover {MAC} RISC-V 64 Pxe")),
            (&["ipxe"], format!("Discover {MAC} BIOS iPXE Ipxe {{ http: true, https: false }}")),
            (&["ipxe", "http", "arch=arm64"], format!("Discover {MAC} ARM64 iPXE Ipxe {{ http: true, https: false }}")),
            (&["ipxe", "no-http"], format!("Discover {MAC} BIOS iPXE Ipxe {{ http: false, https: false }}")),
            (&["gpxe"], format!("Discover {MAC} BIOS gPXE Gpxe")),
            (&["http"], format!("Discover {MAC} x64 HTTP HttpBoot")),
            (&["http", "arch=bios"], format!("Discover {MAC} BIOS HTTP HttpBoot")),
            (&["item=0x8000"], format!("Request {MAC} BIOS Pxe")),
            (&["class=MSFT 5.0"], format!("Discover {MAC} ")),
            (&["user=iPXE"], format!("Discover {MAC} BIOS iPXE Ipxe {{ http: true, https: true }}")),
            (&["93=000b0007"], format!("Discover {MAC} ARM64 Pxe")),
            (&["60="], format!("Discover {MAC} ")),
        ] {
            assert_eq!(seen(&described(words)), expected, "{words:?}");
        }
    }

    #[test]
    fn words_that_make_no_sense_are_named() {
        for (words, expected) in [
            (&["arch=mips"][..], "--arch: found 'mips', expected bios, pc, ia32"),
            (&["mac=52:54"], "--mac: found '52:54', expected six bytes"),
            (&["0=00"], "--option: found '0=00', expected a number from 1 to 254"),
            (&["93=xy"], "--option: found '93=xy'"),
            (&["item=many"], "--boot-item: found 'many'"),
        ] {
            let error = described(words).packet(Ipv4Addr::LOCALHOST).unwrap_err();
            assert!(error.starts_with(expected), "{error}");
        }
        assert!(Description { door: Some(69), ..Description::default() }.door().is_err());
        let long = Description { user_class: Some("x".repeat(256)), ..Description::default() };
        assert!(long.packet(Ipv4Addr::LOCALHOST).unwrap_err().contains("at most 255 bytes"));
    }

    #[test]
    fn a_uuid_stands_behind_its_type() {
        assert_eq!(uuid_bytes("00112233-4455-6677-8899-aabbccddeeff").unwrap()[..6], [0, 0x33, 0x22, 0x11, 0, 0x55]);
        assert!(uuid_bytes("0011").unwrap_err().starts_with("--uuid: found '0011'"));
    }
}
