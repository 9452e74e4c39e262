//! A machine that plays a router: a processor, a kernel and a userland of Debian's, and nothing of OpenWrt's but its
//! files' places. A package is unpacked in it as opkg would.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::initramfs::Archive;
use crate::process::run;

const FOLDER: usize = 0o040_755;
pub const PROGRAM: usize = 0o100_755;
pub const FILE: usize = 0o100_644;

/// A kind of machine.
pub struct Machine {
    /// Debian's name of the architecture.
    pub debian: &'static str,
    /// OpenWrt's name of it, which names the package's folder.
    pub openwrt: &'static str,
    /// The emulator and the machine, without its network.
    pub qemu: &'static str,
    pub network_card: &'static str,
    pub console: &'static str,
    /// Where the program that loads a program's libraries is to be.
    pub loader: &'static str,
    /// What the kernel needs for the network card and a bridge, in this order.
    pub modules: &'static [&'static str],
    /// KiB of memory that upxe may take after its start, and while it serves.
    pub resident: [u64; 2],
}

/// The processor of most 8 MB routers, little-endian; Debian has no kernel for the other kind.
pub const MALTA: Machine = Machine {
    debian: "mipsel",
    openwrt: "mipsel_24kc",
    qemu: "qemu-system-mipsel -machine malta -cpu 24Kc -m 64",
    network_card: "pcnet",
    console: "ttyS0",
    loader: "lib/ld.so.1",
    modules: &["mii", "pcnet32", "llc", "stp", "bridge"],
    // Most of it is the program itself, as far as it was run since it started, in pieces of up to 64 KB. 496 to 508 were
    // seen after the start (the goal is 512), and 532 to 536 with 32 transfers (the goal is 64 more).
    resident: [528, 576],
};

/// The 64-bit ARM of newer routers. Debian's kernel for it takes more memory than an 8 MB router's own.
pub const VIRT: Machine = Machine {
    debian: "arm64",
    openwrt: "aarch64_generic",
    qemu: "qemu-system-aarch64 -machine virt -cpu cortex-a53 -m 96",
    network_card: "virtio-net-device",
    console: "ttyAMA0",
    loader: "lib/ld-linux-aarch64.so.1",
    modules: &[
        "failover",
        "net_failover",
        "virtio_ring",
        "virtio",
        "virtio_mmio",
        "virtio_net",
        "llc",
        "stp",
        "bridge",
    ],
    // 372 and 472 were seen.
    resident: [448, 544],
};

/// What every machine does first, whatever it is for.
const START: &str = r#"#!/bin/busybox sh
/bin/busybox mkdir -p /proc /sys /dev /tmp /var/run /run
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
for module in $(cat /modules/order); do insmod /modules/$module.ko; done
ip link set lo up
"#;

const INIT: &str = r#"ip link add br-lan type bridge
echo 0 >/sys/class/net/br-lan/bridge/forward_delay
ip link set eth0 up
brctl addif br-lan eth0
ip addr add 192.168.77.1/24 dev br-lan
ip link set br-lan up

mkdir /tmp/package
tar -xzf /package.ipk -C /tmp/package
mkdir /tmp/control
tar -xzf /tmp/package/control.tar.gz -C /tmp/control
tar -xzf /tmp/package/data.tar.gz -C /
# What OpenWrt's functions make of Require-User.
sed -n 's/^Require-User: \(.*\)=\(.*\):\(.*\)=\(.*\)/\1:x:\2:\4::\/var\/run\/upxe:\/bin\/false/p' /tmp/control/control >>/etc/passwd
rm -r /tmp/package /tmp/control /package.ipk
sed -i "s/enabled '0'/enabled '1'/" /etc/config/upxe
printf "\toption tftp_max_client '32'\n" >>/etc/config/upxe

dnsmasq -C /etc/dnsmasq.conf -k &
/usr/sbin/upxe run &
upxe=$!
sleep 2
echo "ROUTER READY"
jump=3600
while :; do
    # The clock on the wall jumps an hour ahead and back, as when it is set by the network.
    date -s "@$(($(date +%s) + jump))" >/dev/null
    jump=$((-jump))
    resident=$(sed -n 's/^Rss: *\([0-9]*\) kB/\1/p' /proc/$upxe/smaps_rollup)
    switches=$(sed -n 's/^voluntary_ctxt_switches:\t*//p' /proc/$upxe/status)
    anonymous=$(sed -n 's/^Anonymous: *\([0-9]*\) kB/\1/p' /proc/$upxe/smaps_rollup)
    filters=$(sed -n 's/^Seccomp:\t*//p' /proc/$upxe/status)
    heard=$(cat /sys/class/net/br-lan/statistics/rx_packets)
    echo "STATUS resident $resident anonymous $anonymous switches $switches heard $heard filters $filters clock $(date +%s) end"
    sleep 1
done
"#;

const NETWORK: &str = "config interface 'lan'\n\toption device 'br-lan'\n";
const DNSMASQ: &str = "user=root\nbind-dynamic\nno-resolv\ndhcp-authoritative\nlog-dhcp\nlog-facility=-\ndhcp-leasefile=/tmp/leases\n\
    address=/openwrt.lan/192.168.77.1\ndhcp-range=192.168.77.100,192.168.77.249,255.255.255.0,12h\n";

impl Machine {
    /// The kernel that `tests/openwrt/setup` unpacked.
    pub fn kernel(&self) -> PathBuf {
        let kernels = fs::read_dir(self.unpacked("boot")).unwrap().flatten().map(|entry| entry.path());
        let mut kernels = kernels.filter(|path| path.to_string_lossy().contains("/vmlinuz-"));
        kernels.next().expect("the kernel's package has no vmlinuz")
    }

    /// What the kernel is told. It is not to choose its own place by chance: that may be where QEMU put the root file
    /// system, at the end of a small machine's memory, and the kernel never starts. A root in tmpfs could fill only half
    /// of the memory.
    pub fn command_line(&self) -> String {
        format!("console={} nokaslr quiet rootfstype=ramfs panic=-1", self.console)
    }

    /// Writes the root file system of a router on which `package` waits to be unpacked, with these boot files.
    pub fn write_root(&self, package: &Path, boot_files: &Path, output: &Path) {
        let mut root = self.root(INIT);
        root.add("etc/passwd", FILE, b"root:x:0:0:root:/root:/bin/sh\n");
        root.add("etc/config/network", 0o100_600, NETWORK.as_bytes());
        root.add("etc/dnsmasq.conf", FILE, DNSMASQ.as_bytes());
        root.copy("package.ipk", FILE, package);
        for file in fs::read_dir(boot_files).unwrap().flatten() {
            root.copy(&format!("srv/tftp/{}", file.file_name().to_string_lossy()), FILE, &file.path());
        }
        root.write(output);
    }

    /// A root file system with busybox, dnsmasq and the modules in it, which begins with [`START`] and goes on with `init`.
    pub fn root(&self, init: &str) -> Root {
        let mut root = Root { archive: Archive::default(), folders: BTreeSet::new() };
        root.archive.add("dev", FOLDER, &[], (0, 0));
        root.archive.add("dev/console", 0o020_600, &[], (5, 1));
        root.add("init", PROGRAM, [START, init].concat().as_bytes());
        root.copy("bin/busybox", PROGRAM, &self.unpacked("bin/busybox"));
        root.copy("bin/dnsmasq", PROGRAM, &self.unpacked("usr/sbin/dnsmasq"));
        for library in self.libraries() {
            let name = library.file_name().unwrap().to_string_lossy().into_owned();
            root.copy(&format!("lib/{name}"), PROGRAM, &library);
            if self.loader.ends_with(&name) && self.loader != format!("lib/{name}") {
                root.copy(self.loader, PROGRAM, &library);
            }
        }
        root.add("modules/order", FILE, self.modules.join(" ").as_bytes());
        for module in self.modules {
            let found =
                run(&["find", &self.unpacked("lib/modules").to_string_lossy(), "-name", &format!("{module}.ko")]);
            root.copy(&format!("modules/{module}.ko"), FILE, Path::new(found.trim()));
        }
        root
    }

    /// dnsmasq's libraries, and theirs.
    fn libraries(&self) -> BTreeSet<PathBuf> {
        let mut found = BTreeSet::new();
        let mut wanting = vec![self.unpacked("usr/sbin/dnsmasq")];
        while let Some(program) = wanting.pop() {
            let dynamic = run(&["readelf", "--dynamic", &program.to_string_lossy()]);
            for line in dynamic.lines().filter(|line| line.contains("(NEEDED)")) {
                let name = line.split(['[', ']']).nth(1).expect("a name in brackets");
                let place = run(&["find", &self.unpacked("").to_string_lossy(), "-name", name]);
                let place = PathBuf::from(place.lines().next().unwrap_or_else(|| panic!("no {name} for dnsmasq")));
                if found.insert(place.clone()) {
                    wanting.push(place);
                }
            }
        }
        found
    }

    fn unpacked(&self, path: &str) -> PathBuf {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/openwrt/debian").join(self.debian);
        assert!(root.join("complete").exists(), "{} is not there: please run tests/openwrt/setup", root.display());
        root.join(path)
    }
}

/// A root file system in the making.
pub struct Root {
    archive: Archive,
    folders: BTreeSet<String>,
}

impl Root {
    /// Adds a file that is here.
    pub fn copy(&mut self, path: &str, mode: usize, source: &Path) {
        let bytes = fs::read(source).unwrap_or_else(|e| panic!("{}: {e}", source.display()));
        self.add(path, mode, &bytes);
    }

    /// Adds a file of these bytes.
    pub fn add(&mut self, path: &str, mode: usize, bytes: &[u8]) {
        for (at, _) in path.match_indices('/') {
            if self.folders.insert(path[..at].to_owned()) {
                self.archive.add(&path[..at], FOLDER, &[], (0, 0));
            }
        }
        self.archive.add(path, mode, bytes, (0, 0));
    }

    pub fn write(self, output: &Path) {
        self.archive.write(output);
    }
}
