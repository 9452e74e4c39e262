//! Option 43 as PXE uses it (PXE 2.1 table 2-1; dnsmasq `pxe_opts`): menus, what a reply tells the client to do with
//! them, and the boot item that a client chose.

use std::net::Ipv4Addr;

use heapless::Vec;

use crate::config::rules::Origin;

/// Suboptions.
const DISCOVERY_CONTROL: u8 = 6;
const BOOT_SERVERS: u8 = 8;
const BOOT_MENU: u8 = 9;
const MENU_PROMPT: u8 = 10;
const BOOT_ITEM: u8 = 71;
const END: u8 = 255;

/// Discovery control: no broadcast (bit 0) and no multicast (bit 1) when looking for boot servers.
const LISTED_SERVERS: u8 = 3;
/// The same, with broadcasts for a server whose address nobody knows.
const ANY_SERVER: u8 = 2;
/// Bit 3: take the file named in this offer; no prompt, no menu, no discovery.
const DIRECT: u8 = 8;

/// The longest option value; a second option 43 would be read by few (iPXE and ROMs take the first).
pub const MAX_LEN: usize = 255;
/// Option 43's value.
pub type VendorOption = Vec<u8, MAX_LEN>;

/// What a reply tells a PXE client to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shape {
    /// Load the file named in this very reply.
    Direct,
    /// Show a menu.
    Menu(Menu),
    /// Ask again on port 4011, where the menu is (dnsmasq `pxe_uefi_workaround`: UEFI's menu code is badly broken in
    /// many machines when it begins with an OFFER).
    AskAgain,
    /// Load the file of the menu entry that it chose.
    Chosen(BootItem),
    /// Fetch a URL: UEFI HTTP Boot knows no option 43.
    Url,
}

/// A boot menu.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Menu {
    /// Its entries, in the order shown; the first is what the client takes when the time is over.
    pub entries: std::vec::Vec<MenuEntry>,
    /// How many more there were than fit an option.
    pub left_out: usize,
}

/// One line of a boot menu.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MenuEntry {
    /// The line that it comes from.
    pub origin: Origin,
    /// What the client asks for when it is chosen; 0: nothing, it boots something else.
    pub server_type: u16,
    /// What is shown.
    pub text: String,
    /// Whom it asks.
    pub server: Option<Ipv4Addr>,
}

impl Menu {
    /// As many of `entries` as an option holds beside the configured suboptions.
    pub fn of(entries: std::vec::Vec<MenuEntry>, configured: &[(u8, &[u8])]) -> Self {
        let mut menu = Menu::default();
        let fixed = 3 + 6 + 2 + 2 + 1;
        let mut used = fixed + configured.iter().map(|(_, value)| 2 + value.len()).sum::<usize>();
        for entry in entries {
            let len = 3 + entry.text.len() + if entry.server.is_some() { 7 } else { 0 };
            // One that is too long ends the menu: a shorter one behind it would change the order.
            if used + len > MAX_LEN || menu.left_out > 0 {
                menu.left_out += 1;
                continue;
            }
            used += len;
            menu.entries.push(entry);
        }
        menu
    }

    fn discovery_control(&self) -> u8 {
        let unknown = |entry: &MenuEntry| entry.server.is_none() && entry.server_type != 0;
        if self.entries.iter().any(unknown) { ANY_SERVER } else { LISTED_SERVERS }
    }

    /// Suboption 8: type, number of addresses, address.
    fn boot_servers(&self) -> VendorOption {
        let mut value = VendorOption::new();
        for entry in &self.entries {
            let Some(server) = entry.server else { continue };
            let [a, b] = entry.server_type.to_be_bytes();
            let _ = value.extend_from_slice(&[a, b, 1]).and_then(|()| value.extend_from_slice(&server.octets()));
        }
        value
    }

    /// Suboption 9: type, length of the text, text.
    fn boot_menu(&self) -> VendorOption {
        let mut value = VendorOption::new();
        for entry in &self.entries {
            let [a, b] = entry.server_type.to_be_bytes();
            let len = u8::try_from(entry.text.len()).unwrap_or(u8::MAX);
            let _ = value.extend_from_slice(&[a, b, len]).and_then(|()| value.extend_from_slice(entry.text.as_bytes()));
        }
        value
    }
}

/// Option 43 for a reply of this shape; `configured` are the suboptions that rules add (`vendor:`, `pxe-prompt`).
///
/// dnsmasq's order: 6, 10, 8, 9, then the configured ones.
pub fn encode(shape: &Shape, configured: &[(u8, &[u8])]) -> Option<VendorOption> {
    let mut option = Builder::default();
    match shape {
        Shape::Url | Shape::AskAgain => return None,
        Shape::Direct => option.prompted(DIRECT, 0, configured),
        Shape::Menu(menu) => {
            // Without a prompt of its own a menu waits, unless there is nothing to choose.
            let timeout = if menu.entries.len() > 1 { 255 } else { 0 };
            option.prompted(menu.discovery_control(), timeout, configured);
            let servers = menu.boot_servers();
            if !servers.is_empty() {
                option.push(BOOT_SERVERS, &servers);
            }
            option.push(BOOT_MENU, &menu.boot_menu());
        }
        Shape::Chosen(item) => option.push(BOOT_ITEM, &item.octets()),
    }
    configured.iter().for_each(|(code, value)| option.push(*code, value));
    let _ = option.bytes.push(END);
    Some(option.bytes)
}

/// True when a rule may not add this suboption: what the client does next has to fit the reply.
pub fn is_reserved(code: u8) -> bool {
    matches!(code, 0 | DISCOVERY_CONTROL | BOOT_SERVERS | BOOT_MENU | BOOT_ITEM | END)
}

/// True for the suboption that `pxe-prompt` stands for.
pub fn is_prompt(code: u8) -> bool {
    code == MENU_PROMPT
}

#[derive(Default)]
struct Builder {
    bytes: VendorOption,
}

impl Builder {
    /// Discovery control, and a prompt if rules give none: some ROMs insist on one, and dnsmasq always sends it.
    fn prompted(&mut self, discovery_control: u8, timeout: u8, configured: &[(u8, &[u8])]) {
        self.push(DISCOVERY_CONTROL, &[discovery_control]);
        if !configured.iter().any(|(code, _)| is_prompt(*code)) {
            self.push(MENU_PROMPT, &[timeout, b'P', b'X', b'E']);
        }
    }

    /// Appends a suboption if there is room for it and the end mark.
    fn push(&mut self, code: u8, value: &[u8]) {
        let Ok(len) = u8::try_from(value.len()) else { return };
        if self.bytes.len() + 2 + value.len() < MAX_LEN {
            let _ = self.bytes.extend_from_slice(&[code, len]).and_then(|()| self.bytes.extend_from_slice(value));
        }
    }
}

/// The entry of a PXE menu that a client asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BootItem {
    /// Which boot server type.
    pub server_type: u16,
    /// Which of its files.
    pub layer: u16,
}

impl BootItem {
    /// As it stands in suboption 71.
    fn octets(self) -> [u8; 4] {
        let [a, b] = self.server_type.to_be_bytes();
        let [c, d] = self.layer.to_be_bytes();
        [a, b, c, d]
    }

    /// PXE 2.1: the layer's highest bit asks for the file's credentials instead of the file.
    pub fn wants_credentials(self) -> bool {
        self.layer & 0x8000 != 0
    }
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
                if let (BOOT_ITEM, &[a, b, c, d, ..]) = (*code, value) {
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

#[cfg(test)]
mod tests {
    use super::*;

    const ROUTER: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 1);

    fn entry(server_type: u16, text: &str, server: Option<Ipv4Addr>) -> MenuEntry {
        MenuEntry { origin: Origin { file: "test".into(), line: 1 }, server_type, text: text.to_owned(), server }
    }

    fn encoded(entries: &[MenuEntry], configured: &[(u8, &[u8])]) -> std::vec::Vec<u8> {
        encode(&Shape::Menu(Menu::of(entries.to_vec(), configured)), configured).unwrap().to_vec()
    }

    #[test]
    fn menus_are_laid_out_as_dnsmasq_does() {
        let linux = entry(0x8000, "Linux", Some(ROUTER));
        let local = entry(0, "Disk", None);
        assert_eq!(
            encoded(&[linux.clone(), local.clone()], &[]),
            b"\x06\x01\x03\x0a\x04\xffPXE\x08\x07\x80\0\x01\xc0\xa8\x01\x01\x09\x0f\x80\0\x05Linux\0\0\x04Disk\xff"
        );
        assert_eq!(encoded(&[local], &[]), b"\x06\x01\x03\x0a\x04\0PXE\x09\x07\0\0\x04Disk\xff", "Raspberry Pi's form");
        assert_eq!(
            encoded(&[entry(7, "WDS", None), linux], &[(10, b"\x05F8")]),
            b"\x06\x01\x02\x08\x07\x80\0\x01\xc0\xa8\x01\x01\x09\x0e\0\x07\x03WDS\x80\0\x05Linux\x0a\x03\x05F8\xff",
            "a server that nobody knows is looked for by broadcast"
        );
    }

    #[test]
    fn a_menu_never_outgrows_its_option() {
        let long: std::vec::Vec<MenuEntry> =
            (0..40).map(|n| entry(0x8000 + n, "twenty letters of it", Some(ROUTER))).collect();
        let menu = Menu::of(long.clone(), &[]);
        assert_eq!((menu.entries.len(), menu.left_out), (8, 32));
        assert!(encoded(&long, &[]).len() <= MAX_LEN);
        assert_eq!(encoded(&long, &[(1, &[7; 200])]).last(), Some(&END));
        let exact = vec![entry(0, &"x".repeat(255 - 14 - 3), None)];
        assert_eq!(encoded(&exact, &[]).len(), 253, "room for suboption 8 is kept");
    }

    #[test]
    fn a_direct_offer_and_a_chosen_item_are_short() {
        let item = BootItem { server_type: 0x8000, layer: 1 };
        assert_eq!(encode(&Shape::Direct, &[]).unwrap(), b"\x06\x01\x08\x0a\x04\0PXE\xff"[..]);
        assert_eq!(encode(&Shape::Direct, &[(10, b"\0hi")]).unwrap(), b"\x06\x01\x08\x0a\x03\0hi\xff"[..]);
        assert_eq!(encode(&Shape::Chosen(item), &[]).unwrap(), b"\x47\x04\x80\0\0\x01\xff"[..]);
        assert_eq!(encode(&Shape::AskAgain, &[(1, b"x")]), None);
    }

    #[test]
    fn a_boot_item_is_found_behind_other_suboptions() {
        let item = BootItem { server_type: 0x8000, layer: 1 };
        assert_eq!(boot_item(&[6, 1, 8, 0, 71, 4, 0x80, 0, 0, 1, 255]), Some(item));
        assert_eq!(boot_item(&[71, 5, 0x80, 0, 0, 1, 9]), Some(item), "dnsmasq wants four bytes at least");
        assert!(BootItem { layer: 0x8001, ..item }.wants_credentials());
    }

    #[test]
    fn malformed_vendor_options_hold_no_item() {
        for bytes in [&[][..], &[71], &[71, 4, 0x80], &[71, 3, 0x80, 0, 0], &[255, 71, 4, 0, 0, 0, 0], &[6, 200, 8]] {
            assert_eq!(boot_item(bytes), None, "{bytes:?}");
        }
    }
}
