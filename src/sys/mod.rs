//! The Linux shell: descriptors, sockets and files; the only folder with `unsafe` code.
#![allow(unsafe_code)]
