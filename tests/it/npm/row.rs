//! One host as the database has it, and as the API shows it.

use serde_json::{Map, Value, json};

use super::kind::Kind;
use super::world::{World, now};

/// A host.
#[derive(Debug, Clone)]
pub struct Row {
    pub kind: Kind,
    pub id: i64,
    pub owner: i64,
    /// Deleted rows stay for ever.
    pub is_deleted: bool,
    /// What can be written, and the times; switches are real ones here.
    pub fields: Map<String, Value>,
}

/// What is shown beside a row.
#[expect(clippy::struct_excessive_bools, reason = "four things that may be asked for, each on its own")]
#[derive(Debug, Clone, Copy, Default)]
pub struct Expand {
    pub owner: bool,
    pub certificate: bool,
    pub access_list: bool,
    /// The people and addresses of the access list, passwords included.
    pub insides: bool,
}

impl Expand {
    /// What the answers to writes show.
    pub const ALL: Self = Self { owner: true, certificate: true, access_list: true, insides: true };

    /// Reads a query's value; none when it asks for something unknown, which the real one stumbles over.
    pub fn parse(text: &str) -> Option<Self> {
        let mut expand = Self::default();
        let text = text.replace("[clients,items]", "[]").replace("[items,clients]", "[]");
        for word in text.split(',') {
            match word {
                "owner" => expand.owner = true,
                "certificate" => expand.certificate = true,
                "access_list" => expand.access_list = true,
                "access_list.[]" | "access_list.items" | "access_list.clients" => {
                    expand.access_list = true;
                    expand.insides = true;
                }
                _ => return None,
            }
        }
        Some(expand)
    }
}

impl Row {
    /// A row with the defaults of its kind below what was given.
    pub fn new(kind: Kind, id: i64, owner: i64, given: Map<String, Value>) -> Self {
        let mut fields = Map::new();
        fields.extend(kind.switches().into_iter().map(|name| (name.to_owned(), Value::Bool(false))));
        let defaults = json!({
            "certificate_id": 0, "advanced_config": "", "meta": {}, "enabled": true, "created_on": now(),
        });
        fields.extend(defaults.as_object().cloned().unwrap_or_default());
        if kind == Kind::Proxy {
            fields.insert("access_list_id".into(), 0.into());
            fields.insert("locations".into(), Value::Null);
        }
        let mut row = Self { kind, id, owner, is_deleted: false, fields };
        row.change(given);
        row
    }

    /// Takes over what was given, sorts the names, and tells the time.
    pub fn change(&mut self, given: Map<String, Value>) {
        self.fields.extend(given);
        if let Some(Value::String(number)) = self.fields.get("certificate_id") {
            let number = number.parse::<i64>().unwrap_or_default();
            self.fields.insert("certificate_id".into(), number.into());
        }
        if let Some(Value::Array(names)) = self.fields.get_mut("domain_names") {
            // By UTF-16 units, as JavaScript sorts.
            names.sort_by_key(|name| name.as_str().unwrap_or_default().encode_utf16().collect::<Vec<_>>());
        }
        self.fields.insert("modified_on".into(), now().into());
    }

    /// Its names, case as given.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.fields["domain_names"].as_array().into_iter().flatten().filter_map(Value::as_str)
    }

    /// A switch; false when the kind has none of this name.
    pub fn is(&self, switch: &str) -> bool {
        self.fields.get(switch) == Some(&Value::Bool(true))
    }

    /// A number; 0 when there is none.
    pub fn number(&self, name: &str) -> i64 {
        self.fields.get(name).and_then(Value::as_i64).unwrap_or_default()
    }

    /// A text; empty when there is none.
    pub fn text(&self, name: &str) -> &str {
        self.fields.get(name).and_then(Value::as_str).unwrap_or_default()
    }
}

impl World {
    /// A row as this release shows it.
    pub fn shown(&self, row: &Row, expand: Expand) -> Value {
        let mut shown = row.fields.clone();
        shown.insert("id".into(), row.id.into());
        shown.insert("owner_user_id".into(), row.owner.into());
        if !self.version.knows_forwarded_proto() {
            shown.remove("trust_forwarded_proto");
        }
        if !self.version.reads_booleans() {
            for value in shown.values_mut() {
                if let Value::Bool(on) = value {
                    *value = i64::from(*on).into();
                }
            }
        }
        if expand.owner {
            shown.insert("owner".into(), self.owner_expanded(row.owner));
        }
        if expand.certificate {
            shown.insert("certificate".into(), self.certificate_expanded(row.number("certificate_id")));
        }
        if expand.access_list && row.kind == Kind::Proxy {
            shown.insert("access_list".into(), self.access_list_expanded(row.number("access_list_id"), expand.insides));
        }
        Value::Object(shown)
    }

    fn access_list_expanded(&self, id: i64, insides: bool) -> Value {
        let mut list = self.access_lists.get(&id).cloned().unwrap_or(Value::Null);
        if let (false, Some(list)) = (insides, list.as_object_mut()) {
            list.remove("items");
            list.remove("clients");
        }
        list
    }
}

/// What the real one does to the switches of TLS: whoever lacks a certificate forces none, and so on down. A
/// `certificate_id` that was given counts as one even when it is 0, since it is a text by then.
pub fn clean_tls(row: Option<&Row>, given: &mut Map<String, Value>) {
    let was = |name: &str| row.is_some_and(|row| row.is(name));
    let certificate = match given.get("certificate_id") {
        Some(_) => true,
        None => row.is_some_and(|row| row.number("certificate_id") != 0),
    };
    let on = |given: &Map<String, Value>, name: &str| given.get(name).map_or_else(|| was(name), |v| v == true);
    let mut off = |name: &str, unless: bool| {
        if !unless {
            given.insert(name.to_owned(), Value::Bool(false));
        }
        on(given, name)
    };
    let forced = off("ssl_forced", certificate);
    off("http2_support", certificate);
    let hsts = off("hsts_enabled", forced);
    off("hsts_subdomains", hsts);
}
