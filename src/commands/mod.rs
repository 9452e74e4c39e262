//! What the command line can be told to do, one file a command.

pub mod check;
pub mod explain;
mod logger;
pub mod run;
