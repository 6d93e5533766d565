//! `registries` → where images come from.

use std::cell::Cell;
use std::collections::BTreeMap;

use crate::config::code;
use crate::config::diagnostic::Diagnostic;
use crate::config::raw;
use crate::config::report::{Item, Part, Report, Site};
use crate::config::shape;
use crate::config::syntax;
use crate::model::schedule;
use crate::model::{Name, Registry};

use super::secrets;

/// Resolves all registries.
pub(super) fn registries(items: &BTreeMap<String, Item>, report: &Report<'_>) -> BTreeMap<Name, Registry> {
    let mut all: BTreeMap<Name, Registry> = BTreeMap::new();
    for item in items.values() {
        let name = super::name(item, report);
        let Some(registry) = registry(item, report) else { continue };
        let twin = all.iter().find(|(_, other)| other.prefix == registry.prefix);
        if let Some(first) = twin.and_then(|(name, _)| items.get(name.as_str())) {
            let title = format!("registries `{}` and `{}` are for the same images", first.name(), item.name());
            let diagnostic = Diagnostic::error(code::CLASH, item.place(report), title);
            report.add(diagnostic.other(Some(first.place(report)), "the other one").help("keep one of the two"));
        }
        all.extend(name.map(|name| (name, registry)));
    }
    all
}

fn registry(item: &Item, report: &Report<'_>) -> Option<Registry> {
    let raw = shape::report(report, item, syntax::decode::<raw::Registry>(item.node(), "Registry"))?;
    let failed = Cell::new(false);
    let site = Site { report, own: item, base: None, failed: &failed };
    let raw::Registry { url, username, password, poll, insecure } = raw;
    let insecure = insecure.unwrap_or(false);
    let Some(url) = url else {
        site.refuse(code::MISSING, "", "the registry has no `url`", "write it like `url: https://ghcr.io`");
        return None;
    };
    let prefix = prefix(&site, &url, insecure);
    match (&username, &password) {
        (Some(_), None) => site.refuse(
            code::CONTRADICTION,
            "username",
            "a user name without a password",
            "add `password: { credential: name }`, or remove the user name",
        ),
        (None, Some(_)) => site.refuse(
            code::CONTRADICTION,
            "password",
            "a password without a user name",
            "add `username`; for a token the registry's manual names the user to write",
        ),
        (Some(_), Some(_)) | (None, None) => {}
    }
    let password = password.and_then(|secret| secrets::reference(&site, "password", secret));
    if let Some(text) = &poll {
        match schedule::check(text) {
            Ok(()) => site.warn(
                "poll",
                "polling is not supported yet",
                "the key is accepted, and acted on once tag policies arrive",
            ),
            Err(error) => site.invalid(code::BAD_VALUE, Part::Value, "poll", &error),
        }
    }
    (!failed.get()).then(|| Registry { url, prefix: prefix.unwrap_or_default(), username, password, poll, insecure })
}

/// What images of the registry begin with: its host, port and path, without the scheme.
fn prefix(site: &Site<'_>, url: &str, insecure: bool) -> Option<String> {
    let bad = |title: &str, help: &str| {
        site.refuse(code::BAD_VALUE, "url", title, help);
        None
    };
    let (is_plain, rest) = match (url.strip_prefix("https://"), url.strip_prefix("http://")) {
        (Some(rest), _) => (false, rest),
        (None, Some(rest)) => (true, rest),
        (None, None) => return bad("the address has no scheme", "begin it with `https://`"),
    };
    let rest = rest.trim_end_matches('/');
    if rest.contains('@') {
        return bad("the address holds credentials", "write `username` and `password: { credential: name }` instead");
    }
    let (authority, path) = rest.split_once('/').map_or((rest, None), |(a, p)| (a, Some(p)));
    // The checks of an image's repository are the same: this is the beginning of one.
    let host = match format!("{authority}/x").parse::<crate::model::Repository>() {
        Ok(repository) if repository.host() == authority || authority == "docker.io" => authority,
        Ok(_) | Err(_) if authority.starts_with('[') => {
            return bad("an IPv6 address cannot begin the name of an image", "use a host name");
        }
        Ok(_) | Err(_) => {
            return bad(
                "this is not the address of a registry",
                "write it like `https://ghcr.io` or `https://host:5000`",
            );
        }
    };
    if is_plain && !insecure && !is_loopback(host) {
        return bad(
            "http to another host sends passwords and images in the clear",
            "write `https://`, or `insecure: true` if you accept that",
        );
    }
    let host =
        if matches!(host, "index.docker.io" | "registry-1.docker.io" | "hub.docker.com") { "docker.io" } else { host };
    match path {
        // `https://index.docker.io/v1/` is how Docker itself writes its hub.
        None | Some("v1" | "v2") => Some(host.to_owned()),
        Some(path) if format!("{authority}/{path}").parse::<crate::model::Repository>().is_ok() => {
            Some(format!("{host}/{path}"))
        }
        Some(_) => bad(
            "this is not the address of a registry",
            "write host and port, and at most the beginning of image names",
        ),
    }
}

fn is_loopback(host: &str) -> bool {
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    name == "localhost" || name.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}
