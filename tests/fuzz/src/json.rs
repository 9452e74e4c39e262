//! JSON: what is printed can be read, and whatever is read does no harm and leaves the terminal alone.

use upxe::commands::status::show;
use upxe::wire::json::{Printer, Raw};

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
    let members = members(&mut Input(rest), 0);
    let mut out = Printer::default();
    item(&mut out, &members);
    let line = out.line();
    let line = line.strip_suffix('\n').expect("a line");
    assert!(line.bytes().all(|byte| byte >= b' '), "{line:?}");
    compare(&members, Raw(line));
}

const NAMES: &[&str] = &["a", "", "clients", "say \"hi\"\\\n\u{1}ä,]}:[{"];

/// What can be printed.
enum Value {
    Null,
    Flag(bool),
    Number(usize),
    Text(String),
    List(Vec<Members>),
    Object(Members),
}

type Members = Vec<(&'static str, Value)>;

fn members(input: &mut Input<'_>, depth: usize) -> Members {
    let count = usize::from(input.byte() % 5);
    // A name that stands there twice could not be told apart.
    NAMES.iter().take(count).map(|name| (*name, make(input, depth))).collect()
}

fn make(input: &mut Input<'_>, depth: usize) -> Value {
    match input.byte() % if depth < 5 { 6 } else { 4 } {
        0 => Value::Null,
        1 => Value::Flag(input.byte() % 2 == 1),
        2 => Value::Number(usize::from(input.word())),
        3 => {
            let len = usize::from(input.byte());
            Value::Text(String::from_utf8_lossy(input.bytes(len)).into_owned())
        }
        4 => Value::List((0..input.byte() % 4).map(|_| members(input, depth + 1)).collect()),
        _ => Value::Object(members(input, depth + 1)),
    }
}

fn item(out: &mut Printer, members: &Members) {
    out.item();
    print(out, members);
    out.end();
}

fn print(out: &mut Printer, members: &Members) {
    for (name, value) in members {
        match value {
            Value::Null => out.null(name),
            Value::Flag(flag) => out.flag(name, *flag),
            Value::Number(number) => out.number(name, *number),
            Value::Text(text) => out.text(name, text),
            Value::List(items) => {
                out.list(name);
                items.iter().for_each(|members| item(out, members));
                out.end_list();
            }
            Value::Object(members) => {
                out.object(name);
                print(out, members);
                out.end();
            }
        }
    }
}

fn compare(members: &Members, read: Raw<'_>) {
    for (name, value) in members {
        let read = read.get(name).unwrap_or_else(|| panic!("no {name:?} in {}", read.0));
        match value {
            Value::Null => assert_eq!(read.0, "null"),
            Value::Flag(flag) => assert_eq!(read.0, flag.to_string()),
            Value::Number(number) => assert_eq!(read.number(), Some(*number as u64)),
            Value::Text(text) => assert_eq!(read.text().as_ref(), Some(text)),
            Value::List(items) => {
                let found: Vec<Raw<'_>> = read.items().collect();
                assert_eq!(found.len(), items.len(), "{}", read.0);
                items.iter().zip(found).for_each(|(members, read)| compare(members, read));
            }
            Value::Object(members) => compare(members, read),
        }
    }
}

pub fn seeds() -> Vec<Vec<u8>> {
    let status = seeds::file("tests/luci/fixtures/status.json");
    let made: &[&[u8]] = &[&[5, 3, 3, 2, b'a', b'"', 4, 2, 1, 1, 2, 9, 9, 0], &[4, 3, 5, 2, 0, 3, 1, b'\n', 1, 0]];
    let made = made.iter().map(|bytes| [&[1], *bytes].concat());
    std::iter::once([&[0][..], &status].concat()).chain(made).collect()
}
