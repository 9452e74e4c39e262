//! The load: TFTP clients that play the length and the losses of the line themselves, since not every kernel can.

use std::collections::VecDeque;
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::time::{Duration, Instant};

use crate::sys::{BATCH, Epoll, Inbox, PACKET};

const ACK: u8 = 4;
const DATA: u8 = 3;
const OACK: u8 = 6;

/// What all the clients of one measurement do.
#[derive(Debug, Clone, Copy)]
pub struct Job<'a> {
    pub server: SocketAddrV4,
    pub file: &'a str,
    /// The file's content, when it is to be compared.
    pub expected: Option<&'a [u8]>,
    /// No options at all: blocks of 512 bytes, one at a time, and no OACK.
    pub bare: bool,
    pub blksize: u16,
    pub windowsize: u16,
    pub clients: usize,
    pub round_trip: Duration,
    /// Datagrams lost each way, in thousands.
    pub loss: u64,
    /// The last ACKs wait until the outcome is dropped, and with them the end of a server's processes.
    pub lingers: bool,
    /// Clients say again what they said last after so long a silence.
    pub retry: Option<Duration>,
    /// Who hasn't finished by then has failed.
    pub limit: Duration,
    pub seed: u64,
}

impl<'a> Job<'a> {
    /// One client on a perfect line.
    pub fn simple(server: SocketAddrV4, file: &'a str, blksize: u16, windowsize: u16) -> Self {
        Self {
            server,
            file,
            expected: None,
            bare: false,
            blksize,
            windowsize,
            clients: 1,
            round_trip: Duration::ZERO,
            loss: 0,
            lingers: false,
            retry: Some(Duration::from_secs(1)),
            limit: Duration::from_secs(60),
            seed: 1,
        }
    }
}

/// What became of it.
#[derive(Debug, Default)]
pub struct Outcome {
    pub wall: Duration,
    /// Of each client, sorted.
    pub durations: Vec<Duration>,
    /// From request to first block, of each client, sorted.
    pub first_data: Vec<Duration>,
    /// DATA packets that the server sent, as far as they came here.
    pub datagrams: u64,
    /// Blocks that the files have.
    pub blocks: u64,
    pub bytes: u64,
    pub failed: usize,
    /// As agreed with the server.
    pub windowsize: u16,
    farewells: Vec<(UdpSocket, [u8; 4])>,
}

impl Outcome {
    pub fn resent(&self) -> u64 {
        self.datagrams.saturating_sub(self.blocks)
    }
}

impl Drop for Outcome {
    fn drop(&mut self) {
        for (socket, packet) in &self.farewells {
            let _ = socket.send(packet);
        }
    }
}

/// xorshift64*: the same numbers in every run.
struct Dice(u64);

impl Dice {
    fn loses(&mut self, thousandths: u64) -> bool {
        if thousandths == 0 {
            return false;
        }
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) % 1000 < thousandths
    }
}

struct Client {
    socket: UdpSocket,
    /// The server has answered, and the socket hears nobody else.
    is_connected: bool,
    blksize: usize,
    windowsize: u16,
    /// The block that is wanted next.
    expected: u64,
    in_window: u16,
    /// When the client told of a gap that isn't filled yet.
    complained_at: Option<Instant>,
    last_sent: Vec<u8>,
    heard_at: Instant,
    started_at: Instant,
    first_data: Option<Duration>,
    finished: Option<Duration>,
    failed: bool,
    bytes: u64,
}

/// What a client wants to say after a packet.
enum Say {
    Nothing,
    Ack(u16),
}

impl Client {
    fn start(job: &Job<'_>) -> io::Result<Self> {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
        let mut request = format!("\0\x01{}\0octet\0", job.file);
        if !job.bare {
            request += &format!("blksize\0{}\0", job.blksize);
            if job.windowsize > 1 {
                request += &format!("windowsize\0{}\0", job.windowsize);
            }
        }
        let now = Instant::now();
        Ok(Self {
            socket,
            is_connected: false,
            blksize: 512,
            windowsize: 1,
            expected: 1,
            in_window: 0,
            complained_at: None,
            last_sent: request.into_bytes(),
            heard_at: now,
            started_at: now,
            first_data: None,
            finished: None,
            failed: false,
            bytes: 0,
        })
    }

    fn is_done(&self) -> bool {
        self.finished.is_some() || self.failed
    }

    fn on_packet(&mut self, now: Instant, job: &Job<'_>, packet: &[u8]) -> Say {
        self.heard_at = now;
        match packet {
            [0, DATA, high, low, data @ ..] => self.on_data(now, job, u16::from_be_bytes([*high, *low]), data),
            [0, OACK, options @ ..] if self.expected == 1 && self.first_data.is_none() => {
                let mut words = options.split(|&byte| byte == 0).map(String::from_utf8_lossy);
                while let (Some(name), Some(value)) = (words.next(), words.next()) {
                    match &*name.to_ascii_lowercase() {
                        "blksize" => self.blksize = value.parse().unwrap_or(512),
                        "windowsize" => self.windowsize = value.parse().unwrap_or(1),
                        _ => {}
                    }
                }
                Say::Ack(0)
            }
            [0, OACK, ..] => Say::Nothing,
            _ => {
                self.failed = true;
                Say::Nothing
            }
        }
    }

    fn on_data(&mut self, now: Instant, job: &Job<'_>, number: u16, data: &[u8]) -> Say {
        self.first_data.get_or_insert(now - self.started_at);
        let ahead = number.wrapping_sub(self.expected as u16);
        if ahead == 0 {
            if let Some(expected) = job.expected {
                let from = (self.expected as usize - 1) * self.blksize;
                self.failed |= expected.get(from..from + data.len()) != Some(data);
            }
            self.expected += 1;
            self.in_window += 1;
            self.complained_at = None;
            self.bytes += data.len() as u64;
            let is_last = data.len() < self.blksize;
            if is_last {
                self.finished = Some(now - self.started_at);
            }
            if is_last || self.in_window >= self.windowsize {
                self.in_window = 0;
                return Say::Ack(number);
            }
            return Say::Nothing;
        }
        let last = (self.expected - 1) as u16;
        if ahead < 0x8000 {
            // A gap (RFC 7440 §4): said once, and again when that had no effect.
            let patience = job.round_trip * 2 + Duration::from_millis(1);
            if self.complained_at.is_none_or(|at| now - at >= patience) {
                self.complained_at = Some(now);
                self.in_window = 0;
                return Say::Ack(last);
            }
        } else if number == last {
            // The whole window once more: what was said of it is lost.
            self.in_window = 0;
            return Say::Ack(last);
        }
        Say::Nothing
    }
}

struct Play<'a> {
    job: &'a Job<'a>,
    clients: Vec<Client>,
    /// What is under way to the server: when it arrives, and from whom it comes.
    line: VecDeque<(Instant, usize, Vec<u8>)>,
    dice: Dice,
    inbox: Inbox,
    datagrams: u64,
    running: usize,
}

/// Does `job`.
pub fn play(job: &Job<'_>) -> io::Result<Outcome> {
    let mut play = Play {
        job,
        clients: (0..job.clients).map(|_| Client::start(job)).collect::<io::Result<_>>()?,
        line: VecDeque::new(),
        dice: Dice(job.seed | 1),
        inbox: Inbox::new(),
        datagrams: 0,
        running: job.clients,
    };
    let start = Instant::now();
    for index in 0..job.clients {
        play.clients[index].started_at = Instant::now();
        let request = play.clients[index].last_sent.clone();
        // A request that is lost tells nothing about the server.
        play.put_on_line(index, request)?;
    }
    if job.clients == 1 && job.round_trip.is_zero() {
        play.alone(start)?;
    } else {
        play.together(start)?;
    }
    Ok(play.outcome(start))
}

impl Play<'_> {
    /// One client: the system calls of waiting for many would be those of the client, not of the server.
    fn alone(&mut self, start: Instant) -> io::Result<()> {
        self.clients[0].socket.set_read_timeout(Some(Duration::from_millis(50)))?;
        while self.running > 0 && start.elapsed() < self.job.limit {
            self.receive(0)?;
            self.retry(Instant::now())?;
        }
        Ok(())
    }

    fn together(&mut self, start: Instant) -> io::Result<()> {
        const LONGEST: Duration = Duration::from_millis(50);
        let epoll = Epoll::new()?;
        for (index, client) in self.clients.iter().enumerate() {
            client.socket.set_nonblocking(true)?;
            epoll.add(&client.socket, index)?;
        }
        let mut looked_at = start;
        while self.running > 0 && start.elapsed() < self.job.limit {
            let now = Instant::now();
            let timeout = self.line.front().map_or(LONGEST, |(due, ..)| due.saturating_duration_since(now));
            for index in epoll.wait(timeout.min(LONGEST))? {
                self.receive(index)?;
            }
            let now = Instant::now();
            while let Some((_, index, packet)) = self.line.pop_front_if(|(due, ..)| *due <= now) {
                self.send(index, &packet)?;
            }
            if now - looked_at >= LONGEST {
                looked_at = now;
                self.retry(now)?;
            }
        }
        Ok(())
    }

    fn receive(&mut self, index: usize) -> io::Result<()> {
        let client = &mut self.clients[index];
        if !client.is_connected {
            let mut packet = [0; PACKET];
            let (len, from) = match client.socket.recv_from(&mut packet) {
                Ok(received) => received,
                Err(error) => return tolerate(error),
            };
            client.socket.connect(from)?;
            client.is_connected = true;
            return self.take(index, &packet[..len]);
        }
        let most = usize::from(client.windowsize).min(BATCH);
        let mut inbox = std::mem::replace(&mut self.inbox, Inbox::none());
        let result = match inbox.receive(&client.socket, most) {
            Ok(()) => inbox.packets().try_for_each(|packet| self.take(index, packet)),
            Err(error) => tolerate(error),
        };
        self.inbox = inbox;
        result
    }

    fn take(&mut self, index: usize, packet: &[u8]) -> io::Result<()> {
        self.datagrams += u64::from(packet.get(1) == Some(&DATA));
        let client = &mut self.clients[index];
        if client.is_done() || self.dice.loses(self.job.loss) {
            return Ok(());
        }
        let say = client.on_packet(Instant::now(), self.job, packet);
        self.running -= usize::from(client.is_done());
        let Say::Ack(number) = say else { return Ok(()) };
        let [high, low] = number.to_be_bytes();
        let packet = [0, ACK, high, low];
        client.last_sent.clear();
        client.last_sent.extend_from_slice(&packet);
        if self.dice.loses(self.job.loss) || (self.job.lingers && self.clients[index].is_done()) {
            return Ok(());
        }
        if self.job.round_trip.is_zero() {
            return self.send(index, &packet);
        }
        self.put_on_line(index, packet.to_vec())
    }

    fn put_on_line(&mut self, index: usize, packet: Vec<u8>) -> io::Result<()> {
        if self.job.round_trip.is_zero() {
            return self.send(index, &packet);
        }
        self.line.push_back((Instant::now() + self.job.round_trip, index, packet));
        Ok(())
    }

    fn send(&self, index: usize, packet: &[u8]) -> io::Result<()> {
        let client = &self.clients[index];
        let result = match client.is_connected {
            true => client.socket.send(packet),
            false => client.socket.send_to(packet, self.job.server),
        };
        result.map(drop).or_else(tolerate)
    }

    fn retry(&mut self, now: Instant) -> io::Result<()> {
        let Some(retry) = self.job.retry else { return Ok(()) };
        for index in 0..self.clients.len() {
            let client = &mut self.clients[index];
            if !client.is_done() && now.saturating_duration_since(client.heard_at) >= retry {
                client.heard_at = now;
                self.send(index, &self.clients[index].last_sent)?;
            }
        }
        Ok(())
    }

    fn outcome(self, start: Instant) -> Outcome {
        let mut durations: Vec<_> = self.clients.iter().filter_map(|client| client.finished).collect();
        let mut first_data: Vec<_> = self.clients.iter().filter_map(|client| client.first_data).collect();
        durations.sort();
        first_data.sort();
        let farewells = self.clients.iter().filter(|client| self.job.lingers && client.finished.is_some());
        let farewells = farewells.filter_map(|client| {
            Some((client.socket.try_clone().ok()?, <[u8; 4]>::try_from(&client.last_sent[..]).ok()?))
        });
        Outcome {
            farewells: farewells.collect(),
            wall: durations.last().copied().unwrap_or_else(|| start.elapsed()),
            failed: self.clients.iter().filter(|client| client.failed || client.finished.is_none()).count(),
            blocks: self.clients.iter().map(|client| client.expected - 1).sum(),
            bytes: self.clients.iter().map(|client| client.bytes).sum(),
            datagrams: self.datagrams,
            windowsize: self.clients.first().map_or(0, |client| client.windowsize),
            durations,
            first_data,
        }
    }
}

/// Silence is no error, and neither is a server that has closed its port: the limit is what ends a transfer.
fn tolerate(error: io::Error) -> io::Result<()> {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::ConnectionRefused | io::ErrorKind::Interrupted => Ok(()),
        _ => Err(error),
    }
}

/// Clients that ask, hear the first answer, and then say nothing any more.
pub struct Silent(Vec<UdpSocket>);

impl Silent {
    pub fn begin(server: SocketAddrV4, file: &str, count: usize) -> io::Result<Self> {
        let request = format!("\0\x01{file}\0octet\0blksize\x001468\0windowsize\x0016\0");
        let sockets = (0..count).map(|_| {
            let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
            socket.set_read_timeout(Some(Duration::from_secs(2)))?;
            socket.send_to(request.as_bytes(), server)?;
            let (_, from) = socket.recv_from(&mut [0; PACKET])?;
            socket.connect(from)?;
            Ok(socket)
        });
        sockets.collect::<io::Result<_>>().map(Self)
    }
}

impl Drop for Silent {
    fn drop(&mut self) {
        for socket in &self.0 {
            let _ = socket.send(b"\0\x05\0\0enough\0");
        }
    }
}
