//! One replacement that is killed once, and what must be so afterwards.

use std::os::unix::process::ExitStatusExt as _;
use std::time::{Duration, Instant};

use super::end::End;
use super::story::Story;
use rustix::process::Signal;
use serde_json::Value;

/// Passes after the kill, at most.
const PASSES: usize = 3;
/// When it is killed.
#[derive(Debug)]
pub enum Kill {
    /// By itself, at a fail point: the value of `LANDFALL_FAULTS`.
    AtPoint(String),
    /// From outside, so long after its start.
    After(Duration),
}

impl Kill {
    /// As the table of faults says it.
    pub const AT_A_POINT: &'static str = "kill -9 at a fail point";
    /// As the table of faults says it.
    pub const AT_A_MOMENT: &'static str = "kill -9 at a random moment";
}

/// What came of all rounds.
#[derive(Debug, Default)]
pub struct Tally {
    /// Rounds in which it was killed.
    pub injected: usize,
    /// Most passes after a kill.
    pub passes: usize,
    /// Longest time from a kill to the end.
    pub millis: u128,
}

impl Story {
    /// Replaces the version by the next one, killed once; false when it ended before that.
    pub fn round(&mut self, kill: &Kill, tally: &mut Tally) -> bool {
        self.next_version();
        let before = self.host.history(self.stage()).remove(0);
        self.recorder.clear();
        let was_killed = self.is_killed(kill);
        let what = format!("{kill:?}");
        self.is_served(&what);
        let open = self.open();
        assert!(was_killed || open.is_none(), "{what}: it ended with a deploy open: {open:?}");
        let began = Instant::now();
        let passes = self.converge(&what);
        if was_killed {
            tally.injected += 1;
            tally.passes = tally.passes.max(passes);
            tally.millis = tally.millis.max(began.elapsed().as_millis());
        }
        assert_eq!(End::of(self), self.undisturbed, "{what}");
        self.is_told(&what, &before["id"], open.as_deref());
        self.is_served(&what);
        was_killed
    }

    /// Runs `apply` into the kill; false when it was quicker.
    fn is_killed(&self, kill: &Kill) -> bool {
        let mut command = self.host.command("apply");
        command.env("LANDFALL_DOCKER", self.recorder.url());
        if let Kill::AtPoint(point) = kill {
            command.env(landfall::faults::VARIABLE, point);
        }
        let mut apply = self.host.spawn_prepared(command);
        if let Kill::After(moment) = kill {
            std::thread::sleep(*moment);
            apply.signal(Signal::KILL);
        }
        apply.ends();
        let status = apply.ended().expect("it has ended");
        let was_killed = status.signal() == Some(Signal::KILL.as_raw());
        assert!(was_killed || status.success(), "{kill:?}: {status}\n{}", apply.log());
        was_killed
    }

    /// The id of the deploy that has no end.
    fn open(&self) -> Option<String> {
        let newest = self.host.history(self.stage()).remove(0);
        let is_over = ["success", "failed", "rolled_back", "superseded"].iter().any(|end| newest["status"] == *end);
        (!is_over).then(|| newest["id"].as_str().expect("an id").to_owned())
    }

    /// Passes of the plain binary until there is nothing to do.
    fn converge(&self, what: &str) -> usize {
        let pass = |_: &usize| {
            let mut command = self.host.command("apply");
            command.env("LANDFALL_DOCKER", self.recorder.url());
            self.host.run(command).exits(0);
            self.host.landfall("diff").is(0)
        };
        (1..=PASSES).find(pass).unwrap_or_else(|| panic!("{what}: not within {PASSES} passes"))
    }

    /// R15: the deploy log tells of it, and it is one deploy that made one container, killed or not.
    fn is_told(&self, what: &str, before: &Value, open: Option<&str>) {
        if let Some(id) = open {
            self.host.landfall(&format!("show {id}")).exits(0).says("interrupted");
        }
        let history = self.host.history(self.stage());
        // The list is cut at some length.
        let new: Vec<_> = history.iter().take_while(|deploy| deploy["id"] != *before).collect();
        assert!(new.len() == 1 && new[0]["status"] == "success", "{what}: {new:#?}");
        assert!(open.is_none_or(|id| new[0]["id"] == id), "{what}: {open:?} is not what ended: {new:#?}");
        let made = self.recorder.requests().iter().filter(|request| request.is_creation()).count();
        assert_eq!(made, 1, "{what}: containers that were made");
    }
}
