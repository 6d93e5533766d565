//! One-of values on their way to serde: a mapping with one key, a bare name, or a value that is told by its kind.

use serde::de::value::StrDeserializer;
use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Error as _, IntoDeserializer, Unexpected, VariantAccess, Visitor,
};

use super::decode::{Fault, Wrong, WrongKind};
use super::node::{Entry, Value};
use super::reader::{Read, Reader};

/// A one-of value: the only key of a mapping, or a bare name.
pub(super) struct OneOf<'a> {
    pub(super) reader: Reader<'a>,
    pub(super) entry: Option<Entry<'a>>,
    /// Name of the type.
    pub(super) of: &'static str,
}

impl<'a> EnumAccess<'a> for OneOf<'a> {
    type Error = Fault;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'a>>(self, seed: V) -> Read<(V::Value, Self)> {
        let (text, span) = match (self.entry, self.reader.node.value()) {
            (Some(entry), _) => (entry.name(), entry.span()),
            (None, Value::Scalar(scalar)) => (scalar.text, self.reader.node.span()),
            (None, Value::List(_) | Value::Map(_)) => ("", self.reader.node.span()),
        };
        let name: StrDeserializer<'_, Fault> = text.into_deserializer();
        let variant = seed.deserialize(name).map_err(|mut error| {
            if let WrongKind::Variant { of, .. } = &mut error.kind {
                *of = self.of;
            }
            error.at(span, self.reader.via, self.reader.node.id())
        })?;
        Ok((variant, self))
    }
}

impl<'a> VariantAccess<'a> for OneOf<'a> {
    type Error = Fault;

    fn unit_variant(self) -> Read<()> {
        match self.entry {
            None => Ok(()),
            Some(entry) => self.reader.wrong_type("only its name, as text", Some(&format!("write `{}`", entry.name()))),
        }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'a>>(self, seed: T) -> Read<T::Value> {
        if let Some(entry) = self.entry {
            let reader = self.reader.child(entry, true);
            return reader.placed(seed.deserialize(reader));
        }
        let name = self.reader.scalar().map_or("", |s| s.text);
        self.reader.wrong_type("a mapping with one key", Some(&format!("write `{{ {name}: … }}`")))
    }

    fn tuple_variant<V: Visitor<'a>>(self, _len: usize, visitor: V) -> Read<V::Value> {
        Err(Fault::invalid_type(Unexpected::TupleVariant, &visitor))
    }

    fn struct_variant<V: Visitor<'a>>(self, fields: &'static [&'static str], visitor: V) -> Read<V::Value> {
        match self.entry {
            Some(entry) => self.reader.child(entry, true).deserialize_struct(self.of, fields, visitor),
            None => self.reader.wrong_type("a mapping with one key", None),
        }
    }
}

/// A value that may be written in several ways: serde is told which one it is, and gets the same value again.
pub(super) struct ByKind<'a> {
    reader: Reader<'a>,
    kind: &'static str,
}

impl<'a> ByKind<'a> {
    pub(super) fn of(reader: Reader<'a>, known: &'static [&'static str]) -> Read<Self> {
        let kind = match reader.node.value() {
            Value::Scalar(_) => "scalar",
            Value::List(_) => "list",
            Value::Map(_) => "map",
        };
        match known.iter().find(|k| **k == kind) {
            Some(kind) => Ok(Self { reader, kind }),
            None if reader.node.is_null() => reader.placed(Err(Wrong::new(WrongKind::NoValue))),
            None => {
                let words = known.iter().map(|k| match *k {
                    "scalar" => "text",
                    "list" => "a list",
                    _ => "a mapping",
                });
                reader.wrong_type(words.collect::<Vec<_>>().join(" or "), None)
            }
        }
    }
}

impl<'a> EnumAccess<'a> for ByKind<'a> {
    type Error = Fault;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'a>>(self, seed: V) -> Read<(V::Value, Self)> {
        let name: StrDeserializer<'_, Fault> = self.kind.into_deserializer();
        Ok((seed.deserialize(name)?, self))
    }
}

impl<'a> VariantAccess<'a> for ByKind<'a> {
    type Error = Fault;

    fn newtype_variant_seed<T: DeserializeSeed<'a>>(self, seed: T) -> Read<T::Value> {
        self.reader.placed(seed.deserialize(self.reader))
    }

    fn unit_variant(self) -> Read<()> {
        Err(Fault::custom("a variant chosen by kind holds a value"))
    }

    fn tuple_variant<V: Visitor<'a>>(self, _len: usize, visitor: V) -> Read<V::Value> {
        Err(Fault::invalid_type(Unexpected::TupleVariant, &visitor))
    }

    fn struct_variant<V: Visitor<'a>>(self, _fields: &'static [&'static str], visitor: V) -> Read<V::Value> {
        Err(Fault::invalid_type(Unexpected::StructVariant, &visitor))
    }
}
