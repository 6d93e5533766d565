//! Carries a plan out: shared steps first, then every stage on its own, as soon as what it waits for is done.
//!
//! *Expected flow*: `turns` says who is next, `run` takes one stage through its steps, `perform` makes the one call of a step, `create`, `gate`
//! and `monitor` are the steps that need more words, `give_up` puts back what a failed deploy touched (R11), `recover` closes
//! what an earlier run left open and is not gone on with, `images` lets go what nobody needs any more.
//!
//! *Guarantees*: a phase is committed before its effect (R14); a failing stage never touches another; the old instance
//! serves until the new one is proven (R9, R11).
//!
//! *Must not*: decide. What is done, and in which order, is the plan's.

mod create;
mod event;
mod files;
mod gate;
mod give_up;
mod givers;
mod hook;
mod host_paths;
mod images;
mod log;
mod monitor;
mod newest;
mod perform;
mod points;
mod probe;
mod recover;
mod route;
mod run;
mod turns;
mod veil;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use crate::config::TreeFiles;
use crate::docker::Docker;
use crate::model::{Desired, StageKey};
use crate::plan::{Plan, StagePlan};
use crate::proxy::Proxy;
use crate::secrets::Secrets;
use crate::store::Store;
use tokio::sync::Semaphore;

pub use event::{Event, Sink, StageResult};
pub use hook::sweep;
pub use images::{Fetching, Pulls, drop_images, fetch};
pub use newest::Newest;
pub use perform::StepError;
pub use recover::{close, forget_gone};

/// Everything that carrying out a plan needs.
pub struct Context {
    /// The engine.
    pub docker: Docker,
    /// The proxy.
    pub proxy: Proxy,
    /// The store, open for writing.
    pub store: Store,
    /// Where secrets are read.
    pub secrets: Secrets,
    /// The configuration in force.
    pub desired: Arc<Desired>,
    /// The files of its tree that containers mount.
    pub files: TreeFiles,
    /// Where their copies are kept.
    pub files_dir: PathBuf,
    /// Counts the accepted configurations.
    pub generation: i64,
    /// Containers of ours run that the store has no spec of: which files they mount cannot be told, so that all stay.
    pub keeps_files: bool,
    /// Who is told.
    pub sink: Sink,
    /// What the configuration has become meanwhile.
    pub newest: Newest,
    /// One for each stage that is worked on at a time, shared with passes beside this one.
    pub permits: Arc<Semaphore>,
    /// Who fetches an image, in passes beside this one, too.
    pub pulls: Pulls,
}

/// How every stage ended.
pub type Results = BTreeMap<StageKey, StageResult>;

/// Carries out a plan that is neither held nor blocked as a whole.
pub async fn execute(context: Arc<Context>, plan: &Plan) -> Results {
    for step in &plan.shared {
        if let Err(error) = perform::shared(&context, &step.effect).await {
            let reason = format!("{}: {error}", step.effect);
            let failed =
                |s: &StagePlan| (s.key.clone(), StageResult::Failed { reason: reason.clone(), hint: error.hint() });
            return plan.stages.iter().filter(|s| !s.steps.is_empty()).map(failed).collect();
        }
    }
    let with_work = plan.stages.iter().filter(|stage| !stage.steps.is_empty());
    context.sink.tell(Event::Planned { stages: with_work.map(|stage| stage.key.clone()).collect() });
    let results = turns::run(&context, &plan.stages).await;
    if !context.keeps_files && plan.stages.iter().any(|stage| stage.deploy.is_some()) {
        files::collect(&context.store, &context.files_dir).await;
    }
    results
}
