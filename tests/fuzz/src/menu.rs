//! A boot menu as it is configured, told to machines that say of themselves what they like: in the text that each loader
//! reads, what was configured stays text, and nothing becomes a command that upxe has not written.

use std::net::Ipv4Addr;

use upxe::config::Config;
use upxe::menu::{MAX_TEXT, Machine, Scene, Wanted, render, wanted};
use upxe::wire::frame::Mac;

use crate::input::Input;
use crate::settings::{self, LAN, from_uci};

/// A byte of circumstances, what the machine calls itself behind its length, and the sections.
pub fn run(data: &[u8]) {
    let mut input = Input(data);
    let circumstances = input.byte();
    let len = usize::from(input.byte());
    let name = String::from_utf8_lossy(input.bytes(len)).into_owned();
    let text = [settings::UCI[0].as_bytes(), input.0].concat();
    let (Some(config), _) = from_uci(&text, b"", LAN.as_bytes()) else { return };
    show(&config, circumstances, &name);
}

fn show(config: &Config, circumstances: u8, name: &str) {
    let mut machine = Machine::of(Mac([0x52, 0x54, 0, 0, 0, 1]));
    machine.set_host(name);
    machine.uuid = (circumstances & 1 != 0).then_some([0x5a; 16]);
    machine.architecture = [None, Some(0), Some(7), Some(11)][usize::from(circumstances >> 1 & 3)];
    machine.tags = vec!["lan".to_owned(), "lab".to_owned()];
    if let Some(host) = machine.host() {
        assert!(host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)), "{host}");
    }
    let has = |file: &str| file.len() % 2 == usize::from(circumstances >> 3 & 1);
    let http = (circumstances & 16 != 0).then_some("http://192.168.1.1:8069");
    let router = Ipv4Addr::new(192, 168, 1, 1);
    let scene = Scene { menu: &config.rules.menu, machine: &machine, router, http, has: &has };
    let names: Vec<&str> = config.rules.menu.entries.iter().map(|entry| entry.name.as_str()).collect();
    // A name that is asked for may be anything, too.
    let asked = wanted(name).into_iter();
    for wanted in asked.chain([Wanted::Ipxe(None), Wanted::Pxelinux(""), Wanted::Pxelinux("sub/"), Wanted::Grub]) {
        let text = render(wanted, &scene);
        assert!(text.len() <= MAX_TEXT);
        assert!(!text.chars().any(|letter| letter.is_control() && !"\n\t".contains(letter)), "{text:?}");
        assert!(text.ends_with('\n'));
        match wanted {
            Wanted::Ipxe(_) => ipxe(&text, &names),
            Wanted::Pxelinux(_) => pxelinux(&text, &names),
            Wanted::Grub => grub(&text),
        }
    }
}

/// As iPXE takes a script apart (script.c, exec.c).
fn ipxe(text: &str, names: &[&str]) {
    const OWN: &[&str] = &["upxe-menu", "upxe-failed", "upxe-local"];
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("#!ipxe"));
    for line in lines {
        assert!(!line.ends_with('\\'), "it goes on in the next line: {line}");
        if let Some(label) = line.strip_prefix(':') {
            assert!(names.contains(&label) || OWN.contains(&label), "{label}");
            continue;
        }
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let Some((command, rest)) = words.split_first() else { panic!("an empty line") };
        if command.starts_with('#') {
            continue;
        }
        let ends = rest.iter().filter(|word| matches!(**word, "||" | "&&" | ";")).count();
        assert!(!rest.iter().any(|word| word.starts_with('#')), "a comment behind {line}");
        let most = match *command {
            "menu" | "item" | "goto" | "shell" | "imgfree" | "exit" => 0,
            "kernel" | "initrd" | "boot" | "chain" | "set" | "clear" | "choose" | "sanboot" => 1,
            "prompt" => 2,
            // Serial number and asset tag, and that it is no failure if they are others.
            "iseq" => 3,
            other => panic!("iPXE has no {other:?}: {line}"),
        };
        assert!(ends <= most, "{line}");
        if matches!(*command, "menu" | "item") {
            assert!(!line.contains("${"), "{line}");
        }
    }
}

/// A keyword, and whatever follows it.
fn pxelinux(text: &str, names: &[&str]) {
    const WORDS: &[&str] =
        &["#", "UI", "MENU", "SAY", "PROMPT", "TIMEOUT", "DEFAULT", "LABEL", "LOCALBOOT", "LINUX", "INITRD", "APPEND"];
    for line in text.lines() {
        let (word, rest) = line.trim_start_matches('\t').split_once(' ').unwrap_or((line, ""));
        assert!(WORDS.contains(&word), "{line}");
        if matches!(word, "LABEL" | "DEFAULT") {
            assert!(names.contains(&rest) || rest == "upxe-local", "{line}");
        }
        if matches!(word, "LINUX" | "INITRD") {
            assert!(!rest.contains(' '), "{line}");
        }
    }
}

/// What stands outside of single quotes is ours.
fn grub(text: &str) {
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let mut bare = String::new();
        let mut rest = line;
        while let Some((before, quoted)) = rest.split_once('\'') {
            bare.push_str(before);
            if let Some(before) = bare.strip_suffix('\\') {
                // An apostrophe that is part of the text.
                bare = before.to_owned();
                rest = quoted;
                continue;
            }
            let (_, behind) = quoted.split_once('\'').unwrap_or_else(|| panic!("a quote without end: {line}"));
            bare.push('x');
            rest = behind;
        }
        bare.push_str(rest);
        let ours = |letter: char| letter.is_ascii_alphanumeric() || "\t {}=-".contains(letter);
        assert!(bare.chars().all(ours), "{bare:?} in {line:?}");
        let word = bare.trim_start().split([' ', '=']).next().unwrap_or_default();
        assert!(["menuentry", "linux", "initrd", "chainloader", "exit", "set", "}"].contains(&word), "{line:?}");
    }
}

/// Sections that use every option.
const MENUS: &[&str] = &[
    "config menu\n\toption title 'What'\\''s on ${x} || shell'\n\toption timeout 9\n\toption default disk\nconfig entry debian\n\
     \toption title \"Install Debian's #1 ^a\"\n\toption kernel 'debian/linux x'\n\tlist initrd debian/initrd.gz\n\
     \tlist initrd http://192.168.1.5/more\n\
     \toption append 'priority=low hostname={{host}} mac={{machyp}} \"a b\" {{uuid}} {{arch}} {{http}} {{serial}}'\n\
     config entry disk\n\toption kind local\n",
    "config entry rescue\n\toption url http://192.168.1.5/rescue.iso\n\tlist group lab\nconfig entry w\n\
     \toption kind wimboot\n\toption kernel wimboot\n\tlist file boot/BCD\n\tlist file 'sources/boot wim'\n\
     config entry n\n\toption url next.efi\n\toption kind chain\n\tlist arch x64\n\tlist host 52:54:00:00:00:01\n",
    "config entry i\n\toption root_path iscsi:192.168.1.5::::iqn.2026-01.lan.nas:disk\n\toption keep_san 1\n\
     \tlist serial ABC-1\n\tlist asset 'x y'\nconfig entry m\n\toption kind memtest\n\toption kernel memtest.efi\n\
     \tlist networkid '!x'\nconfig entry s\n\toption kind shell\n\toption title '-- a \\\\'\nconfig entry j\n\
     \toption kind iso\n\toption url a.img\n\toption enable 1\n\tlist host attic\n",
];

pub fn seeds() -> Vec<Vec<u8>> {
    let machines =
        ["attic", "x.lan", "x || shell", "", "menu/52-54-00-00-00-01.ipxe", "sub/pxelinux.cfg/default", "grub.cfg"];
    let seed = |(circumstances, (name, text)): (u8, (&str, &str))| {
        [&[circumstances * 5, name.len() as u8][..], name.as_bytes(), text.as_bytes()].concat()
    };
    let pairs = machines.iter().flat_map(|name| MENUS.iter().map(|text| (*name, *text)));
    (0..).zip(pairs).map(seed).collect()
}
