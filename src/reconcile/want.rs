//! What a person can ask for: the same, whether a command does it itself or the daemon does it for a command.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Converged, Error, Fresh, Order, Places, adopt, adopt_container, adopt_store, by_hand, converge, pause};
use crate::execute::{Event, Sink};
use crate::model::{Pause, PauseKind, StageKey, StoreId};
use crate::plan::Options;
use crate::proxy::Adopted;
use crate::reconcile::AdoptedContainer;

/// What is asked for.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Want {
    /// Converge, after the store that was lost was made again if one is named (R16).
    Converge {
        /// How.
        options: Options,
        /// The id of that store.
        adopt_store: Option<StoreId>,
        /// A remote branch is taken also when its history was rewritten (R26).
        #[serde(default)]
        allow_rewrite: bool,
    },
    /// Something for one stage.
    ByHand {
        /// Which stage.
        key: StageKey,
        /// What.
        order: Order,
    },
    /// That a stage is left alone, or not any more.
    Pause {
        /// Which stage.
        key: StageKey,
        /// Until when; none for not any more.
        pause: Option<Pause>,
    },
    /// That the proxy host with the domains of a stage becomes its.
    AdoptHost {
        /// Which stage.
        key: StageKey,
    },
    /// That a container becomes the instance of a stage.
    AdoptContainer {
        /// Which stage.
        key: StageKey,
        /// The container, by name or id.
        container: String,
        /// It is not replaced before the configuration changes.
        as_is: bool,
    },
}

/// What came of it.
#[derive(Debug)]
pub enum Done {
    /// A pass ended.
    Converged(Box<Converged>),
    /// A stage is left alone, or not any more; what was in force before.
    Paused(Option<Pause>),
    /// A host was taken over.
    Host(Adopted),
    /// A container was taken over.
    Container(AdoptedContainer),
}

impl Want {
    /// The stage that it is about; none for several.
    pub const fn stage(&self) -> Option<&StageKey> {
        match self {
            Self::Converge { .. } => None,
            Self::ByHand { key, .. }
            | Self::Pause { key, .. }
            | Self::AdoptHost { key }
            | Self::AdoptContainer { key, .. } => Some(key),
        }
    }

    /// Does it, under the lock.
    ///
    /// # Errors
    /// It cannot be done; nothing was touched then.
    pub async fn carry_out(self, places: &Places, sink: Sink) -> Result<Done, Error> {
        Ok(match self {
            Self::Converge { options, adopt_store: store, allow_rewrite } => {
                let config = places.config.as_new_as(Fresh::Taken { allow_rewrite });
                let places = &Places { config, ..places.clone() };
                if let Some(id) = store {
                    // No other pass is on: what this process has open is the store that was lost.
                    places.beside.close();
                    adopt_store(places, id).await?;
                    sink.tell(Event::Line {
                        key: None,
                        text: format!("store {id} is made again, without its history"),
                    });
                }
                Done::Converged(Box::new(converge(places, &options, sink, "apply").await?))
            }
            Self::ByHand { key, order } => Done::Converged(Box::new(by_hand(places, &key, &order, sink).await?)),
            Self::Pause { key, pause: wanted } => Done::Paused(pause(places, &key, wanted).await?),
            Self::AdoptHost { key } => Done::Host(adopt(places, &key).await?),
            Self::AdoptContainer { key, container, as_is } => {
                Done::Container(adopt_container(places, &key, &container, as_is).await?)
            }
        })
    }
}

/// As it is typed, for the audit line.
impl fmt::Display for Want {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<String> = match self {
            Self::Converge { options, adopt_store, allow_rewrite } => {
                let flag = |is_on: bool, flag: &str| is_on.then(|| flag.to_owned());
                let only = options.only.iter().map(|plan| format!("--plan {plan}"));
                let store = adopt_store.iter().map(|id| format!("--adopt-store {id}"));
                let flags = flag(options.retry, "--retry").into_iter();
                let flags = flags.chain(flag(options.allow_prune, "--allow-prune"));
                let flags = flags.chain(flag(*allow_rewrite, "--allow-rewrite")).chain(only).chain(store);
                std::iter::once("apply".to_owned()).chain(options.selection.0.iter().cloned()).chain(flags).collect()
            }
            Self::ByHand { key, order: Order::Deploy { tag, now } } => {
                let tag = tag.iter().map(|tag| format!("--tag {tag}"));
                std::iter::once(format!("deploy {key}")).chain(tag).chain(now.then(|| "--now".to_owned())).collect()
            }
            Self::ByHand { key, order: Order::Rollback { to: None } } => vec![format!("rollback {key}")],
            Self::ByHand { key, order: Order::Rollback { to: Some(to) } } => vec![format!("rollback {key} --to {to}")],
            Self::ByHand { key, order: Order::Restart } => vec![format!("restart {key}")],
            Self::ByHand { key, order: Order::Route { to } } => vec![format!("route {key} --to {to}")],
            Self::Pause { key, pause: None } => vec![format!("resume {key}")],
            Self::Pause { key, pause: Some(Pause { kind: PauseKind::Suspended, .. }) } => {
                vec![format!("suspend {key}")]
            }
            Self::Pause { key, pause: Some(Pause { kind: PauseKind::Released, .. }) } => vec![format!("release {key}")],
            Self::AdoptHost { key } => vec![format!("adopt {key} --proxy-host")],
            Self::AdoptContainer { key, container, as_is } => {
                let as_is = if *as_is { " --as-is" } else { "" };
                vec![format!("adopt {container} {key}{as_is}")]
            }
        };
        f.write_str(&words.join(" "))
    }
}
