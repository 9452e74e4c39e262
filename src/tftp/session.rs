//! One transfer: which blocks to send, when to send them again, when it is over.
//!
//! The wire's block numbers have 16 bits and wrap (65535 is followed by 0); here blocks are counted in 64.
//!
//! Three things are sent again. A *window* from the first missing block on, when the client says what it has and that
//! is less than was sent (RFC 7440 §4), once for each thing it says. The *last block* of a window, when nothing is heard:
//! if that was what got lost the window is complete now, and if not, the client says what it has. A window again, when
//! that is of no avail. Whatever the client sends, an ACK that tells nothing new is followed by silence for a round trip
//! at least, and in lock-step for the whole wait: that is the end of the Sorcerer's Apprentice (RFC 1123 §4.2.3.1).

use std::time::{Duration, Instant};

use super::negotiate::Terms;
use super::netascii::NetasciiText;
use super::timer::Timer;
use crate::wire::tftp::{ErrorCode, OptionAck, Packet};

/// After so long a silence, a client that sends its request again has lost its memory: nothing is reset in less time.
/// Before, it is a copy that comes late, and to begin anew for it would end a transfer that only pauses.
const STALLED: Duration = Duration::from_secs(1);

/// One transfer in progress.
#[derive(Debug)]
pub struct Session {
    terms: Terms,
    content: Content,
    /// The number of the last block; `u64::MAX` until netascii has come to its end.
    last: u64,
    /// Every block up to this one has arrived.
    acked: u64,
    /// The last block sent of the window under way.
    sent: u64,
    /// The last block ever sent: what is sent up to here is sent again.
    reached: u64,
    /// The OACK awaits its ACK, and no block was sent yet.
    negotiating: bool,
    timer: Timer,
    /// Up to here, blocks of the window under way were sent before: the client may have had them already, and so an
    /// ACK from among them may be its answer to a second copy and no word of a loss.
    doubtful: u64,
    /// The deadline was brought forward, since an ACK may or may not have told of a loss.
    suspicious: bool,
    /// Since it last got on, the client has asked for the window again.
    complained: bool,
    /// Since the client last got on, the window's last block was sent again.
    probed: bool,
    started_at: Instant,
    resent: u32,
}

/// What is sent.
#[derive(Debug)]
pub enum Content {
    /// The file as it is: its size in bytes.
    Octet(u64),
    /// The file as text.
    Netascii(NetasciiText),
}

/// What is to be done next.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Nothing, until the client sends something or [`Session::deadline`] comes.
    Wait,
    /// Send [`Session::answer`].
    SendOptionAck,
    /// Send these blocks.
    Send(Blocks),
    /// Forget the transfer; for some ends tell the client first ([`End::tells_client`]).
    End(End),
}

/// Consecutive blocks to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Blocks {
    /// Number of the first, counted from 1 and without wrapping.
    pub first: u64,
    /// How many, 1 to the window's size.
    pub count: u16,
}

/// How a transfer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Everything has arrived.
    Complete,
    /// Everything was sent, but the client left without its last ACK.
    Unconfirmed,
    /// The client wanted to know the options only: EDK2 learns a file's size so, and then asks for the file.
    Probe,
    /// The client sent an ERROR.
    Aborted(ErrorCode),
    /// The client closed its port.
    Gone,
    /// The client has never answered.
    Unanswered,
    /// The client no longer answers.
    Silent,
    /// Another transfer takes its place: the client's own from the same port, or somebody else's.
    Superseded,
    /// The file became shorter than the client was told.
    Truncated,
    /// The file could not be read.
    ReadFailed,
}

impl End {
    /// True when all of the file went out.
    pub fn is_success(self) -> bool {
        matches!(self, Self::Complete | Self::Unconfirmed)
    }

    /// The message to end the transfer with, if the client doesn't know yet that it has ended.
    pub fn tells_client(self) -> Option<&'static str> {
        match self {
            Self::Unanswered | Self::Silent | Self::Unconfirmed => Some("no answer"),
            Self::Truncated => Some("file became shorter"),
            Self::ReadFailed => Some("read error"),
            Self::Complete | Self::Probe | Self::Aborted(_) | Self::Gone | Self::Superseded => None,
        }
    }
}

impl Session {
    /// Begins a transfer; the action is the first packet to send, which is repeated so many times at most while the client
    /// does not answer.
    pub fn start(now: Instant, terms: Terms, content: Content, retries: u8) -> (Self, Action) {
        let last = match content {
            // A file that fills its blocks exactly is ended by an empty one (RFC 1350 §6).
            Content::Octet(size) => (size / u64::from(terms.blksize.max(1))).saturating_add(1),
            Content::Netascii(_) => u64::MAX,
        };
        let mut session = Self {
            terms,
            content,
            last,
            acked: 0,
            sent: 0,
            reached: 0,
            negotiating: !terms.answer.is_empty(),
            timer: Timer::new(now, terms.timeout, retries),
            doubtful: 0,
            suspicious: false,
            complained: false,
            probed: false,
            started_at: now,
            resent: 0,
        };
        let action = if session.negotiating { Action::SendOptionAck } else { session.send_window(now) };
        (session, action)
    }

    /// Takes a packet from the client.
    pub fn on_packet(&mut self, now: Instant, payload: &[u8]) -> Action {
        match Packet::read(payload) {
            Ok(Packet::Ack { block }) => self.on_ack(now, block),
            // EDK2 says 8, others what they like: whoever stops here has learned what it wanted.
            Ok(Packet::Error { .. }) if self.negotiating => Action::End(End::Probe),
            Ok(Packet::Error { error_code, .. }) => Action::End(End::Aborted(error_code)),
            // Nothing else belongs here, and an ERROR in return could set two servers on each other.
            Ok(_) | Err(_) => Action::Wait,
        }
    }

    /// To be called when [`deadline`](Self::deadline) has come.
    pub fn on_deadline(&mut self, now: Instant) -> Action {
        if now < self.timer.deadline() {
            return Action::Wait;
        }
        if self.suspicious {
            return self.probe(now);
        }
        self.timer.back_off();
        if self.timer.is_hopeless(now) || self.negotiating || self.probed || self.complained {
            return self.repeat_or_give_up(now);
        }
        self.probe(now)
    }

    /// The client sent its request again: our answer may be lost. Does what the deadline would do, if an answer is
    /// overdue by what is known of the round trip.
    pub fn on_request_again(&mut self, now: Instant) -> Action {
        if self.timer.is_overdue(now) { self.repeat_or_give_up(now) } else { Action::Wait }
    }

    /// The client's host says that nobody listens at the port any longer.
    pub fn on_unreachable(&self) -> End {
        if self.is_all_sent() { End::Unconfirmed } else { End::Gone }
    }

    /// Netascii has come to the file's end with block `number`.
    pub fn ends_with(&mut self, number: u64) {
        self.last = number;
    }

    /// When [`on_deadline`](Self::on_deadline) wants to be called.
    pub fn deadline(&self) -> Instant {
        self.timer.deadline()
    }

    /// The options to acknowledge.
    pub fn answer(&self) -> OptionAck {
        self.terms.answer
    }

    /// Bytes in each block but the last.
    pub fn blksize(&self) -> u16 {
        self.terms.blksize
    }

    /// Blocks sent before an ACK is awaited.
    pub fn windowsize(&self) -> u16 {
        self.terms.windowsize
    }

    /// What is sent.
    pub fn content(&mut self) -> &mut Content {
        &mut self.content
    }

    /// True once the client has acknowledged anything.
    pub fn is_answered(&self) -> bool {
        self.timer.is_answered()
    }

    /// True when the client got on before, but not for so long that a pause of its own explains it.
    pub fn is_stalled(&self, now: Instant) -> bool {
        self.timer.is_answered() && now.saturating_duration_since(self.timer.heard_at()) >= STALLED
    }

    /// When the client last got on; when the transfer began if it never did.
    pub fn heard_at(&self) -> Instant {
        self.timer.heard_at()
    }

    /// Blocks that have arrived.
    pub fn acked(&self) -> u64 {
        self.acked
    }

    /// Blocks that were sent more than once, counted each time.
    pub fn resent(&self) -> u32 {
        self.resent
    }

    /// How long the client took, up to its last sign of life.
    pub fn duration(&self) -> Duration {
        self.timer.heard_at().saturating_duration_since(self.started_at)
    }

    fn on_ack(&mut self, now: Instant, block: u16) -> Action {
        if self.negotiating {
            return if block == 0 { self.on_option_ack_acknowledged(now) } else { Action::Wait };
        }
        // The block meant is the nearest of that number from `acked` on. An ACK older than that wraps to a block
        // thousands ahead, which like any other block never sent is none of ours.
        let progress = block.wrapping_sub(self.acked as u16);
        let block = self.acked.saturating_add(u64::from(progress));
        if block > self.sent {
            return Action::Wait;
        }
        if progress == 0 {
            return self.on_duplicate_ack(now);
        }
        self.acked = block;
        self.complained = false;
        self.probed = false;
        if let Content::Netascii(text) = &mut self.content {
            text.advance();
        }
        if block == self.last {
            return Action::End(End::Complete);
        }
        if block == self.sent {
            self.timer.acknowledged(now);
            return self.send_window(now);
        }
        self.timer.heard(now);
        if block < self.doubtful {
            self.suspicious = true;
            self.timer.hurry(now);
            return Action::Wait;
        }
        self.repeat(now)
    }

    fn on_option_ack_acknowledged(&mut self, now: Instant) -> Action {
        self.negotiating = false;
        self.timer.acknowledged(now);
        self.send_window(now)
    }

    fn on_duplicate_ack(&mut self, now: Instant) -> Action {
        if self.timer.is_overdue(now) {
            // Our own wait may have grown long; the client's impatience is worth following.
            return self.repeat_or_give_up(now);
        }
        // In a window, the client may have missed the first block and got the others. What it said before any of them
        // could reach it is about something else.
        if self.terms.windowsize > 1 && !self.complained && self.timer.is_round_trip_over(now) {
            self.complained = true;
            return self.repeat(now);
        }
        Action::Wait
    }

    fn repeat_or_give_up(&mut self, now: Instant) -> Action {
        if !self.timer.is_hopeless(now) {
            return self.repeat(now);
        }
        Action::End(match self.is_all_sent() {
            true => End::Unconfirmed,
            false if self.timer.is_answered() => End::Silent,
            false => End::Unanswered,
        })
    }

    /// Sends what is unacknowledged once more.
    fn repeat(&mut self, now: Instant) -> Action {
        if self.negotiating {
            self.timer.sent_again(now);
            return Action::SendOptionAck;
        }
        self.doubtful = self.reached;
        let action = self.send_window(now);
        self.timer.sent_again(now);
        action
    }

    /// Sends the last block of the window once more, to learn what the client has.
    fn probe(&mut self, now: Instant) -> Action {
        self.suspicious = false;
        self.probed = true;
        self.resent = self.resent.saturating_add(1);
        self.timer.sent_again(now);
        Action::Send(Blocks { first: self.sent, count: 1 })
    }

    /// Sends the window that begins after the last block that has arrived.
    fn send_window(&mut self, now: Instant) -> Action {
        self.timer.sent(now);
        self.suspicious = false;
        let first = self.acked.saturating_add(1);
        self.sent = self.acked.saturating_add(u64::from(self.terms.windowsize)).min(self.last);
        let again = self.reached.min(self.sent).saturating_sub(self.acked);
        self.resent = self.resent.saturating_add(again as u32);
        self.reached = self.reached.max(self.sent);
        // At least 1: the transfer ends as soon as `acked` reaches `last`.
        Action::Send(Blocks { first, count: (self.sent - self.acked) as u16 })
    }

    fn is_all_sent(&self) -> bool {
        self.reached == self.last
    }
}

#[cfg(test)]
mod tests;
