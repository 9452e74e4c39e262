//! upxe makes network booting work beside the dnsmasq of a home or office router.
//!
//! # Map
//!
//! The folders are layers. A file uses what stands below it, never what stands above or beside it; `tests/tidy.rs` holds
//! them to it.
//!
//! ```text
//!   main ──► commands                one file a word of the command line
//!               │
//!               ▼
//!            daemon                  the poll loop: glue without policy or parsing
//!               │
//!      ┌────────┼─────────┐
//!      ▼        ▼         ▼
//!     sys     proxy      tftp        sys: descriptors, files, clock, `unsafe`; proxy and tftp: the pure core
//!      │        │         │
//!      │        ▼         │
//!      │       menu       │          menu: what boot loaders are given to choose from, in their languages
//!      │        │         │
//!      │     ┌──┴────┬────┤
//!      ▼     ▼       ▼    ▼
//!     wire ◄─┴──── config            wire: bytes ⇄ values; config: text → typed settings
//! ```
//!
//! # A DHCP request's way
//!
//! 1. [`sys::packet_socket`] hears a frame beside the DHCP server, or [`sys::udp`] a datagram on port 4011.
//! 2. [`wire::frame::open`] finds the datagram in the frame.
//! 3. [`wire::request::Request::read`] is the only DHCP parser; past it every field is safe to read.
//! 4. [`proxy::decide`] comes to a [`proxy::Decision`]: an offer, or silence with its reason.
//! 5. [`proxy::answer`] builds the reply, [`wire::reply::write`] makes bytes of it, [`wire::frame::seal`] a frame.
//! 6. It leaves by the door that the request came in by, and one log line tells of it.
//!
//! What step 4 knows of earlier requests is in [`proxy::clients`], and how each boot goes on, for `upxe status`, in
//! [`proxy::progress`].
//!
//! [`daemon::Daemon`] walks it in that order. A TFTP request's way: [`sys::udp`] (port 69), [`tftp::Table::judge`],
//! [`daemon::files`] has [`sys::tree`] open the file, or [`menu`] make it, and from then on [`daemon::transfers`] carries out
//! what [`tftp::session`] decides.
//!
//! # What always holds
//!
//! - The core never panics, blocks, sleeps, logs or reads a clock; nothing in it grows with what strangers send.
//! - Silence always has a reason.
//! - Only a client that asks to boot is ever answered, and a DHCPREQUEST on port 67 never is.
//! - A default value stands in one place: [`config::options`].
//! - A reload never leaves less than there was: a configuration with errors changes nothing.

#![warn(missing_docs)]
#![cfg_attr(test, allow(clippy::type_complexity, reason = "tables of cases"))]
// On a router a panic is an outage. Tests may.
#![cfg_attr(
    not(test),
    warn(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::unreachable)
)]

pub mod commands;
pub mod config;
pub mod daemon;
pub mod menu;
pub mod proxy;
pub mod sys;
pub mod tftp;
pub mod wire;
