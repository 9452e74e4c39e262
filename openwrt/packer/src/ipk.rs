//! `.ipk`, for opkg (OpenWrt 24.10 and older): a gzipped tar of `debian-binary`, `data.tar.gz` and `control.tar.gz`.

use std::fmt::Write;
use std::num::NonZeroU64;

use crate::package::{File, Package};
use crate::tar;

/// The files of a package, the same for every architecture with the same program.
pub struct Data {
    gzipped: Vec<u8>,
    installed_len: usize,
}

/// What a file of one byte takes on the router, in bytes.
const BLOCK: usize = 4096;
/// Files that the installation writes besides: opkg's list, scripts and status, the user's three lines, the service's link.
const BESIDE: usize = 9;

pub fn data(package: &Package) -> Data {
    let archive = tar::write(&package.files, package.time);
    Data { gzipped: gzip(&archive, WELL), installed_len: installed_len(&package.files) }
}

/// The room that it takes, in bytes. opkg refuses a package where there is less; if it begins, it doesn't see that the room
/// runs out, and leaves half of the package there, as installed.
fn installed_len(files: &[File]) -> usize {
    let blocks = files.iter().map(|file| file.bytes.len().div_ceil(BLOCK)).sum::<usize>() + BESIDE;
    blocks * BLOCK
}

/// A whole package.
pub fn write(package: &Package, architecture: &str, data: &Data) -> Vec<u8> {
    let member = |path: &str, mode, bytes: &[u8]| File { path: path.into(), mode, bytes: bytes.into() };
    let conffiles = package.conffiles.iter().map(|path| format!("{path}\n")).collect::<String>();
    let mut scripts_and_lists = Vec::new();
    if !conffiles.is_empty() {
        scripts_and_lists.push(member("conffiles", 0o644, conffiles.as_bytes()));
    }
    scripts_and_lists.extend([
        member("control", 0o644, control(package, architecture, data, "").as_bytes()),
        member("postinst", 0o755, POSTINST.as_bytes()),
        member("prerm", 0o755, PRERM.as_bytes()),
    ]);
    if !package.installed.is_empty() {
        // Read by the router's functions, not run.
        scripts_and_lists.push(member("postinst-pkg", 0o755, package.installed.as_bytes()));
    }
    let members = [
        member("debian-binary", 0o644, b"2.0\n"),
        member("data.tar.gz", 0o644, &data.gzipped),
        member("control.tar.gz", 0o644, &gzip(&tar::write(&scripts_and_lists, package.time), WELL)),
    ];
    gzip(&tar::write(&members, package.time), ONCE)
}

/// The fields in OpenWrt's order (include/package-pack.mk); an index has `more` of them in front of the description.
pub fn control(package: &Package, architecture: &str, data: &Data, more: &str) -> String {
    let mut text = String::new();
    let mut field = |name: &str, value: &str| {
        let _ = writeln!(text, "{name}: {value}");
    };
    field("Package", package.name);
    field("Version", &package.version);
    if !package.depends.is_empty() {
        field("Depends", &package.depends.join(", "));
    }
    field("Source", package.name);
    field("SourceName", package.name);
    field("License", package.license);
    field("Section", package.section);
    if let Some(user) = &package.user {
        field("Require-User", user);
    }
    field("SourceDateEpoch", &package.time.to_string());
    field("Architecture", architecture);
    field("Installed-Size", &data.installed_len.to_string());
    text.push_str(more);
    let _ = writeln!(text, "Description:  {}", package.description);
    text
}

/// What OpenWrt's own packages have: the router's functions do the work, from the list of files.
const POSTINST: &str = "\
#!/bin/sh
[ \"${IPKG_NO_SCRIPT}\" = \"1\" ] && exit 0
[ -s ${IPKG_INSTROOT}/lib/functions.sh ] || exit 0
. ${IPKG_INSTROOT}/lib/functions.sh
default_postinst $0 $@
";

const PRERM: &str = "\
#!/bin/sh
[ -s ${IPKG_INSTROOT}/lib/functions.sh ] || exit 0
. ${IPKG_INSTROOT}/lib/functions.sh
default_prerm $0 $@
";

/// Passes over what is to be deflated: three times as many gain one byte in a thousand.
pub const WELL: u64 = 5;
/// For what is deflated already.
const ONCE: u64 = 1;

/// RFC 1952, without name and time: the same bytes give the same bytes.
pub fn gzip(bytes: &[u8], passes: u64) -> Vec<u8> {
    let mut out = Vec::new();
    zopfli::compress(options(passes), zopfli::Format::Gzip, bytes, &mut out).expect("memory takes every write");
    out
}

pub fn options(passes: u64) -> zopfli::Options {
    zopfli::Options {
        iteration_count: NonZeroU64::new(passes).unwrap_or(NonZeroU64::MIN),
        ..zopfli::Options::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_installed_takes_whole_blocks_and_more_than_its_files() {
        let file = |len| File { path: "a".into(), mode: 0o644, bytes: vec![0; len] };
        assert_eq!(installed_len(&[file(1), file(4096), file(4097)]), (1 + 1 + 2 + 9) * 4096);
    }
}
