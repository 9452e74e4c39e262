//! Many clients, clients that come to nothing, and a service that changes meanwhile.

use std::fs;
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use super::{MS, content, log_lines, logged};
use crate::peers::Server;

#[test]
fn a_flood_of_refusals_does_not_flood_the_log() {
    let server = Server::start(8);
    let mut client = server.client();
    let (mut told, start) = (0, Instant::now());
    for number in 0..300 {
        let (name, mode) = match number % 3 {
            0 => ("flood", "octet"),
            1 => ("flood", "mail"),
            _ => ("../flood", "octet"),
        };
        client.ask_in(mode, name, "");
        // Within the time that an answer takes on a busy machine while there are any, then in little.
        told += usize::from(client.hears(if number < 64 { Duration::from_secs(5) } else { 5 * MS }).is_some());
    }
    // So many at once, and 20 a second.
    let most = 64 + start.elapsed().as_millis() as usize / 50 + 1;
    assert!((64..=most).contains(&told), "{told} of 300 were told, at most {most} may be");
    logged("too many requests are");
    // As many at once as there may be, and one more every half a second.
    let lines = log_lines("flood").len();
    assert!((32..150).contains(&lines), "{lines} lines");
    // As soon as there is room again, the log tells what it lacks.
    let patience = Instant::now() + Duration::from_secs(5);
    while log_lines("lines like the next were left out").is_empty() {
        assert!(Instant::now() < patience);
        client.ask("flood", "");
        client.hears(50 * MS);
    }
}

#[test]
fn a_thousand_transfers_in_a_row_need_no_more_than_one_place() {
    let server = Server::start(1);
    let file = content(1500);
    server.file("thousand", &file);
    let mut client = server.client();
    for round in 0..1000 {
        // From a new port each time, and from the old one.
        if round % 2 == 0 {
            client = server.client();
        }
        assert!(client.get("thousand", 512, 2) == file);
    }
}

#[test]
fn many_clients_at_once() {
    let server = Server::start(256);
    let file = content(400_000);
    server.file("many", &file);
    std::thread::scope(|scope| {
        for number in 0..64 {
            let (server, file) = (&server, &file);
            scope.spawn(move || assert!(&server.client().get("many", 1468, 1 << (number % 4)) == file));
        }
    });
}

#[test]
fn clients_side_by_side_get_their_own_files() {
    let server = Server::start(16);
    let (one, other) = (content(6000), content(6001)[1..].to_vec());
    server.file("side", &one);
    server.file("by-side", &other);
    // The same blocks at nearly the same time; other blocks of the same file; another file of the same size.
    let wishes = [("side", 512), ("side", 512), ("side", 1024), ("by-side", 512), ("side", 512)];
    let mut clients = wishes.map(|(name, blksize)| {
        let mut client = server.client();
        client.ask(name, &format!("blksize={blksize}"));
        client.receive();
        client.ack(0);
        (client, blksize, Vec::new())
    });
    for number in 1..=12 {
        for (client, blksize, received) in &mut clients {
            if (number - 1) * *blksize <= 6000 {
                received.extend(client.block(number as u16));
                client.ack(number as u16);
            }
        }
    }
    for ((_, _, received), (name, blksize)) in clients.iter().zip(wishes) {
        assert!(*received == if name == "side" { &one[..] } else { &other[..] }, "{name} in blocks of {blksize}");
    }
}

#[test]
fn who_asks_after_a_change_gets_what_is_new() {
    let server = Server::start(8);
    server.file("changes", &[b'a'; 3000]);
    // File systems tell times of change apart that are further apart than this.
    std::thread::sleep(20 * MS);
    let (mut before, mut after) = (server.client(), server.client());
    before.ask("changes", "");
    assert!(before.block(1) == [b'a'; 512]);
    let file = fs::File::options().write(true).open(server.root().join("changes")).unwrap();
    file.write_all_at(&[b'b'; 3000], 0).unwrap();
    after.ask("changes", "");
    assert!(after.rest(1, 512, 1) == [b'b'; 3000]);
}

#[test]
fn no_host_gets_more_than_half_of_the_places() {
    let server = Server::start(4);
    server.file("places", &content(100));
    let mut clients: Vec<_> = (0..3).map(|_| server.client()).collect();
    for client in &mut clients[..2] {
        client.ask("places", "tsize=0");
        client.receive();
        client.ack(0);
        client.block(1);
    }
    clients[2].ask("places", "tsize=0");
    clients[2].hears_nothing(10 * MS);
    logged("too many transfers of this machine");
    // A place becomes free, and the client asks again by itself.
    clients[0].send(b"\0\x05\0\0\0");
    clients[2].ask("places", "tsize=0");
    clients[2].receive();
}

#[test]
fn clients_that_never_answer_make_room_for_those_that_do() {
    let server = Server::start(4);
    let file = content(3000);
    server.file("room", &file);
    let mut silent: Vec<_> = (0..20).map(|_| server.client()).collect();
    for client in &mut silent {
        client.ask("room", "tsize=0");
        client.receive();
    }
    let mut client = server.client();
    assert!(client.get("room", 512, 2) == file);
    logged("sent room to ");
    assert!(log_lines("room").iter().all(|line| line.starts_with("DEBUG") || line.contains("sent room")));
}

#[test]
fn a_client_that_closes_its_port_is_forgotten() {
    let server = Server::start(2);
    server.file("gone", &content(100_000));
    let mut client = server.client();
    client.ask("gone", "");
    client.block(1);
    client.ack(1);
    drop(client);
    logged("stopped gone after 1 blocks: port closed");
}

#[test]
fn requests_to_all_are_ignored() {
    let server = Server::start(8);
    server.file("broadcast", b"");
    let mut client = server.client();
    client.socket.set_broadcast(true).unwrap();
    let port = client.listener_port();
    client.socket.send_to(b"\0\x01broadcast\0octet\0", ("127.255.255.255", port)).unwrap();
    client.hears_nothing(100 * MS);
    logged("it was sent to all");
}

#[test]
fn the_root_may_come_later() {
    let server = Server::start(8);
    fs::remove_dir(server.root()).unwrap();
    for _ in 0..2 {
        let mut client = server.client();
        client.ask("late", "");
        assert_eq!(client.receive_text(), "\\x00\\x05\\x00\\x01file not found\\x00");
    }
    assert_eq!(log_lines("refused late to").len(), 1, "said once");
    fs::create_dir(server.root()).unwrap();
    server.file("late", b"here");
    let mut client = server.client();
    client.ask("late", "");
    assert_eq!(client.rest(1, 512, 1), b"here");
}

#[test]
fn transfers_go_on_while_the_configuration_changes() {
    let mut server = Server::start(8);
    let file = content(5000);
    server.file("old", &file);
    fs::write(server.around().join("allowed/new"), "new").unwrap();
    let mut client = server.client();
    client.ask("old", "");
    let mut received = client.block(1);
    client.ack(1);
    received.extend(client.block(2));
    server.reconfigure();
    let mut other = server.client();
    other.ask("new", "");
    other.hears_nothing(50 * MS);
    client.ack(2);
    received.extend(client.rest(3, 512, 1));
    assert!(received == file);
    other.ask("new", "");
    assert_eq!(other.rest(1, 512, 1), b"new");
    other.ask("old", "");
    assert!(other.receive_text().contains("file not found"));
}
