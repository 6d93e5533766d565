//! One step is one effect: one call to Docker or to the proxy, with all the data it needs.

use serde::Serialize;

use crate::model::desired::Ready;
use crate::model::{DeployId, Domain, Hook, HostOptions, ImageRef, Millis, Moment, Phase};

/// A container that a step is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// The one that the deploy makes; its name ends in the deploy's id, which is given when it is carried out.
    New,
    /// One that exists.
    Existing {
        /// Docker's id.
        id: String,
        /// Its name.
        name: String,
        /// The deploy that made it.
        deploy: DeployId,
    },
}

/// What one step does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// Make a network.
    CreateNetwork {
        /// Its name.
        name: String,
    },
    /// Fetch the image by digest and tag it as ours (R6).
    Pull {
        /// Which image.
        image: ImageRef,
    },
    /// Make a volume of the stage, unless it exists (R34).
    CreateVolume {
        /// Its full name.
        name: String,
    },
    /// Run a command once in a container of the new image.
    Hook {
        /// Which one.
        moment: Moment,
        /// The command.
        hook: Hook,
    },
    /// Make the container with its whole spec, labels and first network (R7).
    Create {
        /// The instance it starts beside.
        beside: Option<String>,
    },
    /// Write the secret files into the made container.
    WriteSecrets,
    /// Join a further network.
    Connect {
        /// Who joins.
        target: Target,
        /// Which network.
        network: String,
    },
    /// Start it.
    Start {
        /// Which.
        target: Target,
    },
    /// Let a paused one go on.
    Unpause {
        /// Which.
        target: Target,
    },
    /// Give it back its own name.
    Rename {
        /// Which.
        target: Target,
        /// Its own name.
        to: String,
    },
    /// Wait until it is ready (R8).
    Gate {
        /// Which.
        target: Target,
        /// What ready means.
        ready: Ready,
    },
    /// Take the stable name of the stage (R33).
    JoinNames {
        /// Who takes it.
        target: Target,
    },
    /// Have the proxy get a certificate for these names. One that cannot be had stops nothing: it is asked for again later.
    Certify {
        /// The names.
        names: Vec<String>,
    },
    /// Lead all domains of the stage to it, and prove it (R9).
    Switch {
        /// The domains.
        domains: Vec<Domain>,
        /// What is set beside them, where the proxy has a choice.
        options: Box<HostOptions>,
        /// Where to.
        target: Target,
    },
    /// Watch it after the switch, while the old one still runs (R10).
    Monitor {
        /// Which.
        target: Target,
        /// What well means.
        ready: Ready,
        /// So long.
        duration: Millis,
    },
    /// Take all domains of the stage out of the proxy.
    Unroute {
        /// The domains.
        domains: Vec<Domain>,
    },
    /// Give up the stable name (R33).
    LeaveNames {
        /// Who.
        target: Target,
    },
    /// Wait until it has answered what it was asked.
    Drain {
        /// Which.
        target: Target,
        /// At most so long.
        at_most: Millis,
    },
    /// Stop it.
    Stop {
        /// Which.
        target: Target,
        /// At most so long before it is killed.
        grace: Millis,
    },
    /// Remove its container; volumes stay (R3).
    Remove {
        /// Which.
        target: Target,
    },
}

impl Effect {
    /// The container that it removes.
    pub fn removes(&self) -> Option<&Target> {
        match self {
            Self::Remove { target } => Some(target),
            _ => None,
        }
    }

    /// The container that it stops.
    pub fn stops(&self) -> Option<&Target> {
        match self {
            Self::Stop { target, .. } => Some(target),
            _ => None,
        }
    }
}

/// One effect and the phase of the deploy that it belongs to; the phase is committed before the effect (R14).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Step {
    /// Phase of the deploy.
    pub phase: Phase,
    /// What it does.
    #[serde(flatten)]
    pub effect: Effect,
}

impl Step {
    /// A step of a phase.
    pub const fn new(phase: Phase, effect: Effect) -> Self {
        Self { phase, effect }
    }

    /// A step that belongs to no single deploy.
    pub const fn shared(effect: Effect) -> Self {
        Self { phase: Phase::Pending, effect }
    }
}
