//! The form of a file: what is refused, with its place, and how reading goes on behind it.

use upxe::config::uci::{self, Offending, SyntaxError};

/// Texts, and each error as `line:column found, expected`.
const ERRORS: &[(&str, &[&str])] = &[
    ("config a b\n\toptoin x 1\n", &["2:2 'optoin', config, option, list or package"]),
    (
        "enable-tftp\n",
        &[
            "1:1 'enable-tftp', config, option, list or package ('upxe import FILE' turns lines of dnsmasq.conf into these)",
        ],
    ),
    ("option x 1\n", &["1:1 'option', a config line before it"]),
    ("config\n", &["1:7 the end of the line, a section type"]),
    ("config  \n", &["1:8 the end of the line, a section type"]),
    ("config a\noption\noption x\n", &["2:7 the end of the line, an option name"]),
    ("config a\nlist ''\n", &["2:6 empty quotes, an option name"]),
    ("config a b c\n", &["1:12 'c', the end of the line, or quotes around a value with spaces"]),
    ("config a b-c\n", &["1:10 'b-c', a name of letters, digits and _"]),
    ("config a\noption x.y z\n", &["2:8 'x.y', a name of letters, digits and _"]),
    ("config \u{e4} b\n", &["1:8 '\u{e4}', a section type of printable ASCII without spaces"]),
    ("package a.b\n", &["1:9 'a.b', a name of letters, digits, _ and -"]),
    ("config a b\nconfig c b\n", &["2:8 'c', type a, as this section has it already"]),
    ("config a\noption x 'y';\n", &["2:14 a line that ends in ;, another command behind the ;, or no ;"]),
    ("config a\noption x y\0z\n", &["2:11 a NUL byte, text"]),
    // An unclosed quote costs its own line only.
    (
        "config a\noption x 'y\noption z 1\noption w\nfoo\n",
        &["2:10 a quote without end, a closing '", "5:1 'foo', config, option, list or package"],
    ),
    (
        "config a\noption x 'y\noption z 'one two'\noption w 1\n",
        &["3:18 a quote without end, a closing ' (a quote opened in line 2 runs on over lines)"],
    ),
    // What stands in a section that was refused is read for its form only.
    (
        "config a b c\noption x 1\noption y 1 2\nconfig d\noption z 1\n",
        &[
            "1:12 'c', the end of the line, or quotes around a value with spaces",
            "3:12 '2', the end of the line, or quotes around a value with spaces",
        ],
    ),
    ("\u{feff}config a\n", &["1:1 '\u{feff}config', config, option, list or package"]),
];

fn show(error: SyntaxError) -> String {
    let found = match error.found {
        Offending::Text(bytes) => format!("'{}'", String::from_utf8(bytes).unwrap()),
        Offending::Thing(thing) => thing.to_owned(),
    };
    format!("{}:{} {found}, {}", error.line, error.column, error.expected)
}

#[test]
fn errors_have_their_place() {
    for (text, expected) in ERRORS {
        let found: Vec<String> = uci::parse(text.as_bytes()).1.into_iter().map(show).collect();
        assert_eq!(found, *expected, "{text:?}");
    }
}

#[test]
fn values_have_their_lines() {
    let text =
        b"\nconfig a\n# c\n\toption x 'one\ntwo'\n\tlist l 1\n\n\tlist l \\\n2\nconfig a b\nconfig a b\noption y 1\n";
    let (package, errors) = uci::parse(text);
    assert_eq!(errors, []);
    let lines = |section: usize, name: &str| -> Vec<u32> {
        let items = package.sections[section].option(name).unwrap().value.items();
        items.iter().map(|item| item.line).collect()
    };
    assert_eq!(package.sections.iter().map(|section| section.line).collect::<Vec<_>>(), [2, 10]);
    assert_eq!((lines(0, "x"), lines(0, "l"), lines(1, "y")), (vec![4], vec![6, 8], vec![12]));
}

#[test]
fn a_rewritten_option_keeps_its_place_and_names_the_line_it_replaces() {
    let (package, _) = uci::parse(b"config a\noption x 1\noption y 1\noption x 2\n");
    let options: Vec<_> = package.sections[0].options.iter().map(|it| (it.name.as_str(), it.replaced)).collect();
    assert_eq!(options, [("x", Some(2)), ("y", None)]);
}

#[test]
fn sizes_are_bounded() {
    let large = vec![b'#'; uci::MAX_FILE + 1];
    assert_eq!(uci::parse(&large[1..]).1, []);
    assert_eq!(uci::parse(&large).1.len(), 1);

    let sections = "config a\n".repeat(uci::MAX_SECTIONS);
    assert_eq!(uci::parse(sections.as_bytes()).1, []);
    assert_eq!(uci::parse([&sections, "c a\n"].concat().as_bytes()).1.len(), 1);

    let options: String = (0..=uci::MAX_OPTIONS).map(|number| format!("option o{number} x\n")).collect();
    assert_eq!(uci::parse(["config a\n", &options].concat().as_bytes()).1.len(), 1);

    assert_eq!(uci::parse("x\n".repeat(1000).as_bytes()).1.len(), uci::MAX_ERRORS);
}

#[test]
fn unclosed_quotes_in_a_large_file_take_no_time_to_speak_of() {
    let text = "config 'a\n\"".repeat(uci::MAX_FILE / 11);
    let began = std::time::Instant::now();
    assert!(!uci::parse(text.as_bytes()).1.is_empty());
    assert!(began.elapsed().as_secs() < 10);
}

/// The corpus is sorted by the verdict of the real libuci, which `tests/uci-oracle` confirms.
#[test]
fn the_corpus_is_judged_as_libuci_judges_it() {
    for (folder, accepted) in [("accepted", true), ("refused", false)] {
        let folder = format!("{}/tests/uci-oracle/corpus/{folder}", env!("CARGO_MANIFEST_DIR"));
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let errors = uci::parse(&std::fs::read(&path).unwrap()).1;
            assert_eq!(errors.is_empty(), accepted, "{}", path.display());
        }
    }
}
