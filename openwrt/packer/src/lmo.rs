//! `.lmo`, LuCI's compiled translations: the translated texts, padded to four bytes each; an index sorted by the hash of what
//! is translated; the index's place. All numbers are big-endian (luci-base, lmo.h and po2lmo).

use std::collections::BTreeMap;

use crate::Result;

/// Compiles a `.po` file of plain entries: no contexts, no plurals.
pub fn compile(po: &str) -> Result<Vec<u8>> {
    let mut texts = Vec::new();
    let mut index = BTreeMap::new();
    let mut add = |key: u32, kind: u32, text: &str| {
        let place = texts.len();
        texts.extend(text.bytes());
        texts.resize(texts.len().next_multiple_of(4), 0);
        index.insert(key, [key, kind, place as u32, text.len() as u32])
    };
    for (id, text) in entries(po)? {
        if id.is_empty() {
            let rule = text.lines().find_map(|line| line.strip_prefix("Plural-Forms: "));
            rule.map(|rule| add(0, 0, rule));
        } else if !text.is_empty() && text != id && add(hash(id.as_bytes()), 1, &text).is_some() {
            return Err(format!("the hash of '{id}' is another text's, too").into());
        }
    }
    let end = texts.len() as u32;
    texts.extend(index.values().flatten().flat_map(|number| number.to_be_bytes()));
    texts.extend(end.to_be_bytes());
    Ok(texts)
}

/// What is translated, and how.
fn entries(po: &str) -> Result<Vec<(String, String)>> {
    let mut entries: Vec<(String, String)> = Vec::new();
    let mut in_text = false;
    for line in po.lines().filter(|line| line.contains('"') && !line.starts_with('#')) {
        let (word, rest) = line.split_once('"').unwrap_or_default();
        match word {
            "msgid " => {
                entries.push(Default::default());
                in_text = false;
            }
            "msgstr " => in_text = true,
            "" => {}
            other => return Err(format!("'{}' has no place in a catalogue of ours", other.trim()).into()),
        }
        let (id, text) = entries.last_mut().ok_or("text before the first msgid")?;
        let piece = unescaped(rest.strip_suffix('"').ok_or_else(|| format!("no quote at the end of: {line}"))?);
        if in_text { text.push_str(&piece) } else { id.push_str(&piece) }
    }
    Ok(entries)
}

fn unescaped(text: &str) -> String {
    let mut out = String::new();
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => match letters.next() {
                Some('n') => out.push('\n'),
                Some(other) => out.push(other),
                None => {}
            },
            plain => out.push(plain),
        }
    }
    out
}

/// Paul Hsieh's SuperFastHash, begun with the length as LuCI does; single bytes count as signed.
fn hash(data: &[u8]) -> u32 {
    let pair = |bytes: &[u8]| u32::from(bytes[0]) | u32::from(bytes[1]) << 8;
    let signed = |byte: u8| i32::from(byte as i8) as u32;
    let mut hash = data.len() as u32;
    let (fours, rest) = data.as_chunks::<4>();
    for four in fours {
        hash = hash.wrapping_add(pair(four));
        hash = hash << 16 ^ pair(&four[2..]) << 11 ^ hash;
        hash = hash.wrapping_add(hash >> 11);
    }
    match rest {
        [_, _, third] => {
            hash = hash.wrapping_add(pair(rest));
            hash ^= hash << 16;
            hash ^= signed(*third) << 18;
            hash = hash.wrapping_add(hash >> 11);
        }
        [_, _] => {
            hash = hash.wrapping_add(pair(rest));
            hash ^= hash << 11;
            hash = hash.wrapping_add(hash >> 17);
        }
        [one] => {
            hash = hash.wrapping_add(signed(*one));
            hash ^= hash << 10;
            hash = hash.wrapping_add(hash >> 1);
        }
        _ => {}
    }
    hash ^= hash << 3;
    hash = hash.wrapping_add(hash >> 5);
    hash ^= hash << 4;
    hash = hash.wrapping_add(hash >> 17);
    hash ^= hash << 25;
    hash.wrapping_add(hash >> 6)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The place of each part, by hand.
    #[test]
    fn texts_come_first_then_the_index_then_its_place() {
        assert_eq!(compile("msgid \"Name\"\nmsgstr \"Name\"\n").unwrap(), [0; 4], "what is the same needs no entry");
        let lmo = compile("msgid \"\"\nmsgstr \"Plural-Forms: x;\\n\"\n\nmsgid \"a\"\nmsgstr \"bcdef\"\n").unwrap();
        assert_eq!(&lmo[..12], b"x;\0\0bcdef\0\0\0");
        assert_eq!(&lmo[12..28], &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2]);
        assert_eq!(&lmo[28..32], &hash(b"a").to_be_bytes());
        assert_eq!(&lmo[32..44], &[0, 0, 0, 1, 0, 0, 0, 4, 0, 0, 0, 5]);
        assert_eq!(&lmo[44..], &[0, 0, 0, 12]);
    }

    #[test]
    fn what_we_do_not_write_is_refused() {
        assert!(compile("msgctxt \"menu\"\nmsgid \"a\"\nmsgstr \"b\"\n").is_err());
        assert!(compile("msgid \"a\nmsgstr \"b\"\n").is_err());
    }
}
