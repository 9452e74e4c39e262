//! A disk on the network: an image that boots Linux, and istgt, an iSCSI target that serves it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::files::{self, Arch, TftpRoot, packaged};
use crate::journal::Journal;
use crate::net::{Lan, Namespace};
use crate::process::{Process, run};

const TARGET: &str = "iqn.2026-01.lan.nas:disk";

/// The target, while it serves.
pub struct San {
    _process: Process,
    /// What a DHCP server says of it in option 17 (RFC 4173 §5).
    pub root_path: String,
}

/// Makes a disk that boots Linux with `command_line`: FAT without partitions, and syslinux in its boot sector.
pub fn disk(folder: &Path, command_line: &str) -> PathBuf {
    let content = TftpRoot::named(folder, "disk").linux(Arch::Amd64).text(
        "syslinux.cfg",
        &format!("DEFAULT lab\nLABEL lab\n\tLINUX vmlinuz\n\tINITRD initrd\n\tAPPEND console=ttyS0 {command_line}\n"),
    );
    let image = folder.join("disk.img");
    let (path, disk) = (image.to_str().unwrap(), content.path.to_str().unwrap());
    // syslinux calls mtools too.
    let search = format!("PATH={}:/usr/sbin:/usr/bin:/sbin:/bin", packaged(Arch::Amd64, "usr/bin").display());
    let tools = |words: &[&str]| run(&[&["env", &search], words].concat());
    // 64 MB, as whole cylinders of what a BIOS calls a disk.
    tools(&["mformat", "-C", "-i", path, "-t", "8", "-h", "255", "-n", "63", "::"]);
    for name in ["vmlinuz", "initrd", "syslinux.cfg"] {
        tools(&["mcopy", "-i", path, &format!("{disk}/{name}"), "::"]);
    }
    tools(&["syslinux", "--install", path]);
    image
}

impl San {
    /// Serves `disk` to the LAN from host number `host`, which is in the namespace `server`.
    pub fn serve(disk: &Path, lan: &Lan, server: &Namespace, host: u8, folder: &Path) -> San {
        let (address, config) = (lan.address(host), folder.join("istgt.conf"));
        let disk = disk.display();
        let pid_file = folder.join("istgt.pid");
        let text = format!(
            "[Global]\nNodeBase \"iqn.2026-01.lan.nas\"\nPidFile {}\nAuthFile /dev/null\nMediaDirectory /nonexistent\n\
             LogFacility \"local7\"\nDiscoveryAuthMethod None\n\
             [UnitControl]\nAuthMethod None\nPortal UC1 127.0.0.1:3261\nNetmask 127.0.0.1\n\
             [PortalGroup1]\nPortal DA1 {address}:3260\n\
             [InitiatorGroup1]\nInitiatorName \"ALL\"\nNetmask {address}/24\n\
             [LogicalUnit1]\nTargetName disk\nMapping PortalGroup1 InitiatorGroup1\nAuthMethod None\nUseDigest Auto\n\
             UnitType Disk\nLUN0 Storage {disk} Auto\n",
            pid_file.display()
        );
        files::write(&config, &text);
        let (program, config) = (packaged(Arch::Amd64, "usr/sbin/istgt"), config.to_string_lossy().into_owned());
        let command = [&program.to_string_lossy(), "-D", "-c", &config];
        let process = Process::start(&server.name, &command, &Journal::new("istgt", folder, None));
        process.log.expect(0, &["LUN0", "storage"], Duration::from_secs(10));
        San { _process: process, root_path: format!("iscsi:{address}::::{TARGET}") }
    }
}
