//! What differs between two specs, field by field, without ever showing a secret (R28).

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use crate::model::DesiredStage;

/// One field that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FieldChange {
    /// Where, as in `environment.LOG_LEVEL`.
    pub path: String,
    /// The old value; none when it was not there.
    pub old: Option<String>,
    /// The new value; none when it is gone.
    pub new: Option<String>,
}

/// Every field that differs, sorted by path. Secrets are compared by reference; their values are told by fingerprint.
pub fn changes(old: &DesiredStage, new: &DesiredStage) -> Vec<FieldChange> {
    let (old, new) = (leaves(old), leaves(new));
    let mut paths: Vec<&String> = old.keys().chain(new.keys()).collect();
    paths.sort();
    paths.dedup();
    paths
        .into_iter()
        .filter(|path| old.get(*path) != new.get(*path))
        .map(|path| FieldChange { path: path.clone(), old: old.get(path).cloned(), new: new.get(path).cloned() })
        .collect()
}

/// Leaves of the JSON form by dotted path. The container's fields stand at the top, as they do in YAML.
pub fn leaves(stage: &DesiredStage) -> BTreeMap<String, String> {
    let mut leaves = BTreeMap::new();
    let Ok(Value::Object(mut fields)) = serde_json::to_value(stage) else {
        return leaves;
    };
    fields.remove("key");
    let container = fields.remove("container");
    for (name, value) in fields.into_iter().chain(container.and_then(as_object).unwrap_or_default()) {
        walk(&name, value, &mut leaves);
    }
    leaves
}

fn as_object(value: Value) -> Option<serde_json::Map<String, Value>> {
    match value {
        Value::Object(map) => Some(map),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => None,
    }
}

fn walk(path: &str, value: Value, leaves: &mut BTreeMap<String, String>) {
    match value {
        Value::Null => {}
        Value::Object(map) => {
            for (name, value) in map {
                walk(&format!("{path}.{name}"), value, leaves);
            }
        }
        Value::String(text) => {
            leaves.insert(path.to_owned(), text);
        }
        Value::Array(list) if list.is_empty() => {}
        Value::Array(_) | Value::Bool(_) | Value::Number(_) => {
            leaves.insert(path.to_owned(), value.to_string());
        }
    }
}
