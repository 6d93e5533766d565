//! `redirects` → domains that only redirect, and where to: to a domain of the same route, at once.

use std::collections::{BTreeMap, BTreeSet};

use crate::config::code;
use crate::config::raw;
use crate::config::report::Part;
use crate::model::Domain;

use super::cross::Claims;
use super::elsewhere::{MAX_EACH, within};
use super::project::Context;

/// What every path of a redirect begins with. Such a path names the key: that is the domain.
const AT: &str = "route.redirects.";
/// So many domains of a chain are shown.
const MAX_SHOWN: usize = 6;

/// A domain that redirects, where to, and the path that it is written at.
pub(super) type Redirect = (Domain, Domain, String);

/// Domains that only redirect: claimed as those that are served, which have to be where they lead.
pub(super) fn redirects(
    cx: &Context<'_>,
    route: &raw::Route,
    max_instances: u16,
    served: &[(Domain, String)],
    claims: &mut Claims,
) -> Vec<Redirect> {
    let Some(raw) = route.redirects.clone().filter(|raw| !raw.is_empty()) else { return Vec::new() };
    if max_instances > 1 {
        let title = format!("`redirects` lead to one place, and `{}` runs {max_instances} instances", cx.key);
        let help = "give the domain that redirects to a stage of one instance";
        cx.site.report.add(cx.site.error_at_key(code::CONTRADICTION, "route.redirects", title).help(help));
        return Vec::new();
    }
    let all = named(cx, raw);
    let by_name: BTreeMap<&Domain, &Domain> = all.iter().map(|(from, to, _)| (from, to)).collect();
    let is_served = |name: &Domain| served.iter().any(|(domain, _)| domain == name);
    let (good, bad): (Vec<_>, Vec<_>) =
        all.iter().partition(|(from, to, _)| from != to && !is_served(from) && is_served(to));
    for redirect in bad {
        refuse(cx, redirect, served, &by_name);
    }
    for (from, _, path) in &good {
        claims.domain(cx, from, path, part_of(path));
    }
    good.into_iter().cloned().collect()
}

/// Which part of what a path leads to is the domain.
pub(super) fn part_of(path: &str) -> Part {
    if path.starts_with(AT) { Part::Key } else { Part::Value }
}

/// All that are names.
fn named(cx: &Context<'_>, raw: BTreeMap<String, String>) -> Vec<Redirect> {
    let mut all = Vec::new();
    for (from, to) in within(cx, "redirects", MAX_EACH, raw.into_iter().collect()) {
        let path = format!("{AT}{from}");
        let name = |part: Part, text: &str| {
            Domain::name(text).map_err(|why| cx.site.invalid(code::BAD_VALUE, part, &path, &why)).ok()
        };
        if let (Some(from), Some(to)) = (name(Part::Key, &from), name(Part::Value, &to)) {
            all.push((from, to, path));
        }
    }
    all
}

/// Says why one leads nowhere.
fn refuse(
    cx: &Context<'_>,
    (from, to, path): &Redirect,
    served: &[(Domain, String)],
    all: &BTreeMap<&Domain, &Domain>,
) {
    let served_at = |name: &Domain| served.iter().find(|(domain, _)| domain == name).map(|(_, path)| path);
    if from == to {
        let help = "remove it, or write at its left the domain that is to lead here: `redirects` is `from: to`";
        let title = format!("`{from}` redirects to itself");
        cx.site.report.add(cx.site.error_at_key(code::CONTRADICTION, path, title).help(help));
    } else if let Some(other) = served_at(from) {
        let title = format!("`{from}` redirects and is served as well");
        let help = match served_at(to) {
            None => format!("`redirects` is `from: to`; to send `{to}` here write `{{ {to}: {from} }}`"),
            Some(_) => "write it in one of the two places".to_owned(),
        };
        let place = cx.site.at(Part::Value, other);
        let error = cx.site.error_at_key(code::CONTRADICTION, path, title).other(Some(place), "served here");
        cx.site.report.add(error.help(help));
    } else if all.contains_key(to) {
        chain(cx, from, path, all);
    } else {
        let title = format!("`{from}` redirects to `{to}`, which is no domain of this route");
        let help = "add it to `domains`, or write one that stands there: another site is not ours to send people to";
        cx.site.refuse(code::BAD_REFERENCE, path, title, help);
    }
}

/// Redirects that lead to each other: a circle is told once, at its first domain.
fn chain(cx: &Context<'_>, from: &Domain, path: &str, all: &BTreeMap<&Domain, &Domain>) {
    let (mut names, mut seen) = (vec![from], BTreeSet::from([from]));
    while let Some(next) = names.last().and_then(|name| all.get(*name)) {
        names.push(next);
        if !seen.insert(next) {
            break;
        }
    }
    let is_circle = names.len() > 1 && names.last() == Some(&from);
    if is_circle && seen.first() != Some(&from) {
        return;
    }
    let shown: Vec<String> = names.iter().take(MAX_SHOWN).map(|name| format!("`{name}`")).collect();
    let more = if names.len() > MAX_SHOWN { " → …" } else { "" };
    let chain = format!("{}{more}", shown.join(" → "));
    let title = if is_circle {
        format!("redirects lead in a circle: {chain}")
    } else {
        format!("`{from}` redirects to what redirects itself: {chain}")
    };
    let help = "lead each of them to a domain that stands in `domains`, at once";
    cx.site.report.add(cx.site.error_at_key(code::CONTRADICTION, path, title).help(help));
}
