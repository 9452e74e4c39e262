//! The network of a test: a router's namespace with a bridge, and namespaces of clients on it.
//!
//! Names carry the process id of the run that made them, so that runs never meet and a killed run's leftovers are known.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Once};

use crate::process::{run, try_run};
use crate::sys;

const PREFIX: &str = "upxe-lab";

/// The network of a LAN, unless a test needs another.
pub const USUAL: [u8; 3] = [192, 168, 77];

/// A network namespace; removed when dropped, once nothing runs in it.
pub struct Namespace {
    pub name: String,
}

impl Namespace {
    fn new(role: &str) -> Namespace {
        static CLEANED: Once = Once::new();
        CLEANED.call_once(remove_leftovers);
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let namespace = Namespace { name: format!("{PREFIX}-{}-{number}-{role}", std::process::id()) };
        let (status, output) = try_run(&["ip", "netns", "add", &namespace.name]);
        assert!(status.success(), "no network namespace could be made (the lab needs root and iproute2): {output}");
        namespace.ip("link set lo up");
        namespace
    }

    /// Runs `ip <words>` inside.
    pub fn ip(&self, words: &str) -> String {
        let mut command = vec!["ip", "-n", &self.name];
        command.extend(words.split_whitespace());
        run(&command)
    }

    /// Runs `work` inside.
    pub fn inside<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        sys::in_namespace(&self.name, work)
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = try_run(&["ip", "netns", "delete", &self.name]);
    }
}

/// Removes the namespaces of runs that no longer live, and ends what those left running inside.
fn remove_leftovers() {
    let Ok(entries) = fs::read_dir("/run/netns") else { return };
    for name in entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()) {
        let owner = name.strip_prefix(PREFIX).and_then(|rest| rest.split('-').nth(1));
        if owner.is_some_and(|pid| !Path::new("/proc").join(pid).exists()) {
            let (_, pids) = try_run(&["ip", "netns", "pids", &name]);
            for pid in pids.split_whitespace().filter_map(|pid| pid.parse().ok()) {
                let _ = sys::signal(pid, libc::SIGKILL);
            }
            let _ = try_run(&["ip", "netns", "delete", &name]);
        }
    }
}

/// One LAN of a router: a bridge that owns the router's address, and a client's namespace plugged into it.
pub struct Lan {
    pub router: Arc<Namespace>,
    pub client: Namespace,
    pub bridge: &'static str,
    network: [u8; 3],
    taps: AtomicU32,
}

impl Lan {
    /// `br-lan` of a new router.
    pub fn new() -> Lan {
        Lan::of(USUAL)
    }

    /// The same with other addresses: those that begin with the three bytes of `network`.
    pub fn of(network: [u8; 3]) -> Lan {
        let lan = Lan::planned(Arc::new(Namespace::new("router")), "br-lan", network);
        lan.create_bridge();
        lan
    }

    /// Another LAN of the same router.
    pub fn guest(&self) -> Lan {
        let lan = self.guest_to_be();
        lan.create_bridge();
        lan
    }

    /// Another LAN of the same router, whose bridge is not there yet.
    pub fn guest_to_be(&self) -> Lan {
        Lan::planned(Arc::clone(&self.router), "br-guest", [192, 168, 78])
    }

    /// The LAN behind a relay's own router, which is a machine on this one.
    pub fn behind_relay(&self) -> Lan {
        let far = Lan::planned(Arc::new(Namespace::new("relay")), "br-far", [192, 168, 79]);
        far.create_bridge();
        self.router.ip(&format!("link add relay0 type veth peer name up0 netns {}", far.router.name));
        self.router.ip(&format!("link set relay0 master {} up", self.bridge));
        far.router.ip(&format!("addr add {} dev up0", self.with_mask(3)));
        far.router.ip("link set up0 up");
        far.router.ip(&format!("route add default via {}", self.address(1)));
        self.router.ip(&format!("route add {}/24 via {}", far.address(0), self.address(3)));
        far.router.inside(|| fs::write("/proc/sys/net/ipv4/ip_forward", "1").expect("the relay's router must route"));
        far
    }

    /// A machine of its own on this network, with `eth0` and the address of host number `host`.
    pub fn machine(&self, host: u8) -> Namespace {
        let machine = Namespace::new("machine");
        let port = format!("machine{host}");
        self.router.ip(&format!("link add {port} type veth peer name eth0 netns {}", machine.name));
        self.router.ip(&format!("link set {port} master {} up", self.bridge));
        machine.ip(&format!("addr add {} dev eth0", self.with_mask(host)));
        machine.ip("link set eth0 up");
        machine
    }

    fn planned(router: Arc<Namespace>, bridge: &'static str, network: [u8; 3]) -> Lan {
        let lan = Lan { router, client: Namespace::new("client"), bridge, network, taps: AtomicU32::new(0) };
        let port = lan.client_port();
        lan.router.ip(&format!("link add {port} type veth peer name eth0 netns {}", lan.client.name));
        lan.router.ip(&format!("link set {port} up"));
        lan.client.ip(&format!("addr add {} dev eth0", lan.with_mask(2)));
        lan.client.ip(&format!("link set eth0 address {} up", lan.client_mac()));
        lan
    }

    /// Makes the bridge, gives it the router's addresses, and plugs in what there is.
    pub fn create_bridge(&self) {
        self.create_bridge_with("");
    }

    /// The same with words to `ip link add` about it.
    pub fn create_bridge_with(&self, words: &str) {
        let bridge = self.bridge;
        // A port of a bridge with a forward delay stays deaf for that long after its link comes up.
        self.router.ip(&format!("link add {bridge} {words} type bridge forward_delay 0"));
        self.router.ip(&format!("addr add {} dev {bridge}", self.with_mask(1)));
        self.router.ip(&format!("addr add fd77:{}::1/64 dev {bridge} nodad", self.network[2]));
        self.router.ip(&format!("link set {bridge} up"));
        self.router.ip(&format!("link set {} master {bridge}", self.client_port()));
    }

    pub fn delete_bridge(&self) {
        self.router.ip(&format!("link delete {}", self.bridge));
    }

    /// A new tap device on the bridge, for a virtual machine.
    pub fn tap(&self) -> String {
        let tap = format!("tap{}", self.taps.fetch_add(1, Ordering::Relaxed));
        self.router.ip(&format!("tuntap add {tap} mode tap"));
        self.router.ip(&format!("link set {tap} master {} up", self.bridge));
        tap
    }

    /// The address of host number `host`; 1 is the router.
    pub fn address(&self, host: u8) -> std::net::Ipv4Addr {
        let [a, b, c] = self.network;
        [a, b, c, host].into()
    }

    /// Gives the LAN's client another address: it plays one more machine.
    pub fn settle(&self, host: u8) -> std::net::Ipv4Addr {
        self.client.ip(&format!("addr add {} dev eth0", self.with_mask(host)));
        self.address(host)
    }

    /// The hardware address of the LAN's client.
    pub fn client_mac(&self) -> String {
        format!("52:54:00:bb:{:02x}:02", self.network[2])
    }

    fn with_mask(&self, host: u8) -> String {
        format!("{}/24", self.address(host))
    }

    fn client_port(&self) -> String {
        format!("client{}", self.network[2])
    }
}
