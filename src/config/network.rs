//! Logical interfaces (`lan`) → Linux devices (`br-lan`), as netifd makes them from `/etc/config/network`.

use super::uci::{Package, Section};

/// linux/if.h IFNAMSIZ without its NUL.
const DEVICE_MAX: usize = 15;
/// `@lan` may stand for another alias; a longer chain is a circle.
const ALIASES_MAX: usize = 8;

/// What a name stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Meaning {
    /// A logical interface on this device.
    Device(String),
    /// A logical interface on several devices without a bridge; the first is given.
    FirstOf(String),
    /// A logical interface whose section names no device; netifd makes one of the same name for tunnels.
    NoDevice,
    /// Its aliases lead nowhere, or in a circle, or to what is no device name.
    Broken,
    /// No logical interface has that name.
    Unknown,
}

/// Looks up `name` in `/etc/config/network`.
pub fn resolve<'n>(network: &'n Package, name: &'n str) -> Meaning {
    let mut name = name;
    for hop in 0..ALIASES_MAX {
        let is_it = |section: &&Section| section.kind == "interface" && section.name == name;
        let Some(section) = network.sections.iter().find(is_it) else {
            return if hop == 0 { Meaning::Unknown } else { Meaning::Broken };
        };
        let kind = section.words("type").next();
        // `device` since 21.02, `ifname` before.
        let mut devices = section.words("device").chain(section.words("ifname"));
        let first = devices.next();
        if let Some(alias) = first.and_then(|device| device.strip_prefix('@')) {
            name = alias;
            continue;
        }
        let (device, more) = match (kind, first) {
            // netifd bridge.c: before 21.02 the section itself was the bridge, called br-NAME.
            (Some("bridge"), _) if section.option("device").is_none() => (["br-", name].concat(), false),
            (_, Some(first)) => (first.to_owned(), devices.next().is_some()),
            (_, None) => return Meaning::NoDevice,
        };
        return match (is_device_name(&device), more) {
            (false, _) => Meaning::Broken,
            (true, false) => Meaning::Device(device),
            (true, true) => Meaning::FirstOf(device),
        };
    }
    Meaning::Broken
}

/// Linux net/core/dev.c `dev_valid_name`; what isn't ASCII is refused besides, since no OpenWrt device is called so.
pub fn is_device_name(name: &str) -> bool {
    (1..=DEVICE_MAX).contains(&name.len())
        && name != "."
        && name != ".."
        && name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'/' && byte != b':')
}
