//! Network devices: what they are now, and the news that one has changed.

use std::ffi::CStr;
use std::io;
use std::mem;
use std::net::Ipv4Addr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::ptr;

use super::{owned_fd, size_of_as_socklen, succeeded, transferred};
use crate::wire::frame::Mac;

/// Addresses read of one device; a LAN bridge has one or two.
const MAX_ADDRESSES: usize = 8;

/// A device as it is at this moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// The kernel's number for it; a device that is created anew gets another. 0 if it has no hardware address.
    pub ifindex: u32,
    /// Switched on (`IFF_UP`); a bridge without any machine on it is up all the same.
    pub up: bool,
    /// Its hardware address; `None` if it isn't Ethernet.
    pub mac: Option<Mac>,
    /// Its IPv4 addresses, the primary one first.
    pub addresses: heapless::Vec<Address, MAX_ADDRESSES>,
}

/// An IPv4 address of a device, with its network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Address {
    /// The address.
    pub ip: Ipv4Addr,
    /// The network mask.
    pub mask: Ipv4Addr,
}

impl Address {
    /// True when `other` is on this address's network.
    pub fn reaches(&self, other: Ipv4Addr) -> bool {
        let mask = u32::from(self.mask);
        u32::from(self.ip) & mask == u32::from(other) & mask
    }
}

/// Looks at the device of this name; `None` if there is none.
///
/// # Errors
/// Only for want of descriptors or memory.
pub fn device(name: &str) -> io::Result<Option<Device>> {
    let list = InterfaceList::read()?;
    let mut found: Option<Device> = None;
    for entry in list.entries() {
        // SAFETY: the kernel's list has a NUL-terminated name in every entry, and `list` is alive.
        let entry_name = unsafe { CStr::from_ptr(entry.ifa_name) };
        if entry_name.to_bytes() != name.as_bytes() {
            continue;
        }
        let device = found.get_or_insert(Device { ifindex: 0, up: false, mac: None, addresses: heapless::Vec::new() });
        device.up = entry.ifa_flags & libc::IFF_UP as u32 != 0;
        // SAFETY: the kernel's list has null or a valid address in every entry, and `list` is alive.
        let (address, mask) = unsafe { (entry.ifa_addr.as_ref(), entry.ifa_netmask.as_ref()) };
        let Some(address) = address else { continue };
        match i32::from(address.sa_family) {
            libc::AF_INET => {
                // An alias label ("br-lan:1") is a name of its own in this list and so not seen here.
                if let Some(mask) = mask {
                    let _ = device.addresses.push(Address { ip: ipv4(address), mask: ipv4(mask) });
                }
            }
            libc::AF_PACKET => {
                // SAFETY: getifaddrs gives AF_PACKET entries a whole sockaddr_ll, which is longer than `address`, so
                // it is read by the list's own pointer.
                let address: libc::sockaddr_ll = unsafe { ptr::read_unaligned(entry.ifa_addr.cast()) };
                device.ifindex = address.sll_ifindex as u32;
                device.mac = ethernet(&address);
            }
            _ => {}
        }
    }
    Ok(found)
}

fn ethernet(address: &libc::sockaddr_ll) -> Option<Mac> {
    let is_ethernet = address.sll_hatype == libc::ARPHRD_ETHER && address.sll_halen == 6;
    let bytes = address.sll_addr.get(..6)?.try_into().ok()?;
    is_ethernet.then_some(Mac(bytes))
}

/// What stands in an address of family AF_INET, or in its mask.
fn ipv4(address: &libc::sockaddr) -> Ipv4Addr {
    // SAFETY: a sockaddr_in is as long as a sockaddr, and any bytes make one.
    let address: libc::sockaddr_in = unsafe { ptr::read_unaligned((&raw const *address).cast()) };
    Ipv4Addr::from(u32::from_be(address.sin_addr.s_addr))
}

/// The kernel's list of devices and addresses, freed when dropped.
struct InterfaceList {
    head: *mut libc::ifaddrs,
}

impl InterfaceList {
    fn read() -> io::Result<Self> {
        let mut head = ptr::null_mut();
        // SAFETY: the pointer to `head` is valid for the call, which fills it in on success.
        succeeded(unsafe { libc::getifaddrs(&raw mut head) })?;
        Ok(Self { head })
    }

    fn entries(&self) -> impl Iterator<Item = &libc::ifaddrs> {
        // SAFETY: getifaddrs made a list whose links are null or valid until it is freed, when `self` is dropped.
        let first = unsafe { self.head.as_ref() };
        // SAFETY: as above.
        std::iter::successors(first, |entry| unsafe { entry.ifa_next.as_ref() })
    }
}

impl Drop for InterfaceList {
    fn drop(&mut self) {
        // SAFETY: getifaddrs made the list, and nobody refers to it any longer.
        unsafe { libc::freeifaddrs(self.head) }
    }
}

/// Tells that some device or address has changed, without saying which (rtnetlink(7)).
#[derive(Debug)]
pub struct LinkWatch {
    fd: OwnedFd,
}

impl LinkWatch {
    /// Starts to watch.
    ///
    /// # Errors
    /// Only for want of descriptors or memory.
    pub fn open() -> io::Result<Self> {
        // SAFETY: no pointers are involved.
        let fd = owned_fd(unsafe {
            libc::socket(
                libc::AF_NETLINK,
                libc::SOCK_RAW | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK,
                libc::NETLINK_ROUTE,
            )
        })?;
        // SAFETY: sockaddr_nl is plain data; all zeros is a valid value.
        let mut address: libc::sockaddr_nl = unsafe { mem::zeroed() };
        address.nl_family = libc::AF_NETLINK as u16;
        address.nl_groups = (libc::RTMGRP_LINK | libc::RTMGRP_IPV4_IFADDR) as u32;
        // SAFETY: the pointer and the length describe `address`, which outlives the call.
        succeeded(unsafe {
            libc::bind(fd.as_raw_fd(), (&raw const address).cast(), size_of_as_socklen::<libc::sockaddr_nl>())
        })?;
        Ok(Self { fd })
    }

    /// Throws away the news that came so far: whoever calls looks at the devices afresh.
    pub fn drain(&self) {
        let mut buffer = [0u8; 4096];
        // An overrun (ENOBUFS) is news too: it ends this loop, and the look that follows sees everything.
        // SAFETY: the pointer and the length describe `buffer`, which outlives the call.
        while transferred(unsafe { libc::recv(self.fd.as_raw_fd(), buffer.as_mut_ptr().cast(), buffer.len(), 0) })
            .is_ok()
        {}
    }
}

impl AsFd for LinkWatch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_there_and_is_no_ethernet() {
        let device = device("lo").unwrap().unwrap();
        assert_eq!(device.mac, None);
        assert!(device.up || device.addresses.is_empty());
    }

    #[test]
    fn what_is_not_there_is_none() {
        assert_eq!(device("no-such-device").unwrap(), None);
        assert_eq!(device("").unwrap(), None);
        assert_eq!(device("a-name-much-longer-than-any-device-may-have").unwrap(), None);
    }

    #[test]
    fn networks_are_told_apart() {
        let address = Address { ip: Ipv4Addr::new(192, 168, 1, 1), mask: Ipv4Addr::new(255, 255, 255, 0) };
        assert!(address.reaches(Ipv4Addr::new(192, 168, 1, 254)));
        assert!(!address.reaches(Ipv4Addr::new(192, 168, 2, 1)));
    }
}
