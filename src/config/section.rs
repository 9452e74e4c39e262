//! Reads one section's options by the table: each value checked, each complaint with its place.

use std::path::PathBuf;
use std::rc::Rc;

use super::diagnostic::{Diagnostic, Severity, quoted};
use super::options::{Form, Known, KnownSection};
use super::spelling::nearest;
use super::uci::{Bytes, Section, Value};
use super::{Origin, TagTest};

/// A section, or the lack of one, which then has the defaults.
pub struct Reader<'a> {
    file: &'a Rc<str>,
    section: Option<&'a Section>,
    /// How bad a wrong value is: an error in our own file.
    severity: Severity,
    out: &'a mut Vec<Diagnostic>,
}

impl<'a> Reader<'a> {
    /// Reads `section` of `file`; complaints of wrong values have `severity` and go to `out`.
    pub fn new(
        file: &'a Rc<str>,
        section: Option<&'a Section>,
        severity: Severity,
        out: &'a mut Vec<Diagnostic>,
    ) -> Self {
        Reader { file, section, severity, out }
    }

    /// Where the section begins.
    pub fn origin(&self) -> Origin {
        self.at(self.section.map_or(0, |section| section.line))
    }

    /// True for an option that is set, right or wrong.
    pub fn has(&self, known: &'static Known) -> bool {
        self.place(known).is_some()
    }

    /// Where an option is set, right or wrong.
    pub fn place(&self, known: &'static Known) -> Option<Origin> {
        let item = self.value(known)?.items().iter().find(|item| !item.bytes.is_empty())?;
        Some(self.at(item.line))
    }

    /// Warns of options that the table does not have, if `strict`, and of those that aren't honoured yet.
    pub fn check_names(&mut self, known: &KnownSection, strict: bool) {
        for option in self.section.map_or(&[][..], |section| &section.options) {
            let origin = self.at(option.line());
            let subject = ["option ", &option.name].concat();
            if let (Some(line), Some(_)) = (option.replaced, known.option(&option.name)) {
                let parts = &["this value replaces the one of line ", &line.to_string(), ", which has no effect"];
                self.out.push(Diagnostic::text(Severity::Warning, origin.clone(), &subject, parts));
            }
            match known.option(&option.name).map(|known| known.form) {
                Some(Form::NotYet) => {
                    let parts = &["upxe does not honour it yet"];
                    self.out.push(Diagnostic::text(Severity::Warning, origin, &subject, parts));
                }
                None if strict => {
                    let names = known.options.iter().map(|known| known.name);
                    let near = nearest(&option.name, names);
                    self.out.push(Diagnostic::unknown(origin, &subject, &option.name, "", near));
                }
                _ => {}
            }
        }
    }

    /// A boolean.
    pub fn flag(&mut self, known: &'static Known) -> bool {
        self.read(known, flag).unwrap_or_default()
    }

    /// A number.
    pub fn number(&mut self, known: &'static Known) -> u32 {
        let parse: fn(&Form, &str) -> Option<u32> = |form, text| match *form {
            Form::Number(min, max) => number(text).filter(|value| (min..=max).contains(value)),
            _ => None,
        };
        self.read(known, parse).unwrap_or_default()
    }

    /// A level of the log.
    pub fn log_level(&mut self, known: &'static Known) -> log::LevelFilter {
        let level = self.read(known, |_, text| match text {
            "error" => Some(log::LevelFilter::Error),
            "warn" => Some(log::LevelFilter::Warn),
            "info" => Some(log::LevelFilter::Info),
            "debug" => Some(log::LevelFilter::Debug),
            "trace" => Some(log::LevelFilter::Trace),
            _ => None,
        });
        level.unwrap_or(log::LevelFilter::max())
    }

    /// Text within the form's bounds, if it is set.
    pub fn text(&mut self, known: &'static Known) -> Option<String> {
        self.written(known, text).map(|(value, _)| value)
    }

    /// A folder, and where it was written if it was.
    pub fn folder(&mut self, known: &'static Known) -> (PathBuf, Option<Origin>) {
        match self.written(known, folder) {
            Some((path, origin)) => (path, Some(origin)),
            None => (folder(&known.form, known.default).unwrap_or_default(), None),
        }
    }

    /// The items of a list; those that aren't of the form are complained of and left out.
    pub fn items<T>(&mut self, known: &'static Known, parse: fn(&Form, &str) -> Option<T>) -> Vec<T> {
        let mut values = Vec::new();
        self.each(known, &mut |text, _| {
            values.push(parse(&known.form, text)?);
            Some(())
        });
        values
    }

    /// The items of a list whole, to be judged elsewhere, each with its place.
    pub fn texts(&mut self, known: &'static Known) -> Vec<(String, Origin)> {
        let mut texts = Vec::new();
        self.each(known, &mut |text, origin| {
            texts.push((text.to_owned(), origin));
            Some(())
        });
        texts
    }

    /// Words parted by white space, as OpenWrt's `config_get` hands lists and options out alike, each with its place.
    pub fn words(&mut self, known: &'static Known) -> Vec<(String, Origin)> {
        let mut words = Vec::new();
        self.each(known, &mut |text, origin| {
            words.extend(text.split_ascii_whitespace().map(|word| (word.to_owned(), origin.clone())));
            Some(())
        });
        words
    }

    /// Tests of tags, of a list's items all.
    pub fn tags(&mut self, known: &'static Known) -> Vec<TagTest> {
        let mut tests = Vec::new();
        self.each(known, &mut |text, _| {
            tests.extend(tags(text)?);
            Some(())
        });
        tests
    }

    /// A single value that was written and is of the form, with its place.
    pub fn written<T>(&mut self, known: &'static Known, parse: fn(&Form, &str) -> Option<T>) -> Option<(T, Origin)> {
        let mut written = None;
        if self.is_single(known) {
            self.each(known, &mut |text, origin| {
                written = Some((parse(&known.form, text)?, origin));
                Some(())
            });
        }
        written
    }

    /// Complains of a value, or a part of one, that was found to be wrong elsewhere.
    pub fn reject(&mut self, known: &'static Known, origin: Origin, found: &str, expected: &str) {
        let subject = ["option ", known.name].concat();
        let found = quoted(found.as_bytes());
        self.out.push(Diagnostic::found(self.severity, origin, &subject, found, expected));
    }

    /// Any other remark about an option.
    pub fn remark(&mut self, severity: Severity, known: &'static Known, origin: Origin, parts: &[&str]) {
        let subject = ["option ", known.name].concat();
        self.out.push(Diagnostic::text(severity, origin, &subject, parts));
    }

    fn at(&self, line: u32) -> Origin {
        Origin { file: self.file.clone(), line }
    }

    fn value(&self, known: &'static Known) -> Option<&'a Value> {
        self.section?.option(known.name).map(|option| &option.value)
    }

    /// The value as written, else the default, which always is of its form (a test of the table).
    fn read<T>(&mut self, known: &'static Known, parse: fn(&Form, &str) -> Option<T>) -> Option<T> {
        let written = self.written(known, parse).map(|(value, _)| value);
        written.or_else(|| parse(&known.form, known.default))
    }

    /// False, after a complaint, when an option is a list of several items.
    fn is_single(&mut self, known: &'static Known) -> bool {
        let Some([first, _, ..]) = self.value(known).map(Value::items) else { return true };
        self.complain(known, first, "a list of several items".to_owned(), "one value");
        false
    }

    /// Hands each item to `take`, with its place; one that it refuses is complained of.
    fn each(&mut self, known: &'static Known, take: &mut dyn FnMut(&str, Origin) -> Option<()>) {
        let items = self.value(known).map_or(&[][..], Value::items);
        for item in items.iter().filter(|item| !item.bytes.is_empty()) {
            let text = str::from_utf8(&item.bytes);
            if text.ok().and_then(|text| take(text, self.at(item.line))).is_some() {
                continue;
            }
            let mut expected = known.form.words();
            if text.is_err() {
                expected.push_str(", in UTF-8");
            }
            self.complain(known, item, quoted(&item.bytes), &expected);
        }
    }

    fn complain(&mut self, known: &'static Known, item: &Bytes, found: String, expected: &str) {
        let subject = ["option ", known.name].concat();
        self.out.push(Diagnostic::found(self.severity, self.at(item.line), &subject, found, expected));
    }
}

/// OpenWrt's `config_get_bool` (base-files `functions.sh`): these ten words, in lower case.
pub fn flag(_: &Form, text: &str) -> Option<bool> {
    match text {
        "1" | "on" | "true" | "yes" | "enabled" => Some(true),
        "0" | "off" | "false" | "no" | "disabled" => Some(false),
        _ => None,
    }
}

/// Decimal digits only: no sign, no spaces.
fn number(text: &str) -> Option<u32> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}

/// Text that fits its field and has no control characters.
pub fn text(form: &Form, text: &str) -> Option<String> {
    let Form::Text(max) = *form else { return None };
    let fits = (1..=max).contains(&text.len()) && !text.chars().any(char::is_control);
    fits.then(|| text.to_owned())
}

/// An absolute path. Shell scripts, such as our init script, take one with other characters for several.
pub fn folder(_: &Form, text: &str) -> Option<PathBuf> {
    let parts = |char: char| char.is_control() || char.is_whitespace() || "*?[".contains(char);
    let fits = text.starts_with('/') && !text.contains(parts);
    fits.then(|| PathBuf::from(text))
}

/// The URL of a folder, without the slash at its end. Scripts and packets take it as it is: nothing in it means anything to them.
pub fn url(_: &Form, text: &str) -> Option<String> {
    /// What leaves room for names in a header's `file` field (RFC 2131 §2).
    const MAX: usize = 79;
    let rest = text.strip_prefix("http://")?;
    let (place, folder) = rest.split_once('/').unwrap_or((rest, ""));
    let (host, port) = place.split_once(':').unwrap_or((place, "80"));
    let plain = |part: &str, more: &[u8]| part.bytes().all(|byte| byte.is_ascii_alphanumeric() || more.contains(&byte));
    let fits = text.len() <= MAX
        && plain(host, b"-.")
        && host.starts_with(|first: char| first.is_ascii_alphanumeric())
        && number(port).is_some_and(|port| (1..=65535).contains(&port))
        && plain(folder, b"-._~/");
    fits.then(|| text.trim_end_matches('/').to_owned())
}

/// Tests parted by commas.
fn tags(text: &str) -> Option<Vec<TagTest>> {
    text.split(',').map(|piece| tag_test(piece.trim_matches(' '))).collect()
}

/// One test, with or without its prefix (dnsmasq dhcp-common.c `match_netid`: `#` and `!` negate).
pub fn tag_test(piece: &str) -> Option<TagTest> {
    let name = without_prefix(piece).unwrap_or(piece);
    let (tag, set) = match name.strip_prefix(['!', '#']) {
        Some(negated) => (negated, false),
        None => (name, true),
    };
    let fits = !tag.is_empty() && !tag.chars().any(|letter| letter.is_control() || letter == ' ');
    fits.then(|| TagTest { tag: tag.to_owned(), set })
}

/// What follows `tag:`, `net:` or `set:`.
pub fn without_prefix(piece: &str) -> Option<&str> {
    ["tag:", "net:", "set:"].iter().find_map(|prefix| piece.strip_prefix(prefix))
}
