//! Rows of the API → what the planner compares. Pure.
//!
//! A host is ours when its mark names our store, or when the store knows its number, its domains are those it was given
//! last, and the mark is gone: older admin pages drop it when a person saves the host. Never by its domains alone (R1).

use std::collections::BTreeMap;

use serde_json::Value;

use super::host::{Host, Kind};
use super::redirects;
use super::row::Row;
use crate::model::observed::{ObservedAccessList, ObservedCertificate};
use crate::model::{Domain, HostOptions, ObservedHost, ObservedRoute, Recorded, RecordedHost, StageKey, StoreId};
use crate::proxy::ProxyError;

/// Where hosts are that only answer 404.
pub(super) const DEAD: &str = "/nginx/dead-hosts";

/// Who a host belongs to; none: a person made it.
pub(super) fn owner(row: &Row, proxy: &str, recorded: &Recorded) -> Option<(StoreId, StageKey)> {
    if let Some(mark) = &row.mark {
        return Some(mark.clone());
    }
    let store = recorded.store?;
    let is_it = |host: &RecordedHost| is_known(host, row, proxy) && row.has_exactly(&host.domains);
    let known = recorded.stages.iter().find(|(_, stage)| stage.host.as_ref().is_some_and(is_it));
    known.map(|(key, _)| (store, key.clone()))
}

/// True when a remembered host is this one.
pub(super) fn is_known(host: &RecordedHost, row: &Row, proxy: &str) -> bool {
    row.host.kind == Kind::Proxy && host.proxy == proxy && host.id == Some(row.host.id)
}

/// True when its mark names this store.
pub(super) fn is_of_store(row: &Row, store: StoreId) -> bool {
    row.mark.as_ref().is_some_and(|(marked, _)| *marked == store)
}

/// A host of someone else with a domain that is wanted is a clash (R1).
pub(super) fn refuse_foreign(rows: &[Row], domains: &[Domain]) -> Result<(), ProxyError> {
    for row in rows {
        if let Some(domain) = domains.iter().find(|domain| row.has_one_of(std::slice::from_ref(domain))) {
            let owner = match &row.mark {
                Some((store, key)) => format!("{key} of store {store}"),
                None => format!("{}, made by hand", row.what()),
            };
            return Err(ProxyError::Conflict { domain: domain.clone(), owner });
        }
    }
    Ok(())
}

/// All routes by domain. Of two hosts of ours for one domain, the one that the store knows counts, and is said to have
/// trouble, so that the other goes.
pub(super) fn routes(rows: &[Row], proxy: &str, recorded: &Recorded) -> BTreeMap<Domain, ObservedRoute> {
    let mut routes: BTreeMap<Domain, ObservedRoute> = BTreeMap::new();
    let mut hosts: BTreeMap<StageKey, Vec<&Row>> = BTreeMap::new();
    for row in sorted(rows, proxy, recorded) {
        let owner = owner(row, proxy, recorded);
        let ours = owner.as_ref().filter(|(store, _)| Some(*store) == recorded.store).map(|(_, key)| key.clone());
        let seen = ours.as_ref().map(|key| &*hosts.entry(key.clone()).or_default());
        let trouble = trouble(row, ours.as_ref(), seen, proxy, recorded);
        if let Some(key) = ours {
            hosts.entry(key).or_default().push(row);
        }
        let redirecting = rows.iter().filter(|other| other.host.kind == Kind::Redirection && other.mark == owner);
        let host = ObservedHost {
            what: row.host.to_string(),
            id: (row.host.kind == Kind::Proxy).then_some(row.host.id),
            domains: row.domains.clone(),
            options: match (row.host.kind, &owner) {
                (Kind::Redirection, _) => None,
                (Kind::Proxy, None) => Some(row.options.clone()),
                (Kind::Proxy, Some(_)) => {
                    Some(HostOptions { redirects: redirects::map(redirecting), ..row.options.clone() })
                }
            },
            trouble,
        };
        let upstream = if row.host.kind == Kind::Proxy { row.upstream.clone() } else { String::new() };
        for domain in row.domains.iter().filter_map(|text| text.parse::<Domain>().ok()) {
            let route = ObservedRoute { upstream: upstream.clone(), owner: owner.clone(), host: Some(host.clone()) };
            match routes.get_mut(&domain) {
                None => drop(routes.insert(domain, route)),
                Some(first) => twice(first, row.host),
            }
        }
    }
    routes
}

/// Those that the store knows first, then the oldest; those that redirect after all that do not.
fn sorted<'a>(rows: &'a [Row], proxy: &str, recorded: &Recorded) -> Vec<&'a Row> {
    let hosts = || recorded.stages.values().filter_map(|stage| stage.host.as_ref());
    let mut rows: Vec<&Row> = rows.iter().collect();
    let redirects = |row: &Row| row.host.kind == Kind::Redirection;
    rows.sort_by_key(|row| (redirects(row), !hosts().any(|host| is_known(host, row, proxy)), row.host.id));
    rows
}

fn twice(first: &mut ObservedRoute, other: Host) {
    if let Some(host) = &mut first.host {
        host.trouble.get_or_insert_with(|| format!("{other} has it as well"));
    }
}

/// Why a host does not serve as it is set, or may not.
fn trouble(
    row: &Row,
    ours: Option<&StageKey>,
    seen: Option<&Vec<&Row>>,
    proxy: &str,
    recorded: &Recorded,
) -> Option<String> {
    let key = ours?;
    let known = recorded.stages.get(key).and_then(|stage| stage.host.as_ref());
    let seen = seen.map(Vec::as_slice).unwrap_or_default();
    let is_twin = |other: &&&Row| {
        other.host.kind == row.host.kind && (row.host.kind == Kind::Proxy || other.redirects_to() == row.redirects_to())
    };
    if let Some(first) = seen.iter().find(is_twin) {
        return Some(format!("{} is of the same stage", first.host));
    }
    if !row.enabled {
        return Some("it is switched off".into());
    }
    if row.online == Some(false) {
        let why = row.error.as_ref().map(|error| format!(": {error}")).unwrap_or_default();
        return Some(format!("nginx refused it{why}"));
    }
    if known.is_some_and(|host| host.dirty && host.proxy == proxy) {
        return Some("an earlier change of it was not proven".into());
    }
    match row.host.kind {
        Kind::Proxy => row.mark.is_none().then(|| "its mark is gone".into()),
        Kind::Redirection => {
            let host = seen.iter().find(|other| other.host.kind == Kind::Proxy)?;
            redirects::trouble(row, host)
        }
    }
}

/// Adds the domains of redirections and 404 hosts, which keep a proxy host from being made.
pub(super) fn add_others(routes: &mut BTreeMap<Domain, ObservedRoute>, kind: &str, list: &Value) {
    for row in list.as_array().into_iter().flatten() {
        let Some(id) = row.get("id").and_then(Value::as_u64) else { continue };
        let names = row.get("domain_names").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
        let names: Vec<String> = names.map(str::to_ascii_lowercase).collect();
        let domains: Vec<Domain> = names.iter().filter_map(|name| name.parse().ok()).collect();
        for domain in &domains {
            let what = format!("{kind} {id}");
            let host = ObservedHost { what, id: None, domains: names.clone(), options: None, trouble: None };
            let route = ObservedRoute { upstream: String::new(), owner: None, host: Some(host) };
            routes.entry(domain.clone()).or_insert(route);
        }
    }
}

/// Number, names and end of each certificate. All else, private keys among it, is left unread.
pub(super) fn certificates(list: &Value) -> Vec<ObservedCertificate> {
    let one = |row: &Value| {
        let names = row.get("domain_names")?.as_array()?.iter().filter_map(Value::as_str);
        let expires = row.get("expires_on").and_then(Value::as_str).and_then(ends_at);
        Some(ObservedCertificate {
            id: row.get("id")?.as_u64()?,
            domains: names.map(str::to_ascii_lowercase).collect(),
            expires_ms: expires,
        })
    };
    list.as_array().into_iter().flatten().filter_map(one).collect()
}

/// Number and name of each list of those who may ask.
pub(super) fn access_lists(list: &Value) -> Vec<ObservedAccessList> {
    let one = |row: &Value| {
        Some(ObservedAccessList { id: row.get("id")?.as_u64()?, name: row.get("name")?.as_str()?.to_owned() })
    };
    list.as_array().into_iter().flatten().filter_map(one).collect()
}

/// `2027-01-31 12:00:00` with one database, `2027-01-31T12:00:00.000Z` with others; taken as UTC, a day is near enough.
fn ends_at(text: &str) -> Option<i64> {
    let text = text.replace('T', " ");
    let plain = text.get(..19)?;
    let time = chrono::NaiveDateTime::parse_from_str(plain, "%Y-%m-%d %H:%M:%S").ok()?;
    Some(time.and_utc().timestamp_millis())
}
