//! A program run inside a namespace of the lab: started, listened to, signalled, and always ended.

use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use crate::journal::Journal;
use crate::sys;

/// How long a program may take to end by itself after SIGTERM.
const GRACE: Duration = Duration::from_secs(5);

/// A running program; dropping it ends it.
pub struct Process {
    child: Child,
    pub log: Journal,
}

impl Process {
    /// Starts `command` (the program and its arguments) in `namespace`; what it prints goes to `log`.
    pub fn start(namespace: &str, command: &[&str], log: &Journal) -> Process {
        // `ip netns exec` becomes the program, so the process id is the program's own.
        let mut child = Command::new("ip")
            .args(["netns", "exec", namespace])
            .args(command)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|e| panic!("starting {command:?}: {e}"));
        log.follow(child.stdout.take().unwrap());
        log.follow(child.stderr.take().unwrap());
        Process { child, log: log.clone() }
    }

    /// Types `keys` on its standard input.
    pub fn type_in(&mut self, keys: &str) {
        // It may have ended already.
        let _ = self.child.stdin.as_mut().unwrap().write_all(keys.as_bytes());
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn signal(&self, signal: i32) {
        sys::signal(self.child.id(), signal).unwrap_or_else(|e| panic!("signal {signal}: {e}"));
    }

    /// How often the program has begun to wait for something.
    pub fn waits(&self) -> u64 {
        let text = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
        line.and_then(|count| count.trim().parse().ok()).expect("the kernel counts them")
    }

    /// Asks the program to end and waits until it has.
    pub fn stop(&mut self) -> ExitStatus {
        self.signal(libc::SIGTERM);
        self.wait(GRACE).unwrap_or_else(|| panic!("still running {GRACE:?} after SIGTERM:\n{}", self.log.tail()))
    }

    /// Ends the program without a chance to clean up.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// How the program ended, if it does within `patience`.
    pub fn wait(&mut self, patience: Duration) -> Option<ExitStatus> {
        let deadline = Instant::now() + patience;
        loop {
            match self.child.try_wait() {
                Ok(Some(status)) => return Some(status),
                Ok(None) if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(20)),
                Ok(None) => return None,
                Err(e) => panic!("waiting for a program: {e}"),
            }
        }
    }

    pub fn is_running(&mut self) -> bool {
        self.wait(Duration::ZERO).is_none()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.is_running() {
            let _ = sys::signal(self.child.id(), libc::SIGTERM);
            if self.wait(GRACE).is_none() {
                self.kill();
            }
        }
    }
}

/// Runs a short program to its end and returns what it printed; fails when it does.
pub fn run(command: &[&str]) -> String {
    let (status, output) = try_run(command);
    assert!(status.success(), "{} ended with {status}: {output}", command.join(" "));
    output
}

/// Runs a short program to its end.
pub fn try_run(command: &[&str]) -> (ExitStatus, String) {
    let (program, arguments) = command.split_first().unwrap();
    match Command::new(program).args(arguments).stdin(Stdio::null()).output() {
        Ok(output) => {
            let text = [output.stdout, output.stderr].concat();
            (output.status, String::from_utf8_lossy(&text).into_owned())
        }
        Err(e) => (ExitStatus::from_raw(127 << 8), e.to_string()),
    }
}
