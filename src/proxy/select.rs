//! Chooses the boot file: rules first, then customary names, and only what exists.

use std::net::Ipv4Addr;

use super::architecture::{Loader, is_ipxe_binary};
use super::client::{Client, Program};
use super::decision::{ChosenBy, Offer, Silence};
use super::tags::TagSet;
use crate::config::{Boot, Rules};
use crate::wire::reply::Text;

/// What iPXE looks for without a rule: our own name first, then the one newer iPXE asks for by itself.
const IPXE_SCRIPTS: &[&str] = &["boot.ipxe", "autoexec.ipxe"];
/// gPXE refuses scripts that begin with `#!ipxe`.
const GPXE_SCRIPTS: &[&str] = &["boot.gpxe"];

/// The files that can be fetched from this router.
pub trait BootFiles {
    /// True when a TFTP client that asks for `name` would get a file.
    fn has(&self, name: &str) -> bool;
}

/// Chooses for `client`, whose tags are known; `router` is our address on its link.
pub fn select(
    rules: &Rules,
    files: &dyn BootFiles,
    router: Ipv4Addr,
    client: &Client,
    tags: &TagSet,
) -> Result<Offer, Silence> {
    let mut search = Search { files, looked_for: Vec::new() };
    let rule = winning_boot(&rules.boots, tags);
    if let Some(boot) = rule.filter(|boot| suits(&boot.file, client)) {
        let server = boot.server.unwrap_or(router);
        if needs_http(&boot.file, client) {
            return Err(Silence::NeedsHttp { url: boot.file.clone() });
        }
        // What another server holds can't be looked up from here.
        if is_url(&boot.file) || server != router || search.finds(&boot.file) {
            return Ok(Offer {
                file: text(&boot.file),
                server_name: text(&boot.server_name),
                server,
                chosen_by: ChosenBy::Rule(boot.origin.clone()),
            });
        }
    }
    let server = rule.and_then(|boot| boot.server).unwrap_or(router);
    customary(rules, client, server == router, &mut search).map(|(file, chosen_by)| Offer {
        file: text(&file),
        server_name: text(rule.map_or("", |boot| &boot.server_name)),
        server,
        chosen_by,
    })
}

/// dnsmasq `find_boot`: of the lines whose tags all hold, one with tags beats one without, and the last one written wins.
pub fn winning_boot<'r>(boots: &'r [Boot], tags: &TagSet) -> Option<&'r Boot> {
    let mut matching = boots.iter().rev().filter(|boot| tags.meets(&boot.when));
    let last = matching.clone().find(|boot| !boot.when.is_empty());
    last.or_else(|| matching.find(|boot| boot.when.is_empty()))
}

/// Whether a rule's file is of any use to this client; if not, custom decides.
fn suits(file: &str, client: &Client) -> bool {
    match client.program {
        _ if file.is_empty() => false,
        Program::HttpBoot => is_url(file),
        Program::Pxe => !is_url(file),
        // The loop of every second recipe: iPXE told to load iPXE.
        Program::Ipxe { .. } => !is_ipxe_binary(file),
        Program::Gpxe => true,
    }
}

fn customary(rules: &Rules, client: &Client, ours: bool, search: &mut Search) -> Result<(String, ChosenBy), Silence> {
    if client.program == Program::HttpBoot {
        return Err(Silence::NeedsUrl);
    }
    if let Some(script) = rules.script.as_deref().filter(|_| client.is_ipxe()) {
        if needs_http(script, client) {
            return Err(Silence::NeedsHttp { url: script.to_owned() });
        }
        if is_url(script) || !ours || search.finds(script) {
            return Ok((script.to_owned(), ChosenBy::Script));
        }
    }
    let names = customary_names(client);
    if names.is_empty() {
        return Err(Silence::UnknownArchitecture);
    }
    let found = if ours { names.into_iter().find(|name| search.finds(name)) } else { names.first().copied() };
    match found {
        Some(name) => Ok((name.to_owned(), ChosenBy::Custom)),
        None => Err(Silence::NoFile { looked_for: std::mem::take(&mut search.looked_for) }),
    }
}

/// The customary names for a client, best first; for each architecture that it listed, in its order.
fn customary_names(client: &Client) -> Vec<&'static str> {
    let loaders = || client.architectures.iter().flat_map(|architecture| architecture.loaders());
    let scripts: &[&str] = match client.program {
        Program::Ipxe { .. } => IPXE_SCRIPTS,
        Program::Gpxe => GPXE_SCRIPTS,
        Program::Pxe | Program::HttpBoot => &[],
    };
    let wanted = loaders().filter(|loader| match loader {
        Loader::Ipxe(_) => !matches!(client.program, Program::Ipxe { .. }),
        Loader::Other(_) => true,
    });
    scripts.iter().copied().chain(wanted.map(|loader| loader.name())).collect()
}

fn is_url(file: &str) -> bool {
    file.contains("://")
}

fn needs_http(file: &str, client: &Client) -> bool {
    let by_http = file.starts_with("http://") || file.starts_with("https://");
    by_http && client.program == Program::Ipxe { http: false }
}

/// The configuration keeps names within the field; one that is too long all the same is cut, as dnsmasq cuts it.
fn text<const N: usize>(name: &str) -> Text<N> {
    let mut end = name.len().min(N);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    name.get(..end).and_then(|cut| Text::try_from(cut).ok()).unwrap_or_default()
}

/// A search of the TFTP root that remembers what was missing.
struct Search<'f> {
    files: &'f dyn BootFiles,
    looked_for: Vec<String>,
}

impl Search<'_> {
    fn finds(&mut self, name: &str) -> bool {
        let found = self.files.has(name);
        if !found {
            self.looked_for.push(name.to_owned());
        }
        found
    }
}
