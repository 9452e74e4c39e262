//! Whatever arrives, the way from frame to reply ends in a reply or a reason: every truncation and every single-byte
//! change of every captured frame goes through it.

#[path = "support/pcap.rs"]
mod pcap;

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use upxe::config::{Boot, Origin, Rules};
use upxe::proxy::{self, Arrival, BootFiles, Door};
use upxe::wire::request::Request;
use upxe::wire::{frame, reply};

struct Everything;

impl BootFiles for Everything {
    fn has(&self, _: &str) -> bool {
        true
    }
}

fn rules(no_override: bool) -> Rules {
    let boot = |file: &str| Boot {
        origin: Origin { file: "test".into(), line: 1 },
        when: Vec::new(),
        file: file.into(),
        server_name: String::new(),
        server: None,
    };
    let boots = if no_override { Vec::new() } else { vec![boot("http://192.168.2.1/boot.efi")] };
    Rules { boots, no_override, ..Rules::default() }
}

/// Where the UDP payload of a captured frame begins; none of them has IP options.
const PAYLOAD: usize = frame::HEADERS_LEN;

/// The whole way through the core, from the frame; counts the replies.
fn walk(rules: &Rules, frame: &[u8]) -> usize {
    frame::open(frame).map_or(0, |datagram| answer(rules, datagram.payload))
}

/// The way from the payload, by both doors; counts the replies.
fn answer(rules: &Rules, payload: &[u8]) -> usize {
    let Ok(request) = Request::read(payload) else { return 0 };
    let mut replies = 0;
    for door in [Door::Proxy, Door::BootServer] {
        let (router, mask) = (Ipv4Addr::new(192, 168, 2, 2), Ipv4Addr::new(255, 255, 255, 0));
        let arrival = Arrival { door, interface: "lan", device: "br-lan", router, mask };
        let decision = proxy::decide(rules, &Everything, &arrival, &request, &proxy::clients::Past::default());
        if let Ok(offer) = &decision.outcome {
            let answer = proxy::answer(rules, &arrival, &request, offer);
            let limit = reply::size_limit(request.max_message_size());
            let written = reply::write(&answer, proxy::overload(rules, &offer.client), limit);
            assert!((300..=limit).contains(&written.bytes.len()));
            replies += 1;
        }
        let _ = decision.outcome.map_err(|silence| silence.to_string());
    }
    replies
}

#[test]
fn no_truncation_of_a_captured_packet_breaks_the_core() {
    let rules = [rules(true), rules(false)];
    let (mut read, mut replies) = (0, 0);
    for frame in pcap::all().iter().flat_map(|path| pcap::frames(path)) {
        for len in 0..=frame.len() {
            // As a frame, whose lengths then contradict it, and as what port 4011 would get of it.
            for rules in &rules {
                walk(rules, &frame[..len]);
            }
            let Some(payload) = frame.get(PAYLOAD..len) else { continue };
            read += usize::from(Request::read(payload).is_ok());
            replies += rules.iter().map(|rules| answer(rules, payload)).sum::<usize>();
        }
    }
    // A cut between two options leaves a request that is whole as far as it goes.
    assert!(read > 500, "only {read} cut requests could be read at all");
    assert!(replies > 500, "only {replies} cut requests were answered");
}

#[test]
fn no_changed_byte_of_a_captured_frame_breaks_the_core() {
    let frames: BTreeSet<Vec<u8>> = pcap::all().iter().flat_map(|path| pcap::frames(path)).collect();
    let frames: Vec<Vec<u8>> = frames.into_iter().collect();
    let threads = std::thread::available_parallelism().map_or(1, |count| count.get());
    std::thread::scope(|scope| {
        for share in frames.chunks(frames.len().div_ceil(threads)) {
            scope.spawn(move || share.iter().for_each(|frame| change_every_byte(frame)));
        }
    });
}

fn change_every_byte(frame: &[u8]) {
    let rules = [rules(true), rules(false)];
    let mut changed = frame.to_vec();
    for at in 0..frame.len() {
        for value in 0..=255u8 {
            changed.copy_from_slice(frame);
            changed[at] = value;
            repair_checksum(&mut changed, at);
            walk(&rules[usize::from(value % 2)], &changed);
        }
    }
}

/// Makes the IPv4 header's checksum right again after a change in it, so that the change gets past it.
fn repair_checksum(frame: &mut [u8], at: usize) {
    const HEADER: std::ops::Range<usize> = 14..34;
    if !HEADER.contains(&at) || frame.len() < HEADER.end || (24..26).contains(&at) {
        return;
    }
    frame[24..26].fill(0);
    let sum: u32 = frame[HEADER].chunks_exact(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1])).sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    let checksum = !(folded as u16 + (folded >> 16) as u16);
    frame[24..26].copy_from_slice(&checksum.to_be_bytes());
}
