//! The tags a client carries, and the tests that rules make of them (dnsmasq: `match_netid`).

use std::fmt;

use crate::config::TagTest;

/// The tags of one client, in the order in which they were set.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TagSet {
    tags: Vec<String>,
}

impl TagSet {
    /// Sets a tag; setting it again changes nothing.
    pub fn set(&mut self, tag: &str) {
        if !self.has(tag) {
            self.tags.push(tag.to_owned());
        }
    }

    /// True when the tag is set.
    pub fn has(&self, tag: &str) -> bool {
        self.tags.iter().any(|set| set == tag)
    }

    /// True when every test holds; no test at all holds.
    pub fn meets(&self, tests: &[TagTest]) -> bool {
        tests.iter().all(|test| self.has(&test.tag) == test.set)
    }
}

impl fmt::Display for TagSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.tags.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn test(tag: &str, set: bool) -> TagTest {
        TagTest { tag: tag.to_owned(), set }
    }

    #[test]
    fn tests_are_anded_and_may_be_negated() {
        let mut tags = TagSet::default();
        tags.set("lan");
        tags.set("ipxe");
        tags.set("lan");
        assert_eq!(tags.to_string(), "lan, ipxe");
        assert!(tags.meets(&[]));
        assert!(tags.meets(&[test("lan", true), test("ipxe", true)]));
        assert!(!tags.meets(&[test("lan", true), test("ipxe", false)]));
        assert!(tags.meets(&[test("efi", false)]));
        assert!(!tags.meets(&[test("efi", true)]));
    }
}
