//! The LuCI pages of `openwrt/luci-app-upxe` in a real browser, against the real upxe and real UCI files: `tests/luci/run`.
//!
//! LuCI itself, rpcd and ucode are in no registry. `runtime/` doubles what the pages use of LuCI, [`router`] plays rpcd's
//! part with the app's own ACL, and the app's rpcd plugin itself runs in the page. Pictures are kept under `target/luci`.

mod browser;
mod files;
mod pages;
mod real;
mod router;
mod server;
mod static_checks;
// What the packages do to scripts.
#[path = "../../../openwrt/packer/src/script.rs"]
mod script;
// upxe's own reader, which tests/uci-oracle holds against libuci.
#[allow(dead_code)]
#[path = "../../../src/config"]
mod config {
    pub mod uci;
}

use std::fs;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use browser::{Browser, Page};
use router::Router;
use server::Site;

/// Widths in CSS pixels of a desk's screen and of a small phone's.
pub const DESK: u32 = 1100;
/// See [`DESK`].
pub const PHONE: u32 = 360;

/// Everything that a test may use. A new router for each test, one browser for all.
pub struct Stage {
    browser: Browser,
    /// What the server serves.
    pub site: Arc<Mutex<Site>>,
    address: SocketAddr,
    folder: PathBuf,
    program: PathBuf,
    shots: PathBuf,
    /// `openwrt/luci-app-upxe`.
    pub app: PathBuf,
}

impl Stage {
    fn new(program: &Path, shots: &Path) -> Stage {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let app = here.join("../../openwrt/luci-app-upxe");
        let folder = std::env::temp_dir().join(format!("upxe-luci-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder");
        fs::create_dir_all(shots).expect("a folder");
        let acl = json_file(&app.join("root/usr/share/rpcd/acl.d/luci-app-upxe.json"));
        let router = Arc::new(Mutex::new(Router::new(program, &folder.join("config"), &acl)));
        let site =
            Site { app: app.clone(), runtime: here.join("runtime"), router, catalogue: json!({}), permission: true };
        let site = Arc::new(Mutex::new(site));
        let address = server::serve(site.clone());
        let browser = Browser::start(&folder);
        Stage { browser, site, address, folder, program: program.into(), shots: shots.into(), app }
    }

    /// A router as after installation, with an empty folder of boot files.
    fn reset(&mut self) {
        for folder in ["config", "tftp"] {
            let _ = fs::remove_dir_all(self.folder.join(folder));
            fs::create_dir_all(self.folder.join(folder)).expect("a folder");
        }
        let acl = json_file(&self.app.join("root/usr/share/rpcd/acl.d/luci-app-upxe.json"));
        let mut router = Router::new(&self.program, &self.folder.join("config"), &acl);
        for word in ["status", "doctor", "check"] {
            let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("fixtures/{word}.json"));
            router.played.insert(word.into(), fs::read_to_string(fixture).expect("a fixture"));
        }
        let mut site = self.site.lock().expect("the site");
        site.router = Arc::new(Mutex::new(router));
        site.catalogue = json!({});
        site.permission = true;
        drop(site);
        self.configure("");
        self.write_config("network", "config interface 'loopback'\n\toption device 'lo'\n\nconfig interface 'lan'\n\toption device 'lo'\n\nconfig interface 'guest'\n\toption device 'lo'\n");
        self.write_config("dhcp", "config dnsmasq\n\toption domain 'lan'\n");
    }

    /// Writes `/etc/config/upxe`: the main section, and what else is given.
    pub fn configure(&self, more: &str) {
        let root = self.root();
        let main = format!(
            "config upxe 'main'\n\toption enabled '0'\n\tlist interface 'lan'\n\toption tftp_root '{}'\n",
            root.display()
        );
        self.write_config("upxe", &(main + more));
    }

    fn write_config(&self, name: &str, text: &str) {
        fs::write(self.folder.join("config").join(name), text).expect("a configuration is written");
    }

    /// `/etc/config/upxe` as it is now.
    pub fn config(&self) -> String {
        fs::read_to_string(self.folder.join("config/upxe")).expect("a configuration")
    }

    /// The folder of boot files.
    pub fn root(&self) -> PathBuf {
        self.folder.join("tftp")
    }

    /// Changes a word of `/etc/config/upxe`.
    pub fn replace(&self, from: &str, to: &str) {
        self.write_config("upxe", &self.config().replace(from, to));
    }

    /// Writes `/etc/config/network`.
    pub fn networks(&self, text: &str) {
        self.write_config("network", text);
    }

    /// Where everything of a test is.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The real upxe.
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// Puts a file of that many bytes into the folder of boot files.
    pub fn boot_file(&self, name: &str, size: usize) {
        let path = self.root().join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, vec![0; size]).expect("a boot file");
    }

    /// Does something with the router.
    pub fn router<T>(&self, work: impl FnOnce(&mut Router) -> T) -> T {
        let router = self.site.lock().expect("the site").router.clone();
        let mut router = router.lock().expect("the router");
        work(&mut router)
    }

    /// Lets the pages speak another language, or to a user who may only look.
    pub fn site(&self, work: impl FnOnce(&mut Site)) {
        work(&mut self.site.lock().expect("the site"));
    }

    /// Opens a page and waits until it is there.
    pub fn open(&mut self, view: &str, width: u32) -> Page<'_> {
        let height = if width == PHONE { 1600 } else { 1100 };
        let mut page = self.browser.open(&format!("http://{}/page/{view}", self.address), width, height);
        page.wait("document.body && document.body.dataset.ready");
        page
    }

    /// Where pictures are kept.
    pub fn shot(&self, name: &str) -> PathBuf {
        self.shots.join(format!("{name}.png"))
    }

    /// What the real upxe says: standard output, and whether it was content.
    pub fn upxe(&self, words: &[&str]) -> (String, bool) {
        let config = self.folder.join("config");
        let run = Command::new(&self.program).args(words).arg("--confdir").arg(config).output().expect("upxe runs");
        (String::from_utf8_lossy(&run.stdout).into_owned(), run.status.success())
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// A file's JSON.
pub fn json_file(path: &Path) -> Value {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// After each test: nothing was denied, and no script failed.
pub fn sound(page: &mut Page<'_>) {
    let failures = page.value("JSON.stringify([document.body.dataset.ready, testEnv.failures || []])");
    assert_eq!(failures, json!("[\"yes\",[]]"), "{}", page.text());
}

type Test = (&'static str, fn(&mut Stage));

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if let [first, rest @ ..] = words.as_slice()
        && first == "machine"
    {
        return if real::machine(rest) { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    let [program, shots, wanted @ ..] = words.as_slice() else {
        eprintln!("usage: luci UPXE SHOTS [TEST…]");
        return ExitCode::from(2);
    };
    let tests: Vec<Test> = [static_checks::TESTS, pages::TESTS, files::TESTS, real::TESTS].concat();
    let mut stage = Stage::new(Path::new(program), Path::new(shots));
    let (mut passed, mut failed) = (0, 0);
    for (name, test) in
        tests.iter().filter(|(name, _)| wanted.is_empty() || wanted.iter().any(|word| name.contains(word.as_str())))
    {
        stage.reset();
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            test(&mut stage);
            stage.router(|router| assert!(router.denied.is_empty(), "the ACL denies {:?}", router.denied));
        }));
        println!("tests/luci: {name} {}", if outcome.is_ok() { "ok" } else { "FAILED" });
        if outcome.is_ok() { passed += 1 } else { failed += 1 }
    }
    println!("{passed} passed, {failed} failed");
    if failed == 0 && passed > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
