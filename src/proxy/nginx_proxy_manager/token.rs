//! What a session has between runs: a token with its end, or a login that was refused and when it may be tried again.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::api::Answer;
use super::error::NpmError;

/// A token with less time left than this is exchanged for a new one, which needs no password.
pub(super) const REFRESH_BEFORE_MS: i64 = 3_600_000;
/// First pause after a refused login; it doubles up to the longest.
const PAUSE_MS: i64 = 10_000;
/// Longest pause after a refused login.
pub(super) const LONGEST_PAUSE_MS: i64 = 300_000;

/// A token, in memory.
#[derive(Debug, Clone)]
pub(super) struct Token {
    pub(super) secret: SecretString,
    pub(super) expires_ms: i64,
    /// When its user was last told, right after a login, that it may not do something.
    pub(super) denied_ms: Option<i64>,
    /// A login that was refused since, when someone asked whether the password is right.
    pub(super) refused: Option<Refusal>,
}

/// What the file holds, sealed.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kept {
    Token {
        token: String,
        expires_ms: i64,
        denied_ms: Option<i64>,
        #[serde(default)]
        refused: Option<Refusal>,
    },
    Refused(Refusal),
}

/// A login that was refused.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Refusal {
    pub(super) at_ms: i64,
    pub(super) times: u32,
    pub(super) reason: String,
    pub(super) two_factor: bool,
    /// Hash of the password that was refused: another one is tried at once.
    pub(super) password: String,
}

impl Token {
    /// The token of an answer and its end, which the token itself says; the `expires` beside it was seen to be wrong.
    pub(super) fn of(answer: &Answer) -> Option<Self> {
        let text = answer.body.get("token").filter(|_| answer.status.is_success())?.as_str()?;
        let claims = text.split('.').nth(1).and_then(|part| URL_SAFE_NO_PAD.decode(part).ok());
        let claims: Option<Value> = claims.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let end = claims.and_then(|claims| claims.get("exp")?.as_i64()).map(|secs| secs.saturating_mul(1000));
        // One that cannot be read is used for this run and no longer.
        let expires_ms = end.unwrap_or_else(|| now_ms() + REFRESH_BEFORE_MS * 2);
        Some(Self { secret: text.into(), expires_ms, denied_ms: None, refused: None })
    }
}

impl From<&Token> for Kept {
    fn from(token: &Token) -> Self {
        let Token { secret, expires_ms, denied_ms, refused } = token;
        let (expires_ms, denied_ms, refused) = (*expires_ms, *denied_ms, refused.clone());
        Self::Token { token: secret.expose_secret().to_owned(), expires_ms, denied_ms, refused }
    }
}

impl Kept {
    /// The token, if there is one.
    pub(super) fn token(self) -> Option<Token> {
        match self {
            Self::Token { token, expires_ms, denied_ms, refused } => {
                Some(Token { secret: token.into(), expires_ms, denied_ms, refused })
            }
            Self::Refused(_) => None,
        }
    }

    /// The login that was refused, if one was.
    pub(super) fn refused(self) -> Option<Refusal> {
        match self {
            Self::Token { refused, .. } => refused,
            Self::Refused(refusal) => Some(refusal),
        }
    }
}

impl Refusal {
    /// Why a login is not tried now; none once the pause is over.
    pub(super) fn paused(&self) -> Option<NpmError> {
        let doublings = self.times.saturating_sub(1).min(16);
        let pause = PAUSE_MS.saturating_mul(1 << doublings).min(LONGEST_PAUSE_MS);
        let left = self.at_ms.saturating_add(pause) - now_ms();
        // A clock that went back must not keep us out for longer than the pause.
        (1..=pause).contains(&left).then(|| NpmError::LoginPaused {
            reason: self.reason.clone(),
            wait_secs: u64::try_from(left / 1000 + 1).unwrap_or_default(),
            two_factor: self.two_factor,
        })
    }
}

pub(super) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
