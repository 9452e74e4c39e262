//! UCI text: never harm, complaints that point into the text, and a text that says the same after it was printed.

use std::sync::OnceLock;

use upxe::commands::check::lint::{Surroundings, lint};
use upxe::commands::check::{json, report};
use upxe::config::uci::{MAX_ERRORS, Package, Value, parse};
use upxe::config::{Config, Diagnostic};
use upxe::wire::json::Raw;

use crate::input::is_one_line;
use crate::options::AllFiles;
use crate::seeds;
use crate::settings::{self, LAN, from_uci};

/// The first byte says which of the three files the rest is.
pub fn run(data: &[u8]) {
    let Some((place, text)) = data.split_first() else { return };
    syntax(text);
    let good: [&[u8]; 3] = [b"config upxe main\n\toption enabled 1\n", DHCP, LAN.as_bytes()];
    let mut texts = good;
    if let Some(slot) = texts.get_mut(usize::from(place % 3)) {
        *slot = text;
    }
    let [upxe, dhcp, network] = texts;
    let (config, diagnostics) = from_uci(upxe, dhcp, network);
    complaints(config.as_ref(), &diagnostics, [upxe, dhcp, network].map(line_count).into_iter().max().unwrap_or(0));
}

const DHCP: &[u8] = b"config dnsmasq\n\toption dhcp_boot 'tag:a,f,s,10.0.0.1'\n\toption tftp_root /x\n\
    \toption enable_tftp 1\nconfig boot b\n\toption filename f\nconfig domain\n\toption name nas\n\toption ip 10.0.0.2\n";

/// As many as `str::lines` would count, and one more where the text ends in the middle of a line.
fn line_count(text: &[u8]) -> usize {
    text.iter().filter(|byte| **byte == b'\n').count() + 1
}

/// What holds for complaints about any configuration.
pub fn complaints(config: Option<&Config>, diagnostics: &[Diagnostic], lines: usize) {
    assert_eq!(config.is_none(), diagnostics.iter().any(Diagnostic::is_error));
    let mut all = diagnostics.to_vec();
    if let Some(config) = config {
        all.extend(lint(config, &AllFiles(1), &Surroundings::default()));
        all.extend(lint(config, &AllFiles(0), surroundings()));
    }
    for diagnostic in &all {
        let text = diagnostic.to_string();
        assert!(is_one_line(&text), "{text:?}");
        assert!(usize::try_from(diagnostic.origin.line).unwrap() <= lines + 1, "{text} of {lines}");
    }
    let printed = json(config, &all, &|_| None);
    let items = Raw(&printed).get("diagnostics").map_or(0, |list| list.items().count());
    assert_eq!(items, all.len(), "{printed}");
    assert_eq!(report(config, &all).lines().count(), all.len() + 1);
}

fn surroundings() -> &'static Surroundings {
    static SURROUNDINGS: OnceLock<Surroundings> = OnceLock::new();
    SURROUNDINGS.get_or_init(|| Surroundings {
        root_trouble: Some("not a folder".to_owned()),
        dnsmasq: Some("Dnsmasq version 2.89  Copyright".to_owned()),
        ..Surroundings::default()
    })
}

fn syntax(text: &[u8]) {
    let (package, errors) = parse(text);
    assert!(errors.len() <= MAX_ERRORS);
    let lines: Vec<&[u8]> = text.split(|byte| *byte == b'\n').collect();
    for error in &errors {
        let line = lines.get(error.line as usize - 1);
        let line = line.unwrap_or_else(|| panic!("line {} of {}", error.line, lines.len()));
        assert!(error.column >= 1 && error.column as usize <= line.len() + 1, "column {} of {line:?}", error.column);
    }
    for section in &package.sections {
        assert!((1..=lines.len()).contains(&(section.line as usize)));
        for option in &section.options {
            assert!(!option.name.is_empty() && option.name.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'_'));
            for item in option.value.items() {
                assert!((1..=lines.len()).contains(&(item.line as usize)));
                assert!(!item.bytes.contains(&0));
            }
        }
    }
    if errors.is_empty() {
        let printed = print(&package);
        let (again, errors) = parse(&printed);
        assert!(errors.is_empty(), "{} in {}", errors[0].line, printed.escape_ascii());
        assert_eq!(bare(again), bare(package), "{}", printed.escape_ascii());
    }
}

/// As `uci export` writes it (libuci `uci_export_package`), but for names of anonymous sections, which follow from their
/// contents.
fn print(package: &Package) -> Vec<u8> {
    let mut text = Vec::new();
    for section in &package.sections {
        text.extend_from_slice(b"\nconfig ");
        quote(&mut text, section.kind.as_bytes());
        if !section.anonymous {
            text.push(b' ');
            quote(&mut text, section.name.as_bytes());
        }
        text.push(b'\n');
        for option in &section.options {
            let word: &[u8] = if matches!(option.value, Value::List(_)) { b"\tlist " } else { b"\toption " };
            for item in option.value.items() {
                text.extend_from_slice(word);
                text.extend_from_slice(option.name.as_bytes());
                text.push(b' ');
                quote(&mut text, &item.bytes);
                text.push(b'\n');
            }
        }
    }
    text
}

fn quote(text: &mut Vec<u8>, value: &[u8]) {
    text.push(b'\'');
    for byte in value {
        if *byte == b'\'' {
            text.extend_from_slice(b"'\\''");
        } else {
            text.push(*byte);
        }
    }
    text.push(b'\'');
}

/// Without lines, and without the names that anonymous sections are given.
fn bare(mut package: Package) -> Package {
    for section in &mut package.sections {
        section.line = 0;
        if section.anonymous {
            section.name.clear();
        }
        for option in &mut section.options {
            option.replaced = None;
            match &mut option.value {
                Value::Single(item) => item.line = 0,
                Value::List(items) => items.iter_mut().for_each(|item| item.line = 0),
            }
        }
    }
    package
}

pub fn seeds() -> Vec<Vec<u8>> {
    let corpus = ["tests/uci-oracle/corpus/accepted", "tests/uci-oracle/corpus/refused"];
    let corpus = corpus.iter().flat_map(|folder| seeds::files(folder)).map(|path| std::fs::read(path).unwrap());
    let corpus = corpus.filter(|text| text.len() < 4096);
    let own = settings::UCI.iter().map(|text| text.as_bytes().to_vec());
    // The packaged file with every option that it shows.
    let shown = settings::UCI.iter().map(|text| text.replace("\n#\t", "\n\t").replace("\n#config", "\nconfig"));
    let texts = corpus.chain(own).chain(shown.map(String::into_bytes)).chain([DHCP.to_vec(), LAN.into()]);
    let places = (0u8..).map(|at| at % 3);
    texts.zip(places).map(|(text, place)| [&[place][..], &text].concat()).collect()
}
