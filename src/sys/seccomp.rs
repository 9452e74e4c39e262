//! The system calls that the running service can still make: a filter in the kernel that nobody takes off (seccomp(2)).
//!
//! What is in no table here fails with ENOSYS, as in a kernel that hasn't heard of it: libraries know how to do without,
//! and a call that was forgotten here costs a feature, not the service. What only somebody else's code would want
//! ends the process (`NEVER`). The numbers are this architecture's; calls by those of another one end the process too.

use std::io;
use std::ptr;

use libc::{c_long, sock_filter};

use super::succeeded;

/// Where the kernel puts a call for the filter to look at (`struct seccomp_data`): number, architecture, arguments.
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;
/// The lower half of the first argument; each has eight bytes.
const FIRST_ARGUMENT: u32 = 16 + if cfg!(target_endian = "big") { 4 } else { 0 };

/// linux/audit.h `AUDIT_ARCH_*`: the ELF machine, with a bit for 64-bit registers and one for little-endian.
const OUR_ARCHITECTURE: u32 = MACHINE
    | if cfg!(target_pointer_width = "64") { 0x8000_0000 } else { 0 }
    | if cfg!(target_endian = "little") { 0x4000_0000 } else { 0 };

#[cfg(target_arch = "x86_64")]
const MACHINE: u32 = 62;
#[cfg(target_arch = "x86")]
const MACHINE: u32 = 3;
#[cfg(target_arch = "aarch64")]
const MACHINE: u32 = 183;
#[cfg(target_arch = "arm")]
const MACHINE: u32 = 40;
#[cfg(target_arch = "mips")]
const MACHINE: u32 = 8;
#[cfg(target_arch = "powerpc")]
const MACHINE: u32 = 20;
#[cfg(target_arch = "riscv64")]
const MACHINE: u32 = 243;

/// The number of a call that came after 2019: from then on it is the same everywhere, but for where MIPS begins to count.
const fn since_2019(number: c_long) -> c_long {
    libc::SYS_landlock_create_ruleset - 444 + number
}

/// Calls with which nothing can be done that the open descriptors, or the other tables, don't allow already.
/// The busiest come first, for the kernel compares a call with one after the other.
#[rustfmt::skip]
const FREE: &[c_long] = &[
    // Packets and blocks of files.
    libc::SYS_sendto, libc::SYS_recvfrom, libc::SYS_epoll_pwait, libc::SYS_preadv, libc::SYS_sendmmsg,
    // The time, where the kernel's own library doesn't tell it (vDSO).
    since_2019(403), libc::SYS_clock_gettime, // clock_gettime64
    libc::SYS_timerfd_settime, since_2019(411), // timerfd_settime64
    libc::SYS_recvmsg, libc::SYS_sendmsg, libc::SYS_epoll_ctl, libc::SYS_close,
    // Log lines, configuration, signalfd; status.
    libc::SYS_read, libc::SYS_write, libc::SYS_ppoll, since_2019(414), libc::SYS_lseek, libc::SYS_accept4, // ppoll_time64
    // Looking at files; glibc's realpath(3) asks for permission too.
    libc::SYS_statx, libc::SYS_fstat, libc::SYS_readlinkat, libc::SYS_getdents64, libc::SYS_getcwd,
    libc::SYS_faccessat, since_2019(439), // faccessat2
    // Sockets for transfers and for devices that are made anew; which kinds there may be, `GUARDED` tells.
    libc::SYS_bind, libc::SYS_connect, libc::SYS_getsockname,
    // Memory; pages that could be run are in `GUARDED`.
    libc::SYS_brk, libc::SYS_munmap, libc::SYS_mremap, libc::SYS_madvise,
    // Who we are, and to give up powers: capset(2) raises nothing.
    libc::SYS_geteuid, libc::SYS_capget, libc::SYS_capset,
    // The standard library: locks, hash keys, and what follows a stack overflow, an abort, SIGCONT and the end.
    libc::SYS_futex, since_2019(422), libc::SYS_getrandom, // futex_time64
    libc::SYS_rt_sigaction, libc::SYS_rt_sigprocmask, libc::SYS_rt_sigreturn, libc::SYS_sigaltstack,
    libc::SYS_restart_syscall, libc::SYS_exit_group, libc::SYS_exit,
];

/// The same by older names, which the architectures of the last ten years don't have.
#[cfg(not(any(target_arch = "aarch64", target_arch = "riscv64")))]
const FREE_OLD: &[c_long] = &[
    libc::SYS_epoll_wait,
    libc::SYS_poll,
    libc::SYS_stat,
    libc::SYS_lstat,
    libc::SYS_readlink,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_newfstatat,
    #[cfg(not(target_arch = "x86_64"))]
    libc::SYS__llseek,
    #[cfg(any(target_arch = "x86", target_arch = "arm"))]
    libc::SYS_geteuid32,
    #[cfg(not(target_arch = "x86_64"))]
    libc::SYS_sigreturn,
];
#[cfg(any(target_arch = "aarch64", target_arch = "riscv64"))]
const FREE_OLD: &[c_long] = &[libc::SYS_newfstatat];

/// A call that can be made with certain arguments only; with others it fails with EPERM, unless it is in [`NEVER`].
struct Guarded {
    call: c_long,
    /// Which argument, the bits of it that count, and what they have to be; all of these must hold. There is another entry
    /// for each other way to call.
    when: &'static [(u32, u32, u32)],
}

/// All bits of an argument count.
const WHOLE: u32 = !0;
/// The bits of a socket's type that aren't flags.
const TYPE: u32 = 0xf;
/// Ways to open that change something, or may.
const CHANGES: u32 = (libc::O_WRONLY | libc::O_RDWR | libc::O_CREAT | libc::O_TRUNC) as u32;
/// Pages that can be run.
const RUNS: u32 = libc::PROT_EXEC as u32;

#[cfg(target_pointer_width = "64")]
use libc::{SYS_fcntl as FCNTL, SYS_mmap as MMAP};
#[cfg(target_pointer_width = "32")]
use libc::{SYS_fcntl64 as FCNTL, SYS_mmap2 as MMAP};

const fn guarded(call: c_long, when: &'static [(u32, u32, u32)]) -> Guarded {
    Guarded { call, when }
}

const fn sockets(when: &'static [(u32, u32, u32)]) -> Guarded {
    guarded(libc::SYS_socket, when)
}

const fn options(when: &'static [(u32, u32, u32)]) -> Guarded {
    guarded(libc::SYS_setsockopt, when)
}

const GUARDED: &[Guarded] = &[
    // For reading only: nothing on any disk can be changed.
    guarded(libc::SYS_openat, &[(2, CHANGES, 0)]),
    #[cfg(not(any(target_arch = "aarch64", target_arch = "riscv64")))]
    guarded(libc::SYS_open, &[(1, CHANGES, 0)]),
    // A transfer's socket, or one to ask about devices; one for a device that is made anew. Nothing else: no TCP, no
    // local sockets, no other families, whose code in the kernel is the least tried.
    sockets(&[(0, WHOLE, libc::AF_INET as u32), (1, TYPE, libc::SOCK_DGRAM as u32), (2, WHOLE, 0)]),
    sockets(&[(0, WHOLE, libc::AF_PACKET as u32), (1, TYPE, libc::SOCK_RAW as u32), (2, WHOLE, 0)]),
    options(&[(1, WHOLE, libc::SOL_UDP as u32), (2, WHOLE, libc::UDP_SEGMENT as u32)]),
    options(&[(1, WHOLE, libc::IPPROTO_IP as u32), (2, WHOLE, libc::IP_PKTINFO as u32)]),
    options(&[(1, WHOLE, libc::SOL_SOCKET as u32), (2, WHOLE, libc::SO_REUSEADDR as u32)]),
    options(&[(1, WHOLE, libc::SOL_SOCKET as u32), (2, WHOLE, libc::SO_ATTACH_FILTER as u32)]),
    options(&[(1, WHOLE, libc::SOL_SOCKET as u32), (2, WHOLE, libc::SO_LOCK_FILTER as u32)]),
    guarded(libc::SYS_getsockopt, &[(1, WHOLE, libc::IPPROTO_IP as u32), (2, WHOLE, libc::IP_MTU as u32)]),
    // A neighbour's hardware address; what a device is; not to wait for who asks for the status.
    guarded(libc::SYS_ioctl, &[(1, WHOLE, libc::SIOCGARP as u32)]),
    guarded(libc::SYS_ioctl, &[(1, WHOLE, libc::SIOCGIFFLAGS as u32)]),
    guarded(libc::SYS_ioctl, &[(1, WHOLE, libc::SIOCGIFINDEX as u32)]),
    guarded(libc::SYS_ioctl, &[(1, WHOLE, libc::SIOCGIFHWADDR as u32)]),
    guarded(libc::SYS_ioctl, &[(1, WHOLE, libc::SIOCGIFCONF as u32)]),
    guarded(libc::SYS_ioctl, &[(1, WHOLE, libc::SIOCGIFNETMASK as u32)]),
    guarded(libc::SYS_ioctl, &[(1, WHOLE, libc::FIONBIO as u32)]),
    // F_GETFD, F_SETFD, F_GETFL and F_SETFL, which are 1 to 4.
    guarded(FCNTL, &[(1, !1, 2)]),
    guarded(FCNTL, &[(1, WHOLE, libc::F_GETFD as u32)]),
    guarded(FCNTL, &[(1, WHOLE, libc::F_SETFL as u32)]),
    // Our own limits.
    guarded(libc::SYS_prlimit64, &[(0, WHOLE, 0)]),
    guarded(MMAP, &[(2, RUNS, 0)]),
    guarded(libc::SYS_mprotect, &[(2, RUNS, 0)]),
];

/// Calls that no way through this program leads to, so that whoever makes one is not this program any longer: to run
/// another one, to become several, to see or touch others, new code in memory, the system's own affairs.
const NEVER: &[c_long] = &[
    libc::SYS_execve,
    libc::SYS_execveat,
    #[cfg(not(any(target_arch = "aarch64", target_arch = "riscv64")))]
    libc::SYS_fork,
    libc::SYS_clone,
    libc::SYS_clone3,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_kill,
    libc::SYS_rt_sigqueueinfo,
    libc::SYS_pidfd_send_signal,
    MMAP,
    libc::SYS_mprotect,
    libc::SYS_memfd_create,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_io_uring_setup,
    libc::SYS_userfaultfd,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_kexec_load,
    libc::SYS_reboot,
    libc::SYS_keyctl,
    libc::SYS_open_by_handle_at,
];

const LOAD: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
const AND: u16 = (libc::BPF_ALU | libc::BPF_AND | libc::BPF_K) as u16;
const IF_EQUAL: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
const ANSWER: u16 = (libc::BPF_RET | libc::BPF_K) as u16;

const ALLOW: u32 = libc::SECCOMP_RET_ALLOW;
const END: u32 = libc::SECCOMP_RET_KILL_PROCESS;
const fn fail(errno: i32) -> u32 {
    libc::SECCOMP_RET_ERRNO | errno as u32
}

const fn op(code: u16, jt: u8, jf: u8, k: u32) -> sock_filter {
    sock_filter { code, jt, jf, k }
}

/// The program for the kernel. openat2(2) keeps its flags where no filter sees them: it is only allowed when something else
/// prevents that files are changed.
fn program(openat2: bool) -> Vec<sock_filter> {
    let mut program = vec![
        op(LOAD, 0, 0, ARCHITECTURE),
        op(IF_EQUAL, 1, 0, OUR_ARCHITECTURE),
        op(ANSWER, 0, 0, END),
        op(LOAD, 0, 0, NUMBER),
    ];
    let answer = |program: &mut Vec<sock_filter>, calls: &[c_long], answer: u32| {
        for &call in calls {
            program.extend([op(IF_EQUAL, 0, 1, call as u32), op(ANSWER, 0, 0, answer)]);
        }
    };
    answer(&mut program, FREE, ALLOW);
    answer(&mut program, FREE_OLD, ALLOW);
    if openat2 {
        answer(&mut program, &[libc::SYS_openat2], ALLOW);
    }
    for Guarded { call, when } in GUARDED {
        // Each test is three instructions; behind them the answer, and then the number is loaded again.
        let rest = 3 * when.len() as u8 + 2;
        program.push(op(IF_EQUAL, 0, rest, *call as u32));
        for (at, (argument, mask, value)) in when.iter().enumerate() {
            let rest = 3 * (when.len() - 1 - at) as u8 + 1;
            program.extend([
                op(LOAD, 0, 0, FIRST_ARGUMENT + 8 * argument),
                op(AND, 0, 0, *mask),
                op(IF_EQUAL, 0, rest, *value),
            ]);
        }
        program.extend([op(ANSWER, 0, 0, ALLOW), op(LOAD, 0, 0, NUMBER)]);
    }
    answer(&mut program, NEVER, END);
    for Guarded { call, .. } in GUARDED {
        answer(&mut program, &[*call], fail(libc::EPERM));
    }
    program.push(op(ANSWER, 0, 0, fail(libc::ENOSYS)));
    program
}

/// Puts the filter on this process, which must have one thread and no_new_privs. `openat2`: whether that call stays.
///
/// # Errors
/// When the kernel was built without filters, and under qemu-user.
pub fn install(openat2: bool) -> io::Result<()> {
    let mut program = program(openat2);
    let program = libc::sock_fprog { len: program.len() as u16, filter: program.as_mut_ptr() };
    // Without SPEC_ALLOW, kernels before 5.16 take each filtered process for one that runs strangers' code, and make all
    // of it slower; they don't know of that flag before 4.17.
    // SAFETY: `program` describes the instructions, which both outlive the calls; the kernel copies them.
    unsafe {
        let (filter, flags) = (libc::SECCOMP_SET_MODE_FILTER, libc::SECCOMP_FILTER_FLAG_SPEC_ALLOW);
        if libc::syscall(libc::SYS_seccomp, filter, flags, &raw const program) == 0 {
            return Ok(());
        }
        succeeded(libc::prctl(
            libc::PR_SET_SECCOMP,
            libc::SECCOMP_MODE_FILTER,
            &raw const program,
            0,
            ptr::null::<u8>(),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::CStr;
    use std::fs::File;
    use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
    use std::os::unix::net::{UnixListener, UnixStream};
    use std::path::{Path, PathBuf};
    use std::time::Instant;

    use crate::sys::alarm::Alarm;
    use crate::sys::link;
    use crate::sys::packet_socket::PacketSocket;
    use crate::sys::transfer_socket::TransferSocket;
    use crate::sys::tree::{Refused, Resolver, Tree};
    use crate::sys::udp::UdpListener;
    use crate::sys::{landlock, limits, neighbour, privileges};

    /// What became of a process.
    #[derive(Debug, PartialEq)]
    enum End {
        Exit(i32),
        Signal(i32),
    }

    /// A process that confines itself, and then does something.
    fn confined(landlock: Option<&[PathBuf]>, act: impl FnOnce() -> i32) -> End {
        // SAFETY: the child confines itself, makes system calls, and ends without the parent's exit handlers.
        let child = unsafe { libc::fork() };
        assert!(child >= 0);
        if child == 0 {
            let ready = privileges::no_new_privileges().is_ok()
                && landlock.is_none_or(|readable| landlock::read_only(readable).is_ok())
                && install(landlock.is_some()).is_ok();
            let code = if ready { act() } else { 255 };
            // SAFETY: as above.
            unsafe { libc::_exit(code) }
        }
        let mut status = 0;
        // SAFETY: `status` outlives the call.
        assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
        if libc::WIFSIGNALED(status) {
            End::Signal(libc::WTERMSIG(status))
        } else {
            End::Exit(libc::WEXITSTATUS(status))
        }
    }

    /// A folder of boot files with one in it, removed when dropped.
    struct Folder(PathBuf);

    impl Folder {
        fn new(test: &str) -> Self {
            let path = std::env::temp_dir().join(format!("upxe-{test}-{}", std::process::id()));
            std::fs::create_dir_all(path.join("boot")).unwrap();
            std::fs::write(path.join("boot/file"), "to boot").unwrap();
            std::fs::write(path.join("secret"), "not to boot").unwrap();
            Self(path)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    /// The number of the first attempt that didn't go as it should; 0 if all did.
    fn first_wrong(attempts: &[bool]) -> i32 {
        attempts.iter().position(|went| !went).map_or(0, |at| at as i32 + 1)
    }

    fn errno<T>(result: io::Result<T>) -> i32 {
        result.err().and_then(|error| error.raw_os_error()).unwrap_or(0)
    }

    /// A raw call, with what the kernel has against it; 0 for nothing.
    fn call(number: c_long, arguments: [usize; 4]) -> i32 {
        let [a, b, c, d] = arguments;
        // SAFETY: the tests below hand over numbers, null, and pointers to strings that live for ever.
        let result = unsafe { libc::syscall(number, a, b, c, d, 0usize, 0usize) };
        if result < 0 { errno::<()>(Err(io::Error::last_os_error())) } else { 0 }
    }

    fn text(text: &'static CStr) -> usize {
        text.as_ptr() as usize
    }

    #[test]
    fn all_that_the_service_does_is_allowed() {
        let folder = Folder::new("filter-allows");
        let (root, socket) = (folder.0.join("boot"), folder.0.join("status"));
        let listener = UnixListener::bind(&socket).unwrap();
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        let peer = SocketAddrV4::new(Ipv4Addr::LOCALHOST, client.local_addr().unwrap().port());
        let is_root = privileges::is_root();
        for landlock in [None, Some(&[folder.0.clone()][..])] {
            let _asking = UnixStream::connect(&socket).unwrap();
            let mut alarm = Alarm::new().unwrap();
            let loopback = link::device("lo").unwrap();
            let end = confined(landlock, || {
                let port = UdpListener::bind(0);
                let transfer = TransferSocket::connect(Ipv4Addr::LOCALHOST, peer);
                let served = |resolver| {
                    let file = Tree::with_resolver(root.clone(), Vec::new(), resolver).open(b"file").unwrap();
                    let mut buffer = [0; 16];
                    file.read_at(&mut [io::IoSliceMut::new(&mut buffer)], 0)
                        .is_ok_and(|len| &buffer[..len] == b"to boot")
                };
                let accepted = listener.accept().and_then(|(stream, _)| {
                    stream.set_nonblocking(true)?;
                    io::Write::write(&mut &stream, b"{}")
                });
                let mut descriptor = libc::pollfd { fd: 1, events: libc::POLLOUT, revents: 0 };
                // SAFETY: the pointer describes `descriptor`, which outlives the call.
                let polled = unsafe { libc::poll(&raw mut descriptor, 1, 0) };
                let much: Vec<u8> = vec![1; 64 << 20];
                first_wrong(&[
                    alarm.set(Instant::now(), Some(Instant::now())).is_ok(),
                    port.as_ref().is_ok_and(|port| port.port().is_ok()),
                    port.as_ref().is_ok_and(|port| port.receive(&mut [0; 8]).is_ok_and(|none| none.is_none())),
                    transfer.as_ref().is_ok_and(|socket| socket.mtu().is_ok() && socket.send(b"data").is_ok()),
                    transfer.as_ref().is_ok_and(|socket| socket.send_each(b"data", 1).is_ok()),
                    transfer.as_ref().is_ok_and(|socket| socket.segment(512).is_ok()),
                    // The loopback's neighbours are not known, and that's no matter of permission.
                    port.as_ref().is_ok_and(|port| {
                        neighbour::mac(port, "lo", Ipv4Addr::LOCALHOST);
                        io::Error::last_os_error().raw_os_error() != Some(libc::EPERM)
                    }),
                    !is_root || PacketSocket::open(1, 67).is_ok(),
                    link::device("lo").is_ok_and(|found| found == loopback),
                    served(Resolver::Openat2),
                    served(Resolver::Walk),
                    std::fs::read(root.join("file")).is_ok_and(|text| text == b"to boot"),
                    std::fs::read_dir(&root).is_ok_and(|entries| entries.flatten().count() == 1),
                    accepted.is_ok(),
                    polled >= 0,
                    limits::raise_descriptors(1).is_ok(),
                    privileges::limit(privileges::PACKETS).is_ok(),
                    privileges::is_root() == is_root,
                    much.iter().all(|byte| *byte == 1),
                    Instant::now().elapsed().as_secs() < 60,
                ])
            });
            assert_eq!(end, End::Exit(0), "with Landlock: {}", landlock.is_some());
        }
    }

    #[test]
    fn what_a_stranger_would_do_next_fails() {
        let folder = Folder::new("filter-refuses");
        let (root, secret) = (folder.0.join("boot"), folder.0.join("secret"));
        let file = root.join("file");
        for landlock in [None, Some(&[root.clone()][..])] {
            let end = confined(landlock, || {
                let open = |path: &Path, write: bool| errno(File::options().read(true).write(write).open(path));
                let is_landlocked = landlock.is_some();
                let how = [libc::O_RDWR as u64, 0, 0];
                let file_name = std::ffi::CString::new(file.to_str().unwrap()).unwrap();
                let openat2 = call(
                    libc::SYS_openat2,
                    [libc::AT_FDCWD as usize, file_name.as_ptr() as usize, how.as_ptr() as usize, size_of_val(&how)],
                );
                let socket = |family: i32, kind: i32, protocol: i32| {
                    call(libc::SYS_socket, [family as usize, kind as usize, protocol as usize, 0])
                };
                first_wrong(&[
                    // 1: files of others, which only Landlock keeps from root.
                    !is_landlocked || open(Path::new("/etc/shadow"), false) == libc::EACCES,
                    !is_landlocked || open(&secret, false) == libc::EACCES,
                    !is_landlocked || open(Path::new("/proc/1/environ"), false) == libc::EACCES,
                    // 4: to write, even where reading is allowed.
                    open(&file, true) == libc::EPERM,
                    open(Path::new("/proc/self/mem"), true) == libc::EPERM,
                    openat2 == if is_landlocked { libc::EACCES } else { libc::ENOSYS },
                    errno(File::create(root.join("new"))) == libc::EPERM,
                    errno(std::fs::remove_file(&file)) == libc::ENOSYS,
                    errno(std::fs::rename(&file, &secret)) == libc::ENOSYS,
                    errno(std::fs::create_dir(root.join("new"))) == libc::ENOSYS,
                    errno(std::os::unix::fs::symlink(&secret, root.join("new"))) == libc::ENOSYS,
                    errno(std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o777)))
                        == libc::ENOSYS,
                    // 13: other networks and other code of the kernel's.
                    socket(libc::AF_INET, libc::SOCK_STREAM, 0) == libc::EPERM,
                    socket(libc::AF_INET, libc::SOCK_RAW, libc::IPPROTO_ICMP) == libc::EPERM,
                    socket(libc::AF_INET, libc::SOCK_DGRAM, libc::IPPROTO_ICMP) == libc::EPERM,
                    socket(libc::AF_INET6, libc::SOCK_DGRAM, 0) == libc::EPERM,
                    socket(libc::AF_UNIX, libc::SOCK_STREAM, 0) == libc::EPERM,
                    socket(libc::AF_NETLINK, libc::SOCK_RAW, libc::NETLINK_ROUTE) == libc::EPERM,
                    socket(libc::AF_PACKET, libc::SOCK_DGRAM, 0) == libc::EPERM,
                    socket(libc::AF_ALG, libc::SOCK_SEQPACKET, 0) == libc::EPERM,
                    call(libc::SYS_setsockopt, [0, libc::SOL_PACKET as usize, 5, 0]) == libc::EPERM,
                    call(libc::SYS_ioctl, [0, libc::TIOCSTI as usize, text(c"x"), 0]) == libc::EPERM,
                    call(libc::SYS_ioctl, [0, libc::SIOCSIFFLAGS as usize, text(c"lo"), 0]) == libc::EPERM,
                    // 24: powers, limits and signals of others.
                    call(libc::SYS_setuid, [0; 4]) == libc::ENOSYS,
                    call(libc::SYS_prctl, [libc::PR_SET_DUMPABLE as usize, 1, 0, 0]) == libc::ENOSYS,
                    call(libc::SYS_prlimit64, [1, libc::RLIMIT_NOFILE as usize, 0, 0]) == libc::EPERM,
                    call(libc::SYS_tgkill, [1, 1, libc::SIGTERM as usize, 0]) == libc::ENOSYS,
                    call(libc::SYS_seccomp, [0; 4]) == libc::ENOSYS,
                ])
            });
            assert_eq!(end, End::Exit(0), "with Landlock: {}", landlock.is_some());
        }
    }

    #[test]
    fn what_only_a_stranger_would_do_ends_the_process() {
        let page = [0, 4096, (libc::PROT_READ | libc::PROT_EXEC) as usize, 0x22];
        let parent = std::process::id() as usize;
        let cases: &[(&str, c_long, [usize; 4])] = &[
            ("execve", libc::SYS_execve, [text(c"/bin/true"), 0, 0, 0]),
            ("execveat", libc::SYS_execveat, [0, text(c"/bin/true"), 0, 0]),
            ("clone", libc::SYS_clone, [libc::SIGCHLD as usize, 0, 0, 0]),
            ("ptrace", libc::SYS_ptrace, [libc::PTRACE_ATTACH as usize, parent, 0, 0]),
            ("kill", libc::SYS_kill, [parent, 0, 0, 0]),
            ("process_vm_readv", libc::SYS_process_vm_readv, [parent, 0, 0, 0]),
            ("mmap", MMAP, page),
            ("mprotect", libc::SYS_mprotect, [0, 4096, libc::PROT_EXEC as usize, 0]),
            ("mount", libc::SYS_mount, [text(c"none"), text(c"/mnt"), text(c"tmpfs"), 0]),
            ("unshare", libc::SYS_unshare, [libc::CLONE_NEWUSER as usize, 0, 0, 0]),
            ("bpf", libc::SYS_bpf, [0; 4]),
            ("io_uring_setup", libc::SYS_io_uring_setup, [1, 0, 0, 0]),
            ("init_module", libc::SYS_init_module, [0; 4]),
            ("reboot", libc::SYS_reboot, [0; 4]),
        ];
        for (name, number, arguments) in cases {
            assert_eq!(confined(None, || call(*number, *arguments)), End::Signal(libc::SIGSYS), "{name}");
        }
    }

    /// Numbers of another architecture mean other calls.
    #[test]
    #[cfg(target_arch = "x86_64")]
    fn calls_by_the_numbers_of_another_architecture_end_the_process() {
        let end = confined(None, || {
            let result: i64;
            // SAFETY: getpid by the 32-bit gate (number 20), which changes no memory and no other register.
            unsafe { std::arch::asm!("int 0x80", inlateout("rax") 20i64 => result) };
            i32::from(result > 0)
        });
        assert_eq!(end, End::Signal(libc::SIGSYS));
        // x32: the same architecture to a filter, with a bit of its own in the number.
        assert_eq!(confined(None, || call(0x4000_0000 + 59, [0; 4])), End::Exit(libc::ENOSYS));
    }

    #[test]
    fn a_stack_overflow_still_ends_the_process() {
        fn deeper(depth: u64) -> u64 {
            let room = [depth; 512];
            if depth == u64::MAX { 0 } else { deeper(depth + 1) + std::hint::black_box(room)[7] }
        }
        let end = confined(None, || deeper(0) as i32);
        assert!(matches!(end, End::Signal(libc::SIGABRT | libc::SIGSEGV | libc::SIGILL)), "{end:?}");
    }

    #[test]
    fn names_that_lead_nowhere_are_told_as_before() {
        let folder = Folder::new("filter-names");
        let (root, other) = (folder.0.join("boot"), folder.0.clone());
        let end = confined(Some(std::slice::from_ref(&root)), || {
            let tree = Tree::new(root.clone(), Vec::new());
            first_wrong(&[
                matches!(tree.open(b"missing"), Err(Refused::NotFound)),
                matches!(tree.open(b"../secret"), Err(Refused::Outside(_))),
                matches!(Tree::new(other, Vec::new()).open(b"secret"), Err(Refused::Failed(_))),
            ])
        });
        assert_eq!(end, End::Exit(0));
    }
}
