//! What `upxe status` tells of machines while they boot, and that asking harms nobody.

use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use ::upxe::wire::json::Raw;

use crate::client::{BIOS, Client, Kind, X64};
use crate::dnsmasq::Dnsmasq;
use crate::files::{TftpRoot, run_folder};
use crate::net::Lan;
use crate::process::try_run;
use crate::service::{boot_files, expect_boots, until_ok};
use crate::upxe::{Upxe, program};

/// What the service says.
pub fn ask(socket: &Path) -> Result<String, String> {
    let mut text = String::new();
    let asked = UnixStream::connect(socket).and_then(|mut stream| stream.read_to_string(&mut text));
    asked.map(|_| text).map_err(|error| format!("{}: {error}", socket.display()))
}

/// Asks many times a second how the only machine's boot goes, and keeps what changes.
pub struct Watch {
    ended: Arc<AtomicBool>,
    asking: JoinHandle<Vec<String>>,
    socket: PathBuf,
}

impl Watch {
    pub fn start(socket: &Path) -> Watch {
        let ended = Arc::new(AtomicBool::new(false));
        let asking = thread::spawn({
            let (ended, socket) = (Arc::clone(&ended), socket.to_owned());
            move || {
                let mut seen: Vec<String> = Vec::new();
                while !ended.load(Ordering::Relaxed) {
                    let now = ask(&socket).ok().and_then(|text| {
                        let client = Raw(&text).get("clients")?.items().next()?;
                        Some([client.text_of("stage")?, client.text_of("file").unwrap_or_default()].join(" "))
                    });
                    seen.extend(now.filter(|now| seen.last() != Some(now)));
                    thread::sleep(Duration::from_millis(25));
                }
                seen
            }
        });
        Watch { ended, asking, socket: socket.to_owned() }
    }

    /// Fails unless the boot was seen to go through `stages`, and ends with these steps; others may lie between.
    pub fn expect(self, stages: &[&str], steps: &[&str]) {
        self.ended.store(true, Ordering::Relaxed);
        let seen = self.asking.join().unwrap();
        let mut rest = seen.iter();
        for stage in stages {
            assert!(rest.any(|now| now == stage), "'{stage}' was not seen in its turn: {seen:#?}");
        }
        let text = ask(&self.socket).unwrap();
        let client = Raw(&text).get("clients").unwrap().items().next().unwrap();
        let told: Vec<String> =
            client.get("steps").unwrap().items().map(|step| words(step, "stage", "detail")).collect();
        let mut rest = told.iter();
        for step in steps {
            assert!(rest.any(|it| it == step), "no step '{step}' in its turn: {text}");
        }
        let ago: Vec<u64> = client.get("steps").unwrap().items().map(|step| step.number_of("ago").unwrap()).collect();
        assert!(ago.is_sorted_by(|earlier, later| earlier >= later), "the oldest comes first: {text}");
    }
}

fn words(value: Raw<'_>, one: &str, two: &str) -> String {
    [value.text_of(one).unwrap(), value.text_of(two).unwrap()].join(" ")
}

fn start(test: &str, lan: &Lan) -> (Upxe, Dnsmasq, PathBuf) {
    let run = run_folder(test);
    let tftp = boot_files(TftpRoot::new(&run)).path;
    let dnsmasq = Dnsmasq::start(&[lan], &run, None);
    let upxe = Upxe::start(&[lan], &tftp, &run, None);
    until_ok(|| ask(&upxe.socket).map(|_| ()));
    (upxe, dnsmasq, run)
}

#[test]
fn what_clients_send_stays_text() {
    let lan = Lan::new();
    let (upxe, _dnsmasq, _) = start("status-hostile", &lan);
    expect_boots(&lan);
    let evil = "\u{1b}[2J<script>alert(\"1\")</script>\\\u{7f}";
    Client::new(&lan, 3).read_file(lan.address(1), evil).expect_err("there is no such file");
    let text = ask(&upxe.socket).unwrap();
    assert!(!text.trim_end().bytes().any(|byte| byte < b' '), "{text:?}");
    let clients = Raw(&text).get("clients").unwrap();
    let mac = lan.client_mac();
    // Known by its address from ARP, though it never asked for one.
    let client = clients.items().find(|client| client.text_of("mac").as_ref() == Some(&mac)).expect(&text);
    assert_eq!(client.text_of("file").as_deref(), Some(evil), "{text}");
    assert_eq!(client.text_of("stage").as_deref(), Some("failed"));
    assert_eq!(client.get("trouble").unwrap().text_of("code").as_deref(), Some("bad-name"));
    assert_eq!(client.text_of("interface").as_deref(), Some("lan"));
    // People see no control bytes either.
    let (program, socket) = (program(), upxe.socket.to_string_lossy());
    let (status, table) = try_run(&[&program.to_string_lossy(), "status", "--socket", &socket]);
    assert!(status.success() && table.contains("?[2J<script>"), "{table}");
    assert!(!table.bytes().any(|byte| byte < b' ' && byte != b'\n' || byte == 0x7f), "{table:?}");
}

#[test]
fn the_latest_64_machines_are_told_of() {
    let lan = Lan::new();
    let (upxe, _dnsmasq, _) = start("status-many", &lan);
    expect_boots(&lan);
    for number in 100..180 {
        Client::new(&lan, number)
            .discover(Kind::Pxe(if number % 2 == 0 { BIOS } else { X64 }), Duration::ZERO, |_| false);
    }
    let newest = Client::new(&lan, 200);
    newest.discover(Kind::Ipxe(0x63), Duration::from_millis(400), |_| false);
    let text = ask(&upxe.socket).unwrap();
    let clients: Vec<_> = Raw(&text).get("clients").unwrap().items().collect();
    assert_eq!(clients.len(), 64);
    let last = |client: &Raw<'_>| u8::from_str_radix(&client.text_of("mac").unwrap()[15..], 16).unwrap();
    let expected: Vec<u8> = std::iter::once(200).chain((117..180).rev()).collect();
    assert_eq!(clients.iter().map(last).collect::<Vec<_>>(), expected);
    assert_eq!(clients[1].text_of("stage").as_deref(), Some("offered"));
    assert_eq!(clients[1].text_of("file").as_deref(), Some("snponly.efi"));
    assert_eq!(clients[1].text_of("client").as_deref(), Some("x64"));
    assert_eq!(clients[1].text_of("program").as_deref(), Some("firmware (PXE)"));
    assert_eq!(clients[2].text_of("client").as_deref(), Some("BIOS"));
}

#[test]
fn asking_disturbs_nobody() {
    let lan = Lan::new();
    let (upxe, _dnsmasq, run) = start("status-readers", &lan);
    assert_eq!(fs::metadata(&upxe.socket).unwrap().permissions().mode() & 0o777, 0o600);
    // Many who ask and never listen, or leave at once.
    let deaf: Vec<UnixStream> = (0..100).filter_map(|_| UnixStream::connect(&upxe.socket).ok()).collect();
    assert_eq!(deaf.len(), 100);
    expect_boots(&lan);
    for _ in 0..200 {
        drop(UnixStream::connect(&upxe.socket));
    }
    expect_boots(&lan);
    assert!(ask(&upxe.socket).unwrap().ends_with("}\n"));
    drop(deaf);
    // What a killed service left there is no obstacle to the next.
    let mut upxe = upxe;
    upxe.kill();
    let (program, socket) = (program().to_string_lossy().into_owned(), upxe.socket.to_string_lossy().into_owned());
    let (status, text) = try_run(&[&program, "status", "--json", "--socket", &socket]);
    assert_eq!(status.code(), Some(1));
    assert!(text.starts_with("{\"version\":1,\"running\":false,\"reason\":\"nobody answers at "), "{text}");
    let again = Upxe::start(&[&lan], &run.join("tftp"), &run, None);
    until_ok(|| ask(&again.socket).map(|_| ()));
}

#[test]
fn nobody_is_woken_unless_asked() {
    let lan = Lan::new();
    let (upxe, _dnsmasq, _) = start("status-idle", &lan);
    expect_boots(&lan);
    ask(&upxe.socket).unwrap();
    // Transfers end, and what they wait for is over.
    thread::sleep(Duration::from_secs(8));
    let before = upxe.wakings();
    thread::sleep(Duration::from_secs(4));
    assert_eq!(upxe.wakings(), before);
    ask(&upxe.socket).unwrap();
    // What is counted here counts, once it sleeps again: the answer is read before that.
    until_ok(|| if upxe.wakings() == before { Err("woken by nobody".to_owned()) } else { Ok(()) });
}
