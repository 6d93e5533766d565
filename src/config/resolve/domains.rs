//! `domains` and `subdomain` of a route → names, each with the path it is written at.

use crate::config::code;
use crate::config::raw;
use crate::config::syntax::short;
use crate::model::Domain;

use super::project::Context;

/// Where a name below `settings.domain` is written.
const SUBDOMAIN: &str = "route.subdomain";

/// The domains in the order that they are written in, each with its path; `{project}` and `{stage}` are filled in.
pub(super) fn texts(cx: &Context<'_>, route: &mut raw::Route) -> Vec<(String, String)> {
    let fill =
        |text: &str| text.replace("{project}", cx.key.project.as_str()).replace("{stage}", cx.key.stage.as_str());
    let mut all = Vec::new();
    for (i, text) in route.domains.take().unwrap_or_default().iter().enumerate() {
        all.push((format!("route.domains.{i}"), fill(text)));
    }
    let below = route.subdomain.take().and_then(|text| below(cx, &fill(&text)));
    all.extend(below.map(|text| (SUBDOMAIN.to_owned(), text)));
    all
}

/// A whole name, perhaps with a path below it.
pub(super) fn domain(cx: &Context<'_>, path: &str, text: &str) -> Option<Domain> {
    let refuse = |title: String, help: String| cx.site.refuse(code::BAD_VALUE, path, title, help);
    let is_whole = |text: &&str| text.parse::<Domain>().is_ok();
    if let Some(whole) = text.strip_suffix("/*").filter(is_whole) {
        let title = format!("`{}` ends in `*`, and a path leads to all below it", short(text));
        refuse(title, format!("write `{}`", short(whole)));
    } else if text.contains('*') {
        let title = format!("`{}` is a wildcard, and a route needs whole names", short(text));
        refuse(title, "list the domains".to_owned());
    } else if let Some(whole) = text.strip_suffix('/').filter(is_whole) {
        let title = format!("`{}` has a `/` at the end", short(text));
        refuse(title, format!("write `{}`: it leads to all below it", short(whole)));
    } else {
        return cx.site.parse(path, text);
    }
    None
}

/// A name below `settings.domain`.
fn below(cx: &Context<'_>, text: &str) -> Option<String> {
    let base = cx.settings.value.domain.as_ref();
    if let Some((name, path)) = text.split_once('/') {
        let title = format!("`{}` has a path, and a subdomain is a name without one", short(text));
        let help = match base {
            Some(base) => format!("write the whole `{}` below `domains`", short(&format!("{name}.{base}/{path}"))),
            None => "write the whole name with its path below `domains`".to_owned(),
        };
        cx.site.refuse(code::BAD_VALUE, SUBDOMAIN, title, help);
        return None;
    }
    if !text.contains(['{', '}']) {
        domain(cx, SUBDOMAIN, text)?;
    }
    if base.is_none() && cx.settings.is_known {
        let help = "add `settings: { domain: apps.example.com }`, or write the whole name below `domains`";
        cx.site.refuse(code::BAD_REFERENCE, SUBDOMAIN, "`subdomain` needs `settings.domain`", help);
    }
    Some(format!("{text}.{}", base?))
}
