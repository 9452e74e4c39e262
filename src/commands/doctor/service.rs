//! Whether the service runs, hears its networks and has its ports.

use std::io;
use std::path::Path;

use super::{Findings, Patient};
use crate::config::{Config, Interface};
use crate::daemon::links::usable;
use crate::sys::{link, port_owner, privileges};

/// Whether upxe is switched off or doesn't run; `silence` is why its status can't be had at `socket`.
pub fn is_off(config: &Config, silence: Option<&io::Error>, socket: &Path, found: &mut Findings) -> bool {
    if !config.enabled {
        let why = "While it is switched off nobody is offered anything to boot.";
        found.error("switched-off", format_args!("upxe is switched off"), why).mend(format_args!(
            "uci set upxe.main=upxe && uci set upxe.main.enabled='1' && uci commit upxe && service upxe enable && \
             service upxe restart"
        ));
        return true;
    }
    let Some(error) = silence.filter(|error| error.kind() != io::ErrorKind::PermissionDenied) else { return false };
    let why = "Nobody is offered anything to boot while it does not run; 'logread -e upxe' tells how it ended.";
    let what = format_args!("upxe does not run: {}: {error}", socket.display());
    found.error("not-running", what, why).mend(format_args!("service upxe enable && service upxe restart"));
    true
}

/// Whether each network's device is there and can be heard.
pub fn networks(patient: &Patient<'_>, found: &mut Findings) {
    for Interface { name, device } in &patient.config.interfaces {
        let looked = link::device(device).map(usable);
        let trouble = match &looked {
            Ok(Ok(_)) => continue,
            Ok(Err(lacks)) => (*lacks).to_owned(),
            Err(error) => error.to_string(),
        };
        let why = "Clients on this network are not heard; upxe serves it as soon as its device is ready.";
        found.error("no-network", format_args!("network {name}: {device}: {trouble}"), why);
        // What isn't in netifd's care is not its to bring up.
        if name != device {
            found.mend(format_args!("ifup {name}"));
        }
    }
}

/// Whether the two ports are ours; what dnsmasq holds by its own configuration is told with that.
pub fn ports(patient: &Patient<'_>, found: &mut Findings) {
    let config = patient.config;
    let told = patient.status.and_then(|status| status.get("ports"));
    for (port, wanted, why) in [
        (
            4011,
            !config.dnsmasq.boot_server,
            "Firmware that asks the boot server before it loads anything is not answered by upxe; the rest boots.",
        ),
        (69, config.tftp.enabled && !config.dnsmasq.tftp, "Machines are offered files that upxe cannot send."),
    ] {
        if !wanted {
            continue;
        }
        let trouble = match told {
            Some(ports) => {
                let ours = ports.items().find(|item| item.number_of("port") == Some(port.into()));
                ours.and_then(|item| item.text_of("trouble"))
            }
            None if port_owner::is_bound(port) => {
                let owner = port_owner::name(port);
                if owner.is_none() && !privileges::is_root() {
                    let why = "If it is upxe, all is well: ask again as root.";
                    let what = format_args!("port {port}: held by a program that only root can see");
                    found.note("not-root", what, why);
                    continue;
                }
                let owner = owner.unwrap_or_else(|| "another program".to_owned());
                // It runs, and only its status can't be had.
                if owner.starts_with("upxe ") { None } else { Some(format!("held by {owner}")) }
            }
            None => None,
        };
        let Some(mut trouble) = trouble else { continue };
        // In its jail the service doesn't see other programs; we may.
        if trouble.starts_with("held by ")
            && let Some(owner) = port_owner::name(port)
        {
            trouble = format!("held by {owner}");
        }
        found.error("port-taken", format_args!("port {port}: {trouble}"), why);
        if let Some(service) = service_of(&trouble) {
            found.mend(format_args!("service {service} stop && service {service} disable"));
        }
    }
}

/// The init script of the program that `trouble` names, if there is one; dnsmasq's isn't to be stopped for it.
fn service_of(trouble: &str) -> Option<&str> {
    let name = trouble.strip_prefix("held by ")?.split(" (").next()?;
    let script = Path::new("/etc/init.d").join(name);
    (!name.starts_with("dnsmasq") && !name.contains('/') && script.exists()).then_some(name)
}

/// Whether anybody on this router gives out addresses.
pub fn dhcp_server(found: &mut Findings) {
    if !port_owner::is_bound(67) {
        let why = "upxe tells machines what to boot and gives out no addresses. If another machine of this network does, \
                   all is well; 'upxe doctor --probe' asks.";
        let what = format_args!("no DHCP server runs on this router (port 67 is free)");
        found.warning("no-dhcp", what, why).mend(format_args!("service dnsmasq start"));
    }
}
