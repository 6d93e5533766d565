//! A look at everything around Landfall, each part on its own, so that one that is ill hides no other.

mod caddy;
mod data;
mod registries;

use std::sync::Arc;

use super::{ConfigPlace, Places, access, ask_docker, load};
use crate::docker::{ApiVersion, Docker};
use crate::model::route::Reach;
use crate::model::{Desired, NpmSettings, ObservedContainer, ObservedProxy, ProxySettings};
use crate::proxy::{Login, NginxProxyManager, Proxy};
use crate::secrets::Secrets;

/// What was found of one part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Which part.
    pub what: &'static str,
    /// What was seen, or what is wrong and what to do about it.
    pub seen: Result<String, (String, Option<String>)>,
}

/// Looks at everything; changes nothing but the login's token.
pub async fn examine(places: &Places) -> Vec<Finding> {
    let mut found = Vec::new();
    let desired = match load(places).await {
        Ok(loaded) => {
            let stages = loaded.desired.all_written().count();
            found.push(good("configuration", format!("{} in {}", counted(stages), places.config)));
            Some(loaded.desired)
        }
        Err(error) => {
            found.push(bad("configuration", error.to_string(), Some("`landfall validate` says where".into())));
            None
        }
    };
    found.extend(remote(places).await);
    found.extend(data::examine(places).await);
    let docker = match ask_docker(places).await {
        Ok((docker, host)) => {
            let (api, (oldest, newest)) = (docker.api_version(), ApiVersion::known());
            let labelled = host.containers().len();
            let text =
                format!("API {api} of {oldest} to {newest} that are known, at {}, {labelled} labelled", places.docker);
            found.push(good("docker", text));
            Some(docker)
        }
        Err(error) => {
            found.push(bad("docker", error.to_string(), error.hint()));
            None
        }
    };
    if let Some(desired) = &desired {
        found.push(secrets(places, desired));
        found.extend(registries::examine(places, desired).await);
        found.extend(proxy(places, desired, docker.as_ref()).await);
    }
    found
}

/// The server of a remote branch, asked as `diff` asks it.
async fn remote(places: &Places) -> Option<Finding> {
    let ConfigPlace::Remote { mirror, .. } = &places.config else { return None };
    let mirror = Arc::clone(mirror);
    let asked = tokio::task::spawn_blocking(move || mirror.temporary()?.fetch()).await.ok()?;
    Some(match asked {
        Ok(commit) => good("git", format!("{} is at commit {commit}", places.config)),
        Err(error) => bad("git", error.to_string(), Some(error.hint())),
    })
}

fn secrets(places: &Places, desired: &Desired) -> Finding {
    let secrets = Secrets::new(&places.credentials);
    let registries = desired.registries.values().filter_map(|registry| registry.password.as_ref());
    let proxy = match &desired.settings.proxy {
        ProxySettings::NginxProxyManager(npm) => Some(&npm.password),
        ProxySettings::Embedded(_) | ProxySettings::Caddy(_) | ProxySettings::None => None,
    };
    let containers = desired.all_written().map(|stage| &stage.container);
    let containers = containers.flat_map(|spec| spec.secret_environment.values().chain(spec.secret_files.values()));
    let mut count = 0;
    for reference in registries.chain(proxy).chain(containers) {
        if let Err(error) = secrets.read(reference) {
            return bad("secrets", error.to_string(), error.hint());
        }
        count += 1;
    }
    good("secrets", format!("{count} readable"))
}

async fn proxy(places: &Places, desired: &Desired, docker: Option<&Docker>) -> Vec<Finding> {
    let proxy = access::to_look(places, desired);
    match (&proxy, &desired.settings.proxy) {
        (Proxy::NginxProxyManager(npm), ProxySettings::NginxProxyManager(settings)) => {
            nginx_proxy_manager(npm, settings, &desired.settings.network, docker).await
        }
        (Proxy::Embedded(embedded), _) => {
            let seen = match embedded.observe().await {
                ObservedProxy::Routes(routes) => good("proxy", format!("embedded, {} domains", routes.len())),
                ObservedProxy::Unreachable(why) => bad("proxy", why, None),
                ObservedProxy::None => good("proxy", "none".into()),
            };
            let troubles = embedded.troubles().await.into_iter();
            std::iter::once(seen).chain(troubles.map(|(what, remedy)| bad("proxy", what, Some(remedy)))).collect()
        }
        (Proxy::Caddy(caddy), ProxySettings::Caddy(settings)) => caddy::examine(caddy, settings, docker).await,
        (Proxy::None | Proxy::NginxProxyManager(_) | Proxy::Caddy(_), _) => vec![good("proxy", "none".into())],
    }
}

/// Its network first: a proxy that does not reach an instance is what goes wrong most often.
async fn nginx_proxy_manager(
    npm: &NginxProxyManager,
    settings: &NpmSettings,
    network: &str,
    docker: Option<&Docker>,
) -> Vec<Finding> {
    let mut found = Vec::new();
    if let (Reach::Network, Some(docker)) = (settings.upstream, docker) {
        found.push(match docker.list_all().await {
            Ok(containers) => in_network(&containers, settings, network),
            Err(error) => bad("proxy network", error.to_string(), error.hint()),
        });
    }
    found.push(match npm.version().await {
        Ok(version) => good("proxy", format!("nginx proxy manager {version} at {}", settings.url)),
        Err(error) => bad("proxy", error.to_string(), error.hint()),
    });
    let login = match npm.log_in().await {
        Ok(login) => rights(settings, login),
        Err(error) => bad("proxy login", error.to_string(), error.hint()),
    };
    // What nobody answers is said once.
    if !found.last().is_some_and(|before| before.seen.is_err() && before.seen == login.seen) {
        found.push(login);
    }
    found.push(match npm.probe_answers().await {
        Ok(()) => good("proxy traffic", format!("plain HTTP is answered at {}", settings.probe)),
        Err(why) => {
            let hint =
                "`probe` in `settings.proxy` is where it serves plain HTTP: by default port 80 of the host in `url`";
            bad("proxy traffic", format!("nothing answers at {}: {why}", settings.probe), Some(hint.into()))
        }
    });
    found
}

/// A login that works is not enough: who may only look can switch nothing.
fn rights(settings: &NpmSettings, login: Login) -> Finding {
    let Login { hosts, may_write } = login;
    let email = &settings.email;
    match may_write {
        Some(true) => good("proxy login", format!("{email} sees {hosts} proxy hosts and may change them")),
        None => {
            good("proxy login", format!("{email} sees {hosts} proxy hosts; whether it may change them is not told"))
        }
        Some(false) => bad(
            "proxy login",
            format!("{email} sees {hosts} proxy hosts and may only look at them"),
            Some("give the user the permission to manage proxy hosts: Users → … → Permissions".into()),
        ),
    }
}

/// Whether the proxy's container is in Landfall's network. It is known by the ports of its admin page and of its traffic,
/// or by its address.
fn in_network(containers: &[ObservedContainer], settings: &NpmSettings, network: &str) -> Finding {
    let uri: Option<http::Uri> = settings.url.parse().ok();
    let host = uri.as_ref().and_then(http::Uri::host).unwrap_or_default();
    let usual = if settings.url.starts_with("https:") { 443 } else { 80 };
    let admin = uri.as_ref().and_then(http::Uri::port_u16).unwrap_or(usual);
    let traffic = settings.probe.rsplit_once(':').and_then(|(_, port)| port.parse().ok());
    let is_it = |container: &&ObservedContainer| {
        container.ports.iter().any(|p| p.is_tcp && (p.host_port == admin || Some(p.host_port) == traffic))
            || container.name == host
            || container.networks.iter().any(|(_, address)| address == host)
    };
    match containers.iter().find(is_it) {
        Some(it) if it.networks.contains_key(network) => good("proxy network", format!("{} is in {network}", it.name)),
        Some(it) => bad(
            "proxy network",
            format!("{} is not in network {network}, so that it reaches no instance by name", it.name),
            Some(format!("docker network connect {network} {}", it.name)),
        ),
        None => bad(
            "proxy network",
            format!("no container on this host publishes {} or {}", settings.url, settings.probe),
            Some("run it as a container in Landfall's network, or write `upstream: host`".into()),
        ),
    }
}

const fn good(what: &'static str, text: String) -> Finding {
    Finding { what, seen: Ok(text) }
}

const fn bad(what: &'static str, text: String, hint: Option<String>) -> Finding {
    Finding { what, seen: Err((text, hint)) }
}

fn counted(stages: usize) -> String {
    if stages == 1 { "1 stage".to_owned() } else { format!("{stages} stages") }
}
