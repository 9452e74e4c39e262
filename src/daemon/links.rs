//! The networks that are served: each waits for its device, opens it when it is usable, and notices when it changes.

use std::io;
use std::net::Ipv4Addr;

use log::{info, warn};

use crate::config::Interface;
use crate::proxy::{Arrival, Door};
use crate::sys::epoll::Epoll;
use crate::sys::link::{self, Address, Device};
use crate::sys::packet_socket::PacketSocket;
use crate::wire::frame::Mac;

/// The port whose datagrams are heard beside the DHCP server.
const DHCP_SERVER: u16 = 67;

/// A served network.
#[derive(Debug)]
pub struct Link {
    /// Its names.
    pub interface: Interface,
    /// What its frames are reported under.
    pub token: u64,
    state: State,
    /// The last look failed for want of something that the system may have again later.
    failed: bool,
}

#[derive(Debug)]
enum State {
    /// Not usable now, and why; empty before the first look.
    Waiting(&'static str),
    /// In service.
    Ready(Ready),
}

/// An open device.
#[derive(Debug)]
pub struct Ready {
    /// Hears and sends frames.
    pub socket: PacketSocket,
    /// Our hardware address there.
    pub mac: Mac,
    /// Our address there: what clients are told to turn to.
    pub router: Ipv4Addr,
    /// The network mask that goes with it.
    pub mask: Ipv4Addr,
    device: Device,
}

impl Ready {
    /// The kernel's number for the device.
    pub fn ifindex(&self) -> u32 {
        self.device.ifindex
    }

    /// True when `address` is on one of the device's networks.
    pub fn reaches(&self, address: Ipv4Addr) -> bool {
        self.device.addresses.iter().any(|own| own.reaches(address))
    }
}

impl Link {
    /// A link that has not looked at its device yet.
    pub fn new(interface: Interface, token: u64) -> Self {
        Self { interface, token, state: State::Waiting(""), failed: false }
    }

    /// The open device, if it is usable.
    pub fn ready(&self) -> Option<&Ready> {
        match &self.state {
            State::Ready(ready) => Some(ready),
            State::Waiting(_) => None,
        }
    }

    /// Why it is not usable now.
    pub fn trouble(&self) -> Option<&'static str> {
        match self.state {
            State::Ready(_) => None,
            State::Waiting(why) => Some(why),
        }
    }

    /// What the core wants to know about a request that came in here.
    pub fn arrival(&self, door: Door, ready: &Ready) -> Arrival<'_> {
        let Interface { name, device } = &self.interface;
        Arrival { door, interface: name, device, router: ready.router, mask: ready.mask }
    }

    /// Looks at the device as it is now, and says what has changed. Frames are reported to `epoll`.
    pub fn refresh(&mut self, epoll: &Epoll) {
        let looked = match link::device(&self.interface.device).map(usable) {
            Ok(Ok(usable)) => self.use_device(usable, epoll),
            Ok(Err(why)) => {
                self.wait_because(why);
                Ok(())
            }
            Err(error) => Err(error),
        };
        // Said once, however often it is tried again.
        match &looked {
            Err(error) if !self.failed => {
                warn!("{}: cannot be opened: {error}; it is tried again", self.interface.device)
            }
            Ok(()) if self.failed => info!("{}: can be opened again", self.interface.device),
            _ => {}
        }
        self.failed = looked.is_err();
    }

    /// True when the device is to be tried again without waiting for news of it.
    pub fn has_failed(&self) -> bool {
        self.failed
    }

    fn wait_because(&mut self, why: &'static str) {
        if !matches!(self.state, State::Waiting(known) if known == why) {
            warn!("{}: {why}; waiting", self.interface.device);
            self.state = State::Waiting(why);
        }
    }

    fn use_device(&mut self, (device, mac, address): (Device, Mac, Address), epoll: &Epoll) -> io::Result<()> {
        let Address { ip: router, mask } = address;
        match &mut self.state {
            State::Ready(ready) if ready.device == device => {}
            // The same device with another address: the socket is bound to the device and stays good.
            State::Ready(ready) if ready.device.ifindex == device.ifindex => {
                if ready.router != router {
                    info!("{}: address is {router} now, was {}", self.interface.device, ready.router);
                }
                (ready.device, ready.mac, ready.router, ready.mask) = (device, mac, router, mask);
            }
            _ => match open(&device, epoll, self.token) {
                Ok(socket) => {
                    info!("{}: listening for network boot clients, our address is {router}", self.interface.device);
                    self.state = State::Ready(Ready { socket, mac, router, mask, device });
                }
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                    self.wait_because("packet sockets need root or CAP_NET_RAW");
                }
                Err(error) => {
                    self.state = State::Waiting("cannot be opened");
                    return Err(error);
                }
            },
        }
        Ok(())
    }
}

/// What a device needs before it can be served.
///
/// # Errors
/// What it lacks.
pub fn usable(device: Option<Device>) -> Result<(Device, Mac, Address), &'static str> {
    let device = device.ok_or("no such device")?;
    if !device.up {
        return Err("is down");
    }
    let mac = device.mac.ok_or("is not an Ethernet device")?;
    let address = *device.addresses.first().ok_or("has no IPv4 address")?;
    Ok((device, mac, address))
}

fn open(device: &Device, epoll: &Epoll, token: u64) -> io::Result<PacketSocket> {
    let socket = PacketSocket::open(device.ifindex, DHCP_SERVER)?;
    epoll.add(&socket, token)?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_needs_to_be_up_and_ethernet_and_to_have_an_address() {
        let address = Address { ip: Ipv4Addr::new(192, 168, 1, 1), mask: Ipv4Addr::new(255, 255, 255, 0) };
        let good = Device {
            ifindex: 7,
            up: true,
            mac: Some(Mac([2, 0, 0, 0, 0, 1])),
            addresses: heapless::Vec::from_array([address]),
        };
        assert!(usable(Some(good.clone())).is_ok());
        let because = |device| usable(device).unwrap_err();
        assert_eq!(because(None), "no such device");
        assert_eq!(because(Some(Device { up: false, ..good.clone() })), "is down");
        assert_eq!(because(Some(Device { mac: None, ..good.clone() })), "is not an Ethernet device");
        assert_eq!(because(Some(Device { addresses: heapless::Vec::new(), ..good })), "has no IPv4 address");
    }

    #[test]
    fn a_device_that_is_not_there_is_waited_for() {
        let interface = Interface { name: "lan".into(), device: "no-such-dev".into() };
        let mut link = Link::new(interface, 0);
        link.refresh(&Epoll::new().unwrap());
        assert!(link.ready().is_none());
        assert_eq!(link.trouble(), Some("no such device"));
    }
}
