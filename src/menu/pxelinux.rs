//! The menu as PXELINUX and SYSLINUX's UEFI program read it.
//!
//! A line is a word and what follows it, up to the end of the line; there are no quotes, and none are needed, for nothing
//! that is configured has a line's end in it. File names must do without spaces and commas, which part several, and
//! without colons, which have a meaning of their own there.

use super::ipxe::encoded;
use super::{ONLY_IPXE, Scene, Stanza, command_line, default, is_url, needs_ipxe, pieces, push_line, whose};
use crate::config::menu::{Entry, Kind};

/// Programs that show the entries on the screen, best first. Without them they are typed in by name.
const SCREENS: [&str; 2] = ["vesamenu.c32", "menu.c32"];
/// TIMEOUT's greatest, in tenths of a second (syslinux.txt).
const MAX_TIMEOUT: u32 = 35996;
/// What makes a disk of an image.
const MEMDISK: &str = "memdisk";

/// The configuration, for a loader that came from `folder`.
pub fn render(scene: &Scene<'_>, folder: &str) -> String {
    let (labels, there) =
        pieces(scene, &|entry| entry.name.len() + entry.title.len(), &|entry| piece(scene, folder, entry));
    let mut text = ["# The boot menu of ", &whose(scene.machine), "\n"].concat();
    let mut line = |words: &[&str]| push_line(&mut text, "", words, "\n");
    match SCREENS.iter().find(|screen| (scene.has)(&[folder, **screen].concat())) {
        Some(screen) => {
            line(&["UI ", screen]);
            line(&["MENU TITLE ", &shown(&scene.menu.title)]);
        }
        None if there.is_empty() => line(&["PROMPT 0"]),
        None => {
            line(&["SAY ", &shown(&scene.menu.title)]);
            for entry in &there {
                line(&["SAY ", &entry.name, ": ", &shown(&entry.title)]);
            }
            line(&["PROMPT 1"]);
        }
    }
    let first = default(scene.menu, &there);
    let timeout = first.map_or(scene.menu.timeout, |(_, timeout)| timeout);
    line(&["TIMEOUT ", &timeout.saturating_mul(10).min(MAX_TIMEOUT).to_string()]);
    match first {
        Some((name, _)) => line(&["DEFAULT ", name]),
        None => line(&["DEFAULT upxe-local\nLABEL upxe-local\n\tLOCALBOOT 0"]),
    }
    text.push_str(&labels);
    text
}

/// What becomes of an entry; its errors are why PXELINUX can't boot it.
fn piece(scene: &Scene<'_>, folder: &str, entry: &Entry) -> Stanza {
    if needs_ipxe(entry) {
        return Err(ONLY_IPXE);
    }
    let mut text = ["LABEL ", &entry.name, "\n\tMENU LABEL ", &shown(&entry.title), "\n"].concat();
    let mut line = |words: &[&str]| push_line(&mut text, "\t", words, "\n");
    match &entry.kind {
        Kind::Linux { kernel, initrds, append } => {
            line(&["LINUX ", &file(scene, folder, kernel)?]);
            let mut files = Vec::new();
            for initrd in initrds {
                files.push(file(scene, folder, initrd)?);
            }
            if !files.is_empty() {
                line(&["INITRD ", &files.join(",")]);
            }
            if !append.is_empty() {
                line(&["APPEND ", &command_line(scene, append)]);
            }
        }
        Kind::Memtest(program) => line(&["LINUX ", &file(scene, folder, program)?]),
        Kind::Iso(image) if (scene.has)(&[folder, MEMDISK].concat()) => {
            line(&["LINUX ", MEMDISK]);
            line(&["INITRD ", &file(scene, folder, image)?]);
            line(&["APPEND iso raw"]);
        }
        Kind::Iso(_) => return Err("it needs memdisk beside the loader, which is not there"),
        Kind::Local => line(&["LOCALBOOT 0"]),
        Kind::Wimboot { .. } | Kind::Chain(_) | Kind::Iscsi { .. } | Kind::Shell => return Err(ONLY_IPXE),
    }
    Ok(text)
}

/// A file's name. PXELINUX takes the folder that it came from for its root; `::` leads out of there. lpxelinux takes URLs.
fn file(scene: &Scene<'_>, folder: &str, name: &str) -> Stanza {
    if let Some(base) = scene.http.filter(|_| !is_url(name)) {
        return Ok([base, "/", &encoded(name.trim_start_matches('/'))].concat());
    }
    let of_a_url = |byte: u8| byte == b':' && is_url(name);
    if name.bytes().any(|byte| byte.is_ascii_whitespace() || b",:".contains(&byte) && !of_a_url(byte)) {
        return Err("PXELINUX takes no file name with a space, a comma or a colon");
    }
    let root = if folder.is_empty() || is_url(name) { "" } else { "::" };
    Ok([root, name.trim_start_matches('/')].concat())
}

/// A text that is only shown; `^` would mark a key.
fn shown(text: &str) -> String {
    text.replace('^', "")
}
