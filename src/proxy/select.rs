//! Chooses what a client boots: menu entries and boot lines first, then customary names, and only what exists.

use std::net::Ipv4Addr;

use super::architecture::{Architecture, Loader, is_gpxe_binary, is_ipxe_binary};
use super::client::{Client, Program};
use super::clients::Past;
use super::decision::{ChosenBy, Door, PassedOver, Silence, Unfit};
use super::options::Selection;
use super::raspberry_pi;
use super::tags::TagSet;
use super::upgrade::needs_more;
use super::vendor::{BootItem, Menu, MenuEntry, Shape};
use crate::config::rules::{Boot, Origin, Rules, Service, Target};
pub use crate::menu::is_url;
use crate::menu::template::hyphened;
use crate::menu::{self, Machine};
use crate::wire::request::{Request, uuid_as_written};

/// The folder of scripts that are for one machine each.
const OWN_SCRIPTS: &str = "ipxe/";

/// The folder of scripts that are for machines with a tag each.
const GROUP_SCRIPTS: &str = "ipxe/tag/";

/// What iPXE looks for without a rule: our own name first, then the one newer iPXE asks for by itself, then the menu.
pub const IPXE_SCRIPTS: &[&str] = &["boot.ipxe", "autoexec.ipxe", menu::SCRIPT];
/// gPXE refuses scripts that begin with `#!ipxe`.
const GPXE_SCRIPTS: &[&str] = &["boot.gpxe"];

/// The type of the one entry in a menu that no line of the configuration asks for; those of lines are numbered from
/// [`FIRST_SERVER_TYPE`](crate::config::rules::FIRST_SERVER_TYPE) up.
pub const OWN_SERVER_TYPE: u16 = 0xfffe;

/// The files that can be fetched from this router.
pub trait BootFiles {
    /// True when a TFTP client that asks for `name` would get a file.
    fn has(&self, name: &str) -> bool;

    /// False when there is no such folder, so that nothing in it need be looked for.
    fn may_have_folder(&self, _name: &str) -> bool {
        true
    }

    /// Where a web server that serves the same folder has `name`: its path there, without `/` in front. `None` where TFTP
    /// does more than hand out the file of that very name.
    fn web_path(&self, name: &str) -> Option<String> {
        self.has(name).then(|| name.to_owned())
    }
}

/// What a client is to boot.
#[derive(Debug)]
pub struct Choice {
    /// The boot file's name or URL; empty where a menu comes first.
    pub file: String,
    /// `sname`; empty: the server's address as text.
    pub server_name: String,
    /// Who serves it.
    pub server: Ipv4Addr,
    /// Which setting chose it.
    pub chosen_by: ChosenBy,
    /// What the client shall do with it.
    pub shape: Shape,
    /// Which of the client's architectures it is for, where that decided.
    pub architecture: Option<Architecture>,
    /// It is an iPXE with HTTP, for one without.
    pub upgrade: bool,
}

/// All that the choice depends on.
pub struct Chooser<'a> {
    /// The configuration.
    pub rules: &'a Rules,
    /// What can be fetched from here.
    pub files: &'a dyn BootFiles,
    /// The port the client asks at.
    pub door: Door,
    /// Our address on its link.
    pub router: Ipv4Addr,
    /// Its request.
    pub request: &'a Request<'a>,
    /// Who asks.
    pub client: &'a Client,
    /// What is known of its machine.
    pub machine: &'a Machine,
    /// The tags it carries.
    pub tags: &'a TagSet,
    /// The options that hold for it.
    pub options: &'a Selection<'a>,
    /// What is remembered of it.
    pub past: &'a Past,
    /// Rules that were of no use.
    pub passed_over: Vec<PassedOver>,
    /// Names that were looked for in vain.
    pub looked_for: Vec<String>,
}

impl<'a> Chooser<'a> {
    /// Chooses; `item` is the menu entry that the client asks for.
    pub fn choose(&mut self, item: Option<BootItem>) -> Result<Choice, Silence> {
        if let (Door::BootServer, Some(item)) = (self.door, item) {
            return self.menu_item(item);
        }
        match self.client.program {
            Program::Pxe => self.firmware(),
            Program::Ipxe { .. } | Program::Gpxe => self.ipxe(),
            Program::HttpBoot => self.http_boot(),
            Program::RaspberryPi => self.raspberry_pi(),
        }
    }

    /// dnsmasq `dhcp_reply`, "PXE bootserver request": the type alone says which entry; tags and architecture were
    /// looked at when the menu was made.
    fn menu_item(&mut self, item: BootItem) -> Result<Choice, Silence> {
        if item.wants_credentials() {
            return Err(Silence::Credentials);
        }
        let rules = self.rules;
        match rules.numbered_services().find(|(number, _)| *number == item.server_type) {
            Some((_, service)) => {
                let Target::File(name) = &service.target else { return Err(Silence::OtherServer(item.server_type)) };
                let file = layered(name, item.layer);
                if service.server.is_none() && !is_url(&file) && !self.finds(&file) {
                    return Err(self.no_file());
                }
                Ok(self.service_choice(service, file, String::new(), Shape::Chosen(item)))
            }
            None if rules.services.is_empty() || item.server_type == OWN_SERVER_TYPE => {
                let mut choice = match self.client.program {
                    Program::Ipxe { .. } | Program::Gpxe => self.ipxe()?,
                    _ => self.firmware()?,
                };
                choice.shape = Shape::Chosen(item);
                Ok(choice)
            }
            None => Err(Silence::OtherServer(item.server_type)),
        }
    }

    /// Menu entries beat boot lines: a ROM that is shown a menu doesn't look at the file beside it.
    fn firmware(&mut self) -> Result<Choice, Silence> {
        let entries = self.entries();
        let files = entries.services.iter().filter(|(_, service)| matches!(service.target, Target::File(_))).count();
        // A menu of one entry chooses itself; the offer may as well name its file. For UEFI dnsmasq does the same
        // (`pxe_uefi_workaround`), and takes entries without files for nothing.
        let only = if entries.uefi { files == 1 } else { entries.services.len() == 1 && !self.options.has_prompt() };
        let with_file = entries.services.iter().find_map(|(_, service)| Some((file_of(service)?, *service)));
        match with_file {
            Some((file, service)) if only => {
                Ok(self.service_choice(service, file, service.server_name.clone(), Shape::Direct))
            }
            _ if !entries.services.is_empty() => Ok(self.menu(&entries)),
            _ => match self.boot_line()? {
                Some(choice) => Ok(choice),
                None => self.customary(),
            },
        }
    }

    /// iPXE is never shown a menu (it would come back to it for ever, iPXE issue 908): of menu entries it gets the first
    /// file it can use, and only if no boot line has one.
    fn ipxe(&mut self) -> Result<Choice, Silence> {
        let mut choice = self.ipxe_file()?;
        self.by_http(&mut choice);
        Ok(choice)
    }

    fn ipxe_file(&mut self) -> Result<Choice, Silence> {
        if let Some(choice) = self.boot_line()? {
            return Ok(choice);
        }
        for (_, service) in self.entries().services {
            let Some(file) = file_of(service) else { continue };
            if needs_more(&file, self.client) {
                return self.fuller_ipxe(&file, &service.origin);
            }
            match unfit(&file, self.client) {
                Some(why) => self.pass_over(&service.origin, &file, why),
                None => return Ok(self.service_choice(service, file, service.server_name.clone(), Shape::Direct)),
            }
        }
        self.customary()
    }

    /// The firmware takes no file's name: it knows what to ask for, and wants to be told that it may, by a menu entry.
    fn raspberry_pi(&mut self) -> Result<Choice, Silence> {
        let tags = self.tags;
        let is_its = |service: &&Service| service.text.contains(raspberry_pi::MENU_TEXT) && tags.meets(&service.when);
        let line = self.rules.services.iter().find(is_its);
        let boot = boots_by_precedence(&self.rules.boots, self.tags).next();
        let server = boot.and_then(|boot| boot.server).unwrap_or(self.router);
        let has = |folder: &String| raspberry_pi::FILES.iter().any(|file| self.files.has(&[folder, *file].concat()));
        if server == self.router && !raspberry_pi::folders(self.request).iter().any(has) {
            let looked_for = raspberry_pi::FILES.iter().map(|file| (*file).to_owned()).collect();
            return Err(Silence::NoFile { looked_for });
        }
        let origin = line.map_or(Origin { file: "".into(), line: 0 }, |line| line.origin.clone());
        let chosen_by = if line.is_some() { ChosenBy::Rule(origin.clone()) } else { ChosenBy::Custom };
        let entry = MenuEntry { origin, server_type: 0, text: raspberry_pi::MENU_TEXT.to_owned(), server: None };
        let shape = Shape::Menu(Menu::of(vec![entry], &self.options.vendor_suboptions()));
        Ok(Choice { server, shape, ..self.own_choice("", chosen_by, None) })
    }

    fn http_boot(&mut self) -> Result<Choice, Silence> {
        let mut choice = match self.boot_line()? {
            Some(choice) => choice,
            None if self.rules.web.is_some() => self.customary()?,
            None => return Err(Silence::NeedsUrl),
        };
        if !is_url(&choice.file) {
            choice.file = self.url(&choice.file, choice.server).ok_or(Silence::NeedsUrl)?;
        }
        choice.shape = Shape::Url;
        Ok(choice)
    }

    /// The menu entries for this client whose files exist, for the first of its architectures that has any.
    fn entries(&mut self) -> Entries<'a> {
        let (rules, tags) = (self.rules, self.tags);
        let holding = |number: u16| {
            let of_number = move |(_, service): &(u16, &Service)| service.architecture == number;
            rules.numbered_services().filter(of_number).filter(|(_, service)| tags.meets(&service.when))
        };
        let mut numbers = self.client.architectures.iter().flat_map(|architecture| architecture.aliases());
        let Some(number) = numbers.find(|number| holding(*number).next().is_some()) else { return Entries::default() };
        let services = holding(number).filter(|(_, service)| self.leads_on(service)).collect();
        let architecture = Architecture(number);
        Entries { services, uefi: architecture.is_uefi_to_dnsmasq(), architecture: Some(architecture) }
    }

    /// True for an entry that leads somewhere. What iPXE can use of it is looked at later.
    fn leads_on(&mut self, service: &Service) -> bool {
        let Some(file) = file_of(service) else { return true };
        let why = match is_url(&file) {
            true if self.client.program == Program::Pxe => Unfit::Url,
            false if service.server.is_none() && !self.finds(&file) => Unfit::Missing,
            _ => return true,
        };
        self.pass_over(&service.origin, &file, why);
        false
    }

    /// The file beside a menu is for clients that ignore menus, as in dnsmasq.
    fn menu(&mut self, entries: &Entries<'_>) -> Choice {
        let beside = self.boot_line().ok().flatten();
        let menu = Menu::of(entries.menu(self.router), &self.options.vendor_suboptions());
        let first = entries.services.first().map(|(_, service)| service.origin.clone());
        Choice {
            file: beside.as_ref().map(|choice| choice.file.clone()).unwrap_or_default(),
            server_name: beside.as_ref().map(|choice| choice.server_name.clone()).unwrap_or_default(),
            server: beside.map_or(self.router, |choice| choice.server),
            chosen_by: first.map_or(ChosenBy::Custom, ChosenBy::Rule),
            shape: if entries.uefi && self.door == Door::Proxy { Shape::AskAgain } else { Shape::Menu(menu) },
            architecture: entries.architecture,
            upgrade: false,
        }
    }

    /// The best boot line that is of use to the client; behind them all, what `dhcp-option=67,…` says.
    fn boot_line(&mut self) -> Result<Option<Choice>, Silence> {
        for boot in boots_by_precedence(&self.rules.boots, self.tags) {
            if boot.file.is_empty() {
                return Ok(None);
            }
            if let Some(choice) = self.named(&boot.file, &boot.server_name, boot.server, &boot.origin)? {
                return Ok(Some(choice));
            }
        }
        let Some((file, origin)) = self.options.boot_file() else { return Ok(None) };
        self.named(&file, &self.options.server_name(), self.options.server(), origin)
    }

    /// The file that a line names, if it is of use to the client.
    fn named(
        &mut self,
        file: &str,
        server_name: &str,
        server: Option<Ipv4Addr>,
        origin: &Origin,
    ) -> Result<Option<Choice>, Silence> {
        if needs_more(file, self.client) {
            return self.fuller_ipxe(file, origin).map(Some);
        }
        let server = server.unwrap_or(self.router);
        if !self.is_useful(file, server, origin) {
            return Ok(None);
        }
        Ok(Some(self.boot_choice(file, server_name, server, origin)))
    }

    fn is_useful(&mut self, file: &str, server: Ipv4Addr, origin: &Origin) -> bool {
        // What another server holds can't be looked up from here.
        let why = match unfit(file, self.client) {
            None if is_url(file) || server != self.router || self.finds(file) => return true,
            None => Unfit::Missing,
            Some(Unfit::NoUrl) if self.url(file, server).is_some() => return true,
            Some(Unfit::NoUrl) if server == self.router && self.rules.web.is_some() && !self.finds(file) => {
                Unfit::Missing
            }
            Some(why) => why,
        };
        self.pass_over(origin, file, why);
        false
    }

    pub(super) fn boot_choice(&self, file: &str, server_name: &str, server: Ipv4Addr, origin: &Origin) -> Choice {
        Choice {
            file: file.to_owned(),
            server_name: server_name.to_owned(),
            server,
            chosen_by: ChosenBy::Rule(origin.clone()),
            shape: Shape::Direct,
            architecture: None,
            upgrade: false,
        }
    }

    pub(super) fn service_choice(&self, service: &Service, file: String, server_name: String, shape: Shape) -> Choice {
        let server = service.server.unwrap_or(self.router);
        let chosen_by = ChosenBy::Rule(service.origin.clone());
        let architecture = Some(Architecture(service.architecture));
        Choice { file, server_name, server, chosen_by, shape, architecture, upgrade: false }
    }

    /// `option script`, then the customary names, on the server that the rules name.
    fn customary(&mut self) -> Result<Choice, Silence> {
        let rule = boots_by_precedence(&self.rules.boots, self.tags).next();
        let server = rule.and_then(|boot| boot.server).unwrap_or(self.router);
        let mut choice = self.customary_file(server == self.router)?;
        choice.server_name = rule.map(|boot| boot.server_name.clone()).unwrap_or_default();
        choice.server = server;
        Ok(choice)
    }

    fn customary_file(&mut self, ours: bool) -> Result<Choice, Silence> {
        let (rules, client) = (self.rules, self.client);
        if let Some(choice) = self.machines_own().or_else(|| self.groups()).filter(|_| ours) {
            return Ok(choice);
        }
        if let Some(script) = rules.script.as_deref().filter(|_| client.is_ipxe()) {
            let origin = Origin { file: "option script".into(), line: 0 };
            if needs_more(script, client) {
                return self.fuller_ipxe(script, &origin);
            }
            if is_url(script) || !ours || self.finds(script) {
                return Ok(self.own_choice(script, ChosenBy::Script, None));
            }
            self.pass_over(&origin, script, Unfit::Missing);
        }
        let names = customary_names(client);
        if names.is_empty() {
            return Err(Silence::UnknownArchitecture(client.architectures.first().copied()));
        }
        let mut names = names.into_iter();
        let found = match ours {
            // The menu is for those for whom there is something in it; a file of that name is for all.
            true => names.find(|(name, _)| match *name {
                menu::SCRIPT => {
                    menu::has_any(&rules.menu, self.machine) || rules.menu.entries.is_empty() && self.files.has(name)
                }
                name => self.finds(name),
            }),
            false => names.find(|(name, _)| *name != menu::SCRIPT),
        };
        match found {
            Some((menu::SCRIPT, _)) => Ok(self.own_choice(menu::SCRIPT, ChosenBy::Menu, None)),
            Some((name, architecture)) => Ok(self.own_choice(name, ChosenBy::Custom, architecture)),
            None => Err(self.no_file()),
        }
    }

    /// The file that is there for this very machine: an iPXE script called after its UUID or its address, or any customary
    /// file in a folder called after its address. The names are made of bytes written in hex, and lead nowhere else.
    fn machines_own(&self) -> Option<Choice> {
        let client = self.client;
        let mac = hyphened(&self.request.chaddr.0);
        let mut names = Vec::new();
        if matches!(client.program, Program::Ipxe { .. }) {
            // As iPXE shows it; then as it was sent, which is what some tools show.
            if let Some(uuid) = self.machine.uuid {
                for uuid in [uuid, uuid_as_written(uuid)] {
                    names.push(([OWN_SCRIPTS, &hyphened(&uuid), ".ipxe"].concat(), None));
                }
            }
            names.push(([OWN_SCRIPTS, &mac, ".ipxe"].concat(), None));
        }
        // One look instead of one for each name: hardly any machine has a folder.
        if self.files.may_have_folder(&mac) {
            let customary = customary_names(client).into_iter();
            names.extend(customary.map(|(name, architecture)| ([&mac, "/", name].concat(), architecture)));
        }
        let (name, architecture) = names.into_iter().find(|(name, _)| self.has(name))?;
        Some(self.own_choice(&name, ChosenBy::Machine, architecture))
    }

    /// The iPXE script that is there for machines that carry a tag, called after the tag: the first of them in the order in
    /// which they were set.
    fn groups(&self) -> Option<Choice> {
        let is_name = |tag: &&str| tag.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
        let tags = self.tags.iter().map(|(tag, _)| tag).filter(is_name);
        let mut named = tags.map(|tag| (tag, [GROUP_SCRIPTS, tag, ".ipxe"].concat()));
        let is_ipxe = matches!(self.client.program, Program::Ipxe { .. });
        let (tag, name) = named.find(|(_, name)| is_ipxe && self.files.has(name))?;
        Some(self.own_choice(&name, ChosenBy::Group(tag.to_owned()), None))
    }

    /// A file that no line names.
    pub(super) fn own_choice(&self, file: &str, chosen_by: ChosenBy, architecture: Option<Architecture>) -> Choice {
        let (file, server_name, shape) = (file.to_owned(), String::new(), Shape::Direct);
        Choice { file, server_name, server: self.router, chosen_by, shape, architecture, upgrade: false }
    }

    /// True for a file that this client can be sent.
    fn has(&self, name: &str) -> bool {
        if self.client.program == Program::HttpBoot {
            self.files.web_path(name).is_some()
        } else {
            self.files.has(name)
        }
    }

    pub(super) fn finds(&mut self, name: &str) -> bool {
        let found = self.has(name);
        if !found && !self.looked_for.iter().any(|known| known == name) {
            self.looked_for.push(name.to_owned());
        }
        found
    }

    fn no_file(&mut self) -> Silence {
        Silence::NoFile { looked_for: std::mem::take(&mut self.looked_for) }
    }

    pub(super) fn pass_over(&mut self, origin: &Origin, file: &str, why: Unfit) {
        self.passed_over.push(PassedOver { origin: origin.clone(), file: file.to_owned(), why });
    }
}

/// Menu entries for one client, with their server types.
#[derive(Default)]
struct Entries<'r> {
    services: Vec<(u16, &'r Service)>,
    uefi: bool,
    architecture: Option<Architecture>,
}

impl Entries<'_> {
    /// dnsmasq `pxe_opts`: whoever asks for a file of ours asks us, even where another server sends it.
    fn menu(&self, router: Ipv4Addr) -> Vec<MenuEntry> {
        let entry = |(number, service): &(u16, &Service)| MenuEntry {
            origin: service.origin.clone(),
            server_type: *number,
            text: service.text.clone(),
            server: if matches!(service.target, Target::File(_)) { Some(router) } else { service.server },
        };
        self.services.iter().map(entry).collect()
    }
}

/// The lines whose tags hold, best first (dnsmasq `find_boot`): those with tags, then those without; of each the last one
/// written first.
pub fn boots_by_precedence<'r>(boots: &'r [Boot], tags: &TagSet) -> impl Iterator<Item = &'r Boot> {
    let matching = boots.iter().rev().filter(|boot| tags.meets(&boot.when));
    let (tagged, untagged): (Vec<&Boot>, Vec<&Boot>) = matching.partition(|boot| !boot.when.is_empty());
    tagged.into_iter().chain(untagged)
}

/// The file of a menu entry as a client asks for it first.
pub fn file_of(service: &Service) -> Option<String> {
    match &service.target {
        Target::File(name) => Some(layered(name, 0)),
        Target::Local | Target::Type(_) => None,
    }
}

/// PXE numbers the files of a boot server: `name.0`, `name.1`; a name with a dot is taken as it is (dnsmasq since 2.76).
fn layered(name: &str, layer: u16) -> String {
    if name.contains('.') { name.to_owned() } else { [name, ".", &layer.to_string()].concat() }
}

/// Why a file is of no use to this client, if it isn't.
fn unfit(file: &str, client: &Client) -> Option<Unfit> {
    match client.program {
        Program::HttpBoot => (!is_url(file)).then_some(Unfit::NoUrl),
        Program::Pxe => is_url(file).then_some(Unfit::Url),
        // The loop of every second recipe: iPXE told to load iPXE.
        Program::Ipxe { .. } => is_ipxe_binary(file).then_some(Unfit::Loop),
        Program::Gpxe => is_gpxe_binary(file).then_some(Unfit::Loop),
        Program::RaspberryPi => None,
    }
}

/// The customary names for a client, best first; for each architecture that it listed, in its order.
fn customary_names(client: &Client) -> Vec<(&'static str, Option<Architecture>)> {
    let scripts: &[&str] = match client.program {
        Program::Ipxe { .. } => IPXE_SCRIPTS,
        Program::Gpxe => GPXE_SCRIPTS,
        Program::Pxe | Program::HttpBoot | Program::RaspberryPi => &[],
    };
    let mut names: Vec<_> = scripts.iter().map(|script| (*script, None)).collect();
    for architecture in &client.architectures {
        for loader in architecture.loaders() {
            let is_itself = matches!((loader, client.program), (Loader::Ipxe(_), Program::Ipxe { .. }));
            if !is_itself {
                names.push((loader.name(), Some(*architecture)));
            }
        }
    }
    names
}
