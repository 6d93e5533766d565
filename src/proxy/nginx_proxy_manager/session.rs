//! Being logged in: a token for a day, kept sealed between runs, renewed when it is refused.
//!
//! *Guarantees*: a login that was refused is not tried again at once, also not by the next process: each costs the
//! other side half a second, and looks like an attack. *Must not*: show or keep a password, or a token in plain (R28).

use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::{Method, StatusCode};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::api::{Answer, Api};
use super::error::NpmError;
use crate::model::{NpmSettings, hash};
use crate::secrets::{KeyPlace, SealingKey, SecretError, Secrets, sealed};

/// A token with less time left than this is exchanged for a new one, which needs no password.
const REFRESH_BEFORE_MS: i64 = 3_600_000;
/// First pause after a refused login; it doubles up to the longest.
const PAUSE_MS: i64 = 10_000;
/// Longest pause after a refused login.
const LONGEST_PAUSE_MS: i64 = 300_000;

/// Where the token is kept between runs.
#[derive(Debug)]
pub struct Vault {
    /// The file.
    pub path: PathBuf,
    /// Where the key is looked for: credentials directory and file.
    pub key_place: (PathBuf, PathBuf),
    /// What it is sealed with; none when there is none, and nothing may be made yet: then nothing is kept. A key that
    /// cannot be used is told by the first call, so that what needs no proxy goes on.
    pub key: Result<Option<SealingKey>, SecretError>,
}

/// The login of one user.
#[derive(Debug)]
pub(super) struct Session {
    settings: NpmSettings,
    secrets: Secrets,
    vault: Vault,
    token: Mutex<Option<Token>>,
}

#[derive(Debug, Clone)]
struct Token {
    secret: SecretString,
    expires_ms: i64,
    /// When its user was last told, right after a login, that it may not do something.
    denied_ms: Option<i64>,
}

/// What the file holds, sealed.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kept {
    Token { token: String, expires_ms: i64, denied_ms: Option<i64> },
    Refused(Refusal),
}

#[derive(Serialize, Deserialize)]
struct Refusal {
    at_ms: i64,
    times: u32,
    reason: String,
    two_factor: bool,
    /// Hash of the password that was refused: another one is tried at once.
    password: String,
}

impl Session {
    pub(super) fn new(settings: NpmSettings, secrets: Secrets, vault: Vault) -> Self {
        Self { settings, secrets, vault, token: Mutex::default() }
    }

    /// A token that is good as far as can be told from here.
    pub(super) async fn token(&self, api: &Api) -> Result<SecretString, NpmError> {
        let mut held = self.token.lock().await;
        if held.is_none() {
            *held = match self.kept()? {
                Some(Kept::Token { token, expires_ms, denied_ms }) => {
                    Some(Token { secret: token.into(), expires_ms, denied_ms })
                }
                Some(Kept::Refused(_)) | None => None,
            };
        }
        let now = now_ms();
        let token = match held.take().filter(|token| token.expires_ms > now) {
            Some(token) if token.expires_ms - now > REFRESH_BEFORE_MS => token,
            Some(old) => match self.refresh(api, &old).await {
                Ok(token) => token,
                Err(error) => {
                    tracing::debug!(%error, "the token is not renewed");
                    self.login(api).await?
                }
            },
            None => self.login(api).await?,
        };
        Ok(held.insert(token).secret.clone())
    }

    /// A token in place of one that was refused; whoever comes second gets the one that the first one got. None when the
    /// user lacks a right, and a login did not help a moment ago.
    pub(super) async fn renewed(
        &self,
        api: &Api,
        refused: &SecretString,
        lacks_right: bool,
    ) -> Result<Option<SecretString>, NpmError> {
        let mut held = self.token.lock().await;
        match &*held {
            Some(token) if token.secret.expose_secret() != refused.expose_secret() => Ok(Some(token.secret.clone())),
            Some(Token { denied_ms: Some(at), .. })
                if lacks_right && (0..LONGEST_PAUSE_MS).contains(&(now_ms() - at)) =>
            {
                Ok(None)
            }
            Some(_) | None => {
                *held = None;
                Ok(Some(held.insert(self.login(api).await?).secret.clone()))
            }
        }
    }

    /// Remembers that the user of a new token lacks a right: the next refusal for that is no reason to log in again.
    pub(super) async fn denied(&self) {
        if let Some(token) = &mut *self.token.lock().await {
            token.denied_ms = Some(now_ms());
            self.keep(&kept(token));
        }
    }

    async fn refresh(&self, api: &Api, old: &Token) -> Result<Token, NpmError> {
        let answer = api.ask(Method::GET, "/tokens", Some(&old.secret), None).await?;
        let token = token_of(&answer).ok_or_else(|| answer.refused("GET /tokens".into()))?;
        self.keep(&kept(&token));
        Ok(token)
    }

    async fn login(&self, api: &Api) -> Result<Token, NpmError> {
        let password = self.secrets.read(&self.settings.password)?;
        let digest = hash::sha256_hex(password.expose_secret().as_bytes());
        let before = match self.kept()? {
            Some(Kept::Refused(refusal)) if refusal.password == digest => Some(refusal),
            Some(Kept::Refused(_) | Kept::Token { .. }) | None => None,
        };
        if let Some(error) = before.as_ref().and_then(paused) {
            return Err(error);
        }
        let NpmSettings { url, email, .. } = &self.settings;
        tracing::info!(%url, %email, "logging in to nginx proxy manager");
        let body = json!({ "identity": email, "secret": password.expose_secret() });
        let answer = api.ask(Method::POST, "/tokens", None, Some(&body)).await?;
        if let Some(token) = token_of(&answer) {
            self.keep(&kept(&token));
            return Ok(token);
        }
        let error = self.refusal(&answer);
        let two_factor = matches!(error, NpmError::TwoFactor { .. });
        if two_factor || matches!(error, NpmError::LoginRefused { .. }) {
            let times = before.map_or(0, |refusal| refusal.times).saturating_add(1);
            let reason = error.to_string();
            self.keep(&Kept::Refused(Refusal { at_ms: now_ms(), times, reason, two_factor, password: digest }));
        }
        Err(error)
    }

    fn refusal(&self, answer: &Answer) -> NpmError {
        let NpmSettings { url, email, .. } = &self.settings;
        let asks_second = answer.body.get("requires_2fa").and_then(Value::as_bool) == Some(true);
        match answer.status {
            StatusCode::OK if asks_second => NpmError::TwoFactor { email: email.clone() },
            StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN if answer.is_its_error() => {
                NpmError::LoginRefused { email: email.clone(), message: answer.message() }
            }
            status if status.is_server_error() => answer.refused("POST /tokens".into()),
            status => NpmError::NotIt { url: url.clone(), reason: format!("it answers a login with {status}") },
        }
    }

    /// What the last run left; none without a file. One that cannot be opened is said, not passed over: a key that is
    /// gone is more than a lost token.
    fn kept(&self) -> Result<Option<Kept>, NpmError> {
        let Vault { path, key_place: (credentials, file), key } = &self.vault;
        let place = KeyPlace { credentials, file };
        let key = key.as_ref().map_err(NpmError::key)?;
        match sealed::open(key.as_ref(), place, path, &self.bound_to()) {
            Ok(json) => Ok(json.and_then(|json| serde_json::from_str(json.expose_secret()).ok())),
            // Kept for another address or user, most likely: not ours to use, and soon replaced.
            Err(SecretError::Damaged { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Not being able to keep it costs a login in the next run, and nothing else.
    fn keep(&self, kept: &Kept) {
        let Vault { path, key_place: _, key: Ok(Some(key)) } = &self.vault else { return };
        let Ok(json) = serde_json::to_string(kept) else { return };
        let text = key.seal(&self.bound_to(), &SecretString::from(json));
        if let Err(error) = text.and_then(|text| sealed::write(path, &text)) {
            tracing::debug!(%error, "the token is not kept");
        }
    }

    fn bound_to(&self) -> [&str; 3] {
        ["npm token", &self.settings.url, &self.settings.email]
    }
}

fn kept(token: &Token) -> Kept {
    let Token { secret, expires_ms, denied_ms } = token;
    Kept::Token { token: secret.expose_secret().to_owned(), expires_ms: *expires_ms, denied_ms: *denied_ms }
}

fn paused(refusal: &Refusal) -> Option<NpmError> {
    let doublings = refusal.times.saturating_sub(1).min(16);
    let pause = PAUSE_MS.saturating_mul(1 << doublings).min(LONGEST_PAUSE_MS);
    let left = refusal.at_ms.saturating_add(pause) - now_ms();
    // A clock that went back must not keep us out for longer than the pause.
    (1..=pause).contains(&left).then(|| NpmError::LoginPaused {
        reason: refusal.reason.clone(),
        wait_secs: u64::try_from(left / 1000 + 1).unwrap_or_default(),
        two_factor: refusal.two_factor,
    })
}

/// The token of an answer and its end, which the token itself says; the `expires` beside it was seen to be wrong.
fn token_of(answer: &Answer) -> Option<Token> {
    let text = answer.body.get("token").filter(|_| answer.status.is_success())?.as_str()?;
    let claims = text.split('.').nth(1).and_then(|part| URL_SAFE_NO_PAD.decode(part).ok());
    let claims: Option<Value> = claims.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    let end = claims.and_then(|claims| claims.get("exp")?.as_i64()).map(|secs| secs.saturating_mul(1000));
    // One that cannot be read is used for this run and no longer.
    let expires_ms = end.unwrap_or_else(|| now_ms() + REFRESH_BEFORE_MS * 2);
    Some(Token { secret: text.into(), expires_ms, denied_ms: None })
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
