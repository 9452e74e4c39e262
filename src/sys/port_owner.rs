//! Who holds a port, as far as `/proc` tells; for messages only.

use std::fs;
use std::path::{Path, PathBuf};

/// The program that is bound to UDP port `port`, as `name (process id)`; `None` if it can't be known, which without
/// root is the usual case.
pub fn name(port: u16) -> Option<String> {
    find("udp", port).map(|(name, _)| name)
}

/// The same for who listens on a TCP port.
pub fn listener(port: u16) -> Option<String> {
    find("tcp", port).map(|(name, _)| name)
}

/// The same as [`name`], and whether it holds one of the ports `others` as well.
pub fn name_and_whether_of(port: u16, others: &[u16]) -> Option<(String, bool)> {
    let (name, process) = find("udp", port)?;
    let has_other = others.iter().any(|other| holds_any(&process, &inodes("udp", *other)));
    Some((name, has_other))
}

fn find(protocol: &str, port: u16) -> Option<(String, PathBuf)> {
    let inodes = inodes(protocol, port);
    if inodes.is_empty() {
        return None;
    }
    for process in fs::read_dir("/proc").ok()?.flatten().map(|entry| entry.path()) {
        if holds_any(&process, &inodes)
            && let Some(name) = name_of(&process)
        {
            return Some((name, process));
        }
    }
    None
}

/// How a process is spoken of; besides processes there are links to our own, such as "self".
fn name_of(process: &Path) -> Option<String> {
    let pid: u32 = process.file_name()?.to_str()?.parse().ok()?;
    let command = fs::read_to_string(process.join("comm")).ok()?;
    // Whoever runs it chose the name: it may hold anything. (The tables behind `escape_debug` are 6 KB.)
    let name = command.trim().escape_default().to_string();
    Some([&name, " (process ", &pid.to_string(), ")"].concat())
}

/// True when somebody is bound to UDP port `port`.
pub fn is_bound(port: u16) -> bool {
    !inodes("udp", port).is_empty()
}

/// The sockets bound to a port; one for IPv6 holds it for IPv4 as well, unless it was made not to.
fn inodes(protocol: &str, port: u16) -> Vec<String> {
    let mut inodes = Vec::new();
    for version in ["", "6"] {
        let table = fs::read_to_string(["/proc/self/net/", protocol, version].concat()).unwrap_or_default();
        for inode in table.lines().skip(1).filter_map(|line| inode_of(line, port)) {
            inodes.push(inode.to_owned());
        }
    }
    inodes
}

/// A line of proc(5)'s `/proc/net/udp` and `tcp`: number, local address:port in hex, …, state, …, inode as the tenth field.
fn inode_of(line: &str, port: u16) -> Option<&str> {
    /// TCP_LISTEN, and what an open UDP socket has (include/net/tcp_states.h: TCP_CLOSE).
    const STATES: [&str; 2] = ["0A", "07"];
    let mut fields = line.split_ascii_whitespace();
    let (_, local_port) = fields.nth(1)?.rsplit_once(':')?;
    if u32::from_str_radix(local_port, 16) != Ok(port.into()) || !STATES.contains(&fields.nth(1)?) {
        return None;
    }
    fields.nth(5)
}

/// True when one of the process's descriptors is one of these sockets.
fn holds_any(process: &Path, inodes: &[String]) -> bool {
    let Ok(descriptors) = fs::read_dir(process.join("fd")) else { return false };
    descriptors.flatten().any(|entry| {
        let target = fs::read_link(entry.path()).unwrap_or_default();
        let inode = target.to_str().and_then(|target| target.strip_prefix("socket:[")?.strip_suffix(']'));
        inode.is_some_and(|inode| inodes.iter().any(|wanted| wanted == inode))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::UdpSocket;

    #[test]
    fn a_line_names_its_inode() {
        let line =
            "  77: 00000000:0045 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 4711 2 0 0";
        assert_eq!(inode_of(line, 69), Some("4711"));
        assert_eq!(inode_of(line, 67), None);
        assert_eq!(inode_of("", 69), None);
        assert_eq!(inode_of("a b:c", 69), None);
    }

    #[test]
    fn we_find_ourselves() {
        let listening = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let owner = listener(listening.local_addr().unwrap().port()).unwrap();
        assert!(owner.contains(&std::process::id().to_string()), "{owner}");
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let owner = name(socket.local_addr().unwrap().port()).unwrap();
        assert!(owner.contains(&std::process::id().to_string()), "{owner}");
        let port = socket.local_addr().unwrap().port();
        let beside = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        assert_eq!(name_and_whether_of(port, &[beside]), Some((owner.clone(), false)), "closed again");
        assert_eq!(name_and_whether_of(port, &[beside, port]), Some((owner, true)));
    }
}
