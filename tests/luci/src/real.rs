//! The real service in a network namespace, and a machine that boots from it in another: what the pages then show.

use std::fs::File;
use std::io::ErrorKind;
use std::net::UdpSocket;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::browser::PATIENCE;
use crate::{DESK, Stage, Test, sound};

/// The tests of this file.
pub const TESTS: &[Test] =
    &[("a real boot moves through its stages", boot), ("the real doctor and check are shown", troubles)];

const ROUTER: &str = "192.168.77.1";
const MAC: &str = "52:54:00:77:00:01";
/// TFTP's block, unless another size is agreed on (RFC 1350).
const BLOCK: usize = 512;

fn ip(words: &str) {
    let run = Command::new("ip").args(words.split(' ')).output().expect("ip runs (these tests need root and iproute2)");
    assert!(run.status.success(), "ip {words}: {}", String::from_utf8_lossy(&run.stderr));
}

/// Two namespaces and the cable between them; taken away when dropped.
struct Cable {
    router: String,
    machine: String,
}

impl Cable {
    fn lay() -> Cable {
        let id = std::process::id();
        let cable = Cable { router: format!("upxe-luci-{id}-router"), machine: format!("upxe-luci-{id}-machine") };
        let Cable { router, machine } = &cable;
        ip(&format!("netns add {router}"));
        ip(&format!("netns add {machine}"));
        ip(&format!("-n {router} link add br-lan type veth peer name eth0 netns {machine}"));
        ip(&format!("-n {router} addr add {ROUTER}/24 dev br-lan"));
        ip(&format!("-n {router} link set br-lan up"));
        ip(&format!("-n {machine} link set eth0 address {MAC} up"));
        cable
    }

    fn inside(namespace: &str, program: &Path) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", namespace]).arg(program).stdin(Stdio::null());
        command
    }

    /// The machine does something: this program, started anew with `words`.
    fn machine(&self, words: &[&str]) -> Child {
        let own = std::env::current_exe().expect("a program");
        Cable::inside(&self.machine, &own).arg("machine").args(words).spawn().expect("the machine starts")
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        for namespace in [&self.router, &self.machine] {
            let _ = Command::new("ip").args(["netns", "delete", namespace]).status();
        }
    }
}

/// The running service; ended when dropped.
struct Service(Child);

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts the service in the router's namespace, and lets the pages ask it.
fn serve(stage: &mut Stage, cable: &Cable) -> Service {
    let socket = stage.folder().join("status");
    let log = File::create(stage.folder().join("upxe.log")).expect("a log file");
    stage.router(|router| {
        router.played.clear();
        router.socket = Some(socket.clone());
    });
    stage.networks("config interface 'lan'\n\toption device 'br-lan'\n");
    let mut command = Cable::inside(&cable.router, stage.program());
    command.arg("run").arg("--confdir").arg(stage.folder().join("config")).arg("--socket").arg(&socket);
    let service =
        Service(command.stdout(log.try_clone().expect("a log file")).stderr(log).spawn().expect("upxe starts"));
    let started = Instant::now();
    while !socket.exists() {
        assert!(started.elapsed() < PATIENCE, "upxe does not listen at {}", socket.display());
        std::thread::sleep(Duration::from_millis(50));
    }
    service
}

fn boot(stage: &mut Stage) {
    stage.boot_file("ipxe.efi", 100 * BLOCK);
    stage.boot_file("boot.ipxe", 60);
    let machine = format!("\nconfig host\n\tlist mac '{MAC}'\n\toption name 'kiosk'\n");
    stage.configure(&machine);
    stage.replace("option enabled '0'", "option enabled '1'");
    let cable = Cable::lay();
    let service = serve(stage, &cable);
    let shot = stage.shot("real");
    let mut page = stage.open("overview", DESK);
    let shows = |words: &str| format!("document.body.innerText.includes({})", json!(words));
    for words in
        ["running", &format!("lan (br-lan) {ROUTER}"), "4011 boot server open", "69 TFTP open", "No machine has asked"]
    {
        page.wait(&shows(words));
    }

    assert!(cable.machine(&["discover", "7"]).wait().expect("an end").success());
    page.wait(&shows("offered: ipxe.efi"));
    page.wait(&shows("kiosk"));

    // Half of the file, and then nothing until the page has shown it.
    ip(&format!("-n {} addr add 192.168.77.50/24 dev eth0", cable.machine));
    let go = stage_file(&cable);
    let mut loading = cable.machine(&["load", "ipxe.efi", "50", &go]);
    page.wait(&shows("loading: ipxe.efi"));
    page.wait("document.querySelector('.cbi-progressbar').title.match(/^(49|50) %$/)");
    page.wait(&shows("of 50.0 KiB"));
    page.shoot(&shot);
    std::fs::write(&go, "").expect("a file");
    assert!(loading.wait().expect("an end").success());
    page.wait(&shows("iPXE starts: ipxe.efi"));

    assert!(cable.machine(&["load", "gone.cfg", "1", &go]).wait().expect("an end").success());
    page.wait(&shows("gone.cfg"));
    // Nothing in the folder is for ARM64.
    assert!(cable.machine(&["discover", "11"]).wait().expect("an end").success());
    page.wait(&shows("snponly-arm64.efi"));
    page.value("document.querySelectorAll('details').forEach((one) => { one.open = true; })");
    page.wait(&shows("iPXE starts: ipxe.efi"));
    sound(&mut page);
    drop(service);
    page.wait(&shows("not running"));
    drop(page);
    let _ = std::fs::remove_file(go);
}

fn stage_file(cable: &Cable) -> String {
    std::env::temp_dir().join(format!("{}-go", cable.machine)).display().to_string()
}

fn troubles(stage: &mut Stage) {
    stage.boot_file("boot.ipxe", 60);
    stage.configure("\nconfig boot\n\toption filename 'gone.efi'\n");
    let socket = stage.folder().join("status");
    stage.router(|router| {
        router.played.clear();
        router.socket = Some(socket);
    });
    let mut page = stage.open("diagnosis", DESK);
    let text = page.text();
    for words in ["switched off", "gone.efi", "warning", "/upxe:"] {
        assert!(text.contains(words), "'{words}' is missing in:\n{text}");
    }
    page.value("[...document.querySelectorAll('button')].find((one) => one.innerText == 'Mend').click()");
    page.wait("document.body.dataset.applied == 1");
    sound(&mut page);
    drop(page);
    assert!(stage.config().contains("option enabled '1'"), "{}", stage.config());
}

/// What the machine at the other end of the cable does: `discover ARCHITECTURE`, or `load FILE BLOCKS GO`, which waits after
/// so many blocks until the file `GO` is there. True if it went as it should.
pub fn machine(words: &[String]) -> bool {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["discover", architecture] => discover(architecture.parse().expect("a number")),
        ["load", file, blocks, go] => load(file, blocks.parse().expect("a number"), Path::new(go)),
        other => panic!("{other:?}"),
    }
}

/// A DHCPDISCOVER as firmware sends it (RFC 2131, RFC 4578). Whether somebody answers is for the page to show.
fn discover(architecture: u16) -> bool {
    let socket = UdpSocket::bind("0.0.0.0:68").expect("port 68");
    socket.set_broadcast(true).expect("a broadcast");
    let device = b"eth0\0";
    // SAFETY: the name is as long as said, and outlives the call.
    let bound = unsafe {
        let length = libc::socklen_t::try_from(device.len()).expect("a short name");
        libc::setsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, libc::SO_BINDTODEVICE, device.as_ptr().cast(), length)
    };
    assert_eq!(bound, 0, "SO_BINDTODEVICE");
    let mut packet = vec![1, 1, 6, 0, 0x75, 0x70, 0x78, 0x65];
    packet.resize(28, 0);
    packet.extend(MAC.split(':').map(|byte| u8::from_str_radix(byte, 16).expect("hex")));
    packet.resize(236, 0);
    packet.extend([99, 130, 83, 99, 53, 1, 1, 55, 5, 1, 3, 60, 66, 67, 94, 3, 1, 3, 0, 93, 2]);
    packet.extend(architecture.to_be_bytes());
    let class = format!("PXEClient:Arch:{architecture:05}:UNDI:003000");
    packet.extend([60, u8::try_from(class.len()).expect("a short text")]);
    packet.extend(class.bytes());
    packet.push(255);
    packet.resize(300, 0);
    socket.send_to(&packet, "255.255.255.255:67").is_ok()
}

/// Fetches a file block by block (RFC 1350) and asks for its size (RFC 2349). A file that isn't there is no failure.
fn load(file: &str, blocks: usize, go: &Path) -> bool {
    let socket = UdpSocket::bind("192.168.77.50:0").expect("a port");
    socket.set_read_timeout(Some(Duration::from_secs(5))).expect("a timeout");
    let request = [b"\0\x01", file.as_bytes(), b"\0octet\0tsize\x000\0"].concat();
    socket.send_to(&request, (ROUTER, 69)).expect("a request");
    let (mut packet, mut received) = ([0; 1024], 0);
    loop {
        let (length, from) = match socket.recv_from(&mut packet) {
            Ok(arrived) => arrived,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(_) => return false,
        };
        let number = match packet[..2] {
            [0, 3] => [packet[2], packet[3]],
            [0, 6] => [0, 0],
            _ => return true,
        };
        let started = Instant::now();
        received += usize::from(packet[1] == 3);
        while received == blocks && !go.exists() && started.elapsed() < PATIENCE {
            // Said again before the server loses patience.
            std::thread::sleep(Duration::from_millis(200));
            socket.send_to(&[&[0, 4], number.as_slice()].concat(), from).expect("an acknowledgement");
            if socket.set_nonblocking(true).is_ok() {
                while socket.recv_from(&mut packet).is_ok() {}
                let _ = socket.set_nonblocking(false);
            }
        }
        socket.send_to(&[&[0, 4], number.as_slice()].concat(), from).expect("an acknowledgement");
        if packet[1] == 3 && length < 4 + BLOCK {
            return true;
        }
    }
}
