//! A computer room is switched on, on a bad line, while somebody floods the router with garbage.

use std::net::{Ipv4Addr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::bystander::Bystander;
use crate::crowd::{Crowd, datagram};
use crate::dnsmasq::Dnsmasq;
use crate::files::{TftpRoot, run_folder};
use crate::net::Lan;
use crate::row::Row;
use crate::service::{boot_files, expect_boots};
use crate::sys;
use crate::upxe::Upxe;

const MACHINES: u16 = 250;
const FILE: &str = "undionly.kpxe";
const SIZE: usize = 300 * 1024 + 1;
/// In thousands, each way.
const LOSS: u64 = 50;
/// Packets a second, half of them DHCP and half TFTP.
const FLOOD: u32 = 20_000;
const PATIENCE: Duration = Duration::from_secs(120);

#[test]
fn a_computer_room_is_switched_on_in_a_flood() {
    let run = run_folder("storm");
    let tftp = boot_files(TftpRoot::new(&run)).path;
    let file: Vec<u8> = (0..SIZE as u32).map(|at| at.wrapping_mul(0x9e37_79b9).to_be_bytes()[1]).collect();
    std::fs::write(tftp.join(FILE), &file).unwrap();
    let lan = Arc::new(Lan::new());
    // Addresses for all. To look first whether each is in use would take dnsmasq longer than all the rest.
    let ranges = ["3,192.168.77.99", "250,192.168.77.254"];
    let ranges = ranges.map(|range| format!("dhcp-range=set:br-lan,192.168.77.{range},255.255.255.0,12h\n"));
    let mut dnsmasq = Dnsmasq::with(&[&lan], &(ranges.concat() + "no-ping\n"), &run, None);
    // As OpenWrt ships it: it has better things to do in a flood than to write twenty lines for each request.
    dnsmasq.without("log-dhcp\n");
    dnsmasq.stop();
    dnsmasq.resume();
    let bystander = Bystander::start(&lan, &run, None);
    let quiet =
        format!("{}\toption log_level 'info'\n", crate::upxe::settings(&[&lan], &tftp).replace("'debug'", "'info'"));
    let mut upxe = Upxe::start(&[&lan], &tftp, &run, None);
    until_served(&lan);
    upxe.reload("upxe", &quiet);
    until_served(&lan);

    let (room, vandal) = (lan.machine(251), lan.machine(252));
    // The machines have addresses of their own; who is in the room's namespace would answer for them.
    room.ip("addr flush dev eth0");
    vandal.ip("addr flush dev eth0");
    let ended = AtomicBool::new(false);
    let router = lan.address(1);
    let before = usage(upxe.pid());
    let start = Instant::now();
    let (figures, flood) = std::thread::scope(|scope| {
        let flood = scope.spawn(|| vandal.inside(|| flood(lan.address(2), router, &router_mac(&lan), &ended)));
        let end = EndOfFlood(&ended);
        let figures = room.inside(|| Crowd::new(0, MACHINES, router, FILE, &file, LOSS).boot(PATIENCE));
        drop(end);
        (figures, flood.join().unwrap())
    });
    let (took, after) = (start.elapsed(), usage(upxe.pid()));
    println!(
        "storm: {MACHINES} machines with {SIZE} bytes each in {:.1} s (median {:.1} s, slowest {:.1} s; up to the first \
         request for a file: median {:.1} s, slowest {:.1} s); {} packets sent, {} \
         received, {} lost, {} tries again, {} files begun anew; flood {:.0} packets/s; upxe {:.1} s of CPU, {} KiB at most",
        took.as_secs_f32(),
        figures.times[figures.times.len() / 2].as_secs_f32(),
        figures.times.last().unwrap().as_secs_f32(),
        figures.asked[figures.asked.len() / 2].as_secs_f32(),
        figures.asked.last().unwrap().as_secs_f32(),
        figures.sent,
        figures.received,
        figures.lost,
        figures.retries,
        figures.anew,
        f64::from(flood) / took.as_secs_f64(),
        (after.0 - before.0) as f32 / 100.0,
        after.1,
    );
    assert_eq!(figures.times.len(), usize::from(MACHINES));
    assert!(f64::from(flood) >= 0.75 * f64::from(FLOOD) * took.as_secs_f64(), "that was no flood");
    bystander.live_on(&dnsmasq);
    bystander.was_answered_by_dhcp_only();
    assert!(dnsmasq.is_running(), "dnsmasq ended:\n{}", dnsmasq.log.tail());
    std::fs::write(tftp.join(FILE), "for BIOS").unwrap();
    expect_boots(&lan);
    assert!(upxe.is_running() && upxe.stop().success(), "{}", upxe.log.tail());
    Row(20, "250 machines are switched on at once; 5 % of all packets are lost each way; 20,000 packets of garbage a second").tell(
        "every machine gets its lease, its offer, its answer on port 4011 and its file, byte for byte; DHCP and DNS go on",
        "nothing",
    );
}

fn until_served(lan: &Lan) {
    use crate::client::{BIOS, Kind};
    crate::service::until_ok(|| crate::service::offers(lan, lan.address(1), Kind::Pxe(BIOS), FILE));
}

fn router_mac(lan: &Lan) -> [u8; 6] {
    let text = lan.router.ip("-br link show dev br-lan");
    let word = text.split_whitespace().find(|word| word.matches(':').count() == 5).expect("the bridge has an address");
    let bytes: Vec<u8> = word.split(':').map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect();
    bytes.try_into().unwrap()
}

/// Hundredths of a second of CPU so far, and KiB of memory at most.
fn usage(pid: u32) -> (u64, u64) {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<u64> =
        stat.rsplit(')').next().unwrap().split_whitespace().map(|it| it.parse().unwrap_or(0)).collect();
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    (fields[11] + fields[12], peak.trim().trim_end_matches(" kB").parse().unwrap())
}

/// Ends the flood, also when a machine didn't boot.
struct EndOfFlood<'a>(&'a AtomicBool);

impl Drop for EndOfFlood<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Sends garbage until `ended` is set, TFTP in the name of `here`, and tells how much of it the device took. None of the
/// machines may have that address: whoever sends in a machine's name uses up what is that machine's.
fn flood(here: Ipv4Addr, router: Ipv4Addr, router_mac: &[u8; 6], ended: &AtomicBool) -> u32 {
    let socket: UdpSocket = sys::packet_socket("eth0").expect("a packet socket for the flood");
    let frames = garbage(here, router, *router_mac);
    let (start, mut tried, mut sent) = (Instant::now(), 0, 0);
    while !ended.load(Ordering::Relaxed) {
        let due = (start.elapsed().as_micros() as u64 * u64::from(FLOOD) / 1_000_000) as u32;
        while tried < due {
            sent += u32::from(socket.send(&frames[tried as usize % frames.len()]).is_ok());
            tried += 1;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    sent
}

/// Half DHCP, half TFTP: noise, and what looks right up to some point.
fn garbage(here: Ipv4Addr, router: Ipv4Addr, router_mac: [u8; 6]) -> Vec<Vec<u8>> {
    let mac = [0x52, 0x54, 0x66, 0, 0, 1];
    let mut dice = 0x2545_f491_4f6c_dd1du64;
    let mut byte = move || {
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (dice >> 56) as u8
    };
    let mut frames = Vec::new();
    for number in 0..1024u16 {
        let mut message = vec![0; 300];
        (message[0], message[1], message[2]) = (1, 1, 6);
        message[28..34].copy_from_slice(&mac);
        message[236..243].copy_from_slice(&[99, 130, 83, 99, 53, 1, 1]);
        match number % 64 {
            0 => message.iter_mut().for_each(|it| *it = byte()),
            // One machine that boots without end: dnsmasq answers it as well, and has a log to write.
            1 => {
                message[243..259].copy_from_slice(b"\x3c\x09PXEClient\x5d\x02\0\0\xff");
            }
            // Replies, no cookie, options that overrun.
            2..20 => message[0] = 2,
            20..40 => message[236] = 0,
            _ => message[241..].iter_mut().for_each(|it| *it = byte() | 0x80),
        }
        frames.push(datagram(mac, Ipv4Addr::UNSPECIFIED, [0xff; 6], Ipv4Addr::BROADCAST, [68, 67], &message));
        let packet = match number % 8 {
            0 => (0..64).map(|_| byte()).collect(),
            1 => b"\0\x03\0\x01data".to_vec(),
            2 => b"\0\x04\0\x01".to_vec(),
            3 => b"\0\x05\0\0no\0".to_vec(),
            4 => b"\0\x02x\0octet\0".to_vec(),
            5 => b"\0\x01no-such-file\0octet\0".to_vec(),
            6 => b"\0\x01undionly.kpxe\0octet\0blksize\x001468\0windowsize\x0064\0".to_vec(),
            _ => b"\0\x01undionly.kpxe\0octet".to_vec(),
        };
        frames.push(datagram(mac, here, router_mac, router, [1024 + number, 69], &packet));
    }
    frames
}
