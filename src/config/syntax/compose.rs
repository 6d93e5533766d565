//! Events of the YAML parser → a tree of nodes.
//!
//! Bounded in depth and in what aliases may add, and it never recurses. It reports everything it can before it gives
//! up: duplicate keys with both places, tags, further documents; only the first syntax error ends it.

use std::collections::hash_map::Entry as MapEntry;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use serde_yaml::granit_parser::{self as yaml, Event, Parser, ScalarStyle};

use super::events::{scan_problem, span_of};
use super::node::{Entry, Key, Node, Problem, Span, Value};
use super::scalar::Scalar;

/// Deepest nesting of a file. The deepest key there is has 9 levels; this bounds every recursion over the tree.
const MAX_DEPTH: u32 = 48;
/// Most nodes that a file may stand for with its aliases written out, beyond those that are written in it.
const MAX_ALIASED_NODES: u32 = 200_000;
/// After so many problems a file is not worth reading on.
const MAX_PROBLEMS: usize = 50;
/// Shortest mapping whose keys are looked up in a table: below, comparing them one by one is faster.
const MANY_KEYS: usize = 16;

/// Reads one file. The tree is missing when there is no usable one; problems may come with a tree.
pub(in crate::config) fn compose(text: &str) -> (Option<Arc<Node>>, Vec<Problem>) {
    let options = yaml::options! { emit_comments: false, disallow_directives: true };
    let mut composer = Composer::default();
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
    if composer.root.is_none() {
        composer.problems.push(Problem::new(
            Span { start: 0, end: 0 },
            "the file is empty",
            "remove it, or write `projects: {}` if that is meant: an empty file may be one that is only half written",
        ));
    }
    (composer.root, composer.problems)
}

#[derive(Default)]
struct Composer {
    open: Vec<Frame>,
    anchors: HashMap<usize, Arc<Node>>,
    aliased: u32,
    documents: u32,
    root: Option<Arc<Node>>,
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
    List(Vec<Arc<Node>>),
    Map {
        entries: Vec<Entry>,
        key: Option<Key>,
        merges: Vec<(Span, Arc<Node>)>,
        /// Keys and their places, once there are many.
        index: HashMap<Box<str>, Span>,
    },
}

type Step = Result<(), Problem>;

impl Composer {
    fn event(&mut self, event: Event<'_>, span: Span) -> Step {
        match event {
            Event::DocumentStart(..) => self.document(span),
            Event::Scalar(text, style, anchor, _) => {
                let scalar = Scalar { text: text.into(), plain: style == ScalarStyle::Plain };
                let node = Node { span, value: Value::Scalar(scalar), height: 1, weight: 1 };
                self.finished(Arc::new(node), anchor, None)
            }
            Event::SequenceStart(_, anchor, _) => self.begin(span, anchor, Body::List(Vec::new())),
            Event::MappingStart(_, anchor, _) => {
                let body = Body::Map { entries: vec![], key: None, merges: vec![], index: HashMap::new() };
                self.begin(span, anchor, body)
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
        let value = match body {
            Body::List(items) => Value::List(items),
            Body::Map { mut entries, merges, .. } => {
                self.merge(&mut entries, &merges);
                Value::Map(entries)
            }
        };
        let span = Span { start: start.start, end: span.end.max(start.end) };
        self.finished(Arc::new(Node { span, value, height: height + 1, weight }), anchor, None)
    }

    fn alias(&mut self, id: usize, span: Span) -> Step {
        let Some(node) = self.anchors.get(&id).cloned() else {
            return Err(Problem::new(span, "this alias is inside of what it refers to", "name another anchor"));
        };
        self.check_depth(span, node.height)?;
        self.aliased = self.aliased.saturating_add(node.weight);
        if self.aliased > MAX_ALIASED_NODES {
            return Err(Problem::new(
                span,
                format!("the aliases of this file stand for more than {MAX_ALIASED_NODES} values"),
                "write the values out, or use fewer aliases of aliases",
            ));
        }
        self.finished(node, 0, Some(span))
    }

    /// Puts a finished node where it belongs: as a value, an element, a key, or the root.
    fn finished(&mut self, node: Arc<Node>, anchor: usize, via: Option<Span>) -> Step {
        if anchor != 0 {
            self.anchors.insert(anchor, Arc::clone(&node));
        }
        let Some(frame) = self.open.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        frame.height = frame.height.max(node.height);
        frame.weight = frame.weight.saturating_add(node.weight);
        match &mut frame.body {
            Body::List(items) => items.push(node),
            Body::Map { entries, key, merges, index } => match key.take() {
                None => *key = Some(as_key(&node, via)?),
                Some(k) if &*k.text == "<<" => merges.push((via.unwrap_or(k.span), node)),
                Some(k) => {
                    if let Some(first) = seen(entries, index, &k) {
                        self.problems.push(duplicate(&k, first));
                    } else {
                        entries.push(Entry { key: k, value: node, via });
                    }
                }
            },
        }
        Ok(())
    }

    /// Carries out `<<`: keys that are not there already are taken over, the first source wins.
    fn merge(&mut self, entries: &mut Vec<Entry>, merges: &[(Span, Arc<Node>)]) {
        if merges.is_empty() {
            return;
        }
        let mut known: HashSet<Box<str>> = entries.iter().map(|e| e.key.text.clone()).collect();
        for (via, node) in merges {
            let sources: &[Arc<Node>] = match &node.value {
                Value::List(items) => items,
                Value::Map(_) | Value::Scalar(_) => std::slice::from_ref(node),
            };
            for source in sources {
                let Value::Map(inherited) = &source.value else {
                    let title = "`<<` merges a mapping, or a list of mappings";
                    self.problems.push(Problem::new(*via, title, "write `<<: *name` with an anchor on a mapping"));
                    continue;
                };
                let new = inherited.iter().filter(|e| known.insert(e.key.text.clone()));
                entries.extend(new.map(|e| Entry { via: Some(*via), ..e.clone() }));
            }
        }
    }
}

impl Problem {
    fn new(span: Span, title: impl Into<String>, help: impl Into<String>) -> Self {
        Self { span, title: title.into(), other: None, help: Some(help.into()) }
    }
}

fn as_key(node: &Node, via: Option<Span>) -> Result<Key, Problem> {
    match &node.value {
        Value::Scalar(scalar) => Ok(Key { text: scalar.text.clone(), span: via.unwrap_or(node.span) }),
        Value::List(_) | Value::Map(_) => Err(Problem::new(
            node.span,
            "a list or mapping is used as a key",
            "keys are text; a value that begins with `{{` or `[` needs quotes",
        )),
    }
}

/// The place of a key that is there already; else remembers it.
fn seen(entries: &[Entry], index: &mut HashMap<Box<str>, Span>, key: &Key) -> Option<Span> {
    if entries.len() < MANY_KEYS {
        return entries.iter().find(|e| e.key.text == key.text).map(|e| e.key.span);
    }
    if index.is_empty() {
        index.extend(entries.iter().map(|e| (e.key.text.clone(), e.key.span)));
    }
    match index.entry(key.text.clone()) {
        MapEntry::Occupied(first) => Some(*first.get()),
        MapEntry::Vacant(place) => {
            place.insert(key.span);
            None
        }
    }
}

fn duplicate(key: &Key, first: Span) -> Problem {
    Problem {
        span: key.span,
        title: format!("`{}` is defined twice", key.text),
        other: Some((first, "first defined here")),
        help: Some("keep one of the two".to_owned()),
    }
}
