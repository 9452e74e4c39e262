//! One boot from power-on to Linux, beside dnsmasq and a bystander: the scene of the boot tests and the demonstration.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::bystander::{Bystander, is_probe_answered};
use crate::dnsmasq::{Dnsmasq, advertise_router};
use crate::files::{TftpRoot, run_folder};
use crate::journal::{Journal, Listener};
use crate::net::{Lan, USUAL};
use crate::process::Process;
use crate::upxe::{Recipe, Upxe};
use crate::vm::{Firmware, Machine, Vm};

/// How long firmware may take to its first DHCPDISCOVER.
const FIRMWARE: Duration = Duration::from_secs(60);

/// A router with dnsmasq, and a bystander on its LAN.
pub struct House {
    pub run: PathBuf,
    /// What Linux prints once it runs; what an earlier run left on a console can't hold it.
    pub token: String,
    listener: Option<Listener>,
    /// What is done to the others, between the lines of what they do.
    steps: Journal,
    // Dropped in this order, the network last.
    dnsmasq: Dnsmasq,
    _advertisements: Process,
    bystander: Bystander,
    pub lan: Arc<Lan>,
}

impl House {
    /// Sets the scene on the network `network`; `lines` are added to what OpenWrt tells its dnsmasq.
    pub fn new(name: &str, network: [u8; 3], lines: &str, listener: Option<Listener>) -> House {
        let run = run_folder(name);
        let token = format!("{name}-{}", std::process::id());
        let steps = Journal::new("lab", &run, listener.clone());
        let lan = Arc::new(Lan::of(network));
        steps.record("made the network; starts dnsmasq, the laptop, upxe");
        let advertisements = advertise_router(&lan, &run);
        let dnsmasq = Dnsmasq::with(&[&lan], lines, &run, listener.clone());
        let bystander = Bystander::start(&lan, &run, listener.clone());
        House { run, token, listener, steps, dnsmasq, _advertisements: advertisements, bystander, lan }
    }

    /// What the kernel must be told.
    pub fn command_line(&self) -> String {
        format!("rdinit=/init panic=-1 quiet lab={}", self.token)
    }

    /// Has dnsmasq give short leases, and write no more than it must.
    pub fn lease_for_minutes(&mut self) {
        self.dnsmasq.without("log-dhcp\n");
        self.dnsmasq.replace(",12h\n", ",2m\n");
        self.dnsmasq.stop();
        self.dnsmasq.resume();
    }

    /// An empty folder for upxe to serve.
    pub fn tftp(&self) -> TftpRoot {
        TftpRoot::new(&self.run)
    }

    /// Serves `files` by TFTP at `address`, which the LAN's client plays: another dnsmasq that does nothing else.
    pub fn serve_tftp(&self, address: &str, files: &TftpRoot) -> Process {
        let (root, listen) = (format!("--tftp-root={}", files.path.display()), format!("--listen-address={address}"));
        let command =
            ["dnsmasq", "-C", "/dev/null", "-k", "-p", "0", "--enable-tftp", &root, &listen, "--log-facility=-"];
        Process::start(&self.lan.client.name, &command, &Journal::new("nas", &self.run, None))
    }

    /// Starts upxe with a recipe's lines.
    pub fn follow(self, recipe: &Recipe<'_>, tftp: &TftpRoot) -> BootRun {
        let upxe = Upxe::with_recipe(&self.lan, recipe, &tftp.path, &self.run, self.listener.clone());
        BootRun { upxe, house: self }
    }

    /// Starts upxe with the usual settings and those of `also`.
    pub fn serve(self, also: &str, tftp: &TftpRoot) -> BootRun {
        let upxe = Upxe::also(&[&self.lan], also, &tftp.path, &self.run, self.listener.clone());
        BootRun { upxe, house: self }
    }

    /// Switches a machine on.
    pub fn power_up(&self, machine: Machine) -> Vm {
        self.power_up_on(&self.lan, machine)
    }

    /// The same on another network.
    pub fn power_up_on(&self, lan: &Lan, machine: Machine) -> Vm {
        self.steps.record("switches the machine on");
        Vm::start(lan, machine, &self.run, self.listener.clone())
    }
}

/// The house with upxe, and a TFTP folder for one way to boot.
pub struct BootRun {
    upxe: Upxe,
    pub house: House,
}

impl BootRun {
    /// Sets the scene. `fill` lays the boot files out; the kernel must get the command line it is given.
    pub fn prepare(name: &str, listener: Option<Listener>, fill: impl FnOnce(TftpRoot, &str) -> TftpRoot) -> BootRun {
        let house = House::new(name, USUAL, "", listener);
        let tftp = fill(house.tftp(), &house.command_line());
        let upxe = Upxe::start(&[&house.lan], &tftp.path, &house.run, house.listener.clone());
        BootRun { upxe, house }
    }

    /// Boots a machine until Linux says so; upxe must have offered it `files`, one after the other.
    /// Returns what its console showed.
    pub fn boot(&self, firmware: Firmware, architecture: &str, files: &[&str]) -> Journal {
        let vm = self.switch_on(firmware.into());
        self.expect_linux(vm, architecture, files)
    }

    /// Switches a machine on, and lives on while its firmware starts.
    pub fn switch_on(&self, machine: Machine) -> Vm {
        let vm = self.house.power_up(machine);
        self.live_on(&vm);
        vm
    }

    /// Lives on while the machine's firmware starts.
    pub fn live_on(&self, vm: &Vm) {
        self.house.dnsmasq.log.expect(0, &["DHCPDISCOVER", &vm.mac], FIRMWARE);
        self.house.steps.record("while the machine boots, the laptop renews its lease and looks up a name");
        self.house.bystander.live_on(&self.house.dnsmasq);
    }

    /// Kills dnsmasq once the machine has asked for an address, before it has one, and starts it again.
    pub fn kill_dnsmasq_for_a_moment(&mut self, vm: &Vm) {
        let House { dnsmasq, steps, .. } = &mut self.house;
        self.upxe.log.expect(0, &["DHCPOFFER(br-lan)", &vm.mac], FIRMWARE);
        steps.record("kills dnsmasq before it has answered, and starts it again");
        dnsmasq.kill();
        assert!(dnsmasq.log.since(0, &["DHCPOFFER", &vm.mac]).is_empty(), "dnsmasq was killed too late");
        dnsmasq.resume();
    }

    /// Where upxe answers how the boot goes.
    pub fn socket(&self) -> &Path {
        &self.upxe.socket
    }

    /// upxe itself.
    pub fn upxe(&self) -> &Upxe {
        &self.upxe
    }

    /// The laptop renews its lease and looks up a name.
    pub fn live_on_now(&self) {
        self.house.bystander.live_on(&self.house.dnsmasq);
    }

    /// What upxe says.
    pub fn log(&self) -> &Journal {
        &self.upxe.log
    }

    /// Waits until Linux has run on the machine; see [`BootRun::boot`].
    pub fn expect_linux(&self, mut vm: Vm, architecture: &str, files: &[&str]) -> Journal {
        vm.expect_mark(architecture, &self.house.token);
        self.house.steps.record("Linux has run and powered off; the laptop renews again");
        self.house.bystander.live_on(&self.house.dnsmasq);
        self.expect_offers(&vm.mac, files);
        vm.console
    }

    /// A machine may ask more than once at each step.
    fn expect_offers(&self, mac: &str, files: &[&str]) {
        let offers = self.upxe.log.since(0, &["DHCPOFFER(br-lan)", mac]);
        let mut texts = offers.iter().map(|line| line.text.as_str());
        for file in files {
            assert!(texts.any(|text| text.contains(file)), "no offer of {file} in its turn among {offers:#?}");
        }
    }

    /// Everybody else was served by dnsmasq alone, and without it by nobody.
    pub fn finish(self) {
        let BootRun { mut upxe, house } = self;
        let House { mut dnsmasq, bystander, steps, lan, .. } = house;
        assert!(upxe.is_running(), "upxe ended:\n{}", upxe.log.tail());
        assert!(dnsmasq.is_running(), "dnsmasq ended:\n{}", dnsmasq.log.tail());
        bystander.was_answered_by_dhcp_only();
        steps.record("stops dnsmasq, and looks for DHCP servers as OpenWrt does before it starts its own");
        dnsmasq.stop();
        assert!(!is_probe_answered(&lan), "upxe answered a client that did not ask to boot");
        steps.record("nobody answered; ends upxe");
        let status = upxe.stop();
        assert!(status.success(), "upxe ended with {status}");
    }
}
