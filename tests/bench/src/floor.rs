//! What the kernel alone costs: programs that send the same datagrams with next to no protocol.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, IoSliceMut};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

use crate::sys::{self, Inbox, PACKET};

/// Bytes that one send takes at most.
const MOST: usize = 65_507;

/// Answers a request with an OACK that repeats its options, or with a block; and each ACK with the next block. Never
/// opens a file, remembers nothing, waits in `recvfrom` itself.
pub fn lock_step(root: &Path) -> io::Result<()> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 69))?;
    let mut packet = [0; PACKET];
    let mut blksize = 512;
    let mut left = 0;
    loop {
        let (len, from) = socket.recv_from(&mut packet)?;
        let answer = match &packet[..len] {
            [0, 1, request @ ..] => {
                let words: Vec<_> = request.split(|&byte| byte == 0).collect();
                let name = OsStr::from_bytes(words.first().copied().unwrap_or_default());
                left = std::fs::metadata(root.join(name)).map_or(0, |metadata| metadata.len() as usize);
                match words.get(2..).unwrap_or_default() {
                    [name, value, ..] if !name.is_empty() => {
                        blksize = std::str::from_utf8(value).ok().and_then(|text| text.parse().ok()).unwrap_or(512);
                        [b"\0\x06blksize\0", *value, b"\0"].concat()
                    }
                    _ => {
                        blksize = 512;
                        block(1, blksize, &mut left)
                    }
                }
            }
            [0, 4, high, low] if left != usize::MAX => {
                block(u16::from_be_bytes([*high, *low]).wrapping_add(1), blksize, &mut left)
            }
            _ => continue,
        };
        socket.send_to(&answer, from)?;
    }
}

/// `left` is `usize::MAX` once the last block was sent.
fn block(number: u16, blksize: usize, left: &mut usize) -> Vec<u8> {
    let len = blksize.min(*left);
    *left = if len < blksize { usize::MAX } else { *left - len };
    let mut packet = vec![7; 4 + len];
    packet[..2].copy_from_slice(&[0, 3]);
    packet[2..4].copy_from_slice(&number.to_be_bytes());
    packet
}

/// What a blaster is told to do.
#[derive(Debug, Clone, Copy)]
pub struct Blast {
    /// Datagrams in one call.
    pub window: u32,
    /// Their payload, besides 4 bytes of header.
    pub blksize: u32,
    /// How many windows.
    pub count: u32,
}

/// Sends windows of a file's blocks to whoever asks: one read and one send for each window.
pub fn blast(root: &Path) -> io::Result<()> {
    let file = File::open(root.join("16M"))?;
    let size = file.metadata()?.len();
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 69))?;
    let mut buffer = vec![0; MOST];
    loop {
        let mut order = [0; 12];
        let (_, from) = socket.recv_from(&mut order)?;
        let [window, blksize, count] =
            [0, 4, 8].map(|at| u32::from_ne_bytes([0, 1, 2, 3].map(|byte| order[at + byte])));
        let stride = 4 + blksize as usize;
        sys::segment(&socket, stride as u16)?;
        let len = (stride * window as usize).min(MOST);
        let mut offset = 0;
        for _ in 0..count {
            let mut parts: Vec<_> =
                buffer[..len].chunks_mut(stride).map(|packet| IoSliceMut::new(&mut packet[4..])).collect();
            offset += sys::read_at(&file, &mut parts, offset)? as u64;
            if offset + len as u64 > size {
                offset = 0;
            }
            send(&socket, &buffer[..len], from)?;
        }
        sys::segment(&socket, 0)?;
        std::thread::sleep(Duration::from_millis(20));
        send(&socket, b"end", from)?;
    }
}

fn send(socket: &UdpSocket, bytes: &[u8], to: SocketAddr) -> io::Result<()> {
    match socket.send_to(bytes, to) {
        Err(error) if error.kind() != io::ErrorKind::ConnectionRefused => Err(error),
        _ => Ok(()),
    }
}

/// Has the blaster at `server` blast, and swallows what comes; what doesn't fit into the socket's inbox is lost there, as it
/// must be without a protocol. Returns the bytes of file that were sent.
pub fn swallow(server: SocketAddrV4, order: Blast) -> io::Result<u64> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    socket.connect(server)?;
    socket.set_read_timeout(Some(Duration::from_secs(5)))?;
    let words = [order.window, order.blksize, order.count].map(u32::to_ne_bytes);
    socket.send(words.as_flattened())?;
    let mut inbox = Inbox::new();
    loop {
        inbox.receive(&socket, sys::BATCH)?;
        if inbox.packets().any(|packet| packet == b"end") {
            return Ok(u64::from(order.window) * u64::from(order.blksize) * u64::from(order.count));
        }
    }
}
