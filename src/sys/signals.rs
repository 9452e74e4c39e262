//! SIGHUP, SIGTERM and SIGINT as something to wait for beside packets.

use std::io;
use std::mem::{self, MaybeUninit};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use super::{owned_fd, succeeded, transferred};

/// What a signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// SIGHUP: read the configuration again.
    Reload,
    /// SIGTERM or SIGINT: end.
    Stop,
}

/// The signals that have arrived and weren't looked at yet.
#[derive(Debug)]
pub struct Signals {
    fd: OwnedFd,
}

impl Signals {
    /// Blocks the ordinary delivery of the three signals; from here on they wait to be [taken](Self::take).
    ///
    /// # Errors
    /// Only for want of descriptors or memory.
    pub fn open() -> io::Result<Self> {
        let mut set = MaybeUninit::<libc::sigset_t>::uninit();
        // SAFETY: sigemptyset initialises the set that the other calls then read; all live through the block.
        let fd = unsafe {
            libc::sigemptyset(set.as_mut_ptr());
            for signal in [libc::SIGHUP, libc::SIGTERM, libc::SIGINT] {
                libc::sigaddset(set.as_mut_ptr(), signal);
            }
            succeeded(libc::sigprocmask(libc::SIG_BLOCK, set.as_ptr(), std::ptr::null_mut()))?;
            owned_fd(libc::signalfd(-1, set.as_ptr(), libc::SFD_CLOEXEC | libc::SFD_NONBLOCK))?
        };
        Ok(Self { fd })
    }

    /// The next signal; `None` when there is none.
    pub fn take(&self) -> Option<Signal> {
        // SAFETY: signalfd_siginfo is plain data; all zeros is a valid value.
        let mut info: libc::signalfd_siginfo = unsafe { mem::zeroed() };
        let len = mem::size_of_val(&info);
        // SAFETY: the pointer and the length describe `info`, which outlives the call.
        let read = transferred(unsafe { libc::read(self.fd.as_raw_fd(), (&raw mut info).cast(), len) }).ok()?;
        if read != len {
            return None;
        }
        Some(if info.ssi_signo == libc::SIGHUP as u32 { Signal::Reload } else { Signal::Stop })
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
