//! Whether an error is worth trying again: the one question that every error of ours answers beside its text.

/// What helps after an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// Time may help: something outside did not answer, was busy, or full. Try again with growing pauses (R12).
    Backoff,
    /// Only a change helps: of the configuration, of a secret, or of the host. Trying again would do the same.
    OnChange,
}
