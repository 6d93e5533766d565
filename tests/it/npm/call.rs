//! What was asked of it over the wire, for tests to look at. What a test does by hand is not among it.

use std::time::Instant;

use serde_json::Value;

/// One request.
#[derive(Debug, Clone)]
pub struct Call {
    /// `GET`, `POST` and so on.
    pub method: String,
    /// The path below `/api`, without its query; the whole path when it is not below `/api`.
    pub path: String,
    /// What follows the `?`; empty when nothing does.
    pub query: String,
    /// What was answered; none while it is worked on, and when the connection was cut.
    pub status: Option<u16>,
    /// Whose token came with it, if it was a good one.
    pub user: Option<String>,
    /// The body as JSON, null when it is none. Passwords of logins are in it.
    pub body: Value,
    /// Number of the connection that it came on.
    pub connection: u64,
    /// When it came.
    pub at: Instant,
}

impl Call {
    /// True for a login with name and password.
    pub fn is_login(&self) -> bool {
        self.method == "POST" && self.path.starts_with("/tokens")
    }

    /// True for a request that was to change something.
    pub fn is_write(&self) -> bool {
        !matches!(self.method.as_str(), "GET" | "HEAD" | "OPTIONS") && !self.is_login()
    }
}
