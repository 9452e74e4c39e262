//! DHCP options read by the book (RFC 2132, 3396), to hold replies and decisions against; and files that are there.

use upxe::proxy::BootFiles;

/// Where RFC 2131 puts the fields.
pub const SNAME: std::ops::Range<usize> = 44..108;
pub const FILE: std::ops::Range<usize> = 108..236;

/// The options of a list, in order, as far as it is whole.
pub fn list(mut list: &[u8]) -> Vec<(u8, &[u8])> {
    let mut found = Vec::new();
    while let [code, rest @ ..] = list {
        match code {
            0 => list = rest,
            255 => break,
            _ => {
                let Some((len, rest)) = rest.split_first() else { break };
                let Some((value, rest)) = rest.split_at_checked(usize::from(*len)) else { break };
                found.push((*code, value));
                list = rest;
            }
        }
    }
    found
}

/// All options of a message, those in borrowed fields too.
pub fn of_message(message: &[u8]) -> Vec<(u8, &[u8])> {
    let mut found = list(message.get(240..).unwrap_or_default());
    let overload = found.iter().find(|(code, _)| *code == 52).and_then(|(_, value)| value.first().copied());
    for (bit, field) in [(1, FILE), (2, SNAME)] {
        if overload.unwrap_or(0) & bit != 0 {
            found.extend(list(message.get(field).unwrap_or_default()));
        }
    }
    found
}

/// An option's value, its pieces joined.
pub fn value(options: &[(u8, &[u8])], code: u8) -> Option<Vec<u8>> {
    let pieces: Vec<&[u8]> = options.iter().filter(|(it, _)| *it == code).map(|(_, value)| *value).collect();
    (!pieces.is_empty()).then(|| pieces.concat())
}

/// How often an option was sent.
pub fn count(options: &[(u8, &[u8])], code: u8) -> usize {
    options.iter().filter(|(it, _)| *it == code).count()
}

/// A TFTP root with every file in it (1), none (0), or those whose names have a length that leaves this rest by 3.
pub struct AllFiles(pub u8);

impl BootFiles for AllFiles {
    fn has(&self, name: &str) -> bool {
        match self.0 {
            0 => false,
            1 => true,
            rest => name.len() % 3 != usize::from(rest % 3),
        }
    }
}
