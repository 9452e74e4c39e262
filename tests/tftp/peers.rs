//! Both ends for tests with real sockets: the server in a thread of its own, and a client that does one step at a time.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Mutex;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use upxe::config::Overrides;
use upxe::config::dnsmasq::files::NoFiles;
use upxe::config::load::{Source, Sources, load};
use upxe::config::{self, Rules};
use upxe::daemon::machines::Machines;
use upxe::daemon::transfers::{Entrance, Transfers};
use upxe::proxy::clients::Clients;
use upxe::sys::epoll::{Epoll, Events};
use upxe::sys::udp::UdpListener;
use upxe::wire::frame::Mac;

use crate::scratch::Scratch;

/// The first host whose station is known.
pub const KNOWN: u8 = 200;

/// Every line that was logged, by all tests of the program.
static LOG: Mutex<Vec<String>> = Mutex::new(Vec::new());

struct Recorder;

impl log::Log for Recorder {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        LOG.lock().unwrap().push(format!("{}: {}", record.level(), record.args()));
    }

    fn flush(&self) {}
}

/// Waits until a line that contains `words` is logged, and returns it.
pub fn logged(words: &str) -> String {
    let patience = Instant::now() + Duration::from_secs(2);
    loop {
        if let Some(line) = log_lines(words).pop() {
            return line;
        }
        assert!(Instant::now() < patience, "nothing logged about {words}");
        std::thread::yield_now();
    }
}

/// The lines logged so far that contain `words`.
pub fn log_lines(words: &str) -> Vec<String> {
    LOG.lock().unwrap().iter().filter(|line| line.contains(words)).cloned().collect()
}

/// A running server, stopped when dropped.
pub struct Server {
    scratch: Scratch,
    port: u16,
    single_port: bool,
    control: UnixStream,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Serves the folder `root` of a new scratch folder, and links into its folder `allowed`.
    pub fn start(max_transfers: u16) -> Self {
        Self::start_with(max_transfers, false)
    }

    /// The same, with everything sent from the port that is asked.
    pub fn start_on_one_port() -> Self {
        Self::start_with(8, true)
    }

    fn start_with(max_transfers: u16, single_port: bool) -> Self {
        let _ = log::set_logger(&Recorder);
        log::set_max_level(log::LevelFilter::Trace);
        let scratch = Scratch::new();
        for folder in ["root", "allowed"] {
            std::fs::create_dir(scratch.path().join(folder)).unwrap();
        }
        let config = config::Tftp {
            enabled: true,
            root: scratch.path().join("root"),
            allow: vec![scratch.path().join("allowed")],
            max_transfers,
            single_port,
            // Each test is one host with all its clients.
            limits: config::TftpLimits { client_transfers: 1024, ..Default::default() },
        };
        let listener = UdpListener::bind(0).unwrap();
        let port = listener.port().unwrap();
        let (control, orders) = UnixStream::pair().unwrap();
        let thread = std::thread::spawn(move || serve(config, &listener, orders));
        Self { scratch, port, single_port, control, thread: Some(thread) }
    }

    /// The folder that is served.
    pub fn root(&self) -> std::path::PathBuf {
        self.scratch.path().join("root")
    }

    /// The folder around it.
    pub fn around(&self) -> &Path {
        self.scratch.path()
    }

    /// Puts a file into the folder that is served.
    pub fn file(&self, name: &str, content: &[u8]) {
        std::fs::write(self.root().join(name), content).unwrap();
    }

    /// Makes it serve another folder, with one transfer at a time.
    pub fn reconfigure(&mut self) {
        self.control.write_all(b"r").unwrap();
        let mut done = [0];
        self.control.read_exact(&mut done).unwrap();
    }

    /// A client with a port of its own.
    pub fn client(&self) -> Client {
        self.client_at(1)
    }

    /// A client on another machine; the stations of those from number [`KNOWN`] on are known.
    pub fn client_at(&self, host: u8) -> Client {
        let socket = UdpSocket::bind((Ipv4Addr::new(127, 0, 0, host), 0)).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let listener = (Ipv4Addr::LOCALHOST, self.port).into();
        Client { socket, listener, single_port: self.single_port, tid: None, repeated: 0 }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.control.shutdown(std::net::Shutdown::Both);
        let result = self.thread.take().map(JoinHandle::join);
        if !std::thread::panicking() {
            result.unwrap().unwrap();
        }
    }
}

/// A menu of one entry.
fn menu() -> Rules {
    let upxe = Source { name: "upxe".into(), text: Some(b"config entry 'one'\noption kind 'local'\n".to_vec()) };
    let (config, _) = load(&Sources { upxe, ..Sources::default() }, &Overrides::default(), &mut NoFiles);
    config.unwrap().rules
}

fn serve(mut config: config::Tftp, listener: &UdpListener, mut orders: UnixStream) {
    const LISTENER: u64 = 0;
    const ORDERS: u64 = 1;
    let menu = menu();
    let mut transfers = Transfers::new(&config, &menu);
    let (epoll, mut events) = (Epoll::new().unwrap(), Events::default());
    epoll.add(listener, LISTENER).unwrap();
    epoll.add(&orders, ORDERS).unwrap();
    let mut clients = Clients::default();
    let mut buffer = [0; 2048];
    loop {
        let timeout = transfers.next_deadline().map(|deadline| deadline.saturating_duration_since(Instant::now()));
        let ready = epoll.wait(&mut events, timeout).unwrap();
        let now = Instant::now();
        for token in ready {
            let received = (token == LISTENER).then(|| listener.receive(&mut buffer).unwrap()).flatten();
            if let Some(received) = &received {
                // Whoever asks is this machine.
                clients.met(now, Mac([2, 0, 0, 0, 0, 1]), "lo", *received.peer.ip());
            }
            let machines = &Machines { clients: &clients, rules: &menu, links: &[] };
            let entrance = Entrance { listener, epoll: &epoll, machines };
            match token {
                _ if Transfers::owns(token) => transfers.on_ready(now, Some(entrance), token),
                LISTENER => {
                    if let Some(received) = received {
                        let [.., host] = received.peer.ip().octets();
                        let station = (host >= KNOWN).then_some(Mac([2, 0, 0, 0, 0, host]));
                        transfers.on_request(now, entrance, &buffer[..received.len], &received, station);
                    }
                }
                _ => {
                    if orders.read(&mut [0]).unwrap_or(0) == 0 {
                        return;
                    }
                    config.root.set_file_name("allowed");
                    config.max_transfers = 1;
                    transfers.reconfigure(&config, &menu);
                    orders.write_all(b"d").unwrap();
                }
            }
        }
        transfers.on_deadline(now);
        for news in transfers.take_news() {
            let what = format!("{:?}", news.what);
            log::trace!("news of {}: {}", news.host, what.split('(').next().unwrap());
        }
    }
}

/// A client that does what it is told.
pub struct Client {
    pub socket: UdpSocket,
    listener: SocketAddr,
    /// The server is to answer from the port that was asked, and else never.
    single_port: bool,
    /// The server's port for the transfer, once it has answered.
    pub tid: Option<SocketAddr>,
    /// Blocks passed over by [`block`](Self::block).
    pub repeated: u32,
}

impl Client {
    /// Sends to the server's well-known port.
    pub fn knock(&mut self, datagram: &[u8]) {
        self.tid = None;
        self.socket.send_to(datagram, self.listener).unwrap();
    }

    /// The server's well-known port.
    pub fn listener_port(&self) -> u16 {
        self.listener.port()
    }

    /// Asks for a file in octet, with options written as `name=value name=value`.
    pub fn ask(&mut self, name: &str, options: &str) {
        self.ask_in("octet", name, options);
    }

    /// Asks for a file in any mode.
    pub fn ask_in(&mut self, mode: &str, name: &str, options: &str) {
        let mut request = format!("\0\x01{name}\0{mode}\0{}", options.replace([' ', '='], "\0"));
        if !options.is_empty() {
            request.push('\0');
        }
        self.knock(request.as_bytes());
    }

    /// The next datagram, which must come from the port of the first.
    pub fn receive(&mut self) -> Vec<u8> {
        let mut buffer = vec![0; 70_000];
        let (len, from) = self.socket.recv_from(&mut buffer).expect("the server says nothing");
        assert_eq!(from == self.listener, self.single_port, "an answer from {from}");
        assert_eq!(*self.tid.get_or_insert(from), from, "an answer from another port");
        buffer.truncate(len);
        buffer
    }

    /// The next datagram as text that shows where one field ends.
    pub fn receive_text(&mut self) -> String {
        self.receive().escape_ascii().to_string()
    }

    /// Makes sure that nothing comes for a while.
    pub fn hears_nothing(&mut self, time: Duration) {
        if let Some(packet) = self.hears(time) {
            panic!("heard {}", packet.escape_ascii());
        }
    }

    /// What comes within a while, if anything does.
    pub fn hears(&mut self, time: Duration) -> Option<Vec<u8>> {
        self.socket.set_read_timeout(Some(time)).unwrap();
        let mut buffer = [0; 2048];
        let heard = self.socket.recv_from(&mut buffer);
        self.socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let (len, from) = heard.ok()?;
        self.tid.get_or_insert(from);
        Some(buffer[..len].to_vec())
    }

    /// Sends to the transfer's port.
    pub fn send(&self, packet: &[u8]) {
        self.socket.send_to(packet, self.tid.expect("nothing received yet")).unwrap();
    }

    /// Acknowledges a block.
    pub fn ack(&self, block: u16) {
        let [a, b] = block.to_be_bytes();
        self.send(&[0, 4, a, b]);
    }

    /// Takes the block of this number and returns its data. Earlier blocks are passed over: when a busy machine holds
    /// up the test for longer than the server waits, they come again.
    pub fn block(&mut self, number: u16) -> Vec<u8> {
        loop {
            let mut packet = self.receive();
            let Some(&[0, 3, a, b]) = packet.get(..4) else { panic!("received {}", packet.escape_ascii()) };
            match number.wrapping_sub(u16::from_be_bytes([a, b])) {
                0 => return packet.split_off(4),
                1..=64 => self.repeated += 1,
                _ => panic!("block {} instead of {number}", u16::from_be_bytes([a, b])),
            }
        }
    }

    /// Takes blocks from `first` on to the end of the file, and hands each to `take`.
    pub fn rest_with(&mut self, first: u64, blksize: usize, windowsize: u64, mut take: impl FnMut(&[u8])) {
        for number in first.. {
            let data = self.block(number as u16);
            take(&data);
            let is_last = data.len() < blksize;
            if is_last || (number - first + 1).is_multiple_of(windowsize) {
                self.ack(number as u16);
            }
            if is_last {
                return;
            }
        }
    }

    /// Takes blocks from `first` on to the end of the file.
    pub fn rest(&mut self, first: u64, blksize: usize, windowsize: u64) -> Vec<u8> {
        let mut file = Vec::new();
        self.rest_with(first, blksize, windowsize, |data| file.extend_from_slice(data));
        file
    }

    /// Fetches a file, and returns the OACK, if there was one, and the content.
    pub fn get(&mut self, name: &str, blksize: usize, windowsize: u64) -> Vec<u8> {
        self.ask(name, &format!("blksize={blksize} windowsize={windowsize}"));
        assert_eq!(
            self.receive_text(),
            format!("\\x00\\x06blksize\\x00{blksize}\\x00windowsize\\x00{windowsize}\\x00")
        );
        self.ack(0);
        self.rest(1, blksize, windowsize)
    }
}
