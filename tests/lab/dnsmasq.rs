//! The router's DHCP and DNS server: Debian's unmodified dnsmasq, started the way OpenWrt starts it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::files;
use crate::journal::{Journal, Listener};
use crate::net::Lan;
use crate::process::Process;

/// The name that [`Dnsmasq`] answers for in DNS.
pub const ROUTER_NAME: &str = "openwrt.lan";

const READY: &[&str] = &["DHCP, IP range"];
const PATIENCE: Duration = Duration::from_secs(10);

/// A running dnsmasq.
pub struct Dnsmasq {
    process: Option<Process>,
    namespace: String,
    config: PathBuf,
    pub log: Journal,
}

impl Dnsmasq {
    /// Starts it for `lans`, all of one router, and waits until it serves.
    pub fn start(lans: &[&Lan], run: &Path, listener: Option<Listener>) -> Dnsmasq {
        Dnsmasq::with(lans, "", run, listener)
    }

    /// The same with more `lines` in its configuration.
    pub fn with(lans: &[&Lan], lines: &str, run: &Path, listener: Option<Listener>) -> Dnsmasq {
        let config = run.join("dnsmasq.conf");
        files::write(&config, &(configuration(lans, run) + lines));
        let namespace = lans[0].router.name.clone();
        let mut dnsmasq = Dnsmasq { process: None, namespace, config, log: Journal::new("dnsmasq", run, listener) };
        dnsmasq.resume();
        dnsmasq
    }

    /// Starts it again after [`Dnsmasq::stop`].
    pub fn resume(&mut self) {
        let from = self.log.end();
        let config = self.config.to_string_lossy();
        // OpenWrt's dnsmasq.init: `dnsmasq -C /var/etc/dnsmasq.conf.<section> -k -x <pid file>`.
        let command = ["dnsmasq", "-C", &config, "-k", "-x", &format!("{config}.pid")];
        self.process = Some(Process::start(&self.namespace, &command, &self.log));
        self.log.expect(from, READY, PATIENCE);
    }

    /// Adds `lines` to its configuration, which count from the next start on.
    pub fn also(&self, lines: &str) {
        let text = std::fs::read_to_string(&self.config).expect("written at the start");
        files::write(&self.config, &(text + lines));
    }

    /// Takes a line out of its configuration, which counts from the next start on.
    pub fn without(&self, line: &str) {
        self.replace(line, "");
    }

    /// Replaces words of its configuration, which counts from the next start on.
    pub fn replace(&self, words: &str, by: &str) {
        let text = std::fs::read_to_string(&self.config).expect("written at the start");
        assert!(text.contains(words), "{words}");
        files::write(&self.config, &text.replace(words, by));
    }

    /// Ends it, as a restart of the service does.
    pub fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.stop();
        }
    }

    /// Ends it at once, whatever it is about to say.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill();
        }
    }

    pub fn is_running(&mut self) -> bool {
        self.process.as_mut().is_some_and(Process::is_running)
    }
}

/// What OpenWrt's dnsmasq.init writes for a router with its default configuration.
///
/// Left out is what concerns an upstream server (there is none), and files of OpenWrt's own; added are the log lines.
fn configuration(lans: &[&Lan], run: &Path) -> String {
    let run = run.display();
    let hosts = format!("{run}/hosts");
    let names = lans.iter().map(|lan| format!("{} {ROUTER_NAME}\n", lan.address(1)));
    files::write(Path::new(&hosts), &names.collect::<String>());
    let mut text = format!(
        "dhcp-authoritative\ndomain-needed\nlocalise-queries\nexpand-hosts\nbind-dynamic\nlocal-service\n\
         edns-packet-max=1232\ndomain=lan\nlocal=/lan/\naddn-hosts={hosts}\ndhcp-leasefile={run}/dhcp.leases\n\
         no-resolv\nstop-dns-rebind\nrebind-localhost-ok\ndhcp-broadcast=tag:needs-broadcast\n\
         user=dnsmasq\nbogus-priv\nlog-dhcp\nlog-facility=-\n"
    );
    for lan in lans {
        let (first, last) = (lan.address(100), lan.address(249));
        text += &format!("dhcp-range=set:{},{first},{last},255.255.255.0,12h\n", lan.bridge);
    }
    text
}

/// Plays OpenWrt's odhcpd, of which the clients need one thing: without a router advertisement iPXE waits 15 seconds
/// for one before it goes on. A second dnsmasq that does nothing else; it opens neither port 53 nor port 67.
pub fn advertise_router(lan: &Lan, run: &Path) -> Process {
    let config = run.join("advertisements.conf");
    let bridge = lan.bridge;
    files::write(
        &config,
        &format!("port=0\nbind-dynamic\ninterface={bridge}\nenable-ra\ndhcp-range=::,constructor:{bridge},ra-only\n"),
    );
    let config = config.to_string_lossy();
    let command = ["dnsmasq", "-C", &config, "-k", "-x", &format!("{config}.pid"), "--log-facility=-"];
    let process = Process::start(&lan.router.name, &command, &Journal::new("advertisements", run, None));
    process.log.expect(0, &["router advertisement enabled"], PATIENCE);
    process
}
