//! Which file answers to a name: the client's spelling, the folder served, names that stand in for each other, and texts
//! that are made when they are asked for.

use std::io;
use std::net::Ipv4Addr;
use std::os::unix::ffi::OsStrExt;

use log::warn;

use crate::config::rules::Web;
use crate::config::{self, BootMenu, Rules};
use crate::menu::template::{self, Also};
use crate::menu::{self, MAX_TEXT, Machine, Scene, Wanted};
use crate::proxy::BootFiles;
use crate::sys::tree::{Refused, ServedFile, Tree};
use crate::tftp::path::SafePath;
use crate::wire::frame::Mac;

/// The files that may be served.
#[derive(Debug)]
pub struct Files {
    tree: Tree,
    /// The same folder as a web server has it: no link leads out.
    alone: Tree,
    web: Option<Web>,
    menu: BootMenu,
}

/// Who asks for a file, for texts that depend on it.
pub struct Asker<'a> {
    /// What is known of the machine that asks; of the one with this hardware address, if one is given.
    pub machine: &'a dyn Fn(Option<Mac>) -> Machine,
    /// This router, as the machine reaches it.
    pub router: Ipv4Addr,
}

/// What answers to a name.
pub enum Found<'a> {
    /// A file, as it is.
    File(ServedFile),
    /// A text that is made for who asks.
    Made(MadeFrom<'a>),
}

/// What a text is made of.
pub enum MadeFrom<'a> {
    /// A file, with its gaps filled.
    Template(ServedFile),
    /// The menu.
    Menu(Wanted<'a>),
}

impl Files {
    /// The files of the configured folder, which need not exist yet.
    pub fn new(config: &config::Tftp, rules: &Rules) -> Self {
        let tree = |allow| Tree::new(config.root.clone(), allow);
        let Rules { web, menu, .. } = rules;
        Self { tree: tree(config.allow.clone()), alone: tree(Vec::new()), web: web.clone(), menu: menu.clone() }
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
            let Err(why) = self.find(&path).map(|_| ()) else { continue };
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

    /// Opens the file of this name, or the one that stands in for it, or makes it for who asks.
    ///
    /// # Errors
    /// See [`Refused`].
    pub fn open(&self, path: &SafePath, asker: &Asker<'_>) -> Result<ServedFile, Refused> {
        match self.find(path)? {
            Found::File(file) => Ok(file),
            Found::Made(source) => self.make(source, asker),
        }
    }

    /// Makes a text for who asks, at the cost of some files.
    ///
    /// # Errors
    /// `Failed`: it can't be read, or would be longer than any may be.
    pub fn make(&self, source: MadeFrom<'_>, asker: &Asker<'_>) -> Result<ServedFile, Refused> {
        let machine = (asker.machine)(if let MadeFrom::Menu(Wanted::Ipxe(mac)) = source { mac } else { None });
        let has = |name: &str| self.has(name);
        let router = asker.router;
        let base = self.web.as_ref().filter(|_| machine.http).map(|web| web.base(router));
        let scene = Scene { menu: &self.menu, machine: &machine, router, http: base.as_deref(), has: &has };
        let text = match source {
            MadeFrom::Menu(wanted) => menu::render(wanted, &scene),
            MadeFrom::Template(file) => {
                let bytes = file.read_whole(MAX_TEXT).map_err(Refused::Failed)?;
                template::fill(&String::from_utf8_lossy(&bytes), &scene, Also::Ipxe)
            }
        };
        if text.len() > MAX_TEXT {
            return Err(Refused::Failed(io::ErrorKind::FileTooLarge.into()));
        }
        Ok(ServedFile::in_memory(text.into_bytes()))
    }

    /// What answers to this name. A real file always comes before one that is made.
    ///
    /// # Errors
    /// See [`Refused`].
    pub fn find<'a>(&self, path: &'a SafePath) -> Result<Found<'a>, Refused> {
        let open = |name: &[u8]| self.tree.open(name);
        let file = match (open(path.as_bytes()), path.stand_in()) {
            (Err(Refused::NotFound), Some(stand_in)) => open(stand_in.as_bytes()),
            (result, _) => result,
        };
        if !matches!(file, Err(Refused::NotFound)) {
            return file.map(Found::File);
        }
        let name = str::from_utf8(path.as_bytes()).map_err(|_| Refused::NotFound)?;
        if let Some(template) = template::of(name) {
            let file = open(template.as_bytes());
            if !matches!(file, Err(Refused::NotFound)) {
                return file.map(|file| Found::Made(MadeFrom::Template(file)));
            }
        }
        let wanted = menu::wanted(name).filter(|_| !self.menu.entries.is_empty());
        wanted.map(|wanted| Found::Made(MadeFrom::Menu(wanted))).ok_or(Refused::NotFound)
    }
}

impl BootFiles for Files {
    fn has(&self, name: &str) -> bool {
        SafePath::new(name.as_bytes(), self.root()).is_ok_and(|path| self.find(&path).is_ok())
    }

    fn may_have_folder(&self, name: &str) -> bool {
        self.tree.may_have_folder(name.as_bytes())
    }

    fn web_path(&self, name: &str) -> Option<String> {
        let path = SafePath::new(name.as_bytes(), self.root()).ok()?;
        self.alone.open(path.as_bytes()).ok()?;
        str::from_utf8(path.as_bytes()).ok().map(str::to_owned)
    }
}
