//! The running service: waits for packets and hands them from the shell to the core and back.
