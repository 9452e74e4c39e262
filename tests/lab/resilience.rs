//! What happens on a router while upxe runs, and that it goes on by itself: links, addresses, ports, dnsmasq, signals.

use std::net::{Ipv4Addr, UdpSocket};
use std::path::PathBuf;
use std::time::Duration;

use crate::bystander::is_probe_answered;
use crate::client::{BIOS, Client, Kind};
use crate::dnsmasq::Dnsmasq;
use crate::files::{TftpRoot, run_folder};
use crate::net::Lan;
use crate::service::{
    answers_inform_on_4011, answers_on_4011, boot_files, expect_boots, expect_dhcp_and_dns, offers, sends_files,
    until_ok,
};
use crate::upxe::{Upxe, settings};

const SOON: Duration = Duration::from_secs(10);

/// A router with dnsmasq and upxe, and something to boot.
struct Router {
    upxe: Upxe,
    dnsmasq: Dnsmasq,
    tftp: PathBuf,
}

impl Router {
    fn start(test: &str, lans: &[&Lan]) -> Router {
        let run = run_folder(test);
        let tftp = boot_files(TftpRoot::new(&run)).path;
        let dnsmasq = Dnsmasq::start(lans, &run, None);
        let upxe = Upxe::start(lans, &tftp, &run, None);
        Router { upxe, dnsmasq, tftp }
    }
}

#[test]
fn two_networks_are_served_at_once() {
    let lan = Lan::new();
    let guest = lan.guest();
    let _router = Router::start("two-networks", &[&lan, &guest]);
    std::thread::scope(|scope| {
        scope.spawn(|| expect_boots(&lan));
        scope.spawn(|| expect_boots(&guest));
    });
    expect_dhcp_and_dns(&guest);
}

#[test]
fn dnsmasq_is_restarted_and_missing() {
    let lan = Lan::new();
    let mut router = Router::start("dnsmasq-restart", &[&lan]);
    expect_boots(&lan);
    router.dnsmasq.stop();
    expect_boots(&lan);
    router.dnsmasq.resume();
    expect_dhcp_and_dns(&lan);
    expect_boots(&lan);
}

#[test]
fn the_tftp_port_is_taken_and_freed() {
    let lan = Lan::new();
    let taken = take_port(&lan, 69);
    let router = Router::start("port-69-taken", &[&lan]);
    router.upxe.log.expect(0, &["port 69", "taken"], SOON);
    until_ok(|| offers(&lan, lan.address(1), Kind::Pxe(BIOS), "undionly.kpxe"));
    until_ok(|| answers_on_4011(&lan, lan.address(1)));
    drop(taken);
    expect_boots(&lan);
}

#[test]
fn the_boot_server_port_is_taken_and_freed() {
    let lan = Lan::new();
    let taken = take_port(&lan, 4011);
    let router = Router::start("port-4011-taken", &[&lan]);
    router.upxe.log.expect(0, &["port 4011", "taken"], SOON);
    until_ok(|| offers(&lan, lan.address(1), Kind::Pxe(BIOS), "undionly.kpxe"));
    until_ok(|| sends_files(&lan, lan.address(1)));
    drop(taken);
    expect_boots(&lan);
}

/// dnsmasq ends when it finds one of its ports taken, and DHCP and DNS with it.
#[test]
fn a_port_of_dnsmasqs_is_left_to_it_while_it_restarts() {
    let lan = Lan::new();
    let run = run_folder("port-4011-dnsmasqs");
    let tftp = boot_files(TftpRoot::new(&run)).path;
    let mut dnsmasq = Dnsmasq::start(&[&lan], &run, None);
    dnsmasq.stop();
    dnsmasq.also("pxe-service=x86PC,\"Boot\",pxelinux\n");
    dnsmasq.resume();
    let upxe = Upxe::start(&[&lan], &tftp, &run, None);
    upxe.log.expect(0, &["port 4011", "taken by dnsmasq"], SOON);
    dnsmasq.stop();
    // Somebody boots just then, and the time for another try passes.
    until_ok(|| offers(&lan, lan.address(1), Kind::Pxe(BIOS), "undionly.kpxe"));
    std::thread::sleep(Duration::from_secs(4));
    dnsmasq.resume();
    expect_dhcp_and_dns(&lan);
}

/// The same where upxe can't know that dnsmasq wants its ports: it holds them, and dnsmasq gets them all the same.
#[test]
fn dnsmasq_comes_back_to_ports_that_upxe_has_taken() {
    let lan = Lan::new();
    let mut router = Router::start("ports-dnsmasqs-later", &[&lan]);
    expect_boots(&lan);
    router.dnsmasq.stop();
    let root = router.tftp.join("dnsmasqs");
    std::fs::create_dir(&root).unwrap();
    std::fs::write(root.join("boot.ipxe"), "dnsmasq's").unwrap();
    router.dnsmasq.also(&format!("enable-tftp\ntftp-root={}\npxe-service=x86PC,\"Boot\",pxelinux\n", root.display()));
    router.dnsmasq.resume();
    expect_dhcp_and_dns(&lan);
    let file = Client::new(&lan, 5).read_file(lan.address(1), "boot.ipxe").expect("dnsmasq's file");
    assert_eq!(file, b"dnsmasq's", "who wants a port in its configuration gets what is sent there");
}

#[test]
fn the_boot_server_answers_where_it_was_asked_from() {
    let lan = Lan::new();
    let _router = Router::start("inform-4011", &[&lan]);
    until_ok(|| answers_inform_on_4011(&lan, lan.address(1)));
}

fn take_port(lan: &Lan, port: u16) -> UdpSocket {
    lan.router.inside(|| UdpSocket::bind((Ipv4Addr::UNSPECIFIED, port)).expect("a port of a new namespace is free"))
}

#[test]
fn a_good_configuration_is_reloaded() {
    let lan = Lan::new();
    let router = Router::start("reload-good", &[&lan]);
    expect_boots(&lan);
    let other = TftpRoot::new(&router.tftp).text("ipxe.pxe", "the next in the table").path;
    router.upxe.reload("upxe", &settings(&[&lan], &other));
    until_ok(|| offers(&lan, lan.address(1), Kind::Pxe(BIOS), "ipxe.pxe"));
}

#[test]
fn sigterm_ends_it_cleanly() {
    let lan = Lan::new();
    let mut router = Router::start("sigterm", &[&lan]);
    expect_boots(&lan);
    let status = router.upxe.stop();
    assert!(status.success(), "upxe ended with {status}");
    expect_dhcp_and_dns(&lan);
}

#[test]
fn nobody_is_answered_who_did_not_ask_to_boot() {
    let lan = Lan::new();
    let mut router = Router::start("ordinary-clients", &[&lan]);
    expect_boots(&lan);
    expect_dhcp_and_dns(&lan);
    router.dnsmasq.stop();
    assert_eq!(dhcp_sockets(&lan), 0, "port 67 is dnsmasq's alone");
    assert!(!is_probe_answered(&lan), "upxe answered a client that only wanted an address");
    expect_boots(&lan);
}

/// How many sockets are bound to UDP port 67 in the router.
fn dhcp_sockets(lan: &Lan) -> usize {
    let sockets = lan.router.inside(|| std::fs::read_to_string("/proc/thread-self/net/udp").unwrap());
    sockets.lines().filter(|line| line.split_whitespace().nth(1).is_some_and(|local| local.ends_with(":0043"))).count()
}
