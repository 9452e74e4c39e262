//! `upxe check` and `upxe explain`, as they are run: what they see of the TFTP root, and the lines that they name; and
//! every command's help.

#[path = "support/scratch.rs"]
mod scratch;

use std::fs;
use std::path::Path;
use std::process::Command;

use scratch::Scratch;

const ENTRY: &str = "\nconfig menu\n\nconfig entry 'disk'\n\toption kind 'local'\n";

/// A folder of configuration, and one of boot files beside it, which isn't made.
struct Scene(Scratch);

impl Scene {
    fn new(upxe: &str) -> Self {
        let scratch = Scratch::new();
        let root = scratch.path().join("tftp");
        let main = format!("config upxe 'main'\n\toption tftp_root '{}'\n", root.display());
        fs::write(scratch.path().join("upxe"), main + upxe).unwrap();
        fs::write(scratch.path().join("network"), "config interface 'lan'\n\toption device 'lo'\n").unwrap();
        Self(scratch)
    }

    fn with(self, file: &str, text: &str) -> Self {
        let path = self.0.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    /// What is printed, with this folder's name left out.
    fn run(&self, words: &[&str]) -> String {
        let folder: &Path = self.0.path();
        let output = Command::new(env!("CARGO_BIN_EXE_upxe")).args(words).arg("-c").arg(folder).output().unwrap();
        String::from_utf8(output.stdout).unwrap().replace(&format!("{}/", folder.display()), "")
    }
}

#[test]
fn help_comes_by_each_of_its_names() {
    let help = |words: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_upxe")).args(words).output().unwrap();
        (output.status.success(), String::from_utf8(output.stdout).unwrap())
    };
    let commands = ["run", "check", "explain", "status", "doctor", "import", "script"];
    for command in commands.map(Some).into_iter().chain([None]) {
        let of = |name| help(&command.into_iter().chain([name]).collect::<Vec<_>>());
        let (is_told, text) = of("--help");
        let usage = format!("Usage: upxe{}", command.map(|command| format!(" {command}")).unwrap_or_default());
        assert!(is_told && text.starts_with(&usage) && text.contains("-h, --help"), "{text}");
        assert_eq!(of("-h"), (true, text.clone()), "{command:?}");
        assert_eq!(of("help"), (true, text), "{command:?}");
    }
    assert!(!help(&["-x"]).0);
}

#[test]
fn words_that_no_template_knows_are_named() {
    let scene = Scene::new("").with("tftp/sub/x.ipxe.tmpl", "#!ipxe\necho {{mac}}\necho {{serial}} {{hst}}\n");
    let said = scene.run(&["check"]);
    let expected = "tftp/sub/x.ipxe.tmpl:3: warning: unknown word {{hst}}, sent as it stands; did you mean {{host}}?\n";
    assert_eq!(said.lines().filter(|line| line.contains("unknown word")).count(), 1, "{said}");
    assert!(said.contains(expected), "{said}");
}

/// Run by a shell, each command makes its remark go away; `uci` and `scp` are for a router.
#[test]
fn what_is_remarked_on_comes_with_its_command() {
    let lines =
        "dhcp-match=set:ipxe,175\ndhcp-boot=tag:ipex,a.0\ndhcp-boot=b.0\ndhcp-boot=tag:lan,c.0\ndhcp-boot=a.0\n";
    let scene = Scene::new("\toption scirpt 'x'\n\toption shoe 'size'\n\nconfig shoe\n").with("lines", lines);
    let conf = scene.0.path().join("lines");
    let root = scene.0.path().join("tftp");
    fs::create_dir(&root).unwrap();
    for name in ["a.0", "b.0"] {
        fs::write(root.join(name), "").unwrap();
    }
    let said = || scene.run(&["check", "--json", "--conf-file", conf.to_str().unwrap()]);
    let before = said();
    for expected in [
        r#""sed -i '3s/\\<scirpt\\>/script/g' 'upxe'""#,
        r#""uci delete upxe.main.shoe && uci commit upxe""#,
        r#""uci delete upxe.@shoe[0] && uci commit upxe""#,
        r#""sed -i '2s/\\<ipex\\>/ipxe/g' 'lines'""#,
        r#""sed -i '3s/^/# /' 'lines'""#,
        r#""scp -O 'c.0' root@127.0.0.1:'tftp/c.0'""#,
    ] {
        assert!(before.contains(&format!(r#""mend":{expected}"#)), "{expected} {before}");
    }
    let commands = "sed -i '3s/\\<scirpt\\>/script/g' upxe; sed -i '2s/\\<ipex\\>/ipxe/g' lines; sed -i '3s/^/# /' lines; cp tftp/a.0 tftp/c.0";
    assert!(Command::new("sh").args(["-c", commands]).current_dir(scene.0.path()).status().unwrap().success());
    let after = said();
    assert!(!after.contains("\"lines\"") && !after.contains("scirpt"), "{after}");
}

#[test]
fn a_script_that_hides_the_menu() {
    const NOTE: &str =
        "tftp/boot.ipxe: note: iPXE gets this before the menu: chain menu.ipxe from it, or take it away\n";
    let said = Scene::new(ENTRY).with("tftp/boot.ipxe", "#!ipxe\nshell\n").run(&["check"]);
    assert!(said.contains(NOTE), "{said}");
    assert!(said.ends_with("; TFTP from tftp; a menu of 1 entry\n"), "{said}");
    for (config, script) in [(ENTRY, "#!ipxe\nchain menu.ipxe\n"), ("", "#!ipxe\nshell\n")] {
        let said = Scene::new(config).with("tftp/boot.ipxe", script).run(&["check"]);
        assert!(!said.contains("before the menu"), "{said}");
    }
}

#[test]
fn a_network_that_is_none() {
    let wrong =
        "upxe:3: warning: option interface: no interface 'lna' in network, and no such device here; there are: lan\n";
    let said = Scene::new("\tlist interface 'lna'\n").run(&["check"]);
    assert!(said.contains(wrong) && !said.contains("taken for a device's name"), "{said}");
    // A device will do.
    let said = Scene::new("\tlist interface 'lo'\n").run(&["check"]);
    assert!(
        said.contains("upxe:3: note: option interface: no interface 'lo' in network: taken for a device's name"),
        "{said}"
    );
}

#[test]
fn files_are_missed_by_their_lines_before_there_is_a_folder() {
    let said = Scene::new("\toption script 'none.ipxe'\n\nconfig entry 'a'\n\toption kernel 'linux'\n").run(&["check"]);
    for expected in [
        "tftp: warning: TFTP root: ",
        "upxe:3: warning: option script 'none.ipxe': is not under the TFTP root",
        "upxe:5: warning: file 'linux': is not under the TFTP root",
    ] {
        assert!(said.contains(expected), "{said}");
    }
}

#[test]
fn the_menu_is_named_by_its_line() {
    let scene = Scene::new(ENTRY).with("tftp/undionly.kpxe", "x");
    let said = scene.run(&["explain", "--ipxe", "--router", "192.168.1.1"]);
    assert!(
        said.contains("> upxe:4  menu menu.ipxe  no line, and no file of the machine's own, comes before it\n"),
        "{said}"
    );
    assert!(!said.contains("(no line)"), "{said}");
}
