//! Being logged in: a token for a day, kept sealed between runs, renewed when it is refused.
//!
//! *Guarantees*: a login that was refused is not tried again at once, also not by the next process: each costs the
//! other side half a second, and looks like an attack. *Must not*: show or keep a password, or a token in plain (R28).

use std::path::PathBuf;

use reqwest::{Method, StatusCode};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::api::{Answer, Api};
use super::error::NpmError;
use super::token::{Kept, LONGEST_PAUSE_MS, REFRESH_BEFORE_MS, Refusal, Token, now_ms};
use crate::model::{NpmSettings, hash};
use crate::secrets::{KeyPlace, SealingKey, SecretError, Secrets, sealed};

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

impl Session {
    pub(super) fn new(settings: NpmSettings, secrets: Secrets, vault: Vault) -> Self {
        Self { settings, secrets, vault, token: Mutex::default() }
    }

    /// A token that is good as far as can be told from here.
    pub(super) async fn token(&self, api: &Api) -> Result<SecretString, NpmError> {
        let mut held = self.token.lock().await;
        if held.is_none() {
            *held = self.kept()?.and_then(Kept::token);
        }
        let now = now_ms();
        let token = match held.take().filter(|token| token.expires_ms > now) {
            Some(token) if token.expires_ms - now > REFRESH_BEFORE_MS => token,
            Some(old) => match self.refresh(api, &old).await {
                Ok(token) => token,
                Err(error) => {
                    tracing::debug!(%error, "the token is not renewed");
                    self.login(api, None).await?
                }
            },
            None => self.login(api, None).await?,
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
                Ok(Some(held.insert(self.login(api, None).await?).secret.clone()))
            }
        }
    }

    /// Remembers that the user of a new token lacks a right: the next refusal for that is no reason to log in again.
    pub(super) async fn denied(&self) {
        if let Some(token) = &mut *self.token.lock().await {
            token.denied_ms = Some(now_ms());
            self.keep(&Kept::from(&*token));
        }
    }

    /// Logs in with the password in use though a token may be good: nothing else shows whether the password is right. One
    /// that is refused leaves the token as it is.
    pub(super) async fn log_in(&self, api: &Api) -> Result<(), NpmError> {
        let mut held = self.token.lock().await;
        let good = held.take().or(self.kept()?.and_then(Kept::token)).filter(|token| token.expires_ms > now_ms());
        let token = self.login(api, good).await?;
        // What it may not do now, it may not do after one more login either.
        *held = Some(Token { denied_ms: Some(now_ms()), ..token });
        Ok(())
    }

    async fn refresh(&self, api: &Api, old: &Token) -> Result<Token, NpmError> {
        let answer = api.ask(Method::GET, "/tokens", Some(&old.secret), None).await?;
        let token = Token::of(&answer).ok_or_else(|| answer.refused("GET /tokens".into()))?;
        let token = Token { refused: old.refused.clone(), ..token };
        self.keep(&Kept::from(&token));
        Ok(token)
    }

    /// `good` is a token that stays, should this be refused.
    async fn login(&self, api: &Api, good: Option<Token>) -> Result<Token, NpmError> {
        let password = self.secrets.read(&self.settings.password)?;
        let digest = hash::sha256_hex(password.expose_secret().as_bytes());
        let before = self.kept()?.and_then(Kept::refused).filter(|refusal| refusal.password == digest);
        if let Some(error) = before.as_ref().and_then(Refusal::paused) {
            return Err(error);
        }
        let NpmSettings { url, email, .. } = &self.settings;
        tracing::info!(%url, %email, "logging in to nginx proxy manager");
        let body = json!({ "identity": email, "secret": password.expose_secret() });
        let answer = api.ask(Method::POST, "/tokens", None, Some(&body)).await?;
        if let Some(token) = Token::of(&answer) {
            self.keep(&Kept::from(&token));
            return Ok(token);
        }
        let error = self.refusal(&answer);
        let two_factor = matches!(error, NpmError::TwoFactor { .. });
        if two_factor || matches!(error, NpmError::LoginRefused { .. }) {
            let times = before.map_or(0, |refusal| refusal.times).saturating_add(1);
            let reason = error.to_string();
            let refusal = Refusal { at_ms: now_ms(), times, reason, two_factor, password: digest };
            self.keep(&match good {
                Some(token) => Kept::from(&Token { refused: Some(refusal), ..token }),
                None => Kept::Refused(refusal),
            });
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
