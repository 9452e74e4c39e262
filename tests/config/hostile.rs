//! Damaged files never bring the loader down: every truncation and every change of a single byte.

use upxe::config::Overrides;
use upxe::config::dnsmasq::files::NoFiles;
use upxe::config::load::{Source, Sources, load};
use upxe::config::uci;

const UPXE: &[u8] = b"config upxe 'main'\n\toption enabled '1'\n\tlist interface \"lan\"\n\toption tftp_max 9\\\n\n\
    # c\n\toption script 'a\nb';\nconfig boot\n\toption filename x\\ y\n\toption serveraddress nas\n\
    \toption networkid 'tag:a,!b'\nconfig boot x\n";
const DHCP: &[u8] = b"config dnsmasq\n\toption dhcp_boot 'tag:a,net:#b,f,s,10.0.0.1'\n\toption tftp_root '/x'\n\
    \toption enable_tftp 1\nconfig boot b\n\toption filename f\n\toption instance i\nconfig domain\n\
    \toption name nas\n\toption ip 10.0.0.2\n";
const NETWORK: &[u8] = b"config interface lan\n\toption device @a\nconfig interface a\n\toption type bridge\n\
    \toption ifname 'eth0 eth1'\n";
const HOSTS: &[u8] = b"127.0.0.1 localhost # x\n10.0.0.9\tnas NAS.lan\n";

/// Loads the four texts, with the one at `place` replaced by `text`.
fn load_with(place: usize, text: &[u8]) {
    let mut texts = [UPXE, DHCP, NETWORK, HOSTS];
    texts[place] = text;
    let [upxe, dhcp, network, hosts] = texts.map(|text| Source { name: "f".into(), text: Some(text.to_vec()) });
    let (config, diagnostics) = load(
        &Sources { upxe, dhcp, network, hosts, conf_file: None, uhttpd: true },
        &Overrides::default(),
        &mut NoFiles,
    );
    assert_eq!(config.is_none(), diagnostics.iter().any(|diagnostic| diagnostic.is_error()));
    for diagnostic in diagnostics {
        assert!(!diagnostic.to_string().contains('\n'));
    }
}

#[test]
fn every_truncation() {
    for (place, text) in [UPXE, DHCP, NETWORK, HOSTS].into_iter().enumerate() {
        for end in 0..=text.len() {
            load_with(place, &text[..end]);
        }
    }
}

#[test]
fn every_change_of_one_byte() {
    for (place, text) in [UPXE, DHCP, NETWORK, HOSTS].into_iter().enumerate() {
        for at in 0..text.len() {
            let mut changed = text.to_vec();
            for byte in 0..=255 {
                changed[at] = byte;
                load_with(place, &changed);
            }
        }
    }
}

#[test]
fn every_short_text_of_telling_bytes() {
    const BYTES: &[u8] = b"c \n'\"\\;#\ra";
    let mut text = *b"c a\nc a     ";
    for code in 0..10usize.pow(5) {
        let mut rest = code;
        for byte in &mut text[7..] {
            *byte = BYTES[rest % 10];
            rest /= 10;
        }
        uci::parse(&text);
    }
}
