//! The corpus that needs no files of its own: made of captures, configurations and tests that the repository has anyway.

use std::fs;
use std::path::{Path, PathBuf};

use upxe::config::options::SECTIONS;

use crate::Target;

/// Writes each target's inputs into a folder of its name, and the words of both languages of configuration.
pub fn write(targets: &[Target], folder: &Path) {
    for target in targets {
        let own = folder.join(target.name);
        fs::create_dir_all(&own).unwrap();
        for (number, seed) in (target.seeds)().iter().enumerate() {
            fs::write(own.join(format!("seed-{number:03}")), seed).unwrap();
        }
    }
    fs::write(folder.join("words"), dictionary()).unwrap();
}

/// A file of the repository.
pub fn file(path: &str) -> Vec<u8> {
    let path = root().join(path);
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The files directly in a folder of the repository, by name.
pub fn files(folder: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(root().join(folder)).unwrap_or_else(|error| panic!("{folder}: {error}"));
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_file()).collect();
    paths.sort();
    paths
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The frames of each capture, in order. The captures are little-endian pcap files all.
pub fn captures() -> Vec<Vec<Vec<u8>>> {
    let frames = |path: &PathBuf| {
        let bytes = fs::read(path).unwrap();
        let (mut frames, mut rest) = (Vec::new(), &bytes[24..]);
        while let Some((header, tail)) = rest.split_at_checked(16) {
            let len = u32::from_le_bytes(header[8..12].try_into().unwrap()) as usize;
            frames.push(tail[..len].to_vec());
            rest = &tail[len..];
        }
        frames
    };
    files("tests/captures").iter().map(frames).collect()
}

/// A dictionary for libFuzzer: every section and option there is, and dnsmasq's words.
fn dictionary() -> String {
    const WORDS: &str = "config option list package dhcp-match= dhcp-boot= dhcp-option= dhcp-option-force= \
        dhcp-option-pxe= dhcp-vendorclass= dhcp-userclass= dhcp-mac= dhcp-host= dhcp-circuitid= dhcp-remoteid= \
        dhcp-subscrid= dhcp-name-match= dhcp-ignore= dhcp-range= dhcp-no-override dhcp-pxe-vendor= enable-tftp \
        tftp-root= tftp-max= tftp-unique-root pxe-service= pxe-prompt= tag-if= conf-file= conf-dir= bridge-interface= \
        tag: net: set: !known # ! option: encap: vendor: vi-encap: option6: id: * x86PC x86-64_EFI BC_EFI IA32_EFI ARM64_EFI \
        client-arch user-class root-path tftp-server bootfile-name proxy static ignore infinite 192.168.1.0 255.255.255.0 \
        11:22:33:44:55:66 http:// https:// https://10.0.0.1/x ${mac} PXEClient HTTPClient iPXE ipxe.efi pxelinux.0 \
        175 209 210 60 93 97 77 43 66 67 0.0.0.0 \\\" ' ; # , : / .. \\\\ lan br-lan 1 on yes true";
    let names = SECTIONS
        .iter()
        .flat_map(|section| std::iter::once(section.kind).chain(section.options.iter().map(|option| option.name)));
    WORDS.split_whitespace().chain(names).map(|word| format!("\"{word}\"\n")).collect()
}
