//! Rules held against the machines that there are: architectures mixed up, and iPXE that is sent iPXE.

use std::net::Ipv4Addr;

use super::{Remarks, named, service_files};
use crate::commands::explain::{Description, setters};
use crate::config::Config;
use crate::config::rules::{Condition, Origin, Pattern, Rules, Service, TagTest};
use crate::proxy::architecture::{Architecture, is_ipxe_binary};
use crate::proxy::clients::Past;
use crate::proxy::matching::carried;
use crate::proxy::tags::TagSet;
use crate::proxy::{Arrival, BootFiles, Door, Silence, decide};
use crate::wire::request::Request;

/// Architectures of option 93 that are confused.
const BIOS: u16 = 0;
const ITANIUM: u16 = 2;
const IA32: u16 = 6;
const X64: u16 = 7;
const BYTE_CODE: u16 = 9;

/// Numbers that mean another machine than meant, and files that the machine can't run.
pub fn architectures(rules: &Rules, out: &mut Remarks) {
    for tagger in &rules.taggers {
        let Some(number) = architecture(&tagger.condition) else { continue };
        let others = |wanted: u16| {
            let same = rules.taggers.iter().filter(|other| other.tag == tagger.tag);
            same.filter_map(|other| architecture(&other.condition)).any(|number| number == wanted)
        };
        let (said, meant) = match number {
            BYTE_CODE if !others(X64) => ("9 is EFI byte code; x64 machines say", X64),
            ITANIUM if !others(IA32) => ("2 is Itanium; 32-bit UEFI machines say", IA32),
            _ => continue,
        };
        let subject = format!("tag '{}'", tagger.tag);
        let tag = &tagger.tag;
        let what = format_args!("architecture {said} {meant}: add dhcp-match=set:{tag},option:client-arch,{meant}");
        out.warn(&tagger.origin, &subject, what);
    }
    x64_entries(rules, out);
    for (service, file) in service_files(rules) {
        unrunnable(service.architecture, &file, &service.origin, out);
    }
    for boot in &rules.boots {
        if let Some(number) = only_architecture(rules, &boot.when) {
            unrunnable(number, &boot.file, &boot.origin, out);
        }
    }
}

/// Menu entries for 7 and 9 that differ: the same machines say either.
fn x64_entries(rules: &Rules, out: &mut Remarks) {
    let of = |number| rules.services.iter().filter(move |service| service.architecture == number);
    let Some(byte_code) = of(BYTE_CODE).next() else { return };
    let same = |other: &&Service| other.target == byte_code.target;
    if let Some(x64) = of(X64).next()
        && !of(X64).any(|x64| same(&x64))
    {
        let what = format_args!(
            "BC_EFI (9) and x86-64_EFI (7) name different files, and x64 machines say either; give both the file of {}",
            x64.origin
        );
        out.warn(&byte_code.origin, "pxe-service", what);
    }
}

/// The architecture that a condition asks for.
fn architecture(condition: &Condition) -> Option<u16> {
    match condition {
        Condition::Option(93, Pattern::Element(bytes)) => Some(u16::from_be_bytes(bytes.as_slice().try_into().ok()?)),
        Condition::Option(93, Pattern::Start(bytes)) => match bytes.as_slice() {
            [Some(high), Some(low)] => Some(u16::from_be_bytes([*high, *low])),
            _ => None,
        },
        _ => None,
    }
}

/// The architecture of all clients for which these tests hold, if one tag says so.
fn only_architecture(rules: &Rules, when: &[TagTest]) -> Option<u16> {
    when.iter().filter(|test| test.set).find_map(|test| {
        let mut numbers =
            rules.taggers.iter().filter(|tagger| tagger.tag == test.tag).map(|it| architecture(&it.condition));
        let first = numbers.next()??;
        let same = numbers.all(|number| number == Some(first)) && setters(rules, &test.tag).len() == 1;
        same.then_some(first)
    })
}

/// BIOS loads no `.efi`, and UEFI nothing made for BIOS.
fn unrunnable(number: u16, file: &str, origin: &Origin, out: &mut Remarks) {
    let ends = |endings: &[&str]| endings.iter().any(|ending| file.to_ascii_lowercase().ends_with(ending));
    let architecture = Architecture(number);
    let (is, machine) = if number == BIOS && ends(&[".efi"]) {
        ("a UEFI", "BIOS machines")
    } else if architecture.is_uefi_to_dnsmasq() && ends(&[".0", ".kpxe", ".kkpxe", ".pxe"]) {
        ("a BIOS", "UEFI machines")
    } else {
        return;
    };
    let what = format_args!("is {is} program, and architecture {number} stands for {machine}, which cannot run it");
    out.warn(origin, &named(file), what);
}

/// iPXE that is sent iPXE. upxe passes over such a rule, so that the machine boots if there is anything else; where there is
/// nothing, it doesn't.
pub fn loops(config: &Config, files: &dyn BootFiles, out: &mut Remarks) {
    let rules = &config.rules;
    let mut binaries = Vec::new();
    binaries.extend(rules.boots.iter().map(|boot| (&boot.origin, &boot.when, boot.file.clone())));
    binaries.extend(service_files(rules).into_iter().map(|(service, file)| (&service.origin, &service.when, file)));
    binaries.retain(|(.., file)| is_ipxe_binary(file));
    let Some(interface) = config.interfaces.first().filter(|_| !binaries.is_empty()) else { return };
    let router = Ipv4Addr::new(192, 168, 1, 1);
    let mask = Ipv4Addr::new(255, 255, 255, 0);
    let arrival = Arrival { door: Door::Proxy, interface: &interface.name, device: &interface.device, router, mask };
    let packets = ["bios", "x64", "arm64"].map(|name| {
        let ipxe = Description { architectures: vec![name.to_owned()], ipxe: true, ..Description::default() };
        // These words make sense.
        ipxe.packet(router).unwrap_or_default()
    });
    for (origin, when, file) in binaries {
        let (mut gets_it, mut starves) = (false, false);
        for request in packets.iter().filter_map(|packet| Request::read(packet).ok()) {
            let (tags, _) = carried(rules, &arrival, &request);
            if may_hold(rules, when, &tags.all) {
                gets_it = true;
                starves |= matches!(
                    decide(rules, files, &arrival, &request, &Past::default()).outcome,
                    Err(Silence::NoFile { .. })
                );
            }
        }
        const LOOP: &str = "iPXE gets this too, and would load itself for ever; upxe passes over it then";
        const GUARD: &str = " a tag test that keeps iPXE out (tag:!ipxe, with dhcp-match=set:ipxe,175)";
        if starves {
            let nothing = ", and finds nothing else for it: put boot.ipxe under the TFTP root, and add";
            out.warn(origin, &named(&file), format_args!("{LOOP}{nothing}{GUARD}"));
        } else if gets_it {
            out.note(origin, &named(&file), format_args!("{LOOP}; dnsmasq would not: add{GUARD}"));
        }
    }
}

/// True unless the tests keep out every iPXE: a tag that plain iPXE doesn't carry may still be set by its address or its kind.
fn may_hold(rules: &Rules, when: &[TagTest], tags: &TagSet) -> bool {
    when.iter().all(|test| {
        let by_itself = || {
            let taggers = rules.taggers.iter().any(|tagger| tagger.tag == test.tag);
            taggers || rules.hosts.iter().any(|host| host.set.contains(&test.tag))
        };
        tags.has(&test.tag) == test.set || test.set && by_itself()
    })
}
