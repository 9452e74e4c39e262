//! What the package is made of, whatever its format.

use std::path::Path;

use sha2::{Digest, Sha256};

use crate::Result;

/// A package without its architecture.
#[derive(Clone)]
pub struct Package {
    pub name: &'static str,
    /// `1.2.3-r1`, which opkg and apk both understand.
    pub version: String,
    pub summary: &'static str,
    pub description: &'static str,
    pub license: &'static str,
    pub section: &'static str,
    /// Packages that must be there.
    pub depends: &'static [&'static str],
    /// `name=uid:group=gid`: whom the installation creates, if anybody.
    pub user: Option<String>,
    /// What the shell does on the router once the files are there, besides what OpenWrt's functions do.
    pub installed: &'static str,
    /// Sorted by path.
    pub files: Vec<File>,
    /// Paths of those files that the user changes; they outlive upgrades.
    pub conffiles: &'static [&'static str],
    /// The time that all files carry, in seconds since 1970.
    pub time: u64,
}

/// A file to be installed.
#[derive(Clone)]
pub struct File {
    /// Without the slash in front.
    pub path: String,
    pub mode: u32,
    pub bytes: Vec<u8>,
}

const MAKEFILE: &str = "openwrt/upxe/Makefile";
const PROGRAM: &str = "usr/sbin/upxe";

/// Where each file of the package comes from, and what it may be used for. Makefile's install section is the same list.
const FILES: &[(&str, &str, u32)] = &[
    ("etc/capabilities/upxe.json", "openwrt/upxe/files/upxe.capabilities", 0o644),
    ("etc/config/upxe", "uci/upxe", 0o600),
    ("etc/init.d/upxe", "openwrt/upxe/files/upxe.init", 0o755),
    ("etc/uci-defaults/80-upxe", "openwrt/upxe/files/upxe.defaults", 0o755),
    ("lib/upgrade/keep.d/upxe", "openwrt/upxe/files/upxe.keep", 0o644),
];

/// The package around `program`.
pub fn upxe(root: &Path, program: Vec<u8>) -> Result<Package> {
    let mut files = vec![File { path: PROGRAM.into(), mode: 0o755, bytes: program }];
    for &(path, source, mode) in FILES {
        files.push(File { path: path.into(), mode, bytes: read(root, source)? });
    }
    files.sort_by(|left, right| left.path.cmp(&right.path));
    Ok(Package {
        name: "upxe",
        version: version(root, MAKEFILE, time())?,
        summary: "Network boot beside dnsmasq",
        description: "proxyDHCP, PXE boot server and read-only TFTP server that run beside the router's dnsmasq.",
        license: "MIT",
        section: "net",
        depends: &[],
        user: Some(of_makefile(root, MAKEFILE, "USERID")?),
        installed: "",
        files,
        conffiles: &["/etc/config/upxe"],
        time: time(),
    })
}

/// A file of the repository.
pub fn read(root: &Path, path: &str) -> Result<Vec<u8>> {
    Ok(std::fs::read(root.join(path)).map_err(|error| format!("{}: {error}", root.join(path).display()))?)
}

/// What a Makefile sets a variable to.
pub fn of_makefile(root: &Path, makefile: &str, name: &str) -> Result<String> {
    let text = String::from_utf8(read(root, makefile)?)?;
    let value = text.lines().find_map(|line| line.trim().strip_prefix(name)?.strip_prefix(":="));
    Ok(value.ok_or_else(|| format!("{makefile} does not set {name}"))?.to_owned())
}

/// The Makefile's version, with the time for a release where it is known, so that opkg and apk take a later commit's
/// package for the newer one.
pub fn version(root: &Path, makefile: &str, time: u64) -> Result<String> {
    let release = match time {
        0 => of_makefile(root, makefile, "PKG_RELEASE")?,
        time => time.to_string(),
    };
    Ok(format!("{}-r{release}", of_makefile(root, makefile, "PKG_VERSION")?))
}

/// The time that all files carry: `SOURCE_DATE_EPOCH`.
pub fn time() -> u64 {
    std::env::var("SOURCE_DATE_EPOCH").ok().and_then(|text| text.parse().ok()).unwrap_or(0)
}

impl Package {
    pub fn ipk_name(&self, architecture: &str) -> String {
        format!("{}_{}_{architecture}.ipk", self.name, self.version)
    }

    pub fn apk_name(&self) -> String {
        format!("{}-{}.apk", self.name, self.version)
    }

    /// Whether `file` is this package in whatever version.
    pub fn is_called(&self, file: &str) -> bool {
        let Some(rest) = file.strip_prefix(self.name) else { return false };
        let of_ipk = rest.strip_prefix('_').and_then(|rest| rest.strip_suffix(".ipk")?.split_once('_'));
        let of_apk = rest.strip_prefix('-').and_then(|rest| rest.strip_suffix(".apk"));
        of_ipk.map(|(version, _)| version).or(of_apk).is_some_and(|version| {
            version.starts_with(|first: char| first.is_ascii_digit())
                && version.bytes().all(|byte| byte.is_ascii_digit() || b".-r".contains(&byte))
        })
    }

    pub fn program_size(&self) -> usize {
        self.files.iter().find(|file| file.path == PROGRAM).map_or(0, |file| file.bytes.len())
    }
}

pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

pub fn sha256_hex(bytes: &[u8]) -> String {
    sha256(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The folders above `path`, outermost first: `etc`, `etc/config`.
pub fn folders_above(path: &str) -> impl Iterator<Item = &str> {
    path.match_indices('/').map(|(at, _)| &path[..at])
}
