//! The boot menu: a default that isn't there, entries that look alike, that iPXE can't boot, or whose files are missing.

use std::net::Ipv4Addr;

use super::Remarks;
use crate::config::BootMenu;
use crate::config::rules::{Origin, Rules};
use crate::menu::{Machine, Scene, ipxe};
use crate::proxy::BootFiles;
use crate::proxy::select::is_url;

/// What is odd about the menu, whether its files are there or not.
pub(super) fn odd(menu: &BootMenu, out: &mut Remarks) {
    let entries = &menu.entries;
    if let Some((name, origin)) = &menu.default
        && !entries.iter().any(|entry| entry.name == *name)
    {
        let first = entries.first().map_or("nothing", |entry| entry.name.as_str());
        let parts = &["no entry is called '", name, "': ", first, " is booted instead"];
        out.warn(origin, "option default", parts);
    }
    // One for all that can be had; files by HTTP are another matter, which the configuration of it looks after.
    let machine = Machine::default();
    let http = Some("http://192.168.1.1");
    let scene = Scene { menu, machine: &machine, router: Ipv4Addr::UNSPECIFIED, http, has: &|_| true };
    for (at, entry) in entries.iter().enumerate() {
        let subject = ["entry '", &entry.name, "'"].concat();
        if let Err(why) = ipxe::piece(&scene, entry) {
            out.warn(&entry.origin, &subject, &["is left out of the menu: ", why]);
        }
        let mut before = entries.iter().take(at);
        if let Some(other) = before.find(|other| other.title == entry.title && other.whom == entry.whom) {
            let place = other.origin.to_string();
            out.warn(&entry.origin, &subject, &["has the title of ", &place, ": nobody can tell them apart"]);
        }
    }
}

/// Files of entries that shall be under the TFTP root.
pub(super) fn wanted(rules: &Rules) -> impl Iterator<Item = (&Origin, &str)> {
    let files =
        rules.menu.entries.iter().flat_map(|entry| entry.action.files().into_iter().map(|it| (&entry.origin, it)));
    files.filter(|(_, file)| !is_url(file))
}

/// Those that aren't there.
pub(super) fn missing(rules: &Rules, files: &dyn BootFiles, out: &mut Remarks) {
    for (origin, file) in wanted(rules).filter(|(_, file)| !files.has(file)) {
        let parts = &["is not under the TFTP root, or not readable by everybody; put it there"];
        out.warn(origin, &["file '", file, "'"].concat(), parts);
    }
}
