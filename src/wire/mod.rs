//! Bytes ⇄ values, for Ethernet frames, DHCP messages, TFTP packets, JSON and hex; knows no policy.

pub mod capture;
pub mod frame;
pub mod hex;
pub mod json;
pub mod reply;
pub mod request;
pub mod tftp;

/// Ports that answer whatever they get, with an error or an echo of their own: two servers that were set on each other by
/// a forged request would go on for ever (CVE-2024-2169). 4011 isn't one of them: EDK2 asks a boot server from there, and
/// no boot server answers what isn't a request.
pub const SERVER_PORTS: [u16; 3] = [0, 67, 69];

/// FNV-1a, for what is remembered to be the same without being kept; a forger can make two things agree in it.
pub fn fingerprint(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |hash, &byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}
