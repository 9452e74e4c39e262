//! HTTP against TFTP: how long firmware and iPXE take to load 64 MB by either, from the same router. A measurement and no
//! test of anything, which nothing else may disturb: `cargo test --test lab race:: -- --ignored --nocapture --test-threads 1`.

use std::fs;
use std::time::Duration;

use crate::boot_run::House;
use crate::files::{Arch, TftpRoot, packaged};
use crate::net::USUAL;
use crate::vm::Firmware;
use crate::web;

/// Bytes of the file.
const SIZE: usize = 64 << 20;
/// Times that each way takes its turn.
const TURNS: usize = 5;
/// How long one load may take.
const PATIENCE: Duration = Duration::from_secs(300);

/// What the machine shows once it has the file.
const OVER: &str = "The race is over";

#[derive(Clone, Copy, PartialEq)]
enum Way {
    Tftp,
    Http,
}

#[test]
#[ignore = "a measurement, a quarter of an hour"]
fn ipxe_loads_an_initrd() {
    compare("iPXE in a BIOS, an initrd", |turn, way| {
        let server = if way == Way::Http { "http://192.168.77.1:8069" } else { "tftp://192.168.77.1" };
        let script = format!("#!ipxe\ninitrd {server}/large\necho {OVER}\nprompt\n");
        let fill = |root: TftpRoot| large(root, "large", &[]).text("boot.ipxe", &script);
        seconds(&format!("race-ipxe-{turn}"), "", Firmware::Bios, way, "/large", fill)
    });
}

#[test]
#[ignore = "a measurement, a quarter of an hour"]
fn edk2_loads_its_boot_file() {
    let ipxe = fs::read(packaged(Arch::Amd64, "usr/lib/ipxe/snponly.efi")).unwrap();
    compare("EDK2, its boot file", |turn, way| {
        let (firmware, also) = match way {
            Way::Http => (Firmware::OvmfHttp, "\toption http_base 'http://192.168.77.1:8069'\n"),
            Way::Tftp => (Firmware::Ovmf, ""),
        };
        // A program with much behind it; once it runs, all is over.
        let fill = |root: TftpRoot| {
            large(root, "snponly.efi", &ipxe).text("boot.ipxe", &format!("#!ipxe\necho {OVER}\nprompt\n"))
        };
        seconds(&format!("race-edk2-{turn}"), also, firmware, way, "snponly.efi", fill)
    });
}

/// A file that begins with `start`.
fn large(root: TftpRoot, name: &str, start: &[u8]) -> TftpRoot {
    let mut bytes = start.to_vec();
    bytes.resize(SIZE, 0x75);
    fs::write(root.path.join(name), bytes).unwrap();
    root
}

/// Lets the two ways take turns, and tells how many times faster the second was.
fn compare(what: &str, seconds: impl Fn(usize, Way) -> f64) {
    let mut turns: Vec<[f64; 3]> = Vec::new();
    for turn in 0..TURNS {
        let (tftp, http) = (seconds(turn, Way::Tftp), seconds(turn, Way::Http));
        println!("{what}, turn {turn}: TFTP {tftp:.2} s, HTTP {http:.2} s");
        turns.push([tftp, http, tftp / http]);
    }
    let spread = |at: usize| {
        let mut values: Vec<f64> = turns.iter().map(|turn| turn[at]).collect();
        values.sort_by(f64::total_cmp);
        format!("{:.2} ({:.2} to {:.2})", values[TURNS / 2], values[0], values[TURNS - 1])
    };
    println!("{what}, 64 MB: TFTP {} s, HTTP {} s: {} times faster", spread(0), spread(1), spread(2));
}

/// From the request for `name` to the last of its packets, on the machine's own wire.
fn seconds(
    name: &str,
    also: &str,
    firmware: Firmware,
    way: Way,
    file: &str,
    fill: impl FnOnce(TftpRoot) -> TftpRoot,
) -> f64 {
    let house = House::new(name, USUAL, "", None);
    let tftp = fill(house.tftp());
    let _web = web::serve(&house.lan.router, "192.168.77.1:8069", &tftp.path, &house.run, "web");
    let run = house.serve(also, &tftp);
    let vm = run.house.power_up(firmware.into());
    vm.console.expect(0, &[OVER], PATIENCE);
    drop(vm);
    let capture = fs::read(run.house.run.join("packets.pcap")).unwrap();
    let packets = packets(&capture);
    let (protocol, word) = match way {
        Way::Tftp => (17, format!("{}\0octet", file.trim_start_matches('/'))),
        Way::Http => (6, format!("GET /{} HTTP", file.trim_start_matches('/'))),
    };
    let is_it = |frame: &[u8]| frame.get(23) == Some(&protocol);
    // Firmware asks for the size first; the last time it means it.
    let asks = |frame: &[u8]| is_it(frame) && frame.windows(word.len()).any(|window| window == word.as_bytes());
    let start = packets.iter().rposition(|(_, frame)| frame.len() < 600 && asks(frame)).expect("a request");
    let its = || packets[start..].iter().filter(|(_, frame)| is_it(frame) && frame.len() > 1000);
    let bytes: usize = its().map(|(_, frame)| frame.len()).sum();
    assert!(bytes > SIZE, "{name}: only {bytes} bytes came");
    let end = its().next_back().expect("packets").0;
    let _ = fs::remove_dir_all(&run.house.run);
    end - packets[start].0
}

/// What a capture holds (pcap, little-endian, microseconds): each packet with its time in seconds.
fn packets(capture: &[u8]) -> Vec<(f64, &[u8])> {
    let (mut packets, mut rest) = (Vec::new(), &capture[24..]);
    while let [header @ .., _] = &rest[..rest.len().min(17)]
        && header.len() == 16
    {
        let number = |at: usize| u32::from_le_bytes(header[at..at + 4].try_into().unwrap());
        let end = (16 + number(8) as usize).min(rest.len());
        packets.push((f64::from(number(0)) + f64::from(number(4)) / 1e6, &rest[16..end]));
        rest = &rest[end..];
    }
    packets
}
