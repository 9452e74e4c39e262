//! Tags that are tested and never set, and rules whose tests can't hold.

use super::{Remarks, follows, named};
use crate::commands::explain::setters;
use crate::config::Config;
use crate::config::diagnostic::Mend;
use crate::config::rules::{Origin, Rules, TagTest};
use crate::config::spelling::nearest;

/// Tags that dnsmasq sets of itself.
const BUILT_IN: &[&str] = &["known", "known-othernet", "bootp", "cpewan-id", "dhcpv6"];

/// A test of a tag.
struct Test<'r> {
    origin: &'r Origin,
    tag: &'r str,
    set: bool,
    /// A `*` at the tag's end stands for anything.
    wild: bool,
}

/// Every test of the rules.
fn tests<'r>(rules: &'r Rules) -> Vec<Test<'r>> {
    let mut tests = Vec::new();
    let mut add = |origin, when: &'r [TagTest], wild| {
        tests.extend(when.iter().map(|test| Test { origin, tag: &test.tag, set: test.set, wild }));
    };
    rules.boots.iter().for_each(|it| add(&it.origin, &it.when, false));
    rules.services.iter().for_each(|it| add(&it.origin, &it.when, false));
    rules.options.iter().for_each(|it| add(&it.origin, &it.when, false));
    rules.hosts.iter().for_each(|it| add(&it.origin, &it.when, false));
    rules.ignores.iter().for_each(|it| add(&it.origin, &it.when, false));
    rules.ranges.iter().for_each(|it| add(&it.origin, &it.when, false));
    rules.tag_ifs.iter().for_each(|it| add(&it.origin, &it.when, true));
    rules.menu.entries.iter().for_each(|it| add(&it.origin, &it.whom.tags, false));
    for entry in &rules.menu.entries {
        tests.extend(entry.whom.groups.iter().map(|tag| Test { origin: &entry.origin, tag, set: true, wild: false }));
    }
    tests
}

/// Every tag that may be set.
fn known(config: &Config) -> Vec<&str> {
    let rules = &config.rules;
    let mut known: Vec<&str> = BUILT_IN.to_vec();
    config.interfaces.iter().for_each(|it| known.extend([&*it.name, &*it.device]));
    rules.taggers.iter().for_each(|it| known.push(&it.tag));
    rules.hosts.iter().flat_map(|it| &it.set).for_each(|tag| known.push(tag));
    rules.tag_ifs.iter().flat_map(|it| &it.set).for_each(|tag| known.push(tag));
    rules.interface_tags.iter().for_each(|it| known.push(&it.tag));
    rules.ranges.iter().filter_map(|it| it.set.as_deref()).for_each(|tag| known.push(tag));
    known
}

/// Tags that are tested and that nothing sets.
pub fn unset(config: &Config, out: &mut Remarks) {
    let known = known(config);
    for Test { origin, tag, set, wild } in tests(&config.rules) {
        let start = tag.strip_suffix('*').filter(|_| wild);
        let is_set = match start {
            Some(start) => known.iter().any(|other| other.starts_with(start)),
            None => known.contains(&tag),
        };
        if is_set || !setters(&config.rules, tag).is_empty() {
            continue;
        }
        let effect = if set { "so this never holds" } else { "so this test always holds" };
        let subject = format!("tag '{tag}'");
        match meant(tag, &known) {
            Some(near) => out.mend(Mend::Word(tag.to_owned(), near.to_owned())).warn(
                origin,
                &subject,
                format_args!("nothing sets it, {effect}; did you mean '{near}'?"),
            ),
            None => out.warn(
                origin,
                &subject,
                format_args!(
                    "nothing sets it, {effect}; a dhcp-match line (config match) or one of its likes would set it"
                ),
            ),
        }
    }
}

/// The tag that was most likely meant; letters that changed places are a common slip, which [`nearest`] counts twice.
fn meant<'k>(typed: &str, known: &[&'k str]) -> Option<&'k str> {
    let count = |text: &str, letter| text.bytes().filter(|byte| *byte == letter).count();
    let same_letters =
        |tag: &str| tag.len() == typed.len() && tag.bytes().all(|byte| count(tag, byte) == count(typed, byte));
    let ours = || known.iter().copied().filter(|tag| !BUILT_IN.contains(tag));
    ours().find(|tag| same_letters(tag) || tag.eq_ignore_ascii_case(typed)).or_else(|| nearest(typed, ours()))
}

/// Boot lines and menu entries whose tests contradict each other, or whose clients are all ignored.
pub fn never(rules: &Rules, out: &mut Remarks) {
    for boot in &rules.boots {
        never_wins(rules, &boot.origin, &boot.when, &named(&boot.file), out);
    }
    for service in &rules.services {
        never_wins(rules, &service.origin, &service.when, "pxe-service", out);
    }
}

fn never_wins(rules: &Rules, origin: &Origin, when: &[TagTest], subject: &str, out: &mut Remarks) {
    let opposite = |test: &&TagTest| when.iter().any(|other| other.tag == test.tag && other.set != test.set);
    if let Some(TagTest { tag, .. }) = when.iter().find(opposite) {
        let what = format_args!("can never win: it wants tag {tag} both set and not set");
        out.mend(Mend::TakeOut).warn(origin, subject, what);
    } else if let Some(ignore) = rules.ignores.iter().find(|ignore| follows(when, &ignore.when)) {
        let what = format_args!("can never win: {} ignores all clients that it is for", ignore.origin);
        out.mend(Mend::TakeOut).warn(origin, subject, what);
    }
}
