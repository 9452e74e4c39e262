//! Option 43 as PXE uses it (PXE 2.1 table 2-1): our own values, and the boot item that a client chose.

use heapless::Vec;

/// Suboptions.
const DISCOVERY_CONTROL: u8 = 6;
const MENU_PROMPT: u8 = 10;
const BOOT_ITEM: u8 = 71;
const END: u8 = 255;

/// Discovery control, bit 3: take the file named in this offer; no prompt, no menu, no discovery.
const DIRECT: u8 = 8;

/// Tells the client to load the file of this very reply. The empty prompt (timeout 0) is for ROMs that insist on one;
/// dnsmasq always sends it.
pub const USE_THE_FILE: [u8; 10] = [DISCOVERY_CONTROL, 1, DIRECT, MENU_PROMPT, 4, 0, b'P', b'X', b'E', END];

/// The entry of a PXE menu that a client asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BootItem {
    /// Which boot server type.
    pub server_type: u16,
    /// Which of its files.
    pub layer: u16,
}

/// The boot item in a request's option 43.
pub fn boot_item(option_43: &[u8]) -> Option<BootItem> {
    let mut rest = option_43;
    while let [code, tail @ ..] = rest {
        rest = match *code {
            END => return None,
            0 => tail,
            _ => {
                let (&len, tail) = tail.split_first()?;
                let (value, next) = tail.split_at_checked(usize::from(len))?;
                if let (BOOT_ITEM, &[a, b, c, d]) = (*code, value) {
                    return Some(BootItem {
                        server_type: u16::from_be_bytes([a, b]),
                        layer: u16::from_be_bytes([c, d]),
                    });
                }
                next
            }
        };
    }
    None
}

/// Confirms a boot item, as the client expects before it loads the file.
pub fn chosen_item(item: BootItem) -> Vec<u8, 7> {
    let [a, b] = item.server_type.to_be_bytes();
    let [c, d] = item.layer.to_be_bytes();
    Vec::from([BOOT_ITEM, 4, a, b, c, d, END])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_boot_item_is_found_behind_other_suboptions() {
        let item = BootItem { server_type: 0x8000, layer: 1 };
        assert_eq!(boot_item(&[6, 1, 8, 0, 71, 4, 0x80, 0, 0, 1, 255]), Some(item));
        assert_eq!(chosen_item(item).as_slice(), [71, 4, 0x80, 0, 0, 1, 255]);
    }

    #[test]
    fn malformed_vendor_options_hold_no_item() {
        for bytes in [&[][..], &[71], &[71, 4, 0x80], &[71, 3, 0x80, 0, 0], &[255, 71, 4, 0, 0, 0, 0], &[6, 200, 8]] {
            assert_eq!(boot_item(bytes), None, "{bytes:?}");
        }
    }
}
