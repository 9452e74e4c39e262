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
    let syntax = upxe::config::uci::parse(uci.as_bytes()).1;
    assert!(syntax.is_empty(), "{uci}");
    // What the lines say without a remark, the sections say too.
    if let (Some(config), true) = (&config, imported.remarks.is_empty() && diagnostics.iter().all(is_note)) {
        let read_back = read_back.unwrap_or_else(|| panic!("{complaints:?} in\n{uci}"));
        assert_eq!(comparable(&read_back), comparable(config), "{uci}");
    }
}

fn is_note(diagnostic: &Diagnostic) -> bool {
    diagnostic.severity == upxe::config::Severity::Note
}

/// Rules without their places; sections that set tags and lists of options are read kind by kind, and a range without tags
/// changes nothing.
fn comparable(config: &Config) -> String {
    let mut rules: Rules = config.rules.clone();
    rules.taggers.sort_by_key(|tagger| format!("{}{:?}", tagger.tag, tagger.condition));
    rules.options.sort_by_key(|option| format!("{:?}{:?}", option.place, option.send));
    rules.ranges.retain(|range| range.set.is_some() || !range.when.is_empty());
    // What stands between "Origin { " and " }" is a place.
    let text = format!("{rules:?}");
    text.split("Origin { ").map(|piece| piece.split_once(" }").map_or(piece, |(_, rest)| rest)).collect()
}

/// One line of each kind that the configurations leave out.
const OTHERS: &[&str] = &[
    "conf-file=more\nconf-dir=/etc/dnsmasq.d,*.conf\n",
    "dhcp-hostsfile=more\ndhcp-optsfile=more\n",
    "dhcp-name-match=set:a,box*\ndhcp-host=box,set:b\ndhcp-range=192.168.1.9,192.168.1.99,12h\n",
    "tftp-unique-root=mac\ntftp-max=5000\ntftp-root=/pxe/\ntftp-no-fail\n",
    "bridge-interface=br-lan,eth0\ndhcp-match=set:x,vi-encap:311,\"x y\"\ndhcp-boot=\"a,b\" # x\n",
    "dhcp-option=option:root-path,\"192.168.1.1\"\ndhcp-option=150,0.0.0.0\ndhcp-option=128,ff:ee:1\n",
];

pub fn seeds() -> Vec<Vec<u8>> {
    let whole = settings::LINES.iter().chain(OTHERS).map(|text| text.as_bytes().to_vec());
    let single = settings::LINES.iter().chain(OTHERS).flat_map(|text| text.lines());
    let single = single.filter(|line| !line.is_empty() && !line.starts_with('#')).map(|line| line.as_bytes().to_vec());
    whole.chain(single).collect()
}
