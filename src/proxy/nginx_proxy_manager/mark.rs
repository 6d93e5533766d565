//! Our mark in the `meta` of a host: whose it is, and which of the fields that people set there as well are ours.
//!
//! A field such as the access list is ours from the write with which a stage asked for something in it, until the write
//! after which it asks for nothing there. What is not ours is neither compared nor written: who guards a host by hand must
//! not find it open because the YAML says nothing of it (R5). Of the locations each path is ours, or theirs, by itself.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::model::{HostOptions, StageKey, StoreId};

/// Answers are kept.
pub(super) const CACHING: &str = "caching";
/// Who may ask.
pub(super) const ACCESS_LIST: &str = "access_list";
/// Text in nginx's own language.
pub(super) const ADVANCED: &str = "advanced";
/// There are redirection hosts that belong to it.
pub(super) const REDIRECTS: &str = "redirects";

/// Which fields of a host are ours beside those that always are. Names are in lower case and without digits: newer admin
/// pages rewrite other spellings of keys, and these might become some.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Owned {
    fields: BTreeSet<String>,
    /// Paths of locations.
    pub(super) paths: Vec<String>,
}

impl Owned {
    /// What asking for these options makes ours.
    pub(super) fn asked_by(options: &HostOptions) -> Self {
        let HostOptions { caching, access_list, locations, advanced, redirects, .. } = options;
        let asked = [
            (CACHING, *caching),
            (ACCESS_LIST, access_list.is_some()),
            (ADVANCED, !advanced.is_empty()),
            (REDIRECTS, !redirects.is_empty()),
        ];
        let fields = asked.into_iter().filter(|(_, is_asked)| *is_asked).map(|(name, _)| name.to_owned()).collect();
        Self { fields, paths: locations.iter().map(|location| location.path.clone()).collect() }
    }

    /// There are redirection hosts, and nothing else is ours but what always is.
    pub(super) fn redirects() -> Self {
        Self { fields: BTreeSet::from([REDIRECTS.to_owned()]), paths: Vec::new() }
    }

    /// True when this field is ours.
    pub(super) fn has(&self, field: &str) -> bool {
        self.fields.contains(field)
    }
}

/// Reads a mark; none for one that names nobody.
pub(super) fn read(value: &Value) -> Option<((StoreId, StageKey), Owned)> {
    let text = |key: &str| value.get(key).and_then(Value::as_str);
    let list = |key: &str| value.get(key).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    let (project, stage) = (text("project")?.parse().ok()?, text("stage")?.parse().ok()?);
    let owner = (StoreId(text("store")?.parse().ok()?), StageKey::new(project, stage));
    let all = Owned {
        fields: list("fields").map(ToOwned::to_owned).collect(),
        paths: list("paths").map(ToOwned::to_owned).collect(),
    };
    Some((owner, all))
}

/// A mark as it is written; what it owns beside the usual only where there is something.
pub(super) fn of((store, key): (StoreId, &StageKey), all: &Owned) -> Value {
    let mut mark = json!({ "store": store.to_string(), "project": key.project, "stage": key.stage });
    let Owned { fields, paths } = all;
    if !fields.is_empty() {
        mark["fields"] = json!(fields);
    }
    if !paths.is_empty() {
        mark["paths"] = json!(paths);
    }
    mark
}
