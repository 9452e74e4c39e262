//! Texts that are made when they are asked for: which names bring them, that files come before them, and their bounds.

use std::fs;
use std::time::{Duration, Instant};

use super::{content, log_lines, logged};
use crate::peers::{Client, KNOWN, Server};

fn get(server: &Server, name: &str) -> String {
    String::from_utf8(server.client().get(name, 512, 4)).unwrap()
}

#[test]
fn a_template_is_filled_in_for_who_asks() {
    let server = Server::start(8);
    server.file("boot.ipxe.tmpl", b"#!ipxe\necho {{mac}} {{router}} {{http}} {{uuid}}. {{what}} {{");
    let filled = "#!ipxe\necho 02:00:00:00:00:01 127.0.0.1 tftp://127.0.0.1 . {{what}} {{";
    assert_eq!(get(&server, "boot.ipxe"), filled);
    assert_eq!(get(&server, "/./boot.ipxe"), filled);
    // Under its own name it is a file like any other.
    assert!(get(&server, "boot.ipxe.tmpl").contains("{{mac}}"));
    server.file("boot.ipxe", b"#!ipxe\n# a file");
    assert_eq!(get(&server, "boot.ipxe"), "#!ipxe\n# a file");
}

#[test]
fn a_menu_is_made_where_no_file_is() {
    let server = Server::start(8);
    for (name, has) in [
        ("menu.ipxe", "# The boot menu of 02:00:00:00:00:01\n"),
        ("menu/52-54-00-12-34-56.ipxe", "# The boot menu of 52:54:00:12:34:56\n"),
        ("menu/52:54:00:12:34:56.ipxe", "# The boot menu of 52:54:00:12:34:56\n"),
        ("pxelinux.cfg/default", "DEFAULT one\nLABEL one\n"),
        ("efi64/pxelinux.cfg/default", "DEFAULT one\nLABEL one\n"),
        ("grub/grub.cfg", "menuentry 'one' --id 'one' {\n"),
        ("EFI/BOOT/grub.cfg", "menuentry 'one' --id 'one' {\n"),
    ] {
        let text = get(&server, name);
        assert!(text.contains(has), "{name}: {text}");
        let file = server.root().join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, "mine").unwrap();
        assert_eq!(get(&server, name), "mine");
    }
}

#[test]
fn other_names_bring_nothing() {
    let server = Server::start(8);
    server.file("x.cfg.tmpl", b"{{mac}}");
    for name in [
        "menu",
        "menu/52-54-00-12-34.ipxe",
        "menu/52-54-00-12-34-56-78.ipxe",
        "menu/+2-54-00-12-34-56.ipxe",
        "menu/a/52-54-00-12-34-56.ipxe",
        "sub/menu.ipxe",
        "mygrub.cfg",
        "pxelinux.cfg/01-52-54-00-12-34-56",
        "xpxelinux.cfg/default",
        "x.cfg",
        "b\u{fc}ro.ipxe",
    ] {
        let mut client = server.client();
        client.ask(name, "");
        assert_eq!(client.receive_text(), "\\x00\\x05\\x00\\x01file not found\\x00", "{name}");
    }
    let mut client = server.client();
    client.ask("menu/../menu.ipxe", "");
    assert!(client.receive_text().contains("name not allowed"));
}

#[test]
fn a_template_that_is_too_long_is_refused() {
    let server = Server::start(8);
    server.file("long.ipxe.tmpl", &vec![b'x'; 64 * 1024 + 1]);
    server.file("grows.ipxe.tmpl", &b"{{http}}".repeat(8000));
    server.file("fits.ipxe.tmpl", &vec![b'x'; 64 * 1024]);
    for name in ["long.ipxe", "grows.ipxe"] {
        let mut client = server.client();
        client.ask(name, "");
        assert!(client.receive_text().contains("cannot open file"), "{name}");
    }
    assert_eq!(get(&server, "fits.ipxe").len(), 64 * 1024);
}

/// A server with a template of 60 KiB, and a file.
fn with_big_text() -> Server {
    let server = Server::start(64);
    server.file("big.ipxe.tmpl", &vec![b'x'; 60 * 1024]);
    server.file("file", &content(1000));
    server
}

/// Clients at these hosts that each ask for the big text and take so many blocks of it, one after the other.
fn takers<const N: usize>(server: &Server, hosts: [u8; N], blocks: u16) -> [Client; N] {
    hosts.map(|host| {
        let mut client = server.client_at(host);
        client.ask("big.ipxe", "");
        assert_eq!(client.block(1).len(), 512, "for host {host}");
        for block in 1..=blocks {
            client.ack(block);
            client.block(block + 1);
        }
        client
    })
}

/// What is made for transfers in progress is bounded in all; who comes too late asks again, and files are sent all the same.
#[test]
fn many_that_ask_at_once_have_a_bound_together() {
    let server = with_big_text();
    let clients = takers(&server, [2, 3, 4, 5], 1);
    let mut fifth = server.client_at(6);
    fifth.ask("big.ipxe", "blksize=1024");
    assert!(server.client().get("file", 512, 1) == content(1000));
    assert!(!log_lines("makes no more texts while so many are being sent; 127.0.0.6").is_empty());
    // One gives up (ERROR 0), and its memory is free again.
    clients[0].send(b"\0\x05\0\0\0");
    logged("127.0.0.2 stopped big.ipxe");
    assert_eq!(server.client_at(6).get("big.ipxe", 1024, 1).len(), 60 * 1024);
}

/// Requests may be forged: texts that nobody takes make room for one that somebody wants.
#[test]
fn texts_that_nobody_takes_keep_nobody_out() {
    let server = with_big_text();
    let _forged = takers(&server, [2, 3, 4, 5], 0);
    assert_eq!(server.client_at(KNOWN).get("big.ipxe", 1024, 4).len(), 60 * 1024);
}

/// Nor do those that a few take as slowly as they may.
#[test]
fn one_machine_has_half_of_the_room_for_texts() {
    let server = with_big_text();
    let _slow = takers(&server, [2, 2], 1);
    server.client_at(2).ask("big.ipxe", "");
    logged("makes no more texts while so many are being sent; 127.0.0.2");
    let _slow_too = takers(&server, [3, 3], 1);
    assert_eq!(server.client_at(4).get("big.ipxe", 1024, 4).len(), 60 * 1024);
    // A menu is less than what any of these has.
    assert!(get(&server, "menu.ipxe").starts_with("#!ipxe"));
}

/// To make a text takes long, and the sender may be forged: so many are made for each machine, and so many for all that
/// nobody knows. Files are sent all the same.
#[test]
fn texts_are_made_so_often_and_no_more() {
    let server = Server::start(1024);
    server.file("file", &content(1000));
    let count = |hosts: std::ops::Range<u8>| {
        let mut clients: Vec<_> = hosts.map(|host| server.client_at(host)).collect();
        clients.iter_mut().for_each(|client| client.ask("menu.ipxe", ""));
        // Who asks later is answered later.
        assert!(server.client().get("file", 512, 1) == content(1000));
        clients.iter_mut().filter_map(|client| client.hears(Duration::from_millis(1))).count()
    };
    let begun = Instant::now();
    let forged = count(2..150);
    // 64 at once, and 20 a second.
    let at_most = 64 + 1 + (begun.elapsed().as_secs_f32() * 20.0) as usize;
    assert!((64..=at_most).contains(&forged), "{forged} of {at_most}");
    assert!(forged < 148);
    logged("raise option tftp_errors_client");
    assert_eq!(count(KNOWN..KNOWN + 10), 10, "machines that are there have their own");
}

/// A load is one when something came: who asks in another's name hears nothing, and so can't say so.
#[test]
fn what_was_only_asked_for_has_not_come() {
    let server = Server::start(8);
    server.file("short", &content(100));
    server.file("long", &content(2000));
    let came = |host| log_lines(&format!("news of 127.0.0.{host}: Arrives")).len();
    // Nobody is there: the kernel says so when the first block comes, and that was all of the file.
    server.client_at(31).ask("short", "");
    logged("news of 127.0.0.31: Ended");
    // EDK2 asks for the size, and stops (ERROR 8).
    let mut probe = server.client_at(32);
    probe.ask("long", "tsize=0");
    probe.receive();
    probe.send(b"\0\x05\0\x08no\0");
    logged("news of 127.0.0.32: Withdrawn");
    assert_eq!((came(31), came(32)), (0, 0));
    assert!(server.client_at(33).get("long", 512, 1) == content(2000));
    let mut first = server.client_at(34);
    first.ask("long", "");
    first.block(1);
    first.ack(1);
    first.block(2);
    logged("news of 127.0.0.34: Arrives");
    first.send(b"\0\x05\0\0\0");
    logged("news of 127.0.0.34: Ended");
    assert_eq!((came(33), came(34)), (1, 1));
}
