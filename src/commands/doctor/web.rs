//! Whether the web server that machines are sent to is there, and has the boot files.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddrV4, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

use super::{Findings, Patient};
use crate::config::load::UHTTPD;
use crate::config::options::upxe;
use crate::config::rules::Web;
use crate::config::{Diagnostic, Severity};
use crate::menu::ipxe::encoded;
use crate::proxy::BootFiles;
use crate::sys::{link, port_owner};

/// How long the server may take to each step.
const PATIENCE: Duration = Duration::from_secs(2);
/// Files of the folder that are looked at for one to ask for.
const MAX_FILES: usize = 200;

/// True for the remark that there is no uhttpd.
pub fn is_missing(diagnostic: &Diagnostic) -> bool {
    diagnostic.severity == Severity::Warning && diagnostic.words().contains(UHTTPD)
}

/// Asks for a file of the folder as machines do.
pub fn examine(patient: &Patient<'_>, diagnostics: &[Diagnostic], found: &mut Findings) {
    if let Some(diagnostic) = diagnostics.iter().find(|it| is_missing(it)) {
        let what = format_args!("option {} is on, and {UHTTPD} is not there", upxe::HTTP.name);
        let why = "UEFI HTTP Boot is not answered, and all else goes by TFTP.";
        // From 25.12 on.
        let has_apk = Path::new("/usr/bin/apk").exists();
        let install = if has_apk { "apk add uhttpd" } else { "opkg update && opkg install uhttpd" };
        let command = format_args!("{install} && service upxe restart");
        found.warning("web-missing", what, why).at(&diagnostic.origin).mend(command);
    }
    let Some(web) = &patient.config.rules.web else { return };
    if patient.is_off && matches!(web, Web::Own(_)) {
        return;
    }
    let interfaces = patient.config.interfaces.iter();
    let mut routers: Vec<Ipv4Addr> =
        interfaces.filter_map(|interface| Some(link::device(&interface.device).ok()??.addresses.first()?.ip)).collect();
    if let Web::At(_) = web {
        // The same server for all.
        routers = vec![Ipv4Addr::UNSPECIFIED];
    }
    let file = some_file(patient).unwrap_or_default();
    for router in routers {
        let base = web.base(router);
        // A name is for machines to look up.
        let Some((server, folder)) = place(&base) else { continue };
        let answer = ask(server, &format!("{folder}/{file}"));
        judge(web, &format!("{base}/{file}"), answer, found);
    }
}

fn judge(web: &Web, url: &str, answer: io::Result<String>, found: &mut Findings) {
    match answer {
        // Without a file to ask for, any answer is one.
        Ok(status) if status.contains(" 200") || url.ends_with('/') => {}
        Ok(status) => {
            let why = "upxe offers files by such URLs, and what serves there doesn't have them.";
            found.warning("web-other", format_args!("{url} is answered with: {status}"), why);
        }
        Err(error) => {
            let why = "Machines that can fetch by HTTP are sent there, and don't boot.";
            if let Web::Own(port) = web {
                // Some other address of the router's.
                if let Some(owner) = port_owner::listener(*port).filter(|owner| !owner.starts_with("uhttpd ")) {
                    let what = format_args!("TCP port {port}: held by {owner}");
                    found.error("port-taken", what, why);
                    return;
                }
            }
            found.error("web-closed", format_args!("{url} cannot be had: {error}"), why);
            if let Web::Own(_) = web {
                found.mend(format_args!("service upxe restart"));
            }
        }
    }
}

/// Server and folder of a base, if the server is given by its address.
fn place(base: &str) -> Option<(SocketAddrV4, &str)> {
    let rest = base.strip_prefix("http://")?;
    let server = rest.split('/').next()?;
    let (host, port) = server.split_once(':').unwrap_or((server, "80"));
    let address: Ipv4Addr = host.parse().ok()?;
    Some((SocketAddrV4::new(address, port.parse().ok()?), rest.get(server.len()..)?))
}

/// The path of any file that both servers should have.
fn some_file(patient: &Patient<'_>) -> Option<String> {
    let entries = patient.config.tftp.root.read_dir().ok()?.flatten().take(MAX_FILES);
    let mut names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    names.find_map(|name| patient.files.web_path(&name)).map(|path| encoded(&path))
}

/// The first line of the answer to a HEAD request (RFC 9110 §9.3.2).
fn ask(server: SocketAddrV4, path: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&server.into(), PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let request = format!("HEAD {path} HTTP/1.0\r\nHost: {}\r\n\r\n", server.ip());
    stream.write_all(request.as_bytes())?;
    let mut answer = [0; 64];
    let mut len = 0;
    let end = Instant::now() + PATIENCE;
    // A status line, however small the pieces; who sends it too slowly sent what has come by then.
    while let Some(room) = answer.get_mut(len..).filter(|room| !room.is_empty() && Instant::now() < end) {
        match stream.read(room)? {
            0 => break,
            read => len += read,
        }
    }
    let answer = answer.get(..len).unwrap_or_default();
    let line = answer.split(|byte| *byte == b'\r' || *byte == b'\n').next().unwrap_or_default();
    Ok(String::from_utf8_lossy(line).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bases_are_taken_apart() {
        let taken = |base| place(base).map(|(server, folder)| format!("{server} {folder}"));
        assert_eq!(taken("http://192.168.1.5").as_deref(), Some("192.168.1.5:80 "));
        assert_eq!(taken("http://192.168.1.5:81/a/b").as_deref(), Some("192.168.1.5:81 /a/b"));
        assert_eq!(taken("http://nas/a"), None);
        let closed = Err(io::ErrorKind::ConnectionRefused.into());
        let mut found = Findings::default();
        judge(&Web::At("http://1.2.3.4/a".into()), "http://1.2.3.4/a/x", closed, &mut found);
        assert!(found.0[0].what.starts_with("http://1.2.3.4/a/x cannot be had: "), "{found:?}");
    }
}
