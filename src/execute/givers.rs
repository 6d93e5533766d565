//! Stages of ours that lose a domain to the stage at work: what the store remembers of their hosts before the proxy is
//! written, while it is, and after (R9, R14). It asks the store only, never the proxy.

use super::perform::StepError;
use super::run::Work;
use crate::model::{Domain, RecordedHost, StageKey};

/// Hosts of other stages, as they are remembered.
pub(super) type Givers = Vec<(StageKey, RecordedHost)>;

/// Those that have one of these domains.
pub(super) async fn find(work: &Work<'_>, proxy: &str, domains: &[Domain]) -> Result<Givers, StepError> {
    let recorded = work.context.store.recorded().await?;
    let others = recorded.stages.into_iter().filter(|(key, _)| *key != work.plan.key);
    let hosts = others.filter_map(|(key, stage)| Some((key, stage.host?)));
    let gives = |host: &RecordedHost| host.proxy == proxy && host.domains.iter().any(|own| domains.contains(own));
    Ok(hosts.filter(|(_, host)| gives(host)).collect())
}

/// Before the write: should it be interrupted, what the proxy lists of them is not trusted.
pub(super) async fn announce(work: &Work<'_>, givers: &Givers) -> Result<(), StepError> {
    for (key, host) in givers {
        remember(work, key, Some(&RecordedHost { dirty: true, ..host.clone() })).await?;
    }
    Ok(())
}

/// After it: they have the others of their domains. A host that would have none went over whole.
pub(super) async fn gave(work: &Work<'_>, givers: &Givers, domains: &[Domain]) -> Result<(), StepError> {
    for (key, host) in givers {
        let left: Vec<Domain> = host.domains.iter().filter(|own| !domains.contains(own)).cloned().collect();
        let host = (!left.is_empty()).then(|| RecordedHost { domains: left, ..host.clone() });
        remember(work, key, host.as_ref()).await?;
    }
    Ok(())
}

/// They have what they had.
pub(super) async fn kept(work: &Work<'_>, givers: &Givers) -> Result<(), StepError> {
    for (key, host) in givers {
        remember(work, key, Some(host)).await?;
    }
    Ok(())
}

async fn remember(work: &Work<'_>, key: &StageKey, host: Option<&RecordedHost>) -> Result<(), StepError> {
    Ok(work.context.store.set_host(key, host).await?)
}
