//! The TFTP server alone, without the rest of upxe: `serve ROOT PORT [LINK_TARGET…]`. For measurements.

use std::io;
use std::time::Instant;

use upxe::config::{self, Rules};
use upxe::daemon::machines::Machines;
use upxe::daemon::transfers::{Entrance, Transfers};
use upxe::proxy::clients::Clients;
use upxe::sys::epoll::{Epoll, Events};
use upxe::sys::udp::UdpListener;

fn main() -> io::Result<()> {
    simple_logger::init_with_level(log::Level::Info).map_err(io::Error::other)?;
    let mut arguments = std::env::args().skip(1);
    let (Some(root), Some(port)) = (arguments.next(), arguments.next()) else {
        return Err(io::Error::other("usage: serve ROOT PORT [LINK_TARGET…]"));
    };
    let config = config::Tftp {
        enabled: true,
        root: root.into(),
        allow: arguments.map(Into::into).collect(),
        max_transfers: 1024,
        limits: config::TftpLimits { client_transfers: 1024, ..Default::default() },
        single_port: false,
    };
    let rules = &Rules::default();
    let mut transfers = Transfers::new(&config, rules);
    let listener = UdpListener::bind(port.parse().map_err(io::Error::other)?)?;
    let epoll = Epoll::new()?;
    epoll.add(&listener, 0)?;
    let machines = &Machines { clients: &Clients::default(), rules, links: &[] };
    let entrance = Entrance { listener: &listener, epoll: &epoll, machines };
    let (mut buffer, mut events) = ([0; 2048], Events::default());
    loop {
        let timeout = transfers.next_deadline().map(|deadline| deadline.saturating_duration_since(Instant::now()));
        let ready = epoll.wait(&mut events, timeout)?;
        let now = Instant::now();
        for token in ready {
            if Transfers::owns(token) {
                transfers.on_ready(now, Some(entrance), token);
            } else if let Some(received) = listener.receive(&mut buffer)? {
                transfers.on_request(now, entrance, &buffer[..received.len], &received, None);
            }
        }
        transfers.on_deadline(now);
    }
}
