//! One line of dnsmasq.conf in letters: quotes and comments are dealt with here, and what was quoted stays known, so that
//! `"192.168.1.1"` is text and `192.168.1.1` an address (dnsmasq option.c: `read_file`, `hide_meta`).

/// What a letter carries that stood in quotes and would mean something without them.
const QUOTED: u16 = 0x100;

/// A line, or a value of a UCI option, which dnsmasq.init writes into a line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Line {
    letters: Vec<u16>,
}

/// A piece of a line.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Words<'l> {
    letters: &'l [u16],
}

impl Line {
    /// Reads a line without its newline; `None` when a quote isn't closed. A line without content is empty.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let mut letters = Vec::with_capacity(bytes.len());
        // dnsmasq's lines are C strings.
        let mut rest = bytes.iter().copied().take_while(|byte| *byte != 0);
        let mut after_space = true;
        while let Some(mut byte) = rest.next() {
            if byte == b'"' {
                quoted(&mut rest, &mut letters)?;
                // What follows a closing quote is taken as it is, even if it is another quote.
                let Some(next) = rest.next() else { break };
                byte = next;
            }
            match byte {
                b'#' if after_space => break,
                // C's isspace().
                b' ' | b'\t'..=b'\r' => {
                    letters.push(u16::from(b' '));
                    after_space = true;
                }
                _ => {
                    letters.push(u16::from(byte));
                    after_space = false;
                }
            }
        }
        let letters = Words { letters: &letters }.trimmed().letters.to_vec();
        Some(Line { letters })
    }

    /// All of it.
    pub fn words(&self) -> Words<'_> {
        Words { letters: &self.letters }
    }
}

/// Reads up to the closing quote.
fn quoted(rest: &mut dyn Iterator<Item = u8>, letters: &mut Vec<u16>) -> Option<()> {
    loop {
        let mut byte = rest.next()?;
        if byte == b'"' {
            return Some(());
        }
        if byte == b'\\' {
            let next = rest.next()?;
            byte = match next {
                b't' => b'\t',
                b'n' => b'\n',
                b'b' => 8,
                b'r' => b'\r',
                b'e' => 27,
                b'"' | b'\\' => next,
                _ => {
                    letters.push(u16::from(b'\\'));
                    next
                }
            };
        }
        letters.push(if loses_meaning(byte) { u16::from(byte) | QUOTED } else { u16::from(byte) });
    }
}

impl<'l> Words<'l> {
    /// True for nothing at all.
    pub fn is_empty(self) -> bool {
        self.letters.is_empty()
    }

    /// How many letters there are.
    pub fn len(self) -> usize {
        self.letters.len()
    }

    /// The keyword before the first `=` and what follows it.
    pub fn assignment(self) -> (Self, Option<Self>) {
        let (keyword, value) = self.cut(b'=');
        (keyword, value)
    }

    /// What stands before the first comma, and what behind it (dnsmasq: `split`).
    pub fn split(self) -> (Self, Option<Self>) {
        self.cut(b',')
    }

    /// The pieces between commas.
    pub fn parts(self) -> impl Iterator<Item = Self> {
        let mut rest = Some(self);
        std::iter::from_fn(move || {
            let (part, behind) = rest?.split();
            rest = behind;
            Some(part)
        })
    }

    /// Cuts at the first such letter; spaces around the cut go.
    pub fn cut(self, at: u8) -> (Self, Option<Self>) {
        let mut halves = self.letters.splitn(2, |&letter| letter == u16::from(at));
        let first = Words { letters: halves.next().unwrap_or_default() };
        match halves.next() {
            Some(second) => (first.trimmed_end(), Some(Words { letters: second }.trimmed_start())),
            None => (first, None),
        }
    }

    /// What follows `prefix`, if it stands at the beginning and isn't quoted.
    pub fn strip_prefix(self, prefix: &str) -> Option<Self> {
        let (start, rest) = self.letters.split_at_checked(prefix.len())?;
        let same = start.iter().zip(prefix.bytes()).all(|(&letter, byte)| letter == u16::from(byte));
        same.then_some(Words { letters: rest })
    }

    /// What stands before `letter`, if it is the last and isn't quoted.
    pub fn strip_suffix(self, letter: u8) -> Option<Self> {
        let (&last, rest) = self.letters.split_last()?;
        (last == u16::from(letter)).then_some(Words { letters: rest })
    }

    /// True for exactly this text, quoted or not, in any case.
    pub fn is(self, text: &str) -> bool {
        self.bytes().eq_ignore_ascii_case(text.as_bytes())
    }

    /// True when this letter stands somewhere outside quotes.
    pub fn contains(self, letter: u8) -> bool {
        self.letters.contains(&u16::from(letter))
    }

    /// The letters; those that were quoted and would mean something are above 255.
    pub fn letters(self) -> impl Iterator<Item = u16> + Clone + 'l {
        self.letters.iter().copied()
    }

    /// The letters as they go into a packet.
    pub fn bytes(self) -> Vec<u8> {
        self.letters.iter().map(|&letter| letter.to_le_bytes()[0]).collect()
    }

    /// The same as text, if it is UTF-8 without control characters.
    pub fn text(self) -> Option<String> {
        String::from_utf8(self.bytes()).ok().filter(|text| !text.chars().any(char::is_control))
    }

    /// A number in digits alone, quoted or not (dnsmasq: `atoi_check`); nothing at all is 0.
    pub fn number(self) -> Option<u32> {
        let bytes = self.bytes();
        if bytes.is_empty() {
            return Some(0);
        }
        let digits = bytes.iter().all(u8::is_ascii_digit);
        str::from_utf8(&bytes).ok().filter(|_| digits)?.parse().ok()
    }

    /// The piece as it may be written in a line: what was quoted is quoted again, with the letters around it that mean the
    /// same either way.
    pub fn written(self) -> String {
        let mut bytes = Vec::new();
        for run in self.letters.chunk_by(|before, letter| is_bare(*before) == is_bare(*letter)) {
            let first_is_sign = bytes.last().is_none_or(|byte| *byte == b' ') && run.first() == Some(&u16::from(b'#'));
            if !first_is_sign && !run.iter().any(|&letter| is_quoted(letter)) {
                bytes.extend(run.iter().map(|letter| letter.to_le_bytes()[0]));
                continue;
            }
            bytes.push(b'"');
            for letter in run {
                match letter.to_le_bytes()[0] {
                    byte @ (b'"' | b'\\') => bytes.extend([b'\\', byte]),
                    b'\t' => bytes.extend(*b"\\t"),
                    b'\n' => bytes.extend(*b"\\n"),
                    b'\r' => bytes.extend(*b"\\r"),
                    8 => bytes.extend(*b"\\b"),
                    27 => bytes.extend(*b"\\e"),
                    byte => bytes.push(byte),
                }
            }
            bytes.push(b'"');
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn trimmed(self) -> Self {
        self.trimmed_start().trimmed_end()
    }

    fn trimmed_start(self) -> Self {
        let spaces = self.letters.iter().take_while(|&&letter| letter == u16::from(b' ')).count();
        Words { letters: self.letters.get(spaces..).unwrap_or_default() }
    }

    fn trimmed_end(self) -> Self {
        let spaces = self.letters.iter().rev().take_while(|&&letter| letter == u16::from(b' ')).count();
        Words { letters: self.letters.get(..self.letters.len() - spaces).unwrap_or_default() }
    }
}

/// True for a letter that can't be written within quotes: it means something, and would not there.
fn is_bare(letter: u16) -> bool {
    u8::try_from(letter).is_ok_and(loses_meaning)
}

/// True for a letter that can be written within quotes only.
fn is_quoted(letter: u16) -> bool {
    u8::try_from(letter).map_or(true, |byte| byte == b'"' || byte.is_ascii_control())
}

/// Digits, spaces and the like lose their meaning in quotes; signs such as '-' and '/' keep it, as in dnsmasq.
fn loses_meaning(byte: u8) -> bool {
    byte.is_ascii_hexdigit() || b" \t\n\r\x08\x1b:,.".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(line: &str) -> Option<String> {
        Line::read(line.as_bytes()).map(|line| String::from_utf8(line.words().bytes()).unwrap())
    }

    #[test]
    fn comments_and_quotes_are_those_of_dnsmasq() {
        for (line, expected) in [
            ("", Some("")),
            ("  # all of it", Some("")),
            ("dhcp-boot=net:#gpxe,gpxe.pxe   # not gpxe", Some("dhcp-boot=net:#gpxe,gpxe.pxe")),
            ("\ttftp-root=/a#b\r", Some("tftp-root=/a#b")),
            ("x=\"a # b\"", Some("x=a # b")),
            (r#"x="say \"hi\"\t\\""#, Some("x=say \"hi\"\t\\")),
            (r#"x="\q""#, Some(r"x=\q")),
            ("x=\"a\"\"b\"", None),
            ("x=\"open", None),
            ("x=\"open\\", None),
            // What follows a NUL is out of dnsmasq's sight.
            ("x=1\0\"", Some("x=1")),
            ("x=\"1\0\"", None),
        ] {
            assert_eq!(text(line).as_deref(), expected, "{line}");
        }
    }

    #[test]
    fn quoted_letters_lose_their_meaning() {
        let line = Line::read(b"x86PC, \"tag:a, 1\" ,net:b").unwrap();
        let parts: Vec<String> = line.words().parts().map(|part| part.text().unwrap()).collect();
        assert_eq!(parts, ["x86PC", "tag:a, 1", "net:b"]);
        let quoted = line.words().parts().nth(1).unwrap();
        assert!(quoted.strip_prefix("tag:").is_none() && !quoted.contains(b':'));
        assert_eq!(line.words().parts().nth(2).unwrap().strip_prefix("net:").unwrap().text().unwrap(), "b");
    }

    #[test]
    fn spaces_around_signs_go() {
        let line = Line::read(b" dhcp-boot =  pxelinux.0 ,, 10.0.0.1 ").unwrap();
        let (keyword, value) = line.words().assignment();
        assert_eq!(keyword.text().unwrap(), "dhcp-boot");
        let parts: Vec<String> = value.unwrap().parts().map(|part| part.text().unwrap()).collect();
        assert_eq!(parts, ["pxelinux.0", "", "10.0.0.1"]);
    }

    #[test]
    fn what_is_written_reads_the_same() {
        for text in [
            "x86PC, \"splashtop by richud.com\", undionly.kkpxe",
            "\"192.168.1.1\"",
            "192.168.1.1",
            "a\"b,c\"d",
            r#"x="say \"hi\"\t\\","#,
            r"back\slash and # comment",
            "a \"# no comment\" b",
            "net:#gpxe,x",
            "\"8:1:1\" 8:1:1",
            "\"a\"#b",
            "\"ab\\n\\\\n\"",
            "PX\"E\"x",
            "a \"#\" b",
        ] {
            let line = Line::read(text.as_bytes()).unwrap();
            let written = line.words().written();
            assert_eq!(Line::read(written.as_bytes()).as_ref(), Some(&line), "{text} was written {written}");
        }
        assert_eq!(Line::read(b"x86PC,\"a b\",c").unwrap().words().written(), "x86PC,\"a b\",c");
    }

    #[test]
    fn numbers_are_digits_alone() {
        for (text, expected) in
            [("42", Some(42)), ("\"42\"", Some(42)), ("", Some(0)), ("4x", None), ("-1", None), ("99999999999", None)]
        {
            assert_eq!(Line::read(text.as_bytes()).unwrap().words().number(), expected, "{text}");
        }
    }
}
