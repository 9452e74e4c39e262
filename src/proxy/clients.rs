//! What is remembered of the machines that boot: what each was offered, and what followed. Bounded: the one that was heard
//! of longest ago makes room, so that who forges addresses can at worst push others out.
//!
//! Requests and the time go in ([`Clients::note`], [`Clients::transferred`]), and what the next answer depends on comes out
//! ([`Clients::past`]). Nothing here wakes up by itself.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use dhcproto::v4::{MessageType, OptionCode};

use super::advice::Trouble;
use super::client::{Client, Program};
use super::decision::{Decision, Door, Offer, OfferForm};
use super::progress::{Progress, TICKS};
use super::vendor::Shape;
use crate::menu::Machine;
use crate::wire::fingerprint;
use crate::wire::frame::Mac;
use crate::wire::request::Request;

/// Machines remembered: a menu's entries depend on what its reader said of itself before, and a computer room is switched
/// on at once.
pub const MAX_CLIENTS: usize = 256;

/// A longer pause ends a boot. Firmware waits 4, 8, 16 and 32 seconds (PXE 2.1 §2.2.3), the last time for nothing.
const BOOT_PAUSE: Duration = Duration::from_secs(40);
/// DISCOVERs that follow sooner are one and the same: no firmware is that hasty, but bridges make copies.
const COPY: Duration = Duration::from_millis(1500);
/// So many boots in a row must end with a lease and no file before the next begins with another form: one alone may
/// have been switched off.
const FAILED_BOOTS: u8 = 2;
/// Three loads of one file within this are a loop.
const LOOP: Duration = Duration::from_secs(60);
/// A loop is over when the machine was quiet for so long,
const QUIET: Duration = Duration::from_secs(60);
/// or after this, for firmware that never is.
const LONGEST_SILENCE: Duration = Duration::from_secs(300);
/// For so long an iPXE without HTTP is taken for the one that it was just sent.
const UPGRADE: Duration = Duration::from_secs(60);

/// What happened before a request, as far as its answer depends on that. The default: nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Past {
    /// The form that the next offer should have.
    pub form: OfferForm,
    /// Only the first form can be served, for want of port 4011 or of TFTP.
    pub fixed: bool,
    /// It is iPXE loaded for want of HTTP in another one.
    pub upgraded: bool,
    /// Hashes of the files that it loads again and again: firmware and iPXE.
    pub looping: [Option<u32>; 2],
}

impl Past {
    /// That of a client that has loaded this file again and again.
    pub fn loop_of(client: &Client, file: &str) -> Past {
        let mut past = Past::default();
        if let Some(looping) = past.looping.get_mut(kind(client)) {
            *looping = Some(fingerprint(file.as_bytes()));
        }
        past
    }

    /// True when the client has loaded this file again and again.
    pub fn is_looping(&self, client: &Client, file: &str) -> bool {
        self.looping.get(kind(client)).is_some_and(|looping| *looping == Some(fingerprint(file.as_bytes())))
    }
}

/// Firmware and iPXE on the same machine have an offer each.
fn kind(client: &Client) -> usize {
    usize::from(client.is_ipxe())
}

/// The machines that asked to boot, or for a file.
#[derive(Debug, Default)]
pub struct Clients {
    /// Who was heard of last stands last; at most [`MAX_CLIENTS`].
    #[allow(clippy::vec_box, reason = "they change places with every packet")]
    seen: Vec<Box<Seen>>,
    /// When the first was heard of, from where the ticks of [`Progress`] count.
    since: Option<Instant>,
}

/// What became of a machine's request for a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fetch {
    /// It began; the file has so many bytes.
    Began(u64),
    /// The first of it has come for certain: nobody else asked in its name.
    Arrives,
    /// It was never meant to go on, or another takes its place.
    Withdrawn,
    /// It is over; so many bytes came in that time.
    Ended(u64, Duration, Option<&'static Trouble>),
    /// There was none.
    Refused(&'static Trouble),
}

/// What is remembered of a machine.
#[derive(Debug, Clone)]
pub struct Seen {
    /// Its hardware address.
    pub mac: Mac,
    /// Its address, by what it asked the DHCP server for or where it asked for a file from; unspecified before.
    pub address: Ipv4Addr,
    /// When it was heard of.
    pub last: Instant,
    /// How far its boot has come.
    pub progress: Progress,
    /// What it said of itself when it asked to boot; `None` if it hasn't been heard to.
    pub machine: Option<Box<Machine>>,
    boot: PresentBoot,
    loads: [Loads; 2],
    /// The kind of its latest offer, while that offer's file hasn't come.
    awaited: Option<usize>,
    /// When it was sent a fuller iPXE, and whether it has loaded that.
    upgraded: Option<(Instant, bool)>,
}

/// Firmware's present boot.
#[derive(Debug, Clone, Default)]
struct PresentBoot {
    /// The form that the boot began with: what worked last, or what is tried next.
    form: OfferForm,
    /// DISCOVERs of this boot.
    asked: u8,
    last_asked: Option<Instant>,
    /// The form of the latest offer, if there was a choice.
    offered: Option<OfferForm>,
    /// It asked for a lease,
    leased: bool,
    /// and then for a file.
    went_on: bool,
    /// Boots before this one that ended with a lease.
    failed: u8,
}

/// How often the file of an offer was loaded.
#[derive(Debug, Clone, Default)]
struct Loads {
    file: u32,
    /// The last two times.
    times: [Option<Instant>; 2],
    looping_since: Option<Instant>,
    last_asked: Option<Instant>,
}

impl Seen {
    fn new(now: Instant, mac: Mac) -> Seen {
        Seen {
            mac,
            address: Ipv4Addr::UNSPECIFIED,
            last: now,
            progress: Progress::default(),
            machine: None,
            boot: PresentBoot::default(),
            loads: [Loads::default(), Loads::default()],
            awaited: None,
            upgraded: None,
        }
    }

    /// It loads the file of its latest offer.
    fn loaded(&mut self, now: Instant) {
        // Firmware may load one file several times; the first time counts.
        let Some(kind) = self.awaited.take() else { return };
        if let Some(loads) = self.loads.get_mut(kind) {
            loads.loaded(now);
        }
        if let Some((_, loaded)) = &mut self.upgraded {
            *loaded = true;
        }
    }
}

impl PresentBoot {
    /// The boot that a DISCOVER at `now` belongs to, that one counted.
    fn with_discover(&self, now: Instant) -> PresentBoot {
        let mut boot = self.clone();
        let pause = self.last_asked.map(|last| now.saturating_duration_since(last));
        if self.leased || self.went_on || pause.is_none_or(|pause| pause > BOOT_PAUSE) {
            boot.failed = match (self.leased, self.went_on, self.offered) {
                (true, false, Some(_)) => self.failed.saturating_add(1),
                (_, true, _) => 0,
                _ => self.failed,
            };
            if boot.failed >= FAILED_BOOTS {
                (boot.form, boot.failed) = (boot.form.next(), 0);
            }
            (boot.asked, boot.leased, boot.went_on, boot.offered) = (1, false, false, None);
            boot.last_asked = Some(now);
        } else if pause.is_some_and(|pause| pause >= COPY) {
            boot.asked = boot.asked % 4 + 1;
            boot.last_asked = Some(now);
        }
        boot
    }

    /// The form for the latest DISCOVER. The first two of a boot get the same: the DHCP server may just be slow, and the
    /// firmware may be collecting offers. Who asks a third time had at least twelve seconds to go on.
    fn next_form(&self) -> OfferForm {
        match self.asked {
            0..=2 => self.form,
            3 => self.form.next(),
            _ => self.form.next().next(),
        }
    }

    /// The client went on; `form` is the one that it took.
    fn go_on(&mut self, form: OfferForm) {
        if !self.went_on && self.offered.is_some() {
            (self.form, self.went_on) = (form, true);
        }
    }
}

impl Loads {
    fn is_looping(&self, now: Instant) -> bool {
        let is_within = |time: Option<Instant>, limit| time.is_some_and(|it| now.saturating_duration_since(it) < limit);
        is_within(self.looping_since, LONGEST_SILENCE) && is_within(self.last_asked, QUIET)
    }

    fn asked(&mut self, now: Instant, file: u32) {
        if self.file != file || self.looping_since.is_some() && !self.is_looping(now) {
            *self = Loads { file, ..Loads::default() };
        }
        self.last_asked = Some(now);
    }

    fn loaded(&mut self, now: Instant) {
        let [before, last] = self.times;
        if before.is_some_and(|before| now.saturating_duration_since(before) < LOOP) {
            self.looping_since = self.looping_since.or(Some(now));
        }
        self.times = [last, Some(now)];
    }
}

impl Clients {
    /// Who is remembered, the one heard of last first.
    pub fn iter(&self) -> impl Iterator<Item = &Seen> {
        self.seen.iter().rev().map(|seen| &**seen)
    }

    fn find(&mut self, mac: Mac) -> Option<&mut Seen> {
        self.seen.iter_mut().find(|seen| seen.mac == mac).map(|seen| &mut **seen)
    }

    /// What there is to know before `request` is answered.
    pub fn past(&self, now: Instant, request: &Request<'_>) -> Past {
        let Some(seen) = self.seen.iter().find(|seen| seen.mac == request.chaddr) else { return Past::default() };
        Past {
            form: seen.boot.with_discover(now).next_form(),
            fixed: false,
            upgraded: matches!(seen.upgraded, Some((at, true)) if now.saturating_duration_since(at) < UPGRADE),
            looping: seen.loads.each_ref().map(|loads| loads.is_looping(now).then_some(loads.file)),
        }
    }

    /// Ticks until `now`.
    pub fn tick(&self, now: Instant) -> u32 {
        let since = self.since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since));
        let whole = since.as_secs().saturating_mul(TICKS.into());
        u32::try_from(whole.saturating_add((since.subsec_millis() / (1000 / TICKS)).into())).unwrap_or(u32::MAX)
    }

    /// Remembers for [`Seen::progress`] what a machine that asked to boot on `device` was told.
    pub fn tell(&mut self, now: Instant, door: Door, device: &str, request: &Request<'_>, decision: &Decision) {
        let Some(client) = decision.client() else { return };
        let tick = self.tick(now);
        if let Some(seen) = self.touch(now, request.chaddr) {
            seen.machine = Some(Box::new(decision.machine.clone()));
            seen.progress.heard_on(device);
            seen.progress.answered(tick, door, client, decision.outcome.as_ref().map(|offer| offer.file.as_str()));
        }
    }

    /// The machine `mac` on `device` asks for a file from `address`.
    pub fn met(&mut self, now: Instant, mac: Mac, device: &str, address: Ipv4Addr) {
        if let Some(seen) = self.touch(now, mac) {
            seen.progress.heard_on(device);
        }
        self.set_address(mac, address);
    }

    /// Remembers what became of a transfer to `address`.
    pub fn transferred(&mut self, now: Instant, address: Ipv4Addr, file: &str, transfer: Fetch) {
        let tick = self.tick(now);
        let Some(seen) = self.touch_at(now, address) else { return };
        if matches!(transfer, Fetch::Began(_) | Fetch::Refused(_)) {
            // Without a word on port 4011: it took the file that stands in the offer.
            seen.boot.go_on(seen.boot.form);
        }
        match transfer {
            Fetch::Began(size) => seen.progress.began(tick, file, size),
            Fetch::Arrives => seen.loaded(now),
            Fetch::Withdrawn => seen.progress.withdrew(file),
            Fetch::Ended(bytes, time, trouble) => seen.progress.ended(tick, file, bytes, time, trouble),
            Fetch::Refused(trouble) => seen.progress.refused(tick, file, trouble),
        }
    }

    /// Forgets how machines took what they were offered: the configuration may have been changed for them. What they did
    /// stays.
    pub fn forgive(&mut self) {
        for seen in &mut self.seen {
            let (address, progress) = (seen.address, std::mem::take(&mut seen.progress));
            let machine = seen.machine.take();
            **seen = Seen { address, progress, machine, ..Seen::new(seen.last, seen.mac) };
        }
    }

    /// Remembers a request and what was decided for it.
    pub fn note(&mut self, now: Instant, door: Door, request: &Request<'_>, decision: &Decision) {
        match (&decision.outcome, request.message_type, door) {
            (Ok(offer), ..) => self.offered(now, door, request, offer),
            // Whoever was offered something goes on with the DHCP server.
            (Err(_), MessageType::Request, Door::Proxy) => self.leased(now, request),
            (Err(_), MessageType::Discover, Door::Proxy) => {
                let Some(client) = decision.client() else { return };
                if let Some(loads) = self.find(request.chaddr).and_then(|seen| seen.loads.get_mut(kind(client))) {
                    loads.last_asked = Some(now);
                }
            }
            _ => {}
        }
    }

    fn offered(&mut self, now: Instant, door: Door, request: &Request<'_>, offer: &Offer) {
        let kind = kind(&offer.client);
        let Some(seen) = self.touch(now, request.chaddr) else { return };
        match door {
            Door::BootServer => {
                let chosen = matches!(offer.shape, Shape::Chosen(_));
                let taken = match seen.boot.offered {
                    Some(OfferForm::Menu) if chosen => OfferForm::Menu,
                    Some(OfferForm::AskAgain | OfferForm::Menu) => OfferForm::AskAgain,
                    // Who was sent a file and asks all the same takes the file's offer.
                    _ => OfferForm::Direct,
                };
                seen.boot.go_on(taken);
            }
            Door::Proxy if offer.client.program == Program::Pxe => {
                seen.boot = seen.boot.with_discover(now);
                seen.boot.offered = offer.form;
            }
            Door::Proxy => {}
        }
        if let Some(loads) = seen.loads.get_mut(kind) {
            loads.asked(now, fingerprint(offer.file.as_bytes()));
        }
        seen.awaited = Some(kind);
        if offer.upgrade {
            seen.upgraded = Some((now, false));
        } else if offer.client.is_ipxe() {
            seen.upgraded = None;
        }
        self.set_address(request.chaddr, request.ciaddr);
    }

    fn leased(&mut self, now: Instant, request: &Request<'_>) {
        if self.find(request.chaddr).is_none() {
            return;
        }
        let Some(seen) = self.touch(now, request.chaddr) else { return };
        seen.boot.leased = true;
        let wanted = request.option(OptionCode::RequestedIpAddress);
        let wanted = wanted.and_then(|value| <[u8; 4]>::try_from(&*value).ok()).map(Ipv4Addr::from);
        self.set_address(request.chaddr, wanted.unwrap_or(request.ciaddr));
    }

    /// A lease may have been somebody else's before.
    fn set_address(&mut self, mac: Mac, address: Ipv4Addr) {
        if address.is_unspecified() {
            return;
        }
        for seen in &mut self.seen {
            if seen.mac == mac {
                seen.address = address;
            } else if seen.address == address {
                seen.address = Ipv4Addr::UNSPECIFIED;
            }
        }
    }

    /// The entry of who has this address, which is the newest then, if there is one.
    fn touch_at(&mut self, now: Instant, address: Ipv4Addr) -> Option<&mut Seen> {
        let mac = self.seen.iter().find(|seen| seen.address == address)?.mac;
        self.touch(now, mac)
    }

    /// The machine's entry, which is the newest then; `None` never comes.
    fn touch(&mut self, now: Instant, mac: Mac) -> Option<&mut Seen> {
        self.since.get_or_insert(now);
        let known = self.seen.iter().position(|seen| seen.mac == mac);
        let mut entry = match known {
            Some(at) => self.seen.remove(at),
            None => {
                if self.seen.len() == MAX_CLIENTS {
                    self.seen.remove(0);
                }
                Box::new(Seen::new(now, mac))
            }
        };
        entry.last = now;
        self.seen.push(entry);
        self.seen.last_mut().map(|seen| &mut **seen)
    }
}

#[cfg(test)]
mod tests;
