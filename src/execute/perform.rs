//! One step, one call: each effect of a plan as what Docker or the proxy is asked to do.

use super::gate::{self, Gate, GateError, Passed};
use super::monitor::{self, Watched};
use super::run::Work;
use super::{Context, Event, create, hook, images, points, route};
use crate::docker::{Credentials, DockerError};
use crate::faults::When;
use crate::model::desired::{PullPolicy, Ready};
use crate::model::{Desired, DesiredStage, ImageRef, Millis};
use crate::plan::{Effect, Target};
use crate::proxy::ProxyError;
use crate::registry;
use crate::secrets::{SecretError, Secrets};
use crate::store::StoreError;

/// Why a step did not work.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    /// Docker said no, or nothing.
    #[error(transparent)]
    Docker(#[from] DockerError),
    /// Docker did not start the new container.
    #[error(transparent)]
    Start(DockerError),
    /// The proxy said no, or nothing.
    #[error(transparent)]
    Proxy(#[from] ProxyError),
    /// The store could not be written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A secret could not be read.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// It did not become ready.
    #[error(transparent)]
    Gate(#[from] GateError),
    /// The stage is to run something else by now.
    #[error("the configuration moved on")]
    Overtaken,
    /// A hook did not end well; the sentence says which, and how.
    #[error("{0}")]
    Hook(String),
    /// Anything else that stands in the way, in a sentence.
    #[error("{0}")]
    Other(String),
}

impl StepError {
    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Docker(error) | Self::Start(error) => error.hint(),
            Self::Proxy(error) => error.hint(),
            Self::Store(error) => error.hint(),
            Self::Secret(error) => error.hint(),
            Self::Gate(_) | Self::Hook(_) | Self::Overtaken | Self::Other(_) => None,
        }
    }
}

/// Performs a step that belongs to no stage.
pub(super) async fn shared(context: &Context, effect: &Effect) -> Result<(), StepError> {
    if let Effect::CreateNetwork { name } = effect {
        context.sink.tell(Event::Line { key: None, text: effect.to_string() });
        let labels = [(crate::model::labels::STORE.to_owned(), context.store.id().to_string())].into();
        context.docker.create_network(name, &labels).await?;
    }
    Ok(())
}

/// Performs a step of a stage, between its fail points.
pub(super) async fn step(work: &mut Work<'_>, effect: &Effect) -> Result<(), StepError> {
    points::pass(work, effect, When::Before).await?;
    call(work, effect).await?;
    points::pass(work, effect, When::After).await
}

async fn call(work: &mut Work<'_>, effect: &Effect) -> Result<(), StepError> {
    let docker = &work.context.docker;
    match effect {
        Effect::CreateNetwork { .. } => shared(work.context, effect).await,
        Effect::Pull { image } => pull(work, image).await,
        Effect::CreateVolume { name } => create::volume(work, name).await,
        Effect::Hook { moment, hook } => hook::run(work, *moment, hook).await,
        Effect::Create { .. } => create::container(work).await,
        Effect::WriteSecrets => create::secret_files(work, &id(work, &Target::New)?).await,
        Effect::Connect { target, network } => Ok(docker.connect_network(network, &id(work, target)?, &[]).await?),
        Effect::Start { target: Target::New } => create::start(work).await,
        Effect::Start { target: Target::Existing { id, .. } } => Ok(docker.start(id).await?),
        Effect::Unpause { target } => Ok(docker.unpause(&id(work, target)?).await?),
        Effect::Rename { target, to } => Ok(docker.rename(&id(work, target)?, to).await?),
        Effect::Gate { target, ready } => wait(work, target, ready).await,
        Effect::Monitor { target, ready, duration } => monitor(work, target, ready, *duration).await,
        Effect::JoinNames { target } => names(work, target, true).await,
        Effect::LeaveNames { target } => names(work, target, false).await,
        Effect::Certify { names } => route::certify(work, names).await,
        Effect::Switch { domains, options, target } => route::switch(work, domains, options, target).await,
        Effect::Unroute { .. } => route::unroute(work).await,
        Effect::Drain { target, at_most } => route::drain(work, target, *at_most).await,
        Effect::Stop { target, grace } => stop(work, target, *grace).await,
        Effect::Remove { target } => remove(work, target).await,
    }
}

/// The Docker id of a target.
pub(super) fn id(work: &Work<'_>, target: &Target) -> Result<String, StepError> {
    match target {
        Target::Existing { id, .. } => Ok(id.clone()),
        Target::New => work.container.clone().ok_or_else(|| StepError::Other("its container was not made".into())),
    }
}

/// Fetches the image by digest, unless it is here, and tags it as ours so that a prune by hand leaves it alone (R6).
async fn pull(work: &mut Work<'_>, image: &ImageRef) -> Result<(), StepError> {
    let reference = image.by_digest();
    let docker = &work.context.docker;
    let policy = work.deploy.map(|(_, deploy)| deploy.stage.pull_policy).unwrap_or_default();
    let _fetching = work.context.pulls.fetching().await;
    let here = docker.image(&reference).await?.is_some();
    if here || policy != PullPolicy::Never {
        images::hold(&work.context.store, &work.plan.key, image, here).await?;
    }
    match (here, policy) {
        (true, PullPolicy::Missing | PullPolicy::Never) => {
            work.log.line(format!("image {reference} is on the host")).await;
        }
        (false, PullPolicy::Never) => {
            return Err(StepError::Other(format!("image {image} is not on the host, and `pull_policy` is never")));
        }
        (_, PullPolicy::Missing | PullPolicy::Always) => {
            work.log.line(format!("pull {reference}")).await;
            let credentials = credentials(&work.context.secrets, &work.context.desired, image)?;
            let (sink, key) = (work.context.sink.clone(), work.plan.key.clone());
            let progress = move |now: crate::docker::PullProgress| {
                sink.tell(Event::Pull { key: key.clone(), current: now.bytes, total: now.total_bytes });
            };
            docker.pull(&image.repository, &image.digest, credentials.as_ref(), progress).await?;
        }
    }
    warn_of_platform(work, &reference).await;
    docker.tag_image(&reference, &images::own_name(&work.plan.key), image.digest.short()).await?;
    create::mounted_files(work).map(drop)
}

/// Says in the deploy's log that an image is for another processor: of an index Docker takes what fits, or nothing, and of a
/// single image whatever there is. Who emulates that processor runs it all the same.
/// Who cannot tell fails no deploy.
async fn warn_of_platform(work: &mut Work<'_>, reference: &str) {
    let docker = &work.context.docker;
    let image = docker.image(reference).await.ok().flatten();
    let Some(built_for) = image.and_then(|image| image.platform) else { return };
    if let Ok(host) = docker.platform().await
        && !host.runs(&built_for)
    {
        let text =
            format!("the image is built for {built_for}, and this host is {host}: it runs here by emulation alone");
        work.log.line(text).await;
    }
}

/// The user and password of the registry that an image belongs to, by the longest matching prefix.
pub(super) fn credentials(
    secrets: &Secrets,
    desired: &Desired,
    image: &ImageRef,
) -> Result<Option<Credentials>, SecretError> {
    let Some(registry) = registry::find(&desired.registries, &image.repository) else { return Ok(None) };
    let (Some(username), Some(password)) = (&registry.username, &registry.password) else { return Ok(None) };
    Ok(Some(Credentials { username: username.clone(), password: secrets.read(password)? }))
}

/// What is looked at of a container to tell whether it is well.
fn gate<'a>(work: &Work<'a>, id: &'a str, ready: &'a Ready, fresh: bool) -> Gate<'a> {
    let stage = route::stage(work);
    Gate {
        id,
        ready,
        network: &work.context.desired.settings.network,
        port: stage.and_then(|s| s.container.port),
        domain: stage.and_then(DesiredStage::domain),
        fresh,
    }
}

async fn monitor(work: &Work<'_>, target: &Target, ready: &Ready, duration: Millis) -> Result<(), StepError> {
    let id = id(work, target)?;
    let gate = gate(work, &id, ready, *target == Target::New);
    let text = match monitor::watch(&work.context.docker, gate, duration).await? {
        Watched::Well => format!("well for {duration}"),
        Watched::Unseen(why) => format!("at the end of {duration} it could not be looked at: {why}"),
    };
    work.log.line(text).await;
    Ok(())
}

async fn wait(work: &Work<'_>, target: &Target, ready: &Ready) -> Result<(), StepError> {
    let id = id(work, target)?;
    let gate = gate(work, &id, ready, *target == Target::New);
    work.log.line(format!("gate {ready}")).await;
    let began = std::time::Instant::now();
    let outcome = gate::wait(&work.context.docker, gate).await?;
    let text = match outcome {
        Passed::Healthy => "ready",
        Passed::Unknown => "running, health unknown",
    };
    work.log
        .line(format!("{text} after {}", Millis(u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX))))
        .await;
    Ok(())
}

/// Takes or gives up the stage's stable DNS name (R33).
async fn names(work: &Work<'_>, target: &Target, join: bool) -> Result<(), StepError> {
    let network = work.context.desired.settings.names_network();
    let id = id(work, target)?;
    let docker = &work.context.docker;
    if join {
        docker.connect_network(&network, &id, &[work.plan.key.dns_name()]).await?;
    } else {
        docker.disconnect_network(&network, &id).await?;
    }
    Ok(())
}

async fn stop(work: &mut Work<'_>, target: &Target, grace: Millis) -> Result<(), StepError> {
    // Remembered before the call: a stop that timed out may still happen.
    if !work.stopped.contains(target) {
        work.stopped.push(target.clone());
    }
    Ok(work.context.docker.stop(&id(work, target)?, grace.duration()).await?)
}

async fn remove(work: &Work<'_>, target: &Target) -> Result<(), StepError> {
    let id = id(work, target)?;
    work.context.docker.remove(&id, false).await?;
    Ok(work.context.store.remove_instance(&id).await?)
}
