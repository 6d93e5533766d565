//! Nodes → plain types, by serde, with the place of everything that does not fit.
//!
//! Serde stops at the first wrong value. So a wrong value is noted, left out, and the entry decoded again, until
//! nothing is wrong: every wrong value of an entry is reported at once. Keys that the types do not know are noted on
//! the way, with those that they do know.

use std::cell::RefCell;
use std::fmt;

use serde::de::{self, DeserializeOwned, Expected, Unexpected};

use super::node::{Entry, Node, NodeId, Span};
use super::reader::Reader;

/// After so many wrong values an entry is not worth trying again.
const MAX_WRONG: usize = 20;

/// More unknown keys of one mapping are not noted: by then it is not what it should be.
pub(super) const MAX_UNKNOWN: usize = 50;

/// What became of an entry.
#[derive(Debug)]
pub(in crate::config) struct Decoded<T> {
    /// The value; missing or incomplete when something is wrong.
    pub(in crate::config) value: Option<T>,
    /// Values that do not fit, in the order of the file.
    pub(in crate::config) wrong: Vec<Wrong>,
    /// Keys that nobody knows.
    pub(in crate::config) unknown: Vec<Unknown>,
}

/// A value that does not fit.
#[derive(Debug, Clone)]
pub(in crate::config) struct Wrong {
    /// Where; the whole entry when not even that is known.
    pub(in crate::config) span: Option<Span>,
    /// Where it is used, when it is written elsewhere.
    pub(in crate::config) via: Option<Span>,
    /// What does not fit.
    pub(in crate::config) kind: WrongKind,
    /// What may be a secret written in the wrong place.
    pub(in crate::config) hide: Vec<Span>,
    /// The node to leave out of the next try.
    pub(super) skip: Option<NodeId>,
}

/// As serde passes it on; boxed, since nearly every call can give one.
pub(super) type Fault = Box<Wrong>;

/// In what way a value does not fit.
#[derive(Debug, Clone)]
pub(in crate::config) enum WrongKind {
    /// Something else was expected.
    Type {
        /// What stands there.
        found: String,
        /// What should.
        expected: String,
        /// The remedy, if there is a plain one.
        help: Option<String>,
    },
    /// A key without a value.
    NoValue,
    /// A key that must be there is not.
    Missing(&'static str),
    /// A name that is none of those possible.
    Variant {
        /// What stands there.
        found: String,
        /// What could.
        known: &'static [&'static str],
        /// What is being chosen: the name of the type.
        of: &'static str,
    },
    /// A one-of value that has none or several.
    OneOf {
        /// The possible ones.
        known: &'static [&'static str],
        /// How many there are.
        count: usize,
    },
    /// In words.
    Other(String),
}

/// A key of a mapping.
#[derive(Debug, Clone)]
pub(in crate::config) struct Key {
    /// Its text.
    pub(in crate::config) text: Box<str>,
    /// Where it is written.
    pub(in crate::config) span: Span,
}

/// A key that nobody knows.
#[derive(Debug, Clone)]
pub(in crate::config) struct Unknown {
    /// The key.
    pub(in crate::config) key: Key,
    /// Where it is used, when it is written elsewhere.
    pub(in crate::config) via: Option<Span>,
    /// Name of the type that it was meant for.
    pub(in crate::config) within: &'static str,
    /// The keys of that type.
    pub(in crate::config) known: Vec<&'static str>,
    /// What may be a secret written in the wrong place.
    pub(in crate::config) hide: Vec<Span>,
}

/// What all readers of one try share.
#[derive(Default)]
pub(super) struct Context {
    /// Nodes to leave out.
    pub(super) skip: Vec<NodeId>,
    /// Unknown keys so far.
    pub(super) unknown: RefCell<Vec<Unknown>>,
    /// The entry's own node: whoever decodes it into several types looks for its unknown keys.
    pub(super) top: Option<NodeId>,
    /// The keys of the types that the entry's own node was decoded into.
    pub(super) top_known: RefCell<Vec<&'static str>>,
}

/// Decodes an entry of one type; `within` names it for its unknown keys.
pub(in crate::config) fn decode<T: DeserializeOwned>(node: Node<'_>, within: &'static str) -> Decoded<T> {
    let decoded = decode_top::<T, Nothing>(node, within, &[]);
    let value = decoded.value.map(|(value, _)| value);
    Decoded { value, wrong: decoded.wrong, unknown: decoded.unknown }
}

/// Accepts any mapping and knows no key: the second type of an entry that has only one.
#[derive(serde::Deserialize)]
struct Nothing {}

/// Decodes an entry whose keys belong to two types, and to neither (`more`: they are looked at elsewhere).
pub(in crate::config) fn decode_top<A: DeserializeOwned, B: DeserializeOwned>(
    node: Node<'_>,
    within: &'static str,
    more: &[&'static str],
) -> Decoded<(A, B)> {
    let mut cx = Context { top: Some(node.id()), ..Context::default() };
    let mut wrong: Vec<Wrong> = Vec::new();
    let value = loop {
        cx.unknown.borrow_mut().clear();
        cx.top_known.borrow_mut().clear();
        let root = Reader::root(node, &cx);
        match A::deserialize(root).and_then(|a| Ok((a, B::deserialize(root)?))) {
            Ok(value) => break Some(value),
            Err(error) => {
                let next = error.skip.filter(|at| *at != node.id() && !cx.skip.contains(at));
                wrong.push(*error);
                match next {
                    Some(at) if wrong.len() < MAX_WRONG => cx.skip.push(at),
                    Some(_) | None => break None,
                }
            }
        }
    };
    let mut known = cx.top_known.into_inner();
    known.extend(more);
    known.dedup();
    let mut unknown = cx.unknown.into_inner();
    if value.is_some() {
        let strange = node.entries().filter(|entry| !known.contains(&entry.name()));
        unknown.extend(strange.take(MAX_UNKNOWN).map(|entry| Unknown::new(entry, within, &known)));
    }
    Decoded { value, wrong, unknown }
}

impl Unknown {
    pub(in crate::config) fn new(entry: Entry<'_>, within: &'static str, known: &[&'static str]) -> Self {
        let lower = entry.name().to_lowercase();
        let is_secret =
            ["pas", "pwd", "secret", "token", "key", "auth", "cred"].iter().any(|word| lower.contains(word));
        let hide = if is_secret { entry.value().scalars() } else { Vec::new() };
        let key = Key { text: entry.name().into(), span: entry.span() };
        Self { key, via: entry.via(), within, known: known.to_vec(), hide }
    }
}

#[expect(clippy::unnecessary_box_returns, reason = "serde passes on a `Fault`, and that is boxed")]
impl Wrong {
    pub(super) fn new(kind: WrongKind) -> Fault {
        Box::new(Self { span: None, via: None, kind, hide: Vec::new(), skip: None })
    }

    /// Gives it a place, unless it has one already: the innermost node is the one that does not fit.
    pub(super) fn at(mut self: Box<Self>, span: Span, via: Option<Span>, skip: NodeId) -> Fault {
        if self.span.is_none() {
            (self.span, self.via, self.skip) = (Some(span), via, Some(skip));
        }
        self
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.kind)
    }
}

impl std::error::Error for Wrong {}

impl de::Error for Fault {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Wrong::new(WrongKind::Other(message.to_string()))
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Wrong::new(WrongKind::Type { found: found.to_string(), expected: expected.to_string(), help: None })
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::invalid_type(found, expected)
    }

    fn missing_field(field: &'static str) -> Self {
        Wrong::new(WrongKind::Missing(field))
    }

    fn unknown_variant(found: &str, known: &'static [&'static str]) -> Self {
        Wrong::new(WrongKind::Variant { found: found.to_owned(), known, of: "" })
    }
}
