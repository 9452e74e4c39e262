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
    table.judge(now, peer, None, datagram, b"/srv/tftp")
}

/// Serves a file of 100,000 bytes.
fn start(table: &mut Table<()>, now: Instant, peer: SocketAddrV4, datagram: &[u8]) -> TransferId {
    let Verdict::Serve(order) = judge(table, now, peer, datagram) else { panic!("not served") };
    for earlier in [order.supersedes, order.displaces].into_iter().flatten() {
        table.remove(earlier);
    }
    table.start(now, &order, 100_000, MTU, ()).unwrap().0
}

/// The same, for a client that is there.
fn start_and_answer(table: &mut Table<()>, now: Instant, peer: SocketAddrV4, datagram: &[u8]) -> TransferId {
    let id = start(table, now, peer, datagram);
    let ack = if datagram.ends_with(b"octet\0") { b"\0\x04\0\x01" } else { b"\0\x04\0\0" };
    assert!(matches!(table.transfer(id).unwrap().session.on_packet(now, ack), Action::Send(_)));
    id
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
    for why in [BadRequest::Write, BadRequest::Unterminated, BadRequest::Mode, BadRequest::Name(PathError::Upwards)] {
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
    let verdict = judge(&table, now + 1000 * MS, peer(7, 2070), &request);
    assert!(matches!(verdict, Verdict::Ignore(Ignored::Repeated)), "it only pauses");
    let Verdict::Serve(order) = judge(&table, now + 1001 * MS, peer(7, 2070), &request) else { panic!("not served") };
    assert_eq!(order.supersedes, Some(id));
}

#[test]
fn who_is_reset_before_the_first_block_has_come_gets_its_options_again() {
    let mut table = Table::new(8);
    let now = Instant::now();
    let request = rrq("x", "blksize\x008\0");
    let id = start(&mut table, now, peer(7, 2070), &request);
    let first = table.transfer(id).unwrap().session.on_packet(now + MS, b"\0\x04\0\0");
    assert!(matches!(first, Action::Send(_)));
    // A block in place of the options would say that there are none: eight bytes were the whole file then.
    let verdict = judge(&table, now + 500 * MS, peer(7, 2070), &request);
    assert!(matches!(verdict, Verdict::Ignore(Ignored::Repeated)));
    let Verdict::Serve(order) = judge(&table, now + 1001 * MS, peer(7, 2070), &request) else { panic!("not served") };
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
    let first = start_and_answer(&mut table, now, peer(7, 1), &request);
    start_and_answer(&mut table, now, peer(7, 2), &request);
    assert!(matches!(judge(&table, now, peer(7, 3), &request), Verdict::Ignore(Ignored::HostFull)));
    table.remove(first);
    for host in 8..=10 {
        start_and_answer(&mut table, now, peer(host, 1), &request);
    }
    assert!(matches!(judge(&table, now, peer(11, 1), &request), Verdict::Ignore(Ignored::Full)));
    // A lower limit leaves what is in progress alone.
    table.set_limits(1, TftpLimits::default());
    assert_eq!(table.len(), 4);
    assert!(matches!(judge(&table, now, peer(12, 1), &request), Verdict::Ignore(Ignored::Full)));
}

#[test]
fn who_has_never_answered_makes_room_oldest_first() {
    let mut table = Table::new(4);
    let now = Instant::now();
    let request = rrq("x", "");
    let alive = start_and_answer(&mut table, now, peer(7, 1), &request);
    let silent: Vec<_> =
        (8..11).map(|host| start(&mut table, now + u32::from(host) * MS, peer(host, 1), &request)).collect();
    // The order of places is not that of age.
    table.remove(silent[0]);
    let youngest = start(&mut table, now + 20 * MS, peer(11, 1), &request);
    for (host, oldest) in [(12, silent[1]), (13, silent[2]), (14, youngest)] {
        let id = start(&mut table, now + u32::from(host) * 10 * MS, peer(host, 1), &request);
        assert!(table.transfer(oldest).is_none() && table.transfer(id).is_some(), "for host {host}");
        assert_eq!(table.len(), 4);
    }
    assert!(table.transfer(alive).is_some());
}

#[test]
fn a_host_that_is_never_heard_makes_room_for_itself() {
    let mut table = Table::new(4);
    let now = Instant::now();
    let request = rrq("x", "");
    let other = start(&mut table, now, peer(8, 1), &request);
    let first = start(&mut table, now + MS, peer(7, 1), &request);
    start(&mut table, now + 2 * MS, peer(7, 2), &request);
    start(&mut table, now + 3 * MS, peer(7, 3), &request);
    assert!(table.transfer(first).is_none() && table.transfer(other).is_some());
    assert_eq!(table.len(), 3);
}

#[test]
fn forged_requests_by_the_hundred_do_not_keep_a_client_out() {
    let mut table = Table::new(64);
    let start_of_flood = Instant::now();
    let request = rrq("x", "timeout\x00255\0");
    // 90 a second for a minute, each from another place; in between one who answers within 20 ms.
    for number in 0..5400u32 {
        let now = start_of_flood + number * 11 * MS;
        while let Some(id) = table.take_due(now) {
            let action = table.transfer(id).unwrap().session.on_deadline(now);
            if let Action::End(_) = action {
                table.remove(id);
            }
        }
        start(&mut table, now, peer(20 + (number % 170) as u8, number as u16 | 0x8000), &request);
        if number % 100 == 99 {
            let client = start(&mut table, now, peer(7, 2000), &request);
            start(&mut table, now + 10 * MS, peer(200, number as u16 | 0x8000), &request);
            let session = &mut table.transfer(client).unwrap().session;
            assert!(matches!(session.on_packet(now + 20 * MS, b"\0\x04\0\0"), Action::Send(_)));
            table.remove(client);
        }
    }
}

#[test]
fn two_hosts_that_answer_now_and_then_do_not_keep_others_out() {
    let mut table = Table::new(8);
    let now = Instant::now();
    let request = rrq("x", "timeout\x00255\0");
    let ids: Vec<_> = (0..8)
        .map(|at| start_and_answer(&mut table, now + u32::from(at) * MS, peer(8 + (at % 2) as u8, 1 + at), &request))
        .collect();
    // The hog itself gets nothing.
    assert!(matches!(judge(&table, now, peer(8, 100), &request), Verdict::Ignore(Ignored::HostFull)));
    let later = now + 1000 * MS;
    let _ = table.transfer(ids[0]).unwrap().session.on_packet(later, b"\0\x04\0\x01");
    for host in 10..14 {
        start_and_answer(&mut table, later, peer(host, 1), &request);
    }
    // Those heard from least recently are gone, until every host has its share.
    let left: Vec<_> = ids.iter().map(|&id| table.transfer(id).is_some()).collect();
    assert_eq!(left, [true, false, false, false, false, true, true, true]);
    assert_eq!(table.len(), 8);
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

/// One machine with many addresses, each with a port of its own.
#[test]
fn a_machine_is_one_however_many_addresses_it_has() {
    let mut table = Table::new(64);
    let now = Instant::now();
    let request = rrq("x", "");
    let from = |table: &mut Table<()>, station: u8, host: u8| -> Result<TransferId, Ignored> {
        let station = Some(Mac([2, 0, 0, 0, 0, station]));
        match table.judge(now, peer(host, 1), station, &request, b"/srv/tftp") {
            Verdict::Serve(order) => {
                if let Some(displaced) = order.displaces {
                    table.remove(displaced);
                }
                Ok(table.start(now, &order, 100_000, MTU, ()).unwrap().0)
            }
            Verdict::Ignore(why) => Err(why),
            other => panic!("{other:?}"),
        }
    };
    let granted = (1..=64).filter(|host| from(&mut table, 1, *host).is_ok()).count();
    assert_eq!(granted, 16);
    assert_eq!(from(&mut table, 1, 100), Err(Ignored::HostFull));
    // Others have all the rest.
    for station in 2..50 {
        let id = from(&mut table, station, 100 + station).unwrap();
        let _ = table.transfer(id).unwrap().session.on_packet(now, b"\0\x04\0\x01");
    }
    // Who has so many makes room for who has none.
    let displaced = table.len();
    from(&mut table, 60, 200).unwrap();
    assert_eq!(table.len(), displaced);
    table.set_limits(64, TftpLimits { client_transfers: 3, ..TftpLimits::default() });
    assert_eq!(from(&mut table, 1, 100), Err(Ignored::HostFull), "the limit is an option");
}

/// Machines that are there get a moment to say so; a request that nobody is known to stand behind makes room at once.
#[test]
fn a_room_full_of_machines_does_not_push_itself_out() {
    let mut table = Table::new(4);
    let now = Instant::now();
    let request = rrq("x", "");
    let station = |host| Some(Mac([2, 0, 0, 0, 0, host]));
    let mut begin = |at: u32, host: u8, station: Option<Mac>| {
        let now = now + at * MS;
        match table.judge(now, peer(host, 1), station, &request, b"/srv/tftp") {
            Verdict::Serve(order) => {
                let displaced = order.displaces;
                displaced.map(|id| table.remove(id));
                let _ = table.start(now, &order, 100_000, MTU, ()).unwrap();
                Ok(displaced.is_some())
            }
            Verdict::Ignore(why) => Err(why),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(begin(0, 99, None), Ok(false));
    for host in 1..=3 {
        assert_eq!(begin(1, host, station(host)), Ok(false));
    }
    assert_eq!(begin(2, 4, station(4)), Ok(true), "in the place of the one that may be forged");
    assert_eq!(begin(3, 5, station(5)), Err(Ignored::Full));
    assert_eq!(begin(250, 5, station(5)), Err(Ignored::Full));
    assert_eq!(begin(251, 5, station(5)), Ok(true), "the first has not answered in time");
}

/// Something that four machines have all of, in equal parts, and take their time with.
#[test]
fn what_is_scarce_is_had_for_a_while_and_no_longer() {
    let mut table = Table::new(64);
    let now = Instant::now();
    let request = rrq("x", "");
    let ids: Vec<_> =
        (1..5).map(|host| start_and_answer(&mut table, now + u32::from(host) * MS, peer(host, 1), &request)).collect();
    let asked = |table: &Table<()>, at: Instant, host: u8, wanted: usize| {
        let Verdict::Serve(order) = judge(table, at, peer(host, 9), &request) else { panic!("not served") };
        let scarce = Scarce { all: 250, each: 125, wanted, held: &|()| 60, longest: 10_000 * MS };
        table.makes_room(at, &order, &scarce)
    };
    assert_eq!(asked(&table, now + 10 * MS, 9, 10), Ok(None), "there is enough");
    assert_eq!(asked(&table, now + 10 * MS, 9, 50), Ok(Some(ids[0])), "who has more");
    assert_eq!(asked(&table, now + 10 * MS, 9, 60), Err(Ignored::Full), "all have the same");
    assert_eq!(asked(&table, now + 10 * MS, 1, 66), Err(Ignored::HostFull));
    for (at, block) in [(5000, 2), (10_000, 3), (10_005, 4)] {
        let session = &mut table.transfer(ids[2]).unwrap().session;
        assert!(matches!(session.on_packet(now + at * MS, &[0, 4, 0, block]), Action::Send(_)));
        let gets = if at > 10_003 { Ok(Some(ids[2])) } else { Err(Ignored::Full) };
        assert_eq!(asked(&table, now + at * MS, 9, 60), gets, "after {at} ms");
    }
}

/// What all transfers may have on the way together makes new windows smaller, and refuses nobody.
#[test]
fn windows_shrink_when_many_are_on_the_way() {
    let mut table = Table::new(64);
    table.set_limits(64, TftpLimits { in_flight: 256 << 10, ..TftpLimits::default() });
    let now = Instant::now();
    let mut sizes = Vec::new();
    for host in 1..=60 {
        let id = start(&mut table, now, peer(host, 1), &rrq("x", "blksize\x001024\0windowsize\x0064\0"));
        sizes.push(table.transfer(id).unwrap().session.windowsize());
    }
    assert_eq!((&sizes[..4], sizes[4], sizes[59]), (&[64; 4][..], 1, 1));
    assert!(table.transfers().map(|it| u32::from(it.session.windowsize()) * 1024).sum::<u32>() <= (256 + 56) << 10);
}

/// What one forged request makes us send to whoever has the address, if that one's machine keeps silent: a firewall
/// swallows all. (Otherwise it says that the port is closed, and the first packet is the last.)
#[test]
fn a_forged_request_is_answered_by_little() {
    let limits = TftpLimits::default();
    for (request, retries, packets, bytes) in [
        // The shortest there is: a block of 512 bytes, three repetitions, one ERROR. 208 times its 10 bytes of payload;
        // 45 times with the headers of Ethernet, IP and UDP. Without options RFC 1350 knows no smaller answer.
        (rrq("x", ""), limits.retries, 5, 4 * 516 + 14),
        (rrq("x", ""), 0, 2, 516 + 14),
        // With options nothing but the OACK: never more than four times what was asked with.
        (rrq("x", "blksize\x001468\0windowsize\x0064\0tsize\x000\0"), limits.retries, 5, 4 * 42 + 14),
    ] {
        let mut table = Table::new(64);
        table.set_limits(64, TftpLimits { retries, ..limits });
        let mut now = Instant::now();
        let Verdict::Serve(order) = judge(&table, now, peer(7, 2070), &request) else { panic!("not served") };
        let (id, mut action) = table.start(now, &order, 100_000, MTU, ()).unwrap();
        let mut sent = Vec::new();
        loop {
            let session = &mut table.transfer(id).unwrap().session;
            match action {
                Action::SendOptionAck => sent.push(session.answer().write().len()),
                Action::Send(blocks) => sent.extend((0..blocks.count).map(|_| 4 + usize::from(session.blksize()))),
                Action::End(end) => {
                    let message = end.tells_client().expect("it may wait for us");
                    sent.push(crate::wire::tftp::error(ErrorCode::NOT_DEFINED, message).len());
                    break;
                }
                Action::Wait => {}
            }
            now = session.deadline();
            action = session.on_deadline(now);
        }
        assert_eq!((sent.len(), sent.iter().sum::<usize>()), (packets, bytes), "{}", request.escape_ascii());
    }
}

#[test]
fn a_transfer_takes_little_memory() {
    // Half of the 1 KiB that a silent client may cost; the rest is for its socket, file and name.
    assert!(size_of::<Transfer<()>>() <= 512, "{} bytes", size_of::<Transfer<()>>());
}
