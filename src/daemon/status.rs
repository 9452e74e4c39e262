//! Tells whoever asks at a local socket what is served, and how the machines' boots go. Nobody is woken unless asked.
//!
//! Who connects is sent one JSON object:
//!
//! ```text
//! { "version": 1,                        higher when something below changes its meaning; more may be added without
//!   "running": true, "program": "0.1.0", "uptime": 123,        seconds
//!   "interfaces": [ { "name": "lan", "device": "br-lan",
//!                     "address": "192.168.1.1",                 null while it is not usable,
//!                     "trouble": null } ],                      and then why
//!   "ports": [ { "port": 4011, "use": "boot server", "open": true, "trouble": null } ],
//!   "tftp": { "root": "/srv/tftp", "transfers": 2, "max": 64 }  null when TFTP is off
//! }
//! ```

use std::io::{self, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::time::Instant;

use log::{debug, info};

use super::Daemon;
use super::port::Port;
use crate::sys::epoll::Epoll;
use crate::sys::local_socket;
use crate::wire::json::Json::{self, Flag, List, Map, Null, Number, Text};
use crate::wire::json::{string, string_or_null};

/// Where `upxe status` asks.
pub const SOCKET: &str = "/var/run/upxe/status";

/// Readers that may be slow at once; another takes the place of one of them.
pub const MAX_READERS: usize = 4;
/// Readers served in one go; who comes later is served with the next.
const BURST: usize = 32;

/// The socket, and readers that did not take all at once.
#[derive(Debug, Default)]
pub struct Status {
    listener: Option<UnixListener>,
    slow: [Option<Reader>; MAX_READERS],
    next: usize,
}

/// A reader and what it hasn't taken yet.
#[derive(Debug)]
struct Reader {
    stream: UnixStream,
    rest: Vec<u8>,
}

impl Reader {
    /// Writes what is taken without waiting; true when there is nothing left to do.
    fn is_done(&mut self) -> bool {
        while !self.rest.is_empty() {
            match self.stream.write(&self.rest) {
                Ok(0) => return true,
                Ok(taken) => drop(self.rest.drain(..taken.min(self.rest.len()))),
                Err(error) => return error.kind() != io::ErrorKind::WouldBlock,
            }
        }
        true
    }
}

impl Status {
    /// Opens the socket; without it nobody can be told anything, and the rest goes on.
    pub fn open(&mut self, path: &Path, epoll: &Epoll, token: u64) {
        let opened = local_socket::listen(path).and_then(|listener| {
            epoll.add_for_news(&listener, token)?;
            Ok(listener)
        });
        match opened {
            Ok(listener) => self.listener = Some(listener),
            Err(error) => info!("{}: {error}: 'upxe status' gets no answer", path.display()),
        }
    }

    /// Answers everybody who waits with what `describe` says; slow readers are reported under tokens from `first` on.
    fn answer(&mut self, epoll: &Epoll, first: u64, describe: impl Fn() -> String) {
        let Some(listener) = &self.listener else { return };
        let mut text = String::new();
        for _ in 0..BURST {
            let stream = match listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) => {
                    if error.kind() != io::ErrorKind::WouldBlock {
                        debug!("status: {error}");
                    }
                    return;
                }
            };
            if text.is_empty() {
                text = describe();
            }
            let mut reader = Reader { stream, rest: text.clone().into_bytes() };
            if reader.stream.set_nonblocking(true).is_err() || reader.is_done() {
                continue;
            }
            let at = self.next % MAX_READERS;
            self.next = at + 1;
            let token = first.saturating_add(u64::try_from(at).unwrap_or_default());
            if let (Ok(()), Some(slot)) = (epoll.add_for_writing(&reader.stream, token), self.slow.get_mut(at)) {
                // One that sat here is gone with its descriptor.
                *slot = Some(reader);
            }
        }
    }

    /// Goes on with the slow reader in this place.
    pub fn go_on(&mut self, at: u64) {
        let Some(slot) = usize::try_from(at).ok().and_then(|at| self.slow.get_mut(at)) else { return };
        if slot.as_mut().is_some_and(Reader::is_done) {
            *slot = None;
        }
    }
}

impl Daemon {
    /// Somebody asks.
    pub(super) fn on_question(&mut self, now: Instant, first: u64) {
        let mut status = std::mem::take(&mut self.status);
        status.answer(&self.doors, first, || self.describe(now));
        self.status = status;
    }

    fn describe(&self, now: Instant) -> String {
        let tftp = &self.config.tftp;
        let served = Map(vec![
            ("root", Text(tftp.root.to_string_lossy().into_owned())),
            ("transfers", Number(self.transfers.len())),
            ("max", Number(tftp.max_transfers.into())),
        ]);
        let mut ports = vec![port(&self.boot_server, "boot server")];
        if tftp.enabled {
            ports.push(port(&self.tftp, "TFTP"));
        }
        let interfaces = self.links.iter().map(|link| {
            let address = link.ready().map_or(Null, |ready| Text(ready.router.to_string()));
            Map(vec![
                ("name", string(&link.interface.name)),
                ("device", string(&link.interface.device)),
                ("address", address),
                ("trouble", string_or_null(link.trouble())),
            ])
        });
        Map(vec![
            ("version", Number(1)),
            ("running", Flag(true)),
            ("program", string(env!("CARGO_PKG_VERSION"))),
            ("uptime", whole(now.saturating_duration_since(self.started).as_secs())),
            ("interfaces", List(interfaces.collect())),
            ("ports", List(ports)),
            ("tftp", if tftp.enabled { served } else { Null }),
        ])
        .line()
    }
}

fn port(port: &Port, purpose: &str) -> Json {
    Map(vec![
        ("port", Number(port.number().into())),
        ("use", string(purpose)),
        ("open", Flag(port.listener().is_some())),
        ("trouble", string_or_null(port.trouble())),
    ])
}

/// A number as far as it can be told.
fn whole(number: u64) -> Json {
    Number(usize::try_from(number).unwrap_or(usize::MAX))
}
