//! What it refuses, in the words and with the odd status codes of each release. Nothing here decides what is refused.

use serde_json::{Value, json};

use super::version::Version;

/// Why something is not done, or not done whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The request is wrong, and it says how.
    Wrong(String),
    /// The request is wrong, and it does not say how.
    WrongSomehow,
    /// No valid login, or not allowed.
    Denied,
    /// The same on the one route where newer releases stumble over their own refusal.
    DeniedBadly,
    /// The login is wrong: its text, and whether it comes with a key for translations.
    Login(String, bool),
    /// A second factor is wrong.
    SecondFactor,
    /// The token is too old.
    Expired,
    /// There is nothing of this id, or on this path.
    Missing(String),
    /// The body is larger than 100 KiB.
    TooLarge,
    /// A program that it calls, or its own code, went wrong.
    Trouble,
    /// Certbot failed, and said so.
    Certbot(String),
}

impl Refusal {
    /// A refusal with a text of its own.
    pub fn wrong(text: impl Into<String>) -> Self {
        Self::Wrong(text.into())
    }

    /// Status and body; `path` is the one asked for, without `/api`.
    pub fn answer(&self, version: Version, path: &str) -> (u16, Value) {
        let (status, text, i18n) = self.words(version, path);
        let mut error = json!({ "message": text });
        if status != 500 || version.always_tells_code() {
            error["code"] = status.into();
        }
        if let Some(i18n) = i18n.filter(|_| version.has_lost_its_401_and_403()) {
            error["message_i18n"] = i18n;
        }
        let mut body = json!({ "error": error });
        if path.contains("nginx/certificates") {
            body["debug"] = match self {
                Self::Certbot(said) => {
                    let stack: Vec<String> = format!("CommandError: {said}\n    at /app/lib/utils.js:19:11")
                        .lines()
                        .map(str::to_owned)
                        .collect();
                    json!({ "stack": stack, "previous": { "code": 1, "cmd": "certbot certonly -n -m somebody@example.com" } })
                }
                _ => json!({ "stack": [format!("Error: {text}")], "previous": null }),
            };
        }
        (status, body)
    }

    fn words(&self, version: Version, path: &str) -> (u16, String, Option<Value>) {
        const UNTOLD: &str = "Internal Error";
        let newer = version.has_lost_its_401_and_403();
        let unauthorised = if newer { 400 } else { 401 };
        let nowhere = || (404, missing(version, path), None);
        let forbidden = || (403, "Permission Denied".to_owned(), None);
        match self {
            Self::Wrong(text) => (400, text.clone(), None),
            Self::WrongSomehow => (400, UNTOLD.to_owned(), None),
            Self::Denied if newer => nowhere(),
            Self::DeniedBadly if newer => (500, UNTOLD.to_owned(), None),
            Self::Denied | Self::DeniedBadly => forbidden(),
            Self::Login(text, key) => (unauthorised, text.clone(), key.then(|| "error.invalid-auth".into())),
            Self::SecondFactor => {
                (unauthorised, "Invalid verification code".to_owned(), Some("error.invalid-2fa".into()))
            }
            Self::Expired => {
                let cause = json!({ "name": "TokenExpiredError", "message": "jwt expired" });
                (unauthorised, "Token has expired".to_owned(), Some(cause))
            }
            Self::Missing(what) => (404, missing(version, what), None),
            Self::TooLarge => (413, UNTOLD.to_owned(), None),
            Self::Trouble | Self::Certbot(_) => (500, UNTOLD.to_owned(), None),
        }
    }
}

fn missing(version: Version, what: &str) -> String {
    let item = if version.words_missing_items_anew() { "" } else { "Item " };
    format!("{item}Not Found - {what}")
}
