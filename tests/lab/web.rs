//! A small web server: busybox httpd, which can run a script in a page's place.

use std::path::Path;

use crate::files::{self, Arch, packaged};
use crate::journal::Journal;
use crate::net::Namespace;
use crate::process::Process;

/// Serves `folder` at `address` (with the port) in `namespace`. Its log, `name`, has a line for each request. What ends in `.php`
/// is run by a shell.
pub fn serve(namespace: &Namespace, address: &str, folder: &Path, run: &Path, name: &'static str) -> Process {
    let config = run.join("httpd.conf");
    files::write(&config, "*.php:/bin/sh\n");
    let (busybox, config) = (packaged(Arch::Amd64, "bin/busybox"), config.to_string_lossy());
    let (busybox, folder) = (busybox.to_string_lossy(), folder.to_string_lossy());
    let command = [&*busybox, "httpd", "-f", "-vv", "-p", address, "-h", &folder, "-c", &config];
    Process::start(&namespace.name, &command, &Journal::new(name, run, None))
}
