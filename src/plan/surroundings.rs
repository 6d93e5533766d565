//! What a container has from the settings, and why a change of them replaces it: its network, and the port of the host
//! that the proxy reaches it by. A hash cannot be read, but it can be made again with what may have been before.

use std::collections::BTreeSet;

use super::{Cause, Input, Own};
use crate::model::hash::{self, HashInput};
use crate::model::{ContainerSpec, DesiredStage};

/// Why the hash differs from what is wanted now, settings first.
pub(super) fn explain(
    input: Input<'_>,
    stage: &DesiredStage,
    own: &[Own<'_>],
    hash: &str,
    old: Option<&DesiredStage>,
) -> Vec<Cause> {
    if hash == hash::ADOPTED {
        return vec![Cause::Adopted];
    }
    let now = (input.desired.settings.network.as_str(), stage.is_published(&input.desired.settings.proxy));
    let networks = own.iter().flat_map(|own| own.container.networks.keys());
    let networks: BTreeSet<&str> = networks.chain([now.0]).collect();
    let pairs = || networks.iter().flat_map(|network| [(*network, false), (*network, true)]);
    let made_in = |container: &ContainerSpec| {
        let is_it = |(network, published): &(&str, bool)| {
            hash::matches(hash, HashInput { container, network, published: *published })
        };
        pairs().find(is_it)
    };
    // A spec that is as it was needs no other reason.
    let same = made_in(&stage.container);
    let Some(then) = same.or_else(|| made_in(&old?.container)) else { return vec![Cause::Spec] };
    let mut causes = Vec::new();
    if then.0 != now.0 {
        causes.push(Cause::Network { from: then.0.to_owned(), to: now.0.to_owned() });
    }
    if then.1 != now.1 {
        causes.push(Cause::Published { before: then.1, now: now.1 });
    }
    if same.is_none() {
        causes.push(Cause::Spec);
    }
    causes
}
