//! Replies held against those that the real dnsmasq gave to the same requests in `tests/captures`: field by field, and
//! every difference has its reason here.

#[path = "support/pcap.rs"]
mod pcap;

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::Path;

use dhcproto::v4::borrowed::DhcpOptionIterator;
use upxe::config::{Boot, Origin, Rules};
use upxe::proxy::{self, Arrival, BootFiles, Door};
use upxe::wire::request::Request;
use upxe::wire::{frame, reply};

/// The dnsmasq that played the proxy in the captures.
const PROXY: Ipv4Addr = Ipv4Addr::new(192, 168, 2, 2);

const SECS: &str = "secs: RFC 2131 table 3 wants 0 in replies; dnsmasq leaves the client's value";
const SNAME: &str = "sname: always our address as text, for firmware that looks for the server there";
const SIADDR: &str = "siaddr: never 0, or iPXE finds no boot server in the offer and gives up";
const DIRECT: &str = "43: the offer itself says 'load this file', which saves EDK2 the way to port 4011";
const NO_MENU: &str = "43: no menu is configured here; dnsmasq makes a one-entry menu of its pxe-service";
const FILE_AT_ONCE: &str = "file: stands in the offer already, where dnsmasq names it at port 4011 only";
const PRIORITY: &str = "175: tells iPXE to prefer our file to one that the DHCP server may name";
const CUSTOM: &str = "file: syslinux.efi is no BIOS loader; this configuration lets custom choose";

struct Case {
    capture: &'static str,
    /// dnsmasq's `dhcp-boot`, if it had one that all clients of the capture were meant to take.
    boot: Option<&'static str>,
    /// Files in its TFTP root.
    files: &'static [&'static str],
    /// What differs in the offers.
    offer: &'static [&'static str],
    /// What differs in the boot server's answers.
    ack: &'static [&'static str],
}

const SCRIPT: &str = "http://192.168.2.1/ipxe.php?mac=${mac}&uuid=${uuid}";

const CASES: &[Case] = &[
    Case { capture: "s3b-ipxe", boot: Some(SCRIPT), files: &[], offer: &[SNAME, SECS, PRIORITY], ack: &[] },
    Case {
        capture: "s3c-rom",
        boot: Some(SCRIPT),
        files: &["undionly.kkpxe"],
        offer: &[SNAME, SECS, SIADDR, NO_MENU, FILE_AT_ONCE, PRIORITY],
        ack: &[SNAME, SECS],
    },
    Case {
        capture: "s2-rom",
        boot: None,
        files: &["undionly.kkpxe"],
        offer: &[SNAME, SECS, SIADDR, NO_MENU, FILE_AT_ONCE],
        ack: &[SNAME, SECS],
    },
    Case {
        capture: "s5-ovmf",
        boot: Some("syslinux.efi"),
        files: &["syslinux.efi"],
        offer: &[SNAME, DIRECT],
        ack: &[SNAME],
    },
    Case {
        capture: "s5b-ovmf",
        boot: None,
        files: &["syslinux.efi"],
        offer: &[SNAME, DIRECT, FILE_AT_ONCE],
        ack: &[DIRECT],
    },
    Case {
        capture: "s5-rom",
        boot: None,
        files: &["pxelinux.0"],
        offer: &[SNAME, SECS, SIADDR, NO_MENU, CUSTOM],
        ack: &[SNAME, SECS],
    },
    Case {
        capture: "s10-rom",
        boot: None,
        files: &["pxelinux.0"],
        offer: &[SNAME, SECS, SIADDR, NO_MENU, FILE_AT_ONCE],
        ack: &[SNAME, SECS, NO_MENU],
    },
    Case {
        capture: "s10-ovmf",
        boot: None,
        files: &["syslinux.efi"],
        offer: &[SNAME, DIRECT, FILE_AT_ONCE],
        ack: &[SNAME, NO_MENU, FILE_AT_ONCE],
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

/// The proxy's reply to the request in `frame`: the next one behind it with the same transaction id.
fn reply_of_dnsmasq(behind: &[Vec<u8>], frame: &[u8]) -> Option<(Door, Vec<u8>)> {
    let request = frame::open(frame).ok()?;
    let door = match request.destination.port() {
        67 => Door::Proxy,
        4011 => Door::BootServer,
        _ => return None,
    };
    let xid = Request::read(request.payload).ok()?.xid;
    behind.iter().skip(1).find_map(|frame| {
        let datagram = frame::open(frame).ok()?;
        let same = *datagram.source.ip() == PROXY && datagram.payload.get(4..8)? == xid.to_be_bytes();
        same.then(|| (door, datagram.payload.to_vec()))
    })
}

fn our_reply(case: &Case, door: Door, frame: &[u8]) -> Option<Vec<u8>> {
    let request = Request::read(frame::open(frame).ok()?.payload).ok()?;
    let boot = case.boot.map(|file| Boot {
        origin: Origin { file: "test".into(), line: 1 },
        when: Vec::new(),
        file: file.into(),
        server_name: String::new(),
        server: None,
    });
    let rules = Rules { boots: boot.into_iter().collect(), ..Rules::default() };
    let arrival =
        Arrival { door, interface: "lan", device: "br-lan", router: PROXY, mask: Ipv4Addr::new(255, 255, 255, 0) };
    let decision = proxy::decide(&rules, &Files(case.files), &arrival, &request);
    let (client, offer) = (decision.client?, decision.outcome.ok()?);
    let answer = proxy::answer(&rules, &arrival, &request, &client, &offer);
    let limit = reply::size_limit(request.max_message_size());
    Some(reply::write(&answer, proxy::overload(&rules, &client), limit).bytes.to_vec())
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
