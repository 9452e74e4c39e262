//! The lab: real firmware boots real kernels through upxe, beside a real dnsmasq, in network namespaces of its own.
//!
//! It needs root and what `tests/setup` installs; without them every test fails and says so. One scenario:
//!
//! ```text
//! cargo test --test lab boots::x64_uefi_through_ipxe
//! ```
//!
//! What a run leaves behind stays in `target/lab/runs/<test>` until its next run: `console.log` (the machine's serial
//! console), `upxe.log` and `dnsmasq.log` with the seconds since the start, `udhcpc.log`, `packets.pcap` (what passed
//! the machine's network card), the configurations, and the TFTP folder.
//!
//! Each test builds a network of its own, so they run side by side: at most as many machines at once as the test
//! harness has threads. A namespace that a killed run left behind is removed by the next run.
// A lab whose scene can't be set has failed, and a panic with a message is how a test says so.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod beyond;
mod boot_run;
mod boots;
mod bystander;
mod client;
mod crowd;
mod disguise;
mod dnsmasq;
mod elsewhere;
mod faults;
mod files;
mod forged;
mod guard;
mod http;
mod initramfs;
mod iso;
mod journal;
mod loaders;
mod menus;
mod net;
mod process;
mod race;
mod resilience;
mod row;
mod san;
mod scene;
mod seeds;
mod service;
mod soak;
mod status;
mod storm;
mod sys;
mod upxe;
mod vm;
mod web;
