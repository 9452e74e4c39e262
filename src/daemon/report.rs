//! What the log says about requests: one line each, in dnsmasq's manner.

use std::cell::Cell;
use std::io;
use std::time::{Duration, Instant};

use dhcproto::v4::MessageType;
use log::{debug, info, warn};

use crate::proxy::vendor::Shape;
use crate::proxy::{ChosenBy, Decision, Door, Offer, Silence};
use crate::wire::request::Request;

/// Says what was decided for a request: offers, and silence towards machines that want to boot, at level info;
/// silence towards everybody else at level debug.
pub fn decided(device: &str, door: Door, request: &Request<'_>, decision: &Decision) {
    let mac = request.chaddr;
    match (&decision.client, &decision.outcome) {
        (Some(client), Ok(offer)) => {
            let message = match door {
                Door::Proxy => "DHCPOFFER",
                Door::BootServer => "DHCPACK",
            };
            info!("{message}({device}) {mac} {client} {}", offered(offer));
            debug!("{mac} carries tags {}; {}", decision.tags, chosen_by(offer));
            decision.passed_over.iter().for_each(|passed| debug!("{mac}: passed over {passed}"));
        }
        (Some(client), Err(silence)) if silence.is_notable() => {
            info!("{}({device}) {mac} {client}: {silence}", asked(request.message_type));
        }
        (_, Err(silence)) => debug!("{}({device}) {mac}: {silence}", asked(request.message_type)),
        (None, Ok(_)) => {}
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
