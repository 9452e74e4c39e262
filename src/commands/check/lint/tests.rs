//! Lines in, remarks out; a table for each kind of mistake.

use super::*;
use crate::config::dnsmasq::Collected;
use crate::config::dnsmasq::files::NoFiles;
use crate::config::dnsmasq::words::Line;
use crate::config::hosts::Hosts;
use crate::config::load::{Source, Sources, load};
use crate::config::{DnsmasqPorts, Interface, Overrides, Tftp};

struct Files(&'static [&'static str]);

impl BootFiles for Files {
    fn has(&self, name: &str) -> bool {
        self.0.contains(&name)
    }
}

/// A configuration of these lines, which stand in `file`.
fn config(file: &str, lines: &str) -> Config {
    let mut collected = Collected::default();
    for (at, text) in lines.lines().enumerate() {
        let origin = Origin { file: file.into(), line: at as u32 + 1 };
        let line = Line::read(text.as_bytes()).unwrap();
        collected.line(&line, &origin, &Hosts::default()).unwrap();
    }
    Config {
        enabled: true,
        interfaces: vec![Interface { name: "lan".into(), device: "br-lan".into() }],
        tftp: Tftp {
            enabled: true,
            root: "/srv/tftp".into(),
            allow: Vec::new(),
            max_transfers: 64,
            limits: Default::default(),
            single_port: false,
        },
        dnsmasq: DnsmasqPorts::default(),
        user: "root".into(),
        rules: collected.rules,
        read_from: Vec::new(),
        replies: crate::config::PerSecond { all: 300, client: 4 },
        log_level: log::LevelFilter::Info,
    }
}

fn remarks(config: &Config, files: &'static [&'static str], surroundings: &Surroundings) -> Vec<String> {
    lint(config, &Files(files), surroundings).iter().map(ToString::to_string).collect()
}

const FILES: &[&str] = &["a.efi", "b.efi", "c.efi", "a.0", "undionly.kpxe", "boot.ipxe", "pxelinux.0", "ipxe.efi"];

/// Holds each configuration against the beginnings of the remarks on it.
fn table(cases: &[(&str, &[&str])]) {
    for (lines, expected) in cases {
        let found = remarks(&config("conf", lines), FILES, &Surroundings::default());
        assert_eq!(found.len(), expected.len(), "{lines}: {found:#?}");
        for (found, expected) in found.iter().zip(*expected) {
            assert!(found.starts_with(expected), "{lines}:\n{found}\n{expected}");
        }
    }
}

#[test]
fn lines_that_overwrite_each_other() {
    table(&[
        ("dhcp-boot=a.efi", &[]),
        (
            "dhcp-boot=a.efi\ndhcp-boot=b.efi",
            &[
                "conf:1: warning: boot file 'a.efi': overwritten by conf:2: of several boot lines without tags the last one",
            ],
        ),
        (
            "dhcp-boot=tag:lan,a.efi\ndhcp-boot=b.efi\ndhcp-boot=tag:lan,c.efi",
            &["conf:1: warning: boot file 'a.efi': overwritten by conf:3: of several boot lines with the same tags"],
        ),
        ("dhcp-boot=tag:lan,a.efi\ndhcp-boot=b.efi", &[]),
        ("dhcp-boot=tag:lan,a.efi\ndhcp-boot=tag:br-lan,b.efi", &[]),
        ("dhcp-boot=a.efi\ndhcp-boot=http://10.0.0.1/x", &[]),
        ("dhcp-boot=a.efi\ndhcp-boot=ipxe.efi", &["conf:2: note: boot file 'ipxe.efi': iPXE gets this too"]),
        ("dhcp-option=210,/a\ndhcp-option=210,/b", &["conf:1: warning: option 210: never sent: conf:2 sets it"]),
        ("dhcp-option=tag:lan,210,/a\ndhcp-option=210,/b\ndhcp-option=209,/b", &[]),
    ]);
}

#[test]
fn rules_that_can_never_win() {
    table(&[
        (
            "dhcp-boot=tag:lan,tag:br-lan,a.efi\ndhcp-boot=tag:lan,b.efi",
            &["conf:1: warning: boot file 'a.efi': can never win: conf:2 holds for all its clients and comes later"],
        ),
        ("dhcp-boot=tag:lan,b.efi\ndhcp-boot=tag:lan,tag:br-lan,a.efi", &[]),
        (
            "dhcp-boot=tag:lan,tag:!lan,a.efi",
            &["conf:1: warning: boot file 'a.efi': can never win: it wants tag lan both set and not set"],
        ),
        (
            "dhcp-ignore=tag:!known\npxe-service=tag:lan,tag:!known,x86PC,x,a",
            &["conf:2: warning: pxe-service: can never win: conf:1 ignores all clients that it is for"],
        ),
        ("dhcp-ignore=tag:!known\ndhcp-boot=tag:known,a.efi", &[]),
    ]);
}

#[test]
fn tags_that_nothing_sets() {
    table(&[
        (
            "dhcp-match=set:ipxe,175\ndhcp-boot=tag:ipex,a.efi",
            &["conf:2: warning: tag 'ipex': nothing sets it, so this never holds; did you mean 'ipxe'?"],
        ),
        (
            "dhcp-boot=net:#gpxe,a.efi",
            &["conf:1: warning: tag 'gpxe': nothing sets it, so this test always holds; a dhcp-match line"],
        ),
        ("dhcp-boot=tag:known,tag:!br-lan,a.efi", &[]),
        ("tag-if=set:x,tag:lan\ntag-if=set:y,tag:x*\ndhcp-boot=tag:y,a.efi", &[]),
        ("tag-if=set:y,tag:z*\ndhcp-boot=tag:y,a.efi", &["conf:1: warning: tag 'z*': nothing sets it"]),
        ("dhcp-host=02:00:00:00:00:01,set:kids\ndhcp-boot=tag:kids,a.efi", &[]),
        (
            "dhcp-range=set:r,192.168.1.0,proxy\ndhcp-option=tag:r,210,/a\ndhcp-option=tag:s,211,1i",
            &["conf:3: warning: tag 's'"],
        ),
    ]);
}

#[test]
fn files_that_are_not_there() {
    table(&[
        (
            "dhcp-boot=missing.efi",
            &["conf:1: warning: boot file 'missing.efi': is not under the TFTP root, or not readable by everybody"],
        ),
        ("dhcp-boot=missing.efi,,10.0.0.1\ndhcp-boot=tag:lan,http://10.0.0.1/x", &[]),
        (
            "pxe-service=x86PC,x,pxelinux\npxe-service=x86PC,y\npxe-service=x86PC,z,lost",
            &["conf:3: warning: boot file 'lost.0'"],
        ),
        ("dhcp-option=67,lost", &["conf:1: warning: boot file 'lost'"]),
    ]);
    let mut script = config("conf", "");
    script.rules.script = Some("lost.ipxe".into());
    let found = remarks(&script, FILES, &Surroundings::default());
    assert!(found[0].starts_with("upxe: warning: option script 'lost.ipxe': is not under the TFTP root"), "{found:?}");
    let no_root = Surroundings { root_trouble: Some("No such file or directory".into()), ..Surroundings::default() };
    let found = remarks(&config("conf", "dhcp-boot=missing.efi"), FILES, &no_root);
    assert_eq!(
        found[0],
        "/srv/tftp: warning: TFTP root: No such file or directory; no file can be offered until it is there (option \
         tftp_root names it)"
    );
    assert!(found.len() == 2 && found[1].starts_with("conf:1: warning: boot file 'missing.efi'"), "{found:?}");
}

#[test]
fn names_that_are_too_long() {
    let long = config("conf", &["dhcp-option=67,", &"x".repeat(128)].concat());
    let found = remarks(&long, FILES, &Surroundings::default());
    assert_eq!(
        found,
        ["conf:1: warning: option 67: is 128 bytes long, and cut to the 127 that the header's field holds; shorten it"]
    );
    // A boot line is complained of when it is read.
    let line = Line::read(["dhcp-boot=", &"x".repeat(128)].concat().as_bytes()).unwrap();
    let origin = Origin { file: "conf".into(), line: 1 };
    let wrong = Collected::default().line(&line, &origin, &Hosts::default()).unwrap_err();
    assert_eq!(wrong.expected, "a file name of at most 127 bytes");
}

#[test]
fn architectures_that_are_mixed_up() {
    table(&[
        (
            "dhcp-match=set:efi64,option:client-arch,9\ndhcp-boot=tag:efi64,a.efi",
            &[
                "conf:1: warning: tag 'efi64': architecture 9 is EFI byte code; x64 machines say 7: add dhcp-match=set:efi64,",
            ],
        ),
        ("dhcp-match=set:e,option:client-arch,9\ndhcp-match=set:e,option:client-arch,7\ndhcp-boot=tag:e,a.efi", &[]),
        (
            "dhcp-match=set:ia32,93,2\ndhcp-boot=tag:ia32,a.efi",
            &["conf:1: warning: tag 'ia32': architecture 2 is Itanium; 32-bit UEFI machines say 6"],
        ),
        (
            "pxe-service=BC_EFI,x,a.efi\npxe-service=x86-64_EFI,x,b.efi",
            &["conf:1: warning: pxe-service: BC_EFI (9) and x86-64_EFI (7) name different files"],
        ),
        ("pxe-service=BC_EFI,x,a.efi\npxe-service=x86-64_EFI,x,a.efi", &[]),
        (
            "pxe-service=x86PC,x,a.efi\npxe-service=x86-64_EFI,x,pxelinux",
            &[
                "conf:1: warning: boot file 'a.efi': is a UEFI program, and architecture 0 stands for BIOS machines",
                "conf:2: warning: boot file 'pxelinux.0': is a BIOS program, and architecture 7 stands for UEFI machines",
            ],
        ),
        (
            "dhcp-match=set:bios,option:client-arch,0\ndhcp-boot=tag:bios,a.efi",
            &["conf:2: warning: boot file 'a.efi': is a UEFI program"],
        ),
    ]);
}

#[test]
fn ipxe_that_is_sent_ipxe() {
    const GUARDED: &str = "dhcp-match=set:ipxe,175\ndhcp-boot=tag:!ipxe,undionly.kpxe\ndhcp-boot=tag:ipxe,boot.ipxe";
    table(&[
        (GUARDED, &[]),
        (
            "dhcp-boot=undionly.kpxe",
            &["conf:1: note: boot file 'undionly.kpxe': iPXE gets this too, and would load itself"],
        ),
        ("dhcp-match=set:ipxe,175\npxe-service=net:#ipxe,x86PC,x,undionly.kpxe", &[]),
        ("dhcp-userclass=set:ipxe,iPXE\ntag-if=set:rom,tag:!ipxe\ndhcp-boot=tag:rom,undionly.kpxe", &[]),
        ("pxe-service=x86PC,x,undionly.kpxe", &["conf:1: note: boot file 'undionly.kpxe': iPXE gets this too"]),
        (
            "dhcp-match=set:bios,93,0\ndhcp-boot=tag:bios,undionly.kpxe",
            &["conf:2: note: boot file 'undionly.kpxe': iPXE gets this too"],
        ),
    ]);
    let found = remarks(&config("conf", "dhcp-boot=undionly.kpxe"), &["undionly.kpxe"], &Surroundings::default());
    assert!(found[0].starts_with("conf:1: warning: boot file 'undionly.kpxe': iPXE gets this too"), "{found:?}");
    assert!(found[0].contains("finds nothing else for it: put boot.ipxe under the TFTP root"), "{found:?}");
}

#[test]
fn what_dnsmasq_offers_itself() {
    for (file, lines, expected) in [
        (
            "/etc/config/dhcp",
            "dhcp-boot=a.efi",
            &["/etc/config/dhcp:1: note: boot file 'a.efi': dnsmasq offers this itself too"][..],
        ),
        ("/etc/config/upxe", "dhcp-boot=a.efi", &[]),
        (
            "/etc/dnsmasq.conf",
            "pxe-service=x86PC,x,pxelinux",
            &["/etc/dnsmasq.conf:1: warning: pxe-service: dnsmasq answers on port 4011 itself because of this line"],
        ),
        (
            "/etc/dnsmasq.conf",
            "pxe-prompt=Press F8,3",
            &["/etc/dnsmasq.conf:1: warning: pxe-prompt: dnsmasq answers on port 4011 itself because of this line"],
        ),
    ] {
        let found = remarks(&config(file, lines), FILES, &Surroundings::default());
        assert_eq!(found.len(), expected.len(), "{found:?}");
        assert!(found.iter().zip(expected).all(|(found, expected)| found.starts_with(expected)), "{found:?}");
    }
    let mut both = config("/etc/config/dhcp", "dhcp-boot=tag:lan,a.efi");
    both.rules.boots.extend(config("/etc/config/upxe", "dhcp-boot=b.efi").rules.boots);
    let found = remarks(&both, FILES, &Surroundings::default());
    assert!(
        found[0].starts_with("/etc/config/dhcp:1: warning: boot file 'a.efi': dnsmasq offers this itself, beside"),
        "{found:?}"
    );
}

#[test]
fn the_dnsmasq_that_answers_to_the_wrong_port() {
    for (version, file, broken) in [
        ("Dnsmasq version 2.92  Copyright (c) 2000-2025 Simon Kelley", "/etc/dnsmasq.conf", true),
        ("Dnsmasq version 2.92test3 Copyright", "/etc/dnsmasq.conf", true),
        ("Dnsmasq version 2.93  Copyright", "/etc/dnsmasq.conf", false),
        ("Dnsmasq version 2.90  Copyright", "/etc/dnsmasq.conf", false),
        ("Dnsmasq version 2.92  Copyright", "/etc/config/upxe", false),
    ] {
        let surroundings = Surroundings { dnsmasq: Some(version.to_owned()), ..Surroundings::default() };
        let found = remarks(&config(file, "dhcp-range=192.168.1.0,proxy"), FILES, &surroundings);
        assert_eq!(found.len(), usize::from(broken), "{found:?}");
        assert!(found.iter().all(|found| found.contains("answers on port 4011 do not reach the client")));
    }
}

#[test]
fn the_web_servers_port_and_what_it_does_not_follow() {
    let mut served = config("conf", "");
    served.tftp.allow.push("/usr/lib/syslinux".into());
    let taken = Surroundings { web_port: Some("nginx (process 7)".into()), ..Surroundings::default() };
    assert_eq!(remarks(&served, FILES, &taken), [""; 0]);
    served.rules.web = Some(Web::Own(8069));
    let found = remarks(&served, FILES, &taken);
    assert!(
        found[0].starts_with("upxe: warning: option http: TCP port 8069 is held by nginx (process 7); "),
        "{found:?}"
    );
    assert!(found[1].starts_with("upxe: warning: option http: uhttpd follows no link that leads out"), "{found:?}");
    served.tftp.allow.clear();
    assert_eq!(remarks(&served, FILES, &Surroundings::default()), [""; 0]);
    let text = "config upxe main\noption enabled 1\noption http 1\nconfig entry cd\noption url boot.ipxe\noption kind iso\n\
                config entry other\noption url http://nas/x.iso\noption kind iso\n";
    let upxe = Source { name: "upxe".into(), text: Some(text.as_bytes().to_vec()) };
    let sources = Sources { upxe, uhttpd: true, ..Sources::default() };
    let (config, _) = load(&sources, &Overrides::default(), &mut NoFiles);
    let found = remarks(&config.unwrap(), FILES, &Surroundings::default());
    assert!(
        found.len() == 1 && found[0].starts_with("upxe:4: warning: entry 'cd': iPXE reads an image in parts"),
        "{found:?}"
    );
}

#[test]
fn menus() {
    let menu = |text: &str| {
        let upxe = Source { name: "upxe".into(), text: Some(text.as_bytes().to_vec()) };
        let (config, _) = load(&Sources { upxe, ..Sources::default() }, &Overrides::default(), &mut NoFiles);
        config.unwrap()
    };
    for (text, expected) in [
        ("config entry a\noption kernel boot.ipxe\nconfig entry b\noption url http://x/y.iso\n", &[][..]),
        (
            "config menu\noption default c\nconfig entry a\noption kind local\n",
            &[
                "upxe:2: warning: option default: no entry is called 'c': nothing is booted by itself but an entry for the local disk",
            ],
        ),
        (
            "config entry a\noption kernel a.0\noption append 'x ; y'\n",
            &["upxe:1: warning: entry 'a': is left out of the menu: iPXE takes ||"],
        ),
        (
            "config entry a\noption title T\noption kind local\nconfig entry b\noption title T\noption kind shell\n\
             config entry c\noption title T\noption kind shell\nlist arch bios\n",
            &["upxe:4: warning: entry 'b': has the title of upxe:1: nobody can tell them apart"],
        ),
        (
            "config entry a\noption url boot.ipxe\noption kind iso\n",
            &["upxe:1: warning: entry 'a': iPXE reads images by HTTP only, so its menu leaves this out"],
        ),
        (
            "config entry a\noption kernel linux\nlist initrd a.0\nlist initrd http://x/y\n",
            &["upxe:1: warning: file 'linux': is not under the TFTP root"],
        ),
        (
            "config entry a\noption kind local\nlist group lab\noption networkid '!lba'\nconfig host\noption name x\nlist tag lba\n",
            &["upxe:1: warning: tag 'lab': nothing sets it, so this never holds; did you mean 'lba'?"],
        ),
        (
            "config entry a\noption kernel a.0\noption append '{{mac}} {{ macc }} {{serial}} {{ }} {{x'\n",
            &[
                "upxe:1: warning: entry 'a': option append: unknown word {{macc}}, sent as it stands; did you mean {{mac}}?",
                "upxe:1: warning: entry 'a': option append: unknown word {{serial}}, sent as it stands; there are mac, machyp, ",
            ],
        ),
    ] {
        let found = remarks(&menu(text), FILES, &Surroundings::default());
        assert_eq!(found.len(), expected.len(), "{text}: {found:#?}");
        for (found, expected) in found.iter().zip(expected) {
            assert!(found.starts_with(expected), "{text}:\n{found}\n{expected}");
        }
    }
}
