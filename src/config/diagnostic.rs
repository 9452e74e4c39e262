//! What is wrong or noteworthy in a configuration, in one shape: place, what was found, what was expected.

use std::fmt;
use std::rc::Rc;

use super::Origin;
use super::uci::{Offending, SyntaxError};

/// Diagnostics that are kept, errors first.
pub const MAX_DIAGNOSTICS: usize = 200;

/// How much a diagnostic matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Worth knowing; nothing to do.
    Note,
    /// Works, though hardly as meant.
    Warning,
    /// The configuration is refused.
    Error,
}

impl Severity {
    /// For programs to tell them apart.
    pub fn name(self) -> &'static str {
        match self {
            Severity::Note => "note",
            Severity::Warning => "warning",
            Severity::Error => "error",
        }
    }
}

/// One line for the user, such as
/// `/etc/config/upxe:7: option tftp_max: found 'many', expected a number from 1 to 1024`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Errors refuse the configuration.
    pub severity: Severity,
    /// Where it was written.
    pub origin: Origin,
    /// Column in bytes from 1; 0 when the line says enough.
    pub column: u32,
    /// What it is about, such as `option tftp_max`; empty for the file as a whole.
    pub subject: String,
    /// What to say about it.
    pub message: Message,
    /// What a command can do about it.
    pub mend: Mend,
}

/// What a command can do about a remark.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Mend {
    /// The line wants to be thought about.
    #[default]
    Edit,
    /// The line has no effect, and none the less may be taken for one that has: it can go.
    TakeOut,
    /// The first word was most likely meant to be the second.
    Word(String, String),
    /// This file is to be put under the TFTP root.
    Copy(String),
}

/// The part of a diagnostic behind its subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// `found …, expected …`; both are complete, quotes included.
    Found {
        /// From [`quoted`], or a description.
        found: String,
        /// What would have been right.
        expected: String,
    },
    /// A sentence.
    Text(String),
}

impl Diagnostic {
    /// `found …, expected …` about `subject`.
    pub fn found(severity: Severity, origin: Origin, subject: &str, found: String, expected: &str) -> Self {
        let message = Message::Found { found, expected: expected.to_owned() };
        Diagnostic { severity, origin, column: 0, subject: subject.to_owned(), message, mend: Mend::Edit }
    }

    /// A sentence about `subject`, put together from `parts`.
    pub fn text(severity: Severity, origin: Origin, subject: &str, parts: &[&str]) -> Self {
        let message = Message::Text(parts.concat());
        Diagnostic { severity, origin, column: 0, subject: subject.to_owned(), message, mend: Mend::Edit }
    }

    /// An error of the file's form.
    pub fn syntax(file: &Rc<str>, error: SyntaxError) -> Self {
        let found = match error.found {
            Offending::Text(bytes) => quoted(&bytes),
            Offending::Thing(thing) => thing.to_owned(),
        };
        Diagnostic {
            severity: Severity::Error,
            origin: Origin { file: file.clone(), line: error.line },
            column: error.column,
            subject: String::new(),
            message: Message::Found { found, expected: error.expected.into_owned() },
            mend: Mend::Edit,
        }
    }

    /// `subject` is unknown; instead of `typed`, `near` may have been meant, of which `before` says more.
    pub fn unknown(origin: Origin, subject: &str, typed: &str, before: &str, near: Option<&str>) -> Self {
        const WHAT: &str = "unknown, and without effect";
        let mut diagnostic = Self::text(Severity::Warning, origin, subject, &[WHAT]);
        diagnostic.mend = Mend::TakeOut;
        if let Some(near) = near {
            diagnostic.message = Message::Text([WHAT, "; did you mean '", before, near, "'?"].concat());
            diagnostic.mend = Mend::Word(typed.to_owned(), near.to_owned());
        }
        diagnostic
    }

    /// What it says, without its place and severity.
    pub fn words(&self) -> String {
        let gap = if self.subject.is_empty() { "" } else { ": " };
        match &self.message {
            Message::Found { found, expected } => {
                [&self.subject, gap, "found ", found, ", expected ", expected].concat()
            }
            Message::Text(text) => [&self.subject, gap, text].concat(),
        }
    }

    /// True for errors.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.origin)?;
        if self.column > 0 {
            write!(f, ":{}", self.column)?;
        }
        f.write_str(": ")?;
        match self.severity {
            Severity::Error => {}
            Severity::Warning => f.write_str("warning: ")?,
            Severity::Note => f.write_str("note: ")?,
        }
        f.write_str(&self.words())
    }
}

/// Longer values are cut in a diagnostic: the line says where to look.
const SHOWN: usize = 60;

/// Bytes of a file in single quotes, on one line whatever they are.
pub fn quoted(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut shown = String::from("'");
    for (count, letter) in text.chars().enumerate() {
        if count == SHOWN {
            shown.push('…');
            break;
        }
        match letter {
            '\n' => shown.push_str("\\n"),
            '\r' => shown.push_str("\\r"),
            '\t' => shown.push_str("\\t"),
            control if control.is_control() => shown.push(char::REPLACEMENT_CHARACTER),
            plain => shown.push(plain),
        }
    }
    shown.push('\'');
    shown
}
