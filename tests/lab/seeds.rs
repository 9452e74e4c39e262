//! The recipes of `uci/examples`, which people have published for dnsmasq, each from power-on to a running Linux: upxe is
//! given the very files that stand there, beside a stock dnsmasq.

use std::path::{Path, PathBuf};

use crate::boot_run::House;
use crate::disguise::Disguise;
use crate::files::{Arch, TftpRoot};
use crate::loaders;
use crate::upxe::Recipe;
use crate::vm::{Firmware, Machine};
use crate::web;

const VENDOR_ROM: Machine = Machine { firmware: Firmware::Bios, disguise: Some(Disguise::VendorRom) };

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
    let site = loaders::pxelinux_site(TftpRoot::named(&house.run, "site"), "default", &house.command_line());
    let web = web::serve(&house.lan.router, "192.168.2.1:81", &site.path, &house.run);
    let run = house.follow(&lines("dhcp-server.conf", "/tmp/memstick/host0_part1/"), &tftp);
    let vm = run.switch_on(VENDOR_ROM);
    run.expect_linux(vm, "x86_64", &["undionly.kkpxe.0", "pxelinux.0"]);
    for file in ["/pxelinux.cfg/default", "/vmlinuz", "/initrd"] {
        web.log.expect(0, &["url:", file], std::time::Duration::ZERO);
    }
    run.finish();
}
