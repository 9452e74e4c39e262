//! What the log says about requests: one line each, in dnsmasq's manner.

use std::cell::RefCell;
use std::io;
use std::time::{Duration, Instant};

use log::{debug, info, warn};

use super::limits::{Meter, Pace};
use crate::menu::is_url;
use crate::proxy::client::Program;
use crate::proxy::vendor::Shape;
use crate::proxy::{Arrival, ChosenBy, Decision, Door, Offer, OfferForm, Silence, Unfit};
use crate::wire::fingerprint;
use crate::wire::reply::Written;
use crate::wire::request::{Request, message_name};

/// Lines about requests: a room full of machines may all be heard in its boot, and a flood doesn't fill the log.
const REQUESTS: Pace = Pace::new(512, Duration::from_millis(250));

/// Says what was decided for a request: offers, and silence towards machines that want to boot, at level info;
/// silence towards everybody else at level debug.
pub fn decided(
    said: &mut Said,
    now: Instant,
    arrival: &Arrival<'_>,
    request: &Request<'_>,
    answer: &(Decision, Option<Written>),
) {
    let (device, door) = (arrival.device, arrival.door);
    let mac = request.chaddr;
    let (decision, written) = answer;
    match (decision.client(), &decision.outcome) {
        (_, Ok(offer)) => {
            let client = &offer.client;
            said.forget(&looping(request));
            let message = match door {
                Door::Proxy => "DHCPOFFER",
                Door::BootServer => "DHCPACK",
            };
            if said.requests.allows(now) {
                info!("{message}({device}) {mac} {client} {}", offered(offer));
            }
            debug!("{mac} carries tags {}; {}", decision.tags, chosen_by(offer));
            if let Some(code) = written.as_ref().and_then(|written| written.left_out) {
                let code = u8::from(code);
                if said.is_new(&[code]) {
                    warn!("{mac}: no room for option {code}: shorten or take out what dhcp_option lines add");
                }
            }
        }
        (Some(client), Err(silence @ Silence::Looping { .. })) if said.is_new(&looping(request)) => {
            warn!("DHCPDISCOVER({device}) {mac} {client}: {silence}");
        }
        (Some(client), Err(silence)) if silence.is_notable() && said.requests.allows(now) => {
            info!("{}({device}) {mac} {client}: {silence}", message_name(request.message_type.into()));
        }
        (_, Err(silence)) => debug!("{}({device}) {mac}: {silence}", message_name(request.message_type.into())),
    }
    for passed in &decision.passed_over {
        let at = &passed.origin;
        let key = [at.file.as_bytes(), &at.line.to_be_bytes(), passed.file.as_bytes()].concat();
        if passed.why == Unfit::Missing && said.is_new(&key) {
            warn!("{passed}, or not readable by everybody: passed over; put it there");
        } else {
            debug!("{mac}: passed over {passed}");
        }
    }
}

/// What is remarked of a machine that is in a loop, until it is out of it.
fn looping(request: &Request<'_>) -> [u8; 6] {
    request.chaddr.0
}

/// Remarks that were made: each is made once. The oldest is forgotten first.
#[derive(Debug)]
pub struct Said {
    remarks: heapless::Deque<u32, 32>,
    requests: Budget,
}

impl Default for Said {
    fn default() -> Self {
        Self { remarks: heapless::Deque::new(), requests: Budget::new(REQUESTS) }
    }
}

/// Lines of one kind: who floods us with requests doesn't flood the log.
#[derive(Debug, Clone)]
pub struct Budget {
    pace: Pace,
    used: Meter,
    /// Lines that were not written since the last that was.
    dropped: u32,
}

impl Budget {
    /// None written yet.
    pub const fn new(pace: Pace) -> Self {
        Self { pace, used: Meter::new(), dropped: 0 }
    }

    /// True when there may be one more line now. After a flood, first says how much was left out.
    pub fn allows(&mut self, now: Instant) -> bool {
        if !self.used.allows(now, self.pace) {
            self.dropped = self.dropped.saturating_add(1);
            return false;
        }
        let dropped = std::mem::take(&mut self.dropped);
        if dropped > 0 {
            warn!("{dropped} lines like the next were left out");
        }
        true
    }
}

impl Said {
    /// Makes a remark new again.
    fn forget(&mut self, what: &[u8]) {
        let hash = fingerprint(what);
        self.remarks.iter_mut().filter(|known| **known == hash).for_each(|known| *known = 0);
    }

    /// True the first time.
    pub fn is_new(&mut self, what: &[u8]) -> bool {
        let hash = fingerprint(what);
        if self.remarks.iter().any(|known| *known == hash) {
            return false;
        }
        if self.remarks.is_full() {
            self.remarks.pop_front();
        }
        self.remarks.push_back(hash).is_ok()
    }
}

/// Says why a packet was dropped before it was a request.
pub fn dropped(place: &str, silence: &Silence) {
    debug!("{place}: dropped: {silence}");
}

/// The file and who serves it, or what comes first; a URL names its server itself.
fn offered(offer: &Offer) -> String {
    match &offer.shape {
        _ if offer.form == Some(OfferForm::AskAgain) => format!("{}, to be asked for on port 4011", offer.file),
        _ if offer.form == Some(OfferForm::Menu) => format!("{}, as a menu of one entry", offer.file),
        _ if offer.client.program == Program::RaspberryPi => format!("its own files from {}", offer.server),
        Shape::Menu(menu) => format!("a menu of {} entries{}", menu.entries.len(), left_out(menu.left_out)),
        Shape::AskAgain => "the way to port 4011, for a menu".to_owned(),
        _ if is_url(&offer.file) => offer.file.to_string(),
        _ => format!("{} from {}", offer.file, offer.server),
    }
}

fn left_out(count: usize) -> String {
    if count == 0 { String::new() } else { format!(", {count} more did not fit the 255 bytes of option 43") }
}

fn chosen_by(offer: &Offer) -> String {
    match &offer.chosen_by {
        ChosenBy::Rule(origin) => format!("chosen by {}:{}", origin.file, origin.line),
        ChosenBy::Script => "chosen by option script".to_owned(),
        ChosenBy::Machine => "chosen as the machine's own file".to_owned(),
        ChosenBy::Group(tag) => format!("chosen as the file of those with tag {tag}"),
        ChosenBy::Menu => "chosen as the boot menu".to_owned(),
        ChosenBy::Custom => "chosen as the customary file".to_owned(),
    }
}

/// System trouble, each kind at each place said at most once a minute: a stranger may be able to provoke it.
#[derive(Debug, Default)]
pub struct TroubleLog {
    /// Hashes of what was said; the oldest is forgotten first.
    said: RefCell<heapless::Deque<(u32, Instant), 16>>,
}

impl TroubleLog {
    /// Says that `doing` something at `place` failed.
    pub fn say(&self, place: &str, doing: &str, error: &io::Error) {
        const INTERVAL: Duration = Duration::from_secs(60);
        if self.is_new(Instant::now(), INTERVAL, &[place, doing].concat()) {
            warn!("{place}: {doing}: {error}");
        }
    }

    fn is_new(&self, now: Instant, interval: Duration, what: &str) -> bool {
        let Ok(mut said) = self.said.try_borrow_mut() else { return false };
        let hash = fingerprint(what.as_bytes());
        if said.iter().any(|(known, at)| *known == hash && now.saturating_duration_since(*at) < interval) {
            return false;
        }
        if said.is_full() {
            said.pop_front();
        }
        said.push_back((hash, now)).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trouble_at_one_place_does_not_hide_that_at_another() {
        let (trouble, now, minute) = (TroubleLog::default(), Instant::now(), Duration::from_secs(60));
        let is_new = |at: u64, what| trouble.is_new(now + Duration::from_secs(at), minute, what);
        assert!(is_new(0, "br-lan sending") && is_new(1, "br-guest sending"));
        assert!(!is_new(59, "br-lan sending") && is_new(60, "br-lan sending") && !is_new(60, "br-guest sending"));
    }

    #[test]
    fn a_flood_leaves_lines_for_later() {
        let start = Instant::now();
        let mut budget = Budget::new(Pace::new(10, Duration::from_millis(500)));
        let allowed = (0..60_000).filter(|ms| budget.allows(start + Duration::from_millis(*ms))).count();
        assert_eq!((allowed, budget.dropped), (10 + 119, 499));
    }

    #[test]
    fn a_remark_is_made_once_and_remarks_are_bounded() {
        let mut said = Said::default();
        assert!(said.is_new(b"a") && said.is_new(b"b") && !said.is_new(b"a"));
        (0..31u8).for_each(|number| assert!(said.is_new(&[number])));
        assert!(said.is_new(b"a"), "forgotten");
        assert_eq!(said.remarks.len(), 32);
    }
}
