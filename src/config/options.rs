//! The table of every option that upxe reads: name, form, default, meaning. Defaults stand here and nowhere else, and
//! the README's option table is these rows.

/// One option of a section.
#[derive(Debug)]
pub struct Known {
    /// As written in the file.
    pub name: &'static str,
    /// What it may be set to.
    pub form: Form,
    /// The value it has without being set, in the form it would be written; empty: unset.
    pub default: &'static str,
    /// One line for the README.
    pub meaning: &'static str,
}

/// What an option may be set to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A boolean as procd's `config_get_bool` reads it.
    Flag,
    /// A decimal number within these bounds, both included.
    Number(u32, u32),
    /// Logical interfaces or devices; an option may hold several, parted by spaces.
    Interfaces,
    /// An absolute path.
    Folder,
    /// A list of absolute paths.
    Folders,
    /// Text of at most so many bytes, as it goes into a packet.
    Text(usize),
    /// An IPv4 address or a name that `/etc/hosts` knows.
    Server,
    /// Tags that must all hold; `!` before a name negates.
    Tags,
    /// The URL of a folder, `http` only.
    Url,
    /// A level of the log.
    LogLevel,
    /// What dnsmasq takes behind a keyword, in the words of its manual.
    Line(&'static str),
    /// Read by others; accepted without a word.
    NotOurs,
    /// To be honoured by a later version; until then a warning says so.
    NotYet,
}

impl Form {
    /// The form in words, for "expected …" and for the README.
    pub fn words(&self) -> String {
        match *self {
            Form::Flag => "1 or 0",
            Form::Number(min, max) => {
                return ["a number from ", &min.to_string(), " to ", &max.to_string()].concat();
            }
            Form::Interfaces => "interface names",
            Form::Folder => "an absolute path without blanks",
            Form::Folders => "absolute paths without blanks",
            Form::Text(max) => return ["text of 1 to ", &max.to_string(), " bytes"].concat(),
            Form::Server => "an IPv4 address, or a name from /etc/hosts",
            Form::Tags => "tags parted by commas, ! before a tag negates it",
            Form::Url => "http://HOST[:PORT]/[FOLDER/], at most 79 bytes",
            Form::LogLevel => "error, warn, info, debug or trace",
            Form::Line(words) => words,
            Form::NotOurs | Form::NotYet => "anything",
        }
        .to_owned()
    }
}

/// A section type and its options.
#[derive(Debug)]
pub struct KnownSection {
    /// The word behind `config`.
    pub kind: &'static str,
    /// The README's heading for it.
    pub heading: &'static str,
    /// In the README's order.
    pub options: &'static [&'static Known],
}

impl Known {
    /// The default of an option that is a number.
    pub fn default_number(&self) -> u32 {
        self.default.parse().unwrap_or_default()
    }
}

impl KnownSection {
    /// The option of that name.
    pub fn option(&self, name: &str) -> Option<&'static Known> {
        self.options.iter().find(|known| known.name == name).copied()
    }
}

macro_rules! known {
    ($($(#[$doc:meta])* $id:ident = $name:literal, $form:expr, $default:literal, $meaning:literal;)*) => {
        $($(#[$doc])* pub const $id: Known =
            Known { name: $name, form: $form, default: $default, meaning: $meaning };)*
    };
}

/// `config upxe`, in `/etc/config/upxe`.
pub mod upxe {
    use super::{Form, Known, KnownSection, common, dnsmasq};

    known! {
        /// Whether `upxe run` serves.
        ENABLED = "enabled", Form::Flag, "0", "whether the service runs";
        /// Where clients are listened to.
        INTERFACE = "interface", Form::Interfaces, "lan",
            "networks to serve: names from `/etc/config/network`, or devices (a list)";
        /// The TFTP server's switch.
        TFTP = "tftp", Form::Flag, "1", "the TFTP server; off when another server shall hold port 69";
        /// The folder that is served.
        TFTP_ROOT = "tftp_root", Form::Folder, "/srv/tftp",
            "the folder with the boot files; without it, dnsmasq's `tftp_root` if there is one";
        /// Where links in the root may lead.
        TFTP_ALLOW = "tftp_allow", Form::Folders, "",
            "folders outside the root that links in it may lead to (a list)";
        /// Transfers at once.
        TFTP_MAX = "tftp_max", Form::Number(1, 1024), "64", "TFTP transfers under way at once";
        /// Transfers of one machine.
        TFTP_MAX_CLIENT = "tftp_max_client", Form::Number(1, 1024), "16",
            "those of one machine, however many addresses it has; never more than half of `tftp_max`";
        /// Bytes that are sent before they are acknowledged.
        TFTP_IN_FLIGHT = "tftp_in_flight", Form::Number(64, 65536), "1024",
            "KiB on the way to all machines at once; when they are many, new ones are granted smaller windows";
        /// Repetitions for who never answers.
        TFTP_RETRIES = "tftp_retries", Form::Number(0, 8), "3",
            "how often a file's first packet is repeated to who was never heard since; who was is waited for 20 to 60 seconds";
        /// ERROR packets.
        TFTP_ERRORS = "tftp_errors", Form::Number(1, 10000), "500",
            "TFTP requests refused in a second to all, as many that a text is made for, as many that begin behind a relay; twice that at once";
        /// ERROR packets to one machine.
        TFTP_ERRORS_CLIENT = "tftp_errors_client", Form::Number(1, 10000), "20", "those of one machine; 64 at once are allowed";
        /// No port of its own for each transfer.
        TFTP_SINGLE_PORT = "tftp_single_port", Form::Flag, "0",
            "sends from port 69 too, for clients behind a firewall that lets nothing else through (dnsmasq: `tftp-single-port`)";
        /// The router's own web server.
        HTTP = "http", Form::Flag, "0",
            "makes uhttpd serve the folder by HTTP too, on the same networks, and says so to whatever can fetch by HTTP";
        /// Its port.
        HTTP_PORT = "http_port", Form::Number(1024, 65535), "8069", "the TCP port of `http`";
        /// Another web server.
        HTTP_BASE = "http_base", Form::Url, "",
            "another web server that has the same files, instead of `http`: the URL of the folder";
        /// What iPXE is given.
        SCRIPT = "script", Form::Text(127), "",
            "what iPXE is given: a script under the TFTP root or a URL; unset: `boot.ipxe` if it exists";
        /// What no section says.
        LINE = "line", Form::Line("KEYWORD=VALUE"), "",
            "a line in dnsmasq's words, for what no section says: `tag-if=set:a,tag:b`, `dhcp-ignore=tag:!known` (a list)";
        /// Header fields or options 66 and 67.
        NO_OVERRIDE = "no_override", Form::Flag, "1",
            "boot file and server name always stand in the packet's own fields (dnsmasq: `dhcp-no-override`)";
        /// Boot replies.
        REPLIES = "replies", Form::Number(1, 10000), "300",
            "boot offers and answers on port 4011 in a second, to all machines; twice as many at once are allowed";
        /// Boot replies to one machine.
        REPLIES_CLIENT = "replies_client", Form::Number(1, 10000), "4", "those to one machine; 16 at once are allowed";
        /// Relay agents.
        RELAY = "relay", Form::Flag, "0",
            "answers requests of other networks that a DHCP relay passes on, and serves files to them";
        /// Whom the service runs as.
        USER = "user", Form::Text(32), "upxe", "the user that the service becomes once it is started; `root`: none, though most of root's powers are given up";
        /// The log's level.
        LOG_LEVEL = "log_level", Form::LogLevel, "info", "the least important lines that are logged";
    }

    /// The section.
    pub const SECTION: KnownSection = KnownSection {
        kind: "upxe",
        heading: "`config upxe 'main'` in `/etc/config/upxe`",
        options: &[
            &ENABLED,
            &INTERFACE,
            &TFTP,
            &TFTP_ROOT,
            &TFTP_ALLOW,
            &TFTP_MAX,
            &TFTP_MAX_CLIENT,
            &TFTP_IN_FLIGHT,
            &TFTP_RETRIES,
            &TFTP_ERRORS,
            &TFTP_ERRORS_CLIENT,
            &TFTP_SINGLE_PORT,
            &HTTP,
            &HTTP_PORT,
            &HTTP_BASE,
            &SCRIPT,
            &dnsmasq::PXE_SERVICE,
            &dnsmasq::PXE_PROMPT,
            &common::DHCP_OPTION,
            &common::DHCP_OPTION_FORCE,
            &LINE,
            &NO_OVERRIDE,
            &REPLIES,
            &REPLIES_CLIENT,
            &RELAY,
            &USER,
            &LOG_LEVEL,
        ],
    };
}

/// `config boot`, in `/etc/config/upxe` and `/etc/config/dhcp`.
pub mod boot {
    use super::{Form, Known, KnownSection, common};

    known! {
        /// The boot file.
        FILENAME = "filename", Form::Text(127), "", "the boot file; unset: the customary file for the architecture";
        /// `sname`.
        SERVERNAME = "servername", Form::Text(63), "", "the server's name; unset: its address as text";
        /// `siaddr`.
        SERVERADDRESS = "serveraddress", Form::Server, "", "who serves the file; unset: this router";
        /// When it applies.
        NETWORKID = "networkid", Form::Tags, "", "only for clients that carry these tags";
    }

    /// The section.
    pub const SECTION: KnownSection = KnownSection {
        kind: "boot",
        heading: "`config boot` in `/etc/config/upxe` and in `/etc/config/dhcp`",
        options: &[
            &FILENAME,
            &SERVERNAME,
            &SERVERADDRESS,
            &NETWORKID,
            &common::DHCP_OPTION,
            &common::DHCP_OPTION_FORCE,
            &common::FORCE,
            &common::INSTANCE,
        ],
    };
}

/// `config menu`: what all entries share.
pub mod menu {
    use super::{Form, Known, KnownSection};

    known! {
        /// Its heading.
        TITLE = "title", Form::Text(127), "Boot menu", "what stands above the entries";
        /// When the default is booted.
        TIMEOUT = "timeout", Form::Number(0, 3600), "10", "seconds until the default is booted; 0: it waits for a key";
        /// What is booted then.
        DEFAULT = "default", Form::Text(63), "", "the name of the entry that is booted then; unset: the first one";
    }

    /// The section.
    pub const SECTION: KnownSection = KnownSection {
        kind: "menu",
        heading: "`config menu` in `/etc/config/upxe`",
        options: &[&TITLE, &TIMEOUT, &DEFAULT],
    };
}

/// `config entry 'name'`: an entry of the menu.
pub mod entry {
    use super::{Form, Known, KnownSection};

    known! {
        /// Whether it counts.
        ENABLE = "enable", Form::Flag, "1", "off: passes over this section";
        /// What the menu shows.
        TITLE = "title", Form::Text(127), "", "what the menu shows; unset: the section's name";
        /// What it does.
        KIND = "kind", Form::Line("linux, iso, wimboot, chain, iscsi, memtest, local or shell"), "",
            "what it boots; unset: what follows from the options that are set";
        /// The kernel.
        KERNEL = "kernel", Form::Text(255), "",
            "the kernel, or memtest's or wimboot's program: under the TFTP root, or a URL";
        /// What goes with it.
        INITRD = "initrd", Form::Text(255), "", "what the kernel unpacks (a list)";
        /// The command line.
        APPEND = "append", Form::Text(1024), "", "the kernel's command line; `{{mac}}` and its likes are filled in";
        /// An image, a script or a loader.
        URL = "url", Form::Text(255), "", "an image (`iso`), or a script or loader to go on with (`chain`)";
        /// Windows.
        FILE = "file", Form::Text(255), "", "files for wimboot (a list)";
        /// iSCSI.
        ROOT_PATH = "root_path", Form::Text(255), "", "an iSCSI disk: `iscsi:192.168.1.5::::iqn.2026-01.lan.nas:disk`";
        /// Whether the disk stays.
        KEEP_SAN = "keep_san", Form::Flag, "0", "the iSCSI disk stays attached if it cannot be booted, for an installer";
        /// Architectures.
        ARCH = "arch", Form::Line("bios, ia32, x64, arm32, arm64, …"), "",
            "only for these architectures, or numbers of option 93 (a list)";
        /// Tags.
        NETWORKID = "networkid", Form::Tags, "", "only for clients that carry these tags";
        /// Tags, too.
        GROUP = "group", Form::Line("TAG"), "", "only for clients that carry one of these tags (a list)";
        /// Machines.
        HOST = "host", Form::Line("MAC, UUID or NAME"), "", "only for these machines (a list)";
        /// Machines as iPXE knows them.
        SERIAL = "serial", Form::Line("letters, digits, space, - _ ."), "",
            "only for machines with these serial numbers, and through iPXE, which knows them (a list)";
        /// The same.
        ASSET = "asset", Form::Line("letters, digits, space, - _ ."), "", "the same by their asset tags (a list)";
    }

    /// The section.
    pub const SECTION: KnownSection = KnownSection {
        kind: "entry",
        heading: "`config entry 'NAME'` in `/etc/config/upxe`",
        options: &[
            &ENABLE, &TITLE, &KIND, &KERNEL, &INITRD, &APPEND, &URL, &FILE, &ROOT_PATH, &KEEP_SAN, &ARCH, &NETWORKID,
            &GROUP, &HOST, &SERIAL, &ASSET,
        ],
    };
}

/// Options of many sections.
pub mod common {
    use super::{Form, Known};

    known! {
        /// DHCP options.
        DHCP_OPTION = "dhcp_option", Form::Line("NUMBER,VALUE"), "",
            "DHCP options for these clients, if they ask for them (a list)";
        /// The same, for everybody.
        DHCP_OPTION_FORCE = "dhcp_option_force", Form::Line("NUMBER,VALUE"), "", "the same, whether they ask or not";
        /// Belongs to `dhcp_option`.
        FORCE = "force", Form::Flag, "0", "makes `dhcp_option` the same as `dhcp_option_force`";
        /// The dnsmasq section it is meant for; looked at by the loader.
        INSTANCE = "instance", Form::NotOurs, "", "";
    }
}

/// The sections that set a tag: `match`, `vendorclass`, `userclass`, `mac`, `circuitid`, `remoteid`, `subscrid`.
pub mod tagging {
    use super::{Form, Known, KnownSection, common};

    known! {
        /// The tag.
        NETWORKID = "networkid", Form::Line("TAG"), "", "the tag that such clients carry";
        /// `config match`
        MATCH = "match", Form::Line("NUMBER[,VALUE]"), "",
            "`config match`: their request has this DHCP option: `175`, `option:client-arch,7`, `60,PXEClient`";
        /// `config vendorclass`
        VENDORCLASS = "vendorclass", Form::Line("TEXT"), "", "`config vendorclass`: option 60 contains this";
        /// `config userclass`
        USERCLASS = "userclass", Form::Line("TEXT"), "", "`config userclass`: option 77 contains this";
        /// `config mac`
        MAC = "mac", Form::Line("XX:XX:XX:*:*:*"), "", "`config mac`: their hardware address is like this";
        /// `config circuitid`
        CIRCUITID = "circuitid", Form::Line("TEXT"), "", "`config circuitid`: a relay's suboption 1 is this";
        /// `config remoteid`
        REMOTEID = "remoteid", Form::Line("TEXT"), "", "`config remoteid`: a relay's suboption 2 is this";
        /// `config subscrid`
        SUBSCRIBERID = "subscriberid", Form::Line("TEXT"), "", "`config subscrid`: a relay's suboption 6 is this";
    }

    /// The sections.
    pub const SECTION: KnownSection = KnownSection {
        kind: "match",
        heading: "`config match`, `vendorclass`, `userclass`, `mac`, `circuitid`, `remoteid` and `subscrid`, in both files",
        options: &[
            &NETWORKID,
            &MATCH,
            &VENDORCLASS,
            &USERCLASS,
            &MAC,
            &CIRCUITID,
            &REMOTEID,
            &SUBSCRIBERID,
            &common::DHCP_OPTION,
            &common::DHCP_OPTION_FORCE,
            &common::FORCE,
            &common::INSTANCE,
        ],
    };
}

/// `config host`: machines that are known, and the tags they carry.
pub mod host {
    use super::{Form, Known, KnownSection, common};

    known! {
        /// Whether it counts.
        ENABLE = "enable", Form::Flag, "1", "off: passes over this section";
        /// Hardware addresses.
        MAC = "mac", Form::Line("XX:XX:XX:XX:XX:XX"), "", "the machine's hardware addresses (a list)";
        /// Its name.
        NAME = "name", Form::Line("NAME"), "", "its name";
        /// Its address.
        IP = "ip", Form::Line("ADDRESS"), "", "its address, or `ignore`: it gets no answer";
        /// A tag.
        NETWORKID = "networkid", Form::Line("TAG"), "", "a tag that it carries";
        /// Tags.
        TAG = "tag", Form::Line("TAG"), "", "tags that it carries (a list)";
        /// When.
        MATCH_TAG = "match_tag", Form::Line("TAG"), "", "counts only for clients that carry these tags (a list)";
    }

    /// The section.
    pub const SECTION: KnownSection = KnownSection {
        kind: "host",
        heading: "`config host` in both files; its clients carry the tag `known` as well",
        options: &[
            &ENABLE,
            &MAC,
            &NAME,
            &IP,
            &NETWORKID,
            &TAG,
            &MATCH_TAG,
            &common::DHCP_OPTION,
            &common::DHCP_OPTION_FORCE,
            &common::FORCE,
            &common::INSTANCE,
        ],
    };
}

/// `config tag 'x'`: options for clients that carry the tag.
pub mod tag {
    use super::{KnownSection, common};

    /// The section.
    pub const SECTION: KnownSection = KnownSection {
        kind: "tag",
        heading: "`config tag 'NAME'` in both files, for clients that carry the tag `NAME`",
        options: &[&common::DHCP_OPTION, &common::DHCP_OPTION_FORCE, &common::FORCE, &common::INSTANCE],
    };
}

/// `config dhcp 'lan'`: an interface's clients.
pub mod dhcp {
    use super::{Form, Known, KnownSection, common};

    known! {
        /// The interface.
        INTERFACE = "interface", Form::Line("NAME"), "", "the network";
        /// The tag of its clients.
        NETWORKID = "networkid", Form::Line("TAG"), "", "a tag that its clients carry besides the network's name";
    }

    /// The section.
    pub const SECTION: KnownSection = KnownSection {
        kind: "dhcp",
        heading: "`config dhcp` in `/etc/config/dhcp`",
        options: &[&INTERFACE, &NETWORKID, &common::DHCP_OPTION, &common::DHCP_OPTION_FORCE],
    };
}

/// `config dnsmasq`, in `/etc/config/dhcp`; all its other options are dnsmasq's alone.
pub mod dnsmasq {
    use super::{Form, Known, KnownSection, common};

    known! {
        /// The boot line.
        DHCP_BOOT = "dhcp_boot", Form::Line("[tag:NAME,]FILE[,SERVERNAME[,ADDRESS]]"), "",
            "the boot line, every part of which may be empty";
        /// dnsmasq's own TFTP server.
        ENABLE_TFTP = "enable_tftp", Form::Flag, "0", "dnsmasq's own TFTP server; it holds port 69 when this is on";
        /// Its folder.
        TFTP_ROOT = "tftp_root", Form::Folder, "", "the folder with the boot files when upxe's own is unset";
        /// Sections of a dnsmasq that isn't started are passed over.
        DISABLED = "disabled", Form::Flag, "0", "passes over this section";
        /// Menus.
        PXE_SERVICE = "pxe_service", Form::Line("[tag:NAME,]ARCHITECTURE,TEXT[,FILE[,SERVER]]"), "",
            "entries of the PXE boot menu (a list); one entry alone is booted without a menu";
        /// Their prompt.
        PXE_PROMPT = "pxe_prompt", Form::Line("[tag:NAME,]TEXT[,SECONDS]"), "",
            "what is shown before the menu, and how long; without seconds, until a key is pressed";
        /// A root for each client.
        TFTP_UNIQUE_ROOT = "tftp_unique_root", Form::NotYet, "", "";
    }

    /// The section.
    pub const SECTION: KnownSection = KnownSection {
        kind: "dnsmasq",
        heading: "`config dnsmasq` in `/etc/config/dhcp`",
        options: &[
            &DHCP_BOOT,
            &PXE_SERVICE,
            &PXE_PROMPT,
            &ENABLE_TFTP,
            &TFTP_ROOT,
            &DISABLED,
            &TFTP_UNIQUE_ROOT,
            &common::DHCP_OPTION,
            &common::DHCP_OPTION_FORCE,
        ],
    };
}

/// Every section type that upxe reads, in the README's order.
pub const SECTIONS: &[&KnownSection] = &[
    &upxe::SECTION,
    &menu::SECTION,
    &entry::SECTION,
    &boot::SECTION,
    &tagging::SECTION,
    &host::SECTION,
    &tag::SECTION,
    &dnsmasq::SECTION,
    &dhcp::SECTION,
];

/// The README's option table.
pub fn markdown() -> String {
    let mut table = String::new();
    for section in SECTIONS {
        table.push_str(if table.is_empty() { "" } else { "\n" });
        table.extend([section.heading, ":\n\n| option | value | default | meaning |\n| --- | --- | --- | --- |\n"]);
        for known in section.options.iter().filter(|known| !matches!(known.form, Form::NotOurs | Form::NotYet)) {
            let default =
                if known.default.is_empty() { "unset".to_owned() } else { ["`", known.default, "`"].concat() };
            let value = match known.form {
                Form::Line(words) => ["`", words, "`"].concat(),
                form => form.words(),
            };
            table.extend(["| `", known.name, "` | ", &value, " | ", &default, " | ", known.meaning, " |\n"]);
        }
    }
    table
}
