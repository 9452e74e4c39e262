//! The servers that are measured, each in a network namespace of its own, and what they use up.

use std::fs;
use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::client::{self, Job};
use crate::sys;

/// Which server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Upxe,
    Dnsmasq,
    TftpdHpa,
    Atftpd,
    RsTftpd,
    /// Answers each ACK with a block from memory: what the kernel alone costs in lock-step.
    Floor,
    /// Sends a file's blocks with no protocol at all: what the kernel alone costs in windows.
    Blaster,
}

/// Those that are compared.
pub const PEERS: [Kind; 4] = [Kind::Dnsmasq, Kind::TftpdHpa, Kind::Atftpd, Kind::RsTftpd];

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Self::Upxe => "upxe",
            Self::Dnsmasq => "dnsmasq",
            Self::TftpdHpa => "tftpd-hpa",
            Self::Atftpd => "atftpd",
            Self::RsTftpd => "rs-tftpd",
            Self::Floor => "floor",
            Self::Blaster => "blaster",
        }
    }

    fn command(self, place: &Place, address: Ipv4Addr) -> io::Result<Command> {
        let root = place.root();
        let mut command = match self {
            Self::Upxe => {
                let mut command = Command::new(&place.upxe);
                command.arg("run").arg("-c").arg(place.configuration()?).args(["-i", "eth0", "--tftp-root"]).arg(root);
                command
            }
            Self::Dnsmasq => {
                let mut command = Command::new("dnsmasq");
                command.args(["--keep-in-foreground", "--conf-file=/dev/null", "--port=0", "--enable-tftp"]);
                command.args(["--tftp-max=1000", "--user=root", "--log-facility=/dev/null", "--pid-file="]);
                command.arg(format!("--tftp-root={}", root.display()));
                command
            }
            Self::TftpdHpa => {
                let mut command = Command::new(place.peer("tftpd-hpa/usr/sbin/in.tftpd"));
                command.args(["-L", "--secure", "--user", "root", "--address", "0.0.0.0:69"]).arg(root);
                command
            }
            Self::Atftpd => {
                let mut command = Command::new(place.peer("atftpd/usr/sbin/atftpd"));
                command.args(["--daemon", "--no-fork", "--user", "root", "--group", "root", "--maxthread", "1000"]);
                command.args(["--logfile", "/dev/null"]).arg(root);
                command
            }
            Self::RsTftpd => {
                let mut command = Command::new(place.peer("bin/tftpd"));
                command.args(["--read-only", "--quiet", "-i", &address.to_string(), "-d"]).arg(root);
                command
            }
            Self::Floor | Self::Blaster => {
                let mut command = Command::new(std::env::current_exe()?);
                command.args(["--act-as", self.name()]).arg(root);
                command
            }
        };
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        Ok(command)
    }
}

/// Files of so many mebibytes.
pub const FILES: [(&str, usize); 4] = [("1M", 1), ("2M", 2), ("16M", 16), ("64M", 64)];
/// A file of one block.
pub const SMALL_FILE: &str = "small";
/// The file that upxe offers to the machine of [`crate::latency`].
pub const BOOT_FILE: &str = "snponly.efi";

/// Where everything is.
#[derive(Debug)]
pub struct Place {
    pub upxe: PathBuf,
    pub scratch: PathBuf,
}

impl Place {
    pub fn root(&self) -> PathBuf {
        self.scratch.join("root")
    }

    fn peer(&self, path: &str) -> PathBuf {
        self.scratch.join("peers").join(path)
    }

    fn configuration(&self) -> io::Result<PathBuf> {
        let folder = self.scratch.join("config");
        fs::create_dir_all(&folder)?;
        // All clients are one machine here, and more eager than any is.
        let limits = ["tftp_max", "tftp_max_client", "replies", "replies_client"]
            .map(|name| format!("\toption {name} '1024'\n"));
        fs::write(folder.join("upxe"), format!("config upxe 'main'\n\toption enabled '1'\n{}", limits.concat()))?;
        Ok(folder)
    }

    /// A file named `name` of `size` bytes, in which no two blocks are the same.
    pub fn write(&self, name: &str, size: usize) -> io::Result<Vec<u8>> {
        let content: Vec<u8> = (0..size).map(|at| (at * 31 + at / 251 + at / 65_521) as u8).collect();
        fs::create_dir_all(self.root())?;
        if fs::read(self.root().join(name)).ok().as_ref() != Some(&content) {
            fs::write(self.root().join(name), &content)?;
        }
        Ok(content)
    }
}

/// A server that runs.
pub struct Server {
    pub kind: Kind,
    pub address: SocketAddrV4,
    /// Our end of the line to it.
    pub device: String,
    child: Child,
}

impl Server {
    /// Starts a server; `number` tells its network from the others'.
    pub fn start(place: &Place, kind: Kind, number: u8) -> io::Result<Self> {
        let address = Ipv4Addr::new(10, 69, number, 1);
        // The server begins when its network is there: a line on its standard input says so.
        let mut wrapped = Command::new("unshare");
        wrapped.args(["--net", "sh", "-c", "read -r _; exec \"$@\" </dev/null", "sh"]);
        let command = kind.command(place, address)?;
        wrapped.arg(command.get_program()).args(command.get_args());
        wrapped.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        // SAFETY: the closure makes one system call, and allocates nothing.
        unsafe { wrapped.pre_exec(sys::die_with_parent) };
        let mut server = Self {
            kind,
            address: SocketAddrV4::new(address, 69),
            device: format!("bench{number}"),
            child: wrapped.spawn()?,
        };
        server.connect(number)?;
        server.child.stdin.take().map_or(Ok(()), |mut stdin| stdin.write_all(b"go\n"))?;
        server.wait_until_it_serves()?;
        Ok(server)
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    fn connect(&self, number: u8) -> io::Result<()> {
        let pid = self.pid().to_string();
        let ours = fs::read_link("/proc/self/ns/net")?;
        let start = Instant::now();
        while fs::read_link(format!("/proc/{pid}/ns/net")).is_ok_and(|theirs| theirs == ours) {
            if start.elapsed() > Duration::from_secs(10) {
                return Err(io::Error::other("unshare made no network namespace"));
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        let inside = ["-t", &pid, "-n", "ip"];
        let device = &self.device;
        run("ip", &["link", "add", device, "type", "veth", "peer", "name", "eth0", "netns", &pid])?;
        run("ip", &["addr", "add", &format!("10.69.{number}.2/24"), "dev", device])?;
        run("ip", &["link", "set", device, "up"])?;
        run("nsenter", &[&inside[..], &["addr", "add", &format!("10.69.{number}.1/24"), "dev", "eth0"]].concat())?;
        run("nsenter", &[&inside[..], &["link", "set", "lo", "up"]].concat())?;
        run("nsenter", &[&inside[..], &["link", "set", "eth0", "up"]].concat())
    }

    fn wait_until_it_serves(&mut self) -> io::Result<()> {
        if self.kind == Kind::Blaster {
            return Ok(());
        }
        let start = Instant::now();
        let job =
            Job { bare: true, limit: Duration::from_millis(300), ..Job::simple(self.address, SMALL_FILE, 512, 1) };
        while start.elapsed() < Duration::from_secs(20) {
            if let Some(status) = self.child.try_wait()? {
                return Err(io::Error::other(format!("{} ended by itself: {status}", self.kind.name())));
            }
            if client::play(&job).is_ok_and(|outcome| outcome.failed == 0) {
                return Ok(());
            }
        }
        Err(io::Error::other(format!("{} doesn't answer", self.kind.name())))
    }

    /// CPU time used so far by the server and those of its children that still live.
    pub fn cpu_time(&self) -> io::Result<Duration> {
        let children = self.family().into_iter().skip(1);
        Ok(sys::cpu_time(self.pid())? + children.filter_map(|pid| sys::cpu_time(pid).ok()).sum())
    }

    /// The CPU time of a child that has ended is known to nobody.
    pub fn forks(&self) -> bool {
        self.kind == Kind::TftpdHpa
    }

    fn family(&self) -> Vec<u32> {
        let mut family = vec![self.pid()];
        let mut at = 0;
        while let Some(pid) = family.get(at) {
            // One thread's list is enough: none of the servers forks from another.
            let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
            family.extend(children.split_whitespace().filter_map(|pid| pid.parse::<u32>().ok()));
            at += 1;
        }
        family
    }

    /// Proportional memory of the server and its children, in KiB.
    pub fn memory(&self) -> u64 {
        self.family().into_iter().filter_map(proportional_set_size).sum()
    }

    /// System calls that the server and its children make while `work` is done.
    pub fn count_system_calls(&self, scratch: &Path, work: impl FnOnce() -> io::Result<()>) -> io::Result<u64> {
        let output = scratch.join("strace");
        let _ = fs::remove_file(&output);
        let mut strace = Command::new("strace");
        strace.args(["-f", "-qq", "-c", "-p", &self.pid().to_string(), "-o"]).arg(&output);
        let mut strace = strace.stderr(Stdio::null()).spawn()?;
        let start = Instant::now();
        while !self.is_traced() && start.elapsed() < Duration::from_secs(5) {
            std::thread::sleep(Duration::from_millis(5));
        }
        let result = work();
        std::thread::sleep(Duration::from_millis(50));
        sys::interrupt(strace.id());
        strace.wait()?;
        result?;
        let table = fs::read_to_string(&output)?;
        // % time, seconds, µs per call, calls, …, name.
        let rows = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
        let rows = rows.filter(|row| row.len() >= 5 && row.last() != Some(&"total"));
        Ok(rows.filter_map(|row| row.get(3)?.parse::<u64>().ok()).sum())
    }

    fn is_traced(&self) -> bool {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap_or_default();
        status.lines().any(|line| line.strip_prefix("TracerPid:").is_some_and(|pid| pid.trim() != "0"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = run("ip", &["link", "del", &self.device]);
    }
}

fn proportional_set_size(pid: u32) -> Option<u64> {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    line.trim().trim_end_matches(" kB").parse().ok()
}

fn run(program: &str, arguments: &[&str]) -> io::Result<()> {
    let output = Command::new(program).args(arguments).output()?;
    if output.status.success() {
        return Ok(());
    }
    let stderr = String::from_utf8_lossy(&output.stderr);
    Err(io::Error::other(format!("{program} {}: {}", arguments.join(" "), stderr.trim())))
}
