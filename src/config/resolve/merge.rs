//! A stage's layer over its project's: maps by key, everything else whole.
//!
//! `ready`, `route`, `logging` and `healthcheck` are maps too, so a stage may say `route: { domains: … }` and keep the
//! project's other keys; the one-of value inside of `ready` is taken whole. A null in a stage removes what the project
//! says of that key.

use std::collections::{BTreeMap, BTreeSet};

use crate::config::raw::{Healthcheck, Hosts, Layer, Logging, Pairs, Ready, Route, Text};

/// Puts a stage's layer over its project's. Destructures both without `..`: a new key does not compile until it is
/// decided how it merges.
pub(super) fn over(own: Layer, base: Layer) -> Layer {
    let environment = base.secret_environment.as_ref().and(own.environment.as_ref());
    let own_plain: BTreeSet<String> =
        environment.map(Pairs::names).unwrap_or_default().into_iter().map(str::to_owned).collect();
    let own_secret: BTreeSet<String> = own.secret_environment.iter().flatten().map(|(name, _)| name.clone()).collect();
    #[rustfmt::skip] // a list of names, not forty lines
    let Layer {
        environment, env_file, secret_environment, secret_files, volumes, tmpfs, command, entrypoint, user,
        working_dir, labels, cap_add, cap_drop, privileged, devices, network_mode, pid, ipc, read_only,
        init, shm_size, ulimits, extra_hosts, dns, logging, restart, stop_signal, security_opt, healthcheck,
        mem_limit, cpus, pids_limit, ports, networks, ready, strategy, drain, stop_grace_period, monitor,
        depends_on, hooks, route, pull_policy, max_instances,
        auto_deploy, window, keep_images,
    } = own;
    Layer {
        // A variable is plain or secret, and the stage decides which.
        environment: pairs(environment, without(base.environment, &own_secret)),
        secret_environment: map(secret_environment, lacking(base.secret_environment, &own_plain)),
        env_file: env_file.or(base.env_file),
        secret_files: map(secret_files, base.secret_files),
        volumes: volumes.or(base.volumes),
        tmpfs: tmpfs.or(base.tmpfs),
        command: command.or(base.command),
        entrypoint: entrypoint.or(base.entrypoint),
        user: user.or(base.user),
        working_dir: working_dir.or(base.working_dir),
        labels: pairs(labels, base.labels),
        cap_add: cap_add.or(base.cap_add),
        cap_drop: cap_drop.or(base.cap_drop),
        privileged: privileged.or(base.privileged),
        devices: devices.or(base.devices),
        network_mode: network_mode.or(base.network_mode),
        pid: pid.or(base.pid),
        ipc: ipc.or(base.ipc),
        read_only: read_only.or(base.read_only),
        init: init.or(base.init),
        shm_size: shm_size.or(base.shm_size),
        ulimits: map(ulimits, base.ulimits),
        extra_hosts: hosts(extra_hosts, base.extra_hosts),
        dns: dns.or(base.dns),
        logging: both(logging, base.logging, log),
        restart: restart.or(base.restart),
        stop_signal: stop_signal.or(base.stop_signal),
        security_opt: security_opt.or(base.security_opt),
        healthcheck: both(healthcheck, base.healthcheck, health),
        mem_limit: mem_limit.or(base.mem_limit),
        cpus: cpus.or(base.cpus),
        pids_limit: pids_limit.or(base.pids_limit),
        ports: ports.or(base.ports),
        networks: networks.or(base.networks),
        ready: both(ready, base.ready, gate),
        strategy: strategy.or(base.strategy),
        drain: drain.or(base.drain),
        stop_grace_period: stop_grace_period.or(base.stop_grace_period),
        monitor: monitor.or(base.monitor),
        depends_on: depends_on.or(base.depends_on),
        hooks: hooks.or(base.hooks),
        route: both(route, base.route, routes),
        pull_policy: pull_policy.or(base.pull_policy),
        max_instances: max_instances.or(base.max_instances),
        auto_deploy: auto_deploy.or(base.auto_deploy),
        window: window.or(base.window),
        keep_images: keep_images.or(base.keep_images),
    }
}

fn both<T>(own: Option<T>, base: Option<T>, merge: impl FnOnce(T, T) -> T) -> Option<T> {
    match (own, base) {
        (Some(own), Some(base)) => Some(merge(own, base)),
        (own, base) => own.or(base),
    }
}

fn map<V>(own: Option<BTreeMap<String, V>>, base: Option<BTreeMap<String, V>>) -> Option<BTreeMap<String, V>> {
    both(own, base, |own, mut base| {
        base.extend(own);
        base
    })
}

/// A stage removes a variable of its project by naming it again, of whichever kind.
fn lacking<V>(base: Option<BTreeMap<String, V>>, own: &BTreeSet<String>) -> Option<BTreeMap<String, V>> {
    base.map(|base| base.into_iter().filter(|(name, _)| !own.contains(name)).collect())
}

fn without(base: Option<Pairs>, own: &BTreeSet<String>) -> Option<Pairs> {
    lacking(base.map(Pairs::into_map), own).map(Pairs::Map)
}

fn pairs(own: Option<Pairs>, base: Option<Pairs>) -> Option<Pairs> {
    map(own.map(Pairs::into_map), base.map(Pairs::into_map)).map(Pairs::Map)
}

fn hosts(own: Option<Hosts>, base: Option<Hosts>) -> Option<Hosts> {
    map(own.map(Hosts::into_map), base.map(Hosts::into_map)).map(Hosts::Map)
}

/// Options belong to their driver: with another one, the project's are dropped.
fn log(own: Logging, base: Logging) -> Logging {
    let same = own.driver.is_none() || own.driver == base.driver;
    let options = if same { map(own.options, base.options) } else { own.options };
    Logging { driver: own.driver.or(base.driver), options }
}

fn health(own: Healthcheck, base: Healthcheck) -> Healthcheck {
    let Healthcheck { test, interval, timeout, retries, start_period, disable } = own;
    // A stage that gives a test of its own switches the check on again.
    let disable = disable.or(if test.is_some() { None } else { base.disable });
    Healthcheck {
        test: test.or(base.test),
        interval: interval.or(base.interval),
        timeout: timeout.or(base.timeout),
        retries: retries.or(base.retries),
        start_period: start_period.or(base.start_period),
        disable,
    }
}

fn gate(own: Ready, base: Ready) -> Ready {
    let Ready { http, tcp, docker, interval, timeout, deadline } = own;
    let chosen = http.is_some() || tcp.is_some() || docker.is_some();
    let (http, tcp, docker) = if chosen { (http, tcp, docker) } else { (base.http, base.tcp, base.docker) };
    let interval = interval.or(base.interval);
    Ready { http, tcp, docker, interval, timeout: timeout.or(base.timeout), deadline: deadline.or(base.deadline) }
}

fn routes(own: Route, base: Route) -> Route {
    #[rustfmt::skip] // what there is, at a glance
    let Route {
        domains, subdomain, certificate, https, websockets, http2, hsts, block_exploits, caching, access_list, locations,
        redirects, advanced, upstreams, sticky, strip_prefix, maintenance,
    } = own;
    Route {
        domains: domains.or(base.domains),
        subdomain: subdomain.or(base.subdomain),
        certificate: certificate.or(base.certificate),
        https: https.or(base.https),
        websockets: websockets.or(base.websockets),
        http2: http2.or(base.http2),
        hsts: hsts.or(base.hsts),
        block_exploits: block_exploits.or(base.block_exploits),
        caching: caching.or(base.caching),
        access_list: access_list.or(base.access_list),
        locations: locations.or(base.locations),
        redirects: map(redirects, base.redirects),
        advanced: advanced.or(base.advanced),
        upstreams: upstreams.or(base.upstreams),
        sticky: sticky.or(base.sticky),
        strip_prefix: strip_prefix.or(base.strip_prefix),
        maintenance: maintenance.or(base.maintenance),
    }
}

impl Pairs {
    /// What has a value, or could.
    pub(in crate::config) fn names(&self) -> BTreeSet<&str> {
        match self {
            Self::Map(map) => map.keys().map(String::as_str).collect(),
            Self::List(items) => {
                items.iter().map(|item| item.split_once('=').map_or(&**item, |(name, _)| name)).collect()
            }
        }
    }

    /// As a map, whichever way it is written; what cannot be split has no value, and is reported elsewhere.
    pub(in crate::config) fn into_map(self) -> BTreeMap<String, Option<Text>> {
        let split = |item: String| match item.split_once('=') {
            Some((name, value)) => (name.to_owned(), Some(Text(value.to_owned()))),
            None => (item, None),
        };
        match self {
            Self::Map(map) => map,
            Self::List(items) => items.into_iter().map(split).collect(),
        }
    }
}

impl Hosts {
    /// As a map, whichever way it is written. An IPv6 address holds colons, so the first separator counts.
    pub(in crate::config) fn into_map(self) -> BTreeMap<String, Option<String>> {
        let split = |item: String| match item.split_once(['=', ':']) {
            Some((name, address)) => (name.to_owned(), Some(address.to_owned())),
            None => (item, None),
        };
        match self {
            Self::Map(map) => map,
            Self::List(items) => items.into_iter().map(split).collect(),
        }
    }
}
