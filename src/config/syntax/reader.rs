//! Serde's view of a node. Strict: a number is not text, text is not a number, a key without a value is an error.
//!
//! Only a newtype named `Text` takes any scalar, as the text that is written: `1.10` stays `1.10` and `no` stays `no`.

use serde::de::value::StrDeserializer;
use serde::de::{DeserializeSeed, Deserializer, Error as _, IntoDeserializer, MapAccess, SeqAccess, Visitor};
use serde::forward_to_deserialize_any;

use super::choice::{ByKind, OneOf};
use super::decode::{Context, Fault, MAX_UNKNOWN, Unknown, Wrong, WrongKind};
use super::events::PLACEHOLDERS;
use super::node::{self, Entry, Node, Span, Value};
use super::scalar::{Kind, Scalar};
use super::words::{CERTIFICATES, LOCATIONS, describe, example, one_of, short};

/// Name of the newtype that takes any scalar as text.
const ANY_SCALAR: &str = "Text";

/// Name of an enum whose variant is chosen by the kind of the value: `scalar`, `list` or `map`.
const BY_KIND: &str = "ByKind";

/// Name of the enum of references to secrets: where one is expected, someone may have written the secret itself.
const SECRET: &str = "Secret";

/// Name of the struct of a route, for which a domain alone is often written.
const ROUTE: &str = "Route";

/// Name of the enum of a route's certificate.
const CERTIFICATE: &str = "Certificate";

/// Longest text that is repeated in a remedy, in bytes.
const MAX_REPEATED: usize = 60;

/// A node on its way to serde.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a> {
    pub(super) node: Node<'a>,
    cx: &'a Context,
    key: Option<Span>,
    /// The key that it is the value of, or an item of its list.
    name: &'a str,
    pub(super) via: Option<Span>,
    /// The value of a struct's field, where null means that someone forgot the value.
    is_field: bool,
    /// Any scalar is text.
    any_scalar: bool,
}

pub(super) type Read<T> = Result<T, Fault>;

impl<'a> Reader<'a> {
    pub(super) fn root(node: Node<'a>, cx: &'a Context) -> Self {
        Self { node, cx, key: None, name: "", via: None, is_field: false, any_scalar: false }
    }

    pub(super) fn child(self, entry: Entry<'a>, is_field: bool) -> Self {
        let via = entry.via().or(self.via);
        let (key, name) = (Some(entry.span()), entry.name());
        Self { node: entry.value(), key, name, via, is_field, any_scalar: false, ..self }
    }

    fn item(self, node: Node<'a>) -> Self {
        Self { node, key: None, is_field: false, any_scalar: false, ..self }
    }

    fn is_skipped(self, node: Node<'_>) -> bool {
        !self.cx.skip.is_empty() && self.cx.skip.contains(&node.id())
    }

    /// Adds the place; a missing key is shown at the key of the mapping that lacks it.
    pub(super) fn placed<T>(self, result: Read<T>) -> Read<T> {
        result.map_err(|mut error| {
            if error.span.is_some() {
                return error;
            }
            if let WrongKind::Type { found, .. } = &mut error.kind {
                *found = describe(self.node);
            }
            let span = match (&error.kind, self.key) {
                (WrongKind::Missing(_) | WrongKind::NoValue | WrongKind::OneOf { .. }, Some(key)) => key,
                _ => self.node.span(),
            };
            error.at(span, self.via, self.node.id())
        })
    }

    pub(super) fn wrong_type<T>(self, expected: impl Into<String>, help: Option<&str>) -> Read<T> {
        let found = describe(self.node);
        let help = help.map(str::to_owned);
        self.placed(Err(Wrong::new(WrongKind::Type { found, expected: expected.into(), help })))
    }

    /// A secret itself instead of a reference: its text is shown nowhere (R28).
    #[expect(clippy::unnecessary_box_returns, reason = "what is wrong travels in a box everywhere here")]
    fn plain_secret(self, known: &[&str]) -> Fault {
        let kind = WrongKind::Type {
            found: "text".to_owned(),
            expected: format!("a reference to a secret ({})", one_of(known)),
            help: Some("a secret never stands in the configuration: write `{ credential: name }`".to_owned()),
        };
        let mut wrong = Wrong::new(kind).at(self.node.span(), self.via, self.node.id());
        wrong.hide = self.node.scalars();
        wrong
    }

    pub(super) fn scalar(self) -> Option<Scalar<'a>> {
        self.node.scalar()
    }

    /// A text for a remedy, in quotes where it is written so; none for what is longer than a line.
    fn as_written(self) -> Option<String> {
        let scalar = self.scalar().filter(|scalar| scalar.kind() == Kind::Text)?;
        let is_short = scalar.text.len() <= MAX_REPEATED && short(scalar.text) == scalar.text;
        let is_plain = scalar.plain && !scalar.text.contains(['[', ']', '{', '}']);
        is_short.then(|| if is_plain { scalar.text.to_owned() } else { format!("{:?}", scalar.text) })
    }

    fn text<V: Visitor<'a>>(self, visitor: V) -> Read<V::Value> {
        match self.scalar().map(|s| (s.kind(), s)) {
            Some((Kind::Text, s)) => self.placed(visitor.visit_str(s.text)),
            Some((Kind::Number | Kind::Bool(_), s)) if self.any_scalar => self.placed(visitor.visit_str(s.text)),
            Some((Kind::Null, _)) => self.placed(Err(Wrong::new(WrongKind::NoValue))),
            Some((Kind::Number | Kind::Bool(_), s)) => {
                let help = example(self.name).unwrap_or_else(|| format!("write it in quotes: `\"{}\"`", s.text));
                self.wrong_type("text", Some(&help))
            }
            None => {
                let name = self.node.entries().next().map(|entry| format!("{{{}}}", entry.name()));
                let name = name.filter(|name| PLACEHOLDERS.contains(&name.as_str()));
                let help = name.map(|name| format!("write it in quotes: `\"{name}\"`")).or_else(|| example(self.name));
                self.wrong_type("text", help.as_deref())
            }
        }
    }

    fn number<V: Visitor<'a>>(self, visitor: V) -> Read<V::Value> {
        let quoted = self.scalar().is_some_and(|s| s.text.parse::<i64>().is_ok());
        match self.scalar().map(|s| (s.kind(), s.whole_number())) {
            Some((_, Some(number))) => self.placed(visitor.visit_i64(number)),
            Some((Kind::Null, None)) => self.placed(Err(Wrong::new(WrongKind::NoValue))),
            _ => self.wrong_type("a whole number", quoted.then_some("write it without quotes")),
        }
    }
}

impl<'de> Deserializer<'de> for Reader<'de> {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Read<V::Value> {
        match self.node.value() {
            Value::List(_) => self.deserialize_seq(visitor),
            Value::Map(_) => self.deserialize_map(visitor),
            Value::Scalar(scalar) => {
                let result = match scalar.kind() {
                    Kind::Null => visitor.visit_unit(),
                    Kind::Bool(value) => visitor.visit_bool(value),
                    Kind::Text => visitor.visit_str(scalar.text),
                    Kind::Number => match (scalar.whole_number(), scalar.text.parse::<f64>()) {
                        (Some(number), _) => visitor.visit_i64(number),
                        (None, Ok(number)) => visitor.visit_f64(number),
                        (None, Err(_)) => visitor.visit_str(scalar.text),
                    },
                };
                self.placed(result)
            }
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Read<V::Value> {
        let help = match self.scalar().map(|s| s.text) {
            Some("yes" | "on" | "y" | "Yes" | "YES" | "On" | "ON") => Some("write `true`"),
            Some("no" | "off" | "n" | "No" | "NO" | "Off" | "OFF") => Some("write `false`"),
            Some("true" | "false") => Some("write it without quotes"),
            Some(_) | None => None,
        };
        match self.scalar().map(|s| s.kind()) {
            Some(Kind::Bool(value)) => self.placed(visitor.visit_bool(value)),
            Some(Kind::Null) => self.placed(Err(Wrong::new(WrongKind::NoValue))),
            Some(Kind::Number | Kind::Text) | None => self.wrong_type("`true` or `false`", help),
        }
    }

    fn deserialize_u16<V: Visitor<'de>>(self, visitor: V) -> Read<V::Value> {
        self.number(visitor)
    }

    fn deserialize_u32<V: Visitor<'de>>(self, visitor: V) -> Read<V::Value> {
        self.number(visitor)
    }

    fn deserialize_i64<V: Visitor<'de>>(self, visitor: V) -> Read<V::Value> {
        self.number(visitor)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Read<V::Value> {
        self.text(visitor)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Read<V::Value> {
        self.text(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Read<V::Value> {
        match self.node.is_null() {
            true if self.is_field => self.placed(Err(Wrong::new(WrongKind::NoValue))),
            true => visitor.visit_none(),
            false => visitor.visit_some(Self { is_field: false, ..self }),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Read<V::Value> {
        let reader = Self { any_scalar: name == ANY_SCALAR, ..self };
        self.placed(visitor.visit_newtype_struct(reader))
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Read<V::Value> {
        match self.node.value() {
            Value::List(items) => self.placed(visitor.visit_seq(Items { reader: self, items })),
            Value::Scalar(_) if self.node.is_null() => self.placed(Err(Wrong::new(WrongKind::NoValue))),
            Value::Scalar(_) | Value::Map(_) => {
                // A list of more than texts is not made with brackets alone.
                let text = self.as_written().filter(|_| self.name != LOCATIONS);
                let help = text.map(|text| format!("write `[ {text} ]`")).or_else(|| example(self.name));
                self.wrong_type("a list", help.as_deref())
            }
        }
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Read<V::Value> {
        match self.node.value() {
            Value::Map(entries) => self.placed(visitor.visit_map(Entries::new(self, entries, None))),
            Value::Scalar(_) if self.node.is_null() => self.placed(Err(Wrong::new(WrongKind::NoValue))),
            Value::Scalar(_) | Value::List(_) => self.wrong_type("a mapping", example(self.name).as_deref()),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Read<V::Value> {
        let Value::Map(entries) = self.node.value() else {
            return match self.as_written().filter(|_| name == ROUTE) {
                Some(text) => self.wrong_type("a mapping", Some(&format!("write `{{ domains: [ {text} ] }}`"))),
                None => self.deserialize_map(visitor),
            };
        };
        if self.cx.top == Some(self.node.id()) {
            self.cx.top_known.borrow_mut().extend(fields);
        } else {
            let strange = entries.clone().filter(|entry| !fields.contains(&entry.name()));
            self.cx.unknown.borrow_mut().extend(strange.take(MAX_UNKNOWN).map(|e| Unknown::new(e, name, fields)));
        }
        self.placed(visitor.visit_map(Entries::new(self, entries, Some(fields))))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        known: &'static [&'static str],
        visitor: V,
    ) -> Read<V::Value> {
        let chosen = match self.node.value() {
            Value::Scalar(_) | Value::List(_) if name == SECRET && !self.node.is_null() => {
                return Err(self.plain_secret(known));
            }
            _ if name == BY_KIND => return visitor.visit_enum(ByKind::of(self, known)?),
            Value::Scalar(scalar) if scalar.kind() == Kind::Text => OneOf { reader: self, entry: None, of: name },
            Value::Map(entries) if entries.len() == 1 => {
                OneOf { reader: self, entry: self.node.entries().next(), of: name }
            }
            Value::Map(entries) => {
                return self.placed(Err(Wrong::new(WrongKind::OneOf { known, count: entries.len() })));
            }
            Value::Scalar(_) if self.node.is_null() => return self.placed(Err(Wrong::new(WrongKind::NoValue))),
            Value::Scalar(scalar) if name == CERTIFICATE && scalar.kind() == Kind::Number => {
                return self.wrong_type(one_of(known), Some(&format!("write `{{ id: {} }}`", scalar.text)));
            }
            Value::Scalar(_) | Value::List(_) => {
                return self.wrong_type(one_of(known), Some(CERTIFICATES).filter(|_| name == CERTIFICATE));
            }
        };
        visitor.visit_enum(chosen).map_err(|mut error| {
            // Without what it holds, a one-of value would be wrong once more: it is left out whole. What lies deeper is
            // left out alone.
            let holds = self.node.entries().next().map(|entry| entry.value().id());
            if error.skip.is_none() || error.skip == holds {
                error.skip = Some(self.node.id());
            }
            if name == SECRET {
                error.hide = self.node.scalars();
            }
            error
        })
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Read<V::Value> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        i8 i16 i32 i128 u8 u64 u128 f32 f64 char bytes byte_buf unit unit_struct tuple tuple_struct identifier
    }
}

struct Items<'a> {
    reader: Reader<'a>,
    items: node::Items<'a>,
}

impl<'a> SeqAccess<'a> for Items<'a> {
    type Error = Fault;

    fn next_element_seed<T: DeserializeSeed<'a>>(&mut self, seed: T) -> Read<Option<T::Value>> {
        let reader = self.reader;
        self.items
            .find(|node| !reader.is_skipped(*node))
            .map(|node| reader.item(node).placed(seed.deserialize(reader.item(node))))
            .transpose()
    }
}

struct Entries<'a> {
    reader: Reader<'a>,
    rest: node::Entries<'a>,
    value: Option<Entry<'a>>,
    /// The keys of a struct; every other key has been noted already.
    fields: Option<&'static [&'static str]>,
}

impl<'a> Entries<'a> {
    fn new(reader: Reader<'a>, entries: node::Entries<'a>, fields: Option<&'static [&'static str]>) -> Self {
        Self { reader, rest: entries, value: None, fields }
    }
}

impl<'a> MapAccess<'a> for Entries<'a> {
    type Error = Fault;

    fn next_key_seed<K: DeserializeSeed<'a>>(&mut self, seed: K) -> Read<Option<K::Value>> {
        let (reader, fields) = (self.reader, self.fields);
        let wanted = |e: &Entry<'_>| fields.is_none_or(|f| f.contains(&e.name())) && !reader.is_skipped(e.value());
        self.value = self.rest.find(wanted);
        let Some(entry) = self.value else { return Ok(None) };
        let key: StrDeserializer<'_, Fault> = entry.name().into_deserializer();
        seed.deserialize(key).map(Some).map_err(|e| e.at(entry.span(), entry.via(), entry.value().id()))
    }

    fn next_value_seed<V: DeserializeSeed<'a>>(&mut self, seed: V) -> Read<V::Value> {
        let Some(entry) = self.value.take() else { return Err(Fault::custom("a value without a key")) };
        let reader = self.reader.child(entry, self.fields.is_some());
        reader.placed(seed.deserialize(reader))
    }
}
