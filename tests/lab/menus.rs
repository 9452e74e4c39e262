//! One boot menu in UCI, an entry of it chosen by timeout, and each boot loader that reads it: from power-on to a running
//! Linux. No file here is a script or a configuration of any of them, but where a test says so.

use std::time::Duration;

use crate::boot_run::{BootRun, House};
use crate::files::{Arch, TftpRoot};
use crate::net::USUAL;
use crate::san::{self, San};
use crate::vm::Firmware;
use crate::web;

const SNPONLY: &str = "usr/lib/ipxe/snponly.efi";

/// The menu: what boots by itself is not what stands first, and its title has all that could be taken for something else.
fn menu(append: &str) -> String {
    format!(
        "config menu\n\toption title 'The lab; $(x) && ${{net0/mac}}'\n\toption timeout '1'\n\toption default 'linux'\n\
         config entry 'disk'\n\toption title 'Local disk || nothing'\n\toption kind 'local'\n\
         config entry 'linux'\n\toption title 'Linux \"it'\\''s\" #1 \\\\'\n\toption kernel 'vmlinuz'\n\
         \tlist initrd 'initrd'\n\toption append 'console=ttyS0 {append}'\n\
         config entry 'shell'\n\toption kind 'shell'\n"
    )
}

/// A house with the menu, `also` in upxe's configuration, and `files` besides kernel and initrd.
fn prepare(name: &str, also: &str, files: impl FnOnce(TftpRoot) -> TftpRoot) -> BootRun {
    let house = House::new(name, USUAL, "", None);
    let tftp = files(house.tftp().linux(Arch::Amd64));
    let menu = menu(&house.command_line());
    house.serve(&format!("{also}{menu}"), &tftp)
}

/// The loader asked for `menu` and got it, and nobody had put it there.
fn was_made(run: &BootRun, menu: &str) {
    run.log().expect(0, &["TFTP sent", menu], Duration::ZERO);
    assert!(!run.house.run.join("tftp").join(menu).exists());
}

#[test]
fn bios_ipxe() {
    let run = prepare("menu-bios-ipxe", "", |root| root);
    run.boot(Firmware::Bios, "x86_64", &["menu.ipxe"]);
    was_made(&run, "menu.ipxe");
    run.finish();
}

#[test]
fn x64_uefi_ipxe() {
    let run = prepare("menu-uefi-ipxe", "", |root| root.packaged("snponly.efi", Arch::Amd64, SNPONLY));
    run.boot(Firmware::Ovmf, "x86_64", &["snponly.efi", "menu.ipxe"]);
    was_made(&run, "menu.ipxe");
    run.finish();
}

/// PXELINUX in a folder of its own, as those have it who serve its UEFI sister too; with its menu on the screen.
#[test]
fn bios_pxelinux() {
    let run = prepare("menu-pxelinux", "config boot\n\toption filename 'bios/pxelinux.0'\n", |root| {
        let modules = |name: &str| format!("usr/lib/syslinux/modules/bios/{name}");
        let root = root.packaged("bios/pxelinux.0", Arch::Amd64, "usr/lib/PXELINUX/pxelinux.0");
        let add = |root: TftpRoot, name: &str| root.packaged(&format!("bios/{name}"), Arch::Amd64, &modules(name));
        ["ldlinux.c32", "libutil.c32", "menu.c32"].into_iter().fold(root, add)
    });
    run.boot(Firmware::Bios, "x86_64", &["bios/pxelinux.0"]);
    was_made(&run, "bios/pxelinux.cfg/default");
    run.log().expect(0, &["TFTP sent bios/menu.c32"], Duration::ZERO);
    run.finish();
}

/// Without a menu on the screen.
#[test]
fn x64_uefi_syslinux() {
    let run = prepare("menu-syslinux", "", |root| {
        root.packaged("syslinux.efi", Arch::Amd64, "usr/lib/SYSLINUX.EFI/efi64/syslinux.efi").packaged(
            "ldlinux.e64",
            Arch::Amd64,
            "usr/lib/syslinux/modules/efi64/ldlinux.e64",
        )
    });
    run.boot(Firmware::Ovmf, "x86_64", &["syslinux.efi"]);
    was_made(&run, "pxelinux.cfg/default");
    run.finish();
}

#[test]
fn x64_uefi_secure_boot_grub() {
    let run = prepare("menu-grub", "", |root| {
        root.packaged("shimx64.efi", Arch::Amd64, "usr/lib/shim/shimx64.efi.signed").packaged(
            "grubx64.efi",
            Arch::Amd64,
            "usr/lib/grub/x86_64-efi-signed/grubnetx64.efi.signed",
        )
    });
    let console = run.boot(Firmware::OvmfSecureBoot, "x86_64", &["shimx64.efi"]);
    assert!(!console.since(0, &["secureboot: Secure boot enabled"]).is_empty(), "Secure Boot was off");
    was_made(&run, "grub/grub.cfg");
    run.finish();
}

/// Each of two machines is shown the entry that is for it, and the kernel is told who it is; a script of its own comes before
/// the menu, and one for machines with its tag.
#[test]
fn each_machine_gets_its_own() {
    let house = House::new("menu-machines", USUAL, "", None);
    let entry = |name: &str, limit: &str| {
        format!(
            "config entry '{name}'\n\toption kernel 'vmlinuz'\n\toption initrd 'initrd'\n\t{limit}\n\
             \toption append 'console=ttyS0 rdinit=/init panic=-1 quiet lab={name}-{{{{machyp}}}}-{{{{host}}}}'\n"
        )
    };
    let (bios, uefi) = ("52:54:00:4d:00:01", "52:54:00:4d:00:02");
    let menu = [
        "config menu\n\toption timeout '1'\n",
        &entry("first", &format!("option host '{uefi}'")),
        &entry("second", "option host 'attic'"),
        &format!("config host\n\toption name 'attic'\n\toption mac '{bios}'\n"),
        &format!("config host\n\toption name 'cellar'\n\toption mac '{uefi}'\n\tlist tag 'below'\n"),
    ];
    let tftp = house.tftp().linux(Arch::Amd64).packaged("snponly.efi", Arch::Amd64, SNPONLY);
    let mut run = house.serve(&menu.concat(), &tftp);
    let mut boot = |firmware: Firmware, mac: &str, script: &str, token: &str| {
        let vm = run.switch_on(firmware.into());
        assert_eq!(vm.mac, mac);
        run.house.token = token.to_owned();
        run.expect_linux(vm, "x86_64", &[script]);
    };
    boot(Firmware::Bios, bios, "menu.ipxe", "second-52-54-00-4d-00-01-attic");
    boot(Firmware::Ovmf, uefi, "menu.ipxe", "first-52-54-00-4d-00-02-cellar");
    let script = |token: &str| {
        format!(
            "#!ipxe\nkernel {{{{http}}}}/vmlinuz initrd=initrd console=ttyS0 rdinit=/init panic=-1 quiet lab={token}\n\
             initrd {{{{http}}}}/initrd\nboot\n"
        )
    };
    let tftp = tftp.text("ipxe/tag/below.ipxe.tmpl", &script("group-{{host}}"));
    boot(Firmware::Ovmf, uefi, "ipxe/tag/below.ipxe", "group-cellar");
    tftp.text("ipxe/52-54-00-4d-00-02.ipxe.tmpl", &script("own-{{uuid}}"));
    boot(Firmware::Ovmf, uefi, "ipxe/52-54-00-4d-00-02.ipxe", "own-0017001e-8c00-00ad-5087-5254004d0002");
    run.finish();
}

/// What an author's ipxe.php did, without a web server that can run it: line by line the same, but that upxe knows its own
/// address.
const TEMPLATE: &str = "#!ipxe
set 209:string pxelinux.cfg/{{uuid}}.cfg
set 210:string http://{{router}}:81/
chain ${210:string}pxelinux.0 ||
chain http://{{router}}:82/demo/boot.php ||
shell
";

/// pxelinux by HTTP, with a configuration that is called after the machine.
#[test]
fn a_template_does_what_a_script_in_php_did() {
    let house = House::new("menu-template", USUAL, "", None);
    let uuid = "0017001e-8c00-00ad-5087-5254004d0001";
    let config = format!("{uuid}.cfg");
    let site = crate::loaders::pxelinux_site(TftpRoot::named(&house.run, "site"), &config, &house.command_line());
    let site = site.packaged("pxelinux.0", Arch::Amd64, "usr/lib/PXELINUX/pxelinux.0");
    let web = web::serve(&house.lan.router, "192.168.77.1:81", &site.path, &house.run, "web");
    let tftp = house.tftp().text("boot.ipxe.tmpl", TEMPLATE);
    let run = house.serve("", &tftp);
    run.boot(Firmware::Bios, "x86_64", &["boot.ipxe"]);
    for file in ["/pxelinux.0", &config, "/vmlinuz", "/initrd"] {
        web.log.expect(0, &["url:", file], Duration::ZERO);
    }
    run.finish();
}

/// The first server is not there: the second one's script boots; it is the author's demo here, a CGI program as there.
#[test]
fn a_template_falls_back_as_the_script_did() {
    let house = House::new("menu-template-fallback", USUAL, "", None);
    let script = format!(
        "#!ipxe\nkernel tftp://192.168.77.1/vmlinuz initrd=initrd console=ttyS0 {}\n\
         initrd tftp://192.168.77.1/initrd\nboot\n",
        house.command_line()
    );
    let php = format!("printf 'Content-Type: text/plain\\r\\n\\r\\n'\ncat <<'END'\n{script}END\n");
    let site = TftpRoot::named(&house.run, "demo").text("demo/boot.php", &php);
    let web = web::serve(&house.lan.router, "192.168.77.1:82", &site.path, &house.run, "web");
    let tftp = house.tftp().linux(Arch::Amd64).text("boot.ipxe.tmpl", TEMPLATE);
    let run = house.serve("", &tftp);
    run.boot(Firmware::Bios, "x86_64", &["boot.ipxe"]);
    web.log.expect(0, &["url:/demo/boot.php"], Duration::ZERO);
    run.finish();
}

/// A disk on the network, which an entry names.
#[test]
fn bios_ipxe_boots_from_an_iscsi_disk() {
    let house = House::new("menu-san", USUAL, "", None);
    let disk = san::disk(&house.run, &house.command_line());
    house.lan.settle(5);
    let san = San::serve(&disk, &house.lan, &house.lan.client, 5, &house.run);
    let menu = format!(
        "config menu\n\toption timeout '1'\n\
         config entry 'nas'\n\toption root_path '{}'\n\toption keep_san '1'\n",
        san.root_path
    );
    let empty = house.tftp();
    let run = house.serve(&menu, &empty);
    run.boot(Firmware::Bios, "x86_64", &["menu.ipxe"]);
    run.finish();
}

/// The same without keep-san, where the disk is not what stands first.
#[test]
fn bios_ipxe_boots_from_an_iscsi_disk_that_it_does_not_keep() {
    let house = House::new("menu-san-not-kept", USUAL, "", None);
    let disk = san::disk(&house.run, &house.command_line());
    let nas = house.lan.settle(5);
    let target = San::serve(&disk, &house.lan, &house.lan.client, 5, &house.run);
    assert!(target.root_path.starts_with(&format!("iscsi:{nas}:")), "{}", target.root_path);
    let menu = format!(
        "config menu\n\toption timeout '1'\n\toption default 'nas'\nconfig entry 'disk'\n\toption kind 'local'\n\
         config entry 'nas'\n\toption root_path '{}'\n",
        target.root_path
    );
    let tftp = house.tftp();
    let run = house.serve(&menu, &tftp);
    run.boot(Firmware::Bios, "x86_64", &["menu.ipxe"]);
    run.finish();
}

/// Nothing can be booted: the menu comes back for a while, and then the machine's own disk is asked for, of which there is none.
#[test]
fn what_cannot_be_booted_ends_with_the_local_disk() {
    let house = House::new("menu-fails", USUAL, "", None);
    let tftp = house.tftp();
    let run = house.serve("config menu\n\toption timeout '1'\nconfig entry 'lost'\n\toption kernel 'lost'\n", &tftp);
    let vm = run.switch_on(Firmware::Bios.into());
    vm.console.expect(0, &["It did not boot."], Duration::from_secs(60));
    vm.console.expect(0, &["No bootable device."], Duration::from_secs(60));
    drop(vm);
    run.finish();
}
