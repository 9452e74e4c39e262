//! upxe's rule engine held against the real dnsmasq: both read the same generated lines and get the same generated
//! requests; tags, boot file, server and option bytes must agree, but for the differences listed in `compare.rs`.
//!
//! Needs root and Debian's `dnsmasq-base`; makes network namespaces of its own, and nothing leaves them. The cases follow
//! from fixed seeds; `UPXE_SEED=n` runs one of them and prints it.

mod bench;
mod clients;
mod compare;
mod lines;
mod random;
mod syntax;

use std::collections::BTreeMap;
use std::process::{Command, ExitCode};
use std::time::Instant;

use bench::{Bench, Mode};
use random::Random;

/// Configurations tried in each mode; each meets a dozen clients with several requests.
const CASES: u64 = 300;

const INSIDE: &str = "UPXE_DIFFERENTIAL_INSIDE";

fn main() -> ExitCode {
    if std::env::var_os(INSIDE).is_some() {
        return run();
    }
    compare::assert_that_the_readme_tells();
    let is_root = Command::new("id").arg("-u").output().is_ok_and(|id| id.stdout == b"0\n");
    if !is_root || Command::new("dnsmasq").arg("--version").output().is_err() {
        println!("differential: skipped, it needs root and dnsmasq");
        return ExitCode::SUCCESS;
    }
    let own = std::env::current_exe().expect("the path of this program");
    let status = Command::new("unshare").args(["--net", "--"]).arg(own).env(INSIDE, "1").status();
    if status.expect("unshare, from util-linux").success() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn run() -> ExitCode {
    let begun = Instant::now();
    let only: Option<u64> = std::env::var("UPXE_SEED").ok().map(|seed| seed.parse().expect("UPXE_SEED is a number"));
    let complaints = if only.is_none() { syntax::compare(1, 40) } else { Vec::new() };
    complaints.iter().for_each(|complaint| println!("!!! {complaint}"));
    let mut bench = Bench::set_up();
    let mut tally = Tally::default();
    for seed in 0..2 * CASES {
        if only.is_none_or(|only| only == seed) {
            let mode = if seed % 2 == 0 { Mode::Proxy } else { Mode::Server };
            case(&mut bench, seed, mode, only.is_some(), &mut tally);
        }
    }
    tally.print(begun.elapsed().as_secs_f32());
    if only.is_none() && tally.failures == 0 {
        compare::assert_that_every_reason_is_needed(&tally.accepted);
    }
    if tally.failures == 0 && complaints.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What was compared, and what differed.
#[derive(Default)]
struct Tally {
    cases: usize,
    clients: usize,
    replies: usize,
    tags: usize,
    accepted: BTreeMap<&'static str, usize>,
    failures: usize,
}

fn case(bench: &mut Bench, seed: u64, mode: Mode, verbose: bool, tally: &mut Tally) {
    let mut random = Random::new(seed);
    let config = lines::configuration(&mut random, mode);
    let clients: Vec<clients::Client> = (0..12).map(|number| clients::client(&mut random, mode, number)).collect();
    let exchanges = bench.run(&config, mode, &clients);
    let limit = if std::env::var_os("UPXE_ALL").is_some() { usize::MAX } else { 5 };
    tally.cases += 1;
    tally.clients += clients.len();
    for (client, exchanges) in clients.iter().zip(&exchanges) {
        tally.replies += exchanges.iter().filter(|exchange| exchange.theirs.is_some()).count();
        tally.tags += exchanges.iter().filter(|exchange| exchange.their_tags.is_some()).count();
        let findings = compare::compare(&config, mode, client, exchanges);
        findings.accepted.into_iter().for_each(|reason| *tally.accepted.entry(reason).or_default() += 1);
        if !findings.unexplained.is_empty() && tally.failures < limit || verbose {
            println!("\n=== seed {seed}, {mode:?}\n{config}\n--- {client}");
            exchanges.iter().for_each(|exchange| println!("{exchange}"));
            findings.unexplained.iter().for_each(|finding| println!("!!! {finding}"));
        }
        tally.failures += usize::from(!findings.unexplained.is_empty());
    }
}

impl Tally {
    fn print(&self, seconds: f32) {
        println!(
            "differential: {} configurations, {} clients, {} replies and {} tag sets of dnsmasq's compared in {seconds:.1} s",
            self.cases, self.clients, self.replies, self.tags
        );
        for (reason, count) in &self.accepted {
            println!("  {count:5} × {reason}");
        }
        println!("  {:5} clients with unexplained differences", self.failures);
    }
}
