//! What the log says about requests: one line each, in dnsmasq's manner.

use std::cell::Cell;
use std::io;
use std::time::{Duration, Instant};

use dhcproto::v4::MessageType;
use log::{debug, info, warn};

use crate::proxy::client::Program;
use crate::proxy::vendor::Shape;
use crate::proxy::{Arrival, ChosenBy, Decision, Door, Form, Offer, Silence, Unfit};
use crate::wire::fingerprint;
use crate::wire::reply::Written;
use crate::wire::request::Request;

/// Says what was decided for a request: offers, and silence towards machines that want to boot, at level info;
/// silence towards everybody else at level debug.
pub fn decided(said: &mut Said, arrival: &Arrival<'_>, request: &Request<'_>, answer: &(Decision, Option<Written>)) {
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
            info!("{message}({device}) {mac} {client} {}", offered(offer));
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
        (Some(client), Err(silence)) if silence.is_notable() => {
            info!("{}({device}) {mac} {client}: {silence}", asked(request.message_type));
        }
        (_, Err(silence)) => debug!("{}({device}) {mac}: {silence}", asked(request.message_type)),
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
#[derive(Debug, Default)]
pub struct Said {
    remarks: heapless::Deque<u32, 32>,
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

fn asked(message_type: MessageType) -> &'static str {
    match message_type {
        MessageType::Discover => "DHCPDISCOVER",
        MessageType::Request => "DHCPREQUEST",
        MessageType::Inform => "DHCPINFORM",
        MessageType::Decline => "DHCPDECLINE",
        MessageType::Release => "DHCPRELEASE",
        _ => "DHCP",
    }
}

/// The file and who serves it, or what comes first; a URL names its server itself.
fn offered(offer: &Offer) -> String {
    match &offer.shape {
        _ if offer.form == Some(Form::AskAgain) => format!("{}, to be asked for on port 4011", offer.file),
        _ if offer.form == Some(Form::Menu) => format!("{}, as a menu of one entry", offer.file),
        _ if offer.client.program == Program::RaspberryPi => format!("its own files from {}", offer.server),
        Shape::Menu(menu) => format!("a menu of {} entries{}", menu.entries.len(), left_out(menu.left_out)),
        Shape::AskAgain => "the way to port 4011, for a menu".to_owned(),
        _ if offer.file.contains("://") => offer.file.to_string(),
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

/// System trouble, said at most once a minute: a stranger may be able to provoke it.
#[derive(Debug, Default)]
pub struct Trouble {
    last: Cell<Option<Instant>>,
}

impl Trouble {
    /// Says that `doing` something at `place` failed.
    pub fn say(&self, place: &str, doing: &str, error: &io::Error) {
        const INTERVAL: Duration = Duration::from_secs(60);
        let now = Instant::now();
        if self.last.get().is_none_or(|last| now.duration_since(last) >= INTERVAL) {
            self.last.set(Some(now));
            warn!("{place}: {doing}: {error}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_remark_is_made_once_and_remarks_are_bounded() {
        let mut said = Said::default();
        assert!(said.is_new(b"a") && said.is_new(b"b") && !said.is_new(b"a"));
        (0..31u8).for_each(|number| assert!(said.is_new(&[number])));
        assert!(said.is_new(b"a"), "forgotten");
        assert_eq!(said.remarks.len(), 32);
    }
}
