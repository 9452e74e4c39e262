//! Tags that are tested and never set, and rules whose tests can't hold.

use super::{Remarks, follows, named};
use crate::commands::explain::setters;
use crate::config::Config;
use crate::config::diagnostic::Mend;
use crate::config::options::nearest;
use crate::config::rules::{Origin, Rules, TagTest};

/// Tags that dnsmasq sets of itself.
const BUILT_IN: &[&str] = &["known", "known-othernet", "bootp", "cpewan-id", "dhcpv6"];

/// Every test of the rules: the line, the tag, whether it shall be set, and whether a `*` at its end stands for anything.
fn tests(rules: &Rules) -> impl Iterator<Item = (&Origin, &str, bool, bool)> {
    let boots = rules.boots.iter().map(|it| (&it.origin, &it.when, false));
    let services = rules.services.iter().map(|it| (&it.origin, &it.when, false));
    let options = rules.options.iter().map(|it| (&it.origin, &it.when, false));
    let hosts = rules.hosts.iter().map(|it| (&it.origin, &it.when, false));
    let ignores = rules.ignores.iter().map(|it| (&it.origin, &it.when, false));
    let ranges = rules.ranges.iter().map(|it| (&it.origin, &it.when, false));
    let tag_ifs = rules.tag_ifs.iter().map(|it| (&it.origin, &it.when, true));
    let entries = rules.menu.entries.iter().map(|it| (&it.origin, &it.whom.tags, false));
    let all =
        boots.chain(services).chain(options).chain(hosts).chain(ignores).chain(ranges).chain(tag_ifs).chain(entries);
    let groups =
        rules.menu.entries.iter().flat_map(|it| it.whom.groups.iter().map(|tag| (&it.origin, &**tag, true, false)));
    all.flat_map(|(origin, when, wild)| when.iter().map(move |test| (origin, &*test.tag, test.set, wild))).chain(groups)
}

/// Every tag that may be set.
fn known(config: &Config) -> Vec<&str> {
    let rules = &config.rules;
    let mut known: Vec<&str> = BUILT_IN.to_vec();
    known.extend(config.interfaces.iter().flat_map(|interface| [interface.name.as_str(), interface.device.as_str()]));
    known.extend(rules.taggers.iter().map(|tagger| tagger.tag.as_str()));
    known.extend(rules.hosts.iter().flat_map(|host| &host.set).map(String::as_str));
    known.extend(rules.tag_ifs.iter().flat_map(|tag_if| &tag_if.set).map(String::as_str));
    known.extend(rules.interface_tags.iter().map(|network| network.tag.as_str()));
    known.extend(rules.ranges.iter().filter_map(|range| range.set.as_deref()));
    known
}

/// Tags that are tested and that nothing sets.
pub fn unset(config: &Config, out: &mut Remarks) {
    let known = known(config);
    for (origin, tag, wants_it, wild) in tests(&config.rules) {
        let start = tag.strip_suffix('*').filter(|_| wild);
        let is_set = match start {
            Some(start) => known.iter().any(|other| other.starts_with(start)),
            None => known.contains(&tag),
        };
        if is_set || setters(&config.rules, tag).next().is_some() {
            continue;
        }
        let effect = if wants_it { "so this never holds" } else { "so this test always holds" };
        let subject = ["tag '", tag, "'"].concat();
        match meant(tag, &known) {
            Some(near) => out.mend(Mend::Word(tag.to_owned(), near.to_owned())).warn(
                origin,
                &subject,
                &["nothing sets it, ", effect, "; did you mean '", near, "'?"],
            ),
            None => out.warn(
                origin,
                &subject,
                &["nothing sets it, ", effect, "; a dhcp-match line (config match) or one of its likes would set it"],
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
    let boots = rules.boots.iter().map(|boot| (&boot.origin, &boot.when, named(&boot.file)));
    let services = rules.services.iter().map(|service| (&service.origin, &service.when, "pxe-service".to_owned()));
    for (origin, when, subject) in boots.chain(services) {
        let opposite = |test: &&TagTest| when.iter().any(|other| other.tag == test.tag && other.set != test.set);
        if let Some(test) = when.iter().find(opposite) {
            out.mend(Mend::TakeOut).warn(
                origin,
                &subject,
                &["can never win: it wants tag ", &test.tag, " both set and not set"],
            );
        } else if let Some(ignore) = rules.ignores.iter().find(|ignore| follows(when, &ignore.when)) {
            let at = ignore.origin.to_string();
            out.mend(Mend::TakeOut).warn(
                origin,
                &subject,
                &["can never win: ", &at, " ignores all clients that it is for"],
            );
        }
    }
}
