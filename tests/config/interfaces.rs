//! Logical interfaces and devices.

use upxe::config::Overrides;
use upxe::config::dnsmasq::files::NoFiles;
use upxe::config::load::load;

use super::{lines, load_texts, sources};

/// `/etc/config/network` as the releases since 21.02 and as the ones before have it.
const NETWORK: &str = "\
config interface loopback
	option device lo
config device
	option name br-lan
	option type bridge
config interface lan
	option device br-lan
config interface old
	option type bridge
	option ifname 'eth0.1 eth0.2'
config interface single
	option ifname eth1
config interface alias
	option device @single
config interface alias2
	option ifname @alias
config interface several
	option ifname 'eth2 eth3'
config interface several2
	list device eth4
	list device eth5
config interface wg0
	option proto wireguard
config interface circle
	option device @circle
config interface nowhere
	option device @gone
config interface long
	option device averylongdevicename
config interface averyveryverylongname
	option proto none
";

/// Configured names, the devices they come to, and what is said of them.
const NAMES: &[(&str, &[&str], &[&str])] = &[
    ("", &["lan=br-lan"], &[]),
    ("lan", &["lan=br-lan"], &[]),
    ("lan old single", &["lan=br-lan", "old=br-old", "single=eth1"], &[]),
    ("alias2", &["alias2=eth1"], &[]),
    (
        "several several2",
        &["several=eth2", "several2=eth4"],
        &[
            "upxe:2: warning: option interface: 'several' stands for several devices without a bridge; only eth2 is served",
            "upxe:2: warning: option interface: 'several2' stands for several devices without a bridge; only eth4 is \
             served",
        ],
    ),
    (
        "wg0",
        &["wg0=wg0"],
        &["upxe:2: warning: option interface: interface 'wg0' names no device: one of the same name is served"],
    ),
    (
        "br-guest.10",
        &["br-guest.10=br-guest.10"],
        &["upxe:2: note: option interface: no interface 'br-guest.10' in network: taken for a device's name"],
    ),
    (
        "lan br-lan",
        &["lan=br-lan"],
        &[
            "upxe:2: note: option interface: no interface 'br-lan' in network: taken for a device's name",
            "upxe:2: warning: option interface: 'br-lan' stands for br-lan, which is served already",
        ],
    ),
    ("circle", &[], &["upxe:2: option interface: interface 'circle' of network leads to no device"]),
    ("nowhere", &[], &["upxe:2: option interface: interface 'nowhere' of network leads to no device"]),
    ("long", &[], &["upxe:2: option interface: interface 'long' of network leads to no device"]),
    (
        "averyveryverylongname sixteencharacter a/b ..",
        &[],
        &[
            "upxe:2: option interface: found 'averyveryverylongname', expected an interface of /etc/config/network, or a \
             device's name of at most 15 bytes",
            "upxe:2: option interface: found 'sixteencharacter', expected an interface of /etc/config/network, or a \
             device's name of at most 15 bytes",
            "upxe:2: option interface: found 'a/b', expected an interface of /etc/config/network, or a device's name of \
             at most 15 bytes",
            "upxe:2: option interface: found '..', expected an interface of /etc/config/network, or a device's name of \
             at most 15 bytes",
        ],
    ),
];

#[test]
fn names_come_to_devices() {
    for (names, devices, said) in NAMES {
        let option = if names.is_empty() { String::new() } else { format!("option interface '{names}'\n") };
        let (config, diagnostics) = load_texts(&format!("config upxe main\n{option}"), "", NETWORK);
        let served = config.iter().flat_map(|config| &config.interfaces);
        let served: Vec<String> = served.map(|it| format!("{}={}", it.name, it.device)).collect();
        assert_eq!(served, *devices, "{names}");
        assert_eq!(lines(&diagnostics), *said, "{names}");
    }
}

#[test]
fn the_command_line_replaces_the_list() {
    let given = |names: &[&str]| {
        let interfaces = names.iter().map(|name| name.to_string()).collect();
        let overrides = Overrides { interfaces, tftp_root: Some("/mnt".to_owned()), conf_file: None };
        load(&sources("config upxe main\nlist interface old\n", "", NETWORK), &overrides, &mut NoFiles)
    };
    let (config, diagnostics) = given(&["lan", "eth9"]);
    let config = config.unwrap();
    let devices: Vec<&str> = config.interfaces.iter().map(|interface| interface.device.as_str()).collect();
    assert_eq!((devices.as_slice(), lines(&diagnostics).len()), (["br-lan", "eth9"].as_slice(), 0));
    assert_eq!(config.tftp.root, std::path::Path::new("/mnt"));

    let (config, diagnostics) = given(&["no/device"]);
    assert_eq!(config, None);
    assert_eq!(
        lines(&diagnostics),
        [
            "command line: -i: found 'no/device', expected an interface of /etc/config/network, or a device's name of at \
          most 15 bytes"
        ]
    );
}

#[test]
fn a_relative_folder_on_the_command_line_is_refused() {
    let overrides = Overrides { interfaces: Vec::new(), tftp_root: Some("mnt".to_owned()), conf_file: None };
    let (config, diagnostics) = load(&sources("config upxe main\n", "", NETWORK), &overrides, &mut NoFiles);
    assert_eq!(config, None);
    assert_eq!(
        lines(&diagnostics),
        ["command line: --tftp-root: found 'mnt', expected an absolute path without blanks"]
    );
}

#[test]
fn there_is_a_limit() {
    let names: Vec<String> = (0..33).map(|number| format!("eth{number}")).collect();
    let overrides = Overrides { interfaces: names, tftp_root: None, conf_file: None };
    let (config, diagnostics) = load(&sources("config upxe main\n", "", NETWORK), &overrides, &mut NoFiles);
    assert_eq!(config, None);
    assert_eq!(lines(&diagnostics), ["command line: -i: more interfaces than upxe serves at once (32)"]);
}
