//! Walks over UCI text: words, arguments, quotes and comments, byte by byte as libuci's `file.c` takes them.

use super::{Offending, SyntaxError};

/// What was read, or why it can't be.
pub type Parsed<T> = Result<T, SyntaxError>;

/// A word or an argument, and where it begins.
pub struct Piece {
    /// Without quotes and `\`.
    pub bytes: Vec<u8>,
    /// From 1.
    pub line: u32,
    /// In bytes, from 1.
    pub column: u32,
}

impl Piece {
    /// Names and types are checked to be ASCII before this is called.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    /// An error here: these bytes were found.
    pub fn error(&self, found: Vec<u8>, expected: &'static str) -> SyntaxError {
        let Piece { line, column, .. } = *self;
        SyntaxError { line, column, found: Offending::Text(found), expected: expected.into() }
    }

    /// An error here: something without text of its own was found.
    pub fn thing(&self, found: &'static str, expected: &'static str) -> SyntaxError {
        let Piece { line, column, .. } = *self;
        SyntaxError { line, column, found: Offending::Thing(found), expected: expected.into() }
    }
}

/// A place in the text and the end of what is visible of it: one line, until a quote or a `\` asks for the next.
pub struct Cursor<'t> {
    text: &'t [u8],
    at: usize,
    /// Behind the visible line's newline.
    end: usize,
    /// Where the visible line begins, and its number.
    line_start: usize,
    line: u32,
    /// The first quote of this command that did not end on its line: that line, and where the one after it begins.
    quote_over_lines: Option<(u32, usize)>,
}

impl<'t> Cursor<'t> {
    /// Before the first line.
    pub fn new(text: &'t [u8]) -> Self {
        Cursor { text, at: 0, end: 0, line_start: 0, line: 0, quote_over_lines: None }
    }

    /// Goes to the line behind all that was read; false at the end of the file.
    pub fn next_command(&mut self) -> bool {
        self.quote_over_lines = None;
        self.next_line()
    }

    /// Makes the next line visible; false at the end of the file.
    fn next_line(&mut self) -> bool {
        let rest = self.text.get(self.end..).unwrap_or_default();
        if rest.is_empty() {
            self.at = self.end;
            return false;
        }
        let length = rest.iter().position(|&byte| byte == b'\n').map_or(rest.len(), |newline| newline + 1);
        self.line_start = self.end;
        self.at = self.end;
        self.end += length;
        self.line += 1;
        true
    }

    /// After an error: goes on behind what was read, or, since a quote that was not closed swallows good lines, behind
    /// the line in which the first one over several lines was opened. The error then says so.
    pub fn recover(&mut self, mut error: SyntaxError) -> SyntaxError {
        if let Some((line, next_start)) = self.quote_over_lines {
            if error.line > line {
                let hint = [&error.expected, " (a quote opened in line ", &line.to_string(), " runs on over lines)"];
                error.expected = hint.concat().into();
            }
            self.line = line;
            self.end = next_start;
        }
        error
    }

    fn peek(&self) -> Option<u8> {
        if self.at < self.end { self.text.get(self.at).copied() } else { None }
    }

    /// To the next byte that is no white space, or the end of the line.
    pub fn skip_spaces(&mut self) {
        while self.peek().is_some_and(is_space) {
            self.at += 1;
        }
    }

    /// A piece that begins here and has no bytes yet.
    fn piece(&self) -> Piece {
        Piece { bytes: Vec::new(), line: self.line, column: number(self.at.saturating_sub(self.line_start)) + 1 }
    }

    /// The command's first word, parted by spaces and tabulators only: a newline at its end belongs to it.
    pub fn word(&mut self) -> Option<Piece> {
        let is_blank = |byte| matches!(byte, b' ' | b'\t');
        while self.peek().is_some_and(is_blank) {
            self.at += 1;
        }
        self.peek()?;
        let mut word = self.piece();
        let rest = self.text.get(self.at..self.end).unwrap_or_default();
        word.bytes.extend(rest.iter().copied().take_while(|&byte| !is_blank(byte)));
        self.at += word.bytes.len();
        Some(word)
    }

    /// Steps over the separator behind a command word, which must be there.
    pub fn after(&mut self, word: &Piece, expected: &'static str) -> Parsed<()> {
        if self.peek().is_none() || word.bytes.last().copied().is_some_and(is_space) {
            let column = word.column + number(word.bytes.trim_ascii_end().len());
            return Err(SyntaxError { column, ..word.thing("the end of the line", expected) });
        }
        self.at += 1;
        Ok(())
    }

    /// The next argument, which must not be empty.
    pub fn required(&mut self, expected: &'static str) -> Parsed<Piece> {
        // Where nothing follows but space, that is skipped with the newline behind it.
        let column = self.piece().column;
        self.skip_spaces();
        let first = self.peek();
        let mut argument = self.argument()?;
        if argument.bytes.is_empty() {
            if first.is_none() {
                argument.column = column;
            }
            let found = match first {
                Some(b'\'' | b'"') => "empty quotes",
                Some(b';') => "a ;",
                _ => "the end of the line",
            };
            return Err(argument.thing(found, expected));
        }
        Ok(argument)
    }

    /// The next argument; empty at the end of the line, before a comment and at a `;` (libuci: `next_arg`, `parse_str`).
    pub fn argument(&mut self) -> Parsed<Piece> {
        self.skip_spaces();
        let mut argument = self.piece();
        if self.peek() == Some(b';') {
            self.at += 1;
            return Ok(argument);
        }
        // True while each byte read is also a byte of the value.
        let mut bare = true;
        while let Some(byte) = self.peek() {
            match byte {
                b'\'' | b'"' => {
                    bare = false;
                    self.quoted(byte, &mut argument.bytes)?;
                }
                b'#' => {
                    self.at = self.end;
                    break;
                }
                b';' => {
                    // libuci ends the value in place, over the `;`, and with it the line. When quotes or `\` have made
                    // the value shorter than its text, the `;` is not hit and parts two commands.
                    if bare {
                        self.at = self.end;
                    }
                    break;
                }
                b'\\' => {
                    bare = false;
                    self.escaped(&mut argument.bytes);
                }
                _ => {
                    argument.bytes.push(byte);
                    self.at += 1;
                }
            }
            if self.peek().is_some_and(is_space) {
                self.at += 1;
                break;
            }
        }
        Ok(argument)
    }

    /// A `\`: takes the next byte as it is, or at the end of a line goes on with the next line.
    fn escaped(&mut self, into: &mut Vec<u8>) {
        self.at += 1;
        match self.text.get(self.at..self.end) {
            Some([] | [b'\n'] | [b'\r', b'\n']) | None => {
                self.next_line();
            }
            Some([byte, ..]) => {
                into.push(*byte);
                self.at += 1;
            }
        }
    }

    /// From an opening quote to behind the closing one; may span lines.
    fn quoted(&mut self, quote: u8, into: &mut Vec<u8>) -> Parsed<()> {
        let opening = self.piece();
        let next_start = self.end;
        self.at += 1;
        loop {
            if self.line > opening.line {
                self.quote_over_lines.get_or_insert((opening.line, next_start));
            }
            match self.peek() {
                Some(byte) if byte == quote => {
                    self.at += 1;
                    return Ok(());
                }
                Some(b'\\') if quote == b'"' => self.escaped(into),
                Some(byte) => {
                    into.push(byte);
                    self.at += 1;
                }
                None => {
                    if !self.next_line() {
                        let expected = if quote == b'"' { "a closing \"" } else { "a closing '" };
                        return Err(opening.thing("a quote without end", expected));
                    }
                }
            }
        }
    }

    /// Nothing may follow the arguments but a comment or a `;` (libuci: `assert_eol`).
    pub fn end_of_command(&mut self) -> Parsed<()> {
        let extra = self.argument()?;
        if extra.bytes.is_empty() {
            return Ok(());
        }
        Err(extra.error(extra.bytes.clone(), "the end of the line, or quotes around a value with spaces"))
    }
}

/// C's `isspace`.
fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

/// Lines and columns fit: a file is at most `MAX_FILE` bytes.
pub fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
