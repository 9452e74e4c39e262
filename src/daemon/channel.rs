//! What a transfer holds of the system: its socket, and the file that it sends.

use std::io;
use std::net::Ipv4Addr;

use crate::sys::transfer_socket::{TransferSocket, refuses_segments};
use crate::sys::tree::ServedFile;
use crate::tftp::session::Session;
use crate::wire::tftp::is_request;

/// What a transfer needs besides the protocol's state.
#[derive(Debug)]
pub struct Channel {
    /// Where its packets leave.
    pub socket: TransferSocket,
    /// What is sent.
    pub file: ServedFile,
    /// The file, as it was looked for.
    pub name: Box<[u8]>,
    /// Our address.
    pub local: Ipv4Addr,
    /// The device that it goes by.
    pub ifindex: u32,
    /// Windows leave in one system call.
    pub is_segmented: bool,
}

impl Channel {
    /// Sends packets that lie one behind the other, all of `stride` bytes but the last.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn send(&mut self, packets: &[u8], stride: usize) -> io::Result<()> {
        if self.is_segmented {
            match self.socket.send(packets) {
                Err(error) if refuses_segments(&error) => {
                    self.is_segmented = false;
                    self.socket.segment(0)?;
                }
                result => return result,
            }
        }
        self.socket.send_each(packets, stride)
    }

    /// The bytes of the file that have arrived for certain.
    pub fn came(&self, session: &Session) -> u64 {
        session.acked().saturating_mul(session.blksize().into()).min(self.file.size())
    }

    /// The next request among what waits at a socket that is about to close; the rest is passed over.
    pub fn next_request(&self, inbox: &mut [u8]) -> Option<usize> {
        // What comes later than the last look is for the listener. If that can't be had, the client asks again.
        let _ = self.socket.let_go(self.local);
        while let Ok(Some(len)) = self.socket.receive(inbox) {
            if inbox.get(..len).is_some_and(is_request) {
                return Some(len);
            }
        }
        None
    }
}
