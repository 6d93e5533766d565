//! `registries` → where images come from.

use std::cell::Cell;
use std::collections::BTreeMap;

use crate::config::code;
use crate::config::diagnostic::Diagnostic;
use crate::config::raw;
use crate::config::report::{Item, Part, Report, Site};
use crate::config::shape;
use crate::config::syntax;
use crate::model::schedule::Schedule;
use crate::model::{Name, Registry, Repository};

use super::policy::{absolute, is_loopback};
use super::secrets;

/// The names of Docker Hub besides `docker.io`, which images are known by.
const DOCKER_HUB: &[&str] = &["index.docker.io", "registry-1.docker.io", "hub.docker.com"];
const NOT_AN_ADDRESS: &str = "this is not the address of a registry";

/// Resolves all registries.
pub(super) fn registries(items: &BTreeMap<&str, Item<'_>>, report: &Report<'_>) -> BTreeMap<Name, Registry> {
    let mut all: BTreeMap<Name, Registry> = BTreeMap::new();
    for item in items.values().take_while(|_| !report.is_full()) {
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

fn registry(item: &Item<'_>, report: &Report<'_>) -> Option<Registry> {
    let decoded = syntax::decode::<raw::Registry>(item.node(), "Registry");
    let (raw, is_whole) = shape::report(report, item, decoded)?;
    let failed = Cell::new(false);
    let site = Site { report, own: item, base: None, failed: &failed };
    let registry = report.on(is_whole, || resolve(&site, raw))?;
    (is_whole && !failed.get()).then_some(registry)
}

fn resolve(site: &Site<'_>, raw: raw::Registry) -> Option<Registry> {
    let raw::Registry { url, username, password, poll, insecure, ca_file } = raw;
    let insecure = insecure.unwrap_or(false);
    check_credentials(site, username.is_some(), password.is_some());
    let password = password.and_then(|secret| secrets::reference(site, "password", secret));
    let poll = poll.and_then(|text| schedule(site, &text));
    let ca_file = ca_file.and_then(|path| absolute(site, Part::Value, "ca_file", &path));
    let Some(url) = url else {
        site.refuse(code::MISSING, "", "the registry has no `url`", "write it like `url: https://ghcr.io`");
        return None;
    };
    let prefix = prefix(site, &url, insecure)?;
    Some(Registry { url, prefix, username, password, poll, insecure, ca_file })
}

fn check_credentials(site: &Site<'_>, has_user: bool, has_password: bool) {
    match (has_user, has_password) {
        (true, false) => {
            let help = "add `password: { credential: name }`, or remove the user name";
            site.refuse(code::CONTRADICTION, "username", "a user name without a password", help);
        }
        (false, true) => {
            let help = "add `username`; for a token the registry's manual names the user to write";
            site.refuse(code::CONTRADICTION, "password", "a password without a user name", help);
        }
        (true, true) | (false, false) => {}
    }
}

fn schedule(site: &Site<'_>, text: &str) -> Option<Schedule> {
    let schedule = text.parse().ok();
    if schedule.is_none() {
        let title = format!("`{}` is not a schedule that comes round", syntax::short(text));
        let help = "five fields are needed: minute, hour, day, month, weekday, as in `*/5 * * * *`";
        site.refuse(code::BAD_VALUE, "poll", title, help);
    }
    schedule
}

/// What images of the registry begin with: its host, port and path, without the scheme.
fn prefix(site: &Site<'_>, url: &str, insecure: bool) -> Option<String> {
    let (_, rest) = url.split_once("://").unwrap_or(("", url));
    if rest.contains('@') {
        let error = site.error(code::BAD_VALUE, "url", "the address holds credentials").hidden();
        site.report.add(error.help("write `username` and `password: { credential: name }` instead"));
        return None;
    }
    prefix_of(url, insecure).map_err(|(title, help)| site.refuse(code::BAD_VALUE, "url", title, help)).ok()
}

fn prefix_of(url: &str, insecure: bool) -> Result<String, (&'static str, &'static str)> {
    let (is_plain, rest) = match (url.strip_prefix("https://"), url.strip_prefix("http://")) {
        (Some(rest), _) => (false, rest),
        (None, Some(rest)) => (true, rest),
        (None, None) => return Err(("the address has no scheme", "begin it with `https://`")),
    };
    let rest = rest.trim_end_matches('/');
    let (host, path) = rest.split_once('/').map_or((rest, None), |(host, path)| (host, Some(path)));
    if host.starts_with('[') {
        return Err(("an IPv6 address cannot begin the name of an image", "use a host name"));
    }
    // This is how an image's name begins, so it must pass the same checks.
    let is_beginning = |path: &str| format!("{host}/{path}").parse::<Repository>().is_ok_and(|r| r.host() == host);
    if !is_beginning("x") {
        return Err((NOT_AN_ADDRESS, "write it like `https://ghcr.io` or `https://host:5000`"));
    }
    let bare = host.rsplit_once(':').map_or(host, |(bare, _)| bare);
    if is_plain && !insecure && !is_loopback(bare) {
        let title = "http to another host sends passwords and images in the clear";
        return Err((title, "write `https://`, or `insecure: true` if you accept that"));
    }
    let name = if DOCKER_HUB.contains(&host) { "docker.io" } else { host };
    match path {
        // `https://index.docker.io/v1/` is how Docker itself writes its hub.
        None | Some("v1" | "v2") => Ok(name.to_owned()),
        Some(path) if is_beginning(path) => Ok(format!("{name}/{path}")),
        Some(_) => Err((NOT_AN_ADDRESS, "write host and port, and at most the beginning of image names")),
    }
}
