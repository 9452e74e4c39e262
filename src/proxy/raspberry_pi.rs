//! Raspberry Pi: how its firmware is known among PCs, since it says that it is one, and which files show that one may boot.

use dhcproto::v4::OptionCode;

use super::UUID_LEN;
use super::architecture::Architecture;
use crate::menu::template::hyphened;
use crate::wire::frame::Mac;
use crate::wire::request::Request;

/// The text of the menu entry that the firmware looks for (Raspberry Pi's documentation of network boot).
pub const MENU_TEXT: &str = "Raspberry Pi Boot";

/// The beginnings of the hardware addresses that Raspberry Pi has from IEEE.
const VENDORS: &[[u8; 3]] = &[
    [0xb8, 0x27, 0xeb],
    [0xdc, 0xa6, 0x32],
    [0xe4, 0x5f, 0x01],
    [0xd8, 0x3a, 0xdd],
    [0x28, 0xcd, 0xc1],
    [0x2c, 0xcf, 0x67],
    [0x88, 0xa2, 0x9e],
];
/// What option 97 begins with behind its type, for boards whose bootloader is in flash: `RPi4`, `RPi5`.
const FOURCC: &[u8] = b"RPi";
/// x86 BIOS, which the firmware claims to be, and the number that IANA has for it.
const CLAIMED: [Architecture; 2] = [Architecture(0), Architecture(41)];

/// What the boards ask for first: the bootloader of a Pi 3, the firmware of a Pi 4 and of those before, and what there is
/// for a Pi 5.
pub const FILES: &[&str] = &["bootcode.bin", "start4.elf", "start.elf", "config.txt", "boot.img"];

/// True for the firmware of a Raspberry Pi. What runs on one later, UEFI or U-Boot, says what it is.
pub fn is_one(request: &Request<'_>, architecture: Option<Architecture>) -> bool {
    let Mac([a, b, c, ..]) = request.chaddr;
    let signed = request.option(OptionCode::ClientMachineIdentifier).is_some_and(|id| {
        let start = id.split_first().map(|(_, uuid)| uuid);
        start.is_some_and(|uuid| uuid.starts_with(FOURCC))
    });
    let by_number = architecture == Some(Architecture(41));
    architecture.is_some_and(|it| CLAIMED.contains(&it)) && (by_number || signed || VENDORS.contains(&[a, b, c]))
}

/// The folders that the firmware looks into: called after its serial number, which ends option 97, or after its address
/// (`TFTP_PREFIX`), and the root.
pub fn folders(request: &Request<'_>) -> [String; 4] {
    let id = request.option(OptionCode::ClientMachineIdentifier).filter(|id| id.len() == UUID_LEN);
    let mut serial = id.and_then(|id| id.last_chunk::<4>().copied()).unwrap_or_default();
    let folder = |bytes: &[u8]| hyphened(bytes).replace('-', "") + "/";
    let written = folder(&serial);
    // Older bootloaders send it the other way round.
    serial.reverse();
    [folder(&serial), written, hyphened(&request.chaddr.0) + "/", String::new()]
}
