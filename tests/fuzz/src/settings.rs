//! Configurations as people have them: the examples of `uci/examples`, nothing at all, and some that use what those leave out.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use upxe::config::Overrides;
use upxe::config::dnsmasq::files::{ConfFiles, NoFiles};
use upxe::config::load::{Source, Sources, load};
use upxe::config::{Config, Diagnostic};

/// The network that nothing is said about.
pub const LAN: &str = "config interface lan\n\toption device br-lan\n";
/// Names of servers.
pub const HOSTS: &str = "127.0.0.1 localhost\n192.168.1.5 nas.lan nas # box\n";
/// The name of the file that [`from_lines`] reads.
const CONF: &str = "lines";

/// A file of lines in memory, and another that it may name.
pub struct Memory(pub BTreeMap<String, Vec<u8>>);

impl ConfFiles for Memory {
    fn read(&mut self, path: &str) -> Result<Vec<u8>, String> {
        self.0.get(path).cloned().ok_or_else(|| "no such file".to_owned())
    }

    fn list(&mut self, _: &str) -> Result<Vec<String>, String> {
        Ok(self.0.keys().cloned().collect())
    }
}

/// What these three files come to.
pub fn from_uci(upxe: &[u8], dhcp: &[u8], network: &[u8]) -> (Option<Config>, Vec<Diagnostic>) {
    load(&sources(upxe, dhcp, network), &Overrides::default(), &mut NoFiles)
}

/// What lines of dnsmasq.conf come to.
pub fn from_lines(text: &[u8]) -> (Option<Config>, Vec<Diagnostic>) {
    let mut files = Memory([(CONF.to_owned(), text.to_vec()), ("more".to_owned(), b"dhcp-boot=m\n".to_vec())].into());
    let overrides = Overrides { conf_file: Some(CONF.to_owned()), ..Overrides::default() };
    load(&sources(b"config upxe main\n", b"", LAN.as_bytes()), &overrides, &mut files)
}

fn sources(upxe: &[u8], dhcp: &[u8], network: &[u8]) -> Sources {
    let source = |name: &str, text: &[u8]| Source { name: name.into(), text: Some(text.to_vec()) };
    Sources {
        upxe: source("upxe", upxe),
        dhcp: source("dhcp", dhcp),
        network: source("network", network),
        hosts: source("hosts", HOSTS.as_bytes()),
        conf_file: None,
        uhttpd: true,
    }
}

/// Lines of dnsmasq.conf.
pub const LINES: &[&str] = &[
    include_str!("../../../uci/examples/dhcp-server.conf"),
    include_str!("../../../uci/examples/gpxe-san.conf"),
    include_str!("../../../uci/examples/proxy-script.conf"),
    include_str!("../../../uci/examples/proxy.conf"),
    include_str!("../../../uci/examples/uefi-syslinux.conf"),
    // A menu, options for some, and more of them than fit into a small reply.
    "dhcp-match=set:x64,option:client-arch,7\ndhcp-match=set:big,97,00:*:ff\ntag-if=set:both,tag:x64,tag:!big\n\
     dhcp-vendorclass=set:arm,PXEClient:Arch:00011\ndhcp-userclass=set:kids,\"it's\"\ndhcp-mac=set:qemu,52:54:00:*:*:*\n\
     dhcp-circuitid=set:port,00:ff\ndhcp-remoteid=set:port,x\ndhcp-subscrid=set:sub,7\n\
     dhcp-host=52:54:00:12:34:56,set:known-one\ndhcp-host=id:01:02,ignore\ndhcp-ignore=tag:sub\n\
     pxe-service=tag:!ipxe,x86PC,\"Boot, now\",pxelinux\npxe-service=x86-64_EFI,UEFI,a.efi,192.168.1.5\n\
     pxe-service=BC_EFI,local,0\npxe-service=x86PC,wds,15,10.0.0.1\npxe-prompt=\"Press F8\",5\n\
     dhcp-option=tag:big,128,xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\n\
     dhcp-option=129,yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\n\
     dhcp-option=130,zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz\n\
     dhcp-option-force=175,8:1:1\ndhcp-option=encap:175,8,1b\ndhcp-option=vendor:PXEClient,6,2b\n\
     dhcp-option=17,\"iscsi:10.0.0.1::::x\"\ndhcp-option=vi-encap:311,1,x\ndhcp-option-pxe=209,x\n",
    "dhcp-pxe-vendor=PXEClient,Cumulus\ndhcp-boot=tag:!x,boot.efi,name,192.168.1.5\n\
     dhcp-boot=tag:br-lan,http://192.168.1.1/boot.efi\ndhcp-no-override\ndhcp-range=set:r,192.168.1.0,proxy\n",
];

/// `/etc/config/upxe`.
pub const UCI: &[&str] = &[
    "config upxe main\n\toption enabled 1\n",
    "config upxe main\n\toption enabled 1\n\toption no_override 0\n\toption relay 1\n\toption script boot.ipxe\n",
    "config upxe main\n\toption enabled 1\n\toption tftp 0\n\nconfig boot\n\toption filename http://192.168.1.1/x.efi\n\
     \tlist dhcp_option 6,0.0.0.0\n",
    "config upxe main\n\toption enabled 1\n\toption http 1\n\nconfig entry debian\n\toption kernel debian/linux\n\
     \tlist arch x64\n",
    include_str!("../../../uci/upxe"),
];

/// `/etc/config/dhcp` beside the first of [`UCI`].
pub const DHCP: &[&str] = &[include_str!("../../../uci/examples/openwrt/dhcp")];

/// All of them, loaded.
pub fn all() -> &'static [Config] {
    static ALL: OnceLock<SyncConfigs> = OnceLock::new();
    &ALL.get_or_init(|| {
        let lines = LINES.iter().map(|text| from_lines(text.as_bytes()));
        let dhcp = DHCP.iter().chain(std::iter::repeat(&""));
        let uci = UCI.iter().zip(dhcp).map(|(text, dhcp)| from_uci(text.as_bytes(), dhcp.as_bytes(), LAN.as_bytes()));
        let configs = lines.chain(uci).map(|(config, diagnostics)| {
            config.unwrap_or_else(|| panic!("{}", diagnostics.iter().map(|it| format!("{it}\n")).collect::<String>()))
        });
        SyncConfigs(configs.collect())
    })
    .0
}

/// Configurations count their references without locks.
struct SyncConfigs(Vec<Config>);

// SAFETY: libFuzzer runs one input at a time, in the one thread that there is.
unsafe impl Send for SyncConfigs {}
// SAFETY: as above.
unsafe impl Sync for SyncConfigs {}
