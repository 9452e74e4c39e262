//! A UDP port that we want: opened when it can be had, asked for again when it matters.

use std::io;

use log::{info, warn};

use crate::sys::epoll::Epoll;
use crate::sys::port_owner;
use crate::sys::udp::UdpListener;

/// Where PXE clients ask for their boot file (PXE 2.1 §2.2.1).
pub const BOOT_SERVER: u16 = 4011;
/// Ports that only root can give away, one of which every dnsmasq that serves has: DNS and DHCP.
const DNSMASQ_PORTS: &[u16] = &[53, 67];

/// A wanted port.
#[derive(Debug)]
pub struct Port {
    number: u16,
    purpose: &'static str,
    without_it: &'static str,
    token: u64,
    listener: Option<UdpListener>,
    /// The error that was last complained of; it isn't said twice.
    complaint: Option<io::ErrorKind>,
    /// Who had the port when that could still be known, which it can't once the service is confined; and whether they
    /// have dnsmasq's ports.
    owner: Option<(String, bool)>,
    /// Why it isn't open, in words.
    trouble: Option<String>,
    wanted: bool,
}

impl Port {
    /// A port for `purpose`, not opened yet; `without_it` says what goes on when it can't be had.
    pub fn new(number: u16, purpose: &'static str, without_it: &'static str, token: u64) -> Self {
        Self {
            number,
            purpose,
            without_it,
            token,
            listener: None,
            complaint: None,
            owner: None,
            trouble: None,
            wanted: false,
        }
    }

    /// The open port.
    pub fn listener(&self) -> Option<&UdpListener> {
        self.listener.as_ref()
    }

    /// Its number.
    pub fn number(&self) -> u16 {
        self.number
    }

    /// Why it isn't open, if it should be.
    pub fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }

    /// True when the port is wanted and isn't open.
    pub fn is_missing(&self) -> bool {
        self.wanted && self.listener.is_none()
    }

    /// Opens the port unless it is open; says once if it can't be had, and says so when it can again.
    pub fn open(&mut self, epoll: &Epoll) {
        if self.listener.is_some() || !self.wanted {
            return;
        }
        let opened = UdpListener::bind(self.number).and_then(|listener| {
            epoll.add(&listener, self.token)?;
            Ok(listener)
        });
        match opened {
            Ok(listener) => {
                (self.trouble, self.owner) = (None, None);
                if self.complaint.take().is_some() {
                    info!("port {} is free now: {} started", self.number, self.purpose);
                }
                self.listener = Some(listener);
            }
            Err(error) => self.complain(&error),
        }
    }

    /// Says whether the port is wanted, and whether dnsmasq's configuration wants it too, which then has precedence.
    pub fn want(&mut self, wanted: bool, by_dnsmasq: bool) {
        (self.complaint, self.trouble) = (None, None);
        self.wanted = wanted && !by_dnsmasq;
        if wanted && by_dnsmasq {
            self.trouble = Some("left to dnsmasq, whose configuration wants it".to_owned());
            info!("port {} is left to dnsmasq, whose configuration wants it: no {}", self.number, self.purpose);
        }
        if !self.wanted {
            self.listener = None;
        }
    }

    fn complain(&mut self, error: &io::Error) {
        if self.complaint == Some(error.kind()) {
            return;
        }
        self.complaint = Some(error.kind());
        self.trouble = Some(error.to_string());
        let Self { number, purpose, without_it, .. } = *self;
        match error.kind() {
            io::ErrorKind::AddrInUse => {
                self.owner = port_owner::name_and_whether_of(number, DNSMASQ_PORTS).or(self.owner.take());
                let (owner, is_dnsmasq) = match &self.owner {
                    // Others may bear its name, but not hold its ports.
                    Some((name, serves)) => (name.as_str(), *serves && name.starts_with("dnsmasq ")),
                    // In a jail nobody can be known. The boot server's port is the one that a dnsmasq which is bound
                    // to no address does not share (dnsmasq dhcp.c `make_fd`).
                    None => ("another program", number == BOOT_SERVER),
                };
                // It ends, and DHCP and DNS with it, when it comes back and finds such a port taken.
                self.wanted = !is_dnsmasq;
                let remedy =
                    if self.wanted { "it is tried again" } else { "reload upxe when nobody needs it any longer" };
                self.trouble = Some(["held by ", owner].concat());
                warn!("port {number} is taken by {owner}: no {purpose}; {without_it}; {remedy}");
            }
            io::ErrorKind::PermissionDenied => {
                // What a process has given up it never gets back.
                self.wanted = false;
                warn!(
                    "port {number} needs root or CAP_NET_BIND_SERVICE, which are given up once all ports are held: no \
                     {purpose}; {without_it}; start upxe anew, as root"
                );
            }
            _ => warn!("port {number}: {error}: no {purpose}; {without_it}"),
        }
    }
}
