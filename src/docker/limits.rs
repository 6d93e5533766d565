//! How long Docker may take (R31). bollard's own timeout covers only the head of an answer, in whole seconds.

use std::time::Duration;

/// Time limits, by kind of call. The defaults are generous: they are to end a wait that will never end by itself,
/// not to judge a slow host.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// A question or a small change. dockerd answers in milliseconds; 30 s is a host that swaps.
    pub call: Duration,
    /// Creating, starting, removing a container: mounts, networks and layers are made within it, on slow disks too.
    pub change: Duration,
    /// Added to an app's grace period when stopping it: dockerd kills at the end of the grace, then cleans up.
    pub stop_margin: Duration,
    /// Silence within a pull. dockerd itself retries a broken layer for 75 s without a word.
    pub pull_silence: Duration,
    /// All of a pull.
    pub pull: Duration,
    /// Silence within a followed log after which the daemon is asked whether it still answers.
    pub log_silence: Duration,
    /// Silence within the stream of events after which it is asked for anew: a quiet host is silent for hours, but so is
    /// a connection that died on its way.
    pub event_silence: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            call: Duration::from_secs(30),
            change: Duration::from_secs(120),
            stop_margin: Duration::from_secs(30),
            pull_silence: Duration::from_secs(120),
            pull: Duration::from_secs(3600),
            log_silence: Duration::from_secs(60),
            event_silence: Duration::from_secs(30 * 60),
        }
    }
}
