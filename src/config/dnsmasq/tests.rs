//! Lines in, rules or complaints out.

use std::collections::BTreeMap;

use super::files::{ConfFiles, ConfReader};
use super::*;
use crate::config::rules::{Condition, OptionValue, Pattern, Place, Target, VendorClass};

struct Folder<'t>(BTreeMap<&'t str, &'t str>);

impl ConfFiles for Folder<'_> {
    fn read(&mut self, path: &str) -> Result<Vec<u8>, String> {
        self.0.get(path).map(|text| text.as_bytes().to_vec()).ok_or_else(|| "no such file".to_owned())
    }

    fn list(&mut self, folder: &str) -> Result<Vec<String>, String> {
        let inside = self.0.keys().filter_map(|path| path.strip_prefix(folder)?.strip_prefix('/'));
        let names: Vec<String> = inside.map(str::to_owned).collect();
        if names.is_empty() { Err("no such folder".to_owned()) } else { Ok(names) }
    }
}

fn read(files: &[(&str, &str)]) -> (Collected, Vec<String>) {
    let mut folder = Folder(files.iter().copied().collect());
    let hosts = Hosts { text: b"192.168.1.9 nas nas.lan\n", sections: &[] };
    let (mut collected, mut out) = (Collected::default(), Vec::new());
    let origin = Origin { file: "command line".into(), line: 0 };
    ConfReader::new(&mut folder, &hosts, &mut collected, &mut out).read(files[0].0, &origin);
    (collected, out.iter().map(ToString::to_string).collect())
}

fn one(line: &str) -> (Collected, Vec<String>) {
    read(&[("c", line)])
}

/// Tests as they are written in a configuration.
fn shown(tests: &[TagTest]) -> String {
    let one = |test: &TagTest| format!("{}{}", if test.set { "" } else { "!" }, test.tag);
    tests.iter().map(one).collect::<Vec<_>>().join(",")
}

fn line(text: &str) -> Result<Outcome, &'static str> {
    let origin = Origin { file: "c".into(), line: 1 };
    let Some(line) = Line::read(text.as_bytes()) else { return Ok(Outcome::NotOurs) };
    Collected::default().line(&line, &origin, &Hosts::default()).map_err(|wrong| wrong.expected)
}

#[test]
fn boot_lines_have_up_to_three_parts_behind_their_tags() {
    for (text, when, file, name, server) in [
        ("dhcp-boot=pxelinux.0", "", "pxelinux.0", "", None),
        ("dhcp-boot=net:#gpxe,gpxe.pxe", "!gpxe", "gpxe.pxe", "", None),
        ("dhcp-boot=tag:a,tag:!b,x , y , 10.0.0.1", "a,!b", "x", "y", Some([10, 0, 0, 1])),
        ("dhcp-boot=,,10.0.0.1", "", "", "", Some([10, 0, 0, 1])),
        ("dhcp-boot=x,,0.0.0.0", "", "x", "", None),
        ("dhcp-boot=x,,nas", "", "x", "", Some([192, 168, 1, 9])),
        ("dhcp-boot=set:a,x", "", "set:a", "x", None),
        ("dhcp-boot=\"a,b\",c", "", "a,b", "c", None),
        (
            "dhcp-boot=net:ipxe,http://10.0.0.9/ipxe.php?mac=${mac}&uuid=${uuid}",
            "ipxe",
            "http://10.0.0.9/ipxe.php?mac=${mac}&uuid=${uuid}",
            "",
            None,
        ),
    ] {
        let (collected, complaints) = one(text);
        assert_eq!(complaints, [""; 0], "{text}");
        let boot = &collected.rules.boots[0];
        assert_eq!((shown(&boot.when).as_str(), boot.file.as_str(), boot.server_name.as_str()), (when, file, name));
        assert_eq!(boot.server.map(|server| server.octets()), server, "{text}");
    }
}

#[test]
fn menu_entries_boot_files_types_or_nothing() {
    for (text, architecture, target, server, name) in [
        ("pxe-service=x86PC,\"Install, now\",pxelinux", 0, Target::File("pxelinux".into()), None, ""),
        ("pxe-service=net:#ipxe,x86-64_efi, \"a\", a.efi", 7, Target::File("a.efi".into()), None, ""),
        ("pxe-service=BC_EFI,a,a.efi,10.0.0.1", 9, Target::File("a.efi".into()), Some([10, 0, 0, 1]), ""),
        ("pxe-service=27,a,a.efi,nas", 27, Target::File("a.efi".into()), Some([192, 168, 1, 9]), "nas"),
        ("pxe-service=0,\"Raspberry Pi Boot\"", 0, Target::Local, None, ""),
        ("pxe-service=x86PC,WDS,15,10.0.0.1", 0, Target::Type(15), Some([10, 0, 0, 1]), ""),
        ("pxe-service=x86PC,Local,0", 0, Target::Type(0), None, ""),
    ] {
        let (collected, complaints) = one(text);
        assert_eq!(complaints, [""; 0], "{text}");
        let service = &collected.rules.services[0];
        assert_eq!((service.architecture, &service.target), (architecture, &target), "{text}");
        assert_eq!(service.server.map(|server| server.octets()), server, "{text}");
        assert_eq!(service.server_name, name, "{text}");
    }
    let numbered = one("pxe-service=0,a,a\npxe-service=0,b\npxe-service=0,c,7\npxe-service=0,d,d").0;
    let numbers: Vec<u16> = numbered.rules.numbered_services().map(|(number, _)| number).collect();
    assert_eq!(numbers, [0x8000, 0, 7, 0x8001]);
}

#[test]
fn matches_take_all_of_dnsmasqs_forms() {
    let any = |byte: u8| Some(byte);
    for (text, tag, condition) in [
        ("dhcp-match=ipxe,175", "ipxe", Condition::Option(175, Pattern::Present)),
        ("dhcp-match=set:ipxe,175", "ipxe", Condition::Option(175, Pattern::Present)),
        ("dhcp-match=set:x64,option:client-arch,7", "x64", Condition::Option(93, Pattern::Element(vec![0, 7]))),
        ("dhcp-match=set:x64,93,7", "x64", Condition::Option(93, Pattern::Element(vec![0, 7]))),
        ("dhcp-match=set:a,60,PXEClient", "a", Condition::Option(60, Pattern::Anywhere(b"PXEClient".to_vec()))),
        ("dhcp-match=set:a,97,00:*:ff", "a", Condition::Option(97, Pattern::Start(vec![any(0), None, any(0xff)]))),
        ("dhcp-match=set:a,50,192.168.1.7", "a", Condition::Option(50, Pattern::Element(vec![192, 168, 1, 7]))),
        ("dhcp-match=set:a,vi-encap:311", "a", Condition::Enterprise(311, Pattern::Present)),
        ("dhcp-match=set:a,vi-encap:311,x y", "a", Condition::Enterprise(311, Pattern::Anywhere(b"x y".to_vec()))),
        ("dhcp-vendorclass=set:a,PXEClient", "a", Condition::VendorClass(b"PXEClient".to_vec())),
        ("dhcp-vendorclass=set:a,enterprise:9,x", "a", Condition::VendorClass(b"x".to_vec())),
        ("dhcp-userclass=a,iPXE", "a", Condition::UserClass(b"iPXE".to_vec())),
        ("dhcp-circuitid=set:a,00:ff", "a", Condition::Agent(1, vec![0, 0xff])),
        ("dhcp-remoteid=set:a,port 7", "a", Condition::Agent(2, b"port 7".to_vec())),
        ("dhcp-subscrid=set:a,\"00:ff\"", "a", Condition::Agent(6, b"00:ff".to_vec())),
        ("dhcp-name-match=set:a,box*", "a", Condition::Name { name: "box".into(), prefix: true }),
    ] {
        let (collected, complaints) = one(text);
        assert_eq!(complaints, [""; 0], "{text}");
        let tagger = &collected.rules.taggers[0];
        assert_eq!((tagger.tag.as_str(), &tagger.condition), (tag, &condition), "{text}");
    }
    let mac = one("dhcp-mac=set:a,01-52:54:*:*:*:*").0;
    let Condition::Mac(pattern) = &mac.rules.taggers[0].condition else { panic!() };
    assert_eq!((pattern.hardware_type, pattern.bytes.len(), pattern.bytes[2]), (Some(1), 6, None));
}

#[test]
fn options_are_plain_or_within_others() {
    let text = |text: &str| OptionValue::Text(text.as_bytes().to_vec());
    let bytes = |bytes: &[u8]| OptionValue::Bytes(bytes.to_vec());
    for (line, when, send, place, value) in [
        ("dhcp-option=175,8:1:1", "", Send::IfAsked, Place::Plain(175), bytes(&[8, 1, 1])),
        ("dhcp-option=encap:175,8,1b", "", Send::IfAsked, Place::Encapsulated { outer: 175, code: 8 }, bytes(&[1])),
        (
            "dhcp-option-force=209,pxelinux.cfg/default",
            "",
            Send::Always,
            Place::Plain(209),
            text("pxelinux.cfg/default"),
        ),
        ("dhcp-option-force=210,http://10.0.0.1:81/", "", Send::Always, Place::Plain(210), text("http://10.0.0.1:81/")),
        ("dhcp-option-pxe=tag:a,option:root-path,iscsi:x", "a", Send::Pxe, Place::Plain(17), text("iscsi:x")),
        (
            "dhcp-option=lan,!b,6,0.0.0.0",
            "lan,!b",
            Send::IfAsked,
            Place::Plain(6),
            OptionValue::Addresses(vec![[0; 4].into()]),
        ),
        (
            "dhcp-option=vi-encap:311,tag:a,4,x",
            "a",
            Send::IfAsked,
            Place::Enterprise { number: 311, code: 4 },
            text("x"),
        ),
        (
            "dhcp-option=vendor:PXEClient,1,0.0.0.0",
            "",
            Send::IfAsked,
            Place::Vendor { class: VendorClass::Containing(b"PXEClient".to_vec()), code: 1 },
            bytes(&[0; 4]),
        ),
        (
            "pxe-prompt=tag:a,\"Press F8\",5",
            "a",
            Send::Always,
            Place::Vendor { class: VendorClass::Pxe, code: 10 },
            bytes(b"\x05Press F8"),
        ),
        ("dhcp-option=120,10.0.0.1", "", Send::IfAsked, Place::Plain(120), bytes(&[1, 10, 0, 0, 1])),
        ("dhcp-option=3", "", Send::IfAsked, Place::Plain(3), bytes(&[])),
    ] {
        let (collected, complaints) = one(line);
        assert_eq!(complaints, [""; 0], "{line}");
        let option = &collected.rules.options[0];
        assert_eq!((shown(&option.when).as_str(), option.send), (when, send), "{line}");
        assert_eq!((&option.place, &option.value), (&place, &value), "{line}");
    }
}

#[test]
fn hosts_are_taken_apart_in_any_order() {
    let (collected, complaints) =
        one("dhcp-host=11:22:33:44:55:66,id:01:02,set:a,tag:b,12h,Box.lan,192.168.1.5,net:c,ignore,aa:bb:cc:*:*:*");
    assert_eq!(complaints, [""; 0]);
    let host = &collected.rules.hosts[0];
    assert_eq!((host.macs.len(), host.client_id.as_deref()), (2, Some(&[1, 2][..])));
    assert_eq!((host.set.join(","), shown(&host.when)), ("a,c".to_owned(), "b".to_owned()));
    assert_eq!((host.name.as_deref(), host.ignore), (Some("Box"), true));
    assert_eq!(host.address.map(|address| address.to_string()).as_deref(), Some("192.168.1.5"));
    let by_text = one("dhcp-host=id:client,infinite,[::5]").0;
    assert_eq!(by_text.rules.hosts[0].client_id.as_deref(), Some(&b"client"[..]));
}

#[test]
fn other_lines_have_their_place() {
    let (collected, complaints) = one("tag-if=set:a,set:b,tag:c,tag:!d\ndhcp-ignore=tag:!known,x\ndhcp-no-override\n\
        dhcp-range=set:lan,tag:x,192.168.1.100,192.168.1.200,12h\ndhcp-range=10.0.0.0,proxy,255.0.0.0\n\
        dhcp-range=1234::2,1234::500,64\ndhcp-pxe-vendor=PXEClient,HW\nenable-tftp\ntftp-root=/pxe/\ntftp-max=9\n\
        dhcp-ignore-clid\nlog-dhcp\nport=0\nserver=8.8.8.8\naddress=/a/1.2.3.4\nno-such-word=7");
    assert_eq!(complaints, [""; 0]);
    let rules = &collected.rules;
    assert_eq!((rules.tag_ifs[0].set.join(","), shown(&rules.tag_ifs[0].when)), ("a,b".to_owned(), "c,!d".to_owned()));
    assert_eq!(shown(&rules.ignores[0].when), "!known,x");
    let ranges: Vec<String> = rules.ranges.iter().map(|it| format!("{:?} {} {}", it.set, it.start, it.proxy)).collect();
    assert_eq!(ranges, ["Some(\"lan\") 192.168.1.100 false", "None 10.0.0.0 true"]);
    assert_eq!(rules.pxe_vendors, ["PXEClient", "HW"]);
    assert!(collected.no_override && rules.ignore_client_ids && collected.tftp.enabled.is_some());
    assert_eq!(collected.tftp.root.unwrap().0.to_str(), Some("/pxe/"));
    assert_eq!(collected.tftp.max.unwrap().0, 9);
}

#[test]
fn a_line_that_cannot_be_honoured_is_named_and_disables_nothing_else() {
    for (text, complaint) in [
        ("dhcp-boot", "c:1: warning: dhcp-boot: found '', expected something behind the =; the line is passed over"),
        ("dhcp-boot=tag:a", "c:1: warning: dhcp-boot: found 'tag:a', expected something behind the tags;"),
        ("dhcp-boot=x,,nowhere", "c:1: warning: dhcp-boot: found 'nowhere', expected an IPv4 address, or a name"),
        ("dhcp-boot=\"x", "c:1: warning: dhcp-boot: found 'the whole line', expected a closing quote;"),
        ("dhcp-match=175", "expected one tag, then an option"),
        ("dhcp-match=set:a,encap:175,1", "found 'encap:175', expected neither vendor: nor encap: in this place"),
        ("dhcp-match=set:a,option:nothing", "found 'nothing', expected the name of an option"),
        ("dhcp-match=set:a,53,1", "found '1', expected a number with its width"),
        ("dhcp-option=option:message-type,1", "found 'message-type', expected the name of an option"),
        ("dhcp-option=3,10", "found '10', expected an IPv4 address"),
        ("dhcp-option=300,x", "found '300', expected an option's number"),
        ("dhcp-option-pxe=vendor:x,1,y", "expected no vendor: option here"),
        ("pxe-service=x64,a,b", "found 'x64', expected an architecture (x86PC, x86-64_EFI"),
        ("pxe-service=x86PC", "expected an architecture"),
        ("dhcp-mac=set:a,hello", "expected a hardware address"),
        ("dhcp-userclass=set:a,b,c", "expected one value (quotes allow for commas in it)"),
        ("tag-if=tag:a", "expected a tag to set"),
        ("tag-if=a", "expected set: or tag: before each tag"),
        ("dhcp-range=lan,10.0.0.1", "expected a range's first address"),
        ("dhcp-reply-delay=3", "dhcp-reply-delay: not honoured: upxe answers at once"),
        ("tftp-root=/a,eth0", "not honoured: upxe serves one folder"),
        ("conf-file=/nowhere", "c:1: warning: /nowhere: no such file"),
    ] {
        let (collected, complaints) = one(&format!("{text}\ndhcp-boot=good"));
        assert_eq!(complaints.len(), 1, "{text}: {complaints:?}");
        assert!(complaints[0].contains(complaint), "{text}: {}", complaints[0]);
        assert_eq!(collected.rules.boots.last().unwrap().file, "good");
        assert_eq!(collected.rules.boots.last().unwrap().origin.line, 2);
    }
}

#[test]
fn files_name_files_and_none_is_read_twice() {
    let (collected, complaints) = read(&[
        (
            "main",
            "dhcp-boot=1\nconf-file=more\nconf-dir=/d,*.conf\nconf-dir=/d,.conf,.bak\ndhcp-boot=9\ndhcp-optsfile=opts\n\
             conf-file\u{e4}=bad",
        ),
        ("bad", "dhcp-boot=bad"),
        ("more", "dhcp-boot=2\nconf-file=main\nconf-file=more\n"),
        ("/d/b.conf", "dhcp-boot=4"),
        ("/d/a.conf", "dhcp-boot=3"),
        ("/d/.hidden.conf", "dhcp-boot=bad"),
        ("/d/c.conf~", "dhcp-boot=bad"),
        ("/d/c.bak", "dhcp-boot=bad"),
        ("/d/README", "dhcp-boot=5"),
        ("opts", "209,x\n# none\ntag:a,210,y"),
    ]);
    assert_eq!(complaints, [""; 0]);
    let files: Vec<&str> = collected.rules.boots.iter().map(|boot| boot.file.as_str()).collect();
    assert_eq!(files, ["1", "2", "3", "4", "5", "9"]);
    assert_eq!(collected.rules.boots[1].origin.to_string(), "more:1");
    assert_eq!(collected.rules.options.len(), 2);
}

/// Lines of every kind, as the recipes have them.
const SAMPLES: &[&str] = &[
    "dhcp-boot=net:#ipxe,undionly.kkpxe.0,name,192.168.2.1",
    "dhcp-boot=net:ipxe,http://10.0.0.9/ipxe.php?mac=${mac}&uuid=${uuid}",
    "pxe-service=net:#ipxe,x86PC, \"splashtop by richud.com\", undionly.kkpxe,10.0.0.1",
    "pxe-service=tag:a,9,text,15,10.0.0.1",
    "pxe-prompt=tag:a,\"Press F8 for boot menu\",60",
    "dhcp-match=set:ipxe,option:client-arch,7",
    "dhcp-match=set:a,vi-encap:311,\"a\\tb\"",
    "dhcp-match=set:a,97,00:*:ff:01",
    "dhcp-option=175,8:1:1",
    "dhcp-option=tag:!a,encap:175,8,1b",
    "dhcp-option-force=210,http://10.0.0.1:81/   # here",
    "dhcp-option=vendor:PXEClient,1,0.0.0.0,10.0.0.0/8",
    "dhcp-option-pxe=lan,vi-encap:4711,3,-70000",
    "dhcp-option=option:T1,12h",
    "dhcp-vendorclass=set:a,enterprise:9,PXEClient",
    "dhcp-circuitid=set:a,00:ff:1",
    "dhcp-mac=set:a,01-52:54:*:*:*:*",
    "dhcp-host=11:22:33:44:55:66,id:01:02,set:a,tag:b,12h,box.lan,192.168.1.5,ignore",
    "dhcp-name-match=set:a,box*",
    "dhcp-range=set:lan,tag:x,192.168.1.100,192.168.1.200,12h",
    "tag-if=set:a,set:b,tag:c,tag:!d*",
    "dhcp-ignore=tag:!known",
    "dhcp-pxe-vendor=PXEClient,HW-Client",
    "tftp-root=/pxe/,eth0",
    "tftp-max=50",
];

#[test]
fn every_truncation_and_every_changed_byte_of_a_line_ends_in_an_outcome() {
    for sample in SAMPLES {
        assert!(!matches!(line(sample), Ok(Outcome::NotOurs) | Err(_)), "{sample}");
        for len in 0..sample.len() {
            let _ = line(&sample[..len]);
        }
        for at in 0..sample.len() {
            for byte in 0..=255u8 {
                let mut changed = sample.as_bytes().to_vec();
                changed[at] = byte;
                if let Some(changed) = Line::read(&changed) {
                    let origin = Origin { file: "c".into(), line: 1 };
                    let _ = Collected::default().line(&changed, &origin, &Hosts::default());
                }
            }
        }
    }
}

#[test]
fn what_lines_come_to_is_bounded() {
    let mut collected = Collected::default();
    let origin = Origin { file: "c".into(), line: 1 };
    let line = Line::read(b"dhcp-boot=a").unwrap();
    let taken =
        (0..MAX_LINES + 5).filter(|_| matches!(collected.line(&line, &origin, &Hosts::default()), Ok(Outcome::Taken)));
    assert_eq!(taken.count(), MAX_LINES);
    assert_eq!(collected.rules.boots.len(), MAX_LINES);
}
