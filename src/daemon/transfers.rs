//! Carries out what the TFTP core decides: opens files and sockets, reads, sends, and says what became of it.

use std::io;
use std::time::Instant;

use log::{debug, info, warn};

use super::files::Files;
use super::frames::{Frames, Source};
use crate::config;
use crate::sys::epoll::Epoll;
use crate::sys::transfer_socket::{TransferSocket, refuses_segments};
use crate::sys::tree::{self, ServedFile};
use crate::sys::udp::Received;
use crate::tftp::session::{Action, Blocks, Content, End, Session};
use crate::tftp::{Order, Refused, Table, Transfer, TransferId, Verdict};
use crate::wire::tftp::{DATA_HEADER, ErrorCode, error};

/// Marks the tokens of transfers among all that the poll loop hands out.
const TOKEN: u64 = 1 << 63;
/// Devices remembered for not taking segmented sends; a router has few.
const MAX_DEVICES: usize = 16;
/// The longest packet of a client's that matters after its request: an ERROR with its message, which may be cut.
const INBOX: usize = 128;

/// The TFTP transfers in progress.
#[derive(Debug)]
pub struct Transfers {
    table: Table<Channel>,
    files: Files,
    frames: Frames,
    /// Devices, by ifindex, that refuse segmented sends.
    unsegmented: heapless::Deque<u32, MAX_DEVICES>,
    /// The root was missing when last looked for: said once.
    root_is_missing: bool,
}

/// What a transfer needs besides the protocol's state.
#[derive(Debug)]
struct Channel {
    socket: TransferSocket,
    file: ServedFile,
    name: Box<[u8]>,
    ifindex: u32,
    /// Windows leave in one system call.
    is_segmented: bool,
}

impl Transfers {
    /// A transfer holds its socket and its file.
    pub const DESCRIPTORS_EACH: u64 = 2;

    /// No transfers yet; files are looked up as `config` says.
    pub fn new(config: &config::Tftp) -> Self {
        Self {
            table: Table::new(config.max_transfers),
            files: Files::new(config),
            frames: Frames::new(),
            unsegmented: heapless::Deque::new(),
            root_is_missing: false,
        }
    }

    /// From now on does as `config` says; transfers in progress go on as they began.
    pub fn reconfigure(&mut self, config: &config::Tftp) {
        self.table.set_limit(config.max_transfers);
        self.files = Files::new(config);
        self.root_is_missing = false;
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

    /// Takes a datagram that came to the server's port. Sockets of new transfers are added to `epoll`.
    pub fn on_request(&mut self, now: Instant, epoll: &Epoll, datagram: &[u8], received: &Received) {
        let peer = received.peer;
        if received.destination != received.local {
            // RFC 1123 §4.2.3.5.
            return debug!("TFTP ignored a request from {peer}: it was sent to all");
        }
        // An ERROR or ACK sent before the request may still wait at the earlier transfer's socket.
        if let Some(earlier) = self.table.find(peer).map(|transfer| transfer.id) {
            self.on_packet(now, earlier);
        }
        match self.table.judge(now, peer, datagram, self.files.root()) {
            Verdict::Serve(order) => {
                if let Some(earlier) = order.supersedes {
                    self.end(earlier, End::Superseded);
                }
                self.serve(now, epoll, &order, received);
            }
            Verdict::Again(id) => {
                let Some(transfer) = self.table.transfer(id) else { return };
                let action = transfer.session.on_request_again(now);
                self.carry_out(id, action);
            }
            Verdict::Refuse(refusal) => {
                let name = refusal.filename.escape_ascii();
                match refusal.why {
                    Refused::Write => info!("TFTP refused to write for {}: nothing is ever written", peer.ip()),
                    Refused::Unterminated => debug!("TFTP malformed request from {peer}"),
                    Refused::Mode => info!("TFTP refused {name} to {}: mode is not octet or netascii", peer.ip()),
                    Refused::Name(why) => info!("TFTP refused {name} to {}: {why}", peer.ip()),
                }
                let (code, message) = refusal.why.error();
                refuse(received, code, message);
            }
            Verdict::Ignore(why) => debug!("TFTP ignored a datagram from {peer}: {why}"),
        }
    }

    /// To be called when `token` is ready: takes one packet. What else waits makes the token ready again.
    pub fn on_ready(&mut self, now: Instant, token: u64) {
        self.on_packet(now, TransferId::from_u64(token & !TOKEN));
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
            self.carry_out(id, action);
        }
    }

    fn serve(&mut self, now: Instant, epoll: &Epoll, order: &Order<'_>, received: &Received) {
        let file = match self.files.open(&order.path) {
            Ok(file) => file,
            Err(why) => return self.refuse_file(order, received, why),
        };
        self.root_is_missing = false;
        if let Err(error) = self.start(now, epoll, order, received, file) {
            warn!("TFTP cannot send {} to {}: {error}", order.path, received.peer.ip());
        }
    }

    fn start(
        &mut self,
        now: Instant,
        epoll: &Epoll,
        order: &Order<'_>,
        received: &Received,
        file: ServedFile,
    ) -> io::Result<()> {
        let socket = TransferSocket::connect(received.local, received.peer)?;
        let (size, mtu) = (file.size(), socket.mtu()?);
        let name = order.path.as_bytes().into();
        let channel = Channel { socket, file, name, ifindex: received.ifindex, is_segmented: false };
        let Some((id, action)) = self.table.start(now, order, size, mtu, channel) else { return Ok(()) };
        if let Some(transfer) = self.table.transfer(id) {
            if let Err(error) = epoll.add(&transfer.resource.socket, TOKEN | id.to_u64()) {
                self.table.remove(id);
                return Err(error);
            }
            let is_refused = self.unsegmented.iter().any(|&known| known == received.ifindex);
            if transfer.session.windowsize() > 1 && !is_refused {
                let packet = DATA_HEADER as u16 + transfer.session.blksize();
                transfer.resource.is_segmented = transfer.resource.socket.segment(packet).is_ok();
            }
        }
        self.carry_out(id, action);
        Ok(())
    }

    fn on_packet(&mut self, now: Instant, id: TransferId) {
        // The token of a transfer that has ended since the kernel reported it names nobody.
        let Some(transfer) = self.table.transfer(id) else { return };
        let mut inbox = [0; INBOX];
        let action = match transfer.resource.socket.receive(&mut inbox) {
            Ok(Some(len)) => transfer.session.on_packet(now, inbox.get(..len).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                Action::End(transfer.session.on_unreachable())
            }
            // Other news of that kind may pass, such as no answer to ARP while the client's link comes up again.
            Ok(None) | Err(_) => return,
        };
        self.carry_out(id, action);
    }

    fn carry_out(&mut self, id: TransferId, action: Action) {
        let outcome = match action {
            Action::Wait => Ok(()),
            Action::SendOptionAck => self.send_option_ack(id),
            Action::Send(blocks) => self.send_blocks(id, blocks),
            Action::End(end) => Err(end),
        };
        match (outcome, self.table.transfer(id)) {
            (Ok(()), Some(transfer)) => {
                let deadline = transfer.session.deadline();
                self.table.expect(deadline);
            }
            (Err(end), _) => self.end(id, end),
            (Ok(()), None) => {}
        }
    }

    fn send_option_ack(&mut self, id: TransferId) -> Result<(), End> {
        let Some(Transfer { session, resource: channel, .. }) = self.table.transfer(id) else { return Ok(()) };
        let packet = session.answer().write();
        let result = channel.send(&packet, packet.len());
        is_lost_at_most(session, result)
    }

    fn send_blocks(&mut self, id: TransferId, mut blocks: Blocks) -> Result<(), End> {
        let Some(Transfer { session, resource: channel, .. }) = self.table.transfer(id) else { return Ok(()) };
        let was_segmented = channel.is_segmented;
        while blocks.count > 0 {
            let source = Source { id, file: &channel.file, blksize: session.blksize() };
            let stride = source.stride();
            let (packets, count) = match session.content() {
                Content::Octet(_) => self.frames.octet(source, blocks).map_err(read_failure)?,
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

    fn end(&mut self, id: TransferId, end: End) {
        let Some(transfer) = self.table.remove(id) else { return };
        if let Some(message) = end.tells_client() {
            let packet = error(ErrorCode::NOT_DEFINED, message);
            // The client is gone or it isn't: there is nothing to be done about a failure.
            let _ = transfer.resource.socket.send(&packet);
        }
        log_end(&transfer, end);
    }

    fn warn_of(&self, order: &Order<'_>, received: &Received, why: &tree::Refused) {
        if let Some(remedy) = self.files.remedy(why) {
            warn!("TFTP refused {} to {}: {remedy}", order.path, received.peer.ip());
        }
    }

    fn refuse_file(&mut self, order: &Order<'_>, received: &Received, why: tree::Refused) {
        let (path, host) = (&order.path, received.peer.ip());
        let (code, message) = match why {
            tree::Refused::NotFound => {
                info!("TFTP file {path} not found for {host}");
                (ErrorCode::FILE_NOT_FOUND, "file not found")
            }
            tree::Refused::NotAFile => {
                info!("TFTP refused {path} to {host}: it is not a file");
                (ErrorCode::FILE_NOT_FOUND, "not a file")
            }
            tree::Refused::NotReadable | tree::Refused::Outside(_) => {
                self.warn_of(order, received, &why);
                (ErrorCode::ACCESS_VIOLATION, "not allowed")
            }
            tree::Refused::NoRoot(_) => {
                if !std::mem::replace(&mut self.root_is_missing, true) {
                    self.warn_of(order, received, &why);
                }
                (ErrorCode::FILE_NOT_FOUND, "file not found")
            }
            // Too many open files, too little memory: it passes, and the client asks again.
            tree::Refused::Failed(_) => return self.warn_of(order, received, &why),
        };
        refuse(received, code, message);
    }
}

impl Channel {
    /// Sends packets that lie one behind the other, all of `stride` bytes but the last.
    fn send(&mut self, packets: &[u8], stride: usize) -> io::Result<()> {
        if self.is_segmented {
            match self.socket.send(packets) {
                Err(error) if refuses_segments(&error) => {
                    self.is_segmented = false;
                    self.socket.segment(0)?;
                }
                result => return result,
            }
        }
        packets.chunks(stride.max(1)).try_for_each(|packet| self.socket.send(packet))
    }
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

/// Answers a request with an ERROR, from a port of its own like any answer (RFC 1350 §4).
fn refuse(received: &Received, code: ErrorCode, message: &str) {
    // A client that cannot be reached hears nothing, and asks again or gives up by itself.
    let _ =
        TransferSocket::connect(received.local, received.peer).and_then(|socket| socket.send(&error(code, message)));
}

fn log_end(transfer: &Transfer<Channel>, end: End) {
    let Transfer { session, resource: channel, .. } = transfer;
    let (name, host) = (channel.name.escape_ascii(), transfer.peer.ip());
    let acked = session.acked();
    match end {
        End::Complete | End::Unconfirmed => {
            let (bytes, resent, duration) = (channel.file.size(), session.resent(), session.duration());
            let remark = if end == End::Unconfirmed { ", last ACK missing" } else { "" };
            // By hand: the formatting of floating-point numbers would weigh more than this whole file.
            let micros = duration.as_secs() * 1_000_000 + u64::from(duration.subsec_micros());
            let (hundredths, tenths) = (micros / 10_000, bytes.saturating_mul(10) / micros.max(1));
            info!(
                "TFTP sent {name} to {host}: {bytes} bytes in {}.{:02} s ({}.{} MB/s), {resent} resent{remark}",
                hundredths / 100,
                hundredths % 100,
                tenths / 10,
                tenths % 10
            );
        }
        End::Probe => debug!("TFTP {host} wanted to know about {name} only"),
        End::Superseded => debug!("TFTP {host} gave up {name} after {acked} blocks and asks anew"),
        End::Aborted(code) => info!("TFTP {host} stopped {name} after {acked} blocks: error {}", code.0),
        End::Gone => info!("TFTP {host} stopped {name} after {acked} blocks: port closed"),
        End::Unanswered | End::Silent => info!("TFTP gave up {name} to {host} after {acked} blocks: no answer"),
        End::Truncated => warn!("TFTP gave up {name} to {host} after {acked} blocks: the file became shorter"),
        End::ReadFailed => warn!("TFTP gave up {name} to {host} after {acked} blocks: the file cannot be read"),
    }
}
