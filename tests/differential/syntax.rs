//! Which lines are good: those that `dnsmasq --test` accepts, but for a few that upxe is stricter about. The lines are
//! well-formed ones with a letter changed, left out or added.

use std::collections::BTreeMap;
use std::process::Command;

use upxe::config::dnsmasq::Collected;
use upxe::config::dnsmasq::words::Line;
use upxe::config::hosts::Hosts;
use upxe::config::rules::Origin;

use crate::random::Random;

const LINES: &[&str] = &[
    "dhcp-boot=tag:a,net:#b,boot.0,name,10.0.0.1",
    "pxe-service=tag:a,x86PC,\"Boot, now\",pxelinux,10.0.0.1",
    "pxe-service=7,text,15",
    "pxe-prompt=tag:a,\"Press F8\",60",
    "dhcp-match=set:a,option:client-arch,7",
    "dhcp-match=a,97,00:*:ff",
    "dhcp-match=set:a,vi-encap:311,text",
    "dhcp-match=set:a,60,PXE",
    "dhcp-option=175,8:1:1",
    "dhcp-option=tag:!a,encap:175,8,1b",
    "dhcp-option-force=option:root-path,x",
    "dhcp-option=vendor:PXEClient,1,0.0.0.0",
    "dhcp-option=lan,vi-encap:4711,3,300",
    "dhcp-option=option:router,10.0.0.1,10.0.0.2",
    "dhcp-option=121,10.0.0.0/8,10.0.0.1",
    "dhcp-option=option:T1,12h",
    "dhcp-vendorclass=set:a,enterprise:9,PXEClient",
    "dhcp-userclass=set:a,iPXE",
    "dhcp-circuitid=set:a,00:ff:1",
    "dhcp-mac=set:a,01-52:54:*:*:*:*",
    "dhcp-host=11:22:33:44:55:66,id:01:02,set:a,tag:b,12h,box,10.0.0.5",
    "dhcp-name-match=set:a,box*",
    "dhcp-range=set:lan,tag:x,192.168.1.100,192.168.1.200,12h",
    "dhcp-range=10.77.0.0,proxy",
    "tag-if=set:a,set:b,tag:c,tag:!d",
    "dhcp-ignore=tag:!known,x",
    "dhcp-pxe-vendor=PXEClient,HW",
];

/// What a changed line may get for the old letter.
const LETTERS: &[u8] = b",,::..--**##!\"= /09afiqs";

/// Compares so many lines of each kind; the complaints.
pub fn compare(seed: u64, each: usize) -> Vec<String> {
    let mut random = Random::new(seed);
    let lines: Vec<String> =
        LINES.iter().flat_map(|line| std::iter::repeat_n(line, each)).map(|line| changed(&mut random, line)).collect();
    let file = std::env::temp_dir().join(format!("upxe-syntax-{}", std::process::id()));
    let mut complaints = Vec::new();
    let mut strict: BTreeMap<&str, usize> = BTreeMap::new();
    for line in &lines {
        std::fs::write(&file, format!("{line}\n")).unwrap();
        let tested = Command::new("dnsmasq").arg("--test").arg("-C").arg(&file).output().expect("dnsmasq");
        let theirs = tested.status.success();
        let ours = accepts(line);
        match (theirs, &ours) {
            (true, Ok(())) | (false, Err(_)) => {}
            (true, Err(expected)) => match STRICTER.iter().find(|(words, _)| expected.contains(words)) {
                Some((_, why)) => *strict.entry(why).or_default() += 1,
                None => complaints.push(format!("{line}\n    dnsmasq accepts it; upxe expected {expected}")),
            },
            (false, Ok(())) => {
                let says = String::from_utf8_lossy(&tested.stderr).trim().to_owned();
                match LAXER.iter().find(|(words, _)| says.contains(words)) {
                    Some((_, why)) => *strict.entry(why).or_default() += 1,
                    None => complaints.push(format!("{line}\n    upxe accepts it; dnsmasq: {says}")),
                }
            }
        }
    }
    let _ = std::fs::remove_file(&file);
    println!(
        "differential: {} lines tested, {} judged otherwise",
        lines.len(),
        strict.values().sum::<usize>() + complaints.len()
    );
    strict.iter().for_each(|(why, count)| println!("  {count:5} × {why}"));
    complaints
}

/// What upxe refuses and dnsmasq accepts, by what upxe expected.
const STRICTER: &[(&str, &str)] = &[
    ("an IPv4 address, or a name from /etc/hosts", "dnsmasq looks names up later, and then sends 0.0.0.0"),
    ("an option's number from 1 to 254", "dnsmasq sends the number's last eight bits"),
    ("an enterprise's number", "dnsmasq reads as many digits as there are"),
    ("an option's number behind encap:", "dnsmasq reads as many digits as there are"),
    ("hex bytes, or * for a whole byte", "dnsmasq compares with whatever stands in its memory"),
    ("an architecture (", "dnsmasq takes nothing for architecture 0"),
    ("a text for the menu", "an entry without a text is a null pointer in dnsmasq"),
    ("the beginning of a vendor class", "a vendor class without letters is a null pointer in dnsmasq"),
    ("a hardware address, an IPv4 address", "dnsmasq takes a host's name without letters"),
    ("a tag's name", "a tag without a name is a null pointer in dnsmasq"),
];
/// What dnsmasq refuses and upxe accepts, by what dnsmasq says.
const LAXER: &[(&str, &str)] = &[("bad dhcp-range", "what has a colon is taken for IPv6, and nobody's business here")];

/// The line with a letter of its value changed, left out or added.
fn changed(random: &mut Random, line: &str) -> String {
    let mut bytes = line.as_bytes().to_vec();
    let value = line.find('=').map_or(0, |at| at + 1);
    for _ in 0..random.below(3) {
        let at = value + random.below(bytes.len() - value);
        match random.below(3) {
            0 => bytes[at] = *random.pick(LETTERS),
            1 if bytes.len() > value + 1 => {
                bytes.remove(at);
            }
            _ => bytes.insert(at, *random.pick(LETTERS)),
        }
    }
    String::from_utf8(bytes).expect("ASCII")
}

fn accepts(text: &str) -> Result<(), String> {
    let line = Line::read(text.as_bytes()).ok_or("a closing quote")?;
    let origin = Origin { file: "lines".into(), line: 1 };
    let hosts = Hosts { text: b"", sections: &[] };
    match Collected::default().line(&line, &origin, &hosts) {
        Ok(_) => Ok(()),
        Err(wrong) => Err(wrong.expected.to_owned()),
    }
}
