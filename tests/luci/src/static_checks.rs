//! What can be said of the app without a browser: its ACL, its weight, its translations, and that its parts fit together.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::json;

use crate::{Stage, Test, json_file, script};

/// The tests of this file.
pub const TESTS: &[Test] = &[
    ("the ACL grants this service and nothing else", acl),
    ("every method is granted, declared and used", methods),
    ("the app weighs at most 12 KiB", weight),
    ("every visible text is translated", translations),
    ("every option of the main section is on a page", options),
    ("the menu leads to pages that exist", menu),
];

/// Bytes, compressed.
const MOST: usize = 12 << 10;

fn acl(stage: &mut Stage) {
    let acl = json_file(&stage.app.join("root/usr/share/rpcd/acl.d/luci-app-upxe.json"));
    let groups: Vec<&String> = acl.as_object().expect("groups").keys().collect();
    assert_eq!(groups, ["luci-app-upxe"]);
    // Host names and network names are all that is looked at beside the service itself.
    let read = json!({
        "ubus": {
            "luci-rpc": ["getHostHints"],
            "luci.upxe": ["check", "doctor", "explain", "files", "log", "status"],
            "network.interface": ["dump"]
        },
        "uci": ["upxe"]
    });
    assert_eq!(acl["luci-app-upxe"]["read"], read);
    assert_eq!(acl["luci-app-upxe"]["write"], json!({ "ubus": { "luci.upxe": ["action"] }, "uci": ["upxe"] }));
    let plugin = plugin(stage);
    let commands = [("PROGRAM", "/usr/sbin/upxe"), ("INIT", "/etc/init.d/upxe")];
    for (name, command) in commands {
        assert!(plugin.contains(&format!("const {name} = '{command}';")), "{name}");
    }
    assert_eq!(plugin.matches("exec(req, ").count(), 5, "a new program is run: look at what it may do");
    for forbidden in ["popen", "system(", "writefile", "unlink", "/bin/sh"] {
        assert!(!plugin.contains(forbidden), "the plugin must not use {forbidden}");
    }
}

fn plugin(stage: &Stage) -> String {
    fs::read_to_string(stage.app.join("root/usr/share/rpcd/ucode/luci.upxe")).expect("the plugin")
}

fn methods(stage: &mut Stage) {
    let acl = json_file(&stage.app.join("root/usr/share/rpcd/acl.d/luci-app-upxe.json"));
    let plugin = plugin(stage);
    let scripts: String = scripts(&stage.app).iter().map(|path| fs::read_to_string(path).expect("a script")).collect();
    for right in ["read", "write"] {
        for method in acl["luci-app-upxe"][right]["ubus"]["luci.upxe"].as_array().expect("methods") {
            let method = method.as_str().expect("a name");
            assert!(plugin.contains(&format!("\n\t{method}: {{")), "the plugin lacks {method}");
            assert!(scripts.contains(&format!("ask('{method}'")), "no page asks for {method}");
        }
    }
}

fn scripts(app: &Path) -> Vec<PathBuf> {
    files_under(&app.join("htdocs"))
}

fn files_under(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()) {
        if entry.is_dir() { found.extend(files_under(&entry)) } else { found.push(entry) }
    }
    found.sort();
    found
}

fn weight(stage: &mut Stage) {
    let folder = stage.root();
    for part in ["htdocs", "root"] {
        for path in files_under(&stage.app.join(part)) {
            let mut text = fs::read_to_string(&path).expect("a file");
            if path.extension().is_some_and(|ending| ending == "js" || ending == "json") || path.ends_with("luci.upxe")
            {
                text = script::minified(&text);
            }
            let to = folder.join(path.strip_prefix(&stage.app).expect("a path below"));
            fs::create_dir_all(to.parent().expect("a folder")).expect("a folder");
            fs::write(to, text).expect("a file");
        }
    }
    let tar = Command::new("tar")
        .args(["--sort=name", "--owner=0", "--group=0", "--mtime=@0", "-c", "."])
        .current_dir(&folder)
        .output();
    let mut gzip =
        Command::new("gzip").args(["-9n"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("gzip");
    gzip.stdin.take().expect("a pipe").write_all(&tar.expect("tar").stdout).expect("gzip reads");
    let size = gzip.wait_with_output().expect("gzip").stdout.len();
    println!("tests/luci: the app weighs {size} bytes");
    assert!(size <= MOST, "{size} bytes");
}

/// The texts that scripts and menu show: `_('…')` and titles.
fn shown(stage: &Stage) -> BTreeSet<String> {
    let mut texts = BTreeSet::new();
    for path in scripts(&stage.app) {
        let script = fs::read_to_string(path).expect("a script");
        for part in script.split("_('").skip(1) {
            let mut text = String::new();
            let mut letters = part.chars();
            loop {
                match letters.next().expect("the text ends") {
                    '\\' => text.push(letters.next().expect("a letter")),
                    '\'' => break,
                    letter => text.push(letter),
                }
            }
            texts.insert(text);
        }
    }
    let menu = json_file(&stage.app.join("root/usr/share/luci/menu.d/luci-app-upxe.json"));
    texts.extend(said(stage));
    texts.extend(
        menu.as_object().expect("entries").values().map(|entry| entry["title"].as_str().expect("a title").to_owned()),
    );
    texts
}

/// The sentences of the program that pages translate: why a boot stopped and what to do, and why a finding matters.
fn said(stage: &Stage) -> BTreeSet<String> {
    let src = stage.app.join("../../src");
    let mut texts = BTreeSet::new();
    let doctor = files_under(&src.join("commands/doctor"));
    let troubles = ["proxy/advice.rs", "proxy/progress.rs", "daemon/progress.rs"].map(|name| src.join(name));
    for path in troubles.iter().chain(&doctor) {
        let file = fs::read_to_string(path).expect("a file");
        let file = file.split("#[cfg(test)]").next().expect("the program");
        let code: String =
            file.lines().filter(|line| !line.trim_start().starts_with("//")).map(|line| format!("{line}\n")).collect();
        let mut rest = code.as_str();
        while let Some((before, behind)) = rest.split_once('"') {
            let (text, more) = literal(behind);
            let is_named = ["reason: ", "advice: ", "UNSAID: &str = "].iter().any(|name| before.ends_with(name));
            let is_sentence =
                text.contains(' ') && text.ends_with(['.', '?']) && !text.starts_with([' ', ',', ';', ':']);
            if !text.is_empty() && if doctor.contains(path) { is_sentence } else { is_named } {
                texts.insert(text);
            }
            rest = more;
        }
    }
    assert!(texts.len() > 80, "{texts:?}");
    texts
}

/// The rest of a literal of Rust's, and what is behind it.
fn literal(code: &str) -> (String, &str) {
    let mut text = String::new();
    let mut letters = code.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return (text, &code[at + 1..]),
            '\\' => match letters.next().expect("a letter").1 {
                '\n' => {
                    let rest = letters.as_str().trim_start();
                    let (more, behind) = literal(rest);
                    return (text + &more, behind);
                }
                other => text.push(other),
            },
            letter => text.push(letter),
        }
    }
    (text, "")
}

/// A catalogue's entries; the head, which translates nothing, is left out.
pub fn catalogue(path: &Path) -> BTreeMap<String, String> {
    let mut entries = BTreeMap::new();
    let (mut id, mut text, mut in_text) = (String::new(), String::new(), false);
    let file = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    for line in file.lines().chain(["msgid \"\""]) {
        let (word, rest) = line.split_once('"').unwrap_or((line, ""));
        match word {
            "msgid " => {
                entries.insert(std::mem::take(&mut id), std::mem::take(&mut text));
                in_text = false;
            }
            "msgstr " => in_text = true,
            "" => {}
            comment => {
                assert!(comment.starts_with('#'), "{}: {line}", path.display());
                continue;
            }
        }
        let piece = rest.strip_suffix('"').unwrap_or(rest).replace("\\\"", "\"").replace("\\n", "\n");
        if in_text { text.push_str(&piece) } else { id.push_str(&piece) }
    }
    entries.remove("");
    entries
}

/// `%s`, `%d`, … in their order: what a translation must keep.
fn holes(text: &str) -> Vec<char> {
    text.split('%').skip(1).filter_map(|rest| rest.chars().find(|letter| letter.is_ascii_alphabetic())).collect()
}

fn translations(stage: &mut Stage) {
    let shown = shown(stage);
    assert!(shown.len() > 60, "{} texts are too few to be all", shown.len());
    let template = catalogue(&stage.app.join("po/templates/upxe.pot"));
    assert_eq!(template.keys().cloned().collect::<BTreeSet<_>>(), shown, "po/templates/upxe.pot");
    let german = catalogue(&stage.app.join("po/de/upxe.po"));
    assert_eq!(german.keys().cloned().collect::<BTreeSet<_>>(), shown, "po/de/upxe.po");
    for (id, text) in german {
        assert!(!text.is_empty(), "po/de/upxe.po does not translate '{id}'");
        assert_eq!(holes(&id), holes(&text), "'{id}' and its translation take different values");
    }
}

/// README.md's table is itself held against the program's.
fn options(stage: &mut Stage) {
    let readme = fs::read_to_string(stage.app.join("../../README.md")).expect("README.md");
    let scripts: String = scripts(&stage.app).iter().map(|path| fs::read_to_string(path).expect("a script")).collect();
    let table = readme.split("`config upxe 'main'` in `/etc/config/upxe`:\n").nth(1).expect("the table");
    let rows = table.trim_start().lines().take_while(|line| line.starts_with('|')).skip(2);
    let names: Vec<&str> = rows.filter_map(|line| line.split('`').nth(1)).collect();
    assert!(names.len() > 10, "{names:?}");
    for name in names {
        assert!(scripts.contains(&format!("'{name}'")), "no page has {name}");
    }
}

fn menu(stage: &mut Stage) {
    let menu = json_file(&stage.app.join("root/usr/share/luci/menu.d/luci-app-upxe.json"));
    let mut views = 0;
    for entry in menu.as_object().expect("entries").values().filter(|entry| entry["action"]["type"] == "view") {
        let path = entry["action"]["path"].as_str().expect("a path");
        assert!(stage.app.join(format!("htdocs/luci-static/resources/view/{path}.js")).exists(), "{path}");
        views += 1;
    }
    assert_eq!(views, 3);
    assert_eq!(menu["admin/services/upxe"]["depends"]["acl"], json!(["luci-app-upxe"]));
}
