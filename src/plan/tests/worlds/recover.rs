//! What a pass makes of deploys that have no end, as `execute::recover` and `execute::run` do: all that the model knows of
//! it. Which of them go on, and which are closed, is the plan's.

use super::super::*;
use super::act::Work;
use super::model::{Done, Model, Stop};
use crate::model::{DeployStatus, Phase};

impl Model {
    /// Closes the deploys that do not go on.
    pub(super) fn close(&mut self, endings: &[Ending]) -> Done {
        for ending in endings {
            match &ending.container {
                Left::Nothing | Left::Serves { .. } | Left::MayServe { .. } => {}
                Left::Stays { id, .. } => self.mark_failed(id)?,
                Left::Removed { id, .. } => self.remove(id, true)?,
            }
            self.finish(ending.deploy, ending.status, ending.hold)?;
            if ending.is_live && ending.status != DeployStatus::Success {
                self.set_live(ending.deploy)?;
            }
        }
        Ok(())
    }

    /// Takes up a deploy where it was.
    pub(super) fn go_on(&mut self, work: &mut Work<'_>, resumed: &Resumed) -> Result<DeployId, Stop> {
        work.phase = resumed.phase;
        work.container.clone_from(&resumed.container);
        work.proxy_touched = resumed.back != WayBack::NotNeeded;
        if resumed.container.is_none() && resumed.phase >= Phase::Creating {
            let now = work.plan.steps.iter().filter(|step| step.phase == resumed.phase);
            let stopped: Result<_, _> = now.filter_map(|step| step.effect.stops()).map(|t| Self::id(work, t)).collect();
            work.stopped = stopped?;
        }
        if let Some(container) = resumed.container.as_ref().filter(|_| !resumed.is_known) {
            self.record(resumed.deploy, container, resumed.host_port)?;
        }
        Ok(resumed.deploy)
    }
}
