//! The indexes that make a folder a feed: `Packages` for opkg, `packages.adb` for apk.

use crate::adb::{self, Adb, Schema};
use crate::apk::{self, About, Apk};
use crate::ipk::{self, Data};
use crate::package::{Package, sha256_hex};

pub fn packages(package: &Package, architecture: &str, data: &Data, ipk: &[u8]) -> String {
    let name = package.ipk_name(architecture);
    let more = format!("Filename: {name}\nSize: {}\nSHA256sum: {}\n", ipk.len(), sha256_hex(ipk));
    ipk::control(package, architecture, data, &more) + "\n"
}

/// apk-tools, src/apk_adb.h `ADBI_NDX_*`; apk wants packages in the order of their names.
pub fn packages_adb(summary: &str, architecture: &str, packages: &[(&Package, &Apk)]) -> Vec<u8> {
    let mut adb = Adb::new();
    let mut infos = Vec::new();
    for (package, apk) in packages {
        let identity = adb.blob(&apk.identity);
        let file_size = adb.int(apk.file.len() as u32);
        let about = About { identity, installed_size: apk.installed_size, file_size };
        infos.push(apk::info(&mut adb, package, architecture, about));
    }
    let fields = [adb.text(summary), adb.object(&infos)];
    let root = adb.object(&fields);
    adb::file(Schema::Index, &adb.finish(root, None), &[])
}
