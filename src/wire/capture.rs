//! Captured packets: pcap files and hex text → requests; pure, bounded, and every malformed input has its message.

use std::fmt;

use super::{frame, hex};

/// A capture with more requests than this is explained up to here.
pub const MAX_REQUESTS: usize = 1000;
/// Bytes read from hex text; no DHCP packet is longer.
const MAX_HEX: usize = 65_535;

/// DHCP's server port, and the boot server's.
const SERVER: u16 = 67;
const BOOT_SERVER: u16 = 4011;

/// Where RFC 2131 puts the magic cookie.
const MAGIC: std::ops::Range<usize> = 236..240;
const MAGIC_COOKIE: [u8; 4] = [99, 130, 83, 99];

/// A request that was captured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Captured<'a> {
    /// Its number in the file, from 1.
    pub number: usize,
    /// The ports that it was sent from and to; `None` when only its payload is there.
    pub ports: Option<(u16, u16)>,
    /// The body of the UDP datagram.
    pub payload: &'a [u8],
}

/// What a capture holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capture<'a> {
    /// Everything that was sent to port 67 or 4011 by a client.
    pub requests: Vec<Captured<'a>>,
    /// Why there may be more than that.
    pub trouble: Option<CaptureError>,
}

/// What is wrong with a capture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CaptureError {
    /// Not a capture at all.
    NotPcap,
    /// The newer format.
    PcapNg,
    /// Captured on a medium of this number, which isn't read here.
    LinkType(u32),
    /// The file ends in the middle of this packet.
    EndsWithin(usize),
    /// Only the first bytes of this packet were kept.
    Snapped(usize),
    /// More requests than are looked at.
    TooMany,
    /// A letter that is no hex digit, and its line.
    NotHex(char, usize),
    /// An odd number of hex digits stands together in this line.
    OddDigits(usize),
    /// More bytes than a packet has.
    TooLong,
    /// Neither a DHCP message nor a packet that holds one.
    NotDhcp,
}

impl fmt::Display for CaptureError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CaptureError::NotPcap => f.write_str("not a pcap file"),
            CaptureError::PcapNg => f.write_str(
                "this is pcapng; make a pcap file of it: tcpdump -r FILE -w NEW, or editcap -F pcap FILE NEW",
            ),
            CaptureError::LinkType(number) => {
                write!(f, "captured on a medium that upxe doesn't read ({number}); capture on an Ethernet device")
            }
            CaptureError::EndsWithin(number) => write!(f, "the file ends in the middle of packet {number}"),
            CaptureError::Snapped(number) => {
                write!(f, "only the beginning of packet {number} was kept; capture with tcpdump -s 0")
            }
            CaptureError::TooMany => write!(f, "more requests than {MAX_REQUESTS}; the first ones are explained"),
            CaptureError::NotHex(letter, line) => {
                write!(f, "line {line}: found '{}', expected hex digits", letter.escape_default())
            }
            CaptureError::OddDigits(line) => write!(f, "line {line}: an odd number of hex digits stands together"),
            CaptureError::TooLong => f.write_str("longer than any packet"),
            CaptureError::NotDhcp => {
                f.write_str("neither a DHCP message, nor an IP packet or Ethernet frame that holds one")
            }
        }
    }
}

/// Reads a pcap file (tcpdump's classic format, in either byte order) and finds the requests in it.
///
/// # Errors
/// When nothing can be read; trouble further on is part of the result.
pub fn pcap(file: &[u8]) -> Result<Capture<'_>, CaptureError> {
    let (header, mut rest) = file.split_at_checked(24).ok_or(CaptureError::NotPcap)?;
    let order = match header.first_chunk() {
        Some([0xd4, 0xc3, 0xb2, 0xa1] | [0x4d, 0x3c, 0xb2, 0xa1]) => u32::from_le_bytes,
        Some([0xa1, 0xb2, 0xc3, 0xd4] | [0xa1, 0xb2, 0x3c, 0x4d]) => u32::from_be_bytes,
        Some([0x0a, 0x0d, 0x0d, 0x0a]) => return Err(CaptureError::PcapNg),
        _ => return Err(CaptureError::NotPcap),
    };
    let number = |bytes: &[u8], at: usize| bytes.get(at..)?.first_chunk().map(|four| order(*four));
    // Its upper half holds flags.
    let link_type = number(header, 20).unwrap_or_default() & 0xffff;
    let medium = Medium::of(link_type).ok_or(CaptureError::LinkType(link_type))?;
    let mut capture = Capture { requests: Vec::new(), trouble: None };
    let mut count = 0;
    while !rest.is_empty() {
        count += 1;
        let record = rest.split_at_checked(16).and_then(|(record, behind)| {
            let kept = usize::try_from(number(record, 8)?).ok()?;
            let (packet, behind) = behind.split_at_checked(kept)?;
            Some((packet, number(record, 12)? > number(record, 8)?, behind))
        });
        let Some((packet, snapped, behind)) = record else {
            capture.trouble = Some(CaptureError::EndsWithin(count));
            break;
        };
        rest = behind;
        match medium.request(packet, count) {
            Some(_) if capture.requests.len() == MAX_REQUESTS => {
                capture.trouble = Some(CaptureError::TooMany);
                break;
            }
            Some(request) => capture.requests.push(request),
            None if snapped => capture.trouble = Some(CaptureError::Snapped(count)),
            None => {}
        }
    }
    Ok(capture)
}

/// What stands before the IP packet.
#[derive(Debug, Clone, Copy)]
enum Medium {
    Ethernet,
    /// So many bytes of something else.
    Other(usize),
}

impl Medium {
    /// By tcpdump's numbers (LINKTYPE_…).
    fn of(link_type: u32) -> Option<Self> {
        match link_type {
            1 => Some(Medium::Ethernet),
            // Raw IP.
            12 | 101 | 228 => Some(Medium::Other(0)),
            // "Linux cooked", which `tcpdump -i any` makes: SLL and SLL2.
            113 => Some(Medium::Other(16)),
            276 => Some(Medium::Other(20)),
            _ => None,
        }
    }

    fn request(self, packet: &[u8], number: usize) -> Option<Captured<'_>> {
        let (source, destination, payload) = match self {
            Medium::Ethernet => {
                let datagram = frame::open(packet).ok()?;
                (datagram.source, datagram.destination, datagram.payload)
            }
            Medium::Other(len) => frame::open_ip(packet.get(len..)?).ok()?,
        };
        const REQUEST: u8 = 1;
        let to_server = matches!(destination.port(), SERVER | BOOT_SERVER) && payload.first() == Some(&REQUEST);
        to_server.then_some(Captured { number, ports: Some((source.port(), destination.port())), payload })
    }
}

/// Finds the request in a single packet: a DHCP message, an IP packet, or an Ethernet frame.
///
/// # Errors
/// When there is none.
pub fn packet(bytes: &[u8]) -> Result<Captured<'_>, CaptureError> {
    if bytes.get(MAGIC) == Some(&MAGIC_COOKIE) {
        return Ok(Captured { number: 1, ports: None, payload: bytes });
    }
    let found = Medium::Other(0).request(bytes, 1).or_else(|| Medium::Ethernet.request(bytes, 1));
    found.ok_or(CaptureError::NotDhcp)
}

/// Reads hex digits, as they are or as tcpdump -x, xxd, hexdump -C and Wireshark print them: an offset before each line and
/// the text behind it are passed over.
///
/// # Errors
/// What is no hex.
pub fn hex(text: &str) -> Result<Vec<u8>, CaptureError> {
    let mut bytes = Vec::new();
    for (index, line) in text.lines().enumerate() {
        for word in digits_of(line).split([' ', '\t', ':', '-', ',']).filter(|word| !word.is_empty()) {
            let word = word.strip_prefix("0x").unwrap_or(word);
            if let Some(wrong) = word.chars().find(|letter| !letter.is_ascii_hexdigit()) {
                return Err(CaptureError::NotHex(wrong, index + 1));
            }
            bytes.extend(hex::bytes(word).ok_or(CaptureError::OddDigits(index + 1))?);
            if bytes.len() > MAX_HEX {
                return Err(CaptureError::TooLong);
            }
        }
    }
    Ok(bytes)
}

/// A line of a dump without its offset and its text.
fn digits_of(line: &str) -> &str {
    let line = line.trim();
    let (first, behind) = line.split_once([' ', '\t']).unwrap_or((line, ""));
    // "0x0010:", "00000010:"; and hexdump's and Wireshark's "0010  ", whose words are single bytes otherwise.
    let digits = if first.ends_with(':') || first.len() >= 4 && behind.starts_with(' ') { behind.trim() } else { line };
    match digits.split_once('|') {
        Some((digits, _)) => digits,
        // hexdump parts its columns by two spaces, but always has bars around the text.
        None => digits.split("  ").next().unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::request::tests::discover;
    use super::*;

    /// An IP packet with a UDP datagram; its checksum is right.
    fn ip(ports: (u16, u16), payload: &[u8]) -> Vec<u8> {
        let mut packet = vec![0x45, 0, 0, 0, 0, 0, 0, 0, 64, 17, 0, 0, 0, 0, 0, 0, 255, 255, 255, 255];
        let total = (28 + payload.len()) as u16;
        packet[2..4].copy_from_slice(&total.to_be_bytes());
        let sum: u32 = packet.chunks(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]]))).sum();
        let folded = !((sum & 0xffff) + (sum >> 16)) as u16;
        packet[10..12].copy_from_slice(&folded.to_be_bytes());
        packet.extend([ports.0.to_be_bytes(), ports.1.to_be_bytes(), (total - 20).to_be_bytes(), [0, 0]].concat());
        packet.extend(payload);
        packet
    }

    fn ethernet(packet: &[u8]) -> Vec<u8> {
        [&[0xff; 6][..], &[2, 0, 0, 0, 0, 1], &[8, 0], packet].concat()
    }

    fn file(link_type: u32, packets: &[Vec<u8>], big: bool) -> Vec<u8> {
        let number = |number: u32| if big { number.to_be_bytes() } else { number.to_le_bytes() };
        let mut file =
            [number(0xa1b2_c3d4), [2, 0, 4, 0], number(0), number(0), number(65535), number(link_type)].concat();
        for packet in packets {
            let len = packet.len() as u32;
            file.extend([number(1), number(2), number(len), number(len)].concat());
            file.extend(packet);
        }
        file
    }

    fn numbers(file: &[u8]) -> (Vec<(usize, u16)>, Option<String>) {
        let capture = pcap(file).unwrap();
        let requests = capture.requests.iter().map(|it| (it.number, it.ports.unwrap().1)).collect();
        (requests, capture.trouble.map(|trouble| trouble.to_string()))
    }

    #[test]
    fn requests_are_found_on_every_medium_and_in_either_order() {
        let mut offer = discover(&[]);
        offer[0] = 2;
        let packets =
            [ip((68, 67), &discover(&[])), ip((67, 68), &offer), ip((68, 4011), &discover(&[])), ip((1, 53), &[])];
        let behind =
            |header: usize| packets.iter().map(|it| [vec![0; header], it.clone()].concat()).collect::<Vec<_>>();
        let framed: Vec<Vec<u8>> = packets.iter().map(|packet| ethernet(packet)).collect();
        let expected = (vec![(1, 67), (3, 4011)], None);
        for (link_type, packets) in [(1, framed), (101, behind(0)), (113, behind(16)), (276, behind(20))] {
            for big in [false, true] {
                assert_eq!(numbers(&file(link_type, &packets, big)), expected, "{link_type} {big}");
            }
        }
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let good = file(1, &vec![ethernet(&ip((68, 67), &discover(&[]))); 2], false);
        for (bytes, expected) in [
            (&b""[..], CaptureError::NotPcap),
            (&[0; 24], CaptureError::NotPcap),
            (&[&[0x0a, 0x0d, 0x0d, 0x0a][..], &[0; 20]].concat(), CaptureError::PcapNg),
            (&file(105, &[], false), CaptureError::LinkType(105)),
        ] {
            assert_eq!(pcap(bytes), Err(expected));
        }
        let cut = numbers(&good[..good.len() - 1]);
        assert_eq!(cut, (vec![(1, 67)], Some("the file ends in the middle of packet 2".to_owned())));
        let mut snapped = good.clone();
        snapped[24 + 8] -= 20;
        let removed = snapped.len();
        snapped.drain(24 + 16 + 20..24 + 16 + 40);
        assert_eq!(snapped.len(), removed - 20);
        assert!(numbers(&snapped).1.unwrap().contains("beginning of packet 1"));
        for len in 0..good.len() {
            let _ = pcap(&good[..len]);
        }
    }

    #[test]
    fn hex_is_read_as_all_tools_print_it() {
        for text in [
            "010203fe",
            "01 02 03 fe",
            "01:02:03:FE",
            "0x01 0x02,0x03 0xfe",
            "\t0x0000:  0102 03fe",
            "\t0x0000:  0102 03fe                                ....",
            "00000000: 0102 03fe                                ....",
            "00000000  01 02 03 fe                                       |....|\n00000004\n",
            "0000   01 02 03 fe   ....",
            "01 02\n03 fe\n",
        ] {
            let read = hex(text).map(|mut bytes| {
                // hexdump ends with the offset of the end.
                bytes.truncate(4);
                bytes
            });
            assert_eq!(read, Ok(vec![1, 2, 3, 0xfe]), "{text}");
        }
        assert_eq!(hex("01\n0g"), Err(CaptureError::NotHex('g', 2)));
        assert_eq!(hex("010"), Err(CaptureError::OddDigits(1)));
        assert_eq!(hex(&"00".repeat(70_000)), Err(CaptureError::TooLong));
        assert_eq!(hex("ä").unwrap_err().to_string(), "line 1: found '\\u{e4}', expected hex digits");
    }

    #[test]
    fn a_packet_may_come_with_or_without_its_headers() {
        let message = discover(&[]);
        let packet_of = |ports| ip(ports, &message);
        for (bytes, ports) in [
            (message.clone(), None),
            (packet_of((68, 67)), Some((68, 67))),
            (ethernet(&packet_of((4011, 4011))), Some((4011, 4011))),
        ] {
            let found = packet(&bytes).unwrap();
            assert_eq!((found.ports, found.payload), (ports, &message[..]));
        }
        assert_eq!(packet(&packet_of((68, 53))), Err(CaptureError::NotDhcp));
        assert_eq!(packet(&[]), Err(CaptureError::NotDhcp));
    }
}
