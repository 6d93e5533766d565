//! The tree of a YAML file: every value and key with its place in the text.
//!
//! Ten thousand stages are some half a million nodes, so a file's nodes lie in a few tables: a node is 16 bytes, and a
//! scalar that stands in the file as it is read is no text of its own. Aliases share their node, so that a file of a few
//! lines cannot become a large tree. [`Node`] and [`Entry`] are what others see of it.

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

impl Span {
    /// What stands there.
    pub(super) fn of(self, text: &str) -> Option<&str> {
        text.get(self.start as usize..self.end as usize)
    }
}

/// A node in the table of its file.
pub(super) type NodeId = u32;
/// An entry in the table of its file.
pub(in crate::config) type EntryId = u32;

/// All nodes of one file.
#[derive(Debug)]
pub(in crate::config) struct Nodes {
    pub(super) text: Arc<str>,
    pub(super) slots: Vec<Slot>,
    pub(super) groups: Vec<Group>,
    pub(super) pairs: Vec<Pair>,
    pub(super) items: Vec<NodeId>,
    /// Texts that do not stand in the file as they are read, one behind the other.
    pub(super) words: String,
    pub(super) ranges: Vec<Span>,
    /// Where values are used that are written elsewhere.
    pub(super) uses: Vec<Span>,
    pub(super) root: NodeId,
}

/// A node: where it is written (for an alias, where it was defined), and what it is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Slot {
    pub(super) span: Span,
    pub(super) shape: Shape,
}

/// What a node is.
#[derive(Debug, Clone, Copy)]
pub(super) enum Shape {
    /// A scalar without quotes, as its span says.
    Plain,
    /// A scalar in quotes, as its span says between them.
    Quoted,
    /// A scalar without quotes; which of the ranges of words.
    PlainWord(u32),
    /// A scalar in quotes, or a block.
    Word(u32),
    /// A sequence; which group of items.
    List(u32),
    /// A mapping; which group of pairs.
    Map(u32),
}

/// What a collection holds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Group {
    pub(super) first: u32,
    pub(super) end: u32,
    pub(super) height: u32,
    pub(super) weight: u32,
}

/// An entry: its key and value, and which of the uses brought it, if one did.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pair {
    pub(super) key: NodeId,
    pub(super) value: NodeId,
    pub(super) via: u32,
}

/// Stands for no use.
pub(super) const NO_USE: u32 = u32::MAX;

impl Nodes {
    /// The value that the file holds.
    pub(in crate::config) fn root(&self) -> Node<'_> {
        self.node(self.root)
    }

    /// An entry of before.
    pub(in crate::config) fn entry(&self, id: EntryId) -> Option<Entry<'_>> {
        self.pairs.get(id as usize).map(|pair| Entry { nodes: self, id, pair: *pair })
    }

    pub(super) fn node(&self, id: NodeId) -> Node<'_> {
        Node { nodes: self, id }
    }

    fn slot(&self, id: NodeId) -> Slot {
        const NOTHING: Slot = Slot { span: Span { start: 0, end: 0 }, shape: Shape::Plain };
        self.slots.get(id as usize).copied().unwrap_or(NOTHING)
    }

    fn group(&self, at: u32) -> Group {
        const NOTHING: Group = Group { first: 0, end: 0, height: 1, weight: 1 };
        self.groups.get(at as usize).copied().unwrap_or(NOTHING)
    }

    /// The text of a scalar, escapes and folding resolved; none of a collection.
    pub(super) fn scalar(&self, id: NodeId) -> Option<Scalar<'_>> {
        let Slot { span, shape } = self.slot(id);
        let word = |at: u32| self.ranges.get(at as usize).and_then(|range| range.of(&self.words)).unwrap_or_default();
        let (text, plain) = match shape {
            Shape::Plain => (span.of(&self.text).unwrap_or_default(), true),
            Shape::Quoted => (between(span).of(&self.text).unwrap_or_default(), false),
            Shape::PlainWord(at) => (word(at), true),
            Shape::Word(at) => (word(at), false),
            Shape::List(_) | Shape::Map(_) => return None,
        };
        Some(Scalar { text, plain })
    }
}

/// Without the quotes.
pub(super) fn between(span: Span) -> Span {
    Span { start: span.start.saturating_add(1), end: span.end.saturating_sub(1) }
}

/// A value.
#[derive(Debug, Clone, Copy)]
pub(in crate::config) struct Node<'a> {
    nodes: &'a Nodes,
    id: NodeId,
}

/// The three kinds of YAML value.
#[derive(Debug, Clone)]
pub(in crate::config) enum Value<'a> {
    /// Text, number, boolean or null.
    Scalar(Scalar<'a>),
    /// A sequence.
    List(Items<'a>),
    /// A mapping, in the order of the file, without duplicate keys, with merges (`<<`) carried out.
    Map(Entries<'a>),
}

/// One key and value of a mapping.
#[derive(Debug, Clone, Copy)]
pub(in crate::config) struct Entry<'a> {
    nodes: &'a Nodes,
    id: EntryId,
    pair: Pair,
}

/// The elements of a sequence.
#[derive(Debug, Clone)]
pub(in crate::config) struct Items<'a> {
    nodes: &'a Nodes,
    rest: &'a [NodeId],
}

/// The entries of a mapping.
#[derive(Debug, Clone)]
pub(in crate::config) struct Entries<'a> {
    nodes: &'a Nodes,
    next: EntryId,
    rest: &'a [Pair],
}

impl<'a> Iterator for Items<'a> {
    type Item = Node<'a>;

    fn next(&mut self) -> Option<Node<'a>> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(self.nodes.node(*first))
    }
}

impl<'a> Entries<'a> {
    /// As they lie in the table.
    pub(super) fn pairs(&self) -> &'a [Pair] {
        self.rest
    }

    /// How many are left.
    pub(in crate::config) fn len(&self) -> usize {
        self.rest.len()
    }
}

impl<'a> Iterator for Entries<'a> {
    type Item = Entry<'a>;

    fn next(&mut self) -> Option<Entry<'a>> {
        let (pair, rest) = self.rest.split_first()?;
        let entry = Entry { nodes: self.nodes, id: self.next, pair: *pair };
        (self.rest, self.next) = (rest, self.next + 1);
        Some(entry)
    }
}

impl<'a> Entry<'a> {
    /// What finds it again.
    pub(in crate::config) fn id(&self) -> EntryId {
        self.id
    }

    /// The text of its key.
    pub(in crate::config) fn name(&self) -> &'a str {
        self.nodes.scalar(self.pair.key).map_or("", |scalar| scalar.text)
    }

    /// Where its key is written.
    pub(in crate::config) fn span(&self) -> Span {
        self.nodes.slot(self.pair.key).span
    }

    /// Its value.
    pub(in crate::config) fn value(&self) -> Node<'a> {
        self.nodes.node(self.pair.value)
    }

    /// Where it is used, when it is written elsewhere: the alias, or the `<<` that brought it.
    pub(in crate::config) fn via(&self) -> Option<Span> {
        self.nodes.uses.get(self.pair.via as usize).copied()
    }
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

impl<'a> Node<'a> {
    /// What names it within its file.
    pub(super) fn id(self) -> NodeId {
        self.id
    }

    /// Where it is written; for an alias, where it was defined.
    pub(in crate::config) fn span(self) -> Span {
        self.nodes.slot(self.id).span
    }

    /// What it is.
    pub(in crate::config) fn value(self) -> Value<'a> {
        let within = |group: Group| group.first as usize..group.end as usize;
        match self.nodes.slot(self.id).shape {
            Shape::List(at) => {
                let rest = self.nodes.items.get(within(self.nodes.group(at))).unwrap_or_default();
                Value::List(Items { nodes: self.nodes, rest })
            }
            Shape::Map(at) => {
                let group = self.nodes.group(at);
                let rest = self.nodes.pairs.get(within(group)).unwrap_or_default();
                Value::Map(Entries { nodes: self.nodes, next: group.first, rest })
            }
            Shape::Plain | Shape::Quoted | Shape::PlainWord(_) | Shape::Word(_) => {
                Value::Scalar(self.scalar().unwrap_or(Scalar { text: "", plain: true }))
            }
        }
    }

    /// Its text, if it is a scalar.
    pub(super) fn scalar(self) -> Option<Scalar<'a>> {
        self.nodes.scalar(self.id)
    }

    /// How many nodes deep it is: a scalar is 1.
    pub(super) fn height(self) -> u32 {
        self.group().height
    }

    /// How many nodes it stands for when every alias is written out.
    pub(in crate::config) fn weight(self) -> u32 {
        self.group().weight
    }

    fn group(self) -> Group {
        match self.nodes.slot(self.id).shape {
            Shape::List(at) | Shape::Map(at) => self.nodes.group(at),
            Shape::Plain | Shape::Quoted | Shape::PlainWord(_) | Shape::Word(_) => {
                Group { first: 0, end: 0, height: 1, weight: 1 }
            }
        }
    }

    /// The entries of a mapping; none for anything else.
    pub(in crate::config) fn entries(self) -> Entries<'a> {
        match self.value() {
            Value::Map(entries) => entries,
            Value::Scalar(_) | Value::List(_) => Entries { nodes: self.nodes, next: 0, rest: &[] },
        }
    }

    /// The entry of a mapping by its key.
    pub(in crate::config) fn get(self, key: &str) -> Option<Entry<'a>> {
        self.entries().find(|entry| entry.name() == key)
    }

    /// Where its scalars are written.
    pub(in crate::config) fn scalars(self) -> Vec<Span> {
        match self.value() {
            Value::Scalar(_) => vec![self.span()],
            Value::List(items) => items.flat_map(Node::scalars).collect(),
            Value::Map(entries) => entries.flat_map(|entry| entry.value().scalars()).collect(),
        }
    }

    /// True for `null`, `~` and nothing at all.
    pub(in crate::config) fn is_null(self) -> bool {
        self.scalar().is_some_and(|scalar| scalar.kind() == Kind::Null)
    }

    /// The place of a value by its path, as in `environment.LOG_LEVEL` or `volumes.2`; none when it is not there.
    ///
    /// Keys may hold dots, so the longest key that fits is taken. In a list a step is a position, or the name before
    /// the `=`, `:` or `/` of an element (`environment: [LOG_LEVEL=info]`).
    pub(in crate::config) fn find(self, path: &str) -> Option<Hit> {
        let mut hit = Hit { key: None, value: self.span(), via: None };
        let (mut node, mut rest) = (self, path);
        while !rest.is_empty() {
            let (next, after) = match node.value() {
                Value::Map(entries) => {
                    let (entry, after) = longest(entries, rest)?;
                    let via = entry.via().or(hit.via);
                    hit = Hit { key: Some(entry.span()), value: entry.value().span(), via };
                    (entry.value(), after)
                }
                Value::List(items) => {
                    let (item, after) = element(items, rest)?;
                    hit = Hit { key: None, value: item.span(), via: hit.via };
                    (item, after)
                }
                Value::Scalar(_) => return None,
            };
            (node, rest) = (next, after);
        }
        Some(hit)
    }
}

fn longest<'a, 'p>(entries: Entries<'a>, path: &'p str) -> Option<(Entry<'a>, &'p str)> {
    let fits = |entry: Entry<'a>| {
        let after = path.strip_prefix(entry.name())?;
        if after.is_empty() { Some((entry, after)) } else { Some((entry, after.strip_prefix('.')?)) }
    };
    entries.filter_map(fits).min_by_key(|(_, after)| after.len())
}

fn element<'a, 'p>(mut items: Items<'a>, path: &'p str) -> Option<(Node<'a>, &'p str)> {
    let (first, after) = path.split_once('.').unwrap_or((path, ""));
    if let Some(item) = first.parse::<usize>().ok().and_then(|i| items.clone().nth(i)) {
        return Some((item, after));
    }
    let named = |item: &Node<'a>| {
        let text = item.scalar().and_then(|scalar| scalar.text.strip_prefix(path));
        text.is_some_and(|text| text.is_empty() || text.starts_with(['=', ':', '/']))
    };
    items.find(named).map(|item| (item, ""))
}
