//! `upxe run`: reads the configuration, says what is wrong with it, and serves.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use log::{error, info, warn};

use super::check::summary;
use super::logger;
use crate::config::files::load_from;
use crate::config::{Config, Overrides, Severity};
use crate::daemon::{Daemon, Reload};
use crate::sys::privileges::{self, LOW_PORTS, PACKETS};
use crate::sys::signals::Signals;

/// Serves by the configuration under `confdir` until it is told to end, and answers questions at `socket`.
pub fn run(confdir: &Path, overrides: Overrides, socket: &Path) -> ExitCode {
    logger::start(log::LevelFilter::Info);
    // Before anything else: a SIGHUP that comes while we start is a wish to reload, not to end.
    let signals = Signals::open();
    let Some(config) = load(confdir, &overrides) else {
        error!("not started; 'upxe check' shows these errors again");
        return ExitCode::FAILURE;
    };
    if !config.enabled {
        warn!("switched off: say option enabled '1' in {}/upxe, or name an interface with -i", confdir.display());
        return ExitCode::SUCCESS;
    }
    info!("upxe {} started: {}", env!("CARGO_PKG_VERSION"), summary(&config));
    match serve(config, reload(confdir.to_owned(), overrides), signals, socket) {
        Ok(()) => ExitCode::SUCCESS,
        Err(trouble) => {
            error!("ended: {trouble}");
            ExitCode::FAILURE
        }
    }
}

/// Opens everything as root, and goes on as the configured user, with as little as serving takes.
fn serve(config: Config, reload: Reload, signals: io::Result<Signals>, socket: &Path) -> io::Result<()> {
    let user = config.user.clone();
    let mut daemon = Daemon::new(config, reload, signals?)?;
    daemon.answer_at(socket);
    leave_root(&user)?;
    daemon.confine();
    daemon.run()
}

/// A jail's process, and who was given powers by hand, is somebody else from the start.
fn leave_root(user: &str) -> io::Result<()> {
    if user == "root" || !privileges::is_root() {
        return Ok(());
    }
    match privileges::account(user)? {
        Some(account) => privileges::become_account(account, PACKETS | LOW_PORTS),
        None => {
            info!("there is no user '{user}': going on as root");
            Ok(())
        }
    }
}

fn reload(confdir: PathBuf, overrides: Overrides) -> Reload {
    Box::new(move || load(&confdir, &overrides))
}

/// The configuration, if it is without errors; its diagnostics go to the log.
fn load(confdir: &Path, overrides: &Overrides) -> Option<Config> {
    let (config, diagnostics) = load_from(confdir, overrides);
    for diagnostic in &diagnostics {
        match diagnostic.severity {
            Severity::Error => error!("{diagnostic}"),
            Severity::Warning => warn!("{diagnostic}"),
            Severity::Note => info!("{diagnostic}"),
        }
    }
    let config = config?;
    logger::set_level(config.log_level);
    Some(config)
}
