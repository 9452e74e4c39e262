//! Which file answers to a name: the client's spelling, the folder served, and names that stand in for each other.

use std::os::unix::ffi::OsStrExt;

use log::warn;

use crate::config;
use crate::proxy::BootFiles;
use crate::sys::tree::{Refused, ServedFile, Tree};
use crate::tftp::path::SafePath;

/// The files that may be served.
#[derive(Debug)]
pub struct Files {
    tree: Tree,
    /// The same folder as a web server has it: no link leads out.
    alone: Tree,
}

impl Files {
    /// The files of the configured folder, which need not exist yet.
    pub fn new(config: &config::Tftp) -> Self {
        let tree = |allow| Tree::new(config.root.clone(), allow);
        Self { tree: tree(config.allow.clone()), alone: tree(Vec::new()) }
    }

    /// The absolute path of the folder.
    pub fn root(&self) -> &[u8] {
        self.tree.root().as_os_str().as_bytes()
    }

    /// Says so if the folder isn't there; files in it are found as soon as it is.
    pub fn report_missing_root(&self) {
        if let Err(error) = self.tree.check_root() {
            let root = self.root().escape_ascii();
            warn!(
                "TFTP root {root} cannot be opened: {error}; create it, or plug in what it is on: it is looked for again at every request"
            );
        }
    }

    /// Says of each name why its file can't be served, where there is more to say than that it isn't there, and where
    /// `is_new` hasn't heard it yet: every machine that asks to boot may come by here.
    pub fn report_unservable(&self, names: &[String], mut is_new: impl FnMut(&[u8]) -> bool) {
        for name in names {
            let Ok(path) = SafePath::new(name.as_bytes(), self.root()) else { continue };
            let Err(why) = self.open(&path) else { continue };
            let Some(remedy) = self.remedy(&why) else { continue };
            // Without the folder all its files are out of reach: one remark is enough for them.
            let about: &[u8] = if matches!(why, Refused::NoRoot(_)) { &[] } else { path.as_bytes() };
            if is_new(&[about, remedy.as_bytes()].concat()) {
                warn!("TFTP cannot offer {path}: {remedy}");
            }
        }
    }

    /// What keeps a file from being served and what would change that, for those reasons that the user can mend.
    pub fn remedy(&self, why: &Refused) -> Option<String> {
        match why {
            Refused::NotReadable => Some("not everybody may read it; chmod o+r would permit it".to_owned()),
            Refused::Outside(target) => {
                let folder = target.parent().unwrap_or(target).as_os_str().as_bytes().escape_ascii();
                let target = target.as_os_str().as_bytes().escape_ascii();
                let root = self.root().escape_ascii();
                Some(format!("it is a link to {target}, outside {root}; list tftp_allow '{folder}' would permit it"))
            }
            Refused::NoRoot(error) => Some(format!("{} cannot be opened: {error}", self.root().escape_ascii())),
            Refused::Failed(error) => Some(error.to_string()),
            Refused::NotFound | Refused::NotAFile => None,
        }
    }

    /// Opens the file of this name, or the one that stands in for it.
    ///
    /// # Errors
    /// See [`Refused`].
    pub fn open(&self, path: &SafePath) -> Result<ServedFile, Refused> {
        match (self.tree.open(path.as_bytes()), path.stand_in()) {
            (Err(Refused::NotFound), Some(stand_in)) => self.tree.open(stand_in.as_bytes()),
            (result, _) => result,
        }
    }
}

impl BootFiles for Files {
    fn has(&self, name: &str) -> bool {
        SafePath::new(name.as_bytes(), self.root()).is_ok_and(|path| self.open(&path).is_ok())
    }

    fn web_path(&self, name: &str) -> Option<String> {
        let path = SafePath::new(name.as_bytes(), self.root()).ok()?;
        self.alone.open(path.as_bytes()).ok()?;
        str::from_utf8(path.as_bytes()).ok().map(str::to_owned)
    }
}
