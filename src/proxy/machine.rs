//! What a request tells of the machine that sent it, as far as menus and scripts look at it.

use super::Arrival;
use super::client::Client;
use super::matching::{self, Carried};
use super::web::says_http;
use crate::config::Rules;
use crate::menu::Machine;
use crate::wire::frame::Mac;
use crate::wire::request::Request;

/// The machine that sent `request`; `client` is what it asks to boot as, if it does.
pub fn of(request: &Request<'_>, client: Option<&Client>, carried: &Carried) -> Machine {
    let mut machine = Machine::of(request.chaddr);
    machine.uuid = request.uuid();
    machine.architecture = client.and_then(|client| client.architectures.first()).map(|it| it.usual().0);
    machine.tags = carried.all.iter().map(|(tag, _)| tag.to_owned()).collect();
    machine.http = says_http(request);
    if let Some(name) = &carried.name {
        machine.set_host(name);
    }
    machine
}

/// A machine of which nothing is known but its hardware address: its tags are those of the lines about that.
pub fn by_mac(rules: &Rules, arrival: &Arrival<'_>, mac: Mac) -> Machine {
    /// A DHCPDISCOVER that says nothing else: header (RFC 2131 §2), magic cookie, option 53, end.
    const BARE: usize = 244;
    const DISCOVER: [u8; 8] = [99, 130, 83, 99, 53, 1, 1, 255];
    let mut packet = [0; BARE];
    let parts: [(usize, &[u8]); 3] = [(0, &[1, 1, 6]), (28, &mac.0), (236, &DISCOVER)];
    for (at, bytes) in parts {
        packet.iter_mut().skip(at).zip(bytes).for_each(|(to, from)| *to = *from);
    }
    match Request::read(&packet) {
        Ok(request) => of(&request, None, &matching::carried(rules, arrival, &request).0),
        Err(_) => Machine::of(mac),
    }
}
