//! Boots in which a web server sends what TFTP would: each from power-on to a running Linux.

use std::time::Duration;

use crate::boot_run::{BootRun, House};
use crate::disguise::Disguise;
use crate::files::{Arch, TftpRoot};
use crate::iso;
use crate::loaders;
use crate::net::USUAL;
use crate::process::Process;
use crate::vm::{Firmware, Machine};
use crate::web;

const BASE: &str = "http://192.168.77.1:8069/";
const VENDOR_ROM: Machine = Machine { firmware: Firmware::Bios, disguise: Some(Disguise::VendorRom) };

/// A house whose web server has the boot folder, too.
struct Site {
    run: BootRun,
    web: Process,
}

impl Site {
    /// Sets the scene as [`BootRun::prepare`] does; `also` are more lines of the configuration.
    fn prepare(name: &str, also: &str, fill: impl FnOnce(TftpRoot, &House) -> TftpRoot) -> Site {
        let house = House::new(name, USUAL, "", None);
        let tftp = fill(house.tftp(), &house);
        let web = web::serve(&house.lan.router, "192.168.77.1:8069", &tftp.path, &house.run, "web");
        let run = house.serve(&format!("\toption http_base '{BASE}'\n{also}"), &tftp);
        Site { run, web }
    }

    /// These came from the web server, and by TFTP came only those others.
    fn finish(self, by_http: &[&str], by_tftp: &[&str]) {
        for name in by_http {
            web::expect(&self.web, name);
        }
        let sent = self.run.log().since(0, &["TFTP sent"]);
        let expected = |text: &str| by_tftp.iter().any(|name| text.contains(name));
        assert!(sent.iter().all(|line| expected(&line.text)), "by TFTP: {sent:#?}");
        self.run.finish();
    }
}

/// No rule says anything about HTTP: the firmware gets the customary file's URL, iPXE its script's, and Linux comes from
/// beside the script.
#[test]
fn uefi_boots_by_http_from_end_to_end() {
    let site = Site::prepare("http-uefi", "", |root, house| loaders::x64_ipxe(root, &house.command_line()));
    let files = ["snponly.efi", "boot.ipxe"].map(|name| format!("{BASE}{name}"));
    site.run.boot(Firmware::OvmfHttp, "x86_64", &files.each_ref().map(String::as_str));
    site.finish(&["/snponly.efi", "/boot.ipxe", "/vmlinuz", "/initrd"], &[]);
}

/// The firmware makes a RAM disk of it, and boots that as it boots a CD.
#[test]
fn uefi_boots_an_iso_by_http() {
    let site = Site::prepare("http-iso", "config boot\n\toption filename 'lab.iso'\n", |root, house| {
        iso::write(&root.path.join("lab.iso"), &house.run, &house.command_line());
        root
    });
    site.run.boot(Firmware::OvmfHttp, "x86_64", &[&format!("{BASE}lab.iso")]);
    site.finish(&["/lab.iso"], &[]);
}

/// The ROM's own iPXE says that it can do HTTP.
#[test]
fn bios_ipxe_rom_loads_all_by_http() {
    let site = Site::prepare("http-bios", "", |root, house| loaders::ipxe_script(root, &house.command_line()));
    site.run.boot(Firmware::Bios, "x86_64", &[&format!("{BASE}boot.ipxe")]);
    site.finish(&["/boot.ipxe", "/vmlinuz", "/initrd"], &[]);
}

/// A ROM that knows TFTP only loads lpxelinux by it; upxe tells lpxelinux by option 210 where to go on.
#[test]
fn lpxelinux_goes_on_by_http() {
    let site = Site::prepare("http-lpxelinux", "", |root, house| {
        loaders::pxelinux_site(root, "default", &house.command_line()).packaged(
            "lpxelinux.0",
            Arch::Amd64,
            "usr/lib/PXELINUX/lpxelinux.0",
        )
    });
    let vm = site.run.switch_on(VENDOR_ROM);
    site.run.expect_linux(vm, "x86_64", &["lpxelinux.0"]);
    site.run.log().expect(0, &["TFTP sent lpxelinux.0"], Duration::ZERO);
    site.finish(&["/ldlinux.c32", "/pxelinux.cfg/default", "/vmlinuz", "/initrd"], &["lpxelinux.0"]);
}

/// A menu with one entry that boots Linux by itself.
fn menu(house: &House) -> String {
    format!(
        "config menu\n\toption timeout '1'\nconfig entry 'linux'\n\toption kernel 'vmlinuz'\n\tlist initrd 'initrd'\n\
         \toption append 'console=ttyS0 {}'\n",
        house.command_line()
    )
}

/// upxe makes the menu itself, and so sends it by TFTP; what it names comes by HTTP.
#[test]
fn a_menus_files_come_by_http() {
    let house = House::new("http-menu", USUAL, "", None);
    let tftp = house.tftp().linux(Arch::Amd64);
    let web = web::serve(&house.lan.router, "192.168.77.1:8069", &tftp.path, &house.run, "web");
    let menu = menu(&house);
    let run = house.serve(&format!("\toption http_base '{BASE}'\n{menu}"), &tftp);
    run.boot(Firmware::Bios, "x86_64", &["menu.ipxe"]);
    Site { run, web }.finish(&["/vmlinuz", "/initrd"], &["menu.ipxe"]);
}

/// The same with lpxelinux.
#[test]
fn lpxelinux_gets_a_menus_files_by_http() {
    let house = House::new("http-menu-lpxelinux", USUAL, "", None);
    let packaged = |root: TftpRoot, name: &str, path: &str| root.packaged(name, Arch::Amd64, path);
    let tftp = packaged(house.tftp().linux(Arch::Amd64), "lpxelinux.0", "usr/lib/PXELINUX/lpxelinux.0");
    let tftp = packaged(tftp, "ldlinux.c32", "usr/lib/syslinux/modules/bios/ldlinux.c32");
    let web = web::serve(&house.lan.router, "192.168.77.1:8069", &tftp.path, &house.run, "web");
    let menu = menu(&house);
    let run = house.serve(&format!("\toption http_base '{BASE}'\n{menu}"), &tftp);
    let vm = run.switch_on(VENDOR_ROM);
    run.expect_linux(vm, "x86_64", &["lpxelinux.0"]);
    Site { run, web }.finish(&["/vmlinuz", "/initrd"], &["lpxelinux.0", "ldlinux.c32", "pxelinux.cfg/default"]);
}
