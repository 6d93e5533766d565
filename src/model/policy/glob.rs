//! `glob`: the newest tag that fits a pattern of the shell, by the text that its first `*` stands for.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::order::{self, Natural, Selected};
use super::pattern::Matcher;
use crate::model::name::{InvalidName, text_conversions};

/// A pattern of the shell: `*` is any text, `?` one character, `[a-z]` one of these, `[!a-z]` one that is none of them.
/// Where the first `*` may stand for several texts, the shortest counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct GlobPolicy {
    text: String,
    matcher: Matcher,
}

impl GlobPolicy {
    pub(super) fn newest<'a>(&self, tags: impl IntoIterator<Item = &'a str>, at_most: usize) -> Selected {
        order::newest(tags, at_most, |text| self.matcher.read(text).and_then(|key| Some(Natural(key))))
    }
}

impl fmt::Display for GlobPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for GlobPolicy {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let bad = |why: &str| InvalidName(format!("`{text}` is not a pattern for tags: {why}"));
        let regex = translate(text).map_err(|why| bad(&why))?;
        let matcher = Matcher::new(&regex).map_err(|why| bad(&why))?;
        Ok(Self { text: text.to_owned(), matcher })
    }
}

text_conversions!(GlobPolicy);

/// The same as a regular expression, whose first group is what the first `*` stands for.
fn translate(text: &str) -> Result<String, String> {
    let mut regex = String::new();
    let mut has_star = false;
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        match c {
            '*' if rest.as_str().starts_with('*') => return Err("`**` is no more than `*`: write one".to_owned()),
            '*' => {
                regex.push_str(if has_star { ".*" } else { "(.*?)" });
                has_star = true;
            }
            '?' => regex.push('.'),
            '[' => {
                let (class, after) = class(rest.as_str())?;
                regex.push_str(&class);
                rest = after.chars();
            }
            c => regex.push_str(&literal(c)?),
        }
    }
    if has_star {
        Ok(regex)
    } else {
        Err("it has no `*` to order by; for one tag alone write `track: { tag: … }`".to_owned())
    }
}

/// One of some characters; `text` begins after the bracket, and what follows the other one is given back.
fn class(text: &str) -> Result<(String, &str), String> {
    let (is_not, inner) = match text.strip_prefix(['!', '^']) {
        Some(inner) => (true, inner),
        None => (false, text),
    };
    let (inner, after) = inner.split_once(']').ok_or("`[` is never closed by `]`")?;
    if inner.is_empty() {
        return Err("`[]` names no character".to_owned());
    }
    for c in inner.chars() {
        literal(c)?;
    }
    let inner = inner.replace('.', r"\.");
    Ok((format!("[{}{inner}]", if is_not { "^" } else { "" }), after))
}

/// One character that a tag may hold, as itself.
fn literal(c: char) -> Result<String, String> {
    match c {
        '.' | '-' => Ok(format!(r"\{c}")),
        'a'..='z' | 'A'..='Z' | '0'..='9' | '_' => Ok(c.to_string()),
        other => Err(format!("no tag holds `{other}`: use letters, digits, `.`, `_`, `-` and `*`, `?`, `[a-z]`")),
    }
}
