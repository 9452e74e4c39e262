//! What was decided for one request, and why: the value that log lines, `explain` and tests read.

use std::fmt;
use std::net::Ipv4Addr;

use dhcproto::v4::MessageType;

use super::architecture::Architecture;
use super::client::Client;
use super::matching::Barred;
use super::options::Sent;
use super::tags::TagSet;
use super::vendor::Shape;
use crate::config::rules::Origin;
use crate::menu::Machine;
use crate::wire::frame::FrameError;
use crate::wire::reply::Text;
use crate::wire::request::{RequestError, message_name};

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
    /// The tags that the client carries.
    pub tags: TagSet,
    /// What is known of the client's machine.
    pub machine: Machine,
    /// Rules that would have had precedence, and why they were passed over.
    pub passed_over: Vec<PassedOver>,
    /// The answer, or why there is none.
    pub outcome: Result<Offer, Silence>,
    /// Who asked to boot and gets no answer.
    pub(super) unserved: Option<Client>,
}

impl Decision {
    /// Who asked, if it asked to boot.
    pub fn client(&self) -> Option<&Client> {
        self.outcome.as_ref().map_or(self.unserved.as_ref(), |offer| Some(&offer.client))
    }
}

/// What a client is told to boot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// To whom; of its architectures the one that the file is for stands first.
    pub client: Client,
    /// The boot file's name or URL.
    pub file: Text<127>,
    /// The server's name; empty: its address as text.
    pub server_name: Text<63>,
    /// Who serves the file.
    pub server: Ipv4Addr,
    /// Which setting chose it.
    pub chosen_by: ChosenBy,
    /// What the client shall do with it.
    pub shape: Shape,
    /// Options that say so, and those that rules add.
    pub options: Vec<Sent>,
    /// Which of several possible forms this is, where there is a choice.
    pub form: Option<OfferForm>,
    /// The file is an iPXE with HTTP, for one without.
    pub upgrade: bool,
}

/// The forms that an offer may have. No firmware is known to take none of them, and none to take all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OfferForm {
    /// "Load this file": discovery control 8.
    #[default]
    Direct,
    /// No option 43: the file is asked for on port 4011. For UEFI that takes no option 43 in offers.
    AskAgain,
    /// A menu of one entry that boots at once, for firmware that knows the protocol's oldest way only.
    Menu,
}

impl OfferForm {
    /// What is tried when this was of no avail.
    pub fn next(self) -> OfferForm {
        match self {
            OfferForm::Direct => OfferForm::AskAgain,
            OfferForm::AskAgain => OfferForm::Menu,
            OfferForm::Menu => OfferForm::Direct,
        }
    }
}

/// A rule that holds for a client and is of no use to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PassedOver {
    /// The rule.
    pub origin: Origin,
    /// The file or URL that it names.
    pub file: String,
    /// What is wrong with it.
    pub why: Unfit,
}

/// Why a file is of no use to a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unfit {
    /// It isn't under the TFTP root.
    Missing,
    /// Firmware that boots by PXE knows no URL.
    Url,
    /// UEFI HTTP Boot knows nothing but URLs.
    NoUrl,
    /// iPXE that loads iPXE does so for ever, and gPXE that loads gPXE.
    Loop,
    /// This iPXE was built without the means to fetch it.
    NeedsHttp,
}

/// The setting that chose a boot file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChosenBy {
    /// A line of the configuration.
    Rule(Origin),
    /// `option script`.
    Script,
    /// It is there for this very machine.
    Machine,
    /// It is there for machines that carry this tag.
    Group(String),
    /// It is the boot menu, which has something for the machine.
    Menu,
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
    /// It came in on a device that isn't served.
    OtherDevice(u32),
    /// The sender isn't on the link's network.
    OffLink(Ipv4Addr),
    /// This message isn't answered at this door: leases are the DHCP server's business.
    Message(MessageType, Door),
    /// It came through a relay agent.
    Relayed(Ipv4Addr),
    /// The client didn't ask to boot.
    NotBooting,
    /// A rule keeps it from being answered.
    Barred(Barred),
    /// It asks for a menu entry that we don't serve: a boot server of this type has to answer.
    OtherServer(u16),
    /// It asks for a boot file's credentials (PXE 2.1's BIS), which nobody has.
    Credentials,
    /// Nothing is customary for what the client says it can run, if it says so at all, and no rule covers it.
    UnknownArchitecture(Option<Architecture>),
    /// None of these files is under the TFTP root.
    NoFile {
        /// The names that were looked for, best first.
        looked_for: Vec<String>,
    },
    /// The chosen URL needs HTTP, which this iPXE lacks, and there is no fuller one that it could load first.
    NeedsHttp {
        /// The URL.
        url: String,
    },
    /// UEFI HTTP Boot takes nothing but a URL, and there is none for it.
    NeedsUrl,
    /// It asks more often than a machine that boots.
    TooOften,
    /// All machines together ask for more than is answered.
    TooMany,
    /// It has loaded this file again and again.
    Looping {
        /// The file.
        file: String,
    },
}

impl Unfit {
    /// In words, behind the file's name.
    pub fn words(self) -> &'static str {
        match self {
            Unfit::Missing => "is not under the TFTP root",
            Unfit::Url => "is a URL, which firmware cannot fetch by PXE",
            Unfit::NoUrl => "is no URL, and UEFI HTTP Boot takes nothing else",
            Unfit::NeedsHttp => "needs HTTP or HTTPS, which this iPXE was built without",
            Unfit::Loop => "is what this client has loaded already",
        }
    }
}

impl fmt::Display for PassedOver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} {}", self.origin, self.file, self.why.words())
    }
}

impl Silence {
    /// True when a machine that wants to boot is let down: the user should hear of it.
    pub fn is_notable(&self) -> bool {
        matches!(
            self,
            Silence::UnknownArchitecture(_) | Silence::NoFile { .. } | Silence::NeedsHttp { .. } | Silence::NeedsUrl
        )
    }
}

impl fmt::Display for Silence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Silence::Frame(error) => write!(f, "not a DHCP frame ({error:?})"),
            Silence::Request(error) => write!(f, "not a DHCP request ({error:?})"),
            Silence::SourcePort(port) => write!(f, "sent from port {port}, which is no client's"),
            Silence::OtherDevice(ifindex) => write!(f, "came in on device {ifindex}, which is not served"),
            Silence::OffLink(address) => write!(f, "{address} is not on this network"),
            Silence::Message(kind, Door::Proxy) => write!(f, "{} is for the DHCP server", message_name((*kind).into())),
            Silence::Message(kind, Door::BootServer) => {
                write!(f, "{} is not for a boot server", message_name((*kind).into()))
            }
            Silence::Relayed(agent) => write!(f, "relayed by {agent}"),
            Silence::NotBooting => f.write_str("did not ask to boot from the network"),
            Silence::Barred(Barred::Ignored(origin)) => write!(f, "ignored by {origin}"),
            Silence::Barred(Barred::OtherRange(origin)) => write!(f, "the proxy range at {origin} is for other tags"),
            Silence::OtherServer(number) => write!(f, "boot server type {number} is not served here"),
            Silence::Credentials => f.write_str("asks for credentials of a boot file (BIS), which are not supported"),
            Silence::UnknownArchitecture(said) => {
                match said {
                    Some(architecture) => write!(f, "no boot file is customary for {architecture}")?,
                    None => f.write_str("did not say what it can run")?,
                }
                f.write_str(", and no boot rule covers it; add one with a file name")
            }
            Silence::NoFile { looked_for } => {
                write!(f, "no boot file: put one of these under the TFTP root: {}", looked_for.join(", "))
            }
            Silence::NeedsHttp { url } => write!(
                f,
                "this iPXE cannot fetch {url}: it was built without HTTP or HTTPS, and there is no fuller one to load first"
            ),
            Silence::Looping { file } => write!(
                f,
                "has loaded {file} three times within a minute, and gets no offer until it was quiet for one; see what \
                 {file} does, and that it finds what it looks for"
            ),
            Silence::TooOften => f.write_str("asks too often"),
            Silence::TooMany => f.write_str("too many machines ask at once"),
            Silence::NeedsUrl => f.write_str("UEFI HTTP Boot needs option http, or a boot rule with an http:// URL"),
        }
    }
}
