//! The states of deploys and instances. A deploy's phase is persisted before the effect it announces (R14);
//! its status is derived from the phase.

/// Implements the text form that the store, JSON and people share.
macro_rules! text_enum {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal),* $(,)? }) => {
        $(#[$doc])*
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
        )]
        pub enum $name { $($(#[$vdoc])* #[serde(rename = $text)] $variant),* }

        impl $name {
            /// Every value, in order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The text that the store and JSON use.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),* }
            }

            /// The same as people read it, as in `rolled back`.
            pub fn words(self) -> String {
                self.as_str().replace('_', " ")
            }

            /// The value of a text; none for an unknown one.
            pub fn parse(text: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|v| v.as_str() == text)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

pub(super) use text_enum;

text_enum! {
    /// How far a deploy is, in order.
    Phase {
        /// Recorded, nothing done.
        Pending = "pending",
        /// The image is being fetched.
        Pulling = "pulling",
        /// The container is being made (for `recreate`: after the old one stopped).
        Creating = "creating",
        /// The container is being started.
        Starting = "starting",
        /// The health gate is running.
        HealthChecking = "health_checking",
        /// Traffic is being moved.
        Switching = "switching",
        /// Both run; the new one is watched.
        Monitoring = "monitoring",
        /// The old one finishes its requests.
        Draining = "draining",
        /// The old one is being removed.
        Retiring = "retiring",
        /// Over.
        Done = "done",
    }
}

text_enum! {
    /// The state of a deploy as people see it.
    DeployStatus {
        /// Recorded, nothing done.
        Pending = "pending",
        /// The image is being fetched.
        Pulling = "pulling",
        /// The container is made and started.
        Starting = "starting",
        /// The health gate is running.
        HealthChecking = "health_checking",
        /// Traffic moves, the old instance drains and goes.
        ConfiguringProxy = "configuring_proxy",
        /// The new instance serves and the old one is gone.
        Success = "success",
        /// It did not work and traffic never moved.
        Failed = "failed",
        /// It did not work after traffic had moved; the old instance serves again.
        RolledBack = "rolled_back",
        /// A newer desired state replaced it before traffic moved.
        Superseded = "superseded",
    }
}

impl DeployStatus {
    /// True for the four that end a deploy.
    pub const fn is_terminal(self) -> bool {
        matches!(self, Self::Success | Self::Failed | Self::RolledBack | Self::Superseded)
    }
}

impl Phase {
    /// The status shown while the phase runs; none for `done`, whose status is its outcome.
    pub const fn status(self) -> Option<DeployStatus> {
        match self {
            Self::Pending => Some(DeployStatus::Pending),
            Self::Pulling => Some(DeployStatus::Pulling),
            Self::Creating | Self::Starting => Some(DeployStatus::Starting),
            Self::HealthChecking => Some(DeployStatus::HealthChecking),
            Self::Switching | Self::Monitoring | Self::Draining | Self::Retiring => {
                Some(DeployStatus::ConfiguringProxy)
            }
            Self::Done => None,
        }
    }
}

text_enum! {
    /// The state of an instance in the store.
    InstanceStatus {
        /// Its container runs, or should.
        Running = "running",
        /// Its container was stopped on purpose and is kept.
        Stopped = "stopped",
        /// It never became ready.
        Failed = "failed",
        /// It is being removed.
        Removing = "removing",
    }
}

text_enum! {
    /// What woke the loop.
    Trigger {
        /// The configuration changed.
        Config = "config",
        /// A registry has a new image.
        Registry = "registry",
        /// A webhook said so.
        Webhook = "webhook",
        /// The host differs from what was applied.
        Drift = "drift",
        /// Someone asked.
        Manual = "manual",
        /// A rollback.
        Rollback = "rollback",
        /// The timer.
        Resync = "resync",
    }
}

text_enum! {
    /// How a version came to be chosen by hand.
    ChoiceKind {
        /// By going back to an earlier deploy.
        Rollback = "rollback",
        /// By naming a tag.
        Deploy = "deploy",
    }
}

text_enum! {
    /// Why a stage is left alone.
    PauseKind {
        /// For a while, or until told.
        Suspended = "suspended",
        /// For good (R5).
        Released = "released",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_phase_but_done_shows_a_status_and_none_of_them_is_terminal() {
        for phase in Phase::ALL {
            assert_eq!(phase.status().is_none(), *phase == Phase::Done);
            assert!(phase.status().is_none_or(|s| !s.is_terminal()));
            assert_eq!(Phase::parse(phase.as_str()), Some(*phase));
        }
    }
}
