//! Reads capture files of the classic pcap format, as tcpdump writes them.

use std::path::{Path, PathBuf};

/// The frames of a capture, in order. Panics on anything but a little-endian pcap file, which all of ours are.
#[allow(dead_code, reason = "not every test that names captures reads them so")]
pub fn frames(path: &Path) -> Vec<Vec<u8>> {
    let bytes = std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let number = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
    assert_eq!(number(0), 0xa1b2_c3d4, "{}: not a pcap file", path.display());
    let mut frames = Vec::new();
    let mut at = 24;
    while at < bytes.len() {
        let len = number(at + 8) as usize;
        frames.push(bytes[at + 16..at + 16 + len].to_vec());
        at += 16 + len;
    }
    frames
}

/// Every capture in `tests/captures`, by name.
#[allow(dead_code, reason = "not every test that reads captures wants all of them")]
pub fn all() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/captures");
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(!paths.is_empty(), "no captures found");
    paths
}
