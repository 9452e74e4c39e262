//! Takes away what this process could do with files, other processes and TCP, for good (landlock(7), Linux 5.13).

use std::ffi::CString;
use std::io;
use std::mem;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::ptr;

use super::{owned_fd, succeeded};

// linux/landlock.h.
const CREATE_RULESET_VERSION: u32 = 1;
const RULE_PATH_BENEATH: i32 = 1;
const ACCESS_FS_READ_FILE: u64 = 1 << 2;
const ACCESS_FS_READ_DIR: u64 = 1 << 3;
/// To bind TCP ports and to connect; since version 4.
const ACCESS_NET: u64 = 0b11;
/// Abstract local sockets of others, and signals to them; since version 6.
const SCOPES: u64 = 0b11;

/// `struct landlock_ruleset_attr`: what is forbidden unless a rule permits it.
#[repr(C)]
struct Ruleset {
    access_fs: u64,
    access_net: u64,
    scoped: u64,
}

/// `struct landlock_path_beneath_attr`.
#[repr(C, packed)]
struct PathBeneath {
    allowed_access: u64,
    parent_fd: i32,
}

/// Everything that this version of Landlock can forbid with files.
fn access_fs(version: i32) -> u64 {
    let bits = match version {
        1 => 13,
        2 => 14,
        3 | 4 => 15,
        _ => 16,
    };
    (1 << bits) - 1
}

/// From now on this process, which must have no_new_privs, can do nothing with files but read those beneath `readable`, and
/// those that it has open. What isn't there is passed over. Tells which version of Landlock there is.
///
/// # Errors
/// `ENOSYS` or `EOPNOTSUPP` when the kernel has no Landlock.
pub fn read_only(readable: &[PathBuf]) -> io::Result<i32> {
    // SAFETY: without a ruleset, the call only tells the version.
    let version = unsafe {
        libc::syscall(libc::SYS_landlock_create_ruleset, ptr::null::<u8>(), 0usize, CREATE_RULESET_VERSION) as i32
    };
    succeeded(version)?;
    let ruleset = Ruleset {
        access_fs: access_fs(version),
        access_net: if version >= 4 { ACCESS_NET } else { 0 },
        scoped: if version >= 6 { SCOPES } else { 0 },
    };
    // SAFETY: the pointer and the size describe `ruleset`, which outlives the call. An older kernel takes a structure that
    // is longer than it knows when the rest is zeros, which it is.
    let rules = owned_fd(unsafe {
        libc::syscall(libc::SYS_landlock_create_ruleset, &raw const ruleset, mem::size_of::<Ruleset>(), 0u32) as i32
    })?;
    for path in readable {
        // It isn't there, or cannot be reached: then nothing beneath it could be read anyway.
        let _ = permit(&rules, path);
    }
    // SAFETY: no pointers are involved.
    succeeded(unsafe { libc::syscall(libc::SYS_landlock_restrict_self, rules.as_raw_fd(), 0u32) as i32 })?;
    Ok(version)
}

fn permit(rules: &OwnedFd, path: &Path) -> io::Result<()> {
    let is_folder = path.is_dir();
    let path = CString::new(path.as_os_str().as_bytes())?;
    // SAFETY: the path is NUL-terminated and outlives the call.
    let place = owned_fd(unsafe { libc::open(path.as_ptr(), libc::O_PATH | libc::O_CLOEXEC) })?;
    let allowed_access = ACCESS_FS_READ_FILE | if is_folder { ACCESS_FS_READ_DIR } else { 0 };
    let rule = PathBeneath { allowed_access, parent_fd: place.as_raw_fd() };
    // SAFETY: the pointer describes `rule`, which outlives the call.
    succeeded(unsafe {
        libc::syscall(libc::SYS_landlock_add_rule, rules.as_raw_fd(), RULE_PATH_BENEATH, &raw const rule, 0u32) as i32
    })
}
