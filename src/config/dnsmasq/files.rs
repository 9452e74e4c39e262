//! The lines of dnsmasq.conf and of the files that it names, in dnsmasq's order. Who opens them is told from outside.

use std::rc::Rc;

use super::words::Line;
use super::{Collected, MAX_LINE, Outcome, Wrong, is_ours};
use crate::config::diagnostic::{Diagnostic, MAX_DIAGNOSTICS, Severity, quoted};
use crate::config::hosts::Hosts;
use crate::config::rules::Origin;

/// Files that are read, however they name each other.
const MAX_FILES: usize = 200;
/// Files that name a file that names a file; each costs some stack.
const MAX_DEPTH: usize = 8;

/// Where files come from.
pub trait ConfFiles {
    /// A file's contents.
    ///
    /// # Errors
    /// Why they can't be had, in words.
    fn read(&mut self, path: &str) -> Result<Vec<u8>, String>;

    /// The names of a folder's regular files, in any order.
    ///
    /// # Errors
    /// Why they can't be had, in words.
    fn list(&mut self, folder: &str) -> Result<Vec<String>, String>;
}

/// No files at all, for lines that name none.
pub struct NoFiles;

impl ConfFiles for NoFiles {
    fn read(&mut self, _: &str) -> Result<Vec<u8>, String> {
        Err("no such file".to_owned())
    }

    fn list(&mut self, _: &str) -> Result<Vec<String>, String> {
        Err("no such folder".to_owned())
    }
}

/// Reads configuration files.
pub struct ConfReader<'a> {
    files: &'a mut dyn ConfFiles,
    hosts: &'a Hosts<'a>,
    out: &'a mut Vec<Diagnostic>,
    collected: &'a mut Collected,
    /// Paths that were read; a second reading would double their lines (dnsmasq knows files by their inodes).
    seen: Vec<String>,
}

/// What each line of a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lines {
    /// A keyword and its value.
    Words,
    /// Values of this keyword (`dhcp-hostsfile`, `dhcp-optsfile`).
    ValuesOf(&'static str),
}

impl<'a> ConfReader<'a> {
    /// Lines go to `collected`, complaints to `out`; names are looked up in `hosts`.
    pub fn new(
        files: &'a mut dyn ConfFiles,
        hosts: &'a Hosts<'a>,
        collected: &'a mut Collected,
        out: &'a mut Vec<Diagnostic>,
    ) -> Self {
        ConfReader { files, hosts, out, collected, seen: Vec::new() }
    }

    /// Reads the file and all that it names. One that can't be read is a complaint at `place`.
    pub fn read(&mut self, path: &str, place: &Origin) {
        self.file(path, place, Lines::Words, 0);
    }

    /// Reads lines that stand in no file.
    pub fn text(&mut self, name: &Rc<str>, text: &[u8]) {
        self.lines(name, text, Lines::Words, 0);
    }

    /// Reads the files of a folder, if there is one.
    pub fn folder_if_there(&mut self, folder: &str) {
        if self.files.list(folder).is_ok() {
            self.folder(folder, &Origin { file: folder.into(), line: 0 }, Lines::Words, 0);
        }
    }

    fn file(&mut self, path: &str, place: &Origin, kind: Lines, depth: usize) {
        if self.seen.iter().any(|seen| seen == path) {
            return;
        }
        if depth == MAX_DEPTH || self.seen.len() == MAX_FILES {
            self.remark(place, "", &[path, ": not read, there are too many files"]);
            return;
        }
        self.seen.push(path.to_owned());
        match self.files.read(path) {
            Ok(text) => self.lines(&path.into(), &text, kind, depth),
            Err(why) => self.remark(place, "", &[path, ": ", &why]),
        }
    }

    fn lines(&mut self, name: &Rc<str>, text: &[u8], kind: Lines, depth: usize) {
        for (bytes, number) in text.split(|&byte| byte == b'\n').zip(1..) {
            let origin = Origin { file: name.clone(), line: number };
            self.line(bytes, &origin, kind, depth);
        }
    }

    fn line(&mut self, bytes: &[u8], origin: &Origin, kind: Lines, depth: usize) {
        let subject = keyword(bytes, kind);
        let read = if bytes.len() > MAX_LINE { Err("a line of at most 1024 bytes") } else { Ok(Line::read(bytes)) };
        let line = match read {
            Ok(Some(line)) => line,
            _ if !is_ours(&subject) => return,
            Ok(None) => return self.complain(origin, &subject, b"the whole line", "a closing quote"),
            Err(expected) => return self.complain(origin, &subject, b"the whole line", expected),
        };
        if line.words().is_empty() {
            return;
        }
        if let Lines::ValuesOf(keyword) = kind {
            let taken = self.collected.take(keyword, Some(line.words()), origin, self.hosts);
            return self.settle(taken, origin, &subject);
        }
        let (keyword, value) = line.words().assignment();
        let keyword = keyword.text().unwrap_or_default();
        let value = value.and_then(|value| value.text());
        match (keyword.as_str(), value) {
            ("conf-file", Some(path)) => self.file(&path, origin, Lines::Words, depth + 1),
            ("conf-dir", Some(value)) => self.folder(&value, origin, Lines::Words, depth),
            ("dhcp-hostsfile" | "dhcp-hostsdir", Some(path)) => self.values(&path, origin, "dhcp-host", depth),
            ("dhcp-optsfile" | "dhcp-optsdir", Some(path)) => self.values(&path, origin, "dhcp-option", depth),
            _ => {
                let taken = self.collected.line(&line, origin, self.hosts);
                self.settle(taken, origin, &subject);
            }
        }
    }

    /// A file of values, or a folder of such files.
    fn values(&mut self, path: &str, origin: &Origin, keyword: &'static str, depth: usize) {
        match self.files.list(path) {
            Ok(_) => self.folder(path, origin, Lines::ValuesOf(keyword), depth),
            Err(_) => self.file(path, origin, Lines::ValuesOf(keyword), depth + 1),
        }
    }

    /// `conf-dir=folder[,ending|*ending…]`: the files in the order of their names; an ending excludes, one behind a `*`
    /// includes.
    fn folder(&mut self, value: &str, origin: &Origin, kind: Lines, depth: usize) {
        let mut parts = value.split(',').map(|part| part.trim_matches(' '));
        let folder = parts.next().unwrap_or_default();
        let endings: Vec<&str> = parts.filter(|part| !part.is_empty() && *part != "*").collect();
        let listed = match self.files.list(folder) {
            Ok(listed) => listed,
            Err(why) => return self.remark(origin, "conf-dir", &[folder, ": ", &why]),
        };
        // By hand: the standard sort is 2 KB of code.
        let mut names: Vec<String> = Vec::new();
        for name in listed {
            if is_configuration(&name) && passes(&name, &endings) {
                names.insert(names.partition_point(|other| *other < name), name);
            }
        }
        for name in names {
            self.file(&[folder, "/", &name].concat(), origin, kind, depth + 1);
        }
    }

    fn settle(&mut self, result: Result<Outcome, Wrong<'_>>, origin: &Origin, subject: &str) {
        match result {
            Ok(Outcome::Taken | Outcome::NotOurs) => {}
            Ok(Outcome::NotHonoured(why)) => self.remark(origin, subject, &["not honoured: ", why]),
            Err(Wrong { found, expected }) => self.complain(origin, subject, &found.bytes(), expected),
        }
    }

    fn complain(&mut self, origin: &Origin, subject: &str, found: &[u8], expected: &str) {
        if self.out.len() < MAX_DIAGNOSTICS {
            let expected = [expected, "; the line is passed over"].concat();
            let found = quoted(found);
            self.out.push(Diagnostic::found(Severity::Warning, origin.clone(), subject, found, &expected));
        }
    }

    fn remark(&mut self, origin: &Origin, subject: &str, parts: &[&str]) {
        if self.out.len() < MAX_DIAGNOSTICS {
            self.out.push(Diagnostic::text(Severity::Warning, origin.clone(), subject, parts));
        }
    }
}

/// How a line begins, as far as it can be printed: for complaints, and for lines that can't be taken apart.
fn keyword(bytes: &[u8], kind: Lines) -> String {
    if let Lines::ValuesOf(keyword) = kind {
        return keyword.to_owned();
    }
    let is_end = |byte: &u8| *byte == b'=' || !byte.is_ascii_graphic();
    let word = bytes.trim_ascii().split(is_end).next().unwrap_or_default();
    String::from_utf8_lossy(word.get(..32).unwrap_or(word)).into_owned()
}

/// dnsmasq passes over backups of editors and hidden files.
fn is_configuration(name: &str) -> bool {
    let is_backup = name.ends_with('~') || name.starts_with('#') && name.ends_with('#');
    !name.is_empty() && !is_backup && !name.starts_with('.') && !name.contains('/')
}

fn passes(name: &str, endings: &[&str]) -> bool {
    let ends = |ending: &str| name.len() > ending.len() && name.ends_with(ending);
    let mut wanted = endings.iter().filter_map(|ending| ending.strip_prefix('*')).peekable();
    let included = wanted.peek().is_none() || wanted.any(ends);
    included && !endings.iter().any(|ending| !ending.starts_with('*') && ends(ending))
}
