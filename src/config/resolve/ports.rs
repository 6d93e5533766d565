//! `ports` → ports published on the host by number.

use std::net::IpAddr;

use crate::config::code;
use crate::config::raw::{Port, PortLong};
use crate::config::report::Part;
use crate::config::syntax::short;
use crate::model::spec::{Protocol, PublishedPort};

use super::cross::Claims;
use super::project::Context;

/// The published ports, sorted; each is claimed, so that two stages on one are found.
pub(super) fn ports(cx: &Context<'_>, raw: Option<Vec<Port>>, claims: &mut Claims) -> Vec<PublishedPort> {
    let mut all = Vec::new();
    for (i, port) in raw.unwrap_or_default().into_iter().enumerate() {
        let at = format!("ports.{i}");
        let port = match port {
            Port::Scalar(text) => short_form(cx, &at, &text.0),
            Port::Map(long) => long_form(cx, &at, long),
        };
        let Some(port) = port else { continue };
        let (first, last) = cx.settings.value.ports;
        if cx.settings.is_known && (first..=last).contains(&port.host_port) {
            let title = format!("port {} lies in `settings.ports`, which Landfall gives to instances", port.host_port);
            cx.site.refuse(code::CLASH, &at, title, format!("choose one outside of {first}-{last}"));
        }
        claims.port(cx.key, &port, cx.site.at(Part::Value, &at));
        all.push(port);
    }
    all.sort();
    all.dedup();
    all
}

fn refuse<T>(cx: &Context<'_>, at: &str, text: &str, why: &str) -> Option<T> {
    let help = "write it like `8080:80`, `127.0.0.1:8080:80` or `53:53/udp`: port of the host, then of the container";
    cx.site.refuse(code::BAD_VALUE, at, format!("`{}` is not a published port: {why}", short(text)), help);
    None
}

fn short_form(cx: &Context<'_>, at: &str, text: &str) -> Option<PublishedPort> {
    let (rest, protocol) = text.split_once('/').map_or((text, None), |(rest, p)| (rest, Some(p)));
    let protocol = protocol_of(cx, at, protocol)?;
    let Some((rest, container)) = rest.rsplit_once(':') else {
        return refuse(cx, at, text, "it does not say which port of the host");
    };
    let (address, host) = match rest.rsplit_once(':') {
        Some((address, host)) => (Some(address.trim_start_matches('[').trim_end_matches(']')), host),
        None => (None, rest),
    };
    if host.contains('-') || container.contains('-') {
        return refuse(cx, at, text, "ranges are not supported");
    }
    let (Some(host_port), Some(container_port)) = (number(host), number(container)) else {
        return refuse(cx, at, text, "ports are numbers from 1 to 65535");
    };
    let host_ip = ip(cx, at, address)?;
    Some(PublishedPort { host_ip, host_port, container_port, protocol })
}

fn long_form(cx: &Context<'_>, at: &str, long: PortLong) -> Option<PublishedPort> {
    let PortLong { target, published, host_ip, protocol } = long;
    let protocol = protocol_of(cx, &format!("{at}.protocol"), protocol.as_deref())?;
    let host_ip = ip(cx, &format!("{at}.host_ip"), host_ip.as_deref())?;
    if target == 0 {
        return refuse(cx, &format!("{at}.target"), "0", "ports are numbers from 1 to 65535");
    }
    match number(&published.0) {
        Some(host_port) => Some(PublishedPort { host_ip, host_port, container_port: target, protocol }),
        None => refuse(cx, &format!("{at}.published"), &published.0, "ports are numbers from 1 to 65535"),
    }
}

fn number(text: &str) -> Option<u16> {
    text.parse().ok().filter(|port| *port > 0)
}

fn protocol_of(cx: &Context<'_>, at: &str, text: Option<&str>) -> Option<Protocol> {
    match text {
        None | Some("tcp") => Some(Protocol::Tcp),
        Some("udp") => Some(Protocol::Udp),
        Some(other) => refuse(cx, at, other, "the protocol is `tcp` or `udp`"),
    }
}

/// The inner `None` is "all addresses".
#[expect(clippy::option_option, reason = "the outer one says that a mistake was reported")]
fn ip(cx: &Context<'_>, at: &str, text: Option<&str>) -> Option<Option<String>> {
    match text.map(|text| (text, text.parse::<IpAddr>())) {
        None => Some(None),
        Some((_, Ok(ip))) if ip.is_unspecified() => Some(None),
        Some((_, Ok(ip))) => Some(Some(ip.to_string())),
        Some((text, Err(_))) => refuse(cx, at, text, "the address is not an IP address"),
    }
}
