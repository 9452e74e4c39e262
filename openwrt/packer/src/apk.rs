//! `.apk`, for apk 3 (OpenWrt 25.12 and later), unsigned.

use std::collections::BTreeMap;

use crate::adb::{self, Adb, Content, NULL, Schema, Value};
use crate::package::{File, Package, sha256, sha256_hex};

/// A package, and what an index says of it.
pub struct Apk {
    pub file: Vec<u8>,
    /// The hash of its first block, by which an index knows it.
    pub identity: [u8; 32],
    pub installed_size: u32,
}

pub fn write(package: &Package, architecture: &str) -> Apk {
    let files = with_lists(package);
    let folders = by_folder(&files);
    let installed_size = files.iter().map(|file| file.bytes.len() as u32).sum();

    let mut adb = Adb::new();
    let identity = adb.room_for_identity();
    let about = About { identity, installed_size, file_size: NULL };
    let info = info(&mut adb, package, architecture, about);
    let owner = adb.text("root");
    let mut paths = Vec::new();
    for (folder, files) in &folders {
        let files: Vec<Value> = files.iter().map(|file| file_value(&mut adb, owner, file, package.time)).collect();
        let mode = adb.int(0o755);
        let fields = [adb.text(folder), adb.object(&[mode, owner, owner]), adb.object(&files)];
        paths.push(adb.object(&fields));
    }
    let paths = adb.object(&paths);
    let scripts = scripts(&mut adb, package);
    let root = adb.object(&[info, paths, scripts]);
    let adb = adb.finish(root, Some(identity));

    let contents: Vec<Content<'_>> = (1..)
        .zip(folders.values())
        .flat_map(|(folder, files)| {
            (1..).zip(files).map(move |(file, content)| Content { folder, file, bytes: &content.bytes })
        })
        .filter(|content| !content.bytes.is_empty())
        .collect();
    Apk { file: adb::file(Schema::Package, &adb, &contents), identity: sha256(&adb), installed_size }
}

/// The fields that differ between a package's own account of itself and an index's.
pub struct About {
    pub identity: Value,
    pub installed_size: u32,
    pub file_size: Value,
}

/// apk-tools, src/apk_adb.h `ADBI_PI_*`.
pub fn info(adb: &mut Adb, package: &Package, architecture: &str, about: About) -> Value {
    let depends: Vec<Value> = package
        .depends
        .iter()
        .map(|name| {
            let name = adb.text(name);
            adb.object(&[name])
        })
        .collect();
    let fields = [
        adb.text(package.name),
        adb.text(&package.version),
        about.identity,
        adb.text(package.summary),
        adb.text(architecture),
        adb.text(package.license),
        adb.text(package.name),
        NULL, // maintainer
        NULL, // url
        NULL, // repo-commit
        NULL, // build-time
        adb.int(about.installed_size),
        about.file_size,
        NULL, // provider-priority
        adb.object(&depends),
    ];
    adb.object(&fields)
}

fn file_value(adb: &mut Adb, owner: Value, file: &File, time: u64) -> Value {
    let name = file.path.rsplit('/').next().unwrap_or(&file.path);
    let mode = adb.int(file.mode);
    let fields = [
        adb.text(name),
        adb.object(&[mode, owner, owner]),
        adb.int(file.bytes.len() as u32),
        adb.int(time as u32),
        adb.blob(&sha256(&file.bytes)),
    ];
    adb.object(&fields)
}

/// Each folder's files; both in the order of their bytes, as apk wants them.
fn by_folder(files: &[File]) -> BTreeMap<&str, Vec<&File>> {
    let mut folders: BTreeMap<&str, Vec<&File>> = BTreeMap::new();
    for file in files {
        let folder = file.path.rsplit_once('/').map_or("", |(folder, _)| folder);
        folders.entry(folder).or_default().push(file);
    }
    folders
}

/// The files, and the lists from which OpenWrt's functions know what to do with them.
fn with_lists(package: &Package) -> Vec<File> {
    let mut files = package.files.clone();
    let place = |ending: &str| format!("lib/apk/packages/{}.{ending}", package.name);
    let mut add = |ending: &str, text: String| {
        files.push(File { path: place(ending), mode: 0o644, bytes: text.into_bytes() });
    };
    let hash = |path: &str| {
        let file = package.files.iter().find(|file| file.path == path[1..]);
        file.map(|file| format!("{path} {}\n", sha256_hex(&file.bytes)))
    };
    let mut listed: Vec<String> = package.files.iter().map(|file| format!("/{}\n", file.path)).collect();
    if let Some(user) = &package.user {
        listed.push(format!("/{}\n", place("rusers")));
        add("rusers", format!("{user}\n"));
    }
    listed.sort();
    if !package.conffiles.is_empty() {
        add("conffiles", package.conffiles.iter().map(|path| format!("{path}\n")).collect());
        add("conffiles_static", package.conffiles.iter().filter_map(|path| hash(path)).collect());
    }
    add("list", listed.concat());
    files.sort_by(|left, right| left.path.cmp(&right.path));
    files
}

/// What OpenWrt's own packages have (include/package-pack.mk).
fn scripts(adb: &mut Adb, package: &Package) -> Value {
    let name = package.name;
    let begin = format!(
        "[ -s ${{IPKG_INSTROOT}}/lib/functions.sh ] || exit 0\n. ${{IPKG_INSTROOT}}/lib/functions.sh\n\
         export root=\"${{IPKG_INSTROOT}}\"\nexport pkgname=\"{name}\"\n"
    );
    let guard = "[ \"${IPKG_NO_SCRIPT}\" = \"1\" ] && exit 0\n";
    let install = format!("{guard}{begin}add_group_and_user\ndefault_postinst\n{}", package.installed);
    let fields = [
        NULL, // trigger
        NULL, // pre-install
        adb.text(&format!("#!/bin/sh\n{install}")),
        adb.text(&format!("#!/bin/sh\n{begin}default_prerm\n")),
        NULL, // post-deinstall
        NULL, // pre-upgrade
        adb.text(&format!("#!/bin/sh\nexport PKG_UPGRADE=1\n{install}")),
    ];
    adb.object(&fields)
}
