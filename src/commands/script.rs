//! `upxe script`: what TFTP would send a machine under a name, be it a menu, a template or a file, by the very code that
//! sends it.

use std::path::Path;
use std::process::ExitCode;

use crate::commands::complain;
use crate::commands::explain::packet::hex;
use crate::commands::explain::{self, Description};
use crate::config::Overrides;
use crate::config::files::load_from;
use crate::daemon::files::{Asker, Files};
use crate::menu;
use crate::menu::template::{self, Also};
use crate::proxy::client::Client;
use crate::proxy::{Door, machine, matching};
use crate::tftp::path::SafePath;
use crate::wire::frame::Mac;
use crate::wire::request::Request;

/// Bytes that are printed at most.
const MAX_SHOWN: usize = 1 << 20;

/// What the command line asks.
#[derive(Debug, Default)]
pub struct ScriptArgs {
    /// The name that is asked for.
    pub name: Option<String>,
    /// `--dialect`, which stands for the usual name in it.
    pub dialect: Option<String>,
    /// The machine.
    pub client: Description,
    /// `--host`.
    pub host: Option<String>,
    /// `--router`.
    pub router: Option<String>,
}

/// Loaders, and the names under which they look for their menu.
const DIALECTS: [(&str, &str); 3] =
    [("ipxe", menu::SCRIPT), ("pxelinux", "pxelinux.cfg/default"), ("grub", "grub/grub.cfg")];

/// Prints the text on standard output; fails if there is none.
#[inline(never)]
pub fn run(confdir: &Path, overrides: &Overrides, question: ScriptArgs) -> ExitCode {
    match text(confdir, overrides, question) {
        Ok((text, unknown)) => {
            super::print(&text);
            unknown.iter().for_each(|words| complain(format_args!("{words}")));
            ExitCode::SUCCESS
        }
        Err(wrong) => {
            complain(format_args!("{wrong}"));
            ExitCode::FAILURE
        }
    }
}

/// The text, and what is to be said of words in it that should have been replaced.
fn text(confdir: &Path, overrides: &Overrides, question: ScriptArgs) -> Result<(Vec<u8>, Vec<String>), String> {
    let config = explain::usable(load_from(confdir, overrides))?;
    let network = explain::network(&config, question.router.as_deref())?;
    let dialect = question.dialect.as_deref().unwrap_or("ipxe");
    let usual = DIALECTS.iter().find(|(name, _)| *name == dialect).map(|(_, usual)| *usual);
    let usual = usual.ok_or_else(|| format!("--dialect: found '{dialect}', expected ipxe, pxelinux or grub"))?;
    let name = question.name.as_deref().unwrap_or(usual);
    let files = Files::new(&config.tftp, &config.rules);
    let path = SafePath::new(name.as_bytes(), files.root()).map_err(|why| format!("{name}: {why}"))?;

    let arrival = network.arrival(Door::Proxy);
    let is_ipxe = question.name.is_none() && dialect == "ipxe" || name.ends_with(".ipxe");
    let mut client = Description { ipxe: is_ipxe, ..question.client };
    if let Some(host) = &question.host {
        client.options.push(format!("12={}", hex(host.as_bytes(), "")));
    }
    let packet = client.packet(network.router)?;
    let request = Request::read(&packet).map_err(|_| "no such client can be".to_owned())?;
    let (carried, _) = matching::carried(&config.rules, &arrival, &request);
    let mut machine = machine::of(&request, Client::recognise(&request, &config.rules.pxe_vendors).as_ref(), &carried);
    // Who isn't described is not known.
    machine.mac = machine.mac.filter(|_| client.mac.is_some());
    machine.architecture = machine.architecture.filter(|_| !client.architectures.is_empty());
    let known = |mac: Option<Mac>| match mac.filter(|mac| machine.mac != Some(*mac)) {
        Some(other) => machine::by_mac(&config.rules, &arrival, other),
        None => machine.clone(),
    };
    let found = files.open(&path, &Asker { machine: &known, router: network.router }).map_err(|why| {
        let remedy = files.remedy(&why);
        let root = files.root().escape_ascii().to_string();
        let menus =
            "and no menu of this name ('config entry' sections make menu.ipxe, pxelinux.cfg/default and grub.cfg)";
        let template = if name.ends_with(".ipxe") { format!(" or {name}.tmpl") } else { String::new() };
        let none = || format!("no such file{template} under {root}, {menus}");
        format!("{name}: {}", remedy.unwrap_or_else(none))
    })?;
    let text = found.read_whole(MAX_SHOWN).map_err(|error| format!("{name}: {error}"))?;
    let gaps = match menu::wanted(name) {
        Some(_) => Some(Also::Nothing),
        None => name.ends_with(".ipxe").then_some(Also::Ipxe),
    };
    let unknown = gaps.map(|also| template::unknown(&String::from_utf8_lossy(&text), also)).unwrap_or_default();
    Ok((text, unknown.into_iter().map(|(_, words)| words).collect()))
}
