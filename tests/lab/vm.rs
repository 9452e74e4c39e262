//! The machines that boot: QEMU without KVM, with the firmware that real ones have.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::disguise::Disguise;
use crate::files::{Arch, packaged};
use crate::initramfs::MARK;
use crate::journal::{Journal, Listener};
use crate::net::Lan;
use crate::process::Process;

/// The longest a machine may take from power-on to power-off; a fifth of it is usual on two cores.
const PATIENCE: Duration = Duration::from_secs(180);

/// QEMU's name of the network card's other end.
const NETDEV: &str = "lan";

/// A machine's firmware.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Firmware {
    /// SeaBIOS, and iPXE as the network card's boot ROM.
    Bios,
    /// EDK2 with its own PXE, x64.
    Ovmf,
    /// The same with Secure Boot on and Microsoft's keys, as PCs are sold.
    OvmfSecureBoot,
    /// EDK2 with its own PXE, ARM64.
    Aavmf,
    /// EDK2 for x64 with PXE switched off, so that it boots by HTTP.
    OvmfHttp,
}

/// A machine to switch on.
#[derive(Clone, Copy)]
pub struct Machine {
    pub firmware: Firmware,
    pub disguise: Option<Disguise>,
}

impl From<Firmware> for Machine {
    fn from(firmware: Firmware) -> Machine {
        Machine { firmware, disguise: None }
    }
}

/// A running machine with one network card on the LAN and a serial console.
pub struct Vm {
    process: Process,
    pub console: Journal,
    pub mac: String,
    pub uuid: String,
}

impl Vm {
    /// Switches a machine on. Its console and its packets are kept in `run`.
    pub fn start(lan: &Lan, machine: Machine, run: &Path, listener: Option<Listener>) -> Vm {
        let Machine { firmware, disguise } = machine;
        let tap = lan.tap();
        let mac = format!("52:54:00:{:02x}:00:{:02x}", lan.address(1).octets()[2], firmware as u8 + 1);
        let uuid = format!("0017001e-8c00-00ad-5087-{}", mac.replace(':', ""));
        let mut command = bare(firmware);
        command.extend(["-uuid".to_owned(), uuid.clone()]);
        command.extend(pflash(firmware, run));
        command.extend(network_card(firmware, &tap, &mac, run));
        command.extend(disguise.into_iter().flat_map(|disguise| disguise.put_on(&lan.router, NETDEV)));
        let console = Journal::new("console", run, listener);
        let words: Vec<&str> = command.iter().map(String::as_str).collect();
        let process = Process::start(&lan.router.name, &words, &console);
        Vm { process, console, mac, uuid }
    }

    /// Types `keys` on its serial console.
    pub fn type_in(&mut self, keys: &str) {
        self.process.type_in(keys);
    }

    /// Waits until Linux has printed the mark with `token`, and for the power-off.
    pub fn expect_mark(&mut self, architecture: &str, token: &str) {
        self.console.expect(0, &[MARK, architecture, token], PATIENCE);
        assert!(self.process.wait(Duration::from_secs(20)).is_some(), "the machine did not power off");
    }
}

/// The bare machine: no devices but those it boots and speaks with.
fn bare(firmware: Firmware) -> Vec<String> {
    let (program, machine) = match firmware {
        // Without graphics SeaBIOS, and with it iPXE and pxelinux, use the serial port.
        Firmware::Bios => ("qemu-system-x86_64", "-machine q35,graphics=off -m 256"),
        Firmware::Ovmf => ("qemu-system-x86_64", "-machine q35 -m 256"),
        Firmware::OvmfHttp => (
            "qemu-system-x86_64",
            "-machine q35 -m 256 -fw_cfg name=opt/org.tianocore/IPv4PXESupport,string=n \
             -fw_cfg name=opt/org.tianocore/IPv6PXESupport,string=n",
        ),
        // The firmware keeps its keys from the system by system management mode.
        Firmware::OvmfSecureBoot => (
            "qemu-system-x86_64",
            "-machine q35,smm=on -m 512 -global driver=cfi.pflash01,property=secure,value=on \
             -global ICH9-LPC.disable_s3=1",
        ),
        // Newer cores cost TCG more: it computes their pointer authentication.
        Firmware::Aavmf => ("qemu-system-aarch64", "-machine virt -cpu cortex-a57 -m 512"),
    };
    let rest = "-accel tcg,tb-size=256 -nodefaults -no-user-config -no-reboot -display none -serial stdio";
    format!("{program} {machine} {rest}").split_whitespace().map(str::to_owned).collect()
}

/// The firmware in flash, with a fresh copy of its variables.
fn pflash(firmware: Firmware, run: &Path) -> Vec<String> {
    let (code, variables) = match firmware {
        Firmware::Bios => return Vec::new(),
        Firmware::Ovmf | Firmware::OvmfHttp => ("OVMF/OVMF_CODE_4M.fd", "OVMF/OVMF_VARS_4M.fd"),
        Firmware::OvmfSecureBoot => ("OVMF/OVMF_CODE_4M.ms.fd", "OVMF/OVMF_VARS_4M.ms.fd"),
        Firmware::Aavmf => ("AAVMF/AAVMF_CODE.fd", "AAVMF/AAVMF_VARS.fd"),
    };
    // Both packages are for all architectures.
    let share = |name: &str| packaged(Arch::Amd64, &format!("usr/share/{name}"));
    let copy: PathBuf = run.join("variables.fd");
    fs::copy(share(variables), &copy).unwrap_or_else(|e| panic!("{}: {e}", copy.display()));
    vec![
        "-drive".to_owned(),
        format!("if=pflash,unit=0,format=raw,readonly=on,file={}", share(code).display()),
        "-drive".to_owned(),
        format!("if=pflash,unit=1,format=raw,file={}", copy.display()),
    ]
}

/// One network card, the only thing to boot from.
fn network_card(firmware: Firmware, tap: &str, mac: &str, run: &Path) -> Vec<String> {
    // EDK2 drives the card itself when it has no ROM; QEMU's own ROM is iPXE.
    let rom = if firmware == Firmware::Bios { "" } else { ",romfile=" };
    vec![
        "-netdev".to_owned(),
        // With vnet_hdr the packets in the file would carry a header that no reader of it expects.
        format!("tap,id={NETDEV},ifname={tap},script=no,downscript=no,vnet_hdr=off"),
        "-device".to_owned(),
        format!("virtio-net-pci,netdev={NETDEV},mac={mac},bootindex=0{rom}"),
        "-object".to_owned(),
        format!("filter-dump,id=packets,netdev={NETDEV},file={}", run.join("packets.pcap").display()),
    ]
}
