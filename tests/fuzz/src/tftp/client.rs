//! A client that follows the protocol (RFC 1350, 2347, 2348, 2349, 7440), of the manners that are found in firmware.

use std::time::{Duration, Instant};

/// It repeats its last packet after so long,
const IMPATIENCE: Duration = Duration::from_secs(1);
/// and after so many times of that begins anew.
const ATTEMPTS: u32 = 6;

pub struct Client {
    /// Index of the file that it wants.
    pub file: usize,
    options: TftpOptions,
    manners: u8,
    state: State,
    /// Blocks received since the last ACK.
    in_window: u16,
    complained_at: Option<u64>,
    last_sent: Vec<u8>,
    repeat_at: Option<Instant>,
    attempts: u32,
    blocks: u64,
    bytes: Vec<u8>,
    blksize: usize,
    windowsize: u16,
}

#[derive(PartialEq, Clone, Copy)]
enum State {
    /// Hasn't asked yet.
    New,
    Asked,
    Receiving,
    /// It was told that the transfer is over: it takes nothing more of it, and begins anew.
    Refused,
    Done,
}

#[derive(Clone, Copy)]
struct TftpOptions {
    blksize: Option<u16>,
    windowsize: Option<u16>,
    timeout: Option<u8>,
    tsize: bool,
    netascii: bool,
}

impl TftpOptions {
    fn of(byte: u8) -> Self {
        TftpOptions {
            blksize: [None, Some(8), Some(512), Some(1468)][usize::from(byte & 3)],
            windowsize: [None, Some(1), Some(4), Some(64)][usize::from(byte >> 2 & 3)],
            timeout: (byte & 16 != 0).then_some(if byte & 1 != 0 { 1 } else { 255 }),
            tsize: byte & 32 != 0,
            netascii: byte & 0xc0 == 0xc0,
        }
    }

    fn text(self) -> String {
        let number = |name: &str, value: Option<u64>| value.map_or(String::new(), |it| format!("{name}\0{it}\0"));
        number("blksize", self.blksize.map(u64::from))
            + &number("windowsize", self.windowsize.map(u64::from))
            + &number("timeout", self.timeout.map(u64::from))
            + &number("tsize", self.tsize.then_some(0))
    }
}

/// The options of a request, by a byte.
pub fn options(byte: u8) -> String {
    TftpOptions::of(byte).text()
}

impl Client {
    pub fn new(file: usize, options: u8, manners: u8) -> Self {
        Client {
            file,
            options: TftpOptions::of(options),
            manners: manners & 3,
            state: State::New,
            in_window: 0,
            complained_at: None,
            last_sent: Vec::new(),
            repeat_at: None,
            attempts: 0,
            blocks: 0,
            bytes: Vec::new(),
            blksize: 512,
            windowsize: 1,
        }
    }

    pub fn is_new(&self) -> bool {
        matches!(self.state, State::New | State::Asked)
    }

    pub fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// It wants something yet.
    pub fn is_busy(&self) -> bool {
        matches!(self.state, State::Asked | State::Receiving | State::Refused)
    }

    pub fn repeats_at(&self) -> Option<Instant> {
        self.repeat_at.filter(|_| self.is_busy())
    }

    /// The file, when it has come.
    pub fn received(&self) -> Option<Vec<u8>> {
        if self.state != State::Done {
            return None;
        }
        if !self.options.netascii {
            return Some(self.bytes.clone());
        }
        let mut text = Vec::new();
        let mut bytes = self.bytes.iter();
        while let Some(byte) = bytes.next() {
            text.push(match byte {
                b'\r' => match bytes.next() {
                    Some(b'\n') => b'\n',
                    Some(0) => b'\r',
                    other => panic!("CR before {other:?}"),
                },
                plain => *plain,
            });
        }
        Some(text)
    }

    /// Its request; it begins anew with it.
    pub fn ask(&mut self, now: Instant) -> Vec<u8> {
        let Client { file, options, manners, .. } = *self;
        *self = Client { options, state: State::Asked, ..Client::new(file, 0, manners) };
        let mode = if options.netascii { "netascii" } else { "octet" };
        let request = format!("\0\x01{}\0{mode}\0{}", super::NAMES[file], options.text());
        self.send(now, request.into_bytes())
    }

    /// Its last packet once more.
    pub fn repeat(&mut self, now: Instant) -> Option<Vec<u8>> {
        let packet = self.last_sent.clone();
        (!packet.is_empty()).then(|| self.send(now, packet))
    }

    /// Counts a silence that was too long. True when it had better begin anew.
    pub fn gives_up(&mut self) -> bool {
        self.attempts += 1;
        self.state == State::Refused || self.attempts > ATTEMPTS && self.state == State::Receiving
    }

    pub fn on_packet(&mut self, now: Instant, packet: &[u8], size: u64) -> Option<Vec<u8>> {
        match *packet {
            // What an earlier transfer of its own left on the way is no answer to what it asks now.
            [0, 6, ref options @ ..] if self.state == State::Asked => {
                self.accept(options, size);
                self.state = State::Receiving;
                Some(self.acknowledge(now))
            }
            // Its ACK of the options is lost.
            [0, 6, ..] if self.state == State::Receiving && self.blocks == 0 => Some(self.acknowledge(now)),
            [0, 3, high, low, ref data @ ..] => self.on_data(now, u16::from_be_bytes([high, low]), data),
            [0, 5, ..] if self.is_busy() => {
                self.state = State::Refused;
                self.last_sent.clear();
                self.repeat_at = Some(now + IMPATIENCE);
                None
            }
            _ => None,
        }
    }

    fn on_data(&mut self, now: Instant, block: u16, data: &[u8]) -> Option<Vec<u8>> {
        // DATA in answer to a request says that no option is accepted (RFC 2347).
        if self.state == State::Asked && block == 1 && data.len() <= 512 {
            self.state = State::Receiving;
        }
        if matches!(self.state, State::New | State::Asked | State::Refused) {
            return None;
        }
        if self.state == State::Receiving && block == (self.blocks + 1) as u16 {
            assert!(data.len() <= self.blksize, "{} bytes in a block of {}", data.len(), self.blksize);
            self.bytes.extend_from_slice(data);
            self.blocks += 1;
            self.in_window += 1;
            self.attempts = 0;
            self.repeat_at = Some(now + IMPATIENCE);
            if data.len() < self.blksize {
                self.state = State::Done;
            }
            let is_due = self.in_window == self.windowsize || self.state == State::Done;
            return is_due.then(|| self.acknowledge(now));
        }
        // What it does with a block that isn't the next.
        match self.manners {
            // EDK2 says what it has, each time,
            0 => Some(self.acknowledge(now)),
            // U-Boot once for each gap,
            1 if self.complained_at != Some(self.blocks) => {
                self.complained_at = Some(self.blocks);
                Some(self.acknowledge(now))
            }
            // and everybody answers the last block again, or the server would not learn of the end.
            _ if self.state == State::Done => Some(self.acknowledge(now)),
            _ => None,
        }
    }

    fn accept(&mut self, options: &[u8], size: u64) {
        let words: Vec<&[u8]> = options.split(|byte| *byte == 0).collect();
        for pair in words.chunks_exact(2) {
            let value: u64 = std::str::from_utf8(pair[1]).unwrap().parse().unwrap();
            match pair[0] {
                b"blksize" => {
                    assert!((8..=u64::from(self.options.blksize.expect("not asked"))).contains(&value));
                    self.blksize = value as usize;
                }
                b"windowsize" => {
                    assert!((1..=u64::from(self.options.windowsize.expect("not asked"))).contains(&value));
                    self.windowsize = value as u16;
                }
                b"timeout" => assert_eq!(Some(value), self.options.timeout.map(u64::from)),
                b"tsize" => assert!(self.options.tsize && value == size),
                other => panic!("{} was not asked for", other.escape_ascii()),
            }
        }
    }

    fn acknowledge(&mut self, now: Instant) -> Vec<u8> {
        self.in_window = 0;
        let [high, low] = (self.blocks as u16).to_be_bytes();
        self.send(now, vec![0, 4, high, low])
    }

    fn send(&mut self, now: Instant, packet: Vec<u8>) -> Vec<u8> {
        self.repeat_at = Some(now + IMPATIENCE);
        self.last_sent.clone_from(&packet);
        packet
    }
}
