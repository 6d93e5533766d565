//! Events of the YAML parser → a tree of nodes.
//!
//! Bounded in depth and in what aliases may add, and it never recurses. It reports everything it can before it gives
//! up: duplicate keys with both places, tags, further documents; only the first syntax error ends it.

use std::collections::hash_map::Entry as MapEntry;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use serde_yaml::granit_parser::{self as yaml, Event, Parser, ScalarStyle};

use super::events::{scan_problem, span_of};
use super::node::{Group, NO_USE, Node, NodeId, Nodes, Pair, Problem, Shape, Slot, Span, Value, between};

/// Deepest nesting of a file. The deepest key there is has 9 levels; this bounds every recursion over the tree.
const MAX_DEPTH: u32 = 48;
/// Most nodes that a file may stand for with its aliases written out, beyond those that are written in it.
const MAX_ALIASED_NODES: u32 = 200_000;
/// After so many problems a file is not worth reading on.
const MAX_PROBLEMS: usize = 50;
/// Shortest mapping whose keys are looked up in a table: below, comparing them one by one is faster.
const MANY_KEYS: usize = 16;

/// Reads one file. The tree is missing when there is no usable one; problems may come with a tree.
pub(in crate::config) fn compose(text: &Arc<str>) -> (Option<Nodes>, Vec<Problem>) {
    let options = yaml::options! { emit_comments: false, disallow_directives: true };
    let mut composer = Composer::new(text);
    for event in Parser::new_from_str_with_options(text, options) {
        let step = match event {
            Ok((event, span)) => {
                if let Some(tag) = span.tag_span() {
                    composer.refuse_tag(span_of(text, &tag));
                }
                composer.event(event, span_of(text, &span))
            }
            Err(error) => Err(scan_problem(text, &error)),
        };
        if let Err(problem) = step {
            composer.problems.push(problem);
            return (None, composer.problems);
        }
        if composer.problems.len() >= MAX_PROBLEMS {
            return (None, composer.problems);
        }
    }
    composer.done()
}

struct Composer {
    made: Nodes,
    open: Vec<Frame>,
    /// Elements of the sequences that have begun, the innermost last.
    items: Vec<NodeId>,
    /// Entries of the mappings that have begun, the innermost last.
    pairs: Vec<Pair>,
    anchors: HashMap<usize, NodeId>,
    aliased: u32,
    documents: u32,
    has_root: bool,
    problems: Vec<Problem>,
}

/// A collection that has begun and not ended.
struct Frame {
    start: Span,
    anchor: usize,
    body: Body,
    height: u32,
    weight: u32,
}

enum Body {
    /// Where its elements begin.
    List(usize),
    Map {
        /// Where its entries begin.
        first: usize,
        key: Option<NodeId>,
        merges: Vec<(Span, NodeId)>,
        /// Keys and their places, once there are many.
        index: HashMap<Box<str>, Span>,
    },
}

type Step = Result<(), Problem>;

impl Composer {
    fn new(text: &Arc<str>) -> Self {
        let made = Nodes {
            text: Arc::clone(text),
            slots: Vec::new(),
            groups: Vec::new(),
            pairs: Vec::new(),
            items: Vec::new(),
            words: String::new(),
            ranges: Vec::new(),
            uses: Vec::new(),
            root: 0,
        };
        let (open, items, pairs, problems) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Self { made, open, items, pairs, anchors: HashMap::new(), aliased: 0, documents: 0, has_root: false, problems }
    }

    fn done(mut self) -> (Option<Nodes>, Vec<Problem>) {
        if !self.has_root {
            self.problems.push(Problem::new(
                Span { start: 0, end: 0 },
                "the file is empty",
                "remove it, or write `projects: {}` if that is meant: an empty file may be one that is only half written",
            ));
            return (None, self.problems);
        }
        // They stay as long as the configuration is in force.
        self.made.slots.shrink_to_fit();
        self.made.groups.shrink_to_fit();
        self.made.pairs.shrink_to_fit();
        self.made.items.shrink_to_fit();
        (Some(self.made), self.problems)
    }

    fn event(&mut self, event: Event<'_>, span: Span) -> Step {
        match event {
            Event::DocumentStart(..) => self.document(span),
            Event::Scalar(text, style, anchor, _) => {
                let shape = self.scalar(&text, style, span);
                let node = self.add(span, shape);
                self.finished(node, anchor, None)
            }
            Event::SequenceStart(_, anchor, _) => self.begin(span, anchor, Body::List(self.items.len())),
            Event::MappingStart(_, anchor, _) => {
                let first = self.pairs.len();
                self.begin(span, anchor, Body::Map { first, key: None, merges: vec![], index: HashMap::new() })
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(span),
            Event::Alias(id) => self.alias(id, span),
            // Comments, anchors by name and unresolved aliases are not asked for; the enum is open.
            _ => Ok(()),
        }
    }

    fn document(&mut self, span: Span) -> Step {
        self.documents += 1;
        if self.documents > 1 {
            return Err(Problem::new(
                span,
                "a second document begins here",
                "remove the `---`, or put what follows into a file of its own",
            ));
        }
        Ok(())
    }

    fn refuse_tag(&mut self, span: Span) {
        self.problems.push(Problem::new(span, "tags (`!name`) are not supported", "remove the tag"));
    }

    fn add(&mut self, span: Span, shape: Shape) -> NodeId {
        self.made.slots.push(Slot { span, shape });
        last(self.made.slots.len())
    }

    /// Most scalars stand in the file as they are read; only the others are texts of their own.
    fn scalar(&mut self, text: &str, style: ScalarStyle, span: Span) -> Shape {
        match style {
            ScalarStyle::Plain if span.of(&self.made.text) == Some(text) => Shape::Plain,
            ScalarStyle::Plain => Shape::PlainWord(self.word(text)),
            _ if between(span).of(&self.made.text) == Some(text) => Shape::Quoted,
            _ => Shape::Word(self.word(text)),
        }
    }

    fn word(&mut self, text: &str) -> u32 {
        let start = self.made.words.len();
        self.made.words.push_str(text);
        self.made.ranges.push(Span { start: number(start), end: number(self.made.words.len()) });
        last(self.made.ranges.len())
    }

    fn begin(&mut self, span: Span, anchor: usize, body: Body) -> Step {
        // An anchor may be used before its own end only by a file that contains itself.
        self.open.push(Frame { start: span, anchor, body, height: 0, weight: 1 });
        self.check_depth(span, 0)
    }

    fn check_depth(&self, span: Span, height: u32) -> Step {
        let depth = u32::try_from(self.open.len()).unwrap_or(u32::MAX);
        if depth.saturating_add(height) <= MAX_DEPTH {
            return Ok(());
        }
        Err(Problem::new(span, format!("nested deeper than {MAX_DEPTH} levels"), "no key needs that"))
    }

    fn end(&mut self, span: Span) -> Step {
        let Some(Frame { start, anchor, body, height, weight }) = self.open.pop() else { return Ok(()) };
        let group =
            |first: usize, end: usize| Group { first: number(first), end: number(end), height: height + 1, weight };
        let (group, is_map) = match body {
            Body::List(first) => {
                let at = self.made.items.len();
                self.made.items.extend(self.items.drain(first..));
                (group(at, self.made.items.len()), false)
            }
            Body::Map { first, merges, .. } => {
                self.merge(first, &merges);
                let at = self.made.pairs.len();
                self.made.pairs.extend(self.pairs.drain(first..));
                (group(at, self.made.pairs.len()), true)
            }
        };
        self.made.groups.push(group);
        let at = last(self.made.groups.len());
        let span = Span { start: start.start, end: span.end.max(start.end) };
        let node = self.add(span, if is_map { Shape::Map(at) } else { Shape::List(at) });
        self.finished(node, anchor, None)
    }

    fn alias(&mut self, id: usize, span: Span) -> Step {
        let Some(id) = self.anchors.get(&id).copied() else {
            return Err(Problem::new(span, "this alias is inside of what it refers to", "name another anchor"));
        };
        let node = self.made.node(id);
        self.check_depth(span, node.height())?;
        self.aliased = self.aliased.saturating_add(node.weight());
        if self.aliased > MAX_ALIASED_NODES {
            return Err(Problem::new(
                span,
                format!("the aliases of this file stand for more than {MAX_ALIASED_NODES} values"),
                "write the values out, or use fewer aliases of aliases",
            ));
        }
        self.finished(id, 0, Some(span))
    }

    /// Puts a finished node where it belongs: as a value, an element, a key, or the root.
    fn finished(&mut self, node: NodeId, anchor: usize, via: Option<Span>) -> Step {
        if anchor != 0 {
            self.anchors.insert(anchor, node);
        }
        let (height, weight) = (self.made.node(node).height(), self.made.node(node).weight());
        let Some(frame) = self.open.last_mut() else {
            (self.made.root, self.has_root) = (node, true);
            return Ok(());
        };
        frame.height = frame.height.max(height);
        frame.weight = frame.weight.saturating_add(weight);
        let key = match &mut frame.body {
            Body::List(_) => {
                self.items.push(node);
                return Ok(());
            }
            Body::Map { key, .. } => key.take(),
        };
        match key {
            None => self.key(node, via),
            Some(key) => {
                self.entry(key, node, via);
                Ok(())
            }
        }
    }

    /// A key, and what follows is its value.
    fn key(&mut self, node: NodeId, via: Option<Span>) -> Step {
        let Some(scalar) = self.made.scalar(node) else {
            return Err(Problem::new(
                self.made.node(node).span(),
                "a list or mapping is used as a key",
                "keys are text; a value that begins with `{{` or `[` needs quotes",
            ));
        };
        let named = match via {
            None => node,
            // A key that is an alias is shown where it is used.
            Some(span) => {
                let text = scalar.text.to_owned();
                let shape = Shape::Word(self.word(&text));
                self.add(span, shape)
            }
        };
        if let Some(Frame { body: Body::Map { key, .. }, .. }) = self.open.last_mut() {
            *key = Some(named);
        }
        Ok(())
    }

    fn entry(&mut self, key: NodeId, value: NodeId, via: Option<Span>) {
        let Some(Frame { body: Body::Map { first, merges, index, .. }, .. }) = self.open.last_mut() else { return };
        let (name, span) = (self.made.scalar(key).map_or("", |scalar| scalar.text), self.made.node(key).span());
        if name == "<<" {
            merges.push((via.unwrap_or(span), value));
            return;
        }
        if let Some(first) = seen(&self.made, &self.pairs[*first..], index, name, span) {
            self.problems.push(duplicate(name, span, first));
            return;
        }
        let via = via.map_or(NO_USE, |span| used(&mut self.made, span));
        self.pairs.push(Pair { key, value, via });
    }

    /// Carries out `<<`: keys that are not there already are taken over, the first source wins.
    fn merge(&mut self, first: usize, merges: &[(Span, NodeId)]) {
        if merges.is_empty() {
            return;
        }
        let name = |made: &Nodes, pair: &Pair| made.scalar(pair.key).map_or("", |scalar| scalar.text).to_owned();
        let mut known: HashSet<String> = self.pairs[first..].iter().map(|pair| name(&self.made, pair)).collect();
        for (via, node) in merges {
            let sources: Vec<Node<'_>> = match self.made.node(*node).value() {
                Value::List(items) => items.collect(),
                Value::Map(_) | Value::Scalar(_) => vec![self.made.node(*node)],
            };
            let mut new = Vec::new();
            for source in sources {
                let Value::Map(inherited) = source.value() else {
                    let title = "`<<` merges a mapping, or a list of mappings";
                    self.problems.push(Problem::new(*via, title, "write `<<: *name` with an anchor on a mapping"));
                    continue;
                };
                new.extend(inherited.pairs().iter().filter(|pair| known.insert(name(&self.made, pair))).copied());
            }
            let via = used(&mut self.made, *via);
            self.pairs.extend(new.into_iter().map(|pair| Pair { via, ..pair }));
        }
    }
}

/// Remembers where something is used.
fn used(made: &mut Nodes, span: Span) -> u32 {
    made.uses.push(span);
    last(made.uses.len())
}

/// A position in a table. A file is at most a megabyte, and its tables are not much longer.
fn number(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(NO_USE)
}

/// The position of what was added last.
fn last(len: usize) -> u32 {
    number(len).saturating_sub(1)
}

impl Problem {
    fn new(span: Span, title: impl Into<String>, help: impl Into<String>) -> Self {
        Self { span, title: title.into(), other: None, help: Some(help.into()) }
    }
}

/// The place of a key that is there already; else remembers it.
fn seen(made: &Nodes, pairs: &[Pair], index: &mut HashMap<Box<str>, Span>, name: &str, span: Span) -> Option<Span> {
    let named = |pair: &Pair| made.scalar(pair.key).map_or("", |scalar| scalar.text);
    if pairs.len() < MANY_KEYS {
        return pairs.iter().find(|pair| named(pair) == name).map(|pair| made.node(pair.key).span());
    }
    if index.is_empty() {
        index.extend(pairs.iter().map(|pair| (named(pair).into(), made.node(pair.key).span())));
    }
    match index.entry(name.into()) {
        MapEntry::Occupied(first) => Some(*first.get()),
        MapEntry::Vacant(place) => {
            place.insert(span);
            None
        }
    }
}

fn duplicate(name: &str, span: Span, first: Span) -> Problem {
    Problem {
        span,
        title: format!("`{name}` is defined twice"),
        other: Some((first, "first defined here")),
        help: Some("keep one of the two".to_owned()),
    }
}
