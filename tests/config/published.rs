//! What users are shown agrees with the table of options: the README and the packaged default file.

use upxe::commands::check::report;
use upxe::config::dnsmasq::files::NoFiles;
use upxe::config::load;
use upxe::config::options::{self, Form, SECTIONS};

use super::{LAN, lines, load_texts, sources};

const README: &str = include_str!("../../README.md");
const PACKAGED: &str = include_str!("../../uci/upxe");

#[test]
fn the_readme_has_the_table() {
    let begin = "<!-- options -->\n";
    let end = "<!-- /options -->";
    let (_, rest) = README.split_once(begin).expect("README.md has no <!-- options --> line");
    let (table, _) = rest.split_once(end).expect("README.md has no <!-- /options --> line");
    let expected = options::markdown();
    assert_eq!(table, expected, "\n\nput this into README.md:\n{begin}{expected}{end}\n");
}

#[test]
fn defaults_are_of_their_form() {
    // A default that the loader could not read would leave a complaint, were it written out.
    for known in SECTIONS[0].options.iter().filter(|known| !known.default.is_empty()) {
        let text = format!("config upxe main\noption {} '{}'\n", known.name, known.default);
        let (written, diagnostics) = load_texts(&text, "", LAN);
        assert_eq!(lines(&diagnostics), [""; 0], "{}", known.name);
        let (unwritten, _) = load_texts("config upxe main\n", "", LAN);
        assert_eq!(written, unwritten, "{}", known.name);
    }
}

#[test]
fn names_are_given_once() {
    for section in SECTIONS {
        for (index, known) in section.options.iter().enumerate() {
            assert!(section.options.iter().skip(index + 1).all(|other| other.name != known.name), "{}", known.name);
            assert!(known.meaning.is_empty() == matches!(known.form, Form::NotOurs | Form::NotYet), "{}", known.name);
        }
    }
}

#[test]
fn the_packaged_file_passes_and_is_off() {
    let (config, diagnostics) = load(&sources(PACKAGED, "", LAN), &Default::default(), &mut NoFiles);
    assert_eq!(lines(&diagnostics), [""; 0]);
    let config = config.unwrap();
    let (unwritten, _) = load_texts("config upxe main\n", "", LAN);
    assert_eq!(Some(&config), unwritten.as_ref());
    assert_eq!(
        report(Some(&config), &diagnostics),
        "0 errors, 0 warnings: not enabled, on lan (br-lan); TFTP from /srv/tftp; 0 boot lines\n"
    );
}

#[test]
fn the_packaged_file_shows_every_option_with_its_default() {
    for section in &SECTIONS[..4] {
        for known in section.options.iter().filter(|known| !matches!(known.form, Form::NotOurs | Form::NotYet)) {
            let shown = PACKAGED.lines().find(|line| {
                let mut words = line.trim_start_matches(['#', '\t', ' ']).split(' ');
                matches!(words.next(), Some("option" | "list")) && words.next() == Some(known.name)
            });
            let line = shown.unwrap_or_else(|| panic!("{} is not in uci/upxe", known.name));
            if !known.default.is_empty() {
                assert!(line.ends_with(&format!(" '{}'", known.default)), "{line}");
            }
        }
    }
}

#[test]
fn the_commented_lines_of_the_packaged_file_pass_too() {
    // A line of code has its # at the very front and no space behind it, prose has the space.
    let bare: Vec<String> = PACKAGED
        .lines()
        .map(|line| {
            let code = line.trim_start();
            match code.strip_prefix('#') {
                Some(code) if !code.starts_with(' ') => code.to_owned(),
                _ => line.to_owned(),
            }
        })
        .collect();
    let (config, diagnostics) = load_texts(&bare.join("\n"), "", LAN);
    assert_eq!(lines(&diagnostics), [""; 0]);
    let rules = config.unwrap().rules;
    assert_eq!((rules.boots.len(), rules.menu.entries.len()), (1, 4));
}
