//! Pieces of YAML in messages for people: short, on one line, and harmless to a terminal.

use super::node::{Node, Value};
use super::scalar::Kind;

/// The key of a list of mappings.
pub(super) const LOCATIONS: &str = "locations";

/// The ways to write a certificate.
pub(in crate::config) const CERTIFICATES: &str =
    "write `none`, `letsencrypt`, `{ file: shop }`, `{ wildcard: \"*.example.com\" }` or `{ id: 3 }`";

/// How to write the value of a key that is often written in the way of another program.
pub(super) fn example(key: &str) -> Option<String> {
    let value = match key {
        "domains" => "[ shop.example.com ]",
        LOCATIONS => "[ { path: /api, upstream: \"10.0.0.5:80\" } ]",
        "redirects" => "{ www.example.com: example.com }",
        "upstreams" => "[ \"10.0.0.5:80\" ]",
        _ => return None,
    };
    Some(format!("write it as in `{key}: {value}`"))
}

/// What stands there, for people.
pub(super) fn describe(node: Node<'_>) -> String {
    match node.value() {
        Value::List(_) => "a list".to_owned(),
        Value::Map(_) => "a mapping".to_owned(),
        Value::Scalar(scalar) => match scalar.kind() {
            Kind::Null => "nothing".to_owned(),
            Kind::Bool(value) => format!("`{value}`"),
            Kind::Number => format!("the number {}", scalar.text),
            Kind::Text => format!("the text `{}`", short(scalar.text)),
        },
    }
}

/// A text cut to what fits into a message, on one line.
pub(in crate::config) fn short(text: &str) -> String {
    const LONGEST: usize = 60;
    let clean: String = text.chars().take(LONGEST).map(|c| if is_unsafe(c) { '\u{fffd}' } else { c }).collect();
    if text.chars().count() > LONGEST { format!("{clean}…") } else { clean }
}

/// True for characters that a terminal acts on, or that turn the direction of text.
pub(in crate::config) fn is_unsafe(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// `a`, `b` or `c`, each in backquotes.
pub(in crate::config) fn one_of(names: &[&str]) -> String {
    let quoted: Vec<String> = names.iter().map(|n| format!("`{n}`")).collect();
    match quoted.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
        None => String::new(),
    }
}
