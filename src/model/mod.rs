//! The words of Landfall as plain types: names, images, specs, statuses, and the three views of the world
//! that a reconcile compares (desired, recorded, observed).
//!
//! Pure: no I/O, no clock, no randomness, no logging. Everything may import this module; it imports none of ours.

pub mod circle;
pub mod condition;
pub mod desired;
pub mod hash;
pub mod hook;
pub mod host;
pub mod id;
pub mod image;
pub mod labels;
pub mod name;
pub mod observed;
pub mod platform;
pub mod policy;
pub mod recorded;
pub mod retry;
pub mod route;
pub mod schedule;
pub mod secret;
pub mod several;
pub mod spec;
pub mod status;
pub mod texts;
pub mod units;

pub use condition::{AllConditions, Condition, ConditionKind, ConditionRow, Conditions, Findings, Said, Truth};
pub use desired::{Desired, DesiredStage, Origin, ProxySettings, Registry, Settings, Strategy, Track};
pub use hook::{Hook, Hooks, Moment};
pub use host::HostOptions;
pub use id::{DeployId, StoreId};
pub use image::{Digest, ImageRef, Repository, Tag};
pub use labels::{HookLabels, Labels};
pub use name::{Domain, Name, StageKey, StageName};
pub use observed::{
    ContainerState, Observed, ObservedAccessList, ObservedCertificate, ObservedContainer, ObservedHost, ObservedProxy,
    ObservedRoute,
};
pub use platform::Platform;
pub use recorded::{CertificateFailure, Choice, Pause, Recorded, RecordedHost, RecordedRoute, RecordedStage};
pub use retry::Retry;
pub use route::{CaddySettings, Location, NamedCertificate, NpmSettings, RouteOptions};
pub use secret::SecretRef;
pub use spec::ContainerSpec;
pub use status::{ChoiceKind, DeployStatus, InstanceStatus, PauseKind, Phase, Trigger};
pub use texts::Texts;
pub use units::{Bytes, Millis};
