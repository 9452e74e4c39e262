//! What the dnsmasq beside us does about booting by its own configuration, and how to make it leave that to upxe.

use std::fs;

use super::{Findings, Patient, shell_word};
use crate::commands::check::{lint, mend, surroundings};
use crate::commands::import::import;
use crate::config::hosts::Hosts;
use crate::config::options::{boot, common, upxe};
use crate::config::uci::{Package, Section, Value, parse};
use crate::config::{Diagnostic, Origin, Severity};

/// True for the remark that two programs want to serve TFTP.
pub fn is_tftp(diagnostic: &Diagnostic) -> bool {
    diagnostic.severity == Severity::Warning
        && (diagnostic.subject == "option enable_tftp" || diagnostic.subject == "enable-tftp")
}

/// Boot lines, menus and TFTP of dnsmasq's own, and the release that answers wrongly.
pub fn examine(patient: &Patient<'_>, diagnostics: &[Diagnostic], found: &mut Findings) {
    const RESTART: &str = " && service dnsmasq restart && service upxe reload";
    let packages = mend::Packages::read(patient.confdir);
    let mend::Packages { upxe: (_, own), dhcp: (file, dhcp) } = &packages;
    let removal = |origin: &Origin| mend::removal(&packages, origin);
    if let Some(diagnostic) = diagnostics.iter().find(|diagnostic| is_tftp(diagnostic)) {
        let what = format_args!("dnsmasq serves TFTP itself, and upxe leaves port 69 to it");
        let why = "Machines load their files from dnsmasq, slower and without word of their progress here.";
        let command = format_args!("{}{RESTART}", removal(&diagnostic.origin));
        found.warning("dnsmasq-tftp", what, why).at(&diagnostic.origin).mend(command);
    }
    // One command moves all lines: what is numbered would have another number after the first.
    let (mut copies, mut removals, mut first) = (String::new(), String::new(), None);
    for diagnostic in lint::lint_dnsmasq(&patient.config.rules, &surroundings(patient.config)) {
        let origin = &diagnostic.origin;
        let (code, why) = match &*diagnostic.subject {
            "pxe-service" | "pxe-prompt" => {
                ("dnsmasq-pxe", "Machines get dnsmasq's menu besides what upxe offers, and ask it alone.")
            }
            "dnsmasq" => ("dnsmasq-broken", "What machines ask on port 4011 is answered to nobody."),
            _ => ("dnsmasq-boot", "A machine that hears two boot files takes either, and not always the same."),
        };
        found.add(diagnostic.severity, code, format_args!("{}", diagnostic.words()), why).at(origin);
        if code == "dnsmasq-broken" {
            // A pxe-service line is moved anyway.
            if patient.config.rules.ranges.iter().any(|range| range.origin == *origin) {
                found.mend(format_args!("{}{RESTART}", removal(origin)));
            }
        } else if diagnostic.severity > Severity::Note {
            // A note is no trouble, and what upxe offers comes from that line.
            let section =
                if origin.file == *file { moved_section(dhcp, origin.line) } else { conf_section(dhcp, origin) };
            if let Some(copy) = section.and_then(|section| uci_copy(own, &section)) {
                if first.is_none() {
                    first = Some(found.0.len() - 1);
                } else if let Some(finding) = found.0.last_mut() {
                    finding.why.push_str(" The command that moves the first of these lines moves this one, too.");
                }
                copies.push_str(&copy);
                removals = format!(" && {}{removals}", removal(origin));
            }
        }
    }
    if let Some(finding) = first.and_then(|first| found.0.get_mut(first)) {
        finding.mend = Some(format!("{copies}uci commit upxe{removals}{RESTART}"));
    }
}

/// What stands in this line, as the section of `/etc/config/upxe` that says the same.
fn moved_section(dhcp: &Package, line: u32) -> Option<Section> {
    let section = dhcp.sections.iter().rev().find(|section| section.line <= line)?;
    if section.kind != "dnsmasq" {
        let mut section = section.clone();
        section.options.retain(|it| boot::SECTION.option(&it.name).is_some() && it.name != common::INSTANCE.name);
        return Some(section);
    }
    let items = section.options.iter().flat_map(|option| option.value.items().iter().map(move |item| (option, item)));
    let (option, item) = items.into_iter().find(|(_, item)| item.line == line)?;
    let text = str::from_utf8(&item.bytes).ok()?;
    // What upxe reads for a tag here is a part of the file's name in a line.
    let text = text.trim_start().strip_prefix("set:").map_or(text.to_owned(), |rest| format!("tag:{rest}"));
    let line = format!("{}={text}", option.name.replace('_', "-"));
    line_section(dhcp, line.as_bytes())
}

/// The same for a line of dnsmasq.conf.
fn conf_section(dhcp: &Package, origin: &Origin) -> Option<Section> {
    let text = fs::read(&*origin.file).ok()?;
    let at = usize::try_from(origin.line).ok()?.checked_sub(1)?;
    line_section(dhcp, text.split(|byte| *byte == b'\n').nth(at)?)
}

fn line_section(dhcp: &Package, line: &[u8]) -> Option<Section> {
    let hosts = fs::read("/etc/hosts").unwrap_or_default();
    let imported = import("", line, &Hosts { text: &hosts, sections: &dhcp.sections });
    parse(imported.uci.as_bytes()).0.sections.pop()
}

/// The commands that write such a section, or its options where it is the main one; each with what joins it to the next.
fn uci_copy(own: &Package, section: &Section) -> Option<String> {
    let is_main = section.kind == upxe::SECTION.kind;
    let main = own.sections.iter().find(|other| is_main && other.kind == section.kind);
    let (mut commands, address) = match main {
        Some(main) => (String::new(), main.address("upxe", own)),
        None if is_main => ("uci set upxe.main=upxe && ".to_owned(), "upxe.main".to_owned()),
        None => (format!("uci add upxe {} && ", section.kind), format!("upxe.@{}[-1]", section.kind)),
    };
    for option in &section.options {
        let word = if matches!(option.value, Value::List(_)) { "uci add_list " } else { "uci set " };
        for item in option.value.items() {
            let value = shell_word(str::from_utf8(&item.bytes).ok()?);
            commands.extend([word, &address, ".", &option.name, "=", &value, " && "]);
        }
    }
    (!section.options.is_empty()).then_some(commands)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_out_is_written_down_first() {
        let text =
            b"config dnsmasq\n\toption dhcp_boot 'set:x,a,,192.168.1.5'\n\tlist pxe_service 'x86PC,\"a, b\",c'\n\
                     \toption tftp_root '/srv'\nconfig boot 'mine'\n\toption filename 'b c'\n\toption networkid '!x'\n\
                     \toption instance 'cfg01411c'\n\tlist dhcp_option '1,2'\n";
        let (dhcp, errors) = parse(text);
        assert!(errors.is_empty());
        let (own, _) = parse(b"config upxe\n");
        let nothing = Package::default();
        for (line, own, expected) in [
            (
                2,
                &own,
                "uci add upxe boot && uci set upxe.@boot[-1].filename='a' && \
                 uci set upxe.@boot[-1].serveraddress='192.168.1.5' && uci set upxe.@boot[-1].networkid='x' && ",
            ),
            (3, &own, "uci add_list upxe.@upxe[0].pxe_service='x86PC,\"a, b\",c' && "),
            (3, &nothing, "uci set upxe.main=upxe && uci add_list upxe.main.pxe_service='x86PC,\"a, b\",c' && "),
            (
                5,
                &own,
                "uci add upxe boot && uci set upxe.@boot[-1].filename='b c' && uci set upxe.@boot[-1].networkid='!x' && \
                 uci add_list upxe.@boot[-1].dhcp_option='1,2' && ",
            ),
        ] {
            let section = moved_section(&dhcp, line).unwrap();
            assert_eq!(uci_copy(own, &section).as_deref(), Some(expected));
        }
        assert_eq!(moved_section(&dhcp, 1), None);
    }
}
