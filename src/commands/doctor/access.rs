//! Whether the service's user gets at the files that are to be served.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::{Findings, Patient, shell_word};
use crate::commands::check::lint::boot;
use crate::commands::check::{mend, option_place};
use crate::config::files::package;
use crate::config::options::upxe::SCRIPT;
use crate::proxy::BootFiles;
use crate::sys::privileges::{Account, account};

/// Files of the folder that are looked at.
const MAX_FILES: usize = 200;
/// Unreadable ones that are told of.
const MAX_TOLD: usize = 5;

/// The permission to look something up in a folder, and to read.
const SEARCH: u32 = 1;
const READ: u32 = 4;

/// The folder of boot files, those that rules name, and those that lie there.
pub fn examine(patient: &Patient<'_>, found: &mut Findings) {
    let config = patient.config;
    let root = &config.tftp.root;
    let shown = root.to_string_lossy();
    let word = shell_word(&shown);
    let user = match account(&config.user) {
        _ if config.user == "root" => None,
        Ok(Some(account)) => Some(account),
        _ => {
            let why = "upxe goes on as root then, which works and is less safe.";
            found.note("no-user", format_args!("there is no user '{}'", config.user), why);
            None
        }
    };
    match root.metadata() {
        Ok(metadata) if metadata.is_dir() => {}
        Ok(_) => {
            let why = "Only files of this folder are offered, and it is none.";
            found.error("root-missing", format_args!("the TFTP root {shown} is not a folder"), why);
            return;
        }
        Err(error) => {
            let why = "Only files of this folder are offered, so there is nothing to boot.";
            let what = format_args!("the TFTP root {shown}: {error}");
            found.error("root-missing", what, why);
            if error.kind() == io::ErrorKind::NotFound {
                found.mend(format_args!("mkdir -p {word}"));
            }
            return;
        }
    }
    if let Some((barrier, mode)) = user.and_then(|user| barred(root, user, SEARCH)) {
        let barrier = barrier.to_string_lossy();
        let why = "upxe gives up root once it is started, and then finds no file.";
        let what = format_args!("user {} may not enter {barrier}", config.user);
        found.error("root-unreadable", what, why).mend(format_args!("chmod o+{mode} {}", shell_word(&barrier)));
        return;
    }
    named_files(patient, user, found);
    lying_files(patient, user, found);
}

/// Files that rules name: missing, or not readable.
fn named_files(patient: &Patient<'_>, user: Option<Account>, found: &mut Findings) {
    let (config, root) = (patient.config, &patient.config.tftp.root);
    let script = boot::wanted_script(&config.rules).map(|script| (None, script.to_owned()));
    let named = boot::wanted(&config.rules).into_iter().map(|(origin, file)| (Some(origin), file));
    for (origin, file) in named.chain(script) {
        let path = root.join(file.trim_start_matches('/'));
        if path.exists() {
            let Some(file) = unreadable(patient, user, &path) else { continue };
            file.tell(found);
        } else if patient.files.has(&file) {
            // By another spelling, or a name that stands in for it.
            continue;
        } else {
            let why =
                "A boot rule that names a missing file is passed over; a menu entry is shown all the same, and fails.";
            let what = format_args!("there is no {file} in the TFTP root {}", root.display());
            found.warning("file-missing", what, why).mend(format_args!("{}", mend::copy(config, &file)));
        }
        match origin {
            Some(origin) => found.at(&origin),
            None => found.at(&option_place(&package(patient.confdir, "upxe"), SCRIPT.name)),
        };
    }
}

/// Files that lie in the folder, and can't be read by whom they are for.
fn lying_files(patient: &Patient<'_>, user: Option<Account>, found: &mut Findings) {
    let Ok(entries) = patient.config.tftp.root.read_dir() else { return };
    let files = entries.flatten().take(MAX_FILES).map(|entry| entry.path()).filter(|path| path.is_file());
    let mut is_empty = true;
    let mut told = 0;
    for path in files {
        is_empty = false;
        let Some(file) = unreadable(patient, user, &path).filter(|_| told < MAX_TOLD) else { continue };
        if !found.0.iter().any(|known| known.mend.as_ref() == Some(&file.mend)) {
            told += 1;
            file.tell(found);
        }
    }
    let rules = &patient.config.rules;
    if is_empty && rules.boots.is_empty() && rules.services.is_empty() && rules.script.is_none() {
        let what = format_args!("there is no file in the TFTP root {}", patient.config.tftp.root.display());
        let why = "Without rules and without files nobody is offered anything. Put the boot files there: README, \"Files that \
                   need no rule\", has their names.";
        found.warning("root-empty", what, why);
    }
}

/// A file that the service may not send, and what mends that.
struct Unreadable {
    what: String,
    mend: String,
}

impl Unreadable {
    fn tell(&self, found: &mut Findings) {
        let why = "upxe sends no file that not everybody may read: TFTP knows no password.";
        found.warning("file-unreadable", format_args!("{}", self.what), why).mend(format_args!("{}", self.mend));
    }
}

fn unreadable(patient: &Patient<'_>, user: Option<Account>, path: &Path) -> Option<Unreadable> {
    let real = path.canonicalize().ok()?;
    // Root reads everything, and so asks what others may.
    let user = user.unwrap_or(Account { uid: u32::MAX, gid: u32::MAX });
    let (barrier, mode) = if patient.config.user == "root" {
        let readable = real.metadata().is_ok_and(|metadata| metadata.mode() & READ != 0);
        if readable {
            return None;
        }
        (real, "r")
    } else {
        barred(&real, user, READ)?
    };
    let whom = if patient.config.user == "root" { "everybody" } else { &patient.config.user };
    let what = format!("{} may not be read by {whom}", path.display());
    Some(Unreadable { what, mend: format!("chmod o+{mode} {}", shell_word(&barrier.to_string_lossy())) })
}

/// The first place on the way from / to `path` that keeps this user from it, and the permission that it lacks there.
pub fn barred(path: &Path, user: Account, wanted: u32) -> Option<(PathBuf, &'static str)> {
    let real = path.canonicalize().ok()?;
    let way: Vec<&Path> = real.ancestors().collect();
    for place in way.into_iter().rev() {
        let wanted = if place == real { wanted } else { SEARCH };
        let Ok(metadata) = place.metadata() else { break };
        let shift = match user {
            _ if metadata.uid() == user.uid => 6,
            _ if metadata.gid() == user.gid => 3,
            _ => 0,
        };
        if metadata.mode() >> shift & wanted == 0 {
            return Some((place.to_owned(), if wanted == READ { "r" } else { "x" }));
        }
    }
    None
}
