//! What was reached of the program: the counters that LLVM lays out for the fuzzer, added up over all inputs.
//!
//! With `UPXE_FUZZ_COVERAGE=FILE` in the environment, a line for each edge is written there when the program ends: its
//! address in the program's file, in hex, and 1 if it was reached, else 0. `tests/fuzz/coverage` makes a table of it.

use std::fmt::Write;
use std::fs;
use std::ptr;
use std::slice;
use std::sync::Mutex;

/// An entry of LLVM's table of edges (SanitizerCoverage, `pc-table`).
#[repr(C)]
struct Edge {
    address: usize,
    flags: usize,
}

// The linker makes these of the sections' names. `__executable_start` is where the program's file was loaded.
unsafe extern "C" {
    #[link_name = "__start___sancov_cntrs"]
    static COUNTERS: u8;
    #[link_name = "__stop___sancov_cntrs"]
    static COUNTERS_END: u8;
    #[link_name = "__start___sancov_pcs"]
    static EDGES: Edge;
    #[link_name = "__stop___sancov_pcs"]
    static EDGES_END: Edge;
    #[link_name = "__executable_start"]
    static PROGRAM: u8;
    fn atexit(function: extern "C" fn()) -> i32;
}

static REACHED: Mutex<Vec<bool>> = Mutex::new(Vec::new());

/// Begins to add up, if that is wanted.
pub fn begin() {
    if std::env::var_os("UPXE_FUZZ_COVERAGE").is_some() {
        REACHED.lock().unwrap().resize(len(), false);
        // SAFETY: the function has no preconditions, and `end` takes no argument and does not unwind.
        unsafe { atexit(end) };
    }
}

/// Adds what the input reached that was just run.
pub fn add() {
    let mut reached = REACHED.lock().unwrap();
    for (at, reached) in reached.iter_mut().enumerate() {
        // SAFETY: `at` is within the section of counters, which live as long as the program; they are bytes that
        // instrumented code changes, in this thread only.
        *reached |= unsafe { ptr::read_volatile((&raw const COUNTERS).add(at)) } != 0;
    }
}

fn len() -> usize {
    (&raw const COUNTERS_END).addr() - (&raw const COUNTERS).addr()
}

extern "C" fn end() {
    let reached = REACHED.lock().unwrap();
    let count = ((&raw const EDGES_END).addr() - (&raw const EDGES).addr()) / size_of::<Edge>();
    assert_eq!(count, reached.len(), "a counter for each edge");
    // SAFETY: the section is a table of such entries, and nothing writes to it.
    let edges = unsafe { slice::from_raw_parts(&raw const EDGES, count) };
    let mut text = String::new();
    for (edge, reached) in edges.iter().zip(reached.iter()) {
        let address = edge.address.wrapping_sub((&raw const PROGRAM).addr());
        let _ = writeln!(text, "{address:#x} {}", u8::from(*reached));
    }
    if let Some(path) = std::env::var_os("UPXE_FUZZ_COVERAGE") {
        fs::write(path, text).unwrap();
    }
}
