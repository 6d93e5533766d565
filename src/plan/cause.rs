//! Why a step is in a plan.

use std::fmt;

use serde::Serialize;

use crate::model::{Phase, Trigger};

/// The reason for a change of a stage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// It never ran.
    First,
    /// The version changed.
    Version {
        /// From.
        from: String,
        /// To.
        to: String,
    },
    /// The policy of the stage leads to a newer tag than the one that it led to before.
    NewTag {
        /// From.
        from: String,
        /// To.
        to: String,
    },
    /// The tag that is tracked moves, and has moved.
    Moved,
    /// Another version ran well in the stage that it is promoted from.
    Promoted {
        /// From.
        from: String,
        /// To.
        to: String,
    },
    /// Somebody asked for it although its window is closed.
    OutsideWindow,
    /// The same version leads to another digest.
    Digest,
    /// The container's spec changed.
    Spec,
    /// Its container was made by a person, who gave it to be replaced (R5).
    Adopted,
    /// The network of the instances is another one.
    Network {
        /// From.
        from: String,
        /// To.
        to: String,
    },
    /// The proxy reaches it in another way: by a port of the host, or not by one.
    Published {
        /// Whether it had one.
        before: bool,
        /// Whether it gets one.
        now: bool,
    },
    /// A secret's value changed.
    Secret {
        /// Which ones.
        names: Vec<String>,
    },
    /// Its container is gone.
    Gone,
    /// Its container is not running.
    Stopped,
    /// Its container is paused.
    Paused,
    /// Its container has another name.
    Renamed {
        /// The name it has.
        now: String,
    },
    /// Its container is not in a network it belongs to.
    Disconnected {
        /// Which network.
        network: String,
    },
    /// A domain of it leads nowhere, or elsewhere.
    Route {
        /// What differs.
        what: String,
    },
    /// A container of it is left over.
    Leftover {
        /// Its name.
        name: String,
    },
    /// The configuration does not name it any more.
    NotDesired,
    /// Others of its stage took its place: so many run at a time.
    Surplus,
    /// A new instance of what runs was asked for.
    Restart,
    /// Somebody went back to an earlier version.
    GoneBack {
        /// The version that was refused.
        from: String,
    },
    /// Somebody asked for this version.
    ByHand,
    /// A deploy of it was interrupted, and goes on.
    Interrupted {
        /// How far it was.
        phase: Phase,
    },
}

impl Cause {
    /// True when the host changed rather than the configuration.
    pub const fn is_drift(&self) -> bool {
        match self {
            Self::Gone | Self::Stopped | Self::Paused | Self::Renamed { .. } | Self::Disconnected { .. } => true,
            Self::Route { .. } | Self::Leftover { .. } => true,
            Self::First
            | Self::Version { .. }
            | Self::NewTag { .. }
            | Self::Moved
            | Self::Promoted { .. }
            | Self::OutsideWindow
            | Self::Digest
            | Self::Spec
            | Self::Adopted
            | Self::Secret { .. } => false,
            Self::Network { .. } | Self::Published { .. } | Self::NotDesired | Self::Surplus => false,
            Self::Restart | Self::GoneBack { .. } | Self::ByHand | Self::Interrupted { .. } => false,
        }
    }

    /// The key below `settings` that it comes from; none for one that comes from the stage or the host.
    pub const fn setting(&self) -> Option<&'static str> {
        match self {
            Self::Network { .. } => Some("network"),
            Self::Published { .. } => Some("proxy"),
            Self::First | Self::Version { .. } | Self::NewTag { .. } | Self::Moved | Self::Digest => None,
            Self::Promoted { .. } | Self::OutsideWindow => None,
            Self::Spec | Self::Adopted | Self::Secret { .. } => None,
            Self::Gone | Self::Stopped | Self::Paused | Self::Renamed { .. } | Self::Disconnected { .. } => None,
            Self::Route { .. } | Self::Leftover { .. } | Self::NotDesired | Self::Surplus => None,
            Self::Restart | Self::GoneBack { .. } | Self::ByHand | Self::Interrupted { .. } => None,
        }
    }

    /// What woke the loop for a change with these causes.
    pub fn trigger(causes: &[Self]) -> Trigger {
        if causes.iter().any(|cause| matches!(cause, Self::GoneBack { .. })) {
            Trigger::Rollback
        } else if causes.iter().any(|cause| matches!(cause, Self::Restart | Self::ByHand | Self::OutsideWindow)) {
            Trigger::Manual
        } else if !causes.is_empty() && causes.iter().all(Self::is_drift) {
            Trigger::Drift
        } else if causes.iter().all(|cause| matches!(cause, Self::NewTag { .. } | Self::Moved | Self::Promoted { .. }))
        {
            Trigger::Registry
        } else {
            Trigger::Config
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::First => f.write_str("first deploy"),
            Self::Version { from, to } => write!(f, "version {from} → {to}"),
            Self::NewTag { from, to } => write!(f, "new tag {from} → {to}"),
            Self::Moved => f.write_str("the tag moved to another digest"),
            Self::Promoted { from, to } => write!(f, "promoted {from} → {to}"),
            Self::OutsideWindow => f.write_str("asked for outside its window"),
            Self::Digest => f.write_str("digest differs"),
            Self::Spec => f.write_str("spec changed"),
            Self::Adopted => f.write_str("adopted, to be replaced"),
            Self::Network { from, to } => write!(f, "network {from} → {to}"),
            Self::Published { before, now } => {
                let word = |is: &bool| if *is { "yes" } else { "no" };
                write!(f, "published for the proxy: {} → {}", word(before), word(now))
            }
            Self::Secret { names } if names.is_empty() => f.write_str("a secret changed"),
            Self::Secret { names } => write!(f, "secret changed: {}", names.join(", ")),
            Self::Gone => f.write_str("its container is gone"),
            Self::Stopped => f.write_str("its container is not running"),
            Self::Paused => f.write_str("its container is paused"),
            Self::Renamed { now } => write!(f, "its container was renamed to {now}"),
            Self::Disconnected { network } => write!(f, "its container is not in network {network}"),
            Self::Route { what } => write!(f, "route: {what}"),
            Self::Leftover { name } => write!(f, "{name} is left over"),
            Self::NotDesired => f.write_str("not in the configuration"),
            Self::Surplus => f.write_str("newer ones take its place"),
            Self::Restart => f.write_str("restart"),
            Self::GoneBack { from } => write!(f, "back from {from}"),
            Self::ByHand => f.write_str("deployed by hand"),
            Self::Interrupted { phase } => write!(f, "interrupted while {}, and goes on", phase.words()),
        }
    }
}
