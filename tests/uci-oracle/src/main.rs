//! Reads every file of the corpus, and thousands of seeded mutations of them, with upxe's UCI reader and with libuci,
//! and fails when the two disagree about anything but [`ACCEPTED`].
//!
//! With `UCI_DIR` set to where a current libuci is installed, libuci-sys takes that one instead of its own of 2021; the
//! first two accepted differences then do not arise.

mod libuci;
mod mutate;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use upxe::config::uci;

use mutate::Mutator;

/// Differences that are meant, and why. Order is compared by sorting; the others are left out of the comparison.
const ACCEPTED: &[&str] = &[
    "the place of an option that is written a second time: libuci-sys carries libuci of 2021, which moves it to the end; \
     since 2023 libuci leaves it where it was, and so does upxe. No reader of ours heeds the order of options",
    "a named section that is opened for the third time: libuci of 2021 forgets which one it was, and refuses the options \
     behind it; mended in 2023",
    "NUL bytes: libuci drops as much of the line as its buffer holds at that moment; upxe refuses the file",
    "size: upxe refuses files over 1 MiB, over 10000 sections, or over 1024 options in a section; libuci has no limit",
];

/// Unless the command line says otherwise, each run tries the same ones.
const MUTATIONS: u64 = 20_000;
const SEED: u64 = 0x7570_7865;
/// All of openwrt's rules, each in a file of its own; fewer files would mean that some went missing.
const LEAST_FILES: usize = 40;

/// A section, in a form that both readers' results can be brought into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    pub kind: String,
    pub name: String,
    pub anonymous: bool,
    /// Sorted by name.
    pub options: Vec<(String, Value)>,
}

/// An option's value, or a list's.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Value {
    Single(Vec<u8>),
    List(Vec<Vec<u8>>),
}

impl std::fmt::Debug for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Value::Single(bytes) => write!(f, "'{}'", bytes.escape_ascii()),
            Value::List(items) => {
                f.debug_list().entries(items.iter().map(|item| item.escape_ascii().to_string())).finish()
            }
        }
    }
}

fn main() -> ExitCode {
    let Some(corpus) = std::env::args_os().nth(1) else {
        eprintln!("usage: uci-oracle CORPUS [MUTATIONS [SEED]]");
        return ExitCode::FAILURE;
    };
    let number = |nth| std::env::args().nth(nth).and_then(|text| text.parse::<u64>().ok());
    let mutations = number(2).unwrap_or(MUTATIONS);
    let seed = number(3).unwrap_or(SEED);
    let accepted = files(&Path::new(&corpus).join("accepted"));
    let refused = files(&Path::new(&corpus).join("refused"));
    let mut failures = 0;

    for (path, text, expected) in accepted
        .iter()
        .map(|(path, text)| (path, text, true))
        .chain(refused.iter().map(|(path, text)| (path, text, false)))
    {
        if read_ours(text).is_ok() != expected {
            eprintln!("{}: upxe {}", path.display(), if expected { "refuses it" } else { "accepts it" });
            failures += 1;
        }
        let truth = libuci::read(text);
        failures += usize::from(!agree(&path.display().to_string(), text, &truth));
    }

    let texts: Vec<&[u8]> = accepted.iter().chain(&refused).map(|(_, text)| text.as_slice()).collect();
    let mut mutator = Mutator::new(seed, &texts);
    let mut taken = 0;
    for number in 0..mutations {
        let text = mutator.next();
        let truth = libuci::read(&text);
        taken += usize::from(truth.is_ok());
        failures += usize::from(!agree(&format!("mutation {number}"), &text, &truth));
    }

    let files = texts.len();
    println!(
        "uci-oracle: {files} files, {mutations} mutations of them ({taken} accepted by libuci), {failures} differences"
    );
    println!("accepted differences:");
    for difference in ACCEPTED {
        println!("- {difference}");
    }
    if files < LEAST_FILES {
        eprintln!("only {files} files in the corpus, expected at least {LEAST_FILES}");
        failures += 1;
    }
    if failures == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// True when our reader says the same as libuci, or differs as [`ACCEPTED`] has it; otherwise both are shown.
fn agree(name: &str, text: &[u8], truth: &Result<Vec<Section>, String>) -> bool {
    let ours = read_ours(text);
    if has_nul(text) {
        return ours.is_err();
    }
    let same = match (&ours, truth) {
        (Ok(ours), Ok(truth)) => ours == truth,
        (Err(_), Err(_)) => true,
        (Ok(ours), Err(reason)) => is_third_opening(text, ours, reason),
        (Err(_), Ok(_)) => false,
    };
    if !same {
        eprintln!("{name}: differs\n  text   '{}'\n  libuci {truth:?}\n  upxe   {ours:?}", text.escape_ascii());
    }
    same
}

/// libuci.c `uci_parse_config` of 2021 takes the section from `ptr.last`, which list.c `uci_set` leaves empty when the
/// section's type was replaced once before.
fn is_third_opening(text: &[u8], sections: &[Section], reason: &str) -> bool {
    let is_part = |byte: &u8| !byte.is_ascii_alphanumeric() && *byte != b'_';
    let openings = |section: &&Section| {
        let words: Vec<&[u8]> = text.split(is_part).filter(|word| !word.is_empty()).collect();
        let opens = |words: &&[&[u8]]| matches!(words[0], b"c" | b"config") && words[2] == section.name.as_bytes();
        words.windows(3).filter(opens).count()
    };
    reason.contains("before the first section") && sections.iter().any(|section| openings(&section) >= 3)
}

fn has_nul(text: &[u8]) -> bool {
    text.contains(&0)
}

fn read_ours(text: &[u8]) -> Result<Vec<Section>, Vec<uci::SyntaxError>> {
    let (package, errors) = uci::parse(text);
    if !errors.is_empty() {
        return Err(errors);
    }
    let sections = package.sections.into_iter().map(|section| {
        let mut options: Vec<_> =
            section.options.into_iter().map(|option| (option.name, value(option.value))).collect();
        options.sort();
        Section { kind: section.kind, name: section.name, anonymous: section.anonymous, options }
    });
    Ok(sections.collect())
}

fn value(value: uci::Value) -> Value {
    match value {
        uci::Value::Single(value) => Value::Single(value.bytes),
        uci::Value::List(items) => Value::List(items.into_iter().map(|item| item.bytes).collect()),
    }
}

/// The files of a folder, by name.
fn files(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("a readable folder").path()).collect();
    paths.sort();
    paths.into_iter().map(|path| (path.clone(), std::fs::read(path).expect("a readable file"))).collect()
}
