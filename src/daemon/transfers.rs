//! Carries out what the TFTP core decides: opens files and sockets, reads, sends, and says what became of it.

use std::io;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use log::debug;

use super::channel::Channel;
use super::files::{Asker, Files, Found};
use super::frames::{Frames, Outgoing};
use super::limits::{Payer, Quota};
use super::machines::Machines;
use super::progress::{self, News};
use super::transfer_log::{Ended, TransferLog};
use crate::config::{self, Rules};
use crate::proxy::progress::Amount;
use crate::sys::epoll::Epoll;
use crate::sys::transfer_socket::TransferSocket;
use crate::sys::tree::{self, ServedFile};
use crate::sys::udp::{Received, UdpListener};
use crate::tftp::session::{Action, Blocks, Content, End, Session};
use crate::tftp::{Ignored, Order, Scarce, Table, Transfer, TransferId, Verdict};
use crate::wire::frame::Mac;
use crate::wire::tftp::{DATA_HEADER, ErrorCode, error, is_request};

/// Marks the tokens of transfers among all that the poll loop hands out.
const TOKEN: u64 = 1 << 63;
/// Devices remembered for not taking segmented sends; a router has few.
const MAX_DEVICES: usize = 16;
/// Refusals that one machine is told at once: boot loaders look for their configuration under a dozen names each, and some
/// for modules besides. As many texts are made for it.
const AT_ONCE: u32 = 64;
/// Bytes of texts that are made for transfers in progress, in all: menus of usual length for a hundred machines. One machine
/// has half of them at most.
const MAX_MEMORY: usize = 256 * 1024;
/// Who needs longer for the longest text ([`MAX_TEXT`](crate::menu::MAX_TEXT)), block by block, gives it up when others
/// want one.
const TEXT_TIME: Duration = Duration::from_secs(10);
/// The longest packet that a client sends to its transfer's port: a request, when there is only one port (RFC 2347).
const INBOX: usize = 512;

/// The TFTP transfers in progress.
#[derive(Debug)]
pub struct Transfers {
    table: Table<Channel>,
    files: Files,
    frames: Frames,
    /// Devices, by ifindex, that refuse segmented sends.
    unsegmented: heapless::Deque<u32, MAX_DEVICES>,
    /// New transfers use the port that was asked.
    single_port: bool,
    /// Refusals that are told.
    refusals: Quota,
    /// Texts that are made.
    texts: Quota,
    /// Transfers that begin for hosts behind a relay.
    far: Quota,
    /// Machines may be on other networks, where their stations aren't known.
    relay: bool,
    log: TransferLog,
    news: Vec<News>,
    /// What came last. Kept, since nobody needs so much cleared for each ACK.
    inbox: [u8; INBOX],
}

/// Where requests come from, and where their transfers are waited for.
#[derive(Clone, Copy)]
pub struct Entrance<'a> {
    /// The server's port.
    pub listener: &'a UdpListener,
    /// Where the sockets of new transfers are added.
    pub epoll: &'a Epoll,
    /// Who may ask.
    pub machines: &'a Machines<'a>,
}

impl Transfers {
    /// A transfer holds its socket and its file.
    pub const DESCRIPTORS_EACH: u64 = 2;

    /// No transfers yet; files are looked up as `config` says.
    pub fn new(config: &config::Tftp, rules: &Rules) -> Self {
        let mut table = Table::new(config.max_transfers);
        table.set_limits(config.max_transfers, config.limits);
        Self {
            table,
            files: Files::new(config, rules),
            frames: Frames::new(),
            unsegmented: heapless::Deque::new(),
            single_port: config.single_port,
            refusals: Quota::new(config.limits.errors, AT_ONCE),
            texts: Quota::new(config.limits.errors, AT_ONCE),
            far: Quota::new(config.limits.errors, AT_ONCE),
            relay: rules.relay,
            log: TransferLog::default(),
            news: Vec::new(),
            inbox: [0; INBOX],
        }
    }

    /// What happened since the last call: nothing for most packets, one thing for a request that is refused, and three
    /// for a transfer.
    pub fn take_news(&mut self) -> Vec<News> {
        std::mem::take(&mut self.news)
    }

    /// The transfers in progress: to whom, which file, and how much of it has come.
    pub fn under_way(&self) -> impl Iterator<Item = (Ipv4Addr, &[u8], Amount)> {
        self.table.transfers().map(|transfer| {
            let Transfer { peer, session, resource: channel, .. } = transfer;
            let amount = Amount::new(channel.file.size(), channel.came(session), session.duration());
            (*peer.ip(), &*channel.name, amount)
        })
    }

    /// From now on does as `config` says; transfers in progress go on as they began.
    pub fn reconfigure(&mut self, config: &config::Tftp, rules: &Rules) {
        self.table.set_limits(config.max_transfers, config.limits);
        self.refusals.change(config.limits.errors, AT_ONCE);
        self.texts.change(config.limits.errors, AT_ONCE);
        self.far.change(config.limits.errors, AT_ONCE);
        self.relay = rules.relay;
        self.files = Files::new(config, rules);
        self.single_port = config.single_port;
        self.log = TransferLog::default();
    }

    /// The files that are served.
    pub fn files(&self) -> &Files {
        &self.files
    }

    /// Transfers in progress.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// True when there are none.
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// True when `token` is to be handed to [`on_ready`](Self::on_ready).
    pub fn owns(token: u64) -> bool {
        token & TOKEN != 0
    }

    /// Takes a datagram that came to the server's port, from `station` as far as the system knows.
    pub fn on_request(
        &mut self,
        now: Instant,
        entrance: Entrance<'_>,
        datagram: &[u8],
        received: &Received,
        station: Option<Mac>,
    ) {
        let peer = received.peer;
        if received.destination != received.local {
            // RFC 1123 §4.2.3.5.
            return debug!("TFTP ignored a request from {peer}: it was sent to all");
        }
        // An ERROR or ACK sent before the request may still wait at the earlier transfer's socket.
        if let Some(earlier) = self.table.find(peer).map(|transfer| transfer.id) {
            self.on_packet(now, None, earlier);
        }
        self.consider(now, entrance, datagram, received, station);
    }

    fn consider(
        &mut self,
        now: Instant,
        entrance: Entrance<'_>,
        datagram: &[u8],
        received: &Received,
        station: Option<Mac>,
    ) {
        let peer = received.peer;
        match self.table.judge(now, peer, station, datagram, self.files.root()) {
            Verdict::Serve(order) => {
                if let Some(earlier) = order.supersedes {
                    self.end(now, earlier, End::Superseded);
                }
                self.serve(now, entrance, &order, received);
            }
            Verdict::Again(id) => {
                let Some(transfer) = self.table.transfer(id) else { return };
                let action = transfer.session.on_request_again(now);
                self.carry_out(now, id, action);
            }
            Verdict::Refuse(refusal) => {
                self.log.refused_request(now, *peer.ip(), &refusal);
                if let Some(trouble) = progress::refused_request(&refusal) {
                    let what = progress::Fetch::Refused(trouble);
                    self.news.push(News { host: *peer.ip(), name: refusal.filename.into(), what });
                }
                self.refuse(now, entrance.listener, received, station, refusal.why.error());
            }
            Verdict::Ignore(why) => self.log.ignored(now, peer, why),
        }
    }

    /// To be called when `token` is ready: takes one packet. What else waits makes the token ready again. Without an
    /// entrance no transfer begins.
    pub fn on_ready(&mut self, now: Instant, entrance: Option<Entrance<'_>>, token: u64) {
        self.on_packet(now, entrance, TransferId::from_u64(token & !TOKEN));
    }

    /// When to call [`on_deadline`](Self::on_deadline) at the latest; `None` while nothing is in progress.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.table.next_deadline()
    }

    /// Sends again what was not answered in time. To be called when [`next_deadline`](Self::next_deadline) has come;
    /// earlier does no harm.
    pub fn on_deadline(&mut self, now: Instant) {
        while let Some(id) = self.table.take_due(now) {
            let Some(transfer) = self.table.transfer(id) else { return };
            let action = transfer.session.on_deadline(now);
            self.carry_out(now, id, action);
        }
    }

    fn serve(&mut self, now: Instant, entrance: Entrance<'_>, order: &Order<'_>, received: &Received) {
        let host = *received.peer.ip();
        let found = match self.files.find(&order.path) {
            Ok(Found::File(file)) => Ok(file),
            Ok(Found::Made(source)) => {
                // The client asks again by itself; an ERROR would end its boot.
                if !self.may_make(now, host, order) {
                    return;
                }
                let machine = |mac| entrance.machines.find(host, received.ifindex, mac);
                self.files.make(source, &Asker { machine: &machine, router: received.local })
            }
            Err(why) => Err(why),
        };
        let file = match found {
            Ok(file) if !self.make_room(now, host, order, file.memory()) => return,
            Ok(file) => file,
            Err(why) => {
                self.log.refused_file(now, host, order, &why, &self.files);
                let what = progress::Fetch::Refused(progress::refused(&why));
                self.news.push(News { host, name: order.path.as_bytes().into(), what });
                return self.refuse(now, entrance.listener, received, order.station(), answer(&why));
            }
        };
        if !self.may_start(now, host, order) {
            return;
        }
        if let Some(idle) = order.displaces {
            self.end(now, idle, End::Superseded);
        }
        if let Err(error) = self.start(now, entrance, order, received, file) {
            self.log.cannot_send(now, host, order, &error);
        }
    }

    /// Whether a transfer may begin: on our own networks only machines that are there are sent anything, but nobody can see
    /// who is behind a relay, and one forged request makes room for the next.
    fn may_start(&mut self, now: Instant, host: Ipv4Addr, order: &Order<'_>) -> bool {
        if !self.relay || order.station().is_some() {
            return true;
        }
        admits(&mut self.far, &mut self.log, now, host, Payer::host(host))
    }

    /// Whether a text may be made for who asks: it takes longer than to send a file, and anybody may ask in anybody's name.
    fn may_make(&mut self, now: Instant, host: Ipv4Addr, order: &Order<'_>) -> bool {
        // Who forges addresses that nobody has doesn't get more by forging many. Behind a relay no station is known.
        let nobody = if self.relay { Payer::host(host) } else { Payer::NOBODY };
        let payer = order.station().map_or(nobody, Payer::station);
        if !admits(&mut self.texts, &mut self.log, now, host, payer) {
            return false;
        }
        // One that could not be kept need not be made.
        self.scarce_memory(now, order, 1).is_ok() || self.no_room(host)
    }

    /// Makes room for a text of so many bytes, if there can be; files need none.
    fn make_room(&mut self, now: Instant, host: Ipv4Addr, order: &Order<'_>, bytes: usize) -> bool {
        if bytes == 0 {
            return true;
        }
        loop {
            match self.scarce_memory(now, order, bytes) {
                Ok(Some(displaced)) => self.end(now, displaced, End::Superseded),
                Ok(None) => return true,
                Err(_) => return self.no_room(host),
            }
        }
    }

    /// Who makes room for so many bytes of a text, which end with the transfer that it is made for.
    fn scarce_memory(&self, now: Instant, order: &Order<'_>, wanted: usize) -> Result<Option<TransferId>, Ignored> {
        let held = |channel: &Channel| channel.file.memory();
        let (all, each) = (MAX_MEMORY, MAX_MEMORY / 2);
        self.table.makes_room(now, order, &Scarce { all, each, wanted, held: &held, longest: TEXT_TIME })
    }

    fn no_room(&self, host: Ipv4Addr) -> bool {
        debug!("TFTP makes no more texts while so many are being sent; {host} will ask again");
        false
    }

    fn start(
        &mut self,
        now: Instant,
        entrance: Entrance<'_>,
        order: &Order<'_>,
        received: &Received,
        file: ServedFile,
    ) -> io::Result<()> {
        let socket = match self.single_port {
            true => TransferSocket::connect_beside(entrance.listener, received.local, received.peer)?,
            false => TransferSocket::connect(received.local, received.peer)?,
        };
        let (size, mtu) = (file.size(), socket.mtu()?);
        let name = order.path.as_bytes().into();
        let (local, ifindex) = (received.local, received.ifindex);
        let channel = Channel { socket, file, name, local, ifindex, is_segmented: false };
        let Some((id, action)) = self.table.start(now, order, size, mtu, channel) else { return Ok(()) };
        let (host, name) = (*received.peer.ip(), order.path.as_bytes().into());
        self.news.push(News { host, name, what: progress::Fetch::Began(size) });
        if let Some(transfer) = self.table.transfer(id) {
            let is_refused = self.unsegmented.iter().any(|&known| known == received.ifindex);
            if transfer.session.windowsize() > 1 && !is_refused {
                let packet = DATA_HEADER as u16 + transfer.session.blksize();
                transfer.resource.is_segmented = transfer.resource.socket.segment(packet).is_ok();
            }
        }
        self.carry_out(now, id, action);
        // The answer comes no sooner than what it answers has left, and the client waits for that.
        let Some(transfer) = self.table.transfer(id) else { return Ok(()) };
        let added = entrance.epoll.add(&transfer.resource.socket, TOKEN | id.to_u64());
        if added.is_err() {
            self.end(now, id, End::ReadFailed);
        }
        added
    }

    fn on_packet(&mut self, now: Instant, entrance: Option<Entrance<'_>>, id: TransferId) {
        // The token of a transfer that has ended since the kernel reported it names nobody.
        let Some(transfer) = self.table.transfer(id) else { return };
        let station = transfer.station();
        let action = match transfer.resource.socket.receive(&mut self.inbox) {
            Ok(Some(len)) => {
                let packet = self.inbox.get(..len).unwrap_or_default();
                if let Some(entrance) = entrance.filter(|_| self.single_port && is_request(packet)) {
                    let Channel { local, ifindex, .. } = transfer.resource;
                    let received = Received { len, peer: transfer.peer, local, destination: local, ifindex };
                    let inbox = self.inbox;
                    return self.consider(now, entrance, inbox.get(..len).unwrap_or_default(), &received, station);
                }
                let has_some = transfer.session.acked() > 0;
                let action = transfer.session.on_packet(now, packet);
                if !has_some && transfer.session.acked() > 0 {
                    let (host, what) = (*transfer.peer.ip(), progress::Fetch::Arrives);
                    self.news.push(News { host, name: Box::default(), what });
                }
                action
            }
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                Action::End(transfer.session.on_unreachable())
            }
            // Other news of that kind may pass, such as no answer to ARP while the client's link comes up again.
            Ok(None) | Err(_) => return,
        };
        // The one port may hold the client's next request already, which must not be closed with the transfer.
        let ends_here = self.single_port && matches!(action, Action::End(_));
        let next = ends_here.then(|| transfer.resource.next_request(&mut self.inbox)).flatten();
        let Channel { local, ifindex, .. } = transfer.resource;
        let peer = transfer.peer;
        self.carry_out(now, id, action);
        if let (Some(len), Some(entrance)) = (next, entrance) {
            let received = Received { len, peer, local, destination: local, ifindex };
            let inbox = self.inbox;
            self.consider(now, entrance, inbox.get(..len).unwrap_or_default(), &received, station);
        }
    }

    fn carry_out(&mut self, now: Instant, id: TransferId, action: Action) {
        let outcome = match action {
            Action::Wait => Ok(()),
            Action::SendOptionAck => self.send_option_ack(id),
            Action::Send(blocks) => self.send_blocks(now, id, blocks),
            Action::End(end) => Err(end),
        };
        match (outcome, self.table.transfer(id)) {
            (Ok(()), Some(transfer)) => {
                let deadline = transfer.session.deadline();
                self.table.expect(deadline);
            }
            (Err(end), _) => self.end(now, id, end),
            (Ok(()), None) => {}
        }
    }

    fn send_option_ack(&mut self, id: TransferId) -> Result<(), End> {
        let Some(Transfer { session, resource: channel, .. }) = self.table.transfer(id) else { return Ok(()) };
        let packet = session.answer().write();
        let result = channel.send(&packet, packet.len());
        is_lost_at_most(session, result)
    }

    fn send_blocks(&mut self, now: Instant, id: TransferId, mut blocks: Blocks) -> Result<(), End> {
        let Some(Transfer { session, resource: channel, .. }) = self.table.transfer(id) else { return Ok(()) };
        let was_segmented = channel.is_segmented;
        while blocks.count > 0 {
            let source = Outgoing { id, file: &channel.file, blksize: session.blksize() };
            let stride = source.stride();
            let (packets, count) = match session.content() {
                Content::Octet(_) => self.frames.octet(now, source, blocks).map_err(read_failure)?,
                Content::Netascii(text) => {
                    let (packet, is_last) = self.frames.netascii(source, blocks.first, text).map_err(read_failure)?;
                    if is_last {
                        session.ends_with(blocks.first);
                    }
                    (packet, 1)
                }
            };
            let result = channel.send(packets, stride);
            is_lost_at_most(session, result)?;
            blocks.first += u64::from(count);
            blocks.count = blocks.count.saturating_sub(count.max(1));
        }
        if was_segmented && !channel.is_segmented {
            debug!("TFTP device {} takes no segmented sends: packets leave one by one", channel.ifindex);
            if self.unsegmented.is_full() {
                self.unsegmented.pop_front();
            }
            let _ = self.unsegmented.push_back(channel.ifindex);
        }
        Ok(())
    }

    fn end(&mut self, now: Instant, id: TransferId, end: End) {
        let Some(transfer) = self.table.remove(id) else { return };
        if let Some(message) = end.tells_client() {
            let packet = error(ErrorCode::NOT_DEFINED, message);
            // The client is gone or it isn't: there is nothing to be done about a failure.
            let _ = transfer.resource.socket.send(&packet);
        }
        let Transfer { session, resource: channel, .. } = transfer;
        let host = *transfer.peer.ip();
        self.log.ended(now, host, &Ended { name: &channel.name, size: channel.file.size(), session: &session, end });
        let what = match end {
            End::Probe | End::Superseded => progress::Fetch::Withdrawn,
            _ => progress::Fetch::Ended(channel.came(&session), session.duration(), progress::ended(end)),
        };
        self.news.push(News { host, name: channel.name, what });
    }

    /// Answers a request with an ERROR, from a port of its own like any answer (RFC 1350 §4), unless all comes from one.
    fn refuse(
        &mut self,
        now: Instant,
        listener: &UdpListener,
        received: &Received,
        station: Option<Mac>,
        (code, message): (ErrorCode, &str),
    ) {
        let payer = station.map_or(Payer::host(*received.peer.ip()), Payer::station);
        if !admits(&mut self.refusals, &mut self.log, now, *received.peer.ip(), payer) {
            return;
        }
        let packet = error(code, message);
        let Received { local, peer, ifindex, .. } = *received;
        // A client that cannot be reached hears nothing, and asks again or gives up by itself.
        let _ = match self.single_port {
            true => listener.send(&packet, peer, local, ifindex),
            false => TransferSocket::connect(local, peer).and_then(|socket| socket.send(&packet)),
        };
    }
}

/// Counts one more of what `quota` is for; false, after saying so, when `payer` or all together have had enough.
fn admits(quota: &mut Quota, log: &mut TransferLog, now: Instant, host: Ipv4Addr, payer: Payer) -> bool {
    if let Err(over) = quota.check(now, payer) {
        log.not_answered(now, host, over);
        return false;
    }
    quota.count(now, payer);
    true
}

/// What the system cannot take at the moment (a full queue, a device that is down) counts as lost on the way; only a
/// client that is gone ends the transfer.
fn is_lost_at_most(session: &Session, result: io::Result<()>) -> Result<(), End> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Err(session.on_unreachable()),
        Ok(()) | Err(_) => Ok(()),
    }
}

fn read_failure(error: io::Error) -> End {
    if error.kind() == io::ErrorKind::UnexpectedEof { End::Truncated } else { End::ReadFailed }
}

/// The ERROR for a file that cannot be served.
fn answer(why: &tree::Refused) -> (ErrorCode, &'static str) {
    match why {
        tree::Refused::NotFound | tree::Refused::NoRoot(_) => (ErrorCode::FILE_NOT_FOUND, "file not found"),
        tree::Refused::NotAFile => (ErrorCode::FILE_NOT_FOUND, "not a file"),
        tree::Refused::NotReadable | tree::Refused::Outside(_) => (ErrorCode::ACCESS_VIOLATION, "not allowed"),
        tree::Refused::Failed(_) => (ErrorCode::NOT_DEFINED, "cannot open file"),
    }
}
