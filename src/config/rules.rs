//! The rules by which clients are told what to boot: plain values in dnsmasq's terms, each with the place it was
//! written at. How they are read is the business of [`dnsmasq`](super::dnsmasq); this file knows no syntax, and not what
//! clients make of it all.

use std::fmt;
use std::net::Ipv4Addr;
use std::path::Path;
use std::rc::Rc;

use super::menu::BootMenu;

/// What clients are offered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// `option script`: what iPXE is given, a file under the TFTP root or a URL; `boot.ipxe` when empty.
    pub script: Option<String>,
    /// `option no_override`: boot file and server name stay in the header fields. On by default.
    pub no_override: bool,
    /// `option relay`: requests that come through relay agents are answered too.
    pub relay: bool,
    /// `option http`, `option http_base`: a web server that has the files of the TFTP root.
    pub web: Option<Web>,
    /// What clients may choose from (`config menu`, `config entry`).
    pub menu: BootMenu,
    /// Lines that set a tag when a request is of some kind, in the order written.
    pub taggers: Vec<Tagger>,
    /// Machines that are known (dnsmasq: `dhcp-host`), in the order written.
    pub hosts: Vec<Host>,
    /// Tags that follow from other tags (dnsmasq: `tag-if`), in the order written, which is that of their evaluation.
    pub tag_ifs: Vec<TagIf>,
    /// Who gets no answer (dnsmasq: `dhcp-ignore`).
    pub ignores: Vec<Ignore>,
    /// Tags of whole networks, besides their names (OpenWrt: `config dhcp` with a `networkid`).
    pub interface_tags: Vec<InterfaceTag>,
    /// Address ranges, as far as they set tags or restrict whom dnsmasq would be a proxy for.
    pub ranges: Vec<Range>,
    /// `dhcp_boot` and its likes, in the order written.
    pub boots: Vec<Boot>,
    /// Entries of the boot menu (dnsmasq: `pxe-service`), in its order.
    pub services: Vec<Service>,
    /// DHCP options that are sent along (dnsmasq: `dhcp-option` and its likes, `pxe-prompt`), in the order written.
    pub options: Vec<DhcpOption>,
    /// Vendor classes that begin like this are network boot clients (dnsmasq: `dhcp-pxe-vendor`); none: `PXEClient`.
    pub pxe_vendors: Vec<String>,
    /// Client identifiers (option 61) count for nothing (dnsmasq: `dhcp-ignore-clid`).
    pub ignore_client_ids: bool,
}

impl Default for Rules {
    fn default() -> Self {
        Rules {
            script: None,
            no_override: true,
            relay: false,
            web: None,
            menu: BootMenu::default(),
            taggers: Vec::new(),
            hosts: Vec::new(),
            tag_ifs: Vec::new(),
            ignores: Vec::new(),
            interface_tags: Vec::new(),
            ranges: Vec::new(),
            boots: Vec::new(),
            services: Vec::new(),
            options: Vec::new(),
            pxe_vendors: Vec::new(),
            ignore_client_ids: false,
        }
    }
}

/// A web server that has the files of the TFTP root under the same names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Web {
    /// On the router itself: this port of the address that a client knows us by.
    Own(u16),
    /// Anywhere: the folder's URL, without a slash at its end.
    At(String),
}

impl Web {
    /// The URL of the TFTP root, without a slash at its end, for clients that know us as `router`.
    pub fn base(&self, router: Ipv4Addr) -> String {
        match self {
            Web::Own(port) => ["http://", &router.to_string(), ":", &port.to_string()].concat(),
            Web::At(base) => base.clone(),
        }
    }
}

/// File and line that a setting came from.
#[derive(Debug, PartialEq, Eq)]
pub struct Origin {
    /// Path as given.
    pub file: Rc<str>,
    /// First line of the setting, from 1; 0 for the command line and for defaults.
    pub line: u32,
}

impl Origin {
    /// The name under which diagnostics of the command line appear.
    const COMMAND_LINE: &str = "command line";

    /// The place of what stands on the command line.
    pub fn command_line() -> Origin {
        Origin { file: Self::COMMAND_LINE.into(), line: 0 }
    }

    /// True for that place.
    pub fn is_command_line(&self) -> bool {
        &*self.file == Self::COMMAND_LINE
    }
}

impl Clone for Origin {
    // Places are copied all over the program: in a function of its own that is 1 KB less of it.
    #[inline(never)]
    fn clone(&self) -> Origin {
        Origin { file: self.file.clone(), line: self.line }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if self.line > 0 { write!(f, ":{}", self.line) } else { Ok(()) }
    }
}

/// One tested tag: `tag:x`, `net:x`, and negated `tag:!x`, `net:#x`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagTest {
    /// The tag's name; in [`TagIf`] a `*` at its end stands for anything.
    pub tag: String,
    /// False when the test is negated.
    pub set: bool,
}

/// Sets `tag` on requests that meet `condition` (dnsmasq: `dhcp-match`, `dhcp-mac`, `dhcp-vendorclass`, …).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tagger {
    /// Where it was written.
    pub origin: Origin,
    /// The tag to set.
    pub tag: String,
    /// When.
    pub condition: Condition,
}

/// What a request may be like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// It carries an option of this value (`dhcp-match`); an empty option counts as missing.
    Option(u8, Pattern),
    /// Its option 124 holds a string of this enterprise's (RFC 3925) that is like this (`dhcp-match=vi-encap:`).
    Enterprise(u32, Pattern),
    /// Its vendor class (option 60) contains these bytes (`dhcp-vendorclass`).
    VendorClass(Vec<u8>),
    /// Its user class (option 77) contains these bytes (`dhcp-userclass`).
    UserClass(Vec<u8>),
    /// Its sender's hardware address (`dhcp-mac`).
    Mac(MacPattern),
    /// A suboption of the relay agent's option 82 has exactly this value: 1 circuit, 2 remote, 6 subscriber id.
    Agent(u8, Vec<u8>),
    /// The host name it gives itself (`dhcp-name-match`).
    Name {
        /// In any case.
        name: String,
        /// True when longer names that begin so count as well.
        prefix: bool,
    },
}

/// What an option's value may be like (dnsmasq: `match_bytes`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pattern {
    /// Anything.
    Present,
    /// It begins with these bytes; `None` stands for any byte.
    Start(Vec<Option<u8>>),
    /// It contains these bytes anywhere.
    Anywhere(Vec<u8>),
    /// It is an array of values of this one's length, and one of them is this.
    Element(Vec<u8>),
}

/// Hardware addresses that are alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MacPattern {
    /// `htype`; `None`: any.
    pub hardware_type: Option<u32>,
    /// The address, at most 16 bytes; `None` stands for any byte.
    pub bytes: Vec<Option<u8>>,
}

/// A machine that is known (dnsmasq: `dhcp-host`); its clients carry the tag `known`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    /// Where it was written.
    pub origin: Origin,
    /// Its hardware addresses.
    pub macs: Vec<MacPattern>,
    /// Its client identifier (option 61).
    pub client_id: Option<Vec<u8>>,
    /// Its name, without a domain.
    pub name: Option<String>,
    /// Its fixed address: the line holds on this address's network only.
    pub address: Option<Ipv4Addr>,
    /// The line holds only if all of these do.
    pub when: Vec<TagTest>,
    /// Tags that it sets.
    pub set: Vec<String>,
    /// True when it gets no answer at all.
    pub ignore: bool,
}

/// Sets tags if others are set (dnsmasq: `tag-if`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagIf {
    /// Where it was written.
    pub origin: Origin,
    /// All of these must hold.
    pub when: Vec<TagTest>,
    /// Tags that it sets.
    pub set: Vec<String>,
}

/// Clients that get no answer (dnsmasq: `dhcp-ignore`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ignore {
    /// Where it was written.
    pub origin: Origin,
    /// All of these must hold.
    pub when: Vec<TagTest>,
}

/// A tag that the clients of an interface carry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InterfaceTag {
    /// Where it was written.
    pub origin: Origin,
    /// The network's name.
    pub interface: String,
    /// The tag.
    pub tag: String,
}

/// A range of addresses (dnsmasq: `dhcp-range`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Range {
    /// Where it was written.
    pub origin: Origin,
    /// It is for clients for which all of these hold.
    pub when: Vec<TagTest>,
    /// The tag that its clients carry.
    pub set: Option<String>,
    /// Its first address.
    pub start: Ipv4Addr,
    /// The mask of its network, where it is written.
    pub mask: Option<Ipv4Addr>,
    /// True when dnsmasq leases none of its addresses and is a PXE proxy there (`dhcp-range=…,proxy`).
    pub proxy: bool,
}

/// One line that names a boot file (dnsmasq: `dhcp-boot`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Boot {
    /// Where it was written.
    pub origin: Origin,
    /// All of these must hold (dnsmasq: `match_netid`).
    pub when: Vec<TagTest>,
    /// The file, at most 127 bytes; empty: the architecture's customary file.
    pub file: String,
    /// `sname`; empty: the server's address as text.
    pub server_name: String,
    /// Who serves the file; `None`: this router.
    pub server: Option<Ipv4Addr>,
}

/// An entry of the boot menu (dnsmasq: `pxe-service`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// Where it was written.
    pub origin: Origin,
    /// All of these must hold.
    pub when: Vec<TagTest>,
    /// The architecture it is for (option 93).
    pub architecture: u16,
    /// What the menu shows, 1 to 247 bytes.
    pub text: String,
    /// What it boots.
    pub target: Target,
    /// `sname` when the entry is booted without a menu; empty: the server's address as text.
    pub server_name: String,
    /// Who serves it; `None`: this router, or for [`Target::Type`] whoever answers a broadcast.
    pub server: Option<Ipv4Addr>,
}

/// What an entry of the boot menu boots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// The client goes on with its next boot device.
    Local,
    /// A PXE boot server of this type, somewhere on the network, says what.
    Type(u16),
    /// This file; without a dot in its name the layer follows, which is `.0` (dnsmasq since 2.76).
    File(String),
}

/// The server type of the first menu entry with a file; the next ones follow (PXE 2.1: 32768 up are the vendor's own).
pub const FIRST_SERVER_TYPE: u16 = 0x8000;

impl Rules {
    /// Takes the TFTP root's own path off names of files that are served from here: whoever is told `/srv/tftp/x` asks for
    /// `srv/tftp/x` (iPXE), for that beneath its own folder (PXELINUX), or a web server, where no such file is.
    pub fn take_off_root(&mut self, root: &Path) {
        let take_off = |name: &mut String| {
            let rest = Path::new(&*name).strip_prefix(root).ok().and_then(Path::to_str);
            if let Some(rest) = rest.filter(|rest| !rest.is_empty()) {
                *name = rest.to_owned();
            }
        };
        // Beneath / every name is as good without.
        if root.parent().is_none() {
            return;
        }
        for boot in self.boots.iter_mut().filter(|boot| boot.server.is_none()) {
            take_off(&mut boot.file);
        }
        for service in &mut self.services {
            if let (Target::File(file), None) = (&mut service.target, service.server) {
                take_off(file);
            }
        }
        for entry in &mut self.menu.entries {
            entry.kind.files_mut().into_iter().for_each(take_off);
        }
        self.script.iter_mut().for_each(take_off);
    }

    /// The menu entries with their server types: 0 is a local boot, files are numbered through in the order written.
    pub fn numbered_services(&self) -> impl Iterator<Item = (u16, &Service)> {
        let mut next = FIRST_SERVER_TYPE;
        self.services.iter().map(move |service| {
            let number = match service.target {
                Target::Local => 0,
                Target::Type(number) => number,
                Target::File(_) => {
                    let number = next;
                    next = next.wrapping_add(1);
                    number
                }
            };
            (number, service)
        })
    }
}

/// An option to be sent (dnsmasq: `dhcp-option`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DhcpOption {
    /// Where it was written.
    pub origin: Origin,
    /// All of these must hold.
    pub when: Vec<TagTest>,
    /// To whom it is sent.
    pub send: Send,
    /// Where it stands in the reply.
    pub place: Place,
    /// Its value.
    pub value: OptionValue,
}

/// To whom an option is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Send {
    /// To clients that ask for it in option 55, or ask for nothing in particular (`dhcp-option`).
    IfAsked,
    /// To everybody (`dhcp-option-force`).
    Always,
    /// To everybody who boots from the network (`dhcp-option-pxe`).
    Pxe,
}

/// Where an option stands in the reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// Among the others: its code, 1 to 254.
    Plain(u8),
    /// As suboption `code` of option `outer` (`encap:`).
    Encapsulated {
        /// The option that holds it.
        outer: u8,
        /// Its code there.
        code: u8,
    },
    /// As suboption of option 43, if the client's vendor class contains `class` (`vendor:`).
    Vendor {
        /// Any of the PXE vendors, or this.
        class: VendorClass,
        /// Its code there.
        code: u8,
    },
    /// In option 125, under an enterprise's number (`vi-encap:`, RFC 3925).
    Enterprise {
        /// The enterprise.
        number: u32,
        /// Its code there.
        code: u8,
    },
}

/// Whom a suboption of option 43 is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VendorClass {
    /// Network boot clients, whatever they call themselves (`pxe-prompt`).
    Pxe,
    /// Clients whose vendor class contains these bytes; all, when empty.
    Containing(Vec<u8>),
}

/// Addresses as they stand in an option, one behind the other.
pub fn octets(addresses: &[Ipv4Addr]) -> Vec<u8> {
    let mut octets = Vec::new();
    for address in addresses {
        octets.extend_from_slice(&address.octets());
    }
    octets
}

/// An option's value, at most 255 bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OptionValue {
    /// As it is.
    Bytes(Vec<u8>),
    /// Text, which gets a NUL at its end where clients want one.
    Text(Vec<u8>),
    /// Addresses; in a plain option 0.0.0.0 stands for this router's.
    Addresses(Vec<Ipv4Addr>),
}
