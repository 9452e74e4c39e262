//! Replies held against those that the real dnsmasq gave to the same requests in `tests/captures`, both by the same lines:
//! field by field, and every difference has its reason here.

#[path = "support/pcap.rs"]
mod pcap;

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::Path;

use dhcproto::v4::borrowed::DhcpOptionIterator;
use upxe::config::Rules;
use upxe::config::dnsmasq::Collected;
use upxe::config::dnsmasq::files::{ConfReader, NoFiles};
use upxe::config::hosts::Hosts;
use upxe::proxy::{self, Arrival, BootFiles, Door};
use upxe::wire::request::Request;
use upxe::wire::{frame, reply};

/// The dnsmasq that played the proxy in the captures, and the one that gave the leases.
const PROXY: Ipv4Addr = Ipv4Addr::new(192, 168, 2, 2);
const SERVER: Ipv4Addr = Ipv4Addr::new(192, 168, 2, 1);

const SECS: &str = "secs: RFC 2131 table 3 wants 0 in replies; dnsmasq leaves the client's value";
const SNAME: &str = "sname: always our address as text, for firmware that looks for the server there";
const SIADDR: &str = "siaddr: never 0, or iPXE finds no boot server in the offer and gives up";
const DIRECT: &str = "43: the offer itself says 'load this file', which saves EDK2 the way to port 4011";
const ONE_ENTRY: &str = "43: a menu of one entry chooses itself; the offer may as well name its file";
const FILE_AT_ONCE: &str = "file: stands in the offer already, where dnsmasq names it at port 4011 only";
const OWN_FILE: &str = "file: the ROM's own; dnsmasq's offer names a UEFI file beside the menu";
const PRIORITY: &str = "175: tells iPXE to prefer our file to one that the DHCP server may name";

struct Case {
    capture: &'static str,
    /// dnsmasq's lines, as far as they are about booting.
    lines: &'static str,
    /// Files in its TFTP root.
    files: &'static [&'static str],
    /// What differs in the offers.
    offer: &'static [&'static str],
    /// What differs in the boot server's answers.
    ack: &'static [&'static str],
}

const PROXY_AND_PHP: &str = "dhcp-match=ipxe,175
dhcp-boot=net:ipxe,http://192.168.2.1/ipxe.php?mac=${mac}&uuid=${uuid},,192.168.2.2
enable-tftp
dhcp-range=192.168.2.0,proxy
tftp-root=/pxe/
pxe-service=net:#ipxe,x86PC, \"splashtop by example\", undionly.kkpxe";

const UEFI_AND_BIOS: &str = "port=0
log-dhcp
dhcp-range=192.168.2.0,proxy
dhcp-boot=syslinux.efi
pxe-service=x86PC,\"Network Boot\",pxelinux
enable-tftp
tftp-root=/var/lib/pxeboot";

const MENU: &str = "dhcp-range=192.168.2.0,proxy
pxe-prompt=\"Press F8 for the menu\",3
pxe-service=x86PC,\"Install Linux\",pxelinux
pxe-service=x86PC,\"iPXE\",undionly.kpxe
pxe-service=x86PC,\"Local boot\"
pxe-service=x86-64_EFI,\"syslinux\",syslinux.efi
pxe-service=x86-64_EFI,\"iPXE\",ipxe.efi";

const CASES: &[Case] = &[
    Case { capture: "s3b-ipxe", lines: PROXY_AND_PHP, files: &[], offer: &[SNAME, SECS, PRIORITY], ack: &[] },
    Case {
        capture: "s3c-rom",
        lines: PROXY_AND_PHP,
        files: &["undionly.kkpxe"],
        offer: &[SNAME, SECS, SIADDR, ONE_ENTRY, FILE_AT_ONCE, PRIORITY],
        ack: &[SNAME, SECS],
    },
    Case {
        capture: "s2-rom",
        lines: "dhcp-match=ipxe,175
enable-tftp
dhcp-range=192.168.2.0,proxy
tftp-root=/pxe/
pxe-service=net:#ipxe,x86PC, \"splashtop by example\", undionly.kkpxe",
        files: &["undionly.kkpxe"],
        offer: &[SNAME, SECS, SIADDR, ONE_ENTRY, FILE_AT_ONCE],
        ack: &[SNAME, SECS],
    },
    Case {
        capture: "s5-ovmf",
        lines: UEFI_AND_BIOS,
        files: &["syslinux.efi", "pxelinux.0"],
        offer: &[SNAME, DIRECT],
        ack: &[SNAME],
    },
    Case {
        capture: "s5b-ovmf",
        lines: "dhcp-range=192.168.2.0,proxy
dhcp-boot=syslinux.efi
pxe-service=x86PC,\"Network Boot\",pxelinux
pxe-service=x86-64_EFI,\"Network Boot\",syslinux.efi",
        files: &["syslinux.efi", "pxelinux.0"],
        offer: &[SNAME, DIRECT, FILE_AT_ONCE],
        ack: &[DIRECT],
    },
    Case {
        capture: "s5-rom",
        lines: UEFI_AND_BIOS,
        files: &["syslinux.efi", "pxelinux.0"],
        offer: &[SNAME, SECS, SIADDR, ONE_ENTRY, OWN_FILE],
        ack: &[SNAME, SECS],
    },
    Case {
        capture: "s10-rom",
        lines: MENU,
        files: &["pxelinux.0", "undionly.kpxe", "syslinux.efi", "ipxe.efi"],
        offer: &[SNAME, SECS, SIADDR],
        ack: &[SNAME, SECS],
    },
    Case {
        capture: "s10-ovmf",
        lines: MENU,
        files: &["pxelinux.0", "undionly.kpxe", "syslinux.efi", "ipxe.efi"],
        offer: &[SNAME],
        ack: &[SNAME],
    },
];

struct Files(&'static [&'static str]);

impl BootFiles for Files {
    fn has(&self, name: &str) -> bool {
        self.0.contains(&name)
    }
}

#[test]
fn replies_differ_from_dnsmasqs_only_where_they_should() {
    for case in CASES {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/captures/{}.pcap", case.capture));
        let frames = pcap::frames(&path);
        let (mut offer, mut ack, mut compared) = (BTreeMap::new(), BTreeMap::new(), 0);
        for (at, frame) in frames.iter().enumerate() {
            let Some((door, theirs)) = reply_of_dnsmasq(&frames[at..], frame) else { continue };
            let Some(ours) = our_reply(case, door, frame) else { continue };
            let found = if door == Door::Proxy { &mut offer } else { &mut ack };
            for (field, difference) in differences(&fields(&theirs), &fields(&ours)) {
                found.insert(field, difference);
            }
            compared += 1;
        }
        assert!(compared > 0, "{}: nothing to compare", case.capture);
        assert_expected(case.capture, "offer", case.offer, &offer);
        assert_expected(case.capture, "ack", case.ack, &ack);
    }
}

fn assert_expected(capture: &str, what: &str, reasons: &[&str], found: &BTreeMap<String, String>) {
    let mut expected: Vec<&str> = reasons.iter().map(|reason| reason.split_once(':').unwrap().0).collect();
    expected.sort_unstable();
    let names: Vec<&str> = found.keys().map(String::as_str).collect();
    assert_eq!(names, expected, "{capture}, {what}: {found:#?}");
}

/// The proxy's reply to the request in `frame`.
fn reply_of_dnsmasq(behind: &[Vec<u8>], frame: &[u8]) -> Option<(Door, Vec<u8>)> {
    reply_of(PROXY, behind, frame)
}

/// A server's reply to the request in `frame`: the next one behind it with the same transaction id.
fn reply_of(server: Ipv4Addr, behind: &[Vec<u8>], frame: &[u8]) -> Option<(Door, Vec<u8>)> {
    let request = frame::open(frame).ok()?;
    let door = match request.destination.port() {
        67 => Door::Proxy,
        4011 => Door::BootServer,
        _ => return None,
    };
    let xid = Request::read(request.payload).ok()?.xid;
    behind.iter().skip(1).find_map(|frame| {
        let datagram = frame::open(frame).ok()?;
        let same = *datagram.source.ip() == server && datagram.payload.get(4..8)? == xid.to_be_bytes();
        same.then(|| (door, datagram.payload.to_vec()))
    })
}

fn our_reply(case: &Case, door: Door, frame: &[u8]) -> Option<Vec<u8>> {
    let request = frame::open(frame).ok()?.payload.to_vec();
    reply(&rules(case.lines), case.files, PROXY, door, &request)
}

fn rules(lines: &str) -> Rules {
    let (mut collected, mut out) = (Collected::default(), Vec::new());
    let hosts = Hosts { text: b"", sections: &[] };
    ConfReader::new(&mut NoFiles, &hosts, &mut collected, &mut out).text(&"lines".into(), lines.as_bytes());
    assert!(out.is_empty(), "{out:?}");
    collected.rules
}

fn reply(
    rules: &Rules,
    files: &'static [&'static str],
    router: Ipv4Addr,
    door: Door,
    request: &[u8],
) -> Option<Vec<u8>> {
    let request = Request::read(request).ok()?;
    let mask = Ipv4Addr::new(255, 255, 255, 0);
    let arrival = Arrival { door, interface: "lan", device: "br-lan", router, mask };
    let decision = proxy::decide(rules, &Files(files), &arrival, &request, &proxy::clients::Past::default());
    let offer = decision.outcome.ok()?;
    let answer = proxy::answer(rules, &arrival, &request, &offer);
    let limit = reply::size_limit(request.max_message_size());
    Some(reply::write(&answer, proxy::overload(rules, &offer.client), limit).bytes.to_vec())
}

const TRUE_DHCP: &str = "enable-tftp
dhcp-match=ipxe,175
dhcp-range=192.168.2.100,192.168.2.200
tftp-root=/tmp/memstick/host0_part1/
dhcp-boot=net:#ipxe,undionly.kkpxe.0
dhcp-boot=pxelinux.0
dhcp-option-force=209,pxelinux.cfg/default
dhcp-option-force=210,http://192.168.2.1:81/";

const GPXE: &str = "  tftp-root=/var/lib/tftpboot    # place your gpxe.pxe (either built yourself or from here)
  dhcp-match=gpxe,175            # tags the request with net:gpxe if the gPXE option was supplied in DHCP request
  dhcp-option=175,8:1:1          # turn on the keep-san option to allow installation
  dhcp-boot=net:#gpxe,gpxe.pxe   # Here #gpxe means 'not gpxe': that is the tag is not set
dhcp-option=17,\"iscsi:192.168.2.1::::iqn.2009-01.example:disk\"";

/// Where dnsmasq itself gives the leases: its boot file, wherever it stands, and the options that rules add.
#[test]
fn recipes_for_a_dhcp_server_come_to_the_same_file_and_options() {
    let files = &["undionly.kkpxe.0", "pxelinux.0", "gpxe.pxe"];
    for (capture, lines, offers) in [("s1-rom", TRUE_DHCP, 2), ("s4a-rom", GPXE, 1), ("s4b-rom", GPXE, 1)] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/captures/{capture}.pcap"));
        let frames = pcap::frames(&path);
        let mut compared = std::collections::BTreeSet::new();
        for (at, frame) in frames.iter().enumerate() {
            let Some((Door::Proxy, theirs)) = reply_of(SERVER, &frames[at..], frame) else { continue };
            let request = frame::open(frame).unwrap().payload;
            let Some(ours) = reply(&rules(lines), files, SERVER, Door::Proxy, request) else { continue };
            let (theirs, ours) = (fields(&theirs), fields(&ours));
            let file = theirs.get("67").map_or(theirs["file"].clone(), |name| name.replace("\\x00", ""));
            assert_eq!(ours["file"], file, "{capture}");
            assert_eq!(ours["siaddr"], theirs["siaddr"], "{capture}");
            for code in ["17", "209", "210"] {
                assert_eq!(ours.get(code), theirs.get(code), "{capture}, option {code}");
            }
            // iPXE is sent our priority as well.
            let own = ours.get("175").map(|value| value.trim_start_matches("\\x01\\x01\\x01").to_owned());
            assert_eq!(own.filter(|value| !value.is_empty()), theirs.get("175").cloned(), "{capture}");
            compared.insert(file);
        }
        assert_eq!(compared.len(), offers, "{capture}: {compared:?}");
    }
}

/// A message as named values; options by their code.
fn fields(message: &[u8]) -> BTreeMap<String, String> {
    const FIELDS: &[(&str, std::ops::Range<usize>)] = &[
        ("op", 0..1),
        ("htype", 1..2),
        ("hlen", 2..3),
        ("hops", 3..4),
        ("xid", 4..8),
        ("secs", 8..10),
        ("flags", 10..12),
        ("ciaddr", 12..16),
        ("yiaddr", 16..20),
        ("siaddr", 20..24),
        ("giaddr", 24..28),
        ("chaddr", 28..44),
        ("sname", 44..108),
        ("file", 108..236),
        ("cookie", 236..240),
    ];
    let mut fields: BTreeMap<String, String> =
        FIELDS.iter().map(|(name, range)| ((*name).to_owned(), show(&message[range.clone()]))).collect();
    for option in DhcpOptionIterator::new(&message[240..]) {
        fields.insert(u8::from(option.code()).to_string(), show(option.data()));
    }
    let order: Vec<u8> = DhcpOptionIterator::new(&message[240..]).map(|option| u8::from(option.code())).collect();
    let known: Vec<String> = order.iter().filter(|code| **code != 175).map(u8::to_string).collect();
    fields.insert("order".to_owned(), known.join(" ").replace(" 43", ""));
    fields.insert("length at least".to_owned(), (message.len() >= 300).to_string());
    fields
}

fn show(bytes: &[u8]) -> String {
    let end = bytes.iter().rposition(|&byte| byte != 0).map_or(0, |at| at + 1);
    bytes[..end].escape_ascii().to_string()
}

fn differences(theirs: &BTreeMap<String, String>, ours: &BTreeMap<String, String>) -> Vec<(String, String)> {
    let names = theirs.keys().chain(ours.keys());
    let mut found: Vec<(String, String)> = names
        .filter(|name| theirs.get(*name) != ours.get(*name))
        .map(|name| (name.clone(), format!("dnsmasq {:?}, upxe {:?}", theirs.get(name), ours.get(name))))
        .collect();
    found.dedup();
    found
}
