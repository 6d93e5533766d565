//! `regex`: the newest tag that fits a regular expression, by one of its groups; and the matcher that `glob` uses too.

use std::fmt;
use std::sync::Arc;

use regex::bytes::{Regex, RegexBuilder};
use serde::{Deserialize, Serialize};

use super::order::{self, Number, Read, Selected};
use super::range::version;
use crate::model::name::InvalidName;

/// Longest pattern, in bytes: a tag has at most 128.
const MAX_PATTERN: usize = 256;
/// Largest compiled pattern, in bytes: enough for `[a-z]{1,128}` and its like. Every stage has its own, and within this
/// the worst of patterns is compiled in 0.1 ms.
const MAX_COMPILED: usize = 1 << 15;
/// Name of the group that orders, where the first one is not it.
const ORDER_GROUP: &str = "order";

/// By what tags are ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// As whole numbers of any length.
    Numeric,
    /// As versions.
    Semver,
    /// As text, byte by byte.
    Alphabetical,
}

/// A regular expression for the whole tag, and how what it captures orders: the group named `order`, else the first one,
/// else the whole tag.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct RegexPolicy {
    matcher: Matcher,
    order: Order,
}

/// A policy as it is stored.
#[derive(Serialize, Deserialize)]
struct Written {
    #[serde(rename = "match")]
    pattern: String,
    order: Order,
}

impl TryFrom<Written> for RegexPolicy {
    type Error = InvalidName;

    fn try_from(Written { pattern, order }: Written) -> Result<Self, InvalidName> {
        Self::new(&pattern, order)
    }
}

impl From<RegexPolicy> for Written {
    fn from(RegexPolicy { matcher, order }: RegexPolicy) -> Self {
        Self { pattern: matcher.pattern, order }
    }
}

impl RegexPolicy {
    /// A policy of a pattern.
    ///
    /// # Errors
    /// It is no regular expression, or one that is too large.
    pub fn new(pattern: &str, order: Order) -> Result<Self, InvalidName> {
        let bad = |why| InvalidName(format!("`{pattern}` is not a regular expression for tags: {why}"));
        Ok(Self { matcher: Matcher::new(pattern).map_err(bad)?, order })
    }

    pub(super) fn newest<'a>(&self, tags: impl IntoIterator<Item = &'a str>, at_most: usize) -> Selected {
        let read = |text| self.matcher.read(text);
        match self.order {
            Order::Numeric => {
                order::newest(tags, at_most, |text| read(text).and_then(|key| Number::read(key.as_bytes())))
            }
            Order::Semver => order::newest(tags, at_most, |text| read(text).and_then(version)),
            Order::Alphabetical => order::newest(tags, at_most, read),
        }
    }
}

impl fmt::Display for RegexPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.matcher.pattern)
    }
}

/// A regular expression for whole tags, and which of its groups orders them. Tags are ASCII, and so is what it knows of
/// letters and digits. Its time is linear in the length of a tag, whatever the pattern.
#[derive(Debug, Clone)]
pub(super) struct Matcher {
    pattern: String,
    compiled: Arc<Regex>,
    group: usize,
}

/// The pattern says it all.
impl PartialEq for Matcher {
    fn eq(&self, other: &Self) -> bool {
        self.pattern == other.pattern
    }
}

impl Eq for Matcher {}

impl Matcher {
    /// Compiles a pattern; the error says what is wrong with it.
    pub(super) fn new(pattern: &str) -> Result<Self, String> {
        if pattern.len() > MAX_PATTERN {
            return Err(format!("it is longer than {MAX_PATTERN} characters; write a shorter one"));
        }
        // Alone first: the faults of a pattern are told as it is written, and none can end the group around it.
        compile(pattern)?;
        let compiled = compile(&format!(r"\A(?:{pattern})\z"))?;
        let named = compiled.capture_names().position(|name| name == Some(ORDER_GROUP));
        let group = named.unwrap_or(usize::from(compiled.captures_len() > 1));
        Ok(Self { pattern: pattern.to_owned(), compiled: Arc::new(compiled), group })
    }

    /// What orders a tag: the text of the group. A tag that fits without it cannot be ordered.
    pub(super) fn read<'a>(&self, text: &'a str) -> Read<&'a str> {
        let Some(captures) = self.compiled.captures(text.as_bytes()) else { return Read::Other };
        Read::or_skipped(captures.get(self.group).and_then(|group| text.get(group.range())))
    }
}

fn compile(pattern: &str) -> Result<Regex, String> {
    let built = RegexBuilder::new(pattern).unicode(false).size_limit(MAX_COMPILED).build();
    built.map_err(|error| match error {
        regex::Error::CompiledTooBig(_) => "it is too large; write smaller repetitions".to_owned(),
        // Several lines: the pattern, carets below it, and last what is wrong.
        other => {
            let text = other.to_string();
            let last = text.lines().last().unwrap_or_default();
            format!("{}; correct it, or write a `glob`", last.strip_prefix("error: ").unwrap_or(last))
        }
    })
}
