//! Logical interfaces (`lan`) → Linux devices (`br-lan`), as netifd makes them from `/etc/config/network`.

use std::rc::Rc;

use super::diagnostic::{Diagnostic, Severity, quoted};
use super::uci::{Package, Section};
use super::{Interface, Origin};

/// Networks served at once; each has a socket, and no router has more.
pub const MAX_INTERFACES: usize = 32;
/// linux/if.h IFNAMSIZ without its NUL.
const DEVICE_MAX: usize = 15;
/// `@lan` may stand for another alias; a longer chain is a circle.
const ALIASES_MAX: usize = 8;

/// What a name stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Meaning {
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

/// The networks to serve by these names, each with its place, as `network`, the file `file`, has them.
pub fn interfaces(
    file: &Rc<str>,
    network: &Package,
    names: Vec<(String, Origin)>,
    out: &mut Vec<Diagnostic>,
) -> Vec<Interface> {
    let mut interfaces: Vec<Interface> = Vec::new();
    for (name, origin) in names {
        let given_here = origin.is_command_line();
        let subject = if given_here { "-i" } else { "option interface" };
        let mut say = |severity, parts: &[&str]| out.push(Diagnostic::text(severity, origin.clone(), subject, parts));
        let device = match resolve(network, &name) {
            Meaning::Device(device) => Some(device),
            Meaning::FirstOf(device) => {
                let parts =
                    &["'", &name, "' stands for several devices without a bridge; only ", &device, " is served"];
                say(Severity::Warning, parts);
                Some(device)
            }
            Meaning::NoDevice if is_device_name(&name) => {
                say(Severity::Warning, &["interface '", &name, "' names no device: one of the same name is served"]);
                Some(name.clone())
            }
            Meaning::Unknown if is_device_name(&name) => {
                if !given_here {
                    say(Severity::Note, &["no interface '", &name, "' in ", file, ": taken for a device's name"]);
                }
                Some(name.clone())
            }
            Meaning::Broken => {
                say(Severity::Error, &["interface '", &name, "' of ", file, " leads to no device"]);
                None
            }
            Meaning::NoDevice | Meaning::Unknown => {
                let expected = "an interface of /etc/config/network, or a device's name of at most 15 bytes";
                let found = quoted(name.as_bytes());
                out.push(Diagnostic::found(Severity::Error, origin.clone(), subject, found, expected));
                None
            }
        };
        let Some(device) = device else { continue };
        if interfaces.iter().any(|known| known.device == device) {
            let parts = &["'", &name, "' stands for ", &device, ", which is served already"];
            out.push(Diagnostic::text(Severity::Warning, origin, subject, parts));
        } else if interfaces.len() == MAX_INTERFACES {
            let parts = &["more interfaces than upxe serves at once (32)"];
            out.push(Diagnostic::text(Severity::Error, origin, subject, parts));
            break;
        } else {
            interfaces.push(Interface { name, device });
        }
    }
    interfaces
}

/// Looks up `name` in `/etc/config/network`.
fn resolve<'n>(network: &'n Package, name: &'n str) -> Meaning {
    let mut name = name;
    for hop in 0..ALIASES_MAX {
        let is_it = |section: &&Section| section.kind == "interface" && section.name == name;
        let Some(section) = network.sections.iter().find(is_it) else {
            return if hop == 0 { Meaning::Unknown } else { Meaning::Broken };
        };
        let kind = section.words("type").first().copied();
        // `device` since 21.02, `ifname` before.
        let devices = [section.words("device"), section.words("ifname")].concat();
        let first = devices.first().copied();
        if let Some(alias) = first.and_then(|device| device.strip_prefix('@')) {
            name = alias;
            continue;
        }
        let (device, more) = match (kind, first) {
            // netifd bridge.c: before 21.02 the section itself was the bridge, called br-NAME.
            (Some("bridge"), _) if section.option("device").is_none() => (["br-", name].concat(), false),
            (_, Some(first)) => (first.to_owned(), devices.len() > 1),
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
fn is_device_name(name: &str) -> bool {
    (1..=DEVICE_MAX).contains(&name.len())
        && name != "."
        && name != ".."
        && name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'/' && byte != b':')
}
