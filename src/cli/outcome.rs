//! What came of a request, made into what is printed: by a command for itself, or by the daemon for a command.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::exit::Exit;
use super::failure::Failure;
use super::{adopt, apply, by_hand};
use crate::reconcile::{Done, Error, Want};

/// What a command prints at its end, and how it exits. Text may be coloured; whoever prints it drops that where it must.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Rendered {
    /// How the command ends.
    pub(super) exit: Exit,
    /// For standard output, in text form.
    pub(super) lines: Vec<String>,
    /// For standard error.
    pub(super) notes: Vec<String>,
    /// For standard output, as JSON.
    pub(super) data: Value,
}

impl Rendered {
    /// Ends well, with this as JSON and no text yet.
    pub(super) const fn ok(data: Value) -> Self {
        Self { exit: Exit::Ok, lines: Vec::new(), notes: Vec::new(), data }
    }

    /// One more line of text.
    pub(super) fn line(mut self, text: impl Into<String>) -> Self {
        self.lines.push(text.into());
        self
    }
}

/// What a command prints when this was asked for and that came of it.
pub(super) fn render(want: &Want, done: Result<Done, Error>) -> Rendered {
    match (want, done) {
        // Nothing was touched: the configuration or the surroundings do not allow it.
        (Want::Converge { .. } | Want::ByHand { .. }, Err(error)) => Failure::from(error).refused().rendered(),
        (_, Err(error)) => Failure::from(error).rendered(),
        (Want::Converge { .. }, Ok(Done::Converged(converged))) => apply::ended(&converged),
        (Want::ByHand { key, .. }, Ok(Done::Converged(converged))) => by_hand::ended(key, &converged),
        (Want::Pause { key, pause: Some(pause) }, Ok(Done::Paused(_))) => by_hand::paused(key, *pause),
        (Want::Pause { key, pause: None }, Ok(Done::Paused(before))) => by_hand::resumed(key, before),
        (Want::AdoptHost { key }, Ok(Done::Host(adopted))) => adopt::host(key, adopted),
        (Want::AdoptContainer { key, as_is, .. }, Ok(Done::Container(adopted))) => {
            adopt::container(key, adopted, *as_is)
        }
        // `Want::carry_out` makes no such pair.
        (want, Ok(other)) => {
            Failure::text(format!("a fault of Landfall itself: {other:?} came of {want}"), None).rendered()
        }
    }
}
