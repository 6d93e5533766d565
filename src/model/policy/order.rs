//! The newest of many tags by a key, and the keys that are ours: numbers, and text in natural order.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

use crate::model::image::Tag;

/// What a policy made of a list of tags.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selected {
    /// The newest tags that it accepts, as many as were asked for, newest first.
    pub newest: Vec<Tag>,
    /// How many it accepts.
    pub matched: usize,
    /// How many it cannot read: no version where versions are tracked, no number where numbers order, or no tag at all.
    pub skipped: usize,
}

/// What a policy reads in a tag.
pub(super) enum Read<K> {
    /// It accepts it, and so new it is.
    Key(K),
    /// It does not want it.
    Other,
    /// It cannot read it.
    Skipped,
}

impl<K> Read<K> {
    /// What is read further; where that fails, it cannot be read.
    pub(super) fn and_then<L>(self, further: impl FnOnce(K) -> Option<L>) -> Read<L> {
        match self {
            Self::Key(key) => Read::or_skipped(further(key)),
            Self::Other => Read::Other,
            Self::Skipped => Read::Skipped,
        }
    }

    /// What has a key is accepted, the rest cannot be read.
    pub(super) fn or_skipped(key: Option<K>) -> Self {
        key.map_or(Self::Skipped, Self::Key)
    }

    /// What has a key is accepted, the rest is not wanted.
    pub(super) fn or_other(key: Option<K>) -> Self {
        key.map_or(Self::Other, Self::Key)
    }
}

/// The newest tags, at most so many: those with the greatest keys, and of those with the same one the last by name, in
/// natural order.
pub(super) fn newest<'a, K: Ord>(
    tags: impl IntoIterator<Item = &'a str>,
    at_most: usize,
    read: impl Fn(&'a str) -> Read<K>,
) -> Selected {
    // The oldest of the best is on top, to be dropped first.
    let mut best: BinaryHeap<Reverse<(K, Natural<'a>)>> = BinaryHeap::new();
    let (mut matched, mut skipped) = (0, 0);
    for text in tags {
        match if Tag::is(text) { read(text) } else { Read::Skipped } {
            Read::Other => {}
            Read::Skipped => skipped += 1,
            Read::Key(key) => {
                matched += 1;
                best.push(Reverse((key, Natural(text))));
                if best.len() > at_most {
                    best.pop();
                }
            }
        }
    }
    let newest = best.into_sorted_vec().into_iter();
    Selected { newest: newest.filter_map(|Reverse((_, Natural(text)))| text.parse().ok()).collect(), matched, skipped }
}

/// A whole number of any length: without the zeros before it, the longer one is the greater.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Number<'a> {
    length: usize,
    digits: &'a [u8],
}

impl<'a> Number<'a> {
    /// Digits and nothing else.
    pub(super) fn read(text: &'a [u8]) -> Option<Self> {
        let is_number = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
        let zeros = text.iter().take_while(|b| **b == b'0').count();
        let digits = &text[zeros..];
        is_number.then_some(Self { length: digits.len(), digits })
    }
}

/// Text in natural order: digits count as numbers, so that 142 comes after 99. What differs in zeros alone, as `7` and
/// `007`, is told apart by its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Natural<'a>(pub(super) &'a str);

impl Ord for Natural<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        let by_atoms = Atoms(self.0.as_bytes()).cmp(Atoms(other.0.as_bytes()));
        by_atoms.then_with(|| self.0.cmp(other.0))
    }
}

impl PartialOrd for Natural<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The numbers of a text, and each byte that belongs to none. A number stands among the bytes where a digit does.
struct Atoms<'a>(&'a [u8]);

impl<'a> Iterator for Atoms<'a> {
    type Item = (u8, Number<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let text = self.0;
        let digits = text.iter().take_while(|b| b.is_ascii_digit()).count();
        if let Some(number) = Number::read(&text[..digits]) {
            self.0 = &text[digits..];
            return Some((b'0', number));
        }
        let (first, rest) = text.split_first()?;
        self.0 = rest;
        Some((*first, Number::default()))
    }
}
