//! `openwrt/targets`: which program serves which of OpenWrt's architecture names.

use std::path::{Path, PathBuf};

use crate::Result;

/// A program, and the architectures it is packed for.
pub struct Target {
    pub triple: String,
    pub architectures: Vec<String>,
}

impl Target {
    /// Where cargo puts it.
    pub fn program(&self, root: &Path) -> PathBuf {
        self.folder(root).join("flash/upxe")
    }

    /// Where the linker puts its map of it, as `openwrt/cross/musl` tells it.
    pub fn link_map(&self, root: &Path) -> PathBuf {
        self.folder(root).join("link-map")
    }

    fn folder(&self, root: &Path) -> PathBuf {
        root.join("target").join(&self.triple)
    }
}

/// All targets, in the file's order: a line begins with the triple; `#` begins a remark.
pub fn read(root: &Path) -> Result<Vec<Target>> {
    let path = root.join("openwrt/targets");
    let text = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let lines = text.lines().map(|line| line.split('#').next().unwrap_or(line));
    let words = lines.map(|line| line.split_whitespace().map(str::to_owned));
    Ok(words.filter_map(|mut words| Some(Target { triple: words.next()?, architectures: words.collect() })).collect())
}
