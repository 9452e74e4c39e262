//! upxe itself, run on the lab's router from UCI files as on a real one.

use std::path::{Path, PathBuf};
use std::process::ExitStatus;

use crate::elsewhere;
use crate::files;
use crate::journal::{Journal, Listener};
use crate::net::Lan;
use crate::process::Process;

/// A running upxe.
pub struct Upxe {
    process: Process,
    pub config: PathBuf,
    /// Where `upxe status` is answered.
    pub socket: PathBuf,
    pub log: Journal,
}

impl Upxe {
    /// Starts it for `lans`, all of one router, to serve the files of `tftp`.
    ///
    /// It returns at once: whether and when it serves is what the tests find out.
    pub fn start(lans: &[&Lan], tftp: &Path, run: &Path, listener: Option<Listener>) -> Upxe {
        Upxe::also(lans, "", tftp, run, listener)
    }

    /// The same with more in its configuration.
    pub fn also(lans: &[&Lan], also: &str, tftp: &Path, run: &Path, listener: Option<Listener>) -> Upxe {
        let log = Journal::new("upxe", run, listener);
        let config = write_configuration(lans, &dhcp(lans), &(settings(lans, tftp) + also), run);
        let (program, config) = (text(&program()), text(&config));
        let socket = text(&run.join("status"));
        let words = [&program, "run", "-c", &config, "--socket", &socket];
        let process = Process::start(&lans[0].router.name, &words, &log);
        Upxe { process, config: config.into(), socket: socket.into(), log }
    }

    /// Starts it where it sees no other process, as in a jail of procd's.
    #[allow(dead_code, reason = "for the tests of the doctor")]
    pub fn without_proc(lan: &Lan, tftp: &Path, run: &Path) -> Upxe {
        let log = Journal::new("upxe", run, None);
        let config = text(&write_configuration(&[lan], &dhcp(&[lan]), &settings(&[lan], tftp), run));
        let (program, socket) = (text(&program()), text(&run.join("status")));
        let shell = ["unshare", "-m", "sh", "-c", "mount -t tmpfs none /proc && exec \"$@\"", "sh"];
        let words = [&shell[..], &[&program, "run", "-c", &config, "--socket", &socket]].concat();
        let process = Process::start(&lan.router.name, &words, &log);
        Upxe { process, config: config.into(), socket: socket.into(), log }
    }

    /// Starts it with its log in the file `output` and its status socket at `socket`.
    pub fn writing_to(output: &str, socket: &Path, lan: &Lan, tftp: &Path, run: &Path) -> Upxe {
        let log = Journal::new("upxe", run, None);
        let config = text(&write_configuration(&[lan], &dhcp(&[lan]), &settings(&[lan], tftp), run));
        let (program, status) = (text(&program()), text(socket));
        let shell = ["sh", "-c", "output=$1; shift; exec \"$@\" >\"$output\" 2>&1", "sh", output];
        let words = [&shell[..], &[&program, "run", "-c", &config, "--socket", &status]].concat();
        let process = Process::start(&lan.router.name, &words, &log);
        Upxe { process, config: config.into(), socket: socket.to_owned(), log }
    }

    /// Starts it with nothing in its own configuration but that it shall run.
    pub fn with_recipe(lan: &Lan, recipe: &Recipe<'_>, tftp: &Path, run: &Path, listener: Option<Listener>) -> Upxe {
        let log = Journal::new("upxe", run, listener);
        let stock = dhcp(&[lan]);
        let (dhcp, lines) = match recipe {
            Recipe::Lines { file, also, .. } => (stock + also, Some(text(file))),
            Recipe::Dhcp(file) => (std::fs::read_to_string(file).unwrap(), None),
        };
        let config = write_configuration(&[lan], &dhcp, &format!("{ENABLED}{LOUD}"), run);
        let (program, config, tftp, root) = (text(&program()), text(&config), text(tftp), text(&run.join("root")));
        let socket = text(&run.join("status"));
        let mut command = vec![program.as_str(), "run", "-c", &config, "--socket", &socket];
        if let Some(lines) = &lines {
            command.extend(["--conf-file", lines]);
        }
        if let Recipe::Lines { folder, .. } = recipe {
            command = elsewhere::command(&tftp, folder, &root, &command);
        }
        let process = Process::start(&lan.router.name, &command, &log);
        Upxe { process, config: config.into(), socket: socket.into(), log }
    }

    /// Replaces one of its UCI files and has it read them.
    pub fn reload(&self, file: &str, text: &str) {
        files::write(&self.config.join(file), text);
        self.reload_signal();
    }

    /// Sends SIGHUP. On OpenWrt only who stays root can take it: procd starts the service anew on `reload`.
    pub fn reload_signal(&self) {
        self.process.signal(libc::SIGHUP);
    }

    pub fn signal(&self, signal: i32) {
        self.process.signal(signal);
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// How often it has gone back to sleep.
    pub fn wakings(&self) -> u64 {
        self.process.waits()
    }

    /// Ends it with SIGTERM.
    pub fn stop(&mut self) -> ExitStatus {
        self.process.stop()
    }

    /// Ends it with SIGKILL.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    pub fn is_running(&mut self) -> bool {
        self.process.is_running()
    }
}

/// A configuration that somebody published.
pub enum Recipe<'r> {
    /// A file with dnsmasq.conf lines, and the folder that they take for the TFTP root; `also` is what the router's
    /// `/etc/config/dhcp` says besides.
    Lines { file: PathBuf, folder: &'r str, also: &'r str },
    /// A file that stands for `/etc/config/dhcp`.
    Dhcp(PathBuf),
}

const ENABLED: &str = "config upxe 'main'\n\toption enabled '1'\n";
const LOUD: &str = "\toption log_level 'debug'\n";

fn write_configuration(lans: &[&Lan], dhcp: &str, upxe: &str, run: &Path) -> PathBuf {
    let config = run.join("config");
    std::fs::create_dir_all(&config).unwrap();
    files::write(&config.join("network"), &network(lans));
    files::write(&config.join("dhcp"), dhcp);
    files::write(&config.join("upxe"), upxe);
    config
}

fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

/// What `UPXE_PROGRAM` names; else the binary that cargo built with this test, or beside the folder of this example.
pub fn program() -> PathBuf {
    if let Some(path) = std::env::var_os("UPXE_PROGRAM") {
        return path.into();
    }
    match option_env!("CARGO_BIN_EXE_upxe") {
        Some(path) => path.into(),
        None => std::env::current_exe().unwrap().ancestors().nth(2).unwrap().join("upxe"),
    }
}

/// `/etc/config/upxe` for `lans`.
pub fn settings(lans: &[&Lan], tftp: &Path) -> String {
    let mut text = format!("{ENABLED}{LOUD}");
    text += &format!("\toption tftp_root '{}'\n", tftp.display());
    for lan in lans {
        text += &format!("\tlist interface '{}'\n", logical_name(lan));
    }
    text
}

/// OpenWrt's default `/etc/config/dhcp`, as far as it is about IPv4.
fn dhcp(lans: &[&Lan]) -> String {
    let mut text = String::from(
        "config dnsmasq\n\toption domainneeded '1'\n\toption localise_queries '1'\n\toption rebind_protection '1'\n\
         \toption local '/lan/'\n\toption domain 'lan'\n\toption expandhosts '1'\n\toption authoritative '1'\n\
         \toption readethers '1'\n\toption leasefile '/tmp/dhcp.leases'\n\toption localservice '1'\n\n",
    );
    for lan in lans {
        let name = logical_name(lan);
        text += &format!(
            "config dhcp '{name}'\n\toption interface '{name}'\n\toption start '100'\n\toption limit '150'\n\
             \toption leasetime '12h'\n\n"
        );
    }
    text
}

/// `/etc/config/network` for `lans`.
fn network(lans: &[&Lan]) -> String {
    let sections = lans.iter().map(|lan| {
        format!(
            "config interface '{}'\n\toption device '{}'\n\toption proto 'static'\n\toption ipaddr '{}/24'\n\n",
            logical_name(lan),
            lan.bridge,
            lan.address(1)
        )
    });
    sections.collect()
}

/// `br-lan` is the device of the interface `lan`.
fn logical_name(lan: &Lan) -> &str {
    lan.bridge.trim_start_matches("br-")
}
