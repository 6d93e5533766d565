//! `settings.proxy.nginx_proxy_manager` → where it is, who logs in, and how it reaches instances.

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::config::code;
use crate::config::raw;
use crate::config::report::Site;
use crate::config::syntax::short;
use crate::model::route::Reach;
use crate::model::{Domain, NpmSettings};

use super::policy::is_loopback;
use super::secrets;

const AT: &str = "proxy.nginx_proxy_manager";
const URL: &str = "proxy.nginx_proxy_manager.url";
const EMAIL: &str = "proxy.nginx_proxy_manager.email";
const PASSWORD: &str = "proxy.nginx_proxy_manager.password";
const PROBE: &str = "proxy.nginx_proxy_manager.probe";
/// Longest email that it takes.
const MAX_EMAIL: usize = 255;
/// Where a proxy serves plain HTTP.
const HTTP: u16 = 80;

/// Resolves them; none when something is wrong or missing.
pub(super) fn settings(site: &Site<'_>, raw: raw::NginxProxyManager) -> Option<NpmSettings> {
    let raw::NginxProxyManager { url, email, password, upstream, probe } = raw;
    let missing = |key: &str, help: &str| {
        let error = site.error_at_key(code::MISSING, AT, format!("`nginx_proxy_manager` has no `{key}`"));
        site.report.add(error.help(help));
    };
    if url.is_none() {
        missing("url", "write the address of its admin page, as in `url: http://127.0.0.1:81`");
    }
    if email.is_none() {
        missing("email", "write the user that Landfall logs in as, as in `email: landfall@example.com`");
    }
    if password.is_none() {
        missing("password", "refer to that user's, as in `password: { credential: npm_password }`");
    }
    let address = url.and_then(|text| address(site, &text));
    let email = email.and_then(|text| email_of(site, &text));
    let password = password.and_then(|secret| secrets::reference(site, PASSWORD, secret));
    let probe = match probe {
        Some(text) => probe_of(site, &text),
        None => address.as_ref().map(|address| format!("{}:{HTTP}", address.host)),
    };
    let upstream = upstream.map_or(Reach::default(), |upstream| match upstream {
        raw::Upstream::Network => Reach::Network,
        raw::Upstream::Host => Reach::Host,
    });
    Some(NpmSettings { url: address?.url, email: email?, password: password?, upstream, probe: probe? })
}

/// The admin server.
struct Address {
    /// Scheme, host and, unless it is the scheme's own, port.
    url: String,
    /// An IPv6 address in brackets.
    host: String,
}

fn address(site: &Site<'_>, text: &str) -> Option<Address> {
    if text.contains('@') {
        let error = site.error(code::BAD_VALUE, URL, "the address holds credentials").hidden();
        site.report.add(error.help("write `email` and `password: { credential: name }` instead"));
        return None;
    }
    let (address, is_clear) =
        address_of(text).map_err(|(title, help)| site.refuse(code::BAD_VALUE, URL, title, help)).ok()?;
    if is_clear {
        let title = format!("the password goes to `{}` in the clear", short(&address.host));
        site.warn(URL, title, "write `https://`, or reach it through loopback, as in `http://127.0.0.1:81`");
    }
    Some(address)
}

/// The address, and whether a password would go over the wire in the clear.
fn address_of(text: &str) -> Result<(Address, bool), (String, &'static str)> {
    const LIKE: &str = "write scheme, host and port, as in `http://127.0.0.1:81`";
    let (scheme, rest, default_port) = match (text.strip_prefix("https://"), text.strip_prefix("http://")) {
        (Some(rest), _) => ("https", rest, 443),
        (None, Some(rest)) => ("http", rest, HTTP),
        (None, None) => return Err(("the address has no scheme".to_owned(), "begin it with `http://` or `https://`")),
    };
    if rest.contains(['?', '#']) {
        return Err(("the address has more than host and port".to_owned(), LIKE));
    }
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    // People copy it from the API's manual.
    if !matches!(path, "" | "api" | "api/") {
        return Err((format!("the address has a path, `/{}`", short(path)), LIKE));
    }
    let Some((host, port)) = host_and_port(authority) else {
        return Err(("this is not the address of Nginx Proxy Manager".to_owned(), LIKE));
    };
    let is_clear = scheme == "http" && !is_loopback(&host);
    let port = port.filter(|port| *port != default_port).map(|port| format!(":{port}")).unwrap_or_default();
    Ok((Address { url: format!("{scheme}://{host}{port}"), host }, is_clear))
}

/// A host in lower case, as it stands in a URL, and the port after it.
pub(super) fn host_and_port(text: &str) -> Option<(String, Option<u16>)> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (address, after) = rest.split_once(']')?;
            let port = if after.is_empty() { None } else { Some(after.strip_prefix(':')?) };
            (format!("[{}]", address.parse::<Ipv6Addr>().ok()?), port)
        }
        None => {
            let (host, port) = text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port)));
            (name(host)?, port)
        }
    };
    let digits = |port: &&str| port.bytes().all(|b| b.is_ascii_digit());
    match port {
        Some(port) => Some((host, Some(Some(port).filter(digits)?.parse().ok().filter(|port| *port > 0)?))),
        None => Some((host, None)),
    }
}

/// A name, or an IPv4 address: what ends in a number is no name.
fn name(host: &str) -> Option<String> {
    let domain = Domain::name(host).ok()?;
    let last = domain.as_str().rsplit('.').next().unwrap_or_default();
    let is_number = last.bytes().all(|b| b.is_ascii_digit());
    (!is_number || host.parse::<Ipv4Addr>().is_ok()).then(|| domain.to_string())
}

/// It keeps emails in lower case.
fn email_of(site: &Site<'_>, text: &str) -> Option<String> {
    let is_part = |part: &str| !part.is_empty() && !part.contains('@');
    let is_email = text.split_once('@').is_some_and(|(user, host)| is_part(user) && is_part(host))
        && !text.contains(|c: char| c.is_whitespace() || c.is_control())
        && text.len() <= MAX_EMAIL;
    if !is_email {
        let title = format!("`{}` is not an email address", short(text));
        site.refuse(code::BAD_VALUE, EMAIL, title, "write it like `landfall@example.com`");
    }
    is_email.then(|| text.to_lowercase())
}

fn probe_of(site: &Site<'_>, text: &str) -> Option<String> {
    let Some((host, Some(port))) = host_and_port(text) else {
        let title = format!("`{}` is not a host and port", short(text));
        site.refuse(code::BAD_VALUE, PROBE, title, "write it like `127.0.0.1:80`, an IPv6 address as in `[::1]:80`");
        return None;
    };
    Some(format!("{host}:{port}"))
}
