//! The one call that makes of a configuration another: at the deepest place that holds every difference, so that what is
//! written is as little as can be. Pure.

use std::fmt::Write as _;

use http::Method;
use serde_json::{Map, Value};

/// A call that changes the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Write {
    pub(super) method: Method,
    /// Below `/config/`, encoded.
    pub(super) path: String,
    /// None for what is removed.
    pub(super) body: Option<Value>,
}

/// The call that makes `after` of `before`; none when they are equal.
pub(super) fn write(before: &Value, after: &Value) -> Option<Write> {
    if before == after {
        return None;
    }
    let mut path = "/config".to_owned();
    let (mut before, mut after) = (before, after);
    loop {
        let step = match (before, after) {
            (Value::Object(old), Value::Object(new)) => object(old, new),
            (Value::Array(old), Value::Array(new)) => array(old, new),
            _ => Step::Here,
        };
        match step {
            Step::Here => {
                // The root has its slash.
                let path = if path == "/config" { "/config/".to_owned() } else { path };
                return Some(Write { method: Method::PATCH, path, body: Some(after.clone()) });
            }
            Step::Into(key, old, new) => {
                let _ = write!(path, "/{key}");
                (before, after) = (old, new);
            }
            Step::Add(key, new) => {
                return Some(Write { method: Method::PUT, path: format!("{path}/{key}"), body: Some(new.clone()) });
            }
            Step::Remove(key) => {
                return Some(Write { method: Method::DELETE, path: format!("{path}/{key}"), body: None });
            }
        }
    }
}

/// Where the difference is.
enum Step<'a> {
    /// In several parts of this.
    Here,
    /// In one part of it alone.
    Into(String, &'a Value, &'a Value),
    /// One part is new.
    Add(String, &'a Value),
    /// One part is gone.
    Remove(String),
}

fn object<'a>(old: &'a Map<String, Value>, new: &'a Map<String, Value>) -> Step<'a> {
    let mut keys = old.keys().chain(new.keys().filter(|key| !old.contains_key(*key)));
    let mut differing = keys.by_ref().filter(|key| old.get(*key) != new.get(*key));
    let (Some(key), None) = (differing.next(), differing.next()) else { return Step::Here };
    let Some(name) = encoded(key) else { return Step::Here };
    match (old.get(key), new.get(key)) {
        (Some(old), Some(new)) => Step::Into(name, old, new),
        (None, Some(new)) => Step::Add(name, new),
        (Some(_), None) => Step::Remove(name),
        (None, None) => Step::Here,
    }
}

fn array<'a>(old: &'a [Value], new: &'a [Value]) -> Step<'a> {
    let first = old.iter().zip(new).take_while(|(old, new)| old == new).count();
    if old.len() == new.len() {
        let is_only = old[first + 1..] == new[first + 1..];
        if is_only { Step::Into(first.to_string(), &old[first], &new[first]) } else { Step::Here }
    } else if new.len() == old.len() + 1 && old[first..] == new[first + 1..] {
        // Caddy puts it before what stands there, and cannot put one behind the last in this way.
        if first < old.len() { Step::Add(first.to_string(), &new[first]) } else { Step::Here }
    } else if old.len() == new.len() + 1 && old[first + 1..] == new[first..] {
        Step::Remove(first.to_string())
    } else {
        Step::Here
    }
}

/// A key as a part of a path; none for one that Caddy would take apart, or for something else.
fn encoded(key: &str) -> Option<String> {
    if key.is_empty() || key.contains('/') || key.starts_with('.') {
        return None;
    }
    let mut text = String::new();
    for byte in key.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            text.push(char::from(byte));
        } else {
            let _ = write!(text, "%{byte:02X}");
        }
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// The call in a line.
    fn call(before: &Value, after: &Value) -> String {
        let Write { method, path, body } = write(before, after).expect("a difference");
        format!("{method} {path} {}", body.map(|body| body.to_string()).unwrap_or_default())
    }

    #[test]
    fn what_is_written_is_the_least_that_holds_every_difference() {
        let before = json!({ "apps": { "a b": { "routes": [1, { "x": 2, "y": [3] }, 4] } } });
        let edited = |edit: &dyn Fn(&mut Value)| {
            let mut after = before.clone();
            edit(&mut after);
            call(&before, &after)
        };
        let routes = |value: &mut Value| value["apps"]["a b"]["routes"].as_array_mut().expect("a list").clone();
        let with = |list: Vec<Value>| edited(&move |value| value["apps"]["a b"]["routes"] = list.clone().into());
        let list = routes(&mut before.clone());
        let at = "/config/apps/a%20b/routes";
        assert_eq!(
            edited(&|value| value["apps"]["a b"]["routes"][1]["y"][0] = 5.into()),
            format!("PATCH {at}/1/y/0 5")
        );
        assert_eq!(edited(&|value| value["apps"]["a b"]["new"] = 1.into()), "PUT /config/apps/a%20b/new 1");
        assert_eq!(edited(&|value| value["apps"] = json!({})), "DELETE /config/apps/a%20b ");
        assert_eq!(edited(&|value| *value = Value::Null), "PATCH /config/ null");
        assert_eq!(with([&[json!(0)], &list[..]].concat()), format!("PUT {at}/0 0"));
        assert_eq!(with(list[1..].to_vec()), format!("DELETE {at}/0 "));
        assert_eq!(with(list[..2].to_vec()), format!("DELETE {at}/2 "));
        // Behind the last nothing can be put, and two differences need what holds both.
        assert_eq!(with(vec![json!(1)]), format!("PATCH {at} [1]"));
        assert_eq!(with([&list[..], &[json!(5)]].concat()), format!("PATCH {at} [1,{{\"x\":2,\"y\":[3]}},4,5]"));
        assert_eq!(write(&before, &before), None);
    }

    #[test]
    fn a_key_that_is_no_part_of_a_path_is_written_with_what_holds_it() {
        for key in ["", "a/b", "..", "..."] {
            let (before, after) = (json!({ "all": { key: 1 } }), json!({ "all": { key: 2 } }));
            assert_eq!(call(&before, &after), format!("PATCH /config/all {}", json!({ key: 2 })));
        }
    }
}
