//! What differs between two specs, field by field, without ever showing a secret (R28).

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use crate::model::spec::{Mount, MountSource, PublishedPort};
use crate::model::{Bytes, DesiredStage, Millis};

/// Fields that the YAML knows under another name.
const NAMES: &[(&str, &str)] = &[("repository", "image"), ("domains", "route.domains"), ("milli_cpus", "cpus")];
/// Keys whose numbers are durations.
const DURATIONS: &[&str] =
    &["drain", "stop_grace_period", "monitor", "interval", "timeout", "deadline", "start_period"];
/// Keys whose numbers are sizes.
const SIZES: &[&str] = &["mem_limit", "shm_size"];

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

/// Leaves of the JSON form by dotted path, in the words and units of the YAML. Mounts go by their target and published
/// ports by their port of the host, so that one that changes shows no other.
pub fn leaves(stage: &DesiredStage) -> BTreeMap<String, String> {
    let mut leaves = BTreeMap::new();
    let Ok(Value::Object(mut fields)) = serde_json::to_value(stage) else {
        return leaves;
    };
    fields.remove("key");
    let mut container = fields.remove("container").and_then(as_object).unwrap_or_default();
    container.remove("mounts");
    container.remove("ports");
    for (name, value) in fields.into_iter().chain(container) {
        let renamed = NAMES.iter().find(|(field, _)| *field == name).map_or(name.as_str(), |(_, key)| key);
        walk(renamed, value, &mut leaves);
    }
    leaves.extend(stage.container.mounts.iter().map(|m| (format!("volumes.{}", m.target), mounted(m))));
    leaves.extend(stage.container.ports.iter().map(published));
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
                // `ready: { http: … }` is what the YAML says.
                let inner = if path == "ready" && name == "check" { path.to_owned() } else { format!("{path}.{name}") };
                walk(&inner, value, leaves);
            }
        }
        Value::String(text) => {
            leaves.insert(path.to_owned(), text);
        }
        Value::Array(list) if list.is_empty() => {}
        Value::Array(ends) if path == "ready.http.expect" => {
            let ends: Vec<String> = ends.iter().map(Value::to_string).collect();
            leaves.insert(path.to_owned(), ends.join("-"));
        }
        Value::Number(number) => {
            leaves.insert(path.to_owned(), with_unit(path, &number));
        }
        Value::Array(_) | Value::Bool(_) => {
            leaves.insert(path.to_owned(), value.to_string());
        }
    }
}

/// A number as it is written in the YAML.
fn with_unit(path: &str, number: &serde_json::Number) -> String {
    let key = path.rsplit_once('.').map_or(path, |(_, key)| key);
    match number.as_u64() {
        Some(ms) if DURATIONS.contains(&key) => Millis(ms).to_string(),
        Some(bytes) if SIZES.contains(&key) => Bytes(bytes).to_string(),
        Some(thousandths) if key == "cpus" => {
            let text = format!("{}.{:03}", thousandths / 1000, thousandths % 1000);
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        }
        Some(_) | None => number.to_string(),
    }
}

fn mounted(mount: &Mount) -> String {
    let source = match &mount.source {
        MountSource::Volume(name) => name.clone(),
        MountSource::ExternalVolume(name) => format!("{name} (external)"),
        MountSource::HostPath(path) => path.clone(),
        MountSource::ConfigTree { path, hash } => format!("./{path} (content {})", hash.get(..12).unwrap_or(hash)),
        MountSource::Tmpfs { size, mode } => {
            let size = size.map(|size| format!(" size={size}")).unwrap_or_default();
            let mode = mode.map(|mode| format!(" mode={mode:o}")).unwrap_or_default();
            format!("tmpfs{size}{mode}")
        }
    };
    if mount.read_only { format!("{source} read-only") } else { source }
}

fn published(port: &PublishedPort) -> (String, String) {
    let PublishedPort { host_ip, host_port, container_port, protocol } = port;
    let address = host_ip.as_ref().map(|ip| format!("{ip}:")).unwrap_or_default();
    (format!("ports.{address}{host_port}/{}", protocol.as_str()), container_port.to_string())
}
