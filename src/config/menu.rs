//! The boot menu as it is configured, `config menu` and `config entry`: what may be booted, by which machines. What
//! loaders are told of it is the business of the layer `menu`.

use std::rc::Rc;

use super::diagnostic::{Diagnostic, Severity};
use super::dnsmasq::names;
use super::hosts::is_host_name;
use super::options::{Form, Known, entry, menu};
use super::section::{self, Reader};
use super::uci::{Package, Section};
use super::{Origin, TagTest};
use crate::wire::frame::Mac;
use crate::wire::hex;

/// Entries of a menu at most: more than fit on a screen twice, and few enough that their texts fit a transfer.
pub const MAX_ENTRIES: usize = 64;
/// Files of one entry at most.
const MAX_FILES: usize = 16;

/// The boot menu.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BootMenu {
    /// Where `config menu` was written, if it was.
    pub origin: Option<Origin>,
    /// Its heading.
    pub title: String,
    /// Seconds until the default is booted; 0: never.
    pub timeout: u32,
    /// The name of the entry that is booted then, and where that was written; the first one if there is none.
    pub default: Option<(String, Origin)>,
    /// In the order written.
    pub entries: Vec<Entry>,
}

/// One thing to boot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Where it was written.
    pub origin: Origin,
    /// The section's name: letters, digits and `_`.
    pub name: String,
    /// What the menu shows, without control characters.
    pub title: String,
    /// What it boots.
    pub kind: Kind,
    /// For whom it is.
    pub whom: Whom,
}

/// For which machines an entry is: all of these limits hold, of each one word suffices; an empty limit is none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Whom {
    /// Architectures by the usual number of option 93.
    pub architectures: Vec<u16>,
    /// Tags; of these all must hold.
    pub tags: Vec<TagTest>,
    /// Tags, one of which the machine carries.
    pub groups: Vec<String>,
    /// Machines, however each is named.
    pub hosts: Vec<Name>,
    /// Serial numbers, which only iPXE can tell.
    pub serials: Vec<String>,
    /// Asset tags, the same.
    pub assets: Vec<String>,
}

/// How a machine is named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Name {
    /// Its hardware address.
    Mac(Mac),
    /// Its UUID, in the order in which it is written.
    Uuid([u8; 16]),
    /// The name of the host, without a domain.
    Host(String),
}

/// What an entry does. Files are under the TFTP root; a URL stands for itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// Boots a kernel.
    Linux {
        /// The kernel.
        kernel: String,
        /// What is unpacked into its memory, in this order.
        initrds: Vec<String>,
        /// Its command line.
        append: String,
    },
    /// Boots an image of a disk or a CD.
    Iso(String),
    /// Boots Windows' files through wimboot.
    Wimboot {
        /// wimboot itself.
        program: String,
        /// The files that it is given.
        files: Vec<String>,
    },
    /// Goes on with another script or loader.
    Chain(String),
    /// Boots from an iSCSI disk.
    Iscsi {
        /// `iscsi:…` (RFC 4173 §5).
        root_path: String,
        /// The disk stays attached when it cannot be booted, for an installer.
        keep: bool,
    },
    /// Tests the memory with this program.
    Memtest(String),
    /// The machine goes on with its own disk.
    Local,
    /// iPXE's command line.
    Shell,
}

impl Kind {
    /// The files and URLs that it needs; a copy.
    pub fn files(&self) -> Vec<String> {
        self.clone().files_mut().into_iter().map(std::mem::take).collect()
    }

    /// The same, to be changed.
    pub fn files_mut(&mut self) -> Vec<&mut String> {
        match self {
            Kind::Linux { kernel: first, initrds: more, .. } | Kind::Wimboot { program: first, files: more } => {
                let mut files = vec![first];
                files.extend(more);
                files
            }
            Kind::Iso(file) | Kind::Chain(file) | Kind::Memtest(file) => vec![file],
            Kind::Iscsi { .. } | Kind::Local | Kind::Shell => Vec::new(),
        }
    }
}

/// Reads `config menu` and every `config entry`.
pub fn read(file: &Rc<str>, package: &Package, out: &mut Vec<Diagnostic>) -> BootMenu {
    let of_kind = |kind: &'static str| package.sections.iter().filter(move |section| section.kind == kind);
    let mut reader = Reader::new(file, of_kind(menu::SECTION.kind).next(), Severity::Error, out);
    reader.check_names(&menu::SECTION, true);
    let title = reader.text(&menu::TITLE).unwrap_or_else(|| menu::TITLE.default.to_owned());
    let timeout = reader.number(&menu::TIMEOUT);
    let default = reader.written(&menu::DEFAULT, section::text);
    let origin = Some(reader.origin()).filter(|origin| origin.line > 0);
    let nothing_there = of_kind(entry::SECTION.kind).next().is_none();
    if let (Some(origin), true) = (&origin, nothing_there) {
        let parts = &["there is no menu without a config entry 'NAME' section for each thing to boot"];
        out.push(Diagnostic::text(Severity::Warning, origin.clone(), "config menu", parts));
    }
    for extra in of_kind(menu::SECTION.kind).skip(1) {
        let origin = Origin { file: file.clone(), line: extra.line };
        out.push(Diagnostic::text(Severity::Warning, origin, "config menu", &["only the first such section is read"]));
    }
    let mut entries = Vec::new();
    for section in of_kind(entry::SECTION.kind) {
        let mut reader = Reader::new(file, Some(section), Severity::Error, out);
        match read_entry(&mut reader, section) {
            Some(entry) if entries.len() == MAX_ENTRIES => {
                let parts = &["more of them than a menu has (64)"];
                out.push(Diagnostic::text(Severity::Error, entry.origin, "config entry", parts));
                break;
            }
            Some(entry) => {
                if section.anonymous {
                    let parts = &["has no name, and is called ", &entry.name, " then; name it: config entry 'NAME'"];
                    out.push(Diagnostic::text(Severity::Warning, entry.origin.clone(), "config entry", parts));
                }
                entries.push(entry);
            }
            None => {}
        }
    }
    BootMenu { origin, title, timeout, default, entries }
}

fn read_entry(reader: &mut Reader<'_>, section: &Section) -> Option<Entry> {
    reader.check_names(&entry::SECTION, true);
    if !reader.flag(&entry::ENABLE) {
        return None;
    }
    let whom = Whom {
        architectures: reader.items(&entry::ARCH, |_, word| architecture(word)),
        tags: reader.tags(&entry::NETWORKID),
        groups: reader.items(&entry::GROUP, |_, word| Some(section::tag_test(word)?.tag)),
        hosts: reader.items(&entry::HOST, |_, word| machines_name(word)),
        serials: reader.items(&entry::SERIAL, |_, word| label(word)),
        assets: reader.items(&entry::ASSET, |_, word| label(word)),
    };
    let kind = kind(reader)?;
    let title = reader.text(&entry::TITLE).unwrap_or_else(|| section.name.clone());
    Some(Entry { origin: reader.origin(), name: section.name.clone(), title, kind, whom })
}

/// What the options come to; a kind that isn't written follows from what is.
fn kind(reader: &mut Reader<'_>) -> Option<Kind> {
    let mut file = |known| reader.written(known, |form, text| section::text(form, text).filter(|it| is_file(it)));
    let (kernel, url, root_path) = (file(&entry::KERNEL), file(&entry::URL), file(&entry::ROOT_PATH));
    let [kernel, url, root_path] = [kernel, url, root_path].map(|written| written.map(|(value, _)| value));
    let list: fn(&Form, &str) -> Option<String> = |form, text| section::text(form, text).filter(|it| is_file(it));
    let initrds = reader.items(&entry::INITRD, list);
    let files = reader.items(&entry::FILE, list);
    let append = reader.text(&entry::APPEND);
    let keep = reader.flag(&entry::KEEP_SAN);
    let word = reader.written(&entry::KIND, |_, text| KINDS.iter().copied().find(|kind| *kind == text));
    let guess = || match (&kernel, &url, &root_path) {
        (Some(_), ..) => Some("linux"),
        _ if !files.is_empty() => Some("wimboot"),
        (_, Some(url), _) if url.ends_with(".iso") || url.ends_with(".img") => Some("iso"),
        (_, Some(_), _) => Some("chain"),
        (.., Some(_)) => Some("iscsi"),
        _ => None,
    };
    for (known, list) in [(&entry::INITRD, &initrds), (&entry::FILE, &files)] {
        if list.len() > MAX_FILES {
            reader.remark(Severity::Error, known, reader.origin(), &["more files than an entry has (16)"]);
            return None;
        }
    }
    let word = word.map(|(word, _)| word).or_else(guess);
    let (missing, kind) = match word {
        Some("linux") => {
            (&entry::KERNEL, kernel.map(|kernel| Kind::Linux { kernel, initrds, append: append.unwrap_or_default() }))
        }
        Some("memtest") => (&entry::KERNEL, kernel.map(Kind::Memtest)),
        Some("wimboot") => {
            let program = kernel.unwrap_or_else(|| "wimboot".to_owned());
            (&entry::FILE, (!files.is_empty()).then_some(Kind::Wimboot { program, files }))
        }
        Some("iso") => (&entry::URL, url.map(Kind::Iso)),
        Some("chain") => (&entry::URL, url.map(Kind::Chain)),
        Some("iscsi") => (&entry::ROOT_PATH, root_path.map(|root_path| Kind::Iscsi { root_path, keep })),
        Some("local") => (&entry::KIND, Some(Kind::Local)),
        Some("shell") => (&entry::KIND, Some(Kind::Shell)),
        _ => (&entry::KIND, None),
    };
    if kind.is_some() {
        remark_on_unused(reader, word.unwrap_or_default());
    }
    // Who was told already that a value is wrong need not hear that it is missing.
    let has_any = |known: &[&'static Known]| known.iter().any(|known| reader.has(known));
    let is_written = has_any(&[missing]) || missing.name == entry::KIND.name && has_any(GUESSED_BY);
    if kind.is_none() && !is_written {
        let advice = if missing.name == entry::KIND.name {
            "; give it a kernel, a url or a kind"
        } else {
            ": its kind needs it"
        };
        let parts = &["missing, and so the entry boots nothing and is left out", advice];
        reader.remark(Severity::Warning, missing, reader.origin(), parts);
    }
    kind
}

/// Options that say what to boot, and have no effect with the entry's kind.
fn remark_on_unused(reader: &mut Reader<'_>, kind: &str) {
    let used: &[&Known] = match kind {
        "linux" => &[&entry::KERNEL, &entry::INITRD, &entry::APPEND],
        "wimboot" => &[&entry::KERNEL, &entry::FILE],
        "memtest" => &[&entry::KERNEL],
        "iso" | "chain" => &[&entry::URL],
        "iscsi" => &[&entry::ROOT_PATH],
        _ => &[],
    };
    let all = [&entry::KERNEL, &entry::INITRD, &entry::APPEND, &entry::URL, &entry::FILE, &entry::ROOT_PATH];
    for known in all.into_iter().filter(|known| !used.iter().any(|used| used.name == known.name)) {
        if let Some(origin) = reader.place(known) {
            let parts = &["without effect in an entry of kind ", kind, ": take it out, or the kind"];
            reader.remark(Severity::Warning, known, origin, parts);
        }
    }
}

/// What the kind follows from where it isn't written.
const GUESSED_BY: &[&Known] = &[&entry::KERNEL, &entry::FILE, &entry::URL, &entry::ROOT_PATH];

/// What `option kind` may be.
const KINDS: &[&str] = &["linux", "iso", "wimboot", "chain", "iscsi", "memtest", "local", "shell"];

/// A path, in which loaders that can will do with spaces, or a URL, which has none.
fn is_file(text: &str) -> bool {
    !text.contains(char::is_whitespace) || !text.contains("://") && !text.starts_with("iscsi:")
}

/// Architectures by the names that people use (option 93).
pub const ARCHITECTURES: &[(&str, u16)] = &[
    ("bios", 0),
    ("pc", 0),
    ("ia32", 6),
    ("x64", 7),
    ("x86_64", 7),
    ("arm32", 10),
    ("arm", 10),
    ("arm64", 11),
    ("aarch64", 11),
    ("riscv64", 27),
    ("loong64", 39),
    ("rpi", 41),
];

/// The number of a name of ours, of dnsmasq's (`x86-64_EFI`), or in digits.
pub fn architecture(name: &str) -> Option<u16> {
    let ours = ARCHITECTURES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, number)| *number);
    ours.or_else(|| names::architecture(name)).or_else(|| name.parse().ok())
}

fn machines_name(text: &str) -> Option<Name> {
    if let Some(bytes) = hex::bytes(text) {
        if let (Ok(mac), true) = (bytes.as_slice().try_into(), text.contains([':', '-'])) {
            return Some(Name::Mac(Mac(mac)));
        }
        if let Ok(uuid) = bytes.try_into() {
            return Some(Name::Uuid(uuid));
        }
    }
    is_host_name(text).then(|| Name::Host(text.to_ascii_lowercase()))
}

/// A serial number or asset tag as far as iPXE writes every letter of it as it is, or a space, which it writes `%20`.
fn label(text: &str) -> Option<String> {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"-_. ".contains(&byte);
    ((1..=63).contains(&text.len()) && text.bytes().all(legal)).then(|| text.to_owned())
}
