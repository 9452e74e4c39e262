//! Gives up root: an account of our own, and of root's powers only those that opening a socket again takes.

use std::fs;
use std::io;
use std::ptr;

use super::succeeded;

/// linux/capability.h: two words for each set, though all that concerns us is in the first.
const LINUX_CAPABILITY_VERSION_3: u32 = 0x2008_0522;

/// A user of this system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Account {
    /// Its number.
    pub uid: u32,
    /// Its only group's.
    pub gid: u32,
}

/// The account called `name`; `None` if there is none.
///
/// # Errors
/// When `/etc/passwd` can't be read.
pub fn account(name: &str) -> io::Result<Option<Account>> {
    Ok(find(&fs::read_to_string("/etc/passwd")?, name))
}

/// passwd(5): name:password:uid:gid:…
fn find(passwd: &str, name: &str) -> Option<Account> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        if fields.next() != Some(name) {
            return None;
        }
        Some(Account { uid: fields.nth(1)?.parse().ok()?, gid: fields.next()?.parse().ok()? })
    })
}

/// Whose process this is.
pub fn user() -> u32 {
    // SAFETY: no pointers are involved.
    unsafe { libc::geteuid() }
}

/// True when this process is root.
pub fn is_root() -> bool {
    user() == 0
}

/// Powers of root's, as bits of the first word of the capability sets.
pub type Powers = u32;
/// To open packet sockets, which a device that is made anew needs.
pub const PACKETS: Powers = 1 << 13;
/// To bind ports below 1024.
pub const LOW_PORTS: Powers = 1 << 10;
/// To read every file and search every folder.
pub const READ_ALL: Powers = 1 << 2;

/// Turns this process, which must be root and have one thread, into `account`'s. There is no way back.
///
/// # Errors
/// When the system refuses; the process must not go on then, for it is in between.
pub fn become_account(account: Account, keep: Powers) -> io::Result<()> {
    // SAFETY: an empty list of groups may be null; no other pointers are involved.
    unsafe {
        succeeded(libc::prctl(libc::PR_SET_KEEPCAPS, 1, 0, 0, 0))?;
        called(libc::syscall(number::SETGROUPS, 0, ptr::null::<libc::gid_t>()))?;
        called(libc::syscall(number::SETGID, account.gid))?;
        called(libc::syscall(number::SETUID, account.uid))?;
    }
    limit(keep).map(|_| ())
}

/// No program that this process runs has more powers than it has itself, whatever the file says (prctl(2)).
///
/// # Errors
/// Before Linux 3.5.
pub fn no_new_privileges() -> io::Result<()> {
    // SAFETY: no pointers are involved.
    succeeded(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) })
}

/// The kernel's own calls, which change one thread: libc's stop all threads to change each, with 2 KB of code. On the
/// oldest architectures those without a number have user ids of 16 bits.
mod number {
    #[cfg(not(any(target_arch = "arm", target_arch = "x86")))]
    pub use libc::{SYS_setgid as SETGID, SYS_setgroups as SETGROUPS, SYS_setuid as SETUID};
    #[cfg(any(target_arch = "arm", target_arch = "x86"))]
    pub use libc::{SYS_setgid32 as SETGID, SYS_setgroups32 as SETGROUPS, SYS_setuid32 as SETUID};
}

/// capget(2), capset(2): for this process, in version 3.
#[repr(C)]
struct Header {
    version: u32,
    pid: i32,
}

/// One word of each set.
#[repr(C)]
#[derive(Default, Clone, Copy)]
struct Data {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

/// Gives up every power but those of `keep` that there are, and tells which these are.
///
/// # Errors
/// When the kernel knows no capabilities.
pub fn limit(keep: Powers) -> io::Result<Powers> {
    let mut header = Header { version: LINUX_CAPABILITY_VERSION_3, pid: 0 };
    let mut data = [Data::default(); 2];
    // SAFETY: in version 3 capget(2) fills in two data structures; they and the header outlive the call.
    called(unsafe { libc::syscall(libc::SYS_capget, &raw mut header, data.as_mut_ptr()) })?;
    let [first, _] = data;
    let kept = first.permitted & keep;
    let data = [Data { effective: kept, permitted: kept, inheritable: 0 }, Data::default()];
    // SAFETY: capset(2) reads one header and, in version 3, two data structures, which all outlive the call.
    called(unsafe { libc::syscall(libc::SYS_capset, &raw const header, data.as_ptr()) })?;
    Ok(kept)
}

/// The result of a call by number.
fn called(result: libc::c_long) -> io::Result<()> {
    succeeded(if result < 0 { -1 } else { 0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_found_by_its_whole_name() {
        let passwd = "root:x:0:0:root:/root:/bin/ash\nupxed:x:7:7::/:\nupxe:x:473:474:upxe:/var/run/upxe:/bin/false\n";
        assert_eq!(find(passwd, "upxe"), Some(Account { uid: 473, gid: 474 }));
        assert_eq!(find(passwd, "upx"), None);
        assert_eq!(find("upxe:x:nobody:474::", "upxe"), None);
        assert_eq!(find("upxe", "upxe"), None);
    }

    #[test]
    fn what_is_given_up_is_gone() {
        if !is_root() {
            return;
        }
        // In a process of its own: the rest of these tests want to go on as root.
        // SAFETY: the child only makes system calls, reads a file and ends.
        let child = unsafe { libc::fork() };
        if child == 0 {
            let account = Account { uid: 65534, gid: 65534 };
            let became = become_account(account, PACKETS | LOW_PORTS).is_ok() && !is_root();
            let low_port = crate::sys::udp::UdpListener::bind(1).is_ok();
            let limited = limit(PACKETS).is_ok_and(|kept| kept == PACKETS);
            let no_low_port = crate::sys::udp::UdpListener::bind(2).is_err();
            let packets = crate::sys::packet_socket::PacketSocket::open(1, 67).is_ok();
            let no_way_back = limit(PACKETS | LOW_PORTS | READ_ALL).is_ok_and(|kept| kept == PACKETS);
            let well = became && low_port && limited && no_low_port && packets && no_way_back;
            // SAFETY: ends the child without the parent's exit handlers.
            unsafe { libc::_exit(i32::from(!well)) }
        }
        let mut status = 0;
        // SAFETY: `status` outlives the call.
        unsafe { libc::waitpid(child, &raw mut status, 0) };
        assert_eq!(status, 0);
    }
}
