//! The command line: picks a command and turns its result into an exit status.

use std::path::PathBuf;
use std::process::ExitCode;

use argh::FromArgs;
use upxe::commands::explain::{Description, ExplainArgs};
use upxe::commands::{check, doctor, explain, import, run, script, status};
use upxe::config::Overrides;

/// Network boot beside dnsmasq: proxyDHCP, PXE boot server and TFTP.
#[derive(FromArgs)]
#[argh(help_triggers("-h", "--help", "help"))]
struct Arguments {
    /// show the version and end
    #[argh(switch)]
    version: bool,

    #[argh(subcommand)]
    command: Option<Command>,
}

#[derive(FromArgs)]
#[argh(subcommand)]
#[allow(clippy::large_enum_variant, reason = "there is only one")]
enum Command {
    Run(Run),
    Check(Check),
    Explain(Explain),
    Status(Status),
    Doctor(Doctor),
    Import(Import),
    Script(Script),
}

/// Serve until told to end; stays in the foreground.
#[derive(FromArgs)]
#[argh(subcommand, name = "run", help_triggers("-h", "--help", "help"))]
struct Run {
    /// where the UCI files are (default: /etc/config)
    #[argh(option, short = 'c', default = "default_confdir()")]
    confdir: PathBuf,

    /// serve this device instead of the configured ones; may be repeated
    #[argh(option, short = 'i')]
    interface: Vec<String>,

    /// serve the files of this folder instead of the configured one
    #[argh(option)]
    tftp_root: Option<String>,

    /// read this file of dnsmasq.conf lines instead of /etc/dnsmasq.conf
    #[argh(option)]
    conf_file: Option<String>,

    /// where 'upxe status' is answered (default: /var/run/upxe/status)
    #[argh(option, default = "default_socket()")]
    socket: PathBuf,
}

/// Show everything that is wrong with the configuration; fail if there are errors.
#[derive(FromArgs)]
#[argh(subcommand, name = "check", help_triggers("-h", "--help", "help"))]
struct Check {
    /// where the UCI files are (default: /etc/config)
    #[argh(option, short = 'c', default = "default_confdir()")]
    confdir: PathBuf,

    /// as if this device were served; may be repeated
    #[argh(option, short = 'i')]
    interface: Vec<String>,

    /// as if the files of this folder were served
    #[argh(option)]
    tftp_root: Option<String>,

    /// as if this file of dnsmasq.conf lines were read
    #[argh(option)]
    conf_file: Option<String>,

    /// print JSON
    #[argh(switch)]
    json: bool,
}

/// Tell what a client is answered, and why. Without a client in a file or in hex, one is made up from the words here.
#[derive(FromArgs)]
#[argh(subcommand, name = "explain", help_triggers("-h", "--help", "help"))]
struct Explain {
    /// where the UCI files are (default: /etc/config)
    #[argh(option, short = 'c', default = "default_confdir()")]
    confdir: PathBuf,

    /// as if the client were on this interface or device
    #[argh(option, short = 'i')]
    interface: Vec<String>,

    /// as if the files of this folder were served
    #[argh(option)]
    tftp_root: Option<String>,

    /// as if this file of dnsmasq.conf lines were read
    #[argh(option)]
    conf_file: Option<String>,

    /// explain every request in this capture (tcpdump -w)
    #[argh(option)]
    pcap: Option<PathBuf>,

    /// explain the packet whose hex digits these are, or stand in this file
    #[argh(option)]
    hex: Option<String>,

    /// our address, if the interface isn't here (default: 192.168.1.1)
    #[argh(option)]
    router: Option<String>,

    /// print JSON
    #[argh(switch)]
    json: bool,

    /// bios, ia32, x64, arm64, … or a number of option 93; may be repeated (default: bios)
    #[argh(option)]
    arch: Vec<String>,

    /// the client is iPXE
    #[argh(switch)]
    ipxe: bool,

    /// the client is gPXE
    #[argh(switch)]
    gpxe: bool,

    /// the client boots by HTTP: UEFI HTTP Boot, unless it is iPXE
    #[argh(switch)]
    http: bool,

    /// iPXE that was built without HTTP
    #[argh(switch)]
    no_http: bool,

    /// its hardware address
    #[argh(option)]
    mac: Option<String>,

    /// its UUID, option 97
    #[argh(option)]
    uuid: Option<String>,

    /// its user class, option 77
    #[argh(option)]
    user_class: Option<String>,

    /// its vendor class, option 60
    #[argh(option)]
    vendor_class: Option<String>,

    /// any option: its number, =, hex digits; none: without it; may be repeated
    #[argh(option)]
    option: Vec<String>,

    /// the port it asks at: 67, or 4011 as it does later
    #[argh(option)]
    door: Option<u16>,

    /// the menu entry it asks for, such as 0x8000
    #[argh(option)]
    boot_item: Option<String>,
}

/// Show what is served, and how each machine's boot goes.
#[derive(FromArgs)]
#[argh(subcommand, name = "status", help_triggers("-h", "--help", "help"))]
struct Status {
    /// where the service answers (default: /var/run/upxe/status)
    #[argh(option, default = "default_socket()")]
    socket: PathBuf,

    /// show it anew every second, until interrupted
    #[argh(switch)]
    watch: bool,

    /// print JSON
    #[argh(switch)]
    json: bool,
}

/// Tell what on this router stands in the way of network boot, and how to mend it; exit status 1 for warnings, 2 for errors.
#[derive(FromArgs)]
#[argh(subcommand, name = "doctor", help_triggers("-h", "--help", "help"))]
struct Doctor {
    /// where the UCI files are (default: /etc/config)
    #[argh(option, short = 'c', default = "default_confdir()")]
    confdir: PathBuf,

    /// as if this device were served; may be repeated
    #[argh(option, short = 'i')]
    interface: Vec<String>,

    /// as if the files of this folder were served
    #[argh(option)]
    tftp_root: Option<String>,

    /// as if this file of dnsmasq.conf lines were read
    #[argh(option)]
    conf_file: Option<String>,

    /// where the service answers (default: /var/run/upxe/status)
    #[argh(option, default = "default_socket()")]
    socket: PathBuf,

    /// ask the networks who else gives out addresses or boot files; takes five seconds
    #[argh(switch)]
    probe: bool,

    /// print JSON
    #[argh(switch)]
    json: bool,
}

/// Print dnsmasq.conf lines as sections for /etc/config/upxe.
#[derive(FromArgs)]
#[argh(subcommand, name = "import", help_triggers("-h", "--help", "help"))]
struct Import {
    /// the file with the lines
    #[argh(positional)]
    file: PathBuf,
}

/// Print what TFTP would send a machine: the boot menu as its loader reads it, or a file or template by its name.
#[derive(FromArgs)]
#[argh(subcommand, name = "script", help_triggers("-h", "--help", "help"))]
struct Script {
    /// the name that it asks for (default: its loader's menu)
    #[argh(positional)]
    name: Option<String>,

    /// where the UCI files are (default: /etc/config)
    #[argh(option, short = 'c', default = "default_confdir()")]
    confdir: PathBuf,

    /// as if the machine were on this interface or device
    #[argh(option, short = 'i')]
    interface: Vec<String>,

    /// as if the files of this folder were served
    #[argh(option)]
    tftp_root: Option<String>,

    /// as if this file of dnsmasq.conf lines were read
    #[argh(option)]
    conf_file: Option<String>,

    /// ipxe, pxelinux or grub (default: ipxe)
    #[argh(option)]
    dialect: Option<String>,

    /// the machine's hardware address
    #[argh(option)]
    mac: Option<String>,

    /// its UUID
    #[argh(option)]
    uuid: Option<String>,

    /// the name that it gives itself
    #[argh(option)]
    host: Option<String>,

    /// bios, ia32, x64, arm64, … or a number of option 93
    #[argh(option)]
    arch: Vec<String>,

    /// our address, if the interface isn't here (default: 192.168.1.1)
    #[argh(option)]
    router: Option<String>,
}

fn default_confdir() -> PathBuf {
    upxe::config::files::CONFDIR.into()
}

fn default_socket() -> PathBuf {
    upxe::daemon::status::SOCKET.into()
}

fn main() -> ExitCode {
    let arguments: Arguments = argh::from_env();
    if arguments.version {
        println!("upxe {}", env!("CARGO_PKG_VERSION"));
        return ExitCode::SUCCESS;
    }
    match arguments.command {
        Some(Command::Run(Run { confdir, interface, tftp_root, conf_file, socket })) => {
            run::run(&confdir, Overrides { interfaces: interface, tftp_root, conf_file }, &socket)
        }
        Some(Command::Check(Check { confdir, interface, tftp_root, conf_file, json })) => {
            check::run(&confdir, &Overrides { interfaces: interface, tftp_root, conf_file }, json)
        }
        Some(Command::Status(Status { socket, watch, json })) => {
            status::run(&socket, status::StatusArgs { json, watch })
        }
        Some(Command::Doctor(Doctor { confdir, interface, tftp_root, conf_file, socket, probe, json })) => {
            let overrides = Overrides { interfaces: interface, tftp_root, conf_file };
            doctor::run(&confdir, &overrides, &doctor::DoctorArgs { socket, probe, json })
        }
        Some(Command::Import(Import { file })) => import::run(&file),
        Some(Command::Script(script)) => {
            let Script { confdir, interface, tftp_root, conf_file, name, dialect, mac, uuid, host, arch, router } =
                script;
            let client = Description { architectures: arch, mac, uuid, ..Description::default() };
            let question = script::ScriptArgs { name, dialect, client, host, router };
            script::run(&confdir, &Overrides { interfaces: interface, tftp_root, conf_file }, question)
        }
        Some(Command::Explain(explain)) => {
            let Explain { arch, ipxe, gpxe, http, no_http, mac, uuid, user_class, vendor_class, .. } = explain;
            let Explain { option, door, boot_item, pcap, hex, router, json, .. } = explain;
            let client = Description {
                architectures: arch,
                ipxe,
                gpxe,
                http,
                no_http,
                mac,
                uuid,
                user_class,
                vendor_class,
                options: option,
                door,
                boot_item,
            };
            let overrides =
                Overrides { interfaces: explain.interface, tftp_root: explain.tftp_root, conf_file: explain.conf_file };
            explain::run(&explain.confdir, &overrides, &ExplainArgs { client, pcap, hex, router, json })
        }
        None => {
            eprintln!(
                "What shall upxe do? 'upxe run' serves, 'upxe status' shows it, 'upxe doctor' helps; 'upxe --help' tells more."
            );
            ExitCode::FAILURE
        }
    }
}
