//! Things that break while a machine loads a file: what becomes of the file, of everybody else, and of the next boot.
//! Each test ends with a row of the README's table, once it has seen what the row says.

use std::fs;
use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::client::{ANSWER, BIOS, Client, Kind};
use crate::files::{TftpRoot, write};
use crate::journal::Journal;
use crate::process::{Process, run, try_run};
use crate::row::Row;
use crate::scene::{FILE, Scene, content};
use crate::service::{expect_boots, expect_boots_from, offers, until_ok};
use crate::upxe::Upxe;

const SOON: Duration = Duration::from_secs(20);
const NOTHING: &str = "nothing";
const WENT_ON: &str = "the file under way arrives whole; DHCP and DNS go on; the next machine boots";
const WENT_ON_AFTERWARDS: &str =
    "the file under way arrives whole once it is over; DHCP and DNS go on with it; the next machine boots";

#[test]
fn the_link_goes_down_and_up() {
    let scene = Scene::new(Row(1, "the LAN's link goes down and up"));
    let (loading, from) = (scene.load(), scene.upxe.log.end());
    scene.lan.router.ip("link set br-lan down");
    scene.upxe.log.expect(from, &["br-lan: is down"], SOON);
    scene.lan.router.ip("link set br-lan up");
    loading.arrives();
    scene.finish(WENT_ON_AFTERWARDS, NOTHING);
}

#[test]
fn the_router_changes_its_address() {
    let scene = Scene::new(Row(2, "the router gets another address, and later its old one again"));
    let loading = scene.load();
    // In this order: with the first address the kernel takes away all others of its network.
    scene.lan.router.ip("addr del 192.168.77.1/24 dev br-lan");
    scene.lan.router.ip("addr add 192.168.77.9/24 dev br-lan");
    expect_boots_from(&scene.lan, scene.lan.address(9));
    scene.lan.router.ip("addr del 192.168.77.9/24 dev br-lan");
    scene.lan.router.ip("addr add 192.168.77.1/24 dev br-lan");
    loading.arrives();
    scene.finish(
        "machines boot from the new address; the file under way arrives whole once the old one is back; DHCP and DNS \
         go on with it",
        NOTHING,
    );
}

#[test]
fn the_bridge_is_made_anew() {
    let scene = Scene::new(Row(3, "the bridge is deleted and made anew"));
    let (loading, from) = (scene.load(), scene.upxe.log.end());
    scene.lan.delete_bridge();
    scene.upxe.log.expect(from, &["br-lan: no such device"], SOON);
    scene.lan.create_bridge();
    loading.arrives();
    scene.finish(WENT_ON_AFTERWARDS, NOTHING);
}

#[test]
fn an_interface_appears_after_the_start() {
    let row = Row(4, "a network appears after the start");
    let scene = Scene::started(
        row,
        |run| TftpRoot::new(run).path,
        |lan, tftp, run| {
            let guest = lan.guest_to_be();
            Upxe::start(&[lan, &guest], tftp, run, None)
        },
    );
    let loading = scene.load();
    let guest = scene.lan.guest();
    expect_boots(&guest);
    scene.live_on();
    loading.arrives();
    scene.finish("machines boot on it, and on the others as before; DHCP and DNS go on", NOTHING);
}

#[test]
fn dnsmasq_is_killed_and_started_again() {
    let mut scene = Scene::new(Row(5, "dnsmasq is killed in the middle of a boot and started again"));
    let loading = scene.load();
    scene.dnsmasq.kill();
    loading.gets_on(10);
    expect_boots(&scene.lan);
    scene.dnsmasq.resume();
    scene.live_on();
    loading.arrives();
    scene.finish(
        "the file under way arrives whole; boot offers go on without it; DHCP and DNS go on with it",
        "what dnsmasq itself would have said",
    );
}

#[test]
fn another_proxy_answers_too() {
    let scene = Scene::new(Row(6, "a second proxyDHCP server is on the LAN"));
    let loading = scene.load();
    let other = scene.lan.machine(7);
    let command = "dnsmasq -C /dev/null -k -p 0 --interface=eth0 --bind-dynamic --log-dhcp --log-facility=- \
                   --dhcp-range=192.168.77.0,proxy --pxe-service=x86PC,Other,other";
    let command: Vec<&str> = command.split_whitespace().collect();
    let other = Process::start(&other.name, &command, &Journal::new("other", &scene.run, None));
    other.log.expect(0, &["proxy"], SOON);
    let (lan, router) = (&scene.lan, scene.lan.address(1));
    until_ok(|| {
        let offers = Client::new(lan, 1).discover(Kind::Pxe(BIOS), ANSWER, |_| false);
        let of = |address| offers.iter().filter(|offer| offer.is_proxy() && offer.from == (address, 67).into()).count();
        if (of(router), of(lan.address(7))) == (1, 1) { Ok(()) } else { Err(format!("not one of each: {offers:?}")) }
    });
    let quiet = scene.upxe.wakings();
    std::thread::sleep(Duration::from_secs(1));
    // The slow file makes it wake some seventy times a second.
    let wakings = scene.upxe.wakings() - quiet;
    assert!(wakings < 400, "the two keep each other busy: {wakings} wakings in a second");
    drop(other);
    scene.live_on();
    loading.arrives();
    scene.finish("both make their offer, and neither answers the other; the file under way arrives whole", NOTHING);
}

/// A file system of its own in the place of the TFTP folder, taken away at the end.
struct Stick {
    folder: PathBuf,
}

impl Stick {
    fn plug_in(folder: &Path, kind: &[&str]) -> Stick {
        let path = folder.to_str().unwrap();
        fs::create_dir_all(folder).unwrap();
        run(&[&["mount"], kind, &[path]].concat());
        run(&["chmod", "755", path]);
        Stick { folder: folder.to_owned() }
    }

    /// Takes it away from `upxe` without asking who uses it. `ip netns exec` gave that a mount namespace of its own.
    fn pull_out(&self, upxe: &Upxe) {
        run(&["nsenter", "-m", "-t", &upxe.pid().to_string(), "umount", "-l", self.folder.to_str().unwrap()]);
    }
}

impl Drop for Stick {
    fn drop(&mut self) {
        let _ = try_run(&["umount", "-l", self.folder.to_str().unwrap()]);
    }
}

#[test]
fn the_tftp_root_is_unmounted_and_mounted_again() {
    let mut stick = None;
    let scene = Scene::prepared(Row(7, "the TFTP folder's file system is unmounted, and mounted again"), |run| {
        let stick = stick.insert(Stick::plug_in(&run.join("stick"), &["-t", "tmpfs", "none"]));
        stick.folder.clone()
    });
    let (loading, from, stick) = (scene.load(), scene.upxe.log.end(), stick.unwrap());
    stick.pull_out(&scene.upxe);
    offers(&scene.lan, scene.lan.address(1), Kind::Pxe(BIOS), "undionly.kpxe").expect_err("there is no such file now");
    scene.upxe.log.expect(from, &["no boot file"], SOON);
    scene.live_on();
    loading.gets_on(10);
    let (pid, folder) = (scene.upxe.pid().to_string(), text(&scene.tftp));
    run(&["nsenter", "-m", "-t", &pid, "mount", "-t", "tmpfs", "-o", "mode=755", "none", folder]);
    crate::service::boot_files(TftpRoot { path: format!("/proc/{pid}/root{folder}").into() });
    loading.arrives();
    scene.finish(WENT_ON, "offers while there is nothing to offer: the log says which files are missing");
}

#[test]
fn the_tftp_root_is_replaced() {
    let scene = Scene::new(Row(8, "the TFTP folder is replaced by another with other files"));
    let loading = scene.load();
    fs::rename(&scene.tftp, scene.run.join("before")).unwrap();
    let files = TftpRoot { path: scene.tftp.clone() };
    fs::create_dir_all(&files.path).unwrap();
    crate::service::boot_files(files.text(FILE, "another"));
    let lan = &scene.lan;
    until_ok(|| match Client::new(lan, 3).read_file(lan.address(1), FILE) {
        Ok(file) if file == b"another" => Ok(()),
        other => Err(format!("{other:?}")),
    });
    scene.live_on();
    loading.arrives();
    scene.finish(
        "the file under way arrives whole, as it was; who asks then gets the new one; DHCP and DNS go on",
        NOTHING,
    );
}

#[test]
fn the_usb_stick_is_pulled_out() {
    let mut stick = None;
    let row = Row(9, "the USB stick with the files is pulled out: reading fails");
    let scene = Scene::prepared(row, |folder| {
        let image = folder.join("stick.img");
        fs::File::create(&image).unwrap().set_len(16 << 20).unwrap();
        run(&["mkfs.ext4", "-q", "-m", "0", text(&image)]);
        let stick = stick.insert(Stick::plug_in(&folder.join("stick"), &["-o", "loop", text(&image)]));
        stick.folder.clone()
    });
    // What was read ahead must not stand in for the stick.
    let loading = scene.load();
    run(&["sync", "-f", text(&scene.tftp)]);
    fs::OpenOptions::new().write(true).open(scene.run.join("stick.img")).unwrap().set_len(4096).unwrap();
    run(&["sh", "-c", "echo 1 >/proc/sys/vm/drop_caches"]);
    let end = loading.finish().expect_err("it cannot be read any more");
    assert!(end.contains("read error"), "{end}");
    scene.live_on();
    stick.unwrap().pull_out(&scene.upxe);
    let files = crate::service::boot_files(TftpRoot { path: scene.tftp.clone() });
    fs::write(files.path.join(FILE), content()).unwrap();
    scene.load().arrives();
    scene.finish(
        "the machine that is loading is told so by an ERROR; DHCP and DNS go on; with a stick in its place machines boot",
        "the transfer under way",
    );
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn the_file_becomes_unreadable_and_shorter() {
    let scene = Scene::new(Row(10, "the file is made unreadable, and then cut short"));
    let (first, second) = (scene.load(), scene.load());
    let path = scene.tftp.join(FILE);
    run(&["chmod", "000", text(&path)]);
    let lan = &scene.lan;
    let refused = Client::new(lan, 3).read_file(lan.address(1), FILE).expect_err("not everybody may read it");
    assert!(refused.to_string().contains("not allowed"), "{refused}");
    first.arrives();
    fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(3000).unwrap();
    let end = second.finish().expect_err("the rest is gone");
    assert!(end.contains("shorter"), "{end}");
    scene.finish(
        "while it is unreadable, the transfer under way arrives whole and new ones are refused; cut short, the machine that \
         is loading it is told so by an ERROR",
        "the transfer of the file that was cut short",
    );
}

/// Neither the log nor the place of the status socket has room.
#[test]
fn the_disk_is_full() {
    let mut full = None;
    let row = Row(11, "the disk is full: no room for the log, none for the status socket");
    let scene = Scene::started(
        row,
        |run| TftpRoot::new(run).path,
        |lan, tftp, run| {
            let full =
                full.insert(Stick::plug_in(&run.join("full"), &["-t", "tmpfs", "-o", "size=4k,nr_inodes=3", "none"]));
            write(&full.folder.join("filler"), &"x".repeat(4096));
            fs::write(full.folder.join("more"), "").unwrap();
            fs::write(full.folder.join("no more"), "").expect_err("it must be full");
            Upxe::writing_to("/dev/full", &full.folder.join("status"), lan, tftp, run)
        },
    );
    let loading = scene.load();
    scene.live_on();
    loading.arrives();
    drop(full);
    scene.finish(WENT_ON, "the log's lines, and `upxe status`");
}

#[test]
fn a_broken_configuration_is_loaded() {
    let scene = Scene::new(Row(12, "a broken configuration is loaded, and a good one after it"));
    let (loading, from) = (scene.load(), scene.upxe.log.end());
    let good = fs::read_to_string(scene.upxe.config.join("upxe")).unwrap();
    scene.upxe.reload("upxe", "config upxe 'main\n\toption enabled '1'\n");
    scene.upxe.log.expect(from, &["going on with the old one"], SOON);
    expect_boots(&scene.lan);
    scene.live_on();
    loading.gets_on(10);
    scene.upxe.reload("upxe", &good);
    scene.upxe.log.expect(from, &["configuration reloaded"], SOON);
    loading.arrives();
    scene.finish("the old one holds; the file under way arrives whole; DHCP and DNS go on; machines boot", NOTHING);
}

#[test]
fn there_are_no_more_descriptors() {
    let scene = Scene::new(Row(13, "there are no more file descriptors"));
    let loading = scene.load();
    let limits = |soft: &str| run(&["prlimit", "--pid", &scene.upxe.pid().to_string(), &format!("--nofile={soft}:")]);
    // What is open stays open; whatever is to be opened has too great a number.
    limits("1");
    let (lan, from) = (&scene.lan, scene.upxe.log.end());
    Client::new(lan, 3).read_file(lan.address(1), "boot.ipxe").expect_err("there is no descriptor for it");
    scene.upxe.log.expect(from, &["Too many open files"], SOON);
    scene.live_on();
    loading.gets_on(10);
    limits("1024");
    loading.arrives();
    scene.finish(WENT_ON, "answers to who asks meanwhile; it asks again by itself");
}

#[test]
fn memory_is_limited() {
    let scene = Scene::new(Row(14, "memory is limited to 64 MiB, and more than that is read"));
    let group = MemoryGroup::new("upxe-lab-memory", 64 << 20);
    group.take_in(scene.upxe.pid());
    let large = fs::File::create(scene.tftp.join("large")).unwrap();
    large.set_len(80 << 20).unwrap();
    let (loading, large) = (scene.load(), crate::scene::Loading::start(&scene.lan, "large"));
    let got = large.finish().expect("the large file");
    assert!(got.len() == 80 << 20 && got.iter().all(|byte| *byte == 0));
    scene.live_on();
    loading.arrives();
    println!("memory_is_limited: at most {} KiB of {} KiB", group.peak() / 1024, (64 << 20) / 1024);
    scene.finish(WENT_ON, NOTHING);
}

/// A control group that limits memory, of either version of the kernel's interface.
struct MemoryGroup {
    folder: PathBuf,
    old: bool,
}

impl MemoryGroup {
    fn new(name: &str, bytes: u64) -> MemoryGroup {
        let old = Path::new("/sys/fs/cgroup/memory/memory.limit_in_bytes").exists();
        let parent = if old { "/sys/fs/cgroup/memory" } else { "/sys/fs/cgroup" };
        let folder = Path::new(parent).join(format!("{name}-{}", std::process::id()));
        let _ = fs::remove_dir(&folder);
        fs::create_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
        let group = MemoryGroup { folder, old };
        write(&group.folder.join(if old { "memory.limit_in_bytes" } else { "memory.max" }), &bytes.to_string());
        group
    }

    fn take_in(&self, pid: u32) {
        write(&self.folder.join("cgroup.procs"), &pid.to_string());
    }

    fn peak(&self) -> u64 {
        let file = if self.old { "memory.max_usage_in_bytes" } else { "memory.peak" };
        fs::read_to_string(self.folder.join(file)).ok().and_then(|text| text.trim().parse().ok()).unwrap_or_default()
    }
}

impl Drop for MemoryGroup {
    fn drop(&mut self) {
        // Who is in it goes back to where all are.
        let parent = self.folder.parent().unwrap().join("cgroup.procs");
        for pid in fs::read_to_string(self.folder.join("cgroup.procs")).unwrap_or_default().lines() {
            let _ = fs::write(&parent, pid);
        }
        let _ = fs::remove_dir(&self.folder);
    }
}

/// What is at hand when a burst begins is enough for it: nothing grows with what strangers send.
#[test]
fn no_more_memory_is_to_be_had() {
    let scene = Scene::new(Row(15, "no more memory is to be had (RLIMIT_AS): every allocation from the system fails"));
    let loading = scene.load();
    let limit = |bytes: &str| run(&["prlimit", "--pid", &scene.upxe.pid().to_string(), &format!("--as={bytes}:")]);
    limit("4096");
    scene.live_on();
    expect_boots(&scene.lan);
    let more: Vec<_> = (0..6).map(|_| scene.load()).collect();
    for number in 20..60 {
        Client::new(&scene.lan, number).discover(Kind::Pxe(BIOS), Duration::from_millis(20), |_| false);
    }
    more.into_iter().for_each(crate::scene::Loading::arrives);
    // A configuration that takes more than what is at hand shows that the system says no, and is refused like any broken one.
    let (good, from) = (fs::read_to_string(scene.upxe.config.join("upxe")).unwrap(), scene.upxe.log.end());
    scene.upxe.reload("upxe", &format!("{good}\n{}", "# a comment\n".repeat(80_000)));
    scene.upxe.log.expect(from, &["out of memory"], SOON);
    scene.upxe.log.expect(from, &["going on with the old one"], SOON);
    expect_boots(&scene.lan);
    loading.arrives();
    limit("unlimited");
    scene.upxe.reload("upxe", &good);
    scene.upxe.log.expect(from, &["configuration reloaded"], SOON);
    scene.finish(
        "the old configuration holds; the files under way arrive whole; DHCP and DNS go on; machines boot",
        NOTHING,
    );
}

#[test]
fn it_is_stopped_for_a_while() {
    let scene = Scene::new(Row(16, "the process is stopped for three seconds (SIGSTOP, SIGCONT)"));
    let loading = scene.load();
    scene.upxe.signal(libc::SIGSTOP);
    let stopped = std::time::Instant::now();
    scene.live_on();
    std::thread::sleep(Duration::from_secs(3).saturating_sub(stopped.elapsed()));
    scene.upxe.signal(libc::SIGCONT);
    loading.arrives();
    scene.finish("DHCP and DNS go on; then the file under way arrives whole, and the next machine boots", NOTHING);
}

#[test]
fn the_send_queue_is_full() {
    let scene = Scene::new(Row(17, "the device's send queue is full (ENOBUFS)"));
    let (loading, from) = (scene.load(), scene.upxe.log.end());
    let router = &scene.lan.router.name;
    let tc = |words: &str| {
        let command = ["tc", "-n", router, "qdisc"].into_iter().chain(words.split_whitespace());
        run(&command.collect::<Vec<_>>())
    };
    tc("add dev br-lan root tbf rate 64kbit burst 1600 limit 3200");
    for round in 0.. {
        std::thread::scope(|scope| {
            for number in 20..50 {
                let lan = &scene.lan;
                scope.spawn(move || {
                    Client::new(lan, number).discover(Kind::Pxe(BIOS), Duration::from_millis(50), |_| false)
                });
            }
        });
        if scene.upxe.log.find(from, &["br-lan: sending", "No buffer space"], Duration::from_secs(1)).is_some() {
            break;
        }
        assert!(round < 10, "the queue was never full:\n{}", scene.upxe.log.tail());
    }
    tc("del dev br-lan root");
    loading.arrives();
    scene.finish(WENT_ON_AFTERWARDS, "offers that found no room; machines ask again by themselves");
}

#[test]
fn it_is_killed() {
    let mut scene = Scene::new(Row(18, "the process is killed, and started again"));
    let loading = scene.load();
    scene.upxe.kill();
    scene.live_on();
    scene.upxe = Upxe::start(&[&scene.lan], &scene.tftp, &scene.run, None);
    expect_boots(&scene.lan);
    scene.load().arrives();
    loading.give_up();
    scene.finish("DHCP and DNS go on; the next machine boots", "the transfer under way");
}

/// Two servers must never be set on each other, nor anybody be answered who did not ask.
#[test]
fn strays_and_servers_are_not_answered() {
    let scene = Scene::new(Row(19, "forged packets try to set it on another server"));
    let lan = &scene.lan;
    let (router, here) = (lan.address(1), lan.address(2));
    let answered = |port: u16, to: u16, packet: &[u8]| {
        lan.client.inside(|| {
            let socket = UdpSocket::bind((here, port)).unwrap();
            socket.set_read_timeout(Some(Duration::from_millis(250))).unwrap();
            socket.send_to(packet, (router, to)).unwrap();
            socket.recv_from(&mut [0; 2048]).is_ok()
        })
    };
    let request = b"\0\x01boot.ipxe\0octet\0";
    assert!(answered(0, 69, request), "what is right is answered");
    for stray in
        [&b"\0\x03\0\x01data"[..], b"\0\x04\0\x01", b"\0\x05\0\x04Illegal\0", b"\0\x06blksize\x00512\0", b"\0\x09", b""]
    {
        assert!(!answered(0, 69, stray), "{}", stray.escape_ascii());
    }
    let client = Client::new(lan, 5);
    let question = client.question(Kind::Pxe(BIOS));
    assert!(answered(4011, 4011, &question), "EDK2 asks from there");
    for port in [67, 69] {
        assert!(!answered(port, 69, request), "a request from port {port}");
        assert!(!answered(port, 69, b"\0\x01\0octet\0"), "a bad request from port {port}");
        assert!(!answered(port, 4011, &question), "a question from port {port}");
    }
    let mut reply = question.clone();
    reply[0] = 2;
    assert!(!answered(4011, 4011, &reply), "a reply (op 2) on port 4011");
    assert_eq!(client.reply_as_if_a_server(Kind::Pxe(BIOS)), 0, "a reply (op 2) on port 67");
    // Nobody on this network has that address.
    lan.client.ip("addr add 10.9.9.9/32 dev eth0");
    lan.router.ip("route add 10.9.9.9/32 dev br-lan");
    let away = lan.client.inside(|| {
        let socket = UdpSocket::bind("10.9.9.9:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(250))).unwrap();
        socket.send_to(request, (router, 69)).unwrap();
        socket.recv_from(&mut [0; 2048]).is_ok()
    });
    assert!(!away, "a request from another network");
    let loading = scene.load();
    loading.arrives();
    scene.finish("none is answered: stray packets, replies, requests from servers' ports, other networks", NOTHING);
}
