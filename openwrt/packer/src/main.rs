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
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

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
    std::fs::write(folder.join("sha256sums"), sums)?;
    Ok(())
}

/// What is told of the packages of one program.
#[derive(Default)]
struct Packed {
    rows: String,
    sums: String,
}

impl Packed {
    /// Writes files into a feed.
    fn write(&mut self, folder: &Path, feed: &str, files: &[(String, &Vec<u8>)]) -> std::result::Result<(), String> {
        for (name, bytes) in files {
            let path = folder.join(feed).join(name);
            let written = std::fs::create_dir_all(folder.join(feed)).and_then(|()| std::fs::write(&path, bytes));
            written.map_err(|error| format!("{}: {error}", path.display()))?;
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
    packed.write(folder, ALL[0], &files)?;
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
        packed.write(folder, architecture, &files)?;
        let (triple, size, ipk, apk) = (&target.triple, content.program_size(), ipk.len(), apk.file.len());
        let _ = writeln!(packed.rows, "{architecture:<28} {triple:<32} {size:>7} {ipk:>7} {apk:>7}");
    }
    Ok(packed)
}
