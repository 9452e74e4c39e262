//! netascii (RFC 764, RFC 1350 §1): text whose line ends are CR LF and whose bare CRs are CR NUL on the wire.

/// Where a transfer in netascii stands.
///
/// How many bytes of the file a block takes depends on what is in them, so blocks have no fixed place in the file. Two
/// places are kept: the start of the block that awaits its ACK, and the start of the one after it.
#[derive(Debug)]
pub struct NetasciiText {
    size: u64,
    start: Position,
    next: Position,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Position {
    /// Bytes of the file before this place.
    offset: u64,
    /// The second byte of a pair that did not fit into the block before.
    owed: Option<u8>,
}

impl NetasciiText {
    /// The beginning of a file of `size` bytes.
    pub fn new(size: u64) -> Self {
        let place = Position { offset: 0, owed: None };
        Self { size, start: place, next: place }
    }

    /// Begins the block that awaits its ACK again.
    pub fn rewind(&mut self) {
        self.next = self.start;
    }

    /// The block that was written last has arrived.
    pub fn advance(&mut self) {
        self.start = self.next;
    }

    /// Where in the file to read on, and the most bytes that are of use; 0 at the file's end.
    pub fn wants(&self) -> (u64, u64) {
        (self.next.offset, self.size.saturating_sub(self.next.offset))
    }

    /// Turns bytes of the file, read from where [`wants`](Self::wants) says, into the block's next bytes. Returns the
    /// length written to `block`; when that is all of it, the block is full, and what is left of `source` is read
    /// again for the next one.
    pub fn write(&mut self, source: &[u8], block: &mut [u8]) -> usize {
        let room = block.len();
        let mut slots = block.iter_mut();
        let mut source = source.iter();
        loop {
            // Looked at before a byte is taken from the source.
            if slots.len() == 0 {
                break;
            }
            let byte = match self.next.owed.take() {
                Some(owed) => owed,
                None => {
                    let Some(&byte) = source.next() else { break };
                    self.next.offset += 1;
                    match byte {
                        b'\n' => {
                            self.next.owed = Some(b'\n');
                            b'\r'
                        }
                        b'\r' => {
                            self.next.owed = Some(0);
                            b'\r'
                        }
                        plain => plain,
                    }
                }
            };
            if let Some(slot) = slots.next() {
                *slot = byte;
            }
        }
        room - slots.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The wire's bytes when blocks hold `blksize` and the file is read in pieces of `piece` bytes.
    fn encode(file: &[u8], blksize: usize, piece: usize) -> Vec<Vec<u8>> {
        let mut text = NetasciiText::new(file.len() as u64);
        let mut blocks = Vec::new();
        loop {
            // Each block twice, as if its first copy were lost.
            let mut copies = [vec![0xa5; blksize], vec![0xa5; blksize]];
            for block in &mut copies {
                text.rewind();
                let mut len = 0;
                loop {
                    let (offset, left) = text.wants();
                    let end = offset as usize + piece.min(left as usize);
                    let written = text.write(&file[offset as usize..end], &mut block[len..]);
                    len += written;
                    if written == 0 || len == blksize {
                        break;
                    }
                }
                block.truncate(len);
            }
            let [block, again] = copies;
            assert_eq!(block, again);
            text.advance();
            let last = block.len() < blksize;
            blocks.push(block);
            if last {
                return blocks;
            }
        }
    }

    #[test]
    fn line_ends_and_bare_carriage_returns() {
        for (file, wire) in [
            (&b""[..], &b""[..]),
            (b"plain", b"plain"),
            (b"a\nb\n", b"a\r\nb\r\n"),
            (b"\r", b"\r\0"),
            (b"a\r\nb", b"a\r\0\r\nb"),
            (b"\n\r\n\n", b"\r\n\r\0\r\n\r\n"),
            (b"\0\xff", b"\0\xff"),
        ] {
            for blksize in 1..=9 {
                for piece in 1..=4 {
                    let blocks = encode(file, blksize, piece);
                    assert_eq!(blocks.concat(), wire, "{} in {blksize}", file.escape_ascii());
                    let (last, full) = blocks.split_last().unwrap();
                    assert!(full.iter().all(|block| block.len() == blksize) && last.len() < blksize);
                }
            }
        }
    }
}
