//! What a stranger on the network sends in a machine's name, and can't do to it so.

use std::time::Duration;

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
