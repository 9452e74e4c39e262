//! Frame → decision → reply, with what is remembered between requests: a short history of frames and of files fetched.
//!
//! An input is a byte that names the configuration, one for circumstances, and steps: a byte that says what happens and
//! how much later, two with a length, and a frame.

use std::net::Ipv4Addr;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use dhcproto::v4::borrowed::Message;
use dhcproto::v4::{MessageType, Opcode};
use upxe::commands::explain::{self, Network, json, text};
use upxe::config::Config;
use upxe::proxy::advice::advice;
use upxe::proxy::clients::{Clients, Fetch, MAX_CLIENTS};
use upxe::proxy::vendor::Shape;
use upxe::proxy::{self, Arrival, Door, Offer, OfferForm};
use upxe::wire::capture::Captured;
use upxe::wire::frame::{self, Datagram, Envelope, Mac};
use upxe::wire::reply::{self, Written};
use upxe::wire::request::Request;

use crate::input::{Input, is_one_line};
use crate::options::{self, AllFiles};
use crate::{seeds, settings};

const ROUTER: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 1);
const MASK: Ipv4Addr = Ipv4Addr::new(255, 255, 255, 0);
const OWN_MAC: Mac = Mac([2, 0, 0, 0, 0, 1]);

/// In the byte before a frame: lengths, checksum and such are put right first,
const MEND: u8 = 0x80;
/// or no frame comes, but the client of this address fetches a file.
const FETCH: u8 = 0x40;
/// The frame is explained too.
const EXPLAIN: u8 = 0x20;
/// Binary digits of a time in milliseconds: up to 9 minutes.
const TIME: u8 = 0x1f;

pub fn run(data: &[u8]) {
    let mut input = Input(data);
    let configs = settings::all();
    let config = &configs[usize::from(input.byte()) % configs.len()];
    let circumstances = input.byte();
    let files = AllFiles(circumstances & 3);
    let fixed = circumstances & 4 != 0;
    let mut clients = Clients::default();
    let mut now = start();
    while !input.is_empty() {
        let step = input.byte();
        now += Duration::from_millis((1 << (step & TIME).min(19)) - 1);
        let len = usize::from(input.word());
        let mut frame = input.bytes(len).to_vec();
        if step & FETCH != 0 {
            fetch(&mut clients, now, &frame);
            continue;
        }
        if step & MEND != 0 {
            mend(&mut frame);
        }
        let Ok(datagram) = frame::open(&frame) else { continue };
        answer(config, &files, fixed, &mut clients, now, &datagram);
        if step & EXPLAIN != 0 {
            explain(config, &files, &datagram);
        }
    }
    assert!(clients.iter().count() <= MAX_CLIENTS);
}

fn start() -> Instant {
    static START: OnceLock<Instant> = OnceLock::new();
    *START.get_or_init(Instant::now)
}

fn fetch(clients: &mut Clients, now: Instant, event: &[u8]) {
    let mut input = Input(event);
    let address = Ipv4Addr::new(192, 168, 1, input.byte());
    let transfer = match input.byte() % 5 {
        0 => Fetch::Began(u64::from(input.word())),
        1 => Fetch::Withdrawn,
        4 => Fetch::Arrives,
        2 => Fetch::Ended(u64::from(input.word()), Duration::from_millis(input.word().into()), None),
        _ => Fetch::Refused(advice(&proxy::Silence::NotBooting)),
    };
    let name = String::from_utf8_lossy(input.0);
    if matches!(transfer, Fetch::Began(_)) {
        clients.met(now, Mac([0x52, 0x54, 0, 0, 0, event.len() as u8]), "br-lan", address);
    }
    clients.transferred(now, address, &name, transfer);
}

/// The daemon's way with a datagram (`daemon::on_frame`, `Answers::consider`, `Answers::report`).
fn answer(
    config: &Config,
    files: &AllFiles,
    fixed: bool,
    clients: &mut Clients,
    now: Instant,
    datagram: &Datagram<'_>,
) {
    let Ok(request) = Request::read(datagram.payload) else { return };
    let door = if datagram.destination.port() == 4011 { Door::BootServer } else { Door::Proxy };
    let arrival = Arrival { door, interface: "lan", device: "br-lan", router: ROUTER, mask: MASK };
    let mut past = clients.past(now, &request);
    past.fixed = fixed;
    let (decision, written) = proxy::consider(&config.rules, files, &arrival, &request, &past);
    assert_eq!(decision.outcome.is_ok(), written.is_some());
    match (&decision.outcome, &written) {
        (Ok(offer), Some(written)) => check(config, &arrival, &request, datagram, offer, written, fixed),
        (Err(silence), _) => assert!(is_one_line(&silence.to_string()), "{silence:?}"),
        (Ok(_), None) => {}
    }
    clients.note(now, door, &request, &decision);
    clients.tell(now, door, "br-lan", &request, &decision);
    for seen in clients.iter() {
        assert!(seen.progress.steps().count() <= 16);
        assert!(seen.progress.file().len() <= 255);
    }
}

/// What holds for every reply, seen from outside.
fn check(
    config: &Config,
    arrival: &Arrival<'_>,
    request: &Request<'_>,
    datagram: &Datagram<'_>,
    offer: &Offer,
    written: &Written,
    fixed: bool,
) {
    let asked = options::of_message(datagram.payload);
    let bytes = written.bytes.as_slice();
    let told = options::of_message(bytes);

    // Who is answered, and to what.
    let class = options::value(&asked, 60).expect("only who says what it is gets an answer");
    let vendors = &config.rules.pxe_vendors;
    let boots = class.starts_with(b"HTTPClient")
        || vendors.is_empty() && class.starts_with(b"PXEClient")
        || vendors.iter().any(|vendor| class.starts_with(vendor.as_bytes()));
    assert!(boots, "{}", class.escape_ascii());
    match arrival.door {
        Door::Proxy => assert_eq!(request.message_type, MessageType::Discover),
        Door::BootServer => assert!(matches!(request.message_type, MessageType::Request | MessageType::Inform)),
    }

    // How large.
    let limit = options::value(&asked, 57).and_then(|value| <[u8; 2]>::try_from(value).ok()).map(u16::from_be_bytes);
    let limit = limit.map_or(548, |size| usize::from(size).saturating_sub(28).clamp(548, 1472));
    assert!((300..=limit).contains(&bytes.len()), "{} of {limit}", bytes.len());

    // Its header, read by another.
    let message = Message::new(bytes).expect("our own reply");
    assert_eq!(message.opcode(), Opcode::BootReply);
    assert_eq!((message.xid(), message.hops(), message.secs()), (request.xid, 0, 0));
    assert_eq!((message.hlen(), message.chaddr()), (6, &request.chaddr.0[..]));
    assert_eq!(message.giaddr(), request.giaddr);
    assert!(!message.siaddr().is_unspecified());
    assert!(message.yiaddr().is_unspecified() || message.yiaddr() == request.ciaddr, "no lease is given");
    assert!(bytes[options::SNAME].contains(&0) || bytes[options::SNAME].contains(&255));

    // Its options.
    let kind = if arrival.door == Door::Proxy { 2 } else { 5 };
    assert_eq!(told.first(), Some(&(53, &[kind][..])));
    assert_eq!(options::value(&told, 54).as_deref(), Some(&ROUTER.octets()[..]));
    let own_class = options::value(&told, 60).expect("PXE 2.1 table 2-1");
    assert!(class.starts_with(&own_class), "{}", own_class.escape_ascii());
    assert!(matches!(options::value(&told, 97), Some(uuid) if uuid.len() == 17) || options::count(&told, 97) == 0);
    let (vendor, etherboot) = (options::count(&told, 43), options::count(&told, 175));
    assert!(vendor <= 1 && etherboot <= 1, "43: {vendor}, 175: {etherboot}");
    let ipxe = offer.client.is_ipxe();
    if written.left_out.is_none() && !fixed {
        let firmware = offer.client.program == proxy::client::Program::Pxe && arrival.door == Door::Proxy;
        if firmware && matches!(offer.form, Some(OfferForm::Direct | OfferForm::Menu)) {
            assert_eq!(vendor, 1, "{:?}", offer.form);
        }
        if ipxe {
            assert_eq!(etherboot, 1);
        }
    }
    for code in [53, 54, 60, 97, 52] {
        assert!(options::count(&told, code) <= 1, "option {code} twice");
    }
    if config.rules.no_override || ipxe {
        assert_eq!(options::count(&told, 52), 0, "option 52");
        let file = &bytes[options::FILE];
        let end = file.iter().position(|byte| *byte == 0).expect("an end within the field");
        assert_eq!(&file[..end], offer.file.as_bytes());
        // UEFI that gets neither a file nor a menu asks for the menu on port 4011.
        assert!(!offer.file.is_empty() || vendor == 1 || offer.shape == Shape::AskAgain);
    }
    assert!(bytes.contains(&255), "no end");

    // Its frame.
    let envelope = match request.giaddr {
        Ipv4Addr::UNSPECIFIED => Envelope::broadcast_from(OWN_MAC, ROUTER),
        agent => {
            assert!(config.rules.relay, "through a relay agent");
            Envelope::relay_from(OWN_MAC, ROUTER, agent, datagram.source_mac)
        }
    };
    let mut buffer = [0xa5; frame::HEADERS_LEN + reply::MAX_LEN];
    let sealed = frame::seal(&envelope, bytes, &mut buffer).expect("it fits");
    let opened = frame::open(sealed).expect("our own frame");
    assert_eq!((opened.payload, opened.source, opened.destination), (bytes, envelope.source, envelope.destination));
    assert_eq!(udp_sum(sealed), 0xffff, "UDP checksum");
    assert!(is_one_line(&explain::packet::fields(bytes).iter().map(|field| &*field.value).collect::<String>()));
}

/// RFC 768: with the checksum in it, the sum over pseudo header and datagram has all its bits set.
fn udp_sum(frame: &[u8]) -> u16 {
    let (addresses, udp) = (&frame[26..34], &frame[34..]);
    let head = [0, 17, (udp.len() >> 8) as u8, udp.len() as u8];
    let words = [addresses, &head, udp, if udp.len() % 2 == 1 { &[0] } else { &[] }].concat();
    let mut sum: u32 = words.chunks_exact(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1])).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}

fn explain(config: &Config, files: &AllFiles, datagram: &Datagram<'_>) {
    let ports = Some((datagram.source.port(), datagram.destination.port()));
    let captured = Captured { number: 1, ports, payload: datagram.payload };
    let network = Network { interface: "lan".into(), device: "br-lan".into(), router: ROUTER, mask: MASK };
    let report = explain::explain(config, files, &network, &captured, Ok(Door::Proxy)).expect("ports are given");
    let reports = [report];
    let shown = text::write(&reports);
    assert!(shown.lines().all(is_one_line), "{shown:?}");
    assert!(is_one_line(json::write(&reports).trim_end()));
}

/// Makes an IPv4 frame with a UDP datagram of what is there: as long as it is, and with the right checksum. Addresses and
/// ports stay.
fn mend(frame: &mut [u8]) {
    let total = frame.len().saturating_sub(14);
    if total < 28 {
        return;
    }
    frame[12..16].copy_from_slice(&[8, 0, 0x45, 0]);
    frame[16..18].copy_from_slice(&(total as u16).to_be_bytes());
    frame[20..22].fill(0);
    frame[23] = 17;
    frame[24..26].fill(0);
    frame[38..40].copy_from_slice(&((total - 20) as u16).to_be_bytes());
    let sum: u32 = frame[14..34].chunks_exact(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1])).sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    let checksum = !(folded as u16).wrapping_add((folded >> 16) as u16);
    frame[24..26].copy_from_slice(&checksum.to_be_bytes());
}

/// Each capture as it went on, and each frame by itself, before configurations in turn.
pub fn seeds() -> Vec<Vec<u8>> {
    let configs = settings::all().len() as u8;
    let step = |what: u8, frame: &[u8]| [&[MEND | what | 10][..], &(frame.len() as u16).to_le_bytes(), frame].concat();
    let mut seeds: Vec<Vec<u8>> = Vec::new();
    for frames in seeds::captures() {
        let heard = |frame: &&Vec<u8>| frame.get(36..38).is_some_and(|port| matches!(port, [0, 67] | [0x0f, 0xab]));
        let heard: Vec<&Vec<u8>> = frames.iter().filter(heard).collect();
        for number in [seeds.len() as u8 % configs, 5 % configs] {
            seeds.push([vec![number, 1], heard.iter().flat_map(|frame| step(0, frame)).collect()].concat());
        }
        // An explanation takes ten times as long as an answer.
        for (at, frame) in heard.iter().enumerate() {
            let what = if at == 0 { EXPLAIN } else { 0 };
            seeds.push([vec![seeds.len() as u8 % configs, 1], step(what, frame)].concat());
        }
    }
    seeds
}
