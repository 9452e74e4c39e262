//! The few system calls the standard library does not offer; the lab's only unsafe code.
#![allow(unsafe_code)]

use std::fs::File;
use std::io;
use std::net::UdpSocket;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::path::Path;

/// Runs `work` on a thread of its own that has entered the network namespace `name`.
///
/// Sockets opened by `work` stay in that namespace after it returns.
pub fn in_namespace<T: Send>(name: &str, work: impl FnOnce() -> T + Send) -> T {
    let handle = Path::new("/run/netns").join(name);
    std::thread::scope(|scope| {
        let worker = scope.spawn(|| {
            enter(&handle).unwrap_or_else(|e| panic!("entering {}: {e}", handle.display()));
            work()
        });
        worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

fn enter(handle: &Path) -> io::Result<()> {
    let namespace = File::open(handle)?;
    // SAFETY: setns only reads the descriptor, which is open; it changes this thread alone.
    check(unsafe { libc::setns(namespace.as_raw_fd(), libc::CLONE_NEWNET) })
}

/// Sends `signal` to a process of the lab's own.
pub fn signal(pid: u32, signal: i32) -> io::Result<()> {
    let pid = libc::pid_t::try_from(pid).map_err(io::Error::other)?;
    // SAFETY: kill takes two numbers and touches no memory.
    check(unsafe { libc::kill(pid, signal) })
}

/// A packet socket on `device` of the current namespace that sends and receives whole IPv4 frames.
///
/// It is dressed as a `UdpSocket` for that type's `send`, `recv` and read timeout, which do the same on any socket.
pub fn packet_socket(device: &str) -> io::Result<UdpSocket> {
    packet_socket_of(device, libc::ETH_P_IP)
}

/// The same for frames of all kinds and to whomever, without those that leave here, and with room for thousands.
pub fn packet_socket_for_all(device: &str) -> io::Result<UdpSocket> {
    let socket = packet_socket_of(device, libc::ETH_P_ALL)?;
    for (level, name, value) in [
        (libc::SOL_PACKET, libc::PACKET_IGNORE_OUTGOING, 1),
        (libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, 32 << 20),
        (libc::SOL_SOCKET, libc::SO_SNDBUFFORCE, 8 << 20),
    ] {
        let value: i32 = value;
        // SAFETY: the value is an i32 that lives through the call, and its size is the one given.
        check(unsafe { libc::setsockopt(socket.as_raw_fd(), level, name, std::ptr::from_ref(&value).cast(), 4) })?;
    }
    Ok(socket)
}

/// Waits until something has come or the time has passed.
pub fn wait_readable(socket: &UdpSocket, time: std::time::Duration) -> io::Result<()> {
    let mut descriptor = libc::pollfd { fd: socket.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    // SAFETY: the descriptor lives through the call, and it is one.
    check(unsafe { libc::poll(&mut descriptor, 1, time.as_millis() as i32) })
}

fn packet_socket_of(device: &str, protocol: i32) -> io::Result<UdpSocket> {
    let protocol = (protocol as u16).to_be();
    // SAFETY: socket takes numbers only; the descriptor it returns is owned by nobody else.
    let socket = unsafe {
        let fd = libc::socket(libc::AF_PACKET, libc::SOCK_RAW | libc::SOCK_CLOEXEC, protocol.into());
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        OwnedFd::from_raw_fd(fd)
    };
    // SAFETY: all-zero bytes are a valid sockaddr_ll.
    let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
    address.sll_family = libc::AF_PACKET as u16;
    address.sll_protocol = protocol;
    address.sll_ifindex = index_of(device)?;
    // SAFETY: the address is a sockaddr_ll and lives through the call, and its size is the one given.
    check(unsafe {
        libc::bind(socket.as_raw_fd(), std::ptr::from_ref(&address).cast(), size_of_val(&address) as libc::socklen_t)
    })?;
    Ok(UdpSocket::from(socket))
}

fn index_of(device: &str) -> io::Result<i32> {
    let name = std::ffi::CString::new(device)?;
    // SAFETY: the name is a NUL-terminated string that lives through the call.
    match unsafe { libc::if_nametoindex(name.as_ptr()) } {
        0 => Err(io::Error::last_os_error()),
        index => i32::try_from(index).map_err(io::Error::other),
    }
}

fn check(result: i32) -> io::Result<()> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
