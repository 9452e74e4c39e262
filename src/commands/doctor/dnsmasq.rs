//! What the dnsmasq beside us does about booting by its own configuration, and how to make it leave that to upxe.

use super::{Finding, Scene, shell_word};
use crate::commands::check::{lint, surroundings};
use crate::config::files::package;
use crate::config::uci::{Package, Value};
use crate::config::{Diagnostic, Origin, Severity};

/// True for the remark that two programs want to serve TFTP.
pub fn is_tftp(diagnostic: &Diagnostic) -> bool {
    diagnostic.severity == Severity::Warning
        && (diagnostic.subject == "option enable_tftp" || diagnostic.subject == "enable-tftp")
}

/// Boot lines, menus and TFTP of dnsmasq's own, and the release that answers wrongly.
pub fn examine(scene: &Scene<'_>, diagnostics: &[Diagnostic], found: &mut Vec<Finding>) {
    let (file, dhcp) = package(scene.confdir, "dhcp");
    let removal = |origin: &Origin| {
        let uci = if origin.file == file { uci_removal(&dhcp, origin.line) } else { None };
        let remove = uci
            .unwrap_or_else(|| ["sed -i '", &origin.line.to_string(), "s/^/# /' ", &shell_word(&origin.file)].concat());
        [&remove, " && service dnsmasq restart && service upxe reload"].concat()
    };
    if let Some(diagnostic) = diagnostics.iter().find(|diagnostic| is_tftp(diagnostic)) {
        let what = &["dnsmasq serves TFTP itself, and upxe leaves port 69 to it"];
        let why = "Machines load their files from dnsmasq, slower and without word of their progress here.";
        let finding = Finding::warning("dnsmasq-tftp", what, why).at(&diagnostic.origin);
        found.push(finding.mend(&[&removal(&diagnostic.origin)]));
    }
    for diagnostic in lint::lint_dnsmasq(&scene.config.rules, &surroundings(scene.config)) {
        let (code, why) = match &*diagnostic.subject {
            "pxe-service" => ("dnsmasq-pxe", "Machines get dnsmasq's menu besides what upxe offers, and ask it alone."),
            "dnsmasq" => ("dnsmasq-broken", "What machines ask on port 4011 is answered to nobody."),
            _ => ("dnsmasq-boot", "A machine that hears two boot files takes either, and not always the same."),
        };
        let mut finding = Finding::new(diagnostic.severity, code, &[&diagnostic.words()], why).at(&diagnostic.origin);
        // A note is no trouble, and what upxe offers comes from that line.
        if diagnostic.severity > Severity::Note {
            finding = finding.mend(&[&removal(&diagnostic.origin)]);
        }
        found.push(finding);
    }
}

/// The commands that take out what stands in this line: an item of `config dnsmasq`, or a whole section of another kind.
fn uci_removal(dhcp: &Package, line: u32) -> Option<String> {
    let section = dhcp.sections.iter().rev().find(|section| section.line <= line)?;
    let address = section.address("dhcp", dhcp);
    let mut command = ["uci delete ", &address].concat();
    if section.kind == "dnsmasq" {
        let holds = |value: &Value| value.items().iter().any(|item| item.line == line);
        let option = section.options.iter().find(|option| holds(&option.value))?;
        command = match &option.value {
            Value::List(items) if items.len() > 1 => {
                let item = items.iter().find(|item| item.line == line)?;
                let text = shell_word(str::from_utf8(&item.bytes).ok()?);
                ["uci del_list ", &address, ".", &option.name, "=", &text].concat()
            }
            _ => [&command, ".", &option.name].concat(),
        };
    }
    Some([&command, " && uci commit dhcp"].concat())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::uci::parse;

    #[test]
    fn the_line_to_blame_is_taken_out() {
        let text = b"config dnsmasq\n\toption dhcp_boot 'a'\n\tlist pxe_service 'x, it''s'\n\tlist pxe_service 'y'\n\
                     config boot\n\toption filename 'b'\nconfig boot 'mine'\n\toption filename 'c'\n\
                     config dnsmasq\n\toption enable_tftp '1'\n";
        let (dhcp, errors) = parse(text);
        assert!(errors.is_empty());
        for (line, expected) in [
            (2, "uci delete dhcp.@dnsmasq[0].dhcp_boot && uci commit dhcp"),
            (3, "uci del_list dhcp.@dnsmasq[0].pxe_service='x, its' && uci commit dhcp"),
            (6, "uci delete dhcp.@boot[0] && uci commit dhcp"),
            (7, "uci delete dhcp.mine && uci commit dhcp"),
            (10, "uci delete dhcp.@dnsmasq[1].enable_tftp && uci commit dhcp"),
        ] {
            assert_eq!(uci_removal(&dhcp, line).as_deref(), Some(expected));
        }
        assert_eq!(uci_removal(&dhcp, 0), None);
    }
}
