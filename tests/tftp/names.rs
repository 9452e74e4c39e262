//! What names lead to, and what is not served whatever its name.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::Command;

use super::logged;
use crate::peers::Server;

/// Each name leads to this file.
fn assert_leads(server: &Server, cases: &[(&str, &str)]) {
    fs::create_dir_all(server.root().join("Boot/x64")).unwrap();
    for file in ["Boot/x64/wdsnbp.com", "pxelinux.0", "undionly"] {
        server.file(file, file.as_bytes());
    }
    for (name, file) in cases {
        let mut client = server.client();
        client.ask(name, "");
        assert_eq!(client.rest(1, 512, 1), file.as_bytes(), "{name}");
    }
}

#[test]
fn backslashes_in_names_are_slashes() {
    let file = "Boot/x64/wdsnbp.com";
    assert_leads(&Server::start(8), &[("\\Boot\\x64\\wdsnbp.com", file), ("Boot\\x64/wdsnbp.com", file)]);
}

#[test]
fn an_absolute_path_that_names_the_root_is_served() {
    let server = Server::start(8);
    let absolute = format!("{}/pxelinux.0", server.root().display());
    assert_leads(
        &server,
        &[(&absolute, "pxelinux.0"), ("/pxelinux.0", "pxelinux.0"), ("//./pxelinux.0", "pxelinux.0")],
    );
}

#[test]
fn names_that_stand_in_for_each_other() {
    assert_leads(&Server::start(8), &[("pxelinux", "pxelinux.0"), ("undionly.0", "undionly")]);
}

const NOT_A_FILE: &str = "\\x00\\x05\\x00\\x01not a file\\x00";
const NOT_ALLOWED: &str = "\\x00\\x05\\x00\\x02not allowed\\x00";
const NAME_NOT_ALLOWED: &str = "\\x00\\x05\\x00\\x02name not allowed\\x00";

fn assert_refused(server: &Server, name: &str, error: &str) {
    let mut client = server.client();
    client.ask(name, "tsize=0");
    assert_eq!(client.receive_text(), error, "{name}");
}

#[test]
fn a_file_that_is_missing() {
    let server = Server::start(8);
    assert_refused(&server, "missing", "\\x00\\x05\\x00\\x01file not found\\x00");
    assert_eq!(logged("missing not found"), "INFO: TFTP file missing not found for 127.0.0.1");
}

#[test]
fn two_dots_in_any_spelling_are_refused() {
    let server = Server::start(8);
    fs::create_dir(server.root().join("folder")).unwrap();
    fs::write(server.around().join("secret"), "secret").unwrap();
    for name in ["../secret", "..\\secret", "/../secret", "\\..\\secret", "folder/../../secret", "folder/..", ".."] {
        assert_refused(&server, name, NAME_NOT_ALLOWED);
    }
}

#[test]
fn a_directory_is_refused() {
    let server = Server::start(8);
    fs::create_dir(server.root().join("folder")).unwrap();
    for name in ["folder", "folder/", "/", ""] {
        assert_refused(&server, name, NOT_A_FILE);
    }
}

#[test]
fn a_fifo_is_refused_at_once() {
    let server = Server::start(8);
    assert!(Command::new("mkfifo").arg(server.root().join("fifo")).status().unwrap().success());
    assert_refused(&server, "fifo", NOT_A_FILE);
}

#[test]
fn a_file_that_not_everybody_may_read_is_refused() {
    let server = Server::start(8);
    server.file("private", b"private");
    fs::set_permissions(server.root().join("private"), Permissions::from_mode(0o600)).unwrap();
    assert_refused(&server, "private", NOT_ALLOWED);
    assert!(logged("refused private").contains("not everybody may read it"));
}

#[test]
fn a_link_that_leaves_the_root_is_refused_unless_its_target_is_allowed() {
    let server = Server::start(8);
    fs::write(server.around().join("secret"), "secret").unwrap();
    fs::write(server.around().join("allowed/inside"), "inside").unwrap();
    symlink("../secret", server.root().join("out")).unwrap();
    symlink("../allowed/inside", server.root().join("in")).unwrap();
    assert_refused(&server, "out", NOT_ALLOWED);
    let (root, around) = (server.root(), server.around().canonicalize().unwrap());
    let line = logged("refused out to 127.0.0.1");
    let wanted = format!(
        "WARN: TFTP refused out to 127.0.0.1: it is a link to {}/secret, outside {}; \
         list tftp_allow '{}' would permit it",
        around.display(),
        root.display(),
        around.display()
    );
    assert_eq!(line, wanted);
    let mut client = server.client();
    client.ask("in", "");
    assert_eq!(client.rest(1, 512, 1), b"inside");
}

#[test]
fn names_in_the_log_are_escaped() {
    let server = Server::start(8);
    let mut client = server.client();
    client.knock(b"\0\x01evil\nINFO: TFTP sent\x1b[2J\0octet\0");
    client.receive();
    assert!(logged("evil").contains("evil\\nINFO: TFTP sent\\x1b[2J"));
}
