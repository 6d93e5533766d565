//! Certificates that somebody uploads: as with the real one nobody checks that the key belongs to the certificate, and
//! the answer holds both.

use std::process::Command;

use serde_json::{Value, json};

use super::Shared;
use super::api::{Asked, Outcome, lenient_id};
use super::certificate::{self, PATH};
use super::people::Right;
use super::refusal::Refusal;

/// `POST /nginx/certificates/7/upload`, a form with two files or three.
pub fn handle(shared: &Shared, asked: &Asked, id: &str) -> Outcome {
    let actor = asked.actor(shared)?;
    let body = asked.body.as_ref().map_err(Clone::clone)?;
    let form = asked.form.as_deref().map(|boundary| parts(&String::from_utf8_lossy(body), boundary));
    let Some(form) = form.filter(|form| !form.is_empty()) else {
        return Ok((400, json!({ "error": "No files were uploaded" })));
    };
    let id = lenient_id(id)?;
    let actor = actor?;
    actor.may(Right::Manage, PATH)?;
    let field = |name: &str| form.iter().find(|(field, _)| field == name).map(|(_, text)| text.clone());
    let (Some(certificate), Some(key)) = (field("certificate"), field("certificate_key")) else {
        return Err(Refusal::WrongSomehow);
    };
    let name = common_name(&certificate).ok_or_else(|| Refusal::wrong("Certificate is not valid"))?;
    let mut world = shared.lock();
    let found = world.certificates.get_mut(&id).filter(|found| !found.is_deleted && actor.sees(found.owner));
    let found = found.ok_or_else(|| Refusal::Missing(id.to_string()))?;
    if found.shown["provider"] != "other" {
        return Err(Refusal::wrong("Cannot upload certificates for this type of provider"));
    }
    let meta = json!({ "certificate": certificate, "certificate_key": key });
    found.shown["meta"] = meta.clone();
    found.shown["domain_names"] = json!([name]);
    certificate::place(shared.web.dir(), id, &certificate, &key);
    Ok((200, meta))
}

/// Fields of a form and their texts.
fn parts(body: &str, boundary: &str) -> Vec<(String, String)> {
    let part = |part: &str| {
        let (head, text) = part.split_once("\r\n\r\n")?;
        let name = head.split("name=\"").nth(1)?.split('"').next()?;
        Some((name.to_owned(), text.strip_suffix("\r\n").unwrap_or(text).to_owned()))
    };
    body.split(&format!("--{boundary}")).filter_map(part).collect()
}

/// Whose certificate it is; none when it is no certificate.
fn common_name(certificate: &str) -> Option<Value> {
    let file = tempfile::NamedTempFile::new().ok()?;
    std::fs::write(file.path(), certificate).ok()?;
    let output = Command::new("openssl").args(["x509", "-noout", "-subject", "-in"]).arg(file.path()).output().ok()?;
    let subject = String::from_utf8(output.stdout).ok()?;
    let name = subject.split("CN").nth(1)?.trim_start_matches([' ', '=']).trim();
    Some(name.into())
}
