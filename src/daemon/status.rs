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
//!   "tftp": { "root": "/srv/tftp", "transfers": 2, "max": 64 },   null when TFTP is off
//!   "clients": [ {                       the latest 64, the one that was heard of last first
//!     "mac": "52:54:00:12:34:56",
//!     "address": "192.168.1.50",         null before it is known
//!     "host": "nas",                     the name of a `config host` with this MAC, or null
//!     "interface": "lan",
//!     "client": "x64 iPXE", "program": "iPXE",   in the words of `upxe explain`; null if it only ever loaded files
//!     "stage": "loading",                see `Stage`
//!     "file": "ipxe.efi",                the end of a very long name; null without a file
//!     "size": 1044480, "bytes": 658000, "speed": 5242880,   bytes, and those of a second; null unless it loads, has loaded or failed to
//!     "ago": 250,                        milliseconds since something was heard of it
//!     "trouble": { "code": "no-file", "reason": "…", "advice": "…" },   or null
//!     "steps": [ { "ago": 12300, "stage": "offered", "detail": "ipxe.efi" } ] } ] }   the oldest first; detail is a file, or empty
//! ```

use std::io::{self, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::time::{Duration, Instant};

use log::{debug, info, warn};

use super::Daemon;
use super::port::Port;
use crate::config::rules::{Host, MacPattern};
use crate::proxy::advice::Trouble;
use crate::proxy::client::short;
use crate::proxy::clients::Seen;
use crate::proxy::progress::{Amount, Stage, TICKS, milliseconds};
use crate::sys::epoll::Epoll;
use crate::sys::local_socket;
use crate::wire::frame::Mac;
use crate::wire::json::Printer;

/// Where `upxe status` asks.
pub const SOCKET: &str = "/var/run/upxe/status";

/// Readers that may be slow at once; another takes the place of one of them.
pub const MAX_READERS: usize = 4;
/// Readers served in one go; then transfers have their turn.
const BURST: usize = 8;
/// Machines that are told of.
const LATEST: usize = 64;

/// The socket, and readers that did not take all at once.
#[derive(Debug, Default)]
pub struct Status {
    listener: Option<UnixListener>,
    slow: [Option<SlowReader>; MAX_READERS],
    next: usize,
}

/// A reader and what it hasn't taken yet.
#[derive(Debug)]
struct SlowReader {
    stream: UnixStream,
    rest: Vec<u8>,
}

impl SlowReader {
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
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                let path = path.display();
                warn!("another upxe answers at {path}: machines hear both; end one of them ('service upxe stop')");
            }
            Err(error) => info!("{}: {error}: 'upxe status' gets no answer", path.display()),
        }
    }

    /// Answers those who wait with what `describe` says. `token` is the socket's; slow readers are reported under the next ones.
    fn answer(&mut self, epoll: &Epoll, token: u64, describe: impl Fn() -> String) {
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
            let mut reader = SlowReader { stream, rest: text.clone().into_bytes() };
            if reader.stream.set_nonblocking(true).is_err() || reader.is_done() {
                continue;
            }
            let at = self.next % MAX_READERS;
            self.next = at + 1;
            let reader_token = token.saturating_add(1).saturating_add(u64::try_from(at).unwrap_or_default());
            if let (Ok(()), Some(slot)) = (epoll.add_for_writing(&reader.stream, reader_token), self.slow.get_mut(at)) {
                // One that sat here is gone with its descriptor.
                *slot = Some(reader);
            }
        }
        // It is there, so this cannot fail.
        let _ = epoll.remind(listener, token);
    }

    /// Goes on with the slow reader in this place.
    pub fn go_on(&mut self, at: u64) {
        let Some(slot) = usize::try_from(at).ok().and_then(|at| self.slow.get_mut(at)) else { return };
        if slot.as_mut().is_some_and(SlowReader::is_done) {
            *slot = None;
        }
    }
}

impl Daemon {
    /// Somebody asks.
    pub(super) fn on_question(&mut self, now: Instant, token: u64) {
        let mut status = std::mem::take(&mut self.status);
        status.answer(&self.doors, token, || self.describe(now));
        self.status = status;
    }

    fn describe(&self, now: Instant) -> String {
        let tftp = &self.config.tftp;
        let mut out = Printer::default();
        out.item();
        out.number("version", 1);
        out.flag("running", true);
        out.text("program", env!("CARGO_PKG_VERSION"));
        out.number("uptime", whole(now.saturating_duration_since(self.started).as_secs()));
        out.list("interfaces");
        for link in &self.links {
            let address = link.ready().map(|ready| ready.router.to_string());
            out.item();
            out.text("name", &link.interface.name);
            out.text("device", &link.interface.device);
            out.text_or_null("address", address.as_deref());
            out.text_or_null("trouble", link.trouble());
            out.end();
        }
        out.end_list();
        out.list("ports");
        port(&mut out, &self.boot_server, "boot server");
        if tftp.enabled {
            port(&mut out, &self.tftp, "TFTP");
        }
        out.end_list();
        if tftp.enabled {
            out.object("tftp");
            out.text("root", &tftp.root.to_string_lossy());
            out.number("transfers", self.transfers.len());
            out.number("max", tftp.max_transfers.into());
            out.end();
        } else {
            out.null("tftp");
        }
        out.list("clients");
        let mut told = 0;
        for seen in self.answers.clients.iter() {
            if told < LATEST && self.client(&mut out, now, seen).is_some() {
                told += 1;
            }
        }
        out.end_list();
        out.end();
        out.line()
    }

    /// What there is to tell of a machine; `None` when there is nothing, and nothing was printed.
    fn client(&self, out: &mut Printer, now: Instant, seen: &Seen) -> Option<()> {
        let (progress, tick) = (&seen.progress, self.answers.clients.tick(now));
        let is_its =
            |address, name: &[u8]| address == seen.address && String::from_utf8_lossy(name).ends_with(progress.file());
        let under_way = self.transfers.under_way().find(|(address, name, _)| is_its(*address, name));
        let since = match &under_way {
            // Its packets aren't counted one by one.
            Some(_) => Duration::ZERO,
            None => now.saturating_duration_since(seen.last),
        };
        let stage = progress.stage(since)?;
        let Amount { size, bytes, speed } = under_way.map_or(progress.loaded(), |(_, _, amount)| amount);
        let (file, device) = (progress.file(), progress.device());
        let interface = self.links.iter().map(|link| &link.interface).find(|interface| interface.device == device);
        let address = Some(seen.address).filter(|address| !address.is_unspecified());
        out.item();
        out.text("mac", &seen.mac.to_string());
        out.text_or_null("address", address.map(|address| address.to_string()).as_deref());
        out.text_or_null("host", host(&self.config.rules.hosts, seen.mac));
        out.text("interface", interface.map_or(device, |interface| &interface.name));
        let (words, program) =
            progress.client().map(|(architecture, program)| (short(architecture, program), program.words())).unzip();
        out.text_or_null("client", words.as_deref());
        out.text_or_null("program", program);
        out.text("stage", stage.name());
        out.text_or_null("file", Some(file).filter(|file| !file.is_empty()));
        let has_amount = size > 0 && matches!(stage, Stage::Loading | Stage::Loaded | Stage::Failed | Stage::Gone);
        for (name, number) in [("size", size), ("bytes", bytes), ("speed", speed)] {
            if has_amount {
                out.number(name, whole(number));
            } else {
                out.null(name);
            }
        }
        out.number("ago", whole(milliseconds(since)));
        match progress.trouble() {
            Some(Trouble { code, reason, advice }) => {
                let root = self.config.tftp.root.to_string_lossy();
                let filled = |words: &str| {
                    let pieces: Vec<String> = words.split("FILE").map(|piece| piece.replace("ROOT", &root)).collect();
                    pieces.join(file)
                };
                out.object("trouble");
                out.text("code", code);
                out.text("reason", &filled(reason));
                out.text("advice", &filled(advice));
                out.end();
            }
            None => out.null("trouble"),
        }
        out.list("steps");
        for (at, stage, file) in progress.steps() {
            out.item();
            out.number("ago", whole(u64::from(tick.saturating_sub(at)) * u64::from(1000 / TICKS)));
            out.text("stage", stage.name());
            out.text("detail", file);
            out.end();
        }
        out.end_list();
        out.end();
        Some(())
    }
}

/// The name that a line gives to this machine and no other.
fn host(hosts: &[Host], mac: Mac) -> Option<&str> {
    let is_it = |pattern: &MacPattern| {
        pattern.bytes.len() == mac.0.len() && pattern.bytes.iter().zip(mac.0).all(|(byte, own)| *byte == Some(own))
    };
    hosts.iter().find(|host| host.name.is_some() && host.macs.iter().any(is_it))?.name.as_deref()
}

fn port(out: &mut Printer, port: &Port, purpose: &str) {
    out.item();
    out.number("port", port.number().into());
    out.text("use", purpose);
    out.flag("open", port.listener().is_some());
    out.text_or_null("trouble", port.trouble());
    out.end();
}

/// A number as far as it can be told.
fn whole(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::epoll::Events;
    use std::io::Read;

    fn pair(len: usize) -> (SlowReader, UnixStream, Vec<u8>) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        let rest: Vec<u8> = (0..len).map(|at| (at % 251) as u8).collect();
        (SlowReader { stream: ours, rest: rest.clone() }, theirs, rest)
    }

    #[test]
    fn a_slow_reader_gets_all_of_it_and_nobody_waits() {
        let (mut reader, mut theirs, all) = pair(3 << 20);
        assert!(!reader.is_done(), "no socket takes so much at once");
        let mut got = Vec::new();
        let mut buffer = [0; 50_000];
        while got.len() < all.len() {
            let len = theirs.read(&mut buffer).unwrap();
            got.extend_from_slice(&buffer[..len]);
            let _ = reader.is_done();
        }
        assert!(reader.is_done());
        assert!(got == all);
    }

    #[test]
    fn a_reader_that_leaves_is_done() {
        let (mut reader, theirs, _) = pair(3 << 20);
        assert!(!reader.is_done());
        drop(theirs);
        assert!(reader.is_done());
        let (mut reader, _theirs, _) = pair(100);
        assert!(reader.is_done());
    }

    #[test]
    fn slow_readers_are_few() {
        let folder = std::env::temp_dir().join(format!("upxe-readers-{}", std::process::id()));
        let path = folder.join("status");
        let epoll = Epoll::new().unwrap();
        let mut status = Status::default();
        status.open(&path, &epoll, 1);
        let text = "x".repeat(2 << 20);
        let mut deaf: Vec<UnixStream> = (0..3 * MAX_READERS).map(|_| UnixStream::connect(&path).unwrap()).collect();
        for _ in 0..2 {
            let tokens: Vec<u64> = epoll.wait(&mut Events::default(), Some(Duration::ZERO)).unwrap().collect();
            assert_eq!(tokens.first(), Some(&1), "who isn't served yet is not forgotten");
            status.answer(&epoll, 1, || text.clone());
        }
        assert_eq!(status.slow.iter().flatten().count(), MAX_READERS);
        // Nobody who is deaf keeps the loop busy.
        assert_eq!(epoll.wait(&mut Events::default(), Some(Duration::ZERO)).unwrap().count(), 0);
        // The last one begins to listen, and is served to its end.
        let mut last = deaf.pop().unwrap();
        let reading = std::thread::spawn(move || {
            let mut got = String::new();
            last.read_to_string(&mut got).map(|_| got)
        });
        while status.slow.iter().flatten().count() == MAX_READERS {
            for token in epoll.wait(&mut Events::default(), Some(Duration::from_secs(5))).unwrap() {
                status.go_on(token - 2);
            }
        }
        assert!(reading.join().unwrap().unwrap() == text);
        // Those whose place was taken are told so by the end of half an answer.
        let mut first = deaf.swap_remove(0);
        let mut got = String::new();
        assert!(first.read_to_string(&mut got).is_ok() && got.len() < text.len());
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
