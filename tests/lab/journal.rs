//! What the lab's programs say: lines with the time they came at, kept, written to a file and waited for.

use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// A line and when it came.
#[derive(Clone, Debug)]
pub struct Line {
    pub at: Instant,
    pub text: String,
}

/// Called with every line as it comes; the demonstration prints its timeline with one.
pub type Listener = Arc<dyn Fn(&'static str, &Line) + Send + Sync>;

/// The lines of one program so far. Clones share them.
#[derive(Clone)]
pub struct Journal {
    source: &'static str,
    path: PathBuf,
    shared: Arc<Shared>,
    listener: Option<Listener>,
}

struct Shared {
    lines: Mutex<Vec<Line>>,
    news: Condvar,
    file: Mutex<File>,
    started: Instant,
}

impl Journal {
    /// An empty journal of the program `source` that also writes to `<folder>/<source>.log`.
    pub fn new(source: &'static str, folder: &Path, listener: Option<Listener>) -> Journal {
        let path = folder.join(format!("{source}.log"));
        let file = File::create(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let shared =
            Shared { lines: Mutex::default(), news: Condvar::new(), file: Mutex::new(file), started: Instant::now() };
        Journal { source, path, shared: Arc::new(shared), listener }
    }

    /// Records what `output` says, on a thread of its own, until it ends.
    pub fn follow(&self, output: impl Read + Send + 'static) {
        let journal = self.clone();
        std::thread::spawn(move || journal.read_lines(output));
    }

    fn read_lines(&self, mut output: impl Read) {
        let (mut line, mut chunk) = (Vec::new(), [0; 4096]);
        while let Ok(read @ 1..) = output.read(&mut chunk) {
            for &byte in &chunk[..read] {
                // Firmware ends its lines with either, and kernels with both.
                if byte != b'\n' && byte != b'\r' {
                    line.push(byte);
                } else if !line.is_empty() {
                    self.record(&plain_text(&line));
                    line.clear();
                }
            }
        }
        if !line.is_empty() {
            self.record(&plain_text(&line));
        }
    }

    /// Adds a line.
    pub fn record(&self, text: &str) {
        let text = text.trim();
        if text.is_empty() {
            return;
        }
        let line = Line { at: Instant::now(), text: text.to_owned() };
        let elapsed = line.at.duration_since(self.shared.started).as_secs_f32();
        // A full disk must not stop the run; the lines are in memory as well.
        let _ = writeln!(self.shared.file.lock().unwrap(), "{elapsed:8.3} {text}");
        if let Some(listener) = &self.listener {
            listener(self.source, &line);
        }
        self.lines().push(line);
        self.shared.news.notify_all();
    }

    fn lines(&self) -> MutexGuard<'_, Vec<Line>> {
        self.shared.lines.lock().unwrap()
    }

    /// The place after the last line, to look only at what comes later.
    pub fn end(&self) -> usize {
        self.lines().len()
    }

    /// The lines from place `from` on that hold every one of `words`.
    pub fn since(&self, from: usize, words: &[&str]) -> Vec<Line> {
        self.lines().iter().skip(from).filter(|line| holds(line, words)).cloned().collect()
    }

    /// The first line from place `from` on that holds every one of `words`, awaited for at most `patience`.
    pub fn find(&self, from: usize, words: &[&str], patience: Duration) -> Option<Line> {
        let deadline = Instant::now() + patience;
        let mut lines = self.lines();
        loop {
            if let Some(line) = lines.iter().skip(from).find(|line| holds(line, words)) {
                return Some(line.clone());
            }
            let left = deadline.checked_duration_since(Instant::now())?;
            lines = self.shared.news.wait_timeout(lines, left).unwrap().0;
        }
    }

    /// Like [`Journal::find`], and fails with the last lines when none comes.
    pub fn expect(&self, from: usize, words: &[&str], patience: Duration) -> Line {
        self.find(from, words, patience).unwrap_or_else(|| {
            let Journal { source, path, .. } = self;
            panic!("{source} said nothing with {words:?} in {patience:?}. {} ends:\n{}", path.display(), self.tail())
        })
    }

    /// The last lines, for a message.
    pub fn tail(&self) -> String {
        let lines = self.lines();
        let texts = lines.iter().skip(lines.len().saturating_sub(15)).map(|line| format!("    {}\n", line.text));
        texts.collect()
    }
}

fn holds(line: &Line, words: &[&str]) -> bool {
    words.iter().all(|word| line.text.contains(word))
}

/// A console line without its escape sequences (ECMA-48 §5.4: ESC [ … letter) and what draws boxes.
fn plain_text(line: &[u8]) -> String {
    let mut text = String::new();
    let line = String::from_utf8_lossy(line);
    let mut rest = line.chars();
    while let Some(c) = rest.next() {
        if c != '\x1b' {
            text.extend(Some(c).filter(|c| !c.is_control() && *c != char::REPLACEMENT_CHARACTER));
        } else if rest.next() == Some('[') {
            while rest.next().is_some_and(|c| !c.is_ascii_alphabetic()) {}
            text.push(' ');
        }
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
