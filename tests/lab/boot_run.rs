//! One boot from power-on to Linux, beside dnsmasq and a bystander: the scene of the boot tests and the demonstration.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::bystander::{Bystander, is_probe_answered};
use crate::dnsmasq::{Dnsmasq, advertise_router};
use crate::files::{TftpRoot, run_folder};
use crate::journal::{Journal, Listener};
use crate::net::Lan;
use crate::process::Process;
use crate::upxe::Upxe;
use crate::vm::{Firmware, Vm};

/// How long firmware may take to its first DHCPDISCOVER.
const FIRMWARE: Duration = Duration::from_secs(60);

/// A router with dnsmasq and upxe, a bystander on its LAN, and a TFTP folder for one way to boot.
pub struct BootRun {
    run: PathBuf,
    token: String,
    listener: Option<Listener>,
    /// What is done to the others, between the lines of what they do.
    steps: Journal,
    // Dropped in this order, the network last.
    upxe: Upxe,
    dnsmasq: Dnsmasq,
    _advertisements: Process,
    bystander: Bystander,
    lan: Arc<Lan>,
}

impl BootRun {
    /// Sets the scene. `fill` lays the boot files out; the kernel must get the command line it is given.
    pub fn prepare(name: &str, listener: Option<Listener>, fill: impl FnOnce(TftpRoot, &str) -> TftpRoot) -> BootRun {
        let run = run_folder(name);
        // What an earlier run left on a console can't hold it.
        let token = format!("{name}-{}", std::process::id());
        let tftp = fill(TftpRoot::new(&run), &format!("rdinit=/init panic=-1 quiet lab={token}"));
        let steps = Journal::new("lab", &run, listener.clone());
        let lan = Arc::new(Lan::new());
        steps.record("made the network; starts dnsmasq, the laptop, upxe");
        let advertisements = advertise_router(&lan, &run);
        let dnsmasq = Dnsmasq::start(&[&lan], &run, listener.clone());
        let bystander = Bystander::start(&lan, &run, listener.clone());
        let upxe = Upxe::start(&[&lan], &tftp.path, &run, listener.clone());
        BootRun { run, token, listener, steps, upxe, dnsmasq, _advertisements: advertisements, bystander, lan }
    }

    /// Boots a machine until Linux says so; upxe must have offered it `files`, one after the other.
    /// Returns what its console showed.
    pub fn boot(&self, firmware: Firmware, architecture: &str, files: &[&str]) -> Journal {
        self.steps.record("switches the machine on");
        let mut vm = Vm::start(&self.lan, firmware, &self.run, self.listener.clone());
        self.dnsmasq.log.expect(0, &["DHCPDISCOVER", &vm.mac], FIRMWARE);
        self.steps.record("while the machine boots, the laptop renews its lease and looks up a name");
        self.bystander.live_on(&self.dnsmasq);
        vm.expect_mark(architecture, &self.token);
        self.steps.record("Linux has run and powered off; the laptop renews again");
        self.bystander.live_on(&self.dnsmasq);
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
    pub fn finish(mut self) {
        assert!(self.upxe.is_running(), "upxe ended:\n{}", self.upxe.log.tail());
        assert!(self.dnsmasq.is_running(), "dnsmasq ended:\n{}", self.dnsmasq.log.tail());
        self.bystander.was_answered_by_dhcp_only();
        self.steps.record("stops dnsmasq, and looks for DHCP servers as OpenWrt does before it starts its own");
        self.dnsmasq.stop();
        assert!(!is_probe_answered(&self.lan), "upxe answered a client that did not ask to boot");
        self.steps.record("nobody answered; ends upxe");
        let status = self.upxe.stop();
        assert!(status.success(), "upxe ended with {status}");
    }
}
