//! Rules that overwrite each other, files that aren't there, names that are too long.

use super::{Remarks, follows, menu, named, option_text, service_files};
use crate::config::diagnostic::Mend;
use crate::config::rules::{Boot, Origin, Place, Rules};
use crate::proxy::BootFiles;
use crate::proxy::architecture::is_ipxe_binary;
use crate::proxy::select::is_url;

/// RFC 2131 §2: the header's `file` field with a NUL behind the name.
const MAX_FILE: usize = 127;

/// True when the file is served from here, as far as the configuration tells.
fn is_ours(boot: &Boot) -> bool {
    boot.server.is_none() && !boot.file.is_empty() && !is_url(&boot.file)
}

/// True when `later` is of use to every client to whom `earlier` is: a URL is not for ROMs, and iPXE not for iPXE, which get
/// the earlier one then.
fn serves_all_of(later: &Boot, earlier: &Boot, files: &dyn BootFiles) -> bool {
    let kind = |boot: &Boot| (is_url(&boot.file), is_ipxe_binary(&boot.file));
    let there = !is_ours(later) || files.has(&later.file);
    there
        && (later.file.is_empty()
            || kind(later) == kind(earlier)
            || kind(later) == (false, false) && !is_url(&earlier.file))
}

/// Boot lines that a later one takes every client from.
pub(super) fn overwritten(rules: &Rules, files: &dyn BootFiles, out: &mut Remarks) {
    for (at, earlier) in rules.boots.iter().enumerate() {
        let mut later = rules.boots.iter().skip(at + 1);
        let winner = later.find(|later| {
            let same_rank = later.when.is_empty() == earlier.when.is_empty();
            same_rank && follows(&earlier.when, &later.when) && serves_all_of(later, earlier, files)
        });
        let Some(winner) = winner else { continue };
        let (subject, place) = (named(&earlier.file), &winner.origin);
        if winner.when.len() == earlier.when.len() {
            let tags = if earlier.when.is_empty() { "without tags" } else { "with the same tags" };
            let what = format_args!(
                "overwritten by {place}: of several boot lines {tags} the last one counts; give each a tag of its own (a \
                 dhcp-match of option:client-arch tells architectures apart), or take one out"
            );
            out.mend(Mend::TakeOut).warn(&earlier.origin, &subject, what);
        } else {
            let what =
                format_args!("can never win: {place} holds for all its clients and comes later; put that one first");
            out.warn(&earlier.origin, &subject, what);
        }
    }
}

/// Plain options that a later line for the same code takes every client from.
pub(super) fn options_overwritten(rules: &Rules, out: &mut Remarks) {
    for (at, earlier) in rules.options.iter().enumerate() {
        let Place::Plain(code) = earlier.place else { continue };
        let mut later = rules.options.iter().skip(at + 1).filter(|later| later.place == earlier.place);
        let winner =
            later.find(|later| later.when.is_empty() == earlier.when.is_empty() && follows(&earlier.when, &later.when));
        if let Some(winner) = winner {
            let subject = format!("option {code}");
            let what = format_args!("never sent: {} sets it for the same clients, and comes later", winner.origin);
            out.mend(Mend::TakeOut).warn(&earlier.origin, &subject, what);
        }
    }
}

/// Names that don't fit their field. Boot lines are held to it when they are read; an option isn't.
pub(super) fn too_long(rules: &Rules, out: &mut Remarks) {
    for option in &rules.options {
        if let Some(file) = option_text(option).filter(|file| file.len() > MAX_FILE) {
            let what = format_args!(
                "is {} bytes long, and cut to the 127 that the header's field holds; shorten it",
                file.len()
            );
            out.warn(&option.origin, "option 67", what);
        }
    }
}

/// Files that the rules and the menu want to be under the TFTP root.
pub fn wanted(rules: &Rules) -> Vec<(Origin, String)> {
    let mut wanted = wanted_by_lines(rules);
    wanted.extend(menu::wanted(rules));
    wanted
}

fn wanted_by_lines(rules: &Rules) -> Vec<(Origin, String)> {
    let mut wanted = Vec::new();
    let mut add = |origin: &Origin, file: &str| {
        let file = file.trim_end_matches('\0');
        if !file.is_empty() && !is_url(file) {
            wanted.push((origin.clone(), file.to_owned()));
        }
    };
    for boot in rules.boots.iter().filter(|boot| is_ours(boot)) {
        add(&boot.origin, &boot.file);
    }
    for (service, file) in service_files(rules) {
        if service.server.is_none() {
            add(&service.origin, &file);
        }
    }
    for option in &rules.options {
        if let Some(file) = option_text(option).filter(|file| file.len() <= MAX_FILE) {
            add(&option.origin, file);
        }
    }
    wanted
}

/// `option script`, if it names a file that shall be under the TFTP root.
pub fn wanted_script(rules: &Rules) -> Option<&str> {
    rules.script.as_deref().filter(|script| !is_url(script))
}

/// Files that the rules name and the TFTP root lacks.
pub(super) fn missing(rules: &Rules, files: &dyn BootFiles, out: &mut Remarks) {
    for (origin, file) in wanted_by_lines(rules) {
        if !files.has(&file) {
            let what = format_args!(
                "is not under the TFTP root, or not readable by everybody: it is passed over; put it there"
            );
            out.mend(Mend::Copy(file.clone())).warn(&origin, &named(&file), what);
        }
    }
    if let Some(script) = wanted_script(rules).filter(|script| !files.has(script)) {
        let origin = Origin { file: "upxe".into(), line: 0 };
        let subject = format!("option script '{script}'");
        let what = format_args!("is not under the TFTP root, or not readable by everybody; put it there");
        out.mend(Mend::Copy(script.to_owned())).warn(&origin, &subject, what);
    }
}
