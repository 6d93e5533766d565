//! Texts by name, as small as they can be: ten thousand stages hold a hundred thousand of them, the smallest node of a
//! `BTreeMap` takes the room of eleven, and a text of its own takes thirty bytes beside what it says.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Variables, labels, or addresses by network: sorted by name, each name once; written and read as a mapping.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Texts {
    /// Each name and its text, one behind the other.
    all: Box<str>,
    /// Where each name ends, and where its text does.
    ends: Box<[(usize, usize)]>,
}

impl Texts {
    /// True when there are none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The text of a name.
    pub fn get(&self, name: &str) -> Option<&str> {
        let (mut from, mut to) = (0, self.ends.len());
        while from < to {
            let middle = from.midpoint(to);
            let (known, text) = self.at(middle)?;
            match known.cmp(name) {
                Ordering::Less => from = middle + 1,
                Ordering::Equal => return Some(text),
                Ordering::Greater => to = middle,
            }
        }
        None
    }

    /// True when it has this name.
    pub fn contains_key(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// The names, in their order.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.iter().map(|(name, _)| name)
    }

    /// Names and texts, in the order of the names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        (0..self.ends.len()).filter_map(|at| self.at(at))
    }

    fn at(&self, at: usize) -> Option<(&str, &str)> {
        let (middle, end) = *self.ends.get(at)?;
        let start = at.checked_sub(1).and_then(|before| self.ends.get(before)).map_or(0, |(_, end)| *end);
        Some((self.all.get(start..middle)?, self.all.get(middle..end)?))
    }
}

impl FromIterator<(String, String)> for Texts {
    /// Of two texts with one name the later counts.
    fn from_iter<I: IntoIterator<Item = (String, String)>>(texts: I) -> Self {
        let mut sorted: Vec<(String, String)> = texts.into_iter().collect();
        // Stable, so that the later of two stays the later.
        sorted.sort_by(|(one, _), (other, _)| one.cmp(other));
        sorted.dedup_by(|later, kept| {
            let is_same = later.0 == kept.0;
            if is_same {
                std::mem::swap(later, kept);
            }
            is_same
        });
        let mut all = String::with_capacity(sorted.iter().map(|(name, text)| name.len() + text.len()).sum());
        let put = |(name, text): &(String, String)| {
            all.push_str(name);
            let middle = all.len();
            all.push_str(text);
            (middle, all.len())
        };
        let ends = sorted.iter().map(put).collect();
        Self { all: all.into(), ends }
    }
}

impl<const N: usize> From<[(String, String); N]> for Texts {
    fn from(texts: [(String, String); N]) -> Self {
        texts.into_iter().collect()
    }
}

impl fmt::Debug for Texts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl Serialize for Texts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl<'de> Deserialize<'de> for Texts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        BTreeMap::<String, String>::deserialize(deserializer).map(Self::from_iter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_sorted_found_by_name_and_the_later_of_two_counts() {
        let texts = Texts::from([("b", "1"), ("a", "2"), ("b", "3"), ("c", "4")].map(|(k, v)| (k.into(), v.into())));
        assert_eq!(texts.iter().collect::<Vec<_>>(), [("a", "2"), ("b", "3"), ("c", "4")]);
        assert_eq!((texts.get("b"), texts.get("d")), (Some("3"), None));
        assert_eq!(
            (texts.get(""), texts.get("aa"), texts.get("bb"), Texts::default().get("a")),
            (None, None, None, None)
        );
        let empty = Texts::from([("", "x"), ("a", ""), ("b", "")].map(|(k, v)| (k.into(), v.into())));
        assert_eq!((empty.get(""), empty.get("a"), empty.get("b")), (Some("x"), Some(""), Some("")));
    }

    #[test]
    fn texts_are_written_and_read_as_the_map_that_they_were_before() {
        let map: BTreeMap<String, String> = [("b", "1"), ("a", "\"")].map(|(k, v)| (k.into(), v.into())).into();
        let written = serde_json::to_string(&map).unwrap();
        let texts: Texts = serde_json::from_str(&written).unwrap();
        assert_eq!(serde_json::to_string(&texts).unwrap(), written);
        assert_eq!(texts, map.into_iter().collect());
    }
}
