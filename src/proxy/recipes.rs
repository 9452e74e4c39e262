//! Whole recipes in dnsmasq's words, and what each client is told by them.

use std::fmt::Write;
use std::net::Ipv4Addr;

use super::*;
use crate::config::dnsmasq::Collected;
use crate::config::dnsmasq::files::{ConfReader, NoFiles};
use crate::config::hosts::Hosts;
use crate::wire::request::tests::message;

type Options<'o> = &'o [(u8, &'o [u8])];

const BIOS: Options<'_> = &[(60, b"PXEClient:Arch:00000:UNDI:002001"), (93, &[0, 0]), (55, &[1, 3, 43, 60, 66, 67])];
const X64: Options<'_> = &[(60, b"PXEClient:Arch:00007:UNDI:003016"), (93, &[0, 7]), (55, &[1, 3, 43, 60, 66, 67])];
const IPXE: Options<'_> =
    &[(60, b"PXEClient:Arch:00000:UNDI:002001"), (93, &[0, 0]), (175, &[0x13, 1, 1]), (55, &[17, 43, 175])];

const ASKS_NOTHING: Options<'_> = &[(60, b"PXEClient"), (93, &[0, 0])];

pub(super) fn rules(lines: &str) -> Rules {
    let (mut collected, mut out) = (Collected::default(), Vec::new());
    let hosts = Hosts { text: b"", sections: &[] };
    ConfReader::new(&mut NoFiles, &hosts, &mut collected, &mut out).text(&"c".into(), lines.as_bytes());
    assert!(out.is_empty(), "{out:?}");
    collected.rules
}

fn arrival(door: Door) -> Arrival<'static> {
    let (router, mask) = (Ipv4Addr::new(192, 168, 1, 1), Ipv4Addr::new(255, 255, 255, 0));
    Arrival { door, interface: "lan", device: "br-lan", router, mask }
}

/// Every file but one that is called missing.
struct Nearly;

impl BootFiles for Nearly {
    fn has(&self, name: &str) -> bool {
        !name.contains("missing")
    }
}

fn decided(lines: &str, door: Door, options: Options<'_>) -> (Decision, Option<Reply>) {
    let packet = message(if door == Door::Proxy { 1 } else { 3 }, options);
    let request = Request::read(&packet).unwrap();
    let rules = rules(lines);
    let decision = decide(&rules, &Nearly, &arrival(door), &request, &Past::default());
    let offer = decision.outcome.as_ref().ok();
    let reply = offer.map(|offer| answer(&rules, &arrival(door), &request, offer));
    (decision, reply)
}

/// What a client is told, in one line: the file, the server if it isn't the router, and menus.
fn told(lines: &str, door: Door, options: Options<'_>) -> String {
    let (decision, _) = decided(lines, door, options);
    let offer = match &decision.outcome {
        Ok(offer) => offer,
        Err(silence) => return silence.to_string(),
    };
    let mut told = offer.file.to_string();
    if offer.server != arrival(door).router {
        write!(told, "@{}", offer.server).unwrap();
    }
    match &offer.shape {
        Shape::Direct | Shape::Url => {}
        Shape::AskAgain => told.push_str(" ask again"),
        Shape::Chosen(item) => write!(told, " item {:04x}", item.server_type).unwrap(),
        Shape::Menu(menu) => menu.entries.iter().for_each(|entry| {
            write!(told, " [{:04x} {}", entry.server_type, entry.text).unwrap();
            entry.server.iter().for_each(|server| write!(told, " {server}").unwrap());
            told.push(']');
        }),
    }
    told
}

fn option(lines: &str, options: Options<'_>, code: u8) -> Option<Vec<u8>> {
    let (_, reply) = decided(lines, Door::Proxy, options);
    reply?.options.get(OptionCode::from(code)).map(<[u8]>::to_vec)
}

const MENU: &str = "pxe-service=x86PC,Install,pxelinux\npxe-service=x86PC,Other,other.0,192.168.1.9\n\
    pxe-service=x86PC,WDS,15,192.168.1.8\npxe-service=x86PC,Disk\n\
    pxe-service=x86-64_EFI,Install,a.efi\npxe-service=x86-64_EFI,Other,b.efi\n";

#[test]
fn several_entries_are_a_menu_and_one_is_not() {
    let one = "pxe-service=x86PC,a,pxelinux\npxe-service=x86-64_EFI,b,x.efi,192.168.1.9\npxe-service=6,c,c\n";
    let prompted = "pxe-prompt=\"Press F8\",5\npxe-service=x86PC,a,pxelinux\npxe-service=7,b,x.efi";
    for (lines, door, client, expected) in [
        (one, Door::Proxy, BIOS, "pxelinux.0"),
        (one, Door::Proxy, X64, "x.efi@192.168.1.9"),
        (one, Door::BootServer, X64, "x.efi@192.168.1.9"),
        (prompted, Door::Proxy, BIOS, " [8000 a 192.168.1.1]"),
        (prompted, Door::Proxy, X64, "x.efi"),
        (
            MENU,
            Door::Proxy,
            BIOS,
            " [8000 Install 192.168.1.1] [8001 Other 192.168.1.1] [000f WDS 192.168.1.8] [0000 Disk]",
        ),
        (MENU, Door::Proxy, X64, " ask again"),
        (MENU, Door::BootServer, X64, " [8002 Install 192.168.1.1] [8003 Other 192.168.1.1]"),
        (MENU, Door::Proxy, IPXE, "pxelinux.0"),
        ("pxe-service=0,\"Raspberry Pi Boot\"", Door::Proxy, BIOS, " [0000 Raspberry Pi Boot]"),
        ("pxe-service=7,a,missing.efi\npxe-service=7,b,b.efi", Door::Proxy, X64, "b.efi"),
        ("pxe-service=9,a,a.efi", Door::Proxy, X64, "a.efi"),
        ("pxe-service=9,a,a.efi\npxe-service=7,b,b.efi", Door::Proxy, X64, "b.efi"),
        ("pxe-service=tag:x,7,a,a.efi\ndhcp-boot=boot.efi", Door::Proxy, X64, "boot.efi"),
        ("pxe-service=7,a,a.efi\ndhcp-boot=boot.efi", Door::Proxy, X64, "a.efi"),
        ("pxe-service=7,a,http://x/a.efi\ndhcp-boot=boot.efi", Door::Proxy, X64, "boot.efi"),
    ] {
        assert_eq!(told(lines, door, client), expected, "{lines} {door:?}");
    }
}

#[test]
fn a_chosen_entry_is_answered_with_its_file() {
    let chosen = |server_type: u16, layer: u16| {
        let ([a, b], [c, d]) = (server_type.to_be_bytes(), layer.to_be_bytes());
        let item = [71, 4, a, b, c, d, 255];
        told(MENU, Door::BootServer, &[BIOS, &[(43, &item)]].concat())
    };
    assert_eq!(chosen(0x8000, 0), "pxelinux.0 item 8000");
    assert_eq!(chosen(0x8000, 3), "pxelinux.3 item 8000");
    assert_eq!(chosen(0x8001, 0), "other.0@192.168.1.9 item 8001");
    assert_eq!(chosen(15, 0), "boot server type 15 is not served here");
    assert_eq!(chosen(0x9000, 0), "boot server type 36864 is not served here");
    assert!(chosen(0x8000, 0x8000).contains("BIS"));
}

#[test]
fn the_next_rule_serves_when_the_first_cannot() {
    for (lines, client, expected) in [
        ("dhcp-boot=pxelinux.0\ndhcp-boot=missing.0", BIOS, "pxelinux.0"),
        ("dhcp-boot=pxelinux.0\ndhcp-boot=tag:lan,http://x/y", BIOS, "pxelinux.0"),
        ("dhcp-boot=pxelinux.0\ndhcp-boot=tag:lan,undionly.kpxe", IPXE, "pxelinux.0"),
        ("dhcp-boot=pxelinux.0\ndhcp-boot=tag:lan,http://x/y", IPXE, "http://x/y"),
        ("dhcp-option=67,by-option.0\ndhcp-option=66,192.168.1.9", BIOS, "by-option.0@192.168.1.9"),
        ("dhcp-option=67,by-option.0\ndhcp-option=150,192.168.1.8", BIOS, "by-option.0@192.168.1.8"),
        ("dhcp-option=67,by-option.0\ndhcp-boot=boot.0", BIOS, "boot.0"),
        ("dhcp-boot=x,,192.168.1.9\ndhcp-option=66,192.168.1.8", BIOS, "x@192.168.1.9"),
    ] {
        assert_eq!(told(lines, Door::Proxy, client), expected, "{lines}");
    }
    let (decision, _) = decided("dhcp-boot=a.0\ndhcp-boot=missing.0", Door::Proxy, BIOS);
    let passed: Vec<String> = decision.passed_over.iter().map(PassedOver::to_string).collect();
    assert_eq!(passed, ["c:2: missing.0 is not under the TFTP root"]);
}

#[test]
fn every_kind_of_line_sets_its_tag() {
    let agent: &[u8] = b"\x01\x04port\x02\x01\xaa";
    for (line, options, expected) in [
        ("dhcp-match=set:x,175", IPXE, true),
        ("dhcp-match=set:x,175", BIOS, false),
        ("dhcp-match=set:x,93,7", X64, true),
        ("dhcp-match=set:x,option:client-arch,6", &[(60, b"PXEClient"), (93, &[0, 7, 0, 6])], true),
        ("dhcp-match=set:x,93,1792s", &[(60, b"PXEClient"), (93, &[0, 7, 0, 6])], false),
        ("dhcp-match=set:x,97,00:*:02", &[(60, b"PXEClient"), (97, &[0, 9, 2, 3])], true),
        ("dhcp-match=set:x,60,Arch:00007", X64, true),
        ("dhcp-match=set:x,vi-encap:9,bc", &[(60, b"PXEClient"), (124, b"\0\0\0\x09\x05\x04abcd")], true),
        ("dhcp-match=set:x,vi-encap:8,bc", &[(60, b"PXEClient"), (124, b"\0\0\0\x09\x05\x04abcd")], false),
        ("dhcp-match=set:x,vi-encap:9,bc", &[(60, b"PXEClient"), (124, b"\0\0\0\x09\xff\x04abcd")], false),
        ("dhcp-vendorclass=set:x,UNDI", X64, true),
        ("dhcp-userclass=set:x,iPXE", &[(60, b"PXEClient"), (77, b"\x02ab\x04iPXE")], true),
        ("dhcp-userclass=set:x,b\"\\t\"i", &[(60, b"PXEClient"), (77, b"\x02ab\x09iPXEiPXEi")], false),
        ("dhcp-mac=set:x,52:54:*:*:*:1", X64, true),
        ("dhcp-mac=set:x,06-52:54:*:*:*:1", X64, false),
        ("dhcp-host=52:54:00:00:00:01,set:x", X64, true),
        ("dhcp-host=id:01:02,set:x", &[(60, b"PXEClient"), (61, &[1, 2])], true),
        ("dhcp-host=id:01:02,set:x\ndhcp-ignore-clid", &[(60, b"PXEClient"), (61, &[1, 2])], false),
        ("dhcp-host=52:54:00:00:00:01,set:x,192.168.1.5", X64, true),
        ("dhcp-host=52:54:00:00:00:01,set:x,192.168.2.5", X64, false),
        ("dhcp-host=box,set:x", &[(60, b"PXEClient"), (12, b"Box.lan")], true),
        ("dhcp-name-match=set:x,bo*", &[(60, b"PXEClient"), (81, b"\x04\0\0\x03box\x03lan\0")], true),
        ("dhcp-name-match=set:x,bo", &[(60, b"PXEClient"), (12, b"box")], false),
        ("dhcp-circuitid=set:x,port", &[(60, b"PXEClient"), (82, agent)], true),
        ("dhcp-remoteid=set:x,aa:", &[(60, b"PXEClient"), (82, agent)], true),
        ("tag-if=set:x,tag:lan,tag:br-*", X64, true),
        ("tag-if=set:x,tag:known", X64, false),
        ("dhcp-range=set:x,192.168.1.0,proxy", X64, true),
        ("dhcp-range=set:x,192.168.2.0,proxy", X64, false),
    ] {
        let (decision, _) = decided(line, Door::Proxy, options);
        let set = decision.tags.iter().find(|(tag, _)| *tag == "x");
        assert_eq!(set.is_some(), expected, "{line}: {}", decision.tags);
        // And it is known which line set it.
        assert!(set.is_none_or(|(_, by)| format!("{by:?}").contains("line: 1")), "{line}");
    }
}

#[test]
fn rules_can_keep_a_client_from_being_answered() {
    assert_eq!(told("dhcp-ignore=tag:!known", Door::Proxy, X64), "ignored by c:1");
    assert_eq!(told("dhcp-host=52:54:00:00:00:01\ndhcp-ignore=tag:!known\ndhcp-boot=a", Door::Proxy, X64), "a");
    assert_eq!(told("dhcp-host=52:54:*:*:*:*,ignore", Door::Proxy, X64), "ignored by c:1");
    assert!(told("dhcp-range=tag:x,192.168.1.0,proxy", Door::Proxy, X64).contains("the proxy range at c:1"));
    assert_eq!(told("dhcp-pxe-vendor=HW", Door::Proxy, X64), "did not ask to boot from the network");
    let hw: Options<'_> = &[(60, b"HW-Client"), (93, &[0, 7])];
    assert_eq!(told("dhcp-pxe-vendor=HW\ndhcp-boot=a", Door::Proxy, hw), "a");
    assert_eq!(option("dhcp-pxe-vendor=HW\ndhcp-boot=a", hw, 60).as_deref(), Some(&b"HW"[..]));
}

#[test]
fn options_are_sent_to_those_who_ask_or_to_all() {
    for (lines, client, code, expected) in [
        ("dhcp-option=209,x", BIOS, 209, None),
        ("dhcp-option-force=209,x", BIOS, 209, Some(&b"x"[..])),
        ("dhcp-option-pxe=209,x", BIOS, 209, Some(b"x")),
        ("dhcp-option=17,x", IPXE, 17, Some(b"x")),
        ("dhcp-option=209,x", ASKS_NOTHING, 209, Some(b"x")),
        ("dhcp-option=tag:lan,17,x\ndhcp-option=17,y", IPXE, 17, Some(b"x")),
        ("dhcp-option=17,x\ndhcp-option=17,y", IPXE, 17, Some(b"y")),
        ("dhcp-option=tag:br-lan,17,x\ndhcp-option=tag:lan,17,y", IPXE, 17, Some(b"x")),
        ("dhcp-option-force=128,0.0.0.0", BIOS, 128, Some(&[192, 168, 1, 1])),
        ("dhcp-option-force=6,8.8.8.8", BIOS, 6, None),
        ("dhcp-option-pxe=6,8.8.8.8", BIOS, 6, Some(&[8, 8, 8, 8])),
        ("dhcp-option-force=54,8.8.8.8", BIOS, 54, Some(&[192, 168, 1, 1])),
        (
            "dhcp-option-force=encap:128,1,x\ndhcp-option-force=encap:128,2,0.0.0.0",
            BIOS,
            128,
            Some(b"\x02\x04\0\0\0\0\x01\x01x\xff"),
        ),
        (
            "dhcp-option-force=vi-encap:9,1,x\ndhcp-option-force=vi-encap:9,2,y",
            BIOS,
            125,
            Some(b"\0\0\0\x09\x06\x02\x01y\x01\x01x"),
        ),
    ] {
        let lines = format!("{lines}\ndhcp-boot=boot.0");
        assert_eq!(option(&lines, client, code).as_deref(), expected, "{lines}");
    }
}

#[test]
fn options_43_and_175_are_sent_once() {
    let boot = "\ndhcp-boot=boot.0";
    for (lines, client, code, expected) in [
        ("", IPXE, 175, Some(&[1, 1, 1][..])),
        ("", BIOS, 175, None),
        ("dhcp-option=175,8:1:1", IPXE, 175, Some(&[1, 1, 1, 8, 1, 1])),
        ("dhcp-option=175,8:1:1\ndhcp-option=encap:175,9,1b", IPXE, 175, Some(&[1, 1, 1, 8, 1, 1, 9, 1, 1, 255])),
        ("dhcp-option=encap:175,1,5b", IPXE, 175, Some(&[1, 1, 5, 255])),
        ("dhcp-option-force=175,8:1:1", BIOS, 175, Some(&[8, 1, 1])),
        ("dhcp-option=vendor:PXEClient,1,0.0.0.0", BIOS, 43, Some(b"\x06\x01\x08\x0a\x04\0PXE\x01\x04\0\0\0\0\xff")),
        ("dhcp-option=vendor:MSFT,1,x", BIOS, 43, Some(b"\x06\x01\x08\x0a\x04\0PXE\xff")),
        ("dhcp-option=vendor:PXEClient,6,2b", BIOS, 43, Some(b"\x06\x01\x08\x0a\x04\0PXE\xff")),
        ("dhcp-option-force=43,1:2:3", BIOS, 43, Some(b"\x06\x01\x08\x0a\x04\0PXE\xff")),
        ("pxe-prompt=hi,3", BIOS, 43, Some(b"\x06\x01\x08\x0a\x03\x03hi\xff")),
    ] {
        let (_, reply) = decided(&[lines, boot].concat(), Door::Proxy, client);
        let reply = reply.unwrap();
        let values: Vec<&[u8]> =
            reply.options.iter().filter(|(found, _)| u8::from(*found) == code).map(|(_, value)| value).collect();
        let expected: Vec<&[u8]> = expected.into_iter().collect();
        assert_eq!(values, expected, "{lines}");
    }
}

/// Rules that look at everything a request may hold.
pub(crate) const NOSY: &str = "dhcp-match=set:a,vi-encap:9,x\ndhcp-match=set:b,97,00:*:ff\ndhcp-match=set:c,93,7\n\
    dhcp-match=set:d,60,PXE\ndhcp-vendorclass=set:e,UNDI\ndhcp-userclass=set:f,iPXE\ndhcp-mac=set:g,52:*:*:*:*:*\n\
    dhcp-host=52:54:*:*:*:*,set:h\ndhcp-host=id:01:*,set:i\ndhcp-host=box,set:j\ndhcp-name-match=set:k,b*\n\
    dhcp-circuitid=set:l,port\ndhcp-remoteid=set:m,aa:bb\ntag-if=set:n,tag:a,tag:!b*\ndhcp-ignore=tag:never\n\
    dhcp-range=set:o,192.168.0.0,proxy\npxe-prompt=tag:!never,hi,5\npxe-service=0,a,a\npxe-service=7,b,b,192.168.2.9\n\
    pxe-service=7,c,c.efi\npxe-service=0,local\ndhcp-option-force=encap:175,8,1b\ndhcp-option-force=vi-encap:9,1,x\n\
    dhcp-option=vendor:PXE,1,x\ndhcp-option-pxe=17,0.0.0.0\ndhcp-boot=tag:d,boot.0,name";

#[test]
fn no_malformed_option_breaks_matching() {
    const CODES: &[u8] = &[12, 43, 55, 60, 61, 77, 81, 82, 93, 97, 124, 125, 175];
    const VALUES: &[&[u8]] =
        &[b"PXEClient:Arch:00007", b"\0\0\0\x09\x05\x04abcd", b"\x01\x04port\x02\x02\xaa\xbb", b"\x04\0\0\x03box\0"];
    let rules = rules(NOSY);
    let mut answered = 0;
    for (code, value) in CODES.iter().flat_map(|code| VALUES.iter().map(move |value| (*code, *value))) {
        for at in 0..value.len() {
            for byte in (0..=255u8).step_by(15) {
                let mut changed = value.to_vec();
                changed[at] = byte;
                for value in [&changed[..], &changed[..at]] {
                    let packet = message(1, &[(60, b"PXEClient"), (93, &[0, 7]), (code, value)]);
                    let Ok(request) = Request::read(&packet) else { continue };
                    let decision = decide(&rules, &Nearly, &arrival(Door::Proxy), &request, &Past::default());
                    if let Ok(offer) = &decision.outcome {
                        answer(&rules, &arrival(Door::Proxy), &request, offer);
                        answered += 1;
                    }
                }
            }
        }
    }
    assert!(answered > 5_000, "{answered}");
}
