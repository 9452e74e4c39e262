//! What the service can still do once it runs, should somebody else take it over: as little as the kernel can enforce.
//! Nothing of it can be taken back, so what a reload or a USB stick may bring has to be foreseen here.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use log::{info, warn};

use super::Daemon;
use crate::config::Config;
use crate::sys::privileges::{self, LOW_PORTS, PACKETS, Powers, READ_ALL};
use crate::sys::{landlock, seccomp};

/// What is left to the service.
#[derive(Debug, Default)]
pub struct Guard {
    powers: Powers,
    /// The folders and files that can be read; `None`: every one that its user may.
    readable: Option<Vec<PathBuf>>,
}

impl Guard {
    /// Says which folders of a new configuration cannot be read.
    fn remark(&self, config: &Config) {
        let Some(readable) = &self.readable else { return };
        for folder in folders(config) {
            let home = home(folder);
            if !readable.iter().any(|known| home.starts_with(known)) {
                let folder = folder.display();
                warn!("{folder} is beyond what upxe may read since it was started: start it anew to serve files there");
            }
        }
    }
}

impl Daemon {
    /// Gives up all that serving doesn't need, as far as the kernel knows how; says in one line what came of it. The
    /// user is who it shall be already.
    pub fn confine(&mut self) {
        let user = privileges::user();
        // Who stays root can be told to read anything again.
        let keep = if user == 0 { PACKETS | LOW_PORTS | READ_ALL } else { PACKETS | LOW_PORTS };
        self.guard.powers = privileges::limit(keep).unwrap_or(Powers::MAX);
        self.drop_spent_powers();
        let mut files = String::from("files: what this user may read");
        let mut calls = "not filtered";
        if privileges::no_new_privileges().is_ok() {
            let readable = readable(&self.config, user == 0);
            let landlock = landlock::read_only(&readable);
            if landlock.is_ok() {
                files = "files: read only, beneath".to_owned();
                for place in &readable {
                    files.push(' ');
                    files.push_str(&place.to_string_lossy());
                }
                self.guard.readable = Some(readable);
            }
            if seccomp::install(landlock.is_ok()).is_ok() {
                calls = "filtered";
            }
        }
        let powers = match self.guard.powers {
            0 => "no powers",
            PACKETS => "power: raw packets",
            Powers::MAX => "all powers",
            kept if kept & READ_ALL != 0 => "powers: raw packets, low ports, reading",
            _ => "powers: raw packets, low ports",
        };
        info!("confined: user {user}; {powers}; system calls: {calls}; {files}");
    }

    /// Once port 69 is held, no other low port is wanted. Who lets go of it at a reload can't have it again, but for root.
    pub(super) fn drop_spent_powers(&mut self) {
        let Guard { powers, .. } = &mut self.guard;
        if *powers & (LOW_PORTS | READ_ALL) == LOW_PORTS
            && self.tftp.listener().is_some()
            && let Ok(kept) = privileges::limit(*powers & !LOW_PORTS)
        {
            *powers = kept;
        }
    }

    /// Says what of a configuration that was read again can't be had.
    pub(super) fn remark_on_reach(&self) {
        self.guard.remark(&self.config);
    }

    /// What to add where a configuration that was read again cannot be used.
    pub(super) fn reach_hint(&self) -> &'static str {
        match self.guard.readable {
            Some(_) => "; files in folders that it named for the first time are read when upxe is started anew",
            None => "",
        }
    }
}

/// The folders of boot files.
fn folders(config: &Config) -> impl Iterator<Item = &PathBuf> {
    std::iter::once(&config.tftp.root).chain(&config.tftp.allow)
}

/// What has to be read as long as the service runs: boot files, and the configuration, for reloads.
fn readable(config: &Config, is_root: bool) -> Vec<PathBuf> {
    let mut readable = Vec::new();
    let mut add = |path: PathBuf| {
        if !readable.iter().any(|known: &PathBuf| path.starts_with(known)) {
            readable.push(path);
        }
    };
    for folder in folders(config) {
        add(home(folder));
    }
    for path in &config.read_from {
        let real = path.canonicalize();
        for path in real.as_ref().ok().into_iter().chain([path]) {
            add(if path.is_dir() { path.clone() } else { neighbourhood(path, is_root).to_owned() });
        }
    }
    readable
}

/// The folder of a configuration file, since a file that is replaced is another one; only the file where the folder holds
/// what is nobody's business: root could read passwords in /etc, which others can't.
fn neighbourhood(file: &Path, is_root: bool) -> &Path {
    match file.parent() {
        Some(folder) if folder.parent().is_some() && !(is_root && folder == Path::new("/etc")) => folder,
        _ => file,
    }
}

/// The folder beneath which boot files may be read so that `folder` can be replaced, a USB stick be mounted there or anywhere
/// on the way to it, or be pulled and plugged again: Landlock goes by what a folder is at the start, and never by what
/// another is mounted on. Only what is mounted straight beneath `/` is taken to stay.
fn home(folder: &Path) -> PathBuf {
    let existing = folder.ancestors().find_map(|above| {
        let rest = folder.strip_prefix(above).ok()?;
        Some(above.canonicalize().ok()?.join(rest))
    });
    let whole = existing.unwrap_or_else(|| folder.to_owned());
    let mut steps: Vec<&Path> = whole.ancestors().collect();
    steps.reverse();
    let Some(&first) = steps.get(1) else { return whole };
    if device(first).is_none() {
        return "/".into();
    }
    let mut above = first;
    let mut further = first;
    for &step in steps.iter().skip(2) {
        match device(step) {
            // What is missing may be on what will be mounted where its folder is.
            None => return further.to_owned(),
            // Something is mounted there now.
            there if there != device(above) => return above.to_owned(),
            Some(_) => (further, above) = (above, step),
        }
    }
    match whole.parent() {
        Some(above) if above.parent().is_some() => above.to_owned(),
        _ => whole,
    }
}

/// The number of the file system that `path` is on.
fn device(path: &Path) -> Option<u64> {
    fs::metadata(path).ok().map(|metadata| metadata.dev())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boot_files_are_read_from_where_their_folder_may_come_again() {
        let base = std::env::temp_dir().canonicalize().unwrap().join(format!("upxe-home-{}", std::process::id()));
        let folder = base.join("stick/boot");
        fs::create_dir_all(&folder).unwrap();
        std::os::unix::fs::symlink(&folder, base.join("link")).unwrap();
        assert_eq!(home(&folder), base.join("stick"), "it may be replaced");
        assert_eq!(home(&base.join("link")), base.join("stick"));
        assert_eq!(home(&base.join("none/boot/files")), base.parent().unwrap(), "it may be mounted");
        assert_eq!(home(Path::new("/proc/sys/kernel")), Path::new("/proc/sys"), "what is straight beneath / stays");
        assert_eq!(home(Path::new("/proc")), Path::new("/proc"));
        assert_eq!(home(Path::new("/no-such-folder")), Path::new("/"));
        assert_eq!(home(Path::new("/no-such-folder/boot")), Path::new("/"));
        assert_eq!(home(Path::new("/")), Path::new("/"));
        fs::remove_dir_all(base).unwrap();
    }

    #[test]
    fn configuration_is_read_from_its_folder_and_secrets_are_not() {
        let of = |file: &'static str, is_root| neighbourhood(Path::new(file), is_root);
        assert_eq!(of("/etc/hosts", false), Path::new("/etc"));
        assert_eq!(of("/etc/hosts", true), Path::new("/etc/hosts"));
        assert_eq!(of("/etc/dnsmasq.d/pxe.conf", true), Path::new("/etc/dnsmasq.d"));
        assert_eq!(of("/pxe.conf", false), Path::new("/pxe.conf"));
    }
}
