//! A DHCP message in words: its fields by RFC 2131's names, its options decoded, the suboptions of 43 and 175 too.

use std::net::Ipv4Addr;

use crate::config::dnsmasq::names::{self, Encoding};
use crate::menu::template::hyphened;
use crate::proxy::vendor::BootItem;
use crate::wire::hex::push;
use crate::wire::request::{message_name, uuid_as_written};

/// A field of the header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// As RFC 2131 calls it.
    pub name: &'static str,
    /// Its value in words.
    pub value: String,
}

/// An option, or a suboption.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// Its number.
    pub code: u8,
    /// dnsmasq's name for it, or the usual one; empty if it has none.
    pub name: &'static str,
    /// Its value in words; of one with suboptions empty.
    pub value: String,
    /// Its value.
    pub bytes: Vec<u8>,
    /// What it holds.
    pub suboptions: Vec<Shown>,
}

/// The header's fields, without `op` to `hops`, which are the same in all of them.
pub fn fields(message: &[u8]) -> Vec<Field> {
    let at = |start: usize, len: usize| message.get(start..).and_then(|rest| rest.get(..len)).unwrap_or_default();
    let flags = if at(10, 2).first().is_some_and(|high| high & 0x80 != 0) { "broadcast" } else { "0" };
    let mut fields = Vec::new();
    let mut add = |name, value| fields.push(Field { name, value });
    add("xid", hex(at(4, 4), ""));
    add("secs", number(at(8, 2)).to_string());
    add("flags", flags.to_owned());
    for (name, start) in [("ciaddr", 12), ("yiaddr", 16), ("siaddr", 20), ("giaddr", 24)] {
        add(name, addresses(at(start, 4)));
    }
    add("chaddr", hex(at(28, 6), ":"));
    add("sname", field_text(at(44, 64)));
    add("file", field_text(at(108, 128)));
    fields
}

/// The message's options in the order written, those in borrowed fields behind the others.
pub fn options(message: &[u8]) -> Vec<Shown> {
    const OVERLOAD: u8 = 52;
    let mut shown = list(message.get(240..).unwrap_or_default(), show);
    let overload = shown.iter().find(|option| option.code == OVERLOAD).and_then(|option| option.bytes.first().copied());
    let overload = overload.unwrap_or_default();
    for (flag, field) in [(1, 108..236), (2, 44..108)] {
        if overload & flag != 0 {
            shown.append(&mut list(message.get(field).unwrap_or_default(), show));
        }
    }
    shown
}

/// An option list up to its end, or to what is cut short.
fn list(bytes: &[u8], show: fn(u8, &[u8]) -> Shown) -> Vec<Shown> {
    let mut shown = Vec::new();
    let mut rest = bytes;
    loop {
        match rest {
            [0, tail @ ..] => rest = tail,
            [] | [_] | [255, ..] => return shown,
            [code, len, tail @ ..] => {
                let Some((value, behind)) = tail.split_at_checked(usize::from(*len)) else { return shown };
                shown.push(show(*code, value));
                rest = behind;
            }
        }
    }
}

/// What dnsmasq has no name for.
const NAMES: &[(u8, &str)] = &[
    (43, "vendor-specific"),
    (54, "server-identifier"),
    (124, "vendor-id-class"),
    (175, "etherboot"),
    (208, "pxelinux-magic"),
    (209, "pxelinux-configfile"),
    (210, "pxelinux-pathprefix"),
    (211, "pxelinux-reboottime"),
];
/// PXE 2.1 table 2-1.
const VENDOR: &[(u8, &str)] =
    &[(6, "discovery-control"), (8, "boot-servers"), (9, "boot-menu"), (10, "menu-prompt"), (71, "boot-item")];
/// iPXE's `dhcp.h`.
const ETHERBOOT: &[(u8, &str)] = &[
    (0x01, "priority"),
    (0x08, "keep-san"),
    (0x09, "skip-san-boot"),
    (0x10, "pxe-extensions"),
    (0x11, "iscsi"),
    (0x12, "aoe"),
    (0x13, "http"),
    (0x14, "https"),
    (0x15, "tftp"),
    (0x16, "ftp"),
    (0x17, "dns"),
    (0x18, "bzimage"),
    (0x19, "multiboot"),
    (0x21, "pxe"),
    (0x22, "elf"),
    (0x23, "comboot"),
    (0x24, "efi"),
    (0x25, "fcoe"),
    (0x26, "vlan"),
    (0x27, "menu"),
    (0x29, "nfs"),
    (0xb0, "no-pxedhcp"),
    (0xb1, "bus-id"),
    (0xbd, "bios-drive"),
    (0xbe, "username"),
    (0xbf, "password"),
    (0xeb, "version"),
];

fn name_in(table: &[(u8, &'static str)], code: u8) -> Option<&'static str> {
    table.iter().find(|(known, _)| *known == code).map(|(_, name)| *name)
}

/// The usual name of an option; empty if it has none.
pub fn name(code: u8) -> &'static str {
    name_in(NAMES, code).or_else(|| names::by_code(code).map(|known| known.name)).unwrap_or_default()
}

fn show(code: u8, bytes: &[u8]) -> Shown {
    let suboptions = match code {
        43 => list(bytes, vendor_suboption),
        175 => list(bytes, etherboot_suboption),
        _ => Vec::new(),
    };
    let value = if suboptions.is_empty() { words(code, bytes) } else { String::new() };
    Shown { code, name: name(code), value, bytes: bytes.to_vec(), suboptions }
}

fn words(code: u8, bytes: &[u8]) -> String {
    match (code, bytes) {
        (53, [kind]) => message_name(*kind).to_owned(),
        (54, _) => addresses(bytes),
        (55, _) => joined(&mut bytes.iter().map(u8::to_string)),
        (57, _) => number(bytes).to_string(),
        (60 | 77, _) => text(bytes),
        (93, _) => joined(&mut bytes.chunks(2).map(|pair| number(pair).to_string())),
        (97, [_, uuid @ ..]) if uuid.len() == 16 => uuid_text(uuid),
        _ => match names::by_code(code).map(|known| known.encoding) {
            Some(Encoding::Addresses) if bytes.len().is_multiple_of(4) => addresses(bytes),
            Some(Encoding::Name) => text(bytes),
            Some(Encoding::Number(_) | Encoding::Time) if bytes.len() <= 4 => number(bytes).to_string(),
            _ => guess(bytes),
        },
    }
}

fn vendor_suboption(code: u8, bytes: &[u8]) -> Shown {
    let value = match (code, bytes) {
        (6, [flags]) => discovery_control(*flags),
        (8, _) => boot_servers(bytes),
        (9, _) => boot_menu(bytes),
        (10, [seconds, prompt @ ..]) => {
            let timeout = match seconds {
                0 => "at once".to_owned(),
                255 => "waits".to_owned(),
                seconds => format!("{seconds} s"),
            };
            format!("{}, {timeout}", text(prompt))
        }
        (71, [a, b, c, d]) => {
            let (server_type, layer) = (u16::from_be_bytes([*a, *b]), u16::from_be_bytes([*c, *d]));
            boot_item(BootItem { server_type, layer })
        }
        _ => guess(bytes),
    };
    let name = name_in(VENDOR, code).unwrap_or_default();
    Shown { code, name, value, bytes: bytes.to_vec(), suboptions: Vec::new() }
}

fn etherboot_suboption(code: u8, bytes: &[u8]) -> Shown {
    let name = name_in(ETHERBOOT, code).unwrap_or_default();
    let value = if bytes.len() == 1 { number(bytes).to_string() } else { guess(bytes) };
    Shown { code, name, value, bytes: bytes.to_vec(), suboptions: Vec::new() }
}

/// The menu entry that a client asks for.
pub fn boot_item(item: BootItem) -> String {
    let [high, low] = item.server_type.to_be_bytes();
    format!("type {}, layer {}", server_type(high, low), item.layer)
}

/// PXE 2.1 table 2-1, tag 6.
fn discovery_control(flags: u8) -> String {
    const BITS: &[(u8, &str)] = &[
        (1, "no broadcast"),
        (2, "no multicast"),
        (4, "listed servers only"),
        (8, "load the file named here, no menu"),
    ];
    let mut set = BITS.iter().filter(|(bit, _)| flags & bit != 0).map(|(_, words)| (*words).to_owned());
    format!("{flags}: {}", joined(&mut set))
}

fn server_type(high: u8, low: u8) -> String {
    let mut text = String::from("0x");
    push(&mut text, high);
    push(&mut text, low);
    text
}

/// Type, number of addresses, addresses.
fn boot_servers(bytes: &[u8]) -> String {
    let mut rest = bytes;
    joined(&mut std::iter::from_fn(|| {
        let [high, low, count, tail @ ..] = rest else { return None };
        let (list, behind) = tail.split_at_checked(usize::from(*count) * 4)?;
        rest = behind;
        Some(format!("{} at {}", server_type(*high, *low), addresses(list)))
    }))
}

/// Type, length, text.
fn boot_menu(bytes: &[u8]) -> String {
    let mut rest = bytes;
    joined(&mut std::iter::from_fn(|| {
        let [high, low, len, tail @ ..] = rest else { return None };
        let (entry, behind) = tail.split_at_checked(usize::from(*len))?;
        rest = behind;
        Some(format!("{} {}", server_type(*high, *low), text(entry)))
    }))
}

/// An option's value in words, text without quotes.
pub fn in_words(code: u8, bytes: &[u8]) -> String {
    match code {
        12 | 60 | 77 => printable(bytes),
        _ => words(code, bytes),
    }
}

/// What iPXE's option 175 says, by name.
pub fn features(bytes: &[u8]) -> String {
    listed(&show(175, bytes).suboptions)
}

fn listed(suboptions: &[Shown]) -> String {
    joined(&mut suboptions.iter().map(|suboption| match (suboption.name, suboption.value.as_str()) {
        ("", value) => format!("{}={value}", suboption.code),
        (name, "1") => name.to_owned(),
        (name, value) => format!("{name}={value}"),
    }))
}

/// Text in quotes if it is text, else hex.
fn guess(bytes: &[u8]) -> String {
    let body = bytes.strip_suffix(&[0]).unwrap_or(bytes);
    let is_text = body.len() > 1 && body.iter().all(|byte| byte.is_ascii_graphic() || *byte == b' ');
    if is_text { text(bytes) } else { hex(bytes, " ") }
}

/// Text in quotes, so that its beginning and end are seen.
fn text(bytes: &[u8]) -> String {
    format!("\"{}\"", printable(bytes))
}

/// Text, with what can't be printed escaped.
pub fn printable(bytes: &[u8]) -> String {
    let mut printable = String::new();
    for letter in String::from_utf8_lossy(bytes).chars() {
        match letter {
            '"' | '\\' => printable.extend(['\\', letter]),
            '\0' => printable.push_str("\\0"),
            control if control.is_control() => printable.push(char::REPLACEMENT_CHARACTER),
            plain => printable.push(plain),
        }
    }
    printable
}

/// A field of the header: text up to its NUL; one that was borrowed for options shows their bytes.
fn field_text(field: &[u8]) -> String {
    let end = field.iter().position(|&byte| byte == 0).unwrap_or(field.len());
    let body = field.get(..end).unwrap_or_default();
    printable(body)
}

fn addresses(bytes: &[u8]) -> String {
    let octets = bytes.as_chunks::<4>().0.iter();
    joined(&mut octets.map(|octets| Ipv4Addr::from(*octets).to_string()))
}

fn joined(pieces: &mut dyn Iterator<Item = String>) -> String {
    let mut text = String::new();
    for piece in pieces {
        if !text.is_empty() {
            text.push_str(", ");
        }
        text.push_str(&piece);
    }
    text
}

/// Big-endian, of up to four bytes.
fn number(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0, |number, byte| number << 8 | u32::from(*byte))
}

/// Bytes in hex, parted by `between`.
pub fn hex(bytes: &[u8], between: &str) -> String {
    let mut text = String::new();
    for byte in bytes {
        if !text.is_empty() {
            text.push_str(between);
        }
        push(&mut text, *byte);
    }
    text
}

/// A UUID from its bytes as they are sent.
fn uuid_text(bytes: &[u8]) -> String {
    bytes.try_into().map(|bytes| hyphened(&uuid_as_written(bytes))).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::request::tests::discover;

    fn shown(code: u8, bytes: &[u8]) -> String {
        let option = show(code, bytes);
        let suboptions: Vec<String> =
            option.suboptions.iter().map(|it| format!("{} {}={}", it.code, it.name, it.value)).collect();
        format!("{} {}{}", option.name, option.value, suboptions.join("; "))
    }

    #[test]
    fn options_are_shown_by_their_kind() {
        for (code, bytes, expected) in [
            (53, &[2][..], "message-type DHCPOFFER"),
            (54, &[192, 168, 1, 1], "server-identifier 192.168.1.1"),
            (55, &[1, 3, 43], "parameter-request 1, 3, 43"),
            (57, &[5, 0xc0], "max-message-size 1472"),
            (60, b"PXEClient", "vendor-class \"PXEClient\""),
            (66, b"192.168.1.1\0", "tftp-server \"192.168.1.1\\0\""),
            (93, &[0, 7, 0, 9], "client-arch 7, 9"),
            (17, b"iscsi:\"x\"", "root-path \"iscsi:\\\"x\\\"\""),
            (51, &[0, 0, 14, 16], "lease-time 3600"),
            (150, &[10, 0, 0, 1, 10, 0, 0, 2], "tftp-server-address 10.0.0.1, 10.0.0.2"),
            (209, b"pxelinux.cfg/default", "pxelinux-configfile \"pxelinux.cfg/default\""),
            (211, &[0, 0, 0, 30], "pxelinux-reboottime 00 00 00 1e"),
            (
                97,
                &[0, 0, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff],
                "client-machine-id 33221100-5544-7766-8899-aabbccddeeff",
            ),
            (97, &[0, 1], "client-machine-id 00 01"),
            (
                43,
                &[6, 1, 8, 10, 4, 0, b'P', b'X', b'E', 255],
                "vendor-specific 6 discovery-control=8: load the file named here, no menu; 10 menu-prompt=\"PXE\", at once",
            ),
            (
                43,
                b"\x06\x01\x03\x08\x07\x80\0\x01\xc0\xa8\x01\x01\x09\x08\x80\0\x05Linux\x0a\x03\x05F8\xff",
                "vendor-specific 6 discovery-control=3: no broadcast, no multicast; 8 boot-servers=0x8000 at 192.168.1.1; \
              9 boot-menu=0x8000 \"Linux\"; 10 menu-prompt=\"F8\", 5 s",
            ),
            (43, &[71, 4, 0x80, 1, 0, 2, 255], "vendor-specific 71 boot-item=type 0x8001, layer 2"),
            (175, &[1, 1, 1, 8, 1, 1, 0xeb, 3, 1, 0, 0], "etherboot 1 priority=1; 8 keep-san=1; 235 version=01 00 00"),
            (175, &[8], "etherboot 08"),
            (224, &[1], " 01"),
        ] {
            assert_eq!(shown(code, bytes), expected);
        }
    }

    #[test]
    fn any_bytes_at_all_can_be_shown() {
        let message =
            discover(&[(43, &[6, 1]), (175, &[1, 9]), (97, &[]), (93, &[0]), (6, &[1]), (52, &[3]), (55, &[])]);
        for len in 0..message.len() {
            let _ = (fields(&message[..len]), options(&message[..len]));
        }
        for code in 1..255 {
            for len in 0..40 {
                let _ = show(code, &[len; 40][..usize::from(len)]);
                let _ = show(code, &(0..len).collect::<Vec<u8>>());
            }
        }
    }
}
