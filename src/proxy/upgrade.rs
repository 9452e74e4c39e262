//! A fuller iPXE for one that lacks what a URL needs: it is sent a full one by TFTP first, and that gets the URL.

use super::architecture::{Loader, is_ipxe_binary};
use super::client::{Client, Program};
use super::decision::{ChosenBy, Silence, Unfit};
use super::select::{Choice, Chooser, boots_by_precedence, file_of, is_url};
use super::tags::{SetBy, TagSet};
use crate::config::rules::{Condition, Origin, Rules};

/// Options by which iPXE is known: its own settings, and its user class.
const SIGNS_OF_IPXE: [u8; 2] = [175, 77];

/// True for a URL that this iPXE was built without the means to fetch.
pub fn needs_more(file: &str, client: &Client) -> bool {
    match client.program {
        Program::Ipxe { http, https } => file.starts_with("http://") && !http || file.starts_with("https://") && !https,
        _ => false,
    }
}

impl Chooser<'_> {
    /// An iPXE that can fetch `url`: the one that a line names for such a machine's ROM, else the customary one.
    pub(super) fn fuller_ipxe(&mut self, url: &str, origin: &Origin) -> Result<Choice, Silence> {
        self.pass_over(origin, url, Unfit::NeedsHttp);
        // Never the same again to one that has just been loaded so.
        let fuller = if self.past.upgraded { None } else { self.ipxe_binary() };
        let mut choice = fuller.ok_or_else(|| Silence::NeedsHttp { url: url.to_owned() })?;
        choice.upgrade = true;
        Ok(choice)
    }

    fn ipxe_binary(&mut self) -> Option<Choice> {
        let rules = self.rules;
        let tags = without_ipxe(rules, self.tags);
        for boot in boots_by_precedence(&rules.boots, &tags).filter(|boot| is_binary(&boot.file)) {
            let server = boot.server.unwrap_or(self.router);
            if server != self.router || self.finds(&boot.file) {
                return Some(self.boot_choice(&boot.file, &boot.server_name, server, &boot.origin));
            }
        }
        let client = self.client;
        let numbers = || client.architectures.iter().flat_map(|architecture| architecture.aliases());
        let entries = rules.services.iter().filter(|service| tags.meets(&service.when));
        for service in entries.filter(|service| numbers().any(|number| number == service.architecture)) {
            let Some(file) = file_of(service).filter(|file| is_binary(file)) else { continue };
            if service.server.is_some() || self.finds(&file) {
                return Some(self.service_choice(service, file, service.server_name.clone(), super::Shape::Direct));
            }
        }
        for architecture in &client.architectures {
            for loader in architecture.loaders() {
                if let Loader::Ipxe(name) = loader
                    && self.finds(name)
                {
                    return Some(self.own_choice(name, ChosenBy::Custom, Some(*architecture)));
                }
            }
        }
        None
    }
}

fn is_binary(file: &str) -> bool {
    is_ipxe_binary(file) && !is_url(file)
}

/// The tags that the machine's firmware carries, as far as that can be told.
fn without_ipxe(rules: &Rules, tags: &TagSet) -> TagSet {
    let by_ipxe = |origin: &Origin| {
        let taggers = rules.taggers.iter().any(|tagger| {
            let about_ipxe = match &tagger.condition {
                Condition::Option(code, _) => SIGNS_OF_IPXE.contains(code),
                Condition::UserClass(_) => true,
                _ => false,
            };
            about_ipxe && tagger.origin == *origin
        });
        taggers || rules.tag_ifs.iter().any(|tag_if| tag_if.origin == *origin)
    };
    let mut firmware = TagSet::default();
    for (tag, by) in tags.iter() {
        if !matches!(by, SetBy::Rule(origin) if by_ipxe(origin)) {
            firmware.set(tag, by.clone());
        }
    }
    firmware.inferring(&rules.tag_ifs)
}
