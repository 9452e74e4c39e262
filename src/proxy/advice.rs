//! What to do about silence.

use super::matching::Barred;
use super::{Door, Silence};

/// Why a boot doesn't go on; `FILE` and `ROOT` stand for the file and the TFTP root.
#[derive(Debug, PartialEq, Eq)]
pub struct Trouble {
    /// Its name for programs.
    pub code: &'static str,
    /// What happened.
    pub reason: &'static str,
    /// What to do.
    pub advice: &'static str,
}

/// The reason for silences that nobody waits behind.
const UNSAID: &str = "it asked, and is not answered";

/// A silence in words that need no more of the request than the name of one file.
pub fn advice(silence: &Silence) -> &'static Trouble {
    match silence {
        Silence::Frame(_) => &Trouble { code: "frame", reason: UNSAID, advice: "Nothing to do." },
        Silence::Request(_) => &Trouble {
            code: "malformed",
            reason: UNSAID,
            advice: "Nothing to do: nobody could make sense of this packet.",
        },
        Silence::SourcePort(_) => &Trouble {
            code: "source-port",
            reason: UNSAID,
            advice: "Nothing to do: a server sent it, and two servers would answer each other for ever.",
        },
        Silence::OtherDevice(_) => &Trouble {
            code: "other-device",
            reason: UNSAID,
            advice: "Add the network to 'list interface' if its machines may boot.",
        },
        Silence::OffLink(_) => &Trouble {
            code: "off-link",
            reason: UNSAID,
            advice: "Give the machine an address on the router's own network.",
        },
        Silence::Message(_, Door::Proxy) => &Trouble {
            code: "not-ours",
            reason: UNSAID,
            advice: "Nothing to do: leases are the DHCP server's business; upxe adds its offer to a DHCPDISCOVER only.",
        },
        Silence::Message(_, Door::BootServer) => &Trouble {
            code: "not-ours",
            reason: UNSAID,
            advice: "Nothing to do: a boot server answers DHCPREQUEST and DHCPINFORM only.",
        },
        Silence::Relayed(_) => &Trouble {
            code: "relayed",
            reason: UNSAID,
            advice: "Set option relay '1' to answer such requests, and send the relay's requests to this router.",
        },
        Silence::NotBooting => &Trouble {
            code: "not-booting",
            reason: UNSAID,
            advice: "Nothing to do if it is not meant to boot. If it is: its firmware must ask for network boot (vendor class \
             PXEClient or HTTPClient); for another vendor class, dhcp-pxe-vendor names it.",
        },
        Silence::Barred(Barred::Ignored(_)) => &Trouble {
            code: "ignored",
            reason: "a rule keeps it from being answered",
            advice: "Take that line out, or give it a tag that this client does not carry.",
        },
        Silence::Barred(Barred::OtherRange(_)) => &Trouble {
            code: "other-range",
            reason: "a proxy range keeps it from being answered",
            advice: "Add a dhcp-range=…,proxy without tags, or one whose tags this client carries.",
        },
        Silence::OtherServer(_) => &Trouble {
            code: "other-server",
            reason: "it asks for a menu entry that another boot server has to answer",
            advice: "The server that this menu entry names has to answer; if it should be the router, give the entry a file.",
        },
        Silence::Credentials => &Trouble {
            code: "credentials",
            reason: "it asks for credentials of a boot file (BIS), which are not supported",
            advice: "Switch off BIS (boot integrity services) in the machine's firmware.",
        },
        Silence::UnknownArchitecture(_) => &Trouble {
            code: "unknown-architecture",
            reason: "no boot rule covers what it says it is",
            advice: "Add a boot rule that holds for this client and names a file for it.",
        },
        Silence::NoFile { .. } => &Trouble {
            code: "no-file",
            reason: "there is no boot file for it: FILE is not in the TFTP root, nor another that it could take",
            advice: "The TFTP root is ROOT, and everybody must be allowed to read the file. Or name a file that is there in a \
             boot rule that holds for this client.",
        },
        Silence::NeedsHttp { .. } => &Trouble {
            code: "needs-http",
            reason: "it cannot fetch FILE: this iPXE was built without HTTP",
            advice: "Let it load an iPXE that was built with HTTP first: put one into ROOT and name it in a boot rule for this \
             client; or offer it a script from ROOT instead of the URL.",
        },
        Silence::Looping { .. } => &Trouble {
            code: "looping",
            reason: "it has loaded FILE again and again, and is not offered it for a while",
            advice: "The file must lead to something else than network boot again: a boot rule for iPXE (option script, or a tag \
                     for option 175) tells it from the firmware. Only the running service remembers such loops.",
        },
        Silence::TooOften => &Trouble {
            code: "too-often",
            reason: "It asks more often than a machine that boots.",
            advice: "Raise option replies_client if it is right to.",
        },
        Silence::TooMany => &Trouble {
            code: "too-many",
            reason: "More machines ask at once than are answered.",
            advice: "Raise option replies if they are all yours.",
        },
        Silence::NeedsUrl => &Trouble {
            code: "needs-url",
            reason: "UEFI HTTP Boot needs a URL, and there is none for it",
            advice: "Set option http '1', so that it gets the files in ROOT by their URLs; or add a boot rule with a URL for \
                     this client: option filename 'http://…'.",
        },
    }
}
