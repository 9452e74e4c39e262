//! How soon a request is answered, idle and while 32 transfers run, beside the kernel's own floor.

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::client::{self, Job};
use crate::servers::{Kind, SMALL_FILE, Server};
use crate::sys;

/// Clients of the load.
const LOAD: usize = 32;

/// What was asked, of whom, and under which load; and all the times it took, sorted.
#[derive(Debug)]
pub struct Latency {
    pub question: &'static str,
    pub of: Kind,
    pub is_loaded: bool,
    pub times: Vec<Duration>,
}

impl Latency {
    pub fn at(&self, percent: usize) -> Duration {
        self.times.get(self.times.len() * percent / 100).or(self.times.last()).copied().unwrap_or_default()
    }
}

/// Asks all servers in turn, `count` times.
pub fn measure(servers: &[Server], count: usize) -> io::Result<Vec<Latency>> {
    let mut results = ask_in_turn(servers, count, false)?;
    if let Some(upxe) = servers.iter().find(|server| server.kind == Kind::Upxe) {
        let mut load = Command::new(std::env::current_exe()?);
        load.args(["--act-as", "load", &upxe.address.ip().to_string()]).stdin(Stdio::null());
        // SAFETY: the closure makes one system call, and allocates nothing.
        unsafe { load.pre_exec(sys::die_with_parent) };
        let mut load = load.spawn()?;
        std::thread::sleep(Duration::from_millis(300));
        // The others idle beside it: what they take longer now is the busy core's doing.
        let loaded = ask_in_turn(servers, count, true);
        load.kill()?;
        load.wait()?;
        results.extend(loaded?);
    }
    Ok(results)
}

/// Fetches from `server` without end, over a line as long as real ones are: without it the clients would keep the core
/// busy themselves, and all that could be measured is when the scheduler takes it from them.
pub fn load(server: Ipv4Addr) -> io::Result<()> {
    let round_trip = Duration::from_millis(1);
    loop {
        client::play(&Job { clients: LOAD, round_trip, ..Job::simple(SocketAddrV4::new(server, 69), "2M", 1468, 1) })?;
    }
}

fn ask_in_turn(servers: &[Server], count: usize, is_loaded: bool) -> io::Result<Vec<Latency>> {
    let mut results: Vec<_> = servers
        .iter()
        .filter(|server| server.kind != Kind::Blaster)
        .map(|server| {
            let question = "read request to first DATA";
            (server, Latency { question, of: server.kind, is_loaded, times: Vec::new() })
        })
        .collect();
    for server in servers.iter().filter(|server| server.kind == Kind::Upxe) {
        let question = "DISCOVER to OFFER";
        results.push((server, Latency { question, of: server.kind, is_loaded, times: Vec::new() }));
    }
    for _ in 0..count {
        for (server, latency) in &mut results {
            let time = if latency.question.starts_with("DISCOVER") { discover(server)? } else { read(server)? };
            latency.times.extend(time);
        }
    }
    Ok(results
        .into_iter()
        .map(|(_, mut latency)| {
            latency.times.sort();
            latency
        })
        .collect())
}

/// `None` when there was no answer.
fn read(server: &Server) -> io::Result<Option<Duration>> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    socket.set_read_timeout(Some(Duration::from_millis(500)))?;
    let request = format!("\0\x01{SMALL_FILE}\0octet\0");
    let mut packet = [0; sys::PACKET];
    let start = Instant::now();
    socket.send_to(request.as_bytes(), server.address)?;
    let answer = socket.recv_from(&mut packet);
    let time = start.elapsed();
    let Ok((_, from)) = answer else { return Ok(None) };
    socket.send_to(b"\0\x04\0\x01", from)?;
    Ok(Some(time))
}

/// A UEFI machine asks for an address and a boot file.
fn discover(server: &Server) -> io::Result<Option<Duration>> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 68))?;
    sys::bind_to_device(&socket, &server.device)?;
    socket.set_broadcast(true)?;
    socket.set_read_timeout(Some(Duration::from_millis(500)))?;
    let mut packet = vec![0; 240];
    packet[..4].copy_from_slice(&[1, 1, 6, 0]);
    packet[10] = 0x80;
    packet[28..34].copy_from_slice(&[2, 0, 0, 0, 0, 7]);
    packet[236..240].copy_from_slice(&[99, 130, 83, 99]);
    for (code, value) in [
        (53, &[1][..]),
        (55, &[1, 3, 43, 54, 60, 66, 67, 97]),
        (57, &[5, 192]),
        (60, b"PXEClient:Arch:00007:UNDI:003016"),
        (93, &[0, 7]),
        (94, &[1, 3, 16]),
        (97, &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]),
    ] {
        packet.extend([code, value.len() as u8]);
        packet.extend(value);
    }
    packet.push(255);
    let mut answer = [0; sys::PACKET];
    let start = Instant::now();
    socket.send_to(&packet, (Ipv4Addr::BROADCAST, 67))?;
    let time = socket.recv(&mut answer).ok().map(|_| start.elapsed());
    Ok(time)
}
