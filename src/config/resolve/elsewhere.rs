//! What of a route leads elsewhere than to the stage's instance, or is taken as it is: locations, further upstreams,
//! names of things that the proxy has, and its own configuration language.

use std::collections::BTreeSet;

use crate::config::code;
use crate::config::raw;
use crate::config::syntax::short;
use crate::model::Location;

use super::policy::normal_path;
use super::project::Context;

/// Most redirects and locations of a route, each: more is a mistake, and each is looked at with every pass.
pub(super) const MAX_EACH: usize = 100;
/// Most further upstreams: with the instance itself as many as the embedded proxy spreads requests over.
const MAX_UPSTREAMS: usize = 15;
/// Longest text in the proxy's own language, in bytes: half of what Nginx Proxy Manager takes for a whole host.
const MAX_ADVANCED: usize = 50_000;
/// Longest name of an access list or of a pair of files.
const MAX_NAME: usize = 200;

/// Paths that lead elsewhere.
pub(super) fn locations(cx: &Context<'_>, raw: Vec<raw::Location>) -> Vec<Location> {
    let mut seen = BTreeSet::new();
    let mut all = Vec::new();
    for (i, raw::Location { path, upstream }) in within(cx, "locations", MAX_EACH, raw).into_iter().enumerate() {
        let at = format!("route.locations.{i}");
        let is_plain = |path: &str| {
            path.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'-' | b'_' | b'.' | b'~'))
        };
        let Some(path) = normal_path(&path).ok().filter(|path| is_plain(path) && path != "/") else {
            let title = format!("`{}` is not a path that a location can begin at", short(&path));
            let help =
                "write it like `/api`: letters, digits, `-`, `_`, `.` and `~` between slashes; `/` is the app itself";
            cx.site.refuse(code::BAD_VALUE, &format!("{at}.path"), title, help);
            continue;
        };
        if !seen.insert(path.clone()) {
            let title = format!("`{path}` leads to two places");
            cx.site.refuse(code::CONTRADICTION, &format!("{at}.path"), title, "remove one of the two");
        }
        let upstream = upstream_of(cx, &format!("{at}.upstream"), &upstream);
        all.extend(upstream.map(|upstream| Location { path, upstream }));
    }
    all
}

/// Further places where the same app runs.
pub(super) fn upstreams(cx: &Context<'_>, raw: Vec<String>) -> Vec<String> {
    let all = within(cx, "upstreams", MAX_UPSTREAMS, raw).into_iter().enumerate();
    let mut all: Vec<String> =
        all.filter_map(|(i, text)| upstream_of(cx, &format!("route.upstreams.{i}"), &text)).collect();
    all.sort();
    all.dedup();
    all
}

/// `host:port`, in lower case.
fn upstream_of(cx: &Context<'_>, path: &str, text: &str) -> Option<String> {
    let parsed = super::npm::host_and_port(text).and_then(|(host, port)| Some(format!("{host}:{}", port?)));
    if parsed.is_none() {
        let title = format!("`{}` is not a host and port", short(text));
        let help = match (text.strip_prefix("http://"), text.strip_prefix("https://")) {
            (Some(rest), _) => {
                format!("write it without `http://` and path, as in `{}`", short(rest.trim_end_matches('/')))
            }
            (None, Some(_)) => {
                "upstreams are asked over plain HTTP: write host and port of that, without `https://`".to_owned()
            }
            (None, None) => "write it like `10.0.0.5:8080`, an IPv6 address as in `[::1]:8080`".to_owned(),
        };
        cx.site.refuse(code::BAD_VALUE, path, title, help);
    }
    parsed
}

/// The proxy's own language is the host's boundary as well: it reads files, and leads where it likes (R32).
pub(super) fn advanced(cx: &Context<'_>, text: &str) -> Option<String> {
    const AT: &str = "route.advanced";
    if cx.settings.is_known && !cx.settings.value.policy.advanced.contains(cx.key) {
        let title = "`advanced` is put into the proxy's configuration as it is, which gives power over the proxy";
        let help = format!("to allow it, add `{}` to `settings.policy.advanced`", cx.key);
        cx.site.report.add(cx.site.error_at_key(code::POLICY, AT, title).label("refused by the policy").help(help));
        return None;
    }
    if text.len() > MAX_ADVANCED {
        let title = format!("`advanced` has {} bytes", text.len());
        cx.site.refuse(code::BAD_VALUE, AT, title, format!("at most {MAX_ADVANCED} are taken"));
        return None;
    }
    Some(text.trim_end().to_owned()).filter(|text| !text.is_empty())
}

/// The name of an access list.
pub(super) fn access_list(cx: &Context<'_>, name: String) -> Option<String> {
    if name.trim().is_empty() || name.len() > MAX_NAME || name.chars().any(char::is_control) {
        let title = format!("`{}` is not the name of an access list", short(&name));
        cx.site.refuse(
            code::BAD_VALUE,
            "route.access_list",
            title,
            "write the name that its page of access lists shows",
        );
        return None;
    }
    Some(name)
}

/// The name of a pair of files: it becomes part of a path.
pub(super) fn file_name(cx: &Context<'_>, name: String) -> Option<String> {
    let is_name = !name.is_empty()
        && name.len() <= MAX_NAME
        && !name.starts_with('.')
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
    if !is_name {
        let title = format!("`{}` is not the name of a pair of files", short(&name));
        let help = "write what stands before `.crt` and `.key`: letters, digits, `-`, `_` and `.`";
        cx.site.refuse(code::BAD_VALUE, "route.certificate.file", title, help);
    }
    let ending = [".crt", ".key", ".pem"].into_iter().find_map(|ending| name.strip_suffix(ending));
    if let Some(stem) = ending.filter(|stem| is_name && !stem.is_empty()) {
        let title = format!("`{}` is looked for as `{}.crt` and `{0}.key`", short(&name), short(&name));
        cx.site.warn("route.certificate.file", title, format!("write `{}`", short(stem)));
    }
    is_name.then_some(name)
}

/// No more than a route may have.
pub(super) fn within<T>(cx: &Context<'_>, key: &str, most: usize, mut all: Vec<T>) -> Vec<T> {
    if all.len() > most {
        let title = format!("this route has {} `{key}`", all.len());
        let error = cx.site.error_at_key(code::BAD_VALUE, &format!("route.{key}"), title);
        cx.site.report.add(error.help(format!("at most {most} are taken")));
        all.truncate(most);
    }
    all
}
