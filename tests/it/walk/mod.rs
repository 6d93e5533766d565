//! A random walk over a host: edits of the configuration, hands on containers, commands, and passes in which something
//! goes wrong. Whenever nothing went wrong for a while, all that must always hold is looked at.
//!
//! *Method.* A walk is its seed. Each step does one thing and lets at most one pass meet one fault at one operation, as
//! the every-Nth loop has them (`nth`); then calm passes are made until nothing is left to be done, four at most, and
//! `check` looks. The walks of a run are always the same ones; `LANDFALL_TEST_SOAK=1` makes more of them, longer.
//!
//! *Expected flow*: a walk that fails says its seed and every step. `LANDFALL_TEST_SEED=N` goes that way alone.

mod check;
mod config;

use landfall::model::{Pause, PauseKind, StageKey};
use landfall::reconcile::Order;

use crate::execute::ground::image;
use crate::fake_docker::Behaviour;
use crate::nth::ground::{Ground, Passed};
use crate::nth::scenario::Scenario;
use crate::nth::tape::Kind;
use crate::random::Random;
use check::Before;
use config::{BAD, Config, STAGES, VERSIONS};

/// Steps of one walk, and the same in a soak.
const STEPS: (usize, usize) = (30, 150);
/// Walks of one test, and the same in a soak.
const WALKS: (u64, u64) = (7, 40);
/// Passes without a fault until nothing is left to be done.
const CALM: usize = 4;
/// Operations of a pass at which something may go wrong; a replacement has some twenty.
const FAULTS_WITHIN: u64 = 24;

/// One walk.
struct Walk {
    ground: Ground,
    random: Random,
    config: Config,
    before: Before,
    /// Containers that somebody else made on the way, as they were then.
    strangers: Vec<(String, String)>,
    story: Story,
}

/// Every step so far, told when the walk fails.
struct Story(Vec<String>);

impl Drop for Story {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("{}", self.0.join("\n"));
        }
    }
}

impl Walk {
    async fn new(seed: u64) -> Self {
        let config = Config::new();
        let images = VERSIONS.map(|version| {
            let image = image(version);
            if version == BAD { image.behaving(Behaviour::Unhealthy) } else { image }
        });
        let scenario = Scenario { images: images.into(), allow_prune: true, ..Scenario::new("walk", config.yaml()) };
        let ground = Ground::new(&scenario).await;
        let story = Story(vec![format!("LANDFALL_TEST_SEED={seed}")]);
        Self { ground, random: Random(seed), config, before: Before::default(), strangers: Vec::new(), story }
    }

    fn tell(&mut self, line: String) {
        self.story.0.push(line);
    }

    async fn step(&mut self) {
        let what = match self.random.next() % 10 {
            0..5 => {
                let what = self.config.edit(&mut self.random);
                self.ground.host.write(&self.config.yaml());
                what
            }
            5..8 => self.hand().await,
            8 => self.command().await,
            _ => self.stranger(),
        };
        self.tell(what);
        let has_fault = self.random.next().is_multiple_of(2);
        if has_fault {
            let kind = self.random.one_of(&Kind::ALL);
            let at = usize::try_from(self.random.next() % FAULTS_WITHIN).expect("a small number") + 1;
            self.tell(format!("{} at {at}", kind.name()));
            self.ground.begin(Some((at, kind)));
            self.pass(false).await;
        }
        self.settle(has_fault).await;
        let there = (self.ground.host.containers(), self.ground.host.routes().await);
        self.tell(format!("  there are {there:?}"));
        self.check().await;
    }

    /// Calm passes until nothing is left to be done; what an error held against a version is tried again.
    async fn settle(&mut self, had_fault: bool) {
        self.ground.begin(None);
        for pass in 0..CALM {
            self.pass(had_fault && pass == 0).await;
            let plan = self.ground.look().await.expect("a look").plan;
            if plan.endings.is_empty() && plan.stages.iter().all(|stage| stage.steps.is_empty()) {
                return;
            }
        }
        let plan = self.ground.look().await.expect("a look").plan;
        panic!("it does not converge in {CALM} passes:\n{plan}");
    }

    async fn pass(&mut self, retry: bool) {
        let told = match self.ground.pass(retry).await {
            Passed::Ended(ended) => match *ended {
                Ok(converged) => format!("  pass: {:?}\n{}", converged.results, converged.view.plan),
                Err(error) => format!("  pass: {error}"),
            },
            Passed::CutOff(open) => format!("  pass: cut off with {open} deploys open"),
        };
        let hit = self.ground.tape.hit().map(|op| format!(", after a fault at {op}")).unwrap_or_default();
        self.tell(format!("{told}{hit}"));
    }

    /// What people do to a container of ours.
    async fn hand(&mut self) -> String {
        let stage = self.random.one_of(&STAGES);
        let what = self.random.next() % 5;
        let Some(name) = self.of(stage).first().map(|container| container.name.clone()) else {
            return format!("{stage} has no container to lay a hand on");
        };
        let fake = &self.ground.host.fake;
        match what {
            0 => fake.stop_by_hand(&name).await,
            1 => {
                fake.remove_by_hand(&name).await;
                self.before.served.remove(stage);
            }
            2 if fake.container(&name).is_running() => fake.pause_by_hand(&name),
            3 => fake.rename_by_hand(&name, &format!("{name}-mine")),
            _ => fake.disconnect_by_hand(&name, "landfall-names"),
        }
        format!("hand {what} on {name} of {stage}")
    }

    /// What people ask for one stage.
    async fn command(&mut self) -> String {
        let stage = self.random.one_of(&STAGES);
        let key: StageKey = format!("web/{stage}").parse().expect("a stage");
        let suspended = Pause { kind: PauseKind::Suspended, since_ms: 1, until_ms: None };
        let host = &self.ground.host;
        let asked = self.random.next() % 4;
        let answer = match asked {
            0 => host.by_hand(&key, &Order::Rollback { to: None }).await.map(|done| format!("{:?}", done.results)),
            1 => host.by_hand(&key, &Order::Restart).await.map(|done| format!("{:?}", done.results)),
            2 => host.pause(&key, Some(suspended)).await.map(|_| "suspended".to_owned()),
            _ => host.pause(&key, None).await.map(|_| "resumed".to_owned()),
        };
        let answer = answer.unwrap_or_else(|error| error.to_string());
        format!("ask {asked} of {stage}: {answer}")
    }

    /// A container of somebody else.
    fn stranger(&mut self) -> String {
        let name = format!("web-a-{}", self.strangers.len());
        self.ground.host.fake.run_by_hand(&name, &std::collections::BTreeMap::new());
        let container = self.ground.host.fake.container(&name);
        self.strangers.push((name.clone(), format!("{container:?}")));
        format!("somebody runs {name}")
    }
}

/// One walk to its end.
async fn walk(seed: u64, steps: usize) {
    let mut walk = Walk::new(seed).await;
    walk.settle(false).await;
    walk.check().await;
    for _ in 0..steps {
        walk.step().await;
    }
    assert!(walk.before.served.contains_key(config::STILL), "a walk on which something was looked at");
}

/// True where tests take their time; `tests/run.sh --soak` asks for that.
pub fn is_soak() -> bool {
    std::env::var_os("LANDFALL_TEST_SOAK").is_some_and(|soak| soak == "1")
}

/// Some of the walks, from a number on.
async fn walks(first: u64) {
    let (steps, count) = if is_soak() { (STEPS.1, WALKS.1) } else { (STEPS.0, WALKS.0) };
    let one = std::env::var("LANDFALL_TEST_SEED").ok().and_then(|seed| seed.parse().ok());
    let seeds = one.map_or_else(|| (first..first + count).collect(), |seed| vec![seed]);
    for seed in seeds {
        walk(seed, steps).await;
    }
}

#[tokio::test]
async fn r11_r14_r15_r18_whatever_happens_on_a_walk_all_is_as_it_must_be_in_the_end() {
    walks(1).await;
}

#[tokio::test]
async fn r11_r14_r15_r18_whatever_happens_on_a_second_walk_all_is_as_it_must_be_in_the_end() {
    walks(1001).await;
}

#[tokio::test]
async fn r11_r14_r15_r18_whatever_happens_on_a_third_walk_all_is_as_it_must_be_in_the_end() {
    walks(2001).await;
}
