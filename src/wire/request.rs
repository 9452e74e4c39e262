//! A DHCP message from a client: checked once, here; past this door every field can be read without care.

use std::net::Ipv4Addr;
use std::ops::Deref;

use dhcproto::v4::borrowed::{DhcpOption, DhcpOptionIterator, Message};
use dhcproto::v4::{HType, MessageType, Opcode, OptionCode};

use super::frame::Mac;

/// Where RFC 2131 §2 puts what this file looks at itself.
mod field {
    use std::ops::Range;
    pub const SNAME: Range<usize> = 44..108;
    pub const FILE: Range<usize> = SNAME.end..236;
    pub const MAGIC: Range<usize> = FILE.end..240;
}

/// RFC 2131 §3: the first four bytes of the options field.
const MAGIC_COOKIE: [u8; 4] = [99, 130, 83, 99];

/// The code of the option that ends an option list (RFC 2132 §3.2).
const END: u8 = 255;
/// The code of the option that is a single byte of padding (RFC 2132 §3.1).
const PAD: u8 = 0;

/// Why bytes are no request for us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestError {
    /// Shorter than a header with its magic cookie.
    Short,
    /// `op` says that a server sent it.
    NotARequest,
    /// Not Ethernet with six-byte addresses.
    HardwareType,
    /// The magic cookie is missing: plain BOOTP, or not DHCP at all.
    NoCookie,
    /// An option runs past the end of its field.
    TruncatedOption,
    /// Option 53 is missing or has a length other than 1.
    NoMessageType,
}

/// A DHCP message that a client sent.
#[derive(Debug)]
pub struct Request<'a> {
    /// Transaction id.
    pub xid: u32,
    /// Seconds since the client began; iPXE hides a retry count in it.
    pub secs: u16,
    /// True when the client asks for answers by broadcast.
    pub broadcast: bool,
    /// The client's address, if it has one.
    pub ciaddr: Ipv4Addr,
    /// The relay agent's address, unspecified without one.
    pub giaddr: Ipv4Addr,
    /// The client's hardware address.
    pub chaddr: Mac,
    /// Option 53.
    pub message_type: MessageType,
    options: Fields<'a>,
}

impl<'a> Request<'a> {
    /// Checks `payload`, the body of a UDP datagram, and reads its fixed fields.
    pub fn read(payload: &'a [u8]) -> Result<Self, RequestError> {
        let message = Message::new(payload).map_err(|_| RequestError::Short)?;
        if message.opcode() != Opcode::BootRequest {
            return Err(RequestError::NotARequest);
        }
        // Before chaddr() is asked: dhcproto slices by the wire's hlen unchecked.
        if message.htype() != HType::Eth || message.hlen() != 6 {
            return Err(RequestError::HardwareType);
        }
        let chaddr = message.chaddr().try_into().map_err(|_| RequestError::HardwareType)?;
        if payload.get(field::MAGIC) != Some(&MAGIC_COOKIE) {
            return Err(RequestError::NoCookie);
        }
        let options = Fields::check(payload)?;
        let message_type = match options.find(OptionCode::MessageType).as_deref() {
            Some(&[number]) => MessageType::from(number),
            _ => return Err(RequestError::NoMessageType),
        };
        Ok(Self {
            xid: message.xid(),
            secs: message.secs(),
            broadcast: message.flags().broadcast(),
            ciaddr: message.ciaddr(),
            giaddr: message.giaddr(),
            chaddr: Mac(chaddr),
            message_type,
            options,
        })
    }

    /// The value of an option; its pieces joined if it was sent in several (RFC 3396).
    pub fn option(&self, code: OptionCode) -> Option<OptionData<'a>> {
        self.options.find(code)
    }

    /// The option's value as text, if it is valid UTF-8; a trailing NUL is dropped (RFC 2132 §2 allows for it).
    pub fn text(&self, code: OptionCode) -> Option<String> {
        let value = self.option(code)?;
        let text = std::str::from_utf8(&value).ok()?;
        Some(text.trim_end_matches('\0').to_owned())
    }

    /// The machine's UUID (option 97), its bytes in the order in which they are written.
    pub fn uuid(&self) -> Option<[u8; 16]> {
        match &*self.option(OptionCode::ClientMachineIdentifier)? {
            [0, uuid @ ..] => uuid.try_into().ok().map(uuid_as_written),
            _ => None,
        }
    }

    /// True when option 55 asks for `code`.
    pub fn asks_for(&self, code: OptionCode) -> bool {
        self.option(OptionCode::ParameterRequestList).is_some_and(|list| list.contains(&u8::from(code)))
    }

    /// Option 57, the largest DHCP message the client takes; `None` if absent or below the 576 that everybody must take.
    pub fn max_message_size(&self) -> Option<u16> {
        let value = self.option(OptionCode::MaxMessageSize)?;
        let size = u16::from_be_bytes((&*value).try_into().ok()?);
        (size >= 576).then_some(size)
    }
}

/// An option's value.
#[derive(Debug)]
pub enum OptionData<'a> {
    /// As it stands in the packet.
    Whole(DhcpOption<'a>),
    /// Put together from options of the same code.
    Joined(Vec<u8>),
}

impl Deref for OptionData<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            OptionData::Whole(option) => option.data(),
            OptionData::Joined(bytes) => bytes,
        }
    }
}

/// The name of a message type (RFC 2132 §9.6): option 53's value.
pub fn message_name(number: u8) -> &'static str {
    match number {
        1 => "DHCPDISCOVER",
        2 => "DHCPOFFER",
        3 => "DHCPREQUEST",
        4 => "DHCPDECLINE",
        5 => "DHCPACK",
        6 => "DHCPNAK",
        7 => "DHCPRELEASE",
        8 => "DHCPINFORM",
        _ => "DHCP",
    }
}

/// A UUID's bytes as they are written, from those of option 97, or the other way round: the first three groups are sent with
/// their lowest byte first (RFC 4578 §2.3 after EFI's GUIDs; iPXE dhcp.c `uuid_mangle`).
pub fn uuid_as_written(mut bytes: [u8; 16]) -> [u8; 16] {
    for group in [0..4, 4..6, 6..8] {
        if let Some(group) = bytes.get_mut(group) {
            group.reverse();
        }
    }
    bytes
}

/// The up to three places that options may stand in: their own field and, by option 52, `file` and `sname`.
#[derive(Debug)]
struct Fields<'a> {
    options: &'a [u8],
    file: &'a [u8],
    sname: &'a [u8],
}

impl<'a> Fields<'a> {
    fn check(payload: &'a [u8]) -> Result<Self, RequestError> {
        let mut fields = Fields { options: payload.get(field::MAGIC.end..).unwrap_or(&[]), file: &[], sname: &[] };
        check_list(fields.options)?;
        // RFC 2131 §4.1: the overload flags say which of the header's fields hold options as well.
        let overload = fields.find(OptionCode::OptionOverload).and_then(|value| value.first().copied()).unwrap_or(0);
        if overload & 1 != 0 {
            fields.file = payload.get(field::FILE).unwrap_or(&[]);
        }
        if overload & 2 != 0 {
            fields.sname = payload.get(field::SNAME).unwrap_or(&[]);
        }
        check_list(fields.file)?;
        check_list(fields.sname)?;
        Ok(fields)
    }

    fn iter(&self) -> impl Iterator<Item = DhcpOption<'a>> {
        // RFC 3396 §5: `file` is read before `sname`.
        [self.options, self.file, self.sname].into_iter().flat_map(DhcpOptionIterator::new)
    }

    fn find(&self, code: OptionCode) -> Option<OptionData<'a>> {
        let mut pieces = self.iter().filter(|option| option.code() == code);
        let first = pieces.next()?;
        let Some(second) = pieces.next() else { return Some(OptionData::Whole(first)) };
        let mut joined = first.data().to_vec();
        joined.extend_from_slice(second.data());
        pieces.for_each(|piece| joined.extend_from_slice(piece.data()));
        Some(OptionData::Joined(joined))
    }
}

/// Walks an option list and fails if one of its lengths runs past its end. A list without an end option passes:
/// some ROMs fill the packet to the last byte.
fn check_list(mut list: &[u8]) -> Result<(), RequestError> {
    while let [code, rest @ ..] = list {
        list = match *code {
            END => return Ok(()),
            PAD => rest,
            _ => {
                let (&len, value) = rest.split_first().ok_or(RequestError::TruncatedOption)?;
                value.get(usize::from(len)..).ok_or(RequestError::TruncatedOption)?
            }
        };
    }
    Ok(())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A DISCOVER from 52:54:00:00:00:01 with these options behind option 53.
    pub(crate) fn discover(options: &[(u8, &[u8])]) -> Vec<u8> {
        message(1, options)
    }

    /// The same with a message type of choice.
    pub(crate) fn message(message_type: u8, options: &[(u8, &[u8])]) -> Vec<u8> {
        let mut packet = vec![0; 240];
        packet[..8].copy_from_slice(&[1, 1, 6, 0, 0xde, 0xad, 0xbe, 0xef]);
        packet[28..34].copy_from_slice(&[0x52, 0x54, 0, 0, 0, 1]);
        packet[236..240].copy_from_slice(&MAGIC_COOKIE);
        packet.extend([53, 1, message_type]);
        for (code, value) in options {
            packet.extend([*code, value.len() as u8]);
            packet.extend(*value);
        }
        packet.push(END);
        packet
    }

    #[test]
    fn header_fields_are_read() {
        let packet = discover(&[(57, &[5, 192])]);
        let request = Request::read(&packet).unwrap();
        assert_eq!(request.xid, 0xdead_beef);
        assert_eq!(request.message_type, MessageType::Discover);
        assert_eq!(request.chaddr.to_string(), "52:54:00:00:00:01");
        assert_eq!(request.max_message_size(), Some(1472));
        assert!(!request.broadcast);
    }

    #[test]
    fn what_is_no_request_is_named() {
        let good = discover(&[]);
        let changed = |at: usize, to: u8| {
            let mut packet = good.clone();
            packet[at] = to;
            Request::read(&packet).map(|_| ()).unwrap_err()
        };
        assert_eq!(Request::read(&good[..239]).unwrap_err(), RequestError::Short);
        assert_eq!(changed(0, 2), RequestError::NotARequest);
        assert_eq!(changed(1, 6), RequestError::HardwareType);
        assert_eq!(changed(2, 255), RequestError::HardwareType, "an hlen past the packet's end");
        assert_eq!(changed(236, 0), RequestError::NoCookie);
        assert_eq!(changed(241, 9), RequestError::TruncatedOption);
        assert_eq!(changed(240, 54), RequestError::NoMessageType);
    }

    #[test]
    fn pieces_of_an_option_are_joined_wherever_they_stand() {
        let packet = discover(&[(77, b"iP"), (93, &[0, 7]), (77, b"XE")]);
        let request = Request::read(&packet).unwrap();
        assert_eq!(&*request.option(OptionCode::from(77)).unwrap(), b"iPXE");
    }

    #[test]
    fn options_in_file_and_sname_are_read_only_when_said_so() {
        let mut packet = discover(&[(52, &[3])]);
        packet[108..113].copy_from_slice(&[93, 2, 0, 7, END]);
        packet[44..47].copy_from_slice(&[77, 1, b'x']);
        packet[47] = END;
        let request = Request::read(&packet).unwrap();
        assert_eq!(&*request.option(OptionCode::from(93)).unwrap(), [0, 7]);
        assert_eq!(&*request.option(OptionCode::from(77)).unwrap(), b"x");
        packet[242 + 3] = 0;
        assert!(Request::read(&packet).unwrap().option(OptionCode::from(93)).is_none());
    }

    #[test]
    fn a_request_list_is_searched() {
        let packet = discover(&[(55, &[66, 67])]);
        let request = Request::read(&packet).unwrap();
        assert!(request.asks_for(OptionCode::BootfileName));
        assert!(!request.asks_for(OptionCode::RootPath));
    }
}
