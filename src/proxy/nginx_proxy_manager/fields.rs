//! The fields of a host that people set as well as stages: caching, access list, locations, text in nginx's own language.
//! What is ours of them is read and written here; `mark` says what that is. Pure.

use serde_json::{Map, Value, json};

use super::mark::{ACCESS_LIST, ADVANCED, CACHING, Owned};
use super::row::flag;
use crate::model::HostOptions;
use crate::model::route::Location;

/// What closes a host: everything it is asked is answered 503, before anything else that it has set but its redirect to
/// https. The header tells this page from an app that answers 503 itself.
const PAGE: &str =
    "add_header X-Landfall maintenance always; add_header Retry-After 60 always; return 503; # landfall maintenance\n";
/// How that line ends, in whatever version it was written.
const PAGE_ENDS: &str = "# landfall maintenance";

/// What a location is written with; all else in one is the server's.
const OF_A_LOCATION: [&str; 7] =
    ["path", "forward_scheme", "forward_host", "forward_port", "forward_path", "advanced_config", "id"];

/// What a host has in those of these fields that are ours; the others are as if nothing was set, which is what is wanted
/// of them.
pub(super) fn seen(raw: &Map<String, Value>, owned: &Owned) -> HostOptions {
    let (maintenance, advanced) = advanced(raw);
    let list = || raw.get("access_list_id").and_then(Value::as_u64).filter(|id| *id > 0);
    let is_ours = |one: &&Value| owned.paths.iter().any(|path| path == text(one, "path"));
    HostOptions {
        caching: owned.has(CACHING) && flag(raw, "caching_enabled"),
        access_list: owned.has(ACCESS_LIST).then(list).flatten(),
        locations: locations(raw).iter().filter(is_ours).map(location).collect(),
        advanced: if owned.has(ADVANCED) { advanced.to_owned() } else { String::new() },
        maintenance,
        ..HostOptions::PLAIN
    }
}

/// Adds what makes this of the fields that are ours, or were.
pub(super) fn write(body: &mut Map<String, Value>, raw: &Map<String, Value>, owned: &Owned, wanted: &HostOptions) {
    let asked = Owned::asked_by(wanted);
    let is_ours = |field: &str| owned.has(field) || asked.has(field);
    if is_ours(CACHING) {
        body.insert("caching_enabled".to_owned(), wanted.caching.into());
    }
    if is_ours(ACCESS_LIST) {
        body.insert("access_list_id".to_owned(), wanted.access_list.unwrap_or_default().into());
    }
    let (is_closed, theirs) = advanced(raw);
    if is_ours(ADVANCED) || is_closed != wanted.maintenance {
        let page = if wanted.maintenance { PAGE } else { "" };
        let text = if is_ours(ADVANCED) { wanted.advanced.as_str() } else { theirs };
        body.insert("advanced_config".to_owned(), format!("{page}{text}").into());
    }
    if !(owned.paths.is_empty() && asked.paths.is_empty()) {
        let there = locations(raw);
        let is_theirs = |one: &&Value| !owned.paths.iter().chain(&asked.paths).any(|path| path == text(one, "path"));
        let theirs = there.iter().filter(is_theirs).map(writable);
        let all = wanted.locations.iter().map(|location| leading(location, there)).chain(theirs);
        body.insert("locations".to_owned(), all.collect());
    }
}

/// The value of a field as it can be written back: what is read as nothing is not written so.
pub(super) fn as_it_was(key: &str, value: &Value) -> Value {
    match (key, value) {
        ("locations", Value::Array(all)) => all.iter().map(writable).collect(),
        ("locations", Value::Null) => json!([]),
        ("certificate_id" | "access_list_id", Value::Null) => json!(0),
        (_, value) => value.clone(),
    }
}

/// Whether a page stands in for the app, and the text without the line that does it.
fn advanced(raw: &Map<String, Value>) -> (bool, &str) {
    let text = raw.get("advanced_config").and_then(Value::as_str).unwrap_or_default();
    let (first, rest) = text.split_once('\n').unwrap_or((text, ""));
    if first.trim_end().ends_with(PAGE_ENDS) { (true, rest) } else { (false, text) }
}

fn locations(raw: &Map<String, Value>) -> &[Value] {
    raw.get("locations").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// Where a location leads: with all that a stage cannot ask for, so that it differs from what one does.
fn location(one: &Value) -> Location {
    let scheme = text(one, "forward_scheme");
    let scheme = if scheme == "http" { String::new() } else { format!("{scheme}://") };
    let port = one.get("forward_port").and_then(Value::as_u64).unwrap_or_default();
    let upstream = format!("{scheme}{}:{port}{}", text(one, "forward_host"), text(one, "forward_path"));
    Location { path: text(one, "path").to_owned(), upstream }
}

/// A location of ours. What a person wrote into it stays: it may be what guards that path.
fn leading(location: &Location, there: &[Value]) -> Value {
    let Location { path, upstream } = location;
    let (host, port) = upstream.rsplit_once(':').unwrap_or((upstream, "80"));
    let before = there.iter().find(|one| text(one, "path") == path);
    json!({
        "path": path, "forward_scheme": "http", "forward_host": host, "forward_port": port.parse::<u16>().unwrap_or(80),
        "forward_path": "", "advanced_config": before.map(|one| text(one, "advanced_config")).unwrap_or_default(),
    })
}

fn writable(one: &Value) -> Value {
    let value =
        |key: &&str| one.get(*key).filter(|value| !value.is_null()).map(|value| ((*key).to_owned(), value.clone()));
    Value::Object(OF_A_LOCATION.iter().filter_map(value).collect())
}

fn text<'v>(one: &'v Value, key: &str) -> &'v str {
    one.get(key).and_then(Value::as_str).unwrap_or_default()
}
