//! The monitor (R10): watches a new instance that serves already, while the old one can still take over, and says at once
//! when it does not stay well.
//!
//! It looks as the gate does. An end, a restart, a process that ran out of memory and Docker's own verdict count at once:
//! each is the outcome of more than one look. The stage's own check has to miss several times in a row.

use tokio::time::{Instant, sleep};

use super::gate::{self, Gate, GateError, Look, Standing};
use crate::docker::{ContainerInfo, Docker};
use crate::model::Millis;
use crate::model::observed::Health;

/// So many looks of the stage's own check must miss in a row. Under its first real load an app is slow to answer now and
/// then; one that misses three times, `ready.interval` apart, misses its users too. Docker's HEALTHCHECK has the same
/// number of retries.
const MISSES: u32 = 3;

/// What was seen of a container that stayed well.
pub(super) enum Watched {
    /// It was looked at until the end.
    Well,
    /// Docker did not answer at the last look, and this is why: that tells nothing about the app.
    Unseen(String),
}

/// Watches a container for some time; an error when it does not stay well.
pub(super) async fn watch(docker: &Docker, gate: Gate<'_>, time: Millis) -> Result<Watched, GateError> {
    let start = Instant::now();
    let sick = |why| GateError::Sick { after: rounded(start), why };
    let (mut misses, mut restarts) = (0, gate.fresh.then_some(0));
    loop {
        let unseen = match gate::standing(docker, gate, &mut restarts).await {
            Ok(Standing::Down(info)) => return Err(sick(gate::end_of(&info))),
            Ok(Standing::Up(info)) => {
                misses = judge(gate, &info, misses).await.map_err(sick)?;
                None
            }
            Err(GateError::Docker(error)) => Some(error.to_string()),
            Err(error) => return Err(sick(error.to_string())),
        };
        let left = time.duration().saturating_sub(start.elapsed());
        if left.is_zero() {
            return Ok(unseen.map_or(Watched::Well, Watched::Unseen));
        }
        sleep(left.min(gate.ready.interval.duration())).await;
    }
}

/// How many looks have missed in a row by now, or why it is not well.
async fn judge(gate: Gate<'_>, info: &ContainerInfo, misses: u32) -> Result<u32, String> {
    if info.oom_killed {
        return Err("a process of it ran out of memory".into());
    }
    if info.health == Some(Health::Unhealthy) {
        let said = info.health_output.as_ref().map(|text| format!(": {text}")).unwrap_or_default();
        return Err(format!("Docker's health check says unhealthy{said}"));
    }
    // It passed its gate: without a check, running is all that is asked for.
    match gate::look(gate, info, std::time::Duration::MAX).await {
        Look::Ready(_) => Ok(0),
        Look::NotYet(why) if misses + 1 >= MISSES => Err(format!("{why}, {MISSES} times in a row")),
        Look::NotYet(_) => Ok(misses + 1),
    }
}

/// Tenths of a second are enough to read.
fn rounded(start: Instant) -> Millis {
    Millis(u64::try_from(start.elapsed().as_millis() / 100 * 100).unwrap_or(u64::MAX))
}
