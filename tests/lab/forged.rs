//! What a stranger on the network sends in a machine's name, and can't do to it so.

use std::net::UdpSocket;
use std::time::{Duration, Instant};

use crate::client::{ANSWER, Client, Kind, Reply, X64};
use crate::dnsmasq::Dnsmasq;
use crate::files::{TftpRoot, run_folder};
use crate::net::Lan;
use crate::service::{boot_files, expect_boots};
use crate::upxe::Upxe;

const FIRMWARE: Kind = Kind::Pxe(X64);
const FILE: &str = "snponly.efi";

/// upxe and dnsmasq.
fn served(lan: &Lan, test: &str) -> (Upxe, Dnsmasq) {
    let run = run_folder(test);
    let tftp = boot_files(TftpRoot::new(&run)).path;
    let router = (Upxe::start(&[lan], &tftp, &run, None), Dnsmasq::start(&[lan], &run, None));
    expect_boots(lan);
    router
}

fn is_offered(machine: &Client<'_>) -> bool {
    machine.discover(FIRMWARE, ANSWER, Reply::is_proxy).iter().any(|reply| reply.is_proxy() && reply.file == FILE)
}

/// A load counts when the file comes, which nobody can say who doesn't see it come.
#[test]
fn requests_in_a_machines_name_are_no_loop_of_its() {
    let lan = Lan::new();
    let (upxe, _dnsmasq) = served(&lan, "forged-loop");
    let machine = Client::called(&lan, &lan.client_mac());
    for _ in 0..3 {
        assert!(is_offered(&machine));
        machine.lease(FIRMWARE, lan.address(2));
        machine.ask_and_leave(lan.address(1), FILE);
    }
    for _ in 0..3 {
        assert!(is_offered(&machine));
        machine.lease(FIRMWARE, lan.address(2));
        machine.read_file(lan.address(1), FILE).expect("the file");
    }
    assert!(!is_offered(&machine));
    upxe.log.expect(0, &[&lan.client_mac(), "has loaded snponly.efi three times within a minute"], Duration::ZERO);
}

/// A machine's replies are counted by what it asks itself.
#[test]
fn requests_in_a_machines_name_use_up_no_replies_of_its() {
    let lan = Lan::new();
    let _router = served(&lan, "forged-replies");
    let (meant, stranger) = (Client::new(&lan, 60), Client::new(&lan, 61));
    for _ in 0..60 {
        stranger.discover_in_the_name_of(&meant, FIRMWARE);
    }
    assert!(is_offered(&meant));
    assert!((0..60).any(|_| !is_offered(&meant)), "which are counted");
}

/// Behind a relay anybody may be, and nobody can be seen: without a bound each forged address is sent as much as is asked for.
#[test]
fn requests_from_behind_a_relay_are_answered_at_a_pace() {
    let lan = Lan::new();
    let run = run_folder("forged-relay");
    let tftp = boot_files(TftpRoot::new(&run)).path;
    let mut upxe = Upxe::start(&[&lan], &tftp, &run, None);
    upxe.log.expect(0, &["listening"], Duration::from_secs(20));
    let from = upxe.log.end();
    upxe.reload("upxe", &(crate::upxe::settings(&[&lan], &tftp) + "\toption relay '1'\n"));
    upxe.log.expect(from, &["configuration reloaded"], Duration::from_secs(20));
    lan.client.ip("link set lo up");
    lan.client.ip("addr add 10.1.2.3/32 dev lo");
    lan.router.ip(&format!("route add 10.1.2.0/24 via {}", lan.address(2)));
    let (start, asked) = (Instant::now(), 200);
    let answered = lan.client.inside(|| {
        // Who asks for the router's hardware address shows its own; the relay does so, not who is behind it.
        UdpSocket::bind((lan.address(2), 0)).unwrap().send_to(b"", (lan.address(1), 9)).unwrap();
        std::thread::sleep(Duration::from_millis(100));
        let sockets: Vec<UdpSocket> = (0..asked)
            .map(|_| {
                let socket = UdpSocket::bind("10.1.2.3:0").unwrap();
                socket.set_nonblocking(true).unwrap();
                socket.send_to(format!("\0\x01{FILE}\0octet\0").as_bytes(), (lan.address(1), 69)).unwrap();
                socket
            })
            .collect();
        std::thread::sleep(Duration::from_millis(500));
        sockets.iter().filter(|socket| socket.recv_from(&mut [0; 600]).is_ok()).count()
    });
    // 64 at once, and then 20 a second.
    let most = 64 + 20 * (start.elapsed().as_secs() as usize + 1);
    assert!((32..=most).contains(&answered), "{answered} of {asked} were answered");
    assert!(upxe.is_running());
}
