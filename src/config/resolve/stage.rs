//! A merged layer → a stage, with its defaults.

use crate::config::code;
use crate::config::raw::{self, Layer, StageKeys};
use crate::model::desired::{KEPT_IMAGES, Strategy};
use crate::model::route::Reach;
use crate::model::spec::{HostNamespace, MountSource};
use crate::model::{ContainerSpec, DesiredStage, Millis};

use super::cross::Claims;
use super::project::{Context, Project};
use super::{container, depends, hooks, idle, ready, route, several, track, window};

/// Default of `drain` and of `stop_grace_period`.
const GRACE: Millis = Millis::secs(10);
/// Longest `monitor`.
const MAX_MONITOR: Millis = Millis::secs(3600);
/// Most images of a stage that are kept: whoever wants more has a registry for them.
const MAX_IMAGES: u8 = 100;

/// Resolves one stage; `None` when something it cannot be without is missing.
pub(super) fn stage(
    cx: &Context<'_>,
    keys: StageKeys,
    mut layer: Layer,
    project: &Project,
    claims: &mut Claims,
) -> Option<DesiredStage> {
    let StageKeys { track } = keys;
    if track.is_none() {
        let title = format!("stage `{}` has no `track`", cx.key);
        cx.site.refuse(code::MISSING, "", title, "write which version it runs, as in `track: { tag: \"1.0\" }`");
    }
    let track = track.and_then(|raw| track::track(cx, raw, claims));
    let gate = layer.ready.take();
    let max_instances = several::number(cx, layer.max_instances.take());
    let route::Routed { domains, patterns, options } =
        route::route(cx, layer.route.take(), project.port, max_instances, claims);
    let drain = time(cx, "drain", layer.drain.take(), GRACE);
    let stop_grace_period = time(cx, "stop_grace_period", layer.stop_grace_period.take(), GRACE);
    let monitor = monitor(cx, layer.monitor.take());
    let depends_on = depends::depends_on(cx, layer.depends_on.take(), claims);
    let hooks = hooks::hooks(cx, layer.hooks.take());
    let auto_deploy = layer.auto_deploy.take().unwrap_or(true);
    let window = window::window(cx, layer.window.take());
    let strategy = layer.strategy.take();
    let pull_policy = track::pull_policy(cx, layer.pull_policy.take(), track.as_ref());
    let keep_images = keep_images(cx, layer.keep_images.take());
    let container = container::container(cx, layer, project.port, claims);
    let strategy = choose_strategy(cx, strategy, &container);
    let ready = ready::ready(cx, gate, &container);
    idle::check_maintenance(cx, options.maintenance, strategy);
    refuse_host_network(cx, &container, !(domains.is_empty() && patterns.is_empty()));
    if strategy == Strategy::Recreate && !domains.is_empty() {
        refuse_by_address(cx);
    }
    if max_instances > 1 {
        several::check(cx, track.as_ref(), &container, auto_deploy);
    }
    Some(DesiredStage {
        key: cx.key.clone(),
        repository: project.repository.clone()?,
        track: track?,
        pull_policy,
        container: Box::new(container),
        ready,
        strategy,
        drain,
        stop_grace_period,
        monitor,
        domains,
        route: options.shared(),
        depends_on,
        hooks,
        max_instances,
        patterns,
        auto_deploy,
        window,
        keep_images,
    })
}

fn time(cx: &Context<'_>, path: &str, raw: Option<raw::Duration>, default: Millis) -> Millis {
    raw.and_then(|text| cx.site.parse(path, &text.0)).unwrap_or(default)
}

/// The old instance runs as long as the new one is watched: a day of both is surely a slip of the pen.
fn monitor(cx: &Context<'_>, raw: Option<raw::Duration>) -> Millis {
    let monitor = time(cx, "monitor", raw, Millis(0));
    if monitor > MAX_MONITOR {
        let title = format!("`monitor` of {monitor} is longer than {MAX_MONITOR}");
        cx.site.refuse(
            code::BAD_VALUE,
            "monitor",
            title,
            "the old instance runs as long beside the new one; write 30s or 5m",
        );
    }
    monitor
}

/// The image that runs is one of them.
fn keep_images(cx: &Context<'_>, written: Option<u8>) -> u8 {
    let count = written.unwrap_or(KEPT_IMAGES);
    if !(1..=MAX_IMAGES).contains(&count) {
        let help = format!("from 1 to {MAX_IMAGES}, what runs among them; {KEPT_IMAGES} is the default");
        cx.site.refuse(code::BAD_VALUE, "keep_images", format!("`keep_images` is {count}"), &help);
    }
    count
}

/// Two instances side by side would write to one volume, or want one port of the host.
fn choose_strategy(cx: &Context<'_>, wanted: Option<raw::Strategy>, container: &ContainerSpec) -> Strategy {
    let is_data = |source: &MountSource| match source {
        MountSource::Volume(_) | MountSource::ExternalVolume(_) => true,
        MountSource::HostPath(path) => std::path::Path::new(path).extension().is_none_or(|e| e != "sock"),
        MountSource::ConfigTree { .. } | MountSource::Tmpfs { .. } => false,
    };
    let writes = container.mounts.iter().any(|mount| !mount.read_only && is_data(&mount.source));
    let is_on_host = container.host_namespaces.contains(&HostNamespace::Network);
    match wanted {
        Some(raw::Strategy::BlueGreen) if !container.ports.is_empty() || is_on_host => {
            let diagnostic =
                cx.site.error(code::CONTRADICTION, "strategy", "`blue_green` cannot work with ports of the host");
            let other = if is_on_host { "network_mode" } else { "ports" };
            let place = cx.site.at(crate::config::report::Part::Key, other);
            let help =
                "remove `strategy` or write `recreate`; or reach the app through `route` instead of a published port";
            cx.site.report.add(diagnostic.other(Some(place), "only one instance can have it").help(help));
            Strategy::Recreate
        }
        Some(raw::Strategy::Recreate) => Strategy::Recreate,
        None if writes || is_on_host || !container.ports.is_empty() => Strategy::Recreate,
        Some(raw::Strategy::BlueGreen) | None => Strategy::BlueGreen,
    }
}

/// What was stopped has another address when it is started again, and is to serve again should its replacement fail (R11).
fn refuse_by_address(cx: &Context<'_>) {
    if cx.settings.is_known && cx.settings.value.proxy.reach() == Some(Reach::Address) {
        let title = format!("`{}` is recreated, and `upstream: network` leads to addresses", cx.key);
        let help =
            "an instance that is started again has another address: write `proxy: { embedded: { upstream: host } }`";
        cx.site.report.add(cx.site.error_at_key(code::CONTRADICTION, "route", title).help(help));
    }
}

/// In the host's network a container has no address and no published port of its own.
fn refuse_host_network(cx: &Context<'_>, container: &ContainerSpec, is_routed: bool) {
    if !container.host_namespaces.contains(&HostNamespace::Network) {
        return;
    }
    let clashes = [
        ("route", is_routed, "the proxy reaches an instance through a port of its own"),
        ("ports", !container.ports.is_empty(), "every port is the host's already"),
        ("networks", !container.networks.is_empty(), "it can join no other network"),
    ];
    for (path, _, why) in clashes.into_iter().filter(|(_, is_set, _)| *is_set) {
        let diagnostic =
            cx.site.error_at_key(code::CONTRADICTION, path, format!("`{path}` cannot work with `network_mode: host`"));
        let place = cx.site.at(crate::config::report::Part::Key, "network_mode");
        cx.site.report.add(diagnostic.label(why).other(Some(place), "set here").help("remove one of the two"));
    }
}
