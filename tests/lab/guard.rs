//! What the running service can still do, in each way of starting it, and that sticks, reloads and devices that come
//! and go find it able to serve.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::client::{BIOS, Client, Kind};
use crate::files::{TftpRoot, run_folder, write};
use crate::journal::Journal;
use crate::net::Lan;
use crate::process::{Process, run};
use crate::service::{boot_files, expect_boots, offers, sends_files, until_ok};
use crate::status::ask;
use crate::upxe::{Upxe, program, settings};

const SOON: Duration = Duration::from_secs(10);

/// Capabilities as `/proc` shows them (linux/capability.h: 13 is CAP_NET_RAW, 10 CAP_NET_BIND_SERVICE, 2
/// CAP_DAC_READ_SEARCH).
const PACKETS: u64 = 1 << 13;
const OF_ROOT: u64 = 1 << 13 | 1 << 10 | 1 << 2;

/// A folder that every user may enter, wherever the repository is; removed when dropped.
struct Shared(PathBuf);

impl Shared {
    fn new(test: &str) -> Shared {
        let path = std::env::temp_dir().join(format!("upxe-guard-{test}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
        Shared(path)
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The fields of `/proc/PID/status`.
fn credentials(pid: u32) -> BTreeMap<String, String> {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let fields = text.lines().filter_map(|line| line.split_once(':'));
    fields.map(|(name, value)| (name.to_owned(), value.trim().to_owned())).collect()
}

/// Holds a process against what it is to be.
fn expect_confined(pid: u32, user: u32, powers: u64) {
    let found = credentials(pid);
    let told = |name: &str| found[name].as_str();
    let user = format!("{user}\t{user}\t{user}\t{user}");
    assert_eq!((told("Uid"), told("Gid")), (&*user, &*user));
    for set in ["CapPrm", "CapEff"] {
        assert_eq!(told(set), format!("{powers:016x}"), "{set}");
    }
    for set in ["CapInh", "CapAmb"] {
        assert_eq!(told(set), "0000000000000000", "{set}");
    }
    assert_eq!((told("NoNewPrivs"), told("Seccomp")), ("1", "2"));
    assert_eq!(told("Threads"), "1", "a filter is one thread's");
}

/// Everything that needs more than open descriptors: devices made anew, a new configuration, status.
fn expect_goes_on(lan: &Lan, upxe: &Upxe) {
    expect_boots(lan);
    let from = upxe.log.end();
    upxe.reload_signal();
    upxe.log.expect(from, &["configuration reloaded"], SOON);
    lan.delete_bridge();
    lan.create_bridge();
    expect_boots(lan);
    assert!(ask(&upxe.socket).unwrap().starts_with("{\"version\":1"));
}

#[test]
fn whoever_stays_root_keeps_few_of_its_powers() {
    let lan = Lan::new();
    for (test, user) in [("guard-root", "root"), ("guard-no-user", "no-such-user")] {
        let run = run_folder(test);
        let tftp = boot_files(TftpRoot::new(&run)).path;
        let upxe = Upxe::also(&[&lan], &format!("\toption user '{user}'\n"), &tftp, &run, None);
        upxe.log.expect(0, &["confined: user 0;", "system calls: filtered", "read only"], SOON);
        expect_goes_on(&lan, &upxe);
        expect_confined(upxe.pid(), 0, OF_ROOT);
    }
}

#[test]
fn another_user_keeps_raw_packets_only() {
    let lan = Lan::new();
    let shared = Shared::new("user");
    let tftp = boot_files(TftpRoot::new(&shared.0)).path;
    let upxe = Upxe::also(&[&lan], "\toption user 'nobody'\n", &tftp, &shared.0, None);
    upxe.log.expect(0, &["confined: user 65534; power: raw packets; system calls: filtered"], SOON);
    expect_goes_on(&lan, &upxe);
    expect_confined(upxe.pid(), 65534, PACKETS);
    assert_eq!(credentials(upxe.pid())["Groups"], "");
}

/// As a jail or setpriv starts it: never root, and given what it takes.
#[test]
fn who_was_never_root_keeps_raw_packets_only() {
    let lan = Lan::new();
    let shared = Shared::new("plain");
    let own = shared.0.join("upxe");
    fs::copy(program(), &own).unwrap();
    let tftp = boot_files(TftpRoot::new(&shared.0)).path;
    let log = Journal::new("upxe", &run_folder("guard-plain"), None);
    let powers = "+net_raw,+net_bind_service,+net_admin";
    let (own, tftp) = (own.to_string_lossy(), tftp.to_string_lossy());
    let words = [
        "setpriv",
        "--reuid=65534",
        "--regid=65534",
        "--clear-groups",
        "--inh-caps",
        powers,
        "--ambient-caps",
        powers,
        &own,
        "run",
        "-i",
        "br-lan",
        "--tftp-root",
        &tftp,
    ];
    let upxe = Process::start(&lan.router.name, &words, &log);
    expect_boots(&lan);
    lan.delete_bridge();
    lan.create_bridge();
    expect_boots(&lan);
    expect_confined(upxe.pid(), 65534, PACKETS);
}

/// In the mount namespace of the service, as `ip netns exec` made it.
fn mount(upxe: &Upxe, words: &str) {
    let pid = upxe.pid().to_string();
    let mut command = vec!["nsenter", "-m", "-t", &pid];
    command.extend(words.split(' '));
    run(&command);
}

fn inside(upxe: &Upxe, path: &Path) -> PathBuf {
    Path::new("/proc").join(upxe.pid().to_string()).join("root").join(path.strip_prefix("/").unwrap())
}

fn plug(upxe: &Upxe, place: &Path, folder: &Path) {
    mount(upxe, &format!("mount -t tmpfs none {}", place.display()));
    let folder = inside(upxe, folder);
    fs::create_dir_all(&folder).unwrap();
    write(&folder.join("boot.ipxe"), "#!ipxe\n");
}

fn expect_file(lan: &Lan) {
    until_ok(|| sends_files(lan, lan.address(1)));
}

#[test]
fn a_stick_is_plugged_pulled_and_plugged_again() {
    let lan = Lan::new();
    for (test, folder, user) in [("stick", "", "nobody"), ("stick-folder", "tftp/files", "root")] {
        let shared = Shared::new(test);
        let stick = shared.0.join("mnt/stick");
        fs::create_dir_all(&stick).unwrap();
        let root = if folder.is_empty() { stick.clone() } else { stick.join(folder) };
        let upxe = Upxe::also(&[&lan], &format!("\toption user '{user}'\n"), &root, &shared.0, None);
        upxe.log.expect(0, &["confined:", "read only, beneath"], SOON);
        for _ in 0..2 {
            sends_files(&lan, lan.address(1)).expect_err("nothing is plugged in");
            plug(&upxe, &stick, &root);
            expect_file(&lan);
            mount(&upxe, &format!("umount -l {}", stick.display()));
        }
    }
}

/// The stick is there when the service starts, and another one comes.
#[test]
fn a_stick_is_changed_for_another() {
    let lan = Lan::new();
    let shared = Shared::new("stick-change");
    let stick = shared.0.join("mnt/stick");
    fs::create_dir_all(&stick).unwrap();
    let (place, root) = (stick.to_string_lossy().into_owned(), stick.join("tftp"));
    let config = shared.0.join("config");
    fs::create_dir_all(&config).unwrap();
    write(&config.join("upxe"), &settings(&[&lan], &root));
    let script = "mount -t tmpfs none $1 && mkdir $1/tftp && echo '#!ipxe' >$1/tftp/boot.ipxe && shift && exec \"$@\"";
    let (program, config) = (program(), config.to_string_lossy().into_owned());
    let program = program.to_string_lossy();
    let socket = shared.0.join("status").to_string_lossy().into_owned();
    let log = Journal::new("upxe", &run_folder("guard-stick-change"), None);
    let words = ["sh", "-c", script, "sh", &place, &program, "run", "-i", "br-lan", "-c", &config, "--socket", &socket];
    let upxe = Process::start(&lan.router.name, &words, &log);
    expect_file(&lan);
    let pid = upxe.pid().to_string();
    let change = format!("umount -l {place} && mount -t tmpfs none {place} && mkdir {place}/tftp");
    run(&["nsenter", "-m", "-t", &pid, "sh", "-c", &change]);
    sends_files(&lan, lan.address(1)).expect_err("the new one is empty");
    run(&["nsenter", "-m", "-t", &pid, "sh", "-c", &format!("echo '#!ipxe' >{place}/tftp/boot.ipxe")]);
    expect_file(&lan);
}

#[test]
fn the_folder_is_replaced_and_comes_late() {
    let lan = Lan::new();
    let run = run_folder("guard-replaced");
    let tftp = boot_files(TftpRoot::new(&run)).path;
    let upxe = Upxe::start(&[&lan], &tftp, &run, None);
    expect_boots(&lan);
    fs::remove_dir_all(&tftp).unwrap();
    sends_files(&lan, lan.address(1)).expect_err("it is gone");
    fs::create_dir_all(run.join("new")).unwrap();
    write(&run.join("new/boot.ipxe"), "#!ipxe\n");
    fs::rename(run.join("new"), &tftp).unwrap();
    expect_file(&lan);
    let late = run.join("not/there/yet");
    upxe.reload("upxe", &settings(&[&lan], &late));
    upxe.log.expect(0, &["not/there/yet cannot be opened"], SOON);
    fs::create_dir_all(&late).unwrap();
    write(&late.join("boot.ipxe"), "#!ipxe\n");
    expect_file(&lan);
}

#[test]
fn a_folder_from_beyond_is_told_of_and_served_after_a_start() {
    let lan = Lan::new();
    let (run, shared) = (run_folder("guard-beyond"), Shared::new("beyond"));
    let tftp = boot_files(TftpRoot::new(&run)).path;
    let mut upxe = Upxe::start(&[&lan], &tftp, &run, None);
    expect_boots(&lan);
    let far = boot_files(TftpRoot::new(&shared.0)).path;
    let from = upxe.log.end();
    upxe.reload("upxe", &settings(&[&lan], &far));
    let far_text = far.to_string_lossy();
    upxe.log.expect(from, &[&far_text, "beyond what upxe may read", "start it anew"], SOON);
    sends_files(&lan, lan.address(1)).expect_err("Landlock is never widened");
    upxe.reload("upxe", &settings(&[&lan], &tftp));
    expect_boots(&lan);
    assert!(upxe.stop().success());
    let _upxe = Upxe::start(&[&lan], &far, &run, None);
    expect_boots(&lan);
}

#[test]
fn lines_in_a_new_folder_are_read_at_a_reload() {
    let lan = Lan::new();
    let (run, shared) = (run_folder("guard-conf-dir"), Shared::new("conf-dir"));
    let tftp = boot_files(TftpRoot::new(&run)).text("named.0", "by a line").path;
    let lines = run.join("pxe.conf");
    write(&lines, "# nothing yet\n");
    let config = run.join("config");
    fs::create_dir_all(&config).unwrap();
    write(&config.join("upxe"), &settings(&[&lan], &tftp));
    let log = Journal::new("upxe", &run, None);
    let (program, config, file) = (program(), config.to_string_lossy(), lines.to_string_lossy());
    let socket = run.join("status").to_string_lossy().into_owned();
    let words =
        [&*program.to_string_lossy(), "run", "-i", "br-lan", "-c", &config, "--conf-file", &file, "--socket", &socket];
    let upxe = Process::start(&lan.router.name, &words, &log);
    expect_boots(&lan);

    fs::create_dir_all(run.join("more.d")).unwrap();
    write(&run.join("more.d/one.conf"), "dhcp-boot=named.0\n");
    write(&lines, &format!("conf-dir={}/more.d\n", run.display()));
    let from = log.end();
    upxe.signal(libc::SIGHUP);
    log.expect(from, &["configuration reloaded"], SOON);
    until_ok(|| offers(&lan, lan.address(1), Kind::Pxe(BIOS), "named.0"));

    // One that is nowhere near: the old rules go on, and the log says what to do.
    write(&shared.0.join("far.conf"), "dhcp-boot=undionly.kpxe\n");
    write(&lines, &format!("conf-dir={}\n", shared.0.display()));
    let from = log.end();
    upxe.signal(libc::SIGHUP);
    log.expect(from, &["cannot be read"], SOON);
    until_ok(|| sends_files(&lan, lan.address(1)));
}

/// Nothing that an honest service does is refused: a call that was forgotten in the filter would fail in silence.
#[test]
fn the_filter_refuses_nothing_that_is_done() {
    let lan = Lan::new();
    let run = run_folder("guard-refused");
    let tftp = boot_files(TftpRoot::new(&run)).path;
    fs::create_dir_all(tftp.join("folder")).unwrap();
    std::os::unix::fs::symlink("../boot.ipxe", tftp.join("folder/link")).unwrap();
    std::os::unix::fs::symlink("/etc/hosts", tftp.join("outside")).unwrap();
    let config = run.join("config");
    fs::create_dir_all(&config).unwrap();
    let settings = settings(&[&lan], &tftp);
    write(&config.join("upxe"), &settings);
    let log = Journal::new("upxe", &run, None);
    let (trace, socket) = (run.join("trace"), run.join("status"));
    let (program, trace_text) = (program(), trace.to_string_lossy());
    let (config_text, socket_text) = (config.to_string_lossy(), socket.to_string_lossy());
    let program = program.to_string_lossy();
    // -D: the service is the process that we start, and strace its child.
    let words = [
        "strace",
        "-D",
        "-o",
        &trace_text,
        &program,
        "run",
        "-i",
        "br-lan",
        "-c",
        &config_text,
        "--socket",
        &socket_text,
    ];
    let mut upxe = Process::start(&lan.router.name, &words, &log);
    expect_boots(&lan);
    for name in ["folder/link", "outside", "missing", "../../etc/passwd", "folder", "/boot.ipxe"] {
        let _ = Client::new(&lan, 5).read_file(lan.address(1), name);
    }
    let mut from = log.end();
    for text in [&*settings, "config upxe 'main\n", &format!("{settings}\toption tftp_single_port '1'\n")] {
        write(&config.join("upxe"), text);
        upxe.signal(libc::SIGHUP);
        log.expect(from, &["configuration"], SOON);
        from = log.end();
    }
    expect_boots(&lan);
    lan.delete_bridge();
    lan.create_bridge();
    expect_boots(&lan);
    ask(&socket).unwrap();
    upxe.signal(libc::SIGSTOP);
    upxe.signal(libc::SIGCONT);
    expect_boots(&lan);
    assert!(upxe.stop().success());
    let traced = fs::read_to_string(&trace).unwrap();
    let (_, confined) = traced.split_once("seccomp(SECCOMP_SET_MODE_FILTER").expect("the filter is installed");
    let refused: Vec<&str> = confined
        .lines()
        .filter(|line| [" ENOSYS ", " EPERM ", " SIGSYS "].iter().any(|word| line.contains(word)))
        .collect();
    assert!(refused.is_empty(), "{refused:#?}");
    let begun = |call: &str| confined.lines().any(|line| line.starts_with(call));
    for call in ["openat2(", "preadv(", "sendto(", "socket(AF_PACKET", "socket(AF_INET", "accept4(", "ioctl("] {
        assert!(begun(call), "{call} was not tried");
    }
}
