//! A TFTP server and its clients in virtual time: some follow the protocol over a line that loses, doubles and reorders
//! what the fuzzer says, others send what they like. Who follows the protocol gets the file byte for byte in the end.
//!
//! An input is six bytes of circumstances, and steps: a byte that says what happens to whom, and for some steps more.

mod client;

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use upxe::config::TftpLimits;
use upxe::tftp::session::{Action, Blocks, Content, End, Session};
use upxe::tftp::{Table, TransferId, Verdict};
use upxe::wire::frame::Mac;
use upxe::wire::tftp::{DATA_HEADER, Packet, data_header, error};

use crate::input::Input;
use client::Client;

/// Two that follow the protocol, and two that don't; one of each on the same machine.
const PEERS: usize = 4;
const HONEST: usize = 2;
/// Packets that may be on their way to one client; what is more gets lost.
const ON_THE_WAY: usize = 300;
/// Names of files; each has a size.
const NAMES: [&str; 3] = ["a", "sub/b", "c"];
/// The most that the server does without being asked (`tftp_retries`), and the first packet itself.
const UNASKED: u32 = 16;
/// Everything has come to an end so long after the line has become a good one.
const PATIENCE: Duration = Duration::from_secs(900);

/// What the table carries for a transfer.
struct Work {
    peer: usize,
    file: usize,
    /// Packets sent before the client answered anything.
    unanswered: u32,
    /// Requests and ACKs that may have set off one of them each.
    asked: u32,
    /// Its client was switched off and on and has asked anew.
    is_forsaken: bool,
}

struct World {
    now: Instant,
    table: Table<Work>,
    limit: u16,
    limits: TftpLimits,
    sizes: [u64; 3],
    mtu: u32,
    clients: Vec<Client>,
    /// Packets on their way to each peer.
    lines: [VecDeque<Vec<u8>>; PEERS],
}

pub fn run(data: &[u8]) {
    let mut input = Input(data);
    let mut world = World::new(&mut input);
    while !input.is_empty() {
        world.step(&mut input);
        world.check();
    }
    world.calm_down();
}

fn start() -> Instant {
    static START: OnceLock<Instant> = OnceLock::new();
    *START.get_or_init(Instant::now)
}

/// What files begin with.
fn content() -> &'static [u8] {
    static CONTENT: OnceLock<Vec<u8>> = OnceLock::new();
    CONTENT.get_or_init(|| (0..10_000).map(|at| b"text\r\n\r\0\n"[(at * 7 + at / 9 + at / 251) % 9]).collect())
}

fn address(peer: usize) -> SocketAddrV4 {
    let host = [7, 8, 7, 9][peer];
    SocketAddrV4::new(Ipv4Addr::new(192, 168, 1, host), 2000 + peer as u16)
}

fn station(peer: usize) -> Option<Mac> {
    // The last is nobody that the system knows.
    (peer != 3).then(|| Mac([2, 0, 0, 0, 0, address(peer).ip().octets()[3]]))
}

impl World {
    fn new(input: &mut Input<'_>) -> Self {
        let sizes = [0, 1, 511, 512, 513, 1024, 1468, 9000];
        let sizes = [sizes[usize::from(input.byte() & 7)], u64::from(input.word() & 0xfff), 700];
        let circumstances = input.byte();
        let limit = [1, 2, 3, 8][usize::from(circumstances & 3)];
        let limits = TftpLimits {
            client_transfers: if circumstances & 4 != 0 { 1 } else { 4 },
            in_flight: if circumstances & 8 != 0 { 4096 } else { 1 << 20 },
            ..TftpLimits::default()
        };
        let mut table = Table::new(limit);
        table.set_limits(limit, limits);
        let options = [input.byte(), input.byte()];
        let client = |at: usize| {
            let file = (usize::from(circumstances >> 4) + at) % NAMES.len();
            Client::new(file, options[at], circumstances >> 6)
        };
        let mtu = [1500, 576, 9000, 36][usize::from(circumstances >> 4 & 3)];
        let lines = std::array::from_fn(|_| VecDeque::new());
        let clients = (0..HONEST).map(client).collect();
        World { now: start(), table, limit, limits, sizes, mtu, clients, lines }
    }

    fn step(&mut self, input: &mut Input<'_>) {
        let what = input.byte();
        let peer = usize::from(what >> 3) % PEERS;
        let extent = usize::from(what >> 5);
        match what & 7 {
            // A packet arrives, and the answer does or is lost.
            0 => self.deliver(peer, extent & 1 != 0, extent & 2 != 0),
            1 => drop(self.lines[peer].drain(..(extent + 1).min(self.lines[peer].len()))),
            2 => self.wait([0, 1, 10, 100, 300, 1000, 5000, 61_000][extent]),
            3 if peer < HONEST => self.ask(peer),
            3 => {
                let file = NAMES[extent % NAMES.len()];
                let options = client::options(input.byte());
                let request = format!("\0\x01{file}\0{}\0{options}", if extent > 4 { "netascii" } else { "octet" });
                self.hear(peer, request.as_bytes());
            }
            4 if peer < HONEST => {
                if let Some(packet) = self.clients[peer].repeat(self.now) {
                    self.hear(peer, &packet);
                }
            }
            4 => {
                let len = usize::from(input.byte());
                let packet = input.bytes(len).to_vec();
                // To the server's port, or to that of the transfer.
                if extent & 1 != 0 { self.request(peer, &packet) } else { self.hear(peer, &packet) }
            }
            5 if peer >= HONEST => {
                let [high, low] = input.word().to_be_bytes();
                self.hear(peer, &[0, 4, high, low]);
            }
            5 => {
                // All that is on its way arrives, in order.
                for _ in 0..self.lines[peer].len() {
                    self.deliver(peer, true, false);
                }
            }
            6 => {
                let line = &mut self.lines[peer];
                line.rotate_left((extent + 1).min(line.len()));
            }
            _ if peer < HONEST => {
                // Switched off and on again: it asks from the same port for another file, or for the same once more.
                let file = if extent & 1 != 0 { self.clients[peer].file } else { extent % NAMES.len() };
                self.lines[peer].clear();
                self.clients[peer] = Client::new(file, input.byte(), extent as u8 >> 1);
            }
            _ => {
                if let Some(id) = self.transfer_of(peer) {
                    let end = self.table.transfer(id).map(|transfer| transfer.session.on_unreachable());
                    self.end(id, end.unwrap_or(End::Gone));
                }
            }
        }
    }

    /// A client begins anew. Whatever an earlier transfer of its own sends, by itself, before that learns of it could be
    /// an answer to it; no server can help that, and none of it comes.
    fn ask(&mut self, peer: usize) {
        self.lines[peer].clear();
        let earlier = self.transfer_of(peer).and_then(|id| self.table.transfer(id));
        if let Some(earlier) = earlier.filter(|earlier| earlier.session.is_answered()) {
            earlier.resource.is_forsaken = true;
        }
        let packet = self.clients[peer].ask(self.now);
        self.hear(peer, &packet);
    }

    /// The first packet on its way to the peer arrives; it may stay on its way too, as one that was doubled does.
    fn deliver(&mut self, peer: usize, is_answer_heard: bool, is_doubled: bool) {
        let Some(packet) = self.lines[peer].pop_front() else { return };
        if is_doubled {
            self.lines[peer].push_back(packet.clone());
        }
        let (size, now) = (self.sizes, self.now);
        let Some(client) = self.clients.get_mut(peer) else { return };
        let answer = client.on_packet(now, &packet, size[client.file]);
        if let Some(answer) = answer.filter(|_| is_answer_heard) {
            self.hear(peer, &answer);
        }
    }

    fn wait(&mut self, milliseconds: u64) {
        let until = self.now + Duration::from_millis(milliseconds);
        // Whoever waits long sees every deadline on its way.
        while let Some(due) = self.table.next_deadline().filter(|due| *due <= until) {
            self.now = self.now.max(due);
            self.on_deadlines();
        }
        self.now = until;
    }

    fn on_deadlines(&mut self) {
        let mut count = 0;
        while let Some(id) = self.table.take_due(self.now) {
            count += 1;
            assert!(count <= PEERS, "a deadline that is not put off");
            let transfer = self.table.transfer(id).expect("it is due");
            let action = transfer.session.on_deadline(self.now);
            let is_ended = matches!(action, Action::End(_));
            let Work { peer, is_forsaken, .. } = transfer.resource;
            let on_the_way = self.lines[peer].len();
            self.carry_out(id, action);
            if is_forsaken {
                self.lines[peer].truncate(on_the_way);
            }
            if let Some(transfer) = self.table.transfer(id) {
                assert!(!is_ended && transfer.session.deadline() > self.now);
            }
        }
        assert!(self.table.next_deadline().is_none_or(|next| next > self.now));
    }

    fn transfer_of(&self, peer: usize) -> Option<TransferId> {
        self.table.find(address(peer)).map(|transfer| transfer.id)
    }

    /// The server gets a packet, by way of the transfer's socket unless it is a request.
    fn hear(&mut self, peer: usize, packet: &[u8]) {
        let is_request = matches!(packet, [0, 1 | 2, ..]);
        match self.transfer_of(peer).filter(|_| !is_request) {
            Some(id) => {
                let now = self.now;
                let transfer = self.table.transfer(id).expect("it was found");
                transfer.resource.asked += 1;
                let before = transfer.session.acked();
                let action = transfer.session.on_packet(now, packet);
                assert!(transfer.session.acked() >= before);
                self.carry_out(id, action);
            }
            None => self.request(peer, packet),
        }
    }

    fn request(&mut self, peer: usize, packet: &[u8]) {
        let now = self.now;
        match self.table.judge(now, address(peer), station(peer), packet, b"/srv/tftp") {
            Verdict::Serve(order) => {
                if let Some(earlier) = order.supersedes {
                    self.end(earlier, End::Superseded);
                }
                let file = NAMES.iter().position(|name| name.as_bytes() == order.path.as_bytes());
                let Some(file) = file else {
                    return self.put(peer, error(upxe::wire::tftp::ErrorCode::FILE_NOT_FOUND, "no").to_vec());
                };
                if let Some(idle) = order.displaces {
                    let transfer = self.table.transfer(idle).expect("the table named it");
                    assert!(transfer.peer != address(peer), "its own is superseded instead");
                    self.end(idle, End::Superseded);
                }
                let work = Work { peer, file, unanswered: 0, asked: 1, is_forsaken: false };
                let started = self.table.start(now, &order, self.sizes[file], self.mtu, work);
                let (id, action) = started.expect("judge has made sure of a place");
                assert_eq!(TransferId::from_u64(id.to_u64()), id);
                agreed(packet, self.mtu, &self.table.transfer(id).expect("it was just made").session);
                self.carry_out(id, action);
            }
            Verdict::Again(id) => {
                let transfer = self.table.transfer(id).expect("the table named it");
                assert_eq!(transfer.peer, address(peer));
                transfer.resource.asked += 1;
                let action = transfer.session.on_request_again(now);
                self.carry_out(id, action);
            }
            Verdict::Refuse(refusal) => {
                let (code, words) = refusal.why.error();
                self.put(peer, error(code, words).to_vec());
            }
            Verdict::Ignore(why) => {
                let is_request = matches!(packet, [0, 1, ..]);
                assert!(is_request || !matches!(packet, [0, 2, ..]), "{why}");
            }
        }
    }

    fn carry_out(&mut self, id: TransferId, action: Action) {
        if let Action::End(end) = action {
            return self.end(id, end);
        }
        let size = self.sizes;
        let Some(transfer) = self.table.transfer(id) else { return };
        let (session, work) = (&mut transfer.session, &mut transfer.resource);
        let peer = work.peer;
        let packets = match action {
            Action::SendOptionAck => vec![session.answer().write().to_vec()],
            Action::Send(blocks) => {
                let window = u64::from(session.windowsize());
                assert!((1..=window).contains(&u64::from(blocks.count)), "{blocks:?} of {window}");
                assert!(blocks.first > session.acked(), "what has arrived is sent again: {blocks:?}");
                let last = blocks.first + u64::from(blocks.count) - 1;
                assert!(last <= session.acked() + window, "{blocks:?} after {}", session.acked());
                read(session, blocks, &content()[..size[work.file] as usize])
            }
            Action::Wait | Action::End(_) => Vec::new(),
        };
        if !packets.is_empty() && !session.is_answered() {
            work.unanswered += packets.len() as u32;
            assert!(work.unanswered <= UNASKED + work.asked, "{} packets to nobody", work.unanswered);
        }
        let deadline = session.deadline();
        self.table.expect(deadline);
        for packet in packets {
            self.put(peer, packet);
        }
    }

    fn end(&mut self, id: TransferId, end: End) {
        let transfer = self.table.remove(id).expect("it was in progress");
        assert!(self.table.transfer(id).is_none(), "its name is nobody's");
        let peer = transfer.resource.peer;
        if end == End::Complete {
            let blocks = self.sizes[transfer.resource.file] / u64::from(transfer.session.blksize()) + 1;
            assert!(transfer.session.acked() >= blocks, "{} of {blocks}", transfer.session.acked());
            if let Some(client) = self.clients.get(peer) {
                // A client that began anew since doesn't know of it.
                assert!(client.is_done() || client.is_new(), "it does not have it all");
            }
        }
        if let Some(message) = end.tells_client() {
            self.put(peer, error(upxe::wire::tftp::ErrorCode::NOT_DEFINED, message).to_vec());
        }
    }

    fn put(&mut self, peer: usize, packet: Vec<u8>) {
        assert!((4..=DATA_HEADER + 65464).contains(&packet.len()));
        assert!(matches!(packet.as_slice(), [0, 3 | 5 | 6, ..]));
        let line = &mut self.lines[peer];
        if line.len() < ON_THE_WAY {
            line.push_back(packet);
        }
    }

    /// What holds at any time.
    fn check(&mut self) {
        let count = self.table.len();
        assert!(count <= usize::from(self.limit));
        let own = |host: [u8; 4]| self.table.transfers().filter(|it| it.peer.ip().octets() == host).count();
        let most = self.limit.div_ceil(2).min(self.limits.client_transfers.max(1));
        assert!(own([192, 168, 1, 7]) <= usize::from(most));
        let windows = self.table.transfers().filter(|it| it.session.windowsize() > 1);
        let in_flight =
            windows.map(|it| u32::from(it.session.windowsize()) * u32::from(it.session.blksize())).sum::<u32>();
        assert!(in_flight <= self.limits.in_flight, "{in_flight} bytes in flight");
        for transfer in self.table.transfers() {
            assert!(self.table.next_deadline().is_some_and(|next| next <= transfer.session.deadline()));
        }
    }

    /// The line is a good one from now on, and only those who follow the protocol go on: each gets its file.
    fn calm_down(&mut self) {
        let until = self.now + PATIENCE;
        self.lines[HONEST..].iter_mut().for_each(VecDeque::clear);
        while self.clients.iter().any(|client| client.is_busy()) {
            for peer in 0..HONEST {
                while !self.lines[peer].is_empty() {
                    self.deliver(peer, true, false);
                }
            }
            let impatient = self.clients.iter().filter_map(Client::repeats_at).min();
            let Some(next) = self.table.next_deadline().into_iter().chain(impatient).min() else { break };
            self.now = self.now.max(next);
            assert!(self.now < until, "it takes for ever");
            self.on_deadlines();
            for peer in 0..HONEST {
                if self.clients[peer].repeats_at().is_none_or(|at| at > self.now) {
                    continue;
                }
                if self.clients[peer].gives_up() {
                    self.ask(peer);
                } else if let Some(packet) = self.clients[peer].repeat(self.now) {
                    self.hear(peer, &packet);
                }
            }
            self.check();
        }
        for client in &self.clients {
            if let Some(file) = client.received() {
                let expected = &content()[..self.sizes[client.file] as usize];
                assert!(file == expected, "{} bytes instead of {}", file.len(), expected.len());
            }
        }
    }
}

/// The terms are what was asked for, or less.
fn agreed(request: &[u8], mtu: u32, session: &Session) {
    let Ok(Packet::ReadRequest(request)) = Packet::read(request) else { panic!("served without a request") };
    let asked = |name: &str| {
        let mut values = request.options.filter(|(it, _)| it.eq_ignore_ascii_case(name.as_bytes()));
        values.any(|_| true)
    };
    let answer = session.answer();
    assert!(answer.blksize.is_none() || asked("blksize"));
    assert!(answer.windowsize.is_none() || asked("windowsize"));
    assert!(answer.timeout.is_none() || asked("timeout"));
    assert!(answer.tsize.is_none() || asked("tsize"));
    assert_eq!(session.blksize(), answer.blksize.unwrap_or(512));
    assert_eq!(session.windowsize(), answer.windowsize.unwrap_or(1));
    assert!(answer.blksize.is_none_or(|size| u32::from(size) + 32 <= mtu));
}

/// The packets of these blocks, as `daemon::frames` reads them.
fn read(session: &mut Session, blocks: Blocks, file: &[u8]) -> Vec<Vec<u8>> {
    let blksize = usize::from(session.blksize());
    let mut packets = Vec::new();
    for number in (blocks.first..).take(blocks.count.into()) {
        let mut block = vec![0; blksize];
        let len = match session.content() {
            Content::Octet(size) => {
                assert_eq!(*size, file.len() as u64);
                let start = (number as usize - 1) * blksize;
                let part = &file[start..file.len().min(start + blksize)];
                block[..part.len()].copy_from_slice(part);
                part.len()
            }
            Content::Netascii(text) => {
                text.rewind();
                let mut len = 0;
                while len < blksize {
                    let (offset, left) = text.wants();
                    let source = &file[offset as usize..][..left.min(7) as usize];
                    let written = text.write(source, &mut block[len..]);
                    if written == 0 {
                        break;
                    }
                    len += written;
                }
                if len < blksize {
                    session.ends_with(number);
                }
                len
            }
        };
        packets.push([&data_header(number as u16), &block[..len]].concat());
    }
    packets
}

/// Steps in a row: `what` happens to `peer` to this extent.
fn step(what: u8, peer: u8, extent: u8) -> u8 {
    what | peer << 3 | extent << 5
}

pub fn seeds() -> Vec<Vec<u8>> {
    let (deliver, lose, wait, ask, send, all, turn, restart) = (0, 1, 2, 3, 4, 5, 6, 7);
    let mut seeds = Vec::new();
    for options in 0..32u8 {
        for circumstances in [3, 0x17, 0x4e, 0x81, 0xc2] {
            let head = [options, 0x39, 0x30, circumstances, options * 8 + 3, options ^ 0x5b];
            let begin = [step(ask, 0, 0), step(ask, 1, 0), step(all, 0, 0), step(deliver, 1, 1)];
            let loss = [step(lose, 0, 1), step(wait, 0, 4), step(deliver, 0, 1), step(turn, 1, 2), step(deliver, 1, 3)];
            let strangers = [
                &[step(ask, 2, 5), options, step(5, 2, 0), 1, 0, step(ask, 3, 1), !options, step(5, 3, 0), 0, 0][..],
                &[step(send, 3, 0), 4, 0, 5, 0, 8, step(wait, 0, 6), step(send, 2, 1), 6, 0, 2, b'x', 0, b'o', 0],
                &[
                    step(restart, 3, 0),
                    step(wait, 0, 5),
                    step(restart, 1, 2),
                    options,
                    step(ask, 1, 0),
                    step(all, 1, 0),
                ],
            ];
            let extra = strangers[usize::from(options) % 3];
            seeds.push([&head[..], &begin, &loss, extra, &[step(deliver, 0, 1), step(wait, 0, 7)]].concat());
        }
    }
    seeds
}
