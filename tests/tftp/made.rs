//! Texts that are made when they are asked for: which names bring them, that files come before them, and their bounds.

use std::fs;

use super::{content, log_lines, logged};
use crate::peers::Server;

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

/// What is made for transfers in progress is bounded in all; who comes too late asks again, and files are sent all the same.
#[test]
fn many_that_ask_at_once_have_a_bound_together() {
    let server = Server::start(64);
    server.file("big.ipxe.tmpl", &vec![b'x'; 60 * 1024]);
    server.file("file", &content(1000));
    let mut clients: Vec<_> = (0..4).map(|_| server.client()).collect();
    for client in &mut clients {
        client.ask("big.ipxe", "");
        assert_eq!(client.block(1).len(), 512);
    }
    let mut fifth = server.client();
    fifth.ask("big.ipxe", "blksize=1024");
    assert!(server.client().get("file", 512, 1) == content(1000));
    assert!(!log_lines("makes no more texts").is_empty());
    // One gives up (ERROR 0), and its memory is free again.
    clients[0].send(b"\0\x05\0\0\0");
    logged("stopped big.ipxe");
    assert_eq!(server.client().get("big.ipxe", 1024, 1).len(), 60 * 1024);
}
