//! HTTP in place of TFTP: the boot folder's files by their URLs, for clients that can fetch them.

use std::net::Ipv4Addr;

use dhcproto::v4::OptionCode;

use super::client::{Client, FEATURE_HTTP, Program};
use super::matching::suboption;
use super::options::{ETHERBOOT, Sent};
use super::select::{Choice, Chooser, is_url};
use super::vendor::Shape;
use crate::menu::ipxe::encoded;
use crate::wire::request::Request;

/// RFC 2131 §2: the header's `file` field with a NUL behind the name.
const MAX_URL: usize = 127;
/// RFC 5071 §5.1: what pxelinux puts before the name of every file that it asks for.
const PATH_PREFIX: u8 = 210;

impl Chooser<'_> {
    /// The URL of one of our files, if it has one that fits a reply.
    pub(super) fn url(&self, file: &str, server: Ipv4Addr) -> Option<String> {
        let web = self.rules.web.as_ref().filter(|_| server == self.router && !is_url(file))?;
        let url = [&web.base(self.router), "/", &encoded(&self.files.web_path(file)?)].concat();
        (url.len() <= MAX_URL).then_some(url)
    }

    /// iPXE gets its script by HTTP if it says that it can: what the script names without a server then comes that way
    /// too. Loaders stay with TFTP, for they go on by what they were loaded by, and not all of them know HTTP.
    pub(super) fn by_http(&self, choice: &mut Choice) {
        let is_script = choice.file.ends_with(".ipxe") && choice.shape == Shape::Direct;
        if is_script
            && says_http(self.request)
            && let Some(url) = self.url(&choice.file, choice.server)
        {
            choice.file = url;
        }
    }

    /// lpxelinux fetches all else by this prefix, unless a line sets one. The menu that upxe makes comes by TFTP, and
    /// names its kernels by their URLs.
    pub(super) fn path_prefix(&self, choice: &Choice) -> Option<Sent> {
        let (folder, _) = choice.file.rsplit_once('/').unwrap_or_default();
        let configuration = [folder, "/pxelinux.cfg/default"].concat();
        let has_menu = !self.rules.menu.entries.is_empty() && self.files.web_path(&configuration).is_none();
        if !is_lpxelinux(self.client, &choice.file) || has_menu || self.options.sets(PATH_PREFIX) {
            return None;
        }
        let file = self.url(&choice.file, choice.server)?;
        let prefix = file.get(..=file.rfind('/')?)?;
        Some(Sent { code: PATH_PREFIX, value: prefix.as_bytes().to_vec(), origins: Vec::new() })
    }
}

/// True if `file` is the pxelinux that knows HTTP, and is run by itself.
pub fn is_lpxelinux(client: &Client, file: &str) -> bool {
    let name = file.rsplit('/').next().unwrap_or_default();
    client.program == Program::Pxe && name.starts_with("lpxelinux")
}

/// True for an iPXE that says that it can fetch by HTTP.
pub fn says_http(request: &Request<'_>) -> bool {
    let settings = request.option(OptionCode::from(ETHERBOOT));
    settings.is_some_and(|value| suboption(&value, FEATURE_HTTP).is_some_and(|value| value != [0]))
}
