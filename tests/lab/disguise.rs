//! Makes a machine's requests look like another program's, for programs that Debian doesn't have.
//!
//! QEMU's boot ROM is iPXE, and says so in every request; a vendor's ROM doesn't, and the first step of most recipes is
//! for such ROMs alone. gPXE, which preceded iPXE, names itself in the same place. So what the machine sends goes through
//! here, and its DHCP requests lose or change that name; everything else about it stays iPXE's own.

use std::io::{self, Read, Write};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};

use smoltcp::wire::{EthernetFrame, EthernetProtocol, IpProtocol, Ipv4Packet, UdpPacket};

use crate::net::Namespace;

const USER_CLASS: u8 = 77;
const ETHERBOOT: u8 = 175;
const DHCP: u16 = 67;
const BOOT_SERVER: u16 = 4011;
const TFTP: u16 = 69;
/// Where a UDP datagram's checksum stands; 0 means that there is none (RFC 768).
const UDP_CHECKSUM: std::ops::Range<usize> = 6..8;
/// Header and magic cookie, before a message's options (RFC 2131 §2).
const OPTIONS: usize = 240;

/// What the machine passes for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disguise {
    /// Its ROM for a vendor's; what the ROM loads is not disguised.
    VendorRom,
    /// Its ROM for a vendor's, and the iPXE that it loads for gPXE.
    VendorRomThenGpxe,
}

impl Disguise {
    /// Plays the disguise for one machine in `router`, and returns QEMU's options for the network card `netdev`.
    pub fn put_on(self, router: &Namespace, netdev: &str) -> Vec<String> {
        // Abstract sockets belong to the network namespace, and their names have no length to mind.
        let listen = |name: &str| {
            let address = SocketAddr::from_abstract_name(name).unwrap();
            router.inside(|| UnixListener::bind_addr(&address)).expect("one disguised machine to a router")
        };
        let (sent, passed_on) = (listen("sent"), listen("passed-on"));
        std::thread::spawn(move || {
            // It ends with the machine, which closes its side.
            if let (Ok((from, _)), Ok((to, _))) = (sent.accept(), passed_on.accept()) {
                let _ = self.pass_on(from, to);
            }
        });
        let socket = |name: &str| format!("socket,id={name},path={name},abstract=on");
        let filter = format!("filter-redirector,id=disguise,netdev={netdev},queue=rx,outdev=sent,indev=passed-on");
        ["-chardev", &socket("sent"), "-chardev", &socket("passed-on"), "-object", &filter].map(str::to_owned).into()
    }

    /// QEMU's framing: the length in four bytes, then the frame (its net/filter-mirror.c).
    fn pass_on(self, mut from: impl Read, mut to: impl Write) -> io::Result<()> {
        let mut is_loaded = false;
        loop {
            let mut length = [0; 4];
            from.read_exact(&mut length)?;
            let mut frame = vec![0; u32::from_be_bytes(length) as usize];
            from.read_exact(&mut frame)?;
            is_loaded |= self.change(&mut frame, is_loaded).is_some_and(|port| port == TFTP);
            to.write_all(&[&length[..], &frame].concat())?;
        }
    }

    /// Changes a DHCP request; `is_loaded` is true once the ROM has asked for a file. Returns a datagram's port.
    fn change(self, frame: &mut [u8], is_loaded: bool) -> Option<u16> {
        let mut ethernet = EthernetFrame::new_checked(frame).ok()?;
        if ethernet.ethertype() != EthernetProtocol::Ipv4 {
            return None;
        }
        let mut ip = Ipv4Packet::new_checked(ethernet.payload_mut()).ok()?;
        if ip.next_header() != IpProtocol::Udp {
            return None;
        }
        let datagram = ip.payload_mut();
        let port = UdpPacket::new_checked(&*datagram).ok()?.dst_port();
        if matches!(port, DHCP | BOOT_SERVER) {
            let options = datagram.get_mut(8 + OPTIONS..)?;
            match self {
                _ if !is_loaded => change_options(options, |code, _| ![USER_CLASS, ETHERBOOT].contains(&code)),
                Disguise::VendorRom => return Some(port),
                Disguise::VendorRomThenGpxe => change_options(options, |code, value| {
                    if code == USER_CLASS && value == b"iPXE" {
                        value.copy_from_slice(b"gPXE");
                    }
                    true
                }),
            }
            datagram[UDP_CHECKSUM].fill(0);
        }
        Some(port)
    }
}

/// Goes through a message's options; those that `keep` refuses are left out, and the others move up.
fn change_options(options: &mut [u8], keep: impl Fn(u8, &mut [u8]) -> bool) {
    let mut kept = Vec::new();
    let mut at = 0;
    while let Some([code @ 1..=254, length]) = options.get(at..at + 2) {
        let (code, end) = (*code, at + 2 + usize::from(*length));
        let Some(value) = options.get_mut(at + 2..end) else { break };
        if keep(code, value) {
            kept.extend(&options[at..end]);
        }
        at = end;
    }
    kept.push(255);
    options.fill(0);
    options[..kept.len()].copy_from_slice(&kept);
}
