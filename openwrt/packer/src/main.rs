//! Packs what was built: `packer pack FOLDER` writes the packages of every architecture, `packer sizes` tells what the
//! programs weigh and fails if that is too much.

mod adb;
mod apk;
mod index;
mod ipk;
mod package;
mod sizes;
mod tar;
mod targets;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match arguments.as_slice() {
        ["pack", folder, triples @ ..] => pack(Path::new(folder), triples),
        ["sizes", triples @ ..] => sizes::check(&root(), triples),
        ["triples"] => targets::read(&root()).map(|targets| targets.iter().for_each(|target| println!("{}", target.triple))),
        _ => Err("usage: packer pack FOLDER [TRIPLE…] | sizes [TRIPLE…] | triples".into()),
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
    let mut sums = String::new();
    println!("{:<28} {:<32} {:>7} {:>7} {:>7}", "architecture", "triple", "binary", "ipk", "apk");
    for target in targets::read(&root)?.iter().filter(|target| triples.is_empty() || triples.contains(&&*target.triple)) {
        let program = std::fs::read(target.program(&root))
            .map_err(|error| format!("{}: {error}; build it first", target.program(&root).display()))?;
        let content = package::upxe(&root, program)?;
        let data = ipk::data(&content);
        for architecture in &target.architectures {
            let feed = folder.join(architecture);
            std::fs::create_dir_all(&feed)?;
            let ipk = ipk::write(&content, architecture, &data);
            let apk = apk::write(&content, architecture);
            let files = [
                (content.ipk_name(architecture), &ipk),
                (content.apk_name(), &apk.file),
                ("Packages".into(), &index::packages(&content, architecture, &data, &ipk).into_bytes()),
                ("Packages.gz".into(), &index::packages_gz(&content, architecture, &data, &ipk)),
                ("packages.adb".into(), &index::packages_adb(&content, architecture, &apk)),
            ];
            for (name, bytes) in files {
                std::fs::write(feed.join(&name), bytes)?;
                sums.push_str(&format!("{}  {architecture}/{name}\n", package::sha256_hex(bytes)));
            }
            let size = content.program_size();
            println!("{architecture:<28} {:<32} {size:>7} {:>7} {:>7}", target.triple, ipk.len(), apk.file.len());
        }
    }
    std::fs::write(folder.join("sha256sums"), sums)?;
    Ok(())
}
