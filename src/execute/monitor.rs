//! The time after the switch in which the new instance is watched and the old one still runs (R10).
//!
//! It looks as the gate does. *Guarantees*: what Docker had to start again, or what is not running or unhealthy, ends it
//! at once; an app that answers badly ends it only when it does so several times in a row.

use tokio::time::{Instant, sleep};

use super::gate::{Gate, GateError, Look, end_of, look};
use crate::docker::{ContainerInfo, Docker};
use crate::model::desired::Check;
use crate::model::observed::Health;
use crate::model::{ContainerState, Millis};

/// So many bad looks in a row mean that it is sick: a slow answer, or the pause of a garbage collector, is no reason to
/// move all traffic back.
const BAD_LOOKS: u32 = 3;

/// Watches a container that has passed its gate.
///
/// Docker not answering is no fault of the app: such a look does not count.
pub(super) async fn watch(docker: &Docker, gate: Gate<'_>, duration: Millis) -> Result<(), GateError> {
    let begun = Instant::now();
    let until = begun + duration.duration();
    let (mut restarts, mut bad) = (None, 0);
    loop {
        if let Ok(info) = docker.inspect(gate.id).await {
            let info = info.ok_or_else(|| GateError::Stopped("its container is gone".into()))?;
            let before = *restarts.get_or_insert(info.restart_count);
            if info.state != ContainerState::Running || info.restart_count != before {
                return Err(GateError::Stopped(end_of(&info)));
            }
            match complaint(gate, &info, begun).await {
                None => bad = 0,
                Some(why) if bad + 1 >= BAD_LOOKS || info.health == Some(Health::Unhealthy) => {
                    return Err(GateError::Sick(why));
                }
                Some(_) => bad += 1,
            }
        }
        let now = Instant::now();
        if now >= until {
            return Ok(());
        }
        sleep(gate.ready.interval.duration().min(until - now)).await;
    }
}

/// What is wrong with it now, if anything is.
async fn complaint(gate: Gate<'_>, info: &ContainerInfo, begun: Instant) -> Option<String> {
    // Without any check, running is all that can be seen.
    if gate.ready.check == Check::Running && !info.has_healthcheck {
        return None;
    }
    match look(gate, info, begun).await {
        Look::Ready(_) => None,
        Look::NotYet(why) => Some(why),
    }
}
