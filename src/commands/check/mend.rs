//! The command that mends what `upxe check` remarks on: takes out what has no effect, corrects a word, copies a file here, or
//! at least opens the line.

use std::path::Path;
use std::rc::Rc;

use crate::config::diagnostic::Mend;
use crate::config::files::package;
use crate::config::options::upxe;
use crate::config::uci::{Package, Value};
use crate::config::{Config, Diagnostic, Origin};
use crate::sys::link;

/// The packages of UCI that remarks are about, each with the path that it was read from.
pub struct Packages {
    /// upxe's own.
    pub upxe: (Rc<str>, Package),
    /// What the dnsmasq beside us is set up by.
    pub dhcp: (Rc<str>, Package),
}

impl Packages {
    /// Reads them, once for all remarks.
    pub fn read(confdir: &Path) -> Packages {
        Packages { upxe: package(confdir, "upxe"), dhcp: package(confdir, "dhcp") }
    }
}

/// The command for a remark; none where there is no line to change and nothing to copy, nor where the command would have
/// something in it that no terminal should be given.
pub fn command(packages: &Packages, config: Option<&Config>, diagnostic: &Diagnostic) -> Option<String> {
    any(packages, config, diagnostic).filter(|command| !command.contains(char::is_control))
}

fn any(packages: &Packages, config: Option<&Config>, diagnostic: &Diagnostic) -> Option<String> {
    let Origin { file, line } = &diagnostic.origin;
    let file = shell_word(file);
    match &diagnostic.mend {
        Mend::Copy(name) => return Some(copy(config?, name)),
        _ if *line == 0 => return None,
        Mend::TakeOut => return Some(removal(packages, &diagnostic.origin)),
        Mend::Word(typed, meant) if is_plain(typed) && is_plain(meant) => {
            return Some(format!("sed -i '{line}s/\\<{typed}\\>/{meant}/g' {file}"));
        }
        Mend::Word(..) | Mend::Edit => {}
    }
    Some(format!("vi -c {line} {file}"))
}

/// Letters that mean nothing to sed or a shell.
fn is_plain(word: &str) -> bool {
    word.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Copies a file of the user's into the TFTP root, from wherever they sit.
pub fn copy(config: &Config, name: &str) -> String {
    let device = config.interfaces.first().and_then(|interface| link::device(&interface.device).ok()?);
    let address = device.and_then(|device| Some(device.addresses.first()?.ip.to_string()));
    let name = name.trim_start_matches('/');
    let place = format!("{}/{name}", config.tftp.root.display());
    let router = address.as_deref().unwrap_or("192.168.1.1");
    let file = name.rsplit('/').next().unwrap_or(name);
    format!("scp -O {} root@{router}:{}", shell_word(file), shell_word(&place))
}

/// Takes out what stands in a line, of UCI or of dnsmasq.conf.
pub fn removal(packages: &Packages, origin: &Origin) -> String {
    let uci = [("upxe", &packages.upxe), ("dhcp", &packages.dhcp)].into_iter().find_map(|(name, (file, package))| {
        if *file == origin.file { uci_removal(package, name, origin.line) } else { None }
    });
    uci.unwrap_or_else(|| format!("sed -i '{}s/^/# /' {}", origin.line, shell_word(&origin.file)))
}

/// The commands that take out what stands in this line: an item of a section that has much else, or a whole section.
fn uci_removal(package: &Package, name: &str, line: u32) -> Option<String> {
    let section = package.sections.iter().rev().find(|section| section.line <= line)?;
    let address = section.address(name, package);
    let mut command = format!("uci delete {address}");
    let is_main = section.kind == "dnsmasq" || section.kind == upxe::SECTION.kind;
    if is_main || section.kind != "boot" && section.line != line {
        let holds = |value: &Value| value.items().iter().any(|item| item.line == line);
        let option = section.options.iter().find(|option| holds(&option.value))?;
        command = match &option.value {
            Value::List(items) if items.len() > 1 => {
                let item = items.iter().find(|item| item.line == line)?;
                let text = shell_word(str::from_utf8(&item.bytes).ok()?);
                format!("uci del_list {address}.{}={text}", option.name)
            }
            _ => format!("{command}.{}", option.name),
        };
    }
    Some(format!("{command} && uci commit {name}"))
}

/// A word for a shell, whatever is in it.
pub fn shell_word(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Severity;
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
            assert_eq!(uci_removal(&dhcp, "dhcp", line).as_deref(), Some(expected));
        }
        assert_eq!(uci_removal(&dhcp, "dhcp", 0), None);
    }

    #[test]
    fn each_remark_has_its_command() {
        let packages = Packages::read(Path::new("/nonexistent"));
        let at = |line| Origin { file: "/etc/it's.conf".into(), line };
        let clear = Diagnostic::text(Severity::Warning, Origin { file: "x\u{1b}c".into(), line: 1 }, "", &["x"]);
        assert_eq!(command(&packages, None, &clear), None);
        for (line, mend, expected) in [
            (7, Mend::Edit, Some(r"vi -c 7 '/etc/it'\''s.conf'")),
            (0, Mend::Edit, None),
            (7, Mend::TakeOut, Some(r"sed -i '7s/^/# /' '/etc/it'\''s.conf'")),
            (7, Mend::Word("ipex".into(), "ipxe".into()), Some(r"sed -i '7s/\<ipex\>/ipxe/g' '/etc/it'\''s.conf'")),
            (7, Mend::Word("a/b'; reboot".into(), "x".into()), Some(r"vi -c 7 '/etc/it'\''s.conf'")),
            (7, Mend::Copy("x".into()), None),
        ] {
            let diagnostic = Diagnostic { mend, ..Diagnostic::text(Severity::Warning, at(line), "", &["x"]) };
            assert_eq!(command(&packages, None, &diagnostic).as_deref(), expected);
        }
    }
}
