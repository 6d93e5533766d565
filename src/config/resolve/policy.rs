//! What a stage may do to the host (R32). Docker refuses nothing of this, so this is the boundary.

use std::net::IpAddr;

use crate::config::code;
use crate::config::report::{Part, Site};
use crate::model::StageKey;
use crate::model::desired::Policy;

/// Paths of Docker's socket; to hold it is to be root.
const SOCKETS: &[&str] =
    &["/var/run/docker.sock", "/run/docker.sock", "/run/containerd/containerd.sock", "/run/podman/podman.sock"];

/// A policy as it applies to one stage.
#[derive(Clone, Copy)]
pub(super) struct Allowance<'a> {
    pub(super) policy: &'a Policy,
    pub(super) key: &'a StageKey,
    /// False when the settings could not be read: then nothing is refused on their account.
    pub(super) is_known: bool,
}

impl Allowance<'_> {
    /// Refuses something privileged unless the policy names the stage.
    pub(super) fn privileged(&self, site: &Site<'_>, path: &str, what: &str) {
        if self.is_known && !self.policy.privileged.contains(self.key) {
            let title = format!("{what} gives the container power over the host");
            let help = format!("to allow it, add `{}` to `settings.policy.privileged`", self.key);
            let diagnostic = site.error_at_key(code::POLICY, path, title).label("refused by the policy");
            site.report.add(diagnostic.help(help));
        }
    }

    /// Refuses a path of the host unless the policy covers it.
    pub(super) fn host_path(&self, site: &Site<'_>, at: &str, path: &str) {
        if !self.is_known {
            return;
        }
        let below =
            |root: &str, path: &str| path == root || path.starts_with(&format!("{}/", root.trim_end_matches('/')));
        let shows_socket = SOCKETS.iter().any(|socket| below(path, socket));
        if shows_socket {
            if !self.policy.docker_socket.contains(self.key) {
                let title = format!("`{path}` gives the container Docker's socket, which is root on the host");
                let help = format!("to allow it, add `{}` to `settings.policy.docker_socket`", self.key);
                site.refuse(code::POLICY, at, title, help);
            }
            if SOCKETS.contains(&path) {
                return;
            }
        }
        if !self.policy.host_paths.iter().any(|root| below(root, path)) {
            let title = format!("`{path}` of the host is not in `settings.policy.host_paths`");
            let help = "add it or a directory above it there, use a named volume (`name:/path`), or put the file into the config directory (`./file:/path`)";
            site.refuse(code::POLICY, at, title, help);
        }
    }
}

/// Reports an absolute path that is none, and gives it back when it is one.
pub(super) fn absolute(site: &Site<'_>, part: Part, at: &str, path: &str) -> Option<String> {
    normal_path(path).map_err(|why| site.invalid(code::BAD_VALUE, part, at, &crate::model::name::InvalidName(why))).ok()
}

/// An absolute path without `.`, `..`, empty parts or control characters; a slash at the end is dropped.
pub(super) fn normal_path(path: &str) -> Result<String, String> {
    let shown = crate::config::syntax::short(path);
    if !path.starts_with('/') {
        return Err(format!("`{shown}` is not an absolute path: begin it with `/`"));
    }
    let trimmed = if path.len() > 1 { path.trim_end_matches('/') } else { path };
    let trimmed = if trimmed.is_empty() { "/" } else { trimmed };
    let is_plain = |part: &str| !part.is_empty() && part != "." && part != "..";
    if trimmed != "/" && !trimmed[1..].split('/').all(is_plain) {
        return Err(format!("`{shown}` is not a plain path: write it without `..`, `.` and `//`"));
    }
    if trimmed.chars().any(char::is_control) {
        return Err(format!("`{shown}` is not a plain path: it holds control characters"));
    }
    Ok(trimmed.to_owned())
}

/// True for this host itself, by name or by address; an IPv6 address may stand in brackets.
pub fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// A name as Docker takes it for volumes and networks: `[a-zA-Z0-9][a-zA-Z0-9_.-]*`, at most 128.
pub(super) fn is_docker_name(name: &str) -> bool {
    name.len() <= 128
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'))
}
