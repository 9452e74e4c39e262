//! The kernel filter that keeps everything but DHCP requests away from us, so that routed traffic never wakes us.

use libc::sock_filter;

/// How much of a passing frame is handed over: all of it.
const WHOLE_FRAME: u32 = 0x4_0000;

const LOAD_HALF_WORD: u16 = (libc::BPF_LD | libc::BPF_H | libc::BPF_ABS) as u16;
const LOAD_BYTE: u16 = (libc::BPF_LD | libc::BPF_B | libc::BPF_ABS) as u16;
const JUMP_IF_EQUAL: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
const JUMP_IF_ANY_BIT: u16 = (libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K) as u16;
const IP_HEADER_LEN_TO_X: u16 = (libc::BPF_LDX | libc::BPF_B | libc::BPF_MSH) as u16;
const LOAD_HALF_WORD_BEHIND_X: u16 = (libc::BPF_LD | libc::BPF_H | libc::BPF_IND) as u16;
const JUMP_IF_GREATER: u16 = (libc::BPF_JMP | libc::BPF_JGT | libc::BPF_K) as u16;
const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;

const fn op(code: u16, jt: u8, jf: u8, k: u32) -> sock_filter {
    sock_filter { code, jt, jf, k }
}

/// Not a place in the frame: whom the kernel takes it to be for (`SKF_AD_PKTTYPE`).
const PACKET_TYPE: u32 = (libc::SKF_AD_OFF + libc::SKF_AD_PKTTYPE) as u32;

/// What clients send to a DHCP server.
#[cfg(test)]
const DHCP_REQUESTS: Filter = udp_to(67);

/// A program for the kernel.
pub type Filter = [sock_filter; 13];

/// "For us or for everybody, IPv4, UDP, not a later fragment, this destination port", for frames with an Ethernet header.
/// A jump counts the instructions that it leaps over.
#[rustfmt::skip]
pub const fn udp_to(port: u16) -> Filter { [
    op(LOAD_BYTE, 0, 0, PACKET_TYPE),            // host, broadcast, multicast; then other hosts', VLANs', outgoing
    op(JUMP_IF_GREATER, 9, 0, libc::PACKET_MULTICAST as u32), // not for us: drop
    op(LOAD_HALF_WORD, 0, 0, 12),                // EtherType
    op(JUMP_IF_EQUAL, 0, 7, 0x0800),             //   not IPv4: drop
    op(LOAD_BYTE, 0, 0, 23),                     // protocol
    op(JUMP_IF_EQUAL, 0, 5, 17),                 //   not UDP: drop
    op(LOAD_HALF_WORD, 0, 0, 20),                // flags and fragment offset
    op(JUMP_IF_ANY_BIT, 3, 0, 0x1fff),           //   a later fragment: drop
    op(IP_HEADER_LEN_TO_X, 0, 0, 14),            // length of the IPv4 header, options included
    op(LOAD_HALF_WORD_BEHIND_X, 0, 0, 14 + 2),   // destination port
    op(JUMP_IF_EQUAL, 1, 0, port as u32),        //   this one: pass
    op(RETURN, 0, 0, 0),                         // drop
    op(RETURN, 0, 0, WHOLE_FRAME),               // pass
] }

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::frame::{Envelope, Mac, seal};
    use std::net::{Ipv4Addr, SocketAddrV4};

    /// The kernel's interpreter, for the instructions used here: true when the frame passes.
    fn passes(frame: &[u8]) -> bool {
        passes_as(libc::PACKET_BROADCAST, frame)
    }

    fn passes_as(packet_type: u8, frame: &[u8]) -> bool {
        let byte = |at: u32| frame.get(at as usize).map(|&b| u32::from(b));
        let half_word = |at: u32| Some(byte(at)? << 8 | byte(at + 1)?);
        let (mut a, mut x, mut at) = (0, 0, 0);
        loop {
            let op = DHCP_REQUESTS[at];
            at += 1;
            let loaded = match op.code {
                LOAD_HALF_WORD => half_word(op.k),
                LOAD_BYTE if op.k == PACKET_TYPE => Some(packet_type.into()),
                LOAD_BYTE => byte(op.k),
                LOAD_HALF_WORD_BEHIND_X => half_word(x + op.k),
                IP_HEADER_LEN_TO_X => byte(op.k).inspect(|b| x = (b & 0xf) * 4).map(|_| a),
                JUMP_IF_EQUAL => {
                    at += usize::from(if a == op.k { op.jt } else { op.jf });
                    continue;
                }
                JUMP_IF_GREATER => {
                    at += usize::from(if a > op.k { op.jt } else { op.jf });
                    continue;
                }
                JUMP_IF_ANY_BIT => {
                    at += usize::from(if a & op.k != 0 { op.jt } else { op.jf });
                    continue;
                }
                RETURN => return op.k != 0,
                other => panic!("instruction {other:#x} is not in this interpreter"),
            };
            // A load past the frame's end ends the program with a drop.
            let Some(value) = loaded else { return false };
            a = value;
        }
    }

    fn frame(destination_port: u16) -> Vec<u8> {
        let envelope = Envelope {
            source_mac: Mac([2, 0, 0, 0, 0, 1]),
            destination_mac: Mac::BROADCAST,
            source: SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 68),
            destination: SocketAddrV4::new(Ipv4Addr::BROADCAST, destination_port),
        };
        seal(&envelope, &[0; 300], &mut [0; 400]).unwrap().to_vec()
    }

    #[test]
    fn only_port_67_passes() {
        assert!(passes(&frame(67)));
        for port in [0, 53, 66, 68, 69, 4011, 67 << 8] {
            assert!(!passes(&frame(port)), "{port}");
        }
    }

    #[test]
    fn frames_for_others_and_of_our_own_do_not() {
        for (packet_type, expected) in [(0, true), (1, true), (2, true), (3, false), (4, false)] {
            assert_eq!(passes_as(packet_type, &frame(67)), expected, "{packet_type}");
        }
    }

    #[test]
    fn other_protocols_and_later_fragments_do_not() {
        let changed = |at: usize, to: u8| {
            let mut frame = frame(67);
            frame[at] = to;
            passes(&frame)
        };
        assert!(!changed(12, 0x86), "IPv6");
        assert!(!changed(23, 6), "TCP");
        assert!(!changed(21, 1), "a later fragment");
        assert!(changed(20, 0x20), "a first fragment is left to the parser");
    }

    #[test]
    fn ip_options_are_skipped() {
        let mut frame = frame(67);
        frame[14] = 0x46;
        frame.splice(34..34, [1, 1, 1, 1]);
        assert!(passes(&frame));
    }

    #[test]
    fn truncated_frames_are_dropped() {
        let frame = frame(67);
        assert!((0..38).all(|len| !passes(&frame[..len])));
    }
}
