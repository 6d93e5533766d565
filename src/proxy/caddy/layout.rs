//! Which servers of Caddy's the routes of a stage belong into: the one for its traffic, and where plain HTTP of a stage
//! with https is answered. Pure.

use serde_json::{Map, Value};

use super::error::CaddyError;
use super::mark::{AUTO, ID, Mark, TLS};
use super::view::{all_routes, http_port, https_port, is_on, listens_on, listens_only_on, ports_of, servers};
use crate::model::{CaddySettings, HostOptions, NamedCertificate};

/// The name of a server that is ours.
pub(super) const OURS: &str = "landfall";
/// What is made around a server where it is not there, and what the `@id` of ours says then. The outermost comes first.
pub(super) const AROUND: [&str; 4] = ["config", "apps", "http", "servers"];

/// What is asked of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Plain HTTP.
    Plain,
    /// Https.
    Secured,
}

/// Where the routes of a stage belong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Layout {
    /// The server that leads to the instance.
    pub(super) main: String,
    /// That server speaks nothing but plain HTTP.
    pub(super) is_plain: bool,
    /// Where plain HTTP is answered, if the stage has https.
    pub(super) plainly: Plainly,
}

/// Where plain HTTP of a stage with https is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Plainly {
    /// There is none, or Caddy redirects by itself.
    Nowhere,
    /// By the same server.
    Here,
    /// By another; true for one that speaks nothing else.
    In(String, bool),
}

impl Layout {
    /// The layout for these options.
    pub(super) fn of(config: &Value, settings: &CaddySettings, options: &HostOptions) -> Result<Self, CaddyError> {
        if !options.is_secured() {
            let main = server(config, settings, Kind::Plain)?;
            let is_plain = is_plain(config, settings, &main);
            return Ok(Self { main, is_plain, plainly: Plainly::Nowhere });
        }
        let main = server(config, settings, Kind::Secured)?;
        if is_plain(config, settings, &main) {
            return Err(CaddyError::NoCertificates { name: main });
        }
        let is_automatic = options.named == Some(NamedCertificate::Letsencrypt);
        let automatic = |key: &str| {
            let server = servers(config).and_then(|all| all.get(&main));
            server.and_then(|server| server.get("automatic_https")?.get(key)?.as_bool()) == Some(true)
        };
        if is_automatic && automatic("disable") {
            return Err(CaddyError::NoCertificates { name: main });
        }
        let plainly = if answers(config, settings, &main, http_port(config)) {
            Plainly::Here
        } else if options.redirect && is_automatic && !automatic("disable_redirects") {
            Plainly::Nowhere
        } else {
            let server = found(config, settings, Kind::Plain)?;
            let is_plain = is_plain(config, settings, &server);
            Plainly::In(server, is_plain)
        };
        Ok(Self { main, is_plain: false, plainly })
    }
}

/// The server for a kind: the one of the settings, if there is one.
pub(super) fn server(config: &Value, settings: &CaddySettings, kind: Kind) -> Result<String, CaddyError> {
    let Some(name) = &settings.server else { return found(config, settings, kind) };
    let all = servers(config);
    if all.is_some_and(|all| all.contains_key(name)) {
        return Ok(name.clone());
    }
    let known: Vec<&str> = all.into_iter().flat_map(Map::keys).map(String::as_str).collect();
    let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
    Err(CaddyError::NoServer { name: name.clone(), known })
}

/// The first server that listens on the port of a kind; ours, if there is none.
fn found(config: &Value, settings: &CaddySettings, kind: Kind) -> Result<String, CaddyError> {
    let (what, port) = match kind {
        Kind::Plain => ("http", http_port(config)),
        Kind::Secured => ("https", https_port(config)),
    };
    let all = servers(config);
    let mut others = all.into_iter().flatten().filter(|(_, server)| !is_ours(server));
    if let Some((name, _)) = others.find(|(_, server)| listens_on(server, port)) {
        return Ok(name.clone());
    }
    match all.and_then(|all| all.get(OURS)) {
        Some(server) if !is_ours(server) => Err(CaddyError::ServerTaken { name: OURS.to_owned() }),
        Some(_) | None if listen(config, settings, true).is_empty() => Err(CaddyError::NoPort { what, port }),
        Some(_) | None => Ok(OURS.to_owned()),
    }
}

/// True when a server answers on a port, or will once it is made.
fn answers(config: &Value, settings: &CaddySettings, name: &str, port: u16) -> bool {
    match servers(config).and_then(|all| all.get(name)) {
        Some(server) if !is_ours(server) => listens_on(server, port),
        Some(_) | None => listen(config, settings, true).iter().any(|address| is_on(address, port)),
    }
}

/// True when a server speaks nothing but plain HTTP, whatever comes into it: Caddy gets no certificate for its hosts.
fn is_plain(config: &Value, settings: &CaddySettings, name: &str) -> bool {
    let port = http_port(config);
    match servers(config).and_then(|all| all.get(name)) {
        Some(server) if !is_ours(server) => listens_only_on(server, port),
        Some(_) | None => {
            let all = listen(config, settings, true);
            all.iter().all(|address| ports_of(address) == Some((port, port)))
        }
    }
}

/// Where our server listens: nowhere that another one does, and for https once a route of it needs that.
pub(super) fn listen(config: &Value, settings: &CaddySettings, is_secured: bool) -> Vec<String> {
    let usual = || {
        let https = is_secured.then(|| https_port(config));
        std::iter::once(http_port(config)).chain(https).map(|port| format!(":{port}")).collect()
    };
    let wanted = if settings.listen.is_empty() { usual() } else { settings.listen.clone() };
    let others: Vec<&Value> = servers(config).into_iter().flatten().map(|(_, s)| s).filter(|s| !is_ours(s)).collect();
    let is_free = |address: &String| {
        ports_of(address).is_some_and(|(port, _)| !others.iter().any(|server| listens_on(server, port)))
    };
    wanted.into_iter().filter(is_free).collect()
}

/// True when a route in our server needs https.
pub(super) fn is_secured(config: &Value) -> bool {
    let mut ours = all_routes(config).filter(|(name, _)| *name == OURS);
    ours.any(|(_, route)| Mark::of(route).is_some_and(|mark| [AUTO, TLS].contains(&mark.kind())))
}

/// True for a server that Landfall made.
pub(super) fn is_ours(server: &Value) -> bool {
    let id = server.get(ID).and_then(Value::as_str);
    id.is_some_and(|id| id == own_id(OURS) || AROUND.iter().any(|what| id == own_id(what)))
}

/// The `@id` of our server, when this was the outermost that had to be made.
pub(super) fn own_id(made: &str) -> String {
    format!("{OURS}:{made}:made")
}
