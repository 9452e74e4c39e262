//! An explanation for programs, in JSON.
//!
//! ```text
//! { "version": 1,                        higher when something below changes its meaning; more may be added without
//!   "requests": [ {
//!     "packet": 1,                       number in the capture
//!     "port": 67, "message": "DHCPDISCOVER", "mac": "52:54:…",
//!     "interface": "lan", "device": "br-lan", "router": "192.168.1.1", "mask": "255.255.255.0",
//!     "client": { "client": "BIOS iPXE", "program": "iPXE", "architecture": "0", … },
//!     "tags": [ { "tag": "ipxe", "kind": "match", "file": "/etc/dnsmasq.conf", "line": 2 } ],
//!     "rules": [ { "kind": "dhcp-boot", "what": "boot.ipxe", "won": true, "why": "…", "file": "…", "line": 5 } ],
//!     "options": [ …the same… ],
//!     "reply": null or {
//!       "message": "DHCPOFFER", "length": 300, "custom": null, "option script", "the machine's own", "the group's own",
//!                    "menu" or "customary",
//!       "fields": { "xid": "…", …, "file": "…" },
//!       "options": [ { "code": 43, "name": "…", "value": "…", "hex": "…", "suboptions": [ … ],
//!                      "from": [ { "file": "…", "line": 7 } ] } ],
//!       "left_out": null or 210 },
//!     "silence": null or { "code": "no-file", "reason": "…", "advice": "…" },
//!     "later": [ { "when": "asks a fourth time", "told": "…" } ] } ] }
//! ```
//!
//! A tag that the interface's name sets has no file; line 0 is the command line. Values are the words of the text output.

use super::packet::{Field, Shown, hex};
use super::{Fate, ReplyReport, Report};
use crate::config::Origin;
use crate::wire::json::Printer;

/// The version of the schema above.
const VERSION: usize = 1;

/// All reports as one JSON object.
pub fn write(reports: &[Report]) -> String {
    let mut out = Printer::default();
    out.item();
    out.number("version", VERSION);
    out.list("requests");
    for it in reports {
        report(&mut out, it);
    }
    out.end_list();
    out.end();
    out.line()
}

fn report(out: &mut Printer, report: &Report) {
    let network = &report.network;
    out.item();
    out.number("packet", report.number);
    out.number("port", report.port.into());
    out.text("message", report.message);
    out.text("mac", &report.mac);
    out.text("interface", &network.interface);
    out.text("device", &network.device);
    out.text("router", &network.router.to_string());
    out.text("mask", &network.mask.to_string());
    fields(out, "client", &report.client);
    out.list("tags");
    for tag in &report.tags {
        out.item();
        out.text("tag", &tag.name);
        out.text("kind", tag.kind);
        place(out, tag.origin.as_ref());
        out.end();
    }
    out.end_list();
    fates(out, "rules", &report.rules);
    fates(out, "options", &report.options);
    match &report.outcome {
        Ok(it) => {
            reply(out, it);
            out.null("silence");
        }
        Err(silence) => {
            out.null("reply");
            out.object("silence");
            out.text("code", silence.code);
            out.text("reason", &silence.reason);
            out.text("advice", &silence.advice);
            out.end();
        }
    }
    out.list("later");
    for later in &report.later {
        out.item();
        out.text("when", later.when);
        out.text("told", &later.told);
        out.end();
    }
    out.end_list();
    out.end();
}

fn fields(out: &mut Printer, name: &str, fields: &[Field]) {
    out.object(name);
    for field in fields {
        out.text(field.name, &field.value);
    }
    out.end();
}

fn place(out: &mut Printer, origin: Option<&Origin>) {
    match origin {
        Some(origin) => {
            out.text("file", &origin.file);
            out.number("line", usize::try_from(origin.line).unwrap_or_default());
        }
        None => {
            out.null("file");
            out.null("line");
        }
    }
}

fn fates(out: &mut Printer, name: &str, fates: &[Fate]) {
    out.list(name);
    for fate in fates {
        out.item();
        out.text("kind", fate.kind);
        out.text("what", &fate.what);
        out.flag("won", fate.won);
        out.text("why", &fate.why);
        place(out, Some(&fate.origin));
        out.end();
    }
    out.end_list();
}

fn reply(out: &mut Printer, reply: &ReplyReport) {
    out.object("reply");
    out.text("message", reply.message);
    out.number("length", reply.len);
    out.text_or_null("custom", reply.custom);
    fields(out, "fields", &reply.fields);
    out.list("options");
    for (shown, origins) in &reply.options {
        out.item();
        option(out, shown);
        out.list("from");
        for origin in origins {
            out.item();
            place(out, Some(origin));
            out.end();
        }
        out.end_list();
        out.end();
    }
    out.end_list();
    match reply.left_out {
        Some(code) => out.number("left_out", code.into()),
        None => out.null("left_out"),
    }
    out.end();
}

/// The members of an option's object.
fn option(out: &mut Printer, shown: &Shown) {
    out.number("code", shown.code.into());
    out.text("name", shown.name);
    out.text("value", &shown.value);
    out.text("hex", &hex(&shown.bytes, ""));
    out.list("suboptions");
    for inner in &shown.suboptions {
        out.item();
        option(out, inner);
        out.end();
    }
    out.end_list();
}
