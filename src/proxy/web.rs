//! HTTP in place of TFTP: the boot folder's files by their URLs, for clients that can fetch them.

use std::net::Ipv4Addr;

use dhcproto::v4::OptionCode;

use super::client::Program;
use super::matching::suboption;
use super::options::{ETHERBOOT, Sent};
use super::select::{Choice, Chooser, is_url};
use super::vendor::Shape;

/// RFC 2131 §2: the header's `file` field with a NUL behind the name.
const MAX_URL: usize = 127;
/// iPXE's feature number of HTTP within option 175.
const FEATURE_HTTP: u8 = 0x13;
/// RFC 5071 §5.1: what pxelinux puts before the name of every file that it asks for.
const PATH_PREFIX: u8 = 210;

impl Chooser<'_> {
    /// The URL of one of our files, if it has one that fits a reply.
    pub(super) fn url(&self, file: &str, server: Ipv4Addr) -> Option<String> {
        let web = self.rules.web.as_ref().filter(|_| server == self.router && !is_url(file))?;
        let url = web.base(self.router) + &encoded(&self.files.web_path(file)?);
        (url.len() <= MAX_URL).then_some(url)
    }

    /// iPXE gets its script by HTTP if it says that it can: what the script names without a server then comes that way
    /// too. Loaders stay with TFTP, for they go on by what they were loaded by, and not all of them know HTTP.
    pub(super) fn by_http(&self, choice: Choice) -> Choice {
        let settings = self.request.option(OptionCode::from(ETHERBOOT));
        let says_so = settings.and_then(|value| suboption(&value, FEATURE_HTTP).map(|value| value != [0]));
        let is_script = choice.file.ends_with(".ipxe") && choice.shape == Shape::Direct;
        let url = if is_script && says_so == Some(true) { self.url(&choice.file, choice.server) } else { None };
        match url {
            Some(file) => Choice { file, ..choice },
            None => choice,
        }
    }

    /// lpxelinux is pxelinux that knows HTTP: it fetches all else by this prefix, unless a line sets one.
    pub(super) fn path_prefix(&self, choice: &Choice) -> Option<Sent> {
        let name = choice.file.rsplit('/').next().unwrap_or_default();
        let is_it = self.client.program == Program::Pxe && name.starts_with("lpxelinux") && choice.shape != Shape::Url;
        if !is_it || self.options.sets(PATH_PREFIX) {
            return None;
        }
        let file = self.url(&choice.file, choice.server)?;
        let prefix = file.get(..file.rfind('/')? + 1)?;
        Some(Sent { code: PATH_PREFIX, value: prefix.as_bytes().to_vec(), origins: Vec::new() })
    }
}

/// RFC 3986 §2.1: all that could mean something in a URL, to iPXE's settings (`${…}`) or to a log, as its bytes in hex.
fn encoded(path: &str) -> String {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let mut url = String::with_capacity(path.len());
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            url.push(char::from(byte));
            continue;
        }
        url.push('%');
        for digit in [byte >> 4, byte & 15] {
            url.extend(DIGITS.get(usize::from(digit)).map(|digit| char::from(*digit)));
        }
    }
    url
}
