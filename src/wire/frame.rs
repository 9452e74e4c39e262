//! Ethernet, IPv4 and UDP around a DHCP message, on smoltcp's wire types.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddrV4};

use smoltcp::phy::{Checksum, ChecksumCapabilities};
use smoltcp::wire::{
    ETHERNET_HEADER_LEN, EthernetAddress, EthernetFrame, EthernetProtocol, EthernetRepr, IPV4_HEADER_LEN, IpProtocol,
    Ipv4Packet, Ipv4Repr, UDP_HEADER_LEN, UdpPacket, UdpRepr,
};

use super::hex;

/// Bytes that stand before the UDP payload in a frame that [`seal`] makes.
pub const HEADERS_LEN: usize = ETHERNET_HEADER_LEN + IPV4_HEADER_LEN + UDP_HEADER_LEN;

/// Hop limit of an OFFER; it is read on the same link, so the usual default serves.
const TTL: u8 = 64;

/// A hardware address.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Mac(pub [u8; 6]);

impl Mac {
    /// All ones: every station on the link.
    pub const BROADCAST: Mac = Mac([0xff; 6]);

    /// Reads `52:54:00:12:34:56`, or with `-`.
    pub fn read(text: &str) -> Option<Mac> {
        let is_parted = text.len() == 17 && text.bytes().skip(2).step_by(3).all(|byte| b":-".contains(&byte));
        hex::bytes(text).filter(|_| is_parted)?.try_into().ok().map(Mac)
    }

    /// The address as a number of 48 bits.
    pub fn number(self) -> u64 {
        self.0.iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl fmt::Debug for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A UDP datagram found in a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Datagram<'a> {
    /// The sender's hardware address.
    pub source_mac: Mac,
    /// The sender's IP address and port.
    pub source: SocketAddrV4,
    /// Where it was sent to.
    pub destination: SocketAddrV4,
    /// What stands behind the UDP header.
    pub payload: &'a [u8],
}

/// Why a frame holds no datagram for us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameError {
    /// Shorter than its headers say, or its lengths contradict each other.
    Malformed,
    /// Not IPv4, or not UDP.
    NotUdp,
    /// One piece of a fragmented packet.
    Fragment,
    /// The IPv4 header's checksum is wrong.
    Checksum,
}

/// Finds the datagram in a received frame.
///
/// The UDP checksum is not insisted on: virtual ports hand frames on with an unfinished one (`CHECKSUM_PARTIAL`).
pub fn open(frame: &[u8]) -> Result<Datagram<'_>, FrameError> {
    let ethernet = EthernetFrame::new_checked(frame).map_err(|_| FrameError::Malformed)?;
    if ethernet.ethertype() != EthernetProtocol::Ipv4 {
        return Err(FrameError::NotUdp);
    }
    let (source, destination, payload) = open_ip(ethernet.payload())?;
    Ok(Datagram { source_mac: Mac(ethernet.src_addr().0), source, destination, payload })
}

/// Finds the datagram in an IP packet: its sender, where it goes, and its payload.
pub fn open_ip(packet: &[u8]) -> Result<(SocketAddrV4, SocketAddrV4, &[u8]), FrameError> {
    let ip = Ipv4Packet::new_checked(packet).map_err(|_| FrameError::Malformed)?;
    if ip.version() != 4 || usize::from(ip.header_len()) < IPV4_HEADER_LEN {
        return Err(FrameError::Malformed);
    }
    if ip.next_header() != IpProtocol::Udp {
        return Err(FrameError::NotUdp);
    }
    if ip.more_frags() || ip.frag_offset() != 0 {
        return Err(FrameError::Fragment);
    }
    if !ip.verify_checksum() {
        return Err(FrameError::Checksum);
    }
    // smoltcp's own payload() would borrow the view instead of the bytes.
    let body = packet.get(usize::from(ip.header_len())..usize::from(ip.total_len())).ok_or(FrameError::Malformed)?;
    let udp = UdpPacket::new_checked(body).map_err(|_| FrameError::Malformed)?;
    let payload = body.get(UDP_HEADER_LEN..usize::from(udp.len())).ok_or(FrameError::Malformed)?;
    let source = SocketAddrV4::new(ip.src_addr(), udp.src_port());
    Ok((source, SocketAddrV4::new(ip.dst_addr(), udp.dst_port()), payload))
}

/// Who sends a frame, and to whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Envelope {
    /// Our device's hardware address.
    pub source_mac: Mac,
    /// Whom the frame is for.
    pub destination_mac: Mac,
    /// Our address and port.
    pub source: SocketAddrV4,
    /// Where the datagram goes.
    pub destination: SocketAddrV4,
}

impl Envelope {
    /// From `server`:67 to every client on the link (RFC 2131 §4.1: a client without an address is told by broadcast).
    pub fn broadcast_from(source_mac: Mac, server: Ipv4Addr) -> Self {
        Self {
            source_mac,
            destination_mac: Mac::BROADCAST,
            source: SocketAddrV4::new(server, 67),
            destination: SocketAddrV4::new(Ipv4Addr::BROADCAST, 68),
        }
    }

    /// From `server`:67 to a relay agent's port 67 (RFC 2131 §4.1), by way of the station that its request came from.
    pub fn relay_from(source_mac: Mac, server: Ipv4Addr, agent: Ipv4Addr, destination_mac: Mac) -> Self {
        let (source, destination) = (SocketAddrV4::new(server, 67), SocketAddrV4::new(agent, 67));
        Self { source_mac, destination_mac, source, destination }
    }

    /// From a client without an address to every DHCP server on the link.
    pub fn broadcast_to_servers(source_mac: Mac) -> Self {
        Self {
            source_mac,
            destination_mac: Mac::BROADCAST,
            source: SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 68),
            destination: SocketAddrV4::new(Ipv4Addr::BROADCAST, 67),
        }
    }
}

/// Writes the frame that carries `payload` into `buffer` and hands back the part written; `None` if it does not fit.
pub fn seal<'b>(envelope: &Envelope, payload: &[u8], buffer: &'b mut [u8]) -> Option<&'b [u8]> {
    let frame = buffer.get_mut(..HEADERS_LEN.checked_add(payload.len())?)?;
    let udp_len = UDP_HEADER_LEN.checked_add(payload.len())?;
    u16::try_from(IPV4_HEADER_LEN.checked_add(udp_len)?).ok()?;

    let mut checksums = ChecksumCapabilities::default();
    checksums.ipv4 = Checksum::Both;
    checksums.udp = Checksum::Both;

    let mut ethernet = EthernetFrame::new_unchecked(&mut *frame);
    EthernetRepr {
        src_addr: EthernetAddress(envelope.source_mac.0),
        dst_addr: EthernetAddress(envelope.destination_mac.0),
        ethertype: EthernetProtocol::Ipv4,
    }
    .emit(&mut ethernet);

    let mut ip = Ipv4Packet::new_unchecked(ethernet.payload_mut());
    Ipv4Repr {
        src_addr: *envelope.source.ip(),
        dst_addr: *envelope.destination.ip(),
        next_header: IpProtocol::Udp,
        payload_len: udp_len,
        hop_limit: TTL,
    }
    .emit(&mut ip, &checksums);

    let mut udp = UdpPacket::new_unchecked(ip.payload_mut());
    UdpRepr { src_port: envelope.source.port(), dst_port: envelope.destination.port() }.emit(
        &mut udp,
        &(*envelope.source.ip()).into(),
        &(*envelope.destination.ip()).into(),
        payload.len(),
        |body| body.copy_from_slice(payload),
        &checksums,
    );
    Some(frame)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENVELOPE: Envelope = Envelope {
        source_mac: Mac([2, 0, 0, 0, 0, 1]),
        destination_mac: Mac::BROADCAST,
        source: SocketAddrV4::new(Ipv4Addr::new(192, 168, 1, 1), 67),
        destination: SocketAddrV4::new(Ipv4Addr::BROADCAST, 68),
    };

    fn sealed(payload: &[u8]) -> Vec<u8> {
        seal(&ENVELOPE, payload, &mut [0xa5; 1514]).unwrap().to_vec()
    }

    #[test]
    fn what_is_sealed_can_be_opened() {
        let frame = sealed(b"hello");
        let datagram = open(&frame).unwrap();
        assert_eq!(datagram.source_mac, ENVELOPE.source_mac);
        assert_eq!(datagram.source, ENVELOPE.source);
        assert_eq!(datagram.destination, ENVELOPE.destination);
        assert_eq!(datagram.payload, b"hello");
    }

    #[test]
    fn no_byte_of_the_buffer_shows_through() {
        let (a, b) = (sealed(b"x"), seal(&ENVELOPE, b"x", &mut [0; 1514]).unwrap().to_vec());
        assert_eq!(a, b);
    }

    #[test]
    fn too_small_a_buffer_is_refused() {
        assert_eq!(seal(&ENVELOPE, b"hello", &mut [0; HEADERS_LEN + 4]), None);
    }

    #[test]
    fn strange_frames_are_named() {
        let good = sealed(b"hello");
        let changed = |at: usize, to: u8| {
            let mut frame = good.clone();
            frame[at] = to;
            open(&frame).map(|_| ()).unwrap_err()
        };
        assert_eq!(open(&good[..13]).unwrap_err(), FrameError::Malformed);
        assert_eq!(open(&good[..40]).unwrap_err(), FrameError::Malformed);
        assert_eq!(changed(13, 6), FrameError::NotUdp, "ARP");
        assert_eq!(changed(14, 0x65), FrameError::Malformed, "IP version 6 behind EtherType IPv4");
        assert_eq!(changed(20, 0x20), FrameError::Fragment, "more fragments");
        assert_eq!(changed(23, 6), FrameError::NotUdp, "TCP");
        assert_eq!(changed(24, 0), FrameError::Checksum);
    }

    #[test]
    fn an_unfinished_udp_checksum_passes() {
        let mut frame = sealed(b"hello");
        frame[40] ^= 0xff;
        assert!(open(&frame).is_ok());
    }
}
