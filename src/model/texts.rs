//! Texts by name, as small as they can be: ten thousand stages hold a hundred thousand of them, and the smallest node of
//! a `BTreeMap` takes the room of eleven.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Variables, or labels: sorted by name, each name once; written and read as a mapping.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Texts(Box<[(Box<str>, Box<str>)]>);

impl Texts {
    /// True when there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The text of a name.
    pub fn get(&self, name: &str) -> Option<&str> {
        let at = self.0.binary_search_by(|(known, _)| (**known).cmp(name)).ok()?;
        self.0.get(at).map(|(_, text)| &**text)
    }

    /// Names and texts, in the order of the names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, text)| (&**name, &**text))
    }
}

impl FromIterator<(String, String)> for Texts {
    /// Of two texts with one name the later counts.
    fn from_iter<I: IntoIterator<Item = (String, String)>>(texts: I) -> Self {
        let boxed = |(name, text): (String, String)| (name.into_boxed_str(), text.into_boxed_str());
        let mut all: Vec<_> = texts.into_iter().map(boxed).collect();
        // Stable, so that the later of two stays the later.
        all.sort_by(|(one, _), (other, _)| one.cmp(other));
        all.dedup_by(|later, kept| {
            let is_same = later.0 == kept.0;
            if is_same {
                std::mem::swap(later, kept);
            }
            is_same
        });
        Self(all.into())
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
