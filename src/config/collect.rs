//! The entries of all files: settings, registries, projects. A name that is there twice is an error with both places.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::code;
use super::diagnostic::Diagnostic;
use super::document::Document;
use super::report::{Item, Report};
use super::shape;
use super::syntax::{Entry, EntryId, Node, Unknown, Value};

/// The keys of a file.
const KEYS: &[&str] = &["settings", "registries", "projects"];

/// Everything that the files define, by name; nothing is decoded yet.
#[derive(Default)]
pub(super) struct Entries<'a> {
    /// Host-wide values.
    pub(super) settings: Option<Item<'a>>,
    /// Registries by name as written.
    pub(super) registries: BTreeMap<&'a str, Item<'a>>,
    /// Projects by name as written.
    pub(super) projects: BTreeMap<&'a str, Item<'a>>,
    /// False when a file could not be read: then what is missing may stand there.
    pub(super) complete: bool,
}

/// Where the entries stand that are asked for later, once nobody holds the entries themselves.
#[derive(Debug, Default)]
pub(super) struct Index {
    settings: Option<(usize, EntryId)>,
    /// In the order of their names.
    projects: Vec<(usize, EntryId)>,
}

impl Index {
    pub(super) fn of(entries: &Entries<'_>) -> Self {
        let place = |item: &Item<'_>| (item.doc, item.entry.id());
        Self {
            settings: entries.settings.as_ref().map(place),
            projects: entries.projects.values().map(place).collect(),
        }
    }

    pub(super) fn settings<'a>(&self, docs: &'a [Arc<Document>]) -> Option<Item<'a>> {
        item(docs, self.settings?)
    }

    pub(super) fn project<'a>(&self, docs: &'a [Arc<Document>], name: &str) -> Option<Item<'a>> {
        let name_of = |place: &(usize, EntryId)| item(docs, *place).map_or("", |item| item.name());
        let at = self.projects.binary_search_by(|place| name_of(place).cmp(name)).ok()?;
        item(docs, *self.projects.get(at)?)
    }
}

fn item(docs: &[Arc<Document>], (doc, entry): (usize, EntryId)) -> Option<Item<'_>> {
    Some(Item { doc, entry: docs.get(doc)?.nodes.as_ref()?.entry(entry)? })
}

/// Gathers the entries of all documents.
pub(super) fn collect<'a>(docs: &'a [Arc<Document>], report: &Report<'_>) -> Entries<'a> {
    let mut entries = Entries { complete: true, ..Entries::default() };
    for (index, doc) in docs.iter().enumerate() {
        match doc.root() {
            Some(root) => file(&mut entries, index, root, report),
            None => entries.complete = false,
        }
    }
    entries
}

fn file<'a>(entries: &mut Entries<'a>, doc: usize, root: Node<'a>, report: &Report<'_>) {
    if !matches!(root.value(), Value::Map(_)) {
        let (title, help) = if root.is_null() {
            ("the file holds nothing", "remove it, or write `projects: {}` if that is meant")
        } else {
            (
                "a file is a mapping of `settings`, `registries` and `projects`",
                "see `landfall schema` and examples/config",
            )
        };
        report.add(Diagnostic::error(code::WRONG_TYPE, report.place(doc, root.span()), title).help(help));
        entries.complete = false;
        return;
    }
    for entry in root.entries() {
        let item = Item { doc, entry };
        match entry.name() {
            "settings" => define(&mut entries.settings, item, "`settings`", report),
            "registries" => each(&mut entries.registries, &item, "registry", report),
            "projects" => each(&mut entries.projects, &item, "project", report),
            key if key.starts_with("x-") => {}
            _ => {
                let unknown = Unknown::new(entry, "File", KEYS);
                report.add(shape::unknown_key(report, &item, &unknown));
            }
        }
    }
}

fn each<'a>(all: &mut BTreeMap<&'a str, Item<'a>>, group: &Item<'a>, what: &str, report: &Report<'_>) {
    for entry in named(group, report) {
        let item = Item { doc: group.doc, entry };
        let title = format!("{what} `{}`", item.name());
        let mut slot = all.remove(item.name());
        let name = item.name();
        define(&mut slot, item, &title, report);
        all.extend(slot.map(|item| (name, item)));
    }
}

/// The entries of a mapping of names; anything else is an error.
pub(super) fn named<'a>(group: &Item<'a>, report: &Report<'_>) -> Vec<Entry<'a>> {
    if let Value::Map(entries) = group.node().value() {
        return entries.collect();
    }
    let key = group.name();
    let place = group.place(report);
    let diagnostic = if group.node().is_null() {
        Diagnostic::error(code::MISSING, place, format!("`{key}` has no value"))
            .help(format!("write `{key}: {{}}` for none, or remove the key"))
    } else {
        Diagnostic::error(code::WRONG_TYPE, place, format!("`{key}` is a mapping of names"))
            .help(format!("write `{key}: {{ name: {{ … }} }}`"))
    };
    report.add(diagnostic);
    Vec::new()
}

fn define<'a>(slot: &mut Option<Item<'a>>, item: Item<'a>, what: &str, report: &Report<'_>) {
    match slot {
        None => *slot = Some(item),
        Some(first) => report.add(
            Diagnostic::error(code::DUPLICATE, item.place(report), format!("{what} is defined twice"))
                .other(Some(first.place(report)), "first defined here")
                .help("keep one of the two"),
        ),
    }
}
