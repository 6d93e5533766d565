//! `semver`: the newest version in a range, both as Cargo knows them.
//!
//! A tag is a version with all three numbers, a `v` before it or not; others, as `latest` or the moving `1.2`, are skipped.
//! Pre-releases are taken only where the range names one of the same three numbers. A tag cannot hold the `+` of build
//! metadata, and the `_` that some write instead is not read as one: such a tag is skipped.

use std::fmt;
use std::str::FromStr;

use semver::{Version, VersionReq};
use serde::{Deserialize, Serialize};

use super::order::{self, Read, Selected};
use crate::model::name::{InvalidName, text_conversions};

/// A range of versions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SemverPolicy(VersionReq);

impl SemverPolicy {
    pub(super) fn newest<'a>(&self, tags: impl IntoIterator<Item = &'a str>, at_most: usize) -> Selected {
        order::newest(tags, at_most, |text| match version(text) {
            None => Read::Skipped,
            Some(version) => Read::or_other(self.0.matches(&version).then_some(version)),
        })
    }
}

/// The version that a text is.
pub(super) fn version(text: &str) -> Option<Version> {
    Version::parse(text.strip_prefix('v').unwrap_or(text)).ok()
}

impl fmt::Display for SemverPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for SemverPolicy {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let bad =
            |error| InvalidName(format!("`{text}` is not a range of versions: {error}; write it like `>=1.2, <2`"));
        VersionReq::parse(text).map(Self).map_err(bad)
    }
}

text_conversions!(SemverPolicy);
