//! What a program weighs: by crate, from the linker's map, and against the size it had when somebody last looked; and what
//! must not be in it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::Result;
use crate::targets::{self, Target};
use crate::tree;

/// A program may grow by so many percent before somebody must look.
const ALLOWED_GROWTH: usize = 5;

/// Bytes of the standard library's that may be there for crates of dhcproto's tree. Its list of options throws errors away
/// that could hold hickory-proto's, so how to do that is there; and of generic functions that several crates have, such as a
/// vector's growth, the one that stays may be a crate's of that tree.
const ALLOWED_FOR_TREE: usize = 2048;

/// Reports the programs of these triples, or of all that are built, and fails if one is too large.
pub fn check(root: &Path, triples: &[&str]) -> Result<()> {
    let stored = std::fs::read_to_string(root.join("openwrt/sizes"))?;
    let stored: BTreeMap<&str, usize> = stored
        .lines()
        .filter_map(|line| line.split_once(' '))
        .filter_map(|(triple, size)| Some((triple, size.trim().parse().ok()?)))
        .collect();
    let unwanted = tree::only_through(root, "dhcproto")?;
    let mut wrong = Vec::new();
    for target in targets::read(root)? {
        let wanted =
            if triples.is_empty() { target.program(root).exists() } else { triples.contains(&&*target.triple) };
        if wanted {
            wrong.extend(report(root, &target, stored.get(&*target.triple).copied(), &unwanted)?);
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n").into()) }
}

fn report(root: &Path, target: &Target, stored: Option<usize>, unwanted: &BTreeSet<String>) -> Result<Vec<String>> {
    let triple = &target.triple;
    let size = std::fs::metadata(target.program(root))?.len() as usize;
    let map = target.link_map(root);
    let map = std::fs::read_to_string(&map).map_err(|error| format!("{}: {error}", map.display()))?;
    let by_crate = by_crate(&map);
    println!("\n{triple}: {size} bytes");
    let mut rows: Vec<_> = by_crate.iter().collect();
    rows.sort_by_key(|&(name, bytes)| (std::cmp::Reverse(bytes), name));
    rows.iter().for_each(|(name, bytes)| println!("{bytes:>9}  {name}"));

    let mut wrong: Vec<String> =
        strangers(&map, unwanted).into_iter().map(|what| format!("{triple}: {what}")).collect();
    match stored {
        None => println!("{triple}: not compared; openwrt/sizes has no size for it ('{triple} {size}')"),
        Some(stored) if size > stored + stored * ALLOWED_GROWTH / 100 => wrong.push(format!(
            "{triple}: {size} bytes, more than {ALLOWED_GROWTH} % over the {stored} of openwrt/sizes; \
             see above where they are"
        )),
        Some(_) => {}
    }
    Ok(wrong)
}

/// What is there of crates that only dhcproto brings, at up to 100 KB: a careless use of it makes them part of the program.
fn strangers(map: &str, unwanted: &BTreeSet<String>) -> Vec<String> {
    let mut found = BTreeMap::new();
    let mut shared = 0;
    for piece in pieces(map) {
        let crates = mangled_crates(piece.section);
        match made_for(&crates) {
            Some(name) if !unwanted.contains(name) => {}
            Some(name) if crates.first() == Some(&name) => *found.entry(name.to_owned()).or_insert(0) += piece.size,
            Some(_) => shared += piece.size,
            None => {}
        }
    }
    let mut wrong: Vec<String> = found
        .into_iter()
        .map(|(name, size)| {
            format!("{name} is in the program, {size} bytes: dhcproto's owned types are used somewhere")
        })
        .collect();
    if shared > ALLOWED_FOR_TREE {
        wrong.push(format!("{shared} bytes are there for crates of dhcproto's tree, more than {ALLOWED_FOR_TREE}"));
    }
    wrong
}

/// Bytes of each crate.
fn by_crate(map: &str) -> BTreeMap<String, usize> {
    let mut sizes = BTreeMap::new();
    for piece in pieces(map) {
        *sizes.entry(owner(piece.file, piece.section)).or_default() += piece.size;
    }
    sizes
}

/// A section of an object file that went into the program.
struct Piece<'m> {
    file: &'m str,
    section: &'m str,
    size: usize,
}

/// From lines like `   10168    10168       b     4         …/upxe.rcgu.o:(.text._RNvNtCs1_4upxe3sys4open)`.
fn pieces(map: &str) -> impl Iterator<Item = Piece<'_>> {
    map.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        let size = usize::from_str_radix(words.nth(2)?, 16).ok()?;
        // Sections of the output and single symbols have no file; what isn't loaded has no weight.
        let (file, section) = words.nth(1)?.rsplit_once(":(")?;
        let is_loaded = [".text", ".rodata", ".data"].iter().any(|kind| section.starts_with(kind));
        is_loaded.then_some(Piece { file, section, size })
    })
}

/// The crate that a piece belongs to; of our own crate, the folder.
fn owner(file: &str, section: &str) -> String {
    let crates = mangled_crates(section);
    match made_for(&crates).or(crates.first().copied()) {
        Some("upxe") => match section.split_once("4upxe").and_then(|(_, path)| identifier(path)) {
            Some(folder) => format!("upxe::{folder}"),
            None => "upxe".to_owned(),
        },
        Some(name) => name.to_owned(),
        None if file.contains("/libc.a") => "musl".to_owned(),
        None => "constants".to_owned(),
    }
}

/// The crate that a function counts for: one that is generic, and the standard library's, for that which it was made for.
fn made_for<'m>(crates: &[&'m str]) -> Option<&'m str> {
    crates.iter().copied().find(|name| !STANDARD.contains(name))
}

const STANDARD: &[&str] = &["core", "alloc", "std", "compiler_builtins", "hashbrown"];

/// The crates in a mangled name (RFC 2603): `C`, `s`, a disambiguator, `_`, and an identifier.
fn mangled_crates(section: &str) -> Vec<&str> {
    let mut crates = Vec::new();
    let Some((_, mut rest)) = section.split_once("_R") else { return crates };
    while let Some((_, after)) = rest.split_once("Cs") {
        rest = after;
        let Some((disambiguator, name)) = after.split_once('_') else { break };
        if disambiguator.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            crates.extend(identifier(name));
        }
    }
    crates
}

/// A name behind its length in decimal, and `_` if it begins with a digit or `_`.
fn identifier(mangled: &str) -> Option<&str> {
    let digits = mangled.len() - mangled.trim_start_matches(|character: char| character.is_ascii_digit()).len();
    let len = mangled.get(..digits)?.parse().ok()?;
    mangled.get(digits..)?.trim_start_matches('_').get(..len).filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_symbol_belongs_to_the_crate_it_was_made_for() {
        let owner = |section| owner("x.rcgu.o", section);
        assert_eq!(owner(".text._RNvNtNtCsiEUgTrFRaKE_4upxe8commands3run3run"), "upxe::commands");
        assert_eq!(owner(".text._RNvMCs4tBKRRIzUHY_4arghNtB2_4Port4open"), "argh");
        assert_eq!(owner(".text._RINvMNtCs6ku7DB2t77u_4core3str8containsReECsiEUgTrFRaKE_4upxe"), "upxe");
        assert_eq!(owner(".text._RNvNtCs6ku7DB2t77u_4core3fmt5write"), "core");
        assert_eq!(owner(".rodata..Lanon.4fe09b"), "constants");
    }

    #[test]
    fn a_map_is_summed_up() {
        let map = "     VMA      LMA     Size Align Out     In      Symbol\n\
                   10168    10168     74e8     8 .rodata\n\
                   10168    10168        b     1         /z/libc.a(/z/realpath.o):(.text.realpath)\n\
                   10174    10174       10     4         /t/upxe.rcgu.o:(.text._RNvCs1x_4upxe4main)\n\
                   10174    10174       10     1                 main\n";
        let sizes = by_crate(map);
        assert_eq!(sizes.into_iter().collect::<Vec<_>>(), [("musl".to_owned(), 11), ("upxe::main".to_owned(), 16)]);
    }

    #[test]
    fn crates_that_are_not_wanted_are_found() {
        let unwanted = BTreeSet::from(["idna".to_owned(), "hickory_proto".to_owned()]);
        let map = |size, symbol| format!(" 10174 10174 {size} 1 /t/upxe.rcgu.o:(.text.{symbol})\n");
        let own = map("10", "_RNvNtCs1x_4idna5punyc6encode");
        assert_eq!(strangers(&own, &unwanted).len(), 1);
        let drop = "_RINvNtCs8a_4core3ptr13drop_in_placeNtNtCsiQ_13hickory_proto5error10ProtoErrorECshm_8dhcproto";
        assert!(strangers(&map("88", drop), &unwanted).is_empty());
        assert_eq!(strangers(&map("801", drop), &unwanted).len(), 1);
        assert!(strangers(&map("10", "_RNvCs1x_4upxe4main"), &unwanted).is_empty());
    }
}
