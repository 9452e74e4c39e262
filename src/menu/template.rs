//! Texts with gaps: `{{mac}}` and its likes are replaced by what is known of the machine that reads them.
//!
//! Only what [`Machine`](super::Machine) vouches for is filled in, so that no machine can say anything of itself that
//! would be more than a part of a word. What isn't known leaves nothing; a name that isn't one of these stays as it is.

use super::Scene;
use crate::config::spelling::nearest;
use crate::wire::hex;

/// What else may be filled in, besides what upxe knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Also {
    /// Nothing.
    Nothing,
    /// Words of iPXE's own: `{{serial}}` and `{{asset}}`, which no DHCP request tells.
    Ipxe,
}

/// The ending of a template's file: `x.ipxe` is made of `x.ipxe.tmpl`.
pub const ENDING: &str = ".tmpl";

/// The name of the template that the file `path` would be made of; `None` if it is no script.
pub fn of(path: &str) -> Option<String> {
    path.ends_with(".ipxe").then(|| [path, ENDING].concat())
}

/// `text` with its gaps filled.
pub fn fill(text: &str, scene: &Scene<'_>, also: Also) -> String {
    let mut filled = String::new();
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once("{{") {
        filled.push_str(before);
        // No name has a brace in it. To look for the end beyond one, for each gap anew, would take a router a minute for a
        // file of nothing else.
        let (name, tail) = behind.split_at(behind.find(['{', '}']).unwrap_or_default());
        match tail.strip_prefix("}}").and_then(|tail| Some((value(name.trim(), scene, also)?, tail))) {
            Some((value, tail)) => {
                filled.push_str(&value);
                rest = tail;
            }
            None => {
                filled.push_str("{{");
                rest = behind;
            }
        }
    }
    filled.push_str(rest);
    filled
}

fn value(name: &str, scene: &Scene<'_>, also: Also) -> Option<String> {
    let machine = scene.machine;
    Some(match name {
        "mac" => machine.mac.map(|mac| mac.to_string()).unwrap_or_default(),
        // As PXELINUX and iPXE's hexhyp have it.
        "machyp" => machine.mac.map(|mac| hyphened(&mac.0)).unwrap_or_default(),
        "uuid" => machine.uuid.map(|uuid| hyphened(&uuid)).unwrap_or_default(),
        "host" => machine.host().unwrap_or_default().to_owned(),
        "arch" => machine.architecture.map(|number| number.to_string()).unwrap_or_default(),
        "router" => scene.router.to_string(),
        "http" => scene.base(),
        // iPXE writes every letter that could be more than a part of a word as %XX then.
        "serial" if also == Also::Ipxe => "${serial:uristring}".to_owned(),
        "asset" if also == Also::Ipxe => "${asset:uristring}".to_owned(),
        _ => return None,
    })
}

/// What `value` knows, that which is iPXE's own last.
const NAMES: &[&str] = &["mac", "machyp", "uuid", "host", "arch", "router", "http", "serial", "asset"];
const IPXES: usize = 2;

/// What to say of each gap in `text` that stays as it is, with its line's number from 1.
pub fn unknown(text: &str, also: Also) -> Vec<(u32, String)> {
    let known = NAMES.len() - if also == Also::Ipxe { 0 } else { IPXES };
    let names = || NAMES.iter().copied().take(known);
    let mut out = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        for behind in line.split("{{").skip(1) {
            let (name, end) = behind.split_at(behind.find(['{', '}']).unwrap_or_default());
            let name = name.trim();
            if name.is_empty() || !end.starts_with("}}") || names().any(|known| known == name) {
                continue;
            }
            let hint = match nearest(name, names()) {
                Some(near) => ["did you mean {{", near, "}}?"].concat(),
                None => ["there are ", &names().collect::<Vec<_>>().join(", ")].concat(),
            };
            out.push((number, ["unknown word {{", name, "}}, sent as it stands; ", &hint].concat()));
        }
    }
    out
}

/// An address's bytes in hex, each by itself, or a UUID's, in its groups.
pub fn hyphened(bytes: &[u8]) -> String {
    let mut text = String::new();
    for (at, byte) in bytes.iter().enumerate() {
        if at > 0 && (bytes.len() < 16 || matches!(at, 4 | 6 | 8 | 10)) {
            text.push('-');
        }
        hex::push(&mut text, *byte);
    }
    text
}
