//! The boot menu as each boot loader reads it: entries and a machine in, text out. One file for each loader's language,
//! and in it all that keeps one word from becoming another there.
//!
//! Two kinds of text meet in a menu. What the user configured may be anything printable, and each language has its own way
//! to write it, or none: then the entry is left out, and a comment says why. What machines say of themselves becomes a
//! [`Machine`] first, which holds bytes, numbers, and a host name made of letters, digits, `-` and `_`: nothing of it can
//! be more than a part of a word in any of these languages.

pub mod grub;
pub mod ipxe;
pub mod pxelinux;
pub mod template;

use std::net::Ipv4Addr;

use crate::config::hosts::is_host_name;
use crate::config::menu::{BootMenu, Entry, Kind, Name, Whom};
use crate::wire::frame::Mac;

/// Bytes of a generated text at most.
pub const MAX_TEXT: usize = 64 * 1024;
/// The script that has the menu for whoever asks for it.
pub const SCRIPT: &str = "menu.ipxe";
/// The folder of scripts that have the menu of one machine each, whoever asks.
const SCRIPTS: &str = "menu/";

/// What is known of a machine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Machine {
    /// Its hardware address.
    pub mac: Option<Mac>,
    /// Its UUID, in the order in which it is written.
    pub uuid: Option<[u8; 16]>,
    /// The usual number of its architecture (option 93).
    pub architecture: Option<u16>,
    /// The tags that it carries.
    pub tags: Vec<String>,
    /// What runs on it can fetch by HTTP.
    pub http: bool,
    host: Option<heapless::String<63>>,
}

impl Machine {
    /// A machine of which nothing else is known.
    pub fn of(mac: Mac) -> Machine {
        Machine { mac: Some(mac), ..Machine::default() }
    }

    /// Its name, without a domain.
    pub fn host(&self) -> Option<&str> {
        self.host.as_deref()
    }

    /// Takes note of its name. One that isn't a host's name counts for nothing: it may be anything that a stranger wrote.
    pub fn set_host(&mut self, name: &str) {
        let label = name.split('.').next().unwrap_or_default();
        self.host = Some(label).filter(|label| is_host_name(label)).and_then(|label| label.try_into().ok());
    }

    /// True when an entry with these limits is for it, as far as anybody but iPXE can tell.
    pub fn fits(&self, whom: &Whom) -> bool {
        // Firmware disagrees about 7 and 9, see `proxy::architecture`.
        let is_it = |wanted: &u16| self.architecture == Some(if *wanted == 9 { 7 } else { *wanted });
        let has = |tag: &String| self.tags.contains(tag);
        let is_host = |host: &Name| match host {
            Name::Mac(mac) => self.mac == Some(*mac),
            Name::Uuid(uuid) => self.uuid.as_ref() == Some(uuid),
            Name::Host(name) => self.host().is_some_and(|host| host.eq_ignore_ascii_case(name)),
        };
        (whom.architectures.is_empty() || whom.architectures.iter().any(is_it))
            && whom.tags.iter().all(|test| has(&test.tag) == test.set)
            && (whom.groups.is_empty() || whom.groups.iter().any(has))
            && (whom.hosts.is_empty() || whom.hosts.iter().any(is_host))
    }
}

/// All that a text depends on.
#[derive(Clone, Copy)]
pub struct Scene<'a> {
    /// The menu.
    pub menu: &'a BootMenu,
    /// Who reads it.
    pub machine: &'a Machine,
    /// This router, as the machine reaches it.
    pub router: Ipv4Addr,
    /// Where the files of the TFTP root are had by HTTP, without a slash at its end; `None`: by TFTP only.
    pub http: Option<&'a str>,
    /// True for a file that is under the TFTP root.
    pub has: &'a dyn Fn(&str) -> bool,
}

impl<'a> Scene<'a> {
    /// Where the files of the TFTP root are had, without a slash at its end.
    pub fn base(&self) -> String {
        self.http.map_or_else(|| ["tftp://", &self.router.to_string()].concat(), str::to_owned)
    }

    /// The entries for this machine.
    fn entries(&self) -> impl Iterator<Item = &'a Entry> {
        let machine = self.machine;
        self.menu.entries.iter().filter(|entry| machine.fits(&entry.whom))
    }
}

/// True when the menu has anything for this machine; iPXE, which asks, can tell serial numbers.
pub fn has_any(menu: &BootMenu, machine: &Machine) -> bool {
    menu.entries.iter().any(|entry| machine.fits(&entry.whom))
}

/// A boot loader's language.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted<'a> {
    /// An iPXE script, for this machine or for whoever asks.
    Ipxe(Option<Mac>),
    /// PXELINUX's configuration, and the folder that it takes for its root: empty, or with a slash at its end.
    Pxelinux(&'a str),
    /// GRUB's.
    Grub,
}

/// Which text is asked for by this name, a path beneath the TFTP root.
pub fn wanted(path: &str) -> Option<Wanted<'_>> {
    const PXELINUX: &str = "pxelinux.cfg/default";
    const GRUB: &str = "grub.cfg";
    // In a folder, or in none.
    let folder_of = |name: &str| path.strip_suffix(name).filter(|folder| folder.is_empty() || folder.ends_with('/'));
    if path == SCRIPT {
        return Some(Wanted::Ipxe(None));
    }
    if let Some(mac) = path.strip_prefix(SCRIPTS).and_then(|name| name.strip_suffix(".ipxe")) {
        return Mac::read(mac).map(|mac| Wanted::Ipxe(Some(mac)));
    }
    // PXELINUX and GRUB look for other names before these, by address and UUID: whatever the user has put there holds.
    folder_of(PXELINUX).map(Wanted::Pxelinux).or_else(|| folder_of(GRUB).map(|_| Wanted::Grub))
}

/// The text in this language.
pub fn render(wanted: Wanted<'_>, scene: &Scene<'_>) -> String {
    match wanted {
        Wanted::Ipxe(_) => ipxe::render(scene),
        Wanted::Pxelinux(folder) => pxelinux::render(scene, folder),
        Wanted::Grub => grub::render(scene),
    }
}

/// A loader's text for an entry, or why it can't boot that.
type Stanza = Result<String, &'static str>;

/// The entries' pieces one behind the other; in place of one that is left out, a comment says why. All three languages
/// have the same comments. `item` tells the bytes that an entry takes in the list that is shown.
fn pieces<'e>(
    scene: &Scene<'e>,
    item: &dyn Fn(&Entry) -> usize,
    piece: &dyn Fn(&Entry) -> Stanza,
) -> (String, Vec<&'e Entry>) {
    // What stands around them, and the comments, are much less than the rest.
    const ROOM: usize = MAX_TEXT - 16 * 1024;
    let (mut text, mut there, mut taken) = (String::new(), Vec::new(), 0);
    for entry in scene.entries() {
        let piece = piece(entry).and_then(|piece| {
            let with_it = taken + item(entry) + piece.len();
            if with_it < ROOM { Ok((piece, with_it)) } else { Err("the menu is too long for it") }
        });
        match piece {
            Ok((piece, with_it)) => {
                taken = with_it;
                text.push_str(&piece);
                there.push(entry);
            }
            Err(why) => push(&mut text, &["# ", &entry.name, " is left out: ", why, "\n"]),
        }
    }
    (text, there)
}

/// The name of the entry that is marked at first, and after how many seconds it is booted by itself; 0: never. Another one
/// than the menu's default is not, but for the local disk: no machine shall install a system because its default is not for it.
fn default<'e>(menu: &'e BootMenu, there: &[&'e Entry]) -> Option<(&'e str, u32)> {
    let (name, timeout) = match &menu.default {
        Some((wanted, _)) => {
            let is_local = |entry: &&&Entry| matches!(entry.kind, Kind::Local);
            match there.iter().find(|entry| entry.name == *wanted).or_else(|| there.iter().find(is_local)) {
                Some(entry) => (&entry.name, menu.timeout),
                None => (&there.first()?.name, 0),
            }
        }
        None => (&there.first()?.name, menu.timeout),
    };
    Some((name, timeout))
}

/// Appends these words, as they are.
fn push(text: &mut String, words: &[&str]) {
    words.iter().for_each(|word| text.push_str(word));
}

/// Appends a line of these words, as they are, between what begins and what ends every such line.
fn push_line(text: &mut String, start: &str, words: &[&str], end: &str) {
    text.push_str(start);
    push(text, words);
    text.push_str(end);
}

/// For whom a text is, as its comment says it.
fn whose(machine: &Machine) -> String {
    machine.mac.map_or_else(|| "a machine that is not known".to_owned(), |mac| mac.to_string())
}

/// True for a URL.
pub fn is_url(file: &str) -> bool {
    file.contains("://")
}

/// The command line of a kernel with all that is known of the machine filled in.
fn command_line(scene: &Scene<'_>, append: &str) -> String {
    template::fill(append, scene, template::Also::Nothing)
}

/// True for an entry that only iPXE can tell to be for a machine.
fn needs_ipxe(entry: &Entry) -> bool {
    !(entry.whom.serials.is_empty() && entry.whom.assets.is_empty()) || matches!(entry.kind, Kind::Shell)
}

/// Why such an entry is left out elsewhere.
const ONLY_IPXE: &str = "only iPXE can do that";

#[cfg(test)]
mod tests;
