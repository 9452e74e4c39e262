//! Standard output that can neither stop the service nor end it, whatever becomes of the other end.
//!
//! The logger writes with `println!`, which panics when the disk is full or the reader has gone, and which waits for
//! ever for a reader that stands still. So it is given a pipe of our own in place of standard output, and what it wrote
//! is handed on to the real one as far as that takes it at once.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use super::{owned_fd, succeeded, transferred};

/// What a pipe that is ready for writing takes for certain without waiting (pipe(7), PIPE_BUF).
const AT_ONCE: usize = 4096;

/// The real standard output, and the pipe that took its place.
#[derive(Debug)]
pub struct Relay {
    written: OwnedFd,
    real: OwnedFd,
}

impl Relay {
    /// Puts a pipe in the place of standard output.
    ///
    /// # Errors
    /// For want of descriptors, or when there is no standard output.
    pub fn install() -> io::Result<Self> {
        // SAFETY: no pointers are involved.
        let real = owned_fd(unsafe { libc::fcntl(libc::STDOUT_FILENO, libc::F_DUPFD_CLOEXEC, 3) })?;
        let mut ends = [-1; 2];
        // SAFETY: the pointer describes room for the two descriptors that the kernel fills in.
        succeeded(unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC | libc::O_NONBLOCK) })?;
        let [read, write] = ends;
        // SAFETY: pipe2 succeeded, so both are open, and nobody else knows them yet.
        let (written, write) = unsafe { (OwnedFd::from_raw_fd(read), OwnedFd::from_raw_fd(write)) };
        // SAFETY: no pointers are involved; the pipe's own descriptor is closed when `write` is dropped.
        succeeded(unsafe { libc::dup2(write.as_raw_fd(), libc::STDOUT_FILENO) })?;
        Ok(Self { written, real })
    }

    /// Hands on what was written to the pipe since the last call. What the real output can't take at once is lost.
    pub fn forward(&self) {
        let mut buffer = [0u8; AT_ONCE];
        loop {
            // SAFETY: the pointer and the length describe `buffer`, which outlives the call.
            let read = unsafe { libc::read(self.written.as_raw_fd(), buffer.as_mut_ptr().cast(), buffer.len()) };
            match transferred(read) {
                Ok(len) if len > 0 => self.pass_on(buffer.get(..len).unwrap_or_default()),
                _ => return,
            }
        }
    }

    fn pass_on(&self, bytes: &[u8]) {
        let mut descriptor = libc::pollfd { fd: self.real.as_raw_fd(), events: libc::POLLOUT, revents: 0 };
        // SAFETY: the pointers and lengths describe `descriptor` and `bytes`, which outlive the calls.
        unsafe {
            if libc::poll(&raw mut descriptor, 1, 0) == 1 && descriptor.revents == libc::POLLOUT {
                libc::write(self.real.as_raw_fd(), bytes.as_ptr().cast(), bytes.len());
            }
        }
    }
}
