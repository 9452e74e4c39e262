//! Seeded damage to texts: the same in each run.

/// Bytes that mean something to a UCI reader, and a few that don't.
const ALPHABET: &[u8] = b"'\"\\;# \t\n\r\x0b\x0cabcdefolpt_-09\x7f\x80\xc3\xff";

/// Makes damaged copies of the texts it was given.
pub struct Mutator<'t> {
    texts: &'t [&'t [u8]],
    state: u64,
}

impl<'t> Mutator<'t> {
    /// The same seed and texts give the same copies.
    pub fn new(seed: u64, texts: &'t [&'t [u8]]) -> Self {
        Mutator { texts, state: seed }
    }

    /// A copy with one to four damages.
    pub fn next(&mut self) -> Vec<u8> {
        let mut text = self.text().to_vec();
        // Large files were read whole already; their parts are as good here, and quicker.
        text.truncate(4096);
        for _ in 0..=self.below(4) {
            self.damage(&mut text);
        }
        text.retain(|&byte| byte != 0);
        text
    }

    fn damage(&mut self, text: &mut Vec<u8>) {
        let at = self.below(text.len() + 1);
        let byte = ALPHABET[self.below(ALPHABET.len())];
        match self.below(8) {
            0 => text.truncate(at),
            1 => text.insert(at, byte),
            2 if at < text.len() => text[at] = byte,
            3 if at < text.len() => {
                text.remove(at);
            }
            4 => {
                let lines = lines(text);
                *text = lines
                    .iter()
                    .enumerate()
                    .filter(|&(index, _)| index != at % lines.len().max(1))
                    .flat_map(|(_, line)| line.clone())
                    .collect();
            }
            5 => {
                let mut lines = lines(text);
                if lines.len() > 1 {
                    let (left, right) = (self.below(lines.len()), self.below(lines.len()));
                    lines.swap(left, right);
                }
                *text = lines.concat();
            }
            6 => {
                let other = lines(self.text());
                if let Some(line) = other.get(self.below(other.len().max(1))) {
                    text.splice(at..at, line.iter().copied());
                }
            }
            _ => {
                let end = (at + self.below(12)).min(text.len());
                let piece = text[at..end].to_vec();
                let to = self.below(text.len() + 1);
                text.splice(to..to, piece);
            }
        }
    }

    fn text(&mut self) -> &'t [u8] {
        self.texts[self.below(self.texts.len())]
    }

    /// xorshift64*, reduced; the small bias does not matter here.
    fn below(&mut self, bound: usize) -> usize {
        self.state ^= self.state >> 12;
        self.state ^= self.state << 25;
        self.state ^= self.state >> 27;
        let number = self.state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(number).unwrap_or(0) % bound.max(1)
    }
}

/// Each with its newline.
fn lines(text: &[u8]) -> Vec<Vec<u8>> {
    text.split_inclusive(|&byte| byte == b'\n').map(<[u8]>::to_vec).collect()
}
