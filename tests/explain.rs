//! `upxe explain` on real captures, and on what is left of them when they are damaged.

#[path = "support/pcap.rs"]
mod pcap;

use std::fs;
use std::net::Ipv4Addr;

use upxe::commands::explain::{Network, Report, explain, json, text};
use upxe::config::Config;
use upxe::config::Overrides;
use upxe::config::dnsmasq::files::ConfFiles;
use upxe::config::load::{Sources, load};
use upxe::proxy::{BootFiles, Door};
use upxe::wire::capture::{self, Captured};

/// Some of everything that may be said.
const LINES: &str = "dhcp-match=set:ipxe,175\n\
                     dhcp-match=set:efi,option:client-arch,7\n\
                     tag-if=set:rom,tag:!ipxe\n\
                     dhcp-boot=tag:efi,tag:!ipxe,ipxe.efi\n\
                     dhcp-boot=tag:ipxe,http://192.168.2.1/boot.ipxe\n\
                     dhcp-boot=missing\n\
                     pxe-service=tag:rom,x86PC,\"Install, now\",pxelinux\n\
                     pxe-service=tag:rom,x86PC,Disk\n\
                     pxe-service=tag:rom,x86PC,Lost,lost\n\
                     pxe-prompt=\"Press F8\",5\n\
                     dhcp-option=6,192.168.2.1\n\
                     dhcp-option=209,x\n\
                     dhcp-option-force=tag:nobody,210,y\n\
                     dhcp-option-force=encap:175,8,1b\n";

struct Lines;

impl ConfFiles for Lines {
    fn read(&mut self, _: &str) -> Result<Vec<u8>, String> {
        Ok(LINES.as_bytes().to_vec())
    }

    fn list(&mut self, _: &str) -> Result<Vec<String>, String> {
        Err(String::new())
    }
}

struct Files;

impl BootFiles for Files {
    fn has(&self, name: &str) -> bool {
        ["ipxe.efi", "pxelinux.0", "boot.ipxe"].contains(&name)
    }
}

fn config() -> Config {
    let overrides = Overrides { conf_file: Some("conf".to_owned()), ..Overrides::default() };
    load(&Sources::default(), &overrides, &mut Lines).0.unwrap()
}

fn network() -> Network {
    let (router, mask) = (Ipv4Addr::new(192, 168, 2, 2), Ipv4Addr::new(255, 255, 255, 0));
    Network { interface: "lan".into(), device: "br-lan".into(), router, mask }
}

fn reports(config: &Config, file: &[u8]) -> Vec<Report> {
    let Ok(capture) = capture::pcap(file) else { return Vec::new() };
    let explained = |captured: &Captured<'_>| explain(config, &Files, &network(), captured, Ok(Door::Proxy)).unwrap();
    capture.requests.iter().map(explained).collect()
}

/// How a report begins and ends, in a line: who asks, where, and what it is told.
fn gist(report: &Report) -> String {
    let told = match &report.outcome {
        Ok(reply) => {
            let file = reply.fields.iter().find(|field| field.name == "file").unwrap();
            let menu =
                reply.options.iter().flat_map(|(option, _)| &option.suboptions).find(|it| it.name == "boot-menu");
            format!("{} {}{}", reply.message, file.value, menu.map_or("", |menu| &menu.value))
        }
        Err(quiet) => quiet.code.to_owned(),
    };
    format!("{} {} {told}", report.message, report.port)
}

#[test]
fn a_captured_boot_is_explained_request_by_request() {
    let config = config();
    let read = |name: &str| fs::read(format!("{}/tests/captures/{name}.pcap", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let gists = |name: &str| -> Vec<String> {
        let mut gists: Vec<String> = reports(&config, &read(name)).iter().map(gist).collect();
        gists.dedup();
        gists
    };
    assert_eq!(
        gists("s10-rom"),
        [
            "DHCPDISCOVER 67 DHCPOFFER 0x8000 \"Install, now\", 0x0000 \"Disk\"",
            "DHCPREQUEST 67 not-ours",
            "DHCPREQUEST 4011 DHCPACK pxelinux.0",
        ]
    );
    assert_eq!(
        gists("s5-ovmf"),
        [
            "DHCPDISCOVER 67 DHCPOFFER ipxe.efi",
            "DHCPREQUEST 67 not-ours",
            "DHCPREQUEST 4011 DHCPACK ipxe.efi",
            "DHCPDISCOVER 67 not-booting",
            "DHCPREQUEST 67 not-ours",
            // OVMF tries HTTP Boot last.
            "DHCPDISCOVER 67 needs-url",
        ]
    );
    assert_eq!(
        gists("s3b-ipxe"),
        ["DHCPDISCOVER 67 DHCPOFFER http://192.168.2.1/boot.ipxe", "DHCPREQUEST 67 not-ours"]
    );
}

#[test]
fn the_text_names_each_line_and_its_fate() {
    let capture = fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/captures/s10-rom.pcap")).unwrap();
    let told = text::write(&reports(&config(), &capture)[..1]);
    let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    let told_lines: Vec<String> = told.lines().map(words).collect();
    for line in [
        "rom tag-if conf:3",
        "> conf:7 pxe-service pxelinux.0, \"Install, now\" is in the menu",
        "> conf:8 pxe-service the next boot device, \"Disk\" is in the menu",
        "conf:9 pxe-service lost.0, \"Lost\" lost.0 is not under the TFTP root",
        "conf:4 dhcp-boot ipxe.efi tag efi is not set; conf:2 would set it",
        "conf:6 dhcp-boot missing missing is not under the TFTP root",
        "conf:11 dhcp-option 6 belongs to the lease, which the DHCP server sends; dhcp-option-pxe sends it",
        "conf:12 dhcp-option 209 the client does not ask for 209 in option 55; dhcp-option-force sends it",
        "conf:13 dhcp-option-force 210 tag nobody is not set; nothing sets it",
        "> conf:14 dhcp-option-force 175.8",
        "> conf:10 pxe-prompt 43.10",
        "43.9 boot-menu 0x8000 \"Install, now\", 0x0000 \"Disk\"",
        "175 etherboot [conf:14]",
    ] {
        assert!(told_lines.iter().any(|told| told == line), "{line}\n\n{told}");
    }
}

#[test]
fn damaged_captures_are_explained_as_far_as_they_go() {
    let config = config();
    for path in pcap::all() {
        let whole = fs::read(&path).unwrap();
        let whole = &whole[..whole.len().min(4000)];
        for len in (0..whole.len()).step_by(17) {
            text::write(&reports(&config, &whole[..len]));
        }
        for at in (0..whole.len()).step_by(13) {
            let mut damaged = whole.to_vec();
            damaged[at] ^= 0x55;
            let reports = reports(&config, &damaged);
            text::write(&reports);
            let written = json::write(&reports);
            assert_eq!(value(&written), Some("\n"), "{written}");
        }
    }
}

/// What follows a JSON value at the beginning of `text`; `None` if there is none.
fn value(text: &str) -> Option<&str> {
    match text.chars().next()? {
        '{' => items(&text[1..], '}', &|text| value(string(text)?.strip_prefix(':')?)),
        '[' => items(&text[1..], ']', &value),
        '"' => string(text),
        _ => {
            let end = text.find([',', ']', '}', '\n'])?;
            let word = &text[..end];
            let known = ["null", "true", "false"].contains(&word) || word.parse::<u32>().is_ok();
            known.then_some(&text[end..])
        }
    }
}

fn items<'t>(mut text: &'t str, end: char, item: &dyn Fn(&'t str) -> Option<&'t str>) -> Option<&'t str> {
    if let Some(rest) = text.strip_prefix(end) {
        return Some(rest);
    }
    loop {
        text = item(text)?;
        match text.strip_prefix(',') {
            Some(rest) => text = rest,
            None => return text.strip_prefix(end),
        }
    }
}

fn string(text: &str) -> Option<&str> {
    let mut rest = text.strip_prefix('"')?.char_indices();
    while let Some((at, letter)) = rest.next() {
        match letter {
            '"' => return text.get(at + 2..),
            '\\' => {
                rest.next()?;
            }
            control if control < ' ' => return None,
            _ => {}
        }
    }
    None
}
