//! What the command line can be told to do, one file a command.

pub mod check;
pub mod doctor;
pub mod explain;
pub mod import;
mod logger;
pub mod run;
pub mod script;
pub mod status;
