//! Names that become container names, file paths, DNS names and domains (R30).
//!
//! A value of these types has been checked; nothing else may be put into a URL, a path or a label as a name.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

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

/// A project, stage or registry name: `[a-z0-9]([a-z0-9-]{0,22}[a-z0-9])?`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Name(String);

impl Name {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
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
        if ok {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidName(format!(
                "`{text}` is not a name: use 1 to {MAX_NAME} of a-z, 0-9 and `-`, not at either end"
            )))
        }
    }
}

/// One stage of one project, written `project/stage`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct StageKey {
    /// The project.
    pub project: Name,
    /// The stage within it.
    pub stage: Name,
}

impl StageKey {
    /// A key from its two names.
    pub fn new(project: Name, stage: Name) -> Self {
        Self { project, stage }
    }

    /// `<project>-<stage>`: the stable DNS name of the stage (R33) and the stem of its container and volume names.
    pub fn dns_name(&self) -> String {
        format!("{}-{}", self.project, self.stage)
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

/// A DNS name that a route answers to, in lower case, without a trailing dot.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Domain(String);

impl Domain {
    /// The domain as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Domain {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let lower = text.to_ascii_lowercase();
        let label_ok = |label: &str| {
            !label.is_empty()
                && label.len() <= MAX_DOMAIN_LABEL
                && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_')
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        if lower.len() <= MAX_DOMAIN && lower.split('.').all(label_ok) {
            Ok(Self(lower))
        } else {
            Err(InvalidName(format!(
                "`{text}` is not a domain name: labels of letters, digits and `-`, joined by dots, without scheme, port or path"
            )))
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
text_conversions!(Name, StageKey, Domain);

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
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
    fn r30_a_name_is_short_lower_case_and_never_ends_in_a_dash() {
        for good in ["a", "shop", "a-b", "0x", &"a".repeat(24)] {
            assert!(good.parse::<Name>().is_ok(), "{good}");
        }
        for bad in ["", "-a", "a-", "A", "a_b", "a/b", "a.b", "ä", &"a".repeat(25), "a b"] {
            assert!(bad.parse::<Name>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_domain_is_kept_in_lower_case_and_without_a_scheme() {
        assert_eq!("Shop.Example.COM".parse::<Domain>().unwrap().as_str(), "shop.example.com");
        for bad in ["", "http://a", "a..b", "a:80", "a/b", "-a.b", ".a", "*.example.com"] {
            assert!(bad.parse::<Domain>().is_err(), "{bad}");
        }
    }
}
