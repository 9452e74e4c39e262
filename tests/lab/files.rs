//! Where the lab's files are: what `tests/setup` unpacked, the TFTP folders made of it, and the traces of each run.

use std::fs;
use std::path::{Path, PathBuf};

use crate::initramfs;

/// Debian's name of a processor architecture.
#[derive(Clone, Copy)]
pub enum Arch {
    Amd64,
    Arm64,
}

impl Arch {
    fn name(self) -> &'static str {
        match self {
            Arch::Amd64 => "amd64",
            Arch::Arm64 => "arm64",
        }
    }
}

fn lab() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("target/lab")
}

/// A file of a Debian package, by the path it would be installed at.
pub fn packaged(arch: Arch, path: &str) -> PathBuf {
    let root = lab().join("packages").join(arch.name());
    assert!(root.join("complete").exists(), "{} is not there: please run tests/setup", root.display());
    let path = root.join(path);
    assert!(path.exists(), "{} is not there: please remove {} and run tests/setup", path.display(), root.display());
    path
}

/// Debian's kernel; its file name ends in a version.
fn kernel(arch: Arch) -> PathBuf {
    let entries = fs::read_dir(packaged(arch, "boot")).unwrap().flatten();
    let mut kernels = entries.map(|entry| entry.path()).filter(|path| path.to_string_lossy().contains("/vmlinuz-"));
    kernels.next().expect("the kernel's package has no vmlinuz")
}

/// The folder that keeps what happened in the run `name`: logs, packets, configuration, TFTP folder. Emptied first.
pub fn run_folder(name: &str) -> PathBuf {
    let folder = lab().join("runs").join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    folder
}

pub fn write(path: &Path, text: &str) {
    fs::write(path, text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
}

/// The folder that upxe serves.
pub struct TftpRoot {
    pub path: PathBuf,
}

impl TftpRoot {
    pub fn new(run: &Path) -> TftpRoot {
        TftpRoot::named(run, "tftp")
    }

    /// A folder that another server of the same run serves.
    pub fn named(run: &Path, name: &str) -> TftpRoot {
        let path = run.join(name);
        fs::create_dir_all(&path).unwrap();
        TftpRoot { path }
    }

    /// A text file, for instance a boot loader's configuration.
    pub fn text(self, name: &str, text: &str) -> TftpRoot {
        write(&self.place(name), text);
        self
    }

    /// A file of one of Debian's packages under another name.
    pub fn packaged(self, name: &str, arch: Arch, source: &str) -> TftpRoot {
        self.copy(name, &packaged(arch, source))
    }

    /// `vmlinuz` and `initrd`.
    pub fn linux(self, arch: Arch) -> TftpRoot {
        initramfs::write(&packaged(arch, "bin/busybox"), None, &self.path.join("initrd"));
        self.copy("vmlinuz", &kernel(arch))
    }

    /// A kernel and an initramfs under other names, for boot loaders that give the kernel no word of ours.
    pub fn linux_as(self, kernel_name: &str, initrd: &str, token: &str) -> TftpRoot {
        initramfs::write(&packaged(Arch::Amd64, "bin/busybox"), Some(token), &self.place(initrd));
        self.copy(kernel_name, &kernel(Arch::Amd64))
    }

    fn copy(self, name: &str, source: &Path) -> TftpRoot {
        fs::copy(source, self.place(name)).unwrap_or_else(|e| panic!("{}: {e}", source.display()));
        self
    }

    fn place(&self, name: &str) -> PathBuf {
        let path = self.path.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        path
    }
}
