//! What is served from a real folder and what isn't, by the kernel's path walk and by our own.

#[path = "../support/scratch.rs"]
mod scratch;

use std::fs::{self, Permissions};
use std::io::IoSliceMut;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use scratch::Scratch;
use upxe::sys::tree::{Refused, Resolver, Tree};

const RESOLVERS: [Resolver; 2] = [Resolver::Openat2, Resolver::Walk];

/// A root with all kinds of things in it, beside a folder that may be allowed and one that never is.
struct Place {
    scratch: Scratch,
}

impl Place {
    fn new() -> Self {
        let scratch = Scratch::new();
        let at = |path: &str| scratch.path().join(path);
        for folder in ["root/sub/deep", "allowed/inner", "secret"] {
            fs::create_dir_all(at(folder)).unwrap();
        }
        for file in ["root/file", "root/sub/file", "root/sub/deep/file", "allowed/inner/file", "secret/file"] {
            fs::write(at(file), file).unwrap();
        }
        fs::write(at("root/private"), "private").unwrap();
        fs::set_permissions(at("root/private"), Permissions::from_mode(0o600)).unwrap();
        mkfifo(&at("root/fifo"));
        drop(UnixListener::bind(at("root/socket")).unwrap());
        for (target, link) in [
            ("file", "root/link"),
            ("sub", "root/folder-link"),
            ("../file", "root/sub/up"),
            ("../../file", "root/sub/deep/up"),
            ("link", "root/link-to-link"),
            ("missing", "root/dangling"),
            ("loop", "root/loop"),
            ("fifo", "root/link-to-fifo"),
            ("../secret/file", "root/out"),
            ("../secret", "root/folder-out"),
            ("../root/file", "root/out-and-in"),
            ("/etc/passwd", "root/absolute-out"),
            ("/proc/self/exe", "root/magic"),
            ("../allowed/inner/file", "root/allowed"),
            ("../allowed/inner", "root/folder-allowed"),
            ("../../secret/file", "allowed/inner/on"),
            ("../root/sub", "allowed/back"),
            ("../allowed/back/file", "root/there-and-back"),
        ] {
            symlink(target, at(link)).unwrap();
        }
        symlink(at("root/sub/file"), at("root/absolute")).unwrap();
        symlink(at("allowed/inner/file"), at("root/absolute-allowed")).unwrap();
        symlink(at("root"), at("root-link")).unwrap();
        Self { scratch }
    }

    fn at(&self, path: &str) -> PathBuf {
        self.scratch.path().join(path)
    }

    fn tree(&self, allow: &[&str], resolver: Resolver) -> Tree {
        Tree::with_resolver(self.at("root"), allow.iter().map(|path| self.at(path)).collect(), resolver)
    }
}

fn mkfifo(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

/// What the file contains, or why there is none.
fn read(tree: &Tree, path: &str) -> String {
    match tree.open(path.as_bytes()) {
        Ok(file) => {
            let mut bytes = vec![0; file.size() as usize];
            assert_eq!(file.read_at(&mut [IoSliceMut::new(&mut bytes)], 0).unwrap() as u64, file.size());
            String::from_utf8(bytes).unwrap()
        }
        Err(Refused::Outside(target)) => format!("outside: {}", target.file_name().unwrap().display()),
        Err(Refused::Failed(error)) => format!("failed: {:?}", error.raw_os_error().unwrap()),
        Err(other) => format!("{other:?}"),
    }
}

#[test]
fn paths_are_followed_beneath_the_root_only() {
    let place = Place::new();
    let eloop = format!("failed: {}", libc::ELOOP);
    for resolver in RESOLVERS {
        let tree = place.tree(&[], resolver);
        for (path, wanted) in [
            ("file", "root/file"),
            ("sub/file", "root/sub/file"),
            ("sub/deep/file", "root/sub/deep/file"),
            // Links that stay within.
            ("link", "root/file"),
            ("link-to-link", "root/file"),
            ("folder-link/file", "root/sub/file"),
            ("folder-link/deep/up", "root/file"),
            ("sub/up", "root/file"),
            ("sub/deep/up", "root/file"),
            ("absolute", "root/sub/file"),
            ("out-and-in", "root/file"),
            // Links that lead out.
            ("out", "outside: file"),
            ("folder-out/file", "outside: file"),
            ("absolute-out", "outside: passwd"),
            ("allowed", "outside: file"),
            ("folder-allowed/file", "outside: file"),
            // Not there.
            ("missing", "NotFound"),
            ("sub/missing", "NotFound"),
            ("missing/file", "NotFound"),
            ("dangling", "NotFound"),
            ("file/", "NotFound"),
            ("file/file", "NotFound"),
            ("", "NotFound"),
            ("nul\0byte", "NotFound"),
            ("loop", &eloop),
            // Not files.
            ("sub", "NotAFile"),
            ("folder-link", "NotAFile"),
            ("fifo", "NotAFile"),
            ("link-to-fifo", "NotAFile"),
            ("socket", "NotAFile"),
        ] {
            let found = read(&tree, path);
            // An empty path is the root itself to one of the two.
            let is_root = path.is_empty() && found == "NotAFile";
            assert!(found == wanted || is_root, "{path} by {resolver:?}: {found}, not {wanted}");
        }
    }
}

#[test]
fn names_that_no_client_can_send_lead_nowhere_either() {
    let place = Place::new();
    for resolver in RESOLVERS {
        let tree = place.tree(&["allowed"], resolver);
        for path in ["../secret/file", "sub/../../secret/file", "/etc/passwd", "..", "folder-allowed/on", "magic"] {
            assert!(tree.open(path.as_bytes()).is_err(), "{path} by {resolver:?}");
        }
    }
}

#[test]
fn links_may_lead_to_allowed_folders() {
    let place = Place::new();
    for resolver in RESOLVERS {
        let tree = place.tree(&["not-there", "allowed"], resolver);
        for (path, wanted) in [
            ("allowed", "allowed/inner/file"),
            ("absolute-allowed", "allowed/inner/file"),
            ("folder-allowed/file", "allowed/inner/file"),
            ("there-and-back", "root/sub/file"),
            ("folder-allowed/on", "outside: file"),
            ("out", "outside: file"),
            // Allowed for links, not for names.
            ("inner/file", "NotFound"),
        ] {
            assert_eq!(read(&tree, path), wanted, "{path} by {resolver:?}");
        }
        // A folder whose name only begins alike is another.
        assert_eq!(read(&place.tree(&["allow"], resolver), "allowed"), "outside: file");
        // The allowed folder may itself be named by way of a link.
        symlink(place.at("allowed"), place.at(&format!("alias-{resolver:?}"))).unwrap();
        assert_eq!(read(&place.tree(&[&format!("alias-{resolver:?}")], resolver), "allowed"), "allowed/inner/file");
    }
}

#[test]
fn a_refusal_names_where_the_link_leads() {
    let place = Place::new();
    for resolver in RESOLVERS {
        let Err(Refused::Outside(target)) = place.tree(&[], resolver).open(b"folder-allowed/file") else {
            panic!("not refused")
        };
        assert_eq!(target, place.at("allowed/inner/file").canonicalize().unwrap());
    }
}

#[test]
fn a_fifo_is_not_even_opened() {
    let place = Place::new();
    for resolver in RESOLVERS {
        // Whoever opens a FIFO to write to it waits for somebody to open it for reading, however briefly.
        let fifo = place.at("root/fifo");
        let writer = std::thread::spawn(move || fs::File::options().write(true).open(fifo).map(drop));
        std::thread::sleep(Duration::from_millis(50));
        let tree = place.tree(&[], resolver);
        for path in ["fifo", "link-to-fifo"] {
            assert_eq!(read(&tree, path), "NotAFile");
        }
        std::thread::sleep(Duration::from_millis(50));
        assert!(!writer.is_finished(), "by {resolver:?}");
        drop(fs::File::open(place.at("root/fifo")).unwrap());
        writer.join().unwrap().unwrap();
    }
}

#[test]
fn files_that_not_everybody_may_read_are_refused_to_root() {
    let is_root = fs::metadata("/proc/self").unwrap().uid() == 0;
    let place = Place::new();
    for resolver in RESOLVERS {
        // Another user's service can read its own files only as far as the kernel lets it.
        let wanted = if is_root { "NotReadable" } else { "private" };
        assert_eq!(read(&place.tree(&[], resolver), "private"), wanted);
    }
}

#[test]
fn the_root_may_come_go_and_be_replaced() {
    let scratch = Scratch::new();
    let root = scratch.path().join("stick");
    for resolver in RESOLVERS {
        let tree = Tree::with_resolver(root.clone(), Vec::new(), resolver);
        assert!(matches!(tree.open(b"file"), Err(Refused::NoRoot(_))));
        for content in ["first", "second"] {
            fs::create_dir(&root).unwrap();
            fs::write(root.join("file"), content).unwrap();
            assert_eq!(read(&tree, "file"), content);
            fs::remove_dir_all(&root).unwrap();
            assert!(matches!(tree.open(b"file"), Err(Refused::NoRoot(_))));
        }
        // A file in its place is no root.
        fs::write(&root, "").unwrap();
        assert!(matches!(tree.open(b"file"), Err(Refused::NoRoot(_))));
        fs::remove_file(&root).unwrap();
    }
}

#[test]
fn the_root_may_be_a_link() {
    let place = Place::new();
    for resolver in RESOLVERS {
        let tree = Tree::with_resolver(place.at("root-link"), Vec::new(), resolver);
        assert_eq!(read(&tree, "sub/file"), "root/sub/file");
        assert_eq!(read(&tree, "absolute"), "root/sub/file");
        assert_eq!(read(&tree, "out"), "outside: file");
    }
}

#[test]
fn an_open_file_outlives_its_name() {
    let place = Place::new();
    let file = place.tree(&[], Resolver::Openat2).open(b"file").unwrap();
    fs::write(place.at("root/new"), "something else").unwrap();
    fs::rename(place.at("root/new"), place.at("root/file")).unwrap();
    let mut bytes = [0; 9];
    assert_eq!(file.read_at(&mut [IoSliceMut::new(&mut bytes)], 0).unwrap(), 9);
    assert_eq!(&bytes, b"root/file");
    // Parts are filled one after the other, from any offset.
    let (mut first, mut second) = ([0; 2], [0; 20]);
    let parts = &mut [IoSliceMut::new(&mut first), IoSliceMut::new(&mut second)];
    assert_eq!(file.read_at(parts, 3).unwrap(), 6);
    assert_eq!((&first, &second[..4]), (b"t/", &b"file"[..]));
}

#[test]
fn nothing_need_be_looked_for_in_a_folder_that_is_not_there() {
    let place = Place::new();
    let tree = place.tree(&[], Resolver::Openat2);
    for name in ["sub", "sub/deep", "folder-link", "folder-out", "loop"] {
        assert!(tree.may_have_folder(name.as_bytes()), "{name}");
    }
    for name in ["file", "fifo", "missing", "dangling", "missing/sub", "file/sub", "sub\0"] {
        assert!(!tree.may_have_folder(name.as_bytes()), "{name}");
    }
}
