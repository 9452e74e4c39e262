//! Reading from a folder: what is missing, and what is no file.

use std::fs;
use std::path::{Path, PathBuf};

use upxe::config::files::load_from;
use upxe::config::{Overrides, uci};

use super::lines;

/// A folder of its own for a test, gone afterwards.
struct Folder(PathBuf);

impl Folder {
    fn new(test: &str) -> Self {
        let path = std::env::temp_dir().join(format!("upxe-{test}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    fn says(&self) -> (bool, Vec<String>) {
        let (config, diagnostics) = load_from(&self.0, &Overrides::default());
        let folder = format!("{}/", self.0.display());
        (config.is_some(), lines(&diagnostics).iter().map(|line| line.replace(&folder, "")).collect())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn missing_files_are_no_error() {
    let folder = Folder::new("missing");
    fs::write(folder.0.join("network"), super::LAN).unwrap();
    assert_eq!(folder.says(), (true, vec!["upxe: note: no such file: the defaults hold".to_owned()]));
    let (config, _) = load_from(Path::new("/nonexistent/folder"), &Overrides::default());
    assert!(config.is_some());
}

#[test]
fn what_is_no_file_is_an_error_and_does_not_block() {
    let folder = Folder::new("fifo");
    fs::write(folder.0.join("upxe"), "config upxe main\n").unwrap();
    let fifo = std::ffi::CString::new(folder.0.join("network").to_str().unwrap()).unwrap();
    // SAFETY: the path ends with a NUL and outlives the call.
    #[allow(unsafe_code)]
    let made = unsafe { libc::mkfifo(fifo.as_ptr(), 0o600) };
    assert_eq!(made, 0);
    fs::create_dir(folder.0.join("dhcp")).unwrap();
    let (loaded, said) = folder.says();
    assert!(!loaded);
    assert!(said.contains(&"network: cannot be read: not a regular file".to_owned()), "{said:?}");
    assert!(said.contains(&"dhcp: cannot be read: not a regular file".to_owned()), "{said:?}");
}

#[test]
fn a_large_file_is_refused() {
    let folder = Folder::new("large");
    fs::write(folder.0.join("upxe"), vec![b'#'; 2 * uci::MAX_FILE]).unwrap();
    let (loaded, said) = folder.says();
    assert!(!loaded);
    assert!(said.contains(&"upxe:1:1: found a larger file, expected at most 1 MiB".to_owned()), "{said:?}");
}
