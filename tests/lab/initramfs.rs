//! The userland that the lab's machines boot into: busybox and an init that says so and powers off.

use std::fs;
use std::path::Path;

/// What init prints, followed by the architecture and the kernel command line's `lab=` token.
pub const MARK: &str = "UPXE-LAB-BOOTED";

const INIT: &str = r#"#!/bin/busybox sh
/bin/busybox mkdir -p /proc
/bin/busybox mount -t proc proc /proc
for word in $(/bin/busybox cat /proc/cmdline); do
    case $word in lab=*) token=${word#lab=} ;; esac
done
# A kernel that was told nothing speaks to no serial port.
[ ! -e /token ] || { token=$(/bin/busybox cat /token) && exec >/dev/ttyS0; }
/bin/busybox dmesg | /bin/busybox grep -o 'secureboot: .*'
echo "UPXE-LAB-BOOTED $(/bin/busybox uname -m) $token"
/bin/busybox poweroff -f
"#;

/// Writes an initramfs with the given static busybox, and with the token if no kernel command line can bring it. Not
/// compressed: the kernel takes it so, and it is small.
pub fn write(busybox: &Path, token: Option<&str>, output: &Path) {
    let busybox = fs::read(busybox).unwrap_or_else(|e| panic!("{}: {e}", busybox.display()));
    let mut archive = Archive::default();
    archive.add("bin", 0o040_755, &[], (0, 0));
    archive.add("dev", 0o040_755, &[], (0, 0));
    archive.add("dev/console", 0o020_600, &[], (5, 1));
    archive.add("bin/busybox", 0o100_755, &busybox, (0, 0));
    archive.add("init", 0o100_755, INIT.as_bytes(), (0, 0));
    if let Some(token) = token {
        archive.add("dev/ttyS0", 0o020_600, &[], (4, 64));
        archive.add("token", 0o100_644, token.as_bytes(), (0, 0));
    }
    archive.write(output);
}

/// A cpio archive in the "newc" format (the kernel's Documentation/driver-api/early-userspace/buffer-format.rst).
#[derive(Default)]
pub struct Archive {
    bytes: Vec<u8>,
    inode: usize,
}

impl Archive {
    /// Adds what has this mode: a file, a folder, a link, or a device with these numbers.
    pub fn add(&mut self, name: &str, mode: usize, data: &[u8], (major, minor): (usize, usize)) {
        self.inode += 1;
        let (uid, gid, nlink, mtime, device, checksum) = (0, 0, 1, 0, (0, 0), 0);
        let fields = [
            self.inode,
            mode,
            uid,
            gid,
            nlink,
            mtime,
            data.len(),
            device.0,
            device.1,
            major,
            minor,
            name.len() + 1,
            checksum,
        ];
        self.bytes.extend(b"070701");
        self.bytes.extend(fields.map(|field| format!("{field:08X}")).concat().bytes());
        self.bytes.extend(name.bytes().chain([0]));
        self.pad();
        self.bytes.extend(data);
        self.pad();
    }

    pub fn write(mut self, output: &Path) {
        self.add("TRAILER!!!", 0, &[], (0, 0));
        fs::write(output, self.bytes).unwrap_or_else(|e| panic!("{}: {e}", output.display()));
    }

    /// Names and data end on a multiple of four.
    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}
