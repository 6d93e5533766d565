//! `track` → which version of the image a stage runs.

use std::collections::BTreeMap;

use crate::config::code;
use crate::config::collect::Entries;
use crate::config::diagnostic::Diagnostic;
use crate::config::raw;
use crate::config::report::{Part, Report};
use crate::model::desired::{Promote, PullPolicy};
use crate::model::policy::{Order, RegexPolicy};
use crate::model::{DesiredStage, Name, StageKey, Track};

use super::cross::Claims;
use super::project::Context;

/// What a stage tracks; every pattern is checked here, once.
pub(super) fn track(cx: &Context<'_>, raw: raw::Track, claims: &mut Claims) -> Option<Track> {
    let site = &cx.site;
    match raw {
        raw::Track::Tag(text) => site.parse("track.tag", &text.0).map(Track::Tag),
        raw::Track::Digest(text) => site.parse("track.digest", &text).map(Track::Digest),
        raw::Track::Semver(text) => site.parse("track.semver", &text.0).map(Track::Semver),
        raw::Track::Glob(text) => site.parse("track.glob", &text.0).map(Track::Glob),
        raw::Track::Regex(raw) => regex(cx, raw).map(Track::Regex),
        raw::Track::Mutable(text) => site.parse("track.mutable", &text.0).map(Track::Mutable),
        raw::Track::Promote(raw) => promote(cx, raw, claims).map(Track::Promote),
    }
}

fn promote(cx: &Context<'_>, raw: raw::Promote, claims: &mut Claims) -> Option<Promote> {
    let raw::Promote { from, after } = raw;
    let missing = |key: &str, help: &str| {
        let error = cx.site.error_at_key(code::MISSING, "track.promote", format!("`promote` has no `{key}`"));
        cx.site.report.add(error.help(help));
    };
    if from.is_none() {
        missing("from", "write a stage of this project, as in `from: staging`");
    }
    if after.is_none() {
        missing("after", "write for how long it must have been live and healthy there, as in `after: 30m`");
    }
    let from: Name = cx.site.parse("track.promote.from", &from?)?;
    let from = StageKey::new(cx.key.project.clone(), from.into());
    claims.promotion(cx.key, from.clone(), cx.site.at(Part::Value, "track.promote.from"));
    Some(Promote { from, after: cx.site.parse("track.promote.after", &after?.0)? })
}

/// Reports what is promoted from a stage that is not there, and stages that would promote to each other.
pub(super) fn check(claims: &Claims, entries: &Entries<'_>, report: &Report<'_>) {
    let promotions = claims.promotions();
    for (key, (from, place)) in promotions.iter().take_while(|_| !report.is_full()) {
        if !claims.knows(from) && entries.complete {
            let known: Vec<String> =
                claims.stages().filter(|one| one.project == key.project).map(ToString::to_string).collect();
            let error = Diagnostic::error(code::BAD_REFERENCE, place.clone(), format!("there is no stage `{from}`"));
            report.add(error.help(format!("write a stage of this project: {}", known.join(", "))));
        }
        let way = std::iter::successors(Some(from), |at| promotions.get(at).map(|(from, _)| from));
        if way.take(promotions.len()).any(|at| at == key) {
            let title = format!("what `{key}` runs would be promoted to itself");
            let help = "let one stage of the circle track tags";
            report.add(Diagnostic::error(code::CONTRADICTION, place.clone(), title).help(help));
        }
    }
}

/// Reports who promotes from a stage that runs several instances.
pub(super) fn check_single(claims: &Claims, several: &BTreeMap<StageKey, DesiredStage>, report: &Report<'_>) {
    for (from, place) in claims.promotions().values().filter(|(from, _)| several.contains_key(from)) {
        let title = format!("`{from}` runs several instances, and none of them is the one to be promoted");
        report.add(
            Diagnostic::error(code::CONTRADICTION, place.clone(), title).help("promote from a stage that runs one"),
        );
    }
}

fn regex(cx: &Context<'_>, raw: raw::RegexTrack) -> Option<RegexPolicy> {
    let raw::RegexTrack { r#match, order } = raw;
    let missing = |key: &str, help: &str| {
        let error = cx.site.error_at_key(code::MISSING, "track.regex", format!("`regex` has no `{key}`"));
        cx.site.report.add(error.help(help));
    };
    if r#match.is_none() {
        missing("match", "write the expression that tags must fit, as in `match: 'build-([0-9]+)'`");
    }
    if order.is_none() {
        missing("order", "write how they are ordered: `numeric`, `semver` or `alphabetical`");
    }
    let policy = RegexPolicy::new(&r#match?, parse_order(order?));
    policy.map_err(|error| cx.site.invalid(code::BAD_VALUE, Part::Value, "track.regex.match", &error)).ok()
}

fn parse_order(raw: raw::RegexOrder) -> Order {
    match raw {
        raw::RegexOrder::Numeric => Order::Numeric,
        raw::RegexOrder::Semver => Order::Semver,
        raw::RegexOrder::Alphabetical => Order::Alphabetical,
    }
}

/// When the image is fetched. Which tags there are, and where one has moved to, only a registry can say.
pub(super) fn pull_policy(cx: &Context<'_>, raw: Option<raw::PullPolicy>, track: Option<&Track>) -> PullPolicy {
    let policy = raw.map_or(PullPolicy::default(), |policy| match policy {
        raw::PullPolicy::Missing => PullPolicy::Missing,
        raw::PullPolicy::Always => PullPolicy::Always,
        raw::PullPolicy::Never => PullPolicy::Never,
    });
    let asks = match track {
        Some(Track::Semver(_)) => "semver",
        Some(Track::Glob(_)) => "glob",
        Some(Track::Regex(_)) => "regex",
        Some(Track::Mutable(_)) => "mutable",
        Some(Track::Tag(_) | Track::Digest(_) | Track::Promote(_)) | None => return policy,
    };
    if policy == PullPolicy::Never {
        let title = format!("`pull_policy: never` cannot work with `track: {{ {asks}: … }}`");
        let place = cx.site.at(Part::Key, &format!("track.{asks}"));
        let error = cx.site.error(code::CONTRADICTION, "pull_policy", title);
        let help = "remove `pull_policy`, or track a fixed `tag` of an image on this host";
        cx.site.report.add(error.other(Some(place), "only a registry can say what that is").help(help));
    }
    policy
}
