//! Reads the configuration's files: the only place of this folder that touches the file system.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::diagnostic::{Diagnostic, Severity};
use super::dnsmasq::files::ConfFiles;
use super::load::{Source, Sources, UHTTPD, load};
use super::{Config, Origin, Overrides, uci};

/// Where OpenWrt keeps its configuration.
pub const CONFDIR: &str = "/etc/config";
/// A file here stands in for the one of the same name in [`CONFDIR`] (libuci uci.h `UCI_CONF2DIR`, since 2025).
const OVERRIDE_DIR: &str = "/var/run/uci";
const HOSTS: &str = "/etc/hosts";
/// What dnsmasq reads before anything that OpenWrt tells it.
const DNSMASQ_CONF: &str = "/etc/dnsmasq.conf";

/// The files and folders that dnsmasq.conf names, and is read from itself; those that were asked for.
#[derive(Default)]
struct Disk {
    asked: Vec<PathBuf>,
}

impl ConfFiles for Disk {
    fn read(&mut self, path: &str) -> Result<Vec<u8>, String> {
        self.asked.push(path.into());
        match read_bounded(Path::new(path))? {
            Some(text) if text.len() > uci::MAX_FILE => Err("larger than upxe reads (1 MiB)".to_owned()),
            Some(text) => Ok(text),
            None => Err("no such file".to_owned()),
        }
    }

    fn list(&mut self, folder: &str) -> Result<Vec<String>, String> {
        let entries = fs::read_dir(folder).map_err(unreadable)?;
        self.asked.push(folder.into());
        let mut names = Vec::new();
        for entry in entries.flatten().take(MAX_ENTRIES) {
            if entry.path().is_file()
                && let Ok(name) = entry.file_name().into_string()
            {
                names.push(name);
            }
        }
        Ok(names)
    }
}

/// Entries of a folder that are looked at; dnsmasq's have a handful.
const MAX_ENTRIES: usize = 1000;

/// Reads and checks the configuration under `confdir`; there is one unless a diagnostic is an error.
pub fn load_from(confdir: &Path, overrides: &Overrides) -> (Option<Config>, Vec<Diagnostic>) {
    let mut unread = Vec::new();
    let mut read = |path: PathBuf| {
        let name: Rc<str> = path.to_string_lossy().into();
        let text = read_bounded(&path).unwrap_or_else(|why| {
            let origin = Origin { file: name.clone(), line: 0 };
            unread.push(Diagnostic::text(Severity::Error, origin, "", &[&why]));
            Some(Vec::new())
        });
        Source { name, text }
    };
    let sources = Sources {
        upxe: read(place(confdir, "upxe")),
        dhcp: read(place(confdir, "dhcp")),
        network: read(place(confdir, "network")),
        hosts: read(HOSTS.into()),
        conf_file: (confdir == Path::new(CONFDIR) && Path::new(DNSMASQ_CONF).exists()).then(|| DNSMASQ_CONF.to_owned()),
        uhttpd: Path::new(UHTTPD).exists(),
    };
    let mut disk = Disk::default();
    let (mut config, diagnostics) = load(&sources, overrides, &mut disk);
    if let Some(config) = &mut config {
        disk.asked.extend([confdir.to_owned(), HOSTS.into()]);
        if confdir == Path::new(CONFDIR) {
            disk.asked.push(DNSMASQ_CONF.into());
            disk.asked.extend(Path::new(OVERRIDE_DIR).is_dir().then(|| OVERRIDE_DIR.into()));
        }
        config.read_from = disk.asked;
    }
    if unread.is_empty() {
        return (config, diagnostics);
    }
    unread.extend(diagnostics);
    (None, unread)
}

/// One file under `confdir`, with the path that it was read from, as far as it can be read; for a look at what belongs to
/// others.
pub fn package(confdir: &Path, name: &str) -> (Rc<str>, uci::Package) {
    let path = place(confdir, name);
    let text = read_bounded(&path).ok().flatten().unwrap_or_default();
    (path.to_string_lossy().into(), uci::parse(&text).0)
}

/// Which file of that name counts.
fn place(confdir: &Path, name: &str) -> PathBuf {
    let instead = Path::new(OVERRIDE_DIR).join(name);
    if confdir == Path::new(CONFDIR) && instead.exists() { instead } else { confdir.join(name) }
}

/// A regular file's contents, one byte past the limit at most; `None` when there is no such file. A FIFO, a device or a
/// folder in its place is an error, in words, and does not block.
fn read_bounded(path: &Path) -> Result<Option<Vec<u8>>, String> {
    let opened = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path);
    let file: File = match opened {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unreadable(error)),
    };
    if !file.metadata().map_err(unreadable)?.is_file() {
        return Err("cannot be read: not a regular file".to_owned());
    }
    read_all(file, uci::MAX_FILE + 1).map(Some).map_err(unreadable)
}

fn unreadable(error: io::Error) -> String {
    ["cannot be read: ", &error.to_string()].concat()
}

/// All that comes from `source`, `most` bytes of it; from a socket too, once it is a [`File`], so that the standard library's
/// loop stands in the program once and not for each kind of source: 4 KB. Where there is no memory for it, that is an error.
///
/// # Errors
/// Those of reading.
pub fn read_all(source: File, most: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    source.take(most as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// A file's contents, `most` bytes of them.
///
/// # Errors
/// Those of the file system.
pub fn read(path: &Path, most: usize) -> io::Result<Vec<u8>> {
    read_all(File::open(path)?, most)
}
