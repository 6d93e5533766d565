//! `settings.proxy.caddy` → where its admin API is, which of its servers is used, and how it reaches instances.

use crate::config::code;
use crate::config::raw;
use crate::config::report::{Part, Site};
use crate::config::syntax::short;
use crate::model::CaddySettings;
use crate::model::route::Reach;

use super::npm::host_and_port;
use super::policy::{absolute, is_loopback};

const ADMIN: &str = "proxy.caddy.admin";
const SERVER: &str = "proxy.caddy.server";
/// Where Caddy's admin API is unless someone moved it.
const USUAL: &str = "http://127.0.0.1:2019";
/// Its port when an address names none.
const PORT: u16 = 2019;
/// Longest name of a server: it stands in paths.
const MAX_NAME: usize = 100;
/// Most addresses for one server.
const MAX_LISTEN: usize = 16;

/// Resolves them; none when something is wrong.
pub(super) fn settings(site: &Site<'_>, raw: raw::Caddy) -> Option<CaddySettings> {
    let raw::Caddy { admin, upstream, server, listen } = raw;
    let admin = match admin {
        None => Some(USUAL.to_owned()),
        Some(text) => admin_of(site, &text),
    };
    let upstream = upstream.map_or(Reach::Host, |upstream| match upstream {
        raw::Upstream::Network => Reach::Network,
        raw::Upstream::Host => Reach::Host,
    });
    let server = match server {
        None => Some(None),
        Some(name) => server_of(site, name).map(Some),
    };
    let listen = listen_of(site, listen.unwrap_or_default());
    Some(CaddySettings { admin: admin?, upstream, server: server?, listen: listen? })
}

/// The address without a slash at its end. Whoever reaches the API decides what Caddy serves: it asks for no password.
fn admin_of(site: &Site<'_>, text: &str) -> Option<String> {
    const LIKE: &str = "write it like `http://127.0.0.1:2019` or `unix//run/caddy/admin.sock`";
    if let Some(path) = text.strip_prefix("unix/") {
        return Some(format!("unix/{}", absolute(site, Part::Value, ADMIN, path)?));
    }
    let rest = text.strip_prefix("http://").map(|rest| rest.strip_suffix('/').unwrap_or(rest));
    let Some((host, port)) = rest.and_then(host_and_port) else {
        let title = format!("`{}` is not the address of Caddy's admin API", short(text));
        site.refuse(code::BAD_VALUE, ADMIN, title, LIKE);
        return None;
    };
    if !is_loopback(&host) {
        let title =
            format!("whoever reaches `{}` may change what Caddy serves: its admin API has no password", short(&host));
        site.warn(ADMIN, title, "let it listen on loopback or on a Unix socket, and reach it there");
    }
    Some(format!("http://{host}:{}", port.unwrap_or(PORT)))
}

/// A name as it can stand in a path.
fn server_of(site: &Site<'_>, name: String) -> Option<String> {
    let is_name = (1..=MAX_NAME).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'))
        && name.starts_with(|c: char| c.is_ascii_alphanumeric());
    if !is_name {
        let title = format!("`{}` cannot be the name of a server", short(&name));
        site.refuse(code::BAD_VALUE, SERVER, title, "write it like `srv0`: letters, digits, `_`, `-` and `.`");
    }
    is_name.then_some(name)
}

fn listen_of(site: &Site<'_>, written: Vec<String>) -> Option<Vec<String>> {
    const LIKE: &str = "write host and port, as in `\":8080\"` or `\"127.0.0.1:8080\"`";
    if written.len() > MAX_LISTEN {
        let title = format!("{} addresses are too many", written.len());
        site.refuse(code::BAD_VALUE, "proxy.caddy.listen", title, "a few will do: a server listens on all of them");
        return None;
    }
    let is_address = |text: &str| match text.strip_prefix(':') {
        Some(_) => host_and_port(&format!("localhost{text}")),
        None => host_and_port(text),
    };
    let wrong = |(_, text): &(usize, &String)| !matches!(is_address(text), Some((_, Some(_))));
    for (i, text) in written.iter().enumerate().filter(wrong) {
        let title = format!("`{}` is no address to listen on", short(text));
        site.refuse(code::BAD_VALUE, &format!("proxy.caddy.listen.{i}"), title, LIKE);
    }
    let are_fine = !written.iter().enumerate().any(|one| wrong(&one));
    are_fine.then_some(written)
}
