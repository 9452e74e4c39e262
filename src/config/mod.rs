//! What the service runs by: typed values, each with its default, and where each was written.
//!
//! Text becomes sections in [`uci`], sections become checked values in [`load`](mod@load) by the table of [`options`], and all that
//! is wrong on the way is a [`Diagnostic`]. Only [`files`] touches the file system.

pub mod boot;
pub mod diagnostic;
pub mod dnsmasq;
pub mod files;
pub mod hosts;
pub mod load;
mod network;
pub mod options;
pub mod rules;
mod section;
mod sections;
pub mod uci;

use std::path::PathBuf;

pub use self::rules::{Boot, Origin, Rules, TagTest};

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
    /// Ports that belong to the dnsmasq beside us.
    pub dnsmasq: DnsmasqPorts,
    /// What clients are offered.
    pub rules: Rules,
    /// `option user`: whom the service becomes once it is started, if there is such a user.
    pub user: String,
    /// The folders that this was read from, and the files, those among them that aren't there.
    pub read_from: Vec<PathBuf>,
    /// `option log_level`: error, warn, info, debug or trace.
    pub log_level: log::LevelFilter,
}

/// Ports that the dnsmasq beside us opens by its own configuration. They are left to it even while it is not running:
/// dnsmasq ends when it finds one of them taken, and DHCP and DNS with it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DnsmasqPorts {
    /// Port 4011, by `pxe_service` or `pxe_prompt`.
    pub boot_server: bool,
    /// Port 69, by `enable_tftp` with `tftp_root`.
    pub tftp: bool,
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
    /// `option tftp_single_port`: all goes through the port that was asked.
    pub single_port: bool,
}
