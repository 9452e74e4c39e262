//! TFTP packets (RFC 1350 §5, RFC 2347): read in place, written into bounded buffers.
//!
//! ```text
//!        2 bytes     string    1 byte     string   1 byte   (string  1 byte  string  1 byte)*
//!        ------------------------------------------------------------------------------------
//! RRQ/  | 01/02 |  Filename  |   0  |    Mode    |   0  |  |  opt  |  0   |  value |  0   |
//! WRQ    ------------------------------------------------------------------------------------
//!
//!        2 bytes    2 bytes       n bytes             2 bytes    2 bytes      string    1 byte
//!        ---------------------------------            -----------------------------------------
//! DATA  | 03    |   Block #  |    Data    |    ERROR | 05    |  ErrorCode |   ErrMsg   |   0  |
//!        ---------------------------------            -----------------------------------------
//!
//!        2 bytes    2 bytes                           2 bytes  (string  1 byte  string  1 byte)*
//!        -------------------                          ------------------------------------------
//! ACK   | 04    |   Block #  |                 OACK  | 06    |  opt  |  0   |  value |  0   |
//!        -------------------                          ------------------------------------------
//! ```

use std::fmt::Write;

mod field {
    use std::ops::{Range, RangeFrom};
    pub const OPCODE: Range<usize> = 0..2;
    pub const FILENAME: RangeFrom<usize> = OPCODE.end..;
    pub const OPTIONS: RangeFrom<usize> = OPCODE.end..;
    pub const BLOCK: Range<usize> = OPCODE.end..4;
    pub const DATA: RangeFrom<usize> = BLOCK.end..;
    pub const ERROR_CODE: Range<usize> = OPCODE.end..4;
    pub const ERR_MSG: RangeFrom<usize> = ERROR_CODE.end..;
}

mod opcode {
    pub const RRQ: u16 = 1;
    pub const WRQ: u16 = 2;
    pub const DATA: u16 = 3;
    pub const ACK: u16 = 4;
    pub const ERROR: u16 = 5;
    pub const OACK: u16 = 6;
}

/// Bytes that stand before the data in a DATA packet.
pub const DATA_HEADER: usize = field::DATA.start;

/// Why bytes are no TFTP packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TftpError {
    /// Too short for its opcode, or for having one.
    Short,
    /// An opcode that no RFC defines.
    UnknownOpcode(u16),
    /// A request whose file name or mode lacks its NUL.
    Unterminated,
}

/// A TFTP packet, borrowed from the datagram that carried it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packet<'a> {
    /// RRQ: a client wants to read a file.
    ReadRequest(TftpRequest<'a>),
    /// WRQ: a client wants to write one.
    WriteRequest,
    /// DATA.
    Data {
        /// Block number, which counts from 1 and wraps.
        block: u16,
        /// The block itself.
        data: &'a [u8],
    },
    /// ACK: everything up to this block has arrived.
    Ack {
        /// Block number; 0 answers an OACK.
        block: u16,
    },
    /// ERROR: the sender has ended the transfer.
    Error {
        /// What is wrong, by number.
        error_code: ErrorCode,
        /// What is wrong, in words, as far as they came.
        err_msg: &'a [u8],
    },
    /// OACK: the options that the server accepts.
    OptionAck(TftpOptions<'a>),
}

/// True for what begins a transfer, well-formed or not.
pub fn is_request(datagram: &[u8]) -> bool {
    matches!(number(datagram, field::OPCODE), Ok(opcode::RRQ | opcode::WRQ))
}

/// True for what begins a transfer to the client, well-formed or not.
pub fn is_read_request(datagram: &[u8]) -> bool {
    matches!(number(datagram, field::OPCODE), Ok(opcode::RRQ))
}

/// What a read request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TftpRequest<'a> {
    /// The file's name as sent; not empty of danger.
    pub filename: &'a [u8],
    /// The mode as sent, in any case.
    pub mode: &'a [u8],
    /// What follows the mode.
    pub options: TftpOptions<'a>,
}

/// Names and values of options; what is cut off at the end isn't shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TftpOptions<'a> {
    rest: &'a [u8],
}

/// The number in an ERROR packet (RFC 1350 appendix, RFC 2347).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ErrorCode(pub u16);

impl ErrorCode {
    /// See the message.
    pub const NOT_DEFINED: Self = Self(0);
    /// There is no such file.
    pub const FILE_NOT_FOUND: Self = Self(1);
    /// The file or the way to it is out of bounds.
    pub const ACCESS_VIOLATION: Self = Self(2);
    /// A packet that has no place here.
    pub const ILLEGAL_OPERATION: Self = Self(4);
    /// The client doesn't want what the OACK offers; also EDK2's way to say that it wanted only the size.
    pub const OPTION_NEGOTIATION: Self = Self(8);
}

impl<'a> Packet<'a> {
    /// Reads a datagram's payload.
    ///
    /// # Errors
    /// See [`TftpError`]; whatever follows a complete packet is overlooked.
    pub fn read(payload: &'a [u8]) -> Result<Self, TftpError> {
        let opcode = number(payload, field::OPCODE)?;
        Ok(match opcode {
            opcode::RRQ => Self::ReadRequest(TftpRequest::read(payload.get(field::FILENAME).unwrap_or_default())?),
            opcode::WRQ => Self::WriteRequest,
            opcode::DATA => {
                Self::Data { block: number(payload, field::BLOCK)?, data: payload.get(field::DATA).unwrap_or_default() }
            }
            opcode::ACK => Self::Ack { block: number(payload, field::BLOCK)? },
            opcode::ERROR => {
                let text = payload.get(field::ERR_MSG).unwrap_or_default();
                let err_msg = text.split(|&byte| byte == 0).next().unwrap_or_default();
                Self::Error { error_code: ErrorCode(number(payload, field::ERROR_CODE)?), err_msg }
            }
            opcode::OACK => Self::OptionAck(TftpOptions { rest: payload.get(field::OPTIONS).unwrap_or_default() }),
            unknown => return Err(TftpError::UnknownOpcode(unknown)),
        })
    }
}

impl<'a> TftpRequest<'a> {
    fn read(fields: &'a [u8]) -> Result<Self, TftpError> {
        let (filename, rest) = string(fields).ok_or(TftpError::Unterminated)?;
        let (mode, rest) = string(rest).ok_or(TftpError::Unterminated)?;
        Ok(Self { filename, mode, options: TftpOptions { rest } })
    }
}

impl<'a> Iterator for TftpOptions<'a> {
    /// Name and value.
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (name, rest) = string(self.rest)?;
        let (value, rest) = string(rest)?;
        self.rest = rest;
        Some((name, value))
    }
}

/// An OACK that answers the four options that servers know (RFC 2348, 2349, 7440); only what is accepted is named.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OptionAck {
    /// Bytes in a block, 8 to 65464.
    pub blksize: Option<u16>,
    /// Bytes in the file.
    pub tsize: Option<u64>,
    /// Seconds, 1 to 255.
    pub timeout: Option<u8>,
    /// Blocks in a window, 1 to 65535.
    pub windowsize: Option<u16>,
}

/// The longest [`OptionAck`]: the opcode, four names, and 5, 20, 3 and 5 digits, each with a NUL.
const OPTION_ACK_LEN: usize = 2 + (8 + 6) + (6 + 21) + (8 + 4) + (11 + 6);

impl OptionAck {
    /// True when no option is accepted, and so no OACK is due (RFC 2347).
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The packet. Names are in lower case, as the RFCs print them and as the plainest clients compare them.
    pub fn write(&self) -> heapless::Vec<u8, OPTION_ACK_LEN> {
        let mut packet = heapless::Vec::new();
        let _ = packet.extend_from_slice(&opcode::OACK.to_be_bytes());
        let options = [
            ("blksize", self.blksize.map(u64::from)),
            ("tsize", self.tsize),
            ("timeout", self.timeout.map(u64::from)),
            ("windowsize", self.windowsize.map(u64::from)),
        ];
        for (name, value) in options {
            if let Some(value) = value {
                // Cannot fail: the buffer holds every name with its longest value.
                let _ = write!(packet, "{name}\0{value}\0");
            }
        }
        packet
    }
}

/// The bytes before a block's data.
pub fn data_header(block: u16) -> [u8; DATA_HEADER] {
    let ([a, b], [c, d]) = (opcode::DATA.to_be_bytes(), block.to_be_bytes());
    [a, b, c, d]
}

/// The longest ERROR that we send; our messages are shorter than this by intention.
const ERROR_LEN: usize = 64;

/// An ERROR packet; `err_msg` is cut when it is longer than 59 bytes.
pub fn error(error_code: ErrorCode, err_msg: &str) -> heapless::Vec<u8, ERROR_LEN> {
    let mut packet = heapless::Vec::new();
    let _ = packet.extend_from_slice(&opcode::ERROR.to_be_bytes());
    let _ = packet.extend_from_slice(&error_code.0.to_be_bytes());
    let room = ERROR_LEN - packet.len() - 1;
    let _ = packet.extend_from_slice(err_msg.as_bytes().get(..room).unwrap_or(err_msg.as_bytes()));
    let _ = packet.push(0);
    packet
}

fn number(payload: &[u8], field: std::ops::Range<usize>) -> Result<u16, TftpError> {
    let bytes = payload.get(field).and_then(|bytes| bytes.try_into().ok());
    bytes.map(u16::from_be_bytes).ok_or(TftpError::Short)
}

/// The string at the front, and what follows its NUL.
fn string(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.iter().position(|&byte| byte == 0)?;
    Some((bytes.get(..end)?, bytes.get(end + 1..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What OVMF's PXE client sends to learn a file's size.
    const EDK2_PROBE: &[u8] = b"\0\x01snponly.efi\0octet\0tsize\x000\0blksize\x001468\0windowsize\x004\0";

    #[test]
    fn a_request_shows_its_fields() {
        let Ok(Packet::ReadRequest(request)) = Packet::read(EDK2_PROBE) else { panic!("not read") };
        assert_eq!((request.filename, request.mode), (&b"snponly.efi"[..], &b"octet"[..]));
        let options: Vec<_> = request.options.collect();
        assert_eq!(options, [(&b"tsize"[..], &b"0"[..]), (b"blksize", b"1468"), (b"windowsize", b"4")]);
    }

    #[test]
    fn what_a_request_lacks_is_told() {
        for (payload, outcome) in [
            (&b""[..], TftpError::Short),
            (b"\0", TftpError::Short),
            (b"\0\x01", TftpError::Unterminated),
            (b"\0\x01x", TftpError::Unterminated),
            (b"\0\x01x\0", TftpError::Unterminated),
            (b"\0\x01x\0octet", TftpError::Unterminated),
            (b"\0\x03\0", TftpError::Short),
            (b"\0\x04\0", TftpError::Short),
            (b"\0\x05\0", TftpError::Short),
            (b"\0\0", TftpError::UnknownOpcode(0)),
            (b"\0\x07rest", TftpError::UnknownOpcode(7)),
            (b"\x01\x01x\0octet\0", TftpError::UnknownOpcode(0x0101)),
        ] {
            assert_eq!(Packet::read(payload), Err(outcome), "{}", payload.escape_ascii());
        }
    }

    #[test]
    fn options_that_are_cut_off_are_not_shown() {
        for (payload, shown) in [
            (&b"\0\x01x\0octet\0"[..], 0),
            (b"\0\x01x\0octet\0blksize", 0),
            (b"\0\x01x\0octet\0blksize\0", 0),
            (b"\0\x01x\0octet\0blksize\x00512", 0),
            (b"\0\x01x\0octet\0blksize\x00512\0", 1),
            (b"\0\x01x\0octet\0blksize\x00512\0tsize\0", 1),
        ] {
            let Ok(Packet::ReadRequest(request)) = Packet::read(payload) else { panic!("not read") };
            assert_eq!(request.options.count(), shown, "{}", payload.escape_ascii());
        }
    }

    #[test]
    fn the_other_packets_are_read() {
        for (payload, packet) in [
            (&b"\0\x02x\0octet\0"[..], Packet::WriteRequest),
            (b"\0\x03\x01\x02data", Packet::Data { block: 0x0102, data: b"data" }),
            (b"\0\x03\0\x01", Packet::Data { block: 1, data: b"" }),
            (b"\0\x04\xff\xff", Packet::Ack { block: 0xffff }),
            (b"\0\x04\0\x01trailer", Packet::Ack { block: 1 }),
            (b"\0\x05\0\x08User aborted\0", Packet::Error { error_code: ErrorCode(8), err_msg: b"User aborted" }),
            (b"\0\x05\0\x01", Packet::Error { error_code: ErrorCode(1), err_msg: b"" }),
            (b"\0\x05\0\x01no NUL", Packet::Error { error_code: ErrorCode(1), err_msg: b"no NUL" }),
        ] {
            assert_eq!(Packet::read(payload), Ok(packet));
        }
    }

    #[test]
    fn an_oack_names_what_is_accepted() {
        let full = OptionAck {
            blksize: Some(u16::MAX),
            tsize: Some(u64::MAX),
            timeout: Some(u8::MAX),
            windowsize: Some(u16::MAX),
        };
        let packet = full.write();
        assert_eq!(packet.len(), OPTION_ACK_LEN);
        let Ok(Packet::OptionAck(options)) = Packet::read(&packet) else { panic!("not read") };
        assert_eq!(options.last(), Some((&b"windowsize"[..], &b"65535"[..])));
        let part = OptionAck { tsize: Some(0), ..OptionAck::default() };
        assert_eq!(part.write(), b"\0\x06tsize\x000\0");
        assert!(!part.is_empty() && OptionAck::default().is_empty());
    }

    #[test]
    fn an_error_ends_in_nul_however_long_its_message() {
        assert_eq!(error(ErrorCode::FILE_NOT_FOUND, "file not found"), b"\0\x05\0\x01file not found\0");
        let long = error(ErrorCode::NOT_DEFINED, &"x".repeat(100));
        assert_eq!((long.len(), long.last()), (ERROR_LEN, Some(&0)));
    }

    #[test]
    fn data_header_is_what_the_reader_reads() {
        assert_eq!(Packet::read(&data_header(0xabcd)), Ok(Packet::Data { block: 0xabcd, data: b"" }));
    }
}
