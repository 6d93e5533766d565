//! What an image was built for: one question by its digest, which never has to be asked again.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use reqwest::{Method, Url};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::ask::{Question, unexpected};
use super::head::{MANIFESTS, MAX_MANIFEST};
use super::{Access, Registry, RegistryError};
use crate::model::{Digest, Platform, Repository, hash};

/// Most images whose platforms are remembered; what they were built for is a few words each.
const MAX_KNOWN: usize = 10_000;
/// All of a question: a manifest and, where it does not tell, the configuration that it names.
const TOTAL: Duration = Duration::from_secs(60);

/// What is known of images, by their digest. A digest names its content, so this never changes.
#[derive(Default)]
pub(super) struct Known(Mutex<HashMap<Digest, Arc<[Platform]>>>);

impl Registry {
    /// What an image was built for: one platform, or those of its index; empty when it does not say. Docker Hub counts
    /// the question as a pull.
    ///
    /// # Errors
    /// As with [`head`](Self::head); and content that is not what the digest names is
    /// [`Unexpected`](RegistryError::Unexpected).
    pub async fn platforms(
        &self,
        repository: &Repository,
        digest: &Digest,
        access: &Access,
    ) -> Result<Arc<[Platform]>, RegistryError> {
        if let Some(known) = self.known().get(digest) {
            return Ok(known);
        }
        let found: Arc<[Platform]> = self.in_turn(access, TOTAL, self.look(repository, digest, access)).await?.into();
        self.known().insert(digest, &found);
        Ok(found)
    }

    /// Whether a host runs an image. One that does not say what it was built for is given the benefit of the doubt.
    ///
    /// # Errors
    /// As with [`platforms`](Self::platforms); [`WrongPlatform`](RegistryError::WrongPlatform) when it does not.
    pub async fn fits(
        &self,
        repository: &Repository,
        digest: &Digest,
        host: &Platform,
        access: &Access,
    ) -> Result<(), RegistryError> {
        let offered = self.platforms(repository, digest, access).await?;
        if offered.is_empty() || offered.iter().any(|image| host.runs(image)) {
            return Ok(());
        }
        let names: Vec<_> = offered.iter().map(Platform::to_string).collect();
        let image = format!("{repository}@{digest}");
        Err(RegistryError::WrongPlatform { image, offered: names.join(", "), host: host.to_string() })
    }

    async fn look(
        &self,
        repository: &Repository,
        digest: &Digest,
        access: &Access,
    ) -> Result<Vec<Platform>, RegistryError> {
        let url = access.manifest(repository, digest.as_str());
        let manifest: Manifest = self.content(repository, digest, access, url, MANIFESTS).await?;
        if let Some(images) = manifest.manifests {
            let mut all: Vec<_> = images.into_iter().filter_map(|image| image.platform?.known()).collect();
            all.sort();
            all.dedup();
            return Ok(all);
        }
        let Some(config) = manifest.config else { return Ok(Vec::new()) };
        let url = access.blob(repository, &config.digest);
        let config: Described = self.content(repository, &config.digest, access, url, "*/*").await?;
        Ok(config.known().into_iter().collect())
    }

    /// Fetches what a digest names, and makes sure that it is what came.
    async fn content<T: DeserializeOwned>(
        &self,
        repository: &Repository,
        digest: &Digest,
        access: &Access,
        url: Url,
        accept: &'static str,
    ) -> Result<T, RegistryError> {
        let image = format!("{repository}@{digest}");
        let response = self.ask(Question::new(Method::GET, url, accept), repository, &image, access).await?;
        let body = self.body(access, response, MAX_MANIFEST).await?;
        if digest.as_str() != format!("sha256:{}", hash::sha256_hex(&body)) {
            return Err(unexpected(access, image, "content that is not what its digest names"));
        }
        serde_json::from_slice(&body).map_err(|_| unexpected(access, image, "what is no image"))
    }
}

impl Known {
    fn get(&self, digest: &Digest) -> Option<Arc<[Platform]>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(digest).cloned()
    }

    fn insert(&self, digest: &Digest, platforms: &Arc<[Platform]>) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= MAX_KNOWN {
            all.clear();
        }
        all.insert(digest.clone(), Arc::clone(platforms));
    }
}

/// An index has `manifests`, an image `config`; only what we need of them.
#[derive(Deserialize)]
struct Manifest {
    manifests: Option<Vec<Entry>>,
    config: Option<Config>,
}

#[derive(Deserialize)]
struct Entry {
    platform: Option<Described>,
}

#[derive(Deserialize)]
struct Config {
    digest: Digest,
}

/// A platform as an index, or the configuration of an image, writes it.
#[derive(Deserialize)]
struct Described {
    os: Option<String>,
    architecture: Option<String>,
    variant: Option<String>,
}

impl Described {
    /// None where it is not told; `unknown` marks what comes with an image and is none, as its provenance.
    fn known(self) -> Option<Platform> {
        let (os, architecture) = (self.os?, self.architecture?);
        let is_told = |text: &str| !text.is_empty() && text != "unknown";
        (is_told(&os) && is_told(&architecture)).then(|| Platform::new(&os, &architecture, self.variant.as_deref()))
    }
}
