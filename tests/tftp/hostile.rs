//! Whatever bytes come in, by whichever door, the core neither panics nor answers what it should be silent about:
//! every truncation and every single-byte change of packets of all kinds.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::{Duration, Instant};

use upxe::tftp::path::SafePath;
use upxe::tftp::session::Action;
use upxe::tftp::{Table, TransferId, Verdict};
use upxe::wire::tftp::Packet;

const PEER: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(192, 168, 1, 7), 2070);
const OTHER: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(192, 168, 1, 8), 2070);

const SAMPLES: &[&[u8]] = &[
    b"\0\x01ipxe.efi\0octet\0",
    b"\0\x01snponly.efi\0octet\0tsize\x000\0blksize\x001468\0windowsize\x004\0",
    b"\0\x01\\Boot\\x64\\wdsnbp.com\0NetASCII\0timeout\x003\0blksize\x0065464\0",
    b"\0\x01/srv/tftp/pxelinux.cfg/01-52-54-00-12-34-56\0octet\0tsize\x000\0",
    b"\0\x01../../etc/passwd\0octet\0",
    b"\0\x02upload\0octet\0",
    b"\0\x03\0\x01some data",
    b"\0\x04\0\x01",
    b"\0\x05\0\x08User aborted the transfer\0",
    b"\0\x06blksize\x001468\0tsize\x00123456\0",
];

/// The sample, every truncation of it, and every change of one of its bytes.
fn variants(sample: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    let truncations = (0..=sample.len()).map(move |len| sample[..len].to_vec());
    let changes = (0..sample.len()).flat_map(move |at| {
        (0..=255).map(move |byte| {
            let mut changed = sample.to_vec();
            changed[at] = byte;
            changed
        })
    });
    truncations.chain(changes)
}

/// A table with one transfer that has an OACK under way, and one that has a window.
fn table(now: Instant) -> (Table<()>, [TransferId; 2]) {
    let mut table = Table::new(8);
    let ids = [(PEER, SAMPLES[1]), (OTHER, SAMPLES[0])].map(|(peer, request)| {
        let Verdict::Serve(order) = table.judge(now, peer, None, request, b"/srv/tftp") else { panic!("not served") };
        table.start(now, &order, 1 << 20, 1500, ()).unwrap().0
    });
    (table, ids)
}

#[test]
fn the_servers_port() {
    let now = Instant::now();
    let (mut table, ids) = table(now);
    let (mut served, mut refused, mut ignored) = (0, 0, 0);
    for sample in SAMPLES {
        for datagram in variants(sample) {
            for (peer, root) in [(PEER, &b"/srv/tftp"[..]), (SocketAddrV4::new(*OTHER.ip(), 1), b"/"), (OTHER, b"")] {
                match table.judge(now, peer, None, &datagram, root) {
                    Verdict::Serve(order) => {
                        served += 1;
                        let path = order.path.as_bytes();
                        assert!(!path.is_empty() && path.first() != Some(&b'/'));
                        assert!(path.split(|&byte| byte == b'/').all(|name| !matches!(name, b"" | b"." | b"..")));
                        assert!(!path.iter().any(u8::is_ascii_control) && !path.contains(&b'\\'));
                        for size in [0, 1, u64::from(u32::MAX), u64::MAX] {
                            for mtu in [0, 68, 1500, u32::MAX] {
                                if let Some((id, action)) = table.start(now, &order, size, mtu, ()) {
                                    assert!(matches!(action, Action::SendOptionAck | Action::Send(_)));
                                    table.remove(id);
                                }
                            }
                        }
                    }
                    Verdict::Refuse(refusal) => {
                        refused += 1;
                        let opcode = Packet::read(&datagram);
                        assert!(!matches!(opcode, Ok(Packet::Data { .. } | Packet::Ack { .. } | Packet::Error { .. })));
                        let _ = refusal.why.error();
                    }
                    Verdict::Again(id) => assert!(ids.contains(&id)),
                    Verdict::Ignore(why) => {
                        ignored += 1;
                        let _ = why.to_string();
                    }
                }
            }
        }
    }
    println!("{served} served, {refused} refused, {ignored} ignored");
    assert!(served > 1000 && refused > 1000 && ignored > 1000);
}

#[test]
fn a_transfers_port() {
    let start = Instant::now();
    for sample in SAMPLES {
        for packet in variants(sample) {
            for wait in [0, 1, 300, 30_000] {
                let now = start + Duration::from_millis(wait);
                let (mut table, ids) = table(start);
                for id in ids {
                    let session = &mut table.transfer(id).unwrap().session;
                    // Twice, since what a packet leads to may depend on what came before.
                    for _ in 0..2 {
                        if let Action::Send(blocks) = session.on_packet(now, &packet) {
                            assert!((1..=64).contains(&blocks.count) && blocks.first >= 1);
                        }
                    }
                    let _ = session.on_deadline(now);
                }
            }
        }
    }
}

#[test]
fn every_block_number_in_every_position() {
    let now = Instant::now();
    for block in 0..=u16::MAX {
        let (mut table, ids) = table(now);
        let [a, b] = block.to_be_bytes();
        for id in ids {
            let session = &mut table.transfer(id).unwrap().session;
            for packet in [[0, 4, a, b], [0, 4, 0, 0], [0, 4, 0, 1], [0, 4, a, b]] {
                let _ = session.on_packet(now, &packet);
            }
            assert!(session.acked() <= 5, "block {block}");
        }
    }
}

#[test]
fn names_of_all_kinds() {
    // Every string of up to six of the characters that mean something in paths.
    let letters = [b'a', b'.', b'/', b'\\', b'\0', b'\xff'];
    for number in 0..7usize.pow(6) {
        let digits = (0..6).map(|place| number / 7usize.pow(place) % 7);
        let name: Vec<u8> = digits.filter_map(|digit| letters.get(digit).copied()).collect();
        for root in [&b"/a"[..], b"/a/a", b"/", b""] {
            if let Ok(path) = SafePath::new(&name, root) {
                let mut names = path.as_bytes().split(|&byte| byte == b'/');
                assert!(names.all(|name| !matches!(name, b"" | b"." | b"..")), "{}", name.escape_ascii());
                let _ = path.stand_in().map(|path| path.to_string());
            }
        }
    }
}
