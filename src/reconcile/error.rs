//! Why a pass ended before its plan. What happens to single stages is in the plan and in the results instead.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::config::LoadError;
use crate::docker::DockerError;
use crate::model::{PauseKind, StageKey, StoreId};
use crate::proxy::ProxyError;
use crate::secrets::SecretError;
use crate::store::StoreError;

/// Why a pass ended before its plan.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The configuration cannot be used.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// Docker cannot be asked.
    #[error(transparent)]
    Docker(#[from] DockerError),
    /// The store cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The key of the fingerprints cannot be made or read.
    #[error(transparent)]
    Key(#[from] SecretError),
    /// The proxy said no, or nothing.
    #[error(transparent)]
    Proxy(#[from] ProxyError),
    /// The stage has no domain.
    #[error("{0} has no route")]
    NotRouted(StageKey),
    /// What an earlier run left open could not be closed.
    #[error("an interrupted deploy could not be cleaned up: {0}")]
    Recover(String, Option<String>),
    /// There is no store, and yet containers of one (R16).
    #[error("there is no store in {}, but stages of this configuration run under {}", .data.display(), counted(.stores))]
    StoreLost {
        /// Where it was looked for.
        data: PathBuf,
        /// The stores that containers name, with the names of these containers.
        stores: BTreeMap<StoreId, Vec<String>>,
    },
    /// A store was to be made in the place of one that is there.
    #[error("{} has a store already{}", .data.display(), .has.map(|id| format!(", {id}")).unwrap_or_default())]
    HasStore {
        /// Where.
        data: PathBuf,
        /// Which, where it can be read.
        has: Option<StoreId>,
        /// The one that was to be made.
        wanted: StoreId,
    },
    /// Nothing runs here under the store that was to be made again.
    #[error("no stage of this configuration runs here under store {wanted}")]
    OtherStore {
        /// The one that was to be made.
        wanted: StoreId,
        /// Those that containers name.
        stores: BTreeMap<StoreId, Vec<String>>,
    },
    /// A name on the command line picks nothing: a typing error, not an empty result.
    #[error("`{name}` is neither a project nor a stage here")]
    UnknownSelection {
        /// As it was given.
        name: String,
        /// What there is.
        known: Vec<String>,
    },
    /// It runs several instances, each of a tag, and what was asked is for one.
    #[error("{0} runs several instances, each of one tag")]
    SeveralInstances(StageKey),
    /// The plan is not the one that was asked for.
    #[error("plan {wanted} is not what would be done now: that is plan {now}")]
    OtherPlan {
        /// The name that was given.
        wanted: String,
        /// The name that the plan has.
        now: String,
    },
    /// Someone said that the stage is to be left alone.
    #[error("{key} is {kind}")]
    Paused {
        /// Which stage.
        key: StageKey,
        /// Why.
        kind: PauseKind,
    },
    /// There is nothing to go back to.
    #[error("{key} cannot go back: {reason}")]
    NoWayBack {
        /// Which stage.
        key: Box<StageKey>,
        /// Why.
        reason: String,
        /// What helps.
        hint: Option<String>,
    },
    /// The image that was asked for cannot be found.
    #[error("{reason}")]
    NoImage {
        /// Why.
        reason: String,
        /// What helps.
        hint: Option<String>,
    },
    /// A container that a person made cannot be taken over.
    #[error("{container} cannot be adopted: {reason}")]
    NotAdoptable {
        /// As it was given.
        container: String,
        /// Why.
        reason: String,
        /// What helps.
        hint: String,
    },
    /// A page stands in for the app, and would stay for good.
    #[error("a maintenance page stands in for {0}: let go of, it would stay there")]
    InMaintenance(StageKey),
    /// The store does not know the stage.
    #[error("{0} was never applied on this host")]
    NeverApplied(StageKey),
    /// A thread of ours ended early.
    #[error("a fault of Landfall itself: {0}")]
    Internal(String),
}

impl Error {
    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Load(error) => error.hint(),
            Self::Docker(error) => error.hint(),
            Self::Store(error) => error.hint(),
            Self::Key(error) => error.hint(),
            Self::Proxy(error) => error.hint(),
            Self::NotRouted(_) => Some("give it the domains that the host has: `route: { domains: [ … ] }`".into()),
            Self::Recover(_, hint) => hint.clone(),
            Self::StoreLost { stores, .. } => Some(format!(
                "point --data at it, or put a backup back with `landfall restore FILE`; without one, {}",
                ways(stores)
            )),
            Self::HasStore { has, wanted, .. } if *has == Some(*wanted) => {
                Some("it is the one: `landfall apply` alone records what runs and is not in it".into())
            }
            Self::HasStore { .. } => Some(
                "only a store that is lost can be made again; `landfall restore FILE` puts a backup in its place"
                    .into(),
            ),
            Self::OtherStore { stores, .. } if stores.is_empty() => {
                Some("nothing of a lost store runs here: `landfall apply` alone begins a new one".into())
            }
            Self::OtherStore { stores, .. } => Some(ways(stores)),
            Self::UnknownSelection { known, .. } => {
                (!known.is_empty()).then(|| format!("known here: {}", known.join(", ")))
            }
            Self::SeveralInstances(key) => Some(format!(
                "name one of them, as in `{key}@TAG`; `landfall status {key}` lists them, and `landfall deploy {key}` brings up \
                 the newest"
            )),
            Self::OtherPlan { .. } => Some("look at it with `landfall diff`, and name that one".into()),
            Self::Paused { key, .. } => Some(format!("`landfall resume {key}` looks after it again")),
            Self::NoWayBack { hint, .. } | Self::NoImage { hint, .. } => hint.clone(),
            Self::NotAdoptable { hint, .. } => Some(hint.clone()),
            Self::InMaintenance(key) => Some(format!("first `landfall route {key} --to instance`")),
            Self::NeverApplied(_) => {
                Some("`landfall status` lists the stages; `landfall apply` makes one known".into())
            }
            Self::Internal(_) => Some("please report this".into()),
        }
    }
}

/// As in `store 018f… (3 containers)`.
fn counted(stores: &BTreeMap<StoreId, Vec<String>>) -> String {
    let one = |(id, names): (&StoreId, &Vec<String>)| {
        let what = if names.len() == 1 { "container" } else { "containers" };
        format!("store {id} ({} {what})", names.len())
    };
    stores.iter().map(one).collect::<Vec<_>>().join(" and ")
}

/// The command that takes a store over, for each there is.
fn ways(stores: &BTreeMap<StoreId, Vec<String>>) -> String {
    let ways: Vec<String> = stores.keys().map(|id| format!("`landfall apply --adopt-store {id}`")).collect();
    let rest = if ways.len() > 1 { "; what the others run stays foreign" } else { "" };
    format!("{} takes over what runs as it is, without its history{rest}", ways.join(" or "))
}
