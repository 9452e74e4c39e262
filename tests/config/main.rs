//! Configurations, good and bad, from their texts to what is said about them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod complaints;
mod dhcp;
mod files;
mod hostile;
mod import;
mod interfaces;
mod published;
mod same_rules;
mod syntax;

use upxe::config::Overrides;
use upxe::config::dnsmasq::files::NoFiles;
use upxe::config::load::{Source, Sources, load};
use upxe::config::{Config, Diagnostic};

/// Sources with these texts, under short names; an empty text is a file that does not exist.
fn sources(upxe: &str, dhcp: &str, network: &str) -> Sources {
    let source = |name: &str, text: &str| Source {
        name: name.into(),
        text: Some(text.as_bytes().to_vec()).filter(|text| !text.is_empty()),
    };
    Sources {
        upxe: source("upxe", upxe),
        dhcp: source("dhcp", dhcp),
        network: source("network", network),
        hosts: source("hosts", "127.0.0.1 localhost\n::1 nas\n192.168.1.5 nas.lan nas # box\n"),
        conf_file: None,
        uhttpd: true,
    }
}

/// The interface that nothing is said about.
const LAN: &str = "config interface lan\n\toption device br-lan\n";

fn load_texts(upxe: &str, dhcp: &str, network: &str) -> (Option<Config>, Vec<Diagnostic>) {
    load(&sources(upxe, dhcp, network), &Overrides::default(), &mut NoFiles)
}

/// The configuration these texts come to, without a word of complaint.
fn clean(upxe: &str, dhcp: &str) -> Config {
    let (config, diagnostics) = load_texts(upxe, dhcp, LAN);
    assert_eq!(lines(&diagnostics), [""; 0]);
    config.expect("no error")
}

/// Diagnostics as they are printed.
fn lines(diagnostics: &[Diagnostic]) -> Vec<String> {
    diagnostics.iter().map(Diagnostic::to_string).collect()
}

/// Says what the texts come to in complaints, and that there is a configuration unless one of them is an error.
fn complaints(upxe: &str, dhcp: &str, network: &str) -> Vec<String> {
    let (config, diagnostics) = load_texts(upxe, dhcp, network);
    assert_eq!(config.is_none(), diagnostics.iter().any(Diagnostic::is_error));
    lines(&diagnostics)
}

#[test]
fn names_lose_the_roots_own_path() {
    let config = clean(
        "config upxe main\noption tftp_root /srv/boot/\noption script //srv/boot/a.ipxe\n\
         list pxe_service 'x86PC,x,/srv/boot/sub/p'\nconfig boot\noption filename /srv/boot/b\n\
         config boot\noption filename /srv/boot/c\noption serveraddress 192.168.1.5\n\
         config entry e\noption kernel /srv/boot/deb/linux\nlist initrd /srv/booty/i\nlist initrd srv/boot/i\n\
         config entry f\noption url http://x/srv/boot/y\n",
        "",
    );
    let rules = &config.rules;
    assert_eq!(rules.script.as_deref(), Some("a.ipxe"));
    assert_eq!(rules.boots.iter().map(|boot| boot.file.as_str()).collect::<Vec<_>>(), ["b", "/srv/boot/c"]);
    assert_eq!(rules.services[0].target, upxe::config::rules::Target::File("sub/p".to_owned()));
    let files: Vec<String> = rules.menu.entries.iter().flat_map(|entry| entry.kind.files()).collect();
    assert_eq!(files, ["deb/linux", "/srv/booty/i", "srv/boot/i", "http://x/srv/boot/y"]);
}
