//! The tree of a YAML file: every value and key with its place in the text.
//!
//! Aliases share their node, so that a file of a few lines cannot become a large tree.

use std::sync::Arc;

use super::scalar::{Kind, Scalar};

/// A range of bytes in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::config) struct Span {
    /// First byte.
    pub(in crate::config) start: u32,
    /// Byte after the last.
    pub(in crate::config) end: u32,
}

/// A value.
#[derive(Debug)]
pub(in crate::config) struct Node {
    /// Where it is written; for an alias, where it was defined.
    pub(in crate::config) span: Span,
    /// What it is.
    pub(in crate::config) value: Value,
    /// How many nodes deep it is: a scalar is 1.
    pub(in crate::config) height: u32,
    /// How many nodes it stands for when every alias is written out.
    pub(in crate::config) weight: u32,
}

/// The three kinds of YAML value.
#[derive(Debug)]
pub(in crate::config) enum Value {
    /// Text, number, boolean or null.
    Scalar(Scalar),
    /// A sequence.
    List(Vec<Arc<Node>>),
    /// A mapping, in the order of the file, without duplicate keys, with merges (`<<`) carried out.
    Map(Vec<Entry>),
}

/// One key and value of a mapping.
#[derive(Debug, Clone)]
pub(in crate::config) struct Entry {
    /// The key.
    pub(in crate::config) key: Key,
    /// The value.
    pub(in crate::config) value: Arc<Node>,
    /// Where it is used, when it is written elsewhere: the alias, or the `<<` that brought it.
    pub(in crate::config) via: Option<Span>,
}

/// A key of a mapping.
#[derive(Debug, Clone)]
pub(in crate::config) struct Key {
    /// Its text as written.
    pub(in crate::config) text: Box<str>,
    /// Where it is written.
    pub(in crate::config) span: Span,
}

/// What is wrong with the text of a file, independent of what the keys mean.
#[derive(Debug)]
pub(in crate::config) struct Problem {
    /// Where.
    pub(in crate::config) span: Span,
    /// What, in one line.
    pub(in crate::config) title: String,
    /// A second place that matters, with what it is.
    pub(in crate::config) other: Option<(Span, &'static str)>,
    /// The remedy.
    pub(in crate::config) help: Option<String>,
}

/// A place found by its path.
#[derive(Debug, Clone, Copy)]
pub(in crate::config) struct Hit {
    /// The key, unless it is an element of a list or the root.
    pub(in crate::config) key: Option<Span>,
    /// The value.
    pub(in crate::config) value: Span,
    /// Where it is used, when it is written elsewhere.
    pub(in crate::config) via: Option<Span>,
}

impl Node {
    /// The entries of a mapping; none for anything else.
    pub(in crate::config) fn entries(&self) -> &[Entry] {
        match &self.value {
            Value::Map(entries) => entries,
            Value::Scalar(_) | Value::List(_) => &[],
        }
    }

    /// The entry of a mapping by its key.
    pub(in crate::config) fn get(&self, key: &str) -> Option<&Entry> {
        self.entries().iter().find(|e| &*e.key.text == key)
    }

    /// Where its scalars are written.
    pub(in crate::config) fn scalars(&self) -> Vec<Span> {
        match &self.value {
            Value::Scalar(_) => vec![self.span],
            Value::List(items) => items.iter().flat_map(|item| item.scalars()).collect(),
            Value::Map(entries) => entries.iter().flat_map(|entry| entry.value.scalars()).collect(),
        }
    }

    /// True for `null`, `~` and nothing at all.
    pub(in crate::config) fn is_null(&self) -> bool {
        matches!(&self.value, Value::Scalar(s) if s.kind() == Kind::Null)
    }

    /// The place of a value by its path, as in `environment.LOG_LEVEL` or `volumes.2`; none when it is not there.
    ///
    /// Keys may hold dots, so the longest key that fits is taken. In a list a step is a position, or the name before
    /// the `=`, `:` or `/` of an element (`environment: [LOG_LEVEL=info]`).
    pub(in crate::config) fn find(&self, path: &str) -> Option<Hit> {
        let mut hit = Hit { key: None, value: self.span, via: None };
        let (mut node, mut rest) = (self, path);
        while !rest.is_empty() {
            let (next, after) = match &node.value {
                Value::Map(entries) => {
                    let (entry, after) = longest(entries, rest)?;
                    let via = entry.via.or(hit.via);
                    hit = Hit { key: Some(entry.key.span), value: entry.value.span, via };
                    (&entry.value, after)
                }
                Value::List(items) => {
                    let (item, after) = element(items, rest)?;
                    hit = Hit { key: None, value: item.span, via: hit.via };
                    (item, after)
                }
                Value::Scalar(_) => return None,
            };
            (node, rest) = (next, after);
        }
        Some(hit)
    }
}

fn longest<'a, 'p>(entries: &'a [Entry], path: &'p str) -> Option<(&'a Entry, &'p str)> {
    let fits = |entry: &'a Entry| {
        let after = path.strip_prefix(&*entry.key.text)?;
        if after.is_empty() { Some((entry, after)) } else { Some((entry, after.strip_prefix('.')?)) }
    };
    entries.iter().filter_map(fits).min_by_key(|(_, after)| after.len())
}

fn element<'a, 'p>(items: &'a [Arc<Node>], path: &'p str) -> Option<(&'a Arc<Node>, &'p str)> {
    let (first, after) = path.split_once('.').unwrap_or((path, ""));
    if let Some(item) = first.parse::<usize>().ok().and_then(|i| items.get(i)) {
        return Some((item, after));
    }
    let named = |item: &&Arc<Node>| match &item.value {
        Value::Scalar(s) => s.text.strip_prefix(path).is_some_and(|t| t.is_empty() || t.starts_with(['=', ':', '/'])),
        Value::List(_) | Value::Map(_) => false,
    };
    items.iter().find(named).map(|item| (item, ""))
}
