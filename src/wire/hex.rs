//! Bytes written in hex, as people write addresses and UUIDs. dnsmasq's lines have a way of their own.

/// The bytes of these digits, two for each, with `:` and `-` anywhere among them or nowhere; `None` for anything else.
pub fn bytes(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    // The first digit of a pair.
    let mut first = None;
    for letter in text.chars().filter(|letter| !matches!(letter, ':' | '-')) {
        let digit = letter.to_digit(16)?;
        match first.take() {
            None => first = Some(digit),
            Some(high) => bytes.push((high << 4 | digit) as u8),
        }
    }
    first.is_none().then_some(bytes)
}

/// Appends a byte as two hexadecimal digits.
pub fn push(text: &mut String, byte: u8) {
    let digits = [byte >> 4, byte & 15].into_iter().filter_map(|half| char::from_digit(half.into(), 16));
    text.extend(digits);
}

#[cfg(test)]
mod tests {
    use super::bytes;

    #[test]
    fn digits_are_read_in_pairs() {
        assert_eq!(bytes("52:54-00aF"), Some(vec![0x52, 0x54, 0, 0xaf]));
        assert_eq!(bytes(""), Some(vec![]));
        for text in ["1", "123", "+1", "0x12", "1 2", "12\u{fc}"] {
            assert_eq!(bytes(text), None, "{text}");
        }
    }
}
