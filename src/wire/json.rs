//! JSON (RFC 8259) for other programs and between ours: how it is printed, and a look into what was.

/// JSON on its way into text, member by member; the commas come of themselves.
#[derive(Debug, Default)]
pub struct Printer(String);

impl Printer {
    /// Begins an object without a name: the outermost, or an item of a list.
    pub fn item(&mut self) {
        self.part();
        self.0.push('{');
    }

    /// Begins an object.
    pub fn object(&mut self, name: &str) {
        self.name(name);
        self.0.push('{');
    }

    /// Ends an object.
    pub fn end(&mut self) {
        self.0.push('}');
    }

    /// Begins a list.
    pub fn list(&mut self, name: &str) {
        self.name(name);
        self.0.push('[');
    }

    /// Ends a list.
    pub fn end_list(&mut self) {
        self.0.push(']');
    }

    /// Text.
    pub fn text(&mut self, name: &str, value: &str) {
        self.name(name);
        quote(&mut self.0, value);
    }

    /// Text, or `null` without it.
    pub fn text_or_null(&mut self, name: &str, value: Option<&str>) {
        match value {
            Some(value) => self.text(name, value),
            None => self.null(name),
        }
    }

    /// A number.
    pub fn number(&mut self, name: &str, value: usize) {
        self.name(name);
        self.0.push_str(&value.to_string());
    }

    /// `true` or `false`
    pub fn flag(&mut self, name: &str, value: bool) {
        self.name(name);
        self.0.push_str(if value { "true" } else { "false" });
    }

    /// `null`
    pub fn null(&mut self, name: &str) {
        self.name(name);
        self.0.push_str("null");
    }

    /// What was printed, as a line of text.
    pub fn line(mut self) -> String {
        self.0.push('\n');
        self.0
    }

    fn name(&mut self, name: &str) {
        self.part();
        quote(&mut self.0, name);
        self.0.push(':');
    }

    /// Parts the next member or item from the one before.
    fn part(&mut self) {
        if !matches!(self.0.as_bytes().last(), None | Some(b'{' | b'[')) {
            self.0.push(',');
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

/// Reading: a piece of text that holds one value, which is looked into by name. Of JSON that a [`Printer`] wrote every
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

    /// The items of a member that is a list.
    pub fn items_of(self, name: &str) -> Vec<Raw<'t>> {
        self.get(name).map(|list| list.items().collect()).unwrap_or_default()
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

    const STRANGE: &str = "say \"hi\"\\\n\u{1}ä,]}:[{";

    fn printed() -> String {
        let mut out = Printer::default();
        out.item();
        out.list("a");
        out.item();
        out.null("x");
        out.flag("y", true);
        out.number("z", 7);
        out.end();
        out.item();
        out.text("x", "y");
        out.end();
        out.end_list();
        out.null(STRANGE.trim_end_matches("\u{1}"));
        out.text("b", STRANGE);
        out.object("c");
        out.end();
        out.list("d");
        out.end_list();
        out.number("e", 12);
        out.text_or_null("f", Some("g"));
        out.text_or_null("h", None);
        out.end();
        out.line()
    }

    #[test]
    fn members_are_printed_as_json() {
        let strange = r#""say \"hi\"\\\n\u0001ä,]}:[{""#;
        let start = r#"{"a":[{"x":null,"y":true,"z":7},{"x":"y"}],"#;
        let rest = r#""c":{},"d":[],"e":12,"f":"g","h":null}"#;
        assert_eq!(printed(), [start, strange, ":null,\"b\":", strange, ",", rest, "\n"].concat());
    }

    #[test]
    fn what_was_printed_can_be_read() {
        let text = printed();
        let value = Raw(&text);
        assert_eq!(value.text_of("b").as_deref(), Some(STRANGE));
        assert_eq!(value.number_of("e"), Some(12));
        let items: Vec<&str> = value.get("a").unwrap().items().map(|item| item.0).collect();
        assert_eq!(items, [r#"{"x":null,"y":true,"z":7}"#, r#"{"x":"y"}"#]);
        let first = value.get("a").unwrap().items().next().unwrap();
        assert_eq!(first.get("x").unwrap().0, "null");
        assert!(first.is_true("y") && !first.is_true("x"));
        assert_eq!(value.get("d").unwrap().items().count(), 0);
        assert!(value.get("c").unwrap().get("x").is_none() && value.get("x").is_none());
    }

    #[test]
    fn what_is_no_json_does_no_harm() {
        let good = printed();
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
