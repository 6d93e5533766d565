//! Holds back repeated log lines: one per pause, with the number of those not written.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Shortest time between two lines about the same thing.
const PAUSE: Duration = Duration::from_secs(10);

/// The state of one kind of line.
#[derive(Default)]
pub struct Throttle(Mutex<State>);

#[derive(Default)]
struct State {
    last: Option<Instant>,
    hidden: u64,
}

impl Throttle {
    /// Whether the line may be written; then also how many were not since the last one.
    pub fn pass(&self) -> Option<u64> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if state.last.is_some_and(|last| now.duration_since(last) < PAUSE) {
            state.hidden += 1;
            return None;
        }
        state.last = Some(now);
        Some(std::mem::take(&mut state.hidden))
    }
}
