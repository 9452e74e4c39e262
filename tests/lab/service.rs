//! Whether a LAN is served, seen from the wire: boot offers, boot server and files by upxe, addresses and names by dnsmasq.

use std::io;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use crate::client::{ACK, ANSWER, BIOS, Client, INFORM, Kind, OFFER, Reply, X64, resolve};
use crate::dnsmasq::ROUTER_NAME;
use crate::files::TftpRoot;
use crate::net::Lan;

/// How long upxe may take to be back after whatever happened.
const RECOVERY: Duration = Duration::from_secs(20);

/// dnsmasq looks for three seconds whether a new address is in use, one client after the other.
const LEASE: Duration = Duration::from_secs(20);

/// A loader for each of two architectures and a script. Nobody runs them, so they need not be real.
pub fn boot_files(root: TftpRoot) -> TftpRoot {
    root.text("undionly.kpxe", "for BIOS").text("snponly.efi", "for x64").text("boot.ipxe", "#!ipxe\n")
}

/// Waits until upxe serves all it has on `lan`.
pub fn expect_boots(lan: &Lan) {
    expect_boots_from(lan, lan.address(1));
}

/// The same from a router with another address than the LAN's usual one.
pub fn expect_boots_from(lan: &Lan, router: Ipv4Addr) {
    until_ok(|| {
        offers(lan, router, Kind::Pxe(BIOS), "undionly.kpxe")?;
        offers(lan, router, Kind::Ipxe(X64), "boot.ipxe")?;
        answers_on_4011(lan, router)?;
        sends_files(lan, router)
    });
}

/// Tries `check` until it succeeds, and fails with its last complaint when time is up.
pub fn until_ok(check: impl Fn() -> Result<(), String>) {
    let deadline = Instant::now() + RECOVERY;
    while let Err(complaint) = check() {
        assert!(Instant::now() < deadline, "not served after {RECOVERY:?}: {complaint}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Exactly one boot offer comes, it is `router`'s, and it names `file`.
pub fn offers(lan: &Lan, router: Ipv4Addr, kind: Kind, file: &str) -> Result<(), String> {
    let replies = Client::new(lan, 1).discover(kind, ANSWER, |_| false);
    let [offer] = &replies.iter().filter(|reply| reply.is_proxy()).collect::<Vec<_>>()[..] else {
        return Err(format!("not one boot offer for {kind:?}: {replies:?}"));
    };
    if offer.from != (router, 67).into() || offer.to != Ipv4Addr::BROADCAST {
        return Err(format!("an offer from {} to {}", offer.from, offer.to));
    }
    is_good(offer, OFFER, router, file)
}

pub fn answers_on_4011(lan: &Lan, router: Ipv4Addr) -> Result<(), String> {
    is_boot_servers(Client::new(lan, 2).ask_boot_server(router, Kind::Pxe(X64)), router)
}

/// INFORM instead of REQUEST, from the port that EDK2 asks from, and from one that nobody else does.
pub fn answers_inform_on_4011(lan: &Lan, router: Ipv4Addr) -> Result<(), String> {
    for port in [4011, 50_068] {
        is_boot_servers(Client::new(lan, 2).ask_boot_server_with(INFORM, port, router, Kind::Pxe(X64)), router)?;
    }
    Ok(())
}

fn is_boot_servers(reply: io::Result<Reply>, router: Ipv4Addr) -> Result<(), String> {
    let reply = reply.map_err(|e| format!("port 4011: {e}"))?;
    if reply.from != (router, 4011).into() {
        return Err(format!("an answer from {}", reply.from));
    }
    is_good(&reply, ACK, router, "snponly.efi")
}

pub fn sends_files(lan: &Lan, router: Ipv4Addr) -> Result<(), String> {
    let read = Client::new(lan, 3).read_file(router, "boot.ipxe").map_err(|e| format!("TFTP: {e}"))?;
    if read == b"#!ipxe\n" { Ok(()) } else { Err(format!("TFTP sent {read:?}")) }
}

fn is_good(reply: &Reply, message_type: u8, router: Ipv4Addr, file: &str) -> Result<(), String> {
    let server = reply.options.get(&54).is_some_and(|value| value[..] == router.octets());
    let class = reply.options.get(&60).is_some_and(|value| value == b"PXEClient");
    let good = reply.message_type() == Some(message_type)
        && server
        && class
        && reply.siaddr == router
        && reply.sname == router.to_string()
        && reply.file == file;
    if good { Ok(()) } else { Err(format!("not what was to come from {router} with {file}: {reply:?}")) }
}

/// A client that only wants an address gets one from dnsmasq and no other answer, and names are resolved.
pub fn expect_dhcp_and_dns(lan: &Lan) {
    let replies = Client::new(lan, 4).discover(Kind::Plain, LEASE, |reply| !reply.is_proxy());
    assert!(replies.iter().all(|reply| !reply.is_proxy()), "an ordinary client got a boot offer: {replies:?}");
    assert!(!replies.is_empty(), "an ordinary client got no address");
    assert_eq!(resolve(lan, ROUTER_NAME).expect("DNS must go on"), lan.address(1));
}
