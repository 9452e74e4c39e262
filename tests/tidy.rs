//! Holds the source to the house rules that no compiler knows: layers, files that fit in the head, first sentences.

use std::fs;
use std::path::{Path, PathBuf};

/// A layer and what it may use, besides itself. `mod.rs` files of the crate root are `main` and `lib`.
const LAYERS: &[(&str, &[&str])] = &[
    ("commands", &["config", "daemon", "menu", "proxy", "sys", "tftp", "wire"]),
    ("daemon", &["config", "menu", "proxy", "sys", "tftp", "wire"]),
    ("proxy", &["config", "menu", "wire"]),
    ("menu", &["config", "wire"]),
    ("tftp", &["config", "wire"]),
    ("sys", &["wire"]),
    ("config", &["wire"]),
    ("wire", &[]),
];

/// Lines of a file, its tests included.
const FITS_IN_THE_HEAD: usize = 550;

/// What only the shell may touch.
const SHELL_ONLY: &[&str] =
    &["std::net::UdpSocket", "std::fs", "libc::", "Instant::now", "SystemTime::now", "unsafe {"];
const CORE: &[&str] = &["wire", "menu", "proxy", "tftp"];

fn sources() -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    collect(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src")), &mut found);
    found
}

fn collect(folder: &Path, found: &mut Vec<(PathBuf, String)>) {
    for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() {
            collect(&entry, found);
        } else if entry.extension().is_some_and(|ending| ending == "rs") {
            let text = fs::read_to_string(&entry).unwrap();
            found.push((entry, text));
        }
    }
}

fn layer(path: &Path) -> Option<&str> {
    let inside = path.strip_prefix(concat!(env!("CARGO_MANIFEST_DIR"), "/src")).unwrap();
    let first = inside.components().next()?.as_os_str().to_str()?;
    LAYERS.iter().map(|(name, _)| *name).find(|name| *name == first)
}

/// The part of a file that is compiled into the program; of files of tests nothing is.
fn program<'a>(path: &Path, text: &'a str) -> &'a str {
    if path.ends_with("tests.rs") { "" } else { text.split("#[cfg(test)]").next().unwrap() }
}

fn complain(complaints: &[String]) {
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

#[test]
fn layers_use_what_is_below_them_only() {
    let mut complaints = Vec::new();
    for (path, text) in sources() {
        let Some(own) = layer(&path) else { continue };
        let (_, below) = LAYERS.iter().find(|(name, _)| *name == own).unwrap();
        for (other, _) in LAYERS {
            let uses = program(&path, &text).contains(&format!("crate::{other}"));
            if uses && *other != own && !below.contains(other) {
                complaints.push(format!("{}: {own} must not use {other}", path.display()));
            }
        }
    }
    complain(&complaints);
}

#[test]
fn the_core_touches_no_socket_file_or_clock() {
    let mut complaints = Vec::new();
    for (path, text) in sources().iter().filter(|(path, _)| layer(path).is_some_and(|own| CORE.contains(&own))) {
        for word in SHELL_ONLY.iter().filter(|word| program(path, text).contains(**word)) {
            complaints.push(format!("{}: {word} belongs to the shell", path.display()));
        }
    }
    complain(&complaints);
}

#[test]
fn files_open_with_a_sentence_and_fit_in_the_head() {
    let mut complaints = Vec::new();
    for (path, text) in sources() {
        if !text.starts_with("//! ") {
            complaints.push(format!("{}: say in the first line what this file owns", path.display()));
        }
        let lines = text.lines().count();
        if lines > FITS_IN_THE_HEAD {
            complaints.push(format!("{}: {lines} lines are too many to hold in mind", path.display()));
        }
    }
    complain(&complaints);
}
