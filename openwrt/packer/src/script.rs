//! Scripts without what only people read: what LuCI's own build does, as far as that goes line by line. The scripts keep to
//! it: no text and no pattern of theirs spans lines, and a remark has lines of its own. The pages are tested as they leave here.

/// Letters that need no space on either side, in JavaScript as in ucode.
const MARKS: &str = "{}()[],;:=?&|<>!";
/// Behind one of these a slash begins a pattern, and divides behind all else.
const BEFORE_PATTERN: &str = "(,=:[!&|?{};";

/// Leaves out remarks, indentation, empty lines, and spaces that part nothing.
pub fn minified(script: &str) -> String {
    let mut kept = String::new();
    let mut in_remark = false;
    for line in script.lines().map(str::trim) {
        in_remark |= line.starts_with("/*");
        if !in_remark && !line.is_empty() && !line.starts_with("// ") {
            squeeze(line, &mut kept);
            kept.push('\n');
        }
        in_remark &= !line.ends_with("*/");
    }
    kept
}

fn squeeze(line: &str, kept: &mut String) {
    let is_mark = |letter: Option<char>| letter.is_some_and(|letter| MARKS.contains(letter));
    let mut before = None;
    let mut letters = line.chars().peekable();
    while let Some(letter) = letters.next() {
        if letter == ' ' && (is_mark(before) || is_mark(letters.peek().copied())) {
            continue;
        }
        kept.push(letter);
        let is_pattern = letter == '/' && before.is_none_or(|before| BEFORE_PATTERN.contains(before));
        before = Some(letter);
        if !is_pattern && letter != '\'' && letter != '"' {
            continue;
        }
        // To its other end as it is; a slash between brackets is no end of a pattern.
        let mut in_brackets = false;
        while let Some(inner) = letters.next() {
            kept.push(inner);
            match inner {
                '\\' => kept.extend(letters.next()),
                '[' if is_pattern => in_brackets = true,
                ']' if is_pattern => in_brackets = false,
                _ if inner == letter && !in_brackets => break,
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::minified;

    #[test]
    fn what_only_people_read_goes() {
        let script = "'use strict';\n\n/*\n * What\n */\nfunction f(a, b) {\n\t/* why */\n\t// or not\n\treturn a == b ? 1 : 2;\n}\n";
        assert_eq!(minified(script), "'use strict';\nfunction f(a,b){\nreturn a==b?1:2;\n}\n");
    }

    #[test]
    fn texts_and_patterns_stay() {
        for (line, expected) in [
            (r"a = 'x = \' ( y' + b;", r"a='x = \' ( y' + b;"),
            (r#"f("a , b", 'c ; d');"#, r#"f("a , b",'c ; d');"#),
            (r"x = /[/ '] = \/ , /i.test( y );", r"x=/[/ '] = \/ , /i.test(y);"),
            ("/^a , b$/.test(c);", "/^a , b$/.test(c);"),
            ("a = b / c , d / e;", "a=b / c,d / e;"),
            ("return [ !a, - b ];", "return[!a,- b];"),
        ] {
            assert_eq!(minified(line), format!("{expected}\n"));
        }
    }
}
