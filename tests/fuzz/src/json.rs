//! JSON: what is printed can be read, and whatever is read does no harm and leaves the terminal alone.

use upxe::commands::status::show;
use upxe::wire::json::{Json, Raw};

use crate::input::{Input, is_one_line};
use crate::seeds;

pub fn run(data: &[u8]) {
    let Some((kind, rest)) = data.split_first() else { return };
    if kind % 2 == 0 {
        let text = String::from_utf8_lossy(rest);
        for line in show(Raw(&text)).lines() {
            assert!(is_one_line(line), "{line:?}");
        }
        return;
    }
    let value = make(&mut Input(rest), 0);
    let line = value.line();
    let line = line.strip_suffix('\n').expect("a line");
    assert!(line.bytes().all(|byte| byte >= b' '), "{line:?}");
    compare(&value, Raw(line));
}

const NAMES: &[&str] = &["a", "", "clients", "say \"hi\"\\\n\u{1}ä,]}:[{"];

fn make(input: &mut Input<'_>, depth: usize) -> Json {
    let kind = input.byte() % if depth < 5 { 6 } else { 4 };
    let count = usize::from(kind > 3) * usize::from(input.byte() % 4);
    match kind {
        0 => Json::Null,
        1 => Json::Flag(input.byte() % 2 == 1),
        2 => Json::Number(usize::from(input.word())),
        3 => {
            let len = usize::from(input.byte());
            Json::Text(String::from_utf8_lossy(input.bytes(len)).into_owned())
        }
        4 => Json::List((0..count).map(|_| make(input, depth + 1)).collect()),
        // A name that stands there twice could not be told apart.
        _ => Json::Map(NAMES.iter().take(count).map(|name| (*name, make(input, depth + 1))).collect()),
    }
}

fn compare(value: &Json, read: Raw<'_>) {
    match value {
        Json::Null => assert_eq!(read.0, "null"),
        Json::Flag(flag) => assert_eq!(read.0, flag.to_string()),
        Json::Number(number) => assert_eq!(read.number(), Some(*number as u64)),
        Json::Text(text) => assert_eq!(read.text().as_ref(), Some(text)),
        Json::List(items) => {
            let found: Vec<Raw<'_>> = read.items().collect();
            assert_eq!(found.len(), items.len(), "{}", read.0);
            items.iter().zip(found).for_each(|(item, read)| compare(item, read));
        }
        Json::Map(entries) => {
            for (name, value) in entries {
                compare(value, read.get(name).unwrap_or_else(|| panic!("no {name:?} in {}", read.0)));
            }
        }
    }
}

pub fn seeds() -> Vec<Vec<u8>> {
    let status = seeds::file("tests/luci/fixtures/status.json");
    let made: &[&[u8]] = &[&[5, 3, 3, 2, b'a', b'"', 4, 2, 1, 1, 2, 9, 9, 0], &[4, 3, 5, 2, 0, 3, 1, b'\n', 1, 0]];
    let made = made.iter().map(|bytes| [&[1], *bytes].concat());
    std::iter::once([&[0][..], &status].concat()).chain(made).collect()
}
