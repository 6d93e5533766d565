//! Rows of the API → what the planner compares. Pure.
//!
//! A host is ours when its mark names our store, or when the store knows its number, its domains are those it was given
//! last, and the mark is gone: older admin pages drop it when a person saves the host. Never by its domains alone (R1).

use std::collections::BTreeMap;

use serde_json::Value;

use super::row::Row;
use crate::model::observed::{ObservedAccessList, ObservedCertificate};
use crate::model::{Domain, ObservedHost, ObservedRoute, Recorded, RecordedHost, StageKey, StoreId};
use crate::proxy::ProxyError;

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
    host.proxy == proxy && host.id == Some(row.id)
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
    let mut hosts: BTreeMap<StageKey, Vec<u64>> = BTreeMap::new();
    for row in sorted(rows, proxy, recorded) {
        let owner = owner(row, proxy, recorded);
        let ours = owner.as_ref().filter(|(store, _)| Some(*store) == recorded.store).map(|(_, key)| key.clone());
        let seen = ours.as_ref().map(|key| &*hosts.entry(key.clone()).or_default());
        let trouble = trouble(row, ours.as_ref(), seen, proxy, recorded);
        if let Some(key) = ours {
            hosts.entry(key).or_default().push(row.id);
        }
        let domains: Vec<Domain> = row.domains.iter().filter_map(|text| text.parse().ok()).collect();
        for domain in &domains {
            let host = ObservedHost {
                what: format!("proxy host {}", row.id),
                id: Some(row.id),
                domains: row.domains.clone(),
                options: Some(row.options.clone()),
                trouble: trouble.clone(),
            };
            let route = ObservedRoute { upstream: row.upstream.clone(), owner: owner.clone(), host: Some(host) };
            match routes.get_mut(domain) {
                None => drop(routes.insert(domain.clone(), route)),
                Some(first) => twice(first, row),
            }
        }
    }
    routes
}

/// Those that the store knows first, then the oldest.
fn sorted<'a>(rows: &'a [Row], proxy: &str, recorded: &Recorded) -> Vec<&'a Row> {
    let hosts = || recorded.stages.values().filter_map(|stage| stage.host.as_ref());
    let mut rows: Vec<&Row> = rows.iter().collect();
    rows.sort_by_key(|row| (!hosts().any(|host| is_known(host, row, proxy)), row.id));
    rows
}

fn twice(first: &mut ObservedRoute, row: &Row) {
    if let Some(host) = &mut first.host {
        host.trouble.get_or_insert_with(|| format!("proxy host {} has it as well", row.id));
    }
}

/// Why a host does not serve as it is set, or may not.
fn trouble(
    row: &Row,
    ours: Option<&StageKey>,
    seen: Option<&Vec<u64>>,
    proxy: &str,
    recorded: &Recorded,
) -> Option<String> {
    let key = ours?;
    let known = recorded.stages.get(key).and_then(|stage| stage.host.as_ref());
    if let Some(first) = seen.and_then(|seen| seen.first()) {
        return Some(format!("proxy host {first} is of the same stage"));
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
    row.mark.is_none().then(|| "its mark is gone".into())
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
