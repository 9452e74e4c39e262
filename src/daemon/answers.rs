//! Answers to boot requests: asks the core for one, and sees to what is remembered and logged of it.

use super::files::Files;
use super::report::{self, Said};
use crate::config::Config;
use crate::proxy::{self, Arrival, Decision, Silence};
use crate::wire::reply::Written;
use crate::wire::request::Request;

/// What answers are made of.
pub struct Scene<'a> {
    /// The configuration.
    pub config: &'a Config,
    /// The files that can be fetched from here.
    pub files: &'a Files,
}

/// What is remembered of the answers that were given.
#[derive(Debug, Default)]
pub struct Answers {
    said: Said,
}

impl Scene<'_> {
    /// The answer to `request`.
    pub fn consider(&self, arrival: &Arrival<'_>, request: &Request<'_>) -> (Decision, Option<Written>) {
        proxy::consider(&self.config.rules, self.files, arrival, request)
    }
}

impl Answers {
    /// Has the log written; behind the reply, for that takes as long as deciding.
    pub fn report(
        &mut self,
        scene: &Scene<'_>,
        arrival: &Arrival<'_>,
        request: &Request<'_>,
        answer: &(Decision, Option<Written>),
    ) {
        report::decided(&mut self.said, arrival, request, answer);
        if let (Decision { outcome: Err(Silence::NoFile { looked_for }), .. }, _) = answer {
            scene.files.report_unservable(looked_for);
        }
    }
}
