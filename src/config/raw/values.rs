//! Values that may be written in more than one way, as Compose has them.
//!
//! An enum renamed to `ByKind` is chosen by whether the value is a scalar, a list or a mapping.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

/// Any scalar, as the text that is written.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
pub(in crate::config) struct Text(
    #[schemars(schema_with = "super::super::schema::any_scalar")] pub(in crate::config) String,
);

/// A duration such as `500ms`, `30s`, `5m`, `1h` or `1m30s`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename = "Text")]
#[schemars(rename = "Duration")]
pub(in crate::config) struct Duration(
    #[schemars(regex(pattern = r"^([0-9]+(ms|s|m|h|d))+$"))] pub(in crate::config) String,
);

/// A size such as `512k`, `512m` or `2g`, or a number of bytes.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename = "Text")]
#[schemars(rename = "Size")]
pub(in crate::config) struct Size(#[schemars(schema_with = "super::super::schema::size")] pub(in crate::config) String);

/// A mapping without keys.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
pub(in crate::config) struct Empty {}

/// One text or a list of them.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename = "ByKind", rename_all = "snake_case")]
#[schemars(rename = "OneOrMany", untagged)]
pub(in crate::config) enum OneOrMany {
    /// One.
    Scalar(String),
    /// Several.
    List(Vec<String>),
}

/// Names and values, as a mapping or as a list of `NAME=value`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename = "ByKind", rename_all = "snake_case")]
#[schemars(rename = "Pairs", untagged)]
pub(in crate::config) enum Pairs {
    /// `NAME: value`; no value in a stage removes what the project says.
    Map(BTreeMap<String, Option<Text>>),
    /// `NAME=value`.
    List(Vec<String>),
}

/// Host names and addresses, as a mapping or as a list of `name:address` or `name=address`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename = "ByKind", rename_all = "snake_case")]
#[schemars(rename = "Hosts", untagged)]
pub(in crate::config) enum Hosts {
    /// `name: address`.
    Map(BTreeMap<String, Option<String>>),
    /// `name:address` or `name=address`.
    List(Vec<String>),
}

/// A command: a line that is split as a shell would, or a list of words.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename = "ByKind", rename_all = "snake_case")]
#[schemars(rename = "Command", untagged)]
pub(in crate::config) enum Command {
    /// A line; quotes and backslashes work, nothing is expanded.
    Scalar(String),
    /// The words.
    List(Vec<Text>),
}

/// The test of a health check: a line for the shell, or `["CMD", …]`, `["CMD-SHELL", line]` or `["NONE"]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename = "ByKind", rename_all = "snake_case")]
#[schemars(rename = "HealthcheckTest", untagged)]
pub(in crate::config) enum TestCommand {
    /// A line for the shell in the container.
    Scalar(String),
    /// In Docker's form.
    List(Vec<Text>),
}

/// A mount: Compose's short form `source:target[:ro]`, or its long one.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename = "ByKind", rename_all = "snake_case")]
#[schemars(rename = "Volume", untagged)]
pub(in crate::config) enum Volume {
    /// `./file:/target` from the config tree, `name:/target` a volume, `/host/path:/target` if the policy allows it.
    Scalar(String),
    /// The long form.
    Map(VolumeLong),
}

/// A mount in the long form.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[schemars(rename = "VolumeLong")]
pub(in crate::config) struct VolumeLong {
    /// What is mounted.
    pub(in crate::config) r#type: VolumeKind,
    /// A volume's name, a path relative to the config directory (`./…`), or a path of the host.
    pub(in crate::config) source: Option<String>,
    /// Absolute path in the container.
    pub(in crate::config) target: String,
    /// Read-only for the container.
    pub(in crate::config) read_only: Option<bool>,
    /// The volume exists already under exactly this name; Landfall neither makes nor removes it.
    pub(in crate::config) external: Option<bool>,
    /// Options of a tmpfs.
    pub(in crate::config) tmpfs: Option<Tmpfs>,
}

/// Kinds of mount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum VolumeKind {
    /// A volume.
    Volume,
    /// A file or directory.
    Bind,
    /// Memory.
    Tmpfs,
}

/// Options of a tmpfs.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
pub(in crate::config) struct Tmpfs {
    /// Limit of its size.
    pub(in crate::config) size: Option<Size>,
    /// Mode of its root in octal digits, such as `1777`.
    pub(in crate::config) mode: Option<Text>,
}

/// A port published on the host: `[address:]host:container[/protocol]`, or the long form.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename = "ByKind", rename_all = "snake_case")]
#[schemars(rename = "Port", untagged)]
pub(in crate::config) enum Port {
    /// The short form.
    Scalar(Text),
    /// The long form.
    Map(PortLong),
}

/// A published port in the long form.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
pub(in crate::config) struct PortLong {
    /// Port in the container.
    pub(in crate::config) target: u16,
    /// Port of the host.
    pub(in crate::config) published: Text,
    /// Address of the host to listen on; all when absent.
    pub(in crate::config) host_ip: Option<String>,
    /// `tcp` (default) or `udp`.
    pub(in crate::config) protocol: Option<String>,
}

/// A limit: one number, or soft and hard. -1 is unlimited.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename = "ByKind", rename_all = "snake_case")]
#[schemars(rename = "Ulimit", untagged)]
pub(in crate::config) enum Ulimit {
    /// Both alike.
    Scalar(i64),
    /// Apart.
    Map(UlimitLong),
}

/// Soft and hard limit.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
pub(in crate::config) struct UlimitLong {
    /// Soft limit.
    pub(in crate::config) soft: i64,
    /// Hard limit.
    pub(in crate::config) hard: i64,
}

/// Where a secret's value is found; the value itself never stands in the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum Secret {
    /// A file of this name in the credentials directory.
    Credential(String),
    /// A variable in the environment of Landfall.
    Env(String),
    /// A file on the host, by absolute path.
    File(String),
}
