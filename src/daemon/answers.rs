//! Answers to boot requests: asks the core for one, and sees to what is remembered and logged of it.

use std::time::Instant;

use super::files::Files;
use super::report::{self, Said};
use crate::config::Config;
use crate::proxy::clients::Clients;
use crate::proxy::{self, Arrival, Decision, Silence};
use crate::wire::reply::Written;
use crate::wire::request::Request;

/// What answers are made of.
pub struct Scene<'a> {
    /// The configuration.
    pub config: &'a Config,
    /// The files that can be fetched from here.
    pub files: &'a Files,
    /// Ports 4011 and 69 are ours both, so that every form of an offer can be served.
    pub all_ports: bool,
    /// The time.
    pub now: Instant,
}

/// What is remembered of the answers that were given.
#[derive(Debug, Default)]
pub struct Answers {
    /// The machines that boot.
    pub clients: Clients,
    said: Said,
}

impl Answers {
    /// The answer to `request`.
    pub fn consider(
        &self,
        scene: &Scene<'_>,
        arrival: &Arrival<'_>,
        request: &Request<'_>,
    ) -> (Decision, Option<Written>) {
        let mut past = self.clients.past(scene.now, request);
        past.fixed = !scene.all_ports;
        proxy::consider(&scene.config.rules, scene.files, arrival, request, &past)
    }

    /// The configuration is another one now.
    pub fn reconfigured(&mut self) {
        self.said = Said::default();
        self.clients.forgive();
    }

    /// Remembers the answer and has the log written; behind the reply, for that takes as long as deciding.
    pub fn report(
        &mut self,
        scene: &Scene<'_>,
        arrival: &Arrival<'_>,
        request: &Request<'_>,
        answer: &(Decision, Option<Written>),
    ) {
        self.clients.note(scene.now, arrival.door, request, &answer.0);
        self.clients.tell(scene.now, arrival.door, arrival.device, request, &answer.0);
        report::decided(&mut self.said, arrival, request, answer);
        if let (Decision { outcome: Err(Silence::NoFile { looked_for }), .. }, _) = answer {
            scene.files.report_unservable(looked_for, |what| self.said.is_new(what));
        }
    }
}
