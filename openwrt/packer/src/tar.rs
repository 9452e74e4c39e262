//! GNU tar archives, as opkg reads them. It silently installs nothing from one with pax headers.

use std::collections::BTreeSet;

use crate::package::{File, folders_above};

const BLOCK: usize = 512;

/// An archive of `files` and the folders they are in; everything belongs to root.
pub fn write(files: &[File], time: u64) -> Vec<u8> {
    let mut archive = entry("./", 0o755, b'5', &[], time);
    let mut folders = BTreeSet::new();
    for file in files {
        for folder in folders_above(&file.path).filter(|&folder| folders.insert(folder)) {
            archive.extend(entry(&format!("./{folder}/"), 0o755, b'5', &[], time));
        }
        archive.extend(entry(&format!("./{}", file.path), file.mode, b'0', &file.bytes, time));
    }
    archive.resize(archive.len() + 2 * BLOCK, 0);
    archive
}

/// tar(5), "GNU Tar Archives": name 100, mode 8, uid 8, gid 8, size 12, mtime 12, checksum 8, type 1, link 100, magic 8.
fn entry(name: &str, mode: u32, kind: u8, bytes: &[u8], time: u64) -> Vec<u8> {
    assert!(name.len() < 100, "{name}: longer than what needs no extension");
    let mut header = [0; BLOCK];
    let mut put = |at: usize, text: &str| header[at..at + text.len()].copy_from_slice(text.as_bytes());
    put(0, name);
    put(100, &format!("{mode:07o}"));
    put(108, &format!("{:07o}", 0));
    put(116, &format!("{:07o}", 0));
    put(124, &format!("{:011o}", bytes.len()));
    put(136, &format!("{time:011o}"));
    // The sum is taken as if its own field were blank.
    put(148, "        ");
    put(257, "ustar  ");
    put(265, "root");
    put(297, "root");
    header[156] = kind;
    let sum: u32 = header.iter().map(|&byte| u32::from(byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let mut entry = header.to_vec();
    entry.extend_from_slice(bytes);
    entry.resize(entry.len().next_multiple_of(BLOCK), 0);
    entry
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::process::{Command, Stdio};

    #[test]
    fn tar_lists_it() {
        let file = |path: &str, bytes: &[u8]| File { path: path.into(), mode: 0o640, bytes: bytes.into() };
        let archive = write(&[file("a", b"1"), file("etc/config/x", &[7; 513]), file("etc/y", b"")], 1_000_000_000);
        let mut tar = Command::new("tar");
        let tar = tar.args(["--utc", "--full-time", "-tvf", "-"]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = tar.spawn().unwrap();
        child.stdin.take().unwrap().write_all(&archive).unwrap();
        let output = child.wait_with_output().unwrap();
        let squeeze = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
        let listed: Vec<String> = String::from_utf8(output.stdout).unwrap().lines().map(squeeze).collect();
        assert_eq!(
            listed,
            [
                "drwxr-xr-x root/root 0 2001-09-09 01:46:40 ./",
                "-rw-r----- root/root 1 2001-09-09 01:46:40 ./a",
                "drwxr-xr-x root/root 0 2001-09-09 01:46:40 ./etc/",
                "drwxr-xr-x root/root 0 2001-09-09 01:46:40 ./etc/config/",
                "-rw-r----- root/root 513 2001-09-09 01:46:40 ./etc/config/x",
                "-rw-r----- root/root 0 2001-09-09 01:46:40 ./etc/y",
            ]
        );
    }
}
