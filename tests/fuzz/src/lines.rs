//! dnsmasq.conf text: never harm, and what `upxe import` makes of it is the same rules.

use upxe::commands::import::import;
use upxe::config::hosts::Hosts;
use upxe::config::{Config, Diagnostic, Rules};

use crate::input::is_one_line;
use crate::settings::{self, HOSTS, LAN, from_lines, from_uci};
use crate::uci::complaints;

pub fn run(data: &[u8]) {
    let (config, diagnostics) = from_lines(data);
    let lines = data.iter().filter(|byte| **byte == b'\n').count() + 1;
    complaints(config.as_ref(), &diagnostics, lines.max(1));
    let imported = import("lines", data, &Hosts { text: HOSTS.as_bytes(), sections: &[] });
    for remark in &imported.remarks {
        assert!(is_one_line(&remark.to_string()));
    }
    let begins = imported.uci.starts_with("config upxe");
    let uci = if begins { imported.uci.clone() } else { format!("config upxe 'main'\n{}", imported.uci) };
    let (read_back, complaints) = from_uci(uci.as_bytes(), b"", LAN.as_bytes());
    // dnsmasq's root may be the whole file system as well.
    let ours = complaints.iter().filter(|it| !is_note(it) && !it.words().contains("the whole file system"));
    let ours: Vec<&Diagnostic> = ours.collect();
    assert!(ours.is_empty(), "{ours:?} in\n{uci}");
    // What the lines say without a remark, the sections say too.
    let config = from_lines(&without_left_out(data, &imported.remarks)).0.expect("lines are never refused");
    assert_eq!(comparable(&read_back.expect("no complaint")), comparable(&config), "{uci}");
}

/// The lines that became sections.
fn without_left_out(text: &[u8], remarks: &[Diagnostic]) -> Vec<u8> {
    let is_out = |number: u32| {
        let here = remarks.iter().filter(|remark| remark.origin.line == number);
        here.map(Diagnostic::words).any(|words| !words.contains("comes before the dhcp-option-"))
    };
    let lines =
        text.split(|byte| *byte == b'\n').zip(1..).map(|(line, number)| if is_out(number) { b"" } else { line });
    lines.collect::<Vec<_>>().join(&b'\n')
}

fn is_note(diagnostic: &Diagnostic) -> bool {
    diagnostic.severity == upxe::config::Severity::Note
}

/// TFTP, and rules without their places; sections that set tags and lists of options are read kind by kind, and a range without tags
/// changes nothing.
fn comparable(config: &Config) -> String {
    let mut rules: Rules = config.rules.clone();
    rules.taggers.sort_by_key(|tagger| format!("{}{:?}", tagger.tag, tagger.condition));
    rules.options.sort_by_key(|option| format!("{:?}{:?}", option.place, option.send));
    rules.ranges.retain(|range| range.set.is_some() || !range.when.is_empty());
    // What stands between "Origin { " and " }" is a place.
    let text = format!("{:?} {rules:?}", config.tftp);
    text.split("Origin { ").map(|piece| piece.split_once(" }").map_or(piece, |(_, rest)| rest)).collect()
}

/// One line of each kind that the configurations leave out.
const OTHERS: &[&str] = &[
    "conf-file=more\nconf-dir=/etc/dnsmasq.d,*.conf\n",
    "dhcp-hostsfile=more\ndhcp-optsfile=more\n",
    "dhcp-name-match=set:a,box*\ndhcp-host=box,set:b\ndhcp-range=192.168.1.9,192.168.1.99,12h\n",
    "tag-if=set:x,tag:a\ndhcp-ignore=tag:!known\ndhcp-pxe-vendor=PXEClient,x\ndhcp-option-pxe=175,1\ndhcp-host=id:01:02,set:c\n",
    "tftp-single-port\ntftp-unique-root=mac\ntftp-max=5000\ntftp-root=/pxe/\ntftp-no-fail\n",
    "bridge-interface=br-lan,eth0\ndhcp-match=set:x,vi-encap:311,\"x y\"\ndhcp-boot=\"a,b\" # x\n",
    "dhcp-option=option:root-path,\"192.168.1.1\"\ndhcp-option=150,0.0.0.0\ndhcp-option=128,ff:ee:1\n",
];

pub fn seeds() -> Vec<Vec<u8>> {
    let whole = settings::LINES.iter().chain(OTHERS).map(|text| text.as_bytes().to_vec());
    let single = settings::LINES.iter().chain(OTHERS).flat_map(|text| text.lines());
    let single = single.filter(|line| !line.is_empty() && !line.starts_with('#')).map(|line| line.as_bytes().to_vec());
    whole.chain(single).collect()
}
