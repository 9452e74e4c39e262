//! The running service: waits for packets and hands them from the shell to the core and back.
//!
//! A DHCP request's way, top to bottom: `Daemon::on_frames` (port 67) or `Daemon::on_boot_server` (port 4011) takes
//! it from its socket, [`Request::read`] checks it, [`proxy::consider`] chooses, builds the reply and makes bytes of it,
//! and the same door sends them. TFTP goes through [`transfers`].

pub mod files;
mod frames;
pub mod links;
mod port;
mod report;
pub mod status;
pub mod transfers;

use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use log::{info, warn};

use self::links::{Link, Ready};
use self::port::Port;
use self::report::Trouble;
use self::status::Status;
use self::transfers::Transfers;
use crate::config::Config;
use crate::proxy::{self, Arrival, Decision, Door, Silence};
use crate::sys::epoll::Epoll;
use crate::sys::limits;
use crate::sys::link::LinkWatch;
use crate::sys::privileges::{self, Account, Keep};
use crate::sys::signals::{Signal, Signals};
use crate::sys::udp::{Received, UdpListener};
use crate::wire::frame::{self, Envelope};
use crate::wire::reply::{self, Written};
use crate::wire::request::Request;

/// Room for any DHCP request and any TFTP request in one packet; what is longer is neither.
const FRAME_LEN: usize = 2048;

/// Datagrams taken from one socket before the others get their turn.
const BURST: usize = 16;

/// Descriptors for links, ports and the moment of opening a file.
const DESCRIPTORS_BESIDE_TRANSFERS: u64 = 64;

/// After how long a port that was taken, or a device that could not be opened, is tried again.
const RETRY: Duration = Duration::from_secs(3);

/// What the epoll tokens stand for; links follow from [`token::FIRST_LINK`], transfers have tokens of their own kind.
mod token {
    pub const SIGNALS: u64 = 0;
    pub const LINK_WATCH: u64 = 1;
    pub const BOOT_SERVER: u64 = 2;
    pub const TFTP: u64 = 3;
    pub const QUESTION: u64 = 4;
    pub const FIRST_READER: u64 = 5;
    pub const LAST_READER: u64 = FIRST_READER + super::status::MAX_READERS as u64 - 1;
    pub const FIRST_LINK: u64 = 16;
}

/// Reads the configuration again; `None`, after saying why, when it can't be used.
pub type Reload = Box<dyn Fn() -> Option<Config>>;

/// The service.
pub struct Daemon {
    config: Config,
    reload: Reload,
    epoll: Epoll,
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
    trouble: Trouble,
    status: Status,
    started: Instant,
    /// What may still be opened; `None`: anything, as root.
    powers: Option<Keep>,
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
        let link_watch = LinkWatch::open()?;
        epoll.add(&signals, token::SIGNALS)?;
        epoll.add(&link_watch, token::LINK_WATCH)?;
        let without_4011 = "clients that take the file straight from the offer still boot";
        let without_69 = "clients are offered files all the same, for the other server to send";
        let mut daemon = Self {
            transfers: Transfers::new(&config.tftp),
            boot_server: Port::new(4011, "PXE boot server", without_4011, token::BOOT_SERVER),
            tftp: Port::new(69, "TFTP server", without_69, token::TFTP),
            links: Vec::new(),
            next_link: token::FIRST_LINK,
            retry_at: None,
            trouble: Trouble::default(),
            status: Status::default(),
            started: Instant::now(),
            powers: None,
            config,
            reload,
            epoll,
            signals,
            link_watch,
        };
        daemon.apply_config();
        Ok(daemon)
    }

    /// Answers questions at `socket` from now on.
    pub fn answer_at(&mut self, socket: &Path) {
        self.status.open(socket, &self.epoll, token::QUESTION);
    }

    /// Goes on as another user than root, with what it takes to open again what is lost.
    ///
    /// # Errors
    /// When the system refuses; the service must end then.
    pub fn leave_root(&mut self, account: Account) -> io::Result<()> {
        let keep = Keep::PacketsAndLowPorts;
        privileges::become_account(account, keep)?;
        self.powers = Some(keep);
        self.drop_spent_powers();
        Ok(())
    }

    /// Once port 69 is held, no low port will be wanted again.
    fn drop_spent_powers(&mut self) {
        if self.powers == Some(Keep::PacketsAndLowPorts)
            && !self.tftp.is_missing()
            && privileges::limit(Keep::Packets).is_ok()
        {
            self.powers = Some(Keep::Packets);
        }
    }

    /// Serves until SIGTERM or SIGINT.
    ///
    /// # Errors
    /// Only if waiting itself fails.
    pub fn run(&mut self) -> io::Result<()> {
        loop {
            let now = Instant::now();
            let deadline = self.transfers.next_deadline().into_iter().chain(self.retry_at).min();
            let ready = self.epoll.wait(deadline.map(|deadline| deadline.saturating_duration_since(now)))?;
            let now = Instant::now();
            for token in ready {
                if self.dispatch(token, now) == Next::Stop {
                    info!("stopped");
                    return Ok(());
                }
            }
            self.transfers.on_deadline(now);
            if self.retry_at.is_some_and(|time| time <= now) {
                self.acquire();
            }
        }
    }

    fn dispatch(&mut self, token: u64, now: Instant) -> Next {
        match token {
            token::SIGNALS => return self.on_signals(),
            token::LINK_WATCH => {
                self.link_watch.drain();
                self.acquire();
            }
            token::BOOT_SERVER => self.on_boot_server(),
            token::TFTP => self.on_tftp(now),
            token::QUESTION => self.on_question(now, token::FIRST_READER),
            token::FIRST_READER..=token::LAST_READER => self.status.go_on(token - token::FIRST_READER),
            _ if Transfers::owns(token) => self.transfers.on_ready(now, token),
            token::FIRST_LINK.. => self.on_frames(token),
            _ => {}
        }
        Next::GoOn
    }

    /// Port 67: requests that the DHCP server hears too.
    fn on_frames(&mut self, token: u64) {
        let mut buffer = [0; FRAME_LEN];
        let Some(link) = self.links.iter().find(|link| link.token == token) else { return };
        let Some(ready) = link.ready() else { return };
        for _ in 0..BURST {
            match ready.socket.receive(&mut buffer) {
                Ok(Some(frame)) => {
                    let arrival = link.arrival(Door::Proxy, ready);
                    if let Err(silence) = self.on_frame(&arrival, ready, &link.interface.device, frame) {
                        report::dropped(&link.interface.device, &silence);
                    }
                }
                Ok(None) => return,
                // The device went down; the link watch brings word of it.
                Err(error) => return self.trouble.say(&link.interface.device, "receiving", &error),
            }
        }
    }

    fn on_frame(&self, arrival: &Arrival<'_>, ready: &Ready, device: &str, frame: &[u8]) -> Result<(), Silence> {
        let datagram = frame::open(frame).map_err(Silence::Frame)?;
        let request = Request::read(datagram.payload).map_err(Silence::Request)?;
        let (decision, written) = self.consider(arrival, &request);
        self.report(device, arrival, &request, &decision);
        if let Some(written) = written {
            let envelope = Envelope::broadcast_from(ready.mac, ready.router);
            let mut buffer = [0; frame::HEADERS_LEN + reply::MAX_LEN];
            // The reply is no longer than MAX_LEN, so the frame always fits.
            if let Some(frame) = frame::seal(&envelope, &written.bytes, &mut buffer) {
                ready.socket.send(frame).unwrap_or_else(|error| self.trouble.say(device, "sending", &error));
            }
        }
        Ok(())
    }

    /// Port 4011: requests to us alone.
    fn on_boot_server(&mut self) {
        let mut buffer = [0; FRAME_LEN];
        for _ in 0..BURST {
            let Some(listener) = self.boot_server.listener() else { return };
            let Some((received, payload)) = receive(listener, &mut buffer) else { return };
            if let Err(silence) = self.on_boot_request(listener, &received, payload) {
                report::dropped("port 4011", &silence);
            }
        }
    }

    fn on_boot_request(&self, listener: &UdpListener, received: &Received, payload: &[u8]) -> Result<(), Silence> {
        let (link, ready) = self.link_of(received)?;
        let request = Request::read(payload).map_err(Silence::Request)?;
        let arrival = link.arrival(Door::BootServer, ready);
        let (decision, written) = self.consider(&arrival, &request);
        let device = &link.interface.device;
        self.report(device, &arrival, &request, &decision);
        if let Some(written) = written {
            listener
                .send(&written.bytes, received.peer, received.local, received.ifindex)
                .unwrap_or_else(|error| self.trouble.say(device, "sending", &error));
        }
        Ok(())
    }

    /// The part of the way that both doors share.
    fn consider(&self, arrival: &Arrival<'_>, request: &Request<'_>) -> (Decision, Option<Written>) {
        proxy::consider(&self.config.rules, self.transfers.files(), arrival, request)
    }

    fn report(&self, device: &str, arrival: &Arrival<'_>, request: &Request<'_>, decision: &Decision) {
        report::decided(device, arrival.door, request, decision);
        if let Err(Silence::NoFile { looked_for }) = &decision.outcome {
            self.transfers.files().report_unservable(looked_for);
        }
    }

    /// Port 69: the first packet of a transfer.
    fn on_tftp(&mut self, now: Instant) {
        let mut buffer = [0; FRAME_LEN];
        for _ in 0..BURST {
            let Some(listener) = self.tftp.listener() else { return };
            let Some((received, payload)) = receive(listener, &mut buffer) else { return };
            match self.link_of(&received) {
                Ok(_) => self.transfers.on_request(now, &self.epoll, payload, &received),
                Err(silence) => report::dropped("port 69", &silence),
            }
        }
    }

    /// The served link that a datagram came in on, if its sender is on that link's network.
    fn link_of(&self, received: &Received) -> Result<(&Link, &Ready), Silence> {
        proxy::admit_source(received.peer.port())?;
        let served = self.links.iter().filter_map(|link| Some((link, link.ready()?)));
        let (link, ready) = served
            .into_iter()
            .find(|(_, ready)| ready.ifindex() == received.ifindex)
            .ok_or(Silence::OtherDevice(received.ifindex))?;
        if !ready.reaches(*received.peer.ip()) {
            return Err(Silence::OffLink(*received.peer.ip()));
        }
        Ok((link, ready))
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
                self.transfers.reconfigure(&config.tftp);
                self.config = config;
                self.apply_config();
                info!("configuration reloaded");
            }
            Some(None) => warn!("the new configuration has errors; going on with the old one"),
            None => {}
        }
        Next::GoOn
    }

    /// Makes links and ports those of the configuration.
    fn apply_config(&mut self) {
        let Config { dnsmasq, tftp, .. } = &self.config;
        let wanted = DESCRIPTORS_BESIDE_TRANSFERS + u64::from(tftp.max_transfers) * Transfers::DESCRIPTORS_EACH;
        if let Ok(granted) = limits::raise_descriptors(wanted)
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
            link.refresh(&self.epoll);
        }
        self.boot_server.open(&self.epoll);
        self.tftp.open(&self.epoll);
        let missing =
            self.links.iter().any(Link::has_failed) || self.boot_server.is_missing() || self.tftp.is_missing();
        self.retry_at = missing.then(|| Instant::now() + RETRY);
        self.drop_spent_powers();
    }
}

/// Takes a datagram from a port, with its payload; `None` when there is none or it can't be had.
fn receive<'b>(listener: &UdpListener, buffer: &'b mut [u8]) -> Option<(Received, &'b [u8])> {
    let received = listener.receive(buffer).ok()??;
    Some((received, buffer.get(..received.len)?))
}
