//! Requests in, decisions and replies out.

use super::*;
use crate::config::menu::{Entry, Kind, Whom};
use crate::config::rules::{Host, MacPattern, Web};
use crate::config::{Boot, TagTest};
use crate::wire::frame::Mac;
use crate::wire::request::tests::{discover, message};

const ROUTER: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 1);
const ELSEWHERE: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 9);
const X64: &[(u8, &[u8])] = &[(60, b"PXEClient:Arch:00007:UNDI:003000"), (93, &[0, 7]), (55, &[66, 67])];
const BIOS: &[(u8, &[u8])] = &[(60, b"PXEClient:Arch:00000:UNDI:002001"), (93, &[0, 0])];
const IPXE: &[(u8, &[u8])] = &[(60, b"PXEClient:Arch:00000:UNDI:002001"), (93, &[0, 0]), (175, &[0x13, 1, 1])];
const IPXE_WITHOUT_HTTP: &[(u8, &[u8])] = &[(60, b"PXEClient"), (93, &[0, 0]), (175, &[0x11, 1, 1])];
const GPXE: &[(u8, &[u8])] = &[(60, b"PXEClient"), (93, &[0, 0]), (77, b"gPXE")];
const HTTP: &[(u8, &[u8])] = &[(60, b"HTTPClient:Arch:00016:UNDI:003001"), (93, &[0, 16])];

impl BootFiles for &[&str] {
    fn has(&self, name: &str) -> bool {
        self.contains(&name)
    }
}

fn rules(boots: &[(&[(&str, bool)], &str, Option<Ipv4Addr>)]) -> Rules {
    let boot = |(line, (when, file, server)): (usize, &(&[(&str, bool)], &str, Option<Ipv4Addr>))| Boot {
        origin: Origin { file: "dhcp".into(), line: line as u32 + 1 },
        when: when.iter().map(|(tag, set)| TagTest { tag: (*tag).into(), set: *set }).collect(),
        file: (*file).into(),
        server_name: String::new(),
        server: *server,
    };
    Rules { boots: boots.iter().enumerate().map(boot).collect(), ..Rules::default() }
}

fn arrival(door: Door) -> Arrival<'static> {
    Arrival { door, interface: "lan", device: "br-lan", router: ROUTER, mask: Ipv4Addr::new(255, 255, 255, 0) }
}

/// What a DISCOVER with these options is told, in one line.
fn told(rules: &Rules, files: &[&str], options: &[(u8, &[u8])]) -> String {
    let packet = discover(options);
    let decision = decide(rules, &files, &arrival(Door::Proxy), &Request::read(&packet).unwrap(), &Past::default());
    match decision.outcome {
        Ok(offer) => format!("{}@{}", offer.file, offer.server),
        Err(silence) => silence.to_string(),
    }
}

#[test]
fn without_rules_the_customary_file_that_exists_is_offered() {
    let none = rules(&[]);
    let both: &[&str] = &["undionly.kpxe", "ipxe.efi", "shimx64.efi", "boot.ipxe"];
    assert_eq!(told(&none, both, X64), "ipxe.efi@192.168.1.1");
    assert_eq!(told(&none, both, BIOS), "undionly.kpxe@192.168.1.1");
    assert_eq!(told(&none, both, IPXE), "boot.ipxe@192.168.1.1");
    assert_eq!(told(&none, both, GPXE), "undionly.kpxe@192.168.1.1", "gPXE loads iPXE, which reads the script");
    assert_eq!(told(&none, &["shimx64.efi"], X64), "shimx64.efi@192.168.1.1");
    assert_eq!(told(&none, &["pxelinux.0", "undionly.kpxe"], IPXE), "pxelinux.0@192.168.1.1");
    assert_eq!(told(&none, &["ipxe.efi"], &[(60, b"PXEClient"), (93, &[0, 11, 0, 7])]), "ipxe.efi@192.168.1.1");
}

#[test]
fn silence_has_a_reason() {
    let none = rules(&[]);
    let no_file = told(&none, &["undionly.kpxe"], X64);
    assert!(no_file.contains("snponly.efi, ipxe.efi"), "{no_file}");
    assert!(told(&none, &["undionly.kpxe"], IPXE).contains("boot.ipxe, autoexec.ipxe, lpxelinux.0"));
    assert_eq!(told(&none, &[], &[(60, b"MSFT 5.0")]), "did not ask to boot from the network");
    assert!(told(&none, &[], &[(60, b"PXEClient")]).contains("did not say what it can run"));
    let strange = told(&none, &[], &[(60, b"PXEClient"), (93, &[0, 99])]);
    assert!(strange.starts_with("no boot file is customary for architecture 99, and no"), "{strange}");
    assert!(told(&none, &[], HTTP).contains("needs option http, or a boot rule with an http:// URL"));
}

#[test]
fn the_last_matching_tagged_rule_beats_all_untagged_ones() {
    let files: &[&str] = &["a", "b", "c", "d"];
    let lan: &[(&str, bool)] = &[("lan", true)];
    let not_lan: &[(&str, bool)] = &[("lan", false)];
    assert_eq!(told(&rules(&[(lan, "a", None), (lan, "b", None), (&[], "c", None)]), files, X64), "b@192.168.1.1");
    assert_eq!(told(&rules(&[(&[], "a", None), (&[], "b", None), (not_lan, "c", None)]), files, X64), "b@192.168.1.1");
}

#[test]
fn a_rule_without_its_file_falls_back_to_custom() {
    let rule = rules(&[(&[], "missing.efi", None)]);
    assert_eq!(told(&rule, &["ipxe.efi"], X64), "ipxe.efi@192.168.1.1");
    assert!(told(&rule, &[], X64).contains("missing.efi, snponly.efi"));
}

#[test]
fn a_script_without_its_file_is_passed_over_and_named() {
    let mut rule = rules(&[]);
    rule.script = Some("menu.ipxe".into());
    let packet = discover(IPXE);
    let files: &[&str] = &["boot.ipxe"];
    let decision = decide(&rule, &files, &arrival(Door::Proxy), &Request::read(&packet).unwrap(), &Past::default());
    assert_eq!(decision.outcome.unwrap().file, "boot.ipxe");
    let passed: Vec<String> = decision.passed_over.iter().map(PassedOver::to_string).collect();
    assert_eq!(passed, ["option script: menu.ipxe is not under the TFTP root"]);
}

#[test]
fn an_offer_names_the_architecture_that_its_file_is_for() {
    let packet = discover(&[(60, b"PXEClient"), (93, &[0, 11, 0, 7])]);
    let files: &[&str] = &["ipxe.efi"];
    let decision =
        decide(&rules(&[]), &files, &arrival(Door::Proxy), &Request::read(&packet).unwrap(), &Past::default());
    assert_eq!(decision.client().unwrap().to_string(), "x64");
}

#[test]
fn a_machines_own_file_comes_before_everybodys() {
    let none = rules(&[]);
    let uuid: &[u8] = &[0, 0x4c, 0x4c, 0x45, 0x44, 0, 0x51, 0x36, 0x10, 0x80, 0x42, 0xb7, 0xc0, 0x4f, 0x4d, 0x54, 0x31];
    let with_uuid = &[IPXE, &[(97, uuid)]].concat();
    // It is sent with the first three groups the other way round.
    let by_uuid = "ipxe/44454c4c-5100-1036-8042-b7c04f4d5431.ipxe";
    let as_sent = "ipxe/4c4c4544-0051-3610-8042-b7c04f4d5431.ipxe";
    let by_mac = "ipxe/52-54-00-00-00-01.ipxe";
    for (files, client, expected) in [
        (&["boot.ipxe", by_mac, by_uuid][..], &with_uuid[..], by_uuid),
        (&["boot.ipxe", by_mac, as_sent], with_uuid, as_sent),
        (&[by_uuid, by_mac, as_sent], with_uuid, by_uuid),
        (&["boot.ipxe", by_mac, by_uuid], IPXE, by_mac),
        (&["boot.ipxe", "52-54-00-00-00-01/boot.ipxe"], IPXE, "52-54-00-00-00-01/boot.ipxe"),
        (&["ipxe.efi", "52-54-00-00-00-01/shimx64.efi"], X64, "52-54-00-00-00-01/shimx64.efi"),
        (&["undionly.kpxe", by_mac], GPXE, "undionly.kpxe"),
        (&["undionly.kpxe", by_mac], BIOS, "undionly.kpxe"),
        (&["boot.ipxe", "ipxe/52-54-00-00-00-02.ipxe"], IPXE, "boot.ipxe"),
    ] {
        assert_eq!(told(&none, files, client), format!("{expected}@192.168.1.1"), "{files:?}");
    }
    let mut general = rules(&[]);
    general.script = Some("menu.ipxe".into());
    assert_eq!(told(&general, &["menu.ipxe", by_mac], IPXE), format!("{by_mac}@192.168.1.1"));
    assert_eq!(told(&rules(&[(&[], "x", None)]), &["x", by_mac], IPXE), "x@192.168.1.1", "a rule is a rule");
    // Hostile identifiers make plain names.
    let odd = &[IPXE, &[(97, b"\0../../../../../." as &[u8])]].concat();
    let plain = "ipxe/2e2f2e2e-2f2e-2e2e-2f2e-2e2f2e2e2f2e.ipxe";
    assert_eq!(told(&none, &["boot.ipxe", plain], odd), format!("{plain}@192.168.1.1"));
}

#[test]
fn another_servers_files_are_not_looked_for_here() {
    assert_eq!(told(&rules(&[(&[], "x.efi", Some(ELSEWHERE))]), &[], X64), "x.efi@10.0.0.9");
    assert_eq!(told(&rules(&[(&[], "", Some(ELSEWHERE))]), &[], X64), "snponly.efi@10.0.0.9");
}

#[test]
fn ipxe_never_gets_its_own_binary_nor_a_url_it_cannot_fetch() {
    let files: &[&str] = &["undionly.kpxe", "boot.ipxe"];
    assert_eq!(told(&rules(&[(&[], "undionly.kpxe", None)]), files, IPXE), "boot.ipxe@192.168.1.1");
    let mut url = rules(&[(&[], "http://10.0.0.9/ipxe.php?mac=${mac}", None)]);
    assert_eq!(told(&url, files, IPXE), "http://10.0.0.9/ipxe.php?mac=${mac}@192.168.1.1");
    assert_eq!(told(&url, files, IPXE_WITHOUT_HTTP), "undionly.kpxe@192.168.1.1", "a fuller iPXE first");
    assert!(told(&url, &["boot.ipxe"], IPXE_WITHOUT_HTTP).contains("cannot fetch"));
    let secure = rules(&[(&[], "https://10.0.0.9/x", None)]);
    assert_eq!(told(&secure, files, IPXE), "undionly.kpxe@192.168.1.1", "it listed HTTP, not HTTPS");
    assert_eq!(told(&url, files, BIOS), "undionly.kpxe@192.168.1.1", "a ROM knows no URL");
    assert_eq!(told(&url, files, HTTP), "http://10.0.0.9/ipxe.php?mac=${mac}@192.168.1.1");
    url = rules(&[]);
    url.script = Some("http://10.0.0.9/menu".into());
    assert_eq!(told(&url, files, IPXE), "http://10.0.0.9/menu@192.168.1.1");
    assert_eq!(told(&url, files, BIOS), "undionly.kpxe@192.168.1.1");
    let gpxe = rules(&[(&[], "gpxe.pxe", Some(ELSEWHERE))]);
    assert_eq!(told(&gpxe, &[], BIOS), "gpxe.pxe@10.0.0.9");
    assert_eq!(told(&gpxe, &[], GPXE), "boot.gpxe@10.0.0.9");
}

#[test]
fn only_a_discover_is_answered_on_port_67_and_only_request_and_inform_on_4011() {
    for (door, answered) in [(Door::Proxy, &[1][..]), (Door::BootServer, &[3, 8])] {
        for kind in 0..=20 {
            let packet = message(kind, X64);
            let request = Request::read(&packet).unwrap();
            let decision = decide(&rules(&[]), &(&["ipxe.efi"] as &[&str]), &arrival(door), &request, &Past::default());
            assert_eq!(decision.outcome.is_ok(), answered.contains(&kind), "{door:?} {kind}");
        }
    }
}

#[test]
fn relayed_requests_are_left_alone() {
    let mut packet = discover(X64);
    packet[24..28].copy_from_slice(&[10, 0, 0, 1]);
    let decision = decide(
        &rules(&[]),
        &(&["ipxe.efi"] as &[&str]),
        &arrival(Door::Proxy),
        &Request::read(&packet).unwrap(),
        &Past::default(),
    );
    assert_eq!(decision.outcome, Err(Silence::Relayed(Ipv4Addr::new(10, 0, 0, 1))));
}

#[test]
fn with_option_relay_they_are_answered_to_the_relay() {
    let agent: &[u8] = b"\x01\x04port\x02\x02\xaa\xbb";
    let relayed = |options: &[(u8, &[u8])], giaddr: [u8; 4]| {
        let mut packet = discover(options);
        packet[24..28].copy_from_slice(&giaddr);
        packet
    };
    let mut rules = recipes::rules(
        "dhcp-circuitid=set:here,port\ndhcp-boot=tag:here,by-port.efi\ndhcp-range=set:far,10.0.0.10,10.0.0.99,255.0.0.0\n\
         dhcp-boot=tag:far,tag:!here,far.efi\ndhcp-host=52:54:00:00:00:01,set:host,10.7.0.7\ndhcp-boot=tag:host,host.efi\n\
         dhcp-range=set:near,192.168.1.10,192.168.1.99\ndhcp-boot=tag:near,near.efi",
    );
    rules.relay = true;
    fn outcome(rules: &Rules, packet: &[u8]) -> (Result<String, String>, Option<Written>) {
        let files: &[&str] = &["by-port.efi", "far.efi", "near.efi", "host.efi"];
        let request = Request::read(packet).unwrap();
        let (decision, written) = consider(rules, &files, &arrival(Door::Proxy), &request, &Past::default());
        (decision.outcome.map(|offer| offer.file.to_string()).map_err(|silence| silence.to_string()), written)
    }
    assert_eq!(outcome(&rules, &relayed(X64, [10, 1, 2, 3])).0.as_deref(), Ok("host.efi"), "its mask is the range's");
    assert!(
        outcome(&rules, &relayed(X64, [172, 16, 0, 1])).0.unwrap_err().starts_with("no boot file"),
        "nobody's network"
    );
    assert_eq!(outcome(&rules, &relayed(X64, [0; 4])).0.as_deref(), Ok("near.efi"));
    rules.hosts.clear();
    assert_eq!(outcome(&rules, &relayed(X64, [10, 1, 2, 3])).0.as_deref(), Ok("far.efi"));
    let (told, written) = outcome(&rules, &relayed(&[X64, &[(82, agent)]].concat(), [10, 1, 2, 3]));
    assert_eq!(told.as_deref(), Ok("by-port.efi"));
    let bytes = written.unwrap().bytes;
    assert_eq!(bytes[24..28], [10, 1, 2, 3]);
    let end = bytes.iter().rposition(|&byte| byte == 255).unwrap();
    assert_eq!(bytes[end - 12..end], [&[82, 10][..], agent].concat(), "as it came, behind all others");
    // Nobody is a relay whose address is no other machine's.
    for giaddr in [[255; 4], [224, 0, 0, 1], [127, 0, 0, 1], ROUTER.octets()] {
        assert!(outcome(&rules, &relayed(X64, giaddr)).0.unwrap_err().starts_with("relayed by"), "{giaddr:?}");
    }
}

/// What the bootloader of a Pi sends: it says that it is a PC. `id`: option 97, behind its type byte.
fn pi(address: [u8; 6], id: [u8; 16], more: &[(u8, &[u8])]) -> Vec<u8> {
    const ASKS: &[u8] = &[1, 3, 43, 60, 66, 67, 128, 129, 130, 131, 132, 133, 134, 135];
    let id = [&[0][..], &id].concat();
    let own: &[(u8, &[u8])] =
        &[(55, ASKS), (93, &[0, 0]), (94, &[1, 2, 1]), (97, &id), (60, b"PXEClient:Arch:00000:UNDI:002001")];
    let mut packet = discover(&[own, more].concat());
    packet[28..34].copy_from_slice(&address);
    packet
}

#[test]
fn a_raspberry_pi_boots_among_pcs() {
    // Pi 4: `RPi4`, board revision, the address's end, the serial number, all with the lowest byte first.
    let pi4 = *b"RPi4\x11\x31\xc0\x00\x32\x01\xe4\x29\xef\xbe\xad\xde";
    let (by_address, elsewhere) = ([0xb8, 0x27, 0xeb, 1, 2, 3], [2, 0, 0, 1, 2, 3]);
    let mixed: &[&str] = &["undionly.kpxe", "bootcode.bin"];
    let outcome = |rules: &Rules, files: &[&str], packet: &[u8]| {
        let request = Request::read(packet).unwrap();
        let decision = decide(rules, &files, &arrival(Door::Proxy), &request, &Past::default());
        let client = decision.client().unwrap().to_string();
        let reply = decision.outcome.map(|offer| answer(rules, &arrival(Door::Proxy), &request, &offer));
        (client, reply.map_err(|silence| silence.to_string()))
    };
    let none = rules(&[]);
    for packet in [pi(by_address, [0x44; 16], &[]), pi(elsewhere, pi4, &[])] {
        let (client, reply) = outcome(&none, mixed, &packet);
        let reply = reply.unwrap();
        assert_eq!((client.as_str(), reply.file.as_str(), reply.siaddr), ("Raspberry Pi", "", ROUTER));
        assert_eq!(option(&reply, 43), Some(&b"\x06\x01\x03\x0a\x04\0PXE\x09\x14\0\0\x11Raspberry Pi Boot\xff"[..]));
        assert_eq!(option(&reply, 66), Some(&b"192.168.1.1"[..]));
    }
    // In its own folder, by serial number in either order or by address.
    for folder in ["deadbeef", "efbeadde", "02-00-00-01-02-03"] {
        let file = format!("{folder}/start4.elf");
        assert!(outcome(&none, &[&file], &pi(elsewhere, pi4, &[])).1.is_ok(), "{folder}");
    }
    let (_, nothing) = outcome(&none, &["undionly.kpxe"], &pi(by_address, pi4, &[]));
    assert!(nothing.unwrap_err().contains("bootcode.bin, start4.elf"));
    // Nothing is looked for at another server's.
    assert_eq!(
        outcome(&rules(&[(&[], "x", Some(ELSEWHERE))]), &[], &pi(by_address, pi4, &[])).1.unwrap().siaddr,
        ELSEWHERE
    );
    // The PC beside it, and what else runs on a Pi.
    assert_eq!(outcome(&none, mixed, &pi(elsewhere, [7; 16], &[])).1.unwrap().file, "undionly.kpxe");
    assert_eq!(
        outcome(&none, &["boot.ipxe"], &pi(by_address, pi4, &[(175, &[0x13, 1, 1])])).1.unwrap().file,
        "boot.ipxe"
    );
    let mut uefi = discover(&[(60, b"PXEClient:Arch:00011:UNDI:003000"), (93, &[0, 11])]);
    uefi[28..34].copy_from_slice(&by_address);
    assert_eq!(outcome(&none, &["snponly-arm64.efi", "bootcode.bin"], &uefi).1.unwrap().file, "snponly-arm64.efi");
    // The recipe that everybody has for it goes on to work, and doesn't bother it with other entries.
    let recipe = recipes::rules("pxe-service=0,\"Raspberry Pi Boot\"\npxe-service=0,Linux,pxelinux");
    let reply = outcome(&recipe, &["bootcode.bin", "pxelinux.0"], &pi(by_address, pi4, &[])).1.unwrap();
    assert!(option(&reply, 43).unwrap().ends_with(b"\x09\x14\0\0\x11Raspberry Pi Boot\xff"));
}

/// The reply that a message with these options gets.
fn reply(rules: &Rules, door: Door, kind: u8, options: &[(u8, &[u8])]) -> Reply {
    let mut packet = message(kind, options);
    if door == Door::BootServer {
        packet[12..16].copy_from_slice(&[192, 168, 1, 77]);
    }
    let request = Request::read(&packet).unwrap();
    let files: &[&str] = &["ipxe.efi", "boot.ipxe"];
    let decision = decide(rules, &files, &arrival(door), &request, &Past::default());
    answer(rules, &arrival(door), &request, &decision.outcome.unwrap())
}

fn option(reply: &Reply, code: u8) -> Option<&[u8]> {
    reply.options.get(OptionCode::from(code))
}

#[test]
fn an_offer_has_the_shape_that_every_firmware_takes() {
    let uuid = [7; 17];
    let offer = reply(&rules(&[]), Door::Proxy, 1, &[X64, &[(97, &uuid)]].concat());
    assert_eq!(offer.message_type, MessageType::Offer);
    assert!(offer.broadcast && offer.yiaddr.is_unspecified());
    assert_eq!((offer.siaddr, offer.sname.as_str(), offer.file.as_str()), (ROUTER, "192.168.1.1", "ipxe.efi"));
    let codes: Vec<u8> = offer.options.iter().map(|(code, _)| code.into()).collect();
    assert_eq!(codes, [54, 60, 97, 43]);
    assert_eq!(option(&offer, 60), Some(&b"PXEClient"[..]));
    assert_eq!(option(&offer, 97), Some(&uuid[..]));
    assert_eq!(option(&offer, 43), Some(&[6, 1, 8, 10, 4, 0, b'P', b'X', b'E', 255][..]));
}

#[test]
fn a_malformed_uuid_is_not_echoed() {
    assert_eq!(option(&reply(&rules(&[]), Door::Proxy, 1, &[X64, &[(97, &[0; 16])]].concat()), 97), None);
}

#[test]
fn ipxe_is_told_to_prefer_our_file() {
    let offer = reply(&rules(&[]), Door::Proxy, 1, IPXE);
    assert_eq!(offer.file, "boot.ipxe");
    assert_eq!(option(&offer, 175), Some(&[1, 1, 1][..]));
}

#[test]
fn http_boot_is_answered_as_http_client() {
    let url = rules(&[(&[], "http://192.168.1.1/x.efi", None)]);
    let offer = reply(&url, Door::Proxy, 1, HTTP);
    assert_eq!(option(&offer, 60), Some(&b"HTTPClient"[..]));
    assert_eq!(option(&offer, 67), Some(&b"http://192.168.1.1/x.efi"[..]));
    assert_eq!(option(&offer, 43), None, "PXE's option has no meaning here");
}

/// Who says that it can fetch by HTTP gets URLs; all others get what they got before.
#[test]
fn with_a_web_server_those_who_can_fetch_by_http() {
    let mut web = rules(&[]);
    web.web = Some(Web::Own(8069));
    let files: &[&str] = &["undionly.kpxe", "snponly.efi", "boot.ipxe", "boot.gpxe", "shimaa64.efi"];
    let unsaid: &[(u8, &[u8])] = &[(60, b"PXEClient"), (93, &[0, 0]), (77, b"iPXE")];
    let arm: &[(u8, &[u8])] = &[(60, b"HTTPClient:Arch:00019"), (93, &[0, 19])];
    for (client, expected) in [
        (IPXE, "http://192.168.1.1:8069/boot.ipxe"),
        (IPXE_WITHOUT_HTTP, "boot.ipxe"),
        (unsaid, "boot.ipxe"),
        (GPXE, "boot.gpxe"),
        (BIOS, "undionly.kpxe"),
        (X64, "snponly.efi"),
        (HTTP, "http://192.168.1.1:8069/snponly.efi"),
        (arm, "http://192.168.1.1:8069/shimaa64.efi"),
    ] {
        assert_eq!(told(&web, files, client), format!("{expected}@192.168.1.1"), "{client:?}");
    }
    assert!(told(&web, &["boot.ipxe"], HTTP).contains("put one of these under the TFTP root: snponly.efi, "));
    // Loaders go on by what they were loaded by.
    assert_eq!(told(&web, &["shimx64.efi"], &[IPXE, &[(93, &[0, 7])]].concat()[..]), "shimx64.efi@192.168.1.1");
    let own: &[&str] = &["boot.ipxe", "ipxe/52-54-00-00-00-01.ipxe", "52-54-00-00-00-01/ipxe.efi", "snponly.efi"];
    assert_eq!(told(&web, own, IPXE), "http://192.168.1.1:8069/ipxe/52-54-00-00-00-01.ipxe@192.168.1.1");
    assert_eq!(told(&web, own, HTTP), "http://192.168.1.1:8069/52-54-00-00-00-01/ipxe.efi@192.168.1.1");
    web.script = Some("sub/menu.ipxe".into());
    assert_eq!(told(&web, &["sub/menu.ipxe"], IPXE), "http://192.168.1.1:8069/sub/menu.ipxe@192.168.1.1");
    web.web = Some(Web::At("http://nas.lan:81/boot".into()));
    assert_eq!(told(&web, &["sub/menu.ipxe"], IPXE), "http://nas.lan:81/boot/sub/menu.ipxe@192.168.1.1");
}

#[test]
fn with_a_web_server_rules_name_files_for_http_boot_too() {
    let long = "x".repeat(110);
    for (file, server, expected) in [
        ("debian.iso", None, "http://192.168.1.1:8069/debian.iso@192.168.1.1"),
        ("http://10.0.0.9/x.efi", None, "http://10.0.0.9/x.efi@192.168.1.1"),
        // What isn't there is passed over, and what another server has, has no URL that we know.
        ("missing.efi", None, "http://192.168.1.1:8069/ipxe.efi@192.168.1.1"),
        ("debian.iso", Some(ELSEWHERE), "UEFI HTTP Boot needs option http, or a boot rule with an http:// URL"),
        (&long, None, "http://192.168.1.1:8069/ipxe.efi@192.168.1.1"),
        // Nothing in a name means anything to a URL, to iPXE or to a log.
        ("a b${net0/mac}?#%.efi", None, "http://192.168.1.1:8069/a%20b%24%7Bnet0/mac%7D%3F%23%25.efi@192.168.1.1"),
    ] {
        let mut web = rules(&[(&[], file, server)]);
        web.web = Some(Web::Own(8069));
        let files: &[&str] = &["debian.iso", "ipxe.efi", &long, "a b${net0/mac}?#%.efi"];
        assert_eq!(told(&web, files, HTTP), expected, "{file}");
    }
}

#[test]
fn lpxelinux_gets_the_web_server_as_its_prefix() {
    let prefix = |rules: &Rules, client: &[(u8, &[u8])]| {
        let files: &[&str] = &["lpxelinux.0", "bios/lpxelinux.0", "pxelinux.0"];
        let packet = discover(client);
        let decision = decide(rules, &files, &arrival(Door::Proxy), &Request::read(&packet).unwrap(), &Past::default());
        let options = decision.outcome.unwrap().options;
        let values = options.iter().filter(|sent| sent.code == 210).map(|sent| str::from_utf8(&sent.value).unwrap());
        values.collect::<Vec<_>>().join(" ")
    };
    let mut web = rules(&[(&[], "lpxelinux.0", None)]);
    assert_eq!(prefix(&web, BIOS), "");
    web.web = Some(Web::Own(8069));
    assert_eq!(prefix(&web, BIOS), "http://192.168.1.1:8069/");
    // Run by iPXE, it is iPXE that fetches.
    assert_eq!(prefix(&web, IPXE), "");
    let mut set = recipes::rules("dhcp-boot=lpxelinux.0\ndhcp-option-force=210,/files/");
    set.web.clone_from(&web.web);
    assert_eq!(prefix(&set, BIOS), "/files/");
    for (file, server, expected) in [
        ("bios/lpxelinux.0", None, "http://192.168.1.1:8069/bios/"),
        ("pxelinux.0", None, ""),
        ("lpxelinux.0", Some(ELSEWHERE), ""),
    ] {
        web.boots = rules(&[(&[], file, server)]).boots;
        assert_eq!(prefix(&web, BIOS), expected, "{file}");
    }
}

#[test]
fn the_boot_server_acknowledges_and_echoes_a_chosen_item() {
    let plain = reply(&rules(&[]), Door::BootServer, 3, X64);
    assert_eq!(plain.message_type, MessageType::Ack);
    assert_eq!((plain.ciaddr, plain.yiaddr), (Ipv4Addr::new(192, 168, 1, 77), Ipv4Addr::UNSPECIFIED));
    assert!(!plain.broadcast);
    let chosen = reply(&rules(&[]), Door::BootServer, 3, &[X64, &[(43, &[71, 4, 0x80, 0, 0, 0, 255])]].concat());
    assert_eq!((chosen.ciaddr, chosen.yiaddr), (Ipv4Addr::UNSPECIFIED, Ipv4Addr::new(192, 168, 1, 77)));
    assert_eq!(option(&chosen, 43), Some(&[71, 4, 0x80, 0, 0, 0, 255][..]));
}

#[test]
fn without_no_override_names_move_to_options_if_asked_for() {
    let mut rules = rules(&[]);
    rules.no_override = false;
    let offer = reply(&rules, Door::Proxy, 1, X64);
    assert_eq!(option(&offer, 66), Some(&b"192.168.1.1\0"[..]));
    assert_eq!(option(&offer, 67), Some(&b"ipxe.efi\0"[..]));
    assert!(offer.file.is_empty() && offer.sname.is_empty());
    let unasked = reply(&rules, Door::Proxy, 1, &X64[..2]);
    assert_eq!((option(&unasked, 67), unasked.file.as_str()), (None, "ipxe.efi"));
    assert_eq!(reply(&rules, Door::Proxy, 1, IPXE).file, "boot.ipxe", "iPXE is spared");
}

#[test]
fn scripts_of_a_group_come_before_everybodys_and_the_menu_last() {
    let mut rules = rules(&[]);
    let origin = Origin { file: "upxe".into(), line: 1 };
    let (name, title, kind) = ("a".to_owned(), "a".to_owned(), Kind::Local);
    let whom = Whom { architectures: vec![0], ..Whom::default() };
    rules.menu.entries.push(Entry { origin, name, title, kind, whom });
    let (group, own) = ("ipxe/tag/lan.ipxe", "ipxe/52-54-00-00-00-01.ipxe");
    let x64: &[(u8, &[u8])] = &[(60, b"PXEClient"), (93, &[0, 7]), (175, &[0x13, 1, 1])];
    for (files, client, expected) in [
        (&[][..], IPXE, "menu.ipxe"),
        (&["pxelinux.0", "menu.ipxe"], IPXE, "menu.ipxe"),
        (&["pxelinux.0", "boot.ipxe"], IPXE, "boot.ipxe"),
        (&["boot.ipxe", group], IPXE, group),
        (&["boot.ipxe", group, own], IPXE, own),
        // Nothing in the menu is for it.
        (&["syslinux.efi"], x64, "syslinux.efi"),
        (&["undionly.kpxe", group], BIOS, "undionly.kpxe"),
        (&["undionly.kpxe", group], GPXE, "undionly.kpxe"),
    ] {
        assert_eq!(told(&rules, files, client), format!("{expected}@192.168.1.1"), "{files:?}");
    }
    rules.script = Some("x".into());
    assert_eq!(told(&rules, &["x"], IPXE), "x@192.168.1.1");
    assert_eq!(told(&rules, &["x", group], IPXE), format!("{group}@192.168.1.1"));
    rules.menu.entries.clear();
    rules.script = None;
    assert_eq!(told(&rules, &["menu.ipxe"], IPXE), "menu.ipxe@192.168.1.1", "a script like any other");
}

#[test]
fn a_machine_of_which_only_the_address_is_known_has_the_tags_of_that() {
    let mut rules = rules(&[]);
    rules.hosts.push(Host {
        origin: Origin { file: "upxe".into(), line: 1 },
        macs: vec![MacPattern { hardware_type: None, bytes: [2, 0, 0, 0, 0, 7].map(Some).to_vec() }],
        client_id: None,
        name: Some("attic".to_owned()),
        address: None,
        when: Vec::new(),
        set: vec!["lab".to_owned()],
        ignore: false,
    });
    let known = machine::by_mac(&rules, &arrival(Door::Proxy), Mac([2, 0, 0, 0, 0, 7]));
    assert_eq!((known.tags.join(" ").as_str(), known.host()), ("br-lan known lab lan", Some("attic")));
    let other = machine::by_mac(&rules, &arrival(Door::Proxy), Mac([2, 0, 0, 0, 0, 8]));
    assert_eq!((other.tags.join(" ").as_str(), other.host()), ("br-lan lan", None));
    // What a request says of itself, as far as that can be a name.
    let packet = discover(&[BIOS, &[(12, b"cellar.lan"), (97, &[0; 17])]].concat());
    let decision = decide(&rules, &&[][..], &arrival(Door::Proxy), &Request::read(&packet).unwrap(), &Past::default());
    assert_eq!((decision.machine.host(), decision.machine.architecture), (Some("cellar"), Some(0)));
    assert_eq!(decision.machine.uuid, Some([0; 16]));
    let packet = discover(&[BIOS, &[(12, b"x || shell"), (97, &[1; 17])]].concat());
    let decision = decide(&rules, &&[][..], &arrival(Door::Proxy), &Request::read(&packet).unwrap(), &Past::default());
    assert_eq!((decision.machine.host(), decision.machine.uuid), (None, None));
}
