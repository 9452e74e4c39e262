//! Answers to boot requests: asks the core for one, and sees to what is remembered and logged of it.

use std::time::{Duration, Instant};

use log::warn;

use super::files::Files;
use super::limits::{Meter, Over, Pace, Payer, Quota};
use super::report::{self, Said};
use crate::config::{Config, PerSecond};
use crate::proxy::clients::Clients;
use crate::proxy::{self, Arrival, Decision, Silence};
use crate::wire::frame::Mac;
use crate::wire::reply::Written;
use crate::wire::request::Request;

/// Replies that one machine gets at once: firmware and what it loads ask a dozen times in a boot that goes wrong.
const AT_ONCE: u32 = 16;

/// Words about replies that are not sent, each kind.
const TOLD: Pace = Pace::new(1, Duration::from_secs(60));

/// What answers are made of.
pub struct Basis<'a> {
    /// The configuration.
    pub config: &'a Config,
    /// The files that can be fetched from here.
    pub files: &'a Files,
    /// Ports 4011 and 69 are ours both, so that every form of an offer can be served.
    pub all_ports: bool,
    /// The time.
    pub now: Instant,
}

/// By what way a request came. Each way has replies of its own: else who writes another machine's address into requests
/// would use up that machine's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// From the machine that it is about, as the frame says.
    Itself,
    /// From another, such as a relay or a wireless bridge.
    Another,
    /// To port 4011, which hears no frames.
    BootServer,
}

impl Way {
    /// Of a request for the machine `about` in a frame from `source`.
    pub fn of(source: Mac, about: Mac) -> Way {
        if source == about { Way::Itself } else { Way::Another }
    }

    /// Whose replies are counted.
    fn payer(self, about: Mac) -> Payer {
        Payer::account(about, self as u8)
    }
}

/// What is remembered of the answers that were given.
#[derive(Debug)]
pub struct Answers {
    /// The machines that boot.
    pub clients: Clients,
    said: Said,
    quota: Quota,
    /// When replies that were not sent were spoken of: all's and one machine's.
    told: [Meter; 2],
}

impl Answers {
    /// Nothing yet; so many replies may be sent.
    pub fn new(rates: PerSecond) -> Self {
        let quota = Quota::new(rates, AT_ONCE);
        Self { clients: Clients::default(), said: Said::default(), quota, told: Default::default() }
    }

    /// Whether there may be one more reply to the sender of `request`: to be asked before one is looked for, since that
    /// is what takes time.
    ///
    /// # Errors
    /// The reason for silence.
    pub fn admit(&mut self, basis: &Basis<'_>, way: Way, request: &Request<'_>) -> Result<(), Silence> {
        let Err(over) = self.quota.check(basis.now, way.payer(request.chaddr)) else { return Ok(()) };
        let (told, silence, option) = match over {
            Over::All => (0, Silence::TooMany, "replies"),
            Over::Client => (1, Silence::TooOften, "replies_client"),
        };
        if self.told.get_mut(told).is_some_and(|told| told.allows(basis.now, TOLD)) {
            warn!("{} is not answered: {silence}; if that is right, raise option {option}", request.chaddr);
        }
        Err(silence)
    }

    /// The answer to `request`.
    pub fn consider(
        &self,
        basis: &Basis<'_>,
        arrival: &Arrival<'_>,
        request: &Request<'_>,
    ) -> (Decision, Option<Written>) {
        let mut past = self.clients.past(basis.now, request);
        past.fixed = !basis.all_ports;
        proxy::consider(&basis.config.rules, basis.files, arrival, request, &past)
    }

    /// The configuration is another one now.
    pub fn reconfigured(&mut self, rates: PerSecond) {
        self.quota.change(rates, AT_ONCE);
        self.said = Said::default();
        self.clients.forgive();
    }

    /// Remembers the answer and has the log written; behind the reply, for that takes as long as deciding.
    pub fn report(
        &mut self,
        basis: &Basis<'_>,
        way: Way,
        arrival: &Arrival<'_>,
        request: &Request<'_>,
        answer: &(Decision, Option<Written>),
    ) {
        // Who asked to boot has had the thinking, if not the reply.
        if answer.0.client().is_some() {
            self.quota.count(basis.now, way.payer(request.chaddr));
        }
        self.clients.note(basis.now, arrival.door, request, &answer.0);
        self.clients.tell(basis.now, arrival.door, arrival.device, request, &answer.0);
        report::decided(&mut self.said, basis.now, arrival, request, answer);
        if let (Decision { outcome: Err(Silence::NoFile { looked_for }), .. }, _) = answer {
            basis.files.report_unservable(looked_for, |what| self.said.is_new(what));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_in_a_machines_name_dont_use_up_its_replies() {
        let (machine, other) = (Mac([2, 0, 0, 0, 0, 1]), Mac([2, 0, 0, 0, 0, 2]));
        let mut quota = Quota::new(PerSecond { all: 300, client: 4 }, AT_ONCE);
        let now = Instant::now();
        let mut told = |way: Way, about: Mac| {
            let payer = way.payer(about);
            quota.check(now, payer).map(|()| quota.count(now, payer)).is_ok()
        };
        for way in [Way::of(other, machine), Way::BootServer] {
            assert_eq!((0..100).filter(|_| told(way, machine)).count(), AT_ONCE as usize, "{way:?}");
        }
        assert!(told(Way::of(machine, machine), machine));
        assert!(told(Way::of(other, other), other), "nor those of who sends them");
    }
}
