//! The image of a CD that UEFI boots: GRUB, and the lab's Linux.

use std::path::Path;

use crate::files::{Arch, TftpRoot, packaged};
use crate::process::run;

/// Debian's GRUB for CDs. It knows its CD by `/.disk/info`, and looks for its configuration in `/boot/grub`.
const GRUB: &str = "usr/lib/grub/x86_64-efi-signed/gcdx64.efi.signed";

/// Writes the image to `image`, made as installers' are: GRUB in a FAT image that the catalogue names (El Torito, UEFI
/// §13.3.2.1), all else beside it.
pub fn write(image: &Path, folder: &Path, command_line: &str) {
    let menu = format!("linux /vmlinuz console=ttyS0 {command_line}\ninitrd /initrd\nboot\n");
    let content = TftpRoot::named(folder, "cd").linux(Arch::Amd64).text("boot/grub/grub.cfg", &menu);
    let tree = content.text(".disk/info", "lab").path;
    let (fat, grub) = (tree.join("efi.img"), packaged(Arch::Amd64, GRUB));
    let [tree, fat, grub, image] = [&tree, &fat, &grub, image].map(|path| path.to_str().unwrap());
    let folder = |name: &str| packaged(Arch::Amd64, name).display().to_string();
    let search = format!("PATH={}:/usr/bin:/bin", folder("usr/bin"));
    let libraries =
        format!("LD_LIBRARY_PATH={}:{}", folder("usr/lib/x86_64-linux-gnu"), folder("lib/x86_64-linux-gnu"));
    let tools = |words: &[&str]| run(&[&["env", &search, &libraries], words].concat());
    tools(&["mformat", "-C", "-i", fat, "-t", "1", "-h", "255", "-n", "63", "::"]);
    tools(&["mmd", "-i", fat, "::/EFI", "::/EFI/BOOT"]);
    tools(&["mcopy", "-i", fat, grub, "::/EFI/BOOT/BOOTX64.EFI"]);
    tools(&["xorriso", "-as", "mkisofs", "-quiet", "-R", "-o", image, "-e", "efi.img", "-no-emul-boot", tree]);
}
