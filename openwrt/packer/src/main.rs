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
    let targets = targets::read(&root)?;
    let wanted = targets.iter().filter(|target| triples.is_empty() || triples.contains(&&*target.triple));
    // To deflate well takes seconds for each architecture.
    let packed = std::thread::scope(|scope| {
        let workers: Vec<_> = wanted.map(|target| scope.spawn(|| pack_target(&root, folder, target))).collect();
        workers.into_iter().map(|worker| worker.join().unwrap_or_else(|panic| resume_unwind(panic))).collect::<Vec<_>>()
    });
    println!("{:<28} {:<32} {:>7} {:>7} {:>7}", "architecture", "triple", "binary", "ipk", "apk");
    // What went well is there to be used, whatever the rest met.
    let mut result = Ok(());
    for packed in packed.into_iter().chain([pack_pages(&root, folder)]) {
        match packed {
            Ok(rows) => print!("{rows}"),
            Err(error) => result = result.and(Err(error.into())),
        }
    }
    std::fs::write(folder.join("sha256sums"), sums(folder, &targets)?)?;
    result
}

/// What opkg and apk call the architecture of packages for every router.
const ALL: [&str; 2] = ["all", "noarch"];

/// The checksums of all that lies in the feeds, of this run and of earlier ones.
fn sums(folder: &Path, targets: &[Target]) -> Result<String> {
    let mut sums = String::new();
    for feed in targets.iter().flat_map(|target| &target.architectures).map(String::as_str).chain([ALL[0]]) {
        let Ok(entries) = std::fs::read_dir(folder.join(feed)) else { continue };
        let mut names = entries.map(|entry| Ok(entry?.file_name())).collect::<io::Result<Vec<_>>>()?;
        names.sort();
        for name in names {
            let bytes = std::fs::read(folder.join(feed).join(&name))?;
            let _ = writeln!(sums, "{}  {feed}/{}", package::sha256_hex(&bytes), name.to_string_lossy());
        }
    }
    Ok(sums)
}

/// Writes packages and their indexes into a feed, where they take the place of the packages' other versions.
fn write(
    folder: &Path,
    feed: &str,
    packages: &[&Package],
    files: &[(String, &Vec<u8>)],
) -> std::result::Result<(), String> {
    let place = folder.join(feed);
    let told = |path: &Path, error: io::Error| format!("{}: {error}", path.display());
    std::fs::create_dir_all(&place).map_err(|error| told(&place, error))?;
    for (name, bytes) in files {
        std::fs::write(place.join(name), bytes).map_err(|error| told(&place.join(name), error))?;
    }
    for entry in std::fs::read_dir(&place).map_err(|error| told(&place, error))? {
        let entry = entry.map_err(|error| told(&place, error))?;
        let name = entry.file_name();
        let is_old = packages.iter().any(|package| package.is_called(&name.to_string_lossy()))
            && !files.iter().any(|(file, _)| **file == *name);
        if is_old {
            std::fs::remove_file(entry.path()).map_err(|error| told(&entry.path(), error))?;
        }
    }
    Ok(())
}

/// The LuCI pages and their translation, which are the same for every router: a feed of their own. Gives the rows that tell
/// of them.
fn pack_pages(root: &Path, folder: &Path) -> std::result::Result<String, String> {
    let mut rows = String::new();
    let (mut files, mut index, mut apks) = (Vec::new(), String::new(), Vec::new());
    for content in luci::packages(root).map_err(|error| error.to_string())? {
        let data = ipk::data(&content);
        let ipk = ipk::write(&content, ALL[0], &data);
        let apk = apk::write(&content, ALL[1]);
        index.push_str(&index::packages(&content, ALL[0], &data, &ipk));
        let _ = writeln!(rows, "{:<28} {:<32} {:>7} {:>7} {:>7}", ALL[0], content.name, "", ipk.len(), apk.file.len());
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
    write(folder, ALL[0], &packages, &files)?;
    Ok(rows)
}

// The threads' errors must be able to leave them.
fn pack_target(root: &Path, folder: &Path, target: &Target) -> std::result::Result<String, String> {
    let program = std::fs::read(target.program(root))
        .map_err(|error| format!("{}: {error}; build it first", target.program(root).display()))?;
    let content = package::upxe(root, program).map_err(|error| error.to_string())?;
    let data = ipk::data(&content);
    let mut rows = String::new();
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
        write(folder, architecture, &[&content], &files)?;
        let (triple, size, ipk, apk) = (&target.triple, content.program_size(), ipk.len(), apk.file.len());
        let _ = writeln!(rows, "{architecture:<28} {triple:<32} {size:>7} {ipk:>7} {apk:>7}");
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_later_package_takes_the_place_of_the_earlier_and_of_nothing_else() {
        let folder = std::env::temp_dir().join(format!("upxe-packer-{}", std::process::id()));
        let targets = targets::read(&root()).unwrap();
        let pack = |time, feeds: &[&str]| {
            let version = package::version(&root(), "openwrt/upxe/Makefile", time).unwrap();
            let content = Package { version: version.clone(), ..package::upxe(&root(), Vec::new()).unwrap() };
            for feed in feeds {
                let bytes = version.as_bytes().to_vec();
                let files = [(content.ipk_name(feed), &bytes), (content.apk_name(), &bytes)];
                write(&folder, feed, &[&content], &files).unwrap();
            }
            let sums = sums(&folder, &targets).unwrap();
            let mut files: Vec<_> = sums.lines().map(|line| line[66..].to_owned()).collect();
            files.sort();
            files
        };
        let of = |feed: &str, version: &str| {
            [format!("{feed}/upxe-{version}.apk"), format!("{feed}/upxe_{version}_{feed}.ipk")]
        };
        assert_eq!(pack(0, &["mips_24kc", "x86_64"]), [of("mips_24kc", "0.1.0-r1"), of("x86_64", "0.1.0-r1")].concat());
        let others = ["upxe-2fa_1.0_all.ipk", "upxe-3d-1.0-r1.apk", "upxe-old"].map(|name| {
            std::fs::write(folder.join("x86_64").join(name), "somebody else's").unwrap();
            format!("x86_64/{name}")
        });
        let mut all = [&of("mips_24kc", "0.1.0-r1")[..], &of("x86_64", "0.1.0-r1795000000"), &others].concat();
        all.sort();
        assert_eq!(pack(1_795_000_000, &["x86_64"]), all);
        std::fs::remove_dir_all(folder).unwrap();
    }
}
