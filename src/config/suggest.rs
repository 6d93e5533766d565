//! The nearest name to one that is not there.

/// The name that was likely meant: at most a third of the letters differ, at least one may.
pub(super) fn nearest<'n>(wanted: &str, names: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    // Longer names are not typos of a key, and comparing them costs time.
    const LONGEST: usize = 40;
    if wanted.len() > LONGEST {
        return None;
    }
    let wanted = wanted.to_lowercase();
    let limit = (wanted.chars().count() / 3).max(1);
    names
        .map(|name| (distance(&wanted, name), name))
        .filter(|(distance, name)| *distance <= limit && *distance < name.chars().count())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// `-` and `_` are one mistake that people make all the time.
fn distance(wanted: &str, name: &str) -> usize {
    strsim::damerau_levenshtein(&wanted.replace('-', "_"), &name.replace('-', "_"))
}
