//! A time to wake at, as something to wait for beside packets.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::ptr;
use std::time::Instant;

use super::{owned_fd, succeeded};

/// Becomes readable at the time that it was set for (timerfd_create(2)), and stays so until it is set anew. A time that
/// each wait is told costs a timer of the kernel's each time; this one is kept from wait to wait.
#[derive(Debug)]
pub struct Alarm {
    fd: OwnedFd,
    set_for: Option<Instant>,
}

impl Alarm {
    /// An alarm that is not set.
    ///
    /// # Errors
    /// Only for want of descriptors or memory.
    pub fn new() -> io::Result<Self> {
        // SAFETY: no pointers are involved.
        let fd = owned_fd(unsafe { libc::timerfd_create(libc::CLOCK_MONOTONIC, libc::TFD_CLOEXEC) })?;
        Ok(Self { fd, set_for: None })
    }

    /// Sets it for `time`, `None` for never. Does nothing if that is what it is set for, also when it has gone off.
    ///
    /// # Errors
    /// Only if the kernel can't: then the wait has to be told the time.
    pub fn set(&mut self, now: Instant, time: Option<Instant>) -> io::Result<()> {
        if time == self.set_for {
            return Ok(());
        }
        // SAFETY: itimerspec is plain data; all zeros is a valid value, and takes the alarm off.
        let mut timer: libc::itimerspec = unsafe { MaybeUninit::zeroed().assume_init() };
        if let Some(time) = time {
            let left = time.saturating_duration_since(now);
            // Both types differ from one architecture to another.
            timer.it_value.tv_sec = left.as_secs().try_into().unwrap_or(i32::MAX.into());
            // What is due now would take it off.
            timer.it_value.tv_nsec = left.subsec_nanos().max(1) as _;
        }
        // SAFETY: the pointer describes `timer`, which outlives the call.
        succeeded(unsafe { libc::timerfd_settime(self.fd.as_raw_fd(), 0, &raw const timer, ptr::null_mut()) })?;
        self.set_for = time;
        Ok(())
    }
}

impl AsFd for Alarm {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::epoll::{Epoll, Events};
    use std::time::Duration;

    #[test]
    fn it_goes_off_when_it_is_due_and_not_before() {
        let (epoll, mut alarm) = (Epoll::new().unwrap(), Alarm::new().unwrap());
        epoll.add(&alarm, 7).unwrap();
        let rings = |patience| epoll.wait(&mut Events::default(), Some(patience)).unwrap().next() == Some(7);
        let start = Instant::now();
        assert!(!rings(Duration::ZERO));
        alarm.set(start, Some(start + Duration::from_millis(30))).unwrap();
        assert!(rings(Duration::from_secs(5)));
        assert!(start.elapsed() >= Duration::from_millis(30));
        assert!(rings(Duration::ZERO), "it stays so");
        alarm.set(Instant::now(), Some(Instant::now() + Duration::from_secs(3600))).unwrap();
        assert!(!rings(Duration::ZERO));
        alarm.set(Instant::now(), Some(start)).unwrap();
        assert!(rings(Duration::from_secs(5)), "it was due");
        alarm.set(Instant::now(), None).unwrap();
        assert!(!rings(Duration::from_millis(5)));
    }
}
