//! The one send buffer: blocks read from files straight into ready DATA packets.

use std::io::{self, IoSliceMut};
use std::time::{Duration, Instant};

use crate::sys::transfer_socket::MAX_SEGMENTED_SEND;
use crate::sys::tree::{ServedFile, Version};
use crate::tftp::TransferId;
use crate::tftp::negotiate::MAX_WINDOWSIZE;
use crate::tftp::netascii::NetasciiText;
use crate::tftp::session::Blocks;
use crate::wire::tftp::{DATA_HEADER, data_header};

/// Packets that the buffer holds at most.
const MAX_FRAMES: usize = MAX_WINDOWSIZE as usize;
/// While one client alone is served, or several get the same file side by side, so much is read at a time, to save system
/// calls when windows are small. More would drive everything else out of a small router's cache of 32 KiB.
const READ_AHEAD: usize = 12 * 1024;
/// What was read for one client is sent to others that get the same version of the same file for so long: a room of
/// machines that are switched on together asks for the same blocks at nearly the same time.
const SHARED_FOR: Duration = Duration::from_millis(10);
/// Bytes of a text read at a time.
const TEXT_CHUNK: usize = 512;

/// DATA packets ready to be sent, one behind the other, as a segmented send wants them.
#[derive(Debug)]
pub struct Frames {
    /// As long as the longest send was, [`MAX_SEGMENTED_SEND`] at most: who never sends much needs no memory for it.
    buffer: Vec<u8>,
    held: Option<Held>,
}

/// What the buffer contains.
#[derive(Debug, Clone, Copy)]
struct Held {
    /// For whom it was read, and when.
    id: TransferId,
    at: Instant,
    version: Option<Version>,
    blksize: u16,
    first: u64,
    count: usize,
}

/// A file as a transfer sends it.
#[derive(Debug, Clone, Copy)]
pub struct Outgoing<'a> {
    /// Which transfer.
    pub id: TransferId,
    /// The open file.
    pub file: &'a ServedFile,
    /// Bytes in each block but the last.
    pub blksize: u16,
}

impl Frames {
    /// A buffer for one window, or as much of it as one send takes.
    pub fn new() -> Self {
        Self { buffer: Vec::new(), held: None }
    }

    /// Makes the buffer at least as long as this.
    fn make_room(&mut self, len: usize) {
        if self.buffer.len() < len {
            self.buffer.reserve_exact(len - self.buffer.len());
            self.buffer.resize(len, 0);
        }
    }

    /// The packets of the first of `blocks`, as many as one send takes; and how many those are. All but the file's
    /// last have the same length, [`Outgoing::stride`].
    ///
    /// # Errors
    /// `UnexpectedEof` when the file has become shorter than it was; those of the file system.
    pub fn octet(&mut self, now: Instant, source: Outgoing<'_>, blocks: Blocks) -> io::Result<(&[u8], u16)> {
        let count = usize::from(blocks.count).min(source.frames_per_send());
        let held = self.held.as_ref().filter(|held| held.serves(now, source));
        let skipped = match held {
            Some(held) if held.contains(blocks.first, count) => (blocks.first - held.first) as usize,
            held => {
                let goes_on = held.is_some_and(|held| held.end() == blocks.first);
                let count = if goes_on { source.read_ahead(count, blocks.first) } else { count };
                self.held = None;
                self.fill(source, blocks.first, count)?;
                let Outgoing { id, file, blksize } = source;
                self.held = Some(Held { id, at: now, version: file.version(), blksize, first: blocks.first, count });
                0
            }
        };
        let start = skipped * source.stride();
        let len = count * DATA_HEADER + source.bytes(blocks.first, count);
        let frames = self.buffer.get(start..start + len).unwrap_or_default();
        Ok((frames, count as u16))
    }

    /// The packet of the block of a text that is due, and whether it is the last.
    ///
    /// # Errors
    /// As for [`octet`](Self::octet).
    pub fn netascii(
        &mut self,
        source: Outgoing<'_>,
        number: u64,
        text: &mut NetasciiText,
    ) -> io::Result<(&[u8], bool)> {
        self.held = None;
        self.make_room(source.stride());
        text.rewind();
        let frame = self.buffer.get_mut(..source.stride()).unwrap_or_default();
        let (header, block) = frame.split_at_mut(DATA_HEADER);
        header.copy_from_slice(&data_header(number as u16));
        let mut len = 0;
        while let Some(room) = block.get_mut(len..).filter(|room| !room.is_empty()) {
            let mut chunk = [0; TEXT_CHUNK];
            let (offset, left) = text.wants();
            let wanted = chunk.get_mut(..usize::try_from(left).unwrap_or(TEXT_CHUNK).min(TEXT_CHUNK));
            let wanted = wanted.unwrap_or_default();
            read_exactly(source.file, &mut [IoSliceMut::new(wanted)], offset)?;
            let written = text.write(wanted, room);
            if written == 0 {
                break;
            }
            len += written;
        }
        let is_last = len < block.len();
        Ok((self.buffer.get(..DATA_HEADER + len).unwrap_or_default(), is_last))
    }

    fn fill(&mut self, source: Outgoing<'_>, first: u64, count: usize) -> io::Result<()> {
        self.make_room(count * source.stride());
        let mut left = source.bytes(first, count);
        let mut parts: heapless::Vec<IoSliceMut<'_>, MAX_FRAMES> = heapless::Vec::new();
        for (number, frame) in (first..).zip(self.buffer.chunks_mut(source.stride()).take(count)) {
            let (header, block) = frame.split_at_mut(DATA_HEADER.min(frame.len()));
            // The number on the wire has 16 bits and wraps from 65535 to 0.
            header.copy_from_slice(&data_header(number as u16));
            let len = left.min(block.len());
            left -= len;
            let _ = parts.push(IoSliceMut::new(block.get_mut(..len).unwrap_or_default()));
        }
        read_exactly(source.file, &mut parts, source.offset(first))
    }
}

impl Default for Frames {
    fn default() -> Self {
        Self::new()
    }
}

impl Held {
    /// Whether it is what `source` would read now. In the very milliseconds in which somebody writes to a file that is
    /// being sent, another reader may get what stood there just before.
    fn serves(&self, now: Instant, source: Outgoing<'_>) -> bool {
        self.id == source.id
            || self.version.is_some()
                && self.version == source.file.version()
                && self.blksize == source.blksize
                && now.saturating_duration_since(self.at) < SHARED_FOR
    }

    fn contains(&self, first: u64, count: usize) -> bool {
        self.first <= first && first + count as u64 <= self.end()
    }

    fn end(&self) -> u64 {
        self.first + self.count as u64
    }
}

impl Outgoing<'_> {
    /// Bytes in a packet with a full block.
    pub fn stride(&self) -> usize {
        DATA_HEADER + usize::from(self.blksize)
    }

    fn frames_per_send(&self) -> usize {
        (MAX_SEGMENTED_SEND / self.stride()).clamp(1, MAX_FRAMES)
    }

    /// How many blocks to read when `count` are wanted: whole windows, and none after the file's last block.
    fn read_ahead(&self, count: usize, first: u64) -> usize {
        let windows = (READ_AHEAD / (self.stride() * count.max(1))).max(1);
        let last = self.file.size() / u64::from(self.blksize.max(1)) + 1;
        let left = usize::try_from(last.saturating_sub(first).saturating_add(1)).unwrap_or(usize::MAX);
        (count * windows).min(self.frames_per_send()).min(left).max(count)
    }

    /// Where block `first` begins in the file.
    fn offset(&self, first: u64) -> u64 {
        first.saturating_sub(1).saturating_mul(u64::from(self.blksize))
    }

    /// Bytes of the file in `count` blocks from `first` on.
    fn bytes(&self, first: u64, count: usize) -> usize {
        let left = self.file.size().saturating_sub(self.offset(first));
        usize::try_from(left).unwrap_or(usize::MAX).min(count * usize::from(self.blksize))
    }
}

/// Fills `parts`.
fn read_exactly(file: &ServedFile, mut parts: &mut [IoSliceMut<'_>], mut offset: u64) -> io::Result<()> {
    let mut left: usize = parts.iter().map(|part| part.len()).sum();
    while left > 0 {
        let read = match file.read_at(parts, offset) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        offset += read as u64;
        left = left.saturating_sub(read);
        IoSliceMut::advance_slices(&mut parts, read);
    }
    Ok(())
}
