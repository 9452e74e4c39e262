//! Lines of dnsmasq.conf → [`Rules`]: which keyword means what. The value parsers are those that UCI sections use too.
//!
//! A line that dnsmasq would refuse to start with is a complaint here, and disables nothing but itself; lines about DNS
//! and leases are passed over in silence. What files say is read by [`files`]. Nothing here opens one.

pub mod boot;
pub mod files;
mod host;
pub mod names;
mod option;
mod value;
pub mod words;

use std::path::PathBuf;

use self::host::Identity;
pub use self::host::is_lease_time;
use self::words::{Line, Words};
use super::hosts::Hosts;
use super::rules::{Ignore, Origin, Rules, Send, TagIf, TagTest};

/// Lines that are honoured, of all files together; no recipe has a tenth of it.
pub const MAX_LINES: usize = 10_000;
/// A longer line is cut in pieces by dnsmasq (`MAXDNAME`), and means nothing good there.
pub const MAX_LINE: usize = 1024;

/// Why a line can't be honoured: the part that is wrong, and what was expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wrong<'l> {
    /// The part as written.
    pub found: Words<'l>,
    /// What would have been right.
    pub expected: &'static str,
}

impl<'l> Wrong<'l> {
    fn new(found: Words<'l>, expected: &'static str) -> Self {
        Wrong { found, expected }
    }
}

/// What became of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It is among the rules now.
    Taken,
    /// It is about something else.
    NotOurs,
    /// It is about booting, and upxe does not do what it says; the reason follows.
    NotHonoured(&'static str),
}

/// What lines come to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Collected {
    /// What clients are offered.
    pub rules: Rules,
    /// What is said about the TFTP server.
    pub tftp: TftpLines,
    /// `dhcp-no-override` was there.
    pub no_override: bool,
    /// Lines taken so far.
    count: usize,
}

/// The `tftp-…` lines, and what else makes dnsmasq open ports.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TftpLines {
    /// `enable-tftp`: dnsmasq serves TFTP itself.
    pub enabled: Option<Origin>,
    /// `tftp-root`: the last one counts.
    pub root: Option<(PathBuf, Origin)>,
    /// `tftp-max`: transfers at once.
    pub max: Option<(u32, Origin)>,
    /// `tftp-single-port` was there.
    pub single_port: bool,
    /// `pxe-service` or `pxe-prompt` was there: dnsmasq opens port 4011 (dnsmasq `enable_pxe`).
    pub serves_pxe: bool,
}

/// What a keyword stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Keyword {
    Boot,
    Option(Send),
    Match,
    Identity(Identity),
    Host,
    TagIf,
    Ignore,
    Range,
    Service,
    Prompt,
    PxeVendor,
    NoOverride,
    IgnoreClientId,
    EnableTftp,
    TftpRoot,
    TftpMax,
    TftpSinglePort,
    /// Not done by upxe, and why.
    Not(&'static str),
}

const KEYWORDS: &[(&str, Keyword)] = &[
    ("dhcp-boot", Keyword::Boot),
    ("dhcp-option", Keyword::Option(Send::IfAsked)),
    ("dhcp-option-force", Keyword::Option(Send::Always)),
    ("dhcp-option-pxe", Keyword::Option(Send::Pxe)),
    ("dhcp-match", Keyword::Match),
    ("dhcp-vendorclass", Keyword::Identity(Identity::VendorClass)),
    ("dhcp-userclass", Keyword::Identity(Identity::UserClass)),
    ("dhcp-circuitid", Keyword::Identity(Identity::Agent(1))),
    ("dhcp-remoteid", Keyword::Identity(Identity::Agent(2))),
    ("dhcp-subscrid", Keyword::Identity(Identity::Agent(6))),
    ("dhcp-mac", Keyword::Identity(Identity::Mac)),
    ("dhcp-name-match", Keyword::Identity(Identity::Name)),
    ("dhcp-host", Keyword::Host),
    ("tag-if", Keyword::TagIf),
    ("dhcp-ignore", Keyword::Ignore),
    ("dhcp-range", Keyword::Range),
    ("pxe-service", Keyword::Service),
    ("pxe-prompt", Keyword::Prompt),
    ("dhcp-pxe-vendor", Keyword::PxeVendor),
    ("dhcp-no-override", Keyword::NoOverride),
    ("dhcp-ignore-clid", Keyword::IgnoreClientId),
    ("enable-tftp", Keyword::EnableTftp),
    ("tftp-root", Keyword::TftpRoot),
    ("tftp-max", Keyword::TftpMax),
    ("tftp-single-port", Keyword::TftpSinglePort),
    ("tftp-unique-root", Keyword::Not("upxe serves one folder to all clients")),
    ("tftp-secure", Keyword::Not("upxe serves every file below the folder, whoever owns it")),
    ("tftp-lowercase", Keyword::Not("upxe takes names as clients write them")),
    ("tftp-no-blocksize", Keyword::Not("upxe grants larger blocks to whoever asks for them")),
    ("tftp-mtu", Keyword::Not("upxe keeps blocks within the device's own MTU")),
    ("tftp-port-range", Keyword::Not("upxe sends from ports that the kernel chooses")),
    ("dhcp-reply-delay", Keyword::Not("upxe answers at once")),
    ("dhcp-alternate-port", Keyword::Not("upxe hears clients on port 67")),
    ("conf-script", Keyword::Not("upxe runs no programs")),
];

/// Every keyword that upxe knows.
pub fn keywords() -> impl Iterator<Item = &'static str> {
    KEYWORDS.iter().map(|(name, _)| *name)
}

impl Collected {
    /// True when no line said anything; one about DHCPv6 is taken and says nothing.
    pub fn is_nothing(&self) -> bool {
        let Rules { taggers, hosts, tag_ifs, ignores, ranges, boots, services, options, pxe_vendors, .. } = &self.rules;
        let TftpLines { enabled, root, max, single_port, serves_pxe } = &self.tftp;
        let counts =
            [taggers.len(), hosts.len(), tag_ifs.len(), ignores.len(), ranges.len(), boots.len(), services.len()];
        counts.iter().sum::<usize>() + options.len() + pxe_vendors.len() == 0
            && enabled.is_none()
            && root.is_none()
            && max.is_none()
            && !(self.rules.ignore_client_ids || self.no_override || *single_port || *serves_pxe)
    }

    /// Takes one line, such as `dhcp-boot=pxelinux.0`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn line<'l>(&mut self, line: &'l Line, origin: &Origin, hosts: &Hosts<'_>) -> Result<Outcome, Wrong<'l>> {
        let (keyword, value) = line.words().assignment();
        let Some(keyword) = keyword.text() else { return Ok(Outcome::NotOurs) };
        self.take(&keyword, value, origin, hosts)
    }

    /// Takes what follows a keyword, as UCI sections have it.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn take<'l>(
        &mut self,
        keyword: &str,
        value: Option<Words<'l>>,
        origin: &Origin,
        hosts: &Hosts<'_>,
    ) -> Result<Outcome, Wrong<'l>> {
        let Some((_, keyword)) = KEYWORDS.iter().find(|(name, _)| *name == keyword) else {
            return Ok(Outcome::NotOurs);
        };
        if self.count == MAX_LINES {
            return Ok(Outcome::NotHonoured("there are more such lines than upxe takes (10000)"));
        }
        self.count += 1;
        self.understand(*keyword, value, origin, hosts)
    }

    fn understand<'l>(
        &mut self,
        keyword: Keyword,
        value: Option<Words<'l>>,
        origin: &Origin,
        hosts: &Hosts<'_>,
    ) -> Result<Outcome, Wrong<'l>> {
        let rules = &mut self.rules;
        match keyword {
            Keyword::NoOverride => self.no_override = true,
            Keyword::IgnoreClientId => rules.ignore_client_ids = true,
            Keyword::EnableTftp => self.tftp.enabled = Some(origin.clone()),
            Keyword::TftpSinglePort => self.tftp.single_port = true,
            Keyword::Not(why) => return Ok(Outcome::NotHonoured(why)),
            _ => {
                let value = value.ok_or(Wrong::new(Words::default(), "something behind the ="))?;
                return self.with_value(keyword, value, origin, hosts);
            }
        }
        Ok(Outcome::Taken)
    }

    fn with_value<'l>(
        &mut self,
        keyword: Keyword,
        value: Words<'l>,
        origin: &Origin,
        hosts: &Hosts<'_>,
    ) -> Result<Outcome, Wrong<'l>> {
        let rules = &mut self.rules;
        match keyword {
            Keyword::Boot => rules.boots.push(boot::dhcp_boot(origin, value, hosts)?),
            Keyword::Option(send) => rules.options.extend(option::dhcp_option(origin, value, send)?),
            Keyword::Match => rules.taggers.extend(option::dhcp_match(origin, value)?),
            Keyword::Identity(kind) => rules.taggers.push(host::identity(origin, value, kind)?),
            Keyword::Host => rules.hosts.push(host::dhcp_host(origin, value)?),
            Keyword::TagIf => rules.tag_ifs.push(tag_if(origin, value)?),
            Keyword::Ignore => {
                rules.ignores.push(Ignore { origin: origin.clone(), when: tag_tests(&mut value.parts())? })
            }
            Keyword::Range => rules.ranges.extend(host::dhcp_range(origin, value)?),
            Keyword::Service => {
                rules.services.push(boot::pxe_service(origin, value, hosts)?);
                self.tftp.serves_pxe = true;
            }
            Keyword::Prompt => {
                rules.options.push(option::pxe_prompt(origin, value)?);
                self.tftp.serves_pxe = true;
            }
            Keyword::PxeVendor => {
                for part in value.parts() {
                    let name = part.text().filter(|name| !name.is_empty() && name.len() <= 255);
                    rules.pxe_vendors.push(name.ok_or_else(|| Wrong::new(part, "the beginning of a vendor class"))?);
                }
            }
            Keyword::TftpRoot => return self.tftp_root(value, origin),
            Keyword::TftpMax => {
                let number = value.number().ok_or_else(|| Wrong::new(value, "a number"))?;
                self.tftp.max = Some((number, origin.clone()));
            }
            // Done above: they have no value.
            _ => {}
        }
        Ok(Outcome::Taken)
    }

    fn tftp_root<'l>(&mut self, value: Words<'l>, origin: &Origin) -> Result<Outcome, Wrong<'l>> {
        let (folder, interface) = value.split();
        if interface.is_some() {
            return Ok(Outcome::NotHonoured("upxe serves one folder on all interfaces"));
        }
        let path = folder.text().filter(|path| path.starts_with('/'));
        let path = path.ok_or_else(|| Wrong::new(folder, "an absolute path without blanks"))?;
        self.tftp.root = Some((PathBuf::from(path), origin.clone()));
        Ok(Outcome::Taken)
    }
}

/// True for a keyword that is about booting.
fn is_ours(keyword: &str) -> bool {
    KEYWORDS.iter().any(|(name, _)| *name == keyword)
}

/// `tag-if=set:a[,set:b…][,tag:c…]`
fn tag_if<'l>(origin: &Origin, value: Words<'l>) -> Result<TagIf, Wrong<'l>> {
    let mut tag_if = TagIf { origin: origin.clone(), when: Vec::new(), set: Vec::new() };
    for part in value.parts() {
        if let Some(tag) = part.strip_prefix("set:") {
            tag_if.set.push(tag_name(tag)?);
        } else if let Some(tag) = part.strip_prefix("tag:") {
            tag_if.when.push(tag_test(tag)?);
        } else {
            return Err(Wrong::new(part, "set: or tag: before each tag"));
        }
    }
    if tag_if.set.is_empty() {
        return Err(Wrong::new(value, "a tag to set (set:…)"));
    }
    Ok(tag_if)
}

/// Tests with or without a prefix.
fn tag_tests<'l>(parts: &mut dyn Iterator<Item = Words<'l>>) -> Result<Vec<TagTest>, Wrong<'l>> {
    let mut tests = Vec::new();
    for part in parts {
        tests.push(tag_test(part)?);
    }
    Ok(tests)
}

/// The `tag:…,` at the beginning, and what follows (option.c: `dhcp_tags`).
fn leading_tags(arg: Words<'_>) -> Result<(Vec<TagTest>, Words<'_>), Wrong<'_>> {
    let mut tests = Vec::new();
    let mut rest = arg;
    loop {
        let (part, behind) = rest.split();
        if part.strip_prefix("tag:").or_else(|| part.strip_prefix("net:")).is_none() {
            return Ok((tests, rest));
        }
        tests.push(tag_test(part)?);
        rest = behind.ok_or_else(|| Wrong::new(arg, "something behind the tags"))?;
    }
}

/// A test, with or without its prefix; `#` and `!` negate (dhcp-common.c: `match_netid`).
fn tag_test(words: Words<'_>) -> Result<TagTest, Wrong<'_>> {
    let prefixed = ["tag:", "net:", "set:"].iter().find_map(|prefix| words.strip_prefix(prefix));
    let name = prefixed.unwrap_or(words);
    let negated = name.strip_prefix("!").or_else(|| name.strip_prefix("#"));
    let tag = tag_name(negated.unwrap_or(name)).map_err(|wrong| Wrong::new(words, wrong.expected))?;
    Ok(TagTest { tag, set: negated.is_none() })
}

/// A tag to set, with or without `set:`.
fn plain_tag(words: Words<'_>) -> Result<String, Wrong<'_>> {
    tag_name(words.strip_prefix("set:").unwrap_or(words))
}

fn tag_name(words: Words<'_>) -> Result<String, Wrong<'_>> {
    let name = words.text().filter(|name| (1..=255).contains(&name.len()));
    name.ok_or_else(|| Wrong::new(words, "a tag's name of 1 to 255 bytes"))
}

#[cfg(test)]
mod tests;
