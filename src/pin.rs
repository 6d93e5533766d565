//! A tag turned into tag + digest. The choice is `model::policy`'s; only what it cannot know is asked, so that a no-op
//! asks no registry anything.

use std::collections::BTreeMap;

use futures_util::{StreamExt as _, stream};

use crate::docker::Docker;
use crate::model::policy::{Choice, choose};
use crate::model::{Desired, DesiredStage, ImageRef, Recorded, Repository, StageKey, Tag};
use crate::plan::{Blocked, Selection};
use crate::registry::{self, Access, Credentials, Registry};
use crate::secrets::Secrets;

/// Questions asked at the same time; registries limit clients by rate, and more gains nothing.
const CONCURRENT_QUESTIONS: usize = 8;

/// The image of a stage, or why there is none.
pub type Pinned = Result<ImageRef, Blocked>;

/// Pins every selected stage; each failure stays with its stage.
pub async fn pin(
    docker: &Docker,
    secrets: &Secrets,
    desired: &Desired,
    recorded: &Recorded,
    selection: &Selection,
) -> BTreeMap<StageKey, Pinned> {
    let mut known = BTreeMap::new();
    let mut questions = Vec::new();
    for stage in desired.stages.values().filter(|stage| selection.contains(&stage.key)) {
        let pin = recorded.stages.get(&stage.key).and_then(|s| s.pin.as_ref());
        match choose(stage, pin, false) {
            Choice::Known(image) => drop(known.insert(stage.key.clone(), Ok(image))),
            choice @ (Choice::AskHost(..)
            | Choice::AskRegistry(..)
            | Choice::AskTags { .. }
            | Choice::AskMoved { .. }) => questions.push((stage.key.clone(), choice)),
        }
    }
    let registry = Registry::new();
    let ask = |(key, choice)| {
        let registry = &registry;
        async move { (key, answer(docker, registry, secrets, desired, choice).await) }
    };
    let answers: Vec<_> = stream::iter(questions).map(ask).buffer_unordered(CONCURRENT_QUESTIONS).collect().await;
    known.extend(answers);
    known
}

/// Looks up anew what a stage tracks, whatever was recorded before: someone asked for it.
pub async fn look_up(docker: &Docker, secrets: &Secrets, desired: &Desired, stage: &DesiredStage) -> Pinned {
    answer(docker, &Registry::new(), secrets, desired, choose(stage, None, false)).await
}

async fn answer(docker: &Docker, registry: &Registry, secrets: &Secrets, desired: &Desired, choice: Choice) -> Pinned {
    match choice {
        Choice::Known(image) => Ok(image),
        Choice::AskHost(repository, tag) => ask_host(docker, repository, tag).await,
        Choice::AskRegistry(repository, tag) | Choice::AskMoved { repository, tag, .. } => {
            ask_registry(registry, secrets, desired, repository, tag).await
        }
        Choice::AskTags { repository, pinned } => pinned.ok_or_else(|| Blocked {
            refused: false,
            reason: format!("nobody has asked yet which tags {repository} has"),
            hint: None,
        }),
    }
}

/// `pull_policy: never`: the image is known by its id (R6).
async fn ask_host(docker: &Docker, repository: Repository, tag: Tag) -> Pinned {
    let reference = format!("{repository}:{tag}");
    match docker.image(&reference).await {
        Ok(Some(image)) => Ok(ImageRef { repository, tag: Some(tag), digest: image.id, local: true }),
        Ok(None) => Err(Blocked {
            refused: true,
            reason: format!("image {reference} is not on this host, and `pull_policy` is never"),
            hint: Some("build or load it here, or take `pull_policy: never` out".into()),
        }),
        Err(error) => Err(Blocked { refused: false, reason: error.to_string(), hint: error.hint() }),
    }
}

async fn ask_registry(
    registry: &Registry,
    secrets: &Secrets,
    desired: &Desired,
    repository: Repository,
    tag: Tag,
) -> Pinned {
    let access = access(secrets, desired, &repository)?;
    match registry.head(&repository, &tag, &access).await {
        Ok(digest) => Ok(ImageRef { repository, tag: Some(tag), digest, local: false }),
        Err(error) => Err(Blocked { refused: false, reason: error.to_string(), hint: error.hint() }),
    }
}

/// How the registry of a repository is asked, with its login.
///
/// # Errors
/// The password cannot be read, or the address not be used.
pub fn access(secrets: &Secrets, desired: &Desired, repository: &Repository) -> Result<Access, Blocked> {
    let entry = registry::find(&desired.registries, repository);
    let mut credentials = None;
    if let Some((username, password)) = entry.and_then(|r| r.username.clone().zip(r.password.as_ref())) {
        let blocked = |error: crate::secrets::SecretError| Blocked {
            refused: true,
            reason: format!("the password of registry {}: {error}", repository.host()),
            hint: error.hint(),
        };
        credentials = Some(Credentials { username, password: secrets.read(password).map_err(blocked)? });
    }
    let unusable =
        |error: registry::RegistryError| Blocked { refused: false, reason: error.to_string(), hint: error.hint() };
    Access::new(repository, entry, credentials).map_err(unusable)
}
