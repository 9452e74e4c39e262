//! How much of a thing may happen: so much at once, then one in each interval; for all, and for each of those who ask.
//! Knows no clock.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use crate::config::PerSecond;
use crate::wire::frame::Mac;

/// Payers that [`Quota`] keeps apart. Each place is in use for as long as the one who has it is above its pace; when all are,
/// the one that is nearest to it makes room.
const MAX_CLIENTS: usize = 256;

/// So much at once, and then one in each interval.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    burst: u32,
    interval: Duration,
}

impl Pace {
    /// `burst` at once, and one more in each `interval`.
    pub const fn new(burst: u32, interval: Duration) -> Self {
        Self { burst, interval }
    }

    fn per_second(count: u16, burst: u32) -> Self {
        Self::new(burst, Duration::from_micros(u64::from(1_000_000 / u32::from(count.max(1)))))
    }
}

/// What was used of a [`Pace`].
#[derive(Debug, Clone, Copy, Default)]
pub struct Meter {
    /// Until when all that happened would have taken, one in each interval; `None` before the first time.
    until: Option<Instant>,
}

impl Meter {
    /// Nothing was used.
    pub const fn new() -> Self {
        Self { until: None }
    }

    /// True when there may be one more now.
    pub fn has_room(&self, now: Instant, pace: Pace) -> bool {
        let ahead = self.until.map_or(Duration::ZERO, |until| until.saturating_duration_since(now));
        ahead + pace.interval <= pace.interval.saturating_mul(pace.burst)
    }

    /// Counts one.
    pub fn count(&mut self, now: Instant, pace: Pace) {
        self.until = Some(self.until.map_or(now, |until| until.max(now)) + pace.interval);
    }

    /// Counts one if there may be one more now.
    pub fn allows(&mut self, now: Instant, pace: Pace) -> bool {
        let room = self.has_room(now, pace);
        if room {
            self.count(now, pace);
        }
        room
    }
}

/// Who pays for what happens: a machine, as far as it is known, in one of its accounts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Payer(u64);

impl Payer {
    /// All of whom nothing is known, together.
    pub const NOBODY: Payer = Payer(0);

    /// The machine with this hardware address.
    pub fn station(mac: Mac) -> Payer {
        Payer::account(mac, 0)
    }

    /// One of several that this machine has, each apart from the others.
    pub fn account(mac: Mac, number: u8) -> Payer {
        // No hardware address has more than 48 bits, and no host's address as many.
        Payer((u64::from(number) + 1) << 48 | mac.number())
    }

    /// Whoever has this address, where no hardware address is known.
    pub fn host(address: Ipv4Addr) -> Payer {
        Payer(u32::from(address).into())
    }
}

/// Why there may be no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Over {
    /// All together are above their pace.
    All,
    /// This one is.
    Client,
}

/// A pace for all together, and one for each.
#[derive(Debug)]
pub struct Quota {
    all: Pace,
    each: Pace,
    used: Meter,
    used_by: Vec<(Payer, Meter)>,
}

impl Quota {
    /// Each has a pace of `rates.client` with `burst` at once, and all together of `rates.all` with those of two seconds.
    pub fn new(rates: PerSecond, burst: u32) -> Self {
        Self {
            all: Pace::per_second(rates.all, 2 * u32::from(rates.all)),
            each: Pace::per_second(rates.client, burst),
            used: Meter::default(),
            used_by: Vec::new(),
        }
    }

    /// Takes other rates; what was used stays used.
    pub fn change(&mut self, rates: PerSecond, burst: u32) {
        let used_by = std::mem::take(&mut self.used_by);
        *self = Self { used: self.used, used_by, ..Self::new(rates, burst) };
    }

    /// Whether there may be one more for `payer` now.
    ///
    /// # Errors
    /// Who is above the pace.
    pub fn check(&self, now: Instant, payer: Payer) -> Result<(), Over> {
        if !self.used.has_room(now, self.all) {
            return Err(Over::All);
        }
        let known = self.used_by.iter().find(|(known, _)| *known == payer);
        if known.is_some_and(|(_, used)| !used.has_room(now, self.each)) {
            return Err(Over::Client);
        }
        Ok(())
    }

    /// Counts one for `payer`.
    pub fn count(&mut self, now: Instant, payer: Payer) {
        self.used.count(now, self.all);
        let at = match self.used_by.iter().position(|(known, _)| *known == payer) {
            Some(at) => at,
            None if self.used_by.len() < MAX_CLIENTS => {
                self.used_by.push((payer, Meter::default()));
                self.used_by.len() - 1
            }
            None => {
                let least = self.used_by.iter().enumerate().min_by_key(|(_, (_, used))| used.until);
                let at = least.map_or(0, |(at, _)| at);
                if let Some(place) = self.used_by.get_mut(at) {
                    *place = (payer, Meter::default());
                }
                at
            }
        };
        if let Some((_, used)) = self.used_by.get_mut(at) {
            used.count(now, self.each);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);
    const RATES: PerSecond = PerSecond { all: 300, client: 4 };

    fn quota() -> Quota {
        Quota::new(RATES, 16)
    }

    fn take(quota: &mut Quota, now: Instant, client: u64) -> Result<(), Over> {
        quota.check(now, Payer(client))?;
        quota.count(now, Payer(client));
        Ok(())
    }

    #[test]
    fn a_room_of_250_machines_is_not_cut() {
        let mut quota = quota();
        let start = Instant::now();
        // Each asks for an offer and on port 4011 in the same moment, and again as iPXE after a second.
        for at in [start, start, start + 1000 * MS] {
            for client in 0..250 {
                assert_eq!(take(&mut quota, at, client), Ok(()));
            }
        }
        for client in 0..250 {
            assert_eq!(take(&mut quota, start + 1500 * MS, client), Ok(()));
        }
    }

    #[test]
    fn a_flood_from_one_machine_is_cut_and_no_other_is() {
        let mut quota = quota();
        let start = Instant::now();
        // Ten thousand a second, for ten seconds.
        let flood = (0..100_000u32).filter(|at| take(&mut quota, start + *at * MS / 10, 1).is_ok()).count();
        assert_eq!(flood, 16 + 39);
        assert_eq!(take(&mut quota, start + 10_000 * MS, 2), Ok(()));
        // Half a minute later it is as if nothing had been.
        assert_eq!((0..20).filter(|_| take(&mut quota, start + 40_000 * MS, 1).is_ok()).count(), 16);
    }

    #[test]
    fn a_flood_from_forged_machines_is_cut_in_total_and_bounded_in_memory() {
        let mut quota = quota();
        let start = Instant::now();
        let flood =
            (0..100_000u32).filter(|at| take(&mut quota, start + *at * MS / 10, u64::from(*at)).is_ok()).count();
        assert!((3_580..=3_610).contains(&flood), "{flood}");
        assert_eq!(take(&mut quota, start + 10_000 * MS, 0), Err(Over::All));
        assert!(quota.used_by.len() <= MAX_CLIENTS);
    }

    #[test]
    fn other_rates_hold_at_once() {
        let mut quota = quota();
        let now = Instant::now();
        assert_eq!((0..20).filter(|_| take(&mut quota, now, 1).is_ok()).count(), 16);
        quota.change(PerSecond { all: 300, client: 1000 }, 64);
        assert_eq!(take(&mut quota, now + MS, 1), Err(Over::Client), "what was used is used");
        assert_eq!(take(&mut quota, now + 4000 * MS, 1), Ok(()));
    }

    #[test]
    fn a_pace_allows_a_burst_and_then_one_in_each_interval() {
        let start = Instant::now();
        let (mut used, pace) = (Meter::default(), Pace::new(10, 500 * MS));
        // A thousand a second, for a minute.
        let allowed = (0..60_000).filter(|ms| used.allows(start + *ms * MS, pace)).count();
        assert_eq!(allowed, 10 + 119);
        let mut seldom = Meter::default();
        assert!((0..1000).all(|second| seldom.allows(start + second * 1000 * MS, pace)));
    }
}
