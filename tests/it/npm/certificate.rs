//! Certificates: self-signed ones, made by openssl, that are shown as the real one shows its own, keys included.

use std::path::Path;
use std::process::Command;

use chrono::{Duration, Local};
use serde_json::{Value, json};

use super::Shared;
use super::api::{Asked, Outcome, lenient_id, nowhere, strict_id};
use super::people::Right;
use super::refusal::Refusal;
use super::schema::{Fields, Rule};
use super::site;
use super::upload;
use super::version::Version;
use super::world::{Certificate, now};

/// Their path below the API.
pub const PATH: &str = "/nginx/certificates";

/// Days that one lives.
const DAYS: i64 = 90;

/// Who a certificate comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Provider {
    LetsEncrypt,
    Other,
}

/// Answers a request below their path.
pub async fn handle(shared: &Shared, asked: &Asked) -> Outcome {
    let parts: Vec<&str> = asked.route()[PATH.len()..].split('/').collect();
    match (asked.method.as_str(), &parts[..]) {
        ("GET", [""] | ["", ""]) => list(shared, asked),
        ("POST", [""] | ["", ""]) => create(shared, asked).await,
        (_, ["", ""]) => Err(nowhere(asked)),
        ("GET", ["", id]) => show(shared, asked, id),
        ("POST", ["", id, "upload"]) => upload::handle(shared, asked, id),
        ("DELETE", ["", id]) => delete(shared, asked, id),
        _ => Err(nowhere(asked)),
    }
}

/// What comes of asking Let's Encrypt.
#[derive(Debug, Clone, Default)]
pub struct Authority {
    /// How long certbot takes.
    pub takes: std::time::Duration,
    /// What certbot says when it fails.
    pub says: Option<String>,
}

/// Gets one that covers these names, with its files in place; its id comes back. Its row is there before, with an end that
/// is past, and hosts of these names are not in nginx until it is over.
pub async fn issue(shared: &Shared, owner: i64, names: &Value, email: Option<&str>) -> Result<i64, Refusal> {
    let wanted: Vec<String> =
        names.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect();
    let id = add(shared, owner, Provider::LetsEncrypt, &wanted, None);
    set_end(shared, id, &now());
    let in_use = shared.lock().in_use(&wanted);
    for (kind, host) in &in_use {
        shared.web.remove(*kind, *host);
    }
    let reloaded = shared.web.reload().await;
    let files = match reloaded {
        Ok(()) => obtain(shared, wanted, email).await,
        Err(_) => Err(Refusal::Trouble),
    };
    for (kind, host) in in_use {
        site::configure(shared, kind, host, None).await?;
    }
    match files {
        Ok((certificate, key)) => {
            place(shared.web.dir(), id, &certificate, &key);
            set_end(shared, id, &ends());
            Ok(id)
        }
        // As if it had never been.
        Err(refusal) => {
            shared.lock().certificates.remove(&id);
            Err(refusal)
        }
    }
}

async fn obtain(shared: &Shared, names: Vec<String>, email: Option<&str>) -> Result<(String, String), Refusal> {
    let Authority { takes, says } = shared.lock().authority.clone();
    tokio::time::sleep(takes).await;
    if email == Some("") {
        return Err(Refusal::Certbot("Unable to register an account with ACME server. no email".to_owned()));
    }
    if let Some(says) = says {
        return Err(Refusal::Certbot(says));
    }
    let dir = shared.web.dir().to_owned();
    let made = tokio::task::spawn_blocking(move || make(&dir, &names)).await.map_err(|_| Refusal::Trouble)?;
    made.ok_or_else(|| Refusal::Certbot("An unexpected error occurred:\nno such names".to_owned()))
}

fn ends() -> String {
    (Local::now() + Duration::days(DAYS)).format("%Y-%m-%d %H:%M:%S").to_string()
}

fn set_end(shared: &Shared, id: i64, end: &str) {
    if let Some(certificate) = shared.lock().certificates.get_mut(&id) {
        certificate.shown["expires_on"] = end.into();
    }
}

/// Adds a row and puts the files in place.
pub fn add(shared: &Shared, owner: i64, provider: Provider, names: &[String], files: Option<&(String, String)>) -> i64 {
    let mut world = shared.lock();
    let id = world.certificates.keys().max().copied().unwrap_or(0) + 1;
    let ends = ends();
    let (from, meta) = match (provider, files) {
        (Provider::LetsEncrypt, _) => ("letsencrypt", json!({ "dns_challenge": false })),
        (Provider::Other, Some((certificate, key))) => {
            ("other", json!({ "certificate": certificate, "certificate_key": key }))
        }
        (Provider::Other, None) => ("other", json!({})),
    };
    let shown = json!({
        "id": id, "created_on": now(), "modified_on": now(), "owner_user_id": owner, "provider": from,
        "nice_name": names.join(", "), "domain_names": names, "expires_on": ends, "meta": meta,
    });
    world.certificates.insert(id, Certificate { owner, shown, is_deleted: false });
    if let Some((certificate, key)) = files {
        place(shared.web.dir(), id, certificate, key);
    }
    id
}

/// Puts the files of one where nginx looks for them.
pub fn place(dir: &Path, id: i64, certificate: &str, key: &str) {
    let place = dir.join(format!("custom_ssl/npm-{id}"));
    std::fs::create_dir_all(&place).expect("a directory");
    std::fs::write(place.join("fullchain.pem"), certificate).expect("a file");
    std::fs::write(place.join("privkey.pem"), key).expect("a file");
}

/// A certificate and its key as PEM; none when openssl does not take the names.
pub fn make(dir: &Path, names: &[String]) -> Option<(String, String)> {
    let scratch = tempfile::tempdir_in(dir).ok()?;
    let (certificate, key) = (scratch.path().join("certificate"), scratch.path().join("key"));
    let alternatives: Vec<String> = names.iter().map(|name| format!("DNS:{name}")).collect();
    let output = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"])
        .args(["-days", &DAYS.to_string(), "-subj", &format!("/CN={}", names.first()?)])
        .args(["-addext", &format!("subjectAltName={}", alternatives.join(","))])
        .arg("-out")
        .arg(&certificate)
        .arg("-keyout")
        .arg(&key)
        .output()
        .expect("openssl runs");
    if !output.status.success() {
        return None;
    }
    Some((std::fs::read_to_string(certificate).ok()?, std::fs::read_to_string(key).ok()?))
}

fn list(shared: &Shared, asked: &Asked) -> Outcome {
    let actor = asked.actor(shared)??;
    actor.may(Right::View, PATH)?;
    let world = shared.lock();
    let there =
        world.certificates.values().filter(|certificate| !certificate.is_deleted && actor.sees(certificate.owner));
    let mut shown: Vec<Value> = there.map(|certificate| certificate.shown.clone()).collect();
    shown.sort_by_key(|certificate| certificate["nice_name"].to_string());
    Ok((200, shown.into()))
}

fn show(shared: &Shared, asked: &Asked, id: &str) -> Outcome {
    let actor = asked.actor(shared)?;
    let id = strict_id(id)?;
    let actor = actor?;
    actor.may(Right::View, PATH)?;
    let world = shared.lock();
    let there = world.certificates.get(&id).filter(|found| !found.is_deleted && actor.sees(found.owner));
    there.map(|found| (200, found.shown.clone())).ok_or_else(|| Refusal::Missing(id.to_string()))
}

async fn create(shared: &Shared, asked: &Asked) -> Outcome {
    let actor = asked.actor(shared)?;
    let version = shared.lock().version;
    let known = vec![
        ("provider", Rule::OneOf(&["letsencrypt", "other"])),
        ("nice_name", Rule::text()),
        ("domain_names", Rule::Names { max: version.most_domains() }),
        ("meta", Rule::Object(meta(version))),
    ];
    let rules = Fields { required: &["provider"], known, at_least: 0 };
    let body = rules.check(version, asked.json()?).map_err(Refusal::Wrong)?;
    let actor = actor?;
    actor.may(Right::Manage, PATH)?;
    let id = if body["provider"] == "letsencrypt" {
        // Before 2.13 it registers with what the request says, and that may be nothing.
        let email = body["meta"]["letsencrypt_email"].as_str().unwrap_or_default();
        let email = version.wants_email_for_certificates().then_some(email);
        issue(shared, actor.id, &body["domain_names"], email).await?
    } else {
        let id = add(shared, actor.id, Provider::Other, &[], None);
        if let Some(certificate) = shared.lock().certificates.get_mut(&id) {
            certificate.shown["nice_name"] = body["nice_name"].clone();
        }
        id
    };
    let world = shared.lock();
    Ok((201, world.certificates[&id].shown.clone()))
}

/// What the `meta` of a new one may hold: no key of anybody else's.
fn meta(version: Version) -> Fields {
    let mut known = vec![
        ("certificate", Rule::text()),
        ("certificate_key", Rule::text()),
        ("dns_challenge", Rule::Switch),
        ("dns_provider", Rule::text()),
        ("dns_provider_credentials", Rule::text()),
        ("propagation_seconds", Rule::Number { min: 0, max: i64::MAX }),
        ("letsencrypt_certificate", Rule::Free),
    ];
    if version.wants_email_for_certificates() {
        known.extend([("letsencrypt_email", Rule::text()), ("letsencrypt_agree", Rule::Switch)]);
    }
    if version.knows_two_factor() {
        known.push(("key_type", Rule::OneOf(&["rsa", "ecdsa"])));
    }
    Fields { required: &[], known, at_least: 0 }
}

/// Files of one from Let's Encrypt go at once, also when a host needs them: nginx refuses everything from then on.
fn delete(shared: &Shared, asked: &Asked, id: &str) -> Outcome {
    let actor = asked.actor(shared)?;
    let id = lenient_id(id)?;
    let actor = actor?;
    actor.may(Right::Manage, PATH)?;
    let is_ours = {
        let mut world = shared.lock();
        let found = world.certificates.get_mut(&id).filter(|found| !found.is_deleted && actor.sees(found.owner));
        let found = found.ok_or_else(|| Refusal::Missing(id.to_string()))?;
        found.is_deleted = true;
        found.shown["provider"] == "letsencrypt"
    };
    if is_ours {
        let _ = std::fs::remove_dir_all(shared.web.dir().join(format!("custom_ssl/npm-{id}")));
    }
    Ok((200, true.into()))
}
