//! The boot menu: a default that isn't there, entries that look alike, that iPXE can't boot, or whose files are missing.

use std::net::Ipv4Addr;

use super::{Remarks, Script};
use crate::config::BootMenu;
use crate::config::diagnostic::Mend;
use crate::config::menu::Kind;
use crate::config::rules::{Origin, Rules};
use crate::menu::template::{self, Also};
use crate::menu::{Machine, SCRIPT, Scene, ipxe};
use crate::proxy::BootFiles;
use crate::proxy::select::is_url;

/// What is odd about the menu, whether its files are there or not.
pub(super) fn odd(menu: &BootMenu, out: &mut Remarks) {
    let entries = &menu.entries;
    if let Some((name, origin)) = &menu.default
        && !entries.iter().any(|entry| entry.name == *name)
    {
        let what =
            format_args!("no entry is called '{name}': nothing is booted by itself but an entry for the local disk");
        out.warn(origin, "option default", what);
    }
    // One for all that can be had; files by HTTP are another matter, which the configuration of it looks after.
    let machine = Machine::default();
    let http = Some("http://192.168.1.1");
    let scene = Scene { menu, machine: &machine, router: Ipv4Addr::UNSPECIFIED, http, has: &|_| true };
    for (at, entry) in entries.iter().enumerate() {
        let subject = format!("entry '{}'", entry.name);
        if let Err(why) = ipxe::piece(&scene, entry) {
            out.warn(&entry.origin, &subject, format_args!("is left out of the menu: {why}"));
        }
        if let Kind::Linux { append, .. } = &entry.kind {
            for (_, words) in template::unknown(append, Also::Nothing) {
                out.warn(&entry.origin, &subject, format_args!("option append: {words}"));
            }
        }
        let mut before = entries.iter().take(at);
        if let Some(other) = before.find(|other| other.title == entry.title && other.whom == entry.whom) {
            let place = &other.origin;
            out.warn(&entry.origin, &subject, format_args!("has the title of {place}: nobody can tell them apart"));
        }
    }
}

/// What is odd about the scripts beside it.
pub(super) fn scripts(rules: &Rules, scripts: &[Script], out: &mut Remarks) {
    for Script { path, text, comes_first } in scripts {
        let origin = |line| Origin { file: path.as_str().into(), line };
        if path.ends_with(template::ENDING) {
            for (line, words) in template::unknown(text, Also::Ipxe) {
                out.warn(&origin(line), "", format_args!("{words}"));
            }
        }
        let leads_on = [SCRIPT, "menu/"].iter().any(|name| text.contains(name));
        if *comes_first && rules.script.is_none() && !rules.menu.entries.is_empty() && !leads_on {
            let what = format_args!("iPXE gets this before the menu: chain {SCRIPT} from it, or take it away");
            out.note(&origin(0), "", what);
        }
    }
}

/// Files of entries that shall be under the TFTP root.
pub(super) fn wanted(rules: &Rules) -> Vec<(Origin, String)> {
    let mut wanted = Vec::new();
    for entry in &rules.menu.entries {
        for file in entry.kind.files() {
            if !is_url(&file) {
                wanted.push((entry.origin.clone(), file));
            }
        }
    }
    wanted
}

/// Those that aren't there.
pub(super) fn missing(rules: &Rules, files: &dyn BootFiles, out: &mut Remarks) {
    for (origin, file) in wanted(rules) {
        if !files.has(&file) {
            let what = format_args!("is not under the TFTP root, or not readable by everybody; put it there");
            out.mend(Mend::Copy(file.clone())).warn(&origin, &format!("file '{file}'"), what);
        }
    }
}
