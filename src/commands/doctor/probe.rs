//! Asks the networks who gives out addresses and boot files, as OpenWrt's own `dhcp_check` does: with one DISCOVER, which
//! reserves nothing. The dnsmasq and the upxe of this router don't hear what it sends itself, so whoever answers is another.

use std::io;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use dhcproto::v4::OptionCode;

use super::{Findings, Patient};
use crate::commands::explain::Description;
use crate::daemon::links::usable;
use crate::sys::epoll::{Epoll, Events};
use crate::sys::link;
use crate::sys::packet_socket::PacketSocket;
use crate::sys::port_owner;
use crate::wire::frame::{self, Envelope, Mac};
use crate::wire::request::Request;

/// A dnsmasq looks for three seconds whether anybody has the address that it is about to offer.
const PATIENCE: Duration = Duration::from_secs(5);
/// Locally administered; the other bytes spell "upxe?".
const ASKING: Mac = Mac(*b"\x02upxe?");
const FRAME_LEN: usize = 2048;
/// Servers that are told of.
const MAX_ANSWERS: usize = 16;

/// Who answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Answer {
    /// The network's place in the configuration.
    network: usize,
    /// Option 54, or the sender's address.
    server: Ipv4Addr,
    gives_address: bool,
    gives_file: bool,
}

/// Asks on each network that can be asked, all at once.
pub fn ask(patient: &Patient<'_>, found: &mut Findings) {
    let (asked, answers) = match collect(patient) {
        Ok(collected) => collected,
        Err(error) => {
            let what = format_args!("the networks could not be asked: {error}");
            found.note("probe", what, "To ask takes root, and a device that is up.");
            return;
        }
    };
    let has_own = port_owner::is_bound(67);
    // Why another could not be asked, `service::networks` tells.
    let networks = patient.config.interfaces.iter().enumerate().filter(|(at, _)| asked.contains(at));
    for (at, interface) in networks {
        let here = || answers.iter().filter(|answer| answer.network == at);
        let name = &interface.name;
        for answer in here() {
            let server = answer.server;
            if answer.gives_address {
                let what = format_args!("network {name}: {server} gives out addresses");
                if has_own {
                    let why = "Two DHCP servers on one network: a machine takes what either says, also about booting. \
                               Switch one off.";
                    found.warning("other-dhcp", format_args!("{what}, beside this router"), why);
                } else {
                    found.note("dhcp-server", what, "Good: upxe adds to it what machines boot.");
                }
            }
            if answer.gives_file {
                let what = format_args!("network {name}: {server} tells machines what to boot, too");
                let why = "A machine that hears two boot files takes either, and not always the same. Switch one off.";
                found.warning("other-boot", what, why);
            }
        }
        if here().next().is_none() {
            let why = "Nobody else there tells machines anything. This router's own servers do not hear the question.";
            found.note("probe", format_args!("network {name}: nobody else answers"), why);
        }
        if !has_own && !here().any(|answer| answer.gives_address) {
            let what = format_args!("network {name}: nobody gives out addresses");
            let why = "A machine without an address boots nothing, and upxe gives out none.";
            found.error("no-dhcp", what, why).mend(format_args!("service dnsmasq start"));
        }
    }
}

/// The networks that were asked, and who answered.
fn collect(patient: &Patient<'_>) -> io::Result<(Vec<usize>, Vec<Answer>)> {
    let epoll = Epoll::new()?;
    let mut sockets = Vec::new();
    let mut trouble = None;
    for (at, interface) in patient.config.interfaces.iter().enumerate() {
        let opened = link::device(&interface.device).and_then(|device| {
            let (device, _, address) = usable(device).map_err(io::Error::other)?;
            let socket = PacketSocket::open(device.ifindex, 68)?;
            epoll.add(&socket, u64::try_from(sockets.len()).unwrap_or_default())?;
            let question = question(address.ip);
            let envelope = Envelope::broadcast_to_servers(ASKING);
            let mut buffer = [0; FRAME_LEN];
            socket.send(frame::seal(&envelope, &question, &mut buffer).unwrap_or_default())?;
            Ok((at, socket, question))
        });
        match opened {
            Ok(open) => sockets.push(open),
            Err(error) => trouble = Some(error),
        }
    }
    if let (true, Some(error)) = (sockets.is_empty(), trouble) {
        return Err(error);
    }
    let mut answers: Vec<Answer> = Vec::new();
    let end = Instant::now() + PATIENCE;
    while let Some(left) = end.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
        for token in epoll.wait(&mut Events::default(), Some(left))? {
            let Some((network, socket, question)) = usize::try_from(token).ok().and_then(|at| sockets.get(at)) else {
                continue;
            };
            let mut buffer = [0; FRAME_LEN];
            let Some(frame) = socket.receive(&mut buffer)? else { continue };
            let Some(answer) = answer(*network, frame, question) else { continue };
            if answers.len() < MAX_ANSWERS && !answers.contains(&answer) {
                answers.push(answer);
            }
        }
    }
    Ok((sockets.iter().map(|(network, ..)| *network).collect(), answers))
}

/// What a UEFI machine asks, with a name that says who it is.
fn question(router: Ipv4Addr) -> Vec<u8> {
    const NAME: &str = "12=757078652d70726f6265"; // upxe-probe
    let description = Description {
        architectures: vec!["x64".to_owned()],
        mac: Some(ASKING.to_string()),
        options: vec![NAME.to_owned()],
        ..Description::default()
    };
    // The words above make sense.
    let mut packet = description.packet(router).unwrap_or_default();
    // Its own transaction: an answer to an earlier question is none to this one.
    for (byte, own) in packet.iter_mut().skip(4).zip(std::process::id().to_be_bytes()) {
        *byte ^= own;
    }
    // RFC 2131 §4.1: answers shall come by broadcast, since nobody has this address.
    packet.iter_mut().skip(10).take(1).for_each(|byte| *byte = 0x80);
    packet
}

/// An OFFER in answer to `question`. Once its `op` is turned round, a reply is checked and read as a request is.
fn answer(network: usize, frame: &[u8], question: &[u8]) -> Option<Answer> {
    let datagram = frame::open(frame).ok()?;
    let (payload, mut turned) = (datagram.payload, datagram.payload.to_vec());
    let is_ours = payload.get(4..8) == question.get(4..8) && payload.get(28..34) == question.get(28..34);
    if payload.first() != Some(&2) || !is_ours {
        return None;
    }
    *turned.first_mut()? = 1;
    let reply = Request::read(&turned).ok()?;
    let server =
        reply.option(OptionCode::ServerIdentifier).and_then(|value| Some(Ipv4Addr::from(*value.first_chunk()?)));
    let is_filled = |field: Option<&[u8]>| field.is_some_and(|field| field.first().is_some_and(|byte| *byte != 0));
    Some(Answer {
        network,
        server: server.unwrap_or(*datagram.source.ip()),
        gives_address: payload.get(16..20).is_some_and(|yiaddr| yiaddr != [0; 4]),
        gives_file: is_filled(payload.get(108..236))
            || is_filled(reply.option(OptionCode::BootfileName).as_deref())
            || reply.option(OptionCode::ClassIdentifier).is_some_and(|class| class.starts_with(b"PXEClient")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVER: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 7);

    fn heard(question: &[u8], change: impl Fn(&mut Vec<u8>)) -> Option<Answer> {
        let mut reply = question.get(..240)?.to_vec();
        reply[0] = 2;
        reply.extend([53, 1, 2, 54, 4, 192, 168, 1, 7]);
        change(&mut reply);
        reply.push(255);
        let envelope = Envelope::broadcast_from(Mac([2, 0, 0, 0, 0, 7]), SERVER);
        let mut buffer = [0; FRAME_LEN];
        answer(0, frame::seal(&envelope, &reply, &mut buffer)?, question)
    }

    #[test]
    fn answers_are_told_apart() {
        let question = question(SERVER);
        let plain = Answer { network: 0, server: SERVER, gives_address: false, gives_file: false };
        assert_eq!(heard(&question, |_| ()), Some(plain));
        let with_address = Answer { gives_address: true, ..plain };
        assert_eq!(heard(&question, |reply| reply[16] = 10), Some(with_address));
        let with_file = Some(Answer { gives_file: true, ..plain });
        assert_eq!(heard(&question, |reply| reply[108] = b'x'), with_file);
        assert_eq!(heard(&question, |reply| reply.extend([67, 1, b'x'])), with_file);
        assert_eq!(heard(&question, |reply| reply.extend(b"\x3c\x09PXEClient")), with_file);
        assert_eq!(heard(&question, |reply| reply[4] ^= 1), None, "to another question");
        assert_eq!(heard(&question, |reply| reply[33] ^= 1), None, "to another client");
        assert_eq!(heard(&question, |reply| reply[0] = 1), None, "a question");
    }

    #[test]
    fn the_question_is_a_discover_that_says_who_asks() {
        let question = question(SERVER);
        let request = Request::read(&question).unwrap();
        assert!(request.broadcast && request.ciaddr.is_unspecified());
        assert_eq!(request.chaddr, ASKING);
        assert_eq!(&ASKING.0, b"\x02upxe?");
        assert_eq!(request.text(OptionCode::Hostname).as_deref(), Some("upxe-probe"));
        assert_eq!(request.message_type, dhcproto::v4::MessageType::Discover);
    }
}
