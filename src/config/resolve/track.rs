//! `track` → which version of the image a stage runs.

use crate::config::code;
use crate::config::raw;
use crate::config::report::Part;
use crate::model::Track;
use crate::model::desired::PullPolicy;
use crate::model::policy::{Order, RegexPolicy};

use super::project::Context;

/// What a stage tracks; every pattern is checked here, once.
pub(super) fn track(cx: &Context<'_>, raw: raw::Track) -> Option<Track> {
    let site = &cx.site;
    match raw {
        raw::Track::Tag(text) => site.parse("track.tag", &text.0).map(Track::Tag),
        raw::Track::Digest(text) => site.parse("track.digest", &text).map(Track::Digest),
        raw::Track::Semver(text) => site.parse("track.semver", &text.0).map(Track::Semver),
        raw::Track::Glob(text) => site.parse("track.glob", &text.0).map(Track::Glob),
        raw::Track::Regex(raw) => regex(cx, raw).map(Track::Regex),
        raw::Track::Mutable(text) => site.parse("track.mutable", &text.0).map(Track::Mutable),
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
        Some(Track::Tag(_) | Track::Digest(_)) | None => return policy,
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
