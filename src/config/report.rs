//! Where everything that is found wrong is gathered, and how a place is found for it.

use std::cell::{Cell, RefCell};
use std::fmt::Display;
use std::sync::Arc;

use super::code;
use super::diagnostic::{Diagnostic, Place};
use super::document::Document;
use super::suggest::nearest;
use super::syntax::{Entry, Hit, Node, Span};
use crate::model::name::InvalidName;

/// Gathers diagnostics.
pub(super) struct Report<'a> {
    docs: &'a [Arc<Document>],
    found: RefCell<Vec<Diagnostic>>,
    /// Set while an entry is looked at from which wrong values were left out: then a key that is missing, or does not
    /// fit to another, may be one of those, and only mistakes within a value are worth reporting.
    is_partial: Cell<bool>,
}

/// More are not kept: by then something else is wrong, and a hostile file must not cost time.
const MAX_FOUND: usize = 200;
/// Mistakes within one value, whatever else stands in its entry.
const WITHIN_A_VALUE: &[&str] = &[code::BAD_VALUE, code::BAD_NAME, code::BAD_FILE, code::POLICY];

impl<'a> Report<'a> {
    pub(super) fn new(docs: &'a [Arc<Document>], found: Vec<Diagnostic>) -> Self {
        Self { docs, found: RefCell::new(found), is_partial: Cell::new(false) }
    }

    pub(super) fn add(&self, diagnostic: Diagnostic) {
        if !self.is_full() && (!self.is_partial.get() || WITHIN_A_VALUE.contains(&diagnostic.code)) {
            self.found.borrow_mut().push(diagnostic);
        }
    }

    /// True when no more is kept.
    pub(super) fn is_full(&self) -> bool {
        self.found.borrow().len() >= MAX_FOUND
    }

    /// Runs something on an entry that may be incomplete.
    pub(super) fn on<T>(&self, is_whole: bool, work: impl FnOnce() -> T) -> T {
        let before = self.is_partial.replace(self.is_partial.get() || !is_whole);
        let result = work();
        self.is_partial.set(before);
        result
    }

    /// The documents, for a report of a part of the work that [`Self::take_in`] takes in.
    pub(super) fn docs(&self) -> &'a [Arc<Document>] {
        self.docs
    }

    /// Adds what was found in a part, as if it had been found here.
    pub(super) fn take_in(&self, found: Vec<Diagnostic>) {
        for diagnostic in found {
            self.add(diagnostic);
        }
    }

    pub(super) fn into_list(self) -> Vec<Diagnostic> {
        self.found.into_inner()
    }

    /// A place in one of the documents.
    pub(super) fn place(&self, doc: usize, span: Span) -> Place {
        self.docs.get(doc).map_or_else(|| Place::file(""), |d| d.place(span))
    }
}

/// An entry of a file: `settings`, a registry, a project, or a stage.
#[derive(Debug, Clone, Copy)]
pub(super) struct Item<'a> {
    /// Index of its document.
    pub(super) doc: usize,
    /// Its key, value, and where it is used.
    pub(super) entry: Entry<'a>,
}

impl<'a> Item<'a> {
    /// Its name as written.
    pub(super) fn name(&self) -> &'a str {
        self.entry.name()
    }

    /// Its value.
    pub(super) fn node(&self) -> Node<'a> {
        self.entry.value()
    }

    /// The place of its key.
    pub(super) fn place(&self, report: &Report<'_>) -> Place {
        report.place(self.doc, self.entry.span())
    }
}

/// Finds places within an entry, and behind it within the entry that it inherits from, and reports there.
#[derive(Clone, Copy)]
pub(super) struct Site<'a> {
    pub(super) report: &'a Report<'a>,
    pub(super) own: &'a Item<'a>,
    /// A stage's project.
    pub(super) base: Option<&'a Item<'a>>,
    /// Set when anything was wrong here.
    pub(super) failed: &'a Cell<bool>,
}

/// Which part of an entry a diagnostic points at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Key,
    Value,
}

impl Site<'_> {
    fn hit(&self, path: &str) -> (usize, Hit) {
        let own = self.own.node().find(path).map(|hit| (self.own.doc, hit));
        let base = || self.base.and_then(|b| b.node().find(path).map(|hit| (b.doc, hit)));
        let whole = Hit { key: Some(self.own.entry.span()), value: self.own.entry.span(), via: None };
        own.filter(|_| !path.is_empty()).or_else(base).filter(|_| !path.is_empty()).unwrap_or((self.own.doc, whole))
    }

    /// The place of a value by its path; of its nearest ancestor when it is not there; `""` is the entry's name.
    pub(super) fn at(&self, part: Part, path: &str) -> Place {
        if self.report.is_full() {
            return Place::file("");
        }
        let mut path = path;
        loop {
            let (doc, hit) = self.hit(path);
            let is_there = path.is_empty() || hit.value != self.own.entry.span();
            if is_there {
                let span = if part == Part::Key { hit.key.unwrap_or(hit.value) } else { hit.value };
                return self.report.place(doc, span);
            }
            path = path.rsplit_once('.').map_or("", |(parent, _)| parent);
        }
    }

    /// An error at a value.
    pub(super) fn error(&self, code: &'static str, path: &str, title: impl Into<String>) -> Diagnostic {
        self.failed.set(true);
        self.with_use(path, Diagnostic::error(code, self.at(Part::Value, path), title))
    }

    /// An error at a key.
    pub(super) fn error_at_key(&self, code: &'static str, path: &str, title: impl Into<String>) -> Diagnostic {
        self.failed.set(true);
        self.with_use(path, Diagnostic::error(code, self.at(Part::Key, path), title))
    }

    /// Says where a value is used that is written elsewhere.
    fn with_use(&self, path: &str, diagnostic: Diagnostic) -> Diagnostic {
        if self.report.is_full() {
            return diagnostic;
        }
        let (doc, hit) = self.hit(path);
        self.with_taker(path, diagnostic.other(hit.via.map(|span| self.report.place(doc, span)), "used here"))
    }

    /// Says which stage a route is of that stands in its project.
    fn with_taker(&self, path: &str, diagnostic: Diagnostic) -> Diagnostic {
        match self.base.filter(|_| path.starts_with("route") && self.is_taken(path)) {
            Some(base) => diagnostic.taken_by(format!("{}/{}", base.name(), self.own.name())),
            None => diagnostic,
        }
    }

    /// True when a stage takes what stands at a path, or the nearest thing there is, from its project.
    pub(super) fn is_taken(&self, path: &str) -> bool {
        let Some(base) = self.base else { return false };
        let mut path = path;
        while !path.is_empty() {
            if self.own.node().find(path).is_some() {
                return false;
            }
            if base.node().find(path).is_some() {
                return true;
            }
            path = path.rsplit_once('.').map_or("", |(parent, _)| parent);
        }
        false
    }

    /// Reports an error at a value, with its remedy.
    pub(super) fn refuse(&self, code: &'static str, path: &str, title: impl Into<String>, help: impl Into<String>) {
        self.report.add(self.error(code, path, title).help(help));
    }

    /// Reports a warning at a value, with its remedy.
    pub(super) fn warn(&self, path: &str, title: impl Into<String>, help: impl Into<String>) {
        let place = self.at(Part::Value, path);
        let warning = Diagnostic::warning(code::SUSPICIOUS, place, title).help(help);
        self.report.add(self.with_taker(path, warning));
    }

    /// Parses a text, reporting at its path why it is not what it should be.
    pub(super) fn parse<T: std::str::FromStr<Err = InvalidName>>(&self, path: &str, text: &str) -> Option<T> {
        text.parse().map_err(|error| self.invalid(code::BAD_VALUE, Part::Value, path, &error)).ok()
    }

    /// Reports a checked type's own words: what is wrong before the colon, the remedy after it.
    pub(super) fn invalid(&self, code: &'static str, part: Part, path: &str, error: &dyn Display) {
        let text = error.to_string();
        let (title, help) = text.split_once(": ").unwrap_or((&text, ""));
        let at = if part == Part::Key { self.error_at_key(code, path, title) } else { self.error(code, path, title) };
        self.report.add(if help.is_empty() { at } else { at.help(help) });
    }

    /// Reports a value that names something, with the nearest name there is.
    pub(super) fn no_such<'n>(
        &self,
        code: &'static str,
        path: &str,
        title: String,
        wanted: &str,
        names: impl Iterator<Item = &'n str>,
    ) {
        let error = self.error(code, path, title);
        self.report.add(match nearest(wanted, names) {
            Some(name) => error.help(format!("there is `{name}`")),
            None => error,
        });
    }
}
