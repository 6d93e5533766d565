//! Names that become container names, file paths, DNS names and domains (R30).
//!
//! A value of these types has been checked; nothing else may be put into a URL, a path or a label as a name.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::hash::sha256_hex;
use super::image::Tag;

/// Why a text is not a name of the wanted kind; the sentence is complete and shown as it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidName(pub String);

/// Longest name of a project, stage or registry, in characters.
pub const MAX_NAME: usize = 24;
/// Longest domain name, in characters (RFC 1035).
const MAX_DOMAIN: usize = 253;
/// Longest label of a domain name, in characters (RFC 1035).
const MAX_DOMAIN_LABEL: usize = 63;
/// Hex digits that tell labels apart that were cut.
const LABEL_HASH: usize = 8;
/// Between a stage and the tag of one of its instances: no name and no tag has it.
const TAG_MARK: char = '@';

/// A project, stage or registry name: `[a-z0-9]([a-z0-9-]{0,22}[a-z0-9])?`.
///
/// It lies where it is used: ten thousand stages have their names in a dozen tables each, and as texts of their own they
/// would take twice the room and most of the time of making these.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Name {
    /// Zeros behind its end, which no name holds: so it is ordered as its text is.
    text: [u8; MAX_NAME],
    len: u8,
}

impl Name {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        let used = self.text.get(..self.len.into()).unwrap_or_default();
        // Only a-z, 0-9 and `-` were put there.
        std::str::from_utf8(used).unwrap_or_default()
    }
}

impl FromStr for Name {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let ok = !text.is_empty()
            && text.len() <= MAX_NAME
            && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            && !text.starts_with('-')
            && !text.ends_with('-');
        let mut name = Self { text: [0; MAX_NAME], len: u8::try_from(text.len()).unwrap_or_default() };
        if let (true, Some(place)) = (ok, name.text.get_mut(..text.len())) {
            place.copy_from_slice(text.as_bytes());
            Ok(name)
        } else {
            Err(InvalidName(format!(
                "`{text}` is not a name: use 1 to {MAX_NAME} of a-z, 0-9 and `-`, not at either end"
            )))
        }
    }
}

/// A stage within its project, as in `prod`; or one instance of a stage that runs several, with its tag: `preview@dev-142`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct StageName {
    name: Name,
    /// All of it, of an instance.
    with_tag: Option<Box<str>>,
}

impl StageName {
    /// All of it as text.
    pub fn as_str(&self) -> &str {
        self.with_tag.as_deref().unwrap_or(self.name.as_str())
    }

    /// The name as it is written in the configuration.
    pub fn written(&self) -> &str {
        self.name.as_str()
    }

    /// The tag of an instance; none for a stage.
    pub fn tag(&self) -> Option<&str> {
        self.with_tag.as_deref()?.split_once(TAG_MARK).map(|(_, tag)| tag)
    }
}

impl From<Name> for StageName {
    fn from(name: Name) -> Self {
        Self { name, with_tag: None }
    }
}

impl FromStr for StageName {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let Some((name, tag)) = text.split_once(TAG_MARK) else { return text.parse::<Name>().map(Self::from) };
        tag.parse::<Tag>()?;
        Ok(Self { name: name.parse()?, with_tag: Some(text.into()) })
    }
}

/// One stage of one project, written `project/stage`; or one instance of a stage that runs several, `project/stage@tag`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct StageKey {
    /// The project.
    pub project: Name,
    /// The stage within it.
    pub stage: StageName,
}

impl StageKey {
    /// A key from its two names.
    pub fn new(project: Name, stage: StageName) -> Self {
        Self { project, stage }
    }

    /// The stage as it is written in the configuration: without the tag of an instance.
    #[must_use]
    pub fn written(&self) -> Self {
        Self { project: self.project.clone(), stage: self.stage.name.clone().into() }
    }

    /// The instance of this stage at a tag.
    #[must_use]
    pub fn at(&self, tag: &Tag) -> Self {
        let with_tag = Some(format!("{}{TAG_MARK}{tag}", self.stage.written()).into());
        Self { project: self.project.clone(), stage: StageName { name: self.stage.name.clone(), with_tag } }
    }

    /// The tag of an instance of a stage that runs several.
    pub fn tag(&self) -> Option<Tag> {
        self.stage.tag()?.parse().ok()
    }

    /// `<project>-<stage>`, and the tag of an instance: the stable DNS name (R33) and the stem of volume and image names.
    pub fn dns_name(&self) -> String {
        let stem = self.stem();
        match self.stage.tag() {
            None => stem,
            Some(tag) => dns_label(&format!("{stem}-{tag}")),
        }
    }

    /// `<project>-<stage>`: the stem of container names, which the deploy makes unique.
    pub fn stem(&self) -> String {
        format!("{}-{}", self.project, self.stage.written())
    }
}

/// Text as a label of a DNS name: lower case, other signs as `-`, and what is too long cut and told apart by a hash.
pub fn dns_label(text: &str) -> String {
    let sign = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let label: String = text.chars().map(sign).collect();
    let label = label.trim_matches('-');
    let hash = || sha256_hex(text.as_bytes())[..LABEL_HASH].to_owned();
    match label.len() {
        0 => hash(),
        1..=MAX_DOMAIN_LABEL => label.to_owned(),
        _ => format!("{}-{}", label[..MAX_DOMAIN_LABEL - LABEL_HASH - 1].trim_end_matches('-'), hash()),
    }
}

impl fmt::Display for StageKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.project, self.stage)
    }
}

impl FromStr for StageKey {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let Some((project, stage)) = text.split_once('/') else {
            return Err(InvalidName(format!("`{text}` is not a stage: write it as `project/stage`")));
        };
        Ok(Self::new(project.parse()?, stage.parse()?))
    }
}

/// A place that a route answers at: a DNS name in lower case, without a trailing dot, and perhaps a path below it, as in
/// `shop.example.com/api`, so that stages can share a name. Two places are never the same unless they are equal.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Domain(String);

impl Domain {
    /// The domain as text, with its path.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The DNS name alone.
    pub fn host(&self) -> &str {
        self.0.split('/').next().unwrap_or_default()
    }

    /// The path below which the route begins, as in `/api`; empty for a whole name.
    pub fn path(&self) -> &str {
        &self.0[self.host().len()..]
    }

    /// A DNS name, and nothing else.
    ///
    /// # Errors
    /// It is none, or has a path.
    pub fn name(text: &str) -> Result<Self, InvalidName> {
        let domain = text.parse::<Self>().ok().filter(|domain| domain.path().is_empty());
        domain.ok_or_else(|| {
            InvalidName(format!("`{text}` is not a domain name: {DOMAIN_LIKE}, without scheme, port or path"))
        })
    }
}

/// What a domain name is like.
const DOMAIN_LIKE: &str = "labels of letters, digits and `-`, joined by dots";

/// A path is compared as it stands, so it is one that can be written in one way only: no escapes, no empty or dotted
/// segment, no slash at its end.
fn is_path(path: &str) -> bool {
    path.split('/').all(|segment| {
        !matches!(segment, "" | "." | "..")
            && segment.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'~'))
    })
}

impl FromStr for Domain {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let (name, path) = text.split_once('/').map_or((text, None), |(name, path)| (name, Some(path)));
        let lower = name.to_ascii_lowercase();
        let label_ok = |label: &str| {
            !label.is_empty()
                && label.len() <= MAX_DOMAIN_LABEL
                && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_')
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        if lower.len() > MAX_DOMAIN || !lower.split('.').all(label_ok) {
            return Err(InvalidName(format!("`{text}` is not a domain name: {DOMAIN_LIKE}, without scheme or port")));
        }
        match path {
            None => Ok(Self(lower)),
            Some(path) if path.len() <= MAX_DOMAIN && is_path(path) => Ok(Self(format!("{lower}/{path}"))),
            Some(path) => Err(InvalidName(format!(
                "`/{path}` is not a path that a route can begin at: segments of letters, digits, `-`, `_`, `.` and `~`, \
                 joined by `/`, without one at the end"
            ))),
        }
    }
}

/// Implements the conversions through text that serde uses, for types that are checked when they are read.
macro_rules! text_conversions {
    ($($type:ident),*) => {$(
        impl TryFrom<String> for $type {
            type Error = InvalidName;
            fn try_from(text: String) -> Result<Self, InvalidName> {
                text.parse()
            }
        }
        impl From<$type> for String {
            fn from(value: $type) -> Self {
                value.to_string()
            }
        }
    )*};
}
pub(super) use text_conversions;
text_conversions!(Name, StageName, StageKey, Domain);

impl fmt::Display for StageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Name").field(&self.as_str()).finish()
    }
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_may_have_a_path_that_is_written_in_one_way_only() {
        let shared: Domain = "Shop.test/Api/v1.0".parse().unwrap();
        assert_eq!((shared.as_str(), shared.host(), shared.path()), ("shop.test/Api/v1.0", "shop.test", "/Api/v1.0"));
        let whole: Domain = "shop.test".parse().unwrap();
        assert_eq!((whole.host(), whole.path()), ("shop.test", ""));
        for bad in ["a.b/", "a.b//c", "a.b/c/", "a.b/./c", "a.b/../c", "a.b/%61", "a.b/c d", "a.b/c?d", "/c", "a.b/é"]
        {
            assert!(bad.parse::<Domain>().is_err(), "{bad}");
        }
        assert!(Domain::name("shop.test").is_ok() && Domain::name("shop.test/api").is_err());
    }

    #[test]
    fn r30_a_name_is_short_lower_case_and_never_ends_in_a_dash() {
        for good in ["a", "shop", "a-b", "0x", &"a".repeat(24)] {
            assert!(good.parse::<Name>().is_ok(), "{good}");
        }
        for bad in ["", "-a", "a-", "A", "a_b", "a/b", "a.b", "ä", &"a".repeat(25), "a b"] {
            assert!(bad.parse::<Name>().is_err(), "{bad}");
        }
    }

    #[test]
    fn r30_an_instance_is_named_by_its_stage_and_its_tag() {
        let key: StageKey = "shop/preview@Dev_1.2".parse().unwrap();
        assert_eq!(
            (key.to_string().as_str(), key.written().to_string().as_str()),
            ("shop/preview@Dev_1.2", "shop/preview")
        );
        assert_eq!(key.written().at(&key.tag().unwrap()), key);
        assert_eq!((key.dns_name().as_str(), key.stem().as_str()), ("shop-preview-dev-1-2", "shop-preview"));
        for bad in ["shop/preview@", "shop/@v1", "shop/preview@a/b", "shop/preview@a@b", "shop/preview@-a"] {
            assert!(bad.parse::<StageKey>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_label_that_is_too_long_is_cut_and_told_apart_by_a_hash() {
        let (one, other) = (dns_label(&"a".repeat(64)), dns_label(&"a".repeat(65)));
        assert_eq!((one.len(), other.len()), (63, 63));
        assert_ne!(one, other);
        assert_eq!(dns_label("-Ü_x-"), "x");
        assert_eq!(dns_label("___").len(), 8);
    }

    #[test]
    fn names_are_ordered_and_told_apart_as_their_texts_are() {
        let texts = ["a", "a-b", "a0", "aa", "ab", "b", "0", "app1", "app10", "app2", &"a".repeat(24), &"a".repeat(23)];
        for (one, other) in texts.iter().flat_map(|one| texts.iter().map(move |other| (*one, *other))) {
            let (a, b): (Name, Name) = (one.parse().unwrap(), other.parse().unwrap());
            assert_eq!((a.cmp(&b), a == b, a.as_str()), (one.cmp(other), one == other, one));
        }
        assert_eq!(format!("{:?}", "shop".parse::<Name>().unwrap()), r#"Name("shop")"#);
    }

    #[test]
    fn a_domain_is_kept_in_lower_case_and_without_a_scheme() {
        assert_eq!("Shop.Example.COM".parse::<Domain>().unwrap().as_str(), "shop.example.com");
        for bad in ["", "http://a", "a..b", "a:80", "-a.b", ".a", "*.example.com"] {
            assert!(bad.parse::<Domain>().is_err(), "{bad}");
        }
    }
}
