//! A household in which something breaks: a router with dnsmasq and upxe, a laptop that must not notice, and a machine
//! that is loading a file all the while. What came of it becomes a row of the README's table.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::bystander::Bystander;
use crate::dnsmasq::Dnsmasq;
use crate::files::{TftpRoot, run_folder};
use crate::net::Lan;
use crate::row::Row;
use crate::service::{boot_files, expect_boots};
use crate::upxe::Upxe;

/// The file that is being loaded while things break.
pub const FILE: &str = "kernel";
const FILE_BLOCKS: usize = 2000;
const BLKSIZE: usize = 1400;

/// Everybody in the house. They end in this order.
pub struct Scene {
    pub upxe: Upxe,
    pub dnsmasq: Dnsmasq,
    pub bystander: Bystander,
    pub lan: Arc<Lan>,
    pub run: PathBuf,
    pub tftp: PathBuf,
    row: Row,
}

impl Scene {
    /// Sets the scene of `row`.
    pub fn new(row: Row) -> Scene {
        Scene::prepared(row, |run| TftpRoot::new(run).path)
    }

    /// The same with a TFTP folder that `prepare` makes, given the folder of this run.
    pub fn prepared(row: Row, prepare: impl FnOnce(&Path) -> PathBuf) -> Scene {
        Scene::started(row, prepare, |lan, tftp, run| Upxe::start(&[lan], tftp, run, None))
    }

    /// The same with a upxe that `start` starts for the LAN, to serve the folder.
    pub fn started(
        row: Row,
        prepare: impl FnOnce(&Path) -> PathBuf,
        start: impl FnOnce(&Lan, &Path, &Path) -> Upxe,
    ) -> Scene {
        let run = run_folder(&format!("fault-{:02}", row.0));
        let tftp = prepare(&run);
        boot_files(TftpRoot { path: tftp.clone() });
        fs::write(tftp.join(FILE), content()).unwrap();
        let lan = Arc::new(Lan::new());
        let dnsmasq = Dnsmasq::start(&[&lan], &run, None);
        let bystander = Bystander::start(&lan, &run, None);
        let upxe = start(&lan, &tftp, &run);
        expect_boots(&lan);
        Scene { upxe, dnsmasq, bystander, lan, run, tftp, row }
    }

    /// A machine begins to load the file.
    pub fn load(&self) -> Loading {
        Loading::start(&self.lan, FILE)
    }

    /// The laptop renews its lease and looks up a name.
    pub fn live_on(&self) {
        self.bystander.live_on(&self.dnsmasq);
    }

    /// All is as it was: the same process serves, the laptop lives on and heard nothing that wasn't for it, machines
    /// boot.
    pub fn finish(self, happened: &str, lost: &str) {
        expect_boots(&self.lan);
        self.live_on();
        let Scene { mut upxe, mut dnsmasq, bystander, row, .. } = self;
        bystander.was_answered_by_dhcp_only();
        assert!(dnsmasq.is_running(), "dnsmasq ended:\n{}", dnsmasq.log.tail());
        assert!(upxe.is_running(), "upxe ended:\n{}", upxe.log.tail());
        let status = upxe.stop();
        assert!(status.success(), "upxe ended with {status}");
        row.tell(happened, lost);
    }
}

/// What stands in the file.
pub fn content() -> Vec<u8> {
    (0..FILE_BLOCKS * BLKSIZE + 77).map(|at| (at as u32).wrapping_mul(0x9e37_79b9).to_be_bytes()[0]).collect()
}

/// A file on its way to the LAN's client, slowly until it is told to hurry. The client is as patient as firmware, and
/// acknowledges again what it has when nothing comes.
pub struct Loading {
    given_up: Arc<AtomicBool>,
    hurry: Arc<AtomicBool>,
    blocks: Arc<AtomicU64>,
    thread: JoinHandle<Result<Vec<u8>, String>>,
}

impl Loading {
    /// Asks the LAN's router for the file `name` and waits until some of it has come.
    pub fn start(lan: &Arc<Lan>, name: &str) -> Loading {
        let (hurry, blocks) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let given_up = Arc::new(AtomicBool::new(false));
        let thread = std::thread::spawn({
            let (lan, name) = (Arc::clone(lan), name.to_owned());
            let (hurry, blocks, given_up) = (Arc::clone(&hurry), Arc::clone(&blocks), Arc::clone(&given_up));
            move || {
                let client = lan.address(2);
                lan.client.inside(|| load(client, lan.address(1), &name, [&hurry, &given_up], &blocks))
            }
        });
        let loading = Loading { given_up, hurry, blocks, thread };
        loading.gets_on(10);
        loading
    }

    /// Waits until so many more blocks have come.
    pub fn gets_on(&self, more: u64) {
        let wanted = self.blocks.load(Ordering::Relaxed) + more;
        let deadline = Instant::now() + Duration::from_secs(20);
        while self.blocks.load(Ordering::Relaxed) < wanted {
            assert!(Instant::now() < deadline && !self.thread.is_finished(), "the file does not come");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// The file, or how it came that there is none.
    pub fn finish(self) -> Result<Vec<u8>, String> {
        self.hurry.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }

    /// The machine is switched off.
    pub fn give_up(self) {
        self.given_up.store(true, Ordering::Relaxed);
        let _ = self.finish();
    }

    /// Fails unless the file arrives as it was laid out.
    pub fn arrives(self) {
        let got = self.finish().unwrap_or_else(|e| panic!("the file under way was lost: {e}"));
        assert!(got == content(), "{} bytes arrived, and not those of the file", got.len());
    }
}

fn load(
    client: Ipv4Addr,
    router: Ipv4Addr,
    name: &str,
    [hurry, given_up]: [&AtomicBool; 2],
    blocks: &AtomicU64,
) -> Result<Vec<u8>, String> {
    const PATIENCE: Duration = Duration::from_secs(40);
    let socket = UdpSocket::bind((client, 0)).map_err(|e| e.to_string())?;
    socket.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
    let request = [&[0, 1], name.as_bytes(), format!("\0octet\0blksize\0{BLKSIZE}\0").as_bytes()].concat();
    let (mut last, mut server): (Vec<u8>, SocketAddr) = (request, (router, 69).into());
    let (mut file, mut next, mut heard, mut packet) = (Vec::new(), 1u16, Instant::now(), [0; 2048]);
    // What can't be sent just now is sent again.
    let _ = socket.send_to(&last, server);
    loop {
        if heard.elapsed() > PATIENCE || given_up.load(Ordering::Relaxed) {
            return Err(format!("nothing came for {PATIENCE:?} behind block {}", next.wrapping_sub(1)));
        }
        let Ok((length, from)) = socket.recv_from(&mut packet) else {
            let _ = socket.send_to(&last, server);
            continue;
        };
        if server.port() != 69 && from != server {
            continue;
        }
        server = from;
        match packet[..length] {
            [0, 6, ..] if next == 1 => last = vec![0, 4, 0, 0],
            [0, 3, high, low, ref data @ ..] if [high, low] == next.to_be_bytes() => {
                heard = Instant::now();
                file.extend_from_slice(data);
                blocks.fetch_add(1, Ordering::Relaxed);
                last = vec![0, 4, high, low];
                next = next.wrapping_add(1);
                if data.len() < BLKSIZE {
                    let _ = socket.send_to(&last, server);
                    return Ok(file);
                }
                if !hurry.load(Ordering::Relaxed) {
                    std::thread::sleep(Duration::from_millis(15));
                }
            }
            [0, 5, _, _, ref text @ ..] => return Err(format!("ERROR {}", String::from_utf8_lossy(text))),
            _ => continue,
        }
        let _ = socket.send_to(&last, server);
    }
}
