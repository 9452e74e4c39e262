//! upxe as routers run it: the programs of cross.toml, one by one under qemu-user, and a package on a machine of its own.
//!
//! `tests/openwrt/run` builds the programs and says which one is tested; the network and its clients are the lab's.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
// The lab's modules can do more than is wanted here.
#![allow(dead_code)]

#[path = "../lab/client.rs"]
mod client;
#[path = "../lab/dnsmasq.rs"]
mod dnsmasq;
#[path = "../lab/elsewhere.rs"]
mod elsewhere;
#[path = "../lab/files.rs"]
mod files;
#[path = "../lab/initramfs.rs"]
mod initramfs;
#[path = "../lab/journal.rs"]
mod journal;
mod machine;
mod meter;
#[path = "../lab/net.rs"]
mod net;
#[path = "../lab/process.rs"]
mod process;
mod program;
mod router;
#[path = "../lab/row.rs"]
mod row;
#[path = "../lab/service.rs"]
mod service;
#[path = "../lab/sys.rs"]
mod sys;
#[path = "../lab/upxe.rs"]
mod upxe;
