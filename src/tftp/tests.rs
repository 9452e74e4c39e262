//! What becomes of datagrams that come to the server's port.

use std::time::Duration;

use super::*;
use crate::tftp::session::End;

const MS: Duration = Duration::from_millis(1);
const MTU: u32 = 1500;

fn peer(host: u8, port: u16) -> SocketAddrV4 {
    SocketAddrV4::new(Ipv4Addr::new(192, 168, 1, host), port)
}

fn rrq(name: &str, rest: &str) -> Vec<u8> {
    format!("\0\x01{name}\0octet\0{rest}").into_bytes()
}

fn judge<'a>(table: &Table<()>, now: Instant, peer: SocketAddrV4, datagram: &'a [u8]) -> Verdict<'a> {
    table.judge(now, peer, datagram, b"/srv/tftp")
}

/// Serves a file of 100,000 bytes.
fn start(table: &mut Table<()>, now: Instant, peer: SocketAddrV4, datagram: &[u8]) -> TransferId {
    let Verdict::Serve(order) = judge(table, now, peer, datagram) else { panic!("not served") };
    if let Some(earlier) = order.supersedes {
        table.remove(earlier);
    }
    table.start(now, &order, 100_000, MTU, ()).unwrap().0
}

#[test]
fn requests_are_told_from_the_rest() {
    let table = Table::new(8);
    let outcome = |datagram: &[u8]| match judge(&table, Instant::now(), peer(7, 2070), datagram) {
        Verdict::Serve(order) => format!("{} {:?}", order.path, order.mode),
        Verdict::Refuse(refusal) => format!("ERROR {}", refusal.why.error().0.0),
        Verdict::Ignore(why) => format!("{why:?}"),
        Verdict::Again(_) => "again".into(),
    };
    for (datagram, wanted) in [
        (&b"\0\x01ipxe.efi\0octet\0"[..], "ipxe.efi Octet"),
        (b"\0\x01ipxe.efi\0OcTeT\0", "ipxe.efi Octet"),
        (b"\0\x01ipxe.efi\0netascii\0", "ipxe.efi Netascii"),
        (b"\0\x01ipxe.efi\0NETASCII\0", "ipxe.efi Netascii"),
        (b"\0\x01/srv/tftp/ipxe.efi\0octet\0", "ipxe.efi Octet"),
        (b"\0\x01ipxe.efi\0mail\0", "ERROR 4"),
        (b"\0\x01ipxe.efi\0junk\0", "ERROR 4"),
        (b"\0\x01ipxe.efi\0\0", "ERROR 4"),
        (b"\0\x01ipxe.efi\0octet", "ERROR 4"),
        (b"\0\x01ipxe.efi", "ERROR 4"),
        (b"\0\x01", "ERROR 4"),
        (b"\0\x01../passwd\0octet\0", "ERROR 2"),
        (b"\0\x01\0octet\0", "ERROR 1"),
        (b"\0\x01dir/\0octet\0", "ERROR 1"),
        (b"\0\x02ipxe.efi\0octet\0", "ERROR 2"),
        (b"\0\x02", "ERROR 2"),
        (b"\0\x03\0\x01data", "Stray"),
        (b"\0\x04\0\x01", "Stray"),
        (b"\0\x05\0\x04Illegal\0", "Stray"),
        (b"\0\x06blksize\x00512\0", "Stray"),
        (b"\0\x07", "Malformed"),
        (b"", "Malformed"),
        (b"junk", "Malformed"),
    ] {
        assert_eq!(outcome(datagram), wanted, "{}", datagram.escape_ascii());
    }
}

#[test]
fn servers_are_not_answered() {
    let table = Table::new(8);
    for port in [0, 67, 69] {
        for datagram in [&rrq("x", "")[..], b"\0\x02x\0octet\0", b"\0\x01x\0mail\0"] {
            let verdict = judge(&table, Instant::now(), peer(7, port), datagram);
            assert!(matches!(verdict, Verdict::Ignore(Ignored::ServerPort)), "port {port}");
        }
    }
}

#[test]
fn error_texts_say_nothing_about_the_server() {
    for why in [Refused::Write, Refused::Unterminated, Refused::Mode, Refused::Name(PathError::Upwards)] {
        assert!(!why.error().1.contains('/'));
    }
}

#[test]
fn a_repeated_request_is_one_transfer() {
    let mut table = Table::new(8);
    let mut now = Instant::now();
    let request = rrq("x", "");
    let id = start(&mut table, now, peer(7, 2070), &request);
    now += 5 * MS;
    let Verdict::Again(again) = judge(&table, now, peer(7, 2070), &request) else { panic!("not noticed") };
    assert_eq!(again, id);
    let session = &mut table.transfer(id).unwrap().session;
    assert_eq!(session.on_request_again(now), Action::Wait);
    // Once an answer is overdue the client is right to be impatient.
    assert!(matches!(session.on_request_again(now + 250 * MS), Action::Send(_)));
    // Another port is another client.
    assert!(matches!(judge(&table, now, peer(7, 2071), &request), Verdict::Serve(_)));
}

#[test]
fn a_late_copy_of_a_request_does_not_disturb_its_transfer() {
    let mut table = Table::new(8);
    let now = Instant::now();
    let request = rrq("x", "");
    let id = start(&mut table, now, peer(7, 2070), &request);
    let _ = table.transfer(id).unwrap().session.on_packet(now + MS, b"\0\x04\0\x01");
    let verdict = judge(&table, now + 2 * MS, peer(7, 2070), &request);
    assert!(matches!(verdict, Verdict::Ignore(Ignored::Repeated)));
    // But a client that has come to a halt and asks again was reset.
    let Verdict::Serve(order) = judge(&table, now + 500 * MS, peer(7, 2070), &request) else { panic!("not served") };
    assert_eq!(order.supersedes, Some(id));
}

#[test]
fn another_request_from_the_same_port_takes_the_place_of_the_first() {
    let mut table = Table::new(1);
    let now = Instant::now();
    let probe = start(&mut table, now, peer(7, 2070), &rrq("x", "tsize\x000\0blksize\x001468\0"));
    let real = start(&mut table, now, peer(7, 2070), &rrq("x", "blksize\x001468\0"));
    assert!(table.transfer(probe).is_none() && table.transfer(real).is_some());
    assert_eq!(table.len(), 1);
}

#[test]
fn a_probe_and_then_the_same_request_from_the_same_port() {
    let mut table = Table::new(8);
    let now = Instant::now();
    let request = rrq("x", "tsize\x000\0");
    let probe = start(&mut table, now, peer(7, 2070), &request);
    let session = &mut table.transfer(probe).unwrap().session;
    assert_eq!(session.on_packet(now, b"\0\x05\0\x08User aborted\0"), Action::End(End::Probe));
    table.remove(probe);
    assert!(matches!(judge(&table, now, peer(7, 2070), &request), Verdict::Serve(_)));
}

#[test]
fn places_are_limited_in_total_and_for_each_host() {
    let mut table = Table::new(4);
    let now = Instant::now();
    let request = rrq("x", "");
    let first = start(&mut table, now, peer(7, 1), &request);
    start(&mut table, now, peer(7, 2), &request);
    assert!(matches!(judge(&table, now, peer(7, 3), &request), Verdict::Ignore(Ignored::HostFull)));
    start(&mut table, now, peer(8, 1), &request);
    start(&mut table, now, peer(9, 1), &request);
    assert!(matches!(judge(&table, now, peer(10, 1), &request), Verdict::Ignore(Ignored::Full)));
    table.remove(first);
    start(&mut table, now, peer(10, 1), &request);
    // A lower limit leaves what is in progress alone.
    table.set_limit(1);
    assert_eq!(table.len(), 4);
    assert!(matches!(judge(&table, now, peer(11, 1), &request), Verdict::Ignore(Ignored::Full)));
}

#[test]
fn the_name_of_a_transfer_that_has_ended_is_nobodys() {
    let mut table = Table::new(8);
    let now = Instant::now();
    let old = start(&mut table, now, peer(7, 1), &rrq("x", ""));
    table.remove(old);
    let new = start(&mut table, now, peer(7, 1), &rrq("x", ""));
    assert_ne!(old, new);
    assert!(table.transfer(old).is_none() && table.remove(old).is_none());
    assert!(table.transfer(new).is_some());
    assert_eq!(TransferId::from_u64(new.to_u64() | 1 << 63), new);
}

#[test]
fn deadlines_are_named_when_they_come_and_not_when_idle() {
    let mut table = Table::new(8);
    let now = Instant::now();
    assert_eq!(table.next_deadline(), None);
    let first = start(&mut table, now, peer(7, 1), &rrq("x", ""));
    let second = start(&mut table, now + 10 * MS, peer(7, 2), &rrq("x", ""));
    assert_eq!(table.next_deadline(), Some(now + 250 * MS));
    assert_eq!(table.take_due(now + 249 * MS), None);
    assert_eq!(table.take_due(now + 250 * MS), Some(first));
    let _ = table.transfer(first).unwrap().session.on_deadline(now + 250 * MS);
    assert_eq!(table.take_due(now + 250 * MS), None);
    assert_eq!(table.next_deadline(), Some(now + 260 * MS));
    table.remove(first);
    table.remove(second);
    assert_eq!(table.next_deadline(), None);
}

#[test]
fn a_transfer_takes_little_memory() {
    // Half of the 1 KiB that a silent client may cost; the rest is for its socket, file and name.
    assert!(size_of::<Transfer<()>>() <= 512, "{} bytes", size_of::<Transfer<()>>());
}
