//! Processor architectures (option 93) and the boot files that are customary for each.

use std::fmt;

/// A client system architecture, numbered as IANA does (RFC 4578 §2.1 and its registry).
///
/// Firmware disagrees about 7 and 9: the RFC's text gave 9 to x64 and 7 to EFI byte code, IANA and practice the other
/// way round. Nobody boots byte code, so both are x64 here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Architecture(pub u16);

/// What a loader is, as far as choosing one goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loader {
    /// An iPXE binary: never given to a client that is iPXE already.
    Ipxe(&'static str),
    /// Anything else.
    Other(&'static str),
}

impl Loader {
    /// The file's name.
    pub fn name(self) -> &'static str {
        match self {
            Loader::Ipxe(name) | Loader::Other(name) => name,
        }
    }
}

use Loader::{Ipxe, Other};

/// Machines that boot alike.
struct Family {
    /// The name in log lines.
    name: &'static str,
    /// Architecture numbers; the first is the usual one.
    numbers: &'static [u16],
    /// The customary boot files, best first.
    loaders: &'static [Loader],
}

/// iPXE first, since it can do most and its script says what to boot; then the loaders that bring a menu of their own;
/// last the name that removable media use (UEFI §3.5.1.1), for a kernel or loader put there without another name.
const BIOS: &[Loader] = &[
    Ipxe("undionly.kpxe"),
    Ipxe("undionly.kkpxe"),
    Ipxe("ipxe.pxe"),
    Ipxe("netboot.xyz.kpxe"),
    Other("lpxelinux.0"),
    Other("pxelinux.0"),
];
const IA32: &[Loader] = &[
    Ipxe("snponly-ia32.efi"),
    Ipxe("ipxe-ia32.efi"),
    Other("shimia32.efi"),
    Other("grubia32.efi"),
    Other("syslinux32.efi"),
    Other("bootia32.efi"),
];
const X64: &[Loader] = &[
    Ipxe("snponly.efi"),
    Ipxe("ipxe.efi"),
    Ipxe("netboot.xyz.efi"),
    Other("shimx64.efi"),
    Other("grubx64.efi"),
    Other("syslinux.efi"),
    Other("bootx64.efi"),
];
const ARM32: &[Loader] = &[
    Ipxe("snponly-arm32.efi"),
    Ipxe("ipxe-arm32.efi"),
    Other("shimarm.efi"),
    Other("grubarm.efi"),
    Other("bootarm.efi"),
];
const ARM64: &[Loader] = &[
    Ipxe("snponly-arm64.efi"),
    Ipxe("ipxe-arm64.efi"),
    Ipxe("netboot.xyz-arm64.efi"),
    Other("shimaa64.efi"),
    Other("grubaa64.efi"),
    Other("bootaa64.efi"),
];
const RISCV64: &[Loader] =
    &[Ipxe("snponly-riscv64.efi"), Ipxe("ipxe-riscv64.efi"), Other("grubriscv64.efi"), Other("bootriscv64.efi")];
const LOONG64: &[Loader] = &[
    Ipxe("snponly-loong64.efi"),
    Ipxe("ipxe-loong64.efi"),
    Other("grubloongarch64.efi"),
    Other("bootloongarch64.efi"),
];

/// What boots by HTTP is offered the same files, by their URLs.
const FAMILIES: &[Family] = &[
    Family { name: "BIOS", numbers: &[0], loaders: BIOS },
    Family { name: "IA32", numbers: &[6], loaders: IA32 },
    Family { name: "x64", numbers: &[7, 9], loaders: X64 },
    Family { name: "ARM32", numbers: &[10], loaders: ARM32 },
    Family { name: "ARM64", numbers: &[11], loaders: ARM64 },
    Family { name: "RISC-V 64", numbers: &[27], loaders: RISCV64 },
    Family { name: "LoongArch 64", numbers: &[39], loaders: LOONG64 },
    Family { name: "IA32 HTTP", numbers: &[15], loaders: IA32 },
    Family { name: "x64 HTTP", numbers: &[16, 17], loaders: X64 },
    Family { name: "ARM32 HTTP", numbers: &[18], loaders: ARM32 },
    Family { name: "ARM64 HTTP", numbers: &[19], loaders: ARM64 },
    Family { name: "BIOS HTTP", numbers: &[20], loaders: BIOS },
    Family { name: "RISC-V 64 HTTP", numbers: &[28], loaders: RISCV64 },
    Family { name: "LoongArch 64 HTTP", numbers: &[40], loaders: LOONG64 },
];

impl Architecture {
    fn family(self) -> Option<&'static Family> {
        FAMILIES.iter().find(|family| family.numbers.contains(&self.0))
    }

    /// The number itself and its family's others: rules for those hold where there are none for the number itself.
    pub fn aliases(self) -> impl Iterator<Item = u16> {
        let others = self.family().map_or(&[][..], |family| family.numbers);
        std::iter::once(self.0).chain(others.iter().copied().filter(move |number| *number != self.0))
    }

    /// The number that such machines usually say: one of those that are alike, and not that for booting by HTTP.
    pub fn usual(self) -> Architecture {
        let Some(family) = self.family() else { return self };
        let name = family.name.strip_suffix(" HTTP").unwrap_or(family.name);
        let family = FAMILIES.iter().find(|other| other.name == name).unwrap_or(family);
        family.numbers.first().map_or(self, |number| Architecture(*number))
    }

    /// dnsmasq takes every number from 6 up for UEFI (`pxe_uefi_workaround`).
    pub fn is_uefi_to_dnsmasq(self) -> bool {
        self.0 >= 6
    }

    /// The customary boot files, best first; none for an architecture that has no custom.
    pub fn loaders(self) -> &'static [Loader] {
        self.family().map_or(&[], |family| family.loaders)
    }
}

impl fmt::Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.family() {
            Some(family) => f.write_str(family.name),
            None => write!(f, "architecture {}", self.0),
        }
    }
}

/// True when a file of this name is iPXE (or gPXE) itself, which an iPXE client must not be given again: it would load
/// itself for ever.
pub fn is_ipxe_binary(file: &str) -> bool {
    is_binary(file, &["undionly", "ipxe", "snponly", "snp-", "gpxe", "netboot.xyz"])
}

/// True for the name of a gPXE binary. gPXE may well load an iPXE, which is its successor.
pub fn is_gpxe_binary(file: &str) -> bool {
    is_binary(file, &["gpxe"])
}

fn is_binary(file: &str, stems: &[&str]) -> bool {
    const ENDINGS: &[&str] = &[".efi", ".pxe", ".kpxe", ".kkpxe", ".kkkpxe", ".0"];
    let name = file.rsplit(['/', '\\']).next().unwrap_or(file).to_ascii_lowercase();
    stems.iter().any(|stem| name.starts_with(stem)) && ENDINGS.iter().any(|ending| name.ends_with(ending))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seven_and_nine_are_both_x64() {
        assert_eq!(Architecture(7).loaders(), Architecture(9).loaders());
        assert_eq!(Architecture(9).to_string(), "x64");
        assert_eq!(Architecture(4711).to_string(), "architecture 4711");
        let usual = [9, 16, 17, 20, 28, 11, 4711].map(|number| Architecture(number).usual().0);
        assert_eq!(usual, [7, 7, 7, 0, 27, 11, 4711]);
    }

    #[test]
    fn the_table_knows_its_own_ipxe_binaries() {
        for loader in FAMILIES.iter().flat_map(|family| family.loaders) {
            assert_eq!(is_ipxe_binary(loader.name()), matches!(loader, Ipxe(_)), "{loader:?}");
        }
    }

    #[test]
    fn ipxe_binaries_go_by_many_names() {
        for file in ["undionly.kkpxe.0", "boot/IPXE.EFI", "ipxe-x86_64.efi", "gpxe.pxe", "dir\\snponly.efi"] {
            assert!(is_ipxe_binary(file), "{file}");
        }
        for file in ["boot.ipxe", "ipxe.php", "pxelinux.0", "http://10.0.0.1/ipxe.cgi", "ipxe/grubx64.efi"] {
            assert!(!is_ipxe_binary(file), "{file}");
        }
    }

    #[test]
    fn every_number_belongs_to_one_family() {
        let mut numbers: Vec<u16> = FAMILIES.iter().flat_map(|family| family.numbers).copied().collect();
        numbers.sort_unstable();
        assert!(numbers.windows(2).all(|pair| pair[0] != pair[1]));
    }
}
