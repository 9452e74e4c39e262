//! The command line: picks a command and turns its result into an exit status.

use std::path::PathBuf;
use std::process::ExitCode;

use argh::FromArgs;
use upxe::commands::{check, run};
use upxe::config::Overrides;

/// Network boot beside dnsmasq: proxyDHCP, PXE boot server and TFTP.
#[derive(FromArgs)]
struct Arguments {
    /// show the version and end
    #[argh(switch)]
    version: bool,

    #[argh(subcommand)]
    command: Option<Command>,
}

#[derive(FromArgs)]
#[argh(subcommand)]
enum Command {
    Run(Run),
    Check(Check),
}

/// Serve until told to end; stays in the foreground.
#[derive(FromArgs)]
#[argh(subcommand, name = "run")]
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
}

/// Show everything that is wrong with the configuration; fail if there are errors.
#[derive(FromArgs)]
#[argh(subcommand, name = "check")]
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
}

fn default_confdir() -> PathBuf {
    upxe::config::files::CONFDIR.into()
}

fn main() -> ExitCode {
    let arguments: Arguments = argh::from_env();
    if arguments.version {
        println!("upxe {}", env!("CARGO_PKG_VERSION"));
        return ExitCode::SUCCESS;
    }
    match arguments.command {
        Some(Command::Run(Run { confdir, interface, tftp_root, conf_file })) => {
            run::run(&confdir, Overrides { interfaces: interface, tftp_root, conf_file })
        }
        Some(Command::Check(Check { confdir, interface, tftp_root, conf_file })) => {
            check::run(&confdir, &Overrides { interfaces: interface, tftp_root, conf_file })
        }
        None => {
            eprintln!("What shall upxe do? 'upxe run' serves, 'upxe check' checks; 'upxe --help' tells more.");
            ExitCode::FAILURE
        }
    }
}
