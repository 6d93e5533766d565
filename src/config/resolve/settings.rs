//! `settings` → host-wide values.

use std::cell::Cell;

use crate::config::code;
use crate::config::collect::Entries;
use crate::config::raw;
use crate::config::report::{Part, Report, Site};
use crate::config::shape;
use crate::config::syntax;
use crate::model::desired::{CONCURRENT_DEPLOYS, History, OnRewrite, Policy, Prune, Source};
use crate::model::name::InvalidName;
use crate::model::route::Reach;
use crate::model::schedule::Zone;
use crate::model::{Domain, Millis, ProxySettings, Settings, StageKey};

use super::caddy;
use super::cross::Claims;
use super::npm;
use super::policy::normal_path;

/// Docker's own networks, which cannot be ours.
const RESERVED_NETWORKS: &[&str] = &["host", "none", "bridge", "default"];
/// Directories of the host that make whoever mounts them root.
const DANGEROUS: &[&str] = &[
    "/",
    "/etc",
    "/proc",
    "/sys",
    "/dev",
    "/boot",
    "/root",
    "/run",
    "/var",
    "/var/run",
    "/var/lib",
    "/var/lib/docker",
    "/usr",
    "/home",
];

/// A hundred years: whoever writes more wants all of it.
const MAX_DAYS: u32 = 36_500;
/// Deploys of one stage: one each hour of eleven years, some tens of gigabytes with their logs.
const MAX_PER_STAGE: u32 = 100_000;

/// Above that dockerd only gets slower, whatever the host.
const MAX_CONCURRENT: u16 = 64;

/// Settings, and whether they are known: when they are not, nothing may be refused on their account.
pub(super) struct Known {
    pub(super) value: Settings,
    pub(super) is_known: bool,
}

/// Resolves the settings; those of an empty configuration where nothing is written.
pub(super) fn settings(entries: &Entries<'_>, report: &Report<'_>) -> Known {
    let Some(item) = &entries.settings else { return Known { value: defaults(), is_known: entries.complete } };
    let decoded = syntax::decode::<raw::Settings>(item.node(), "Settings");
    let Some((raw, is_whole)) = shape::report(report, item, decoded) else {
        return Known { value: defaults(), is_known: false };
    };
    let failed = Cell::new(false);
    let site = Site { report, own: item, base: None, failed: &failed };
    let value = report.on(is_whole, || resolve(&site, raw));
    Known { value, is_known: is_whole && !failed.get() }
}

fn resolve(site: &Site<'_>, raw: raw::Settings) -> Settings {
    let raw::Settings {
        domain,
        network,
        proxy,
        resync,
        prune,
        ports,
        max_concurrent_deploys,
        policy,
        history,
        source,
        timezone,
    } = raw;
    let default = defaults();
    let resync = resync.and_then(|text| site.parse::<Millis>("resync", &text.0));
    if resync.is_some_and(|time| time < Millis::secs(1)) {
        site.refuse(code::BAD_VALUE, "resync", "`resync` is shorter than a second", "60s is the default");
    }
    Settings {
        domain: domain.and_then(|text| base(site, &text)),
        network: network.filter(|name| is_network(site, "network", name)).unwrap_or(default.network),
        proxy: proxy.and_then(|proxy| proxy_of(site, proxy)).unwrap_or(default.proxy),
        resync: resync.unwrap_or(default.resync),
        prune: prune.map_or(default.prune, |prune| match prune {
            raw::Prune::Guarded => Prune::Guarded,
            raw::Prune::Always => Prune::Always,
            raw::Prune::Never => Prune::Never,
        }),
        ports: ports.and_then(|text| port_range(site, &text)).unwrap_or(default.ports),
        max_concurrent_deploys: concurrent(site, max_concurrent_deploys).unwrap_or(default.max_concurrent_deploys),
        policy: policy.map(|raw| policy_of(site, raw)).unwrap_or_default(),
        history: history.map(|raw| history_of(site, &raw)).unwrap_or_default(),
        source: source.as_ref().map(source_of).unwrap_or_default(),
        timezone: timezone.and_then(|text| site.parse("timezone", &text)).unwrap_or_default(),
    }
}

/// What subdomains are put before: a name without a path.
fn base(site: &Site<'_>, text: &str) -> Option<Domain> {
    Domain::name(text).map_err(|why| site.invalid(code::BAD_VALUE, Part::Value, "domain", &why)).ok()
}

const fn source_of(raw: &raw::Source) -> Source {
    let raw::Source { worktree, on_rewrite } = raw;
    let on_rewrite = match on_rewrite {
        None | Some(raw::OnRewrite::Apply) => OnRewrite::Apply,
        Some(raw::OnRewrite::Hold) => OnRewrite::Hold,
    };
    Source { worktree: matches!(worktree, Some(true)), on_rewrite }
}

fn concurrent(site: &Site<'_>, written: Option<u16>) -> Option<u16> {
    let count = written?;
    if !(1..=MAX_CONCURRENT).contains(&count) {
        let title = format!("`max_concurrent_deploys` is {count}");
        let help = format!("from 1 to {MAX_CONCURRENT}; {CONCURRENT_DEPLOYS} is the default");
        site.refuse(code::BAD_VALUE, "max_concurrent_deploys", title, help);
    }
    Some(count)
}

fn history_of(site: &Site<'_>, raw: &raw::History) -> History {
    let raw::History { days, per_stage } = raw;
    let count = |key: &str, written: Option<u32>, most: u32, default: u32| {
        let Some(count) = written else { return default };
        if !(1..=most).contains(&count) {
            let title = format!("`history.{key}` is {count}");
            let help = format!("from 1 to {most}; {default} is the default, and what is in use is kept in any case");
            site.refuse(code::BAD_VALUE, &format!("history.{key}"), title, &help);
        }
        count
    };
    let default = History::default();
    History {
        days: count("days", *days, MAX_DAYS, default.days),
        per_stage: count("per_stage", *per_stage, MAX_PER_STAGE, default.per_stage),
    }
}

fn defaults() -> Settings {
    Settings {
        domain: None,
        network: "landfall".to_owned(),
        proxy: ProxySettings::Embedded(Reach::Host),
        resync: Millis::secs(60),
        prune: Prune::default(),
        ports: (20_000, 29_999),
        max_concurrent_deploys: CONCURRENT_DEPLOYS,
        policy: Policy::default(),
        history: History::default(),
        source: Source::default(),
        timezone: Zone::default(),
    }
}

/// None when something is wrong with it.
fn proxy_of(site: &Site<'_>, proxy: raw::Proxy) -> Option<ProxySettings> {
    match proxy {
        raw::Proxy::Embedded(raw) => Some(ProxySettings::Embedded(embedded_of(&raw))),
        raw::Proxy::NginxProxyManager(raw) => npm::settings(site, raw).map(ProxySettings::NginxProxyManager),
        raw::Proxy::Caddy(raw) => caddy::settings(site, raw).map(ProxySettings::Caddy),
        raw::Proxy::None(_) => Some(ProxySettings::None),
    }
}

fn embedded_of(raw: &raw::Embedded) -> Reach {
    match raw.upstream {
        None | Some(raw::Upstream::Host) => Reach::Host,
        Some(raw::Upstream::Network) => Reach::Address,
    }
}

/// True for a name that Docker takes for a network, and that is not one of its own.
pub(super) fn is_network(site: &Site<'_>, path: &str, name: &str) -> bool {
    let is_name = super::policy::is_docker_name(name);
    if !is_name {
        let help = "use letters, digits, `_`, `.` and `-`, beginning with a letter or digit";
        site.refuse(code::BAD_VALUE, path, format!("`{}` is not a network name", syntax::short(name)), help);
    } else if RESERVED_NETWORKS.contains(&name) {
        let title = format!("`{name}` is one of Docker's own networks");
        site.refuse(code::BAD_VALUE, path, title, "name a network of your own; it is made if it is absent");
    }
    is_name && !RESERVED_NETWORKS.contains(&name)
}

fn port_range(site: &Site<'_>, text: &str) -> Option<(u16, u16)> {
    let bounds = text.split_once('-').and_then(|(a, b)| Some((a.parse::<u16>().ok()?, b.parse::<u16>().ok()?)));
    match bounds {
        Some((first, last)) if first >= 1024 && first < last => Some((first, last)),
        Some(_) | None => {
            let title = format!("`{}` is not a range of ports", syntax::short(text));
            site.refuse(code::BAD_VALUE, "ports", title, "write it like `20000-29999`, from 1024 to 65535");
            None
        }
    }
}

fn policy_of(site: &Site<'_>, raw: raw::Policy) -> Policy {
    let raw::Policy { host_paths, privileged, docker_socket, advanced } = raw;
    let stages = |key: &str, names: Option<Vec<String>>| -> Vec<StageKey> {
        let parse = |(i, name): (usize, String)| site.parse(&format!("policy.{key}.{i}"), &name);
        names.unwrap_or_default().into_iter().enumerate().filter_map(parse).collect()
    };
    let privileged = stages("privileged", privileged);
    let docker_socket = stages("docker_socket", docker_socket);
    let advanced = stages("advanced", advanced);
    let host_path = |(i, path): (usize, String)| {
        let at = format!("policy.host_paths.{i}");
        let path = normal_path(&path)
            .map_err(|why| site.invalid(code::BAD_VALUE, Part::Value, &at, &InvalidName(why)))
            .ok()?;
        if DANGEROUS.contains(&path.as_str()) {
            let title = format!("whoever may mount `{path}` is root on the host");
            site.warn(&at, title, "name the directories below it that are needed");
        }
        Some(path)
    };
    let host_paths = host_paths.unwrap_or_default().into_iter().enumerate().filter_map(host_path).collect();
    Policy { host_paths, privileged, docker_socket, advanced }
}

/// Warns of exceptions for stages that do not exist: whoever makes one of that name later inherits them.
pub(super) fn check_references(known: &Known, entries: &Entries<'_>, claims: &Claims, report: &Report<'_>) {
    let Some(item) = entries.settings.as_ref().filter(|_| entries.complete && known.is_known) else { return };
    let failed = Cell::new(false);
    let site = Site { report, own: item, base: None, failed: &failed };
    let Policy { host_paths: _, privileged, docker_socket, advanced } = &known.value.policy;
    for (list, keys) in [("privileged", privileged), ("docker_socket", docker_socket), ("advanced", advanced)] {
        for (i, key) in keys.iter().enumerate().filter(|(_, key)| !claims.knows(key)) {
            let help =
                "remove the line, or correct it: a stage of this name would have the exception from its first deploy";
            site.warn(&format!("policy.{list}.{i}"), format!("there is no stage `{key}`"), help);
        }
    }
}
