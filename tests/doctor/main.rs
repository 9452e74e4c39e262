//! `upxe doctor` on a router of the lab: silent about a healthy one, and with a word and a command for each thing that is
//! wrong with it. Real dnsmasq, real upxe, network namespaces; it needs root and what `tests/setup` installs.
// A lab whose scene can't be set has failed, and a panic with a message is how a test says so.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(dead_code, reason = "the lab has more than this needs")]

#[path = "../lab/client.rs"]
mod client;
#[path = "../lab/dnsmasq.rs"]
mod dnsmasq;
#[path = "../lab/elsewhere.rs"]
mod elsewhere;
#[path = "../lab/files.rs"]
mod files;
#[path = "../lab/initramfs.rs"]
mod initramfs;
#[path = "../lab/journal.rs"]
mod journal;
#[path = "../lab/net.rs"]
mod net;
#[path = "../lab/process.rs"]
mod process;
mod router;
#[path = "../lab/sys.rs"]
mod sys;
#[path = "../lab/upxe.rs"]
mod upxe;
#[path = "../lab/web.rs"]
mod web;

use std::fs;
use std::net::{Ipv4Addr, UdpSocket};
use std::os::unix::fs::PermissionsExt;

use self::client::{ANSWER, Client, Kind, X64};
use self::files::{TftpRoot, write};
use self::journal::Journal;
use self::net::Lan;
use self::process::{Process, try_run};
use self::router::{Router, SOON};
use self::upxe::{Upxe, program};

#[test]
fn a_healthy_router_is_told_so() {
    let router = Router::start("healthy");
    let said = router.ask(&["--probe"]);
    assert_eq!((said.codes("error"), said.codes("warning"), said.status), (vec![], vec![], 0), "{}", said.json);
    assert!(said.one("last-offer").0.contains("no machine was offered anything since the start"));
    assert!(said.one("probe").0.contains("nobody else answers"));
    // For people.
    let program = program();
    let (program, config, socket) =
        (program.to_string_lossy(), router.upxe.config.to_string_lossy(), router.upxe.socket.to_string_lossy());
    let name = &router.lan.router.name;
    let words = ["ip", "netns", "exec", name, &program, "doctor", "-c", &config, "--socket", &socket];
    let (status, text) = try_run(&words);
    assert!(status.success() && text.starts_with("nothing stands in the way\n\nnote: "), "{text}");
}

#[test]
fn machines_that_failed_lately() {
    let router = Router::start("clients");
    router.also("upxe", "\nconfig host\n\toption name 'nas'\n\toption mac '52:54:00:cc:4d:05'\n");
    router.reload();
    router.ask(&[]);
    Client::new(&router.lan, 4).discover(Kind::Pxe(X64), ANSWER, |_| false);
    let said = router.ask(&[]);
    assert_eq!(said.status, 0);
    assert_eq!(said.one("last-offer").0, "the last offer went to 52:54:00:cc:4d:04 0 s ago");
    // An ARM machine, for which there is nothing.
    Client::new(&router.lan, 5).discover(Kind::Pxe(11), ANSWER, |_| false);
    let (what, _) = router.ask(&[]).only("warning", "client-failed");
    assert!(what.starts_with("52:54:00:cc:4d:05 (nas), ARM64, 0 s ago: there is no boot file for it: "), "{what}");
}

#[test]
fn a_service_that_does_not_run() {
    let mut router = Router::start("ended");
    router.upxe.stop();
    let (what, mend) = router.look(&[]).only("error", "not-running");
    assert!(what.starts_with("upxe does not run: "), "{what}");
    assert_eq!(mend, "service upxe enable && service upxe restart");
    router.upxe.kill();
    router.look(&[]).only("error", "not-running");
}

#[test]
fn switched_off() {
    let mut router = Router::start("off");
    router.upxe.stop();
    let path = router.upxe.config.join("upxe");
    write(&path, &fs::read_to_string(&path).unwrap().replace("enabled '1'", "enabled '0'"));
    let (_, mend) = router.look(&[]).only("error", "switched-off");
    assert!(mend.contains("uci set upxe.main.enabled='1' && uci commit upxe"), "{mend}");
}

#[test]
fn a_broken_configuration() {
    let router = Router::start("broken");
    router.also("upxe", "\toption tftp_max 'many'\n");
    let said = router.ask(&[]);
    let (what, _) = said.only("error", "config-error");
    assert!(what.contains("tftp_max: found 'many'"), "{what}");
    assert!(said.findings()[0].text_of("where").unwrap().contains("/upxe:6"), "{}", said.json);
}

#[test]
fn ports_that_others_hold() {
    let lan = Lan::new();
    let taken = lan.router.inside(|| UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 69)).unwrap());
    let mut router = Router::start_on("ports", lan);
    router.upxe.log.expect(0, &["port 69 is taken"], SOON);
    let (what, _) = router.ask(&[]).only("error", "port-taken");
    assert!(what.starts_with("port 69: held by ") && what.contains(&std::process::id().to_string()), "{what}");
    // The service in a jail can't know who it is, the doctor outside does.
    router.upxe.stop();
    router.upxe = Upxe::without_proc(&router.lan, &router.tftp, &router.run);
    router.upxe.log.expect(0, &["port 69 is taken by another program"], SOON);
    let (what, _) = router.ask(&[]).only("error", "port-taken");
    assert!(what.starts_with("port 69: held by ") && what.contains(&std::process::id().to_string()), "{what}");
    // The same without the service's help.
    router.upxe.stop();
    let (what, _) = router.look(&[]).one("port-taken");
    assert!(what.starts_with("port 69: held by ") && what.contains(&std::process::id().to_string()), "{what}");
    // Who isn't root can't tell, and so doesn't say that it is wrong.
    let said = router.run_with(&["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"], &[]);
    assert!(!said.json.contains("port-taken"), "{}", said.json);
    assert!(said.json.contains("port 69: held by a program that only root can see"), "{}", said.json);
    drop(taken);
    assert!(!router.look(&[]).json.contains("port-taken"));
}

#[test]
fn a_network_without_its_device() {
    let router = Router::start("device");
    router.lan.delete_bridge();
    router.upxe.log.expect(0, &["no such device"], SOON);
    let (what, mend) = router.ask(&[]).only("error", "no-network");
    assert_eq!((&*what, &*mend), ("network lan: br-lan: no such device", "ifup lan"));
}

#[test]
fn nobody_who_gives_out_addresses() {
    let mut router = Router::start("addresses");
    router.dnsmasq.stop();
    let (_, mend) = router.ask(&[]).only("warning", "no-dhcp");
    assert_eq!(mend, "service dnsmasq start");
    // Having asked, it is sure.
    router.ask(&["--probe"]).only("error", "no-dhcp");
}

#[test]
fn dnsmasqs_own_boot_lines_menu_and_tftp() {
    let router = Router::start("stock");
    let path = router.upxe.config.join("dhcp");
    let stock = fs::read_to_string(&path).unwrap();
    let root = router.tftp.to_string_lossy().into_owned();
    let set = |lines: &str| write(&path, &stock.replacen("config dnsmasq\n", &format!("config dnsmasq\n{lines}"), 1));

    // By itself a line of dnsmasq's is what upxe offers too.
    set("\toption dhcp_boot 'undionly.kpxe'\n");
    router.reload();
    let said = router.ask(&[]);
    assert_eq!((said.status, said.codes("warning").len()), (0, 0), "{}", said.json);
    assert!(said.one("dnsmasq-boot").0.contains("dnsmasq offers this itself too"));
    // Beside another rule it is trouble.
    router.also("upxe", "\nconfig boot\n\toption filename 'snponly.efi'\n");
    router.reload();
    let (_, mend) = router.ask(&[]).only("warning", "dnsmasq-boot");
    assert_eq!(
        mend,
        "uci add upxe boot && uci set upxe.@boot[-1].filename='undionly.kpxe' && uci commit upxe && \
         uci delete dhcp.@dnsmasq[0].dhcp_boot && uci commit dhcp && service dnsmasq restart && service upxe reload"
    );

    set("\tlist pxe_service 'x86PC,\"Install, now\",undionly'\n\tlist pxe_service 'x86-64_EFI,Boot,snponly.efi'\n");
    router.reload();
    let said = router.ask(&[]);
    assert_eq!(said.codes("warning"), ["dnsmasq-pxe", "dnsmasq-pxe", "file-missing"], "{}", said.json);
    // All of it is in the first one's command, written down before it is taken out.
    assert_eq!(
        said.mend("dnsmasq-pxe"),
        "uci add_list upxe.main.pxe_service='x86PC,\"Install, now\",undionly' && \
         uci add_list upxe.main.pxe_service='x86-64_EFI,Boot,snponly.efi' && uci commit upxe && \
         uci del_list dhcp.@dnsmasq[0].pxe_service='x86-64_EFI,Boot,snponly.efi' && uci commit dhcp && \
         uci del_list dhcp.@dnsmasq[0].pxe_service='x86PC,\"Install, now\",undionly' && uci commit dhcp && \
         service dnsmasq restart && service upxe reload"
    );

    set(&format!("\toption enable_tftp '1'\n\toption tftp_root '{root}'\n"));
    router.reload();
    let (_, mend) = router.ask(&[]).only("warning", "dnsmasq-tftp");
    assert!(mend.starts_with("uci delete dhcp.@dnsmasq[0].enable_tftp && uci commit dhcp && "), "{mend}");
}

#[test]
fn a_line_of_dnsmasq_conf_is_taken_out_there() {
    let router = Router::start("lines");
    // A file whose name says that dnsmasq reads it.
    let path = format!("/tmp/dnsmasq-doctor-{}.conf", std::process::id());
    write(path.as_ref(), "# mine\ndhcp-boot=undionly.kpxe\n");
    router.also("upxe", "\nconfig boot\n\toption filename 'snponly.efi'\n");
    let said = router.ask(&["--conf-file", &path]);
    let (_, mend) = said.only("warning", "dnsmasq-boot");
    let copy = "uci add upxe boot && uci set upxe.@boot[-1].filename='undionly.kpxe' && uci commit upxe && ";
    let sed = mend.strip_prefix(copy).unwrap_or_else(|| panic!("{mend}"));
    assert_eq!(sed, format!("sed -i '2s/^/# /' '{path}' && service dnsmasq restart && service upxe reload"));
    // It does what it says.
    let (sed, _) = sed.split_once(" && ").unwrap();
    assert!(try_run(&["sh", "-c", sed]).0.success());
    router.ask(&["--conf-file", &path]);
    let text = fs::read_to_string(&path).unwrap();
    fs::remove_file(&path).unwrap();
    assert_eq!(text, "# mine\n# dhcp-boot=undionly.kpxe\n");
    assert!(!router.look(&["--conf-file", "/dev/null/none"]).json.contains("dnsmasq-boot"));
}

#[test]
fn the_web_server_that_machines_are_sent_to() {
    let router = Router::start("web");
    router.also("upxe", "\toption http_base 'http://192.168.77.1:8069/boot'\n");
    router.reload();
    let (what, _) = router.ask(&[]).only("error", "web-closed");
    assert!(what.starts_with("http://192.168.77.1:8069/boot/") && what.contains(" cannot be had: "), "{what}");
    // One that serves something else.
    let other = TftpRoot::named(&router.run, "other").text("index.html", "hello").path;
    let server = web::serve(&router.lan.router, "192.168.77.1:8069", &other, &router.run, "other");
    let (what, _) = router.until(&["web-other"]).only("warning", "web-other");
    assert!(what.ends_with(" is answered with: HTTP/1.1 404 Not Found"), "{what}");
    drop(server);
    std::os::unix::fs::symlink(&router.tftp, router.run.join("boot")).unwrap();
    let _server = web::serve(&router.lan.router, "192.168.77.1:8069", &router.run, &router.run, "web");
    let said = router.until(&[]);
    assert_eq!(said.status, 0, "{}", said.json);
}

#[test]
fn http_without_a_web_server() {
    let router = Router::start("web-missing");
    router.also("upxe", "\toption http '1'\n");
    router.reload();
    // Debian has no uhttpd.
    let said = router.ask(&[]);
    assert_eq!(said.json.matches("is not there").count(), 1, "{}", said.json);
    let (what, mend) = said.only("warning", "web-missing");
    assert_eq!(what, "option http is on, and /usr/sbin/uhttpd is not there");
    assert_eq!(mend, "opkg update && opkg install uhttpd && service upxe restart");
}

#[test]
fn dnsmasq_2_92() {
    let router = Router::start("release");
    let path = router.upxe.config.join("dhcp");
    let stock = fs::read_to_string(&path).unwrap();
    let lines = "config dnsmasq\n\tlist pxe_service 'x86-64_EFI,Boot,snponly.efi'\n";
    write(&path, &stock.replacen("config dnsmasq\n", lines, 1));
    // Only this release is wrong, and Debian has another: what it says of itself is played.
    let said = router.ask_beside("dnsmasq", "echo 'Dnsmasq version 2.92  Copyright (c) 2000-2025 Simon Kelley'");
    assert!(said.one("dnsmasq-broken").0.contains("2.92"), "{}", said.json);
    assert!(!router.look(&[]).json.contains("dnsmasq-broken"), "the real one is not 2.92");
}

#[test]
fn files_that_are_missing_or_cannot_be_read() {
    let router = Router::start("files");
    router.also("upxe", "\nconfig boot\n\toption filename 'lost.efi'\n");
    let (what, mend) = router.ask(&[]).only("warning", "file-missing");
    assert!(what.starts_with("there is no lost.efi in the TFTP root "), "{what}");
    let place = router.tftp.join("lost.efi");
    assert!(mend.starts_with("scp -O 'lost.efi' root@"), "{mend}");
    assert!(mend.ends_with(&format!(":'{}'", place.display())), "{mend}");

    let path = router.tftp.join("lost.efi");
    write(&path, "found");
    assert_eq!(router.ask(&[]).status, 0);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    let (_, mend) = router.ask(&[]).only("warning", "file-unreadable");
    assert_eq!(mend, format!("chmod o+r '{}'", path.display()));
    assert!(try_run(&["sh", "-c", &mend]).0.success());
    assert_eq!(router.ask(&[]).status, 0, "the command mends it");
}

#[test]
fn a_folder_that_the_services_user_may_not_enter() {
    let router = Router::start("user");
    let secret = router.run.join("secret");
    let inner = secret.join("a-b's");
    fs::create_dir_all(&inner).unwrap();
    write(&inner.join("snponly.efi"), "x");
    let root = inner.to_string_lossy().into_owned();
    router.also("upxe", "\toption user 'nobody'\n");
    let said = router.ask(&["--tftp-root", &root]);
    assert_eq!(said.status, 0, "{}", said.json);
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o700)).unwrap();
    let (what, mend) = router.ask(&["--tftp-root", &root]).only("error", "root-unreadable");
    assert_eq!(what, format!("user nobody may not enter {}", secret.display()));
    assert_eq!(mend, format!("chmod o+x '{}'", secret.display()));
    assert!(try_run(&["sh", "-c", &mend]).0.success());
    assert_eq!(router.ask(&["--tftp-root", &root]).status, 0, "the command mends it");

    fs::set_permissions(inner.join("snponly.efi"), fs::Permissions::from_mode(0o640)).unwrap();
    let (_, mend) = router.ask(&["--tftp-root", &root]).only("warning", "file-unreadable");
    assert!(try_run(&["sh", "-c", &mend]).0.success());
    assert_eq!(router.ask(&["--tftp-root", &root]).status, 0, "the command mends it, quotes and all: {mend}");
}

#[test]
fn a_root_that_is_missing_or_empty() {
    let router = Router::start("root");
    let gone = router.run.join("gone");
    let root = gone.to_string_lossy().into_owned();
    let (_, mend) = router.ask(&["--tftp-root", &root]).only("error", "root-missing");
    assert_eq!(mend, format!("mkdir -p '{root}'"));
    assert!(try_run(&["sh", "-c", &mend]).0.success());
    router.ask(&["--tftp-root", &root]).only("warning", "root-empty");
    let file = router.tftp.join("snponly.efi").to_string_lossy().into_owned();
    let (what, _) = router.ask(&["--tftp-root", &file]).only("error", "root-missing");
    assert!(what.ends_with("is not a folder"), "{what}");
}

#[test]
fn a_firewall_that_lets_nobody_in() {
    let router = Router::start("firewall");
    const DEFAULTS: &str = "config defaults\n\toption input 'REJECT'\n\n";
    const ZONE: &str = "config zone\n\toption name 'lan'\n\tlist network 'lan'\n";
    router.also("firewall", &[DEFAULTS, ZONE, "\toption input 'ACCEPT'\n"].concat());
    assert_eq!(router.ask(&[]).status, 0, "OpenWrt's own");
    let path = router.upxe.config.join("firewall");
    write(&path, &[DEFAULTS, ZONE].concat());
    let (what, mend) = router.ask(&[]).only("error", "firewall-closed");
    assert!(what.contains("zone lan") && mend.contains("dest_port='69 4011'"), "{what} {mend}");
    // What fw4 (read_ubus) and fw3 make of the rule that the init script has procd ask for: its name is theirs.
    const NFT: &str = "[ \"$*\" != 'list chain inet fw4 input_lan' ] || echo 'udp dport { 69, 4011 } counter accept \
                       comment \"!fw4: ubus:upxe[instance1] rule 0\"'";
    const IPTABLES: &str = "echo '-A zone_lan_input -p udp -m udp --dport 69 -m comment --comment \
                            \"!fw3: ubus:upxe[instance1] rule 0\" -j ACCEPT'";
    for (program, script) in [("nft", NFT), ("iptables-save", IPTABLES)] {
        assert_eq!(router.ask_beside(program, script).status, 0, "opened by procd");
        for (theirs, others) in [("_lan", "_lanes"), ("upxe[", "other[")] {
            router.ask_beside(program, &script.replace(theirs, others)).only("error", "firewall-closed");
        }
    }
    const RULE: &str = "\nconfig rule\n\toption src 'lan'\n\toption proto 'udp'\n\toption dest_port '69 4011'\n\toption target 'ACCEPT'\n";
    write(&path, &[DEFAULTS, ZONE, RULE].concat());
    assert_eq!(router.ask(&[]).status, 0, "what the command adds");
    write(&path, DEFAULTS);
    let (what, mend) = router.ask(&[]).only("error", "firewall-closed");
    assert!(what.contains("in no zone") && mend.is_empty(), "which zone it belongs to is for people to say: {mend}");
}

#[test]
fn another_server_on_the_network_answers_when_asked() {
    let router = Router::start("others");
    let (client, run) = (&router.lan.client.name, &router.run);
    let config = run.join("other.conf");
    let address = router.lan.address(2);
    write(
        &config,
        &format!(
            "port=0\nbind-dynamic\ninterface=eth0\ndhcp-range={},{},255.255.255.0,1h\nlog-dhcp\nno-ping\n\
             dhcp-leasefile={}/other.leases\nuser=root\n",
            router.lan.address(50),
            router.lan.address(60),
            run.display()
        ),
    );
    let config = config.to_string_lossy().into_owned();
    let other = |lines: &str, name: &'static str| {
        let text = fs::read_to_string(&config).unwrap();
        write(config.as_ref(), &(text + lines));
        let log = Journal::new(name, run, None);
        let command = ["dnsmasq", "-C", &config, "-k", "-x", &format!("{config}.pid"), "--log-facility=-"];
        let process = Process::start(client, &command, &log);
        log.expect(0, &["DHCP, "], SOON);
        process
    };
    let first = other("", "other");
    assert_eq!(router.ask(&[]).status, 0, "nobody is asked unless told so");
    assert!(first.log.since(0, &["DHCPDISCOVER"]).is_empty());
    let (what, _) = router.ask(&["--probe"]).only("warning", "other-dhcp");
    assert_eq!(what, format!("network lan: {address} gives out addresses, beside this router"));
    // One question, by somebody who says who it is, and nothing reserved by it, there or here.
    assert_eq!(first.log.since(0, &["DHCPDISCOVER(eth0)", "02:75:70:78:65:3f"]).len(), 1);
    assert!(first.log.since(0, &["DHCPREQUEST"]).is_empty());
    assert!(router.dnsmasq.log.since(0, &["02:75:70:78:65:3f"]).is_empty(), "this router's own does not hear it");
    for leases in ["other.leases", "dhcp.leases"] {
        assert!(!fs::read_to_string(run.join(leases)).unwrap_or_default().contains("02:75:70"), "{leases}");
    }
    drop(first);

    let second = other("dhcp-boot=evil.efi\n", "other-boot");
    let said = router.ask(&["--probe"]);
    assert_eq!(said.codes("warning"), ["other-dhcp", "other-boot"], "{}", said.json);
    drop(second);

    // A proxy alone: it gives out no addresses.
    let text = fs::read_to_string(&config).unwrap();
    let range = format!("dhcp-range={},proxy\n", router.lan.address(0));
    let lines: String =
        text.lines().filter(|line| !line.starts_with("dhcp-range")).map(|line| format!("{line}\n")).collect();
    write(config.as_ref(), &lines);
    let third = other(&(range + "pxe-service=x86-64_EFI,Boot,evil.efi\n"), "other-proxy");
    let said = router.ask(&["--probe"]);
    assert_eq!(said.codes("warning"), ["other-boot"], "{}", said.json);
    drop(third);
}
