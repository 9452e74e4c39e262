//! Clients that boot: what they are, and the messages they send.

use std::fmt;

use crate::bench::Mode;
use crate::random::Random;

/// What a client's messages say.
pub struct Client {
    pub mac: [u8; 6],
    pub xid: u32,
    pub secs: u16,
    pub broadcast: bool,
    pub options: Vec<(u8, Vec<u8>)>,
}

/// The address that the client has when it asks on port 4011.
pub const ADDRESS: [u8; 4] = [10, 77, 0, 77];

pub const ARCHITECTURES: &[u16] = &[0, 0, 0, 6, 7, 7, 9, 10, 11];

pub fn client(random: &mut Random, mode: Mode, number: u32) -> Client {
    let architecture = *random.pick(ARCHITECTURES);
    let mut options: Vec<(u8, Vec<u8>)> = Vec::new();
    let class = match random.below(20) {
        0 => "HW-Client".to_owned(),
        1 => "PXEClient".to_owned(),
        2 if mode == Mode::Proxy => "HTTPClient:Arch:00016:UNDI:003001".to_owned(),
        _ => format!("PXEClient:Arch:{architecture:05}:UNDI:003016"),
    };
    options.push((60, class.into_bytes()));
    if random.percent(95) {
        let mut list = architecture.to_be_bytes().to_vec();
        // Which of several architectures counts is compared by unit tests; here they are there for dhcp-match.
        if mode == Mode::Server && random.percent(30) {
            list.extend(random.pick(ARCHITECTURES).to_be_bytes());
        }
        options.push((93, list));
    }
    options.push((94, vec![1, 3, 16]));
    if random.percent(80) {
        options.push((97, [&[0], [7; 16].as_slice()].concat()));
    }
    program(random, &mut options);
    if random.percent(15) {
        options.push((61, random.pick(&[&b"\x01\x52\x54\0\0\0\x01"[..], b"client-one", b"\0client-one"]).to_vec()));
    }
    if random.percent(15) {
        options.push((12, random.pick(&["box", "Box-7", "other.lan", "-bad"]).as_bytes().to_vec()));
    }
    if random.percent(10) {
        options.push((82, random.pick(&[&b"\x01\x04port\x02\x02\xaa\xbb"[..], b"\x02\x01x\x06\x03sub"]).to_vec()));
    }
    if random.percent(10) {
        options.push((
            124,
            random
                .pick(&[&b"\0\0\x01\x37\x05\x04abcd"[..], b"\0\0\0\x09\x02\x01x\0\0\x01\x37\x06\x01a\x03xyz"])
                .to_vec(),
        ));
    }
    if mode == Mode::Server || random.percent(70) {
        // 1472: nothing is left out for want of room, which is not what is compared here.
        options.push((57, vec![5, 192]));
    }
    Client {
        mac: [0x52, 0x54, random.below(2) as u8, 0, 0, random.below(4) as u8],
        xid: 0x1000_0000 + number * 16,
        secs: random.below(3) as u16 * 4,
        // A true DHCP server would send to an address that nobody here has.
        broadcast: mode == Mode::Server || random.percent(50),
        options,
    }
}

/// Firmware, iPXE in its forms, gPXE; each asks for other options.
fn program(random: &mut Random, options: &mut Vec<(u8, Vec<u8>)>) {
    let firmware: &[u8] = &[1, 3, 43, 54, 60, 66, 67, 128, 129, 150];
    let ipxe: &[u8] = &[1, 3, 6, 12, 15, 17, 43, 60, 66, 67, 119, 128, 175, 203];
    let asked = match random.below(10) {
        0..5 => random.pick(&[firmware, firmware, &[1, 3, 43, 54, 60, 209, 210]]).to_vec(),
        5 => {
            options.push((77, random.pick(&[&b"\x04iPXE"[..], b"\x04iPXE\x09othername"]).to_vec()));
            ipxe.to_vec()
        }
        6 => {
            options.push((77, b"gPXE".to_vec()));
            ipxe.to_vec()
        }
        7 => {
            options.push((175, vec![0x11, 1, 1]));
            ipxe.to_vec()
        }
        _ => {
            options.push((77, b"iPXE".to_vec()));
            options.push((175, vec![0x13, 1, 1, 0x21, 1, 1]));
            ipxe.to_vec()
        }
    };
    if random.percent(90) {
        options.push((55, asked));
    }
}

impl Client {
    pub fn option(&self, wanted: u8) -> Option<&[u8]> {
        self.options.iter().find(|(code, _)| *code == wanted).map(|(_, value)| value.as_slice())
    }

    pub fn architecture(&self) -> Option<u16> {
        let value = self.option(93)?;
        Some(u16::from_be_bytes([value[0], value[1]]))
    }

    /// iPXE or gPXE.
    pub fn is_ipxe(&self) -> bool {
        self.option(175).is_some() || self.option(77).is_some()
    }

    /// A message of this type, which asks for a menu's entry if `item` says so.
    pub fn message(&self, xid: u32, message_type: u8, address: [u8; 4], item: Option<u16>) -> Vec<u8> {
        let mut packet = vec![0; 240];
        packet[..4].copy_from_slice(&[1, 1, 6, 0]);
        packet[4..8].copy_from_slice(&xid.to_be_bytes());
        packet[8..10].copy_from_slice(&self.secs.to_be_bytes());
        packet[10] = if self.broadcast { 0x80 } else { 0 };
        packet[12..16].copy_from_slice(&address);
        packet[28..34].copy_from_slice(&self.mac);
        packet[236..240].copy_from_slice(&[99, 130, 83, 99]);
        packet.extend([53, 1, message_type]);
        for (code, value) in &self.options {
            packet.extend([*code, value.len() as u8]);
            packet.extend(value);
        }
        if let Some(item) = item {
            let [a, b] = item.to_be_bytes();
            packet.extend([43, 7, 71, 4, a, b, 0, 0, 255]);
        }
        packet.push(255);
        packet.resize(packet.len().max(300), 0);
        packet
    }
}

impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "client {:02x?} secs {} broadcast {}", self.mac, self.secs, self.broadcast)?;
        self.options.iter().try_for_each(|(code, value)| write!(f, "\n    {code}: {}", value.escape_ascii()))
    }
}
