//! Configurations: lines that dnsmasq accepts, put together at random.

use std::collections::BTreeSet;

use crate::bench::Mode;
use crate::random::Random;

const TAGS: &[&str] = &["a", "b", "c", "ipxe", "efi"];
const FILES: &[&str] = &[
    "boot-a.0",
    "dir/b.efi",
    "plain",
    "c.c32",
    "script.ipxe",
    "http://10.77.0.9/boot.php?mac=${mac}",
    "ipxe-own.efi",
    "very/long/path/to/a/boot/file/that/still/fits/the/header/field.efi",
];
const TEXTS: &[&str] = &["\"Boot from network\"", "Install", "\"Rescue, 64 bit\"", "\"Memory test\""];

/// A whole configuration, the daemon's own lines aside.
pub fn configuration(random: &mut Random, mode: Mode) -> String {
    let mut lines: Vec<String> = Vec::new();
    let mut addresses = BTreeSet::new();
    for _ in 0..random.below(5) {
        lines.push(tagger(random));
    }
    let names = random.percent(30);
    for _ in 0..random.below(3) {
        lines.extend(host(random, names, &mut addresses));
    }
    for _ in 0..random.below(3) {
        lines.push(tag_if(random));
    }
    if random.percent(15) {
        lines.push(format!("dhcp-ignore={}", tests(random, 100).trim_end_matches(',')));
    }
    for _ in 0..random.below(4) {
        lines.push(boot(random));
    }
    for _ in 0..random.below(6) {
        lines.push(option(random, mode));
    }
    if random.percent(30) {
        lines.push("dhcp-no-override".to_owned());
    }
    if random.percent(10) {
        lines.push("dhcp-ignore-clid".to_owned());
    }
    if random.percent(20) {
        lines.push("dhcp-pxe-vendor=PXEClient,HW-Client".to_owned());
    }
    if mode == Mode::Server && random.percent(15) {
        // What holds without the range's tag beats what holds with it alone.
        lines.extend(["dhcp-option=tag:d0,129,1".to_owned(), "dhcp-option=tag:lan,129,2".to_owned()]);
    }
    if mode == Mode::Proxy {
        for _ in 0..random.below(5) {
            lines.push(service(random));
        }
        if random.percent(25) {
            let timeout = *random.pick(&["", ",5", ",0", ",300"]);
            lines.push(format!("pxe-prompt={}\"Press F8\"{timeout}", tests(random, 30)));
        }
        // Without any service dnsmasq is no proxy at all.
        lines.push("pxe-service=77,never".to_owned());
    }
    // Their order matters only among lines of a kind, so that they may stand anywhere.
    for at in (1..lines.len()).rev() {
        lines.swap(at, random.below(at + 1));
    }
    lines.push(range(random, mode));
    lines.join("\n")
}

fn range(random: &mut Random, mode: Mode) -> String {
    let set = *random.pick(&["", "", "set:lan,", "set:c,"]);
    match mode {
        Mode::Proxy => {
            let tests = if random.percent(5) { tests(random, 100) } else { String::new() };
            format!("dhcp-range={tests}{set}10.77.0.0,proxy")
        }
        Mode::Server => format!("dhcp-range={set}10.77.0.100,10.77.0.200,255.255.255.0,1h"),
    }
}

/// `tag:a,tag:!b,` in so many of a hundred cases.
fn tests(random: &mut Random, chance: usize) -> String {
    if !random.percent(chance) {
        return String::new();
    }
    let mut tests = String::new();
    for _ in 0..1 + random.below(2) {
        let prefix = random.pick(&["tag:", "net:"]);
        let sign = random.pick(&["", "", "!", "#"]);
        let tag = if random.percent(10) { "known" } else { tested(random) };
        tests.push_str(&format!("{prefix}{sign}{tag},"));
    }
    tests
}

fn tested(random: &mut Random) -> &'static str {
    const RARE: &[&str] = &["d0", "lan", "known-othernet"];
    let names = if random.percent(15) { RARE } else { TAGS };
    random.pick::<&str>(names)
}

fn tagger(random: &mut Random) -> String {
    let tag = random.pick(TAGS);
    let what = *random.pick(&[
        "dhcp-match=set:TAG,175",
        "dhcp-match=TAG,175",
        "dhcp-match=set:TAG,175,19:1",
        "dhcp-match=set:TAG,option:client-arch,7",
        "dhcp-match=set:TAG,93,6",
        "dhcp-match=set:TAG,93,0s",
        "dhcp-match=set:TAG,93,00:00",
        "dhcp-match=set:TAG,93,1792s",
        "dhcp-match=set:TAG,94,1:*:16",
        "dhcp-match=set:TAG,94,3b",
        "dhcp-match=set:TAG,60,PXEClient",
        "dhcp-match=set:TAG,option:vendor-class,\"UNDI\"",
        "dhcp-match=set:TAG,77,iPXE",
        "dhcp-match=set:TAG,option:user-class",
        "dhcp-match=set:TAG,97,00:07",
        "dhcp-match=set:TAG,55,67b",
        "dhcp-match=set:TAG,57,1472s",
        "dhcp-match=set:TAG,57,5b",
        "dhcp-match=set:TAG,vi-encap:311",
        "dhcp-match=set:TAG,vi-encap:311,xy",
        "dhcp-match=set:TAG,vi-encap:9,x",
        "dhcp-vendorclass=set:TAG,PXEClient:Arch:00007",
        "dhcp-vendorclass=TAG,Client",
        "dhcp-vendorclass=set:TAG,enterprise:311,UNDI",
        "dhcp-userclass=set:TAG,iPXE",
        "dhcp-userclass=set:TAG,PXE",
        "dhcp-userclass=set:TAG,\"E\\to\"",
        "dhcp-mac=set:TAG,52:54:00:*:*:*",
        "dhcp-mac=set:TAG,52:54:01:00:00:02",
        "dhcp-mac=TAG,01-52:*:*:*:*:1",
        "dhcp-mac=set:TAG,06-52:*:*:*:*:*",
        "dhcp-circuitid=set:TAG,port",
        "dhcp-remoteid=set:TAG,aa:bb",
        "dhcp-subscrid=set:TAG,sub",
        "dhcp-name-match=set:TAG,box",
        "dhcp-name-match=set:TAG,box*",
    ]);
    what.replace("TAG", tag)
}

/// dnsmasq 2.90 hangs when a client is known by its address on another network (`known-othernet`) and by its name here
/// (it links its one `known_id` to itself): a configuration has one or the other.
fn host(random: &mut Random, names: bool, addresses: &mut BTreeSet<String>) -> Option<String> {
    let who = if names && random.percent(50) { random.pick(&["box", "other"]) } else { random.pick(WHO) };
    let filter = if random.percent(30) { format!("tag:{},", random.pick(TAGS)) } else { String::new() };
    let set = if random.percent(80) { format!(",set:{}", random.pick(TAGS)) } else { String::new() };
    let more = if random.percent(20) { format!(",net:{}", random.pick(TAGS)) } else { String::new() };
    let ignore = if random.percent(8) { ",ignore" } else { "" };
    let address = match random.below(5) {
        0 => format!(",10.77.0.{}", 20 + random.below(50)),
        1 if !names => format!(",10.99.0.{}", 20 + random.below(50)),
        _ => String::new(),
    };
    // dnsmasq wants an address in one line only.
    (address.is_empty() || addresses.insert(address.clone()))
        .then(|| format!("dhcp-host={filter}{who}{set}{more}{address}{ignore}"))
}

const WHO: &[&str] = &[
    "52:54:00:00:00:01",
    "52:54:01:00:00:02",
    "52:54:*:*:*:*",
    "52:54:00:*:*:03",
    "01-52:54:00:00:00:00",
    "id:client-one",
    "id:01:52:54:00:00:00:01",
    "52:54:00:00:00:02,52:54:00:00:00:03",
];

fn tag_if(random: &mut Random) -> String {
    let mut line = format!("tag-if=set:{}", random.pick(TAGS));
    for _ in 0..random.below(3) {
        let sign = random.pick(&["", "", "!"]);
        let tag = if random.percent(20) { "d*" } else { tested(random) };
        line.push_str(&format!(",tag:{sign}{tag}"));
    }
    line
}

fn boot(random: &mut Random) -> String {
    let rest = random.pick(&["", "", "", ",server", ",,10.77.0.9", ",server,10.77.0.9", ",,0.0.0.0"]);
    format!("dhcp-boot={}{}{rest}", tests(random, 60), random.pick(FILES))
}

fn service(random: &mut Random) -> String {
    let architecture =
        random.pick(&["x86PC", "X86PC", "0", "IA32_EFI", "x86-64_EFI", "7", "BC_EFI", "11", "ARM64_EFI"]);
    let text = random.pick(TEXTS);
    let what = match random.below(10) {
        0 => String::new(),
        1 => ",0".to_owned(),
        2 => ",15".to_owned(),
        3 => ",16,10.77.0.8".to_owned(),
        4 => format!(",{},10.77.0.9", random.pick(FILES)),
        _ => format!(",{}", random.pick(FILES)),
    };
    format!("pxe-service={}{architecture},{text}{what}", tests(random, 50))
}

fn option(random: &mut Random, mode: Mode) -> String {
    let force = *random.pick(&["", "", "-force"]);
    // Tags of the address range count less than others here.
    let tests = if random.percent(20) { random.pick(&["tag:lan,", "tag:c,"]).to_string() } else { tests(random, 40) };
    let what = match mode {
        Mode::Server if random.percent(40) => *random.pick(&["128,1", "128,2", "128,3"]),
        Mode::Proxy => *random.pick(&[
            "vendor:PXEClient,1,0.0.0.0",
            "vendor:PXEClient,70,text",
            "vendor:,71,1",
            "vendor:Arch:00007,5,5i",
            "vendor:MSFT,2,1i",
            "vendor:PXEClient,6,2b",
            "209,menu/default",
            "encap:175,8,1b",
        ]),
        Mode::Server => *random.pick(&[
            "209,menu/default",
            "210,http://10.77.0.1:81/",
            "211,30i",
            "17,\"iscsi:10.77.0.9::::iqn.2010-01.net:disk\"",
            "option:root-path,10.77.0.9",
            "175,8:1:1",
            "175,text",
            "encap:175,8,1b",
            "encap:175,190,user",
            "encap:203,1,10.77.0.9",
            "128,10.77.0.3",
            "129,0.0.0.0",
            "150,0.0.0.0,10.77.0.4",
            "128,300",
            "128,70000",
            "129,\"10.77.0.3\"",
            "129,-1",
            "128",
            "vi-encap:311,4,text",
            "vi-encap:9,4,ab:cd",
            "66,server-name",
            "66,10.77.0.6",
            "67,by-option.0",
            "option:ntp-server,10.77.0.5",
            "3,10.77.0.2",
        ]),
    };
    // "vendor:" takes a tag before it only, as do the others.
    format!("dhcp-option{force}={tests}{what}")
}
