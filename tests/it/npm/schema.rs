//! Checks of bodies as the real one's validator makes them: the same coercions, and the same words for what is wrong.
//!
//! It must never let pass what the real one refuses; it knows no routes.

use serde_json::Value;

use super::version::Version;

/// What a value has to be.
#[derive(Debug, Clone)]
pub enum Rule {
    /// A text of so many characters, none of them among the forbidden ones.
    Text { min: usize, max: usize, forbidden: &'static str },
    /// One of some texts.
    OneOf(&'static [&'static str]),
    /// A whole number in a range.
    Number { min: i64, max: i64 },
    /// A whole number or null.
    NumberOrNull,
    /// The id of a certificate, or the word that asks for one.
    Certificate,
    /// A switch.
    Switch,
    /// Any object.
    Free,
    /// A list of texts.
    Texts,
    /// A list of different texts that can be names, at least one.
    Names { max: usize },
    /// A list of objects.
    List(Fields),
    /// One object.
    Object(Fields),
}

/// What an object may and must have.
#[derive(Debug, Clone, Default)]
pub struct Fields {
    pub required: &'static [&'static str],
    pub known: Vec<(&'static str, Rule)>,
    /// Fewest properties.
    pub at_least: usize,
}

/// What no name of a host may hold.
pub const FORBIDDEN_IN_NAMES: &str = "&| @!#%^();:/\\}{=+?<>,~`'\"";

impl Rule {
    /// Any text.
    pub const fn text() -> Self {
        Self::Text { min: 0, max: usize::MAX, forbidden: "" }
    }

    fn check(&self, value: &mut Value, found: &mut Found) {
        match self {
            Self::Text { min, max, forbidden } => text(value, (*min, *max), forbidden, found),
            Self::OneOf(words) => {
                if coerce_text(value, found) && !words.contains(&value.as_str().unwrap_or_default()) {
                    found.say("must be equal to one of the allowed values");
                }
            }
            Self::Number { min, max } => number(value, *min, *max, found),
            Self::NumberOrNull if value.is_null() => {}
            Self::NumberOrNull => number(value, i64::MIN, i64::MAX, found),
            Self::Certificate => certificate(value, found),
            Self::Switch => switch(value, found),
            Self::Free if value.is_object() => {}
            Self::Free => found.say("must be object"),
            Self::Texts => texts(value, "", found),
            Self::Names { max } => names(value, *max, found),
            Self::List(fields) => list(value, fields, found),
            Self::Object(fields) => fields.look(value, found),
        }
    }
}

impl Fields {
    /// Checks a body and brings its values into form; all violations in one text, or the first, as the release does.
    pub fn check(&self, version: Version, body: Option<Value>) -> Result<Value, String> {
        let body = match body {
            None if !version.tells_missing_body() => Some(Value::Object(serde_json::Map::new())),
            body => body,
        };
        let Some(mut body) = body else { return Err("Payload is undefined".to_owned()) };
        let mut found = Found { at: "data".to_owned(), said: Vec::new() };
        self.look(&mut body, &mut found);
        match (found.said.is_empty(), version.tells_all_violations()) {
            (true, _) => Ok(body),
            (false, true) => Err(found.said.join(", ")),
            (false, false) => Err(found.said[0].replace('/', ".").replace(" must ", " should ")),
        }
    }

    fn look(&self, value: &mut Value, found: &mut Found) {
        let Some(object) = value.as_object_mut() else { return found.say("must be object") };
        if object.len() < self.at_least {
            found.say(&format!("must NOT have fewer than {} properties", self.at_least));
        }
        for name in self.required.iter().filter(|name| !object.contains_key(**name)) {
            found.say(&format!("must have required property '{name}'"));
        }
        for _ in object.keys().filter(|key| !self.known.iter().any(|(name, _)| name == key)) {
            found.say("must NOT have additional properties");
        }
        for (name, rule) in &self.known {
            if let Some(value) = object.get_mut(*name) {
                found.below(name, |found| rule.check(value, found));
            }
        }
    }
}

/// Violations so far, and the place that is looked at.
struct Found {
    at: String,
    said: Vec<String>,
}

impl Found {
    fn say(&mut self, text: &str) {
        self.said.push(format!("{} {text}", self.at));
    }

    fn below(&mut self, name: &str, look: impl FnOnce(&mut Self)) {
        let length = self.at.len();
        self.at.push('/');
        self.at.push_str(name);
        look(self);
        self.at.truncate(length);
    }
}

fn coerce_text(value: &mut Value, found: &mut Found) -> bool {
    match value {
        Value::String(_) => {}
        Value::Number(_) | Value::Bool(_) => *value = Value::String(value.to_string()),
        Value::Null => *value = Value::String(String::new()),
        Value::Array(_) | Value::Object(_) => found.say("must be string"),
    }
    value.is_string()
}

fn text(value: &mut Value, (min, max): (usize, usize), forbidden: &str, found: &mut Found) {
    if !coerce_text(value, found) {
        return;
    }
    let text = value.as_str().unwrap_or_default();
    let length = text.chars().count();
    if length > max {
        found.say(&format!("must NOT have more than {max} characters"));
    }
    if length < min {
        found.say(&format!("must NOT have fewer than {min} characters"));
    }
    if !forbidden.is_empty() && (text.is_empty() || text.contains(|c| forbidden.contains(c))) {
        let escaped = forbidden.replace('\\', "\\\\");
        found.say(&format!("must match pattern \"^[^{escaped}]+$\""));
    }
}

/// A whole number out of a number, a text of digits, a switch or null.
fn whole(value: &Value) -> Option<i64> {
    let whole = |number: f64| {
        #[expect(clippy::cast_possible_truncation, reason = "a whole number far below the mantissa's end")]
        (number.fract() == 0.0 && number.abs() < 1e15).then_some(number as i64)
    };
    match value {
        Value::Number(number) => number.as_f64().and_then(whole),
        Value::String(text) if !text.is_empty() => text.trim().parse().ok().and_then(whole),
        Value::Bool(on) => Some(i64::from(*on)),
        Value::Null => Some(0),
        Value::String(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

fn number(value: &mut Value, min: i64, max: i64, found: &mut Found) {
    let Some(number) = whole(value) else { return found.say("must be integer") };
    *value = number.into();
    if number > max {
        found.say(&format!("must be <= {max}"));
    }
    if number < min {
        found.say(&format!("must be >= {min}"));
    }
}

/// A number ends up as a text here, since both branches of the real schema are tried: that is why a 0 counts as given.
fn certificate(value: &mut Value, found: &mut Found) {
    if value == "new" {
        return;
    }
    match whole(value) {
        Some(number @ 0..) => *value = Value::String(number.to_string()),
        Some(_) => found.say("must be >= 0, must match pattern \"^new$\", must match a schema in anyOf"),
        None => found.say("must be integer, must match pattern \"^new$\", must match a schema in anyOf"),
    }
}

fn switch(value: &mut Value, found: &mut Found) {
    let on = match value {
        Value::Bool(on) => Some(*on),
        Value::Null => Some(false),
        Value::String(text) if text == "true" => Some(true),
        Value::String(text) if text == "false" => Some(false),
        Value::Number(number) if number.as_f64() == Some(1.0) => Some(true),
        Value::Number(number) if number.as_f64() == Some(0.0) => Some(false),
        Value::String(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => None,
    };
    match on {
        Some(on) => *value = on.into(),
        None => found.say("must be boolean"),
    }
}

fn texts(value: &mut Value, forbidden: &str, found: &mut Found) {
    let Some(items) = value.as_array_mut() else { return found.say("must be array") };
    for (at, item) in items.iter_mut().enumerate() {
        found.below(&at.to_string(), |found| text(item, (0, usize::MAX), forbidden, found));
    }
}

fn names(value: &mut Value, max: usize, found: &mut Found) {
    let Some(items) = value.as_array() else { return found.say("must be array") };
    if items.len() > max {
        found.say(&format!("must NOT have more than {max} items"));
    }
    if items.is_empty() {
        found.say("must NOT have fewer than 1 items");
    }
    texts(value, FORBIDDEN_IN_NAMES, found);
    let items = value.as_array().map(Vec::as_slice).unwrap_or_default();
    // The real one goes through a list from its end.
    let twin = |at: usize| (at + 1..items.len()).find(|late| items[*late] == items[at]).map(|late| (late, at));
    if let Some((late, at)) = (0..items.len()).rev().find_map(twin) {
        found.say(&format!("must NOT have duplicate items (items ## {late} and {at} are identical)"));
    }
}

fn list(value: &mut Value, fields: &Fields, found: &mut Found) {
    let Some(items) = value.as_array_mut() else { return found.say("must be array") };
    for (at, item) in items.iter_mut().enumerate() {
        found.below(&at.to_string(), |found| fields.look(item, found));
    }
}
