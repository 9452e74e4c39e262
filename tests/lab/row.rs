//! Rows of the README's table of faults, for `tests/faults` to compare.

use std::fs;
use std::path::Path;

use crate::files;

/// A row of the table: its place in it, and what was broken.
#[derive(Clone, Copy)]
pub struct Row(pub u8, pub &'static str);

impl Row {
    /// Writes down what happened and what was lost, for `tests/faults` to compare with the README.
    pub fn tell(self, happened: &str, lost: &str) {
        let Row(number, broken) = self;
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/lab/faults");
        fs::create_dir_all(&folder).unwrap();
        files::write(&folder.join(format!("{number:02}")), &format!("| {broken} | {happened} | {lost} |\n"));
    }
}
