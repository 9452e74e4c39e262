//! The demonstration: two machines boot Linux over the network while a timeline shows what each party does.
//!
//! `tests/demo` installs what it needs and runs it. It shows real programs at work; the scene is the lab's.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
// Of the lab's modules the tests use more than the demonstration.
#![allow(dead_code)]

#[path = "lab/boot_run.rs"]
mod boot_run;
#[path = "lab/bystander.rs"]
mod bystander;
#[path = "lab/client.rs"]
mod client;
#[path = "lab/disguise.rs"]
mod disguise;
#[path = "lab/dnsmasq.rs"]
mod dnsmasq;
#[path = "lab/elsewhere.rs"]
mod elsewhere;
#[path = "lab/files.rs"]
mod files;
#[path = "lab/initramfs.rs"]
mod initramfs;
#[path = "lab/journal.rs"]
mod journal;
#[path = "lab/loaders.rs"]
mod loaders;
#[path = "lab/net.rs"]
mod net;
#[path = "lab/process.rs"]
mod process;
#[path = "lab/sys.rs"]
mod sys;
#[path = "lab/upxe.rs"]
mod upxe;
#[path = "lab/vm.rs"]
mod vm;

use std::io::IsTerminal;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use boot_run::BootRun;
use files::TftpRoot;
use journal::{Line, Listener};
use vm::Firmware;

/// Who speaks in the timeline: the journal's source, the name shown, and its colour on a terminal (ECMA-48 SGR).
const PARTIES: &[(&str, &str, u8)] = &[
    ("lab", "lab", 1),
    ("dnsmasq", "dnsmasq", 33),
    ("upxe", "upxe", 32),
    ("console", "machine", 36),
    ("udhcpc", "laptop", 35),
];

/// What is worth showing of what firmware, loaders and Linux print.
const HIGHLIGHTS: &[&str] = &[
    "SeaBIOS",
    "Start PXE",
    "Station IP",
    "NBP filename",
    "NBP file downloaded",
    "iPXE 1.",
    "Configuring",
    "Next server",
    "Filename",
    "... ok",
    "UPXE-LAB-BOOTED",
    "Power down",
];

/// The longest line of the timeline.
const WIDTH: usize = 110;

/// A way to boot and what the audience is told about it.
struct Act {
    name: &'static str,
    title: &'static str,
    story: &'static str,
    firmware: Firmware,
    offers: &'static [&'static str],
    fill: fn(TftpRoot, &str) -> TftpRoot,
}

const ACTS: &[Act] = &[
    Act {
        name: "demo-bios",
        title: "a BIOS machine",
        story: "Its network card's boot ROM is iPXE. It gets its address from dnsmasq and from upxe the name of a \
                script,\nwhich it runs: fetch a kernel and an initramfs by TFTP, boot.",
        firmware: Firmware::Bios,
        offers: &["boot.ipxe"],
        fill: loaders::ipxe_script,
    },
    Act {
        name: "demo-uefi",
        title: "a UEFI machine",
        story: "Its firmware has a PXE client of its own (EDK2). upxe offers it iPXE for UEFI, and when that asks in its \
                turn,\nthe script: never iPXE again.",
        firmware: Firmware::Ovmf,
        offers: &["snponly.efi", "boot.ipxe"],
        fill: loaders::x64_ipxe,
    },
];

fn main() -> ExitCode {
    std::panic::set_hook(Box::new(|panic| {
        eprintln!("\nThe demonstration failed: {panic}\nLogs: target/lab/runs/demo-*")
    }));
    println!(
        "A router with an unmodified dnsmasq as OpenWrt starts it, upxe beside it on the same address, a laptop that is\n\
         already at home, and machines with empty disks. All of it in network namespaces of this machine; no KVM.\n\
         (dnsmasq first looks for three seconds whether an address is free, and only then logs the request and answers.)"
    );
    let started = Instant::now();
    let mut outcomes = Vec::new();
    for (number, act) in ACTS.iter().enumerate() {
        println!("\n{}. {} boots\n{}\n", number + 1, act.title, act.story);
        match std::panic::catch_unwind(|| play(act)) {
            Ok(outcome) => outcomes.push(outcome),
            Err(_) => return ExitCode::FAILURE,
        }
    }
    println!("\nSummary");
    outcomes.iter().for_each(|outcome| println!("  {outcome}"));
    println!(
        "  all of it took {:.0} s; full logs and packets: target/lab/runs/demo-*",
        started.elapsed().as_secs_f32()
    );
    println!("next: README, \"Install it\" puts upxe on a router, and \"Use it\" sets it up");
    ExitCode::SUCCESS
}

/// Plays an act from an empty stage to an empty stage, and says how it went.
fn play(act: &Act) -> String {
    let run = BootRun::prepare(act.name, Some(timeline()), act.fill);
    let power_on = Instant::now();
    run.boot(act.firmware, "x86_64", act.offers);
    let seconds = power_on.elapsed().as_secs_f32();
    run.finish();
    format!(
        "{}: power-on to Linux and off again in {seconds:.0} s, through {}; the laptop kept its lease and never heard \
         of it",
        act.title,
        act.offers.join(" and ")
    )
}

/// Prints what is worth showing, as it comes.
fn timeline() -> Listener {
    let (started, colours) = (Instant::now(), std::io::stdout().is_terminal());
    Arc::new(move |source, line| {
        let Some((_, party, colour)) = PARTIES.iter().find(|(name, ..)| *name == source) else { return };
        let Some(text) = worth_showing(source, line) else { return };
        let text: String = text.chars().take(WIDTH).collect();
        let elapsed = line.at.duration_since(started).as_secs_f32();
        if colours {
            println!("{elapsed:7.2}  \x1b[{colour}m{party:8}{text}\x1b[m");
        } else {
            println!("{elapsed:7.2}  {party:8}{text}");
        }
    })
}

fn worth_showing<'l>(source: &str, line: &'l Line) -> Option<&'l str> {
    let text = line.text.as_str();
    match source {
        // dnsmasq-dhcp[1234]: 3568016312 DHCPOFFER(br-lan) …
        "dnsmasq" => ["DHCPDISCOVER(", "DHCPOFFER(", "DHCPREQUEST(", "DHCPACK(", "DHCP, IP range", "query["]
            .iter()
            .find_map(|start| text.find(start))
            .map(|at| &text[at..]),
        // INFO [upxe] DHCPOFFER(br-lan) …
        "upxe" if text.starts_with("DEBUG") => None,
        "upxe" => Some(text.split_once("] ").map_or(text, |(_, said)| said)),
        "console" => HIGHLIGHTS.iter().any(|word| text.contains(word)).then_some(text),
        _ => Some(text.trim_start_matches("udhcpc: ")),
    }
}
