//! What comes of a fault on real parts: further passes, three at most, until all is as it would be without it, and a line
//! for the table of faults.

use std::time::Instant;

use super::harness::{Host, Instance, WEB_DOMAIN, WEB_PROD};
use crate::fault_table::{self, Row};

/// What real parts are called in the table.
pub const REAL: &str = "real dockerd, embedded proxy";
/// Passes after the one that was disturbed, at most.
const PASSES: usize = 3;

/// What came of one fault.
#[derive(Debug, Clone, Copy, Default)]
pub struct Came {
    /// Passes after the disturbed one.
    passes: usize,
    /// The new version was held, and `apply --retry` ended it.
    held: bool,
    /// Time until all was well.
    millis: u128,
}

/// What somebody does to a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hand {
    Stop,
    Kill,
    Pause,
    Rename,
    Disconnect,
    Remove,
}

impl Hand {
    /// As the table of faults says it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Stop => "container stopped by hand",
            Self::Kill => "container killed by hand",
            Self::Pause => "container paused by hand",
            Self::Rename => "container renamed by hand",
            Self::Disconnect => "container taken out of its network by hand",
            Self::Remove => "container removed by hand",
        }
    }

    /// Does it.
    #[track_caller]
    pub fn act(self, host: &Host, own: &Instance) {
        let engine = &host.engine;
        match self {
            Self::Stop => engine.act("stop?t=1", &own.id),
            Self::Kill => engine.act("kill", &own.id),
            Self::Pause => engine.act("pause", &own.id),
            Self::Rename => engine.act(&host.text("rename?name=by-hand-<id>"), &own.id),
            Self::Disconnect => engine.disconnect(&host.text("lf-<id>"), &own.id),
            Self::Remove => engine.remove(&own.id),
        }
    }
}

/// Passes until the stage of the one project is at a version, as if nothing had been. What is held meanwhile, as it may
/// be where the test says so, is tried again.
#[track_caller]
pub fn converges(host: &Host, tag: &str, may_hold: bool, what: &str) -> Came {
    let began = Instant::now();
    let mut came = Came::default();
    while let Err(why) = is_at(host, tag) {
        assert!(came.passes < PASSES, "{what}: not within {PASSES} passes: {why}");
        came.held |= host.landfall("status").wrote("held:");
        assert!(may_hold || !came.held, "{what}: held");
        let ran = host.landfall(if came.held { "apply --retry" } else { "apply" });
        assert!(ran.is(0) || ran.is(1), "{what}: {ran}");
        came.passes += 1;
    }
    came.millis = began.elapsed().as_millis();
    came
}

/// One container of ours and no other, under its own name, that answers; and nothing left to do.
fn is_at(host: &Host, tag: &str) -> Result<(), String> {
    let diff = host.landfall("diff");
    if !diff.is(0) {
        return Err(diff.to_string());
    }
    let ours = host.instances(WEB_PROD);
    let name = host.engine.inspect(&ours[0].id).expect("it was listed")["Config"]["Labels"]["landfall.self"].clone();
    let is_alone =
        ours.len() == 1 && ours[0].version == tag && ours[0].state == "running" && name == ours[0].name.as_str();
    let answer = host.get(WEB_DOMAIN, "/");
    let open = host
        .statuses(WEB_PROD)
        .into_iter()
        .find(|status| !matches!(status.as_str(), "success" | "failed" | "rolled_back"));
    let is_well = is_alone && answer.version == tag && open.is_none() && host.landfall("status").is(0);
    if is_well { Ok(()) } else { Err(format!("{ours:?}\n{answer:?}\n{open:?}")) }
}

/// Writes down what came of a fault in a scenario, once for each time it was injected.
pub fn tell(fault: &str, scenario: &str, on: &str, came: &[Came]) {
    let row = Row {
        fault,
        scenario,
        on,
        injected: came.len(),
        survived: came.len(),
        held: came.iter().filter(|came| came.held).count(),
        passes: came.iter().map(|came| came.passes).max().unwrap_or(0),
        millis: came.iter().map(|came| came.millis).max().unwrap_or(0),
    };
    fault_table::write(&format!("{fault} {scenario} {on}"), &[row]);
}
