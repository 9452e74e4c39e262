//! Which of a client's options are accepted, and with what values (RFC 2347, 2348, 2349, 7440).

use crate::wire::tftp::{OptionAck, TftpOptions};

/// Without the option (RFC 1350 §2).
const DEFAULT_BLKSIZE: u16 = 512;
/// RFC 2348: 8 to 65464 bytes.
const MIN_BLKSIZE: u32 = 8;
const MAX_BLKSIZE: u32 = 65464;
/// IPv4 header, UDP header, opcode and block number: what an MTU holds besides a block.
const HEADERS: u32 = 20 + 8 + 4;
/// Bounds what one ACK sets in motion: 64 blocks of 1468 fill a gigabit line for 0.7 ms, and more gains nothing
/// up to round trips of several milliseconds. Also the most segments that older kernels take in one UDP GSO send.
pub const MAX_WINDOWSIZE: u16 = 64;

/// How a transfer is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// Bytes in each block but the last.
    pub blksize: u16,
    /// Blocks sent before an ACK is awaited, 1 to [`MAX_WINDOWSIZE`].
    pub windowsize: u16,
    /// The longest that the client wants to wait for a repetition, in seconds, if it said so.
    pub timeout: Option<u8>,
    /// What the client is told; empty when it asked for nothing that we know.
    pub answer: OptionAck,
}

/// Weighs a request's options.
///
/// Junk, unknown options and values out of range are overlooked (RFC 2347: an option not acknowledged is not in force);
/// of an option that comes twice the first counts. `size` is the file's, `None` in netascii, where the bytes on the
/// wire are not known beforehand; there blocks go one by one, since each begins where the one before it happened to
/// end. `mtu` is that of the way to the client: a block never needs a fragmented datagram. A window is at most `in_flight`
/// bytes, but one block at least.
pub fn negotiate(options: TftpOptions<'_>, size: Option<u64>, mtu: u32, in_flight: u32) -> Terms {
    let mut answer = OptionAck::default();
    for (name, value) in options {
        let Some(value) = decimal(value) else { continue };
        if name.eq_ignore_ascii_case(b"blksize") {
            answer.blksize = answer.blksize.or(blksize(value, mtu));
        } else if name.eq_ignore_ascii_case(b"tsize") {
            answer.tsize = size;
        } else if name.eq_ignore_ascii_case(b"timeout") {
            answer.timeout = answer.timeout.or(u8::try_from(value).ok().filter(|&seconds| seconds > 0));
        } else if name.eq_ignore_ascii_case(b"windowsize") && size.is_some() {
            answer.windowsize = answer.windowsize.or(windowsize(value));
        }
    }
    let blksize = answer.blksize.unwrap_or(DEFAULT_BLKSIZE);
    let most = u16::try_from(in_flight / u32::from(blksize.max(1))).unwrap_or(u16::MAX).max(1);
    answer.windowsize = answer.windowsize.map(|blocks| blocks.min(most));
    Terms { blksize, windowsize: answer.windowsize.unwrap_or(1), timeout: answer.timeout, answer }
}

/// RFC 2348: the server may answer with less than was asked for.
fn blksize(asked: u32, mtu: u32) -> Option<u16> {
    let most = mtu.saturating_sub(HEADERS).min(MAX_BLKSIZE);
    u16::try_from(asked.min(most)).ok().filter(|&size| u32::from(size) >= MIN_BLKSIZE)
}

/// RFC 7440 §3: likewise.
fn windowsize(asked: u32) -> Option<u16> {
    u16::try_from(asked.min(u32::from(MAX_WINDOWSIZE))).ok().filter(|&size| size > 0)
}

/// A number in ASCII digits and nothing else. What needs more than 32 bits means nothing in any option (a client's
/// tsize is 0).
fn decimal(text: &[u8]) -> Option<u32> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0u32, |number, byte| {
        let digit = byte.is_ascii_digit().then(|| u32::from(byte - b'0'))?;
        number.checked_mul(10)?.checked_add(digit)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::tftp::Packet;

    const FILE: Option<u64> = Some(1_000_000);
    const NETASCII: Option<u64> = None;

    /// The OACK for options written as `name=value name=value`, in the same form.
    fn answer(options: &str, size: Option<u64>, mtu: u32) -> String {
        let request = format!("\0\x01x\0octet\0{}", options.replace([' ', '='], "\0"));
        let request = if options.is_empty() { request } else { request + "\0" };
        let Ok(Packet::ReadRequest(request)) = Packet::read(request.as_bytes()) else { panic!("not read") };
        let packet = negotiate(request.options, size, mtu, u32::MAX).answer.write();
        let Ok(Packet::OptionAck(options)) = Packet::read(&packet) else { panic!("not read") };
        let text = |bytes| String::from_utf8(Vec::from(bytes)).unwrap();
        let pairs: Vec<_> = options.map(|(name, value)| format!("{}={}", text(name), text(value))).collect();
        pairs.join(" ")
    }

    #[test]
    fn options_are_answered() {
        for (asked, wanted) in [
            ("", ""),
            ("blksize=1024", "blksize=1024"),
            ("BlkSize=1024 TSIZE=0", "blksize=1024 tsize=1000000"),
            ("tsize=0 blksize=1468 windowsize=4", "blksize=1468 tsize=1000000 windowsize=4"),
            ("timeout=3 windowsize=16", "timeout=3 windowsize=16"),
            // The smallest and the largest.
            ("blksize=8", "blksize=8"),
            ("blksize=1468", "blksize=1468"),
            ("timeout=1", "timeout=1"),
            ("timeout=255", "timeout=255"),
            ("windowsize=1", "windowsize=1"),
            ("windowsize=64", "windowsize=64"),
            // Out of range below.
            ("blksize=0", ""),
            ("blksize=7", ""),
            ("timeout=0", ""),
            ("windowsize=0", ""),
            // Out of range above: less is offered where the RFC lets us, else nothing.
            ("blksize=8192", "blksize=1468"),
            ("blksize=65464", "blksize=1468"),
            ("blksize=70000", "blksize=1468"),
            ("windowsize=65", "windowsize=64"),
            ("windowsize=65535", "windowsize=64"),
            ("timeout=256", ""),
            // Junk.
            ("blksize=abc", ""),
            ("blksize=-1", ""),
            ("blksize=999999999999", ""),
            ("blksize=1024x", ""),
            ("blksize=", ""),
            ("blksize=+512", ""),
            ("tsize=junk", ""),
            // Repeated: the first that means something.
            ("blksize=512 blksize=1024", "blksize=512"),
            ("blksize=junk blksize=1024", "blksize=1024"),
            ("tsize=0 tsize=5", "tsize=1000000"),
            // Unknown.
            ("rollover=0 utimeout=500000 multicast= blksize=600", "blksize=600"),
        ] {
            assert_eq!(answer(asked, FILE, 1500), wanted, "asked for {asked}");
        }
    }

    #[test]
    fn netascii_tells_no_size_and_has_no_windows() {
        assert_eq!(answer("tsize=0 blksize=1024 windowsize=8 timeout=2", NETASCII, 1500), "blksize=1024 timeout=2");
    }

    #[test]
    fn blocks_fit_the_way_to_the_client() {
        for (mtu, wanted) in [
            (1500, "blksize=1468"),
            (1492, "blksize=1460"),
            (9000, "blksize=8968"),
            (65536, "blksize=65464"),
            (u32::MAX, "blksize=65464"),
            (40, "blksize=8"),
            // No block that the RFC allows fits: the option is overlooked.
            (39, ""),
            (0, ""),
        ] {
            assert_eq!(answer("blksize=65464", FILE, mtu), wanted, "MTU {mtu}");
        }
    }

    #[test]
    fn a_window_is_no_larger_than_what_may_be_on_the_way() {
        for (in_flight, wanted) in [(0, 1), (2047, 1), (2048, 2), (64 << 10, 64), (1 << 20, 64)] {
            let request = b"\0\x01x\0octet\0blksize\x001024\0windowsize\x0064\0";
            let Ok(Packet::ReadRequest(request)) = Packet::read(request) else { panic!("not read") };
            let terms = negotiate(request.options, FILE, 1500, in_flight);
            assert_eq!((terms.windowsize, terms.answer.windowsize), (wanted, Some(wanted)), "{in_flight}");
        }
    }

    #[test]
    fn without_options_all_is_as_in_1981() {
        let Ok(Packet::ReadRequest(request)) = Packet::read(b"\0\x01x\0octet\0") else { panic!("not read") };
        let terms = negotiate(request.options, FILE, 1500, u32::MAX);
        assert_eq!((terms.blksize, terms.windowsize, terms.timeout), (512, 1, None));
        assert!(terms.answer.is_empty());
    }
}
