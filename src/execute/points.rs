//! Fail points on either side of a step: its one call to Docker or to the proxy is not made yet, or is made and nothing
//! has been written of it (`crate::faults`). They are nothing in what is shipped.

use super::perform::StepError;
use super::run::Work;
use crate::faults::When;
use crate::plan::Effect;

/// Passes the point before or after a step.
///
/// # Errors
/// A test asked for a fault here.
pub(super) async fn pass(work: &Work<'_>, effect: &Effect, when: When) -> Result<(), StepError> {
    Ok(work.context.store.pass(name(effect), when).await?)
}

fn name(effect: &Effect) -> &'static str {
    match effect {
        Effect::CreateNetwork { .. } => "step.create_network",
        Effect::Pull { .. } => "step.pull",
        Effect::CreateVolume { .. } => "step.create_volume",
        Effect::Hook { .. } => "step.hook",
        Effect::Create { .. } => "step.create",
        Effect::WriteSecrets => "step.write_secrets",
        Effect::Connect { .. } => "step.connect",
        Effect::Start { .. } => "step.start",
        Effect::Unpause { .. } => "step.unpause",
        Effect::Rename { .. } => "step.rename",
        Effect::Gate { .. } => "step.gate",
        Effect::Monitor { .. } => "step.monitor",
        Effect::JoinNames { .. } => "step.join_names",
        Effect::LeaveNames { .. } => "step.leave_names",
        Effect::Certify { .. } => "step.certify",
        Effect::Switch { .. } => "step.switch",
        Effect::Unroute { .. } => "step.unroute",
        Effect::Drain { .. } => "step.drain",
        Effect::Stop { .. } => "step.stop",
        Effect::Remove { .. } => "step.remove",
    }
}
