//! The host of a stage in a proxy that people use as well: what should be set, which certificate that means, and how it
//! differs from what is.

use super::{Blocked, Effect, Input};
use crate::model::route::{Certificate, covers};
use crate::model::{
    CertificateFailure, DesiredStage, Domain, HostOptions, Millis, NamedCertificate, ObservedCertificate,
    ObservedProxy, ObservedRoute, ProxySettings, StageKey,
};

/// What the host of a stage should have. One whose certificate cannot be told was refused before, and is only kept well:
/// https is left as it is there.
pub(super) fn options(input: Input<'_>, stage: &DesiredStage) -> HostOptions {
    let wanted = match &input.desired.settings.proxy {
        ProxySettings::Embedded(_) | ProxySettings::Caddy(_) => stage.route.by_name(),
        ProxySettings::NginxProxyManager(_) | ProxySettings::None => numbered(input, stage),
    };
    let is_closed = input.recorded.stages.get(&stage.key).is_some_and(|stage| stage.maintenance_since_ms.is_some());
    within(&input.desired.settings.proxy, HostOptions { maintenance: is_closed, ..wanted })
}

/// Without what the proxy has no place for. The configuration is refused for that; a version from before another proxy was
/// chosen is kept as well as can be.
fn within(proxy: &ProxySettings, options: HostOptions) -> HostOptions {
    match proxy {
        ProxySettings::NginxProxyManager(_) => {
            HostOptions { upstreams: Vec::new(), sticky: false, strip_prefix: false, page_when_away: false, ..options }
        }
        ProxySettings::Caddy(_) => as_caddy_does(without_npms_own(options)),
        ProxySettings::Embedded(_) => without_npms_own(options),
        ProxySettings::None => options,
    }
}

/// True for a domain that the proxy can have: a version from before Nginx Proxy Manager was chosen may be at a path.
pub(super) fn has_place(input: Input<'_>, domain: &Domain) -> bool {
    match &input.desired.settings.proxy {
        ProxySettings::NginxProxyManager(_) => domain.path().is_empty(),
        ProxySettings::Embedded(_) | ProxySettings::Caddy(_) | ProxySettings::None => true,
    }
}

/// Caddy upgrades whatever asks for it, and speaks HTTP/2 wherever it speaks https, which does not end for want of the file.
fn as_caddy_does(options: HostOptions) -> HostOptions {
    let named = options.named.map(|named| match named {
        NamedCertificate::File(_) => NamedCertificate::Letsencrypt,
        NamedCertificate::Letsencrypt | NamedCertificate::Wildcard(_) => named,
    });
    HostOptions { page_when_away: false, websockets: true, http2: named.is_some(), named, ..options }
}

fn without_npms_own(options: HostOptions) -> HostOptions {
    HostOptions { block_exploits: false, caching: false, locations: Vec::new(), advanced: String::new(), ..options }
}

/// The same, where the proxy has numbers for what the stage names.
fn numbered(input: Input<'_>, stage: &DesiredStage) -> HostOptions {
    match (certificate(input, stage), access_list(input, stage)) {
        (Ok(certificate), Ok(access_list)) => HostOptions { access_list, ..stage.route.with_certificate(certificate) },
        _ => present(input, stage).unwrap_or_else(|| stage.route.with_certificate(None)),
    }
}

/// What the host of a stage has now.
fn present(input: Input<'_>, stage: &DesiredStage) -> Option<HostOptions> {
    let ObservedProxy::Routes(routes) = &input.observed.proxy else { return None };
    stage.domains.iter().find_map(|domain| routes.get(domain)?.host.as_ref()?.options.clone())
}

/// True when the store knows of a host that the stage has in this proxy.
pub(super) fn is_recorded(input: Input<'_>, key: &StageKey) -> bool {
    let ProxySettings::NginxProxyManager(npm) = &input.desired.settings.proxy else { return false };
    let host = input.recorded.stages.get(key).and_then(|stage| stage.host.as_ref());
    host.is_some_and(|host| host.proxy == npm.url)
}

/// The number of the certificate that a stage asks for, or why there is none. The proxy itself would take any number,
/// and serve in plain.
pub(super) fn certificate(input: Input<'_>, stage: &DesiredStage) -> Result<Option<u64>, Blocked> {
    match &input.desired.settings.proxy {
        ProxySettings::NginxProxyManager(_) => {}
        ProxySettings::Embedded(_) | ProxySettings::Caddy(_) | ProxySettings::None => return Ok(None),
    }
    let known = &input.observed.certificates;
    match &stage.route.certificate {
        Certificate::None => Ok(None),
        Certificate::Id(id) if known.iter().any(|certificate| certificate.id == *id) => Ok(Some(*id)),
        Certificate::Id(id) => Err(missing(&format!("certificate {id}"), known)),
        // One that ran out is better than none: browsers that were told so insist on https.
        Certificate::Letsencrypt => Ok(issued(input, stage).or_else(|| {
            let id = present(input, stage)?.certificate?;
            known.iter().any(|certificate| certificate.id == id).then_some(id)
        })),
        Certificate::File(name) => Err(missing(&format!("certificate file {name}"), known)),
        Certificate::Wildcard(name) => {
            let fits = |certificate: &&ObservedCertificate| certificate.domains.iter().any(|own| own == name);
            longest(known.iter().filter(fits))
                .map(Some)
                .ok_or_else(|| missing(&format!("certificate for {name}"), known))
        }
    }
}

/// The certificate that covers all domains of a stage and lasts longest, if there is one: whoever got it.
fn issued(input: Input<'_>, stage: &DesiredStage) -> Option<u64> {
    let lasts = |one: &&ObservedCertificate| one.expires_ms.is_none_or(|until| until > input.now_ms);
    let fits = |one: &&ObservedCertificate| stage.domains.iter().all(|domain| is_for(one, domain));
    longest(input.observed.certificates.iter().filter(lasts).filter(fits))
}

/// True when a certificate is for this name, by itself or by a wildcard.
fn is_for(one: &ObservedCertificate, domain: &Domain) -> bool {
    one.domains.iter().any(|name| name == domain.host() || covers(name, domain))
}

/// Of several, the number of the one that lasts longest; then the newest.
fn longest<'a>(all: impl Iterator<Item = &'a ObservedCertificate>) -> Option<u64> {
    all.max_by_key(|certificate| (certificate.expires_ms, certificate.id)).map(|certificate| certificate.id)
}

/// That the proxy has to get a certificate before the host is set; not again so soon after it could not.
pub(super) fn certify(input: Input<'_>, stage: &DesiredStage) -> Option<Effect> {
    let waits = |failed: &CertificateFailure| input.now_ms < failed.due_ms() && !input.options.retry;
    if !asks_to_be_issued(input, stage) || failure(input, stage).is_some_and(waits) {
        return None;
    }
    Some(Effect::Certify { names: names(stage) })
}

/// What a certificate has to be for.
fn names(stage: &DesiredStage) -> Vec<String> {
    let mut names: Vec<String> = stage.domains.iter().map(|domain| domain.host().to_owned()).collect();
    names.dedup();
    names
}

fn asks_to_be_issued(input: Input<'_>, stage: &DesiredStage) -> bool {
    let is_numbered = matches!(&input.desired.settings.proxy, ProxySettings::NginxProxyManager(_));
    let answers = matches!(&input.observed.proxy, ObservedProxy::Routes(_));
    let asks = stage.route.certificate == Certificate::Letsencrypt && !stage.domains.is_empty();
    is_numbered && answers && asks && issued(input, stage).is_none()
}

fn failure<'a>(input: Input<'a>, stage: &DesiredStage) -> Option<&'a CertificateFailure> {
    let failure = input.recorded.stages.get(&stage.key)?.certificate_failure.as_deref();
    failure.filter(|failure| failure.names == names(stage).join(", "))
}

/// What a person should know of a certificate that could not be had, and of a page that stands in for the app.
pub(super) fn standing(input: Input<'_>, stage: &DesiredStage) -> Vec<String> {
    let mut notes = Vec::new();
    if let Some(failed) = failure(input, stage).filter(|_| asks_to_be_issued(input, stage)) {
        let left = u64::try_from(failed.due_ms() - input.now_ms).unwrap_or(0);
        let again = if left == 0 { "now".to_owned() } else { format!("in {}", Millis(left - left % 1000)) };
        let times = if failed.times == 1 { String::new() } else { format!(" {} times", failed.times) };
        notes.push(format!(
            "its certificate could not be had{times}, and is asked for again {again}: {}",
            failed.reason
        ));
    }
    let lacking =
        |host: String| input.observed.uncertified.get(&host).map(|why| format!("the certificate of {host} {why}"));
    if stage.route.certificate != Certificate::None {
        notes.extend(names(stage).into_iter().filter_map(lacking));
    }
    let recorded = input.recorded.stages.get(&stage.key);
    if recorded.is_some_and(|stage| stage.maintenance_since_ms.is_some()) {
        let key = &stage.key;
        notes.push(format!("a maintenance page stands in for it; `landfall route {key} --to instance` shows the app"));
    }
    notes
}

/// The number of the list of those who may ask, or why there is none: the proxy itself would take any number, and let
/// everybody in.
pub(super) fn access_list(input: Input<'_>, stage: &DesiredStage) -> Result<Option<u64>, Blocked> {
    let Some(name) = &stage.route.access_list else { return Ok(None) };
    let known = &input.observed.access_lists;
    if let Some(list) = known.iter().find(|list| list.name == *name) {
        return Ok(Some(list.id));
    }
    let names: Vec<&str> = known.iter().map(|list| list.name.as_str()).collect();
    Err(has_no(&format!("access list `{name}`"), &names.join(", ")))
}

fn missing(what: &str, known: &[ObservedCertificate]) -> Blocked {
    let list: Vec<String> = known.iter().map(|one| format!("{} ({})", one.id, one.domains.join(", "))).collect();
    has_no(what, &list.join("; "))
}

/// What a stage names and the proxy does not have, with what there is, as a list for people.
fn has_no(what: &str, there: &str) -> Blocked {
    let choice = if there.is_empty() {
        "; Landfall's user sees none so far".to_owned()
    } else {
        format!(", or name one that Landfall's user sees: {there}")
    };
    Blocked {
        refused: true,
        reason: format!("nginx proxy manager has no {what}"),
        hint: Some(format!("make it there{choice}")),
    }
}

/// A host of the stage in another proxy, where it was routed before: nothing is ever asked of that one again.
pub(super) fn left_behind(input: Input<'_>, stage: &DesiredStage) -> Option<String> {
    let host = input.recorded.stages.get(&stage.key)?.host.as_ref()?;
    let number = host.id.filter(|_| !is_recorded(input, &stage.key))?;
    let names: Vec<&str> = host.domains.iter().map(Domain::as_str).collect();
    let names = names.join(", ");
    Some(format!(
        "proxy host {number} ({names}) of {} stays there and leads to an instance that goes: remove it by hand",
        host.proxy
    ))
}

/// What of a route's host is not as it should be; none for a proxy without hosts of its own.
pub(super) fn difference(domain: &Domain, route: &ObservedRoute, wanted: &HostOptions) -> Option<String> {
    let host = route.host.as_ref()?;
    if let Some(trouble) = &host.trouble {
        return Some(format!("{} of {domain}: {trouble}", host.what));
    }
    // Its other domains are routes of their own.
    if let Some(wildcard) = host.domains.iter().find(|name| name.parse::<Domain>().is_err()) {
        return Some(format!("{} of {domain}: it has {wildcard} as well", host.what));
    }
    let differs = changed(host.options.as_ref()?, wanted);
    (!differs.is_empty()).then(|| format!("{} of {domain}: {}", host.what, differs.join(", ")))
}

/// Every switch that stands otherwise, as `name old → new`.
fn changed(now: &HostOptions, wanted: &HostOptions) -> Vec<String> {
    #[rustfmt::skip] // what there is, at a glance
    let HostOptions {
        certificate, named, redirect, http2, hsts, websockets, block_exploits, caching, access_list, locations, redirects,
        advanced, upstreams, sticky, strip_prefix, page_when_away, maintenance,
    } = wanted;
    let mut changed = Vec::new();
    let number = |id: &Option<u64>| id.map_or_else(|| "none".to_owned(), |id| id.to_string());
    for (name, now, wanted) in
        [("certificate", &now.certificate, certificate), ("access list", &now.access_list, access_list)]
    {
        if now != wanted {
            changed.push(format!("{name} {} → {}", number(now), number(wanted)));
        }
    }
    if now.named != *named {
        let name = |named: &Option<NamedCertificate>| named.as_ref().map_or("none".to_owned(), ToString::to_string);
        changed.push(format!("certificate {} → {}", name(&now.named), name(named)));
    }
    let word = |on: bool| if on { "on" } else { "off" };
    for (name, now, wanted) in [
        ("https redirect", now.redirect, *redirect),
        ("http2", now.http2, *http2),
        ("hsts", now.hsts, *hsts),
        ("websockets", now.websockets, *websockets),
        ("block_exploits", now.block_exploits, *block_exploits),
        ("caching", now.caching, *caching),
        ("sticky", now.sticky, *sticky),
        ("strip_prefix", now.strip_prefix, *strip_prefix),
        ("page while away", now.page_when_away, *page_when_away),
        ("maintenance", now.maintenance, *maintenance),
    ] {
        if now != wanted {
            changed.push(format!("{name} {} → {}", word(now), word(wanted)));
        }
    }
    for (name, differs) in [
        ("locations", now.locations != *locations),
        ("redirects", now.redirects != *redirects),
        ("advanced", now.advanced != *advanced),
        ("upstreams", now.upstreams != *upstreams),
    ] {
        if differs {
            changed.push(format!("{name} differ"));
        }
    }
    changed
}

/// What a person should know before https ends that they set at the host of a stage, or had when it was taken over.
pub(super) fn https_ends(input: Input<'_>, stage: &DesiredStage) -> Option<String> {
    let ObservedProxy::Routes(routes) = &input.observed.proxy else { return None };
    if stage.route.certificate != Certificate::None {
        return None;
    }
    let host = stage.domains.iter().find_map(|domain| routes.get(domain)?.host.as_ref())?;
    let id = host.options.as_ref()?.certificate?;
    Some(format!(
        "{} has certificate {id}, and the route asks for none: https ends there; `certificate: {{ id: {id} }}` keeps it",
        host.what
    ))
}

/// What a person should know of a certificate that is taken as it is asked for: it may be for other names.
pub(super) fn warning(input: Input<'_>, stage: &DesiredStage) -> Option<String> {
    let Certificate::Id(id) = &stage.route.certificate else { return None };
    let certificate = input.observed.certificates.iter().find(|certificate| certificate.id == *id)?;
    let other = stage.domains.iter().find(|domain| !is_for(certificate, domain))?;
    Some(format!("certificate {id} is for {}, and {other} is not among them", certificate.domains.join(", ")))
}
