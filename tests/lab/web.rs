//! A small web server: busybox httpd, which can run a script in a page's place; or OpenWrt's own, uhttpd.

use std::path::Path;
use std::time::Duration;

use crate::files::{self, Arch, packaged};
use crate::journal::Journal;
use crate::net::Namespace;
use crate::process::Process;

/// Names the uhttpd program that [`serve`] shall start instead; Debian has none.
const UHTTPD: &str = "UPXE_UHTTPD";

/// Serves `folder` at `address` (with the port) in `namespace`. Its log, `name`, has a line for each request. What ends in `.php`
/// is run by a shell.
pub fn serve(namespace: &Namespace, address: &str, folder: &Path, run: &Path, name: &'static str) -> Process {
    let journal = Journal::new(name, run, None);
    let folder = folder.to_string_lossy();
    if let Ok(uhttpd) = std::env::var(UHTTPD) {
        // As the init script has it.
        let command = [&*uhttpd, "-f", "-h", &folder, "-S", "-D", "-c", "/dev/null", "-x", "/..", "-p", address];
        return Process::start(&namespace.name, &command, &journal);
    }
    let config = run.join("httpd.conf");
    files::write(&config, "*.php:/bin/sh\n");
    let (busybox, config) = (packaged(Arch::Amd64, "bin/busybox"), config.to_string_lossy());
    let busybox = busybox.to_string_lossy();
    let command = [&*busybox, "httpd", "-f", "-vv", "-p", address, "-h", &folder, "-c", &config];
    Process::start(&namespace.name, &command, &journal)
}

/// Somebody has fetched this; uhttpd doesn't tell.
pub fn expect(server: &Process, name: &str) {
    if std::env::var_os(UHTTPD).is_none() {
        server.log.expect(0, &[name], Duration::ZERO);
    }
}
