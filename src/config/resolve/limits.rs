//! Limits, hosts, DNS and logging of a container.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::config::code;
use crate::config::raw::{self, Hosts, OneOrMany, Text};
use crate::config::syntax::short;
use crate::model::Bytes;
use crate::model::spec::{Logging, Ulimit};

use super::project::Context;

/// The limits that Docker knows.
const ULIMITS: &[&str] = &[
    "core",
    "cpu",
    "data",
    "fsize",
    "locks",
    "memlock",
    "msgqueue",
    "nice",
    "nofile",
    "nproc",
    "rss",
    "rtprio",
    "rttime",
    "sigpending",
    "stack",
];
/// Docker's least memory limit.
const MIN_MEMORY: Bytes = Bytes(6 << 20);

/// A size.
pub(super) fn size(cx: &Context<'_>, path: &str, raw: Option<raw::Size>) -> Option<Bytes> {
    cx.site.parse(path, &raw?.0)
}

/// The memory limit; Docker refuses less than 6 MB.
pub(super) fn memory(cx: &Context<'_>, raw: Option<raw::Size>) -> Option<Bytes> {
    let size = size(cx, "mem_limit", raw)?;
    if size < MIN_MEMORY {
        cx.site.refuse(
            code::BAD_VALUE,
            "mem_limit",
            format!("a memory limit of {size} is too small"),
            "Docker takes no less than 6m",
        );
    }
    Some(size)
}

/// `1.5` → 1500 thousandths of a CPU.
pub(super) fn milli_cpus(cx: &Context<'_>, raw: Option<Text>) -> Option<u64> {
    let Text(text) = raw?;
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let digits = |t: &str| t.bytes().all(|b| b.is_ascii_digit());
    let milli =
        (digits(whole) && digits(fraction) && fraction.len() <= 3 && !(whole.is_empty() && fraction.is_empty()))
            .then(|| format!("{whole}{fraction:0<3}").parse::<u64>().ok())
            .flatten()
            .filter(|milli| (1..=1_000_000).contains(milli));
    if milli.is_none() {
        let title = format!("`{}` is not a number of CPUs", short(&text));
        cx.site.refuse(code::BAD_VALUE, "cpus", title, "write it like `0.5` or `2`, in steps of 0.001");
    }
    milli
}

/// The limit on processes.
pub(super) fn pids(cx: &Context<'_>, raw: Option<i64>) -> Option<i64> {
    if raw.is_some_and(|limit| limit < -1 || limit == 0) {
        cx.site.refuse(code::BAD_VALUE, "pids_limit", "a limit on processes is at least 1", "write -1 for none");
    }
    raw
}

/// Resource limits by name.
pub(super) fn ulimits(
    cx: &Context<'_>,
    raw: Option<BTreeMap<String, Option<raw::Ulimit>>>,
) -> BTreeMap<String, Ulimit> {
    let mut all = BTreeMap::new();
    for (name, limit) in raw.into_iter().flatten() {
        let path = format!("ulimits.{name}");
        if !ULIMITS.contains(&name.as_str()) {
            let title = format!("`{}` is not a resource limit", short(&name));
            cx.site.no_such(code::BAD_VALUE, &path, title, &name, ULIMITS.iter().copied());
        }
        let Some(limit) = limit else { continue };
        let limit = match limit {
            raw::Ulimit::Scalar(both) => Ulimit { soft: both, hard: both },
            raw::Ulimit::Map(raw::UlimitLong { soft, hard }) => Ulimit { soft, hard },
        };
        let above = limit.hard != -1 && (limit.soft == -1 || limit.soft > limit.hard);
        if limit.soft < -1 || limit.hard < -1 || above {
            let title = format!("soft limit {} and hard limit {} do not fit", limit.soft, limit.hard);
            cx.site.refuse(code::BAD_VALUE, &path, title, "the soft one is at most the hard one; -1 is unlimited");
        }
        all.insert(name, limit);
    }
    all
}

/// Extra lines of /etc/hosts.
pub(super) fn extra_hosts(cx: &Context<'_>, raw: Option<Hosts>) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    for (name, address) in raw.map(Hosts::into_map).unwrap_or_default() {
        let path = format!("extra_hosts.{name}");
        let is_host = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
        if !is_host {
            let title = format!("`{}` is not a host name", short(&name));
            cx.site.refuse(code::BAD_VALUE, &path, title, "write `name:address`");
        }
        let Some(address) = address else { continue };
        let bare = address.trim_start_matches('[').trim_end_matches(']').to_owned();
        if bare != "host-gateway" && bare.parse::<IpAddr>().is_err() {
            let title = format!("`{}` is not an IP address", short(&address));
            cx.site.refuse(code::BAD_VALUE, &path, title, "write an address, or `host-gateway` for the host itself");
        }
        all.insert(name, bare);
    }
    all
}

/// DNS servers.
pub(super) fn dns(cx: &Context<'_>, raw: Option<OneOrMany>) -> Vec<String> {
    let (is_list, servers) = match raw {
        None => return Vec::new(),
        Some(OneOrMany::Scalar(one)) => (false, vec![one]),
        Some(OneOrMany::List(servers)) => (true, servers),
    };
    for (i, server) in servers.iter().enumerate().filter(|(_, server)| server.parse::<IpAddr>().is_err()) {
        let path = if is_list { format!("dns.{i}") } else { "dns".to_owned() };
        cx.site.refuse(
            code::BAD_VALUE,
            &path,
            format!("`{}` is not an IP address", short(server)),
            "write an address such as `1.1.1.1`",
        );
    }
    servers
}

/// The log driver; ours has a limit, since Docker's own grows without one.
pub(super) fn logging(cx: &Context<'_>, raw: Option<raw::Logging>) -> Logging {
    let Some(raw::Logging { driver, options }) = raw else { return Logging::default() };
    let options = options.unwrap_or_default().into_iter().map(|(name, Text(value))| (name, value));
    match driver {
        None => {
            let mut logging = Logging::default();
            logging.options.extend(options);
            logging
        }
        Some(driver) if driver == "json-file" => {
            let mut logging = Logging::default();
            logging.options.extend(options);
            logging
        }
        Some(driver) => {
            if !super::policy::is_docker_name(driver.rsplit('/').next().unwrap_or_default()) {
                let title = format!("`{}` is not a log driver", short(&driver));
                cx.site.refuse(
                    code::BAD_VALUE,
                    "logging.driver",
                    title,
                    "write a name such as `json-file`, `local` or `journald`",
                );
            }
            Logging { driver, options: options.collect() }
        }
    }
}
