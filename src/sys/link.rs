//! Network devices: what they are now, and the news that one has changed.
//!
//! Looked at by netdevice(7) calls, which are the same on every CPU and kernel, and give all addresses that netlink gives.

use std::ffi::c_char;
use std::io;
use std::mem;
use std::net::Ipv4Addr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::ptr;

use libc::{c_ulong, ifreq};

use super::neighbour::station;
use super::udp::datagram_socket;
use super::{owned_fd, size_of_as_socklen, succeeded, transferred};
use crate::wire::frame::Mac;

/// Addresses of all devices together that are looked through, in 64 KiB on a 32-bit router: more than routers have.
const MAX_LISTED: usize = 2048;
/// Addresses read of one device; a LAN bridge has one or two.
const MAX_ADDRESSES: usize = 8;

/// A device as it is at this moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// The kernel's number for it; a device that is created anew gets another.
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
    let Some(mut request) = request(name) else { return Ok(None) };
    let socket = datagram_socket()?;
    // What goes away between two questions is news that makes the caller look again.
    if !ask(&socket, libc::SIOCGIFFLAGS, &mut request) {
        return Ok(None);
    }
    // SAFETY: the kernel filled in this member, and any bytes make one; so below.
    let flags = unsafe { request.ifr_ifru.ifru_flags };
    if !ask(&socket, libc::SIOCGIFINDEX, &mut request) {
        return Ok(None);
    }
    // SAFETY: as above.
    let ifindex = unsafe { request.ifr_ifru.ifru_ifindex } as u32;
    if !ask(&socket, libc::SIOCGIFHWADDR, &mut request) {
        return Ok(None);
    }
    // SAFETY: as above.
    let mac = ethernet(unsafe { &request.ifr_ifru.ifru_hwaddr });
    let mut addresses = heapless::Vec::new();
    for mut entry in listed(&socket)? {
        // An alias label ("br-lan:1") is a name of its own in this list and so not seen here.
        if entry.ifr_name != request.ifr_name {
            continue;
        }
        let ip = ipv4(&entry);
        // Asked for by name and address, since one name may have several.
        if ask(&socket, libc::SIOCGIFNETMASK, &mut entry) {
            let _ = addresses.push(Address { ip, mask: ipv4(&entry) });
        }
    }
    Ok(Some(Device { ifindex, up: i32::from(flags) & libc::IFF_UP != 0, mac, addresses }))
}

/// A question about the device of this name; `None` if none can have it.
fn request(name: &str) -> Option<ifreq> {
    // SAFETY: ifreq is plain data; all zeros is a valid value.
    let mut request: ifreq = unsafe { mem::zeroed() };
    // The kernel would leave out a colon and what is behind it; a name of full length would have no NUL.
    if name.len() >= request.ifr_name.len() || name.contains([':', '\0']) {
        return None;
    }
    for (to, from) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *to = from as c_char;
    }
    Some(request)
}

/// Asks about the device, or address, that `request` names, and has the answer put there; `false` if it is gone.
fn ask(socket: &OwnedFd, what: c_ulong, request: &mut ifreq) -> bool {
    // SAFETY: `request` outlives the call, and all that is asked for here is answered in an ifreq.
    unsafe { libc::ioctl(socket.as_raw_fd(), what as _, ptr::from_mut(request)) == 0 }
}

/// All IPv4 addresses of all devices, with their labels, each device's primary one first.
fn listed(socket: &OwnedFd) -> io::Result<Vec<ifreq>> {
    // SAFETY: ifconf is plain data; with a null buffer it asks how long the list is.
    let mut list: libc::ifconf = unsafe { mem::zeroed() };
    let fill = |list: &mut libc::ifconf| {
        // SAFETY: `list` outlives the call, and has a null buffer or describes one that does.
        succeeded(unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCGIFCONF as _, ptr::from_mut(list)) })
    };
    fill(&mut list)?;
    let count = |list: &libc::ifconf| list.ifc_len as usize / size_of::<ifreq>();
    // SAFETY: as in `request`.
    let mut entries = vec![unsafe { mem::zeroed::<ifreq>() }; count(&list).min(MAX_LISTED)];
    list.ifc_len = size_of_val(entries.as_slice()) as i32;
    list.ifc_ifcu.ifcu_req = entries.as_mut_ptr();
    fill(&mut list)?;
    // What came since the list was measured is news that makes the caller look again.
    entries.truncate(count(&list));
    Ok(entries)
}

fn ethernet(address: &libc::sockaddr) -> Option<Mac> {
    station(address).filter(|_| address.sa_family == libc::ARPHRD_ETHER)
}

/// The address in an answer, or the mask.
fn ipv4(answer: &ifreq) -> Ipv4Addr {
    // SAFETY: a sockaddr_in is as long as a sockaddr, and any bytes make one.
    let address: libc::sockaddr_in = unsafe { ptr::read_unaligned((&raw const answer.ifr_ifru).cast()) };
    Ipv4Addr::from(u32::from_be(address.sin_addr.s_addr))
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
        assert_eq!(device.ifindex, 1);
        assert!(device.up || device.addresses.is_empty());
    }

    #[test]
    fn what_is_not_there_is_none() {
        assert_eq!(device("no-such-device").unwrap(), None);
        assert_eq!(device("").unwrap(), None);
        assert_eq!(device("a-name-much-longer-than-any-device-may-have").unwrap(), None);
        assert_eq!(device("lo:1").unwrap(), None);
    }

    /// On a network of its own, which takes root.
    #[test]
    fn a_bridge_has_all_of_its_addresses_and_nobody_elses() {
        if !crate::sys::privileges::is_root() {
            return;
        }
        // The namespace is this thread's, and ends with it.
        let played = std::thread::spawn(|| {
            // SAFETY: unshare takes a number.
            succeeded(unsafe { libc::unshare(libc::CLONE_NEWNET) }).unwrap();
            let ip = |words: &str| {
                assert!(std::process::Command::new("ip").args(words.split(' ')).status().unwrap().success(), "{words}");
            };
            // What must not be taken for its own, before it in the list and behind it.
            for other in ["br-a", "br-z"] {
                ip(&format!("link add {other} type bridge"));
                (1..=40).for_each(|host| ip(&format!("addr add 10.0.0.{host}/8 dev {other}")));
            }
            ip("link add br-lan type bridge");
            let before = device("br-lan").unwrap().unwrap();
            assert_eq!((before.up, before.addresses.is_empty()), (false, true));
            ip("link set br-lan address 02:00:00:00:00:01 up");
            for address in ["192.168.1.1/24", "192.168.1.2/24", "10.9.8.7/30", "10.9.8.6/32 peer 172.16.0.1/16"] {
                ip(&format!("addr add {address} dev br-lan"));
            }
            ip("addr add 192.168.1.3/24 dev br-lan label br-lan:1");
            ip("addr add fd77::1/64 dev br-lan nodad");
            let after = device("br-lan").unwrap().unwrap();
            (1..=16).for_each(|host| ip(&format!("addr add 192.168.7.{host}/24 dev br-lan")));
            (before, after, device("br-lan").unwrap().unwrap())
        });
        let (before, after, full) = played.join().unwrap();
        assert_eq!((after.ifindex, after.up, after.mac), (before.ifindex, true, Some(Mac([2, 0, 0, 0, 0, 1]))));
        let told: Vec<String> = after.addresses.iter().map(|Address { ip, mask }| format!("{ip}/{mask}")).collect();
        let wanted = ["192.168.1.1/255.255.255.0", "10.9.8.7/255.255.255.252", "10.9.8.6/255.255.0.0"];
        assert_eq!(told, [&wanted[..], &["192.168.1.2/255.255.255.0"]].concat());
        assert_eq!((full.addresses.len(), &full.addresses[..3]), (MAX_ADDRESSES, &after.addresses[..3]));
    }

    #[test]
    fn networks_are_told_apart() {
        let address = Address { ip: Ipv4Addr::new(192, 168, 1, 1), mask: Ipv4Addr::new(255, 255, 255, 0) };
        assert!(address.reaches(Ipv4Addr::new(192, 168, 1, 254)));
        assert!(!address.reaches(Ipv4Addr::new(192, 168, 2, 1)));
    }
}
