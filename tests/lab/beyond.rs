//! What dnsmasq can't do, with the firmware that it is for: each from power-on to a running Linux.

use std::time::Duration;

use crate::boot_run::{BootRun, House};
use crate::client::{Client, Kind, X64};
use crate::disguise::Disguise;
use crate::dnsmasq::advertise_router;
use crate::files::{Arch, TftpRoot};
use crate::journal::Journal;
use crate::loaders;
use crate::net::USUAL;
use crate::process::Process;
use crate::vm::{Firmware, Machine};
use crate::web;

const SNPONLY: &str = "usr/lib/ipxe/snponly.efi";
const UNDIONLY: &str = "usr/lib/ipxe/undionly.kpxe";

/// iPXE takes the DHCP server's file before a proxy's, unless the proxy's says that it comes first (175.1).
#[test]
fn ipxe_prefers_upxes_file_to_dnsmasqs() {
    let house = House::new("beyond-priority", USUAL, "dhcp-boot=theirs.ipxe\n", None);
    let tftp = loaders::ipxe_script(house.tftp(), &house.command_line());
    let run = house.serve("", &tftp.text("theirs.ipxe", "#!ipxe\necho This is theirs\npoweroff\n"));
    run.boot(Firmware::Bios, "x86_64", &["boot.ipxe"]);
    run.finish();
}

#[test]
fn uefi_boots_by_http_on_a_proxys_word() {
    let house = House::new("beyond-http", USUAL, "", None);
    let site = TftpRoot::named(&house.run, "site").packaged("snponly.efi", Arch::Amd64, SNPONLY);
    let web = web::serve(&house.lan.router, "192.168.77.1:80", &site.path, &house.run, "web");
    let tftp = loaders::ipxe_script(house.tftp(), &house.command_line());
    let url = "http://192.168.77.1/snponly.efi";
    let run = house.serve(&format!("config boot\n\toption filename '{url}'\n"), &tftp);
    run.boot(Firmware::OvmfHttp, "x86_64", &[url, "boot.ipxe"]);
    web.log.expect(0, &["/snponly.efi"], Duration::ZERO);
    run.finish();
}

/// A machine that was seen to go on by another form of the offer is begun with by that one, and boots.
#[test]
fn uefi_boots_by_every_form_of_an_offer() {
    let run = BootRun::prepare("beyond-forms", None, loaders::x64_ipxe);
    run.log().expect(0, &["listening for network boot clients"], Duration::from_secs(10));
    for (boot, (item, form)) in
        [(None, "to be asked for on port 4011"), (Some(0xfffe), "as a menu of one entry")].into_iter().enumerate()
    {
        let lan = &run.house.lan;
        let before = Client::called(lan, "52:54:00:4d:00:02");
        // The third time it gets the next form: after the first boot, that is the one behind what worked.
        for _ in 0..3 {
            before.discover(Kind::Pxe(X64), Duration::from_millis(1600), |_| false);
        }
        before.lease(Kind::Pxe(X64), lan.address(2));
        before.choose(lan.address(1), Kind::Pxe(X64), item).expect("an answer on port 4011");
        let from = run.log().end();
        run.boot(Firmware::Ovmf, "x86_64", &["snponly.efi", "boot.ipxe"]);
        let offers = run.log().since(from, &["DHCPOFFER(br-lan)", "snponly.efi"]);
        assert!(offers.iter().all(|offer| offer.text.contains(form)), "boot {boot}: {offers:#?}");
        assert!(!run.log().since(from, &["DHCPACK(br-lan)", "snponly.efi"]).is_empty(), "boot {boot}");
    }
    run.finish();
}

/// The same with a ROM that is no UEFI; the ROM's own state machine is iPXE's.
#[test]
fn a_rom_that_goes_no_further_gets_the_other_form() {
    let run = BootRun::prepare("beyond-rom-forms", None, |root, command_line| {
        loaders::ipxe_script(root, command_line).packaged("undionly.kpxe", Arch::Amd64, UNDIONLY)
    });
    run.log().expect(0, &["listening for network boot clients"], Duration::from_secs(10));
    let lan = &run.house.lan;
    let before = Client::called(lan, "52:54:00:4d:00:01");
    for _ in 0..3 {
        before.discover(Kind::Pxe(0), Duration::from_millis(1600), |_| false);
    }
    before.lease(Kind::Pxe(0), lan.address(2));
    before.choose(lan.address(1), Kind::Pxe(0), None).expect("an answer on port 4011");
    let from = run.log().end();
    let vm = run.switch_on(Machine { firmware: Firmware::Bios, disguise: Some(Disguise::VendorRom) });
    run.log().expect(from, &["DHCPOFFER", "undionly.kpxe, to be asked for on port 4011"], Duration::from_secs(60));
    // What undionly loads from here on is slow, and another test's business.
    run.log().expect(from, &["TFTP sent boot.ipxe"], Duration::from_secs(60));
    drop(vm);
    run.finish();
}

/// A script that begins the boot anew, as every loop does in the end.
#[test]
fn a_loop_is_broken() {
    let run = BootRun::prepare("beyond-loop", None, |root, _| root.text("boot.ipxe", "#!ipxe\nautoboot\n"));
    let vm = run.house.power_up(Firmware::Bios.into());
    let looping = &[&vm.mac, "has loaded boot.ipxe three times within a minute"];
    run.log().expect(0, &[&["WARN"], &looping[..]].concat(), Duration::from_secs(120));
    // This iPXE keeps the last file in mind and goes on by itself for a while.
    let from = run.log().end();
    run.log().expect(from, &[&["DEBUG"], &looping[..]].concat(), Duration::from_secs(60));
    assert!(run.log().since(from, &["DHCPOFFER", &vm.mac]).is_empty());
    drop(vm);
    run.finish();
}

/// A machine on another network, behind a DHCP relay (dnsmasq's), boots what is there for it alone.
#[test]
fn ipxe_boots_behind_a_relay() {
    let far_range = "dhcp-range=set:far,192.168.79.100,192.168.79.150,255.255.255.0,12h\n\
                     dhcp-option=tag:far,option:router,192.168.79.1\n";
    let house = House::new("beyond-relay", USUAL, far_range, None);
    let far = house.lan.behind_relay();
    let _advertisements = advertise_router(&far, &house.run);
    let relay = Process::start(
        &far.router.name,
        &["dnsmasq", "-C", "/dev/null", "-k", "-p", "0", "--dhcp-relay=192.168.79.1,192.168.77.1", "--log-facility=-"],
        &Journal::new("relay", &house.run, None),
    );
    relay.log.expect(0, &["DHCP relay from 192.168.79.1 to 192.168.77.1"], Duration::from_secs(10));
    // The machine's own script, and none for others. Names in it begin where it stands.
    let script = "#!ipxe\nkernel /vmlinuz initrd=initrd console=ttyS0 LINE\ninitrd /initrd\nboot\n";
    let script = script.replace("LINE", &house.command_line());
    let tftp = house.tftp().linux(Arch::Amd64).text("ipxe/52-54-00-4f-00-01.ipxe", &script);
    let run = house.serve("\toption relay '1'\n", &tftp);
    let vm = run.house.power_up_on(&far, Firmware::Bios.into());
    run.live_on(&vm);
    run.expect_linux(vm, "x86_64", &["ipxe/52-54-00-4f-00-01.ipxe"]);
    run.finish();
}
