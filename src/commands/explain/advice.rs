//! What to do about silence.

use super::Quiet;
use crate::config::Config;
use crate::proxy::matching::Barred;
use crate::proxy::{Door, Silence};

/// A silence, with its name and what to do about it.
pub fn quiet(silence: &Silence, config: &Config) -> Quiet {
    let (code, advice) = advice(silence);
    let root = config.tftp.root.to_string_lossy();
    Quiet { code, reason: silence.to_string(), advice: advice.replace("ROOT", &root) }
}

fn advice(silence: &Silence) -> (&'static str, &'static str) {
    match silence {
        Silence::Frame(_) => ("frame", "Nothing to do."),
        Silence::Request(_) => ("malformed", "Nothing to do: nobody could make sense of this packet."),
        Silence::SourcePort(_) => {
            ("source-port", "Nothing to do: a server sent it, and two servers would answer each other for ever.")
        }
        Silence::OtherDevice(_) => ("other-device", "Add the network to 'list interface' if its machines may boot."),
        Silence::OffLink(_) => ("off-link", "Give the machine an address on the router's own network."),
        Silence::Message(_, Door::Proxy) => (
            "not-ours",
            "Nothing to do: leases are the DHCP server's business; upxe adds its offer to a DHCPDISCOVER only.",
        ),
        Silence::Message(_, Door::BootServer) => {
            ("not-ours", "Nothing to do: a boot server answers DHCPREQUEST and DHCPINFORM only.")
        }
        Silence::Relayed(_) => (
            "relayed",
            "Connect the machine to a network of the router's own, or let a boot server on the relay's side answer.",
        ),
        Silence::NotBooting => (
            "not-booting",
            "Nothing to do if it is not meant to boot. If it is: its firmware must ask for network boot (vendor class \
             PXEClient or HTTPClient); for another vendor class, dhcp-pxe-vendor names it.",
        ),
        Silence::Barred(Barred::Ignored(_)) => {
            ("ignored", "Take that line out, or give it a tag that this client does not carry.")
        }
        Silence::Barred(Barred::OtherRange(_)) => {
            ("other-range", "Add a dhcp-range=…,proxy without tags, or one whose tags this client carries.")
        }
        Silence::OtherServer(_) => (
            "other-server",
            "The server that this menu entry names has to answer; if it should be the router, give the entry a file.",
        ),
        Silence::Credentials => ("credentials", "Switch off BIS (boot integrity services) in the machine's firmware."),
        Silence::UnknownArchitecture(_) => {
            ("unknown-architecture", "Add a boot rule that holds for this client and names a file for it.")
        }
        Silence::NoFile { .. } => (
            "no-file",
            "The TFTP root is ROOT, and everybody must be allowed to read the file. Or name a file that is there in a \
             boot rule that holds for this client.",
        ),
        Silence::NeedsHttp { .. } => (
            "needs-http",
            "Let it load an iPXE that was built with HTTP first: put one into ROOT and name it in a boot rule for this \
             client; or offer it a script from ROOT instead of the URL.",
        ),
        Silence::Looping { .. } => ("looping", "Nothing that explain can see: the running service remembers it."),
        Silence::NeedsUrl => ("needs-url", "Add a boot rule with a URL for this client: option filename 'http://…'."),
    }
}
