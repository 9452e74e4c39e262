//! upxe makes network booting work beside the dnsmasq of a home or office router.
//!
//! # Map
//!
//! The folders are layers; a file may use what stands to the right of it or below it, never what stands above.
//!
//! ```text
//!   main ─► commands ─► daemon                        glue: no policy, no parsing
//!                         │
//!      ┌─────────┬────────┴──┬──────────┐
//!      ▼         ▼           ▼          ▼
//!     sys      proxy        tftp      config          siblings
//!  (fds, clock,  │           │          │             (proxy and tftp read config's types only)
//!   unsafe)      └─────┬─────┘          ▼
//!                      ▼            config::uci       text ⇄ sections
//!                     wire                            bytes ⇄ values
//! ```
#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::type_complexity)
)]

pub mod commands;
pub mod config;
pub mod daemon;
pub mod proxy;
pub mod sys;
pub mod tftp;
pub mod wire;
