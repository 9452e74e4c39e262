//! The rest of the house: a client that never boots from the network, and must never notice that others do.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::client::{self, Reply};
use crate::dnsmasq::{Dnsmasq, ROUTER_NAME};
use crate::files::{self, Arch, packaged};
use crate::journal::{Journal, Listener};
use crate::net::Lan;
use crate::process::{Process, try_run};

const PATIENCE: Duration = Duration::from_secs(20);

/// A lease that really is in use: the client can send from its address, as a direct renewal must.
const SCRIPT: &str = "#!/bin/sh\n[ \"$1\" != bound ] || ip addr add \"$ip/24\" dev \"$interface\"\n";

/// busybox udhcpc with a lease, on the client of a LAN.
pub struct Bystander {
    udhcpc: Process,
    mac: String,
    ended: Arc<AtomicBool>,
    overheard: Option<JoinHandle<Vec<Reply>>>,
    lan: Arc<Lan>,
}

impl Bystander {
    /// Takes a lease on `lan`.
    pub fn start(lan: &Arc<Lan>, run: &Path, listener: Option<Listener>) -> Bystander {
        let ended = Arc::new(AtomicBool::new(false));
        let overheard = thread::spawn({
            let (lan, ended) = (Arc::clone(lan), Arc::clone(&ended));
            move || client::overhear(&lan, &ended)
        });
        let script = run.join("udhcpc-script");
        files::write(&script, SCRIPT);
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
        let (busybox, script) = (busybox(), script.to_string_lossy().into_owned());
        let command = [&busybox, "udhcpc", "-f", "-i", "eth0", "-s", &script];
        let udhcpc = Process::start(&lan.client.name, &command, &Journal::new("udhcpc", run, listener));
        udhcpc.log.expect(0, &["lease of", "obtained"], PATIENCE);
        Bystander { udhcpc, mac: lan.client_mac(), ended, overheard: Some(overheard), lan: Arc::clone(lan) }
    }

    /// Renews the lease and looks a name up: both must work as if nobody booted.
    pub fn live_on(&self, dnsmasq: &Dnsmasq) {
        let (said, told) = (dnsmasq.log.end(), self.udhcpc.log.end());
        self.udhcpc.signal(libc::SIGUSR1);
        dnsmasq.log.expect(said, &["DHCPREQUEST", &self.mac], PATIENCE);
        dnsmasq.log.expect(said, &["DHCPACK", &self.mac], PATIENCE);
        self.udhcpc.log.expect(told, &["lease of", "obtained"], PATIENCE);
        let address = client::resolve(&self.lan, ROUTER_NAME).expect("DNS must go on");
        assert_eq!(address, self.lan.address(1));
    }

    /// Fails if anybody but the DHCP server ever answered this client.
    pub fn was_answered_by_dhcp_only(mut self) {
        let replies = self.stop_listening();
        let ours: Vec<_> = replies.iter().filter(|reply| reply.chaddr == self.mac).collect();
        assert!(ours.len() >= 2, "a lease takes an OFFER and an ACK, but the client heard {ours:?}");
        for reply in ours {
            assert!(!reply.is_proxy(), "an ordinary client got a boot offer: {reply:?}");
        }
    }

    fn stop_listening(&mut self) -> Vec<Reply> {
        self.ended.store(true, Ordering::Relaxed);
        self.overheard.take().and_then(|listener| listener.join().ok()).unwrap_or_default()
    }
}

impl Drop for Bystander {
    fn drop(&mut self) {
        self.stop_listening();
    }
}

/// The probe by which OpenWrt's dnsmasq.init (`dhcp_check`) learns whether somebody else gives out addresses on a LAN,
/// once from the router as there, and once from the LAN, where everybody hears it. True if anybody answered.
pub fn is_probe_answered(lan: &Lan) -> bool {
    let busybox = busybox();
    let probe = |namespace: &str, device: &str| {
        let command = ["ip", "netns", "exec", namespace, &busybox, "udhcpc", "-n", "-q", "-s", "/bin/true", "-t", "1"];
        let (status, output) = try_run(&[&command[..], &["-i", device]].concat());
        assert!(output.contains("broadcasting discover"), "the probe did not run: {output}");
        status.success()
    };
    thread::scope(|scope| {
        let from_lan = scope.spawn(|| probe(&lan.client.name, "eth0"));
        probe(&lan.router.name, lan.bridge) | from_lan.join().unwrap()
    })
}

fn busybox() -> String {
    packaged(Arch::Amd64, "bin/busybox").to_string_lossy().into_owned()
}
