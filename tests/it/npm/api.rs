//! From a request to its handler: the routes, who asks, and what every handler does alike.

use axum::body::Bytes;
use serde_json::{Value, json};

use super::fault::Fault;
use super::kind::Kind;
use super::people::Actor;
use super::refusal::Refusal;
use super::version::Version;
use super::{Shared, access_list, certificate, hosts, login, users};

/// A request.
#[derive(Debug)]
pub struct Asked {
    pub method: String,
    /// The whole path.
    pub path: String,
    pub query: String,
    pub authorization: Option<String>,
    pub is_json: bool,
    /// What stands between the parts of a form, if the body is one.
    pub form: Option<String>,
    pub body: Result<Bytes, Refusal>,
    pub fault: Option<Fault>,
}

/// An answer.
#[derive(Debug)]
pub enum Answer {
    Json(u16, Value),
    /// A page of the user interface.
    Page(String),
    /// It is elsewhere.
    Found(String),
}

/// What a handler returns.
pub type Outcome = Result<(u16, Value), Refusal>;

impl Asked {
    /// The path below `/api`; the whole one where it is not below.
    pub fn route(&self) -> &str {
        self.path.strip_prefix("/api").filter(|rest| rest.starts_with('/')).unwrap_or(&self.path)
    }

    /// The token, if there is something like one.
    pub fn token(&self) -> Option<&str> {
        self.authorization.as_deref()?.strip_prefix("Bearer ").filter(|token| !token.is_empty())
    }

    /// A value of the query, decoded.
    pub fn query(&self, name: &str) -> Option<String> {
        let url = reqwest::Url::parse(&format!("http://npm/?{}", self.query)).ok()?;
        url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    }

    /// The body; none when there is none that is declared as JSON.
    pub fn json(&self) -> Result<Option<Value>, Refusal> {
        let bytes = self.body.as_ref().map_err(Clone::clone)?;
        if !self.is_json || bytes.is_empty() {
            return Ok(None);
        }
        let value: Value = serde_json::from_slice(bytes).map_err(|_| Refusal::WrongSomehow)?;
        if value.is_object() || value.is_array() { Ok(Some(value)) } else { Err(Refusal::WrongSomehow) }
    }

    /// Who asks. A token that is too old or broken is told; no token, or one of a user who is gone, is a refusal that
    /// comes later, when something needs a permission.
    pub fn actor(&self, shared: &Shared) -> Result<Result<Actor, Refusal>, Refusal> {
        let Some(token) = self.token() else { return Ok(Err(Refusal::Denied)) };
        match shared.lock().bearer(token) {
            Ok(actor) => Ok(Ok(actor)),
            Err(Refusal::Denied) => Ok(Err(Refusal::Denied)),
            Err(refusal) => Err(refusal),
        }
    }
}

/// Answers a request.
pub async fn answer(shared: &Shared, asked: Asked) -> Answer {
    if asked.path == "/api" {
        return Answer::Found("/api/".to_owned());
    }
    if !asked.path.starts_with("/api/") {
        return Answer::Page("<!doctype html><title>Nginx Proxy Manager</title>".to_owned());
    }
    let version = shared.lock().version;
    let (status, body) = match handled(shared, &asked).await {
        Ok(answer) => answer,
        Err(refusal) => refusal.answer(version, asked.route()),
    };
    Answer::Json(status, body)
}

async fn handled(shared: &Shared, asked: &Asked) -> Outcome {
    // Bodies are read before anything is routed.
    asked.json()?;
    let route = asked.route();
    for kind in Kind::ALL {
        if let Some(rest) = route.strip_prefix(kind.path()) {
            return hosts::handle(shared, asked, kind, rest).await;
        }
    }
    let method = asked.method.as_str();
    match route {
        "/" if method == "GET" => Ok((200, health(shared.lock().version))),
        "/schema" if method == "GET" => Ok((200, schema(shared.lock().version))),
        _ if route.starts_with("/tokens") => login::tokens(shared, asked),
        _ if route.starts_with(users::PATH) => users::handle(shared, asked),
        _ if route.starts_with(certificate::PATH) => certificate::handle(shared, asked).await,
        _ if route.starts_with(access_list::PATH) => access_list::handle(shared, asked),
        _ => Err(nowhere(asked)),
    }
}

/// Nothing is routed there.
pub fn nowhere(asked: &Asked) -> Refusal {
    Refusal::Missing(asked.route().to_owned())
}

/// The number at the beginning of a part of a path, as JavaScript reads it; what is none is trouble.
pub fn lenient_id(text: &str) -> Result<i64, Refusal> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text[..digits].parse().map_err(|_| Refusal::Trouble)
}

/// The number that a part of a path is; what is none is refused.
pub fn strict_id(text: &str) -> Result<i64, Refusal> {
    text.parse::<i64>().ok().filter(|id| *id >= 1).ok_or(Refusal::WrongSomehow)
}

fn health(version: Version) -> Value {
    let Version { major, minor, revision } = version;
    let mut health = json!({
        "status": "OK", "version": { "major": major, "minor": minor, "revision": revision },
    });
    if version.tells_setup() {
        health["setup"] = true.into();
    }
    health
}

/// Enough of the description of the API to see which fields a host has.
fn schema(version: Version) -> Value {
    let properties = |kind: Kind| {
        let known = kind.new_rules(version).known.into_iter();
        Value::Object(known.map(|(name, _)| (name.to_owned(), json!({}))).collect())
    };
    let paths = Kind::ALL.map(|kind| {
        let schema = json!({ "type": "object", "additionalProperties": false, "properties": properties(kind) });
        let body = json!({ "requestBody": { "content": { "application/json": { "schema": schema } } } });
        (kind.path().to_owned(), json!({ "post": body }))
    });
    let Version { major, minor, revision } = version;
    let info = json!({ "title": "Nginx Proxy Manager API", "version": format!("{major}.{minor}.{revision}") });
    json!({ "openapi": "3.1.0", "info": info, "paths": Value::Object(paths.into_iter().collect()) })
}
