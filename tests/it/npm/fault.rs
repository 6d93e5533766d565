//! What goes wrong on request. Each fault is used once, in the order in which they were queued.

use std::time::Duration;

/// Which request a fault waits for.
#[derive(Debug, Clone)]
pub struct Matcher {
    /// `GET`, `POST` and so on; empty for any.
    pub method: String,
    /// A part of the path below `/api`; empty for any.
    pub path: String,
}

impl Matcher {
    /// A method and a part of a path.
    pub fn new(method: &str, path: &str) -> Self {
        Self { method: method.to_owned(), path: path.to_owned() }
    }

    /// True for a request that this fault waits for.
    pub fn fits(&self, method: &str, path: &str) -> bool {
        (self.method.is_empty() || self.method == method) && path.contains(&self.path)
    }
}

/// What goes wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// This status; nothing is done.
    Status(u16),
    /// Everything is done, and this status is answered.
    DoneThen(u16),
    /// The row changes, nginx is not told, and this status is answered.
    RowThen(u16),
    /// The connection closes without an answer; nothing is done.
    CutBefore,
    /// Everything is done, and the connection closes without an answer.
    CutAfter,
    /// Everything is done, and the answer breaks off in the middle of its body.
    HalfBody,
    /// Everything is done, and the answer comes so much later.
    Slow(Duration),
    /// Nothing is done for so long; then everything is, and answered.
    Late(Duration),
    /// nginx refuses the host with this text: the answer is a good one, the host is offline, its file gone.
    Offline(String),
    /// Everything is done, and a page of HTML is answered with status 200.
    Garbage,
}
