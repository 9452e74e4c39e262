//! A room full of PXE clients behind one network card, each at the level of packets, all in one loop: lease, boot offer,
//! port 4011, file. The line loses what it is told to lose, both ways. Nothing of upxe's own code is in it.

use std::net::{Ipv4Addr, UdpSocket};
use std::time::{Duration, Instant};

use crate::sys;

const ETHERNET: usize = 14;
const HEADERS: usize = ETHERNET + 20 + 8;
const BROADCAST: [u8; 6] = [0xff; 6];
/// The first four bytes of every machine's address; its number follows.
const OURS: [u8; 4] = [0x52, 0x54, 0x77, 0x00];
const PORT_OF_FIRST_BLOCKS: u16 = 2070;

/// How a machine loads files.
#[derive(Clone, Copy)]
struct Manners {
    blksize: usize,
    windowsize: u64,
    options: &'static str,
}

/// An old ROM, an iPXE, an EDK2, a U-Boot.
const MANNERS: [Manners; 4] = [
    Manners { blksize: 512, windowsize: 1, options: "" },
    Manners { blksize: 1432, windowsize: 1, options: "blksize\x001432\0tsize\x000\0" },
    Manners { blksize: 1468, windowsize: 4, options: "tsize\x000\0blksize\x001468\0windowsize\x004\0" },
    Manners { blksize: 1468, windowsize: 16, options: "timeout\x005\0blksize\x001468\0windowsize\x0016\0" },
];

/// How far a machine has come.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Debug)]
enum Stage {
    /// Wants a lease's offer and a boot offer.
    Discover,
    Request,
    /// Looks for the router's hardware address.
    Resolve,
    BootServer,
    /// Asked for the file; nothing of it has come.
    Ask,
    Load,
    Done,
}

struct Machine {
    mac: [u8; 6],
    address: Ipv4Addr,
    manners: Manners,
    stage: Stage,
    lease: Option<(Ipv4Addr, [u8; 4])>,
    has_boot_offer: bool,
    router: [u8; 6],
    /// The server's port for the transfer.
    tid: u16,
    /// Ours.
    port: u16,
    file: Vec<u8>,
    next: u64,
    in_window: u64,
    complained: bool,
    /// The last TFTP packet that was sent.
    last: Vec<u8>,
    tries: u32,
    again_at: Instant,
    asked_at: Option<Instant>,
    done_at: Option<Instant>,
}

/// What came of it.
pub struct Figures {
    /// From switching on to the whole file, of each machine, in the order of time.
    pub times: Vec<Duration>,
    /// The same up to when each first asked for the file: what is before that is dnsmasq's part for the most.
    pub asked: Vec<Duration>,
    pub received: u64,
    pub sent: u64,
    pub lost: u64,
    pub retries: u64,
    /// Files that were begun anew: after an ERROR, word that the server's port is closed, or a long silence.
    pub anew: u64,
}

/// The machines and their line.
pub struct Crowd<'f> {
    socket: UdpSocket,
    router: Ipv4Addr,
    name: &'static str,
    file: &'f [u8],
    machines: Vec<Machine>,
    first: u16,
    /// Of a thousand packets, each way.
    loss: u64,
    dice: u64,
    figures: Figures,
}

impl<'f> Crowd<'f> {
    /// `count` machines, the first of which has this number, on `eth0` of the present namespace, which are to load the file `name` from `router`.
    pub fn new(first: u16, count: u16, router: Ipv4Addr, name: &'static str, file: &'f [u8], loss: u64) -> Crowd<'f> {
        let socket = sys::packet_socket_for_all("eth0").expect("a packet socket for the machines");
        socket.set_nonblocking(true).unwrap();
        let machines = (first..first + count).map(Machine::new).collect();
        let figures =
            Figures { times: Vec::new(), asked: Vec::new(), received: 0, sent: 0, lost: 0, retries: 0, anew: 0 };
        Crowd { socket, router, name, file, machines, first, loss, dice: 0x9e37_79b9_7f4a_7c15, figures }
    }

    /// Switches all on at once and lets them boot, for at most `patience`.
    pub fn boot(mut self, patience: Duration) -> Figures {
        let start = Instant::now();
        let mut buffer = vec![0; 1 << 17];
        for at in 0..self.machines.len() {
            self.again(at);
        }
        while self.machines.iter().any(|machine| machine.stage != Stage::Done) {
            assert!(start.elapsed() < patience, "{}", self.complaint());
            for _ in 0..256 {
                let Ok(length) = self.socket.recv(&mut buffer) else { break };
                self.take(&buffer[..length]);
            }
            let now = Instant::now();
            let stuck = (0..self.machines.len()).filter(|at| self.machines[*at].is_stuck(now)).collect::<Vec<_>>();
            stuck.into_iter().for_each(|at| self.begin_anew(at));
            let late = (0..self.machines.len()).filter(|at| self.machines[*at].is_late(now)).collect::<Vec<_>>();
            for at in late {
                self.figures.retries += 1;
                self.again(at);
            }
            let _ = sys::wait_readable(&self.socket, Duration::from_millis(5));
        }
        self.figures.times = self.machines.iter().map(|it| it.done_at.unwrap().duration_since(start)).collect();
        self.figures.times.sort();
        self.figures.asked = self.machines.iter().map(|it| it.asked_at.unwrap().duration_since(start)).collect();
        self.figures.asked.sort();
        self.figures
    }

    fn complaint(&self) -> String {
        let left = self.machines.iter().filter(|machine| machine.stage != Stage::Done);
        let left: Vec<_> =
            left.map(|it| format!("{:?} block {} after {} tries", it.stage, it.next, it.tries)).collect();
        format!("{} of {} machines did not boot: {left:?}", left.len(), self.machines.len())
    }

    fn is_lost(&mut self) -> bool {
        self.dice ^= self.dice >> 12;
        self.dice ^= self.dice << 25;
        self.dice ^= self.dice >> 27;
        let lost = self.dice.wrapping_mul(0x2545_f491_4f6c_dd1d) % 1000 < self.loss;
        self.figures.lost += u64::from(lost);
        lost
    }

    fn send(&mut self, frame: &[u8]) {
        self.figures.sent += 1;
        if !self.is_lost() {
            // What finds no room is lost as well.
            let _ = self.socket.send(frame);
        }
    }

    /// Does what the machine's stage asks for, for the first time or again: after 1, 2, 4 and then always 4 seconds.
    fn again(&mut self, at: usize) {
        let machine = &mut self.machines[at];
        machine.again_at = Instant::now() + Duration::from_millis(1000 << machine.tries.min(2));
        machine.tries += 1;
        let frame = match machine.stage {
            Stage::Discover => machine.dhcp(1),
            Stage::Request => machine.dhcp(3),
            Stage::Resolve => machine.arp(1, BROADCAST, self.router),
            Stage::BootServer => {
                let question = machine.message(3, false);
                machine.udp(machine.router, self.router, 68, 4011, &question)
            }
            Stage::Ask => {
                let options = machine.manners.options;
                machine.last = [&[0, 1], self.name.as_bytes(), b"\0octet\0", options.as_bytes()].concat();
                machine.udp(machine.router, self.router, machine.port, 69, &machine.last)
            }
            Stage::Load => machine.udp(machine.router, self.router, machine.port, machine.tid, &machine.last),
            Stage::Done => return,
        };
        self.send(&frame);
    }

    fn go_on(&mut self, at: usize, stage: Stage) {
        (self.machines[at].stage, self.machines[at].tries) = (stage, 0);
        self.again(at);
    }

    fn take(&mut self, frame: &[u8]) {
        let Some(kind) = frame.get(12..14) else { return };
        match kind {
            [8, 6] => self.take_arp(frame),
            // ICMP: no such port, and whose packet that was about.
            [8, 0] if frame.len() >= HEADERS + 28 && frame[23] == 1 && frame[34..36] == [3, 3] => {
                let port = u16::from_be_bytes([frame[62], frame[63]]);
                let at = self.number_of(&frame[..6]).filter(|at| self.machines[*at].stage == Stage::Load);
                if let Some(at) = at.filter(|at| self.machines[*at].port == port) {
                    self.begin_anew(at);
                }
            }
            [8, 0] if frame.len() > HEADERS && frame[23] == 17 => {
                let to = u16::from_be_bytes([frame[36], frame[37]]);
                if to == 68 {
                    self.take_dhcp(frame);
                } else if let Some(at) = self.number_of(&frame[..6]) {
                    self.take_tftp(at, frame, to);
                }
            }
            _ => {}
        }
    }

    fn number_of(&self, mac: &[u8]) -> Option<usize> {
        let number = mac.strip_prefix(&OURS)?;
        let at = usize::from(u16::from_be_bytes([number[0], number[1]]).wrapping_sub(self.first));
        (at < self.machines.len()).then_some(at)
    }

    fn take_arp(&mut self, frame: &[u8]) {
        let Some(packet) = frame.get(ETHERNET..ETHERNET + 28) else { return };
        let (from, target) = (<[u8; 6]>::try_from(&packet[8..14]).unwrap(), &packet[24..28]);
        if self.is_lost() {
            return;
        }
        let sender = Ipv4Addr::new(packet[14], packet[15], packet[16], packet[17]);
        if packet[7] == 1 {
            let asked = self.machines.iter().find(|it| it.stage > Stage::Request && it.address.octets() == *target);
            let answer = asked.map(|machine| machine.arp(2, from, sender));
            if let Some(answer) = answer {
                self.send(&answer);
            }
        } else if let Some(at) = self.number_of(&frame[..6])
            && self.machines[at].stage == Stage::Resolve
            && sender == self.router
        {
            self.machines[at].router = from;
            self.go_on(at, Stage::BootServer);
        }
    }

    fn take_dhcp(&mut self, frame: &[u8]) {
        let Some(message) = frame.get(HEADERS..).filter(|message| message.len() >= 240 && message[0] == 2) else {
            return;
        };
        let Some(at) = self.number_of(&message[28..34]) else { return };
        if self.is_lost() {
            return;
        }
        let four = |at: usize| [message[at], message[at + 1], message[at + 2], message[at + 3]];
        let address = Ipv4Addr::from(four(16));
        let server = option(message, 54).and_then(|value| value.try_into().ok()).unwrap_or([0; 4]);
        let file = String::from_utf8_lossy(&message[108..236]).trim_end_matches('\0').to_owned();
        let kind = option(message, 53).and_then(|value| value.first().copied());
        let from = u16::from_be_bytes([frame[34], frame[35]]);
        let machine = &mut self.machines[at];
        match (machine.stage, kind, from) {
            (Stage::Discover, Some(2), 67) => {
                if address.is_unspecified() {
                    assert_eq!(file, self.name, "machine {at} is offered another file");
                    machine.has_boot_offer = true;
                } else {
                    machine.lease = Some((address, server));
                }
                if machine.has_boot_offer && machine.lease.is_some() {
                    self.go_on(at, Stage::Request);
                }
            }
            (Stage::Request, Some(5), 67) => {
                machine.address = address;
                self.go_on(at, Stage::Resolve);
            }
            // The lease went to somebody else meanwhile.
            (Stage::Request, Some(6), 67) => {
                (machine.lease, machine.has_boot_offer) = (None, false);
                self.go_on(at, Stage::Discover);
            }
            (Stage::BootServer, Some(5), 4011) => {
                assert_eq!(file, self.name, "machine {at} is told another file on port 4011");
                machine.asked_at = Some(Instant::now());
                self.go_on(at, Stage::Ask);
            }
            _ => {}
        }
    }

    /// Asks for the file from the beginning, from another port as firmware does.
    fn begin_anew(&mut self, at: usize) {
        let Machine { mac, address, router, port, asked_at, .. } = self.machines[at];
        let (again, number) = (Machine::new(self.first + at as u16), port + 1);
        self.machines[at] = Machine { mac, address, router, port: number, asked_at, ..again };
        self.figures.anew += 1;
        self.go_on(at, Stage::Ask);
    }

    /// A send that was left to the device to cut comes here whole: packets of one length, one behind the other.
    fn take_tftp(&mut self, at: usize, frame: &[u8], to: u16) {
        let length = usize::from(u16::from_be_bytes([frame[38], frame[39]])).saturating_sub(8);
        let from = u16::from_be_bytes([frame[34], frame[35]]);
        let Some(payload) = frame.get(HEADERS..HEADERS + length) else { return };
        for packet in payload.chunks(4 + self.machines[at].manners.blksize) {
            self.figures.received += 1;
            let machine = &self.machines[at];
            let is_ours = to == machine.port
                && (machine.stage == Stage::Ask || machine.stage > Stage::Ask && from == machine.tid);
            if !self.is_lost() && is_ours {
                self.take_packet(at, packet, from);
            }
        }
    }

    fn take_packet(&mut self, at: usize, packet: &[u8], from: u16) {
        let machine = &mut self.machines[at];
        let Manners { blksize, windowsize, .. } = machine.manners;
        match *packet {
            // The server has not heard that all came.
            [0, 3, ..] if machine.stage == Stage::Done => {
                let frame = machine.udp(machine.router, self.router, machine.port, machine.tid, &machine.last);
                self.send(&frame);
            }
            [0, 6, ..] if machine.stage == Stage::Ask => {
                // A smaller window may be granted, in a room full of machines.
                let text = String::from_utf8_lossy(&packet[2..]).into_owned();
                let words: Vec<&str> = text.split('\0').collect();
                let granted =
                    words.iter().position(|word| *word == "windowsize").and_then(|at| words[at + 1].parse().ok());
                machine.manners.windowsize = granted.unwrap_or(1);
                machine.tid = from;
                machine.acknowledge(0);
                self.go_on(at, Stage::Load);
            }
            [0, 3, high, low, ref data @ ..] => {
                if machine.stage == Stage::Ask {
                    (machine.stage, machine.tid) = (Stage::Load, from);
                }
                let number = u16::from_be_bytes([high, low]);
                if number == (machine.next - 1) as u16 && machine.next > 1 {
                    // The newest once more: the server has not heard that it came.
                    machine.in_window = 0;
                    machine.acknowledge(machine.next - 1);
                    let frame = machine.udp(machine.router, self.router, machine.port, machine.tid, &machine.last);
                    return self.send(&frame);
                }
                if number != machine.next as u16 {
                    // Something is missing, or comes twice: once for each gap says what it has.
                    if windowsize > 1 && !machine.complained {
                        machine.complained = true;
                        machine.in_window = 0;
                        machine.acknowledge(machine.next - 1);
                        self.again(at);
                    }
                    return;
                }
                machine.file.extend_from_slice(data);
                machine.next += 1;
                machine.in_window += 1;
                machine.complained = false;
                machine.tries = 0;
                machine.again_at = Instant::now() + Duration::from_secs(1);
                let is_last = data.len() < blksize;
                if is_last || machine.in_window >= windowsize {
                    machine.in_window = 0;
                    machine.acknowledge(machine.next - 1);
                    self.again(at);
                }
                if is_last {
                    let machine = &mut self.machines[at];
                    assert!(machine.file == self.file, "machine {at} got {} other bytes", machine.file.len());
                    (machine.stage, machine.done_at, machine.file) = (Stage::Done, Some(Instant::now()), Vec::new());
                }
            }
            // The server gave up, for want of an answer that was lost four times.
            [0, 5, ..] if machine.stage < Stage::Done => self.begin_anew(at),
            _ => {}
        }
    }
}

impl Machine {
    fn new(number: u16) -> Machine {
        let [high, low] = number.to_be_bytes();
        let [a, b, c, d] = OURS;
        Machine {
            mac: [a, b, c, d, high, low],
            address: Ipv4Addr::UNSPECIFIED,
            manners: MANNERS[usize::from(number) % MANNERS.len()],
            stage: Stage::Discover,
            lease: None,
            has_boot_offer: false,
            router: BROADCAST,
            tid: 0,
            port: PORT_OF_FIRST_BLOCKS,
            file: Vec::new(),
            next: 1,
            in_window: 0,
            complained: false,
            last: Vec::new(),
            tries: 0,
            again_at: Instant::now(),
            asked_at: None,
            done_at: None,
        }
    }

    fn is_late(&self, now: Instant) -> bool {
        self.stage != Stage::Done && now >= self.again_at
    }

    /// iPXE gives up a transfer after some 16 seconds of silence.
    fn is_stuck(&self, now: Instant) -> bool {
        self.stage == Stage::Load && self.tries > 5 && now >= self.again_at
    }

    fn acknowledge(&mut self, block: u64) {
        let [high, low] = (block as u16).to_be_bytes();
        self.last = vec![0, 4, high, low];
    }

    /// A broadcast to the DHCP server's port.
    fn dhcp(&self, message_type: u8) -> Vec<u8> {
        let message = self.message(message_type, true);
        self.udp(BROADCAST, Ipv4Addr::BROADCAST, 68, 67, &message)
    }

    fn message(&self, message_type: u8, for_lease: bool) -> Vec<u8> {
        let mut message = vec![0; 236];
        (message[0], message[1], message[2]) = (1, 1, 6);
        message[4..8].copy_from_slice(&self.mac[2..]);
        // Answers by broadcast: nobody answers ARP for an address that isn't bound yet.
        message[10] = if for_lease { 0x80 } else { 0 };
        message[12..16].copy_from_slice(&self.address.octets());
        message[28..34].copy_from_slice(&self.mac);
        message.extend([99, 130, 83, 99, 53, 1, message_type, 55, 5, 1, 3, 43, 60, 67, 57, 2, 5, 192]);
        message.extend([60, 32]);
        message.extend(b"PXEClient:Arch:00000:UNDI:002001");
        message.extend([93, 2, 0, 0, 94, 3, 1, 2, 1, 97, 17, 0]);
        message.extend([0xab; 10]);
        message.extend(self.mac);
        if let (3, true, Some((address, server))) = (message_type, for_lease, self.lease) {
            message.extend([50, 4]);
            message.extend(address.octets());
            message.extend([54, 4]);
            message.extend(server);
        }
        message.push(255);
        message
    }

    fn arp(&self, operation: u8, to: [u8; 6], target: Ipv4Addr) -> Vec<u8> {
        let mut frame = [&to[..], &self.mac, &[8, 6, 0, 1, 8, 0, 6, 4, 0, operation], &self.mac].concat();
        frame.extend(self.address.octets());
        frame.extend(if operation == 1 { [0; 6] } else { to });
        frame.extend(target.octets());
        frame
    }

    fn udp(&self, mac: [u8; 6], to: Ipv4Addr, from_port: u16, to_port: u16, payload: &[u8]) -> Vec<u8> {
        datagram(self.mac, self.address, mac, to, [from_port, to_port], payload)
    }
}

/// A whole frame with a UDP datagram, without the checksum that IPv4 leaves to one's choice.
pub fn datagram(
    mac: [u8; 6],
    from: Ipv4Addr,
    to_mac: [u8; 6],
    to: Ipv4Addr,
    ports: [u16; 2],
    payload: &[u8],
) -> Vec<u8> {
    let mut frame = [&to_mac[..], &mac, &[8, 0, 0x45, 0]].concat();
    frame.extend((28 + payload.len() as u16).to_be_bytes());
    frame.extend([0, 0, 0x40, 0, 64, 17, 0, 0]);
    frame.extend(from.octets());
    frame.extend(to.octets());
    let sum: u32 = frame[ETHERNET..].chunks(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]]))).sum();
    let sum = (sum & 0xffff) + (sum >> 16);
    let sum = !((sum & 0xffff) + (sum >> 16)) as u16;
    frame[ETHERNET + 10..ETHERNET + 12].copy_from_slice(&sum.to_be_bytes());
    ports.iter().for_each(|port| frame.extend(port.to_be_bytes()));
    frame.extend((8 + payload.len() as u16).to_be_bytes());
    frame.extend([0, 0]);
    frame.extend(payload);
    frame
}

fn option(message: &[u8], wanted: u8) -> Option<&[u8]> {
    let mut rest = message.get(240..)?;
    while let [code @ 1..=254, length, tail @ ..] = rest {
        let (value, tail) = tail.split_at_checked(usize::from(*length))?;
        if *code == wanted {
            return Some(value);
        }
        rest = tail;
    }
    None
}
