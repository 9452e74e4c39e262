//! Bytes ⇄ values, for Ethernet frames, DHCP messages and TFTP packets; knows no policy.

pub mod capture;
pub mod frame;
pub mod json;
pub mod reply;
pub mod request;
pub mod tftp;
