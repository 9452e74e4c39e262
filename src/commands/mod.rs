//! What the command line can be told to do, one file a command.

mod logger;
pub mod run;
