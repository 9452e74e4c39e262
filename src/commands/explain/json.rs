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
use super::{Fate, Later, ReplyReport, Report, Tag};
use crate::config::Origin;
use crate::wire::json::Json::{self, Flag, List, Map, Null, Number, Text};
use crate::wire::json::string;

/// The version of the schema above.
const VERSION: usize = 1;

/// All reports as one JSON object.
pub fn write(reports: &[Report]) -> String {
    Map(vec![("version", Number(VERSION)), ("requests", List(reports.iter().map(report).collect()))]).line()
}

fn report(report: &Report) -> Json {
    let network = &report.network;
    let (reply, silence) = match &report.outcome {
        Ok(reply) => (answer(reply), Null),
        Err(quiet) => {
            let (code, reason, advice) = (string(quiet.code), string(&quiet.reason), string(&quiet.advice));
            (Null, Map(vec![("code", code), ("reason", reason), ("advice", advice)]))
        }
    };
    Map(vec![
        ("packet", Number(report.number)),
        ("port", Number(report.port.into())),
        ("message", string(report.message)),
        ("mac", string(&report.mac)),
        ("interface", string(&network.interface)),
        ("device", string(&network.device)),
        ("router", Text(network.router.to_string())),
        ("mask", Text(network.mask.to_string())),
        ("client", fields(&report.client)),
        ("tags", List(report.tags.iter().map(tag).collect())),
        ("rules", List(report.rules.iter().map(fate).collect())),
        ("options", List(report.options.iter().map(fate).collect())),
        ("reply", reply),
        ("silence", silence),
        ("later", List(report.later.iter().map(later).collect())),
    ])
}

fn later(later: &Later) -> Json {
    Map(vec![("when", string(later.when)), ("told", string(&later.told))])
}

fn fields(fields: &[Field]) -> Json {
    Map(fields.iter().map(|field| (field.name, string(&field.value))).collect())
}

fn place(origin: Option<&Origin>) -> [(&'static str, Json); 2] {
    match origin {
        Some(origin) => {
            [("file", string(&origin.file)), ("line", Number(usize::try_from(origin.line).unwrap_or_default()))]
        }
        None => [("file", Null), ("line", Null)],
    }
}

fn tag(tag: &Tag) -> Json {
    let mut entries = vec![("tag", string(&tag.name)), ("kind", string(tag.kind))];
    entries.extend(place(tag.origin.as_ref()));
    Map(entries)
}

fn fate(fate: &Fate) -> Json {
    let mut entries = vec![
        ("kind", string(fate.kind)),
        ("what", string(&fate.what)),
        ("won", Flag(fate.won)),
        ("why", string(&fate.why)),
    ];
    entries.extend(place(Some(&fate.origin)));
    Map(entries)
}

fn answer(reply: &ReplyReport) -> Json {
    let options = reply.options.iter().map(|(shown, origins)| {
        let mut entries = option(shown);
        entries.push(("from", List(origins.iter().map(|origin| Map(place(Some(origin)).into())).collect())));
        Map(entries)
    });
    Map(vec![
        ("message", string(reply.message)),
        ("length", Number(reply.len)),
        ("custom", reply.custom.map_or(Null, string)),
        ("fields", fields(&reply.fields)),
        ("options", List(options.collect())),
        ("left_out", reply.left_out.map_or(Null, |code| Number(code.into()))),
    ])
}

fn option(shown: &Shown) -> Vec<(&'static str, Json)> {
    vec![
        ("code", Number(shown.code.into())),
        ("name", string(shown.name)),
        ("value", string(&shown.value)),
        ("hex", Text(hex(&shown.bytes, ""))),
        ("suboptions", List(shown.suboptions.iter().map(|shown| Map(option(shown))).collect())),
    ]
}
