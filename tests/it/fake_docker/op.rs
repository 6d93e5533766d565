//! The calls that the fake knows, told by method and path.

use axum::http::Method;

/// A kind of call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Op {
    /// `HEAD` or `GET /_ping`
    Ping,
    /// `GET /version`
    Version,
    /// `GET /info`
    Info,
    /// `GET /events`
    Events,
    /// `GET /containers/json`
    List,
    /// `POST /containers/create`
    Create,
    /// `GET /containers/{id}/json`
    Inspect,
    /// `GET /containers/{id}/logs`
    Logs,
    /// `PUT /containers/{id}/archive`
    Upload,
    /// `POST /containers/{id}/start`
    Start,
    /// `POST /containers/{id}/stop`
    Stop,
    /// `POST /containers/{id}/kill`
    Kill,
    /// `POST /containers/{id}/unpause`
    Unpause,
    /// `POST /containers/{id}/rename`
    Rename,
    /// `DELETE /containers/{id}`
    Remove,
    /// `GET /networks`
    Networks,
    /// `POST /networks/create`
    CreateNetwork,
    /// `DELETE /networks/{id}`
    RemoveNetwork,
    /// `POST /networks/{name}/connect`
    Connect,
    /// `POST /networks/{name}/disconnect`
    Disconnect,
    /// `GET /volumes/{name}`
    Volume,
    /// `POST /volumes/create`
    CreateVolume,
    /// `GET /images/{name}/json`
    Image,
    /// `POST /images/{name}/tag`
    Tag,
    /// `POST /images/create`
    Pull,
    /// `DELETE /images/{name}`
    RemoveImage,
    /// Anything else.
    Unknown,
}

impl Op {
    /// True when the call is to change something.
    pub fn is_mutation(self) -> bool {
        match self {
            Self::Ping
            | Self::Version
            | Self::Events
            | Self::Info
            | Self::List
            | Self::Inspect
            | Self::Logs
            | Self::Networks
            | Self::Volume
            | Self::Image => false,
            Self::Create
            | Self::Upload
            | Self::Start
            | Self::Stop
            | Self::Kill
            | Self::Unpause
            | Self::Rename
            | Self::Remove
            | Self::CreateNetwork
            | Self::RemoveNetwork
            | Self::Connect
            | Self::Disconnect
            | Self::CreateVolume
            | Self::Tag
            | Self::Pull
            | Self::RemoveImage
            | Self::Unknown => true,
        }
    }

    /// The call of a path without its version, and the object it names.
    pub fn parse(method: &Method, path: &str) -> (Self, String) {
        let (kind, rest) = path.trim_start_matches('/').split_once('/').unwrap_or((path.trim_start_matches('/'), ""));
        // A reference of an image has slashes of its own; the verb is what follows the last one.
        let (object, verb) = match (method.as_str(), kind) {
            ("DELETE", "images") => (rest, ""),
            _ => rest.rsplit_once('/').unwrap_or((rest, "")),
        };
        let op = match (method.as_str(), kind, object, verb) {
            ("GET" | "HEAD", "_ping", "", "") => Self::Ping,
            ("GET", "version", "", "") => Self::Version,
            ("GET", "info", "", "") => Self::Info,
            ("GET", "events", "", "") => Self::Events,
            ("GET", "containers", "json", "") => Self::List,
            ("POST", "containers", "create", "") => Self::Create,
            ("GET", "containers", _, "json") => Self::Inspect,
            ("GET", "containers", _, "logs") => Self::Logs,
            ("PUT", "containers", _, "archive") => Self::Upload,
            ("POST", "containers", _, "start") => Self::Start,
            ("POST", "containers", _, "stop") => Self::Stop,
            ("POST", "containers", _, "kill") => Self::Kill,
            ("POST", "containers", _, "unpause") => Self::Unpause,
            ("POST", "containers", _, "rename") => Self::Rename,
            ("DELETE", "containers", _, "") => Self::Remove,
            ("GET", "networks", "", "") => Self::Networks,
            ("POST", "networks", "create", "") => Self::CreateNetwork,
            ("DELETE", "networks", _, "") => Self::RemoveNetwork,
            ("POST", "networks", _, "connect") => Self::Connect,
            ("POST", "networks", _, "disconnect") => Self::Disconnect,
            ("POST", "volumes", "create", "") => Self::CreateVolume,
            ("GET", "volumes", _, "") => Self::Volume,
            ("POST", "images", "create", "") => Self::Pull,
            ("GET", "images", _, "json") => Self::Image,
            ("POST", "images", _, "tag") => Self::Tag,
            ("DELETE", "images", _, "") => Self::RemoveImage,
            _ => Self::Unknown,
        };
        (op, object.to_owned())
    }
}

/// One call as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// What was asked.
    pub op: Op,
    /// Of what: a name, id or reference; empty for lists.
    pub object: String,
    /// The path as it came, with the version and without the query.
    pub path: String,
    /// The query as it came.
    pub query: String,
    /// The `X-Registry-Auth` header as it came.
    pub registry_auth: Option<String>,
    /// The body, where it is JSON; else null.
    pub body: serde_json::Value,
}
