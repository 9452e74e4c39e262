//! A package on a router's own kernel: it serves, takes little memory, and sleeps while nothing boots.

use std::fs;
use std::net::UdpSocket;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::files::{TftpRoot, run_folder};
use crate::journal::Journal;
use crate::machine::{MALTA, Machine, VIRT};
use crate::net::Lan;
use crate::process::Process;
use crate::row::Row;
use crate::service::{boot_files, expect_boots, expect_dhcp_and_dns};

/// Emulated, beside other tests on two cores, a kernel takes its time.
const BOOT: Duration = Duration::from_secs(180);
const IDLE: Duration = Duration::from_secs(60);
const TRANSFERS: usize = 32;

/// KiB of memory, more than before, while [`TRANSFERS`] files are fetched.
const GROWTH: u64 = 64;

#[test]
fn mips() {
    serves_in_little_memory(&MALTA);
}

#[test]
fn arm() {
    serves_in_little_memory(&VIRT);
}

fn serves_in_little_memory(machine: &Machine) {
    let lan = Lan::new();
    // The router is the machine; here is only the wire.
    lan.router.ip("addr flush dev br-lan");
    let router = Router::start(machine, &lan);
    let started = router.status();
    let [at_first, in_use] = machine.resident;
    assert!(started.resident <= at_first, "{} KiB resident after the start, more than {at_first}", started.resident);

    assert_eq!(started.filters, 2, "the system calls are not filtered");

    expect_boots(&lan);
    expect_dhcp_and_dns(&lan);
    let served = router.status();
    assert!(served.resident <= in_use, "{} KiB resident once it has served, more than {in_use}", served.resident);

    let busy = fetch_at_once(&lan, &router);
    assert!(busy <= in_use, "{busy} KiB resident with {TRANSFERS} transfers, more than {in_use}");
    let growth = busy.saturating_sub(served.resident);
    assert!(growth <= GROWTH, "{growth} KiB more with {TRANSFERS} transfers, more than {GROWTH}");

    let (before, after) = hear_other_traffic(&lan, &router);
    let heard = after.heard - before.heard;
    assert!(heard > 1000, "the router heard no more than {heard} packets");
    assert_eq!(after.switches - before.switches, 0, "woken up by traffic of others");
    router.expect_jumps();
    println!(
        "{}: {} KiB resident after the start, {} after an exchange, {busy} with {TRANSFERS} transfers; {} wake-ups in \
         {} s with {heard} packets of others",
        machine.openwrt,
        started.resident,
        served.resident,
        after.switches - before.switches,
        IDLE.as_secs()
    );
}

/// The machine, switched on.
struct Router {
    _process: Process,
    console: Journal,
}

/// What the machine tells every second.
struct Status {
    resident: u64,
    switches: u64,
    heard: u64,
    /// 2 under a filter of system calls (proc(5), `Seccomp`).
    filters: u64,
}

impl Router {
    fn start(machine: &Machine, lan: &Lan) -> Router {
        let run = run_folder(&format!("openwrt-{}", machine.openwrt));
        let tftp = boot_files(TftpRoot::new(&run)).path;
        fs::write(tftp.join("large"), vec![7; 2 << 20]).unwrap();
        let image = run.join("root");
        machine.write_root(&package(machine), &tftp, &image);
        let kernel = machine.kernel();
        let append = machine.command_line();
        let netdev = format!("tap,id=lan,ifname={},script=no,downscript=no,vnet_hdr=off", lan.tap());
        let card = format!("{},netdev=lan,mac=52:54:00:aa:77:01", machine.network_card);
        let mut command: Vec<&str> = machine.qemu.split(' ').collect();
        command.extend(["-nodefaults", "-display", "none", "-serial", "stdio", "-no-reboot"]);
        command.extend(["-kernel", path(&kernel), "-initrd", path(&image), "-append", &append]);
        command.extend(["-netdev", &netdev, "-device", &card]);
        let console = Journal::new("console", &run, None);
        let process = Process::start(&lan.router.name, &command, &console);
        console.expect(0, &["ROUTER READY"], BOOT);
        Router { _process: process, console }
    }

    /// Fails unless the machine's clock went back by most of an hour, and not just once.
    fn expect_jumps(&self) {
        let lines = self.console.since(0, &["STATUS", "clock", "end"]);
        let times = lines.iter().map(|line| line.text.split_whitespace().skip_while(|&word| word != "clock").nth(1));
        let times: Vec<i64> = times.filter_map(|time| time?.parse().ok()).collect();
        let back = times.windows(2).filter(|pair| pair[1] < pair[0] - 3000).count();
        assert!(back > 10, "the clock went back {back} times only");
        Row(21, "the clock on the wall jumps an hour ahead and back, each second (on an emulated router)")
            .tell("machines boot, 32 files at once go on, and nothing wakes it up; DHCP and DNS go on", "nothing");
    }

    /// The next status that the machine tells.
    fn status(&self) -> Status {
        let line = self.console.expect(self.console.end(), &["STATUS", "end"], Duration::from_secs(20));
        let words: Vec<&str> = line.text.split_whitespace().collect();
        let value = |name: &str| {
            let at = words.iter().position(|&word| word == name);
            let value = at.and_then(|at| words.get(at + 1)).and_then(|word| word.parse().ok());
            value.unwrap_or_else(|| panic!("no {name} in '{}'", line.text))
        };
        Status {
            resident: value("resident"),
            switches: value("switches"),
            heard: value("heard"),
            filters: value("filters"),
        }
    }
}

fn path(path: &Path) -> &str {
    path.to_str().expect("no path here has anything but text in it")
}

/// What `openwrt/packages` made for the machine.
fn package(machine: &Machine) -> std::path::PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/openwrt/packages").join(machine.openwrt);
    let files = fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display())).flatten();
    let mut packages = files.map(|file| file.path()).filter(|path| path.extension().is_some_and(|end| end == "ipk"));
    packages.next().unwrap_or_else(|| panic!("no package in {}", folder.display()))
}

/// Fetches [`TRANSFERS`] files at the same time for some seconds; the most that was resident meanwhile.
fn fetch_at_once(lan: &Lan, router: &Router) -> u64 {
    let from = lan.address(1);
    let sockets: Vec<UdpSocket> = lan.client.inside(|| {
        let open = |_| {
            let socket = UdpSocket::bind((lan.address(2), 0)).unwrap();
            socket.set_nonblocking(true).unwrap();
            socket.send_to(b"\0\x01large\0octet\0", (from, 69)).unwrap();
            socket
        };
        (0..TRANSFERS).map(open).collect()
    });
    let mut fetched = vec![0; TRANSFERS];
    let mut most = 0;
    let deadline = Instant::now() + Duration::from_secs(10);
    let first_line = router.console.end();
    while Instant::now() < deadline {
        let mut packet = [0; 1024];
        for (socket, blocks) in sockets.iter().zip(&mut fetched) {
            if let Ok((4.., peer)) = socket.recv_from(&mut packet) {
                assert_eq!(packet[..2], [0, 3], "TFTP: {}", String::from_utf8_lossy(&packet[4..]));
                socket.send_to(&[0, 4, packet[2], packet[3]], peer).unwrap();
                *blocks += 1;
            }
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    for line in router.console.since(first_line, &["STATUS", "end"]) {
        let mut words = line.text.split_whitespace().skip_while(|&word| word != "resident");
        let resident = words.nth(1).and_then(|word| word.parse().ok());
        most = most.max(resident.unwrap_or(0));
    }
    assert!(fetched.iter().all(|&blocks| blocks > 1), "not all transfers went on: {fetched:?} blocks");
    for socket in &sockets {
        // An ERROR from the client's port ends its transfer, whatever port the server has chosen for it.
        let _ = socket.send_to(b"\0\x05\0\0\0", (from, 69));
    }
    most
}

/// Sends what other hosts send for [`IDLE`]; the status at both ends of it.
fn hear_other_traffic(lan: &Lan, router: &Router) -> (Status, Status) {
    // What was served before may be sent again for a while.
    std::thread::sleep(Duration::from_secs(45));
    let before = router.status();
    lan.client.inside(|| {
        let socket = UdpSocket::bind((lan.address(2), 0)).unwrap();
        socket.set_broadcast(true).unwrap();
        let deadline = Instant::now() + IDLE;
        while Instant::now() < deadline {
            // To the router itself, to everybody, to a group, and to everybody's DHCP client.
            for (address, port) in
                [([192, 168, 77, 1], 5000), ([255; 4], 5000), ([224, 0, 0, 251], 5353), ([255; 4], 68)]
            {
                let _ = socket.send_to(&[0; 300], (std::net::Ipv4Addr::from(address), port));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    });
    (before, router.status())
}
