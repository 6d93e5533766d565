//! Serde's view of a node. Strict: a number is not text, text is not a number, a key without a value is an error.
//!
//! Only a newtype named `Text` takes any scalar, as the text that is written: `1.10` stays `1.10` and `no` stays `no`.

use std::slice;
use std::sync::Arc;

use serde::de::value::StrDeserializer;
use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Error as _, IntoDeserializer, MapAccess, SeqAccess, Unexpected,
    VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;

use super::decode::{Context, Unknown, Wrong, WrongKind, address};
use super::node::{Entry, Node, Span, Value};
use super::scalar::{Kind, Scalar};

/// Name of the newtype that takes any scalar as text.
pub(in crate::config) const ANY_SCALAR: &str = "Text";

/// Name of an enum whose variant is chosen by the kind of the value: `scalar`, `list` or `map`.
pub(in crate::config) const BY_KIND: &str = "ByKind";

/// A node on its way to serde.
#[derive(Clone, Copy)]
pub(in crate::config) struct Reader<'a> {
    node: &'a Node,
    cx: &'a Context,
    key: Option<Span>,
    via: Option<Span>,
    /// The value of a struct's field, where null means that someone forgot the value.
    is_field: bool,
    /// Any scalar is text.
    any_scalar: bool,
}

type Read<T> = Result<T, Wrong>;

impl<'a> Reader<'a> {
    pub(super) fn root(node: &'a Node, cx: &'a Context) -> Self {
        Self { node, cx, key: None, via: None, is_field: false, any_scalar: false }
    }

    fn child(self, entry: &'a Entry, is_field: bool) -> Self {
        let via = entry.via.or(self.via);
        Self { node: &entry.value, key: Some(entry.key.span), via, is_field, any_scalar: false, ..self }
    }

    fn item(self, node: &'a Node) -> Self {
        Self { node, key: None, is_field: false, any_scalar: false, ..self }
    }

    fn is_skipped(self, node: &Node) -> bool {
        !self.cx.skip.is_empty() && self.cx.skip.contains(&address(node))
    }

    /// Adds the place; a missing key is shown at the key of the mapping that lacks it.
    fn placed<T>(self, result: Read<T>) -> Read<T> {
        result.map_err(|mut error| {
            if error.span.is_some() {
                return error;
            }
            if let WrongKind::Type { found, .. } = &mut error.kind {
                *found = describe(self.node);
            }
            let span = match (&error.kind, self.key) {
                (WrongKind::Missing(_) | WrongKind::NoValue | WrongKind::OneOf { .. }, Some(key)) => key,
                _ => self.node.span,
            };
            error.at(span, self.via, address(self.node))
        })
    }

    fn wrong_type<T>(self, expected: impl Into<String>, help: Option<&str>) -> Read<T> {
        let found = describe(self.node);
        let help = help.map(str::to_owned);
        self.placed(Err(Wrong::new(WrongKind::Type { found, expected: expected.into(), help })))
    }

    fn scalar(self) -> Option<&'a Scalar> {
        match &self.node.value {
            Value::Scalar(scalar) => Some(scalar),
            Value::List(_) | Value::Map(_) => None,
        }
    }

    fn text<V: Visitor<'a>>(self, visitor: V) -> Read<V::Value> {
        match self.scalar().map(|s| (s.kind(), s)) {
            Some((Kind::Text, s)) => self.placed(visitor.visit_str(&s.text)),
            Some((Kind::Number | Kind::Bool(_), s)) if self.any_scalar => self.placed(visitor.visit_str(&s.text)),
            Some((Kind::Null, _)) => self.placed(Err(Wrong::new(WrongKind::NoValue))),
            Some((Kind::Number | Kind::Bool(_), s)) => {
                self.wrong_type("text", Some(&format!("write it in quotes: `\"{}\"`", s.text)))
            }
            None => self.wrong_type("text", None),
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
    type Error = Wrong;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Read<V::Value> {
        match &self.node.value {
            Value::List(_) => self.deserialize_seq(visitor),
            Value::Map(_) => self.deserialize_map(visitor),
            Value::Scalar(scalar) => {
                let result = match scalar.kind() {
                    Kind::Null => visitor.visit_unit(),
                    Kind::Bool(value) => visitor.visit_bool(value),
                    Kind::Text => visitor.visit_str(&scalar.text),
                    Kind::Number => match (scalar.whole_number(), scalar.text.parse::<f64>()) {
                        (Some(number), _) => visitor.visit_i64(number),
                        (None, Ok(number)) => visitor.visit_f64(number),
                        (None, Err(_)) => visitor.visit_str(&scalar.text),
                    },
                };
                self.placed(result)
            }
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Read<V::Value> {
        let help = match self.scalar().map(|s| &*s.text) {
            Some("yes" | "on" | "y" | "Yes" | "YES" | "On" | "ON") => Some("write `true`"),
            Some("no" | "off" | "n" | "No" | "NO" | "Off" | "OFF") => Some("write `false`"),
            Some("true" | "false") => Some("write it without quotes"),
            Some(_) | None => None,
        };
        match self.scalar().map(Scalar::kind) {
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
        match &self.node.value {
            Value::List(items) => self.placed(visitor.visit_seq(Items { reader: self, items: items.iter() })),
            Value::Scalar(_) if self.node.is_null() => self.placed(Err(Wrong::new(WrongKind::NoValue))),
            Value::Scalar(_) | Value::Map(_) => self.wrong_type("a list", None),
        }
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Read<V::Value> {
        match &self.node.value {
            Value::Map(entries) => self.placed(visitor.visit_map(Entries::new(self, entries, None))),
            Value::Scalar(_) if self.node.is_null() => self.placed(Err(Wrong::new(WrongKind::NoValue))),
            Value::Scalar(_) | Value::List(_) => self.wrong_type("a mapping", None),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Read<V::Value> {
        let Value::Map(entries) = &self.node.value else { return self.deserialize_map(visitor) };
        if self.cx.top == Some(address(self.node)) {
            self.cx.top_known.borrow_mut().extend(fields);
        } else {
            let strange = entries.iter().filter(|e| !fields.contains(&&*e.key.text));
            self.cx.unknown.borrow_mut().extend(strange.map(|e| Unknown::new(e, name, fields)));
        }
        self.placed(visitor.visit_map(Entries::new(self, entries, Some(fields))))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        known: &'static [&'static str],
        visitor: V,
    ) -> Read<V::Value> {
        let chosen = match &self.node.value {
            _ if name == BY_KIND => return visitor.visit_enum(self.by_kind(known)?),
            Value::Scalar(scalar) if scalar.kind() == Kind::Text => Variant { reader: self, entry: None, name },
            Value::Map(entries) if entries.len() == 1 => Variant { reader: self, entry: entries.first(), name },
            Value::Map(entries) => {
                return self.placed(Err(Wrong::new(WrongKind::OneOf { known, count: entries.len() })));
            }
            Value::Scalar(_) if self.node.is_null() => return self.placed(Err(Wrong::new(WrongKind::NoValue))),
            Value::Scalar(_) | Value::List(_) => return self.wrong_type(one_of(known), None),
        };
        // Without what it holds, a one-of value would be wrong once more: it is left out whole.
        visitor.visit_enum(chosen).map_err(|e| Wrong { skip: Some(address(self.node)), ..e })
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Read<V::Value> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        i8 i16 i32 i128 u8 u64 u128 f32 f64 char bytes byte_buf unit unit_struct tuple tuple_struct identifier
    }
}

impl<'a> Reader<'a> {
    fn by_kind(self, known: &'static [&'static str]) -> Read<ByKind<'a>> {
        let kind = match &self.node.value {
            Value::Scalar(_) => "scalar",
            Value::List(_) => "list",
            Value::Map(_) => "map",
        };
        match known.iter().find(|k| **k == kind) {
            Some(kind) => Ok(ByKind { reader: self, kind }),
            None if self.node.is_null() => self.placed(Err(Wrong::new(WrongKind::NoValue))),
            None => {
                let words = known.iter().map(|k| match *k {
                    "scalar" => "text",
                    "list" => "a list",
                    _ => "a mapping",
                });
                self.wrong_type(words.collect::<Vec<_>>().join(" or "), None)
            }
        }
    }
}

/// A value that may be written in several ways: serde is told which one it is, and gets the same value again.
struct ByKind<'a> {
    reader: Reader<'a>,
    kind: &'static str,
}

impl<'a> EnumAccess<'a> for ByKind<'a> {
    type Error = Wrong;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'a>>(self, seed: V) -> Read<(V::Value, Self)> {
        let name: StrDeserializer<'_, Wrong> = self.kind.into_deserializer();
        Ok((seed.deserialize(name)?, self))
    }
}

impl<'a> VariantAccess<'a> for ByKind<'a> {
    type Error = Wrong;

    fn newtype_variant_seed<T: DeserializeSeed<'a>>(self, seed: T) -> Read<T::Value> {
        self.reader.placed(seed.deserialize(self.reader))
    }

    fn unit_variant(self) -> Read<()> {
        Err(Wrong::custom("a variant chosen by kind holds a value"))
    }

    fn tuple_variant<V: Visitor<'a>>(self, _len: usize, visitor: V) -> Read<V::Value> {
        Err(Wrong::invalid_type(Unexpected::TupleVariant, &visitor))
    }

    fn struct_variant<V: Visitor<'a>>(self, _fields: &'static [&'static str], visitor: V) -> Read<V::Value> {
        Err(Wrong::invalid_type(Unexpected::StructVariant, &visitor))
    }
}

struct Items<'a> {
    reader: Reader<'a>,
    items: slice::Iter<'a, Arc<Node>>,
}

impl<'a> SeqAccess<'a> for Items<'a> {
    type Error = Wrong;

    fn next_element_seed<T: DeserializeSeed<'a>>(&mut self, seed: T) -> Read<Option<T::Value>> {
        let reader = self.reader;
        self.items
            .find(|node| !reader.is_skipped(node))
            .map(|node| reader.item(node).placed(seed.deserialize(reader.item(node))))
            .transpose()
    }
}

struct Entries<'a> {
    reader: Reader<'a>,
    entries: slice::Iter<'a, Entry>,
    value: Option<&'a Entry>,
    /// The keys of a struct; every other key has been noted already.
    fields: Option<&'static [&'static str]>,
}

impl<'a> Entries<'a> {
    fn new(reader: Reader<'a>, entries: &'a [Entry], fields: Option<&'static [&'static str]>) -> Self {
        Self { reader, entries: entries.iter(), value: None, fields }
    }
}

impl<'a> MapAccess<'a> for Entries<'a> {
    type Error = Wrong;

    fn next_key_seed<K: DeserializeSeed<'a>>(&mut self, seed: K) -> Read<Option<K::Value>> {
        let (reader, fields) = (self.reader, self.fields);
        let wanted = |e: &&Entry| fields.is_none_or(|f| f.contains(&&*e.key.text)) && !reader.is_skipped(&e.value);
        self.value = self.entries.find(wanted);
        let Some(entry) = self.value else { return Ok(None) };
        let key: StrDeserializer<'_, Wrong> = (*entry.key.text).into_deserializer();
        seed.deserialize(key).map(Some).map_err(|e| e.at(entry.key.span, entry.via, address(&entry.value)))
    }

    fn next_value_seed<V: DeserializeSeed<'a>>(&mut self, seed: V) -> Read<V::Value> {
        let Some(entry) = self.value.take() else { return Err(Wrong::custom("a value without a key")) };
        let reader = self.reader.child(entry, self.fields.is_some());
        reader.placed(seed.deserialize(reader))
    }
}

struct Variant<'a> {
    reader: Reader<'a>,
    entry: Option<&'a Entry>,
    name: &'static str,
}

impl<'a> EnumAccess<'a> for Variant<'a> {
    type Error = Wrong;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'a>>(self, seed: V) -> Read<(V::Value, Self)> {
        let (text, span) = match (self.entry, &self.reader.node.value) {
            (Some(entry), _) => (&*entry.key.text, entry.key.span),
            (None, Value::Scalar(scalar)) => (&*scalar.text, self.reader.node.span),
            (None, Value::List(_) | Value::Map(_)) => ("", self.reader.node.span),
        };
        let name: StrDeserializer<'_, Wrong> = text.into_deserializer();
        let variant = seed.deserialize(name).map_err(|mut error| {
            if let WrongKind::Variant { of, .. } = &mut error.kind {
                *of = self.name;
            }
            error.at(span, self.reader.via, address(self.reader.node))
        })?;
        Ok((variant, self))
    }
}

impl<'a> VariantAccess<'a> for Variant<'a> {
    type Error = Wrong;

    fn unit_variant(self) -> Read<()> {
        match self.entry {
            None => Ok(()),
            Some(_) => self.reader.wrong_type("only its name, as text", None),
        }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'a>>(self, seed: T) -> Read<T::Value> {
        match self.entry {
            Some(entry) => {
                let reader = self.reader.child(entry, true);
                reader.placed(seed.deserialize(reader))
            }
            None => {
                let name = self.reader.scalar().map_or("", |s| &*s.text);
                let help = format!("write `{{ {name}: … }}`");
                self.reader.wrong_type("a mapping with one key", Some(&help))
            }
        }
    }

    fn tuple_variant<V: Visitor<'a>>(self, _len: usize, visitor: V) -> Read<V::Value> {
        Err(Wrong::invalid_type(Unexpected::TupleVariant, &visitor))
    }

    fn struct_variant<V: Visitor<'a>>(self, fields: &'static [&'static str], visitor: V) -> Read<V::Value> {
        match self.entry {
            Some(entry) => self.reader.child(entry, true).deserialize_struct(self.name, fields, visitor),
            None => self.reader.wrong_type("a mapping with one key", None),
        }
    }
}

/// What stands there, for people.
fn describe(node: &Node) -> String {
    match &node.value {
        Value::List(_) => "a list".to_owned(),
        Value::Map(_) => "a mapping".to_owned(),
        Value::Scalar(scalar) => match scalar.kind() {
            Kind::Null => "nothing".to_owned(),
            Kind::Bool(value) => format!("`{value}`"),
            Kind::Number => format!("the number {}", scalar.text),
            Kind::Text => format!("the text `{}`", short(&scalar.text)),
        },
    }
}

/// A text cut to what fits into a message, on one line.
pub(in crate::config) fn short(text: &str) -> String {
    const LONGEST: usize = 60;
    let clean: String = text.chars().take(LONGEST).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    if text.chars().count() > LONGEST { format!("{clean}…") } else { clean }
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
