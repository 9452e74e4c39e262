//! Which machine asks for a file: what it said of itself when it asked to boot, or what its hardware address tells.

use std::net::Ipv4Addr;

use super::links::Link;
use crate::config::Rules;
use crate::menu::Machine;
use crate::proxy::clients::{Clients, Seen};
use crate::proxy::{Door, machine};
use crate::wire::frame::Mac;

/// What is known of the machines that may ask for a file.
#[derive(Clone, Copy)]
pub struct Machines<'a> {
    /// Those that asked to boot, or for a file.
    pub clients: &'a Clients,
    /// The lines by which they get their tags.
    pub rules: &'a Rules,
    /// The networks that they may be on.
    pub links: &'a [Link],
}

impl Machines<'_> {
    /// The machine at `address` on the device with this index; the one with this hardware address, if one is given.
    pub fn find(&self, address: Ipv4Addr, ifindex: u32, mac: Option<Mac>) -> Machine {
        let is_it = |seen: &Seen| mac.map_or_else(|| seen.address == address, |mac| seen.mac == mac);
        let seen = self.clients.iter().find(|seen| is_it(seen));
        if let Some(machine) = seen.and_then(|seen| seen.machine.clone()) {
            return *machine;
        }
        let Some(mac) = mac.or(seen.map(|seen| seen.mac)) else { return Machine::default() };
        let mut ready = self.links.iter().filter_map(|link| Some((link, link.ready()?)));
        match ready.find(|(_, ready)| ready.ifindex() == ifindex) {
            Some((link, ready)) => machine::by_mac(self.rules, &link.arrival(Door::Proxy, ready), mac),
            None => Machine::of(mac),
        }
    }
}
