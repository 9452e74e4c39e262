//! `dhcp-option`, its likes, and `dhcp-match`, which name options in the same way (option.c: `parse_dhcp_opt`).

use super::names::{self, Encoding};
use super::value::{self, Read};
use super::words::Words;
use super::{Wrong, tag_name, tag_tests};
use crate::config::rules::{
    Condition, DhcpOption, OptionValue, Origin, Pattern, Place, Send, Tagger, VendorClass, octets,
};

/// `[tag,…][encap:N,|vendor:[class],|vi-encap:N,](number|option:name)[,value]`.
struct Spec<'l> {
    tags: Vec<Words<'l>>,
    place: Option<Outer>,
    /// Missing only where `vi-encap:` is matched.
    code: Option<Code>,
    value: Option<Words<'l>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Outer {
    Vendor(Vec<u8>),
    Option(u8),
    Enterprise(u32),
}

#[derive(Debug, Clone, Copy)]
struct Code {
    number: u8,
    encoding: Encoding,
    internal: bool,
}

/// Reads `dhcp-option`, `-force` or `-pxe`; `None` for one that is about DHCPv6.
///
/// # Errors
/// What is wrong with it.
pub fn dhcp_option<'l>(origin: &Origin, arg: Words<'l>, send: Send) -> Result<Option<DhcpOption>, Wrong<'l>> {
    let Some(spec) = Spec::read(arg, false)? else { return Ok(None) };
    let code = spec.code.ok_or_else(|| Wrong::new(arg, EXPECTED))?;
    let when = tag_tests(&mut spec.tags.iter().copied())?;
    let limit = match &spec.place {
        None => 255,
        Some(Outer::Vendor(_) | Outer::Option(_)) => 253,
        Some(Outer::Enterprise(_)) => 250,
    };
    let value = match spec.value {
        None => OptionValue::Bytes(Vec::new()),
        Some(words) => sent_value(words, code, spec.place.is_some())?,
    };
    let len = match &value {
        OptionValue::Bytes(bytes) | OptionValue::Text(bytes) => bytes.len(),
        OptionValue::Addresses(addresses) => addresses.len() * 4,
    };
    if len > limit {
        return Err(Wrong::new(arg, "a value of at most 255 bytes"));
    }
    let place = match spec.place {
        None => Place::Plain(code.number),
        Some(Outer::Option(outer)) => Place::Encapsulated { outer, code: code.number },
        Some(Outer::Vendor(_)) if send == Send::Pxe => {
            return Err(Wrong::new(arg, "no vendor: option here"));
        }
        Some(Outer::Vendor(class)) => Place::Vendor { class: VendorClass::Containing(class), code: code.number },
        Some(Outer::Enterprise(number)) => Place::Enterprise { number, code: code.number },
    };
    Ok(Some(DhcpOption { origin: origin.clone(), when, send, place, value }))
}

/// Reads `dhcp-match`; `None` for one that is about DHCPv6.
///
/// # Errors
/// What is wrong with it.
pub fn dhcp_match<'l>(origin: &Origin, arg: Words<'l>) -> Result<Option<Tagger>, Wrong<'l>> {
    let Some(spec) = Spec::read(arg, true)? else { return Ok(None) };
    let [tag] = spec.tags.as_slice() else { return Err(Wrong::new(arg, "one tag, then an option")) };
    let code = spec.code.unwrap_or(Code { number: 0, encoding: Encoding::Any, internal: false });
    let pattern = match spec.value {
        None => Pattern::Present,
        Some(words) => pattern(words, code)?,
    };
    let condition = match spec.place {
        Some(Outer::Enterprise(number)) => Condition::Enterprise(number, pattern),
        _ => Condition::Option(code.number, pattern),
    };
    let tag = without_any_prefix(*tag);
    Ok(Some(Tagger { origin: origin.clone(), tag: tag_name(tag)?, condition }))
}

/// `pxe-prompt=[tag:…,]text[,seconds]`: suboption 10 of option 43, for whoever boots by PXE.
///
/// # Errors
/// What is wrong with it.
pub fn pxe_prompt<'l>(origin: &Origin, arg: Words<'l>) -> Result<DhcpOption, Wrong<'l>> {
    let (when, rest) = super::leading_tags(arg)?;
    let (prompt, timeout) = rest.split();
    let prompt = prompt.bytes();
    if prompt.len() > 200 {
        return Err(Wrong::new(rest, "a prompt of at most 200 bytes"));
    }
    // dnsmasq: without a number it waits for ever.
    let seconds = timeout.and_then(Words::number).unwrap_or(255).to_le_bytes()[0];
    let value = OptionValue::Bytes([&[seconds], prompt.as_slice()].concat());
    let place = Place::Vendor { class: VendorClass::Pxe, code: 10 };
    Ok(DhcpOption { origin: origin.clone(), when, send: Send::Always, place, value })
}

const EXPECTED: &str = "an option's number from 1 to 254, or option: and its name";

impl<'l> Spec<'l> {
    fn read(arg: Words<'l>, matching: bool) -> Result<Option<Self>, Wrong<'l>> {
        let mut spec = Spec { tags: Vec::new(), place: None, code: None, value: None };
        let mut rest = Some(arg);
        while let Some(words) = rest {
            let (part, behind) = words.split();
            rest = behind;
            if part.letters().all(|letter| (u16::from(b'0')..=u16::from(b'9')).contains(&letter)) {
                spec.code = Some(spec.numbered(part)?);
                break;
            } else if let Some(name) = part.strip_prefix("option:") {
                spec.code = Some(named(name, matching)?);
                break;
            } else if part.strip_prefix("option6:").is_some() {
                return Ok(None);
            } else if spec.take_outer(part, matching)? {
                if matching {
                    break;
                }
            } else {
                spec.tags.push(part);
            }
        }
        if spec.code.is_none() && spec.place.is_none() {
            return Err(Wrong::new(arg, EXPECTED));
        }
        spec.value = rest;
        Ok(Some(spec))
    }

    fn numbered(&self, part: Words<'l>) -> Result<Code, Wrong<'l>> {
        let number = part.number().and_then(|number| u8::try_from(number).ok()).filter(|number| *number > 0);
        let number = number.ok_or_else(|| Wrong::new(part, EXPECTED))?;
        // Within another option, numbers mean something else.
        let known = if self.place.is_none() { names::by_code(number) } else { None };
        let (encoding, internal) = known.map_or((Encoding::Any, false), |known| (known.encoding, known.internal));
        Ok(Code { number, encoding, internal })
    }

    /// Takes `vendor:`, `encap:` or `vi-encap:`; true if it was one.
    fn take_outer(&mut self, part: Words<'l>, matching: bool) -> Result<bool, Wrong<'l>> {
        let outer = if let Some(class) = part.strip_prefix("vendor:") {
            Outer::Vendor(class.bytes())
        } else if let Some(number) = part.strip_prefix("encap:") {
            let number = number.number().and_then(|number| u8::try_from(number).ok()).filter(|number| *number > 0);
            Outer::Option(number.ok_or_else(|| Wrong::new(part, "an option's number behind encap:"))?)
        } else if let Some(number) = part.strip_prefix("vi-encap:") {
            Outer::Enterprise(number.number().ok_or_else(|| Wrong::new(part, "an enterprise's number"))?)
        } else {
            return Ok(false);
        };
        if self.place.is_some() || matching && !matches!(outer, Outer::Enterprise(_)) {
            return Err(Wrong::new(part, "neither vendor: nor encap: in this place"));
        }
        self.place = Some(outer);
        Ok(true)
    }
}

/// An option by its name; those of the protocol itself can be matched only.
fn named(name: Words<'_>, matching: bool) -> Result<Code, Wrong<'_>> {
    let known = name.text().and_then(|text| names::by_name(&text)).filter(|known| matching || !known.internal);
    let known = known.ok_or_else(|| Wrong::new(name, "the name of an option (dnsmasq --help dhcp shows them)"))?;
    Ok(Code { number: known.code, encoding: known.encoding, internal: known.internal })
}

fn sent_value(words: Words<'_>, code: Code, inner: bool) -> Result<OptionValue, Wrong<'_>> {
    const SIP_SERVERS: u8 = 120;
    let read =
        value::read(words, code.encoding, code.internal, false).map_err(|expected| Wrong::new(words, expected))?;
    Ok(match read {
        Read::Hex(bytes) => OptionValue::Bytes(bytes.into_iter().flatten().collect()),
        Read::Number(bytes) | Read::Packed(bytes) => OptionValue::Bytes(bytes),
        // RFC 3361: a byte says that addresses follow, not names.
        Read::Addresses(addresses) if code.number == SIP_SERVERS && !inner => {
            OptionValue::Bytes([&[1], octets(&addresses).as_slice()].concat())
        }
        // 0.0.0.0 stands for ourselves in options of their own only.
        Read::Addresses(addresses) if inner => OptionValue::Bytes(octets(&addresses)),
        Read::Addresses(addresses) => OptionValue::Addresses(addresses),
        Read::Text(text) => OptionValue::Text(text),
    })
}

fn pattern(words: Words<'_>, code: Code) -> Result<Pattern, Wrong<'_>> {
    let read =
        value::read(words, code.encoding, code.internal, true).map_err(|expected| Wrong::new(words, expected))?;
    let pattern = match read {
        Read::Hex(bytes) => Pattern::Start(bytes),
        Read::Number(bytes) | Read::Packed(bytes) => Pattern::Element(bytes),
        Read::Addresses(addresses) => Pattern::Element(octets(&addresses)),
        Read::Text(text) if text.is_empty() => Pattern::Present,
        Read::Text(text) => Pattern::Anywhere(text),
    };
    let fits = match &pattern {
        Pattern::Present => true,
        Pattern::Start(bytes) => bytes.len() <= 255,
        Pattern::Anywhere(bytes) | Pattern::Element(bytes) => bytes.len() <= 255,
    };
    if fits { Ok(pattern) } else { Err(Wrong::new(words, "a value of at most 255 bytes")) }
}

fn without_any_prefix(tag: Words<'_>) -> Words<'_> {
    ["net:", "tag:", "set:"].iter().find_map(|prefix| tag.strip_prefix(prefix)).unwrap_or(tag)
}
