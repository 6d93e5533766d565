//! Images on their way to the host and from it: recorded before they are fetched (R14), let go once nobody needs them (R24).
//!
//! *Guarantees*: only names that are ours, or that our own pull left, are taken off an image; never by force and never by
//! its id, so that what a container uses, or a person gave a name to, stays. Nothing goes while something is fetched.

use std::sync::Arc;

use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::perform::{StepError, credentials};
use super::{Context, Event};
use crate::docker::{Docker, DockerError, ImageInfo};
use crate::model::{Desired, ImageRef, Repository, StageKey};
use crate::plan::ImageDrop;
use crate::secrets::Secrets;
use crate::store::{Store, StoreError};

/// Whether images are being fetched in this process; other processes do so only under the lock.
#[derive(Debug, Clone, Default)]
pub struct Pulls(Arc<RwLock<()>>);

impl Pulls {
    /// Held by who looks whether an image is here, fetches it and names it; several may.
    pub(super) async fn fetching(&self) -> RwLockReadGuard<'_, ()> {
        self.0.read().await
    }

    /// Held by who lets images go; none while one is being fetched. Who wants to fetch one meanwhile waits.
    pub fn letting_go(&self) -> Option<RwLockWriteGuard<'_, ()>> {
        self.0.try_write().ok()
    }
}

/// What fetching an image needs.
#[derive(Debug, Clone, Copy)]
pub struct Fetching<'a> {
    /// The engine.
    pub docker: &'a Docker,
    /// The store, open for writing.
    pub store: &'a Store,
    /// Passwords of registries.
    pub secrets: &'a Secrets,
    /// The configuration.
    pub desired: &'a Desired,
    /// Who else fetches.
    pub pulls: &'a Pulls,
}

/// What our own names of images begin with.
const OWN: &str = "landfall/";

/// The name of our own for the images of a stage; the tag is the beginning of the digest (R6).
pub(super) fn own_name(key: &StageKey) -> String {
    format!("{OWN}{}", key.dns_name())
}

/// Records that a stage is about to use an image (R14). One of the host alone is its user's, and never goes.
pub(super) async fn hold(store: &Store, key: &StageKey, image: &ImageRef, is_here: bool) -> Result<(), StoreError> {
    if image.local { Ok(()) } else { store.hold_image(key, image, !is_here).await }
}

/// Has an image on the host that someone wants to go back to, before anything is said about it.
///
/// # Errors
/// It is neither here nor to be had.
pub async fn fetch(fetching: Fetching<'_>, key: &StageKey, image: &ImageRef) -> Result<(), StepError> {
    let Fetching { docker, store, secrets, desired, pulls } = fetching;
    let _fetching = pulls.fetching().await;
    if docker.image(&image.by_digest()).await?.is_some() {
        return Ok(());
    }
    if image.local {
        return Err(StepError::Other(format!("image {image} is not on this host any more")));
    }
    let credentials = credentials(secrets, desired, image)?;
    hold(store, key, image, false).await?;
    Ok(docker.pull(&image.repository, &image.digest, credentials.as_ref(), |_| {}).await?)
}

/// Lets images go, and says of each how that went. One that stays is left alone for a while, whatever the reason: it is in
/// nobody's way.
pub async fn drop_images(context: &Context, drops: &[ImageDrop]) {
    for drop in drops {
        let recorded = match let_go(&context.docker, drop).await {
            Ok(()) => {
                told(context, format!("image {drop}"));
                context.store.forget_image(&drop.image).await
            }
            Err(error) => {
                told(context, format!("image {} stays for now: {error}", drop.image));
                context.store.leave_image(&drop.image).await
            }
        };
        if let Err(error) = recorded {
            tracing::warn!(%error, image = %drop.image, "what became of an image could not be recorded");
        }
    }
}

fn told(context: &Context, text: String) {
    context.sink.tell(Event::Line { key: None, text });
}

async fn let_go(docker: &Docker, ImageDrop { image, stages, is_pulled }: &ImageDrop) -> Result<(), DockerError> {
    for key in stages.keys() {
        docker.remove_image(&format!("{}:{}", own_name(key), image.digest.short())).await?;
    }
    if !is_pulled {
        return Ok(());
    }
    let reference = image.by_digest();
    match docker.image(&reference).await? {
        Some(found) if !is_named(&found, &image.repository) => docker.remove_image(&reference).await,
        Some(_) | None => Ok(()),
    }
}

/// True where a store beside this one named the image for a stage of its own, or somebody gave it a tag of its repository,
/// which some versions of Docker take off with the digest.
fn is_named(image: &ImageInfo, repository: &Repository) -> bool {
    image.repo_tags.iter().any(|tag| {
        let name = tag.rsplit_once(':').map_or(tag.as_str(), |(name, _)| name);
        name.starts_with(OWN) || name.parse::<Repository>().is_ok_and(|name| name == *repository)
    })
}
