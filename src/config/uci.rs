//! UCI text → sections, options and values, with the place of each; as strict as libuci, and knows no option by name.
//!
//! The rules are those of libuci's `file.c` and `list.c` (the state of 2025; openwrt 23.05 and later ship it). Where
//! libuci stops at the first error, this reader goes on at the next line and names them all: a file is accepted by both
//! or by neither. `tests/uci-oracle` holds the two against each other.

mod cursor;

use std::borrow::Cow;

use cursor::{Cursor, Parsed, Piece, number};

/// A larger file is refused: 5,000 static leases of 120 bytes need 600 KB, and the text is held in memory.
pub const MAX_FILE: usize = 1 << 20;
/// Sections of one file: as many leases as [`MAX_FILE`] holds. Named ones are looked up by walking.
pub const MAX_SECTIONS: usize = 10_000;
/// Options of one section, looked up by walking as well; items of a list are not counted.
pub const MAX_OPTIONS: usize = 1024;
/// Errors that are kept; each may cost a walk to the end of the file, and nobody reads more at once.
pub const MAX_ERRORS: usize = 32;

/// One file's contents.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Package {
    /// In the order of their first appearance.
    pub sections: Vec<Section>,
}

/// `config TYPE [NAME]` and what follows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// `TYPE`: printable ASCII, no spaces.
    pub kind: String,
    /// `NAME`, or for a section without one what `uci show -X` calls it (`cfg01ab34`).
    pub name: String,
    /// True when the file gives no name.
    pub anonymous: bool,
    /// Line of the first `config` that opened it, from 1.
    pub line: u32,
    /// In the order of their first appearance.
    pub options: Vec<Opt>,
}

/// An option or a list of a section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opt {
    /// Letters, digits and `_`.
    pub name: String,
    /// What it was set to.
    pub value: Value,
    /// The line of an earlier value that this one replaced.
    pub replaced: Option<u32>,
}

/// What an option was set to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// `option NAME VALUE`; never empty.
    Single(Bytes),
    /// `list NAME VALUE`, each; items may be empty.
    List(Vec<Bytes>),
}

/// One value as written: any bytes but NUL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bytes {
    /// The value without its quotes.
    pub bytes: Vec<u8>,
    /// Line of the value's first byte, from 1.
    pub line: u32,
}

/// Something that libuci would refuse the file for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyntaxError {
    /// From 1.
    pub line: u32,
    /// In bytes, from 1; a tabulator counts as one.
    pub column: u32,
    /// What stands there: raw bytes of the file.
    pub found: Offending,
    /// What should stand there.
    pub expected: Cow<'static, str>,
}

/// What was met in place of the expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Offending {
    /// A piece of the file.
    Text(Vec<u8>),
    /// A thing that has no text of its own.
    Thing(&'static str),
}

impl Section {
    /// The option or list of that name.
    pub fn option(&self, name: &str) -> Option<&Opt> {
        self.options.iter().find(|option| option.name == name)
    }

    /// The words of an option or list, as procd's `config_get` joins them.
    pub fn words(&self, name: &str) -> Vec<&str> {
        let items = self.option(name).map_or(&[][..], |option| option.value.items());
        let texts = items.iter().filter_map(|item| str::from_utf8(&item.bytes).ok());
        texts.flat_map(str::split_ascii_whitespace).collect()
    }

    /// How `uci set` addresses this section of `package`, which is called `file`.
    pub fn address(&self, file: &str, package: &Package) -> String {
        if !self.anonymous {
            return [file, ".", &self.name].concat();
        }
        let same = package.sections.iter().filter(|section| section.kind == self.kind);
        let index = same.take_while(|section| section.name != self.name).count();
        [file, ".@", &self.kind, "[", &index.to_string(), "]"].concat()
    }
}

impl Opt {
    /// Where its value begins; a list's first.
    pub fn line(&self) -> u32 {
        self.value.items().first().map_or(0, |item| item.line)
    }
}

impl Value {
    /// Its items; an option has one.
    pub fn items(&self) -> &[Bytes] {
        match self {
            Value::Single(value) => std::slice::from_ref(value),
            Value::List(items) => items,
        }
    }
}

/// Reads a whole file. Any error at all means that libuci would refuse it; what could be read then serves to find more
/// errors. They come in the order of the lines, but for those within a quote that runs on over lines.
pub fn parse(text: &[u8]) -> (Package, Vec<SyntaxError>) {
    let mut parser = Parser { cursor: Cursor::new(text), package: Package::default(), current: Current::None };
    if let Some(error) = unreadable(text) {
        return (Package::default(), vec![error]);
    }
    let mut errors = Vec::new();
    while errors.len() < MAX_ERRORS && parser.cursor.next_command() {
        if let Err(error) = parser.line() {
            errors.push(parser.cursor.recover(error));
        }
    }
    (parser.package, errors)
}

/// What makes a file no text at all.
fn unreadable(text: &[u8]) -> Option<SyntaxError> {
    if text.len() > MAX_FILE {
        return Some(SyntaxError {
            line: 1,
            column: 1,
            found: Offending::Thing("a larger file"),
            expected: "at most 1 MiB".into(),
        });
    }
    // libuci reads with fgets and measures with strlen: it loses as much of the line as its buffer happens to hold.
    let at = text.iter().position(|&byte| byte == 0)?;
    let before = text.get(..at).unwrap_or_default();
    let line = before.iter().filter(|&&byte| byte == b'\n').count();
    let column = before.iter().rev().take_while(|&&byte| byte != b'\n').count();
    Some(SyntaxError {
        line: number(line) + 1,
        column: number(column) + 1,
        found: Offending::Thing("a NUL byte"),
        expected: "text".into(),
    })
}

/// Where options go.
enum Current {
    /// No `config` was met yet.
    None,
    /// The `config` line was wrong; its options are read for their own errors and dropped.
    Refused,
    /// Index into the package's sections.
    Section(usize),
}

/// Words into sections.
struct Parser<'t> {
    cursor: Cursor<'t>,
    package: Package,
    current: Current,
}

impl Parser<'_> {
    /// One line with its continuations, or several commands parted by `;` (libuci: `uci_parse_line`).
    fn line(&mut self) -> Parsed<()> {
        self.cursor.skip_spaces();
        while let Some(word) = self.cursor.word() {
            if word.bytes.first() == Some(&b'#') {
                return Ok(());
            }
            match word.bytes.trim_ascii_end() {
                // `option a 'b';` and nothing behind it: libuci takes the newline for a command.
                b"" => return Err(word.thing("a line that ends in ;", "another command behind the ;, or no ;")),
                b"p" | b"package" => self.package(&word)?,
                b"c" | b"config" => self.config(&word).inspect_err(|_| self.current = Current::Refused)?,
                b"o" | b"option" => self.option(&word, false)?,
                b"l" | b"list" => self.option(&word, true)?,
                // `dhcp-boot=…`, `enable-tftp`: no word of UCI's looks like these.
                other if other.iter().any(|byte| matches!(byte, b'=' | b'-')) => {
                    let expected =
                        "config, option, list or package ('upxe import FILE' turns lines of dnsmasq.conf into these)";
                    return Err(word.error(other.to_vec(), expected));
                }
                other => return Err(word.error(other.to_vec(), "config, option, list or package")),
            }
        }
        Ok(())
    }

    /// `package NAME`: checked and otherwise passed over, as libuci does when it loads a single file.
    fn package(&mut self, word: &Piece) -> Parsed<()> {
        self.cursor.after(word, "a package name")?;
        let name = self.cursor.required("a package name")?;
        if !name.bytes.iter().all(|&byte| is_name_byte(byte) || byte == b'-') {
            return Err(name.error(name.bytes.clone(), "a name of letters, digits, _ and -"));
        }
        self.cursor.end_of_command()
    }

    /// `config TYPE [NAME]` opens a section, or goes on with the one of that name.
    fn config(&mut self, word: &Piece) -> Parsed<()> {
        self.cursor.after(word, "a section type")?;
        let kind = self.cursor.required("a section type")?;
        // libuci util.c uci_validate_type.
        if !kind.bytes.iter().all(u8::is_ascii_graphic) {
            return Err(kind.error(kind.bytes.clone(), "a section type of printable ASCII without spaces"));
        }
        let name = self.cursor.argument()?;
        check_name(&name)?;
        self.cursor.end_of_command()?;

        let sections = &mut self.package.sections;
        let (kind_text, name_text) = (kind.text(), name.text());
        let known = sections.iter().position(|section| !name_text.is_empty() && section.name == name_text);
        if let Some((index, section)) = known.and_then(|index| Some((index, sections.get(index)?))) {
            if section.kind != kind_text {
                let expected = ["type ", &section.kind, ", as this section has it already"].concat();
                return Err(SyntaxError { expected: expected.into(), ..kind.error(kind.bytes.clone(), "") });
            }
            self.current = Current::Section(index);
            return Ok(());
        }
        if sections.len() >= MAX_SECTIONS {
            return Err(word.thing("another section", "at most 10000 sections"));
        }
        let anonymous = name_text.is_empty();
        let name = if anonymous { anonymous_name(sections.len() + 1, &kind_text) } else { name_text };
        sections.push(Section { kind: kind_text, name, anonymous, line: word.line, options: Vec::new() });
        self.current = Current::Section(sections.len() - 1);
        Ok(())
    }

    /// `option NAME VALUE` and `list NAME VALUE`.
    fn option(&mut self, word: &Piece, list: bool) -> Parsed<()> {
        if matches!(self.current, Current::None) {
            return Err(word.error(word.bytes.trim_ascii_end().to_vec(), "a config line before it"));
        }
        self.cursor.after(word, "an option name")?;
        let name = self.cursor.required("an option name")?;
        check_name(&name)?;
        let value = self.cursor.argument()?;
        self.cursor.end_of_command()?;

        let Current::Section(index) = self.current else { return Ok(()) };
        let Some(section) = self.package.sections.get_mut(index) else { return Ok(()) };
        let name_text = name.text();
        // The value's own line only when there is one: an empty list item may stand for the end of the line.
        let line = if value.bytes.is_empty() { word.line } else { value.line };
        let value = Bytes { bytes: value.bytes, line };
        let full = section.options.len() >= MAX_OPTIONS;
        match section.options.iter_mut().find(|option| option.name == name_text) {
            // libuci list.c uci_set: an empty value sets nothing, and what was set before stays.
            _ if !list && value.bytes.is_empty() => {}
            Some(option) if !list => {
                option.replaced = Some(option.line());
                option.value = Value::Single(value);
            }
            Some(option) => match &mut option.value {
                Value::List(items) => items.push(value),
                // libuci list.c uci_add_list: the single value becomes the list's first item.
                Value::Single(first) => {
                    let first = std::mem::replace(first, Bytes { bytes: Vec::new(), line: 0 });
                    option.value = Value::List(vec![first, value]);
                }
            },
            None if full => {
                return Err(word.thing("another option", "at most 1024 options in a section"));
            }
            None => {
                let value = if list { Value::List(vec![value]) } else { Value::Single(value) };
                section.options.push(Opt { name: name_text, value, replaced: None });
            }
        }
        Ok(())
    }
}

/// libuci util.c `uci_validate_name`; an empty name is for the caller to judge.
fn check_name(name: &Piece) -> Parsed<()> {
    if name.bytes.iter().all(|&byte| is_name_byte(byte)) {
        return Ok(());
    }
    Err(name.error(name.bytes.clone(), "a name of letters, digits and _"))
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// libuci list.c `uci_fixup_section`: `cfg`, the running number, and a hash of the type (Bernstein's, 31 bits).
fn anonymous_name(number: usize, kind: &str) -> String {
    let hash = kind.bytes().fold(5381u32, |hash, byte| hash.wrapping_mul(33).wrapping_add(u32::from(byte)));
    format!("cfg{number:02x}{:04x}", hash & 0xffff)
}
