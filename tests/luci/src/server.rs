//! A small HTTP server for the browser: the pages, the double of LuCI's runtime, and two doors to the router.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::router::Router;
use crate::script;

/// Modules of LuCI's that are doubled.
const DOUBLES: &[&str] = &["form", "plugin", "rpc", "uci", "ui"];

/// What a page is made with.
#[derive(Clone)]
pub struct Site {
    /// `openwrt/luci-app-upxe`.
    pub app: PathBuf,
    /// `tests/luci/runtime`.
    pub runtime: PathBuf,
    /// The router behind it.
    pub router: Arc<Mutex<Router>>,
    /// Translations, by what is translated.
    pub catalogue: Value,
    /// Whether the user may change things.
    pub permission: bool,
}

/// Serves on a free port of the loopback interface, until the program ends.
pub fn serve(site: Arc<Mutex<Site>>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let site = site.clone();
            std::thread::spawn(move || answer(&stream, &site));
        }
    });
    address
}

fn answer(stream: &TcpStream, site: &Mutex<Site>) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let path = line.split(' ').nth(1)?.split('?').next()?.to_owned();
    let mut length = 0;
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        match header.trim().split_once(':') {
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => length = value.trim().parse().ok()?,
            Some(_) => {}
            None => break,
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let site = site.lock().expect("the site").clone();
    let (status, kind, content) = match respond(&site, &path, &body) {
        Some((kind, content)) => ("200 OK", kind, content),
        None => ("404 Not Found", "text/plain", Vec::new()),
    };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}; charset=utf-8\r\nContent-Length: {}\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n",
        content.len()
    );
    let mut writer = stream;
    writer.write_all(head.as_bytes()).ok()?;
    writer.write_all(&content).ok()
}

fn respond(site: &Site, path: &str, body: &[u8]) -> Option<(&'static str, Vec<u8>)> {
    const SCRIPT: &str = "text/javascript";
    const DATA: &str = "application/json";
    let file = |path: &Path| std::fs::read(path).ok();
    let script = |path: PathBuf| Some(script::minified(&String::from_utf8(file(&path)?).ok()?).into_bytes());
    if let Some(view) = path.strip_prefix("/page/") {
        let environment = json!({ "view": view, "catalogue": site.catalogue, "permission": site.permission });
        let page = String::from_utf8(file(&site.runtime.join("page.html"))?).ok()?;
        return Some(("text/html", page.replace("ENVIRONMENT", &environment.to_string()).into_bytes()));
    }
    match path {
        "/luci-static/style.css" => return Some(("text/css", file(&site.runtime.join("style.css"))?)),
        "/luci-static/luci.js" => return Some((SCRIPT, file(&site.runtime.join("luci.js"))?)),
        "/plugin" => return Some((SCRIPT, script(site.app.join("root/usr/share/rpcd/ucode/luci.upxe"))?)),
        "/ubus" | "/host" => {
            let call: Value = serde_json::from_slice(body).ok()?;
            let mut router = site.router.lock().expect("the router");
            let reply = if path == "/ubus" { router.ubus(&call) } else { router.host(&call) };
            return Some((DATA, reply.to_string().into_bytes()));
        }
        _ => {}
    }
    let resource = path.strip_prefix("/luci-static/resources/")?;
    let name = resource.strip_suffix(".js")?;
    // A browser never sends `..`, and nobody else is here.
    if DOUBLES.contains(&name) {
        Some((SCRIPT, file(&site.runtime.join(resource))?))
    } else {
        Some((SCRIPT, script(site.app.join("htdocs/luci-static/resources").join(resource))?))
    }
}
