//! From what was seen to a plan: secrets, pins, the instances of stages that run several, and what follows from it all.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{Error, Places, View, check_selection, conditions, kept, readopt, record};
use crate::config::Loaded;
use crate::docker::Docker;
use crate::model::secret::Fingerprint;
use crate::model::{Condition, ConditionKind, DeployId, Desired, DesiredStage, Observed, Recorded, StageKey, Truth};
use crate::pin;
use crate::plan::{self, Input, Options, Plan};
use crate::secrets::{Key, Secrets, SecretsSeen};
use crate::store::{DataDir, Reader, Store, StoreError, now_ms};

/// Asks the store something of some deploys; only where there are some. A missing store knows nothing of them.
pub(super) async fn ask_store<T: Default + Send + 'static>(
    places: &Places,
    some: BTreeSet<DeployId>,
    ask: impl FnOnce(&Reader, BTreeSet<DeployId>) -> Result<T, StoreError> + Send + 'static,
) -> Result<T, Error> {
    if some.is_empty() {
        return Ok(T::default());
    }
    let answer = kept::read(DataDir::new(&places.data), move |reader| ask(reader, some)).await?;
    Ok(answer.unwrap_or_default())
}

/// What was seen beside the configuration.
pub(super) struct Seen {
    pub(super) recorded: Recorded,
    pub(super) observed: Observed,
    pub(super) key: Option<Key>,
    /// Deploys of our containers that the store has no row of.
    pub(super) unknown: BTreeSet<DeployId>,
    /// The store under the lock; none when only looking.
    pub(super) store: Option<Store>,
}

/// Plans, and again with the specs of what is to change: most stages stay as they are, and theirs are large.
async fn plan_with_specs(
    places: &Places,
    store: Option<&Store>,
    recorded: &mut Recorded,
    plan: impl Fn(&Recorded) -> Plan,
) -> Result<Plan, Error> {
    loop {
        let found = plan(recorded);
        let lacking = plan::lacking(&found, recorded);
        if lacking.is_empty() {
            return Ok(found);
        }
        let specs = match store {
            Some(store) => store.specs(lacking.clone()).await?,
            None => ask_store(places, lacking.clone(), |reader, ids| reader.specs(&ids)).await?,
        };
        recorded.add_specs(&lacking, specs);
    }
}

/// Pins and plans.
pub(super) async fn view(
    places: &Places,
    docker: &Docker,
    loaded: Arc<Loaded>,
    seen: Seen,
    options: &Options,
) -> Result<View, Error> {
    let Seen { mut recorded, observed, key, unknown, store } = seen;
    let secrets = Secrets::new(&places.credentials);
    let mut sealed = Known::read(&loaded.desired, &secrets, key.as_ref());
    let mut found = readopt::find(&loaded.desired, &recorded, &observed, &sealed.fingerprints, &unknown);
    record::remember(&mut recorded, &found);
    let registry = places.beside.registry();
    let asking = pin::Asking { docker, registry: &registry, secrets: &secrets, desired: &loaded.desired };
    note_ready(places, &loaded.desired, &mut recorded).await?;
    let now_ms = now_ms();
    let promoted = plan::promotions(&loaded.desired, &recorded, &observed, now_ms);
    let mut pins = pin::pin(asking, &recorded, options, promoted).await;
    let known = |key: &StageKey| recorded.stages.get(key).and_then(|stage| stage.candidate.as_ref());
    pins.candidates.retain(|key, candidate| known(key) != candidate.as_ref());
    for (key, candidate) in &pins.candidates {
        recorded.stages.entry(key.clone()).or_default().candidate.clone_from(candidate);
    }
    let desired = pins.expand(&loaded.desired, &recorded).map_or_else(|| Arc::clone(&loaded.desired), Arc::new);
    sealed.spread(&desired);
    found.keep(|key| desired.stages.contains_key(key));
    let pin::Pins { images, candidates, policies, registries, instances: _ } = pins;
    let plan = |recorded: &Recorded| {
        plan::plan(Input {
            desired: &desired,
            recorded,
            observed: &observed,
            images: &images,
            fingerprints: &sealed.fingerprints,
            unreadable: &sealed.unreadable,
            options,
            now_ms,
        })
    };
    let plan = plan_with_specs(places, store.as_ref(), &mut recorded, plan).await?;
    tracing::debug!(plan = plan.id(), "planned");
    let planned = plan.stages.iter().map(|stage| &stage.key);
    check_selection(&options.selection, planned.chain(desired.stages.keys()).chain(desired.several.keys()))?;
    Ok(View {
        loaded,
        desired,
        recorded,
        observed,
        images,
        candidates,
        policies,
        registries,
        plan,
        open: Vec::new(),
        found,
    })
}

/// Since when the stages are ready that something is promoted from; looked up only where there are such.
async fn note_ready(places: &Places, desired: &Desired, recorded: &mut Recorded) -> Result<(), Error> {
    let promotes = |stage: &DesiredStage| stage.track.promote().map(|promote| promote.from.clone());
    let from: BTreeSet<StageKey> = desired.stages.values().filter_map(promotes).collect();
    if from.is_empty() {
        return Ok(());
    }
    let all = conditions(&places.data).await?;
    for key in from {
        let ready = all.stages.get(&key).and_then(|own| own.get(ConditionKind::Ready));
        // That something newer is held, or waits, says nothing of what serves.
        let is_sick = |ready: &Condition| matches!(ready.reason.as_str(), "Unhealthy" | "Restarting");
        let since_ms = ready.and_then(|ready| match ready.status {
            Truth::True => Some(ready.since_ms),
            Truth::False | Truth::Unknown => is_sick(ready).then_some(i64::MAX),
        });
        if let Some(stage) = recorded.stages.get_mut(&key) {
            stage.ready_since_ms = since_ms;
        }
    }
    Ok(())
}

/// What is known of the secrets of each stage.
#[derive(Default)]
struct Known {
    fingerprints: BTreeMap<StageKey, Fingerprint>,
    unreadable: BTreeMap<StageKey, String>,
}

impl Known {
    fn read(desired: &Desired, secrets: &Secrets, key: Option<&Key>) -> Self {
        let mut known = Self::default();
        for stage in desired.all_written() {
            match secrets.seen(key, &stage.container) {
                SecretsSeen::Known(fingerprint) => drop(known.fingerprints.insert(stage.key.clone(), fingerprint)),
                SecretsSeen::Unreadable(why) => drop(known.unreadable.insert(stage.key.clone(), why)),
                SecretsSeen::None | SecretsSeen::NoKey => {}
            }
        }
        known
    }

    /// Every instance has the secrets of its stage.
    fn spread(&mut self, desired: &Desired) {
        for key in desired.stages.keys().filter(|key| key.stage.tag().is_some()) {
            let written = key.written();
            if let Some(fingerprint) = self.fingerprints.get(&written).cloned() {
                self.fingerprints.insert(key.clone(), fingerprint);
            }
            if let Some(why) = self.unreadable.get(&written).cloned() {
                self.unreadable.insert(key.clone(), why);
            }
        }
    }
}
