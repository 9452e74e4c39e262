//! What was decided for one request, and why: the value that log lines, `explain` and tests read.

use std::fmt;
use std::net::Ipv4Addr;

use dhcproto::v4::MessageType;

use super::client::Client;
use super::tags::TagSet;
use crate::config::Origin;
use crate::wire::frame::FrameError;
use crate::wire::reply::Text;
use crate::wire::request::RequestError;

/// The way a request came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    /// Port 67, where the DHCP server answers too: we add a proxy OFFER.
    Proxy,
    /// Port 4011, where nobody but us is asked.
    BootServer,
}

/// The outcome for one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// Who asked, if it asked to boot.
    pub client: Option<Client>,
    /// The tags it carries.
    pub tags: TagSet,
    /// The answer, or why there is none.
    pub outcome: Result<Offer, Silence>,
}

/// What a client is told to boot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// The boot file's name or URL.
    pub file: Text<127>,
    /// The server's name; empty: its address as text.
    pub server_name: Text<63>,
    /// Who serves the file.
    pub server: Ipv4Addr,
    /// Which setting chose it.
    pub chosen_by: ChosenBy,
}

/// The setting that chose a boot file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChosenBy {
    /// A line of the configuration.
    Rule(Origin),
    /// `option script`.
    Script,
    /// The table of customary names.
    Custom,
}

/// Why a request stays without an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Silence {
    /// The frame holds no datagram for us.
    Frame(FrameError),
    /// The datagram holds no request.
    Request(RequestError),
    /// It was sent from a port that no DHCP client uses.
    SourcePort(u16),
    /// The sender isn't on the link's network.
    OffLink(Ipv4Addr),
    /// This message isn't answered at this door: leases are the DHCP server's business.
    Message(MessageType, Door),
    /// It came through a relay agent.
    Relayed(Ipv4Addr),
    /// The client didn't ask to boot.
    NotBooting,
    /// The client didn't say what it can run, and no rule covers it.
    UnknownArchitecture,
    /// None of these files is under the TFTP root.
    NoFile {
        /// The names that were looked for, best first.
        looked_for: Vec<String>,
    },
    /// The chosen URL needs HTTP, which this iPXE lacks.
    NeedsHttp {
        /// The URL.
        url: String,
    },
    /// UEFI HTTP Boot takes nothing but a URL, and none is configured for it.
    NeedsUrl,
}

impl Silence {
    /// True when a machine that wants to boot is let down: the user should hear of it.
    pub fn is_notable(&self) -> bool {
        matches!(
            self,
            Silence::UnknownArchitecture | Silence::NoFile { .. } | Silence::NeedsHttp { .. } | Silence::NeedsUrl
        )
    }
}

impl fmt::Display for Silence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Silence::Frame(error) => write!(f, "not a DHCP frame ({error:?})"),
            Silence::Request(error) => write!(f, "not a DHCP request ({error:?})"),
            Silence::SourcePort(port) => write!(f, "sent from port {port}, which is no client's"),
            Silence::OffLink(address) => write!(f, "{address} is not on this network"),
            Silence::Message(kind, Door::Proxy) => write!(f, "{kind:?} is for the DHCP server"),
            Silence::Message(kind, Door::BootServer) => write!(f, "{kind:?} is not for a boot server"),
            Silence::Relayed(agent) => write!(f, "relayed by {agent}"),
            Silence::NotBooting => f.write_str("did not ask to boot from the network"),
            Silence::UnknownArchitecture => {
                f.write_str("did not say what it can run, and no boot rule covers it; add one with a file name")
            }
            Silence::NoFile { looked_for } => {
                write!(f, "no boot file: put one of these under the TFTP root: {}", looked_for.join(", "))
            }
            Silence::NeedsHttp { url } => write!(f, "this iPXE cannot fetch {url}: it was built without HTTP"),
            Silence::NeedsUrl => f.write_str("UEFI HTTP Boot needs a boot rule with an http:// URL"),
        }
    }
}
