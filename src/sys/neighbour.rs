//! Which hardware address a neighbour has, as the kernel knows it from ARP (arp(7)).

use std::mem;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::{AsFd, AsRawFd};
use std::ptr;

use super::udp::to_sockaddr;
use crate::wire::frame::Mac;

/// linux/if_arp.h `ATF_COM`: the entry is complete.
const COMPLETE: i32 = 2;

/// The hardware address of `address` on this device; `None` if the kernel doesn't know it. `socket` is any of IPv4.
pub fn mac(socket: impl AsFd, device: &str, address: Ipv4Addr) -> Option<Mac> {
    // SAFETY: arpreq is plain data; all zeros is a valid value.
    let mut request: libc::arpreq = unsafe { mem::zeroed() };
    let wanted = to_sockaddr(SocketAddrV4::new(address, 0));
    // SAFETY: a sockaddr_in is as long as a sockaddr, and its bytes are what the kernel wants to find there.
    request.arp_pa = unsafe { ptr::read_unaligned((&raw const wanted).cast()) };
    // The last byte stays a NUL.
    let room = request.arp_dev.len().saturating_sub(1);
    for (to, from) in request.arp_dev.iter_mut().take(room).zip(device.bytes()) {
        *to = from as _;
    }
    // SAFETY: the pointer describes `request`, which outlives the call; the kernel fills it in.
    let result = unsafe { libc::ioctl(socket.as_fd().as_raw_fd(), libc::SIOCGARP as _, &raw mut request) };
    station(&request.arp_ha).filter(|_| result == 0 && request.arp_flags & COMPLETE != 0)
}

/// What stands in a hardware address, whatever its kind.
pub(super) fn station(address: &libc::sockaddr) -> Option<Mac> {
    address.sa_data.first_chunk::<6>().map(|bytes| Mac(bytes.map(|byte| byte as u8)))
}
