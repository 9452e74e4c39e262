//! The LuCI pages and their German translation, as packages.

use std::path::Path;

use crate::Result;
use crate::lmo;
use crate::package::{File, Package, read, time, version};
use crate::script;

/// Where the pages are.
const APP: &str = "openwrt/luci-app-upxe";

/// What LuCI's own packages do once they are there (luci.mk): menu, modules and grants are read anew.
const INSTALLED: &str = "\
[ -n \"${IPKG_INSTROOT}\" ] || {
	rm -f /tmp/luci-indexcache.*
	rm -rf /tmp/luci-modulecache/
	/etc/init.d/rpcd reload 2>/dev/null
	exit 0
}
";
const GERMAN: &str = "uci set luci.languages.de='Deutsch (German)'\nuci commit luci\nexit 0\n";

/// Both packages, in the order of their names.
pub fn packages(root: &Path) -> Result<Vec<Package>> {
    let mut pages = Vec::new();
    for (part, place) in [("htdocs", "www"), ("root", "")] {
        collect(&root.join(APP).join(part), place, &mut pages)?;
    }
    pages.sort_by(|left, right| left.path.cmp(&right.path));
    let po = String::from_utf8(read(root, &format!("{APP}/po/de/upxe.po"))?)?;
    let file = |path: &str, mode, bytes| File { path: path.into(), mode, bytes };
    let translation = vec![
        file("etc/uci-defaults/luci-i18n-upxe-de", 0o755, GERMAN.into()),
        file("usr/lib/lua/luci/i18n/upxe.de.lmo", 0o644, lmo::compile(&po)?),
    ];
    let app = Package {
        name: "luci-app-upxe",
        version: version(root, &format!("{APP}/Makefile"), time())?,
        summary: "LuCI page for network boot (upxe)",
        description: "Switches network boot on, and shows how machines boot.",
        license: "MIT",
        section: "luci",
        depends: &["luci-base", "rpcd-mod-ucode", "upxe"],
        user: None,
        installed: INSTALLED,
        files: pages,
        conffiles: &[],
        time: time(),
    };
    let german = Package {
        name: "luci-i18n-upxe-de",
        summary: "German words for luci-app-upxe",
        description: "German words for luci-app-upxe.",
        depends: &["luci-app-upxe"],
        files: translation,
        ..app.clone()
    };
    Ok(vec![app, german])
}

/// Every file under `folder`, to be installed under `place`.
fn collect(folder: &Path, place: &str, files: &mut Vec<File>) -> Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).ok_or("a file's name is no text")?;
        let to = if place.is_empty() { name.to_owned() } else { format!("{place}/{name}") };
        if path.is_dir() {
            collect(&path, &to, files)?;
        } else if name.ends_with(".js")
            || name.ends_with(".json")
            || path.parent().is_some_and(|folder| folder.ends_with("ucode"))
        {
            files.push(File {
                path: to,
                mode: 0o644,
                bytes: script::minified(&std::fs::read_to_string(&path)?).into_bytes(),
            });
        } else {
            files.push(File { path: to, mode: 0o644, bytes: std::fs::read(&path)? });
        }
    }
    Ok(())
}
