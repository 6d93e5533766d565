//! Stages that run several tags at a time, each as an instance of its own (`max_instances`): what is written once becomes
//! one stage for each tag. Pure: which tags these are, `policy` chooses.
//!
//! *Guarantees*: no two of what comes out have one domain or one DNS name; who comes later gets none, and that is told.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::desired::{Desired, DesiredStage, Track};
use super::image::{Digest, Tag};
use super::name::{Domain, InvalidName, StageKey, dns_label, text_conversions};

/// What stands for the tag of an instance.
const TAG: &str = "{tag}";
/// What stands for the first hex digits of its digest.
const DIGEST: &str = "{digest}";

/// A domain with `{tag}` or `{digest}` in it, which differs from instance to instance.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DomainPattern(String);

impl DomainPattern {
    /// The domain of an instance. Each label is made one of DNS: lower case, other signs as `-`, and what is too long cut and
    /// told apart by a hash. None where it needs a digest that is not known.
    pub fn fill(&self, tag: &Tag, digest: Option<&Digest>) -> Option<Domain> {
        let digest = match digest {
            Some(digest) => digest.short(),
            None if self.0.contains(DIGEST) => return None,
            None => "",
        };
        // The dots of a tag part no labels.
        let label = |label: &str| dns_label(&label.replace(TAG, tag.as_str()).replace(DIGEST, digest));
        let labels: Vec<String> = self.0.split('.').map(label).collect();
        labels.join(".").parse().ok()
    }
}

impl fmt::Display for DomainPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for DomainPattern {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let filled = text.replace(TAG, "x").replace(DIGEST, "x");
        if filled.contains(['{', '}']) {
            return Err(InvalidName(format!(
                "`{text}` has a placeholder that is none: there are {{tag}}, {{digest}}, {{project}} and {{stage}}"
            )));
        }
        // A path would be the same for all of them, and is one domain's own.
        Domain::name(&filled)?;
        Ok(Self(text.to_owned()))
    }
}

text_conversions!(DomainPattern);

impl DesiredStage {
    /// One instance of a stage that runs several: at a tag, with the digest that this stands for, where that is known.
    #[must_use]
    pub fn instance(&self, tag: &Tag, digest: Option<&Digest>) -> Self {
        let mut domains: Vec<Domain> = self.patterns.iter().filter_map(|pattern| pattern.fill(tag, digest)).collect();
        domains.sort();
        domains.dedup();
        let (key, track) = (self.key.at(tag), Track::Tag(tag.clone()));
        Self { key, track, domains, max_instances: 1, patterns: Vec::new(), ..self.clone() }
    }
}

impl Desired {
    /// A stage as it is written in the configuration, also of one of its instances.
    pub fn written(&self, key: &StageKey) -> Option<&DesiredStage> {
        self.stages.get(key).filter(|_| key.stage.tag().is_none()).or_else(|| self.several.get(&key.written()))
    }

    /// Every stage as it is written.
    pub fn all_written(&self) -> impl Iterator<Item = &DesiredStage> + Clone {
        self.stages.values().filter(|stage| stage.key.stage.tag().is_none()).chain(self.several.values())
    }

    /// A stage, or an instance of one that runs several, whether or not that is among those that run.
    pub fn stage(&self, key: &StageKey, digest: Option<&Digest>) -> Option<Cow<'_, DesiredStage>> {
        if let Some(stage) = self.stages.get(key) {
            return Some(Cow::Borrowed(stage));
        }
        let tag = key.tag()?;
        self.several.get(&key.written()).map(|stage| Cow::Owned(stage.instance(&tag, digest)))
    }

    /// True for what is to go because others of its stage took its place: an older instance, or what the stage was before it
    /// ran several, or one.
    pub fn is_surplus(&self, key: &StageKey) -> bool {
        !self.stages.contains_key(key) && {
            let written = key.written();
            self.several.contains_key(&written) || self.stages.contains_key(&written)
        }
    }

    /// A stage, or an instance that runs or may stay for a while.
    pub fn at_hand(&self, key: &StageKey) -> Option<&DesiredStage> {
        self.stages.get(key).or_else(|| self.older.get(key))
    }

    /// With the instances that are to run: of each tag one, with its digest where that is known. Where two would have one
    /// domain or one name, the one that comes first has it.
    #[must_use]
    pub fn expand(&self, instances: impl IntoIterator<Item = (StageKey, Tag, Option<Digest>)>) -> Self {
        let mut all = self.clone();
        let mut claims = Claims::of(self);
        for (key, tag, digest) in instances {
            let Some(stage) = self.several.get(&key) else { continue };
            let mut stage = stage.instance(&tag, digest.as_ref());
            if let Some(clash) = claims.clash(&stage) {
                all.clashes.insert(stage.key.clone(), clash);
                stage.domains.clear();
            }
            claims.add(&stage);
            all.stages.insert(stage.key.clone(), stage);
        }
        all
    }
}

/// Who has which domain and which DNS name.
struct Claims {
    domains: BTreeMap<Domain, StageKey>,
    names: BTreeMap<String, StageKey>,
}

impl Claims {
    fn of(desired: &Desired) -> Self {
        let mut claims = Self { domains: BTreeMap::new(), names: BTreeMap::new() };
        desired.stages.values().for_each(|stage| claims.add(stage));
        claims
    }

    fn clash(&self, stage: &DesiredStage) -> Option<String> {
        let domain = || {
            let taken = stage.domains.iter().find_map(|domain| Some((domain, self.domains.get(domain)?)));
            taken.map(|(domain, by)| format!("its domain {domain} is that of {by}"))
        };
        let name = stage.key.dns_name();
        let taken = self.names.get(&name).map(|by| format!("its name {name} is that of {by}"));
        domain().or(taken)
    }

    fn add(&mut self, stage: &DesiredStage) {
        for domain in &stage.domains {
            self.domains.entry(domain.clone()).or_insert_with(|| stage.key.clone());
        }
        self.names.entry(stage.key.dns_name()).or_insert_with(|| stage.key.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> DomainPattern {
        text.parse().unwrap()
    }

    fn filled(text: &str, tag: &str) -> String {
        pattern(text).fill(&tag.parse().unwrap(), None).unwrap().to_string()
    }

    #[test]
    fn a_tag_becomes_part_of_a_label_and_never_several_labels() {
        assert_eq!(filled("{tag}-shop.example.com", "dev-142"), "dev-142-shop.example.com");
        assert_eq!(filled("shop.{tag}.example.com", "V1.2_rc.3"), "shop.v1-2-rc-3.example.com");
        assert_eq!(filled("{tag}.example.com", "_"), format!("{}.example.com", dns_label("_")));
    }

    #[test]
    fn a_label_that_gets_too_long_is_still_one_and_differs_from_another() {
        let (one, other) = (filled("{tag}-shop.a.b", &"x".repeat(128)), filled("{tag}-shop.a.b", &"x".repeat(127)));
        assert!(one.split('.').all(|label| label.len() <= 63), "{one}");
        assert_ne!(one, other);
    }

    #[test]
    fn a_digest_is_filled_in_once_it_is_known() {
        let (digest, tag) = (format!("sha256:{}", "ab".repeat(32)).parse().unwrap(), "v1".parse().unwrap());
        assert_eq!(pattern("{digest}.a.b").fill(&tag, None), None);
        let domain = pattern("{tag}-{digest}.a.b").fill(&tag, Some(&digest)).unwrap();
        assert_eq!(domain.as_str(), "v1-abababababab.a.b");
    }

    #[test]
    fn a_placeholder_that_is_none_is_refused() {
        for bad in ["{branch}.a.b", "{tag.a.b", "tag}.a.b", "{tag}/x", "*.{tag}.a"] {
            assert!(bad.parse::<DomainPattern>().is_err(), "{bad}");
        }
    }
}
