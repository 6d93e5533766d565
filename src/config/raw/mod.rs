//! The YAML as it may be written: one plain type per mapping, and nothing checked but its shape.
//!
//! These types are the single source of the keys: the decoder, "did you mean" and the JSON Schema are made from them.
//! Private to `config`; nothing here is flattened, untagged or internally tagged, so that a typo cannot hide.

mod layer;
mod route;
mod top;
mod values;

pub(super) use layer::{
    Healthcheck, Http, Layer, Logging, ProjectKeys, Promote, Ready, RegexOrder, RegexTrack, StageKeys, Track, Window,
};
pub(super) use layer::{Hook, Hooks, PullPolicy, Strategy};
pub(super) use route::{Certificate, Https, Location, Route};
pub(super) use top::{
    Caddy, Embedded, History, NginxProxyManager, OnRewrite, Policy, Proxy, Prune, Registry, Settings, Source, Upstream,
};
pub(super) use values::{
    Command, Duration, Hosts, OneOrMany, Pairs, Port, PortLong, Secret, Size, TestCommand, Text, Tmpfs, Ulimit,
    UlimitLong, Volume, VolumeKind, VolumeLong,
};
