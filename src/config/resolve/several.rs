//! `max_instances`: what a stage must be like to run several tags at a time.

use crate::config::code;
use crate::config::report::Part;
use crate::config::syntax::short;
use crate::model::several::DomainPattern;
use crate::model::spec::{HostNamespace, MountSource};
use crate::model::{ContainerSpec, Domain, Track};

use super::project::Context;

/// Most instances of a stage: each is a container, a port and a route.
const MAX_INSTANCES: u16 = 100;

/// How many run at a time; 1 unless it is said.
pub(super) fn number(cx: &Context<'_>, raw: Option<u16>) -> u16 {
    let number = raw.unwrap_or(1);
    if !(1..=MAX_INSTANCES).contains(&number) {
        let title = format!("`max_instances` is a number from 1 to {MAX_INSTANCES}, and not {number}");
        cx.site.refuse(code::BAD_VALUE, "max_instances", title, "so many of the newest tags run at a time");
        return 1;
    }
    number
}

/// The domains with a placeholder, each with its path. One instance has its domains for good, several share none.
pub(super) fn patterns(
    cx: &Context<'_>,
    max_instances: u16,
    texts: Vec<(String, String)>,
    plain: &[(Domain, String)],
) -> Vec<(DomainPattern, String)> {
    let mut patterns = Vec::new();
    for (path, text) in texts {
        if text.contains('/') {
            let title = format!("`{}` has a path, and a domain with a placeholder cannot have one", short(&text));
            let help = "write the placeholder into the name, as in `{tag}-shop.example.com`, and no path";
            cx.site.refuse(code::BAD_VALUE, &path, title, help);
            continue;
        }
        let Some(pattern) = cx.site.parse::<DomainPattern>(&path, &text) else { continue };
        if max_instances > 1 {
            patterns.push((pattern, path));
        } else {
            let title = format!("`{}` differs from version to version, and a stage keeps its domains", short(&text));
            let help = "write the domain without `{tag}` and `{digest}`, or `max_instances: 2` or more for previews";
            cx.site.refuse(code::CONTRADICTION, &path, title, help);
        }
    }
    for (domain, path) in plain.iter().filter(|_| max_instances > 1) {
        let title = format!("`{domain}` would lead to {max_instances} instances");
        let help = "give each a domain of its own, as in `{tag}-shop`";
        cx.site.refuse(code::CONTRADICTION, path, title, help);
    }
    patterns
}

/// A domain as one of the instances may have.
pub(super) fn example(pattern: &DomainPattern) -> Option<Domain> {
    let (tag, digest) = ("x".parse().ok()?, format!("sha256:{:064}", 0).parse().ok()?);
    pattern.fill(&tag, Some(&digest))
}

/// What two instances at a time cannot share, and what cannot say which there are.
pub(super) fn check(cx: &Context<'_>, track: Option<&Track>, container: &ContainerSpec, auto_deploy: bool) {
    let fixed = match track {
        Some(Track::Tag(_)) => Some("tag"),
        Some(Track::Digest(_)) => Some("digest"),
        Some(Track::Mutable(_)) => Some("mutable"),
        Some(Track::Promote(_)) => Some("promote"),
        Some(Track::Semver(_) | Track::Glob(_) | Track::Regex(_)) | None => None,
    };
    if let Some(kind) = fixed {
        let title = format!("`track: {{ {kind}: … }}` leads to one version, and `max_instances` asks for several");
        refuse(cx, &format!("track.{kind}"), title, "track a `glob`, `regex` or `semver`, or remove `max_instances`");
    }
    if !auto_deploy {
        let title = "the newest of several instances cannot wait for `landfall deploy`".to_owned();
        refuse(cx, "auto_deploy", title, "write `auto_deploy: true` at the stage, or remove `max_instances`");
    }
    let is_volume = |source: &MountSource| matches!(source, MountSource::Volume(_) | MountSource::ExternalVolume(_));
    if container.mounts.iter().any(|mount| !mount.read_only && is_volume(&mount.source)) {
        let title = "several instances would write to one volume".to_owned();
        refuse(
            cx,
            "volumes",
            title,
            "mount it read-only, keep what is temporary in `tmpfs`, or remove `max_instances`",
        );
    }
    if !container.ports.is_empty() {
        let title = "several instances cannot have one port of the host".to_owned();
        refuse(cx, "ports", title, "reach them through `route`, or remove `max_instances`");
    }
    if container.host_namespaces.contains(&HostNamespace::Network) {
        let title = "several instances cannot share the network of the host".to_owned();
        refuse(cx, "network_mode", title, "remove one of the two");
    }
}

fn refuse(cx: &Context<'_>, path: &str, title: String, help: &str) {
    let error = cx.site.error_at_key(code::CONTRADICTION, path, title);
    let place = cx.site.at(Part::Key, "max_instances");
    cx.site.report.add(error.other(Some(place), "set here").help(help));
}
