//! The menu as an iPXE script.
//!
//! iPXE has no quotes. It splits a line at white space first (exec.c `split_command`); a word `||`, `&&` or `;` ends a
//! command, and one that begins with `#` the line; then it expands `${…}` in each word, over and over as long as there is
//! one (settings.c `expand_settings`), and a value with spaces stays one word. So files are percent-encoded, titles lose
//! what is special, and a command line that has any of it, which no kernel needs, is refused.

use super::{MAX_TEXT, Scene, Stanza, command_line, default, is_url, pieces, push, push_line, whose};
use crate::config::menu::{Entry, Kind};

/// The script.
pub fn render(scene: &Scene<'_>) -> String {
    let (actions, there) = pieces(scene, &|entry| item(entry).len(), &|entry| piece(scene, entry));
    let mut text = ["#!ipxe\n# The boot menu of ", &whose(scene.machine), "\n"].concat();
    if let Some((first, timeout)) = default(scene.menu, &there) {
        push(&mut text, &[":upxe-menu\nmenu ", &title(&scene.menu.title), "\n"]);
        there.iter().for_each(|entry| text.push_str(&item(entry)));
        push(&mut text, &["choose --default ", first]);
        if timeout > 0 {
            // In milliseconds.
            push(&mut text, &[" --timeout ", &timeout.to_string(), "000"]);
        }
        text.push_str(" upxe-choice || goto upxe-local\ngoto ${upxe-choice}\n");
    }
    text.push_str(&actions);
    if !there.is_empty() {
        text.push_str(
            ":upxe-failed\nimgfree\nprompt --timeout 20000 It did not boot. A key brings the menu back; the local disk \
             follows. && goto upxe-menu ||\n",
        );
    }
    text.push_str(LOCAL);
    text
}

/// Firmware goes on with its next device when iPXE ends; many a BIOS doesn't, and so its first disk is asked for.
const LOCAL: &str = ":upxe-local\niseq ${platform} efi && exit ||\nsanboot --no-describe --drive 0x80 || exit\nexit\n";

/// What becomes of an entry of the menu; its errors are why iPXE can't boot it.
pub fn piece(scene: &Scene<'_>, entry: &Entry) -> Stanza {
    const FAILED: &str = " || goto upxe-failed\n";
    let mut text = [":", &entry.name, "\n"].concat();
    let mut line = |words: &[&str]| push_line(&mut text, "", words, FAILED);
    match &entry.kind {
        Kind::Linux { kernel, initrds, append } => {
            let mut words = String::new();
            // UEFI kernels look for their initrds by name in what iPXE shows them as a file system.
            for at in 0..initrds.len() {
                push(&mut words, &[" initrd=initrd", &at.to_string()]);
            }
            line(&["kernel ", &uri(scene, kernel), &words, &plain(&command_line(scene, append))?]);
            for (at, initrd) in initrds.iter().enumerate() {
                line(&["initrd --name initrd", &at.to_string(), " ", &uri(scene, initrd)]);
            }
            line(&["boot"]);
        }
        Kind::Memtest(program) => {
            line(&["kernel ", &uri(scene, program)]);
            line(&["boot"]);
        }
        Kind::Wimboot { program, files } => {
            line(&["kernel ", &uri(scene, program)]);
            for file in files {
                // wimboot looks for its files by their names alone.
                let name = file.rsplit(['/', '\\']).next().unwrap_or(file);
                line(&["initrd ", &uri(scene, file), &plain(name)?]);
            }
            line(&["boot"]);
        }
        Kind::Iso(image) if is_url(image) || scene.http.is_some() => {
            line(&["sanboot ", &uri(scene, image)]);
        }
        Kind::Iso(_) => return Err("iPXE reads images by HTTP only; give its URL"),
        Kind::Chain(next) => line(&["chain ", &uri(scene, next)]),
        Kind::Iscsi { root_path, keep } => {
            line(&[if *keep { "set keep-san 1" } else { "clear keep-san" }]);
            line(&["sanboot", &plain(root_path)?]);
        }
        Kind::Local => text.push_str("goto upxe-local\n"),
        Kind::Shell => text.push_str("shell\ngoto upxe-menu\n"),
    }
    Ok(text)
}

/// The entry in the list, for those only that its serial numbers and asset tags allow: iPXE alone knows its own.
fn item(entry: &Entry) -> String {
    let item = ["item ", &entry.name, " ", &title(&entry.title)].concat();
    let whom = &entry.whom;
    if whom.serials.is_empty() && whom.assets.is_empty() {
        return [&item, "\n"].concat();
    }
    let tests = |setting: &str, labels: &[String]| -> Vec<String> {
        let test = |label: &String| ["iseq ${", setting, ":uristring} ", &encoded(label), " && "].concat();
        if labels.is_empty() { vec![String::new()] } else { labels.iter().map(test).collect() }
    };
    let mut text = String::new();
    for serial in &tests("serial", &whom.serials) {
        for asset in &tests("asset", &whom.assets) {
            push(&mut text, &[serial, asset, &item, " ||\n"]);
            if text.len() > MAX_TEXT {
                // No menu has room for it.
                return text;
            }
        }
    }
    text
}

/// A file's URI. A URL is the user's own, which may well ask iPXE to expand something in it.
fn uri(scene: &Scene<'_>, file: &str) -> String {
    if is_url(file) { file.to_owned() } else { [&scene.base(), "/", &encoded(file.trim_start_matches('/'))].concat() }
}

/// RFC 3986 §2.1: all but letters, digits, `-_.~` and the slashes between names.
pub fn encoded(text: &str) -> String {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let mut encoded = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~/".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push('%');
            for digit in [byte >> 4, byte & 15] {
                encoded.extend(DIGITS.get(usize::from(digit)).map(|digit| char::from(*digit)));
            }
        }
    }
    encoded
}

/// Words behind a space each, as they are.
fn plain(text: &str) -> Stanza {
    let mut words = String::new();
    for word in text.split_whitespace() {
        if is_terminator(word) || word.starts_with('#') || word.contains("${") {
            return Err("iPXE takes ||, &&, ; and # for its own where they begin a word, and ${ anywhere");
        }
        words.push(' ');
        words.push_str(word);
    }
    Ok(words)
}

/// A text that is only shown.
fn title(text: &str) -> String {
    let mut words = String::new();
    for word in text.replace("${", "$ {").split_whitespace() {
        if !words.is_empty() {
            words.push(' ');
        }
        // `menu` would take a first word that begins so for an option.
        let word = if words.is_empty() { word.trim_start_matches('-') } else { word };
        if is_terminator(word) || word.starts_with('#') {
            words.push('\'');
        }
        words.push_str(word);
    }
    // At its end a backslash would join the next line to this one (script.c).
    words.trim_end_matches('\\').to_owned()
}

fn is_terminator(word: &str) -> bool {
    matches!(word, "||" | "&&" | ";")
}
