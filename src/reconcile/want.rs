//! What a person can ask for: the same, whether a command does it itself or the daemon does it for a command.

use super::{Converged, Error, Order, Places, adopt, adopt_container, adopt_store, by_hand, converge, pause};
use crate::execute::Sink;
use crate::model::{Pause, StageKey, StoreId};
use crate::plan::Options;
use crate::proxy::Adopted;
use crate::reconcile::AdoptedContainer;

/// What is asked for.
#[derive(Debug, Clone)]
pub enum Want {
    /// Converge, after the store that was lost was made again if one is named (R16).
    Converge {
        /// How.
        options: Options,
        /// The id of that store.
        adopt_store: Option<StoreId>,
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
            Self::Converge { options, adopt_store: store } => {
                if let Some(id) = store {
                    adopt_store(places, id).await?;
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
