//! The TFTP server's protocol, without sockets, files or clock.
