//! A DHCP message to a client: its fields, and how they become bytes.

use std::net::Ipv4Addr;

use dhcproto::v4::{MessageType, OptionCode};
use heapless::Vec;

use super::frame::Mac;

/// No reply is longer: what fits an Ethernet frame behind its IP and UDP headers.
pub const MAX_LEN: usize = 1472;

/// No reply is shorter (RFC 1542 §2.1, dnsmasq `MIN_PACKETSZ`): some ROMs drop what is smaller than a BOOTP message.
const MIN_LEN: usize = 300;

/// What every client must take (RFC 2131 §2: 576 bytes with IP and UDP headers), and so the size used without option 57.
const DEFAULT_LEN: usize = 576 - IP_AND_UDP;
const IP_AND_UDP: usize = 28;

/// Header and magic cookie.
const HEADER_LEN: usize = 240;

/// Room for a reply's options.
const OPTIONS_LEN: usize = MAX_LEN - HEADER_LEN;

/// A text field of the header: `N` bytes with the NUL that ends it.
pub type Text<const N: usize> = heapless::String<N>;

/// A reply, field by field (RFC 2131 §2). `hops` and `secs` are always 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// Option 53, which is also the first option written.
    pub message_type: MessageType,
    /// The request's transaction id.
    pub xid: u32,
    /// The broadcast flag.
    pub broadcast: bool,
    /// The client's own address.
    pub ciaddr: Ipv4Addr,
    /// The address given to the client; unspecified from a proxy.
    pub yiaddr: Ipv4Addr,
    /// Who serves the boot file.
    pub siaddr: Ipv4Addr,
    /// The relay agent the request came through.
    pub giaddr: Ipv4Addr,
    /// The client's hardware address.
    pub chaddr: Mac,
    /// Server host name, at most 63 bytes.
    pub sname: Text<63>,
    /// Boot file name, at most 127 bytes.
    pub file: Text<127>,
    /// All options but 53, in the order in which they are sent.
    pub options: Options,
}

/// A list of options as it stands in a packet: code, length, value.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    bytes: Vec<u8, OPTIONS_LEN>,
    /// The first one that did not fit.
    refused: Option<OptionCode>,
}

/// An option did not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Full;

impl Options {
    /// Appends an option; its value may have at most 255 bytes.
    pub fn push(&mut self, code: OptionCode, value: &[u8]) -> Result<(), Full> {
        if append(&mut self.bytes, code, value, OPTIONS_LEN) {
            return Ok(());
        }
        self.refused.get_or_insert(code);
        Err(Full)
    }

    /// The options in order: code and value.
    pub fn iter(&self) -> impl Iterator<Item = (OptionCode, &[u8])> {
        let mut rest = self.bytes.as_slice();
        std::iter::from_fn(move || {
            let [code, len, tail @ ..] = rest else { return None };
            let (value, next) = tail.split_at_checked(usize::from(*len))?;
            rest = next;
            Some((OptionCode::from(*code), value))
        })
    }

    /// The value of the first option with this code.
    pub fn get(&self, code: OptionCode) -> Option<&[u8]> {
        self.iter().find(|(candidate, _)| *candidate == code).map(|(_, value)| value)
    }
}

/// Whether unused `file` and `sname` fields may carry options (RFC 2132 §9.3, option 52).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overload {
    /// The fields keep their meaning; options that do not fit are left out (dnsmasq: `dhcp-no-override`).
    Never,
    /// Options that do not fit go into the fields that are empty.
    WhenFull,
}

/// The longest reply for a client that sent this option 57, in bytes of UDP payload.
pub fn size_limit(max_message_size: Option<u16>) -> usize {
    max_message_size
        .map_or(DEFAULT_LEN, |size| usize::from(size).saturating_sub(IP_AND_UDP).clamp(DEFAULT_LEN, MAX_LEN))
}

/// A reply's bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// The UDP payload.
    pub bytes: Vec<u8, MAX_LEN>,
    /// The first option for which there was no room.
    pub left_out: Option<OptionCode>,
}

/// Writes `reply` in at most `limit` bytes, padded to the 300 of a BOOTP message.
pub fn write(reply: &Reply, overload: Overload, limit: usize) -> Written {
    let limit = limit.min(MAX_LEN);
    let mut layout = Layout::plan(reply, overload, limit);
    let mut bytes = Vec::new();
    // Nothing below can run over: the header is 240 bytes, and the plan keeps the options within the limit.
    let _ = put_header(&mut bytes, reply, &layout);
    let _ = bytes.extend_from_slice(&layout.main);
    let _ = bytes.push(END);
    while bytes.len() < MIN_LEN && bytes.push(0).is_ok() {}
    Written { bytes, left_out: layout.left_out.take() }
}

/// The code that ends an option list (RFC 2132 §3.2).
const END: u8 = 255;

/// Which option goes into which field.
struct Layout {
    main: Vec<u8, OPTIONS_LEN>,
    file: Vec<u8, 128>,
    sname: Vec<u8, 64>,
    left_out: Option<OptionCode>,
}

impl Layout {
    fn plan(reply: &Reply, overload: Overload, limit: usize) -> Self {
        let room = limit.saturating_sub(HEADER_LEN + 1);
        let total = 3 + reply.options.bytes.len();
        let left_out = reply.options.refused;
        let mut layout = Layout { main: Vec::new(), file: Vec::new(), sname: Vec::new(), left_out };
        layout.place_main(OptionCode::MessageType, &[u8::from(reply.message_type)], room);
        if total <= room || overload == Overload::Never {
            reply.options.iter().for_each(|(code, value)| {
                if !layout.place_main(code, value, room) {
                    layout.left_out.get_or_insert(code);
                }
            });
            return layout;
        }
        let (file_free, sname_free) = (reply.file.is_empty(), reply.sname.is_empty());
        // Option 52 itself must stand in the options field: keep three bytes for it.
        let room = room.saturating_sub(3);
        for (code, value) in reply.options.iter() {
            let placed = layout.place_main(code, value, room)
                || file_free && append(&mut layout.file, code, value, 127)
                || sname_free && append(&mut layout.sname, code, value, 63);
            if !placed {
                layout.left_out.get_or_insert(code);
            }
        }
        let used = u8::from(!layout.file.is_empty()) | u8::from(!layout.sname.is_empty()) << 1;
        if used != 0 {
            layout.place_main(OptionCode::OptionOverload, &[used], room + 3);
            close(&mut layout.file);
            close(&mut layout.sname);
        }
        layout
    }

    fn place_main(&mut self, code: OptionCode, value: &[u8], room: usize) -> bool {
        append(&mut self.main, code, value, room)
    }
}

/// Appends an option if the list stays within `room`.
fn append<const N: usize>(list: &mut Vec<u8, N>, code: OptionCode, value: &[u8], room: usize) -> bool {
    let Ok(len) = u8::try_from(value.len()) else { return false };
    if list.len() + 2 + value.len() > room.min(N) {
        return false;
    }
    list.extend_from_slice(&[u8::from(code), len]).is_ok() && list.extend_from_slice(value).is_ok()
}

/// Ends a list of options in a borrowed field; an unused field stays empty.
fn close<const N: usize>(list: &mut Vec<u8, N>) {
    if !list.is_empty() {
        let _ = list.push(END);
    }
}

fn put_header(bytes: &mut Vec<u8, MAX_LEN>, reply: &Reply, layout: &Layout) -> Result<(), heapless::CapacityError> {
    const REPLY: u8 = 2;
    const ETHERNET: u8 = 1;
    const BROADCAST_FLAG: u16 = 0x8000;
    const MAGIC_COOKIE: [u8; 4] = [99, 130, 83, 99];

    let flags = if reply.broadcast { BROADCAST_FLAG } else { 0 };
    bytes.extend_from_slice(&[REPLY, ETHERNET, 6, 0])?;
    bytes.extend_from_slice(&reply.xid.to_be_bytes())?;
    bytes.extend_from_slice(&[0, 0])?;
    bytes.extend_from_slice(&flags.to_be_bytes())?;
    for address in [reply.ciaddr, reply.yiaddr, reply.siaddr, reply.giaddr] {
        bytes.extend_from_slice(&address.octets())?;
    }
    bytes.extend_from_slice(&reply.chaddr.0)?;
    put_field(bytes, &[], 10)?;
    put_field(bytes, if layout.sname.is_empty() { reply.sname.as_bytes() } else { &layout.sname }, 64)?;
    put_field(bytes, if layout.file.is_empty() { reply.file.as_bytes() } else { &layout.file }, 128)?;
    bytes.extend_from_slice(&MAGIC_COOKIE)
}

/// Appends `value`, filled up with zeros to `len` bytes.
fn put_field(bytes: &mut Vec<u8, MAX_LEN>, value: &[u8], len: usize) -> Result<(), heapless::CapacityError> {
    let end = bytes.len() + len;
    bytes.extend_from_slice(value.get(..len).unwrap_or(value))?;
    bytes.resize(end, 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply() -> Reply {
        Reply {
            message_type: MessageType::Offer,
            xid: 0xdead_beef,
            broadcast: true,
            ciaddr: Ipv4Addr::UNSPECIFIED,
            yiaddr: Ipv4Addr::UNSPECIFIED,
            siaddr: Ipv4Addr::new(192, 168, 1, 1),
            giaddr: Ipv4Addr::UNSPECIFIED,
            chaddr: Mac([0x52, 0x54, 0, 0, 0, 1]),
            sname: Text::new(),
            file: Text::try_from("ipxe.efi").unwrap(),
            options: Options::default(),
        }
    }

    #[test]
    fn fields_stand_where_rfc_2131_puts_them() {
        let mut reply = reply();
        reply.options.push(OptionCode::ServerIdentifier, &[192, 168, 1, 1]).unwrap();
        let bytes = write(&reply, Overload::Never, DEFAULT_LEN).bytes;
        assert_eq!(bytes.len(), 300);
        assert_eq!(bytes[..12], [2, 1, 6, 0, 0xde, 0xad, 0xbe, 0xef, 0, 0, 0x80, 0]);
        assert_eq!(bytes[20..24], [192, 168, 1, 1]);
        assert_eq!(&bytes[108..117], b"ipxe.efi\0");
        assert_eq!(bytes[236..250], [99, 130, 83, 99, 53, 1, 2, 54, 4, 192, 168, 1, 1, 255]);
        assert!(bytes[250..].iter().all(|&byte| byte == 0));
    }

    #[test]
    fn without_overload_what_does_not_fit_is_left_out_and_named() {
        let mut reply = reply();
        reply.options.push(OptionCode::from(209), &[b'a'; 200]).unwrap();
        reply.options.push(OptionCode::from(210), &[b'b'; 200]).unwrap();
        reply.options.push(OptionCode::from(211), &[0, 0, 0, 9]).unwrap();
        let written = write(&reply, Overload::Never, DEFAULT_LEN);
        assert_eq!(written.left_out, Some(OptionCode::from(210)));
        assert!(written.bytes.len() <= DEFAULT_LEN);
        assert_eq!(written.bytes.iter().filter(|&&byte| byte == b'a').count(), 200, "file holds no option");
    }

    #[test]
    fn overload_borrows_empty_fields_only() {
        let mut reply = reply();
        reply.options.push(OptionCode::from(209), &[b'x'; 200]).unwrap();
        reply.options.push(OptionCode::from(210), &[b'y'; 100]).unwrap();
        reply.options.push(OptionCode::from(211), &[1, 2, 3, 4]).unwrap();
        let full = write(&reply, Overload::WhenFull, DEFAULT_LEN);
        assert_eq!(full.left_out, Some(OptionCode::from(210)), "file is taken and sname too small");
        reply.file = Text::new();
        let written = write(&reply, Overload::WhenFull, DEFAULT_LEN);
        assert_eq!(written.left_out, None);
        assert_eq!(written.bytes[108..110], [210, 100]);
        let request_view = [&written.bytes[240..]].concat();
        assert!(request_view.windows(3).any(|option| option == [52, 1, 1]));
    }

    #[test]
    fn size_follows_option_57_within_bounds() {
        assert_eq!(size_limit(None), 548);
        assert_eq!(size_limit(Some(100)), 548);
        assert_eq!(size_limit(Some(1472)), 1444);
        assert_eq!(size_limit(Some(u16::MAX)), MAX_LEN);
    }

    #[test]
    fn options_are_read_back_and_bounded() {
        let mut options = Options::default();
        options.push(OptionCode::from(209), b"a").unwrap();
        options.push(OptionCode::from(210), b"").unwrap();
        assert_eq!(options.get(OptionCode::from(209)), Some(&b"a"[..]));
        assert_eq!(options.get(OptionCode::from(210)), Some(&b""[..]));
        assert_eq!(options.push(OptionCode::from(43), &[0; 256]), Err(Full));
        while options.push(OptionCode::from(43), &[0; 250]).is_ok() {}
        assert_eq!(options.iter().count(), 2 + 4);
        let written = write(&Reply { options, ..reply() }, Overload::Never, MAX_LEN);
        assert_eq!(written.left_out, Some(OptionCode::from(43)), "a list that was too long already is told of as well");
    }
}
