//! The running service: waits for packets and hands them from the shell to the core and back.
//!
//! A DHCP request's way, top to bottom: `Daemon::on_frames` (port 67) or `Daemon::on_boot_server` (port 4011) takes
//! it from its socket, [`Request::read`] checks it, [`proxy::decide`] chooses, [`proxy::answer`] builds the reply,
//! [`reply::write`] makes bytes of it, and the same door sends them. TFTP goes through [`transfers`].

pub mod files;
mod frames;
mod links;
mod port;
mod report;
pub mod transfers;

use std::io;
use std::time::Instant;

use log::{info, warn};

use self::links::{Link, Ready};
use self::port::Port;
use self::report::Trouble;
use self::transfers::Transfers;
use crate::config::Config;
use crate::proxy::{self, Arrival, Decision, Door, Silence};
use crate::sys::epoll::Epoll;
use crate::sys::link::LinkWatch;
use crate::sys::privileges::{self, Account, Keep};
use crate::sys::signals::{Signal, Signals};
use crate::sys::udp::{Received, UdpListener};
use crate::wire::frame::{self, Envelope};
use crate::wire::reply::{self, Written};
use crate::wire::request::Request;

/// Room for the longest frame that a device hands over.
const FRAME_LEN: usize = 2048;

/// Datagrams taken from one socket before the others get their turn.
const BURST: usize = 16;

/// What the epoll tokens stand for; links follow from [`token::FIRST_LINK`], transfers have tokens of their own kind.
mod token {
    pub const SIGNALS: u64 = 0;
    pub const LINK_WATCH: u64 = 1;
    pub const BOOT_SERVER: u64 = 2;
    pub const TFTP: u64 = 3;
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
    /// The token of the next new link; tokens aren't used again while the service runs.
    next_link: u64,
    boot_server: Port,
    tftp: Port,
    transfers: Transfers,
    trouble: Trouble,
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
    pub fn new(config: Config, reload: Reload) -> io::Result<Self> {
        let epoll = Epoll::new()?;
        let signals = Signals::open()?;
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
            trouble: Trouble::default(),
            powers: None,
            config,
            reload,
            epoll,
            signals,
            link_watch,
        };
        daemon.choose_links();
        daemon.open_ports();
        Ok(daemon)
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
        let needs_no_port = self.tftp.listener().is_some() || !self.config.tftp.enabled;
        if self.powers == Some(Keep::PacketsAndLowPorts) && needs_no_port && privileges::limit(Keep::Packets).is_ok() {
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
            let timeout = self.transfers.next_deadline().map(|deadline| deadline.saturating_duration_since(now));
            let ready = self.epoll.wait(timeout)?;
            let now = Instant::now();
            for token in ready {
                if self.dispatch(token, now) == Next::Stop {
                    info!("stopped");
                    return Ok(());
                }
            }
            self.transfers.on_deadline(now);
        }
    }

    fn dispatch(&mut self, token: u64, now: Instant) -> Next {
        match token {
            token::SIGNALS => return self.on_signals(),
            token::LINK_WATCH => {
                self.link_watch.drain();
                self.refresh_links();
            }
            token::BOOT_SERVER => self.on_boot_server(),
            token::TFTP => self.on_tftp(now),
            _ if Transfers::owns(token) => self.transfers.on_ready(now, token),
            token::FIRST_LINK.. => self.on_frames(token),
            _ => {}
        }
        Next::GoOn
    }

    /// Port 67: requests that the DHCP server hears too.
    fn on_frames(&mut self, token: u64) {
        // What was taken by another program earlier is wanted now that somebody boots.
        self.open_ports();
        let mut buffer = [0; FRAME_LEN];
        let Some(link) = self.links.iter().find(|link| link.token == token) else { return };
        let Some(ready) = link.ready() else { return };
        for _ in 0..BURST {
            match ready.socket.receive(&mut buffer) {
                Ok(Some(frame)) => {
                    let arrival = Arrival { door: Door::Proxy, interface: &link.interface.name, router: ready.router };
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
        report::decided(device, arrival.door, &request, &decision);
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
        let arrival = Arrival { door: Door::BootServer, interface: &link.interface.name, router: ready.router };
        let (decision, written) = self.consider(&arrival, &request);
        let device = &link.interface.device;
        report::decided(device, arrival.door, &request, &decision);
        if let Some(written) = written {
            listener
                .send(&written.bytes, received.peer, received.local, received.ifindex)
                .unwrap_or_else(|error| self.trouble.say(device, "sending", &error));
        }
        Ok(())
    }

    /// The part of the way that both doors share.
    fn consider(&self, arrival: &Arrival<'_>, request: &Request<'_>) -> (Decision, Option<Written>) {
        let rules = &self.config.rules;
        let decision = proxy::decide(rules, self.transfers.files(), arrival, request);
        let written = match (&decision.client, &decision.outcome) {
            (Some(client), Ok(offer)) => {
                let reply = proxy::answer(rules, arrival, request, client, offer);
                let limit = reply::size_limit(request.max_message_size());
                Some(reply::write(&reply, proxy::overload(rules, client), limit))
            }
            _ => None,
        };
        (decision, written)
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
        // Nobody's client sends from a server's port: two servers would answer each other for ever.
        if matches!(received.peer.port(), 0 | 67 | 69) {
            return Err(Silence::SourcePort(received.peer.port()));
        }
        self.links
            .iter()
            .filter_map(|link| Some((link, link.ready()?)))
            .find(|(_, ready)| ready.ifindex() == received.ifindex && ready.reaches(*received.peer.ip()))
            .ok_or(Silence::OffLink(*received.peer.ip()))
    }

    fn on_signals(&mut self) -> Next {
        while let Some(signal) = self.signals.take() {
            match signal {
                Signal::Stop => return Next::Stop,
                Signal::Reload => match (self.reload)() {
                    Some(config) if !config.enabled => {
                        info!("switched off by 'option enabled'");
                        return Next::Stop;
                    }
                    Some(config) => self.reconfigure(config),
                    None => warn!("the new configuration has errors; going on with the old one"),
                },
            }
        }
        Next::GoOn
    }

    fn reconfigure(&mut self, config: Config) {
        self.transfers.reconfigure(&config.tftp);
        if !config.tftp.enabled {
            self.tftp.close();
        }
        self.config = config;
        self.choose_links();
        self.open_ports();
        info!("configuration reloaded");
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
        self.refresh_links();
    }

    fn refresh_links(&mut self) {
        for link in &mut self.links {
            link.refresh(&self.epoll);
        }
    }

    fn open_ports(&mut self) {
        self.boot_server.open(&self.epoll);
        if self.config.tftp.enabled {
            self.tftp.open(&self.epoll);
        }
        self.drop_spent_powers();
    }
}

/// Takes a datagram from a port, with its payload; `None` when there is none or it can't be had.
fn receive<'b>(listener: &UdpListener, buffer: &'b mut [u8]) -> Option<(Received, &'b [u8])> {
    let received = listener.receive(buffer).ok()??;
    Some((received, buffer.get(..received.len)?))
}
