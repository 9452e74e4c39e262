//! What the log says about transfers, and never more of it than a router's small log can bear.

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::{Duration, Instant};

use log::{debug, info, warn};

use super::files::Files;
use super::limits::{Over, Pace};
use super::report::Budget;
use crate::sys::tree;
use crate::tftp::session::{End, Session};
use crate::tftp::{BadRequest, Ignored, Order, Refusal};

/// Lines about what came to nothing, all reasons together: so many at once, and how often there is one more. A machine
/// that looks for its configuration asks for a dozen names that are not there.
const FAILURES: Pace = Pace::new(32, Duration::from_millis(500));
/// Lines about files that have arrived: a whole class room may finish at once.
const ENDS: Pace = Pace::new(256, Duration::from_millis(100));

/// Lines about requests for which there was no place.
const FULL: Pace = Pace::new(1, Duration::from_secs(60));

/// The log's memory.
#[derive(Debug)]
pub struct TransferLog {
    failures: Budget,
    ends: Budget,
    full: Budget,
    machine_full: Budget,
    errors: Budget,
    /// The root was missing when last looked for: said once.
    root_is_missing: bool,
}

impl Default for TransferLog {
    fn default() -> Self {
        let [failures, ends, full, machine_full, errors] = [FAILURES, ENDS, FULL, FULL, FULL].map(Budget::new);
        Self { failures, ends, full, machine_full, errors, root_is_missing: false }
    }
}

/// A transfer that is over.
#[derive(Debug)]
pub struct Ended<'a> {
    /// The file.
    pub name: &'a [u8],
    /// Its size.
    pub size: u64,
    /// What was done.
    pub session: &'a Session,
    /// How it ended.
    pub end: End,
}

impl TransferLog {
    /// A request was refused before a file was looked for.
    pub fn refused_request(&mut self, now: Instant, host: Ipv4Addr, refusal: &Refusal<'_>) {
        let name = refusal.filename.escape_ascii();
        match refusal.why {
            BadRequest::Unterminated => debug!("TFTP malformed request from {host}"),
            _ if !self.failures.allows(now) => {}
            BadRequest::Write => info!("TFTP refused to write for {host}: nothing is ever written"),
            BadRequest::Mode => info!("TFTP refused {name} to {host}: mode is not octet or netascii"),
            BadRequest::Name(why) => info!("TFTP refused {name} to {host}: {why}"),
        }
    }

    /// A datagram is not answered.
    pub fn ignored(&mut self, now: Instant, peer: SocketAddrV4, why: Ignored) {
        let (told, option) = match why {
            Ignored::Full => (&mut self.full, "tftp_max"),
            Ignored::HostFull => (&mut self.machine_full, "tftp_max_client"),
            _ => return debug!("TFTP ignored a datagram from {peer}: {why}"),
        };
        if told.allows(now) {
            return warn!("TFTP has no place for {peer}: {why}; if they are all wanted, raise option {option}");
        }
        debug!("TFTP ignored a datagram from {peer}: {why}");
    }

    /// A refusal is not told, or a text not made: there were too many.
    pub fn not_answered(&mut self, now: Instant, host: Ipv4Addr, over: Over) {
        if self.errors.allows(now) {
            let option = if over == Over::All { "tftp_errors" } else { "tftp_errors_client" };
            warn!(
                "TFTP does not answer {host}: too many requests are refused, or want a text made; if that is right, raise option {option}"
            );
        }
    }

    /// There is no such file for the client.
    pub fn refused_file(
        &mut self,
        now: Instant,
        host: Ipv4Addr,
        order: &Order<'_>,
        why: &tree::Refused,
        files: &Files,
    ) {
        let was_missing = std::mem::replace(&mut self.root_is_missing, matches!(why, tree::Refused::NoRoot(_)));
        if was_missing && self.root_is_missing || !self.failures.allows(now) {
            return;
        }
        let path = &order.path;
        match why {
            tree::Refused::NotFound => info!("TFTP file {path} not found for {host}"),
            tree::Refused::NotAFile => info!("TFTP refused {path} to {host}: it is not a file"),
            _ => {
                if let Some(remedy) = files.remedy(why) {
                    warn!("TFTP refused {path} to {host}: {remedy}");
                }
            }
        }
    }

    /// The system has no socket for the transfer, or no way to the client.
    pub fn cannot_send(&mut self, now: Instant, host: Ipv4Addr, order: &Order<'_>, error: &io::Error) {
        if self.failures.allows(now) {
            warn!("TFTP cannot send {} to {host}: {error}", order.path);
        }
    }

    /// A transfer is over.
    pub fn ended(&mut self, now: Instant, host: Ipv4Addr, ended: &Ended<'_>) {
        let Ended { name, size, session, end } = ended;
        let (name, acked) = (name.escape_ascii(), session.acked());
        match end {
            End::Probe => return debug!("TFTP {host} wanted to know about {name} only"),
            End::Superseded => return debug!("TFTP ended {name} to {host} after {acked} blocks: its place is taken"),
            _ => {}
        }
        self.root_is_missing = false;
        let budget = if end.is_success() { &mut self.ends } else { &mut self.failures };
        if !budget.allows(now) {
            return;
        }
        match end {
            End::Complete => info!("TFTP sent {name} to {host}: {}", Account { size: *size, session }),
            End::Unconfirmed => {
                info!("TFTP sent {name} to {host}: {}, last ACK missing", Account { size: *size, session });
            }
            End::Aborted(code) => info!("TFTP {host} stopped {name} after {acked} blocks: error {}", code.0),
            End::Gone => info!("TFTP {host} stopped {name} after {acked} blocks: port closed"),
            End::Truncated => warn!("TFTP gave up {name} to {host} after {acked} blocks: the file became shorter"),
            End::ReadFailed => warn!("TFTP gave up {name} to {host} after {acked} blocks: the file cannot be read"),
            End::Unanswered | End::Silent | End::Probe | End::Superseded => {
                info!("TFTP gave up {name} to {host} after {acked} blocks: no answer");
            }
        }
    }
}

/// How a transfer went.
struct Account<'a> {
    size: u64,
    session: &'a Session,
}

impl fmt::Display for Account<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (bytes, resent, duration) = (self.size, self.session.resent(), self.session.duration());
        // By hand: the formatting of floating-point numbers would weigh more than this whole file.
        let micros = duration.as_secs() * 1_000_000 + u64::from(duration.subsec_micros());
        let (hundredths, tenths) = (micros / 10_000, bytes.saturating_mul(10) / micros.max(1));
        write!(
            formatter,
            "{bytes} bytes in {}.{:02} s ({}.{} MB/s), {resent} resent",
            hundredths / 100,
            hundredths % 100,
            tenths / 10,
            tenths % 10
        )
    }
}
