//! `option tftp_single_port`: the client of `peers` fails when an answer comes from any other port.

use std::time::Duration;

use super::{MS, content, logged};
use crate::peers::Server;

#[test]
fn files_arrive_from_the_port_that_was_asked() {
    let server = Server::start_on_one_port();
    let file = content(100_000);
    server.file("one-port", &file);
    for (blksize, windowsize) in [(512, 1), (1468, 16), (1468, 64)] {
        let mut client = server.client();
        assert!(client.get("one-port", blksize, windowsize) == file, "{blksize} × {windowsize}");
    }
    logged("sent one-port to 127.0.0.1: 100000 bytes");
}

#[test]
fn several_clients_at_once() {
    let server = Server::start_on_one_port();
    let file = content(5000);
    server.file("shared-port", &file);
    let mut clients = [(); 4].map(|()| server.client());
    let mut received = [(); 4].map(|()| Vec::new());
    for client in &mut clients {
        client.ask("shared-port", "");
    }
    for number in 1..=10 {
        for (client, received) in clients.iter_mut().zip(&mut received) {
            received.extend(client.block(number));
            client.ack(number);
        }
    }
    assert!(received.iter().all(|received| *received == file));
}

#[test]
fn a_size_probe_and_the_request_from_the_same_port() {
    let server = Server::start_on_one_port();
    let file = content(5000);
    server.file("one-port-probed", &file);
    let mut client = server.client();
    client.ask("one-port-probed", "tsize=0 blksize=1468");
    assert!(client.receive_text().contains("tsize\\x005000"));
    client.send(b"\0\x05\0\x08User aborted the transfer\0");
    client.ask("one-port-probed", "blksize=1468 windowsize=4");
    client.receive();
    client.ack(0);
    assert!(client.rest(1, 1468, 4) == file);
}

#[test]
fn one_file_after_the_other() {
    let server = Server::start_on_one_port();
    let file = content(600);
    server.file("one-of-many", &file);
    let mut client = server.client();
    let mut asked_again = 0;
    for _ in 0..200 {
        // The request follows on the heels of the last ACK. The kernel may be handing it to the socket of the transfer
        // while that closes: about one in 6,000, and like on the wire the client asks again.
        client.ask("one-of-many", "");
        let first = loop {
            match client.hears(Duration::from_secs(1)) {
                Some(packet) => break packet,
                None => client.ask("one-of-many", ""),
            }
            asked_again += 1;
        };
        assert!(first.starts_with(b"\0\x03\0\x01"), "{}", first.escape_ascii());
        client.ack(1);
        client.block(2);
        client.ack(2);
    }
    assert!(asked_again <= 2, "{asked_again} of 200 requests were lost");
}

#[test]
fn another_request_from_the_same_port_ends_the_transfer() {
    let server = Server::start_on_one_port();
    let (first, second) = (content(5000), content(3000));
    server.file("first-wish", &first);
    server.file("second-wish", &second);
    let mut client = server.client();
    client.ask("first-wish", "");
    client.block(1);
    client.ask("second-wish", "");
    assert!(client.rest(1, 512, 1) == second);
    logged("ended first-wish to 127.0.0.1 after 0 blocks: its place is taken");
}

#[test]
fn a_repeated_request_is_one_transfer() {
    let server = Server::start_on_one_port();
    let file = content(2000);
    server.file("one-port-repeated", &file);
    let mut client = server.client();
    client.ask("one-port-repeated", "tsize=0");
    client.receive();
    let tid = client.tid;
    client.ask("one-port-repeated", "tsize=0");
    client.tid = tid;
    client.hears_nothing(50 * MS);
    client.ack(0);
    assert!(client.rest(1, 512, 1) == file);
}

#[test]
fn refusals_come_from_it_too() {
    let server = Server::start_on_one_port();
    let mut client = server.client();
    client.ask("missing", "");
    assert_eq!(client.receive_text(), "\\x00\\x05\\x00\\x01file not found\\x00");
    client.knock(b"\0\x02there\0octet\0");
    assert_eq!(client.receive_text(), "\\x00\\x05\\x00\\x02read-only server\\x00");
}
