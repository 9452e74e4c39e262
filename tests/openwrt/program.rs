//! One program, run beside dnsmasq on the lab's router, natively or under qemu-user.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::dnsmasq::Dnsmasq;
use crate::files::{self, TftpRoot, run_folder};
use crate::journal::Journal;
use crate::net::Lan;
use crate::process::{Process, run};
use crate::service::{boot_files, expect_boots, expect_dhcp_and_dns};
use crate::upxe::program;

/// A user that every Debian has, and its number.
const USER: (&str, &str) = ("nobody", "65534");
/// Of all capabilities CAP_NET_RAW alone (capability.h: number 13), as `/proc` shows it.
const PACKETS_ONLY: &str = "0000000000002000";
/// Numbers of devices that read the same in either byte order: qemu-user leaves the bytes of an `in_pktinfo` as the kernel
/// has them, and the program, on a CPU of the other order, would not know the device again.
const NUMBERS: [&str; 2] = ["index 16777217", "index 33554434"];

#[test]
fn it_serves_as_a_user_and_finds_a_bridge_that_is_made_anew() {
    let lan = Lan::new();
    lan.delete_bridge();
    lan.create_bridge_with(NUMBERS[0]);
    let run = run_folder("openwrt-program");
    // The user must get at the files, wherever the repository is.
    let shared = std::env::temp_dir().join(format!("upxe-openwrt-{}", std::process::id()));
    let tftp = boot_files(TftpRoot::new(&shared)).path;
    fs::set_permissions(&shared, fs::Permissions::from_mode(0o755)).unwrap();
    files::write(&run.join("upxe"), &format!("config upxe 'main'\n\toption user '{}'\n", USER.0));
    let mut dnsmasq = Dnsmasq::start(&[&lan], &run, None);

    let (program, config) = (program(), run.to_string_lossy());
    let (program, tftp) = (program.to_string_lossy(), tftp.to_string_lossy());
    let command = [&*program, "run", "-c", &config, "-i", "br-lan", "--tftp-root", &tftp];
    let mut upxe = Process::start(&lan.router.name, &command, &Journal::new("upxe", &run, None));
    expect_boots(&lan);
    expect_dhcp_and_dns(&lan);
    assert_eq!(credentials(&lan), (USER.1.to_owned(), PACKETS_ONLY.to_owned()));

    lan.delete_bridge();
    lan.create_bridge_with(NUMBERS[1]);
    expect_boots(&lan);
    assert!(dnsmasq.is_running());
    assert!(upxe.stop().success());
    let _ = fs::remove_dir_all(shared);
}

/// The user that upxe runs as, and what it may do.
fn credentials(lan: &Lan) -> (String, String) {
    let pids = run(&["ip", "netns", "pids", &lan.router.name]);
    let statuses = pids.split_whitespace().map(|pid| {
        let read = |file| fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap_or_default();
        (read("cmdline"), read("status"))
    });
    let mut ours = statuses.filter(|(command, _)| command.contains("upxe\0run\0"));
    let (_, status) = ours.next().expect("upxe does not run");
    let field = |name| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|values| values.split_whitespace().next()).unwrap_or_default().to_owned()
    };
    (field("Uid:"), field("CapPrm:"))
}
