//! Measures upxe's TFTP server and its latency beside other servers; `tests/bench/run` prepares everything for it.
//!
//! `servers` starts them in network namespaces, `client` is the load, `duel` has the servers take turns, `counts` and
//! `latency` measure what a duel doesn't, `bars`, `report` and `plot` say what came of it.

mod bars;
mod client;
mod counts;
mod duel;
mod floor;
mod latency;
mod plot;
mod report;
mod servers;
mod sys;

use std::error::Error;
use std::fs;
use std::net::SocketAddrV4;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use client::Job;
use duel::Cell;
use servers::{BOOT_FILE, FILES, Kind, PEERS, Place, SMALL_FILE, Server};

/// Questions for each latency.
const QUESTIONS: usize = 500;

struct Arguments {
    upxe: PathBuf,
    scratch: PathBuf,
    cells: Vec<Cell>,
    rounds: usize,
    only: Option<String>,
    counts_only: bool,
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("tests/bench/run: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    if let ["--fetch", server, windowsize] = words[..] {
        return fetch(server.parse()?, windowsize.parse()?);
    }
    if let ["--act-as", role, place] = words[..] {
        match role {
            "floor" => floor::lock_step(Path::new(place))?,
            "blaster" => floor::blast(Path::new(place))?,
            _ => latency::load(place.parse()?)?,
        }
        return Ok(());
    }
    let arguments = Arguments::read(&words)?;
    sys::settle()?;
    let place = Place { upxe: arguments.upxe.clone(), scratch: arguments.scratch.clone() };
    for (name, mebibytes) in FILES {
        place.write(name, mebibytes << 20)?;
    }
    place.write(SMALL_FILE, 100)?;
    place.write(BOOT_FILE, 100)?;
    if arguments.counts_only { hold_to_limits(&place) } else { measure(&place, &arguments) }
}

/// Fetches a file from a server that somebody else measures, for tests/openwrt/meter.rs.
fn fetch(server: SocketAddrV4, windowsize: u16) -> Result<(), Box<dyn Error>> {
    let outcome = client::play(&Job::simple(server, "2M", 1468, windowsize))?;
    if outcome.failed > 0 {
        return Err("the file did not arrive".into());
    }
    println!("FETCHED {} blocks window {} resent {}", outcome.blocks, outcome.windowsize, outcome.resent());
    Ok(())
}

/// What continuous integration does.
fn hold_to_limits(place: &Place) -> Result<(), Box<dyn Error>> {
    let server = Server::start(place, Kind::Upxe, 1)?;
    let counts = counts::count(place, &server)?;
    println!("{}", report::report(&[], &[], &[(Kind::Upxe, counts)], &[]));
    let complaints = counts::complaints(&counts);
    if complaints.is_empty() { Ok(()) } else { Err(complaints.join("; ").into()) }
}

fn measure(place: &Place, arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let mut servers = Vec::new();
    let mut counts = Vec::new();
    for (number, kind) in (1..).zip([&[Kind::Upxe][..], &PEERS, &[Kind::Floor, Kind::Blaster]].concat()) {
        let server = Server::start(place, kind, number)?;
        if kind == Kind::Upxe || PEERS.contains(&kind) {
            eprintln!("counting: {}", kind.name());
            counts.push((kind, counts::count(place, &server)?));
            compare(place, &server)?;
        }
        servers.push(server);
    }
    let mut cells = arguments.cells.clone();
    if let Some(only) = &arguments.only {
        let is_exact = cells.iter().any(|cell| cell.name() == *only);
        cells.retain(|cell| if is_exact { cell.name() == *only } else { cell.name().contains(only) });
    }
    eprintln!("latency");
    let latencies = latency::measure(&servers, QUESTIONS)?;
    let results = duel::measure(&servers, &cells, arguments.rounds)?;
    let bars = bars::bars(&results, &counts, &latencies);
    let text = report::report(&bars, &results, &counts, &latencies);
    println!("{text}");
    let (table, picture) = (arguments.scratch.join("table.md"), arguments.scratch.join("plot.png"));
    fs::write(&table, text)?;
    plot::draw(&picture, &results)?;
    println!("written: {}, {}", table.display(), picture.display());
    Ok(())
}

/// A server that sends rubbish quickly has won nothing.
fn compare(place: &Place, server: &Server) -> Result<(), Box<dyn Error>> {
    let expected = fs::read(place.root().join("2M"))?;
    for windowsize in [1, 16] {
        let job = Job { expected: Some(&expected), ..Job::simple(server.address, "2M", 1468, windowsize) };
        if client::play(&job)?.failed > 0 {
            return Err(format!("{} doesn't send what is in the file", server.kind.name()).into());
        }
    }
    Ok(())
}

impl Arguments {
    fn read(words: &[&str]) -> Result<Self, Box<dyn Error>> {
        let mut arguments = Self {
            upxe: PathBuf::new(),
            scratch: PathBuf::new(),
            cells: duel::usual(),
            rounds: 7,
            only: None,
            counts_only: false,
        };
        let mut words = words.iter().copied();
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or(format!("{word} wants a value"));
            match word {
                "--upxe" => arguments.upxe = value()?.into(),
                "--scratch" => arguments.scratch = value()?.into(),
                "--rounds" => arguments.rounds = value()?.parse()?,
                "--only" => arguments.only = Some(value()?.into()),
                "--quick" => (arguments.cells, arguments.rounds) = (duel::few(), 3),
                "--all" => arguments.cells = duel::all(),
                "--counts" => arguments.counts_only = true,
                _ => return Err(format!("unknown argument {word}; tests/bench/run tells them all").into()),
            }
        }
        Ok(arguments)
    }
}
