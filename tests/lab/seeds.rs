//! The recipes of `uci/examples`, which people have published for dnsmasq, each from power-on to a running Linux: upxe is
//! given the very files that stand there, beside a stock dnsmasq.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::boot_run::House;
use crate::disguise::Disguise;
use crate::dnsmasq::advertise_router;
use crate::elsewhere;
use crate::files::{Arch, TftpRoot, run_folder};
use crate::journal::Journal;
use crate::loaders;
use crate::net::{Lan, Namespace};
use crate::process::Process;
use crate::san::{self, San};
use crate::upxe::Recipe;
use crate::vm::{Firmware, Machine, Vm};
use crate::web;

const VENDOR_ROM: Machine = Machine { firmware: Firmware::Bios, disguise: Some(Disguise::VendorRom) };
const GPXE: Machine = Machine { firmware: Firmware::Bios, disguise: Some(Disguise::VendorRomThenGpxe) };

const UNDIONLY: &str = "usr/lib/ipxe/undionly.kkpxe";
const PXELINUX: &str = "usr/lib/PXELINUX/pxelinux.0";

fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("uci/examples").join(name)
}

/// dnsmasq.conf lines that take `folder` for the TFTP root.
fn lines<'r>(name: &str, folder: &'r str) -> Recipe<'r> {
    Recipe::Lines { file: example(name), folder, also: "" }
}

/// A ROM loads iPXE by TFTP, and iPXE pxelinux, which is told by options 209 and 210 to get the rest by HTTP.
#[test]
fn dhcp_server_with_pxelinux_over_http() {
    let house = House::new("seed-dhcp-server", [192, 168, 2], "", None);
    let tftp =
        house.tftp().packaged("undionly.kkpxe.0", Arch::Amd64, UNDIONLY).packaged("pxelinux.0", Arch::Amd64, PXELINUX);
    let web = pxelinux_site(&house, "default", false);
    let run = house.follow(&lines("dhcp-server.conf", "/tmp/memstick/host0_part1/"), &tftp);
    let vm = run.switch_on(VENDOR_ROM);
    run.expect_linux(vm, "x86_64", &["undionly.kkpxe.0", "pxelinux.0"]);
    were_fetched(&web, &["/pxelinux.cfg/default", "/vmlinuz", "/initrd"]);
    run.finish();
}

/// The author's iPXE had this script built in; here it is loaded, under the customary name. The file on disk is called
/// as the author's dnsmasq asked for it.
const SCRIPT: &str = "#!ipxe\nset use-cached 1\ndhcp\nset 209:string pxelinux.cfg/default\n\
                      set 210:string http://192.168.2.1:81/\nboot pxelinux.0\n";

#[test]
fn proxy_with_a_script() {
    let house = House::new("seed-proxy", [192, 168, 2], "", None);
    let tftp = house
        .tftp()
        .packaged("undionly.kkpxe.0", Arch::Amd64, UNDIONLY)
        .packaged("pxelinux.0", Arch::Amd64, PXELINUX)
        .text("boot.ipxe", SCRIPT);
    let web = pxelinux_site(&house, "default", false);
    let run = house.follow(&lines("proxy.conf", "/pxe/"), &tftp);
    let vm = run.switch_on(VENDOR_ROM);
    run.expect_linux(vm, "x86_64", &["undionly.kkpxe", "boot.ipxe"]);
    were_fetched(&web, &["/pxelinux.cfg/default", "/vmlinuz", "/initrd"]);
    run.finish();
}

/// The author's ipxe.php, for a shell; it also says who asked.
const PHP: &str = r##"echo "asked with $QUERY_STRING" >&2
uuid=${QUERY_STRING##*uuid=}
printf 'Content-Type: text/plain\r\n\r\n'
echo "#!ipxe
set 209:string pxelinux.cfg/$uuid.cfg
set 210:string http://192.168.2.1:81/
chain \${210:string}pxelinux.0 ||
chain http://boot.ipxe.org/demo/boot.php ||
shell
"
"##;

/// iPXE asks a web server who it is to be, and gets a configuration of its own.
#[test]
fn proxy_with_a_script_for_each_machine() {
    let house = House::new("seed-proxy-script", [192, 168, 2], "", None);
    let tftp = house.tftp().packaged("undionly.kkpxe.0", Arch::Amd64, UNDIONLY);
    let site = TftpRoot::named(&house.run, "php").text("ipxe.php", PHP);
    let php = web::serve(&house.lan.router, "192.168.2.1:80", &site.path, &house.run, "php");
    let run = house.follow(&lines("proxy-script.conf", "/pxe/"), &tftp);
    let vm = run.house.power_up(VENDOR_ROM);
    let config = format!("{}.cfg", vm.uuid);
    let web = pxelinux_site(&run.house, &config, true);
    run.live_on(&vm);
    let asked = format!("asked with mac={}&uuid={}", vm.mac.replace(':', "%3A"), vm.uuid);
    run.expect_linux(vm, "x86_64", &["undionly.kkpxe", "http://192.168.2.1/ipxe.php?mac=${mac}&uuid=${uuid}"]);
    php.log.expect(0, &[&asked], Duration::ZERO);
    were_fetched(&web, &["/pxelinux.0", &config, "/vmlinuz", "/initrd"]);
    run.finish();
}

/// dnsmasq by itself, as the author meant it: a second server on a LAN whose DHCP server is another machine. Its offer
/// names a file and no server (`siaddr` is 0), which iPXE takes for no offer at all.
#[test]
fn without_upxe_that_script_is_never_asked_for() {
    let run = run_folder("seed-proxy-script-dnsmasq");
    let lan = Lan::of([192, 168, 2]);
    let _advertisements = advertise_router(&lan, &run);
    let site = TftpRoot::named(&run, "php").text("ipxe.php", PHP);
    let php = web::serve(&lan.router, "192.168.2.1:80", &site.path, &run, "php");
    let start = |namespace: &Namespace, command: &[&str], name: &'static str| {
        let process = Process::start(&namespace.name, command, &Journal::new(name, &run, None));
        process.log.expect(0, &["started"], SOON);
        process
    };
    let leases = format!("--dhcp-leasefile={}", run.join("leases").display());
    let command = ["dnsmasq", "-C", "/dev/null", "-k", "-p", "0", "-F", "192.168.2.100,192.168.2.200", &leases, LOG];
    let _dhcp = start(&lan.client, &command, "dhcp");
    let (file, folder) = (example("proxy-script.conf"), TftpRoot::new(&run).path);
    let (file, folder, root) = (file.to_string_lossy(), folder.to_string_lossy(), run.join("root"));
    let command = ["dnsmasq", "-C", &file, "-k", "-p", "0", "--log-dhcp", LOG];
    let command = elsewhere::command(&folder, "/pxe/", root.to_str().unwrap(), &command);
    let proxy = start(&lan.router, &command, "dnsmasq");
    let vm = Vm::start(&lan, Firmware::Bios.into(), &run, None);
    vm.console.expect(0, &["Nothing to boot"], Duration::from_secs(60));
    let offer = proxy.log.find(0, &["bootfile name: http://192.168.2.1/ipxe.php"], Duration::ZERO);
    assert!(offer.is_some(), "dnsmasq offered nothing:\n{}", proxy.log.tail());
    assert!(php.log.since(0, &["asked with"]).is_empty(), "dnsmasq can do it now: upxe need not say otherwise");
}

const LOG: &str = "--log-facility=-";
const SOON: Duration = Duration::from_secs(10);

/// What pxelinux finds on the web server; some find pxelinux itself there.
fn pxelinux_site(house: &House, config: &str, and_itself: bool) -> Process {
    let site = loaders::pxelinux_site(TftpRoot::named(&house.run, "site"), config, &house.command_line());
    let site = if and_itself { site.packaged("pxelinux.0", Arch::Amd64, PXELINUX) } else { site };
    web::serve(&house.lan.router, "192.168.2.1:81", &site.path, &house.run, "web")
}

fn were_fetched(web: &Process, files: &[&str]) {
    for file in files {
        web.log.expect(0, &["url:", file], Duration::ZERO);
    }
}

/// iPXE, which plays gPXE here, opens the disk that option 17 names before it loads the script; gPXE would leave that to
/// the script, as `sanboot ${root-path}`.
const SAN_SCRIPT: &str = "#!gpxe\necho keep-san is ${keep-san}\nsanboot --drive 0x80\n";

/// gPXE loads a script, and boots from the disk on the network that option 17 names. That option stands in the router's
/// own configuration, for gPXE alone, from which both dnsmasq and upxe take it.
#[test]
fn gpxe_boots_from_an_iscsi_disk() {
    let root_path = "iscsi:192.168.1.5::::iqn.2026-01.lan.nas:disk";
    let stock = format!("dhcp-match=set:gpxe,175\ndhcp-option=tag:gpxe,17,\"{root_path}\"\n");
    let house = House::new("seed-gpxe-san", [192, 168, 1], &stock, None);
    let disk = san::disk(&house.run, &house.command_line());
    house.lan.settle(5);
    let san = San::serve(&disk, &house.lan, &house.lan.client, 5, &house.run);
    assert_eq!(san.root_path, root_path);
    let tftp = house.tftp().packaged("gpxe.pxe", Arch::Amd64, "usr/lib/ipxe/ipxe.pxe").text("boot.gpxe", SAN_SCRIPT);
    let also = format!(
        "config match\n\toption networkid 'gpxe'\n\toption match '175'\n\
         config tag 'gpxe'\n\tlist dhcp_option '17,{root_path}'\n"
    );
    let recipe = Recipe::Lines { file: example("gpxe-san.conf"), folder: "/var/lib/tftpboot", also: &also };
    let run = house.follow(&recipe, &tftp);
    let vm = run.switch_on(GPXE);
    let console = run.expect_linux(vm, "x86_64", &["gpxe.pxe", "boot.gpxe"]);
    console.expect(0, &["keep-san is 1"], Duration::ZERO);
    run.finish();
}

/// dnsmasq's own `dhcp_boot` in UCI, which names another machine as the server.
#[test]
fn openwrt_boots_gpxe_from_a_nas() {
    let house = House::new("seed-openwrt", [192, 168, 1], "dhcp-boot=gpxe.pxe,nas,192.168.1.5\n", None);
    let files = TftpRoot::named(&house.run, "nas").packaged("gpxe.pxe", Arch::Amd64, "usr/lib/ipxe/ipxe.pxe");
    let files = loaders::gpxe_script(files, &house.command_line());
    let address = house.lan.settle(5).to_string();
    let nas = house.serve_tftp(&address, &files);
    let empty = house.tftp();
    let run = house.follow(&Recipe::Dhcp(example("openwrt/dhcp")), &empty);
    let vm = run.switch_on(GPXE);
    run.expect_linux(vm, "x86_64", &["gpxe.pxe", "boot.gpxe"]);
    nas.log.expect(0, &["sent", "boot.gpxe"], Duration::ZERO);
    run.finish();
}

/// The author's menu, as it is printed: it waits for a key, and gives the kernel nothing but its initrd.
const MENU: &str = "UI menu.c32\nLABEL Debian Net Boot\n        MENU LABEL Debian\n        \
    KERNEL debian-installer/amd64/linux\n                append initrd=debian-installer/amd64/initrd.gz\n        \
    TEXT HELP\n                Debian installer boot media.\n        ENDTEXT\n";

#[test]
fn uefi_shows_the_menu_of_syslinux() {
    let house = House::new("seed-uefi-syslinux", [10, 0, 0], "", None);
    let modules = |name: &str| format!("usr/lib/syslinux/modules/efi64/{name}");
    let folder = "debian-installer/amd64";
    let tftp = house
        .tftp()
        .packaged("syslinux.efi", Arch::Amd64, "usr/lib/SYSLINUX.EFI/efi64/syslinux.efi")
        .packaged("ldlinux.e64", Arch::Amd64, &modules("ldlinux.e64"))
        .packaged("menu.c32", Arch::Amd64, &modules("menu.c32"))
        .packaged("libutil.c32", Arch::Amd64, &modules("libutil.c32"))
        .text("pxelinux.cfg/default", MENU)
        .linux_as(&format!("{folder}/linux"), &format!("{folder}/initrd.gz"), &house.token);
    let run = house.follow(&lines("uefi-syslinux.conf", "/var/lib/pxeboot"), &tftp);
    let mut vm = run.switch_on(Firmware::Ovmf.into());
    run.log().expect(0, &["TFTP sent libutil.c32"], Duration::from_secs(60));
    while run.log().find(0, &["TFTP sent", "amd64/linux"], Duration::from_secs(1)).is_none() {
        vm.type_in("\r");
    }
    run.expect_linux(vm, "x86_64", &["syslinux.efi"]);
    run.finish();
}
