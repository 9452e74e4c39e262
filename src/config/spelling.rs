//! Which of our words a mistyped one was most likely meant to be.

/// The known name that a mistyped one most likely meant: at most two letters wrong, inserted or left out. Of one or two
/// letters nobody knows.
pub fn nearest<'n>(typed: &str, mut names: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    nearest_of(typed, &mut names)
}

fn nearest_of<'n>(typed: &str, names: &mut dyn Iterator<Item = &'n str>) -> Option<&'n str> {
    let allowed = (typed.len().saturating_sub(1) / 2).min(2);
    let mut best: Option<(usize, &str)> = None;
    for name in names {
        let candidate = (distance(typed, name), name);
        if candidate.0 <= allowed && best.is_none_or(|best| candidate < best) {
            best = Some(candidate);
        }
    }
    best.map(|(_, name)| name)
}

/// Levenshtein's distance, in bytes; a longer name than any of ours is just far.
fn distance(left: &str, right: &str) -> usize {
    const LONGEST: usize = 32;
    if left.len() > LONGEST || right.len() > LONGEST {
        return LONGEST;
    }
    let mut row: heapless::Vec<usize, { LONGEST + 1 }> = (0..=right.len()).collect();
    for (index, a) in left.bytes().enumerate() {
        let mut diagonal = index;
        let mut before = index + 1;
        for (slot, b) in row.iter_mut().skip(1).zip(right.bytes()) {
            let changed = diagonal + usize::from(a != b);
            diagonal = *slot;
            *slot = changed.min(diagonal + 1).min(before + 1);
            before = *slot;
        }
        if let Some(first) = row.first_mut() {
            *first = index + 1;
        }
    }
    row.last().copied().unwrap_or(LONGEST)
}
