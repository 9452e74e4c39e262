//! Coverage-guided fuzzing of upxe's core. One program for all targets; `UPXE_FUZZ` names the one to run, and
//! `tests/fuzz/run` builds it as it must be built.

#![no_main]

mod capture;
mod coverage;
mod frame;
mod input;
mod json;
mod lines;
mod menu;
mod options;
mod path;
mod seeds;
mod settings;
mod tftp;
mod uci;

use std::sync::OnceLock;

/// A target: its name, what it does with an input, and its share of the corpus that is made of what lies elsewhere in
/// the repository.
struct Target {
    name: &'static str,
    run: fn(&[u8]),
    seeds: fn() -> Vec<Vec<u8>>,
}

const TARGETS: &[Target] = &[
    Target { name: "frame", run: frame::run, seeds: frame::seeds },
    Target { name: "tftp", run: tftp::run, seeds: tftp::seeds },
    Target { name: "uci", run: uci::run, seeds: uci::seeds },
    Target { name: "lines", run: lines::run, seeds: lines::seeds },
    Target { name: "menu", run: menu::run, seeds: menu::seeds },
    Target { name: "path", run: path::run, seeds: path::seeds },
    Target { name: "capture", run: capture::run, seeds: capture::seeds },
    Target { name: "json", run: json::run, seeds: json::seeds },
];

static TARGET: OnceLock<&Target> = OnceLock::new();

libfuzzer_sys::fuzz_target!(
    init: {
        if let Some(folder) = std::env::var_os("UPXE_FUZZ_SEEDS") {
            seeds::write(TARGETS, folder.as_ref());
            std::process::exit(0);
        }
        let name = std::env::var("UPXE_FUZZ").unwrap_or_default();
        let names: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
        let target = TARGETS.iter().find(|target| target.name == name);
        let target = target.unwrap_or_else(|| panic!("set UPXE_FUZZ to one of {}", names.join(" ")));
        TARGET.get_or_init(|| target);
        coverage::begin();
    },
    |data: &[u8]| {
        let target = TARGET.get().expect("the init above ran first");
        (target.run)(data);
        coverage::add();
    }
);
