//! The command line: picks a command and turns its result into an exit status.
fn main() {}
