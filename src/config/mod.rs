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
pub mod menu;
mod network;
pub mod options;
pub mod rules;
mod section;
pub mod sections;
pub mod spelling;
mod stock;
pub mod uci;

use std::path::PathBuf;

pub use self::menu::BootMenu;
use self::options::{Known, upxe};
pub use self::rules::{Boot, Origin, Rules, TagTest};

pub use diagnostic::{Diagnostic, Severity};
pub use load::load;

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
    /// How many of their requests are answered: `option replies`, `option replies_client`.
    pub replies: PerSecond,
    /// `option user`: whom the service becomes once it is started, if there is such a user.
    pub user: String,
    /// The folders that this was read from, and the files, those among them that aren't there.
    pub read_from: Vec<PathBuf>,
    /// `option log_level`: error, warn, info, debug or trace.
    pub log_level: log::LevelFilter,
}

/// What the command line says, which beats the files.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    /// `-i`, each: a logical interface or a device; any at all replace the configured ones.
    pub interfaces: Vec<String>,
    /// `--tftp-root`.
    pub tftp_root: Option<String>,
    /// `--conf-file`: lines in dnsmasq's words, instead of those of dnsmasq's own file.
    pub conf_file: Option<String>,
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
    /// What a machine can set in motion.
    pub limits: TftpLimits,
}

/// What machines can set in motion, before and after they have proved to be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TftpLimits {
    /// `option tftp_max_client`: transfers of one machine at once.
    pub client_transfers: u16,
    /// `option tftp_in_flight`, in bytes: what all transfers together may have sent and not seen acknowledged.
    pub in_flight: u32,
    /// `option tftp_retries`: repetitions of the first packet.
    pub retries: u8,
    /// `option tftp_errors`, `option tftp_errors_client`: refusals that are told, and texts that are made.
    pub errors: PerSecond,
}

/// How much may happen in a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PerSecond {
    /// For all machines together.
    pub all: u16,
    /// For one machine.
    pub client: u16,
}

impl PerSecond {
    /// The defaults of these options.
    pub fn default_of(all: &Known, client: &Known) -> Self {
        Self { all: all.default_number() as u16, client: client.default_number() as u16 }
    }
}

impl Default for TftpLimits {
    fn default() -> Self {
        Self {
            client_transfers: upxe::TFTP_MAX_CLIENT.default_number() as u16,
            in_flight: upxe::TFTP_IN_FLIGHT.default_number() * 1024,
            retries: upxe::TFTP_RETRIES.default_number() as u8,
            errors: PerSecond::default_of(&upxe::TFTP_ERRORS, &upxe::TFTP_ERRORS_CLIENT),
        }
    }
}
