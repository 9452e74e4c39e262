//! Whether the jail that procd builds around the service holds all it needs; the init script says what is mounted there.

use std::path::{Path, PathBuf};

use super::{Findings, Patient, shell_word};
use crate::config::files::package;
use crate::config::options::upxe;
use crate::config::uci::Section;
use crate::config::{Config, Origin};
use crate::sys::privileges::account;

/// With both of these the init script asks for a jail, for a user that exists and isn't root.
const PARTS: [&str; 2] = ["/sbin/ujail", "/etc/capabilities/upxe.json"];

/// What lies outside of the jail and is wanted in it.
pub fn examine(patient: &Patient<'_>, found: &mut Findings) {
    let user = &patient.config.user;
    if user == "root" || !matches!(account(user), Ok(Some(_))) || !PARTS.iter().all(|part| Path::new(part).exists()) {
        return;
    }
    let (_, own) = package(patient.confdir, "upxe");
    let (_, dhcp) = package(patient.confdir, "dhcp");
    let main = own.sections.iter().find(|section| section.name == "main");
    let masq = dhcp.sections.iter().find(|section| section.kind == "dnsmasq");
    let folders = mounts(main, masq);
    let Ok(mounted) = std::fs::read_to_string("/proc/mounts") else { return };
    if folders.iter().all(|folder| stays(folder, &mounted)) {
        hidden(patient.config, &folders, found);
    }
}

/// Whether the init script would show the folder in a jail (its function of this name): it isn't empty, nothing is mounted
/// beneath it, and it is on no mount but those that are always there. Without such a folder there is no jail.
fn stays(folder: &Path, mounted: &str) -> bool {
    let Ok(folder) = folder.canonicalize() else { return false };
    // Such names are written otherwise in the list of mounts.
    if folder.to_string_lossy().contains(|letter: char| letter.is_ascii_whitespace() || matches!(letter, '\\' | '#')) {
        return false;
    }
    let beside = |at: &Path| !(at.starts_with(&folder) || folder.starts_with(at) && at != "/" && at != "/tmp");
    folder.read_dir().is_ok_and(|mut files| files.next().is_some())
        && mounted.lines().filter_map(|line| line.split(' ').nth(1)).all(|at| beside(Path::new(at)))
}

/// The folders to serve, as the init script's `folders` finds them.
fn mounts<'s>(main: Option<&'s Section>, masq: Option<&'s Section>) -> Vec<PathBuf> {
    let words = |section: Option<&'s Section>, name| section.map(|section| section.words(name)).unwrap_or_default();
    let roots = [words(main, upxe::TFTP_ROOT.name), words(masq, "tftp_root")].concat();
    let mut folders = vec![PathBuf::from(roots.first().unwrap_or(&upxe::TFTP_ROOT.default))];
    folders.extend(words(main, upxe::TFTP_ALLOW.name).into_iter().map(PathBuf::from));
    folders
}

/// Of what the configuration names, that which is neither in `folders` nor in /etc.
fn hidden(config: &Config, folders: &[PathBuf], found: &mut Findings) {
    let sees = |path: &Path| path.starts_with("/etc") || folders.iter().any(|folder| path.starts_with(folder));
    let root = &config.tftp.root;
    if !sees(root) {
        let shown = root.to_string_lossy();
        let why = "The service runs in a jail that is built by upxe's own settings only, and finds no file there.";
        let what = format_args!("the TFTP root {shown} is outside of the jail");
        let word = shell_word(&shown);
        let command = format_args!("uci set upxe.main.tftp_root={word} && uci commit upxe && service upxe reload");
        found.error("jail-mount", what, why).mend(command);
    }
    let rules = &config.rules;
    let origins = rules.boots.iter().map(|boot| &boot.origin).chain(rules.services.iter().map(|entry| &entry.origin));
    let origins = origins.chain(rules.taggers.iter().map(|tagger| &tagger.origin));
    let mut told: Vec<&Origin> = Vec::new();
    for origin in origins.filter(|origin| origin.file.starts_with('/') && !origin.file.starts_with("/var/run/uci/")) {
        if sees(Path::new(&*origin.file)) || told.iter().any(|known| known.file == origin.file) {
            continue;
        }
        told.push(origin);
        let why = "The service runs in a jail with /etc and the boot files, and reads no rule outside of it. Move the file \
                   into /etc, and name it there.";
        found.error("jail-mount", format_args!("{} is outside of the jail", origin.file), why).at(origin);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::uci::parse;

    fn said(own: &str, dhcp: &str, root: &str, boot: &str) -> Vec<String> {
        let (own, dhcp) = (parse(own.as_bytes()).0, parse(dhcp.as_bytes()).0);
        let folders = mounts(own.sections.first(), dhcp.sections.first());
        let (config, _) = crate::config::load(&Default::default(), &Default::default(), &mut NoFiles);
        let mut config = config.unwrap();
        config.tftp.root = root.into();
        config.rules.boots.push(crate::config::Boot {
            origin: Origin { file: boot.into(), line: 3 },
            when: Vec::new(),
            file: "a".into(),
            server: None,
            server_name: String::new(),
        });
        let mut found = Findings::default();
        hidden(&config, &folders, &mut found);
        found.0.into_iter().map(|finding| finding.what).collect()
    }

    struct NoFiles;

    impl crate::config::dnsmasq::files::ConfFiles for NoFiles {
        fn read(&mut self, _: &str) -> Result<Vec<u8>, String> {
            Err(String::new())
        }

        fn list(&mut self, _: &str) -> Result<Vec<String>, String> {
            Err(String::new())
        }
    }

    #[test]
    fn there_is_a_jail_where_nothing_is_or_may_be_mounted() {
        let root = std::env::temp_dir().canonicalize().unwrap().join(format!("upxe-jail-{}", std::process::id()));
        let [full, empty] = ["full", "empty"].map(|name| root.join(name));
        std::fs::create_dir_all(full.join("iso")).unwrap();
        std::fs::create_dir_all(&empty).unwrap();
        let mounted = |at: &[&Path]| -> String {
            let lines = at.iter().map(|at| format!("none {} tmpfs rw 0 0\n", at.display()));
            ["none / overlay rw 0 0\nnone /tmp tmpfs rw 0 0\n".to_owned()].into_iter().chain(lines).collect()
        };
        assert!(stays(&full, &mounted(&[])));
        assert!(stays(&full, &mounted(&[&empty, &root.join("ful")])));
        assert!(!stays(&full, &mounted(&[&root])));
        assert!(!stays(&full, &mounted(&[&full])));
        assert!(!stays(&full, &mounted(&[&full.join("iso")])));
        assert!(!stays(&empty, &mounted(&[])));
        assert!(!stays(&root.join("missing"), &mounted(&[])));
        std::fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn what_the_init_script_does_not_mount_is_hidden() {
        let none: [String; 0] = [];
        let own = "config upxe 'main'\n\toption tftp_root '/mnt/a'\n\tlist tftp_allow '/mnt/b'\n";
        let dhcp = "config dnsmasq\n\toption tftp_root '/mnt/c'\n";
        assert_eq!(said(own, dhcp, "/mnt/a", "/etc/config/upxe"), none);
        assert_eq!(said("", dhcp, "/mnt/c", "/etc/dnsmasq.conf"), none);
        assert_eq!(said("", "", "/srv/tftp", "/mnt/x.conf"), ["/mnt/x.conf is outside of the jail"]);
        assert_eq!(said("", "", "/mnt/d", "/etc/x"), ["the TFTP root /mnt/d is outside of the jail"]);
        assert_eq!(said(own, dhcp, "/mnt/c", "/mnt/b/x"), ["the TFTP root /mnt/c is outside of the jail"]);
    }
}
