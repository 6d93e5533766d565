//! Certificates that the proxy gets from Let's Encrypt: made before the host, never with it.
//!
//! *Expected flow*: one that is there for exactly these names is taken; else one is asked for, which takes the proxy
//! seconds or minutes, and hosts of these names out of service meanwhile. *Guarantees*: one at a time, and no other write
//! beside it; after a lost answer it is looked for, and never asked for again by the same call: each one asked for counts
//! at Let's Encrypt. *Must not*: show the words of certbot whole, which hold paths and its command (R28).

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};

use super::NginxProxyManager;
use super::api::Answer;
use super::error::NpmError;
use super::look;
use crate::proxy::ProxyError;

/// Where they are.
pub(super) const CERTIFICATES: &str = "/nginx/certificates";
/// Time for one: Let's Encrypt looks from several places, and a busy one lets wait.
const AT_MOST: Duration = Duration::from_secs(300);
/// Time between two looks for one whose answer was lost.
const AGAIN: Duration = Duration::from_secs(2);
/// So many of them may go wrong.
const LOOKS: u32 = 5;
/// Most of certbot's words that are repeated.
const MAX_REASON: usize = 300;
/// The last release, of major version 2, that wants an email address and a consent in the request.
const LAST_THAT_WANTS_AN_EMAIL: u64 = 12;

/// What is there for some names.
enum Found {
    /// One that is good.
    Good(u64),
    /// One that has not come yet, most likely: its end is in the past.
    Coming,
    Nothing,
}

impl NginxProxyManager {
    /// Has one made for these names, and answers its number. Takes minutes at worst.
    pub(in crate::proxy) async fn certify(&self, names: &[String]) -> Result<u64, ProxyError> {
        let _alone = self.writes.lock().await;
        let began = Instant::now();
        if let Found::Good(id) = self.certificate_for(names).await? {
            return Ok(id);
        }
        let body = self.wish(names).await?;
        match self.call_within(Method::POST, CERTIFICATES, Some(&body), AT_MOST).await {
            Ok(made) => Ok(made.get("id").and_then(Value::as_u64).ok_or_else(|| unreadable(names))?),
            Err(error) if error.is_ambiguous() => {
                tracing::warn!(%error, "looking whether there is a certificate");
                Ok(self.look_for(names, error, began).await?)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The request, as the release wants it: what an older one needs, a newer one refuses.
    async fn wish(&self, names: &[String]) -> Result<Value, NpmError> {
        let version = self.version().await?;
        let mut parts = version.split('.').map_while(|part| part.parse::<u64>().ok());
        let is_older = (parts.next(), parts.next()) <= (Some(2), Some(LAST_THAT_WANTS_AN_EMAIL));
        let mut meta = json!({ "dns_challenge": false });
        if is_older {
            meta["letsencrypt_email"] = json!(self.settings.email);
            meta["letsencrypt_agree"] = json!(true);
        }
        Ok(json!({ "provider": "letsencrypt", "domain_names": names, "meta": meta }))
    }

    /// After an answer that says nothing: while one is being made its row is there, without an end in the future.
    async fn look_for(&self, names: &[String], lost: NpmError, began: Instant) -> Result<u64, NpmError> {
        let mut unseen = 0;
        loop {
            match self.certificate_for(names).await {
                Ok(Found::Good(id)) => return Ok(id),
                // An answer that came says that it is over, whatever is there.
                Ok(Found::Coming) if matches!(lost, NpmError::NoAnswer { .. }) && began.elapsed() < AT_MOST => {}
                Err(_) if unseen < LOOKS => unseen += 1,
                Ok(Found::Coming | Found::Nothing) | Err(_) => return Err(lost),
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    /// The certificate of Let's Encrypt for exactly these names.
    async fn certificate_for(&self, names: &[String]) -> Result<Found, NpmError> {
        let list = self.call(Method::GET, CERTIFICATES, None).await?;
        let ours = list.as_array().into_iter().flatten().filter(|row| row["provider"] == "letsencrypt").cloned();
        let mut wanted: Vec<&str> = names.iter().map(String::as_str).collect();
        wanted.sort_unstable();
        let is_for = |domains: &[String]| {
            let mut domains: Vec<&str> = domains.iter().map(String::as_str).collect();
            domains.sort_unstable();
            domains == wanted
        };
        let now = chrono::Utc::now().timestamp_millis();
        let mut found = Found::Nothing;
        for certificate in look::certificates(&ours.collect()).into_iter().filter(|one| is_for(&one.domains)) {
            match certificate.expires_ms {
                Some(until) if until > now => return Ok(Found::Good(certificate.id)),
                Some(_) | None => found = Found::Coming,
            }
        }
        Ok(found)
    }
}

/// Why none was made, where the answer says so: certbot's own words, in one line, without its command and its paths.
pub(super) fn failure(path: &str, answer: &Answer) -> Option<NpmError> {
    if !path.starts_with(CERTIFICATES) || !answer.status.is_server_error() {
        return None;
    }
    let stack = answer.body.get("debug")?.get("stack")?;
    let text = match stack {
        Value::String(text) => text.clone(),
        Value::Array(lines) => lines.iter().filter_map(Value::as_str).collect::<Vec<_>>().join("\n"),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => return None,
    };
    telling(&text).map(|reason| NpmError::NoCertificate { reason })
}

/// The line of certbot's that says why: what the authority found, else what came unexpected, else what failed.
fn telling(text: &str) -> Option<String> {
    let is_said = |line: &&str| {
        let is_noise = ["Command failed", "certbot ", "Saving debug log", "at ", "Ask for help"];
        !line.is_empty() && !is_noise.iter().any(|noise| line.starts_with(noise))
    };
    let lines: Vec<&str> = text.lines().map(plain).filter(is_said).collect();
    let detail = lines.iter().find_map(|line| line.strip_prefix("Detail: "));
    let unexpected = || {
        let at = lines.iter().position(|line| line.starts_with("An unexpected error occurred"))?;
        lines.get(at + 1).copied()
    };
    let failed = || lines.iter().find(|line| line.contains("failed") || line.contains("rror")).copied();
    let line = detail.or_else(unexpected).or_else(failed)?;
    Some(line.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX_REASON).collect())
}

/// A line without what the server puts before the words of a program.
fn plain(line: &str) -> &str {
    line.trim().trim_start_matches("CommandError: ").trim_start_matches("Error: ")
}

fn unreadable(names: &[String]) -> NpmError {
    let reason = format!("it does not say which certificate is for {}", names.join(", "));
    NpmError::NoAnswer { what: format!("POST {CERTIFICATES}"), reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r28_of_certbots_words_the_telling_line_is_repeated_and_no_command_or_path() {
        let challenge = "Error: Command failed: certbot certonly -n --config /etc/letsencrypt.ini -m me@example.com\n\
            Saving debug log to /tmp/letsencrypt-log/letsencrypt.log\n\nCertbot failed to authenticate some domains \
            (authenticator: webroot). The Certificate Authority reported these problems:\n  Domain: a.test\n  Type:   \
            connection\n  Detail: 192.0.2.1: Fetching http://a.test/x: Connection refused\n\nHint: …\n    at node:1";
        assert_eq!(telling(challenge).unwrap(), "192.0.2.1: Fetching http://a.test/x: Connection refused");
        let limit = "Error: Saving debug log to /tmp/x\nAn unexpected error occurred:\nError creating new order :: too many \
            certificates already issued\nAsk for help or search";
        assert_eq!(telling(limit).unwrap(), "Error creating new order :: too many certificates already issued");
        assert_eq!(telling("Error: Some challenges have failed.").unwrap(), "Some challenges have failed.");
        assert_eq!(telling("Command failed: certbot certonly\n    at node:1"), None);
        assert_eq!(telling(&format!("Detail: {}", "x".repeat(9000))).unwrap().len(), MAX_REASON);
    }
}
