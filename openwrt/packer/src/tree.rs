//! Which crates are in the program's tree because of one of its dependencies alone.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::Result;

/// The names, as symbols have them, of the crates that upxe has through `dependency` and nothing else; without itself.
pub fn only_through(root: &Path, dependency: &str) -> Result<BTreeSet<String>> {
    let lock = std::fs::read_to_string(root.join("Cargo.lock"))?;
    let tree = read(&lock);
    let direct = tree.get("upxe").ok_or("Cargo.lock has no upxe")?;
    if !direct.contains(dependency) {
        return Err(format!("upxe does not depend on {dependency}").into());
    }
    let others = reached(&tree, direct.iter().copied().filter(|&name| name != dependency));
    let through = reached(&tree, [dependency]);
    Ok(through.difference(&others).filter(|&&name| name != dependency).map(|name| name.replace('-', "_")).collect())
}

/// Each package's dependencies, by name; of several versions, all.
fn read(lock: &str) -> BTreeMap<&str, BTreeSet<&str>> {
    let mut tree: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let mut package = "";
    for line in lock.lines() {
        if let Some(name) = line.strip_prefix("name = ") {
            package = name.trim_matches('"');
            tree.entry(package).or_default();
        } else if let Some(quoted) = line.strip_prefix(" \"") {
            // A version behind the name tells several apart.
            let name = quoted.split(['"', ' ']).next().unwrap_or_default();
            tree.entry(package).or_default().insert(name);
        }
    }
    tree
}

fn reached<'l>(
    tree: &BTreeMap<&'l str, BTreeSet<&'l str>>,
    from: impl IntoIterator<Item = &'l str>,
) -> BTreeSet<&'l str> {
    let mut found = BTreeSet::new();
    let mut open: Vec<&str> = from.into_iter().collect();
    while let Some(name) = open.pop() {
        if found.insert(name) {
            open.extend(tree.get(name).into_iter().flatten());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tree_is_read() {
        let lock = "[[package]]\nname = \"upxe\"\ndependencies = [\n \"a\",\n \"b\",\n]\n\n\
            [[package]]\nname = \"a\"\nversion = \"1.0.0\"\ndependencies = [\n \"c 0.1.0\",\n \"d\",\n]\n";
        let tree = read(lock);
        assert_eq!(reached(&tree, ["a"]).into_iter().collect::<Vec<_>>(), ["a", "c", "d"]);
        assert_eq!(reached(&tree, ["upxe"]).len(), 5);
    }

    #[test]
    fn much_is_there_because_of_dhcproto_alone() {
        let unwanted = only_through(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."), "dhcproto").unwrap();
        for name in ["idna", "icu_normalizer_data", "hickory_proto", "url", "rand"] {
            assert!(unwanted.contains(name), "{name}: {unwanted:?}");
        }
        for name in ["dhcproto", "heapless", "libc", "log"] {
            assert!(!unwanted.contains(name), "{name}");
        }
    }
}
