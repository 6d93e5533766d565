//! Tokens in the form of JWTs: a payload that anybody can read, and a seal that only this server can make.
//!
//! As with the real one they are stateless: a new password does not end them, new keys end them all.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, SecondsFormat, Utc};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;

use super::refusal::Refusal;
use super::world::World;

/// A token that was found good.
#[derive(Debug, Clone)]
pub struct Token {
    pub user: i64,
    /// `user`, or `2fa-challenge`.
    pub scope: String,
}

/// How long a token lives: what the answer says, and what the token itself says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Life {
    pub told: Duration,
    pub real: Duration,
}

/// The keys and what was given out.
#[derive(Debug, Clone)]
pub struct Mint {
    key: [u8; 16],
    /// Tokens given out so far; each carries its number.
    given: u64,
    /// Those up to this number are too old, whatever they say themselves.
    expired: u64,
    /// The texts of all of them.
    pub texts: Vec<String>,
}

impl Mint {
    /// With new keys.
    pub fn new() -> Self {
        Self { key: uuid::Uuid::new_v4().into_bytes(), given: 0, expired: 0, texts: Vec::new() }
    }

    /// New keys: what was given out so far is no token any more.
    pub fn replace_keys(&mut self) {
        self.key = uuid::Uuid::new_v4().into_bytes();
    }

    /// Lets time pass for what was given out so far.
    pub fn expire(&mut self) {
        self.expired = self.given;
    }

    /// A new token, and when it says that it ends.
    pub fn give(&mut self, user: i64, scope: &str, life: Life) -> (String, String) {
        self.given += 1;
        let now = Utc::now();
        let payload = json!({
            "iss": "api", "attrs": { "id": user }, "scope": [scope], "expiresIn": format!("{}s", life.told.as_secs()),
            "jti": self.given.to_string(), "iat": now.timestamp(), "exp": (now + life.real).timestamp(),
        });
        let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let open = format!("{}.{}", encode(&json!({ "alg": "RS256", "typ": "JWT" })), encode(&payload));
        let token = format!("{open}.{}", self.seal(&open));
        self.texts.push(token.clone());
        (token, (now + life.told).to_rfc3339_opts(SecondsFormat::Millis, true))
    }

    /// Reads a token: a broken one is trouble, an old one is told as such.
    pub fn read(&self, token: &str) -> Result<Token, Refusal> {
        let (open, seal) = token.rsplit_once('.').ok_or(Refusal::Trouble)?;
        let payload = open.split_once('.').ok_or(Refusal::Trouble)?.1;
        if self.seal(open) != seal {
            return Err(Refusal::Trouble);
        }
        let payload = URL_SAFE_NO_PAD.decode(payload).map_err(|_| Refusal::Trouble)?;
        let payload: Value = serde_json::from_slice(&payload).map_err(|_| Refusal::Trouble)?;
        let number = payload["jti"].as_str().and_then(|text| text.parse::<u64>().ok());
        let ends = payload["exp"].as_i64().and_then(|seconds| DateTime::from_timestamp(seconds, 0));
        if ends.is_none_or(|ends| ends <= Utc::now()) || number.is_none_or(|number| number <= self.expired) {
            return Err(Refusal::Expired);
        }
        let scope = payload["scope"][0].as_str().unwrap_or_default().to_owned();
        Ok(Token { user: payload["attrs"]["id"].as_i64().unwrap_or_default(), scope })
    }

    fn seal(&self, open: &str) -> String {
        let mut seal = Hmac::<Sha256>::new_from_slice(&self.key).expect("a key of any length");
        seal.update(open.as_bytes());
        URL_SAFE_NO_PAD.encode(seal.finalize().into_bytes())
    }
}

impl Life {
    /// The words of a period, as in `30d`. One month is told, and the token lives one minute: the trap of the real one.
    pub fn parse(text: &str) -> Option<Self> {
        const DAY: f64 = 86_400.0;
        let digits = text.find(|c: char| !c.is_ascii_digit())?;
        let count: u32 = text[..digits].parse().ok()?;
        let seconds = match &text[digits..] {
            "y" => 365.25 * DAY,
            "Q" => 91.0 * DAY,
            "M" => 30.0 * DAY,
            "w" => 7.0 * DAY,
            "d" => DAY,
            "h" => 3600.0,
            "m" => 60.0,
            "s" => 1.0,
            "ms" => 0.001,
            _ => return None,
        };
        let told = Duration::from_secs_f64(seconds * f64::from(count));
        let real = if text.ends_with('M') { Duration::from_secs(60) * count } else { told };
        Some(Self { told, real })
    }
}

impl World {
    /// Who a token belongs to: the scope is checked, and that the user is still there.
    pub fn bearer(&self, token: &str) -> Result<super::people::Actor, Refusal> {
        let token = self.mint.read(token)?;
        let actor = if token.scope == "user" { self.actor(token.user) } else { None };
        actor.ok_or(Refusal::Denied)
    }
}
