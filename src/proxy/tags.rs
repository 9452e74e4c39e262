//! The tags a client carries, who set them, and the tests that rules make of them.

use std::fmt;

use crate::config::rules::{Origin, TagIf, TagTest};

/// The tags of one client, in the order in which they were set.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TagSet {
    tags: Vec<(String, SetBy)>,
}

/// Who set a tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SetBy {
    /// The network that the request came in on is called so.
    Interface,
    /// A line of the configuration.
    Rule(Origin),
}

impl TagSet {
    /// Sets a tag; setting it again changes nothing.
    pub fn set(&mut self, tag: &str, by: SetBy) {
        if !self.has(tag) {
            self.tags.push((tag.to_owned(), by));
        }
    }

    /// True when the tag is set.
    pub fn has(&self, tag: &str) -> bool {
        self.tags.iter().any(|(set, _)| set == tag)
    }

    /// The tags, each with who set it.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &SetBy)> {
        self.tags.iter().map(|(tag, by)| (tag.as_str(), by))
    }

    /// True when every test holds; no test at all holds (dnsmasq: `match_netid`).
    pub fn meets(&self, tests: &[TagTest]) -> bool {
        tests.iter().all(|test| self.has(&test.tag) == test.set)
    }

    /// These tags and what follows from them (dnsmasq: `run_tag_if`): one pass in the order of the lines, so that a line
    /// sees what the ones before it set.
    pub fn inferring(&self, tag_ifs: &[TagIf]) -> TagSet {
        let mut tags = self.clone();
        for tag_if in tag_ifs {
            if tag_if.when.iter().all(|test| tags.has_like(&test.tag) == test.set) {
                tag_if.set.iter().for_each(|tag| tags.set(tag, SetBy::Rule(tag_if.origin.clone())));
            }
        }
        tags
    }

    /// As [`has`](Self::has), but a `*` at the end of `tag` stands for anything (dnsmasq: `match_netid_wild`).
    fn has_like(&self, tag: &str) -> bool {
        match tag.strip_suffix('*') {
            Some(start) => self.tags.iter().any(|(set, _)| set.starts_with(start)),
            None => self.has(tag),
        }
    }
}

impl fmt::Display for TagSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (tag, _)) in self.tags.iter().enumerate() {
            f.write_str(if at == 0 { "" } else { ", " })?;
            f.write_str(tag)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn test(tag: &str) -> TagTest {
        match tag.strip_prefix('!') {
            Some(tag) => TagTest { tag: tag.to_owned(), set: false },
            None => TagTest { tag: tag.to_owned(), set: true },
        }
    }

    fn tags(names: &[&str]) -> TagSet {
        let mut tags = TagSet::default();
        names.iter().for_each(|name| tags.set(name, SetBy::Interface));
        tags
    }

    #[test]
    fn tests_are_anded_and_may_be_negated() {
        let tags = tags(&["lan", "ipxe", "lan"]);
        assert_eq!(tags.to_string(), "lan, ipxe");
        for (tests, expected) in [
            (&[][..], true),
            (&["lan", "ipxe"], true),
            (&["lan", "!ipxe"], false),
            (&["!efi"], true),
            (&["efi"], false),
            (&["la*"], false),
        ] {
            let tests: Vec<TagTest> = tests.iter().map(|name| test(name)).collect();
            assert_eq!(tags.meets(&tests), expected, "{tests:?}");
        }
    }

    #[test]
    fn tag_ifs_see_what_those_before_them_set() {
        let line = |when: &[&str], set: &[&str]| TagIf {
            origin: Origin { file: "test".into(), line: 1 },
            when: when.iter().map(|name| test(name)).collect(),
            set: set.iter().map(|name| (*name).to_owned()).collect(),
        };
        for (lines, expected) in [
            (vec![line(&["a"], &["b"]), line(&["b"], &["c", "d"])], "a, b, c, d"),
            (vec![line(&["b"], &["c"]), line(&["a"], &["b"])], "a, b"),
            (vec![line(&[], &["x"]), line(&["!x"], &["y"])], "a, x"),
            (vec![line(&["a*"], &["x"]), line(&["!a*"], &["y"]), line(&["*"], &["z"])], "a, x, z"),
        ] {
            assert_eq!(tags(&["a"]).inferring(&lines).to_string(), expected);
        }
    }
}
