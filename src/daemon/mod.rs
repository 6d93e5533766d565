//! When to reconcile: files that change, a timer, and nothing else yet (git and Docker's events arrive with step D).
//!
//! *Expected flow*: `watch` sets a flag when files change, `scheduler` (pure) says when to look, this loop looks:
//! load, and converge to what was loaded.
//!
//! *Guarantees*: a configuration that is bad, half-written or gone never takes effect; the last good one stays in
//! force and goes on being repaired (R2). A pass that fails for an outside reason is tried again, later each time (R12).
//!
//! *Caveats*: after a restart with a bad configuration nothing is repaired until it is good again, and nothing is
//! retired either.

mod scheduler;
mod source;
mod watch;

use std::sync::Arc;
use std::time::{Duration, Instant};

use sd_notify::NotifyState;
use tokio::sync::watch::{Sender, channel as watch_channel};

use crate::execute::{Event, Newest, Results, Sink, StageResult};
use crate::model::{DeployStatus, Desired};
use crate::plan::{Options, Verdict};
use crate::reconcile::{self, Converged, Error, Places, Watcher};
use crate::store::{DaemonLock, DataDir};
use scheduler::{Action, Scheduler};
use source::{News, Source};
use watch::Watch;

/// So long a pass may go on after SIGTERM; then it is left where it is, and the next start closes it. The unit's
/// `TimeoutStopSec` is longer.
const STOP_WITHIN: Duration = Duration::from_secs(30);

/// Watches and converges until `stop` resolves.
///
/// # Errors
/// The data directory cannot be used, or another daemon uses it.
pub async fn run(places: Places, stop: impl Future<Output = ()>) -> Result<(), Error> {
    let _alone = DaemonLock::take(&DataDir::new(&places.data))?;
    let mut daemon = Daemon {
        source: Source::new(&places.config),
        watch: Watch::new(&places.config),
        scheduler: Scheduler::new(Instant::now()),
        places,
    };
    tokio::pin!(stop);
    tracing::info!(config = %daemon.places.config.display(), "watching");
    let _ = sd_notify::notify(&[NotifyState::Ready]);
    loop {
        let wake = daemon.scheduler.wake_at();
        tokio::select! {
            () = &mut stop => break,
            () = daemon.watch.changed() => daemon.scheduler.changed(Instant::now()),
            () = tokio::time::sleep_until(wake.into()) => {}
        }
        let Some(action) = daemon.scheduler.step(Instant::now()) else { continue };
        let pass = daemon.pass(action);
        tokio::pin!(pass);
        tokio::select! {
            () = &mut pass => {}
            () = &mut stop => {
                tracing::info!("stopping after the running pass");
                let _ = sd_notify::notify(&[NotifyState::Stopping]);
                if tokio::time::timeout(STOP_WITHIN, pass).await.is_err() {
                    tracing::warn!("the pass took too long and was left; the next start closes its deploys");
                }
                break;
            }
        }
    }
    tracing::info!("stopped");
    Ok(())
}

struct Daemon {
    places: Places,
    source: Source,
    watch: Watch,
    scheduler: Scheduler,
}

impl Daemon {
    /// One look at the files, and one at the host where there is a reason.
    async fn pass(&mut self, action: Action) {
        self.watch.rearm();
        let news = self.source.look(action == Action::Reconcile).await;
        match &news {
            News::Changing => {
                self.scheduler.changing(Instant::now());
                return;
            }
            News::Bad(error) => self.complain(error),
            News::Changed | News::Same => {}
        }
        let due = action == Action::Reconcile || matches!(news, News::Changed);
        let Some(loaded) = self.source.last_good().filter(|_| due) else {
            if action == Action::Reconcile {
                self.scheduler.finished(Instant::now(), true);
            }
            return;
        };
        let resync = loaded.desired.settings.resync.duration();
        let options = Options { secrets_needed: true, partial: true, ..Options::default() };
        let (newest, follows) = watch_channel(None);
        let watcher = Watcher { sink: log_sink(), newest: Newest::of(follows) };
        let places = self.places.clone();
        let converging = reconcile::converge_to(&places, loaded, &options, watcher, "daemon");
        let (converged, is_overtaken) = self.follow(converging, &newest).await;
        let ok = match &converged {
            Ok(converged) => told(converged),
            Err(error) => {
                tracing::error!(hint = error.hint(), "{}", with_causes(&error));
                false
            }
        };
        self.scheduler.set_resync(resync);
        self.scheduler.finished(Instant::now(), ok);
        if is_overtaken {
            self.scheduler.at_once(Instant::now());
        }
        let _ = sd_notify::notify(&[NotifyState::Status(&self.status(ok))]);
    }

    /// Waits for a pass, and goes on reading the files meanwhile: what is new and good is told to whoever works on a stage
    /// that is to run something else by now. Answers whether there was something new.
    async fn follow<T>(&mut self, pass: impl Future<Output = T>, newest: &Sender<Option<Arc<Desired>>>) -> (T, bool) {
        tokio::pin!(pass);
        let mut is_overtaken = false;
        loop {
            let look_at = self.scheduler.look_at();
            let quiet = async {
                match look_at {
                    Some(at) => tokio::time::sleep_until(at.into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                ended = &mut pass => return (ended, is_overtaken),
                () = self.watch.changed() => self.scheduler.changed(Instant::now()),
                () = quiet => {
                    self.scheduler.looked();
                    is_overtaken |= self.look_beside(newest).await;
                }
            }
        }
    }

    /// A look at the files while a pass runs; true when they are a new configuration that is good.
    async fn look_beside(&mut self, newest: &Sender<Option<Arc<Desired>>>) -> bool {
        self.watch.rearm();
        match self.source.look(false).await {
            News::Same => false,
            News::Changing => {
                self.scheduler.changing(Instant::now());
                false
            }
            News::Bad(error) => {
                self.complain(&error);
                false
            }
            News::Changed => {
                let now = self.source.last_good().map(|loaded| Arc::new(loaded.desired.clone()));
                now.is_some_and(|now| newest.send(Some(now)).is_ok())
            }
        }
    }

    fn complain(&self, error: &str) {
        let kept = if self.source.has_good() { "the last good one stays in force" } else { "nothing is in force yet" };
        tracing::error!("the configuration cannot be used, {kept}: {error}");
        let _ = sd_notify::notify(&[NotifyState::Status(&format!("configuration cannot be used; {kept}"))]);
    }

    fn status(&self, ok: bool) -> String {
        let state = if ok { "converged" } else { "not converged; see the log" };
        format!("{state}, configuration {}", self.source.name())
    }
}

/// Logs what a pass did, and says whether it need not be tried again soon.
fn told(converged: &Converged) -> bool {
    let plan = &converged.view.plan;
    if let Some(held) = &plan.held {
        tracing::warn!("held: {held}; `landfall apply --allow-prune` lets it");
    }
    for stage in &plan.stages {
        match (stage.verdict, &stage.held, &stage.blocked) {
            (Verdict::Held, Some(held), _) => tracing::warn!(stage = %stage.key, "{}: held: {held}", stage.key),
            (Verdict::Blocked, _, Some(blocked)) => {
                let hint = blocked.hint.as_ref().map(|hint| format!("; {hint}")).unwrap_or_default();
                tracing::error!(stage = %stage.key, "{}: blocked: {blocked}{hint}", stage.key);
            }
            _ => {}
        }
    }
    plan.count(Verdict::Blocked) == 0 && all_well(&converged.results)
}

/// An error with what caused it, on one line.
fn with_causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source()).map(ToString::to_string);
    // Some errors already quote their source.
    causes.fold(error.to_string(), |line, cause| if line.contains(&cause) { line } else { format!("{line}: {cause}") })
}

/// What made way for a newer configuration is looked after by the next pass, which is due anyway.
fn all_well(results: &Results) -> bool {
    let made_way =
        |result: &StageResult| matches!(result, StageResult::Deployed { status: DeployStatus::Superseded, .. });
    results.values().all(|result| result.is_ok() || made_way(result))
}

/// Events as log lines. The stage stands in the text as well as in its field: the journal shows the text alone.
fn log_sink() -> Sink {
    Sink::new(|event| match event {
        Event::Begin { key, verdict, to } => tracing::info!(stage = %key, version = to, "{key}: {verdict}"),
        Event::Phase { key, phase } => tracing::debug!(stage = %key, "{key}: {phase}"),
        Event::Line { key: Some(key), text } => tracing::info!(stage = %key, "{key}: {text}"),
        Event::Line { key: None, text } => tracing::info!("{text}"),
        Event::Pull { .. } => {}
        Event::End { key, result } => match result {
            StageResult::Done => tracing::info!(stage = %key, "{key}: done"),
            StageResult::Deployed { status, deploy, reason: None, .. } => {
                tracing::info!(stage = %key, deploy, "{key}: {}", status.words());
            }
            StageResult::Deployed {
                status: status @ DeployStatus::Superseded, deploy, reason: Some(reason), ..
            } => {
                tracing::info!(stage = %key, deploy, "{key}: {}: {reason}", status.words());
            }
            StageResult::Deployed { status, deploy, reason: Some(reason), hint } => {
                tracing::error!(stage = %key, deploy, hint, "{key}: {}: {reason}", status.words());
            }
            StageResult::Failed { reason, hint } => tracing::error!(stage = %key, hint, "{key}: {reason}"),
            StageResult::Skipped { reason } => tracing::warn!(stage = %key, "{key}: skipped: {reason}"),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::StoreError;

    #[test]
    fn a_log_line_tells_the_cause_once() {
        let source = std::io::Error::other("read-only file system");
        let error = Error::from(StoreError::Io { doing: "open", path: "/data/lock".into(), source });
        assert_eq!(with_causes(&error), "cannot open /data/lock: read-only file system");
    }
}
