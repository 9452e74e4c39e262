//! The five ways in which machines boot through upxe, each from power-on to a running Linux.

use crate::boot_run::BootRun;
use crate::loaders;
use crate::status::Watch;
use crate::vm::Firmware;

#[test]
fn bios_ipxe_rom_runs_a_script() {
    let run = BootRun::prepare("bios-ipxe-rom", None, loaders::ipxe_script);
    let watch = Watch::start(run.socket());
    run.boot(Firmware::Bios, "x86_64", &["boot.ipxe"]);
    watch.expect(
        &["offered boot.ipxe", "loaded initrd"],
        &["offered boot.ipxe", "loaded boot.ipxe", "loaded vmlinuz", "loaded initrd"],
    );
    run.finish();
}

/// The machine has begun to ask when dnsmasq dies; it asks again, and upxe answers again.
#[test]
fn dnsmasq_is_killed_in_the_middle() {
    let mut run = BootRun::prepare("dnsmasq-killed", None, loaders::ipxe_script);
    let vm = run.house.power_up(Firmware::Bios.into());
    run.kill_dnsmasq_for_a_moment(&vm);
    // Renewals are dnsmasq's, however many pass while others boot.
    for _ in 0..3 {
        run.live_on(&vm);
    }
    run.expect_linux(vm, "x86_64", &["boot.ipxe", "boot.ipxe"]);
    run.finish();
}

#[test]
fn x64_uefi_through_ipxe() {
    let run = BootRun::prepare("x64-uefi-ipxe", None, loaders::x64_ipxe);
    let watch = Watch::start(run.socket());
    run.boot(Firmware::Ovmf, "x86_64", &["snponly.efi", "boot.ipxe"]);
    let steps =
        ["offered snponly.efi", "loaded snponly.efi", "offered boot.ipxe", "loaded boot.ipxe", "loaded vmlinuz"];
    // Between its offer and its script iPXE may take less time than lies between two questions; the steps tell of both.
    watch.expect(
        &["offered snponly.efi", "loading vmlinuz", "loaded initrd"],
        &[&steps[..], &["loaded initrd"]].concat(),
    );
    run.finish();
}

#[test]
fn arm64_uefi_through_shim_and_grub() {
    let run = BootRun::prepare("arm64-uefi-grub", None, loaders::arm64_shim_grub);
    run.boot(Firmware::Aavmf, "aarch64", &["shimaa64.efi"]);
    run.finish();
}

#[test]
fn bios_through_pxelinux_menu() {
    let run = BootRun::prepare("bios-pxelinux", None, loaders::pxelinux_menu);
    run.boot(Firmware::Bios, "x86_64", &["pxelinux.0"]);
    run.finish();
}

#[test]
fn x64_uefi_secure_boot_through_shim_and_grub() {
    let run = BootRun::prepare("x64-secure-boot", None, loaders::x64_shim_grub);
    let console = run.boot(Firmware::OvmfSecureBoot, "x86_64", &["shimx64.efi"]);
    assert!(!console.since(0, &["secureboot: Secure boot enabled"]).is_empty(), "Secure Boot was off");
    run.finish();
}
