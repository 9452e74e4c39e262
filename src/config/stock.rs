//! What the dnsmasq beside us does by its own configuration: which folder it serves, whose ports it opens, which lines it
//! reads; and what that leaves to us.

use std::path::PathBuf;
use std::rc::Rc;

use super::boot::Home;
use super::diagnostic::{Diagnostic, Severity, quoted};
use super::dnsmasq::{Collected, TftpLines};
use super::hosts::Hosts;
use super::options::{common, dnsmasq, upxe};
use super::section::{self, Reader};
use super::sections::Sections;
use super::uci::{Package, Section, Value};
use super::{Config, DnsmasqPorts, Origin, Overrides};

/// What dnsmasq's own configuration has it do, as far as it is our business.
pub struct Stock {
    root: Option<(PathBuf, Origin)>,
    /// A dnsmasq that serves TFTP: where that is said, and how to switch it off.
    tftp: Option<(Origin, String)>,
    /// A dnsmasq that opens port 4011 (dnsmasq `enable_pxe`).
    serves_pxe: bool,
    /// The files of lines that say so.
    conf: Vec<Rc<str>>,
}

impl Stock {
    /// From the lines of dnsmasq.conf. A file that was named by hand is for us, not for dnsmasq.
    pub fn of_conf(lines: &TftpLines, overrides: &Overrides) -> Self {
        let by_dnsmasq = lines.enabled.as_ref().filter(|_| overrides.conf_file.is_none());
        let remedy = || "take enable-tftp out of that file; service dnsmasq restart".to_owned();
        let mut conf = Vec::new();
        conf.extend(lines.root.as_ref().map(|(_, origin)| origin.file.clone()));
        conf.extend(lines.enabled.as_ref().map(|origin| origin.file.clone()));
        Stock {
            root: lines.root.clone(),
            tftp: by_dnsmasq.map(|origin| (origin.clone(), remedy())),
            serves_pxe: lines.serves_pxe && overrides.conf_file.is_none(),
            conf,
        }
    }

    /// Reads `/etc/config/dhcp`: what dnsmasq does, and the rules that stand there.
    pub fn read(
        &mut self,
        file: &Rc<str>,
        dhcp: &Package,
        hosts: &Hosts<'_>,
        collected: &mut Collected,
        out: &mut Vec<Diagnostic>,
    ) {
        let mut disabled = Vec::new();
        let masqs = dhcp.sections.iter().filter(|section| section.kind == dnsmasq::SECTION.kind);
        for section in masqs {
            // dnsmasq.init reads a flag it does not understand as its default.
            let mut reader = Reader::new(file, Some(section), Severity::Warning, out);
            if reader.flag(&dnsmasq::DISABLED) {
                disabled.push(section.name.as_bytes());
                continue;
            }
            reader.check_names(&dnsmasq::SECTION, false);
            let root = reader.folder(&dnsmasq::TFTP_ROOT);
            let serves = reader.written(&dnsmasq::ENABLE_TFTP, section::flag);
            let pxe = [&dnsmasq::PXE_SERVICE, &dnsmasq::PXE_PROMPT];
            self.serves_pxe |= pxe.iter().any(|known| section.option(known.name).is_some());
            remark_on_several_boots(&mut reader, section);
            Sections { file, home: Home::Dhcp, hosts, collected, out }.main(section);
            // dnsmasq.init: enable_tftp counts only together with tftp_root, whatever that is.
            if let (Some((true, at)), Some(_)) = (serves, section.option(dnsmasq::TFTP_ROOT.name)) {
                self.tftp.get_or_insert_with(|| (at, remedy(&section.address("dhcp", dhcp))));
            }
            if let (path, Some(origin)) = root {
                self.root.get_or_insert((path, origin));
            }
        }
        // dnsmasq.init writes all other sections behind; its filter_dnsmasq heeds `option instance`.
        let passed_over = |section: &Section| {
            let instance = section.option(common::INSTANCE.name).and_then(|option| option.value.items().first());
            instance.is_some_and(|instance| disabled.contains(&instance.bytes.as_slice()))
        };
        Sections { file, home: Home::Dhcp, hosts, collected, out }.read(dhcp, &passed_over);
    }

    /// Which folder is served, and whether two servers want to do it; `written` is where our own `tftp_root` is.
    pub fn settle_tftp(
        &self,
        overrides: &Overrides,
        config: &mut Config,
        written: Option<Origin>,
        out: &mut Vec<Diagnostic>,
    ) {
        config.dnsmasq = DnsmasqPorts { tftp: self.tftp.is_some(), boot_server: self.serves_pxe };
        let tftp = &mut config.tftp;
        let mut subject = "option tftp_root";
        let mut origin = written.clone();
        if let Some(given) = &overrides.tftp_root {
            origin = Some(Origin::command_line());
            match section::folder(&upxe::TFTP_ROOT.form, given) {
                Some(root) => tftp.root = root,
                None => {
                    let expected = upxe::TFTP_ROOT.form.words();
                    let found = quoted(given.as_bytes());
                    out.push(Diagnostic::found(
                        Severity::Error,
                        Origin::command_line(),
                        "--tftp-root",
                        found,
                        &expected,
                    ));
                }
            }
        } else if let (None, Some((root, at))) = (&written, &self.root) {
            if self.is_conf(at) {
                subject = "tftp-root";
            }
            let parts = &[if tftp.enabled {
                "upxe serves this folder too, since no tftp_root of its own is set"
            } else {
                "upxe offers the files of this folder, for dnsmasq to send"
            }];
            out.push(Diagnostic::text(Severity::Note, at.clone(), subject, parts));
            tftp.root.clone_from(root);
            origin = Some(at.clone());
        }
        if tftp.root.parent().is_none() {
            let origin = origin.unwrap_or_else(Origin::command_line);
            out.push(Diagnostic::text(Severity::Warning, origin, subject, &["the whole file system would be served"]));
        }
        if let (Some((at, remedy)), true) = (&self.tftp, tftp.enabled) {
            let parts = &[
                "dnsmasq serves TFTP itself and holds port 69; switch that off (",
                remedy,
                "), or upxe's (uci set upxe.main.tftp='0')",
            ];
            let subject = if self.is_conf(at) { "enable-tftp" } else { "option enable_tftp" };
            out.push(Diagnostic::text(Severity::Warning, at.clone(), subject, parts));
        }
    }

    /// True for a place in a file of lines.
    fn is_conf(&self, origin: &Origin) -> bool {
        self.conf.contains(&origin.file)
    }
}

fn remedy(section: &str) -> String {
    ["uci set ", section, ".enable_tftp='0'; uci commit dhcp; service dnsmasq restart"].concat()
}

/// dnsmasq.init hands the items of a list to dnsmasq in one line.
fn remark_on_several_boots(reader: &mut Reader<'_>, section: &Section) {
    let lines = reader.texts(&dnsmasq::DHCP_BOOT);
    let is_list = section.option(dnsmasq::DHCP_BOOT.name).is_some_and(|option| matches!(option.value, Value::List(_)));
    if let ([(_, origin), _, ..], true) = (lines.as_slice(), is_list) {
        let parts = &[
            "dnsmasq takes all items of this list for one line, and boots only the first file; upxe reads each item \
             as a line. For one file per architecture, config boot sections serve both",
        ];
        reader.remark(Severity::Warning, &dnsmasq::DHCP_BOOT, origin.clone(), parts);
    }
}

/// The folders of lines that dnsmasq.init has dnsmasq read, and writes `option extraconftext` to.
pub fn conf_folders(dhcp: &Package) -> Vec<String> {
    let mut folders = Vec::new();
    let (file, mut said_later) = ("".into(), Vec::new());
    for section in dhcp.sections.iter().filter(|section| section.kind == dnsmasq::SECTION.kind) {
        if Reader::new(&file, Some(section), Severity::Warning, &mut said_later).flag(&dnsmasq::DISABLED) {
            continue;
        }
        let first = section.option("confdir").and_then(|option| option.value.items().first());
        match first.and_then(|item| str::from_utf8(&item.bytes).ok()) {
            Some(folder) => folders.push(folder.to_owned()),
            // Since 24.10, and before.
            None => {
                folders.push(["/tmp/dnsmasq.", &section.name, ".d"].concat());
                folders.push("/tmp/dnsmasq.d".to_owned());
            }
        }
    }
    folders
}
