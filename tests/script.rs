//! `upxe script`, as it is run: the menu in each loader's words, templates, and what is wrong when there is nothing to print.

#[path = "support/scratch.rs"]
mod scratch;

use std::fs;
use std::process::Command;

use scratch::Scratch;

const MENU: &str = "
config menu
    option timeout '3'
config entry 'mine'
    option kernel 'linux'
    list initrd 'initrd'
    option append 'host={{host}}'
    list host '52:54:00:12:34:56'
config entry 'disk'
    option kind 'local'
";

/// What it prints, or what it says is wrong.
fn script(config: &str, words: &[&str]) -> Result<String, String> {
    let scratch = Scratch::new();
    let root = scratch.path().join("tftp");
    fs::create_dir(&root).unwrap();
    fs::write(root.join("x.ipxe.tmpl"), "#!ipxe\necho {{mac}} {{uuid}} {{host}} {{router}} {{arch}}\n").unwrap();
    fs::write(root.join("plain"), "as it is {{mac}}\n").unwrap();
    fs::write(scratch.path().join("upxe"), format!("config upxe main\n{config}")).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_upxe"))
        .args(["script", "-c", scratch.path().to_str().unwrap(), "--tftp-root", root.to_str().unwrap()])
        .args(words)
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
}

#[test]
fn each_loader_has_its_words() {
    let mine = ["--mac", "52:54:00:12:34:56", "--host", "attic"];
    for (dialect, has) in [
        (&[][..], "\nkernel tftp://192.168.1.1/linux initrd=initrd0 host=attic || "),
        (&["--dialect", "pxelinux"], "\n\tAPPEND host=attic\n"),
        (&["--dialect", "grub"], "\n\tlinux '/linux' 'host=attic'\n"),
    ] {
        let text = script(MENU, &[dialect, &mine[..]].concat()).unwrap();
        assert!(text.contains(has), "{text}");
        let text = script(MENU, dialect).unwrap();
        assert!(text.contains("of a machine that is not known") && !text.contains("linux'"), "{text}");
    }
    let by_name = script(MENU, &["menu/52-54-00-12-34-56.ipxe"]).unwrap();
    assert!(by_name.contains("host= || "), "{by_name}");
}

#[test]
fn templates_and_files_are_shown_as_they_are_sent() {
    let words = ["x.ipxe", "--mac", "52:54:00:12:34:56", "--uuid", "0017001e-8c00-00ad-5087-90e6ba2f3423"];
    let words = [&words[..], &["--host", "a;b", "--router", "10.0.0.1", "--arch", "x64"]].concat();
    let filled = "#!ipxe\necho 52:54:00:12:34:56 0017001e-8c00-00ad-5087-90e6ba2f3423  10.0.0.1 7\n";
    assert_eq!(script("", &words).as_deref(), Ok(filled));
    assert_eq!(script("", &["plain"]).as_deref(), Ok("as it is {{mac}}\n"));
}

#[test]
fn it_says_what_is_wrong() {
    for (config, words, expected) in [
        ("", &[][..], "menu.ipxe: no such file or menu.ipxe.tmpl under /"),
        ("", &["nothing"], "nothing: no such file under /"),
        ("", &["../x"], "../x: its name leads upwards"),
        (MENU, &["--dialect", "lilo"], "--dialect: found 'lilo', expected ipxe, pxelinux or grub"),
        (MENU, &["--mac", "x"], "--mac: found 'x'"),
        (MENU, &["--router", "x"], "--router: found 'x'"),
        ("option enabled maybe\n", &[], ""),
    ] {
        let wrong = script(config, words).unwrap_err();
        assert!(wrong.starts_with(expected), "{wrong}");
    }
}

#[test]
fn words_that_are_unknown_are_told() {
    let scratch = Scratch::new();
    fs::write(scratch.path().join("x.ipxe.tmpl"), "#!ipxe\necho {{macc}}\n").unwrap();
    let folder = scratch.path().to_str().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_upxe"))
        .args(["script", "-c", folder, "--tftp-root", folder, "x.ipxe"])
        .output()
        .unwrap();
    assert_eq!(output.stdout, b"#!ipxe\necho {{macc}}\n");
    assert_eq!(output.stderr, b"unknown word {{macc}}, sent as it stands; did you mean {{mac}}?\n");
}
