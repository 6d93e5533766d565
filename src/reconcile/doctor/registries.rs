//! The registries of the configuration: each answers, and its login may read what the stages run.

use std::collections::BTreeSet;

use super::super::Places;
use super::{Finding, bad, good};
use crate::model::{Desired, Repository};
use crate::pin;
use crate::registry::{self, Registry, RegistryError};
use crate::secrets::Secrets;

/// Asks each about each repository that is to come from it.
pub(super) async fn examine(places: &Places, desired: &Desired) -> Vec<Finding> {
    let (secrets, client) = (Secrets::new(&places.credentials), Registry::new());
    let mut found = Vec::new();
    for (name, entry) in &desired.registries {
        let is_its = |repository: &&Repository| {
            registry::find(&desired.registries, repository).is_some_and(|found| std::ptr::eq(found, entry))
        };
        let repositories: BTreeSet<_> = desired.all_written().map(|stage| &stage.repository).filter(is_its).collect();
        if repositories.is_empty() {
            found.push(good("registry", format!("{name}: no stage has an image of it")));
            continue;
        }
        let (mut well, total) = (0, repositories.len());
        for repository in repositories {
            match ask(&client, &secrets, desired, repository).await {
                Ok(()) => well += 1,
                Err((why, hint)) => found.push(bad("registry", format!("{name}: {why}"), hint)),
            }
        }
        if well == total {
            let login = entry.username.as_ref().map_or_else(|| "nobody".to_owned(), |user| format!("`{user}`"));
            found.push(good("registry", format!("{name}: {} answers, as {login}, for {total} images", entry.url)));
        }
    }
    found
}

async fn ask(
    client: &Registry,
    secrets: &Secrets,
    desired: &Desired,
    repository: &Repository,
) -> Result<(), (String, Option<String>)> {
    let access = pin::access(secrets, desired, repository).map_err(|blocked| (blocked.reason, blocked.hint))?;
    let address = || "check its `url` under `registries`, and that this host reaches it".to_owned();
    let told = |error: RegistryError| (error.to_string(), Some(error.hint().unwrap_or_else(address)));
    client.may_read(repository, &access).await.map_err(told)
}
