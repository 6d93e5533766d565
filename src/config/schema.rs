//! The JSON Schema of a configuration file, for editors and CI, generated from the raw types.
//!
//! What it refuses the loader refuses too; the loader refuses more. `schema/landfall.schema.json` is this, and a test
//! compares them.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Map, Value, json};

use super::raw;

/// What the names of projects, stages and registries look like (R30).
const NAME: &str = "^[a-z0-9]([a-z0-9-]{0,22}[a-z0-9])?$";

/// Any scalar.
pub(super) fn any_scalar(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": ["string", "number", "boolean"] })
}

/// A size as text, or a number of bytes.
pub(super) fn size(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": ["string", "integer"], "pattern": "^[0-9]+([kKmMgG]?[bB]?)$", "minimum": 0 })
}

/// The JSON Schema of a configuration file (draft 2020-12), pretty, with a newline at its end.
pub fn json_schema() -> String {
    let mut generator = SchemaSettings::draft2020_12().into_generator();
    let layer = generator.subschema_for::<raw::Layer>();
    let settings = generator.subschema_for::<raw::Settings>();
    let registry = generator.subschema_for::<raw::Registry>();
    let project = own_keys::<raw::ProjectKeys>(&mut generator);
    let stage = own_keys::<raw::StageKeys>(&mut generator);
    drop(layer);
    let mut defs = generator.take_definitions(true);
    let shared: Vec<String> =
        properties(defs.get("Layer")).map(|keys| keys.keys().cloned().collect()).unwrap_or_default();
    defs.insert("Stage".to_owned(), entry("One environment of a project.", &stage, &shared, &["track"]));
    let mut project = entry("One application: an image and how to run it.", &project, &shared, &["image", "stages"]);
    if let Some(keys) = project.get_mut("properties").and_then(Value::as_object_mut) {
        let mut stages = named("Its environments, by name.", &json!({ "$ref": "#/$defs/Stage" }));
        stages["minProperties"] = json!(1);
        keys.insert("stages".to_owned(), stages);
    }
    defs.insert("Project".to_owned(), project);
    let mut schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Landfall configuration",
        "description": "One file of a config directory; all files together are the configuration.",
        "type": "object",
        "properties": {
            "settings": settings,
            "registries": named("Where images come from, by name.", registry.as_value()),
            "projects": named("What runs on the host, by name.", &json!({ "$ref": "#/$defs/Project" })),
        },
        "patternProperties": { "^x-": { "description": "A home for anchors; not read." } },
        "$defs": defs,
    });
    tighten(&mut schema);
    let mut text = serde_json::to_string_pretty(&schema).unwrap_or_default();
    text.push('\n');
    text
}

fn own_keys<T: JsonSchema>(generator: &mut SchemaGenerator) -> Value {
    T::json_schema(generator).into()
}

fn properties(schema: Option<&Value>) -> Option<&Map<String, Value>> {
    schema?.get("properties")?.as_object()
}

/// A project or stage: its own keys, and those that both share.
fn entry(description: &str, own: &Value, shared: &[String], required: &[&str]) -> Value {
    let mut keys = properties(Some(own)).cloned().unwrap_or_default();
    for key in shared {
        keys.insert(key.clone(), json!({ "$ref": format!("#/$defs/Layer/properties/{key}") }));
    }
    json!({ "description": description, "type": "object", "properties": keys, "required": required })
}

/// A mapping of names.
fn named(description: &str, value: &Value) -> Value {
    json!({
        "description": description,
        "type": "object",
        "propertyNames": { "pattern": NAME },
        "additionalProperties": value,
    })
}

/// Closes every mapping of known keys, and takes null from the values of keys: a key without a value is an error,
/// while a null in a map of names removes what the project says.
fn tighten(schema: &mut Value) {
    match schema {
        Value::Array(items) => items.iter_mut().for_each(tighten),
        Value::Object(object) => {
            object.values_mut().for_each(tighten);
            if object.get("type").is_some_and(|t| t == "object") && !object.contains_key("propertyNames") {
                object.entry("additionalProperties").or_insert(json!(false));
            }
            let Some(Value::Object(keys)) = object.get_mut("properties") else { return };
            keys.values_mut().for_each(not_null);
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn not_null(schema: &mut Value) {
    let Some(object) = schema.as_object_mut() else { return };
    if let Some(Value::Array(types)) = object.get_mut("type") {
        types.retain(|t| t != "null");
        if let [one] = &types[..] {
            object["type"] = one.clone();
        }
    }
    if let Some(Value::Array(choices)) = object.get_mut("enum") {
        choices.retain(|choice| !choice.is_null());
    }
    if let Some(Value::Array(mut choices)) = object.remove("anyOf") {
        choices.retain(|choice| choice.get("type").is_none_or(|t| t != "null"));
        match (&mut choices[..], object.len()) {
            ([Value::Object(one)], _) => object.append(one),
            _ => drop(object.insert("anyOf".to_owned(), Value::Array(choices))),
        }
    }
}
