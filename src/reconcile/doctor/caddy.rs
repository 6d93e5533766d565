//! Caddy, and whether the kernel keeps for it what comes in while it takes a change.

use super::{Finding, bad, good};
use crate::config::is_loopback;
use crate::docker::Docker;
use crate::model::CaddySettings;
use crate::model::route::Reach;
use crate::proxy::Caddy;

/// Whether the kernel hands what waits at a port that is closed to another socket on it; none before Linux 5.14. It is of
/// this network namespace.
const MIGRATES: &str = "/proc/sys/net/ipv4/tcp_migrate_req";
/// Where traffic comes in.
const TRAFFIC: [u16; 2] = [80, 443];

/// Looks at it.
pub(super) async fn examine(caddy: &Caddy, settings: &CaddySettings, docker: Option<&Docker>) -> Vec<Finding> {
    let (text, reopens) = match caddy.examine().await {
        Ok(seen) => seen,
        Err(error) => return vec![bad("proxy", error.to_string(), error.hint())],
    };
    let mut found = vec![good("proxy", text)];
    if reopens && is_no_container(settings, docker).await {
        found.extend(advice(std::fs::read_to_string(MIGRATES).ok().as_deref()));
    }
    found
}

/// Nothing is ill: it is rare, and a connection is tried again.
fn advice(migrates: Option<&str>) -> Option<Finding> {
    let is_off = migrates?.trim() == "0";
    let text = "a Caddy as new as this opens its port anew with each change, and may drop connections that come in at that \
                moment; `sysctl net.ipv4.tcp_migrate_req=1` makes that rarer";
    is_off.then(|| good("proxy port", text.to_owned()))
}

/// The port of its admin API on this host, 0 for a socket; none where it is elsewhere, or in a container of ours.
fn admin_here(settings: &CaddySettings) -> Option<u16> {
    if settings.upstream == Reach::Network {
        return None;
    }
    if settings.admin.starts_with("unix/") {
        return Some(0);
    }
    let uri: http::Uri = settings.admin.parse().ok()?;
    is_loopback(uri.host()?).then(|| uri.port_u16().unwrap_or(TRAFFIC[0]))
}

/// False where a container has its ports, or might: its network is another one.
async fn is_no_container(settings: &CaddySettings, docker: Option<&Docker>) -> bool {
    let (Some(admin), Some(docker)) = (admin_here(settings), docker) else { return false };
    let Ok(containers) = docker.list_all().await else { return false };
    let mut ports = containers.iter().flat_map(|container| &container.ports).filter(|port| port.is_tcp);
    !ports.any(|port| port.host_port == admin || TRAFFIC.contains(&port.host_port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_that_keeps_nothing_for_it_is_a_hint_and_no_illness() {
        let told = advice(Some("0\n")).expect("a hint");
        assert!(told.seen.is_ok_and(|text| text.contains("`sysctl net.ipv4.tcp_migrate_req=1`")));
        assert_eq!((advice(Some("1\n")), advice(None)), (None, None));
    }

    #[test]
    fn only_a_caddy_of_this_host_is_in_its_network_namespace() {
        let of = |admin: &str, upstream| {
            let (server, listen) = (None, Vec::new());
            admin_here(&CaddySettings { admin: admin.to_owned(), upstream, server, listen })
        };
        for (admin, port) in [
            ("http://127.0.0.1:2019", Some(2019)),
            ("http://localhost:2019", Some(2019)),
            ("http://[::1]:2020", Some(2020)),
            ("unix//run/caddy/admin.sock", Some(0)),
            ("http://192.0.2.1:2019", None),
            ("http://caddy:2019", None),
        ] {
            assert_eq!(of(admin, Reach::Host), port, "{admin}");
            assert_eq!(of(admin, Reach::Network), None, "{admin}");
        }
    }
}
