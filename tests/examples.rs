//! The configurations in `uci/examples`, and what `upxe explain` says of them: each `.explain` file holds commands and their
//! output, and this test holds it to the truth. `UPXE_REGENERATE=1 cargo test --test examples` writes the output anew.

#[path = "support/scratch.rs"]
mod scratch;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const FILES: &str = "# in the TFTP root: ";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("uci/examples")
}

fn with_ending(ending: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
    let mut found: Vec<PathBuf> = entries.filter(|path| path.extension().is_some_and(|it| it == ending)).collect();
    found.sort();
    found
}

/// What the program prints on standard output; run in the examples' folder, with nothing of this machine's configuration.
fn run(arguments: &[&str], root: &Path) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_upxe"));
    command.current_dir(folder()).args(arguments).arg("--tftp-root").arg(root);
    if !arguments.contains(&"-c") {
        command.args(["-c", "/nowhere"]);
    }
    let output = command.output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().replace(&*root.to_string_lossy(), "the TFTP root")
}

/// The file with each command's output as it is now.
fn regenerated(text: &str) -> String {
    let root = scratch::Scratch::new();
    let mut fresh = String::new();
    for line in text.lines() {
        if let Some(names) = line.strip_prefix(FILES) {
            names.split(' ').for_each(|name| fs::write(root.path().join(name), "x").unwrap());
            fresh.push_str(&format!("{line}\n"));
        } else if let Some(command) = line.strip_prefix("$ upxe ") {
            let arguments: Vec<&str> = command.split(' ').collect();
            fresh.push_str(&format!("\n{line}\n{}", run(&arguments, root.path())));
        }
    }
    fresh.trim_start().to_owned()
}

#[test]
fn explanations_are_true() {
    let files = with_ending("explain");
    assert_eq!(files.len(), 6);
    for path in files {
        let text = fs::read_to_string(&path).unwrap();
        let fresh = regenerated(&text);
        if std::env::var_os("UPXE_REGENERATE").is_some() {
            fs::write(&path, fresh).unwrap();
        } else {
            assert_eq!(text, fresh, "{}: UPXE_REGENERATE=1 writes it anew", path.display());
        }
    }
}

#[test]
fn the_readme_shows_one_of_them() {
    let readme = include_str!("../README.md");
    let (_, shown) = readme.split_once("$ upxe explain ").expect("README.md shows no upxe explain");
    let shown = shown.split("```").next().unwrap();
    let shown = format!("$ upxe explain {shown}");
    let found = with_ending("explain").iter().any(|path| fs::read_to_string(path).unwrap().contains(&shown));
    assert!(found, "README.md shows an explanation that is in no example:\n{shown}");
}

#[test]
fn every_example_can_be_imported_and_checked() {
    for path in with_ending("conf") {
        let output = Command::new(env!("CARGO_BIN_EXE_upxe")).arg("import").arg(&path).output().unwrap();
        assert!(output.status.success(), "{}", path.display());
        let root = scratch::Scratch::new();
        let conf = path.to_str().unwrap();
        run(&["check", "-i", "lo", "--conf-file", conf], root.path());
    }
}

#[test]
fn a_file_of_other_lines_is_not_imported_in_silence() {
    let dhcp = concat!(env!("CARGO_MANIFEST_DIR"), "/uci/examples/openwrt/dhcp");
    let output = Command::new(env!("CARGO_BIN_EXE_upxe")).args(["import", dhcp]).output().unwrap();
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("no line of dnsmasq.conf about booting"));
}
