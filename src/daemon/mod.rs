//! The running service: waits for packets and hands them from the shell to the core and back.

pub mod files;
mod frames;
pub mod transfers;
