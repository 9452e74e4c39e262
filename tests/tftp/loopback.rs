//! The server with real sockets and files, held to what its clients need: one test for each line of behaviour.

#[path = "../support/scratch.rs"]
mod scratch;

mod crowd;
mod made;
mod names;
mod one_port;
mod peers;
mod segments;

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

use peers::{Server, log_lines, logged};

const MS: Duration = Duration::from_millis(1);

fn content(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at * 31 + at / 251) as u8).collect()
}

#[test]
fn files_of_all_sizes_arrive_in_blocks_and_windows_of_all_sizes() {
    let server = Server::start(8);
    for size in [0, 1, 511, 512, 513, 1468 * 64, 300_000] {
        let file = content(size);
        server.file("file", &file);
        for (blksize, windowsize) in [(512, 1), (512, 64), (1468, 4), (1468, 16), (1468, 64), (8192, 7), (65464, 3)] {
            let mut client = server.client();
            assert!(client.get("file", blksize, windowsize) == file, "{size} bytes, {blksize} × {windowsize}");
        }
    }
}

#[test]
fn without_options_there_is_no_oack() {
    let server = Server::start(8);
    let file = content(1000);
    server.file("plain", &file);
    let mut client = server.client();
    client.ask("plain", "");
    assert!(client.rest(1, 512, 1) == file);
    client.ask("plain", "unknown=1 blksize=0");
    assert!(client.rest(1, 512, 1) == file);
    let line = logged("plain to 127.0.0.1");
    assert!(line.starts_with("INFO: TFTP sent plain to 127.0.0.1: 1000 bytes in 0."), "{line}");
    assert!(line.ends_with(" MB/s), 0 resent"), "{line}");
}

/// The OACK for a file of 1234 bytes.
fn assert_answers(file: &str, cases: &[(&str, &str)]) {
    let server = Server::start(8);
    server.file(file, &content(1234));
    for (asked, answer) in cases {
        let mut client = server.client();
        client.ask(file, asked);
        assert_eq!(client.receive_text(), format!("\\x00\\x06{answer}"), "asked for {asked}");
        client.send(b"\0\x05\0\x08\0");
    }
}

#[test]
fn options_in_any_case_are_answered_in_lower_case() {
    assert_answers(
        "any-case",
        &[
            ("BLKSIZE=1024 TSIZE=0", "blksize\\x001024\\x00tsize\\x001234\\x00"),
            ("WindowSize=4 TimeOut=3", "timeout\\x003\\x00windowsize\\x004\\x00"),
        ],
    );
}

#[test]
fn options_out_of_range_or_without_sense_are_overlooked() {
    let tsize = "tsize\\x001234\\x00";
    assert_answers(
        "junk-options",
        &["blksize=0", "blksize=7", "blksize=abc", "blksize=-1", "blksize=999999999999", "timeout=0", "timeout=256"]
            .map(|junk| format!("{junk} tsize=0 windowsize=0"))
            .each_ref()
            .map(|asked| (asked.as_str(), tsize)),
    );
}

#[test]
fn unknown_options_are_overlooked() {
    assert_answers("unknown", &[("multicast= rollover=0 utimeout=9 tsize=0", "tsize\\x001234\\x00")]);
}

#[test]
fn an_option_that_comes_twice_is_answered_once_as_it_came_first() {
    assert_answers("twice", &[("blksize=1024 blksize=2048", "blksize\\x001024\\x00")]);
}

#[test]
fn too_much_is_clamped() {
    // The loopback's MTU is 65536; `segments` has one of 1500.
    assert_answers(
        "clamped",
        &[("blksize=70000", "blksize\\x0065464\\x00"), ("windowsize=1000", "windowsize\\x0064\\x00")],
    );
}

#[test]
fn netascii() {
    let server = Server::start(8);
    let text = "one\ntwo\r\nthree\r".repeat(300);
    server.file("text", text.as_bytes());
    let wire = text.replace('\r', "\r\0").replace('\n', "\r\n");
    let mut client = server.client();
    client.ask_in("netascii", "text", "");
    assert!(client.rest(1, 512, 1) == wire.as_bytes());
    // tsize and windows are left out, since where blocks begin depends on what is in them.
    client.ask_in("NetASCII", "text", "tsize=0 blksize=100 windowsize=4");
    assert_eq!(client.receive_text(), "\\x00\\x06blksize\\x00100\\x00");
    client.ack(0);
    // A block that is lost comes again as it was.
    let first = client.block(1);
    assert!(client.block(1) == first);
    client.ack(1);
    assert!([first, client.rest(2, 100, 1)].concat() == wire.as_bytes());
}

#[test]
fn a_size_probe_and_the_request_from_the_same_port_right_after() {
    let server = Server::start(8);
    let file = content(5000);
    server.file("probed", &file);
    for real_options in ["tsize=0 blksize=1468 windowsize=4", "blksize=1468 windowsize=4"] {
        let mut client = server.client();
        client.ask("probed", "tsize=0 blksize=1468 windowsize=4");
        assert!(client.receive_text().contains("tsize\\x005000"));
        client.send(b"\0\x05\0\x08User aborted the transfer\0");
        client.ask("probed", real_options);
        client.receive();
        client.ack(0);
        assert!(client.rest(1, 1468, 4) == file);
    }
    logged("sent probed to 127.0.0.1: 5000 bytes");
    assert!(log_lines("probed").iter().all(|line| line.starts_with("DEBUG") || line.contains("sent probed")));
}

#[test]
fn a_lost_oack_comes_again() {
    let server = Server::start(8);
    server.file("lost-oack", &content(100));
    let mut client = server.client();
    let start = Instant::now();
    client.ask("lost-oack", "tsize=0");
    let oack = client.receive();
    assert_eq!(client.receive(), oack);
    assert!((240..700).contains(&start.elapsed().as_millis()));
    assert_eq!(client.receive(), oack);
    assert!((740..1200).contains(&start.elapsed().as_millis()));
    client.ack(0);
    assert_eq!(client.rest(1, 512, 1).len(), 100);
    logged("sent lost-oack");
}

#[test]
fn a_silent_client_is_told_in_the_end() {
    let server = Server::start(8);
    server.file("silence", &content(100));
    let mut client = server.client();
    client.ask("silence", "tsize=0");
    let start = Instant::now();
    let oacks = std::iter::from_fn(|| Some(client.receive())).take_while(|packet| packet[1] == 6).count();
    assert_eq!(oacks, 4);
    assert!((3..7).contains(&start.elapsed().as_secs()));
    logged("gave up silence to 127.0.0.1 after 0 blocks: no answer");
}

#[test]
fn a_lost_block_comes_again_soon() {
    let server = Server::start(8);
    let file = content(3000);
    server.file("lost-block", &file);
    let mut client = server.client();
    client.ask("lost-block", "");
    client.block(1);
    // Before it is sent: the server's wait can't have begun sooner, however late we come to look.
    let start = Instant::now();
    client.ack(1);
    client.block(2);
    client.block(2);
    assert!((19..240).contains(&start.elapsed().as_millis()), "{:?}", start.elapsed());
    client.ack(2);
    client.rest(3, 512, 1);
    assert!(!logged("sent lost-block").ends_with(" 0 resent"));
}

#[test]
fn every_ack_doubled_doubles_no_block() {
    let server = Server::start(8);
    let file = content(20_000);
    server.file("sorcerer", &file);
    for windowsize in [1u16, 4] {
        let mut client = server.client();
        let start = Instant::now();
        client.ask("sorcerer", &format!("windowsize={windowsize}"));
        client.receive();
        client.ack(0);
        client.ack(0);
        let mut received = Vec::new();
        for number in 1..=40 {
            received.extend(client.block(number));
            if number % windowsize == 0 || number == 40 {
                client.ack(number);
                client.ack(number);
            }
        }
        assert!(received == file);
        // Who is kept from answering for 20 ms, as happens on a busy machine, gets a window again.
        let late = start.elapsed().as_millis() as u32 / 20 * u32::from(windowsize);
        assert!(client.repeated <= 4 + late, "{} blocks came again", client.repeated);
    }
}

#[test]
fn acks_of_blocks_not_sent_are_overlooked() {
    let server = Server::start(8);
    let file = content(2000);
    server.file("future", &file);
    let mut client = server.client();
    client.ask("future", "");
    let first = client.block(1);
    for block in [2, 3, 100, 40_000, 65_535] {
        client.ack(block);
    }
    client.ack(1);
    assert!([first, client.rest(2, 512, 1)].concat() == file);
}

#[test]
fn a_gap_in_a_window_is_filled_once() {
    let server = Server::start(8);
    let file = content(4000);
    server.file("gap", &file);
    let mut client = server.client();
    client.ask("gap", "windowsize=4");
    client.receive();
    client.ack(0);
    (1..=4).for_each(|number| drop(client.block(number)));
    // Block 3 was lost: said once for it, and once more for block 4.
    client.ack(2);
    client.ack(2);
    let rest = client.rest(3, 512, 4);
    assert!(rest == file[1024..]);
}

#[test]
fn strangers_change_nothing() {
    let server = Server::start(8);
    let file = content(3000);
    server.file("strangers", &file);
    let mut client = server.client();
    client.ask("strangers", "");
    let first = client.block(1);
    let mut stranger = server.client();
    stranger.tid = client.tid;
    for packet in [&b"\0\x04\0\x01"[..], b"\0\x05\0\0stop\0", b"\0\x01strangers\0octet\0", b""] {
        stranger.send(packet);
    }
    client.ack(1);
    assert!([first, client.rest(2, 512, 1)].concat() == file);
    stranger.hears_nothing(50 * MS);
}

/// Each datagram to the server's port has this answer; an empty one is none.
fn assert_told(cases: &[(&[u8], &str)]) {
    let server = Server::start(8);
    server.file("there", b"");
    for (datagram, answer) in cases {
        let mut client = server.client();
        client.knock(datagram);
        if answer.is_empty() {
            client.hears_nothing(20 * MS);
        } else {
            assert_eq!(client.receive_text(), *answer, "{}", datagram.escape_ascii());
        }
    }
}

#[test]
fn a_write_request_is_refused() {
    assert_told(&[(b"\0\x02there\0octet\0", "\\x00\\x05\\x00\\x02read-only server\\x00")]);
}

#[test]
fn a_mode_that_is_neither_octet_nor_netascii_is_refused() {
    let error = "\\x00\\x05\\x00\\x04unknown mode\\x00";
    assert_told(&[(b"\0\x01there\0mail\0", error), (b"\0\x01there\0junk\0", error), (b"\0\x01there\0\0", error)]);
}

#[test]
fn a_request_that_has_no_end_is_refused() {
    let error = "\\x00\\x05\\x00\\x04malformed request\\x00";
    assert_told(&[(b"\0\x01there\0octet", error), (b"\0\x01there", error), (b"\0\x01", error)]);
}

#[test]
fn stray_packets_at_the_servers_port_are_not_answered() {
    let strays = [&b"\0\x03\0\x01data"[..], b"\0\x04\0\0", b"\0\x05\0\0no\0", b"\0\x06blksize\x00512\0", b"", b"\0"];
    assert_told(&strays.map(|stray| (stray, "")));
}

#[test]
fn a_repeated_request_is_one_transfer() {
    let server = Server::start(8);
    let file = content(2000);
    server.file("repeated", &file);
    let mut client = server.client();
    client.ask("repeated", "tsize=0");
    client.receive();
    let tid = client.tid;
    std::thread::sleep(5 * MS);
    client.ask("repeated", "tsize=0");
    client.tid = tid;
    client.ack(0);
    assert!(client.rest(1, 512, 1) == file);
    client.hears_nothing(50 * MS);
}

#[test]
fn a_file_that_shrinks_ends_in_an_error() {
    let server = Server::start(8);
    server.file("shrinks", &content(100_000));
    let mut client = server.client();
    client.ask("shrinks", "");
    client.block(1);
    File::options().write(true).open(server.root().join("shrinks")).unwrap().set_len(700).unwrap();
    client.ack(1);
    assert_eq!(client.receive_text(), "\\x00\\x05\\x00\\x00file became shorter\\x00");
    logged("gave up shrinks to 127.0.0.1 after 1 blocks: the file became shorter");
}

/// A file is sent as it was when asked for, whatever `change` makes of it, or of what has its name, in the meantime.
fn assert_sent_as_it_was(name: &str, change: impl Fn(&Path)) {
    let server = Server::start(8);
    let file = content(10_000);
    server.file(name, &file);
    let mut client = server.client();
    client.ask(name, "tsize=0");
    assert!(client.receive_text().contains("tsize\\x0010000"));
    client.ack(0);
    let first = client.block(1);
    change(&server.root().join(name));
    client.ack(1);
    assert!([first, client.rest(2, 512, 1)].concat() == file);
}

#[test]
fn a_file_that_grows_is_sent_as_long_as_it_was() {
    assert_sent_as_it_was("grows", |path| {
        File::options().write(true).open(path).unwrap().write_all_at(&[0xff; 5000], 10_000).unwrap();
    });
}

#[test]
fn a_file_that_is_replaced_is_sent_as_it_was() {
    assert_sent_as_it_was("replaced", |path| {
        let new = path.with_extension("new");
        fs::write(&new, b"something else").unwrap();
        fs::rename(new, path).unwrap();
    });
}

#[test]
fn a_file_that_is_removed_is_sent_all_the_same() {
    assert_sent_as_it_was("removed", |path| fs::remove_file(path).unwrap());
}

#[test]
fn more_than_65535_blocks() {
    let server = Server::start(8);
    let len = (4 << 30) + 5;
    let file = File::create(server.root().join("sparse")).unwrap();
    file.set_len(len).unwrap();
    let marks = [0, 65_535 * 65_464 - 3, 65_536 * 65_464 - 3, len - 6];
    marks.iter().for_each(|&at| file.write_all_at(b"marked", at).unwrap());
    let mut client = server.client();
    client.ask("sparse", "blksize=65464 windowsize=2 tsize=0");
    assert!(client.receive_text().contains("tsize\\x004294967301"));
    client.ack(0);
    let (mut received, mut found) = (0u64, Vec::new());
    client.rest_with(1, 65_464, 2, |data| {
        if data.iter().any(|&byte| byte != 0) {
            found.push((received, data.iter().filter(|&&byte| byte != 0).count()));
        }
        received += data.len() as u64;
    });
    assert_eq!(received, len);
    assert_eq!(found.iter().map(|(_, count)| count).sum::<usize>(), marks.len() * 6);
    let blocks: Vec<_> = found.iter().map(|(at, _)| at / 65_464).collect();
    assert_eq!(blocks, [0, 65_534, 65_535, 65_536, 65_608]);
}
