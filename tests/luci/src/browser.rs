//! A headless Chromium, driven through its DevTools protocol over two pipes: JSON messages that end with a zero byte.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::os::fd::{FromRawFd, IntoRawFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// How long a page may take for anything; a busy machine takes its time to start a browser.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A running browser; ended when dropped.
pub struct Browser {
    child: Child,
    to: File,
    from: BufReader<File>,
    next: u64,
}

fn pipe() -> (File, File) {
    let mut ends = [0; 2];
    // SAFETY: `ends` has room for the two descriptors, which nobody else owns.
    unsafe {
        assert_eq!(libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC), 0, "pipe2");
        (File::from_raw_fd(ends[0]), File::from_raw_fd(ends[1]))
    }
}

impl Browser {
    /// Starts it with a profile of its own under `folder`.
    pub fn start(folder: &Path) -> Browser {
        let (command_read, command_write) = pipe();
        let (answer_read, answer_write) = pipe();
        let (commands, answers) = (command_read.into_raw_fd(), answer_write.into_raw_fd());
        let mut command = Command::new("chromium");
        command
            .args(["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"])
            .args(["--disable-background-networking", "--hide-scrollbars", "--force-color-profile=srgb"])
            .args(["--no-proxy-server", "--remote-debugging-pipe"])
            .arg(format!("--user-data-dir={}", folder.join("profile").display()))
            .arg("about:blank")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(folder.join("chromium.log")).expect("a log file"));
        // SAFETY: between fork and exec only dup2 and fcntl are called, which are safe there.
        unsafe {
            command.pre_exec(move || {
                // Out of the way first: 3 or 4 may be one of these two.
                let (from, to) = (libc::fcntl(commands, libc::F_DUPFD, 10), libc::fcntl(answers, libc::F_DUPFD, 10));
                libc::dup2(from, 3);
                libc::dup2(to, 4);
                Ok(())
            });
        }
        let child = command.spawn().expect("chromium starts");
        // SAFETY: the two ends were taken out of their files above and are the child's now.
        unsafe {
            libc::close(commands);
            libc::close(answers);
        }
        Browser { child, to: command_write, from: BufReader::new(answer_read), next: 0 }
    }

    fn call(&mut self, session: Option<&str>, method: &str, params: Value) -> Value {
        self.next += 1;
        let mut message = json!({ "id": self.next, "method": method, "params": params });
        if let Some(session) = session {
            message["sessionId"] = json!(session);
        }
        self.to.write_all(format!("{message}\0").as_bytes()).expect("the browser listens");
        loop {
            let mut line = Vec::new();
            self.from.read_until(0, &mut line).expect("the browser answers");
            assert!(!line.is_empty(), "the browser has ended");
            line.pop();
            let answer: Value = serde_json::from_slice(&line).expect("JSON");
            // Events are nobody's business here.
            if answer["id"] == json!(self.next) {
                assert!(answer["error"].is_null(), "{method}: {}", answer["error"]);
                return answer["result"].clone();
            }
        }
    }

    /// A new page of this size in CSS pixels.
    pub fn open(&mut self, url: &str, width: u32, height: u32) -> Page<'_> {
        let target = self.call(None, "Target.createTarget", json!({ "url": "about:blank" }))["targetId"].clone();
        let session = self.call(None, "Target.attachToTarget", json!({ "targetId": target, "flatten": true }));
        let session = session["sessionId"].as_str().expect("a session").to_owned();
        let target = target.as_str().expect("a target").to_owned();
        let mut page = Page { browser: self, session, target };
        let mobile = width < 600;
        page.call(
            "Emulation.setDeviceMetricsOverride",
            json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": mobile }),
        );
        page.call("Page.navigate", json!({ "url": url }));
        page
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A page; closed when dropped.
pub struct Page<'b> {
    browser: &'b mut Browser,
    session: String,
    target: String,
}

impl Page<'_> {
    fn call(&mut self, method: &str, params: Value) -> Value {
        self.browser.call(Some(&self.session), method, params)
    }

    /// The value of an expression, once it has one.
    pub fn value(&mut self, expression: &str) -> Value {
        let answer = self
            .call("Runtime.evaluate", json!({ "expression": expression, "awaitPromise": true, "returnByValue": true }));
        assert!(answer["exceptionDetails"].is_null(), "{expression}: {}", answer["exceptionDetails"]);
        answer["result"]["value"].clone()
    }

    /// Waits until an expression is true.
    pub fn wait(&mut self, expression: &str) {
        let started = Instant::now();
        while self.value(&format!("!!({expression})")) != json!(true) {
            if started.elapsed() > PATIENCE {
                let text = self.value("document.body.innerText");
                panic!("never came true: {expression}\nthe page says:\n{}", text.as_str().unwrap_or_default());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// The text that a person reads.
    pub fn text(&mut self) -> String {
        self.value("document.body.innerText").as_str().expect("text").to_owned()
    }

    /// Brings another, empty tab to the front, so that nobody sees this page any more.
    pub fn cover(&mut self) -> String {
        let other = self.browser.call(None, "Target.createTarget", json!({ "url": "about:blank" }));
        let other = other["targetId"].as_str().expect("a target").to_owned();
        self.browser.call(None, "Target.activateTarget", json!({ "targetId": other }));
        other
    }

    /// Takes the other tab away.
    pub fn uncover(&mut self, other: &str) {
        self.browser.call(None, "Target.closeTarget", json!({ "targetId": other }));
        let target = self.target.clone();
        self.browser.call(None, "Target.activateTarget", json!({ "targetId": target }));
    }

    /// Keeps a picture of the page as a PNG file.
    pub fn shoot(&mut self, file: &Path) {
        let answer = self.call("Page.captureScreenshot", json!({ "format": "png" }));
        let picture = base64(answer["data"].as_str().expect("a picture"));
        std::fs::write(file, picture).expect("a picture is written");
    }
}

impl Drop for Page<'_> {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let target = self.target.clone();
            self.browser.call(None, "Target.closeTarget", json!({ "targetId": target }));
        }
    }
}

/// RFC 4648 §4, from a browser that writes it correctly.
fn base64(text: &str) -> Vec<u8> {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let (mut bytes, mut bits, mut held) = (Vec::new(), 0u32, 0);
    for letter in text.bytes().filter(|letter| *letter != b'=') {
        let value = ALPHABET.iter().position(|known| *known == letter).expect("base64");
        bits = bits << 6 | u32::try_from(value).expect("six bits");
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held) as u8);
        }
    }
    bytes
}
