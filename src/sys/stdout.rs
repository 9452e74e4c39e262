//! Standard output, as far as one can look at it before writing.

/// True when a line can be written now without waiting and without an error.
pub fn takes_a_line() -> bool {
    let mut descriptor = libc::pollfd { fd: libc::STDOUT_FILENO, events: libc::POLLOUT, revents: 0 };
    // SAFETY: the pointer and the count describe `descriptor`, which outlives the call.
    let ready = unsafe { libc::poll(&raw mut descriptor, 1, 0) };
    ready == 1 && descriptor.revents == libc::POLLOUT
}
