//! The Linux shell: descriptors, sockets and files; the only folder with `unsafe` code.
#![allow(unsafe_code)]

pub mod alarm;
pub mod epoll;
pub mod filter;
pub mod landlock;
pub mod limits;
pub mod link;
pub mod local_socket;
pub mod neighbour;
pub mod packet_socket;
pub mod pages;
pub mod port_owner;
pub mod privileges;
pub mod program;
pub mod seccomp;
pub mod signals;
pub mod stdout;
pub mod transfer_socket;
pub mod tree;
pub mod udp;

use std::io;
use std::mem;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};

/// The result of a system call that returns a new descriptor or -1. To be given nothing else: it takes possession.
fn owned_fd(result: RawFd) -> io::Result<OwnedFd> {
    succeeded(result)?;
    // SAFETY: the call succeeded, and its result came straight here, as all callers see to: this descriptor is open, and
    // nobody else knows it yet.
    Ok(unsafe { OwnedFd::from_raw_fd(result) })
}

/// The result of a system call that returns 0 or more, or -1.
fn succeeded(result: i32) -> io::Result<()> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// The result of a system call that returns a number of bytes, or -1.
fn transferred(result: isize) -> io::Result<usize> {
    usize::try_from(result).map_err(|_| io::Error::last_os_error())
}

/// The size of `T` as the socket calls want it.
fn size_of_as_socklen<T>() -> libc::socklen_t {
    mem::size_of::<T>() as libc::socklen_t
}
