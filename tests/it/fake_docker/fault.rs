//! What the fake does wrong on request.

/// A fault, used once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// An error status with a message; nothing is done.
    Status(u16, String),
    /// What was asked is done, and an error is answered: the answer was lost on its way.
    LoseAnswer,
    /// What was asked is done, and the connection is closed without an answer.
    Break,
    /// No answer, ever; nothing is done.
    Hang,
    /// What was asked is done, and there is no answer, ever.
    Swallow,
    /// Status 200 with this body; nothing is done.
    Body(String),
    /// For a list of containers: the answer from before the last change.
    Stale,
    /// The head of an answer, and then silence; nothing is done.
    Stall,
    /// For a pull: progress, and then this error as the last line of a stream with status 200; nothing is pulled.
    LastLine(String),
    /// For a pull: progress, and then a connection that breaks; nothing is pulled.
    Cut,
}
