//! What is wrong in the configuration, where, and what to do about it.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use serde::Serialize;

/// Longest message, in characters: some lines of a terminal.
const MAX_TITLE: usize = 400;

/// So many of the stages that take something from their project are named.
const MAX_TAKERS: usize = 3;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// The configuration is refused.
    Error,
    /// The configuration is accepted.
    Warning,
}

/// A place in a file of the configuration.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Place {
    /// File, relative to the config directory, with `/`.
    pub file: String,
    /// Line, from 1; 0 for the file as a whole.
    pub line: u32,
    /// Column in characters, from 1; 0 for the file as a whole.
    pub column: u32,
    /// First byte.
    pub start: usize,
    /// Byte after the last.
    pub end: usize,
}

impl Place {
    /// A file as a whole.
    pub(super) fn file(path: &str) -> Self {
        Self { file: path.to_owned(), line: 0, column: 0, start: 0, end: 0 }
    }
}

/// A second place that matters, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Label {
    /// Where.
    #[serde(flatten)]
    pub place: Place,
    /// What is there.
    pub text: String,
}

/// One thing that is wrong, or suspicious.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// Stable code such as `C0201`.
    pub code: &'static str,
    /// What is wrong, in one line.
    #[serde(rename = "message")]
    pub title: String,
    /// Where.
    #[serde(flatten)]
    pub place: Place,
    /// A few words at the place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// Other places that matter.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub others: Vec<Label>,
    /// The remedy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
    /// What to write at the place instead, when that is likely what was meant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replacement: Option<String>,
    /// Ranges of the file that may hold a secret written in the wrong place: never shown (R28).
    #[serde(skip)]
    pub(super) hidden: Vec<Range<usize>>,
    /// The stages that take from their project what stands at the place: told in the label.
    #[serde(skip)]
    pub(super) takers: Vec<String>,
}

impl Diagnostic {
    /// An error.
    pub(super) fn error(code: &'static str, place: Place, title: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            code,
            title: title.into(),
            place,
            label: None,
            others: Vec::new(),
            help: None,
            replacement: None,
            hidden: Vec::new(),
            takers: Vec::new(),
        }
    }

    /// A warning.
    pub(super) fn warning(code: &'static str, place: Place, title: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, place, title) }
    }

    /// With the remedy.
    pub(super) fn help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }

    /// With a few words at the place.
    pub(super) fn label(self, label: impl Into<String>) -> Self {
        Self { label: Some(label.into()), ..self }
    }

    /// With what to write instead.
    pub(super) fn replacement(self, text: impl Into<String>) -> Self {
        Self { replacement: Some(text.into()), ..self }
    }

    /// With its own place masked where the source line is shown.
    pub(super) fn hidden(mut self) -> Self {
        self.hidden.push(self.place.start..self.place.end);
        self
    }

    /// With a stage that takes from its project what stands at the place.
    pub(super) fn taken_by(mut self, stage: String) -> Self {
        self.takers.push(stage);
        self
    }

    /// With another place.
    pub(super) fn other(mut self, place: Option<Place>, text: impl Into<String>) -> Self {
        self.others.extend(place.map(|place| Label { place, text: text.into() }));
        self
    }
}

/// Diagnostics together with the texts they point into.
#[derive(Debug, Clone, Default)]
pub struct Diagnostics {
    /// In the order of files and places.
    pub list: Vec<Diagnostic>,
    /// Text by file.
    pub(super) sources: BTreeMap<String, Arc<str>>,
    /// Put before file names when shown, such as `config/`; not in JSON.
    pub(super) shown_root: String,
}

impl Diagnostics {
    /// Makes a set, in the order of files and places.
    pub(super) fn new(mut list: Vec<Diagnostic>, sources: BTreeMap<String, Arc<str>>) -> Self {
        list.sort_by(|a, b| (&a.place, a.severity, a.code, &a.title).cmp(&(&b.place, b.severity, b.code, &b.title)));
        list.dedup_by(is_repeated);
        for diagnostic in &mut list {
            name_takers(diagnostic);
            shorten(&mut diagnostic.title);
        }
        Self { list, sources, shown_root: String::new() }
    }

    /// How many are errors.
    pub fn errors(&self) -> usize {
        self.list.iter().filter(|d| d.severity == Severity::Error).count()
    }

    /// True when there is nothing to say.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// For people: each with its source line, caret and help, an empty line between.
    pub fn render(&self, color: bool) -> String {
        super::render::render(self, color)
    }
}

/// True for what is said already, perhaps of another stage of the project: that is named there.
fn is_repeated(later: &mut Diagnostic, first: &mut Diagnostic) -> bool {
    let (more, mut takers) = (std::mem::take(&mut later.takers), std::mem::take(&mut first.takers));
    let is_repeated = later == first;
    if is_repeated {
        takers.extend(more);
        takers.dedup();
    } else {
        later.takers = more;
    }
    first.takers = takers;
    is_repeated
}

/// Which stages it is about, where that does not show at the place.
fn name_takers(diagnostic: &mut Diagnostic) {
    let named: Vec<String> = diagnostic.takers.iter().take(MAX_TAKERS).map(|stage| format!("`{stage}`")).collect();
    let words = match (&named[..], diagnostic.takers.len().saturating_sub(MAX_TAKERS)) {
        ([], _) => return,
        ([one], _) => format!("of {one}, which takes it from its project"),
        ([rest @ .., last], 0) => format!("of {} and {last}, which take it from their project", rest.join(", ")),
        (all, more) => format!("of {} and {more} more, which take it from their project", all.join(", ")),
    };
    diagnostic.label = Some(diagnostic.label.take().map_or(words.clone(), |label| format!("{label}; {words}")));
}

/// Cuts the middle out of a text that quotes a value of any length: what is wrong with it stands at the end.
fn shorten(text: &mut String) {
    if text.chars().count() > MAX_TITLE {
        let head: String = text.chars().take(MAX_TITLE / 2).collect();
        let tail: Vec<char> = text.chars().rev().take(MAX_TITLE / 2).collect();
        *text = head + "…" + &tail.into_iter().rev().collect::<String>();
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

/// As a JSON array.
impl Serialize for Diagnostics {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.list.serialize(serializer)
    }
}
