//! JSON (RFC 8259) for other programs and between ours: values and how they are printed, and a look into printed ones.

/// A JSON value.
#[derive(Debug)]
pub enum Json {
    /// `null`
    Null,
    /// `true` or `false`
    Flag(bool),
    /// A number.
    Number(usize),
    /// Text.
    Text(String),
    /// `[…]`
    List(Vec<Json>),
    /// `{…}`
    Map(Vec<(&'static str, Json)>),
}

use Json::{Flag, List, Map, Null, Number, Text};

impl Json {
    /// The value as a line of text.
    pub fn line(&self) -> String {
        let mut text = String::new();
        self.print(&mut text);
        text.push('\n');
        text
    }

    /// Appends the value to `text`.
    pub fn print(&self, text: &mut String) {
        match self {
            Null => text.push_str("null"),
            Flag(flag) => text.push_str(if *flag { "true" } else { "false" }),
            Number(number) => text.push_str(&number.to_string()),
            Text(string) => quote(text, string),
            List(items) => {
                text.push('[');
                for (at, item) in items.iter().enumerate() {
                    text.push_str(if at > 0 { "," } else { "" });
                    item.print(text);
                }
                text.push(']');
            }
            Map(entries) => {
                text.push('{');
                for (at, (name, value)) in entries.iter().enumerate() {
                    text.push_str(if at > 0 { "," } else { "" });
                    quote(text, name);
                    text.push(':');
                    value.print(text);
                }
                text.push('}');
            }
        }
    }
}

/// RFC 8259 §7.
fn quote(text: &mut String, string: &str) {
    text.push('"');
    for letter in string.chars() {
        match letter {
            '"' | '\\' => text.extend(['\\', letter]),
            '\n' => text.push_str("\\n"),
            control if control < ' ' => {
                text.push_str("\\u00");
                let code = u32::from(control);
                text.extend([code >> 4, code & 0xf].map(|digit| char::from_digit(digit, 16).unwrap_or('0')));
            }
            plain => text.push(plain),
        }
    }
    text.push('"');
}

/// Text, copied.
pub fn string(text: &str) -> Json {
    Text(text.to_owned())
}

/// Text, or `null` without it.
pub fn string_or_null(text: Option<&str>) -> Json {
    text.map_or(Null, string)
}

/// Reading: a piece of text that holds one value, which is looked into by name. Of JSON that [`Json::print`] wrote every
/// value is found; any other text gives `None` or something of no use, never harm.
#[derive(Debug, Clone, Copy)]
pub struct Raw<'t>(pub &'t str);

impl<'t> Raw<'t> {
    /// The value of an object's member.
    pub fn get(self, name: &str) -> Option<Raw<'t>> {
        let mut rest = self.0.trim_start().strip_prefix('{')?;
        loop {
            let (key, tail) = split_value(rest)?;
            let (value, tail) = split_value(tail)?;
            if Raw(key).text().as_deref() == Some(name) {
                return Some(Raw(value));
            }
            rest = tail;
        }
    }

    /// The items of a list.
    pub fn items(self) -> impl Iterator<Item = Raw<'t>> {
        let mut rest = self.0.trim_start().strip_prefix('[').unwrap_or_default();
        std::iter::from_fn(move || {
            let (item, tail) = split_value(rest)?;
            rest = tail;
            Some(Raw(item))
        })
    }

    /// Text without its quotes; `None` if it is none.
    pub fn text(self) -> Option<String> {
        let mut letters = self.0.trim().strip_prefix('"')?.strip_suffix('"')?.chars();
        let mut text = String::new();
        while let Some(letter) = letters.next() {
            text.push(match letter {
                '\\' => match letters.next()? {
                    'n' => '\n',
                    'u' => {
                        let code = (0..4).try_fold(0, |code, _| Some(code << 4 | letters.next()?.to_digit(16)?))?;
                        char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER)
                    }
                    plain => plain,
                },
                plain => plain,
            });
        }
        Some(text)
    }

    /// A number; `None` if it is none, or one with a sign or a fraction.
    pub fn number(self) -> Option<u64> {
        self.0.trim().parse().ok()
    }

    /// A member that is text.
    pub fn text_of(self, name: &str) -> Option<String> {
        self.get(name)?.text()
    }

    /// A member that is a number.
    pub fn number_of(self, name: &str) -> Option<u64> {
        self.get(name)?.number()
    }

    /// True for a member that is `true`.
    pub fn is_true(self, name: &str) -> bool {
        self.get(name).is_some_and(|value| value.0 == "true")
    }
}

/// The first value, and what stands behind it and its comma or colon; `None` where a list or an object ends.
fn split_value(text: &str) -> Option<(&str, &str)> {
    let text = text.trim_start();
    let (mut depth, mut quoted, mut escaped) = (0usize, false, false);
    for (at, byte) in text.bytes().enumerate() {
        if quoted {
            (quoted, escaped) = (escaped || byte != b'"', !escaped && byte == b'\\');
            continue;
        }
        match byte {
            b'"' => quoted = true,
            b'{' | b'[' => depth += 1,
            b',' | b':' if depth == 0 => return Some((text.get(..at)?, text.get(at + 1..)?)),
            b'}' | b']' => match depth.checked_sub(1) {
                Some(outer) => depth = outer,
                None => return if at == 0 { None } else { Some((text.get(..at)?, "")) },
            },
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_printed_as_json() {
        let value = Map(vec![
            ("a", List(vec![Null, Flag(true), Number(7)])),
            ("b", string("say \"hi\"\\\n\u{1}ä")),
            ("c", Map(Vec::new())),
        ]);
        let mut text = String::new();
        value.print(&mut text);
        assert_eq!(text, r#"{"a":[null,true,7],"b":"say \"hi\"\\\n\u0001ä","c":{}}"#);
    }

    #[test]
    fn what_was_printed_can_be_read() {
        let strange = "say \"hi\"\\\n\u{1}ä,]}:[{";
        let value = Map(vec![
            ("a", List(vec![Null, Flag(true), Number(7), Map(vec![("x", string("y"))])])),
            (strange.trim_end_matches("\u{1}"), Null),
            ("b", string(strange)),
            ("c", Map(Vec::new())),
            ("d", List(Vec::new())),
            ("e", Number(12)),
        ])
        .line();
        let value = Raw(&value);
        assert_eq!(value.text_of("b").as_deref(), Some(strange));
        assert_eq!(value.number_of("e"), Some(12));
        let items: Vec<&str> = value.get("a").unwrap().items().map(|item| item.0).collect();
        assert_eq!(items, ["null", "true", "7", r#"{"x":"y"}"#]);
        assert_eq!(value.get("d").unwrap().items().count(), 0);
        assert!(value.get("c").unwrap().get("x").is_none() && value.get("x").is_none());
    }

    #[test]
    fn what_is_no_json_does_no_harm() {
        let good = Map(vec![("a", List(vec![string("ä\u{7}\\"), Number(1)])), ("b", Flag(true))]).line();
        for at in (0..good.len()).filter(|at| good.is_char_boundary(*at)) {
            for text in [good.get(..at).unwrap(), good.get(at..).unwrap()] {
                let value = Raw(text);
                value.get("a").into_iter().flat_map(Raw::items).for_each(|item| drop(item.text()));
                let _ = (value.is_true("b"), value.number(), value.text());
            }
        }
        assert_eq!(Raw(r#""\u12""#).text(), None);
    }
}
