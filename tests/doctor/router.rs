//! A router of the lab that the doctor is asked about, and what it says.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use ::upxe::wire::json::Raw;

use crate::dnsmasq::Dnsmasq;
use crate::files::{TftpRoot, run_folder, write};
use crate::net::Lan;
use crate::process::try_run;
use crate::upxe::{Upxe, program};

pub const SOON: Duration = Duration::from_secs(10);

/// A router with dnsmasq and upxe, and a boot file.
pub struct Router {
    pub upxe: Upxe,
    pub dnsmasq: Dnsmasq,
    pub run: PathBuf,
    pub tftp: PathBuf,
    pub lan: Lan,
}

/// What the doctor said.
pub struct Said {
    pub status: i32,
    pub json: String,
}

impl Router {
    pub fn start(test: &str) -> Router {
        let lan = Lan::new();
        Router::start_on(test, lan)
    }

    pub fn start_on(test: &str, lan: Lan) -> Router {
        let run = run_folder(&format!("doctor-{test}"));
        let tftp = TftpRoot::new(&run).text("snponly.efi", "for x64").text("undionly.kpxe", "for BIOS").path;
        let dnsmasq = Dnsmasq::start(&[&lan], &run, None);
        let upxe = Upxe::start(&[&lan], &tftp, &run, None);
        upxe.log.expect(0, &["listening for network boot clients"], SOON);
        Router { upxe, dnsmasq, run, tftp, lan }
    }

    /// Runs the doctor on the router, once the service answers.
    pub fn ask(&self, words: &[&str]) -> Said {
        let deadline = Instant::now() + SOON;
        while !self.upxe.socket.exists() {
            assert!(Instant::now() < deadline, "no {}", self.upxe.socket.display());
            std::thread::sleep(Duration::from_millis(20));
        }
        self.look(words)
    }

    /// Asks until these errors and warnings are found, and no others.
    pub fn until(&self, wrong: &[&str]) -> Said {
        let deadline = Instant::now() + SOON;
        loop {
            let said = self.ask(&[]);
            if [said.codes("error"), said.codes("warning")].concat() == wrong || Instant::now() > deadline {
                return said;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// The same where the program `name` is a script.
    pub fn ask_beside(&self, name: &str, script: &str) -> Said {
        let bin = self.run.join("bin");
        fs::create_dir_all(&bin).unwrap();
        write(&bin.join(name), &format!("#!/bin/sh\n{script}\n"));
        fs::set_permissions(bin.join(name), fs::Permissions::from_mode(0o755)).unwrap();
        let path = format!("PATH={}:{}", bin.display(), std::env::var("PATH").unwrap());
        self.ask(&[]);
        self.run_with(&["env", &path], &[])
    }

    pub fn look(&self, words: &[&str]) -> Said {
        self.run_with(&[], words)
    }

    pub fn run_with(&self, before: &[&str], words: &[&str]) -> Said {
        let (program, config) = (program(), &self.upxe.config);
        let (program, config) = (program.to_string_lossy(), config.to_string_lossy());
        let socket = self.upxe.socket.to_string_lossy();
        let command = [&program, "doctor", "-c", &config, "--socket", &socket, "--json"];
        let inside = ["ip", "netns", "exec", &self.lan.router.name];
        let (status, json) = try_run(&[&inside[..], before, &command, words].concat());
        assert!(json.starts_with("{\"version\":1,") && json.ends_with("}\n"), "no JSON: {json}");
        Said { status: status.code().unwrap(), json }
    }

    /// Adds lines to one of the UCI files.
    pub fn also(&self, file: &str, lines: &str) {
        let path = self.upxe.config.join(file);
        let text = fs::read_to_string(&path).unwrap_or_default();
        write(&path, &(text + lines));
    }

    /// Makes the service read them.
    pub fn reload(&self) {
        let from = self.upxe.log.end();
        self.upxe.reload_signal();
        self.upxe.log.expect(from, &["configuration reloaded"], SOON);
    }
}

impl Said {
    pub fn findings(&self) -> Vec<Raw<'_>> {
        Raw(&self.json).get("findings").unwrap().items().collect()
    }

    /// The codes of this severity, in order.
    pub fn codes(&self, severity: &str) -> Vec<String> {
        let all = self.findings();
        let of_it = all.iter().filter(|finding| finding.text_of("severity").as_deref() == Some(severity));
        of_it.map(|finding| finding.text_of("code").unwrap()).collect()
    }

    /// What is said under this code, and the command, once.
    pub fn one(&self, code: &str) -> (String, String) {
        let all = self.findings();
        let its: Vec<_> = all.iter().filter(|finding| finding.text_of("code").as_deref() == Some(code)).collect();
        let [finding] = its[..] else { panic!("not one {code}: {}", self.json) };
        assert!(!finding.text_of("why").unwrap().is_empty());
        (finding.text_of("what").unwrap(), finding.text_of("mend").unwrap_or_default())
    }

    /// The command of the first finding with this code.
    pub fn mend(&self, code: &str) -> String {
        let all = self.findings();
        let first = all.iter().find(|finding| finding.text_of("code").as_deref() == Some(code));
        first.and_then(|finding| finding.text_of("mend")).unwrap_or_else(|| panic!("no command: {}", self.json))
    }

    /// Exactly one thing is wrong, an error or a warning.
    pub fn only(&self, severity: &str, code: &str) -> (String, String) {
        let wrong = [self.codes("error"), self.codes("warning")].concat();
        assert_eq!(wrong, [code], "{}", self.json);
        assert_eq!(self.codes(severity), [code], "{}", self.json);
        assert_eq!(self.status, if severity == "error" { 2 } else { 1 });
        self.one(code)
    }
}
