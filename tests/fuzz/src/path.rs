//! Names of files against a real folder with links in it, some of them made up: nothing outside is ever read, and the
//! kernel's path walk and our own agree.

use std::cell::RefCell;
use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::io::IoSliceMut;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use upxe::sys::tree::{Refused, Resolver, Tree};
use upxe::tftp::path::SafePath;

use crate::input::Input;

/// What every file begins with that may be read.
const OPEN: &str = "open to all";
/// What no file that may be read contains.
const SECRET: &str = "secret";

struct Place {
    folder: PathBuf,
    /// Without and with a folder that links may lead to, by each resolver.
    trees: [[Tree; 2]; 2],
}

thread_local! {
    static PLACE: RefCell<Option<Place>> = const { RefCell::new(None) };
}

/// An input is a byte of circumstances, the targets of up to three links, each behind its length, and a name.
pub fn run(data: &[u8]) {
    PLACE.with_borrow_mut(|place| name(place.get_or_insert_with(Place::new), data));
}

fn name(place: &Place, data: &[u8]) {
    let mut input = Input(data);
    let circumstances = input.byte();
    let mut links = Vec::new();
    for name in ["a", "sub/b", "allowed/c"].iter().take(usize::from(circumstances & 3)) {
        let len = usize::from(input.byte());
        let target = input.bytes(len);
        // "@" stands for where all this lies, so that absolute targets can lead there.
        let target = match target.strip_prefix(b"@") {
            Some(rest) => [place.folder.as_os_str().as_bytes(), rest].concat(),
            None => target.to_vec(),
        };
        let link = match name.strip_prefix("allowed/") {
            Some(name) => place.folder.join("allowed").join(name),
            None => place.root().join(name),
        };
        if symlink(OsStr::from_bytes(&target), &link).is_ok() {
            links.push(link);
        }
    }
    let trees = &place.trees[usize::from(circumstances & 4 != 0)];
    let root = place.root();
    if let Ok(path) = SafePath::new(input.0, root.as_os_str().as_bytes()) {
        check(&path, root.as_os_str().as_bytes());
        open(trees, path.as_bytes());
        if let Some(other) = path.stand_in() {
            check(&other, root.as_os_str().as_bytes());
            open(trees, other.as_bytes());
        }
    }
    // Names that get past `SafePath` by no way lead nowhere all the same.
    open(trees, input.0);
    for link in links {
        fs::remove_file(link).unwrap();
    }
}

/// What holds for every path that a name may come to.
fn check(path: &SafePath, root: &[u8]) {
    let bytes = path.as_bytes();
    assert!((1..=255).contains(&bytes.len()));
    assert!(!bytes.iter().any(|byte| byte.is_ascii_control() || *byte == b'\\'));
    assert!(bytes.split(|byte| *byte == b'/').all(|part| !matches!(part, b"" | b"." | b"..")));
    assert_eq!(SafePath::new(bytes, root).as_ref(), Ok(path), "the same once more");
    assert!(path.to_string().is_ascii());
}

fn open(trees: &[Tree; 2], path: &[u8]) {
    let [kernel, walk] = trees.each_ref().map(|tree| outcome(tree, path));
    // An empty path is the root itself to one of the two; and of two faults of one path, each may name another.
    let same = kernel == walk || kernel.is_err() && walk.is_err();
    assert!(same, "{}: {kernel:?} and {walk:?}", path.escape_ascii());
}

fn outcome(tree: &Tree, path: &[u8]) -> Result<String, String> {
    let file = tree.open(path).map_err(|why| match why {
        Refused::NoRoot(error) => panic!("{error}"),
        other => format!("{other:?}"),
    })?;
    let mut bytes = vec![0; usize::try_from(file.size()).unwrap().min(100)];
    let len = file.read_at(&mut [IoSliceMut::new(&mut bytes)], 0).unwrap();
    assert_eq!(len, bytes.len());
    let text = String::from_utf8(bytes).unwrap_or_default();
    assert!(text.starts_with(OPEN) && !text.contains(SECRET), "{} leads to {text:?}", path.escape_ascii());
    Ok(text)
}

impl Place {
    /// As in `tests/tftp/tree.rs`: a root with all kinds of things in it, a folder that links may lead to, and one that none
    /// may.
    fn new() -> Self {
        // In memory if that can be: every input makes links.
        let memory = Path::new("/dev/shm");
        let home = if memory.is_dir() { memory.to_path_buf() } else { std::env::temp_dir() };
        let folder = home.join(format!("upxe-fuzz-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        let folder = folder.canonicalize().unwrap();
        let at = |path: &str| folder.join(path);
        for name in ["root/sub/deep", "allowed/inner", "secret", "rooted"] {
            fs::create_dir_all(at(name)).unwrap();
        }
        for file in ["root/file", "root/file.0", "root/sub/file", "root/sub/deep/file", "allowed/inner/file"] {
            fs::write(at(file), format!("{OPEN}: {file}")).unwrap();
        }
        for file in ["secret/file", "file", "rooted/file", "root/private"] {
            fs::write(at(file), format!("{SECRET}: {file}")).unwrap();
        }
        fs::set_permissions(at("root/private"), Permissions::from_mode(0o600)).unwrap();
        for (target, link) in [
            ("file", "root/link"),
            ("sub", "root/folder-link"),
            ("../../file", "root/sub/deep/up"),
            ("loop", "root/loop"),
            ("../secret/file", "root/out"),
            ("../secret", "root/folder-out"),
            ("../root/file", "root/out-and-in"),
            ("/proc/self/root", "root/everything"),
            ("../allowed/inner", "root/folder-allowed"),
            ("../../secret/file", "allowed/inner/on"),
            ("../root/sub", "allowed/back"),
        ] {
            symlink(target, at(link)).unwrap();
        }
        let tree = |allow: bool, resolver| {
            let allow = if allow { vec![at("allowed")] } else { Vec::new() };
            Tree::with_resolver(at("root"), allow, resolver)
        };
        let pair = |allow| [tree(allow, Resolver::Openat2), tree(allow, Resolver::Walk)];
        let trees = [pair(false), pair(true)];
        Self { folder, trees }
    }

    fn root(&self) -> PathBuf {
        self.folder.join("root")
    }
}

pub fn seeds() -> Vec<Vec<u8>> {
    const NAMES: &[&str] = &[
        "file",
        "sub/file",
        "\\sub\\deep\\file",
        "//sub//./file",
        "link",
        "folder-link/deep/up",
        "out",
        "folder-out/file",
        "out-and-in",
        "everything/etc/passwd",
        "folder-allowed/file",
        "folder-allowed/on",
        "../secret/file",
        "private",
        "sub/../file",
        "file.0",
        "loop",
        "missing",
        "a",
        "a/file",
        "sub/b",
        "folder-allowed/../back/file",
        "",
    ];
    const TARGETS: &[&str] = &[
        "file",
        "sub",
        "../secret/file",
        "@/root/file",
        "@/root/sub",
        "@/allowed/inner/file",
        "@/allowed/c",
        "../root/sub/b",
        "@/secret",
        "/proc/self/cwd",
        "/dev/zero",
        "@/rooted/file",
        "/etc/passwd",
        "sub/b",
        "..",
        ".",
        "@/root",
        "../allowed/c",
    ];
    let plain = NAMES.iter().map(|name| [&[4], name.as_bytes()].concat());
    let linked = TARGETS.iter().enumerate().flat_map(|(at, first)| {
        let other = TARGETS[(at * 7 + 3) % TARGETS.len()];
        let third = TARGETS[(at * 5 + 1) % TARGETS.len()];
        ["a", "a/file", "sub/b", "sub/b/file", "a/sub/file"].map(|name| {
            let behind = |text: &str| [&[text.len() as u8], text.as_bytes()].concat();
            [vec![3 | (at as u8 & 1) << 2], behind(first), behind(other), behind(third), name.into()].concat()
        })
    });
    plain.chain(linked).collect()
}
