//! What is done to a host, in a form that a test writes in a few lines.

use landfall::reconcile::Order;

use super::front::Behind;
use super::relay::Mood;
use crate::fake_docker::FakeImage;

/// What somebody does by hand, or the proxy by itself, before the part that is disturbed.
#[derive(Debug, Clone, Copy)]
pub enum Twist {
    /// `docker stop`, of the container of a stage.
    Stopped(&'static str),
    /// `docker pause`
    Paused(&'static str),
    /// `docker rename`
    Renamed(&'static str),
    /// `docker rm -f`
    Removed(&'static str),
    /// `docker network disconnect`, from a network.
    Disconnected(&'static str, &'static str),
    /// A route of the stage is taken out of the proxy.
    Unrouted(&'static str),
    /// The port after the last one that was given is taken by another program.
    PortTaken,
    /// The next writes to the proxy meet this.
    Proxy(&'static [Mood]),
}

/// One scenario: from a configuration in force to another one.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// As the table of faults says it.
    pub name: &'static str,
    /// What the registry has.
    pub images: Vec<FakeImage>,
    /// Which proxy it is.
    pub behind: Behind,
    /// Lines of `settings`, indented by two.
    pub settings: &'static str,
    /// Files beside the configuration: path and content.
    pub files: &'static [(&'static str, &'static str)],
    /// Credentials: name and value.
    pub credentials: &'static [(&'static str, &'static str)],
    /// What was in force before that.
    pub earlier: Option<String>,
    /// What somebody asks for one stage instead of a pass, and asks again as long as the store does not know of it.
    pub order: Option<(&'static str, Order)>,
    /// What is in force before; none: the host is new.
    pub before: Option<String>,
    pub twists: Vec<Twist>,
    /// What is to be in force.
    pub wanted: String,
    pub allow_prune: bool,
    /// Whether the data directory is a disk of its own, to be filled.
    pub own_disk: bool,
    /// Passes that it takes when nothing disturbs it.
    pub passes: usize,
    /// Domains that must be answered all the time, those with `https://` before them over it.
    pub served: &'static [&'static str],
    /// Names of each pair of files that the embedded proxy has, which is called as the first of them.
    pub certificates: &'static [&'static [&'static str]],
    /// After crashes, the next pass is once more shown the containers from before the last change. Not where Docker's part
    /// is as in another scenario.
    pub stale_lists: bool,
    /// Words of operations whose error may be held against the new version (R12): a start that Docker refuses, and
    /// what costs an outage each time that it is tried. `apply --retry` must then end as if it had not been.
    pub may_hold: &'static [&'static str],
    /// Containers that a crash may cost, since what a twist had in store then meets the deploy that goes on, and fails it.
    pub made_after_a_crash: usize,
    /// Containers that one deploy makes: the instance, and those of its hooks.
    pub per_deploy: usize,
}

impl Scenario {
    /// A host on which nothing is in force, and what is to be.
    pub fn new(name: &'static str, wanted: String) -> Self {
        Self {
            name,
            images: Vec::new(),
            behind: Behind::Embedded,
            settings: "",
            files: &[],
            credentials: &[],
            earlier: None,
            order: None,
            before: None,
            twists: Vec::new(),
            wanted,
            allow_prune: false,
            own_disk: false,
            passes: 1,
            served: &[],
            certificates: &[],
            stale_lists: false,
            may_hold: &["docker Start"],
            made_after_a_crash: 0,
            per_deploy: 1,
        }
    }
}
