//! The router that the pages talk to: rpcd's part played honestly, with the app's own ACL, real files and the real upxe.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::config::uci;

/// rpcd's and ubus's status codes (ubusmsg.h).
const OK: u32 = 0;
const NOT_FOUND: u32 = 4;
const DENIED: u32 = 6;

/// What is behind the pages.
pub struct Router {
    /// The upxe that is asked.
    pub program: PathBuf,
    /// Where the UCI files are.
    pub config: PathBuf,
    /// The ubus methods and UCI files that the app's ACL grants.
    granted: Vec<(String, String)>,
    granted_uci: Vec<String>,
    /// Changes of a session that are not applied yet.
    staged: HashMap<String, Value>,
    /// Output that is put in place of a program's, by its first word: `status`, `doctor`, …
    pub played: HashMap<String, String>,
    /// Where the service is asked; nowhere, if it isn't running.
    pub socket: Option<PathBuf>,
    /// What `getHostHints` says.
    pub hints: Value,
    /// Lines of the log.
    pub log: String,
    /// Calls so far, as `object method`.
    pub calls: Vec<String>,
    /// Command lines that were run.
    pub ran: Vec<Vec<String>>,
    /// Calls that were denied.
    pub denied: Vec<String>,
}

impl Router {
    /// A router with the UCI files under `config`.
    pub fn new(program: &Path, config: &Path, acl: &Value) -> Router {
        let mut granted = Vec::new();
        let mut granted_uci = Vec::new();
        for right in ["read", "write"] {
            let right = &acl["luci-app-upxe"][right];
            for (object, methods) in right["ubus"].as_object().into_iter().flatten() {
                let methods = methods.as_array().into_iter().flatten().filter_map(Value::as_str);
                granted.extend(methods.map(|method| (object.clone(), method.to_owned())));
            }
            granted_uci
                .extend(right["uci"].as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned));
        }
        Router {
            program: program.into(),
            config: config.into(),
            granted,
            granted_uci,
            staged: HashMap::new(),
            played: HashMap::new(),
            socket: None,
            hints: json!({}),
            log: String::new(),
            calls: Vec::new(),
            ran: Vec::new(),
            denied: Vec::new(),
        }
    }

    /// A call from the browser: `[object, method, arguments]` in, `[code, reply]` out.
    pub fn ubus(&mut self, call: &Value) -> Value {
        let (object, method) = (call[0].as_str().unwrap_or_default(), call[1].as_str().unwrap_or_default());
        let name = format!("{object} {method}");
        self.calls.push(name.clone());
        // What every LuCI user may do with a configuration (luci-base), this user may do with those granted.
        let config = call[2]["config"].as_str();
        let may = match (object, config) {
            ("uci", Some(config)) => self.granted_uci.iter().any(|granted| granted == config),
            ("uci", None) => method == "apply",
            _ => self.granted.iter().any(|(o, m)| o == object && m == method),
        };
        if !may {
            self.denied.push(format!("{name} {}", config.unwrap_or_default()));
            return json!([DENIED]);
        }
        match (object, method) {
            ("uci", "get") => {
                let config = config.unwrap_or_default();
                let values = self.staged.get(config).cloned().unwrap_or_else(|| self.read(config));
                json!([OK, { "values": values }])
            }
            ("uci", "stage") => {
                self.staged.insert(config.unwrap_or_default().into(), call[2]["sections"].clone());
                json!([OK, {}])
            }
            ("uci", "apply") => {
                for (config, sections) in std::mem::take(&mut self.staged) {
                    fs::write(self.config.join(config), write_uci(&sections)).expect("a configuration is written");
                }
                json!([OK, {}])
            }
            // The plugin answers these, in the page.
            ("luci.upxe", _) => json!([OK, {}]),
            ("luci-rpc", "getHostHints") => json!([OK, self.hints]),
            ("network.interface", "dump") => {
                let networks = self.read("network");
                let names = networks.as_array().into_iter().flatten().filter(|section| section[".type"] == "interface");
                let list: Vec<Value> = names.map(|section| json!({ "interface": section[".name"] })).collect();
                json!([OK, { "interface": list }])
            }
            _ => json!([NOT_FOUND]),
        }
    }

    /// A configuration's sections, in their order.
    fn read(&self, config: &str) -> Value {
        let text = fs::read(self.config.join(config)).unwrap_or_default();
        read_uci(&text)
    }

    /// What the plugin asks of its modules: `[operation, argument…]`.
    pub fn host(&mut self, call: &Value) -> Value {
        let path = call[1].as_str().unwrap_or_default();
        match call[0].as_str().unwrap_or_default() {
            "lsdir" => match fs::read_dir(path) {
                Ok(entries) => {
                    entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
                }
                Err(_) => Value::Null,
            },
            "lstat" => fs::symlink_metadata(path).map_or(Value::Null, |found| about(&found)),
            "stat" => fs::metadata(path).map_or(Value::Null, |found| about(&found)),
            "realpath" => fs::canonicalize(path).map_or(Value::Null, |real| json!(real.to_string_lossy())),
            "uci" => {
                let wanted = call[2].as_str().unwrap_or_default();
                let sections = self.read(path);
                let first = wanted.strip_prefix('@').and_then(|rest| rest.strip_suffix("[0]"));
                let found = sections.as_array().into_iter().flatten().find(|section| match first {
                    Some(kind) => section[".type"] == kind,
                    None => section[".name"] == wanted,
                });
                found.map_or(Value::Null, |section| section[call[3].as_str().unwrap_or_default()].clone())
            }
            "ubus" => match (path, call[2].as_str().unwrap_or_default()) {
                ("file", "exec") => {
                    let command = call[3]["command"].as_str().unwrap_or_default();
                    let words = call[3]["params"].as_array().into_iter().flatten().filter_map(Value::as_str);
                    json!([OK, self.exec(command, words.map(str::to_owned).collect())])
                }
                ("luci", "getMountPoints") => json!([OK, { "result": mounts() }]),
                _ => json!([NOT_FOUND, {}]),
            },
            other => panic!("the plugin asks for {other}"),
        }
    }

    fn exec(&mut self, command: &str, words: Vec<String>) -> Value {
        let mut line = vec![command.to_owned()];
        line.extend(words.iter().cloned());
        self.ran.push(line);
        let word = words.first().map(String::as_str).unwrap_or_default();
        match command {
            "/usr/sbin/upxe" => match self.played.get(word) {
                Some(played) => json!({ "code": 0, "stdout": played }),
                None => {
                    let mut run = Command::new(&self.program);
                    run.args(&words);
                    if word != "status" {
                        run.arg("--confdir").arg(&self.config);
                    }
                    if let (Some(socket), "status" | "doctor") = (&self.socket, word) {
                        run.arg("--socket").arg(socket);
                    }
                    let run = run.output().expect("upxe runs");
                    json!({
                        "code": run.status.code(),
                        "stdout": String::from_utf8_lossy(&run.stdout),
                        "stderr": String::from_utf8_lossy(&run.stderr),
                    })
                }
            },
            "/sbin/logread" => json!({ "code": 0, "stdout": self.log }),
            "/etc/init.d/upxe" => json!({ "code": 0 }),
            other => panic!("the plugin runs {other}"),
        }
    }
}

/// What ucode's `stat` tells.
fn about(found: &fs::Metadata) -> Value {
    let kind = match found.file_type() {
        kind if kind.is_symlink() => "link",
        kind if kind.is_dir() => "directory",
        kind if kind.is_file() => "file",
        _ => "other",
    };
    json!({ "type": kind, "size": found.size() })
}

/// This machine's file systems, as LuCI tells them.
fn mounts() -> Value {
    let run = Command::new("df").args(["-B1", "--output=target,avail"]).output().expect("df runs");
    let text = String::from_utf8_lossy(&run.stdout).into_owned();
    let rows = text.lines().skip(1).filter_map(|line| line.trim().rsplit_once(' '));
    rows.map(|(mount, avail)| json!({ "mount": mount.trim(), "avail": avail.parse::<u64>().unwrap_or(0) })).collect()
}

/// Sections as LuCI's pages hold them, read by upxe's own reader, which is held against libuci elsewhere.
fn read_uci(text: &[u8]) -> Value {
    let (package, errors) = uci::parse(text);
    assert!(errors.is_empty(), "libuci would refuse this file: {errors:?}");
    let text = |bytes: &uci::Bytes| json!(String::from_utf8_lossy(&bytes.bytes));
    let sections = package.sections.iter().map(|section| {
        let mut held = json!({ ".name": section.name, ".type": section.kind, ".anonymous": section.anonymous });
        for option in &section.options {
            held[option.name.as_str()] = match &option.value {
                uci::Value::Single(value) => text(value),
                uci::Value::List(items) => items.iter().map(text).collect(),
            };
        }
        held
    });
    sections.collect()
}

/// `uci export`'s form.
fn write_uci(sections: &Value) -> String {
    let quoted = |value: &Value| format!("'{}'", value.as_str().unwrap_or_default().replace('\'', r"'\''"));
    let mut text = String::new();
    for section in sections.as_array().into_iter().flatten() {
        let members = section.as_object().expect("a section");
        text.push_str(&format!("\nconfig {}", section[".type"].as_str().expect("a type")));
        if section[".anonymous"] != json!(true) {
            text.push_str(&format!(" {}", quoted(&section[".name"])));
        }
        text.push('\n');
        for (name, value) in members.iter().filter(|(name, _)| !name.starts_with('.')) {
            match value {
                Value::Array(items) => {
                    items.iter().for_each(|item| text.push_str(&format!("\tlist {name} {}\n", quoted(item))))
                }
                one => text.push_str(&format!("\toption {name} {}\n", quoted(one))),
            }
        }
    }
    text
}
