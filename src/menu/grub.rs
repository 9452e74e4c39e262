//! The menu as GRUB reads it, with or without shim and Secure Boot.
//!
//! Everything that is configured stands in single quotes, in which GRUB's language knows no special letter but the quote
//! that ends them.

use super::{ONLY_IPXE, Scene, Stanza, command_line, default, is_url, needs_ipxe, pieces, push, push_line, whose};
use crate::config::menu::{Entry, Kind};

/// The configuration.
pub fn render(scene: &Scene<'_>) -> String {
    let (entries, there) = pieces(scene, &|_| 0, &|entry| piece(scene, entry));
    let mut text = ["# The boot menu of ", &whose(scene.machine), "\n"].concat();
    match default(scene.menu, &there) {
        Some((name, timeout)) => {
            // -1 waits for a key.
            let timeout = if timeout == 0 { "-1".to_owned() } else { timeout.to_string() };
            push(&mut text, &["set timeout=", &timeout, "\nset default=", &quoted(name), "\n", &entries]);
        }
        // The firmware goes on with its next device.
        None => push(&mut text, &[&entries, "exit\n"]),
    }
    text
}

/// What becomes of an entry; its errors are why GRUB can't boot it.
fn piece(scene: &Scene<'_>, entry: &Entry) -> Stanza {
    if needs_ipxe(entry) {
        return Err(ONLY_IPXE);
    }
    let mut text = ["menuentry ", &quoted(&entry.title), " --id ", &quoted(&entry.name), " {\n"].concat();
    let mut line = |words: &[&str]| push_line(&mut text, "\t", words, "\n");
    match &entry.kind {
        Kind::Linux { kernel, initrds, append } => {
            let words = words(&command_line(scene, append));
            line(&["linux ", &file(scene, kernel)?, &words]);
            let mut files = Vec::new();
            for initrd in initrds {
                files.push(file(scene, initrd)?);
            }
            if !files.is_empty() {
                line(&["initrd ", &files.join(" ")]);
            }
        }
        Kind::Memtest(program) | Kind::Chain(program) if program.to_ascii_lowercase().ends_with(".efi") => {
            line(&["chainloader ", &file(scene, program)?]);
        }
        Kind::Memtest(program) => line(&["linux ", &file(scene, program)?]),
        Kind::Local => line(&["exit"]),
        Kind::Chain(_) => return Err("GRUB goes on with UEFI programs only"),
        Kind::Iso(_) | Kind::Wimboot { .. } | Kind::Iscsi { .. } | Kind::Shell => return Err(ONLY_IPXE),
    }
    text.push_str("}\n");
    Ok(text)
}

/// A file in GRUB's terms, where a server is a device.
fn file(scene: &Scene<'_>, name: &str) -> Stanza {
    let whole = match scene.http {
        Some(base) if !is_url(name) => [base, "/", name.trim_start_matches('/')].concat(),
        _ if is_url(name) => name.to_owned(),
        // Beneath the root that GRUB itself came from.
        _ => return Ok(quoted(&["/", name.trim_start_matches('/')].concat())),
    };
    let rest = whole.strip_prefix("http://").ok_or("GRUB knows no URLs but those of http")?;
    let (server, path) = rest.split_once('/').unwrap_or((rest, ""));
    Ok(quoted(&["(http,", server, ")/", path].concat()))
}

/// The words of a command line, quoted each. The kernel's own quotes are taken off, for GRUB puts them back around
/// whatever has a space in it, and would escape them (lib/cmdline.c `grub_create_loader_cmdline`).
fn words(line: &str) -> String {
    let mut words = String::new();
    let (mut word, mut inside) = (String::new(), false);
    for letter in line.chars().chain([' ']) {
        match letter {
            '"' => inside = !inside,
            ' ' if !inside || word.is_empty() => {
                if !word.is_empty() {
                    push(&mut words, &[" ", &quoted(&word)]);
                    word.clear();
                }
            }
            letter => word.push(letter),
        }
    }
    // A quote that is never closed.
    if !word.is_empty() {
        push(&mut words, &[" ", &quoted(&word)]);
    }
    words
}

/// In single quotes; one that is part of the text stands outside of them, behind a backslash.
fn quoted(text: &str) -> String {
    ["'", &text.replace('\'', "'\\''"), "'"].concat()
}
