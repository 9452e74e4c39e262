//! Devices that do not take whole windows: the kernel here refuses them when a segment exceeds the MTU, which shrinks in
//! mid-transfer, on a loopback device in a network namespace of its own.

use std::process::Command;

use super::{content, log_lines, logged};
use crate::peers::Server;

fn ip(arguments: &[&str]) {
    assert!(Command::new("ip").args(arguments).status().unwrap().success(), "ip {arguments:?}");
}

#[test]
fn where_windows_are_refused_packets_leave_one_by_one() {
    let mut wrapped = Command::new("unshare");
    wrapped.args(["--net", "--map-root-user"]);
    if !wrapped.arg("true").status().is_ok_and(|status| status.success()) {
        return eprintln!("skipped: no network namespace to be had");
    }
    let mut wrapped = Command::new("unshare");
    wrapped.args(["--net", "--map-root-user"]).arg(std::env::current_exe().unwrap());
    let output = wrapped.args(["--ignored", "--exact", "segments::in_the_namespace"]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    assert!(String::from_utf8_lossy(&output.stdout).contains("1 passed"));
}

#[test]
#[ignore = "needs the network namespace that the test above makes"]
fn in_the_namespace() {
    ip(&["link", "set", "lo", "mtu", "1500", "up"]);
    let server = Server::start(8);
    let file = content(200_000);
    server.file("shrinking", &file);
    let mut client = server.client();
    client.ask("shrinking", "blksize=8192 windowsize=16");
    assert_eq!(client.receive_text(), "\\x00\\x06blksize\\x001468\\x00windowsize\\x0016\\x00");
    client.ack(0);
    let mut received: Vec<u8> = (1..=16).flat_map(|number| client.block(number)).collect();
    assert!(log_lines("no segmented sends").is_empty());
    ip(&["link", "set", "lo", "mtu", "1000"]);
    client.ack(16);
    received.extend(client.rest(17, 1468, 16));
    assert!(received == file);
    assert!(logged("no segmented sends").contains("packets leave one by one"));
    assert!(logged("sent shrinking").ends_with(" 0 resent"));
    // The device is remembered: it isn't tried again, and what fits its MTU arrives whole.
    let mut client = server.client();
    client.ask("shrinking", "blksize=1468 windowsize=16");
    assert_eq!(client.receive_text(), "\\x00\\x06blksize\\x00968\\x00windowsize\\x0016\\x00");
    client.ack(0);
    assert!(client.rest(1, 968, 16) == file);
    assert_eq!(log_lines("no segmented sends").len(), 1);
}
