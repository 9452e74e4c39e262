//! Decides what a booting client is told, and says why.
//!
//! Two calls: [`decide`] looks at a request and comes to a [`Decision`], which is an offer or a reason for silence;
//! [`answer`] turns an offer into the reply. Both are pure: port 67, port 4011 and the tests go the same way.

pub mod architecture;
pub mod client;
pub mod decision;
pub mod select;
pub mod tags;
mod vendor;

use std::net::Ipv4Addr;

use dhcproto::v4::{MessageType, OptionCode};

use self::client::{Client, Program};
pub use self::decision::{ChosenBy, Decision, Door, Offer, Silence};
pub use self::select::BootFiles;
use self::tags::TagSet;
use crate::config::Rules;
use crate::wire::reply::{Options, Overload, Reply, Text};
use crate::wire::request::Request;

/// Where a request came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival<'a> {
    /// The port it was sent to.
    pub door: Door,
    /// The interface's name, a tag that the client carries.
    pub interface: &'a str,
    /// Our address on that link.
    pub router: Ipv4Addr,
}

/// Decides what the sender of `request` is told.
pub fn decide(rules: &Rules, files: &dyn BootFiles, arrival: &Arrival<'_>, request: &Request<'_>) -> Decision {
    let mut decision = Decision { client: None, tags: TagSet::default(), outcome: Err(Silence::NotBooting) };
    if let Err(silence) = admit(arrival.door, request) {
        decision.outcome = Err(silence);
        return decision;
    }
    let Some(client) = Client::recognise(request) else { return decision };
    decision.tags.set(arrival.interface);
    decision.outcome = select::select(rules, files, arrival.router, &client, &decision.tags);
    decision.client = Some(client);
    decision
}

/// Which messages are ours to answer.
fn admit(door: Door, request: &Request<'_>) -> Result<(), Silence> {
    let ours = match door {
        // Never an ACK for a REQUEST on port 67: EDK2 takes it for the DHCP server's, finds another yiaddr in it, and
        // declines the lease (EDK2 Dhcp4Io.c).
        Door::Proxy => request.message_type == MessageType::Discover,
        Door::BootServer => matches!(request.message_type, MessageType::Request | MessageType::Inform),
    };
    if !ours {
        return Err(Silence::Message(request.message_type, door));
    }
    if !request.giaddr.is_unspecified() {
        return Err(Silence::Relayed(request.giaddr));
    }
    Ok(())
}

/// Builds the reply that carries `offer`.
pub fn answer(rules: &Rules, arrival: &Arrival<'_>, request: &Request<'_>, client: &Client, offer: &Offer) -> Reply {
    let boot_item = request.option(OptionCode::VendorExtensions).and_then(|value| vendor::boot_item(&value));
    // PXE 2.1 §2.4.5 and dnsmasq `pxe_misc`: the boot server's answer to a chosen item names the client in yiaddr.
    let (ciaddr, yiaddr) = match (arrival.door, boot_item) {
        (Door::Proxy, _) => (Ipv4Addr::UNSPECIFIED, Ipv4Addr::UNSPECIFIED),
        (Door::BootServer, None) => (request.ciaddr, Ipv4Addr::UNSPECIFIED),
        (Door::BootServer, Some(_)) => (Ipv4Addr::UNSPECIFIED, request.ciaddr),
    };
    let mut reply = Reply {
        message_type: match arrival.door {
            Door::Proxy => MessageType::Offer,
            Door::BootServer => MessageType::Ack,
        },
        xid: request.xid,
        // Without an address the client can only be reached by broadcast, whatever flag it set.
        broadcast: request.broadcast || request.ciaddr.is_unspecified(),
        ciaddr,
        yiaddr,
        siaddr: offer.server,
        giaddr: request.giaddr,
        chaddr: request.chaddr,
        sname: if offer.server_name.is_empty() { address_text(offer.server) } else { offer.server_name.clone() },
        file: offer.file.clone(),
        options: Options::default(),
    };
    let pushed = push_options(&mut reply, arrival.router, request, client, boot_item);
    debug_assert!(pushed.is_ok(), "our own options are far shorter than a packet");
    if !rules.no_override && !client.is_ipxe() {
        move_names_to_options(&mut reply, request);
    }
    reply
}

/// How options that don't fit are treated in replies to `client`: iPXE never looks into borrowed fields.
pub fn overload(rules: &Rules, client: &Client) -> Overload {
    if rules.no_override || client.is_ipxe() { Overload::Never } else { Overload::WhenFull }
}

/// In dnsmasq's order: 53 (written by [`crate::wire::reply`]), 54, 60, 97, 43; then ours.
fn push_options(
    reply: &mut Reply,
    router: Ipv4Addr,
    request: &Request<'_>,
    client: &Client,
    boot_item: Option<vendor::BootItem>,
) -> Result<(), crate::wire::reply::Full> {
    let class: &[u8] = if client.program == Program::HttpBoot { b"HTTPClient" } else { b"PXEClient" };
    reply.options.push(OptionCode::ServerIdentifier, &router.octets())?;
    reply.options.push(OptionCode::ClassIdentifier, class)?;
    if let Some(uuid) = request.option(OptionCode::ClientMachineIdentifier).filter(|uuid| uuid.len() == UUID_LEN) {
        reply.options.push(OptionCode::ClientMachineIdentifier, &uuid)?;
    }
    match (client.program, boot_item) {
        // EDK2 HttpBootDhcp4.c reads the URL from option 67 first.
        (Program::HttpBoot, _) => reply.options.push(OptionCode::BootfileName, reply.file.clone().as_bytes())?,
        (_, Some(item)) => reply.options.push(OptionCode::VendorExtensions, &vendor::chosen_item(item))?,
        (_, None) => reply.options.push(OptionCode::VendorExtensions, &vendor::USE_THE_FILE)?,
    }
    if client.is_ipxe() {
        reply.options.push(OptionCode::from(ETHERBOOT), &OUR_FILE_FIRST)?;
    }
    Ok(())
}

/// Option 97 is a type byte and 16 bytes (RFC 4578 §2.3).
const UUID_LEN: usize = 17;

const ETHERBOOT: u8 = 175;
/// Suboption 1, priority: iPXE prefers the settings block with the higher one, so that a boot file left in the DHCP
/// server's configuration doesn't beat ours (iPXE `settings.c`).
const OUR_FILE_FIRST: [u8; 3] = [1, 1, 1];

/// dnsmasq without `dhcp-no-override`: names that were asked for by option number are given there, and the fields are
/// free to carry options.
fn move_names_to_options(reply: &mut Reply, request: &Request<'_>) {
    let nul_terminated = |name: &str| [name.as_bytes(), &[0]].concat();
    if request.asks_for(OptionCode::TFTPServerName)
        && reply.options.push(OptionCode::TFTPServerName, &nul_terminated(&reply.sname)).is_ok()
    {
        reply.sname.clear();
    }
    if request.asks_for(OptionCode::BootfileName)
        && reply.options.get(OptionCode::BootfileName).is_none()
        && reply.options.push(OptionCode::BootfileName, &nul_terminated(&reply.file)).is_ok()
    {
        reply.file.clear();
    }
}

fn address_text(address: Ipv4Addr) -> Text<63> {
    use std::fmt::Write;
    let mut text = Text::new();
    let _ = write!(text, "{address}");
    text
}

#[cfg(test)]
mod tests;
