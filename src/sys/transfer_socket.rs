//! A socket that talks to one client only: a TFTP transfer's TID (RFC 1350 §4).

use std::io;
use std::mem;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use super::udp::{UdpListener, datagram_socket, share_port, to_sockaddr};
use super::{size_of_as_socklen, succeeded, transferred};

/// Datagrams that one system call sends one by one. Larger windows take several.
const AT_ONCE: usize = 16;

/// The most bytes that one segmented send takes: the largest UDP payload.
pub const MAX_SEGMENTED_SEND: usize = 65507;

/// A UDP socket on a port of its own, connected to one client: the kernel passes over what others send.
#[derive(Debug)]
pub struct TransferSocket {
    fd: OwnedFd,
}

impl TransferSocket {
    /// Opens a port at our address `local`, chosen by the kernel, for `peer`.
    ///
    /// # Errors
    /// When `local` is no longer ours, there is no way to `peer`, or for want of descriptors or ports.
    pub fn connect(local: Ipv4Addr, peer: SocketAddrV4) -> io::Result<Self> {
        Self { fd: datagram_socket()? }.bound_to(SocketAddrV4::new(local, 0))?.connected_to(peer)
    }

    /// The same, but at the port of `listener`, for clients behind a firewall that lets only that one through. The
    /// kernel hands what comes from `peer` to the new socket, requests included, and all else to the listener. What a
    /// stranger sends in the instant between the two steps of this may get lost here, as it might on the wire.
    ///
    /// # Errors
    /// As for [`connect`](Self::connect).
    pub fn connect_beside(listener: &UdpListener, local: Ipv4Addr, peer: SocketAddrV4) -> io::Result<Self> {
        let socket = Self { fd: datagram_socket()? };
        share_port(socket.fd.as_fd())?;
        socket.bound_to(SocketAddrV4::new(local, listener.port()?))?.connected_to(peer)
    }

    fn bound_to(self, local: SocketAddrV4) -> io::Result<Self> {
        let local = to_sockaddr(local);
        // SAFETY: the pointer and the length describe `local`, which outlives the call.
        succeeded(unsafe {
            libc::bind(self.fd.as_raw_fd(), (&raw const local).cast(), size_of_as_socklen::<libc::sockaddr_in>())
        })?;
        Ok(self)
    }

    fn connected_to(self, peer: SocketAddrV4) -> io::Result<Self> {
        self.set_peer(peer)?;
        Ok(self)
    }

    fn set_peer(&self, peer: SocketAddrV4) -> io::Result<()> {
        let peer = to_sockaddr(peer);
        // SAFETY: the pointer and the length describe `peer`, which outlives the call.
        succeeded(unsafe {
            libc::connect(self.fd.as_raw_fd(), (&raw const peer).cast(), size_of_as_socklen::<libc::sockaddr_in>())
        })
    }

    /// From now on the kernel hands what the client sends to the listener at this port again, if there is one. What came
    /// before still waits here.
    ///
    /// # Errors
    /// When `local`, the address of this socket, is no longer ours.
    pub fn let_go(&self, local: Ipv4Addr) -> io::Result<()> {
        // To nobody's port at our own address: a socket that is not connected would take what the listener should.
        self.set_peer(SocketAddrV4::new(local, 9))
    }

    /// The MTU of the way to the client, in bytes, as far as the kernel knows it.
    ///
    /// # Errors
    /// When there is no way any longer.
    pub fn mtu(&self) -> io::Result<u32> {
        let mut mtu = 0i32;
        let mut len = size_of_as_socklen::<i32>();
        // SAFETY: the pointers describe `mtu` and `len`, which outlive the call.
        let told = succeeded(unsafe {
            libc::getsockopt(self.fd.as_raw_fd(), libc::IPPROTO_IP, libc::IP_MTU, (&raw mut mtu).cast(), &raw mut len)
        });
        match told {
            // QEMU's imitation of Linux doesn't know that; every Ethernet carries as much.
            Err(error) if error.raw_os_error() == Some(libc::ENOPROTOOPT) => Ok(1500),
            Err(error) => Err(error),
            Ok(()) => Ok(u32::try_from(mtu).unwrap_or(0)),
        }
    }

    /// From now on every send of more than `size` bytes leaves as datagrams of `size` bytes and a last one of what is
    /// left (UDP_SEGMENT, Linux 4.18). 0 turns that off.
    ///
    /// # Errors
    /// On older kernels. Devices show only on sending that they cannot do it, see [`refuses_segments`].
    pub fn segment(&self, size: u16) -> io::Result<()> {
        // As an option of the socket, not a control message with each send: qemu-user swaps only the former's bytes.
        let size = i32::from(size);
        // SAFETY: the pointer and the length describe `size`, which outlives the call.
        succeeded(unsafe {
            libc::setsockopt(
                self.fd.as_raw_fd(),
                libc::SOL_UDP,
                libc::UDP_SEGMENT,
                (&raw const size).cast(),
                mem::size_of::<i32>() as libc::socklen_t,
            )
        })
    }

    /// Sends a datagram, or several in one as [`segment`](Self::segment) says.
    ///
    /// # Errors
    /// Also what became of earlier datagrams (`ConnectionRefused`); nothing was sent then.
    pub fn send(&self, bytes: &[u8]) -> io::Result<()> {
        // SAFETY: the pointer and the length describe `bytes`, which outlives the call.
        transferred(unsafe { libc::send(self.fd.as_raw_fd(), bytes.as_ptr().cast(), bytes.len(), 0) }).map(|_| ())
    }

    /// Sends datagrams that lie one behind the other, each of `size` bytes but the last, in few system calls: each call is
    /// looked at by the filter, too.
    ///
    /// # Errors
    /// As for [`send`](Self::send), but what becomes of others than the first of a call is not told (sendmmsg(2)): that one
    /// is tried once more, and a client that is gone shows when the next packet is sent or taken.
    pub fn send_each(&self, mut datagrams: &[u8], size: usize) -> io::Result<()> {
        let size = size.max(1);
        while datagrams.len() > size {
            let mut parts: heapless::Vec<libc::iovec, AT_ONCE> = heapless::Vec::new();
            let mut messages: heapless::Vec<libc::mmsghdr, AT_ONCE> = heapless::Vec::new();
            for datagram in datagrams.chunks(size).take(AT_ONCE) {
                let _ =
                    parts.push(libc::iovec { iov_base: datagram.as_ptr().cast_mut().cast(), iov_len: datagram.len() });
            }
            for part in &mut parts {
                // SAFETY: mmsghdr is plain data; all zeros is a valid value.
                let mut message: libc::mmsghdr = unsafe { mem::zeroed() };
                (message.msg_hdr.msg_iov, message.msg_hdr.msg_iovlen) = (part, 1);
                let _ = messages.push(message);
            }
            // Where a long has 64 bits, musl's own function makes a call for each.
            // SAFETY: the pointer and the count describe `messages`, each of which points to one of `parts`, and that into
            // `datagrams`, which the kernel only reads; all of them outlive the call.
            let sent = transferred(unsafe {
                libc::syscall(libc::SYS_sendmmsg, self.fd.as_raw_fd(), messages.as_mut_ptr(), messages.len(), 0)
                    as isize
            })?;
            datagrams = datagrams.get(sent.max(1) * size..).unwrap_or_default();
        }
        if datagrams.is_empty() { Ok(()) } else { self.send(datagrams) }
    }

    /// Takes a datagram into `buffer`, cut to its size; `None` when none is waiting.
    ///
    /// # Errors
    /// What became of earlier datagrams: `ConnectionRefused` when nobody listens at the client's port.
    pub fn receive(&self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        // SAFETY: the pointer and the length describe `buffer`, which outlives the call.
        match transferred(unsafe { libc::recv(self.fd.as_raw_fd(), buffer.as_mut_ptr().cast(), buffer.len(), 0) }) {
            Ok(len) => Ok(Some(len)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error),
        }
    }
}

impl AsFd for TransferSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// True when a send failed because the device cannot take segments: EIO without checksum offload, EINVAL or EMSGSIZE
/// (which of them depends on the kernel) when a segment exceeds the MTU. The same bytes sent one by one get through.
pub fn refuses_segments(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EIO | libc::EINVAL | libc::EMSGSIZE))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::UdpSocket;
    use std::time::Duration;

    fn pair() -> (TransferSocket, UdpSocket) {
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        client.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
        let address = SocketAddrV4::new(Ipv4Addr::LOCALHOST, client.local_addr().unwrap().port());
        let socket = TransferSocket::connect(Ipv4Addr::LOCALHOST, address).unwrap();
        socket.send(b"hello").unwrap();
        let (_, server) = client.recv_from(&mut [0; 8]).unwrap();
        client.connect(server).unwrap();
        (socket, client)
    }

    #[test]
    fn datagrams_go_both_ways() {
        let (socket, client) = pair();
        let mut buffer = [0; 8];
        assert_eq!(socket.receive(&mut buffer).unwrap(), None);
        client.send(b"you too").unwrap();
        assert_eq!(socket.receive(&mut buffer).unwrap(), Some(7));
        assert_eq!(&buffer[..7], b"you too");
        assert!(socket.mtu().unwrap() >= 1500);
    }

    #[test]
    fn one_send_becomes_several_datagrams() {
        let (socket, client) = pair();
        socket.segment(1000).unwrap();
        socket.send(&[7; 2500]).unwrap();
        socket.segment(0).unwrap();
        socket.send(&[7; 1200]).unwrap();
        let lengths = [(); 4].map(|()| client.recv(&mut [0; 4000]).unwrap());
        assert_eq!(lengths, [1000, 1000, 500, 1200]);
    }

    #[test]
    fn many_datagrams_leave_as_they_lie() {
        let (socket, client) = pair();
        let bytes: Vec<u8> = (0..4050u32).map(|at| (at / 100) as u8).collect();
        socket.send_each(&bytes, 100).unwrap();
        for at in 0..=40 {
            let mut datagram = [0; 200];
            let len = client.recv(&mut datagram).unwrap();
            assert_eq!(datagram[..len], bytes[at * 100..(at * 100 + 100).min(bytes.len())]);
        }
        for size in [4050, 5000] {
            socket.send_each(&bytes, size).unwrap();
            assert_eq!(client.recv(&mut [0; 5000]).unwrap(), bytes.len());
        }
        drop(client);
        let _ = socket.send_each(&bytes, 100);
        assert_eq!(trouble(&socket), Some(io::ErrorKind::ConnectionRefused));
        socket.send(b"anybody?").unwrap();
        assert_eq!(socket.send_each(&bytes, 100).unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
    }

    #[test]
    fn strangers_are_not_heard() {
        let (socket, client) = pair();
        let stranger = UdpSocket::bind("127.0.0.1:0").unwrap();
        stranger.connect(client.peer_addr().unwrap()).unwrap();
        stranger.send(b"\0\x04\0\0").unwrap();
        assert_eq!(socket.receive(&mut [0; 8]).unwrap(), None);
    }

    #[test]
    fn a_socket_beside_the_listener_hears_its_client_only() {
        let listener = UdpListener::bind(0).unwrap();
        let port = listener.port().unwrap();
        let [client, other] = [(); 2].map(|()| UdpSocket::bind("127.0.0.1:0").unwrap());
        let peer = SocketAddrV4::new(Ipv4Addr::LOCALHOST, client.local_addr().unwrap().port());
        let socket = TransferSocket::connect_beside(&listener, Ipv4Addr::LOCALHOST, peer).unwrap();
        socket.send(b"from").unwrap();
        assert_eq!(client.recv_from(&mut [0; 8]).unwrap().1.port(), port);
        for (from, text) in [(&other, b"other"), (&client, b"yours")] {
            from.send_to(text, ("127.0.0.1", port)).unwrap();
        }
        let mut buffer = [0; 8];
        assert_eq!(socket.receive(&mut buffer).unwrap(), Some(5));
        assert_eq!(&buffer[..5], b"yours");
        assert_eq!(socket.receive(&mut buffer).unwrap(), None);
        assert_eq!(listener.receive(&mut buffer).unwrap().unwrap().peer.port(), other.local_addr().unwrap().port());
    }

    #[test]
    fn a_closed_port_is_noticed() {
        let (socket, client) = pair();
        drop(client);
        socket.send(b"anybody?").unwrap();
        assert_eq!(trouble(&socket), Some(io::ErrorKind::ConnectionRefused));
    }

    #[test]
    fn what_a_device_refuses_is_told_from_other_trouble() {
        for (code, refused) in
            [(libc::EIO, true), (libc::EINVAL, true), (libc::EMSGSIZE, true), (libc::ENETDOWN, false)]
        {
            assert_eq!(refuses_segments(&io::Error::from_raw_os_error(code)), refused);
        }
    }

    /// What goes wrong when something is received; a busy kernel says so a little later.
    fn trouble(socket: &TransferSocket) -> Option<io::ErrorKind> {
        (0..1000).find_map(|_| {
            std::thread::sleep(std::time::Duration::from_millis(1));
            let kind = socket.receive(&mut [0; 8]).expect_err("something was received").kind();
            Some(kind).filter(|&kind| kind != io::ErrorKind::WouldBlock)
        })
    }
}
