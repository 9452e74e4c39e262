//! The running service: waits for packets and hands them from the shell to the core and back.
//!
//! A DHCP request's way, top to bottom: `Daemon::on_frames` (port 67) or `Daemon::on_boot_server` (port 4011) takes
//! it from its socket, [`Request::read`] checks it, [`proxy::consider`] chooses, builds the reply and makes bytes of it,
//! and the same door sends them. TFTP goes through [`transfers`].

mod answers;
mod channel;
pub mod files;
mod frames;
mod guard;
mod limits;
pub mod links;
pub mod machines;
mod port;
mod progress;
mod report;
pub mod status;
mod transfer_log;
pub mod transfers;

use std::io;
use std::net::Ipv4Addr;
use std::path::Path;
use std::time::{Duration, Instant};

use log::{info, warn};

use self::answers::{Answers, Basis, Way};
use self::guard::Guard;
use self::links::{Link, Ready};
use self::machines::Machines;
use self::port::Port;
use self::report::TroubleLog;
use self::status::Status;
use self::transfers::{Entrance, Transfers};
use crate::config::Config;
use crate::proxy::{self, Door, Silence};
use crate::sys::alarm::Alarm;
use crate::sys::epoll::{self, Epoll, Events};
use crate::sys::limits as system;
use crate::sys::link::LinkWatch;
use crate::sys::neighbour;
use crate::sys::pages;
use crate::sys::signals::{Signal, Signals};
use crate::sys::udp::{Received, UdpListener};
use crate::wire::frame::{self, Envelope};
use crate::wire::reply;
use crate::wire::request::Request;
use crate::wire::tftp::{is_read_request, is_request};

/// Room for any DHCP request and any TFTP request in one packet; what is longer is neither.
const FRAME_LEN: usize = 2048;

/// Datagrams taken from one socket before the others get their turn.
const BURST: usize = 16;

/// Descriptors for links, ports and the moment of opening a file.
const DESCRIPTORS_BESIDE_TRANSFERS: u64 = 64;

/// After how long a port that was taken, or a device that could not be opened, is tried again.
const RETRY: Duration = Duration::from_secs(3);

/// What the epoll tokens stand for; links come behind [`token::FIRST_LINK`], transfers have tokens of their own kind.
mod token {
    pub const SIGNALS: u64 = 0;
    pub const LINK_WATCH: u64 = 1;
    pub const BOOT_SERVER: u64 = 2;
    pub const TFTP: u64 = 3;
    pub const DOORS: u64 = 4;
    pub const ALARM: u64 = 5;
    pub const QUESTION: u64 = 6;
    pub const FIRST_READER: u64 = QUESTION + 1;
    pub const LAST_READER: u64 = FIRST_READER + super::status::MAX_READERS as u64 - 1;
    pub const FIRST_LINK: u64 = 16;
}

/// Reads the configuration again; `None`, after saying why, when it can't be used.
pub type Reload = Box<dyn Fn() -> Option<Config>>;

/// The service.
pub struct Daemon {
    config: Config,
    reload: Reload,
    /// Where everything is waited for: the doors, and the transfers.
    epoll: Epoll,
    /// Everything but transfers: what these leave waiting is answered before more of them is done.
    doors: Epoll,
    alarm: Alarm,
    signals: Signals,
    link_watch: LinkWatch,
    links: Vec<Link>,
    /// The token of the newest link; tokens aren't used again while the service runs.
    next_link: u64,
    /// When to try again what failed for a reason that may pass without a word; `None` while nothing is missing, so
    /// that an idle service never wakes.
    retry_at: Option<Instant>,
    boot_server: Port,
    tftp: Port,
    transfers: Transfers,
    answers: Answers,
    trouble: TroubleLog,
    status: Status,
    started: Instant,
    guard: Guard,
}

/// Whether the service goes on.
#[derive(PartialEq, Eq)]
enum Next {
    GoOn,
    Stop,
}

impl Daemon {
    /// Opens everything that can be opened; what can't be yet is waited for.
    ///
    /// # Errors
    /// Only for want of descriptors or memory.
    pub fn new(config: Config, reload: Reload, signals: Signals) -> io::Result<Self> {
        let epoll = Epoll::new()?;
        let doors = Epoll::new()?;
        let alarm = Alarm::new()?;
        let link_watch = LinkWatch::open()?;
        epoll.add(&doors, token::DOORS)?;
        epoll.add(&alarm, token::ALARM)?;
        doors.add(&signals, token::SIGNALS)?;
        doors.add(&link_watch, token::LINK_WATCH)?;
        let without_4011 = "clients that take the file straight from the offer still boot";
        let without_69 = "clients are offered files all the same, for the other server to send";
        let mut daemon = Self {
            transfers: Transfers::new(&config.tftp, &config.rules),
            boot_server: Port::new(port::BOOT_SERVER, "PXE boot server", without_4011, token::BOOT_SERVER),
            tftp: Port::new(69, "TFTP server", without_69, token::TFTP),
            links: Vec::new(),
            next_link: token::FIRST_LINK,
            retry_at: None,
            answers: Answers::new(config.replies),
            trouble: TroubleLog::default(),
            status: Status::default(),
            started: Instant::now(),
            guard: Guard::default(),
            config,
            reload,
            epoll,
            doors,
            alarm,
            signals,
            link_watch,
        };
        daemon.apply_config();
        Ok(daemon)
    }

    /// Answers questions at `socket` from now on.
    pub fn answer_at(&mut self, socket: &Path) {
        self.status.open(socket, &self.doors, token::QUESTION);
    }

    /// Serves until SIGTERM or SIGINT.
    ///
    /// # Errors
    /// Only if waiting itself fails.
    pub fn run(&mut self) -> io::Result<()> {
        pages::give_back();
        let mut now = Instant::now();
        let mut events = Events::default();
        loop {
            // Counted from when the last wait ended: what was done since makes a deadline late by next to nothing, and
            // to ask for the time costs as much as all the thinking about a packet.
            let deadline = self.transfers.next_deadline().into_iter().chain(self.retry_at).min();
            let is_set = self.alarm.set(now, deadline).is_ok();
            let patience = deadline.filter(|_| !is_set).map(|deadline| deadline.saturating_duration_since(now));
            let ready = self.epoll.wait(&mut events, patience)?;
            now = Instant::now();
            let mut count = 0;
            let mut at_the_doors = false;
            let machines = &Machines { clients: &self.answers.clients, rules: &self.config.rules, links: &self.links };
            for token in ready {
                count += 1;
                match token {
                    token::DOORS => at_the_doors = true,
                    // What is due is looked for after each wait.
                    token::ALARM => {}
                    _ => self.transfers.on_ready(
                        now,
                        self.tftp.listener().map(|listener| Entrance { listener, epoll: &self.epoll, machines }),
                        token,
                    ),
                }
            }
            // When there is more to do than one wait tells, whoever knocks doesn't stand in line.
            if (at_the_doors || count == epoll::BATCH) && self.answer_doors(now)? == Next::Stop {
                info!("stopped");
                return Ok(());
            }
            self.transfers.on_deadline(now);
            progress::tell(&mut self.answers.clients, now, self.transfers.take_news());
            if self.retry_at.is_some_and(|time| time <= now) {
                self.acquire();
            }
        }
    }

    fn answer_doors(&mut self, now: Instant) -> io::Result<Next> {
        for token in self.doors.wait(&mut Events::default(), Some(Duration::ZERO))? {
            if self.dispatch(token, now) == Next::Stop {
                return Ok(Next::Stop);
            }
        }
        Ok(Next::GoOn)
    }

    fn dispatch(&mut self, token: u64, now: Instant) -> Next {
        match token {
            token::SIGNALS => return self.on_signals(),
            token::LINK_WATCH => {
                self.link_watch.drain();
                self.acquire();
            }
            token::BOOT_SERVER => self.on_boot_server(now),
            token::TFTP => self.on_tftp(now),
            token::QUESTION => self.on_question(now, token::QUESTION),
            token::FIRST_READER..=token::LAST_READER => self.status.go_on(token - token::FIRST_READER),
            token::FIRST_LINK.. => self.on_frames(token, now),
            _ => {}
        }
        Next::GoOn
    }

    /// Port 67: requests that the DHCP server hears too.
    fn on_frames(&mut self, token: u64, now: Instant) {
        let mut buffer = [0; FRAME_LEN];
        let all_ports = self.all_ports();
        let (basis, answers) =
            (Basis { config: &self.config, files: self.transfers.files(), all_ports, now }, &mut self.answers);
        let Some(link) = self.links.iter().find(|link| link.token == token) else { return };
        let Some(ready) = link.ready() else { return };
        let device = &link.interface.device;
        for _ in 0..BURST {
            match ready.socket.receive(&mut buffer) {
                Ok(Some(frame)) => match on_frame(&basis, answers, link, ready, frame) {
                    Ok(result) => result.unwrap_or_else(|error| self.trouble.say(device, "sending", &error)),
                    Err(silence) => report::dropped(device, &silence),
                },
                Ok(None) => return,
                // The device went down; the link watch brings word of it.
                Err(error) => return self.trouble.say(device, "receiving", &error),
            }
        }
    }

    /// Port 4011: requests to us alone.
    fn on_boot_server(&mut self, now: Instant) {
        let mut buffer = [0; FRAME_LEN];
        for _ in 0..BURST {
            let Some(listener) = self.boot_server.listener() else { return };
            let Some((received, payload)) = receive(listener, &mut buffer) else { return };
            let answered = link_of(&self.links, &received, self.config.rules.relay).and_then(|(link, ready)| {
                let request = Request::read(payload).map_err(Silence::Request)?;
                Ok((link, link.arrival(Door::BootServer, ready), request))
            });
            let (link, arrival, request) = match answered {
                Ok(answered) => answered,
                Err(silence) => {
                    report::dropped("port 4011", &silence);
                    continue;
                }
            };
            let device = &link.interface.device;
            let all_ports = self.all_ports();
            let basis = Basis { config: &self.config, files: self.transfers.files(), all_ports, now };
            if let Err(silence) = self.answers.admit(&basis, Way::BootServer, &request) {
                report::dropped("port 4011", &silence);
                continue;
            }
            let answer = self.answers.consider(&basis, &arrival, &request);
            if let Some(written) = &answer.1 {
                listener
                    .send(&written.bytes, received.peer, received.local, received.ifindex)
                    .unwrap_or_else(|error| self.trouble.say(device, "sending", &error));
            }
            self.answers.report(&basis, Way::BootServer, &arrival, &request, &answer);
        }
    }

    /// Port 69: the first packet of a transfer.
    fn on_tftp(&mut self, now: Instant) {
        let mut buffer = [0; FRAME_LEN];
        for _ in 0..BURST {
            let Some(listener) = self.tftp.listener() else { return };
            let Some((received, payload)) = receive(listener, &mut buffer) else { return };
            match link_of(&self.links, &received, self.config.rules.relay) {
                Ok((link, _)) => {
                    let (device, peer) = (&link.interface.device, *received.peer.ip());
                    let mac = is_request(payload).then(|| neighbour::mac(listener, device, peer)).flatten();
                    if let Some(mac) = mac.filter(|_| is_read_request(payload)) {
                        self.answers.clients.met(now, mac, device, peer);
                    }
                    let (clients, rules) = (&self.answers.clients, &self.config.rules);
                    let machines = &Machines { clients, rules, links: &self.links };
                    let entrance = Entrance { listener, epoll: &self.epoll, machines };
                    self.transfers.on_request(now, entrance, payload, &received, mac);
                }
                Err(silence) => report::dropped("port 69", &silence),
            }
        }
    }

    fn all_ports(&self) -> bool {
        self.boot_server.listener().is_some() && self.tftp.listener().is_some()
    }

    fn on_signals(&mut self) -> Next {
        let mut reload = false;
        while let Some(signal) = self.signals.take() {
            match signal {
                Signal::Stop => return Next::Stop,
                Signal::Reload => reload = true,
            }
        }
        match reload.then(|| (self.reload)()) {
            Some(Some(config)) if !config.enabled => {
                info!("switched off by 'option enabled'");
                return Next::Stop;
            }
            Some(Some(config)) => {
                self.transfers.reconfigure(&config.tftp, &config.rules);
                self.config = config;
                self.answers.reconfigured(self.config.replies);
                self.apply_config();
                info!("configuration reloaded");
                self.remark_on_reach();
            }
            Some(None) => warn!("the new configuration has errors; going on with the old one{}", self.reach_hint()),
            None => return Next::GoOn,
        }
        pages::give_back();
        Next::GoOn
    }

    /// Makes links and ports those of the configuration.
    fn apply_config(&mut self) {
        let Config { dnsmasq, tftp, .. } = &self.config;
        let wanted = DESCRIPTORS_BESIDE_TRANSFERS + u64::from(tftp.max_transfers) * Transfers::DESCRIPTORS_EACH;
        if let Ok(granted) = system::raise_descriptors(wanted)
            && granted < wanted
        {
            warn!("only {granted} files may be open at once, {wanted} are needed for tftp_max {}", tftp.max_transfers);
        }
        self.boot_server.want(true, dnsmasq.boot_server);
        self.tftp.want(tftp.enabled, dnsmasq.tftp);
        if tftp.enabled {
            self.transfers.files().report_missing_root();
        }
        self.choose_links();
        self.acquire();
    }

    /// Makes the links those of the configuration; one that stays keeps its socket, so no request is missed.
    fn choose_links(&mut self) {
        let mut old = std::mem::take(&mut self.links);
        for interface in &self.config.interfaces {
            let link = match old.iter().position(|link| link.interface == *interface) {
                Some(at) => old.swap_remove(at),
                None => {
                    self.next_link += 1;
                    Link::new(interface.clone(), self.next_link)
                }
            };
            self.links.push(link);
        }
    }

    /// Opens what is wanted and can be had now.
    fn acquire(&mut self) {
        for link in &mut self.links {
            link.refresh(&self.doors);
        }
        self.boot_server.open(&self.doors);
        self.tftp.open(&self.doors);
        let missing =
            self.links.iter().any(Link::has_failed) || self.boot_server.is_missing() || self.tftp.is_missing();
        self.retry_at = missing.then(|| Instant::now() + RETRY);
        self.drop_spent_powers();
    }
}

/// The served link that a datagram came in on, if its sender is on that link's network, or may be on another that
/// a relay stands before.
fn link_of<'l>(links: &'l [Link], received: &Received, relay: bool) -> Result<(&'l Link, &'l Ready), Silence> {
    proxy::admit_source(received.peer.port())?;
    let mut served = links.iter().filter_map(|link| Some((link, link.ready()?)));
    let (link, ready) =
        served.find(|(_, ready)| ready.ifindex() == received.ifindex).ok_or(Silence::OtherDevice(received.ifindex))?;
    if !relay && !ready.reaches(*received.peer.ip()) {
        return Err(Silence::OffLink(*received.peer.ip()));
    }
    Ok((link, ready))
}

/// Answers a frame that came to port 67; the inner result is that of sending.
fn on_frame(
    basis: &Basis<'_>,
    answers: &mut Answers,
    link: &Link,
    ready: &Ready,
    frame: &[u8],
) -> Result<io::Result<()>, Silence> {
    let datagram = frame::open(frame).map_err(Silence::Frame)?;
    let request = Request::read(datagram.payload).map_err(Silence::Request)?;
    let way = Way::of(datagram.source_mac, request.chaddr);
    answers.admit(basis, way, &request)?;
    let arrival = link.arrival(Door::Proxy, ready);
    let answer = answers.consider(basis, &arrival, &request);
    let mut sent = Ok(());
    if let Some(written) = &answer.1 {
        let envelope = match request.giaddr {
            Ipv4Addr::UNSPECIFIED => Envelope::broadcast_from(ready.mac, ready.router),
            agent => Envelope::relay_from(ready.mac, ready.router, agent, datagram.source_mac),
        };
        let mut buffer = [0; frame::HEADERS_LEN + reply::MAX_LEN];
        // The reply is no longer than MAX_LEN, so the frame always fits.
        if let Some(frame) = frame::seal(&envelope, &written.bytes, &mut buffer) {
            sent = ready.socket.send(frame);
        }
    }
    answers.report(basis, way, &arrival, &request, &answer);
    Ok(sent)
}

/// Takes a datagram from a port, with its payload; `None` when there is none or it can't be had.
fn receive<'b>(listener: &UdpListener, buffer: &'b mut [u8]) -> Option<(Received, &'b [u8])> {
    let received = listener.receive(buffer).ok()??;
    Some((received, buffer.get(..received.len)?))
}
