//! The value of a DHCP option as dnsmasq reads it off its looks: hex bytes, a number, addresses, or text (option.c:
//! `parse_dhcp_opt`; util.c: `parse_hex`).

use std::net::Ipv4Addr;

use super::names::Encoding;
use super::words::Words;

/// A value, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Read {
    /// `01:23:*`; `None` is a `*`, which only patterns may hold.
    Hex(Vec<Option<u8>>),
    /// A number in as many bytes as its size, its width letter or its option asks for.
    Number(Vec<u8>),
    /// Addresses.
    Addresses(Vec<Ipv4Addr>),
    /// Addresses in a form of their own, with the lengths of their prefixes.
    Packed(Vec<u8>),
    /// Text.
    Text(Vec<u8>),
}

/// What dnsmasq sees in a value before it decides.
struct Looks {
    hex_bytes: usize,
    hex: bool,
    number: bool,
    addresses: bool,
    digit: bool,
    dots: bool,
    /// The letter that gives a number its width.
    width: Option<u8>,
}

/// Reads a value; `pattern` is for `dhcp-match`, where `*` stands for any byte.
///
/// # Errors
/// What was expected.
pub fn read(words: Words<'_>, encoding: Encoding, internal: bool, pattern: bool) -> Result<Read, &'static str> {
    let looks = Looks::of(words, pattern);
    let by_looks = match encoding {
        Encoding::Addresses if !looks.addresses || !looks.dots => return Err("an IPv4 address"),
        Encoding::Addresses => Looks { hex: false, number: false, ..looks },
        Encoding::Name | Encoding::Domains => Looks { hex: false, number: false, addresses: false, ..looks },
        Encoding::Any | Encoding::Number(_) | Encoding::Time => looks,
    };
    if encoding == Encoding::Time && by_looks.digit {
        return Ok(Read::Number(seconds(words).to_be_bytes().to_vec()));
    }
    if by_looks.hex && by_looks.hex_bytes > 1 {
        let hex = hex(&words.bytes(), by_looks.hex_bytes, false).ok_or("hex bytes, or * for a whole byte")?;
        return Ok(Read::Hex(hex.bytes));
    }
    if by_looks.number {
        return number(words, encoding, internal, by_looks.width).map(Read::Number);
    }
    if by_looks.addresses {
        return addresses(words).ok_or("IPv4 addresses, parted by commas");
    }
    Ok(Read::Text(words.bytes()))
}

impl Looks {
    fn of(words: Words<'_>, pattern: bool) -> Self {
        let mut looks =
            Looks { hex_bytes: 1, hex: true, number: true, addresses: true, digit: false, dots: false, width: None };
        let count = words.len();
        for (at, letter) in words.letters().enumerate() {
            // What was quoted looks like nothing but text.
            match u8::try_from(letter).unwrap_or(b'~') {
                b',' | b' ' => {
                    looks.number = false;
                    looks.hex = false;
                }
                b':' => {
                    looks.hex_bytes += 1;
                    looks.number = false;
                    looks.addresses = false;
                }
                b'/' => {
                    looks.number = false;
                    looks.hex = false;
                    looks.addresses &= at > 0;
                }
                b'.' => {
                    looks.number = false;
                    looks.hex = false;
                    looks.dots = true;
                }
                b'-' => {
                    looks.hex = false;
                    looks.addresses = false;
                }
                b'0'..=b'9' => looks.digit = true,
                byte => {
                    looks.addresses = false;
                    if at + 1 == count && looks.number && matches!(byte, b'b' | b's' | b'i') {
                        looks.width = Some(byte);
                    } else {
                        looks.number = false;
                    }
                    looks.hex &= byte.is_ascii_hexdigit() || pattern && byte == b'*';
                }
            }
        }
        looks.number &= looks.digit;
        looks.addresses &= looks.digit;
        looks
    }
}

/// A number's bytes: as wide as its letter says, else its option, else as it needs.
fn number(words: Words<'_>, encoding: Encoding, internal: bool, width: Option<u8>) -> Result<Vec<u8>, &'static str> {
    let value = atoi(words);
    let len = match (width, encoding) {
        (Some(b'b'), _) => 1,
        (Some(b's'), _) => 2,
        (Some(_), _) => 4,
        (None, Encoding::Number(len)) => len,
        // dnsmasq takes its mark for "internal" for a length, and the value for too long.
        (None, _) if internal => return Err("a number with its width: b, s or i"),
        (None, _) if value & 0xffff_0000_u32.cast_signed() != 0 => 4,
        (None, _) if value & 0xff00 != 0 => 2,
        (None, _) => 1,
    };
    let bytes = value.to_be_bytes();
    Ok(bytes.get(bytes.len().saturating_sub(len)..).unwrap_or_default().to_vec())
}

/// C's `atoi`, which stops at the first letter that is no digit.
fn atoi(words: Words<'_>) -> i32 {
    let mut letters = words.letters().skip_while(|&letter| letter == u16::from(b' ')).peekable();
    let sign = letters.next_if(|&letter| letter == u16::from(b'-') || letter == u16::from(b'+'));
    let digit = |letter: u16| (u16::from(b'0')..=u16::from(b'9')).contains(&letter).then(|| letter - u16::from(b'0'));
    let value =
        letters.map_while(digit).fold(0i64, |value, digit| value.saturating_mul(10).saturating_add(digit.into()));
    let value = if sign == Some(u16::from(b'-')) { value.saturating_neg() } else { value };
    // Its low half, as a cast of C's `long` gives it.
    let [a, b, c, d, ..] = value.to_le_bytes();
    i32::from_le_bytes([a, b, c, d])
}

/// `90`, `90s`, `15m`, `2h`, `1d`, `1w`.
fn seconds(words: Words<'_>) -> i32 {
    let unit = |letters: [u8; 2]| letters.iter().any(|&letter| words.strip_suffix(letter).is_some());
    let factor = if unit(*b"wW") {
        7 * 24 * 3600
    } else if unit(*b"dD") {
        24 * 3600
    } else if unit(*b"hH") {
        3600
    } else if unit(*b"mM") {
        60
    } else {
        1
    };
    atoi(words).wrapping_mul(factor)
}

fn addresses(words: Words<'_>) -> Option<Read> {
    let mut plain = Vec::new();
    let mut packed = Vec::new();
    let mut prefixed = false;
    for part in words.parts() {
        let (address, prefix) = part.cut(b'/');
        let address: Ipv4Addr = address.text()?.parse().ok()?;
        plain.push(address);
        match prefix {
            None => packed.extend(address.octets()),
            // RFC 3442: the prefix's length, then as many bytes as it covers.
            Some(prefix) => {
                prefixed = true;
                let len = u8::try_from(atoi(prefix)).ok()?;
                packed.push(len);
                packed.extend(address.octets().into_iter().take(usize::from(len).div_ceil(8)));
            }
        }
    }
    Some(if prefixed { Read::Packed(packed) } else { Read::Addresses(plain) })
}

/// Hex bytes, and the hardware type before them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hex {
    /// `None` is a `*`.
    pub bytes: Vec<Option<u8>>,
    /// `06-` before the first byte; 0 without it.
    pub hardware_type: u32,
}

/// dnsmasq `parse_hex`: bytes parted by `:`, `-` or spaces; several may stand together. Reads `max` bytes at most.
pub fn hex(text: &[u8], max: usize, with_type: bool) -> Option<Hex> {
    let mut hex = Hex { bytes: Vec::new(), hardware_type: 0 };
    let mut type_allowed = with_type;
    let mut rest = text;
    while hex.bytes.len() < max {
        let end = rest.iter().position(|byte| b":- ".contains(byte)).unwrap_or(rest.len());
        let (token, behind) = rest.split_at_checked(end)?;
        if !token.iter().all(|&byte| byte == b'*' || byte.is_ascii_hexdigit()) {
            return None;
        }
        if !token.is_empty() {
            if type_allowed && hex.bytes.is_empty() && behind.first() == Some(&b'-') {
                type_allowed = false;
                hex.hardware_type = u32::from_str_radix(str::from_utf8(token).ok()?, 16).unwrap_or(0);
            } else if token == b"*" {
                hex.bytes.push(None);
            } else {
                let room = max - hex.bytes.len();
                for pair in token.chunks(2).take(room) {
                    hex.bytes.push(Some(u32::from_str_radix(str::from_utf8(pair).ok()?, 16).ok()? as u8));
                }
            }
        }
        match behind.split_first() {
            Some((_, next)) => rest = next,
            None => break,
        }
    }
    Some(hex)
}

#[cfg(test)]
mod tests {
    use super::super::words::Line;
    use super::*;

    fn shown(text: &str, encoding: Encoding, pattern: bool) -> String {
        let line = Line::read(text.as_bytes()).unwrap();
        match read(line.words(), encoding, false, pattern) {
            Ok(Read::Text(text)) => format!("text {}", text.escape_ascii()),
            Ok(Read::Number(bytes) | Read::Packed(bytes)) => format!("bytes {bytes:?}"),
            Ok(Read::Addresses(addresses)) => format!("addresses {addresses:?}"),
            Ok(Read::Hex(bytes)) => {
                let byte = |byte: &Option<u8>| byte.map_or("*".to_owned(), |byte| byte.to_string());
                format!("hex {}", bytes.iter().map(byte).collect::<Vec<_>>().join(" "))
            }
            Err(expected) => format!("expected {expected}"),
        }
    }

    #[test]
    fn a_value_is_what_it_looks_like() {
        use Encoding::*;
        for (text, encoding, expected) in [
            ("8:1:1", Any, "hex 8 1 1"),
            ("ab:cd", Any, "hex 171 205"),
            ("ab", Any, "text ab"),
            ("1", Any, "bytes [1]"),
            ("1b", Any, "bytes [1]"),
            ("1s", Any, "bytes [0, 1]"),
            ("1i", Any, "bytes [0, 0, 0, 1]"),
            ("300", Any, "bytes [1, 44]"),
            ("70000", Any, "bytes [0, 1, 17, 112]"),
            ("-1", Any, "bytes [255, 255, 255, 255]"),
            ("6", Number(2), "bytes [0, 6]"),
            ("6b", Number(2), "bytes [6]"),
            ("1x", Any, "text 1x"),
            ("192.168.1.1", Any, "addresses [192.168.1.1]"),
            ("\"192.168.1.1\"", Any, "text 192.168.1.1"),
            ("192.168.1.1", Name, "text 192.168.1.1"),
            ("10.0.0.1, 0.0.0.0", Addresses, "addresses [10.0.0.1, 0.0.0.0]"),
            ("10.0.0.0/8,10.0.0.1", Any, "bytes [8, 10, 10, 0, 0, 1]"),
            ("10", Addresses, "expected an IPv4 address"),
            ("1.2.3", Any, "expected IPv4 addresses, parted by commas"),
            ("1,2", Any, "expected IPv4 addresses, parted by commas"),
            ("http://10.0.0.1:81/", Any, "text http://10.0.0.1:81/"),
            ("/dir/1", Any, "text /dir/1"),
            ("2h", Time, "bytes [0, 0, 28, 32]"),
            ("", Any, "text "),
        ] {
            assert_eq!(shown(text, encoding, false), expected, "{text}");
        }
        assert_eq!(shown("01:*:ff", Any, true), "hex 1 * 255");
        assert_eq!(shown("01:*:ff", Any, false), "text 01:*:ff");
        assert_eq!(shown("1*:22", Any, true), "expected hex bytes, or * for a whole byte");
    }

    #[test]
    fn hex_bytes_may_stand_together() {
        let bytes = |text: &str, max, with_type| {
            let hex = hex(text.as_bytes(), max, with_type)?;
            Some((hex.hardware_type, hex.bytes.iter().map(|byte| byte.map_or(-1, i32::from)).collect::<Vec<_>>()))
        };
        assert_eq!(bytes("11:22:33", 16, true), Some((0, vec![0x11, 0x22, 0x33])));
        assert_eq!(bytes("06-11:*", 16, true), Some((6, vec![0x11, -1])));
        assert_eq!(bytes("11-22-33", 16, true), Some((0x11, vec![0x22, 0x33])), "as in dnsmasq");
        assert_eq!(bytes("123:4", 16, false), Some((0, vec![0x12, 3, 4])));
        assert_eq!(bytes("1122:33", 2, false), Some((0, vec![0x11, 0x22])));
        assert_eq!(bytes("::1", 16, false), Some((0, vec![1])));
        assert_eq!(bytes("zz", 16, false), None);
    }
}
