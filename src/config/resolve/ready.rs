//! `ready` → the health gate (R8).

use crate::config::code;
use crate::config::raw;
use crate::config::report::Part;
use crate::config::syntax::short;
use crate::model::desired::{Check, Ready};
use crate::model::{ContainerSpec, Millis};

use super::project::Context;

/// The gate, with its defaults.
pub(super) fn ready(cx: &Context<'_>, gate: Option<raw::Ready>, container: &ContainerSpec) -> Ready {
    let raw::Ready { http, tcp, docker, interval, timeout, deadline } = gate.unwrap_or_default();
    let time = |path: &str, raw: Option<raw::Duration>, default: Millis| {
        let value = raw.and_then(|text| cx.site.parse::<Millis>(path, &text.0)).unwrap_or(default);
        if value == Millis(0) {
            cx.site.refuse(code::BAD_VALUE, path, "this time is 0", format!("the default is {default}"));
        }
        value
    };
    let chosen = [("http", http.is_some()), ("tcp", tcp.is_some()), ("docker", docker.is_some())];
    check_choice(cx, &chosen.map(|(name, is_set)| is_set.then_some(name)), container);
    let check = match (http, tcp, docker) {
        (Some(http), _, _) => http_check(cx, http),
        (None, Some(_), _) => Check::Tcp,
        (None, None, Some(_)) => Check::Docker,
        (None, None, None) => Check::Running,
    };
    Ready {
        check,
        interval: time("ready.interval", interval, Millis::secs(1)),
        timeout: time("ready.timeout", timeout, Millis::secs(2)),
        deadline: time("ready.deadline", deadline, Millis::secs(60)),
    }
}

/// At most one is chosen, and what it looks at is there.
fn check_choice(cx: &Context<'_>, chosen: &[Option<&'static str>], container: &ContainerSpec) {
    let chosen: Vec<&str> = chosen.iter().flatten().copied().collect();
    if let [first, second, ..] = chosen[..] {
        let title = format!("`ready` has both `{first}` and `{second}`");
        let error = cx.site.error_at_key(code::CONTRADICTION, &format!("ready.{second}"), title);
        let place = cx.site.at(Part::Key, &format!("ready.{first}"));
        cx.site.report.add(error.other(Some(place), "the other one").help("keep one of `http`, `tcp` and `docker`"));
    }
    let needs_port = chosen.first().filter(|name| **name != "docker" && container.port.is_none());
    if let Some(name) = needs_port {
        let error = cx.site.error_at_key(
            code::CONTRADICTION,
            &format!("ready.{name}"),
            format!("`ready: {name}` needs a `port`"),
        );
        cx.site.report.add(error.help("add `port: 8080` to the project: the port that the app listens on"));
    }
    let is_off = container.healthcheck.as_ref().is_some_and(|h| h.test.first().is_some_and(|t| t == "NONE"));
    if chosen.contains(&"docker") && is_off {
        let error = cx.site.error_at_key(
            code::CONTRADICTION,
            "ready.docker",
            "`ready: docker` needs the health check that is switched off",
        );
        let place = cx.site.at(Part::Key, "healthcheck");
        cx.site.report.add(error.other(Some(place), "switched off here").help("use `http` or `tcp`"));
    }
}

fn http_check(cx: &Context<'_>, http: raw::Http) -> Check {
    let raw::Http { path, expect, host } = http;
    let is_path = path.starts_with('/') && path.chars().all(|c| c.is_ascii_graphic()) && !path.contains('#');
    if !is_path {
        let title = format!("`{}` is not a path", short(&path));
        cx.site.refuse(
            code::BAD_VALUE,
            "ready.http.path",
            title,
            "begin it with `/`; write spaces and letters beyond ASCII as `%20`",
        );
    }
    let expect = expect.map_or((200, 399), |text| statuses(cx, &text.0));
    let is_host =
        |host: &str| !host.is_empty() && host.chars().all(|c| c.is_ascii_alphanumeric() || ".-:_[]".contains(c));
    if let Some(host) = host.as_deref().filter(|host| !is_host(host)) {
        let title = format!("`{}` is not a host name", short(host));
        cx.site.refuse(code::BAD_VALUE, "ready.http.host", title, "write it like `shop.example.com`");
    }
    Check::Http { path, expect, host }
}

fn statuses(cx: &Context<'_>, text: &str) -> (u16, u16) {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    match (first.trim().parse::<u16>(), last.trim().parse::<u16>()) {
        (Ok(first), Ok(last)) if (100..=599).contains(&first) && (first..=599).contains(&last) => (first, last),
        _ => {
            let title = format!("`{}` is not a range of status codes", short(text));
            cx.site.refuse(code::BAD_VALUE, "ready.http.expect", title, "write it like `200` or `200-399`");
            (200, 399)
        }
    }
}
