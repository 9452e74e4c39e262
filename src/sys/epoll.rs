//! Waiting for descriptors to become readable, or for a time to come.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use super::{owned_fd, succeeded};

/// Descriptors reported by one wait; more wait for the next.
pub const BATCH: usize = 16;

/// What one wait reports. Kept from wait to wait, since nobody needs 256 bytes cleared and moved for each packet.
pub struct Events([libc::epoll_event; BATCH]);

impl Default for Events {
    fn default() -> Self {
        Self([libc::epoll_event { events: 0, u64: 0 }; BATCH])
    }
}

/// A set of descriptors; one leaves it by being closed.
#[derive(Debug)]
pub struct Epoll {
    fd: OwnedFd,
}

impl Epoll {
    /// An empty set.
    ///
    /// # Errors
    /// Only for want of descriptors or memory.
    pub fn new() -> io::Result<Self> {
        // SAFETY: no pointers are involved.
        Ok(Self { fd: owned_fd(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) })? })
    }

    /// Reports `fd` under `token` whenever it is readable.
    ///
    /// # Errors
    /// Only for want of memory, or when `fd` is in the set already.
    pub fn add(&self, fd: impl AsFd, token: u64) -> io::Result<()> {
        self.add_for(fd, token, libc::EPOLLIN)
    }

    /// Reports `fd` when something comes, and not again for the same thing: what can't be taken just then keeps nobody
    /// busy.
    ///
    /// # Errors
    /// As for [`add`](Self::add).
    pub fn add_for_news(&self, fd: impl AsFd, token: u64) -> io::Result<()> {
        self.add_for(fd, token, libc::EPOLLIN | libc::EPOLLET)
    }

    /// Reports `fd` once more if there is something left that it was reported for.
    ///
    /// # Errors
    /// Only when `fd` isn't in the set.
    pub fn remind(&self, fd: impl AsFd, token: u64) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_MOD, fd, token, libc::EPOLLIN | libc::EPOLLET)
    }

    /// Reports `fd` whenever it takes bytes, or will never again.
    ///
    /// # Errors
    /// As for [`add`](Self::add).
    pub fn add_for_writing(&self, fd: impl AsFd, token: u64) -> io::Result<()> {
        self.add_for(fd, token, libc::EPOLLOUT)
    }

    fn add_for(&self, fd: impl AsFd, token: u64, events: i32) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_ADD, fd, token, events)
    }

    fn control(&self, operation: i32, fd: impl AsFd, token: u64, events: i32) -> io::Result<()> {
        let mut event = libc::epoll_event { events: events as u32, u64: token };
        // SAFETY: `event` outlives the call; the kernel copies it.
        succeeded(unsafe { libc::epoll_ctl(self.fd.as_raw_fd(), operation, fd.as_fd().as_raw_fd(), &raw mut event) })
    }

    /// Waits until something is readable or `timeout` has passed; `None` waits for ever. The tokens are left in `events`.
    ///
    /// # Errors
    /// None that `epoll_wait` knows for a set that is open.
    pub fn wait<'a>(
        &self,
        events: &'a mut Events,
        timeout: Option<Duration>,
    ) -> io::Result<impl Iterator<Item = u64> + use<'a>> {
        // Rounded up: to wake a moment early would mean to spin until the time has really come.
        let milliseconds = timeout.map_or(-1, |time| {
            let seconds = i32::try_from(time.as_secs()).unwrap_or(i32::MAX);
            seconds.saturating_mul(1000).saturating_add(time.subsec_nanos().div_ceil(1_000_000) as i32)
        });
        let Events(events) = events;
        // SAFETY: the pointer and the count describe `events`, which outlives the call.
        let count = unsafe { libc::epoll_wait(self.fd.as_raw_fd(), events.as_mut_ptr(), BATCH as i32, milliseconds) };
        let count = match succeeded(count) {
            Ok(()) => count as usize,
            // SIGSTOP and SIGCONT, a debugger: nothing has happened.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => 0,
            Err(error) => return Err(error),
        };
        Ok(events.get(..count).unwrap_or_default().iter().map(|event| event.u64))
    }
}

impl AsFd for Epoll {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
