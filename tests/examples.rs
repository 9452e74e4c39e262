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

/// Whole configurations for people with an empty folder: what they are for, the files they need and where those come from.
fn trees() -> Vec<PathBuf> {
    let entries = fs::read_dir(folder().join("trees")).unwrap().map(|entry| entry.unwrap().path());
    let mut found: Vec<PathBuf> = entries.collect();
    found.sort();
    found
}

/// The files that a tree's comment lists.
fn listed(tree: &Path) -> Vec<String> {
    let text = fs::read_to_string(tree.join("upxe")).unwrap();
    let (_, list) = text.split_once("# Files, under /srv/tftp:\n").expect("no list of files");
    let lines = list.lines().map_while(|line| line.strip_prefix("#   "));
    let files: Vec<String> = lines
        .map(|line| {
            let (name, source) = line.split_once("  ").expect("no source");
            assert!(source.trim().len() > 3, "{line}");
            name.to_owned()
        })
        .collect();
    assert!(!files.is_empty(), "{}", tree.display());
    files
}

fn put(files: &[String], root: &Path) {
    for file in files {
        let path = root.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "x").unwrap();
    }
}

/// What `upxe check` warns of, but for uhttpd, which is for routers.
fn warnings(tree: &Path, root: &Path) -> Vec<String> {
    let text = run(&["check", "-c", tree.to_str().unwrap()], root);
    let lines =
        text.lines().filter(|line| line.contains(": warning: ") && !line.contains("/usr/sbin/uhttpd is not there"));
    lines.map(str::to_owned).collect()
}

#[test]
fn check_names_just_the_files_that_a_tree_lists() {
    for tree in trees() {
        let root = scratch::Scratch::new();
        let mut missing: Vec<String> = Vec::new();
        for line in warnings(&tree, root.path()) {
            assert!(line.contains("is not under the TFTP root"), "{line}");
            missing.extend(line.split('\'').nth(1).map(str::to_owned));
        }
        missing.sort();
        missing.dedup();
        let mut files = listed(&tree);
        files.sort();
        assert_eq!(missing, files, "{}", tree.display());
        put(&files, root.path());
        assert_eq!(warnings(&tree, root.path()), [""; 0], "{}", tree.display());
    }
}

/// A tree, what some clients are told by it, and what stands in iPXE's menu.
type Told = (&'static str, &'static [(&'static str, &'static str)], &'static [&'static str]);

const TOLD: &[Told] = &[
    (
        "debian-installer",
        &[
            ("--arch bios", "undionly.kpxe"),
            ("--arch x64", "snponly.efi"),
            ("--arch 9", "snponly.efi"),
            ("--arch arm64", "snponly-arm64.efi"),
            ("--arch bios --ipxe", "menu.ipxe"),
            ("--arch arm64 --ipxe", "menu.ipxe"),
        ],
        &["debian/amd64/linux", "debian/amd64/initrd.gz", "priority=low", "goto upxe-local"],
    ),
    ("memtest", &[("--arch bios", "undionly.kpxe"), ("--arch x64 --ipxe", "menu.ipxe")], &["memtest64.bin"]),
    (
        "rescue",
        &[("--arch bios", "undionly.kpxe"), ("--arch x64", "snponly.efi"), ("--arch x64 --ipxe", "menu.ipxe")],
        &["sysresccd/boot/x86_64/vmlinuz", "archiso_http_srv=tftp://192.168.1.1/ checksum"],
    ),
    (
        "iscsi",
        &[("--arch bios", "undionly.kpxe"), ("--arch x64 --ipxe", "menu.ipxe")],
        &["sanboot iscsi:192.168.1.5::::iqn.2026-01.lan.nas:disk", "set keep-san 1", "lan.nas:attic"],
    ),
    (
        "netboot-xyz",
        &[
            ("--arch bios", "netboot.xyz.kpxe"),
            ("--arch x64", "netboot.xyz.efi"),
            ("--arch arm64", "netboot.xyz-arm64.efi"),
        ],
        &[],
    ),
    ("raspberry-pi", &[("--arch bios --mac b8:27:eb:00:00:01", "Raspberry Pi Boot")], &[]),
    (
        "windows",
        &[("--arch bios", "undionly.kpxe"), ("--arch x64", "snponly.efi"), ("--arch x64 --ipxe", "menu.ipxe")],
        &["/wimboot", "windows/boot/bcd bcd", "windows/sources/boot.wim boot.wim"],
    ),
];

#[test]
fn each_tree_boots_whom_it_says() {
    let names: Vec<&str> = TOLD.iter().map(|(name, ..)| *name).collect();
    let tree_of = |name: &str| folder().join("trees").join(name);
    assert!(trees().iter().all(|tree| names.iter().any(|name| tree_of(name) == *tree)), "one is not tested");
    for (name, clients, menu) in TOLD {
        let tree = &tree_of(name);
        let root = scratch::Scratch::new();
        put(&listed(tree), root.path());
        let asked = |command: &str, words: &str| {
            let mut arguments = vec![command, "-c", tree.to_str().unwrap(), "--router", "192.168.1.1"];
            arguments.extend(words.split(' '));
            run(&arguments, root.path())
        };
        for (words, expected) in *clients {
            let text = asked("explain", words);
            let reply = text.split_once("\nreply: DHCPOFFER").unwrap_or_else(|| panic!("{name} {words}: {text}")).1;
            assert!(reply.contains(expected), "{name} {words}: {reply}");
        }
        if !menu.is_empty() {
            let script = asked("script", "--arch bios --host attic");
            assert!(script.starts_with("#!ipxe\n"), "{script}");
            for piece in *menu {
                assert!(script.contains(piece), "{name}: no {piece} in {script}");
            }
        }
    }
}
