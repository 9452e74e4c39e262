//! Boots for as long as one likes, with all that happens to a router in a year, while memory, descriptors and CPU are
//! watched. `tests/soak` runs it; it is no part of the usual tests.

use std::time::{Duration, Instant};

use crate::boot_run::{BootRun, House};
use crate::client::{BIOS, Client, Kind, REQUEST, X64};
use crate::crowd::Crowd;
use crate::files::Arch;
use crate::loaders;
use crate::net::USUAL;
use crate::upxe::Upxe;
use crate::vm::Firmware;

/// Machines of one wave, and what lies between two: dnsmasq's leases of two minutes must be enough for all.
const WAVE: u16 = 10;
const BETWEEN: Duration = Duration::from_secs(10);
const MINUTE: Duration = Duration::from_secs(60);

/// One look at the process, while nothing is under way.
#[derive(Clone, Copy)]
struct Sample {
    resident: u64,
    /// What it has written to: its heap, stack and variables.
    own: u64,
    descriptors: u64,
    /// Hundredths of a second.
    cpu: u64,
}

impl Sample {
    fn of(upxe: &Upxe) -> Sample {
        let pid = upxe.pid();
        let rollup = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).expect("it must still run");
        let kib = |name: &str| {
            let line = rollup.lines().find_map(|line| line.strip_prefix(name)).expect("the kernel tells");
            line.trim().trim_end_matches(" kB").parse().unwrap()
        };
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
        let cpu = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
        let descriptors = std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count() as u64;
        Sample { resident: kib("Rss:"), own: kib("Anonymous:"), descriptors, cpu }
    }
}

#[test]
#[ignore = "takes an hour, or as long as it is told: tests/soak"]
fn mixed_boots() {
    let minutes = std::env::var("UPXE_SOAK_MINUTES").ok().and_then(|text| text.parse().ok()).unwrap_or(60);
    let mut house = House::new("soak", USUAL, "no-ping\n", None);
    house.lease_for_minutes();
    let tftp = loaders::ipxe_script(house.tftp(), &house.command_line())
        .packaged("undionly.kpxe", Arch::Amd64, "usr/lib/ipxe/undionly.kpxe")
        .packaged("snponly.efi", Arch::Amd64, "usr/lib/ipxe/snponly.efi");
    let run = house.serve("", &tftp);
    run.log().expect(0, &["listening"], Duration::from_secs(20));
    let good = std::fs::read_to_string(run.upxe().config.join("upxe")).unwrap().replace("'debug'", "'warn'");
    run.upxe().reload("upxe", &good);
    let mut soak = Soak {
        room: run.house.lan.machine(251),
        run,
        file: std::fs::read(tftp.path.join("undionly.kpxe")).unwrap(),
        good,
        boots: 0,
        waves: 0,
    };
    soak.room.ip("addr flush dev eth0");

    let start = Instant::now();
    let (mut samples, mut minute, mut roms) = (Vec::new(), 0, 0);
    while start.elapsed() < minutes * MINUTE {
        let wave = Instant::now();
        soak.boot_a_wave();
        samples.push(soak.settled());
        if start.elapsed() >= minute * MINUTE {
            minute += 1;
            soak.disturb(minute);
            if minute % 10 == 1 {
                soak.run.boot(Firmware::Bios, "x86_64", &[]);
                roms += 1;
            }
            let Sample { resident, own, descriptors, cpu } = samples[samples.len() - 1];
            println!(
                "soak: minute {minute}: {} boots, {roms} of a ROM; own memory {own} KiB, RSS {resident} KiB, \
                 {descriptors} descriptors, {}.{:02} s of CPU",
                soak.boots,
                cpu / 100,
                cpu % 100
            );
        }
        std::thread::sleep(BETWEEN.saturating_sub(wave.elapsed()));
    }
    let boots = soak.boots;
    // Fails if the process that was started is not the one that runs.
    soak.run.finish();
    verdict(&samples, boots, roms);
}

struct Soak {
    room: crate::net::Namespace,
    run: BootRun,
    file: Vec<u8>,
    good: String,
    boots: u32,
    waves: u16,
}

impl Soak {
    /// New machines each time: who boots again and again is in a loop.
    fn boot_a_wave(&mut self) {
        let (lan, first) = (&self.run.house.lan, self.waves.wrapping_mul(WAVE));
        self.waves = self.waves.wrapping_add(1) % (u16::MAX / WAVE);
        let crowd = || Crowd::new(first, WAVE, lan.address(1), "undionly.kpxe", &self.file, 10);
        let figures = self.room.inside(|| crowd().boot(MINUTE));
        self.boots += figures.times.len() as u32;
        for (number, kind) in
            [Kind::Pxe(BIOS), Kind::Pxe(X64), Kind::Ipxe(BIOS), Kind::Ipxe(X64), Kind::Plain].into_iter().enumerate()
        {
            let mac = format!("52:54:01:{:02x}:{:02x}:{number:02x}", first >> 8, first & 0xff);
            let client = Client::called(lan, &mac);
            let enough = if matches!(kind, Kind::Plain) {
                |reply: &crate::client::Reply| !reply.is_proxy()
            } else {
                |reply: &crate::client::Reply| reply.is_proxy()
            };
            assert!(!client.discover(kind, Duration::from_secs(5), enough).is_empty(), "no answer for {kind:?}");
            // From no port that the laptop may want just then.
            let _ = client.ask_boot_server_with(REQUEST, 50_068, lan.address(1), kind);
            let _ = client.read_file(lan.address(1), ["boot.ipxe", "snponly.efi", "no-such-file"][number % 3]);
        }
    }

    /// A look at the process once all transfers are over.
    fn settled(&self) -> Sample {
        let mut sample = Sample::of(self.run.upxe());
        // A transfer whose last ACK was lost stays for a while.
        for _ in 0..60 {
            std::thread::sleep(Duration::from_millis(500));
            let now = Sample::of(self.run.upxe());
            let is_settled = now.descriptors == sample.descriptors;
            sample = now;
            if is_settled {
                break;
            }
        }
        sample
    }

    /// What happens to a router: each minute a reload, now and then a broken one, and every third the bridge goes.
    fn disturb(&self, minute: u32) {
        let (upxe, lan) = (self.run.upxe(), &self.run.house.lan);
        if minute.is_multiple_of(5) {
            let from = self.run.log().end();
            upxe.reload("upxe", "config upxe 'main\n");
            self.run.log().expect(from, &["going on with the old one"], Duration::from_secs(20));
        }
        upxe.reload("upxe", &self.good);
        match minute % 6 {
            2 => {
                lan.router.ip("link set br-lan down");
                lan.router.ip("link set br-lan up");
            }
            4 => {
                lan.delete_bridge();
                lan.create_bridge();
                lan.router.ip("link set machine251 master br-lan");
                // The new bridge may have another hardware address; a laptop asks anew when its link was gone.
                lan.client.ip("neigh flush dev eth0");
            }
            _ => {}
        }
        self.run.live_on_now();
    }
}

/// Flat: in the last quarter no more memory of its own than in the second, but for pages that the allocator touches for the
/// first time while what is in use stays the same. They come to half of what one forgotten allocation a boot would: the least
/// takes 32 bytes (malloc(3), glibc). The program's code is not counted, of which a part that was never run before may be read
/// at any time.
fn verdict(samples: &[Sample], boots: u32, roms: u32) {
    let quarter = samples.len() / 4;
    let (early, late) = (&samples[quarter..(2 * quarter).max(quarter + 1)], &samples[samples.len() - quarter.max(1)..]);
    let most = |samples: &[Sample], of: fn(&Sample) -> u64| samples.iter().map(of).max().unwrap();
    let least = |samples: &[Sample], of: fn(&Sample) -> u64| samples.iter().map(of).min().unwrap();
    let (memory, files) =
        ((|it: &Sample| it.own) as fn(&Sample) -> u64, (|it: &Sample| it.descriptors) as fn(&Sample) -> u64);
    let (first, last) = (samples[0], samples[samples.len() - 1]);
    let touched = (u64::from(boots) / 2 * 16 / 1024).max(16);
    let flat = most(late, memory) <= most(early, memory) + touched && least(late, files) <= least(early, files);
    println!(
        "soak: {boots} boots and {roms} of a ROM; its own memory {} KiB at first, at most {} in the second quarter and {} in the \
         last; RSS {} KiB at first, {} at the end; {} descriptors at first, {} to {} in the last quarter; {}.{:02} s of CPU; no \
         restart: {}",
        first.own,
        most(early, memory),
        most(late, memory),
        first.resident,
        last.resident,
        first.descriptors,
        least(late, files),
        most(late, files),
        last.cpu / 100,
        last.cpu % 100,
        if flat { "flat" } else { "NOT FLAT" }
    );
    assert!(flat, "memory or descriptors grow");
}
