//! Traffic: where a container is reached, the switch to it, and what puts it back; each write to a host that the store has
//! to remember is announced there as not proven before it is made (R9, R14).

use super::givers::{self, Givers};
use super::log::harmless;
use super::perform::{StepError, id};
use super::run::Work;
use crate::model::desired::Check;
use crate::model::observed::ObservedPort;
use crate::model::route::Reach;
use crate::model::{
    DesiredStage, Domain, HostOptions, Millis, ProxySettings, RecordedHost, RecordedRoute, RouteOptions,
};
use crate::plan::Target;
use crate::proxy::{Change, NpmError, ProxyError, Saved};

/// Where the proxy reaches a container: by its name, or at its loopback port.
async fn upstream(work: &Work<'_>, target: &Target) -> Result<String, StepError> {
    match work.context.desired.settings.proxy.reach() {
        Some(Reach::Network) => by_name(work, target).await,
        Some(Reach::Address) => by_address(work, target).await,
        Some(Reach::Host) | None => by_port(work, target).await,
    }
}

/// The name it has now: a step before may have given it back its own.
async fn by_name(work: &Work<'_>, target: &Target) -> Result<String, StepError> {
    let port = stage(work).and_then(|stage| stage.container.port);
    let port = port.ok_or_else(|| StepError::Other("its project has no port".into()))?;
    let name = match target {
        Target::New => work.new_name(),
        Target::Existing { id, name, .. } => {
            work.context.docker.inspect(id).await?.map_or_else(|| name.clone(), |info| info.name)
        }
    };
    Ok(format!("{name}:{port}"))
}

/// The address that it has since it was started.
async fn by_address(work: &Work<'_>, target: &Target) -> Result<String, StepError> {
    let port = stage(work).and_then(|stage| stage.container.port);
    let port = port.ok_or_else(|| StepError::Other("its project has no port".into()))?;
    let network = &work.context.desired.settings.network;
    let networks = work.context.docker.inspect(&id(work, target)?).await?.map(|info| info.networks).unwrap_or_default();
    let address = networks.get(network).filter(|address| !address.is_empty());
    let address =
        address.ok_or_else(|| StepError::Other(format!("{target} has no address on the network {network}")))?;
    Ok(format!("{address}:{port}"))
}

async fn by_port(work: &Work<'_>, target: &Target) -> Result<String, StepError> {
    if let (Target::New, Some(port)) = (target, work.host_port) {
        return Ok(format!("127.0.0.1:{port}"));
    }
    let id = id(work, target)?;
    let ports = work.context.docker.inspect(&id).await?.map(|info| info.ports).unwrap_or_default();
    let (low, high) = work.context.desired.settings.ports;
    let app = work.context.desired.at_hand(&work.plan.key).and_then(|stage| stage.container.port);
    // Of several, the one that was reserved for the proxy; then, should the range have changed, the app's.
    let rank = |p: &&ObservedPort| ((low..=high).contains(&p.host_port), Some(p.container_port) == app);
    let port = ports.iter().filter(|p| p.is_tcp && p.host_ip == "127.0.0.1").max_by_key(rank);
    let port = port.ok_or_else(|| StepError::Other(format!("{target} publishes no port on loopback")))?;
    Ok(format!("{}:{}", port.host_ip, port.host_port))
}

/// Leads all domains of the stage to a container.
pub(super) async fn switch(
    work: &mut Work<'_>,
    domains: &[Domain],
    options: &HostOptions,
    target: &Target,
) -> Result<(), StepError> {
    let upstream = upstream(work, target).await?;
    let certified = with_new_certificate(work, options);
    let options = certified.as_ref().unwrap_or(options);
    let context = work.context;
    let key = &work.plan.key;
    let known = remembered(work).await?;
    let givers = match shared_proxy(work) {
        Some(proxy) => givers::find(work, proxy, domains).await?,
        None => Givers::new(),
    };
    givers::announce(work, &givers).await?;
    announce(work, known.as_ref(), domains).await?;
    let noted = note(work, domains).await?;
    let path = stage(work).map_or("/", |stage| path(&stage.ready.check)).to_owned();
    let change = Change {
        options,
        path: &path,
        known: known.as_ref(),
        ..Change::new(context.store.id(), key, domains, &upstream)
    };
    let switched = context.proxy.switch(&change).await;
    touched(work, &switched);
    match switched {
        Ok(saved) => {
            let now = saved.now().cloned();
            // Kept first: should the store not take it, what serves now is still known, and put back.
            work.saved.get_or_insert((saved, givers.clone()));
            remember(work, now.as_ref()).await?;
            givers::gave(work, &givers, domains).await?;
        }
        Err(error) => {
            if is_settled(&error) {
                remember(work, known.as_ref()).await?;
                givers::kept(work, &givers).await?;
                forget(work, noted).await?;
            }
            return Err(error.into());
        }
    }
    work.log.line(format!("traffic goes to {upstream}")).await;
    Ok(())
}

/// Has the proxy get a certificate. Its failure is told and counted, and stops nothing: the app is served as well as can
/// be, and the proxy is asked again after a pause.
pub(super) async fn certify(work: &mut Work<'_>, names: &[String]) -> Result<(), StepError> {
    let (store, key) = (&work.context.store, &work.plan.key);
    let all = names.join(", ");
    store.ask_certificate(key, &all).await?;
    match work.context.proxy.certify(names).await {
        Ok(number) => {
            work.log.line(format!("certificate {number} is for {all}")).await;
            store.certified(key).await?;
            work.certificate = Some(number);
        }
        Err(error) => {
            let reason = harmless(&error.to_string());
            work.log.line(format!("no certificate for {all}: {reason}")).await;
            store.not_certified(key, was_asked(&error).then_some(reason.as_str())).await?;
        }
    }
    Ok(())
}

/// True when the authority was asked, or may have been: only then is it to be left alone for a while.
fn was_asked(error: &ProxyError) -> bool {
    matches!(error, ProxyError::Npm(error) if error.is_ambiguous() || matches!(error, NpmError::NoCertificate { .. }))
}

/// The options with the certificate that was just made, which the plan could not know.
fn with_new_certificate(work: &Work<'_>, options: &HostOptions) -> Option<HostOptions> {
    let secured = stage(work)?.route.with_certificate(Some(work.certificate?));
    Some(HostOptions { access_list: options.access_list, maintenance: options.maintenance, ..secured })
}

/// Takes all domains from the stage.
pub(super) async fn unroute(work: &mut Work<'_>) -> Result<(), StepError> {
    let known = remembered(work).await?;
    let context = work.context;
    let noted = note(work, &[]).await?;
    let unrouted = context.proxy.unroute(context.store.id(), &work.plan.key, known.as_ref()).await;
    touched(work, &unrouted);
    if unrouted.as_ref().is_err_and(|error| !error.may_have_changed()) {
        forget(work, noted).await?;
    }
    unrouted?;
    remember(work, None).await
}

/// What was noted of a route before; none where nothing was to be noted.
type Noted = Option<Option<RecordedRoute>>;

/// A change of the route alone is in no deploy's spec: noted here, it stays should the stage be held later. Noted before
/// it is made, since nothing would do it later: to the next pass, all is as it should be.
async fn note(work: &Work<'_>, domains: &[Domain]) -> Result<Noted, StepError> {
    let (key, store) = (&work.plan.key, &work.context.store);
    if work.deploy.is_some() || !work.context.desired.stages.contains_key(key) {
        return Ok(None);
    }
    let before = store.route(key).await?;
    let asked = stage(work).filter(|_| !domains.is_empty()).map(|stage| RouteOptions::clone(&stage.route));
    let route = RecordedRoute { domains: domains.to_vec(), route: asked.unwrap_or_default() };
    store.set_route(key, Some(&route)).await?;
    Ok(Some(before))
}

/// The change was not made.
async fn forget(work: &Work<'_>, noted: Noted) -> Result<(), StepError> {
    match noted {
        Some(before) => Ok(work.context.store.set_route(&work.plan.key, before.as_ref()).await?),
        None => Ok(()),
    }
}

/// Puts back what a switch replaced.
pub(super) async fn restore(work: &Work<'_>, (saved, givers): &(Saved, Givers)) -> Result<(), StepError> {
    givers::announce(work, givers).await?;
    announce(work, saved.now(), &[]).await?;
    work.context.proxy.restore(saved).await?;
    givers::kept(work, givers).await?;
    remember(work, saved.before()).await
}

/// After a switch that was put back: a proxy that reloads leads requests to the new instance for a moment longer.
pub(super) async fn settle(work: &Work<'_>) {
    let least = work.context.desired.settings.proxy.least_drain();
    if work.proxy_touched && least > Millis(0) {
        work.log.line(format!("{} had {least} to answer what it was asked", work.new_name())).await;
        tokio::time::sleep(least.duration()).await;
    }
}

/// Waits until the old instance is idle. Not being able to ask is no reason to keep it for ever.
pub(super) async fn drain(work: &Work<'_>, target: &Target, at_most: Millis) -> Result<(), StepError> {
    let upstream = match upstream(work, target).await {
        Ok(upstream) => upstream,
        // One that cannot say who is idle needs no address for it, and takes the time that an old worker needs.
        Err(_) if shared_proxy(work).is_some() => target.to_string(),
        Err(_) => return Ok(()),
    };
    let text = match work.context.proxy.drain(&upstream, at_most.duration()).await.map(|drained| drained.left) {
        Ok(Some(0)) => format!("{target} is idle"),
        Ok(Some(left)) => format!("{target} still answers {left} requests after {at_most}; they are cut"),
        Ok(None) => format!("{target} had {at_most} to answer what it was asked"),
        Err(error) => format!("whether {target} is idle could not be asked: {error}"),
    };
    work.log.line(text).await;
    Ok(())
}

/// Traffic moved, or may have (R11): a proxy that was not reached, or that refused, changed nothing.
fn touched<T>(work: &mut Work<'_>, written: &Result<T, ProxyError>) {
    work.proxy_touched |= written.as_ref().err().is_none_or(ProxyError::may_have_changed);
}

/// The stage as this work brings it, as it serves while something newer waits, or as the configuration has it.
pub(super) fn stage<'a>(work: &Work<'a>) -> Option<&'a DesiredStage> {
    let deployed = work.deploy.map(|(_, deploy)| &deploy.stage).or(work.plan.kept.as_deref());
    deployed.or_else(|| work.context.desired.at_hand(&work.plan.key))
}

/// A path that the app answers without an error: that of its gate.
fn path(check: &Check) -> &str {
    match check {
        Check::Http { path, .. } => path,
        Check::Tcp | Check::Docker | Check::Running => "/",
    }
}

/// The address of a proxy whose hosts the store remembers.
fn shared_proxy<'a>(work: &Work<'a>) -> Option<&'a str> {
    match &work.context.desired.settings.proxy {
        ProxySettings::NginxProxyManager(npm) => Some(&npm.url),
        ProxySettings::Embedded(_) | ProxySettings::Caddy(_) | ProxySettings::None => None,
    }
}

async fn remembered(work: &Work<'_>) -> Result<Option<RecordedHost>, StepError> {
    match shared_proxy(work) {
        Some(_) => Ok(work.context.store.host(&work.plan.key).await?),
        None => Ok(None),
    }
}

/// Written before the write itself: should that be interrupted, the next pass does not trust what the proxy lists.
async fn announce(work: &Work<'_>, known: Option<&RecordedHost>, domains: &[Domain]) -> Result<(), StepError> {
    let Some(proxy) = shared_proxy(work) else { return Ok(()) };
    let known = known.filter(|host| host.proxy == proxy);
    let host = RecordedHost {
        proxy: proxy.to_owned(),
        id: known.and_then(|host| host.id),
        domains: known.map_or_else(|| domains.to_vec(), |host| host.domains.clone()),
        dirty: true,
    };
    Ok(work.context.store.set_host(&work.plan.key, Some(&host)).await?)
}

async fn remember(work: &Work<'_>, host: Option<&RecordedHost>) -> Result<(), StepError> {
    match shared_proxy(work) {
        Some(_) => Ok(work.context.store.set_host(&work.plan.key, host).await?),
        // A host in the proxy that was there before: nothing is ever asked of that one again.
        None if work.context.store.host(&work.plan.key).await?.is_some() => {
            Ok(work.context.store.set_host(&work.plan.key, None).await?)
        }
        None => Ok(()),
    }
}

/// True when what was in force before surely still is: nothing was sent, or all was put back and proven.
fn is_settled(error: &ProxyError) -> bool {
    match error {
        ProxyError::Unsettled { .. } => false,
        ProxyError::Npm(error) => !error.is_ambiguous(),
        ProxyError::Caddy(_)
        | ProxyError::Unreachable { .. }
        | ProxyError::NoAnswer { .. }
        | ProxyError::Conflict { .. }
        | ProxyError::Refused { .. }
        | ProxyError::Unproven
        | ProxyError::NothingToAdopt { .. }
        | ProxyError::NoAdoption
        | ProxyError::NoProxy
        | ProxyError::Upstream(_) => true,
    }
}
