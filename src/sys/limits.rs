//! What the system lets this process have.

use std::io;
use std::ptr;

use super::succeeded;

/// Makes room for `wanted` descriptors, as far as the hard limit allows, and tells how many there may be. By prlimit(2), for
/// musl's setrlimit() is ready for kernels before 2.6.36, where it stops all threads: 3 KB.
///
/// # Errors
/// Only if the kernel refuses to tell.
pub fn raise_descriptors(wanted: u64) -> io::Result<u64> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the pointer describes `limit`, which outlives the call; the kernel fills it in.
    succeeded(unsafe { libc::prlimit(0, libc::RLIMIT_NOFILE, ptr::null(), &raw mut limit) })?;
    if limit.rlim_cur < wanted {
        let raised = libc::rlimit { rlim_cur: limit.rlim_max.min(wanted), ..limit };
        // SAFETY: the pointer describes `raised`, which outlives the call.
        if succeeded(unsafe { libc::prlimit(0, libc::RLIMIT_NOFILE, &raw const raised, ptr::null_mut()) }).is_ok() {
            limit = raised;
        }
    }
    Ok(limit.rlim_cur)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_is_told_and_never_lowered() {
        let before = raise_descriptors(0).unwrap();
        assert!(before > 0);
        assert_eq!(raise_descriptors(before).unwrap(), before);
        assert!(raise_descriptors(before + 1).unwrap() >= before);
    }
}
