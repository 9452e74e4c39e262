//! When to send again: one transfer's measured round trip, its back-off and its patience.
//!
//! RFC 1123 §4.2.3.2 demands an adaptive timeout. This one is TCP's (RFC 6298) in small: a smoothed round trip, Karn's
//! rule, exponential back-off. Times are in microseconds of 32 bits, which a router's 32-bit core counts in fastest.

use std::time::{Duration, Instant};

/// Before the first measurement. A LAN answers a hundred times sooner, and one packet too many does no harm.
const FIRST_WAIT: u32 = 250_000;
/// Firmware pauses for tens of milliseconds while it writes to flash or disk; to repeat sooner would be noise.
const MIN_WAIT: u32 = 20_000;
/// RFC 1350 clients expect a second or more between repetitions; ours are seldom that late.
const DEFAULT_TIMEOUT: u8 = 1;
/// Waits grow up to so many times the timeout.
const MAX_BACKOFF: u32 = 4;
/// Doublings that outlive the client's next progress, for the case that the round trip has grown. More would make a
/// line that loses something of every window unbearably slow.
const MAX_KEPT_DOUBLINGS: u8 = 3;
/// How long a client that did answer may be silent: so many timeouts, but no fewer and no more seconds than these.
const MAX_SILENCE_TIMEOUTS: u32 = 5;
const MIN_SILENCE: u32 = 20;
const MAX_SILENCE: u32 = 60;

#[derive(Debug)]
pub(super) struct Timer {
    /// Smoothed time from sending a window to the ACK of its last block; `None` until one was measured.
    srtt: Option<u32>,
    /// Upper bound of the wait before back-off.
    timeout: u32,
    /// How often the wait was doubled.
    doublings: u8,
    /// How many of the doublings are older than the client's last progress: the round trip may have grown so much.
    kept_doublings: u8,
    /// Karn: what is under way was sent more than once, so its ACK measures nothing.
    ambiguous: bool,
    answered: bool,
    /// Repetitions for a client that has never answered: perhaps it never asked, and somebody else used its address.
    retries: u8,
    sent_at: Instant,
    heard_at: Instant,
    deadline: Instant,
}

impl Timer {
    /// `timeout` is the negotiated one in seconds; a client that never answers gets so many repetitions.
    pub(super) fn new(now: Instant, timeout: Option<u8>, retries: u8) -> Self {
        let timeout = u32::from(timeout.unwrap_or(DEFAULT_TIMEOUT)) * 1_000_000;
        let mut timer = Self {
            srtt: None,
            timeout,
            doublings: 0,
            kept_doublings: 0,
            ambiguous: false,
            answered: false,
            retries,
            sent_at: now,
            heard_at: now,
            deadline: now,
        };
        timer.sent(now);
        timer
    }

    /// Something was sent for the first time.
    pub(super) fn sent(&mut self, now: Instant) {
        self.ambiguous = false;
        self.arm(now);
    }

    /// Something was sent again.
    pub(super) fn sent_again(&mut self, now: Instant) {
        self.ambiguous = true;
        self.arm(now);
    }

    /// All that was sent has been acknowledged.
    pub(super) fn acknowledged(&mut self, now: Instant) {
        self.heard(now);
        if self.ambiguous {
            // Karn's second rule: the longer wait stays until a round trip is measured again.
            return;
        }
        let sample = micros(now.saturating_duration_since(self.sent_at));
        // RFC 6298 §2.3 with alpha = 1/8.
        self.srtt = Some(self.srtt.map_or(sample, |srtt| srtt - srtt / 8 + sample / 8));
        self.doublings = 0;
        self.kept_doublings = 0;
    }

    /// The client has shown that it is there and gets on.
    pub(super) fn heard(&mut self, now: Instant) {
        self.answered = true;
        self.heard_at = now;
        self.doublings = self.doublings.min(MAX_KEPT_DOUBLINGS);
        self.kept_doublings = self.doublings;
    }

    /// The deadline has passed: the next wait is twice as long.
    pub(super) fn back_off(&mut self) {
        self.doublings = self.doublings.saturating_add(1);
    }

    /// True when there is no more hope of an answer.
    pub(super) fn is_hopeless(&self, now: Instant) -> bool {
        if !self.answered {
            return self.doublings > self.retries;
        }
        let patience = self.timeout.saturating_mul(MAX_SILENCE_TIMEOUTS);
        let patience = patience.clamp(MIN_SILENCE * 1_000_000, MAX_SILENCE * 1_000_000);
        now.saturating_duration_since(self.heard_at) >= duration(patience)
    }

    /// Brings the deadline forward to when the answer to what was sent last should have come.
    pub(super) fn hurry(&mut self, now: Instant) {
        if let Some(srtt) = self.srtt {
            self.deadline = (now + duration(srtt)).min(self.sent_at + self.wait_doubled(self.doublings));
        }
    }

    /// When what was sent last is to be sent again.
    pub(super) fn deadline(&self) -> Instant {
        self.deadline
    }

    /// True once the client has acknowledged anything.
    pub(super) fn is_answered(&self) -> bool {
        self.answered
    }

    /// When the client last got on; when the transfer began if it never did.
    pub(super) fn heard_at(&self) -> Instant {
        self.heard_at
    }

    /// True when an answer to what was sent last is overdue by what is known of the round trip: the doublings for
    /// want of an answer don't count.
    pub(super) fn is_overdue(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.sent_at) >= self.wait_doubled(self.kept_doublings)
    }

    /// True when an answer to what was sent last can have come, as far as is known.
    pub(super) fn is_round_trip_over(&self, now: Instant) -> bool {
        self.srtt.is_some_and(|srtt| now.saturating_duration_since(self.sent_at) >= duration(srtt))
    }

    fn arm(&mut self, now: Instant) {
        self.sent_at = now;
        self.deadline = now + self.wait_doubled(self.doublings);
    }

    fn wait_doubled(&self, doublings: u8) -> Duration {
        // Four round trips leave room for their spread without measuring it.
        let wait = self.srtt.map_or(FIRST_WAIT, |srtt| srtt.saturating_mul(4)).clamp(MIN_WAIT, self.timeout);
        let factor = 1u32.checked_shl(u32::from(doublings)).unwrap_or(u32::MAX);
        duration(wait.saturating_mul(factor).min(self.timeout.saturating_mul(MAX_BACKOFF)))
    }
}

/// Microseconds, at most 71 minutes.
fn micros(duration: Duration) -> u32 {
    let seconds = u32::try_from(duration.as_secs()).unwrap_or(u32::MAX);
    seconds.saturating_mul(1_000_000).saturating_add(duration.subsec_micros())
}

/// Without the 64-bit division of `Duration::from_micros`.
fn duration(micros: u32) -> Duration {
    Duration::new(u64::from(micros / 1_000_000), micros % 1_000_000 * 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// How long the timer waits after `sent` when each round trip so far took so long.
    fn wait_after(round_trips: &[Duration], timeout: Option<u8>) -> Duration {
        let mut now = Instant::now();
        let mut timer = Timer::new(now, timeout, 3);
        for &round_trip in round_trips {
            timer.sent(now);
            now += round_trip;
            timer.acknowledged(now);
        }
        timer.sent(now);
        timer.deadline() - now
    }

    #[test]
    fn the_wait_follows_the_round_trip() {
        for (round_trips, timeout, wait) in [
            (&[][..], None, 250 * MS),
            (&[MS], None, 20 * MS),
            (&[10 * MS], None, 40 * MS),
            (&[10 * MS, 10 * MS, 10 * MS], None, 40 * MS),
            (&[8 * MS, 16 * MS], None, 36 * MS),
            // The timeout bounds it.
            (&[900 * MS], None, 1000 * MS),
            (&[900 * MS], Some(3), 3000 * MS),
            (&[5000 * MS], Some(255), 20_000 * MS),
            (&[Duration::from_secs(1 << 40)], Some(255), 255_000 * MS),
        ] {
            assert_eq!(wait_after(round_trips, timeout), wait, "{round_trips:?} {timeout:?}");
        }
    }

    #[test]
    fn waits_double_up_to_four_timeouts() {
        let mut now = Instant::now();
        let mut timer = Timer::new(now, None, 3);
        timer.acknowledged(now + MS);
        timer.sent(now);
        let mut waits = Vec::new();
        for _ in 0..10 {
            waits.push((timer.deadline() - now).as_millis());
            now = timer.deadline();
            timer.back_off();
            timer.sent_again(now);
        }
        assert_eq!(waits, [20, 40, 80, 160, 320, 640, 1280, 2560, 4000, 4000]);
    }

    #[test]
    fn karn_a_repetition_measures_nothing_and_keeps_the_longer_wait() {
        let mut now = Instant::now();
        let mut timer = Timer::new(now, None, 3);
        now += MS;
        timer.acknowledged(now);
        timer.sent(now);
        now = timer.deadline();
        timer.back_off();
        timer.sent_again(now);
        now += 30 * MS;
        timer.acknowledged(now);
        assert_eq!(timer.srtt, Some(1000));
        timer.sent(now);
        assert_eq!(timer.deadline() - now, 40 * MS);
        now += MS;
        timer.acknowledged(now);
        timer.sent(now);
        assert_eq!(timer.deadline() - now, 20 * MS);
    }

    #[test]
    fn patience_has_an_end() {
        let start = Instant::now();
        for (answered, timeout, shortest, longest) in [
            // 0.25 + 0.5 + 1 + 2 seconds.
            (false, None, 3.7, 3.8),
            (true, None, 20.0, 24.0),
            (true, Some(1), 20.0, 24.0),
            (true, Some(10), 50.0, 90.0),
            // No more than one wait beyond the longest patience.
            (true, Some(60), 60.0, 130.0),
        ] {
            let mut timer = Timer::new(start, timeout, 3);
            if answered {
                timer.acknowledged(start + MS);
                timer.sent(start + MS);
            }
            let end = loop {
                let now = timer.deadline();
                timer.back_off();
                if timer.is_hopeless(now) {
                    break now - start;
                }
                timer.sent_again(now);
            };
            let seconds = end.as_secs_f32();
            assert!((shortest..longest).contains(&seconds), "{answered} {timeout:?}: {seconds}");
        }
    }
}
