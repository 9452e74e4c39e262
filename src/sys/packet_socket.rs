//! A packet socket on one device: hears DHCP requests beside the kernel's own UDP sockets, and sends frames.
//!
//! Port 67 itself is never bound: a second socket there would take lease renewals away from the DHCP server.

use std::io;
use std::mem;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use super::filter;
use super::{owned_fd, size_of_as_socklen, succeeded, transferred};

/// An open packet socket.
#[derive(Debug)]
pub struct PacketSocket {
    fd: OwnedFd,
}

impl PacketSocket {
    /// Listens on the device with this index, for datagrams to `port`.
    ///
    /// # Errors
    /// `PermissionDenied` without `CAP_NET_RAW`; `ENODEV` when the device has gone meanwhile.
    pub fn open(ifindex: u32, port: u16) -> io::Result<Self> {
        // Protocol 0 receives nothing: no frame can slip in before the filter stands and the device is chosen.
        // SAFETY: no pointers are involved.
        let fd = owned_fd(unsafe {
            libc::socket(libc::AF_PACKET, libc::SOCK_RAW | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK, 0)
        })?;
        let socket = Self { fd };
        socket.attach_filter(port)?;
        socket.bind(ifindex)?;
        Ok(socket)
    }

    fn attach_filter(&self, port: u16) -> io::Result<()> {
        let mut program = filter::udp_to(port);
        let program = libc::sock_fprog { len: program.len() as u16, filter: program.as_mut_ptr() };
        self.set_option(libc::SO_ATTACH_FILTER, &program)?;
        // Whoever takes over this process later can't widen the filter.
        match self.set_option(libc::SO_LOCK_FILTER, &1i32) {
            // Linux before 3.9 and QEMU's imitation of it don't know that; the filter stands all the same.
            Err(error) if error.raw_os_error() == Some(libc::ENOPROTOOPT) => Ok(()),
            result => result,
        }
    }

    fn bind(&self, ifindex: u32) -> io::Result<()> {
        // ETH_P_IP, not ETH_P_ALL: an IP tap sits behind the ingress hook where flow-offloaded traffic leaves, and
        // doesn't see what this host sends.
        // SAFETY: sockaddr_ll is plain data; all zeros is a valid value.
        let mut address: libc::sockaddr_ll = unsafe { mem::zeroed() };
        address.sll_family = libc::AF_PACKET as u16;
        address.sll_protocol = (libc::ETH_P_IP as u16).to_be();
        address.sll_ifindex = ifindex as i32;
        // SAFETY: the pointer and the length describe `address`, which outlives the call.
        succeeded(unsafe {
            libc::bind(self.fd.as_raw_fd(), (&raw const address).cast(), size_of_as_socklen::<libc::sockaddr_ll>())
        })
    }

    fn set_option<T>(&self, name: i32, value: &T) -> io::Result<()> {
        // SAFETY: the pointer and the length describe `value`, which outlives the call; the kernel copies it, and of a
        // sock_fprog also the program, which its caller keeps alive until this returns.
        succeeded(unsafe {
            libc::setsockopt(
                self.fd.as_raw_fd(),
                libc::SOL_SOCKET,
                name,
                (&raw const *value).cast(),
                size_of_as_socklen::<T>(),
            )
        })
    }

    /// Takes a frame into `buffer`; `None` when none is waiting.
    ///
    /// # Errors
    /// `ENETDOWN` once after the device went down; anything else is unexpected.
    pub fn receive<'b>(&self, buffer: &'b mut [u8]) -> io::Result<Option<&'b [u8]>> {
        // SAFETY: the pointer and the length describe `buffer`, which outlives the call.
        let received =
            unsafe { libc::recv(self.fd.as_raw_fd(), buffer.as_mut_ptr().cast(), buffer.len(), libc::MSG_TRUNC) };
        match transferred(received) {
            // MSG_TRUNC tells the frame's own length; one that was cut is no DHCP request.
            Ok(len) => Ok(Some(buffer.get(..len).unwrap_or(&[]))),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Sends a whole frame, Ethernet header included.
    ///
    /// # Errors
    /// `ENETDOWN` while the device is down, `ENXIO` after it went, `ENOBUFS` when its queue is full.
    pub fn send(&self, frame: &[u8]) -> io::Result<()> {
        // SAFETY: the pointer and the length describe `frame`, which outlives the call.
        transferred(unsafe { libc::send(self.fd.as_raw_fd(), frame.as_ptr().cast(), frame.len(), 0) }).map(|_| ())
    }
}

impl AsFd for PacketSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
