//! Whole transfers in virtual time, over a line that loses, doubles and reorders, with clients as they are found in
//! firmware. Nothing here sleeps; every run is the same.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::{Duration, Instant};

use upxe::tftp::session::{Action, Blocks, End};
use upxe::tftp::{Table, Verdict};
use upxe::wire::tftp::{Packet, data_header};

const CLIENT: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(192, 168, 1, 7), 2070);
const MS: Duration = Duration::from_millis(1);

/// xorshift64*: the same numbers in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) % sides
    }
}

/// What the line does to datagrams, each way. Chances in thousands.
#[derive(Clone, Copy)]
struct Line {
    delay: Duration,
    lost: u64,
    doubled: u64,
    /// How often a datagram comes later than others sent after it.
    late: u64,
}

const CLEAN: Line = Line { delay: Duration::from_micros(500), lost: 0, doubled: 0, late: 0 };
/// 1 % each way, round trip 1 ms.
const LOSSY: Line = Line { lost: 10, ..CLEAN };
const CHAOTIC: Line = Line { lost: 50, doubled: 50, late: 100, ..CLEAN };

/// What a client does with a block that isn't the next one.
#[derive(Clone, Copy, Debug, PartialEq)]
enum OnUnexpected {
    /// Says what it has, each time (EDK2).
    Acknowledge,
    /// Says what it has, once for each gap (U-Boot).
    AcknowledgeOnce,
    /// Nothing.
    Overlook,
}

#[derive(Clone, Copy)]
struct Manners {
    on_unexpected: OnUnexpected,
    /// Repeats its last packet after so long a silence.
    impatience: Option<Duration>,
}

struct Client {
    manners: Manners,
    options: String,
    windowsize: u64,
    blksize: usize,
    file: Vec<u8>,
    received: u64,
    in_window: u64,
    complained_at: Option<u64>,
    last_sent: Vec<u8>,
    repeat_at: Option<Instant>,
    done: bool,
}

impl Client {
    fn new(manners: Manners, blksize: usize, windowsize: u64) -> Self {
        let options = format!("blksize\0{blksize}\0windowsize\0{windowsize}\0tsize\x000\0");
        Self {
            manners,
            options,
            windowsize,
            blksize,
            file: Vec::new(),
            received: 0,
            in_window: 0,
            complained_at: None,
            last_sent: Vec::new(),
            repeat_at: None,
            done: false,
        }
    }

    fn ask(&mut self, now: Instant) -> Vec<u8> {
        let request = format!("\0\x01file\0octet\0{}", self.options);
        self.send(now, request.into_bytes())
    }

    fn send(&mut self, now: Instant, packet: Vec<u8>) -> Vec<u8> {
        self.repeat_at = self.manners.impatience.map(|patience| now + patience);
        self.last_sent = packet;
        self.last_sent.clone()
    }

    fn acknowledge(&mut self, now: Instant) -> Option<Vec<u8>> {
        self.in_window = 0;
        let [a, b] = (self.received as u16).to_be_bytes();
        Some(self.send(now, vec![0, 4, a, b]))
    }

    fn on_packet(&mut self, now: Instant, packet: &[u8]) -> Option<Vec<u8>> {
        match Packet::read(packet).unwrap() {
            Packet::OptionAck(_) if self.received == 0 => self.acknowledge(now),
            Packet::Data { block, data } if block == (self.received + 1) as u16 && !self.done => {
                self.file.extend_from_slice(data);
                self.received += 1;
                self.in_window += 1;
                self.done = data.len() < self.blksize;
                if self.done || self.in_window == self.windowsize { self.acknowledge(now) } else { None }
            }
            Packet::Data { .. } => match self.manners.on_unexpected {
                OnUnexpected::Acknowledge => self.acknowledge(now),
                OnUnexpected::AcknowledgeOnce if self.complained_at != Some(self.received) => {
                    self.complained_at = Some(self.received);
                    self.acknowledge(now)
                }
                // Everybody answers the last block again, or the server would not learn of the end.
                _ if self.done => self.acknowledge(now),
                _ => None,
            },
            Packet::OptionAck(_) => None,
            other => panic!("the server sent {other:?}"),
        }
    }
}

/// What came of a transfer.
struct Outcome {
    took: Duration,
    datagrams: u64,
    end: Option<End>,
    client: Client,
}

fn content(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at * 31 + at / 251) as u8).collect()
}

fn datagrams(file: &[u8], blksize: usize, blocks: Blocks) -> impl Iterator<Item = Vec<u8>> {
    (0..u64::from(blocks.count)).map(move |index| {
        let number = blocks.first + index;
        let start = (number as usize - 1) * blksize;
        let end = file.len().min(start + blksize);
        [&data_header(number as u16)[..], &file[start..end]].concat()
    })
}

/// Plays a transfer to its end on both sides.
fn play(mut client: Client, file: &[u8], line: Line, seed: u64) -> Outcome {
    enum To {
        Server(Vec<u8>),
        Client(Vec<u8>),
    }
    let start = Instant::now();
    let mut now = start;
    let mut dice = Dice(seed + 1);
    let mut on_the_way: BTreeMap<(Instant, u64), To> = BTreeMap::new();
    let mut sequence = 0;
    let mut put = |now: Instant, on_the_way: &mut BTreeMap<_, _>, packet: Vec<u8>, wrap: fn(Vec<u8>) -> To| {
        sequence += 1;
        let copies = if dice.roll(1000) < line.doubled { 2 } else { 1 };
        for copy in 0..copies {
            if dice.roll(1000) >= line.lost {
                let late = if dice.roll(1000) < line.late { 3 * line.delay } else { Duration::ZERO };
                on_the_way.insert((now + line.delay + late, sequence * 2 + copy), wrap(packet.clone()));
            }
        }
    };

    let mut table: Table<()> = Table::new(4);
    let mut id = None;
    let mut end = None;
    let mut sent = 0u64;
    let mut took = None;
    let request = client.ask(now);
    put(now, &mut on_the_way, request, To::Server);
    loop {
        assert!(now < start + Duration::from_secs(600), "no end");
        let arrival = on_the_way.first_key_value().map(|((at, _), _)| *at);
        let next = [arrival, table.next_deadline(), client.repeat_at.filter(|_| !client.done)];
        let Some(next) = next.into_iter().flatten().min() else { break };
        now = next;
        let mut actions = Vec::new();
        if arrival == Some(now) {
            match on_the_way.pop_first().unwrap().1 {
                To::Client(packet) => {
                    if let Some(answer) = client.on_packet(now, &packet) {
                        put(now, &mut on_the_way, answer, To::Server);
                    }
                    if client.done {
                        took.get_or_insert(now - start);
                    }
                }
                To::Server(packet) if packet.starts_with(b"\0\x01") => {
                    match table.judge(now, CLIENT, None, &packet, b"/srv/tftp") {
                        Verdict::Serve(order) if end.is_none() => {
                            if let Some(earlier) = order.supersedes {
                                table.remove(earlier);
                            }
                            let (name, action) = table.start(now, &order, file.len() as u64, 1500, ()).unwrap();
                            id = Some(name);
                            actions.push(action);
                        }
                        Verdict::Again(id) => {
                            actions.push(table.transfer(id).unwrap().session.on_request_again(now));
                        }
                        _ => {}
                    }
                }
                To::Server(packet) => {
                    if let Some(transfer) = id.and_then(|id| table.transfer(id)) {
                        actions.push(transfer.session.on_packet(now, &packet));
                    }
                }
            }
        } else if client.repeat_at == Some(now) {
            let packet = client.last_sent.clone();
            let packet = client.send(now, packet);
            put(now, &mut on_the_way, packet, To::Server);
        }
        if let Some(due) = table.take_due(now) {
            actions.push(table.transfer(due).unwrap().session.on_deadline(now));
        }
        for action in actions {
            let Some(transfer) = id.and_then(|id| table.transfer(id)) else { break };
            let packets: Vec<_> = match action {
                Action::Wait => Vec::new(),
                Action::SendOptionAck => vec![transfer.session.answer().write().to_vec()],
                Action::Send(blocks) => datagrams(file, usize::from(transfer.session.blksize()), blocks).collect(),
                Action::End(reason) => {
                    end = Some(reason);
                    let name = transfer.id;
                    table.remove(name);
                    break;
                }
            };
            let deadline = transfer.session.deadline();
            table.expect(deadline);
            for packet in packets {
                sent += 1;
                put(now, &mut on_the_way, packet, To::Client);
            }
        }
    }
    Outcome { took: took.unwrap_or(now - start), datagrams: sent, end, client }
}

const SILENT: Manners = Manners { on_unexpected: OnUnexpected::Acknowledge, impatience: None };
const IMPATIENT: Manners = Manners { impatience: Some(Duration::from_millis(250)), ..SILENT };

#[test]
fn a_clean_line_carries_every_block_once() {
    for size in [0, 1, 7, 8, 9, 8 * 64, 8 * 64 + 1, 5000] {
        let file = content(size);
        for windowsize in [1, 2, 4, 16, 64] {
            for manners in [SILENT, IMPATIENT] {
                let outcome = play(Client::new(manners, 8, windowsize), &file, CLEAN, 0);
                assert_eq!(outcome.end, Some(End::Complete));
                assert!(outcome.client.file == file, "{size} bytes, windowsize {windowsize}");
                assert_eq!(outcome.datagrams, 1 + size as u64 / 8 + 1, "{size} bytes, windowsize {windowsize}");
            }
        }
    }
}

#[test]
fn every_client_gets_the_file_over_a_chaotic_line() {
    let file = content(40_000);
    for on_unexpected in [OnUnexpected::Acknowledge, OnUnexpected::AcknowledgeOnce, OnUnexpected::Overlook] {
        for impatience in [None, Some(250 * MS), Some(5 * MS)] {
            // A long window hardly ever comes in order here, and who says nothing of that never gets it.
            let longest = if on_unexpected == OnUnexpected::Overlook { 8 } else { 64 };
            for windowsize in [1, 4, 8, 16, 64].into_iter().filter(|&windowsize| windowsize <= longest) {
                for seed in 0..20 {
                    let mut client = Client::new(Manners { on_unexpected, impatience }, 100, windowsize);
                    // A client that never repeats anything would be stopped by the loss of its request alone.
                    client.manners.impatience = impatience.or(Some(Duration::from_secs(4)));
                    let outcome = play(client, &file, CHAOTIC, seed);
                    let what = format!("{on_unexpected:?} {impatience:?} windowsize {windowsize} seed {seed}");
                    assert!(outcome.client.done && outcome.client.file == file, "{what}");
                    assert!(matches!(outcome.end, Some(End::Complete | End::Unconfirmed)), "{what}: {:?}", outcome.end);
                }
            }
        }
    }
}

#[test]
fn one_percent_of_loss_costs_little_time() {
    let file = content(2 << 20);
    for (windowsize, bar) in [(1, 2500 * MS), (4, 1000 * MS), (16, 250 * MS), (64, 200 * MS)] {
        for manners in [SILENT, IMPATIENT] {
            let mut times: Vec<_> = (0..15)
                .map(|seed| {
                    let mut client = Client::new(manners, 1430, windowsize);
                    // Its request and the first answer come through, as in the measurements this is held against.
                    client.manners.impatience = manners.impatience.or(Some(Duration::from_secs(1)));
                    let outcome = play(client, &file, LOSSY, seed);
                    assert!(outcome.client.file == file);
                    outcome.took
                })
                .collect();
            times.sort();
            println!("windowsize {windowsize}: {:?} to {:?}, median {:?}", times[0], times[14], times[7]);
            assert!(times[7] <= bar, "windowsize {windowsize}: median {:?}", times[7]);
        }
    }
}

#[test]
fn doubled_packets_are_not_doubled_again() {
    // The Sorcerer's Apprentice (RFC 1123 §4.2.3.1): with every datagram doubled on its way, none is sent twice.
    let file = content(50_000);
    let line = Line { doubled: 1000, ..CLEAN };
    for (on_unexpected, windowsize, most) in [
        (OnUnexpected::Acknowledge, 1, 502),
        (OnUnexpected::AcknowledgeOnce, 1, 502),
        (OnUnexpected::Overlook, 1, 502),
        (OnUnexpected::Overlook, 16, 502),
        // What these say of a second copy cannot be told from word of a loss.
        (OnUnexpected::Acknowledge, 4, 3 * 502),
        (OnUnexpected::Acknowledge, 16, 3 * 502),
        (OnUnexpected::AcknowledgeOnce, 16, 3 * 502),
    ] {
        let client = Client::new(Manners { on_unexpected, impatience: None }, 100, windowsize);
        let outcome = play(client, &file, line, 0);
        assert!(outcome.client.file == file);
        println!("{on_unexpected:?} windowsize {windowsize}: {} datagrams", outcome.datagrams);
        assert!(outcome.datagrams <= most, "windowsize {windowsize}: {}", outcome.datagrams);
    }
}

#[test]
fn little_more_is_sent_than_was_lost() {
    let file = content(1 << 20);
    for (windowsize, most) in [(1, 3), (4, 4), (16, 10), (64, 60)] {
        let outcome = play(Client::new(IMPATIENT, 1024, windowsize), &file, LOSSY, 3);
        let superfluous = outcome.datagrams - 1026;
        println!("windowsize {windowsize}: {superfluous} more than 1026");
        assert!(superfluous * 100 <= 1026 * most, "windowsize {windowsize}: {superfluous} of 1026 sent again");
    }
}

#[test]
fn a_slow_line_is_not_flooded() {
    // 300 ms round trip: more than the first wait, so the first packets are sent too often, and then no longer.
    let file = content(100_000);
    let line = Line { delay: 150 * MS, ..CLEAN };
    for windowsize in [1, 8] {
        let outcome = play(Client::new(SILENT, 1000, windowsize), &file, line, 0);
        assert!(outcome.client.file == file);
        assert!(outcome.datagrams <= 102 + 2 * windowsize + 2, "{} datagrams", outcome.datagrams);
    }
}

#[test]
fn a_file_of_more_than_65535_blocks() {
    let file = content(70_000 * 8 + 3);
    for windowsize in [1, 16] {
        let outcome = play(Client::new(SILENT, 8, windowsize), &file, LOSSY, 1);
        assert!(outcome.client.file == file);
        assert_eq!(outcome.end, Some(End::Complete));
    }
}
