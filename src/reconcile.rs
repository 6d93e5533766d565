//! load → resolve → observe → pin → plan → execute → record, on one screen: what `diff`, `apply` and the daemon share.
//!
//! `look` is all of it up to the plan and changes nothing (R21); `converge` takes the lock, closes what an earlier run
//! left open, looks, records the configuration that it accepts, and carries the plan out.

mod access;
mod adopt;
mod beside;
mod by_hand;
mod conditions;
mod config_place;
mod doctor;
mod error;
mod images;
mod kept;
mod lost;
mod readopt;
mod record;
mod view;
mod want;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::config::Loaded;
use crate::docker::Docker;
use crate::execute::{self, Context, Newest, Results, Sink};
use crate::model::recorded::Pin;
use crate::model::{DeployId, Desired, DesiredStage, ImageRef, Observed, Recorded, StageKey};
use crate::observe;
use crate::plan::{self, Blocked, Options, Plan, Selection};
use crate::proxy::Proxy;
use crate::secrets::{Key, Secrets};
use crate::store::{AcceptedConfig, DataDir, DeployRow, Holder, Lock, Store, StoreError};

pub use crate::proxy::Adopted;
pub use adopt::{AdoptedContainer, adopt, adopt_container};
pub use beside::{Beside, UnderWay};
pub use by_hand::{Order, RouteTo, by_hand, pause};
pub use conditions::{Noted, note};
pub use config_place::{ConfigPlace, Fresh};
pub use doctor::{Finding, examine};
pub use error::Error;
pub use kept::{conditions, in_force};
pub use lost::adopt_store;
pub use readopt::Found;
use view::{Seen, ask_store, view};
pub use want::{Done, Want};

/// Where everything is.
#[derive(Debug, Clone)]
pub struct Places {
    /// Where the configuration is.
    pub config: ConfigPlace,
    /// Directory of the store.
    pub data: PathBuf,
    /// Address of the engine, `unix:///…`.
    pub docker: String,
    /// Directory of credentials.
    pub credentials: PathBuf,
    /// Control socket of `landfall proxy`.
    pub proxy_socket: PathBuf,
    /// What other passes of this process have in hand; the default where there is one pass at a time.
    pub beside: Beside,
}

/// So long a command waits for another one to finish its pass before it says who holds the lock.
pub const LOCK_WAIT: Duration = Duration::from_secs(10);

/// One look at everything, and the plan that follows from it.
#[derive(Debug)]
pub struct View {
    /// The configuration, with its warnings.
    pub loaded: Arc<Loaded>,
    /// What it says, with the instances that stages of several are to run.
    pub desired: Arc<Desired>,
    /// What the store remembers.
    pub recorded: Recorded,
    /// What Docker and the proxy report.
    pub observed: Observed,
    /// The pinned images.
    pub images: BTreeMap<StageKey, Result<ImageRef, Blocked>>,
    /// What waits until somebody asks for it, where that is not recorded yet.
    pub candidates: BTreeMap<StageKey, Option<Pin>>,
    /// Stages for which registries were asked for tags, and why none of these fits, where that is so.
    pub policies: BTreeMap<StageKey, Option<String>>,
    /// The registries that were asked, by host, and what is wrong with those that did not answer as they should.
    pub registries: BTreeMap<String, Option<String>>,
    /// What must change.
    pub plan: Plan,
    /// Deploys without an end, when only looking.
    pub open: Vec<OpenDeploy>,
    /// Containers that the store does not know.
    pub found: Found,
}

/// A deploy without an end.
#[derive(Debug, Clone)]
pub struct OpenDeploy {
    /// Which one.
    pub deploy: DeployRow,
    /// True while somebody works on it; else it was interrupted.
    pub is_under_way: bool,
}

/// How a pass ended.
#[derive(Debug)]
pub struct Converged {
    /// What was seen and planned.
    pub view: View,
    /// How the stages that had work ended; empty when the plan was held or refused as a whole.
    pub results: Results,
    /// True when at least one stage asked for what is refused, so that nothing was touched.
    pub refused: bool,
    /// Why how it ended is not in the store's conditions, where that is so.
    pub unrecorded: Option<StoreError>,
}

/// Looks at everything and plans; changes nothing (R21).
///
/// # Errors
/// The configuration, Docker or the store cannot be used.
pub async fn look(places: &Places, options: &Options) -> Result<View, Error> {
    let (loaded, (docker, host), (mut recorded, open)) =
        tokio::try_join!(load(places), ask_docker(places), read(places))?;
    tracing::debug!("configuration, Docker and store read");
    let data = DataDir::new(&places.data);
    if !data.has_store() {
        lost::refuse(places, &loaded.desired, host.containers())?;
    }
    let host = observe::with_adopted(&docker, host, &recorded).await?;
    let proxy = access::to_look(places, &loaded.desired);
    let observed = observe::with_proxy(host, &proxy, &loaded.desired, &recorded).await;
    // What somebody works on is not interrupted.
    let holder = if open.is_empty() { None } else { Lock::holder(&data) };
    let open: Vec<OpenDeploy> = open.into_iter().map(|deploy| open_deploy(places, deploy, holder.as_ref())).collect();
    for OpenDeploy { deploy, .. } in open.iter().filter(|open| open.is_under_way) {
        recorded.stages.entry(deploy.key.clone()).and_modify(|stage| stage.in_flight = None);
    }
    let key = Key::read(&data.fingerprint_key());
    let candidates = readopt::candidates(&recorded, &observed, &BTreeSet::new());
    let unknown = ask_store(places, candidates, |reader, ids| reader.unknown_deploys(&ids)).await?;
    let seen = Seen { recorded, observed, key, unknown, store: None };
    let mut view = view(places, &docker, Arc::new(loaded), seen, options).await?;
    view.plan.images = images::planned(&view, options, &images::read(&data, &view).await?);
    Ok(View { open, ..view })
}

fn open_deploy(places: &Places, deploy: DeployRow, holder: Option<&Holder>) -> OpenDeploy {
    OpenDeploy { is_under_way: places.beside.is_under_way(&deploy, holder), deploy }
}

/// Converges the host once.
///
/// # Errors
/// As [`look`], and when another process holds the lock.
pub async fn converge(places: &Places, options: &Options, sink: Sink, command: &str) -> Result<Converged, Error> {
    let loaded = Arc::new(load(places).await?);
    converge_to(places, loaded, options, Watcher { sink, newest: Newest::default() }, command).await
}

/// Who follows a pass, and what it follows.
#[derive(Debug, Clone)]
pub struct Watcher {
    /// Who is told what happens.
    pub sink: Sink,
    /// What the configuration becomes meanwhile.
    pub newest: Newest,
}

/// Converges the host to a configuration that was loaded before.
///
/// # Errors
/// As [`converge`].
pub async fn converge_to(
    places: &Places,
    loaded: Arc<Loaded>,
    options: &Options,
    watcher: Watcher,
    command: &str,
) -> Result<Converged, Error> {
    let opened = open(places, &loaded.desired, command).await?;
    pass(places, loaded, options, watcher, opened).await
}

/// The store under the lock, and the host as it is since.
struct Opened {
    docker: Docker,
    host: observe::Host,
    store: Store,
}

async fn open(places: &Places, desired: &Desired, command: &str) -> Result<Opened, Error> {
    let data = DataDir::new(&places.data);
    // Observed only under the lock: whoever held it before has just changed what there is to see.
    let lock = places.beside.lock(&data, command).await?;
    let (docker, host) = ask_docker(places).await?;
    if !data.has_store() {
        lost::refuse(places, desired, host.containers())?;
    }
    Ok(Opened { docker, host, store: places.beside.open(&data, lock).await? })
}

/// One pass: what was left open is closed, all is looked at and planned, and the plan is carried out.
async fn pass(
    places: &Places,
    loaded: Arc<Loaded>,
    options: &Options,
    watcher: Watcher,
    opened: Opened,
) -> Result<Converged, Error> {
    let Opened { docker, host, store } = opened;
    let proxy = access::to_change(places, &loaded.desired);
    let mut recorded = store.recorded().await?;
    let busy = &places.beside.busy;
    places.beside.settle(&mut recorded);
    let host = observe::with_adopted(&docker, host, &recorded).await?;
    let observed = observe::with_proxy(host, &proxy, &loaded.desired, &recorded).await;
    let broken = |error: execute::StepError| Error::Recover(error.to_string(), error.hint());
    execute::sweep(store.id(), &docker, &observed, busy).await.map_err(broken)?;
    execute::forget_gone(&store, &recorded, &observed, busy).await?;
    let key = Some(Key::read_or_make(&DataDir::new(&places.data).fingerprint_key())?);
    let unknown = match readopt::candidates(&recorded, &observed, busy) {
        none if none.is_empty() => none,
        some => store.unknown_deploys(some).await?,
    };
    let options = &Options { busy: Arc::clone(busy), ..options.clone() };
    let seen = Seen { recorded, observed, key, unknown, store: Some(store.clone()) };
    let mut view = view(places, &docker, loaded, seen, options).await?;
    let (newer, whole) = images::question(&view);
    view.plan.images = images::planned(&view, options, &store.spare_images(newer, whole).await?);
    if let Some(wanted) = options.only.as_ref().filter(|wanted| **wanted != view.plan.id()) {
        return Err(Error::OtherPlan { wanted: wanted.clone(), now: view.plan.id() });
    }
    execute::close(&store, &docker, &view.plan.endings).await.map_err(broken)?;
    let refused = view.plan.stages.iter().any(|s| s.blocked.as_ref().is_some_and(|b| b.refused));
    if view.plan.held.is_some() || (refused && !options.partial) {
        conditions::record_pass(places, &store, &view, &Results::new(), view.recorded.generation).await?;
        return Ok(Converged { view, results: Results::new(), refused, unrecorded: None });
    }
    let (view, results, unrecorded) = carry_out(places, view, options, Parts { docker, proxy, store, watcher }).await?;
    Ok(Converged { view, results, refused, unrecorded })
}

/// What carrying out needs besides the plan.
struct Parts {
    docker: Docker,
    proxy: Proxy,
    store: Store,
    watcher: Watcher,
}

/// Finds names on the command line that pick none of these stages.
///
/// # Errors
/// The first such name.
pub fn check_selection<'a>(
    selection: &Selection,
    stages: impl Iterator<Item = &'a StageKey> + Clone,
) -> Result<(), Error> {
    let picks_none = |name: &&String| {
        let one = Selection(vec![(*name).clone()]);
        !stages.clone().any(|key| one.contains(key))
    };
    match selection.0.iter().find(picks_none) {
        None => Ok(()),
        Some(name) => {
            Err(Error::UnknownSelection { name: name.clone(), known: stages.map(ToString::to_string).collect() })
        }
    }
}

/// What is put in force of a configuration that was loaded.
fn accepted(loaded: &Loaded, desired: &Arc<Desired>) -> AcceptedConfig {
    let commit = loaded.commit.as_ref().map(|commit| commit.as_str().to_owned());
    AcceptedConfig { revision: desired.revision.clone(), commit, desired: Arc::clone(desired) }
}

/// Records the configuration and the pins, then acts.
async fn carry_out(
    places: &Places,
    view: View,
    options: &Options,
    parts: Parts,
) -> Result<(View, Results, Option<StoreError>), Error> {
    let Parts { docker, proxy, store, watcher: Watcher { sink, newest } } = parts;
    let desired = Arc::clone(&view.desired);
    let generation = store.accept_config(accepted(&view.loaded, &view.desired)).await?;
    record::record(&view.found, &store, generation, &sink).await?;
    record_pins(&store, &view).await?;
    let overtaken = plan::overtaken(&desired, &view.recorded, |key| view.images.get(key));
    for key in overtaken.into_iter().filter(|key| !places.beside.busy.contains(key)) {
        store.choose(&key, None).await?;
    }
    record_live(&store, &view).await?;
    let history = desired.settings.history;
    let permits = places.beside.permits(desired.settings.max_concurrent_deploys.max(1));
    let context = Arc::new(Context {
        docker,
        proxy,
        store: store.clone(),
        secrets: Secrets::new(&places.credentials),
        desired,
        files: view.loaded.files.clone(),
        files_dir: DataDir::new(&places.data).files(),
        generation,
        keeps_files: view.found.is_partial,
        sink,
        newest,
        permits,
        pulls: places.beside.pulls.clone(),
    });
    if let Some(findings) = conditions::at_work(&view.plan, generation) {
        store.find(findings).await?;
    }
    let results = execute::execute(Arc::clone(&context), &view.plan).await;
    let unrecorded = conditions::record_pass(places, &store, &view, &results, generation).await.err();
    // A history that is too long harms nobody before the next pass.
    match store.prune_history(history).await {
        Ok(0) => {}
        Ok(dropped) => tracing::info!(dropped, "deploys beyond `settings.history` were dropped"),
        Err(error) => tracing::warn!(%error, "the history could not be cut"),
    }
    images::tidy(&context, &view, options).await;
    Ok((view, results, unrecorded))
}

/// After a switch of which nobody knew what is in force (R9), what is wanted may be found to serve though its deploy did
/// not succeed: it counts as the newest success before what it replaced goes.
async fn record_live(store: &Store, view: &View) -> Result<(), Error> {
    for stage in &view.plan.stages {
        let live = view.recorded.stages.get(&stage.key).and_then(|s| s.live.as_ref()).map(|live| live.id);
        // One that failed and is gone may be in a list that Docker took before.
        let instances = view.recorded.stages.get(&stage.key).map(|recorded| &recorded.instances);
        let is_known = |kept: &DeployId| instances.is_some_and(|all| all.values().any(|one| one.deploy == *kept));
        if let Some(kept) = stage.keeps.filter(|kept| Some(*kept) != live && is_known(kept)) {
            store.set_live(kept).await?;
        }
    }
    Ok(())
}

async fn record_pins(store: &Store, view: &View) -> Result<(), Error> {
    for (key, image) in &view.images {
        let Some(pin) = image.as_ref().ok().and_then(Pin::of) else { continue };
        // What is promoted is taken by being deployed, and not before.
        if view.desired.stages.get(key).is_some_and(|stage| stage.track.promote().is_some()) {
            continue;
        }
        let known = view.recorded.stages.get(key).and_then(|s| s.pin.as_ref());
        if known != Some(&pin) {
            store.set_pin(key, &pin).await?;
        }
    }
    for (key, candidate) in &view.candidates {
        store.set_candidate(key, candidate.as_ref()).await?;
    }
    Ok(())
}

/// A stage that someone named, or an instance of one that runs several.
///
/// # Errors
/// The configuration has no such stage, or it runs several instances, and none of them is named.
fn stage_named<'a>(desired: &'a Desired, key: &StageKey) -> Result<Cow<'a, DesiredStage>, Error> {
    if desired.several.contains_key(key) {
        return Err(Error::SeveralInstances(key.clone()));
    }
    desired.stage(key, None).ok_or_else(|| {
        let known = desired.all_written().map(|stage| stage.key.to_string()).collect();
        Error::UnknownSelection { name: key.to_string(), known }
    })
}

/// Reads the configuration on another thread, since it is the processor's work.
async fn load(places: &Places) -> Result<Loaded, Error> {
    let config = places.config.clone();
    let joined = tokio::task::spawn_blocking(move || config.load()).await;
    Ok(joined.map_err(|error| Error::Internal(error.to_string()))??)
}

async fn ask_docker(places: &Places) -> Result<(Docker, observe::Host), Error> {
    let docker = Docker::connect(&places.docker).await?;
    tracing::debug!(api = %docker.api_version(), "Docker answers");
    let host = observe::host(&docker).await?;
    Ok((docker, host))
}

/// What the store remembers; a missing store is an empty one.
///
/// # Errors
/// The store cannot be read.
pub async fn read_store(places: &Places) -> Result<Recorded, Error> {
    read(places).await.map(|(recorded, _)| recorded)
}

/// The same, with the deploys that have no end.
async fn read(places: &Places) -> Result<(Recorded, Vec<DeployRow>), Error> {
    let data = DataDir::new(&places.data);
    let joined = tokio::task::spawn_blocking(move || match Store::open_read(&data)? {
        Some(reader) => Ok((reader.recorded()?, reader.in_flight()?)),
        None => Ok((Recorded::default(), Vec::new())),
    });
    joined.await.map_err(|error| Error::Internal(error.to_string()))?
}

/// Docker's half of what is observed, for commands that need no plan.
///
/// # Errors
/// Docker does not answer.
pub async fn observe_host(places: &Places, recorded: &Recorded) -> Result<(Docker, Observed), Error> {
    let (docker, host) = ask_docker(places).await?;
    let host = observe::with_adopted(&docker, host, recorded).await?;
    Ok((docker, observe::without_proxy(host)))
}
