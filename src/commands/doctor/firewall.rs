//! Whether the firewall lets clients reach the ports of this router that they need.

use std::ffi::CString;

use super::{Findings, Patient, shell_word};
use crate::config::Interface;
use crate::config::files::package;
use crate::config::rules::Web;
use crate::config::uci::{Package, Section};
use crate::sys::program;

/// Where an interface's packets end up.
#[derive(Debug, PartialEq, Eq)]
pub enum Gate<'a> {
    /// They are let in.
    Open,
    /// They are not, in this zone; without one, by the default of the whole firewall.
    Closed(Option<&'a str>),
}

/// Looks at each network that is served. Offers need no permission: a packet socket hears before any firewall.
pub fn examine(patient: &Patient<'_>, found: &mut Findings) {
    let (_, firewall) = package(patient.confdir, "firewall");
    if firewall.sections.is_empty() {
        return;
    }
    let (config, mut ports) = (patient.config, Vec::new());
    if config.tftp.enabled && !config.dnsmasq.tftp {
        ports.push(("udp", 69));
    }
    if !config.dnsmasq.boot_server {
        ports.push(("udp", 4011));
    }
    if let Some(Web::Own(port)) = config.rules.web {
        ports.push(("tcp", port));
    }
    for interface in &config.interfaces {
        let Gate::Closed(zone) = gate(&firewall, interface, &ports) else { continue };
        let name = &interface.name;
        let why = "Machines there hear what they are offered, and cannot load it.";
        let Some(zone) = zone else {
            let what = format_args!("network {name} is in no zone of the firewall, which lets nothing in by default");
            // Which zone it belongs to is the owner's to say: a guest network must not end up among the trusted.
            let why = [
                why,
                " Put the network into a zone, in LuCI under Network, Firewall; then see what is said of that zone.",
            ];
            found.error("firewall-closed", what, &why.concat());
            continue;
        };
        if patient.is_off || is_opened_by_procd(zone) {
            continue;
        }
        let list = |protocol: &str| {
            let its = ports.iter().filter(|(of, _)| *of == protocol).map(|(_, port)| port.to_string());
            its.collect::<Vec<_>>().join(" ")
        };
        let (udp, tcp) = (list("udp"), list("tcp"));
        let shown = if tcp.is_empty() { String::new() } else { format!(", or TCP port {tcp}") };
        let what = format_args!("zone {zone} of the firewall keeps network {name} from UDP port {udp}{shown}");
        let rule = |protocol: &str, ports: &str| {
            format!(
                "uci add firewall rule && uci set firewall.@rule[-1].name={} && uci set firewall.@rule[-1].src={} && \
                 uci set firewall.@rule[-1].proto='{protocol}' && uci set firewall.@rule[-1].dest_port='{ports}' && \
                 uci set firewall.@rule[-1].target='ACCEPT' && ",
                shell_word(&format!("Allow-netboot-{zone}")),
                shell_word(zone)
            )
        };
        let rules = [("udp", &udp), ("tcp", &tcp)].into_iter().filter(|(_, ports)| !ports.is_empty());
        let rules: String = rules.map(|(protocol, ports)| rule(protocol, ports)).collect();
        let command = format_args!("{rules}uci commit firewall && service firewall restart");
        found.error("firewall-closed", what, why).mend(command);
    }
}

/// By `/etc/config/firewall`, as fw4 reads it, whether packets to all of `ports` are let in on `interface`.
pub fn gate<'f>(firewall: &'f Package, interface: &Interface, ports: &[(&'static str, u16)]) -> Gate<'f> {
    let of_kind = |kind: &'static str| firewall.sections.iter().filter(move |section| section.kind == kind);
    let first = |section: &'f Section, name: &str| section.words(name).first().copied();
    let default = of_kind("defaults").find_map(|section| first(section, "input")).unwrap_or("REJECT");
    let zone = of_kind("zone").find(|zone| {
        let names = zone.words("network");
        let is_named = if names.is_empty() {
            first(zone, "name") == Some(interface.name.as_str())
        } else {
            names.contains(&interface.name.as_str())
        };
        is_named || zone.words("device").contains(&interface.device.as_str())
    });
    let zone_name = zone.and_then(|zone| first(zone, "name"));
    let input = zone.and_then(|zone| first(zone, "input")).unwrap_or(default);
    let rules = |protocol: &'static str| of_kind("rule").filter(move |rule| lets_in(rule, zone_name, protocol));
    let is_open = |(protocol, port): &(&'static str, u16)| rules(protocol).any(|rule| names_port(rule, *port));
    if input.eq_ignore_ascii_case("ACCEPT") || ports.iter().all(is_open) {
        return Gate::Open;
    }
    Gate::Closed(zone_name)
}

/// True for a rule that accepts this protocol from everybody in `zone` to this router.
fn lets_in(rule: &Section, zone: Option<&str>, protocol: &str) -> bool {
    let number = if protocol == "udp" { "17" } else { "6" };
    let first = |name: &str| rule.words(name).first().copied();
    let says = |name: &str, right: &[&str]| first(name).is_none_or(|word| right.contains(&word));
    let protocols = rule.words("proto");
    // fw4's default is TCP and UDP.
    let is_it =
        protocols.is_empty() || protocols.iter().any(|word| [protocol, "tcpudp", "all", "*", number].contains(word));
    let source = first("src");
    // A rule for some only, or for another machine behind the router, is none for all.
    let is_narrow = ["src_ip", "src_mac", "src_port", "dest", "dest_ip", "ipset", "start_time", "weekdays"]
        .iter()
        .any(|name| rule.option(name).is_some());
    first("target").is_some_and(|word| word.eq_ignore_ascii_case("ACCEPT"))
        && says("enabled", &["1", "on", "true", "yes", "enabled"])
        && says("family", &["any", "ipv4"])
        && source.is_some_and(|source| source == "*" || Some(source) == zone)
        && is_it
        && !is_narrow
}

/// Ports and ranges, `67-69` or `67:69`; without any, all.
fn names_port(rule: &Section, port: u16) -> bool {
    let words = rule.words("dest_port");
    words.is_empty() || words.iter().any(|word| {
        let (first, last) = word.split_once(['-', ':']).unwrap_or((word, word));
        matches!((first.parse::<u16>(), last.parse::<u16>()), (Ok(first), Ok(last)) if first <= port && port <= last)
    })
}

/// The init script has procd open the ports in a closed zone while the service runs. fw4 and fw3 put such a rule into the
/// zone's own chain, under a name that they make themselves (`read_ubus` in fw4.uc): `ubus:upxe[instance1] rule 0`.
fn is_opened_by_procd(zone: &str) -> bool {
    // The name goes to a shell.
    if !zone.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-') {
        return false;
    }
    let command = format!(
        "{{ nft list chain inet fw4 input_{zone}; iptables-save | grep -w zone_{zone}_input; }} 2>/dev/null | grep 'ubus:upxe\\['"
    );
    CString::new(command).is_ok_and(|command| program::first_line(&command).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::uci::parse;

    fn said(text: &str) -> String {
        let (firewall, errors) = parse(text.as_bytes());
        assert!(errors.is_empty(), "{errors:?}");
        let interface = Interface { name: "guest".into(), device: "br-guest".into() };
        format!("{:?}", gate(&firewall, &interface, &[("udp", 69), ("udp", 4011)]))
    }

    #[test]
    fn zones_and_rules_are_read_as_fw4_does() {
        const ZONE: &str =
            "config zone\n\toption name 'out'\n\toption input 'REJECT'\n\tlist network 'x'\n\tlist network 'guest'\n";
        const RULE: &str = "config rule\n\toption target 'ACCEPT'\n\toption src 'out'\n\toption proto 'udp'\n";
        let closed = "Closed(Some(\"out\"))";
        for (text, expected) in [
            ("config defaults\n\toption input 'ACCEPT'\n", "Open"),
            ("config defaults\n\toption input 'REJECT'\n", "Closed(None)"),
            ("config zone\n\toption name 'guest'\n\toption input 'accept'\n", "Open"),
            ("config zone\n\toption name 'a'\n\toption network 'lan guest'\n\toption input 'ACCEPT'\n", "Open"),
            ("config zone\n\toption name 'a'\n\tlist device 'br-guest'\n\toption input 'ACCEPT'\n", "Open"),
            ("config zone\n\toption name 'guest'\n\toption network 'lan'\n\toption input 'ACCEPT'\n", "Closed(None)"),
            (ZONE, closed),
            (&[ZONE, RULE].concat(), "Open"),
            (&[ZONE, RULE, "\toption dest_port '69 4011'\n"].concat(), "Open"),
            (&[ZONE, RULE, "\toption dest_port '60-70'\n"].concat(), closed),
            (&[ZONE, RULE, "\toption dest_port '60-70'\n", RULE, "\toption dest_port '4000:5000'\n"].concat(), "Open"),
            (&[ZONE, RULE, "\toption enabled '0'\n"].concat(), closed),
            (&[ZONE, RULE, "\toption family 'ipv6'\n"].concat(), closed),
            (&[ZONE, RULE, "\toption src_mac '02:00:00:00:00:01'\n"].concat(), closed),
            (&[ZONE, RULE, "\toption dest 'wan'\n"].concat(), closed),
            (&[ZONE, &RULE.replace("udp", "tcp")].concat(), closed),
            (&[ZONE, &RULE.replace("'out'", "'*'")].concat(), "Open"),
            (&[ZONE, &RULE.replace("ACCEPT", "DROP")].concat(), closed),
        ] {
            assert_eq!(said(text), expected, "{text}");
        }
        // Each port by its own protocol.
        let tcp = [ZONE, RULE, &RULE.replace("udp", "tcp"), "\toption dest_port '8069'\n"].concat();
        let (firewall, _) = parse(tcp.as_bytes());
        let interface = Interface { name: "guest".into(), device: "br-guest".into() };
        assert_eq!(gate(&firewall, &interface, &[("udp", 69), ("tcp", 8069)]), Gate::Open);
        assert_eq!(gate(&firewall, &interface, &[("tcp", 69)]), Gate::Closed(Some("out")));
    }
}
