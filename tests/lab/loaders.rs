//! The boot loaders' own configuration, for each way in which the lab boots Linux.

use crate::files::{Arch, TftpRoot};

const X64_CONSOLE: &str = "console=ttyS0";
const ARM64_CONSOLE: &str = "console=ttyAMA0";

/// An iPXE script that boots Linux; what fetches it is iPXE already.
pub fn ipxe_script(root: TftpRoot, command_line: &str) -> TftpRoot {
    let script = format!("#!ipxe\nkernel vmlinuz initrd=initrd {X64_CONSOLE} {command_line}\ninitrd initrd\nboot\n");
    root.linux(Arch::Amd64).text("boot.ipxe", &script)
}

/// The same for gPXE.
pub fn gpxe_script(root: TftpRoot, command_line: &str) -> TftpRoot {
    let script = format!("#!gpxe\nkernel vmlinuz initrd=initrd {X64_CONSOLE} {command_line}\ninitrd initrd\nboot\n");
    root.linux(Arch::Amd64).text("boot.gpxe", &script)
}

/// iPXE for x64 UEFI, and the script.
pub fn x64_ipxe(root: TftpRoot, command_line: &str) -> TftpRoot {
    ipxe_script(root.packaged("snponly.efi", Arch::Amd64, "usr/lib/ipxe/snponly.efi"), command_line)
}

/// pxelinux with a menu whose first entry starts by itself.
pub fn pxelinux_menu(root: TftpRoot, command_line: &str) -> TftpRoot {
    let menu = format!(
        "DEFAULT menu.c32\nTIMEOUT 20\nMENU TITLE The lab\nLABEL lab\n\tMENU LABEL Linux\n\tKERNEL vmlinuz\n\
         \tINITRD initrd\n\tAPPEND {X64_CONSOLE} {command_line}\n"
    );
    pxelinux_modules(root.linux(Arch::Amd64), &["ldlinux.c32", "libutil.c32", "menu.c32"])
        .packaged("pxelinux.0", Arch::Amd64, "usr/lib/PXELINUX/pxelinux.0")
        .text("pxelinux.cfg/default", &menu)
}

/// What pxelinux fetches once it runs, with the configuration `pxelinux.cfg/<name>`.
pub fn pxelinux_site(root: TftpRoot, name: &str, command_line: &str) -> TftpRoot {
    let config =
        format!("DEFAULT lab\nLABEL lab\n\tKERNEL vmlinuz\n\tINITRD initrd\n\tAPPEND {X64_CONSOLE} {command_line}\n");
    pxelinux_modules(root.linux(Arch::Amd64), &["ldlinux.c32"]).text(&format!("pxelinux.cfg/{name}"), &config)
}

fn pxelinux_modules(root: TftpRoot, names: &[&str]) -> TftpRoot {
    let add = |root: TftpRoot, name: &&str| {
        root.packaged(name, Arch::Amd64, &format!("usr/lib/syslinux/modules/bios/{name}"))
    };
    names.iter().fold(root, add)
}

/// Debian's signed shim and GRUB for x64.
pub fn x64_shim_grub(root: TftpRoot, command_line: &str) -> TftpRoot {
    let grub = "usr/lib/grub/x86_64-efi-signed/grubnetx64.efi.signed";
    grub_menu(root, X64_CONSOLE, command_line)
        .linux(Arch::Amd64)
        .packaged("shimx64.efi", Arch::Amd64, "usr/lib/shim/shimx64.efi.signed")
        .packaged("grubx64.efi", Arch::Amd64, grub)
}

/// Debian's signed shim and GRUB for ARM64.
pub fn arm64_shim_grub(root: TftpRoot, command_line: &str) -> TftpRoot {
    let grub = "usr/lib/grub/arm64-efi-signed/grubnetaa64.efi.signed";
    grub_menu(root, ARM64_CONSOLE, command_line)
        .linux(Arch::Arm64)
        .packaged("shimaa64.efi", Arch::Arm64, "usr/lib/shim/shimaa64.efi.signed")
        .packaged("grubaa64.efi", Arch::Arm64, grub)
}

/// Debian's network GRUB has `/grub` built in as the folder of its configuration.
fn grub_menu(root: TftpRoot, console: &str, command_line: &str) -> TftpRoot {
    let menu =
        format!("set timeout=1\nmenuentry Linux {{\n\tlinux /vmlinuz {console} {command_line}\n\tinitrd /initrd\n}}\n");
    root.text("grub/grub.cfg", &menu)
}
