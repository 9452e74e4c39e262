//! Decides what a booting client is told, and says why.
//!
//! [`decide`] looks at a request and comes to a [`Decision`], which is an offer or a reason for silence; [`answer`] turns
//! an offer into the reply; [`consider`] goes all the way to bytes. All are pure: port 67, port 4011, `upxe explain` and
//! the tests go the same way.

pub mod advice;
pub mod architecture;
pub mod client;
pub mod clients;
pub mod decision;
pub mod machine;
pub mod matching;
pub mod options;
pub mod progress;
pub mod raspberry_pi;
pub mod select;
pub mod tags;
mod upgrade;
pub mod vendor;
mod web;

use std::net::Ipv4Addr;

use dhcproto::v4::{MessageType, OptionCode};

use self::client::{Client, Program};
use self::clients::Past;
pub use self::decision::{ChosenBy, Decision, Door, Offer, OfferForm, PassedOver, Silence, Unfit};
use self::options::Selection;
pub use self::select::BootFiles;
use self::select::{Choice, Chooser, OWN_SERVER_TYPE};
use self::tags::TagSet;
use self::vendor::{Menu, MenuEntry, Shape};
use crate::config::{Origin, Rules};
use crate::menu::Machine;
use crate::wire::SERVER_PORTS;
use crate::wire::reply::{self, Options, Overload, Reply, Text, Written};
use crate::wire::request::Request;

/// Where a request came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival<'a> {
    /// The port it was sent to.
    pub door: Door,
    /// The network's name in the configuration, a tag that its clients carry.
    pub interface: &'a str,
    /// Its Linux device, whose name is a tag too.
    pub device: &'a str,
    /// Our address on that link.
    pub router: Ipv4Addr,
    /// The network mask that goes with it.
    pub mask: Ipv4Addr,
}

/// Decides what the sender of `request` is told, after what is remembered of it, and writes the reply if there is one.
pub fn consider(
    rules: &Rules,
    files: &dyn BootFiles,
    arrival: &Arrival<'_>,
    request: &Request<'_>,
    past: &Past,
) -> (Decision, Option<Written>) {
    let decision = decide(rules, files, arrival, request, past);
    let written = decision.outcome.as_ref().ok().map(|offer| {
        let reply = answer(rules, arrival, request, offer);
        let limit = reply::size_limit(request.max_message_size());
        reply::write(&reply, overload(rules, &offer.client), limit)
    });
    (decision, written)
}

/// Refuses what was sent from a server's port: two servers would answer each other for ever.
///
/// # Errors
/// The reason for silence.
pub fn admit_source(port: u16) -> Result<(), Silence> {
    if SERVER_PORTS.contains(&port) { Err(Silence::SourcePort(port)) } else { Ok(()) }
}

/// Decides what the sender of `request` is told, after what is remembered of it.
pub fn decide(
    rules: &Rules,
    files: &dyn BootFiles,
    arrival: &Arrival<'_>,
    request: &Request<'_>,
    past: &Past,
) -> Decision {
    let mut decision = Decision {
        unserved: None,
        tags: TagSet::default(),
        passed_over: Vec::new(),
        machine: Machine::default(),
        outcome: Err(Silence::NotBooting),
    };
    if let Err(silence) = admit(arrival, rules.relay, request) {
        decision.outcome = Err(silence);
        return decision;
    }
    let Some(client) = Client::recognise(request, &rules.pxe_vendors) else { return decision };
    let (carried, barred) = matching::carried(rules, arrival, request);
    decision.machine = machine::of(request, Some(&client), &carried);
    decision.outcome = match barred {
        Err(barred) => Err(Silence::Barred(barred)),
        Ok(()) => {
            let options = Selection::new(rules, &carried, request, arrival.router);
            let (door, router, tags) = (arrival.door, arrival.router, &carried.all);
            let (passed_over, looked_for) = (Vec::new(), Vec::new());
            let (client, options, machine) = (&client, &options, &decision.machine);
            let mut chooser = Chooser {
                rules,
                files,
                door,
                router,
                request,
                client,
                machine,
                tags,
                options,
                past,
                passed_over,
                looked_for,
            };
            let outcome = offer(&mut chooser, request);
            decision.passed_over = chooser.passed_over;
            outcome
        }
    };
    decision.tags = carried.all;
    match &decision.outcome {
        Ok(offer) => decision.machine.http |= web::is_lpxelinux(&client, &offer.file),
        Err(_) => decision.unserved = Some(client),
    }
    decision
}

/// Chooses what the client boots, and the options that go with it.
fn offer(chooser: &mut Chooser<'_>, request: &Request<'_>) -> Result<Offer, Silence> {
    let item = request.option(OptionCode::VendorExtensions).and_then(|value| vendor::boot_item(&value));
    let mut choice = chooser.choose(item)?;
    if chooser.past.is_looping(chooser.client, &choice.file) {
        return Err(Silence::Looping { file: choice.file });
    }
    let form = adapt(chooser, &mut choice);
    let mut client = chooser.client.clone();
    if let Some(at) = client.architectures.iter().position(|it| Some(*it) == choice.architecture) {
        client.architectures.swap(0, at);
    }
    let mut options = chooser.options.compose(&choice.shape, chooser.client.is_ipxe());
    options.extend(chooser.path_prefix(&choice));
    Ok(Offer {
        client,
        file: text(&choice.file),
        server_name: text(&choice.server_name),
        server: choice.server,
        chosen_by: choice.chosen_by,
        options,
        shape: choice.shape,
        form,
        upgrade: choice.upgrade,
    })
}

/// Gives a plain offer to firmware the form that this machine seems to want; `None` where there is but one way.
fn adapt(chooser: &Chooser<'_>, choice: &mut Choice) -> Option<OfferForm> {
    let plain = choice.shape == Shape::Direct && chooser.client.program == Program::Pxe;
    if !plain || chooser.past.fixed || chooser.door != Door::Proxy || choice.server != chooser.router {
        return None;
    }
    match chooser.past.form {
        OfferForm::Direct => {}
        OfferForm::AskAgain => choice.shape = Shape::AskAgain,
        OfferForm::Menu => {
            let entry = MenuEntry {
                origin: Origin { file: "".into(), line: 0 },
                server_type: OWN_SERVER_TYPE,
                text: "Network boot".to_owned(),
                server: Some(chooser.router),
            };
            choice.shape = Shape::Menu(Menu::of(vec![entry], &chooser.options.vendor_suboptions()));
        }
    }
    Some(chooser.past.form)
}

/// Which messages are ours to answer.
fn admit(arrival: &Arrival<'_>, relay: bool, request: &Request<'_>) -> Result<(), Silence> {
    let door = arrival.door;
    let ours = match door {
        // Never an ACK for a REQUEST on port 67: EDK2 takes it for the DHCP server's, finds another yiaddr in it, and
        // declines the lease (EDK2 Dhcp4Io.c).
        Door::Proxy => request.message_type == MessageType::Discover,
        Door::BootServer => matches!(request.message_type, MessageType::Request | MessageType::Inform),
    };
    if !ours {
        return Err(Silence::Message(request.message_type, door));
    }
    let agent = request.giaddr;
    let is_one = !(agent.is_broadcast() || agent.is_multicast() || agent.is_loopback() || agent == arrival.router);
    let is_answered = agent.is_unspecified() || relay && is_one;
    if !is_answered {
        return Err(Silence::Relayed(agent));
    }
    Ok(())
}

/// Builds the reply that carries `offer`.
pub fn answer(rules: &Rules, arrival: &Arrival<'_>, request: &Request<'_>, offer: &Offer) -> Reply {
    let client = &offer.client;
    // PXE 2.1 §2.4.5 and dnsmasq `pxe_misc`: the boot server's answer to a chosen item names the client in yiaddr.
    let (ciaddr, yiaddr) = match (arrival.door, &offer.shape) {
        (Door::Proxy, _) => (Ipv4Addr::UNSPECIFIED, Ipv4Addr::UNSPECIFIED),
        (Door::BootServer, Shape::Chosen(_)) => (Ipv4Addr::UNSPECIFIED, request.ciaddr),
        (Door::BootServer, _) => (request.ciaddr, Ipv4Addr::UNSPECIFIED),
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
    push_options(&mut reply, arrival.router, request, offer);
    if !rules.no_override && !client.is_ipxe() {
        move_names_to_options(&mut reply, request);
    }
    reply
}

/// How options that don't fit are treated in replies to `client`: iPXE never looks into borrowed fields.
pub fn overload(rules: &Rules, client: &Client) -> Overload {
    if rules.no_override || client.is_ipxe() { Overload::Never } else { Overload::WhenFull }
}

/// In dnsmasq's order: 53 (written by [`crate::wire::reply`]), 54, 60, 97, 43; then the others. What is more than a
/// packet holds is left out.
fn push_options(reply: &mut Reply, router: Ipv4Addr, request: &Request<'_>, offer: &Offer) {
    let client = &offer.client;
    // What doesn't fit is remembered there.
    let mut push = |code: OptionCode, value: &[u8]| reply.options.push(code, value).is_ok();
    push(OptionCode::ServerIdentifier, &router.octets());
    push(OptionCode::ClassIdentifier, client.vendor.as_bytes());
    if let Some(uuid) = request.option(OptionCode::ClientMachineIdentifier).filter(|uuid| uuid.len() == UUID_LEN) {
        push(OptionCode::ClientMachineIdentifier, &uuid);
    }
    if client.program == Program::RaspberryPi {
        // Its first bootloader looks for the server there.
        push(OptionCode::TFTPServerName, address_text(offer.server).as_bytes());
    }
    if client.program == Program::HttpBoot {
        // EDK2 HttpBootDhcp4.c reads the URL from option 67 first.
        push(OptionCode::BootfileName, offer.file.as_bytes());
    }
    for option in &offer.options {
        push(OptionCode::from(option.code), &option.value);
    }
    // RFC 3046 §2.2: as it came, behind all others.
    let agent = request.option(OptionCode::RelayAgentInformation).filter(|_| !request.giaddr.is_unspecified());
    if let Some(agent) = agent {
        push(OptionCode::RelayAgentInformation, &agent);
    }
}

/// Option 97 is a type byte and 16 bytes (RFC 4578 §2.3).
const UUID_LEN: usize = 17;

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

/// The configuration keeps names within the field; one that is too long all the same is cut, as dnsmasq cuts it.
fn text<const N: usize>(name: &str) -> Text<N> {
    let mut end = name.len().min(N);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    name.get(..end).and_then(|cut| Text::try_from(cut).ok()).unwrap_or_default()
}

fn address_text(address: Ipv4Addr) -> Text<63> {
    use std::fmt::Write;
    let mut text = Text::new();
    let _ = write!(text, "{address}");
    text
}

#[cfg(test)]
mod recipes;
#[cfg(test)]
mod tests;
