//! What goes into the store and comes out of it, besides the model's own types.

use std::str::FromStr;
use std::sync::Arc;

use rusqlite::Row;
use rusqlite::types::Type;

use crate::model::image::{Digest, Repository, Tag};
use crate::model::name::{Name, StageKey, StageName};
use crate::model::secret::Fingerprint;
use crate::model::{DeployId, DeployStatus, Desired, DesiredStage, ImageRef, InstanceStatus, Phase, Trigger};

/// A configuration to put in force.
#[derive(Debug, Clone)]
pub struct AcceptedConfig {
    /// What it is called: a hash over its files, or a commit.
    pub revision: String,
    /// The commit it was read from, where it was one.
    pub commit: Option<String>,
    /// The configuration.
    pub desired: Arc<Desired>,
}

/// A deploy to begin.
#[derive(Debug, Clone)]
pub struct NewDeploy {
    /// Its id, from [`super::new_deploy_id`].
    pub id: DeployId,
    /// The stage.
    pub key: StageKey,
    /// What woke the loop.
    pub trigger: Trigger,
    /// Why it is needed, for people.
    pub cause: String,
    /// What it runs.
    pub image: ImageRef,
    /// Its resolved spec; secrets are references in it (R14).
    pub spec: DesiredStage,
    /// Spec hash with version.
    pub spec_hash: String,
    /// Fingerprints of its secrets.
    pub secrets: Option<Fingerprint>,
    /// The label that names these secrets.
    pub secrets_label: String,
    /// The name that its container will have (R7).
    pub container_name: String,
    /// Revision of the configuration it comes from.
    pub config_revision: String,
    /// Generation of the configuration it comes from.
    pub generation: i64,
}

/// A deploy as it is recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeployRow {
    /// Its id.
    pub id: DeployId,
    /// The stage.
    pub key: StageKey,
    /// What woke the loop.
    pub trigger: Trigger,
    /// Why it was needed.
    pub cause: String,
    /// How far it is.
    pub phase: Phase,
    /// Its status.
    pub status: DeployStatus,
    /// Why it ended as it did; none while it runs and for a success.
    pub reason: Option<String>,
    /// What it runs.
    pub image: ImageRef,
    /// Spec hash with version.
    pub spec_hash: String,
    /// The label that names its secrets.
    pub secrets_label: String,
    /// The name of its container.
    pub container_name: String,
    /// Revision of the configuration it comes from.
    pub config_revision: String,
    /// Generation of the configuration it comes from.
    pub generation: i64,
    /// When it began, in milliseconds since 1970 UTC.
    pub created_at_ms: i64,
    /// When its phase last changed.
    pub updated_at_ms: i64,
    /// When it ended.
    pub finished_at_ms: Option<i64>,
}

/// One line of a deploy log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// When, in milliseconds since 1970 UTC.
    pub at_ms: i64,
    /// What, without a line end.
    pub text: String,
}

/// A container that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewInstance {
    /// Its id.
    pub container_id: String,
    /// Its name.
    pub name: String,
    /// The deploy that made it.
    pub deploy: DeployId,
    /// The stage.
    pub key: StageKey,
    /// Loopback port of the host that it is published on.
    pub host_port: Option<u16>,
    /// What people call what it runs: a tag, or a short digest.
    pub version: String,
}

/// An instance as it is recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstanceRow {
    /// The stage.
    pub key: StageKey,
    /// The deploy that made it.
    pub deploy: DeployId,
    /// Its container's name.
    pub name: String,
    /// Its container's id.
    pub container_id: String,
    /// What people call what it runs: a tag, or a short digest.
    pub version: String,
    /// Its status.
    pub status: InstanceStatus,
    /// Loopback port reserved for it.
    pub host_port: Option<u16>,
    /// When it was recorded, in milliseconds since 1970 UTC.
    pub created_at_ms: i64,
}

/// The configuration in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InForce {
    /// Counts the configurations that were accepted.
    pub generation: i64,
    /// The commit it was read from, where it was one.
    pub commit: Option<String>,
    /// When it was accepted, in milliseconds since 1970 UTC.
    pub accepted_at_ms: i64,
    /// The configuration.
    pub desired: Desired,
}

/// Which deploys are meant: all, those of a project, or those of a stage.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only this project.
    pub project: Option<Name>,
    /// Only this stage of it, or all of its instances.
    pub stage: Option<StageName>,
}

impl From<&StageKey> for Filter {
    fn from(key: &StageKey) -> Self {
        Self { project: Some(key.project.clone()), stage: Some(key.stage.clone()) }
    }
}

/// Columns of `deploys d`, `stages s`, `projects p` that [`deploy_row`] reads, in its order.
pub(super) const DEPLOY_COLUMNS: &str = "d.id, p.name, s.name, d.trigger, d.cause, d.phase, d.status, d.reason, \
     d.repository, d.tag, d.digest, d.is_local, d.spec_hash, d.secrets_label, d.container_name, d.config_revision, \
     d.generation, d.created_at, d.updated_at, d.finished_at";

/// Reads [`DEPLOY_COLUMNS`].
pub(super) fn deploy_row(row: &Row<'_>) -> rusqlite::Result<DeployRow> {
    Ok(DeployRow {
        id: DeployId(parsed(row, 0)?),
        key: StageKey::new(parsed(row, 1)?, parsed(row, 2)?),
        trigger: known(row, 3, Trigger::parse)?,
        cause: row.get(4)?,
        phase: known(row, 5, Phase::parse)?,
        status: known(row, 6, DeployStatus::parse)?,
        reason: row.get(7)?,
        image: image(row, 8)?,
        spec_hash: row.get(12)?,
        secrets_label: row.get(13)?,
        container_name: row.get(14)?,
        config_revision: row.get(15)?,
        generation: row.get(16)?,
        created_at_ms: row.get(17)?,
        updated_at_ms: row.get(18)?,
        finished_at_ms: row.get(19)?,
    })
}

/// Reads an image from four columns: repository, tag, digest, local.
pub(super) fn image(row: &Row<'_>, at: usize) -> rusqlite::Result<ImageRef> {
    let tag: Option<String> = row.get(at + 1)?;
    Ok(ImageRef {
        repository: parsed::<Repository>(row, at)?,
        tag: tag.map(|text| text.parse::<Tag>().map_err(|e| unreadable(at + 1, e))).transpose()?,
        digest: parsed::<Digest>(row, at + 2)?,
        local: row.get(at + 3)?,
    })
}

/// Reads a text column as a type that checks it.
pub(super) fn parsed<T>(row: &Row<'_>, at: usize) -> rusqlite::Result<T>
where
    T: FromStr,
    T::Err: std::error::Error + Send + Sync + 'static,
{
    row.get_ref(at)?.as_str()?.parse().map_err(|error| unreadable(at, error))
}

/// Reads a text column as one of an enum's words.
pub(super) fn known<T>(row: &Row<'_>, at: usize, parse: fn(&str) -> Option<T>) -> rusqlite::Result<T> {
    let text = row.get_ref(at)?.as_str()?;
    parse(text).ok_or_else(|| unreadable(at, crate::model::name::InvalidName(format!("`{text}` is not a known word"))))
}

/// Reads a column of JSON, where there is one.
pub(super) fn json<T: serde::de::DeserializeOwned>(row: &Row<'_>, at: usize) -> rusqlite::Result<Option<T>> {
    let text: Option<&str> = row.get_ref(at)?.as_str_or_null()?;
    text.map(|text| serde_json::from_str(text).map_err(|error| unreadable(at, error))).transpose()
}

fn unreadable(at: usize, error: impl std::error::Error + Send + Sync + 'static) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(at, Type::Text, Box::new(error))
}
