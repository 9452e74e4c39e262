//! Machines that boot over and over, second by second: what each of their requests is told.

use super::*;
use crate::config::Rules;
use crate::config::dnsmasq::Collected;
use crate::config::dnsmasq::files::{ConfReader, NoFiles};
use crate::config::hosts::Hosts;
use crate::proxy::{Arrival, BootFiles, Silence, consider};
use crate::wire::request::tests::message;

type Options<'o> = &'o [(u8, &'o [u8])];

const X64: Options<'_> = &[(60, b"PXEClient:Arch:00007:UNDI:003016"), (93, &[0, 7])];
const BIOS: Options<'_> = &[(60, b"PXEClient:Arch:00000:UNDI:002001"), (93, &[0, 0])];
const IPXE: Options<'_> = &[(60, b"PXEClient:Arch:00000"), (93, &[0, 0]), (175, &[0x13, 1, 1])];
const IPXE_WITHOUT_HTTP: Options<'_> = &[(60, b"PXEClient:Arch:00000"), (93, &[0, 0]), (175, &[0x11, 1, 1])];
const ROUTER: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 1);

/// A router, and the clock.
struct Router {
    clients: Clients,
    rules: Rules,
    start: Instant,
    ports: bool,
}

struct Everything;

impl BootFiles for Everything {
    fn has(&self, name: &str) -> bool {
        !name.contains('/')
    }
}

impl Router {
    fn new(lines: &str) -> Router {
        let (mut collected, mut out) = (Collected::default(), Vec::new());
        let hosts = Hosts { text: b"", sections: &[] };
        ConfReader::new(&mut NoFiles, &hosts, &mut collected, &mut out).text(&"c".into(), lines.as_bytes());
        assert!(out.is_empty(), "{out:?}");
        Router { clients: Clients::default(), rules: collected.rules, start: Instant::now(), ports: true }
    }

    fn at(&self, seconds: f32) -> Instant {
        self.start + Duration::from_secs_f32(seconds)
    }

    /// What machine `number` is told that sends this at that second.
    fn told(&mut self, seconds: f32, number: u16, door: Door, kind: u8, options: Options<'_>) -> String {
        let now = self.at(seconds);
        let mut packet = message(kind, options);
        packet[32..34].copy_from_slice(&number.to_be_bytes());
        if door == Door::BootServer {
            packet[12..16].copy_from_slice(&address(number).octets());
        }
        let request = Request::read(&packet).unwrap();
        let mask = Ipv4Addr::new(255, 255, 255, 0);
        let arrival = Arrival { door, interface: "lan", device: "br-lan", router: ROUTER, mask };
        let mut past = self.clients.past(now, &request);
        past.fixed = !self.ports;
        let (decision, _) = consider(&self.rules, &Everything, &arrival, &request, &past);
        self.clients.note(now, door, &request, &decision);
        match decision.outcome {
            Ok(offer) => match offer.shape {
                Shape::Direct => offer.file.to_string(),
                Shape::AskAgain => format!("4011: {}", offer.file),
                Shape::Menu(menu) => format!("menu {:04x}: {}", menu.entries[0].server_type, offer.file),
                Shape::Chosen(item) => format!("item {:04x}: {}", item.server_type, offer.file),
                Shape::Url => format!("url: {}", offer.file),
            },
            Err(Silence::Looping { .. }) => "looping".to_owned(),
            Err(Silence::NeedsHttp { .. }) => "needs http".to_owned(),
            Err(silence) => silence.to_string(),
        }
    }

    fn discover(&mut self, seconds: f32, options: Options<'_>) -> String {
        self.told(seconds, 1, Door::Proxy, 1, options)
    }

    /// It takes the lease that the DHCP server has offered.
    /// The numbers of those who are remembered, the newest first.
    fn newest(&self) -> Vec<u16> {
        self.clients.iter().map(|seen| u16::from_be_bytes([seen.mac.0[4], seen.mac.0[5]])).collect()
    }

    fn lease(&mut self, seconds: f32, number: u16) {
        let wanted = address(number).octets();
        self.told(seconds, number, Door::Proxy, 3, &[X64, &[(50, &wanted)]].concat());
    }

    /// It asks for a file, and gets it.
    fn fetch(&mut self, seconds: f32, number: u16) {
        self.transfers(seconds, number, &[Fetch::Began(1000), Fetch::Arrives]);
    }

    fn transfers(&mut self, seconds: f32, number: u16, news: &[Fetch]) {
        for transfer in news {
            self.clients.transferred(self.at(seconds), address(number), "x", *transfer);
        }
    }

    /// A whole boot that works.
    fn boot(&mut self, seconds: f32, options: Options<'_>) -> String {
        let told = self.discover(seconds, options);
        self.lease(seconds + 4.0, 1);
        self.fetch(seconds + 4.1, 1);
        told
    }
}

fn address(number: u16) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(Ipv4Addr::new(192, 168, 1, 100)) + u32::from(number))
}

#[test]
fn who_asks_a_third_and_a_fourth_time_gets_the_other_forms() {
    // EDK2 and Intel's ROM: 4, 8, 16 and 32 seconds between DISCOVERs of one boot.
    let mut router = Router::new("dhcp-boot=x.efi");
    let told: Vec<String> = [0.0, 4.0, 12.0, 28.0].map(|at| router.discover(at, X64)).into();
    assert_eq!(told, ["x.efi", "x.efi", "4011: x.efi", "menu fffe: x.efi"]);
    // The next boot begins as the first did, for nothing shows that anything was wrong but the DHCP server.
    let told: Vec<String> = [90.0, 94.0, 102.0, 118.0, 119.0].map(|at| router.discover(at, X64)).into();
    assert_eq!(told, ["x.efi", "x.efi", "4011: x.efi", "menu fffe: x.efi", "menu fffe: x.efi"]);
}

#[test]
fn a_slow_dhcp_server_changes_nothing_for_who_takes_the_file_from_the_offer() {
    let mut router = Router::new("dhcp-boot=x.efi");
    for at in [0.0, 4.0, 12.0] {
        router.discover(at, X64);
    }
    router.lease(13.0, 1);
    router.fetch(13.1, 1);
    assert_eq!(router.discover(60.0, X64), "x.efi");
}

#[test]
fn the_form_that_worked_is_remembered() {
    let item: &[(u8, &[u8])] = &[(43, &[71, 4, 0xff, 0xfe, 0, 0, 255])];
    for (asked, question, expected) in
        [(3, X64, "4011: x.efi"), (4, &[X64, item].concat(), "menu fffe: x.efi"), (4, X64, "4011: x.efi")]
    {
        let mut router = Router::new("dhcp-boot=x.efi\npxe-service=0,a,a.0\npxe-service=0,b,b.0");
        let times = [0.0, 4.0, 12.0, 28.0];
        times[..asked].iter().for_each(|at| drop(router.discover(*at, X64)));
        router.lease(30.0, 1);
        let answer = router.told(30.1, 1, Door::BootServer, 3, question);
        assert!(answer.ends_with("x.efi"), "{answer}");
        router.fetch(30.2, 1);
        for boot in [100.0, 200.0] {
            assert_eq!(router.boot(boot, X64), expected);
        }
        assert_eq!(router.told(300.0, 2, Door::Proxy, 1, X64), "x.efi", "another machine");
    }
}

#[test]
fn after_two_boots_with_a_lease_and_no_file_the_next_begins_with_the_other_form() {
    let mut router = Router::new("dhcp-boot=x.efi");
    for (boot, expected) in ["x.efi", "x.efi", "4011: x.efi", "4011: x.efi", "menu fffe: x.efi"].iter().enumerate() {
        let at = boot as f32 * 20.0;
        assert_eq!(router.discover(at, X64), *expected, "boot {boot}");
        router.lease(at + 4.0, 1);
    }
    assert_eq!(router.told(90.0, 1, Door::BootServer, 3, X64), "x.efi", "and goes on at last");
    router.fetch(91.0, 1);
    assert_eq!(router.discover(200.0, X64), "4011: x.efi", "port 4011 was asked, and not by the menu");
}

#[test]
fn a_machine_that_boots_keeps_its_form_however_often_it_does() {
    let mut router = Router::new("dhcp-boot=x.efi");
    assert!((0..50).all(|boot| router.boot(boot as f32 * 90.0, X64) == "x.efi"));
    // A boot that is switched off before the file, now and then.
    for boot in 0..20 {
        let at = 10_000.0 + boot as f32 * 200.0;
        assert_eq!(router.discover(at, X64), "x.efi");
        router.lease(at + 4.0, 1);
        assert_eq!(router.boot(at + 90.0, X64), "x.efi");
    }
}

#[test]
fn there_is_but_one_form_for_others() {
    let times = [0.0, 4.0, 12.0, 28.0];
    let mut router = Router::new("dhcp-boot=x.efi,,192.168.1.9");
    assert!(times.iter().all(|at| router.discover(*at, X64) == "x.efi"), "another server's port 4011 is not ours");
    let mut router = Router::new("dhcp-boot=boot.ipxe");
    assert!(times.iter().all(|at| router.discover(*at, IPXE) == "boot.ipxe"), "iPXE takes what it gets");
    let mut router = Router::new("dhcp-boot=x.efi");
    router.ports = false;
    assert!(times.iter().all(|at| router.discover(*at, X64) == "x.efi"), "port 4011 is not ours");
    let mut router = Router::new("pxe-service=7,a,a.efi\npxe-service=7,b,b.efi");
    assert!(times.iter().all(|at| router.discover(*at, X64) == "4011: "), "menus are as they are configured");
}

#[test]
fn three_loads_within_a_minute_are_a_loop_and_a_quiet_minute_ends_it() {
    let mut router = Router::new("dhcp-boot=undionly.kpxe");
    assert!([0.0, 15.0, 30.0].iter().all(|at| router.boot(*at, BIOS) == "undionly.kpxe"));
    for at in [45.0, 50.0, 100.0] {
        assert_eq!(router.discover(at, BIOS), "looping");
    }
    assert_eq!(router.told(101.0, 2, Door::Proxy, 1, BIOS), "undionly.kpxe", "nobody else is meant");
    assert_eq!(router.boot(161.0, BIOS), "undionly.kpxe");
    // And it counts anew.
    assert!([170.0, 180.0].iter().all(|at| router.boot(*at, BIOS) == "undionly.kpxe"));
    assert_eq!(router.discover(190.0, BIOS), "looping");
    // Firmware that asks for ever gets another chance all the same.
    let told: Vec<String> = (0..40).map(|n| router.discover(200.0 + n as f32 * 10.0, BIOS)).collect();
    assert_eq!(told.iter().position(|told| told != "looping"), Some(29), "{told:?}");
}

#[test]
fn slow_boots_and_files_asked_for_twice_are_no_loop() {
    let mut router = Router::new("dhcp-boot=undionly.kpxe");
    for boot in 0..20 {
        let at = boot as f32 * 31.0;
        assert_eq!(router.boot(at, BIOS), "undionly.kpxe");
        // EDK2 asks for the size first; loaders ask for many more files.
        (0..9).for_each(|_| router.fetch(at + 5.0, 1));
    }
    // The program it loads is told something else in between.
    let mut router = Router::new("dhcp-match=set:ipxe,175\ndhcp-boot=undionly.kpxe\ndhcp-boot=tag:ipxe,boot.ipxe");
    for at in [0.0, 25.0] {
        assert_eq!(router.boot(at, BIOS), "undionly.kpxe");
        assert_eq!(router.boot(at + 10.0, IPXE), "boot.ipxe");
    }
}

/// Who forges requests in a machine's name doesn't hear what they bring, and can't say that it came.
#[test]
fn files_that_were_only_asked_for_are_no_loop() {
    let mut router = Router::new(HTTP_RECIPE);
    let ended = Fetch::Ended(0, Duration::ZERO, Some(&crate::proxy::progress::NOT_FOUND));
    for (boot, end) in [Fetch::Withdrawn, ended, Fetch::Withdrawn, ended].into_iter().enumerate() {
        let at = boot as f32 * 10.0;
        assert_eq!(router.discover(at, BIOS), "undionly.kpxe", "boot {boot}");
        assert_eq!(router.discover(at + 1.0, IPXE_WITHOUT_HTTP), "undionly.kpxe", "boot {boot}");
        router.lease(at + 4.0, 1);
        // To have asked is to have gone on all the same: no other form is tried.
        router.transfers(at + 5.0, 1, &[Fetch::Began(1000), end]);
    }
}

const HTTP_RECIPE: &str = "dhcp-match=set:ipxe,175\ntag-if=set:rom,tag:!ipxe\ndhcp-match=set:bios,93,0\n\
    dhcp-boot=tag:bios,tag:!ipxe,undionly.kpxe\ndhcp-boot=tag:ipxe,http://192.168.1.1/boot.ipxe";

#[test]
fn an_ipxe_without_http_loads_a_fuller_one_once() {
    let mut router = Router::new(HTTP_RECIPE);
    assert_eq!(router.discover(0.0, IPXE), "http://192.168.1.1/boot.ipxe");
    assert_eq!(router.discover(60.0, IPXE_WITHOUT_HTTP), "undionly.kpxe");
    assert_eq!(router.boot(61.0, IPXE_WITHOUT_HTTP), "undionly.kpxe", "it may ask several times");
    assert_eq!(router.discover(66.0, IPXE), "http://192.168.1.1/boot.ipxe", "the fuller one");
    assert_eq!(router.boot(80.0, IPXE_WITHOUT_HTTP), "undionly.kpxe", "the machine boots again");
    assert_eq!(router.discover(86.0, IPXE_WITHOUT_HTTP), "needs http", "what it loaded is no fuller");
    assert_eq!(router.discover(90.0, IPXE_WITHOUT_HTTP), "needs http");
    assert_eq!(router.discover(200.0, IPXE_WITHOUT_HTTP), "undionly.kpxe");
}

#[test]
fn strangers_push_out_the_oldest_and_no_more() {
    let mut router = Router::new("dhcp-boot=x.efi");
    for number in 0..400 {
        router.told(f32::from(number), number, Door::Proxy, 1, X64);
        // Who asks for a lease and not to boot is nobody to remember.
        router.lease(f32::from(number), 401);
        assert!(router.clients.seen.len() <= MAX_CLIENTS);
    }
    assert_eq!(router.newest(), (144..400).rev().collect::<Vec<u16>>());
    // Half of it for what answers depend on, half for what is told of them.
    assert!(size_of::<Seen>() <= 512, "{}", size_of::<Seen>());
}

#[test]
fn a_room_of_machines_is_remembered_until_all_have_their_menus() {
    let mut router = Router::new("dhcp-boot=x.efi");
    for number in 0..250 {
        router.told(f32::from(number) / 100.0, number, Door::Proxy, 1, X64);
    }
    assert_eq!(router.newest().len(), 250);
}

#[test]
fn a_machine_that_loads_is_not_pushed_out_by_those_that_asked_since() {
    let mut router = Router::new("dhcp-boot=x.efi");
    router.boot(0.0, X64);
    for number in 100..356 {
        router.told(f32::from(number), number, Door::Proxy, 1, X64);
        let now = router.at(f32::from(number));
        router.clients.transferred(now, address(1), "x.efi", Fetch::Began(1000));
    }
    let newest = router.newest();
    assert_eq!((newest.len(), &newest[..2]), (MAX_CLIENTS, &[1, 355][..]));
}

#[test]
fn an_address_is_one_machines_at_a_time() {
    let mut router = Router::new("dhcp-boot=x.efi");
    router.told(0.0, 1, Door::Proxy, 1, X64);
    router.told(0.0, 2, Door::Proxy, 1, X64);
    for number in [1, 2] {
        let wanted = address(7).octets();
        router.told(1.0, number, Door::Proxy, 3, &[X64, &[(50, &wanted)]].concat());
    }
    let addresses: Vec<Ipv4Addr> = router.clients.iter().map(|seen| seen.address).collect();
    assert_eq!(addresses, [address(7), Ipv4Addr::UNSPECIFIED]);
}
