//! The real dnsmasq in a network namespace of its own, a client's socket in ours, and upxe's core in this very process:
//! all requests go to both.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io::{BufRead, BufReader, ErrorKind};
use std::net::{Ipv4Addr, UdpSocket};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use upxe::config::Rules;
use upxe::config::diagnostic::Diagnostic;
use upxe::config::dnsmasq::Collected;
use upxe::config::dnsmasq::files::{ConfReader, NoFiles};
use upxe::config::hosts::Hosts;
use upxe::config::rules::Target;
use upxe::proxy::{self, Arrival, BootFiles, Decision, Door, matching};
use upxe::wire::reply;
use upxe::wire::request::Request;

use crate::clients::{ADDRESS, Client};

/// dnsmasq's address.
pub const ROUTER: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);
const MASK: Ipv4Addr = Ipv4Addr::new(255, 255, 255, 0);

/// The transaction ids of requests that tell by their log lines that all before them are dealt with.
const LAST_ON_67: u32 = 0x7fff_0001;
const LAST_ON_4011: u32 = 0x7fff_0002;

/// What dnsmasq is run as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// A PXE proxy.
    Proxy,
    /// A DHCP server, where `dhcp-option` and the like act.
    Server,
}

/// One request, and what both made of it.
pub struct Exchange {
    pub door: Door,
    /// The menu entry it asked for.
    pub item: Option<u16>,
    pub xid: u32,
    pub request: Vec<u8>,
    /// dnsmasq's reply and, if it logged them, the tags.
    pub theirs: Option<Vec<u8>>,
    pub their_tags: Option<BTreeSet<String>>,
    /// upxe's.
    pub decision: Decision,
    /// Its tags but for the address range's.
    pub early_tags: BTreeSet<String>,
    pub ours: Option<Vec<u8>>,
}

/// Namespaces, devices and the socket.
pub struct Bench {
    keeper: Child,
    socket: UdpSocket,
    folder: PathBuf,
}

impl Bench {
    /// Joins this namespace to another by a pair of devices: `c0` here, `d0` there.
    pub fn set_up() -> Self {
        let keeper = Command::new("unshare").args(["--net", "--", "sleep", "900"]).spawn().expect("unshare");
        let there = format!("/proc/{}/ns/net", keeper.id());
        let here = std::fs::read_link("/proc/self/ns/net").unwrap();
        while std::fs::read_link(&there).map_or(true, |there| there == here) {
            std::thread::sleep(Duration::from_millis(5));
        }
        let pid = keeper.id().to_string();
        ip(&["link", "add", "c0", "type", "veth", "peer", "name", "d0", "netns", &pid]);
        ip(&["addr", "add", "10.77.0.77/24", "dev", "c0"]);
        ip(&["link", "set", "c0", "up"]);
        ip(&["route", "add", "default", "dev", "c0"]);
        for arguments in ["addr add 10.77.0.1/24 dev d0", "link set d0 up", "link set lo up"] {
            let done = Command::new("nsenter").args(["-t", &pid, "-n", "ip"]).args(arguments.split(' ')).status();
            assert!(done.expect("nsenter").success(), "ip {arguments}");
        }
        let socket = UdpSocket::bind("0.0.0.0:68").expect("port 68 in a new namespace");
        socket.set_broadcast(true).unwrap();
        socket.set_nonblocking(true).unwrap();
        let folder = std::env::temp_dir().join(format!("upxe-differential-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        Bench { keeper, socket, folder }
    }

    /// Puts all requests of all clients to both; the exchanges of each client.
    pub fn run(&mut self, config: &str, mode: Mode, clients: &[Client]) -> Vec<Vec<Exchange>> {
        let mut rules = rules(config);
        // As a proxy dnsmasq never heeds it: names stand in the header.
        rules.no_override |= mode == Mode::Proxy;
        let mut all: Vec<Vec<Exchange>> =
            clients.iter().map(|client| exchanges(config, &rules, mode, client)).collect();
        let (mut replies, mut tags) = self.ask_dnsmasq(config, mode, all.iter().flatten());
        for exchange in all.iter_mut().flatten() {
            exchange.theirs = replies.remove(&exchange.xid);
            exchange.their_tags = tags.remove(&exchange.xid);
        }
        all
    }

    fn ask_dnsmasq<'e>(
        &mut self,
        config: &str,
        mode: Mode,
        exchanges: impl Iterator<Item = &'e Exchange>,
    ) -> (BTreeMap<u32, Vec<u8>>, BTreeMap<u32, BTreeSet<String>>) {
        let mut dnsmasq = Dnsmasq::start(self.keeper.id(), &self.folder, config);
        let mut replies = BTreeMap::new();
        let send = |packet: &[u8], door: Door| match door {
            Door::Proxy => self.socket.send_to(packet, "255.255.255.255:67").unwrap(),
            Door::BootServer => self.socket.send_to(packet, (ROUTER, 4011)).unwrap(),
        };
        for exchange in exchanges {
            send(&exchange.request, exchange.door);
        }
        send(&last(LAST_ON_67), Door::Proxy);
        dnsmasq.wait_for(LAST_ON_67);
        if mode == Mode::Proxy {
            send(&last(LAST_ON_4011), Door::BootServer);
            dnsmasq.wait_for(LAST_ON_4011);
        }
        let mut buffer = [0; 2048];
        loop {
            match self.socket.recv(&mut buffer) {
                Ok(len) => {
                    let xid = u32::from_be_bytes(buffer[4..8].try_into().unwrap());
                    replies.insert(xid, buffer[..len].to_vec());
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => panic!("{error}"),
            }
        }
        (replies, dnsmasq.tags())
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        let _ = self.keeper.kill();
        let _ = self.keeper.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn ip(arguments: &[&str]) {
    assert!(Command::new("ip").args(arguments).status().expect("ip").success(), "ip {arguments:?}");
}

/// A request of no interest but for its log line.
fn last(xid: u32) -> Vec<u8> {
    let client = Client { mac: [2, 0, 0, 0, 0, 9], xid, secs: 0, broadcast: true, options: Vec::new() };
    client.message(xid, 1, [0; 4], None)
}

/// A running dnsmasq.
struct Dnsmasq {
    process: Child,
    log: Receiver<String>,
    lines: Vec<String>,
}

impl Dnsmasq {
    fn start(namespace: u32, folder: &std::path::Path, config: &str) -> Self {
        let file = folder.join("dnsmasq.conf");
        let own = "port=0\nno-ping\nleasefile-ro\nlog-dhcp\nlog-facility=-\nuser=root\ngroup=root\ninterface=d0\n\
            except-interface=lo\ndhcp-authoritative\npid-file=\n";
        std::fs::write(&file, format!("{own}{config}\n")).unwrap();
        let mut process = Command::new("nsenter")
            .args(["-t", &namespace.to_string(), "-n", "dnsmasq", "-k", "-C"])
            .arg(&file)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("dnsmasq");
        let (sender, log) = channel();
        let stderr = BufReader::new(process.stderr.take().unwrap());
        std::thread::spawn(move || stderr.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        let mut dnsmasq = Dnsmasq { process, log, lines: Vec::new() };
        dnsmasq.wait("started, version", config);
        dnsmasq.wait("DHCP,", config);
        dnsmasq
    }

    fn wait_for(&mut self, xid: u32) {
        self.wait(&format!("{xid} available DHCP"), "");
    }

    fn wait(&mut self, text: &str, config: &str) {
        while !self.lines.last().is_some_and(|line| line.contains(text)) {
            match self.log.recv_timeout(Duration::from_secs(5)) {
                Ok(line) => self.lines.push(line),
                Err(_) => panic!("dnsmasq doesn't say {text:?}:\n{}\n{config}", self.lines.join("\n")),
            }
        }
    }

    /// The tags of each transaction, as logged.
    fn tags(&self) -> BTreeMap<u32, BTreeSet<String>> {
        let of_line = |line: &String| {
            let (before, tags) = line.split_once(" tags: ")?;
            let xid = before.rsplit(' ').next()?.parse().ok()?;
            Some((xid, tags.split(", ").map(str::to_owned).collect()))
        };
        self.lines.iter().filter_map(of_line).collect()
    }
}

impl Drop for Dnsmasq {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// upxe's reading of the lines, which must be without complaint.
pub fn rules(config: &str) -> Rules {
    let (mut collected, mut out): (_, Vec<Diagnostic>) = (Collected::default(), Vec::new());
    let hosts = Hosts { text: b"", sections: &[] };
    ConfReader::new(&mut NoFiles, &hosts, &mut collected, &mut out).text(&"lines".into(), config.as_bytes());
    let complaints: Vec<String> = out.iter().map(ToString::to_string).collect();
    assert!(complaints.is_empty(), "{}\n{config}", complaints.join("\n"));
    Rules { no_override: collected.no_override, ..collected.rules }
}

/// Files exist if a line names them: customary names don't.
struct Named<'c>(&'c str);

impl BootFiles for Named<'_> {
    fn has(&self, name: &str) -> bool {
        self.0.contains(name) || name.strip_suffix(".0").is_some_and(|name| self.0.contains(name))
    }
}

fn exchanges(config: &str, rules: &Rules, mode: Mode, client: &Client) -> Vec<Exchange> {
    let exchange = |number: u32, door, item| {
        let xid = client.xid + number;
        let request = match door {
            Door::Proxy => client.message(xid, 1, [0; 4], None),
            Door::BootServer => client.message(xid, 3, ADDRESS, item),
        };
        let arrival = Arrival { door, interface: "d0", device: "d0", router: ROUTER, mask: MASK };
        let (decision, ours) = ask_upxe(config, rules, &arrival, &request);
        let (carried, _) = matching::carried(rules, &arrival, &Request::read(&request).unwrap());
        let early_tags = carried.early.iter().map(|(tag, _)| tag.to_owned()).collect();
        Exchange { door, item, xid, request, theirs: None, their_tags: None, decision, early_tags, ours }
    };
    let mut all = vec![exchange(0, Door::Proxy, None)];
    if mode == Mode::Proxy {
        all.push(exchange(1, Door::BootServer, None));
        // Every entry's number, and one that nobody has.
        let mut numbers: Vec<u16> = rules.numbered_services().map(|(number, _)| number).collect();
        let files = rules.services.iter().filter(|service| matches!(service.target, Target::File(_))).count();
        numbers.push(0x8000 + files as u16);
        numbers.dedup();
        all.extend(
            numbers.into_iter().take(12).zip(2..).map(|(item, number)| exchange(number, Door::BootServer, Some(item))),
        );
    }
    all
}

fn ask_upxe(config: &str, rules: &Rules, arrival: &Arrival<'_>, request: &[u8]) -> (Decision, Option<Vec<u8>>) {
    let request = Request::read(request).expect("a request of our own making");
    let decision = proxy::decide(rules, &Named(config), arrival, &request, &proxy::clients::Past::default());
    let written = match &decision.outcome {
        Ok(offer) => {
            let answer = proxy::answer(rules, arrival, &request, offer);
            let limit = reply::size_limit(request.max_message_size());
            Some(reply::write(&answer, proxy::overload(rules, &offer.client), limit).bytes.to_vec())
        }
        _ => None,
    };
    (decision, written)
}

impl fmt::Display for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "--- {:?}, item {:04x?}", self.door, self.item)?;
        writeln!(f, "  dnsmasq: tags {:?}", self.their_tags)?;
        show(f, self.theirs.as_deref())?;
        writeln!(f, "  upxe: tags {}", self.decision.tags)?;
        if let Err(silence) = &self.decision.outcome {
            writeln!(f, "    silent: {silence}")?;
        }
        self.decision.passed_over.iter().try_for_each(|passed| writeln!(f, "    passed over {passed}"))?;
        show(f, self.ours.as_deref())
    }
}

fn show(f: &mut fmt::Formatter<'_>, reply: Option<&[u8]>) -> fmt::Result {
    match reply {
        None => writeln!(f, "    no reply"),
        Some(reply) => crate::compare::Fields::of(reply).0.iter().try_for_each(|(name, value)| {
            let end = value.iter().rposition(|&byte| byte != 0).map_or(0, |at| at + 1);
            writeln!(f, "    {name}: {}", value[..end].escape_ascii())
        }),
    }
}
