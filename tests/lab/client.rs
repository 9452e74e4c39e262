//! A PXE client of the lab's own, at the level of packets: what firmware sends, and a full view of what comes back.
//!
//! It shares no code with upxe but smoltcp's frame layouts, so that the two can't be wrong in the same way.

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{
    EthernetAddress, EthernetFrame, EthernetProtocol, EthernetRepr, IpAddress, IpProtocol, Ipv4Packet, Ipv4Repr,
    UdpPacket, UdpRepr,
};

use crate::net::Lan;
use crate::sys;

/// Option 93 of an x86 BIOS and of an x64 UEFI (RFC 4578, IANA).
pub const BIOS: u16 = 0;
pub const X64: u16 = 7;

const BOOTREQUEST: u8 = 1;
const COOKIE: [u8; 4] = [99, 130, 83, 99];
const DISCOVER: u8 = 1;
pub const REQUEST: u8 = 3;
pub const INFORM: u8 = 8;
pub const OFFER: u8 = 2;
pub const ACK: u8 = 5;

/// How long one packet's answer may take; nothing in the lab is farther away than a bridge.
pub const ANSWER: Duration = Duration::from_millis(400);

/// What a client says it is.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// Firmware of an architecture.
    Pxe(u16),
    /// iPXE on an architecture: option 175, and `iPXE` as user class.
    Ipxe(u16),
    /// A client that only wants an address.
    Plain,
}

/// A client on a LAN, with a hardware address of its own.
pub struct Client<'l> {
    lan: &'l Lan,
    mac: [u8; 6],
}

/// A DHCP message that came back.
#[derive(Debug)]
pub struct Reply {
    pub from: SocketAddr,
    pub to: Ipv4Addr,
    pub xid: [u8; 4],
    pub yiaddr: Ipv4Addr,
    pub siaddr: Ipv4Addr,
    pub chaddr: String,
    pub sname: String,
    pub file: String,
    pub options: BTreeMap<u8, Vec<u8>>,
}

impl Reply {
    /// True for an answer of a boot service that hands out no address.
    pub fn is_proxy(&self) -> bool {
        self.yiaddr.is_unspecified()
    }

    pub fn message_type(&self) -> Option<u8> {
        self.options.get(&53)?.first().copied()
    }
}

impl Client<'_> {
    /// A client on `lan`; `number` tells it from others.
    pub fn new(lan: &Lan, number: u8) -> Client<'_> {
        Client { lan, mac: [0x52, 0x54, 0x00, 0xcc, lan.address(0).octets()[2], number] }
    }

    /// A client with the address of another machine.
    pub fn called<'l>(lan: &'l Lan, mac: &str) -> Client<'l> {
        let bytes: Vec<u8> = mac.split(':').map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect();
        Client { lan, mac: bytes.try_into().unwrap() }
    }

    /// Asks for a lease of `address` as after an offer; nobody need answer.
    pub fn lease(&self, kind: Kind, address: Ipv4Addr) {
        let mut message = self.message(REQUEST, kind, Ipv4Addr::UNSPECIFIED);
        message.pop();
        message.extend([50, 4]);
        message.extend(address.octets());
        message.push(255);
        let frame = self.broadcast_frame(&message);
        self.lan.client.inside(|| sys::packet_socket("eth0").unwrap().send(&frame).expect("sending a REQUEST"));
    }

    /// Broadcasts a DISCOVER as if it were `other`'s, from this client's own address; nobody waits for answers.
    pub fn discover_in_the_name_of(&self, other: &Client<'_>, kind: Kind) {
        let frame = self.broadcast_frame(&other.message(DISCOVER, kind, Ipv4Addr::UNSPECIFIED));
        self.lan.client.inside(|| sys::packet_socket("eth0").unwrap().send(&frame).expect("sending a DISCOVER"));
    }

    /// Broadcasts a DISCOVER and collects the answers that come within `patience`, up to one that is `enough`.
    pub fn discover(&self, kind: Kind, patience: Duration, enough: fn(&Reply) -> bool) -> Vec<Reply> {
        let message = self.message(DISCOVER, kind, Ipv4Addr::UNSPECIFIED);
        let frame = self.broadcast_frame(&message);
        self.lan.client.inside(|| {
            let socket = sys::packet_socket("eth0").expect("a packet socket for the client");
            socket.send(&frame).expect("sending a DISCOVER");
            let deadline = Instant::now() + patience;
            let mut replies = Vec::new();
            while !replies.last().is_some_and(enough) {
                let Some(reply) = next_reply(&socket, deadline) else { break };
                replies.extend(Some(reply).filter(|reply| message[4..8] == reply.xid));
            }
            replies
        })
    }

    /// What firmware with the address of the LAN's client asks the boot server.
    pub fn question(&self, kind: Kind) -> Vec<u8> {
        self.message(REQUEST, kind, self.lan.address(2))
    }

    /// Broadcasts a reply in the place of a DISCOVER, and counts what is answered.
    pub fn reply_as_if_a_server(&self, kind: Kind) -> usize {
        let mut message = self.message(DISCOVER, kind, Ipv4Addr::UNSPECIFIED);
        message[0] = 2;
        let frame = self.broadcast_frame(&message);
        self.lan.client.inside(|| {
            let socket = sys::packet_socket("eth0").expect("a packet socket for the client");
            socket.send(&frame).expect("sending a reply");
            let deadline = Instant::now() + ANSWER;
            let replies = std::iter::from_fn(|| next_reply(&socket, deadline));
            replies.filter(|reply| message[4..8] == reply.xid).count()
        })
    }

    /// Asks the boot server, as firmware with the address of the LAN's client does after its lease.
    pub fn ask_boot_server(&self, router: Ipv4Addr, kind: Kind) -> io::Result<Reply> {
        self.ask_boot_server_with(REQUEST, 68, router, kind)
    }

    /// The same as EDK2 asks, from port 4011, and for an entry of the boot menu by its type.
    pub fn choose(&self, router: Ipv4Addr, kind: Kind, item: Option<u16>) -> io::Result<Reply> {
        let mut message = self.message(REQUEST, kind, self.lan.address(2));
        if let Some([high, low]) = item.map(u16::to_be_bytes) {
            message.pop();
            message.extend([43, 7, 71, 4, high, low, 0, 0, 255, 255]);
        }
        self.ask(&message, 4011, router)
    }

    /// The same with a message of this type, and from a port of the client's choice, to which the answer must come.
    pub fn ask_boot_server_with(&self, message_type: u8, port: u16, router: Ipv4Addr, kind: Kind) -> io::Result<Reply> {
        self.ask(&self.message(message_type, kind, self.lan.address(2)), port, router)
    }

    fn ask(&self, message: &[u8], port: u16, router: Ipv4Addr) -> io::Result<Reply> {
        let address = self.lan.address(2);
        self.lan.client.inside(|| {
            let socket = UdpSocket::bind((address, port))?;
            socket.set_read_timeout(Some(ANSWER))?;
            socket.send_to(message, (router, 4011))?;
            let mut buffer = [0; 2048];
            loop {
                let (length, from) = socket.recv_from(&mut buffer)?;
                let reply = parse(&buffer[..length], from, address);
                if let Some(reply) = reply.filter(|reply| message[4..8] == reply.xid) {
                    return Ok(reply);
                }
            }
        })
    }

    /// Reads a file by TFTP, without options (RFC 1350).
    pub fn read_file(&self, router: Ipv4Addr, name: &str) -> io::Result<Vec<u8>> {
        const DATA: [u8; 2] = [0, 3];
        const ACKNOWLEDGE: [u8; 2] = [0, 4];
        let request = [&[0, 1], name.as_bytes(), b"\0octet\0"].concat();
        self.lan.client.inside(|| {
            let socket = UdpSocket::bind((self.lan.address(2), 0))?;
            socket.set_read_timeout(Some(ANSWER))?;
            socket.send_to(&request, (router, 69))?;
            let (mut file, mut packet) = (Vec::new(), [0; 516]);
            loop {
                let (length, from) = socket.recv_from(&mut packet)?;
                if length < 4 || packet[..2] != DATA {
                    return Err(io::Error::other(String::from_utf8_lossy(&packet[..length]).into_owned()));
                }
                socket.send_to(&[ACKNOWLEDGE, [packet[2], packet[3]]].concat(), from)?;
                file.extend(&packet[4..length]);
                if length < packet.len() {
                    return Ok(file);
                }
            }
        })
    }

    /// Asks for a file by TFTP, and is gone before the answer comes.
    pub fn ask_and_leave(&self, router: Ipv4Addr, name: &str) {
        let request = [&[0, 1], name.as_bytes(), b"\0octet\0"].concat();
        let socket = self.lan.client.inside(|| UdpSocket::bind((self.lan.address(2), 0))).unwrap();
        socket.send_to(&request, (router, 69)).expect("sending a request");
    }

    fn message(&self, message_type: u8, kind: Kind, ciaddr: Ipv4Addr) -> Vec<u8> {
        let mut message = vec![0; 236];
        message[0] = BOOTREQUEST;
        (message[1], message[2]) = (1, 6); // Ethernet
        message[4..8].copy_from_slice(&new_xid());
        message[12..16].copy_from_slice(&ciaddr.octets());
        message[28..34].copy_from_slice(&self.mac);
        message.extend(COOKIE);
        message.extend([53, 1, message_type]);
        message.extend([55, 8, 1, 3, 6, 15, 43, 60, 66, 67]);
        message.extend([57, 2, 5, 192]);
        self.describe(kind, &mut message);
        message.push(255);
        message
    }

    /// The options by which a client that boots is known.
    fn describe(&self, kind: Kind, message: &mut Vec<u8>) {
        let (Kind::Pxe(architecture) | Kind::Ipxe(architecture)) = kind else { return };
        let class = format!("PXEClient:Arch:{architecture:05}:UNDI:003001");
        message.extend([60, class.len() as u8]);
        message.extend(class.bytes());
        message.extend([93, 2, (architecture >> 8) as u8, architecture as u8]);
        message.extend([94, 3, 1, 3, 1]);
        message.extend([97, 17, 0]);
        message.extend([0xab; 10]);
        message.extend(self.mac);
        if matches!(kind, Kind::Ipxe(_)) {
            message.extend(b"\x4d\x04iPXE");
            message.extend([175, 6, 19, 1, 1, 33, 1, 1]);
        }
    }

    /// From 0.0.0.0:68 to 255.255.255.255:67, as a client without an address sends.
    fn broadcast_frame(&self, message: &[u8]) -> Vec<u8> {
        let udp = UdpRepr { src_port: 68, dst_port: 67 };
        let ip = Ipv4Repr {
            src_addr: Ipv4Addr::UNSPECIFIED,
            dst_addr: Ipv4Addr::BROADCAST,
            next_header: IpProtocol::Udp,
            payload_len: udp.header_len() + message.len(),
            hop_limit: 64,
        };
        let ethernet = EthernetRepr {
            src_addr: EthernetAddress(self.mac),
            dst_addr: EthernetAddress::BROADCAST,
            ethertype: EthernetProtocol::Ipv4,
        };
        let checksums = ChecksumCapabilities::default();
        let mut frame = EthernetFrame::new_unchecked(vec![0; 14 + ip.buffer_len() + ip.payload_len]);
        ethernet.emit(&mut frame);
        let mut packet = Ipv4Packet::new_unchecked(frame.payload_mut());
        ip.emit(&mut packet, &checksums);
        udp.emit(
            &mut UdpPacket::new_unchecked(packet.payload_mut()),
            &IpAddress::Ipv4(ip.src_addr),
            &IpAddress::Ipv4(ip.dst_addr),
            message.len(),
            |payload| payload.copy_from_slice(message),
            &checksums,
        );
        frame.into_inner()
    }
}

fn new_xid() -> [u8; 4] {
    static NEXT: AtomicU32 = AtomicU32::new(0x6c61_6200);
    NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes()
}

/// Listens on the LAN's client for every reply to it, until `end` is set.
pub fn overhear(lan: &Lan, end: &AtomicBool) -> Vec<Reply> {
    lan.client.inside(|| {
        let socket = sys::packet_socket("eth0").expect("a packet socket to listen with");
        let mut replies = Vec::new();
        while !end.load(Ordering::Relaxed) {
            replies.extend(next_reply(&socket, Instant::now() + ANSWER));
        }
        replies
    })
}

/// The next DHCP reply before `deadline`.
fn next_reply(socket: &UdpSocket, deadline: Instant) -> Option<Reply> {
    let mut buffer = [0; 2048];
    loop {
        let left = deadline.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())?;
        socket.set_read_timeout(Some(left)).ok()?;
        if let Ok(length) = socket.recv(&mut buffer)
            && let Some(reply) = open(&buffer[..length])
        {
            return Some(reply);
        }
    }
}

/// The DHCP reply in a frame to port 68, if it is one with a correct envelope.
fn open(frame: &[u8]) -> Option<Reply> {
    let frame = EthernetFrame::new_checked(frame).ok()?;
    let ip = Ipv4Packet::new_checked(frame.payload()).ok()?;
    let udp = UdpPacket::new_checked(ip.payload()).ok()?;
    let from = SocketAddr::from((ip.src_addr(), udp.src_port()));
    (ip.verify_checksum() && udp.dst_port() == 68).then(|| parse(udp.payload(), from, ip.dst_addr()))?
}

fn parse(message: &[u8], from: SocketAddr, to: Ipv4Addr) -> Option<Reply> {
    const BOOTREPLY: u8 = 2;
    let (header, options) = message.split_at_checked(240)?;
    let four = |at: usize| [header[at], header[at + 1], header[at + 2], header[at + 3]];
    (header[0] == BOOTREPLY && header[236..] == COOKIE).then(|| Reply {
        from,
        to,
        xid: four(4),
        yiaddr: four(16).into(),
        siaddr: four(20).into(),
        chaddr: colons(&header[28..34]),
        sname: text(&header[44..108]),
        file: text(&header[108..236]),
        options: parse_options(options),
    })
}

fn parse_options(mut bytes: &[u8]) -> BTreeMap<u8, Vec<u8>> {
    let mut options = BTreeMap::new();
    while let [code @ 1..=254, length, rest @ ..] = bytes {
        let (value, rest) = rest.split_at(usize::from(*length));
        assert!(options.insert(*code, value.to_vec()).is_none(), "option {code} came twice");
        bytes = rest;
    }
    options
}

fn colons(mac: &[u8]) -> String {
    mac.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(":")
}

fn text(field: &[u8]) -> String {
    String::from_utf8_lossy(field).trim_end_matches('\0').to_owned()
}

/// Asks the router's DNS server for a name's address.
pub fn resolve(lan: &Lan, name: &str) -> io::Result<Ipv4Addr> {
    let mut query = vec![0x75, 0x70, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split('.') {
        query.push(label.len() as u8);
        query.extend(label.bytes());
    }
    query.extend([0, 0, 1, 0, 1]); // type A, class IN
    lan.client.inside(|| {
        let socket = UdpSocket::bind((lan.address(2), 0))?;
        socket.set_read_timeout(Some(Duration::from_secs(3)))?;
        socket.send_to(&query, (lan.address(1), 53))?;
        let mut answer = [0; 512];
        let length = socket.recv(&mut answer)?;
        match answer[..length] {
            // One answer record: its data is what stands last.
            [0x75, 0x70, .., a, b, c, d] if answer[7] == 1 => Ok(Ipv4Addr::new(a, b, c, d)),
            _ => Err(io::Error::other(format!("no address of {name} in {:?}", &answer[..length]))),
        }
    })
}
