//! The TFTP server's protocol, without sockets, files or clock: datagrams and the time in, what to send out.
//!
//! A request's way: [`Table::judge`] says what becomes of it; whoever has opened the file and a socket then
//! [`Table::start`]s the transfer, and hands every packet for it to [`Session::on_packet`], every deadline that
//! [`Table::take_due`] names to [`Session::on_deadline`].

pub mod negotiate;
pub mod netascii;
pub mod path;
pub mod session;
mod timer;

use std::fmt;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::{Duration, Instant};

use crate::config::TftpLimits;
use crate::wire::frame::Mac;
use crate::wire::tftp::{ErrorCode, Packet, TftpError, TftpOptions};
use crate::wire::{SERVER_PORTS, fingerprint};
use negotiate::negotiate;
use netascii::NetasciiText;
use path::{PathError, SafePath};
use session::{Action, Content, Session};

/// An answer to the first packet is overdue after this: who is there answers within milliseconds, but a room full of
/// machines that are switched on together may keep a slow router busy before it gets to their answers.
const GRACE: Duration = Duration::from_millis(250);

/// The transfers in progress. Each carries an `R`, which the table doesn't look at: what its owner needs to carry it
/// out.
#[derive(Debug)]
pub struct Table<R> {
    slots: Vec<Option<Transfer<R>>>,
    limit: u16,
    limits: TftpLimits,
    generation: u32,
    /// No deadline comes before this. May be early, since deadlines are put off with every packet: looking for the
    /// exact one each time would cost more than a needless wake-up now and then.
    earliest: Option<Instant>,
}

/// A transfer's entry in the table.
#[derive(Debug)]
pub struct Transfer<R> {
    /// The transfer's name.
    pub id: TransferId,
    /// The client's address and TID.
    pub peer: SocketAddrV4,
    /// The protocol's state.
    pub session: Session,
    /// What the owner needs.
    pub resource: R,
    owner: Owner,
    /// Tells one request from another.
    fingerprint: u32,
}

/// Whose a transfer is. A machine may have many addresses; without a station, nobody has shown to be at the address.
#[derive(Debug, Clone, Copy)]
struct Owner {
    station: Option<Mac>,
    host: Ipv4Addr,
}

impl Owner {
    fn is(self, other: Owner) -> bool {
        self.host == other.host || self.station.is_some() && self.station == other.station
    }
}

impl Order<'_> {
    /// The machine that asks, as far as the system knows.
    pub fn station(&self) -> Option<Mac> {
        self.owner.station
    }
}

impl<R> Transfer<R> {
    /// The machine that asked, as far as the system knew.
    pub fn station(&self) -> Option<Mac> {
        self.owner.station
    }
}

/// Names a transfer, also after it has ended: no later one in its place bears the same name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TransferId {
    slot: u16,
    generation: u32,
}

impl TransferId {
    /// As a number below 2⁴⁸.
    pub fn to_u64(self) -> u64 {
        u64::from(self.generation) << 16 | u64::from(self.slot)
    }

    /// From what [`to_u64`](Self::to_u64) made; higher bits are overlooked.
    pub fn from_u64(number: u64) -> Self {
        Self { slot: number as u16, generation: (number >> 16) as u32 }
    }
}

/// What becomes of a datagram that came to the server's port.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "one lives on the stack, while one request is served")]
pub enum Verdict<'a> {
    /// Open the file and [`start`](Table::start).
    Serve(Order<'a>),
    /// The request of a transfer in progress, once more. Let it send what [`Session::on_request_again`] says.
    Again(TransferId),
    /// Tell the client no.
    Refuse(Refusal<'a>),
    /// No answer.
    Ignore(Ignored),
}

/// A request that can be served.
#[derive(Debug)]
pub struct Order<'a> {
    /// Which file.
    pub path: SafePath,
    /// How.
    pub mode: Mode,
    peer: SocketAddrV4,
    owner: Owner,
    options: TftpOptions<'a>,
    fingerprint: u32,
    /// The client's earlier transfer from the same port, which it has given up by asking for something else. To be
    /// ended with [`Table::remove`] whatever comes of this one.
    pub supersedes: Option<TransferId>,
    /// A transfer that is hardly used, in whose place this one is to start: to be ended with [`Table::remove`] then.
    pub displaces: Option<TransferId>,
}

/// The form in which a file is sent (RFC 1350 §1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// As it is.
    Octet,
    /// As text.
    Netascii,
}

/// An ERROR that answers a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal<'a> {
    /// The file asked for; empty when the request has no legible name.
    pub filename: &'a [u8],
    /// Why.
    pub why: BadRequest,
}

/// Why a request is answered with an ERROR.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadRequest {
    /// A WRQ: nothing is ever written.
    Write,
    /// Name or mode have no end.
    Unterminated,
    /// Neither octet nor netascii.
    Mode,
    /// No name that could lead to a file beneath the root.
    Name(PathError),
}

impl BadRequest {
    /// The ERROR's number and message.
    pub fn error(self) -> (ErrorCode, &'static str) {
        match self {
            Self::Write => (ErrorCode::ACCESS_VIOLATION, "read-only server"),
            Self::Unterminated => (ErrorCode::ILLEGAL_OPERATION, "malformed request"),
            Self::Mode => (ErrorCode::ILLEGAL_OPERATION, "unknown mode"),
            Self::Name(PathError::Empty) => (ErrorCode::FILE_NOT_FOUND, "not a file"),
            Self::Name(PathError::TooLong) => (ErrorCode::FILE_NOT_FOUND, "name too long"),
            Self::Name(PathError::Upwards | PathError::ControlByte) => {
                (ErrorCode::ACCESS_VIOLATION, "name not allowed")
            }
        }
    }
}

/// Something that transfers hold and that there isn't enough of for all who want it.
pub struct Scarce<'a, R> {
    /// How much there is of it.
    pub all: usize,
    /// How much one machine may have.
    pub each: usize,
    /// How much one more transfer wants.
    pub wanted: usize,
    /// How much one has.
    pub held: &'a dyn Fn(&R) -> usize,
    /// For how long one may keep it from others.
    pub longest: Duration,
}

/// Why a datagram is not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ignored {
    /// No TFTP packet.
    Malformed,
    /// A packet that belongs to a transfer; answers to strays are what loops between servers are made of.
    Stray,
    /// Claims to come from a server's port.
    ServerPort,
    /// A late copy of the request of a transfer that gets on.
    Repeated,
    /// As many transfers as are allowed are in progress. The client asks again by itself; an ERROR would end its boot.
    Full,
    /// The client's machine has its share of them.
    HostFull,
}

impl fmt::Display for Ignored {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Malformed => "no TFTP packet",
            Self::Stray => "belongs to no transfer",
            Self::ServerPort => "comes from a server's port",
            Self::Repeated => "request repeated, is being served",
            Self::Full => "too many transfers",
            Self::HostFull => "too many transfers of this machine",
        })
    }
}

impl<R> Table<R> {
    /// A table for at most `limit` transfers at once; there is room for one at least.
    pub fn new(limit: u16) -> Self {
        Self { slots: Vec::new(), limit: limit.max(1), limits: TftpLimits::default(), generation: 0, earliest: None }
    }

    /// Changes the limits; transfers in progress go on.
    pub fn set_limits(&mut self, limit: u16, limits: TftpLimits) {
        (self.limit, self.limits) = (limit.max(1), limits);
    }

    /// Decides about a datagram that came from `peer`, who is `station` as far as the system knows, to the server's
    /// port. `root` is the absolute path of the folder that is served.
    pub fn judge<'a>(
        &self,
        now: Instant,
        peer: SocketAddrV4,
        station: Option<Mac>,
        datagram: &'a [u8],
        root: &[u8],
    ) -> Verdict<'a> {
        if SERVER_PORTS.contains(&peer.port()) {
            return Verdict::Ignore(Ignored::ServerPort);
        }
        let request = match Packet::read(datagram) {
            Ok(Packet::ReadRequest(request)) => request,
            Ok(Packet::WriteRequest) => return refuse(b"", BadRequest::Write),
            Ok(Packet::Data { .. } | Packet::Ack { .. } | Packet::Error { .. } | Packet::OptionAck(_)) => {
                return Verdict::Ignore(Ignored::Stray);
            }
            Err(TftpError::Unterminated) => return refuse(b"", BadRequest::Unterminated),
            Err(TftpError::Short | TftpError::UnknownOpcode(_)) => return Verdict::Ignore(Ignored::Malformed),
        };
        let mode = if request.mode.eq_ignore_ascii_case(b"octet") {
            Mode::Octet
        } else if request.mode.eq_ignore_ascii_case(b"netascii") {
            Mode::Netascii
        } else {
            return refuse(request.filename, BadRequest::Mode);
        };
        let path = match SafePath::new(request.filename, root) {
            Ok(path) => path,
            Err(error) => return refuse(request.filename, BadRequest::Name(error)),
        };
        // Two requests that happen to agree in it cost the client a repetition.
        let fingerprint = fingerprint(datagram);
        let owner = Owner { station, host: *peer.ip() };
        let (mut supersedes, mut displaces) = (None, None);
        if let Some(earlier) = self.find(peer) {
            let is_same = earlier.fingerprint == fingerprint;
            // Who has agreed to the options and asks for them once more must not get the first block in their place.
            if is_same && !earlier.session.is_answered() {
                return Verdict::Again(earlier.id);
            }
            if is_same && !earlier.session.is_stalled(now) {
                return Verdict::Ignore(Ignored::Repeated);
            }
            // The same request of a transfer that has come to a halt: the client was reset, and begins anew.
            supersedes = Some(earlier.id);
        } else {
            let all = usize::from(self.limit);
            let each = usize::from(self.limit_per_machine());
            match self.room(now, owner, &Scarce { all, each, wanted: 1, held: &|_| 1, longest: Duration::MAX }) {
                Ok(displaced) => displaces = displaced,
                Err(why) => return Verdict::Ignore(why),
            }
        }
        Verdict::Serve(Order { path, mode, peer, owner, options: request.options, fingerprint, supersedes, displaces })
    }

    /// Begins the transfer of a file of `size` bytes; `mtu` is that of the way to the client. Returns its name and its
    /// first packet. `None` if there is no place for it, which [`judge`](Self::judge) has made sure of.
    pub fn start(
        &mut self,
        now: Instant,
        order: &Order<'_>,
        size: u64,
        mtu: u32,
        resource: R,
    ) -> Option<(TransferId, Action)> {
        let slot = match self.slots.iter().position(Option::is_none) {
            Some(free) => free,
            None if self.slots.len() < usize::from(self.limit) => {
                self.slots.push(None);
                self.slots.len() - 1
            }
            None => return None,
        };
        let (told, content) = match order.mode {
            Mode::Octet => (Some(size), Content::Octet(size)),
            Mode::Netascii => (None, Content::Netascii(NetasciiText::new(size))),
        };
        let terms = negotiate(order.options, told, mtu, self.most_in_flight());
        let (session, action) = Session::start(now, terms, content, self.limits.retries);
        self.generation = self.generation.wrapping_add(1);
        let id = TransferId { slot: u16::try_from(slot).ok()?, generation: self.generation };
        self.expect(session.deadline());
        let (peer, owner, fingerprint) = (order.peer, order.owner, order.fingerprint);
        let transfer = Transfer { id, peer, session, resource, owner, fingerprint };
        *self.slots.get_mut(slot)? = Some(transfer);
        Some((id, action))
    }

    /// The transfer of this name, if it is in progress. After its session has taken a packet, tell
    /// [`expect`](Self::expect) of its deadline.
    pub fn transfer(&mut self, id: TransferId) -> Option<&mut Transfer<R>> {
        self.slots.get_mut(usize::from(id.slot))?.as_mut().filter(|transfer| transfer.id == id)
    }

    /// Ends a transfer.
    pub fn remove(&mut self, id: TransferId) -> Option<Transfer<R>> {
        let slot = self.slots.get_mut(usize::from(id.slot))?;
        let transfer = slot.take_if(|transfer| transfer.id == id);
        if self.is_empty() {
            self.earliest = None;
        }
        transfer
    }

    /// Takes note of a deadline.
    pub fn expect(&mut self, deadline: Instant) {
        self.earliest = Some(self.earliest.map_or(deadline, |earliest| earliest.min(deadline)));
    }

    /// When to call [`take_due`](Self::take_due); `None` while there are no transfers.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.earliest
    }

    /// A transfer whose deadline has come, `None` when there are no more; call it until then. The caller sees to it
    /// that the transfer's deadline is put off or the transfer removed.
    pub fn take_due(&mut self, now: Instant) -> Option<TransferId> {
        if self.earliest.is_none_or(|earliest| now < earliest) {
            return None;
        }
        let due = self.transfers().find(|transfer| transfer.session.deadline() <= now).map(|transfer| transfer.id);
        if due.is_none() {
            self.earliest = self.transfers().map(|transfer| transfer.session.deadline()).min();
        }
        due
    }

    /// The transfer of the client with this address and port, if one is in progress.
    pub fn find(&self, peer: SocketAddrV4) -> Option<&Transfer<R>> {
        self.transfers().find(|transfer| transfer.peer == peer)
    }

    /// The number of transfers in progress.
    pub fn len(&self) -> usize {
        self.transfers().count()
    }

    /// True when no transfer is in progress.
    pub fn is_empty(&self) -> bool {
        self.transfers().next().is_none()
    }

    /// The transfers in progress.
    pub fn transfers(&self) -> impl Iterator<Item = &Transfer<R>> {
        self.slots.iter().flatten()
    }

    /// Who makes room for `order` where something is scarce: nobody if there is enough of it, else the transfer that is to
    /// be ended first; to be asked again then.
    ///
    /// # Errors
    /// Nobody: `HostFull` if its own machine has as much as one may have, `Full` if others have it all.
    pub fn makes_room(
        &self,
        now: Instant,
        order: &Order<'_>,
        scarce: &Scarce<'_, R>,
    ) -> Result<Option<TransferId>, Ignored> {
        self.room(now, order.owner, scarce)
    }

    fn room(&self, now: Instant, owner: Owner, scarce: &Scarce<'_, R>) -> Result<Option<TransferId>, Ignored> {
        let (of_owner, of_all) = (self.held(scarce, Some(owner)), self.held(scarce, None));
        let (displaced, otherwise) = if of_owner.saturating_add(scarce.wanted) > scarce.each {
            (self.unanswered(now, scarce, Some(owner)), Ignored::HostFull)
        } else if of_all.saturating_add(scarce.wanted) > scarce.all {
            (self.unanswered(now, scarce, None).or_else(|| self.spare(scarce, of_owner)), Ignored::Full)
        } else {
            return Ok(None);
        };
        displaced.map(Some).ok_or(otherwise)
    }

    /// The transfer, of `owner` or of anybody, whose client is the least likely to answer: those that nobody is known to
    /// be there for first, for their requests may be forged, then the oldest whose answer is overdue.
    fn unanswered(&self, now: Instant, scarce: &Scarce<'_, R>, owner: Option<Owner>) -> Option<TransferId> {
        let mut first: Option<&Transfer<R>> = None;
        let order = |transfer: &Transfer<R>| (transfer.owner.station.is_some(), transfer.session.heard_at());
        for transfer in self.holders(scarce, owner) {
            let is_late = now.saturating_duration_since(transfer.session.heard_at()) >= GRACE;
            if !transfer.session.is_answered()
                && (is_late || transfer.owner.station.is_none())
                && first.is_none_or(|first| order(transfer) < order(first))
            {
                first = Some(transfer);
            }
        }
        first.map(|transfer| transfer.id)
    }

    /// The transfer that was heard from least recently among those that take too long, and those of machines that have more
    /// than the one that has `of_owner` will: a few that answer now and then must not keep all others out.
    fn spare(&self, scarce: &Scarce<'_, R>, of_owner: usize) -> Option<TransferId> {
        let fair = of_owner.saturating_add(scarce.wanted);
        let mut spare: Option<&Transfer<R>> = None;
        for transfer in self.holders(scarce, None) {
            let is_longer_silent = spare.is_none_or(|spare| transfer.session.heard_at() < spare.session.heard_at());
            if is_longer_silent
                && (transfer.session.duration() > scarce.longest || self.held(scarce, Some(transfer.owner)) > fair)
            {
                spare = Some(transfer);
            }
        }
        spare.map(|transfer| transfer.id)
    }

    /// The transfers, of `owner` or of anybody, that hold some of it.
    fn holders<'a>(&'a self, scarce: &'a Scarce<'_, R>, owner: Option<Owner>) -> impl Iterator<Item = &'a Transfer<R>> {
        self.transfers().filter(move |transfer| {
            owner.is_none_or(|owner| transfer.owner.is(owner)) && (scarce.held)(&transfer.resource) > 0
        })
    }

    /// How much of it they hold.
    fn held(&self, scarce: &Scarce<'_, R>, owner: Option<Owner>) -> usize {
        self.holders(scarce, owner).map(|transfer| (scarce.held)(&transfer.resource)).sum()
    }

    /// No machine gets more than half of the places, so that none can shut the others out.
    fn limit_per_machine(&self) -> u16 {
        self.limit.div_ceil(2).min(self.limits.client_transfers.max(1))
    }

    /// Bytes that one more transfer may send before they are acknowledged.
    fn most_in_flight(&self) -> u32 {
        let taken = self
            .transfers()
            .map(|transfer| u32::from(transfer.session.windowsize()).saturating_mul(transfer.session.blksize().into()));
        self.limits.in_flight.saturating_sub(taken.fold(0, u32::saturating_add))
    }
}

fn refuse(filename: &[u8], why: BadRequest) -> Verdict<'_> {
    Verdict::Refuse(Refusal { filename, why })
}

#[cfg(test)]
mod tests;
