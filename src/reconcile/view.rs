//! From what was seen to a plan: secrets, pins, the instances of stages that run several, and what follows from it all.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{Error, Places, View, check_selection, readopt, record};
use crate::config::Loaded;
use crate::docker::Docker;
use crate::model::secret::Fingerprint;
use crate::model::{DeployId, Desired, Observed, Recorded, StageKey};
use crate::pin;
use crate::plan::{self, Input, Options};
use crate::secrets::{Key, Secrets, SecretsSeen};
use crate::store::{DataDir, Store, now_ms};

/// Those of some deploys that the store has no row of; asked only where there are some.
pub(super) async fn unknown_deploys(data: &DataDir, some: BTreeSet<DeployId>) -> Result<BTreeSet<DeployId>, Error> {
    if some.is_empty() {
        return Ok(some);
    }
    let data = data.clone();
    let joined = tokio::task::spawn_blocking(move || match Store::open_read(&data)? {
        Some(reader) => Ok(reader.unknown_deploys(&some)?),
        None => Ok(BTreeSet::new()),
    });
    joined.await.map_err(|error| Error::Internal(error.to_string()))?
}

/// What was seen beside the configuration.
pub(super) struct Seen {
    pub(super) recorded: Recorded,
    pub(super) observed: Observed,
    pub(super) key: Option<Key>,
    /// Deploys of our containers that the store has no row of.
    pub(super) unknown: BTreeSet<DeployId>,
}

/// Pins and plans.
pub(super) async fn view(
    places: &Places,
    docker: &Docker,
    loaded: Arc<Loaded>,
    seen: Seen,
    options: &Options,
) -> Result<View, Error> {
    let Seen { mut recorded, observed, key, unknown } = seen;
    let secrets = Secrets::new(&places.credentials);
    let mut known = Known::read(&loaded.desired, &secrets, key.as_ref());
    let mut found = readopt::find(&loaded.desired, &recorded, &observed, &known.fingerprints, &unknown);
    record::remember(&mut recorded, &found);
    let registry = places.beside.registry();
    let asking = pin::Asking { docker, registry: &registry, secrets: &secrets, desired: &loaded.desired };
    let pins = pin::pin(asking, &recorded, options).await;
    let desired = pins.expand(&loaded.desired, &recorded).map_or_else(|| Arc::clone(&loaded.desired), Arc::new);
    known.spread(&desired);
    found.keep(|key| desired.stages.contains_key(key));
    let pin::Pins { images, registries, instances: _ } = pins;
    let input = Input {
        desired: &desired,
        recorded: &recorded,
        observed: &observed,
        images: &images,
        fingerprints: &known.fingerprints,
        unreadable: &known.unreadable,
        options,
        now_ms: now_ms(),
    };
    let plan = plan::plan(input);
    tracing::debug!(plan = plan.id(), "planned");
    let planned = plan.stages.iter().map(|stage| &stage.key);
    check_selection(&options.selection, planned.chain(desired.stages.keys()).chain(desired.several.keys()))?;
    Ok(View { loaded, desired, recorded, observed, images, registries, plan, open: Vec::new(), found })
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
