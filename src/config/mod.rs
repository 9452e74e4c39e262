//! What the service runs by: typed values, each with its default, and where each was written.
//!
//! Text becomes sections in [`uci`], sections become checked values in [`load`](mod@load) by the table of [`options`], and all that
//! is wrong on the way is a [`Diagnostic`]. Only [`files`] touches the file system.

pub mod boot;
pub mod diagnostic;
pub mod files;
mod hosts;
pub mod load;
mod network;
pub mod options;
mod section;
pub mod uci;

use std::fmt;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::rc::Rc;

pub use diagnostic::{Diagnostic, Severity};
pub use load::{Overrides, load};

/// Everything `upxe run` needs to know; made by [`load`](crate::config) from the files in `/etc/config`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// `option enabled`; the packaged default is off.
    pub enabled: bool,
    /// Where clients are listened to.
    pub interfaces: Vec<Interface>,
    /// The TFTP server.
    pub tftp: Tftp,
    /// What clients are offered.
    pub rules: Rules,
    /// `option user`: whom the service becomes once it is started, if there is such a user.
    pub user: String,
    /// `option log_level`: error, warn, info, debug or trace.
    pub log_level: log::LevelFilter,
}

/// A network that upxe serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// The name the user gave (`lan`), which is also the tag that a client on it carries.
    pub name: String,
    /// The Linux device it stands for (`br-lan`), at most 15 bytes.
    pub device: String,
}

/// The TFTP server's settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tftp {
    /// `option tftp`; off when another server holds port 69 by intention.
    pub enabled: bool,
    /// `option tftp_root`: the only folder that is served.
    pub root: PathBuf,
    /// `list tftp_allow`: folders outside the root that links in it may lead to.
    pub allow: Vec<PathBuf>,
    /// `option tftp_max`: transfers under way at once, 1 to 1024.
    pub max_transfers: u16,
}

/// What clients are offered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// `option script`: what iPXE is given, a file under the TFTP root or a URL; `boot.ipxe` when empty.
    pub script: Option<String>,
    /// `dhcp_boot` and its likes, in the order written.
    pub boots: Vec<Boot>,
    /// `option no_override`: boot file and server name stay in the header fields. On by default.
    pub no_override: bool,
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

/// One tested tag: `tag:x`, `net:x`, and negated `tag:!x`, `net:#x`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagTest {
    /// The tag's name.
    pub tag: String,
    /// False when the test is negated.
    pub set: bool,
}

/// File and line that a setting came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// Path as given.
    pub file: Rc<str>,
    /// First line of the setting, from 1; 0 for the command line and for defaults.
    pub line: u32,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if self.line > 0 { write!(f, ":{}", self.line) } else { Ok(()) }
    }
}
