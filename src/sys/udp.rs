//! UDP ports that are heard on every address, with word of where each datagram came in.

use std::io;
use std::mem;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use super::{owned_fd, size_of_as_socklen, succeeded, transferred};

/// A bound port.
///
/// It is bound to no address, so that it outlives every change of addresses and devices; whoever receives checks where
/// a datagram came in. It takes no port that another server has. But who comes later and shares ports, as dnsmasq does,
/// gets in, and gets what is sent there: dnsmasq would end otherwise, and DHCP and DNS with it.
#[derive(Debug)]
pub struct UdpListener {
    fd: OwnedFd,
}

/// A datagram's particulars.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Received {
    /// Bytes written to the buffer.
    pub len: usize,
    /// Who sent it.
    pub peer: SocketAddrV4,
    /// Our address on the way to the sender: what to answer from (`ipi_spec_dst`).
    pub local: Ipv4Addr,
    /// What the sender addressed: `local`, or a broadcast or multicast address (`ipi_addr`).
    pub destination: Ipv4Addr,
    /// The device it came in on.
    pub ifindex: u32,
}

/// Room for one `in_pktinfo`, aligned as a control message must be.
#[repr(C)]
union ControlBuffer {
    _align: libc::cmsghdr,
    bytes: [u8; 64],
}

impl UdpListener {
    /// Binds `port` on all addresses.
    ///
    /// # Errors
    /// `AddrInUse` when another program has the port, `PermissionDenied` without `CAP_NET_BIND_SERVICE`.
    pub fn bind(port: u16) -> io::Result<Self> {
        let fd = datagram_socket()?;
        let on = 1i32;
        // SAFETY: the pointer and the length describe `on`, which outlives the call.
        succeeded(unsafe {
            libc::setsockopt(
                fd.as_raw_fd(),
                libc::IPPROTO_IP,
                libc::IP_PKTINFO,
                (&raw const on).cast(),
                size_of_as_socklen::<i32>(),
            )
        })?;
        let address = to_sockaddr(SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, port));
        // SAFETY: the pointer and the length describe `address`, which outlives the call.
        succeeded(unsafe {
            libc::bind(fd.as_raw_fd(), (&raw const address).cast(), size_of_as_socklen::<libc::sockaddr_in>())
        })?;
        share_port(fd.as_fd())?;
        Ok(Self { fd })
    }

    /// The port.
    ///
    /// # Errors
    /// None that could be foreseen.
    pub fn port(&self) -> io::Result<u16> {
        let mut address = to_sockaddr(SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0));
        let mut len = size_of_as_socklen::<libc::sockaddr_in>();
        // SAFETY: the pointers describe `address` and `len`, which outlive the call.
        succeeded(unsafe { libc::getsockname(self.fd.as_raw_fd(), (&raw mut address).cast(), &raw mut len) })?;
        Ok(u16::from_be(address.sin_port))
    }

    /// Takes a datagram into `buffer`, cut to its size; `None` when none is waiting.
    ///
    /// # Errors
    /// Only what the kernel reports of earlier sends; it is safe to call again.
    pub fn receive(&self, buffer: &mut [u8]) -> io::Result<Option<Received>> {
        let mut control = ControlBuffer { bytes: [0; 64] };
        let mut peer = to_sockaddr(SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0));
        let mut part = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
        let mut message = message(&mut peer, &mut part, &mut control);
        // SAFETY: `message` points to `peer`, `buffer` and `control`, which all outlive the call.
        let len = match transferred(unsafe { libc::recvmsg(self.fd.as_raw_fd(), &raw mut message, 0) }) {
            Ok(len) => len,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
            Err(error) => return Err(error),
        };
        let Some(info) = packet_info(&message) else { return Ok(None) };
        Ok(Some(Received {
            len,
            peer: SocketAddrV4::new(Ipv4Addr::from(u32::from_be(peer.sin_addr.s_addr)), u16::from_be(peer.sin_port)),
            local: Ipv4Addr::from(u32::from_be(info.ipi_spec_dst.s_addr)),
            destination: Ipv4Addr::from(u32::from_be(info.ipi_addr.s_addr)),
            ifindex: info.ipi_ifindex as u32,
        }))
    }

    /// Sends `payload` to `peer` from our address `local`, through the device that the request came in on.
    ///
    /// # Errors
    /// Whatever the kernel has against it; the datagram is lost then, as it might be on the wire.
    pub fn send(&self, payload: &[u8], peer: SocketAddrV4, local: Ipv4Addr, ifindex: u32) -> io::Result<()> {
        let mut control = ControlBuffer { bytes: [0; 64] };
        let mut peer = to_sockaddr(peer);
        let mut part = libc::iovec { iov_base: payload.as_ptr().cast_mut().cast(), iov_len: payload.len() };
        let mut message = message(&mut peer, &mut part, &mut control);
        // SAFETY: in_pktinfo is plain data; all zeros is a valid value.
        let mut info: libc::in_pktinfo = unsafe { mem::zeroed() };
        info.ipi_spec_dst.s_addr = u32::from(local).to_be();
        info.ipi_ifindex = ifindex as i32;
        // SAFETY: `control` is aligned and large enough for one in_pktinfo, so the first header exists and its data
        // lies within; sendmsg only reads what `message` points to, and all of it outlives the call.
        let sent = unsafe {
            let header = libc::CMSG_FIRSTHDR(&raw const message);
            (*header).cmsg_level = libc::IPPROTO_IP;
            (*header).cmsg_type = libc::IP_PKTINFO;
            (*header).cmsg_len = libc::CMSG_LEN(mem::size_of::<libc::in_pktinfo>() as u32) as _;
            std::ptr::write_unaligned(libc::CMSG_DATA(header).cast(), info);
            message.msg_controllen = libc::CMSG_SPACE(mem::size_of::<libc::in_pktinfo>() as u32) as _;
            libc::sendmsg(self.fd.as_raw_fd(), &raw const message, 0)
        };
        transferred(sent).map(|_| ())
    }
}

impl AsFd for UdpListener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

fn message(peer: &mut libc::sockaddr_in, part: &mut libc::iovec, control: &mut ControlBuffer) -> libc::msghdr {
    // SAFETY: msghdr is plain data; all zeros is a valid value.
    let mut message: libc::msghdr = unsafe { mem::zeroed() };
    message.msg_name = (&raw mut *peer).cast();
    message.msg_namelen = size_of_as_socklen::<libc::sockaddr_in>();
    message.msg_iov = part;
    message.msg_iovlen = 1;
    message.msg_control = (&raw mut *control).cast();
    message.msg_controllen = mem::size_of::<ControlBuffer>() as _;
    message
}

fn packet_info(message: &libc::msghdr) -> Option<libc::in_pktinfo> {
    // SAFETY: the kernel wrote control messages into the buffer that `message` describes, and the length of the first
    // is checked before it is read.
    unsafe {
        let header = libc::CMSG_FIRSTHDR(message).as_ref()?;
        let whole = libc::CMSG_LEN(mem::size_of::<libc::in_pktinfo>() as u32) as usize;
        let is_info = (header.cmsg_level, header.cmsg_type) == (libc::IPPROTO_IP, libc::IP_PKTINFO);
        if !is_info || (header.cmsg_len as usize) < whole {
            return None;
        }
        Some(std::ptr::read_unaligned(libc::CMSG_DATA(header).cast()))
    }
}

/// A UDP socket that never blocks.
pub(super) fn datagram_socket() -> io::Result<OwnedFd> {
    // SAFETY: no pointers are involved.
    owned_fd(unsafe { libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK, 0) })
}

/// Other sockets that say the same may bind the socket's port (SO_REUSEADDR).
pub(super) fn share_port(socket: BorrowedFd<'_>) -> io::Result<()> {
    let share = 1i32;
    // SAFETY: the pointer and the length describe `share`, which outlives the call.
    succeeded(unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_REUSEADDR,
            (&raw const share).cast(),
            size_of_as_socklen::<i32>(),
        )
    })
}

/// `address` as the kernel takes it.
pub(super) fn to_sockaddr(address: SocketAddrV4) -> libc::sockaddr_in {
    // SAFETY: sockaddr_in is plain data; all zeros is a valid value.
    let mut raw: libc::sockaddr_in = unsafe { mem::zeroed() };
    raw.sin_family = libc::AF_INET as u16;
    raw.sin_port = address.port().to_be();
    raw.sin_addr.s_addr = u32::from(*address.ip()).to_be();
    raw
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::UdpSocket;

    #[test]
    fn a_datagram_tells_where_it_came_in_and_is_answered_from_there() {
        let listener = UdpListener::bind(0).unwrap();
        let port = listener.port().unwrap();
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        client.send_to(b"hello", ("127.0.0.9", port)).unwrap();
        let mut buffer = [0; 64];
        let received = loop {
            if let Some(received) = listener.receive(&mut buffer).unwrap() {
                break received;
            }
        };
        assert_eq!(&buffer[..received.len], b"hello");
        assert_eq!(received.local, Ipv4Addr::new(127, 0, 0, 9));
        assert_eq!(received.destination, received.local);
        listener.send(b"you too", received.peer, received.local, received.ifindex).unwrap();
        let (len, from) = client.recv_from(&mut buffer).unwrap();
        assert_eq!((&buffer[..len], from.to_string()), (&b"you too"[..], format!("127.0.0.9:{port}")));
        assert_eq!(listener.receive(&mut buffer).unwrap(), None);
    }

    #[test]
    fn who_shares_ports_gets_in_later_and_gets_what_is_sent() {
        let listener = UdpListener::bind(0).unwrap();
        let port = listener.port().unwrap();
        for address in [Ipv4Addr::LOCALHOST, Ipv4Addr::UNSPECIFIED] {
            let address = to_sockaddr(SocketAddrV4::new(address, port));
            // As dnsmasq does.
            let dnsmasq = datagram_socket().unwrap();
            share_port(dnsmasq.as_fd()).unwrap();
            // SAFETY: the pointer and the length describe `address`, which outlives the call.
            succeeded(unsafe {
                libc::bind(dnsmasq.as_raw_fd(), (&raw const address).cast(), size_of_as_socklen::<libc::sockaddr_in>())
            })
            .unwrap();
            let dnsmasq = UdpSocket::from(dnsmasq);
            UdpSocket::bind("127.0.0.1:0").unwrap().send_to(b"question", ("127.0.0.1", port)).unwrap();
            assert_eq!(dnsmasq.recv(&mut [0; 9]).unwrap(), 8);
            assert_eq!(listener.receive(&mut [0; 9]).unwrap(), None);
        }
    }

    #[test]
    fn a_taken_port_is_noticed() {
        let first = UdpListener::bind(0).unwrap();
        let error = UdpListener::bind(first.port().unwrap()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    }
}
