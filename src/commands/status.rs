//! `upxe status`: what the running service says of itself and of the machines that boot. What it says, and how programs
//! read it, is told in [`crate::daemon::status`]; while it does not run they are told
//! `{"version":1,"running":false,"reason":"…"}`.

use std::fmt;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use super::explain::text::Table;
use crate::config::files::read_all;
use crate::wire::json::{Printer, Raw};

/// How long the service may take to answer; it needs a few milliseconds.
const PATIENCE: Duration = Duration::from_secs(5);
/// More than it ever says.
const MAX_ANSWER: usize = 4 << 20;

/// How often the table is drawn anew.
const PAUSE: Duration = Duration::from_secs(1);
/// Cells of the bar that shows how much of a file has come.
const BAR: u64 = 20;

/// What the command line asks.
#[derive(Debug, Clone, Copy)]
pub struct StatusArgs {
    /// `--json`.
    pub json: bool,
    /// `--watch`: draw the table every second, until interrupted.
    pub watch: bool,
}

/// Asks the service at `socket`, and prints its answer; fails if there is none.
#[inline(never)]
pub fn run(socket: &Path, wish: StatusArgs) -> ExitCode {
    loop {
        let answer = ask(socket).map_err(|error| silence(&error, socket));
        let mut out = match &answer {
            Ok(answer) if wish.json => answer.clone(),
            Ok(answer) => show(Raw(answer)),
            Err(reason) if wish.json => {
                let mut out = Printer::default();
                out.item();
                out.number("version", 1);
                out.flag("running", false);
                out.text("reason", reason);
                out.end();
                out.line()
            }
            Err(reason) => [reason, "\n"].concat(),
        };
        if wish.watch && !wish.json {
            // ECMA-48: to the upper left corner, and clear what stands below.
            out.insert_str(0, "\x1b[H\x1b[J");
        }
        if answer.is_err() && !wish.watch {
            // For people on the other stream, so that a table that is kept has nothing else in it.
            let text =
                if wish.json { io::stdout().write_all(out.as_bytes()) } else { io::stderr().write_all(out.as_bytes()) };
            drop(text);
            return ExitCode::FAILURE;
        }
        let mut stdout = io::stdout().lock();
        if stdout.write_all(out.as_bytes()).and_then(|()| stdout.flush()).is_err() || !wish.watch {
            return ExitCode::SUCCESS;
        }
        std::thread::sleep(PAUSE);
    }
}

/// The service's own word, one JSON object.
///
/// # Errors
/// When nobody answers at `socket`, or this user may not ask.
pub fn ask(socket: &Path) -> io::Result<String> {
    let stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let answer = String::from_utf8_lossy(&read_all(File::from(OwnedFd::from(stream)), MAX_ANSWER)?).into_owned();
    // A service that ended meanwhile leaves half an answer.
    if answer.ends_with("}\n") { Ok(answer) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

/// Why there was no answer, and what to do.
pub fn silence(error: &io::Error, socket: &Path) -> String {
    let socket = socket.display();
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
            format!("nobody answers at {socket}; 'upxe doctor' tells how to start it")
        }
        io::ErrorKind::PermissionDenied => format!("only root may ask at {socket}"),
        _ => format!("{socket}: {error}"),
    }
}

/// A time in words, as long as it needs to be.
pub fn ago(milliseconds: u64) -> String {
    let seconds = milliseconds / 1000;
    let (number, unit) = match seconds {
        0..120 => (seconds, " s"),
        120..7200 => (seconds / 60, " min"),
        7200..172_800 => (seconds / 3600, " h"),
        _ => (seconds / 86400, " days"),
    };
    format!("{number}{unit}")
}

/// The answer for people: what is served, what is wrong with it, and a few lines for each machine.
pub fn show(status: Raw<'_>) -> String {
    let mut text = String::new();
    let mut say = |words: fmt::Arguments<'_>| text.push_str(&words.to_string());
    let uptime = ago(status.number_of("uptime").unwrap_or_default().saturating_mul(1000));
    say(format_args!("upxe {} runs for {uptime}\n", word(status, "program")));
    for interface in status.items_of("interfaces") {
        let at = [word(interface, "address"), word(interface, "trouble")].concat();
        say(format_args!("on {} ({}): {at}\n", word(interface, "name"), word(interface, "device")));
    }
    for port in status.items_of("ports") {
        if port.is_true("open") {
            continue;
        }
        let number = port.number_of("port").unwrap_or_default();
        say(format_args!("port {number} ({}): {}\n", word(port, "use"), word(port, "trouble")));
    }
    if let Some(tftp) = status.get("tftp").filter(|tftp| tftp.0 != "null") {
        let number = |name| tftp.number_of(name).unwrap_or_default();
        let (transfers, max) = (number("transfers"), number("max"));
        say(format_args!("TFTP from {}, {transfers} of {max} transfers under way\n", word(tftp, "root")));
    }
    let mut table = Table::default();
    let clients = status.items_of("clients");
    for client in clients.iter().copied() {
        let (mac, host, address) = (word(client, "mac"), word(client, "host"), word(client, "address"));
        let gap = if host.is_empty() { "" } else { " " };
        let who = format!("{mac} {host}{gap}{address}");
        let since = ago(client.number_of("ago").unwrap_or_default());
        let stage = joined(&word(client, "stage"), &word(client, "file"));
        let now = format!("{stage}{}, {since} ago", amount(client));
        table.row(["", &who, &word(client, "client"), &now]);
        let steps = steps(client);
        if !steps.is_empty() {
            table.row([&format!("    {steps}"), "", "", ""]);
        }
        if let Some(trouble) = client.get("trouble").filter(|trouble| trouble.0 != "null") {
            let words = format!("    ! {}. {}", word(trouble, "reason"), word(trouble, "advice"));
            table.row([&words, "", "", ""]);
        }
    }
    table.write(&mut text, "\n");
    if clients.is_empty() {
        text.push_str("no machine has asked to boot yet\n");
    }
    text
}

/// A member that is text, fit for a terminal: what stands in a packet can't command it.
fn word(value: Raw<'_>, name: &str) -> String {
    for_terminal(&value.text_of(name).unwrap_or_default())
}

/// Text without the characters that command a terminal or begin a line of their own.
pub fn for_terminal(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { '?' } else { letter }).collect()
}

/// A stage and its file; a menu and a Raspberry Pi have none.
fn joined(stage: &str, file: &str) -> String {
    let gap = if file.is_empty() { "" } else { " " };
    format!("{stage}{gap}{file}")
}

/// How much of the file has come: a bar while it comes.
fn amount(client: Raw<'_>) -> String {
    let Some([size, bytes]) = client.number_of("size").zip(client.number_of("bytes")).map(<[u64; 2]>::from) else {
        return String::new();
    };
    let size_text = in_bytes(size);
    let speed = in_bytes(client.number_of("speed").unwrap_or_default());
    if word(client, "stage") != "loading" {
        return format!(" ({} of {size_text}, {speed}/s)", in_bytes(bytes));
    }
    let share = |of: u64| (bytes.saturating_mul(of) / size.max(1)).min(of);
    let done = usize::try_from(share(BAR)).unwrap_or_default();
    let rest = usize::try_from(BAR).unwrap_or_default().saturating_sub(done);
    let bar = format!(" [{}{}] ", "#".repeat(done), ".".repeat(rest));
    format!("{bar}{} % of {size_text}, {speed}/s", share(100))
}

/// What it did, each with its time.
fn steps(client: Raw<'_>) -> String {
    let mut text = String::new();
    for step in client.items_of("steps") {
        let since = ago(step.number_of("ago").unwrap_or_default());
        let gap = if text.is_empty() { "" } else { ", " };
        let stage = joined(&word(step, "stage"), &word(step, "detail"));
        text.extend([gap, &stage, " (", &since, " ago)"]);
    }
    text
}

/// A number of bytes, in three digits or so.
fn in_bytes(number: u64) -> String {
    let (number, unit) = match number {
        0..10_000 => return format!("{number} B"),
        10_000..10_000_000 => (number / 1000, " kB"),
        _ => (number / 1_000_000, " MB"),
    };
    format!("{number}{unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_see_a_table() {
        let answer = r##"{"version":1,"running":true,"program":"0.1.0","uptime":7261,
            "interfaces":[{"name":"lan","device":"br-lan","address":"192.168.1.1","trouble":null},
                          {"name":"guest","device":"br-guest","address":null,"trouble":"is down"}],
            "ports":[{"port":4011,"use":"boot server","open":true,"trouble":null},
                     {"port":69,"use":"TFTP","open":false,"trouble":"held by x (process 7)"}],
            "tftp":{"root":"/srv/tftp","transfers":1,"max":64},
            "clients":[
             {"mac":"52:54:00:12:34:56","address":"192.168.1.50","host":"nas","client":"x64","stage":"loading",
              "file":"ipxe.efi","size":1044480,"bytes":658022,"speed":5242880,"ago":250,"trouble":null,
              "steps":[{"ago":12300,"stage":"offered","detail":"ipxe.efi"},{"ago":250,"stage":"loading","detail":"ipxe.efi"}]},
             {"mac":"52:54:00:12:34:57","address":null,"host":null,"client":"BIOS","stage":"seen","file":"evil\u001b[2J",
              "size":null,"bytes":null,"speed":null,"ago":190000,
              "trouble":{"code":"no-file","reason":"no file","advice":"Put one there."},"steps":[]},
             {"mac":"52:54:00:12:34:58","address":null,"host":null,"client":"BIOS","stage":"offered","file":null,
              "size":null,"bytes":null,"speed":null,"ago":0,"trouble":null,
              "steps":[{"ago":0,"stage":"offered","detail":""}]}]}"##;
        assert_eq!(
            show(Raw(answer)),
            "upxe 0.1.0 runs for 2 h\non lan (br-lan): 192.168.1.1\non guest (br-guest): is down\n\
             port 69 (TFTP): held by x (process 7)\nTFTP from /srv/tftp, 1 of 64 transfers under way\n\n\
             52:54:00:12:34:56 nas 192.168.1.50  x64   loading ipxe.efi [############........] 62 % of 1044 kB, 5242 kB/s, 0 s ago\n    \
             offered ipxe.efi (12 s ago), loading ipxe.efi (0 s ago)\n\
             52:54:00:12:34:57                   BIOS  seen evil?[2J, 3 min ago\n    ! no file. Put one there.\n\
             52:54:00:12:34:58                   BIOS  offered, 0 s ago\n    offered (0 s ago)\n"
        );
    }

    #[test]
    fn nobody_answers_where_nobody_is() {
        let missing = Path::new("/nonexistent/status");
        let error = ask(missing).unwrap_err();
        assert!(silence(&error, missing).contains("'upxe doctor' tells how to start it"));
    }
}
