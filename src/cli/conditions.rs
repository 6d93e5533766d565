//! Conditions in `landfall status` for people: those that they should know of.

use super::render::ago;
use crate::model::{Condition, ConditionKind, Conditions};

/// What is not well with a stage; without a message whose reason `said` has already.
pub(super) fn of_stage(own: &Conditions, said: &[String], now_ms: i64) -> Vec<String> {
    let reason = |message: &str| message.split("; ").next().unwrap_or_default().to_owned();
    let is_said = |message: &str| said.iter().any(|note| note.contains(&reason(message)));
    let bad = own.bad().into_iter();
    bad.map(|(kind, condition)| line(kind, condition, !is_said(&condition.message), now_ms)).collect()
}

/// What is not well with the host, without what only follows from its stages.
pub(super) fn of_host(host: &Conditions, now_ms: i64) -> Vec<String> {
    let is_own = |kind: ConditionKind| !matches!(kind, ConditionKind::Ready | ConditionKind::Reconciling);
    let bad = host.bad().into_iter().filter(|(kind, _)| is_own(*kind));
    bad.map(|(kind, condition)| format!("host  {}", line(kind, condition, true, now_ms))).collect()
}

/// As in `Stalled since 5 min ago (DeployFailed): v2 failed (exit 1)`.
fn line(kind: ConditionKind, condition: &Condition, with_message: bool, now_ms: i64) -> String {
    let Condition { status: _, reason, message, generation: _, since_ms } = condition;
    let not = if kind.is_trouble() { "" } else { "not " };
    let message = if with_message && !message.is_empty() { format!(": {message}") } else { String::new() };
    format!("{not}{kind} since {} ({reason}){message}", ago(*since_ms, now_ms))
}
