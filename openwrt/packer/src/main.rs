//! Packs what was built: `packer pack FOLDER` writes the packages of every architecture, `packer sizes` tells what the
//! programs weigh and fails if that is too much.

mod adb;
mod apk;
mod index;
mod ipk;
mod lmo;
mod luci;
mod package;
mod script;
mod sizes;
mod tar;
mod targets;
mod tree;

use std::collections::BTreeSet;
use std::error::Error;
use std::fmt::Write;
use std::io;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::package::Package;
use crate::targets::Target;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match arguments.as_slice() {
        ["pack", folder, triples @ ..] => pack(Path::new(folder), triples),
        ["sizes", triples @ ..] => sizes::check(&root(), triples),
        _ => Err("usage: packer pack FOLDER [TRIPLE…] | sizes [TRIPLE…]".into()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("packer: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The repository, which this crate is a part of.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Packs the programs of these triples, or of all, and prints what came of it.
fn pack(folder: &Path, triples: &[&str]) -> Result<()> {
    let root = root();
    let mut targets = targets::read(&root)?;
    targets.retain(|target| triples.is_empty() || triples.contains(&&*target.triple));
    // To deflate well takes seconds for each architecture.
    let packed = std::thread::scope(|scope| {
        let workers: Vec<_> = targets.iter().map(|target| scope.spawn(|| pack_target(&root, folder, target))).collect();
        workers.into_iter().map(|worker| worker.join().unwrap_or_else(|panic| resume_unwind(panic))).collect::<Vec<_>>()
    });
    println!("{:<28} {:<32} {:>7} {:>7} {:>7}", "architecture", "triple", "binary", "ipk", "apk");
    let mut sums = String::new();
    for packed in packed.into_iter().chain([pack_pages(&root, folder)]) {
        let packed = packed?;
        print!("{}", packed.rows);
        sums.push_str(&packed.sums);
    }
    let sums = with_earlier(folder, &sums);
    std::fs::write(folder.join("sha256sums"), sums)?;
    Ok(())
}

/// The checksums of all that lies in the folder: this run's, and of earlier ones' those whose file is still there.
fn with_earlier(folder: &Path, sums: &str) -> String {
    fn file(line: &str) -> Option<&str> {
        line.split_once("  ").map(|(_, file)| file)
    }
    let written: BTreeSet<_> = sums.lines().filter_map(file).collect();
    let earlier = std::fs::read_to_string(folder.join("sha256sums")).unwrap_or_default();
    let is_left = |line: &str| file(line).is_some_and(|file| !written.contains(file) && folder.join(file).is_file());
    earlier.lines().filter(|line| is_left(line)).chain(sums.lines()).map(|line| format!("{line}\n")).collect()
}

/// What is told of the packages of one program.
#[derive(Default)]
struct Packed {
    rows: String,
    sums: String,
}

impl Packed {
    /// Writes the files of `packages` and their indexes into a feed, in place of the packages' other versions.
    fn write(
        &mut self,
        folder: &Path,
        feed: &str,
        packages: &[&Package],
        files: &[(String, &Vec<u8>)],
    ) -> std::result::Result<(), String> {
        let place = folder.join(feed);
        let told = |error: io::Error| format!("{}: {error}", place.display());
        std::fs::create_dir_all(&place).map_err(told)?;
        for entry in std::fs::read_dir(&place).map_err(told)? {
            let entry = entry.map_err(told)?;
            if packages.iter().any(|package| package.is_called(&entry.file_name().to_string_lossy())) {
                std::fs::remove_file(entry.path()).map_err(told)?;
            }
        }
        for (name, bytes) in files {
            std::fs::write(place.join(name), bytes).map_err(told)?;
            let _ = writeln!(self.sums, "{}  {feed}/{name}", package::sha256_hex(bytes));
        }
        Ok(())
    }
}

/// The LuCI pages and their translation, which are the same for every router: a feed of their own.
fn pack_pages(root: &Path, folder: &Path) -> std::result::Result<Packed, String> {
    // What opkg and apk call it.
    const ALL: [&str; 2] = ["all", "noarch"];
    let mut packed = Packed::default();
    let (mut files, mut index, mut apks) = (Vec::new(), String::new(), Vec::new());
    for content in luci::packages(root).map_err(|error| error.to_string())? {
        let data = ipk::data(&content);
        let ipk = ipk::write(&content, ALL[0], &data);
        let apk = apk::write(&content, ALL[1]);
        index.push_str(&index::packages(&content, ALL[0], &data, &ipk));
        let _ = writeln!(
            packed.rows,
            "{:<28} {:<32} {:>7} {:>7} {:>7}",
            ALL[0],
            content.name,
            "",
            ipk.len(),
            apk.file.len()
        );
        files.push((content.ipk_name(ALL[0]), ipk));
        files.push((content.apk_name(), apk.file.clone()));
        apks.push((content, apk));
    }
    let apks: Vec<_> = apks.iter().map(|(content, apk)| (content, apk)).collect();
    files.push(("Packages.gz".into(), ipk::gzip(index.as_bytes(), ipk::WELL)));
    files.push(("Packages".into(), index.into_bytes()));
    files.push(("packages.adb".into(), index::packages_adb("LuCI pages for network boot", ALL[1], &apks)));
    let files: Vec<_> = files.iter().map(|(name, bytes)| (name.clone(), bytes)).collect();
    let packages: Vec<_> = apks.iter().map(|(content, _)| *content).collect();
    packed.write(folder, ALL[0], &packages, &files)?;
    Ok(packed)
}

// The threads' errors must be able to leave them.
fn pack_target(root: &Path, folder: &Path, target: &Target) -> std::result::Result<Packed, String> {
    let program = std::fs::read(target.program(root))
        .map_err(|error| format!("{}: {error}; build it first", target.program(root).display()))?;
    let content = package::upxe(root, program).map_err(|error| error.to_string())?;
    let data = ipk::data(&content);
    let mut packed = Packed::default();
    for architecture in &target.architectures {
        let ipk = ipk::write(&content, architecture, &data);
        let apk = apk::write(&content, architecture);
        let packages = index::packages(&content, architecture, &data, &ipk);
        let files = [
            (content.ipk_name(architecture), &ipk),
            (content.apk_name(), &apk.file),
            ("Packages.gz".into(), &ipk::gzip(packages.as_bytes(), ipk::WELL)),
            ("Packages".into(), &packages.into_bytes()),
            ("packages.adb".into(), &index::packages_adb(content.summary, architecture, &[(&content, &apk)])),
        ];
        packed.write(folder, architecture, &[&content], &files)?;
        let (triple, size, ipk, apk) = (&target.triple, content.program_size(), ipk.len(), apk.file.len());
        let _ = writeln!(packed.rows, "{architecture:<28} {triple:<32} {size:>7} {ipk:>7} {apk:>7}");
    }
    Ok(packed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_run_replaces_its_own_packages_and_keeps_the_sums_of_the_others() {
        let folder = std::env::temp_dir().join(format!("upxe-packer-{}", std::process::id()));
        let pack = |version: &str, feeds: &[&str]| {
            let content = Package { version: version.into(), ..package::upxe(&root(), Vec::new()).unwrap() };
            let mut packed = Packed::default();
            for feed in feeds {
                let files = [(content.ipk_name(feed), &version.as_bytes().to_vec())];
                packed.write(&folder, feed, &[&content], &files).unwrap();
            }
            let sums = with_earlier(&folder, &packed.sums);
            std::fs::write(folder.join("sha256sums"), &sums).unwrap();
            sums.lines().map(|line| line[66..].to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(pack("1.0-r8", &["mips", "arm"]), ["mips/upxe_1.0-r8_mips.ipk", "arm/upxe_1.0-r8_arm.ipk"]);
        std::fs::write(folder.join("arm/upxe-other_1.0-r8_arm.ipk"), "somebody else's").unwrap();
        assert_eq!(pack("1.0-r9", &["arm"]), ["mips/upxe_1.0-r8_mips.ipk", "arm/upxe_1.0-r9_arm.ipk"]);
        let mut left: Vec<_> =
            std::fs::read_dir(folder.join("arm")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, ["upxe-other_1.0-r8_arm.ipk", "upxe_1.0-r9_arm.ipk"]);
        std::fs::remove_dir_all(folder).unwrap();
    }
}
