//! R24 in random worlds: nothing goes that is needed, and what nobody needs goes.

use proptest::prelude::*;
use proptest::sample::Index;
use proptest::strategy::Strategy;

use super::*;
use crate::model::ChoiceKind;
use crate::model::recorded::{Choice, InFlight, Pause, RecordedImage};
use crate::model::{PauseKind, Phase};

const STAGES: [&str; 3] = ["shop/prod", "shop/test", "blog/prod"];
const VERSIONS: [&str; 5] = ["v1", "v2", "v3", "v4", "v5"];
const NOW_MS: i64 = 100_000_000;

/// What is to happen to a stage in a pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comes {
    Nothing,
    Deploy(usize),
    Remove,
}

/// A stage, its past, and all that may hold on to an image.
#[derive(Debug, Clone)]
struct Life {
    is_desired: bool,
    is_recorded: bool,
    keep: u8,
    /// Versions that were deployed, and whether they succeeded.
    past: Vec<(usize, bool)>,
    pin: Option<usize>,
    chosen: Option<usize>,
    in_flight: Option<usize>,
    /// A container of a version; whether it goes.
    container: Option<(usize, bool)>,
    comes: Comes,
    /// Left alone, not picked on the command line, worked on by another pass, left a moment ago.
    apart: [bool; 4],
}

fn version() -> impl Strategy<Value = usize> {
    any::<Index>().prop_map(|index| index.index(VERSIONS.len()))
}

fn life() -> impl Strategy<Value = Life> {
    let comes = prop_oneof![
        3 => Just(Comes::Nothing),
        2 => version().prop_map(Comes::Deploy),
        1 => Just(Comes::Remove),
    ];
    let past = prop::collection::vec((version(), prop::bool::weighted(0.8)), 0..8);
    let rarely = || prop::option::weighted(0.2, version());
    let held = (prop::option::weighted(0.5, version()), rarely(), rarely());
    let container = prop::option::weighted(0.7, (version(), any::<bool>()));
    let apart = std::array::from_fn(|_| prop::bool::weighted(0.05));
    let apart: [_; 4] = apart;
    let first = (prop::bool::weighted(0.8), any::<bool>(), 1..4_u8, past);
    (first, held, container, comes, apart).prop_map(|(first, (pin, chosen, in_flight), container, comes, mut apart)| {
        let (is_desired, is_recorded, keep, mut past) = first;
        let comes = match comes {
            Comes::Deploy(_) if !is_desired => Comes::Remove,
            Comes::Remove if is_desired => Comes::Nothing,
            comes => comes,
        };
        // Its row is there since before the pull.
        past.extend(in_flight.map(|version| (version, false)));
        let is_recorded = is_desired || is_recorded;
        // The word is forgotten with the stage.
        apart[0] &= is_recorded;
        Life { is_desired, is_recorded, keep, past, pin, chosen, in_flight, container, comes, apart }
    })
}

fn image(version: usize) -> ImageRef {
    let tag = VERSIONS[version].parse().unwrap();
    let repository = "reg.test/app".parse().unwrap();
    ImageRef { repository, digest: digest(VERSIONS[version]), tag: Some(tag), local: false }
}

impl Life {
    /// Versions that succeeded, newest first, those that are to come among them.
    fn successes(&self) -> Vec<usize> {
        let comes = match self.comes {
            Comes::Deploy(version) => Some(version),
            Comes::Nothing | Comes::Remove => None,
        };
        let past = self.past.iter().rev().filter(|(_, is_success)| *is_success).map(|(version, _)| *version);
        comes.into_iter().chain(past).collect()
    }

    /// What succeeded last.
    fn newest(&self) -> Option<usize> {
        self.past.iter().rev().find(|(_, is_success)| *is_success).map(|(version, _)| *version)
    }

    /// How many others succeeded after a version, as the store has it.
    fn newer(&self, version: usize) -> Option<u32> {
        let past = Self { comes: Comes::Nothing, ..self.clone() }.successes();
        let after: BTreeSet<_> = past[..past.iter().position(|one| *one == version)?].iter().collect();
        Some(u32::try_from(after.len()).unwrap())
    }

    fn has(&self, version: usize) -> bool {
        self.past.iter().any(|(one, _)| *one == version)
    }

    /// True where an image may not go for it, said without any of what is tested.
    fn needs(&self, version: usize) -> bool {
        let is = |one: Option<usize>| one == Some(version);
        let moves = self.comes != Comes::Nothing;
        let stays = self.is_recorded && !moves;
        let mut distinct: Vec<usize> = Vec::new();
        for one in self.successes() {
            if !distinct.contains(&one) {
                distinct.push(one);
            }
        }
        let is_kept = distinct.iter().take(self.keep.into()).any(|one| *one == version);
        let is_for_another = self.apart.contains(&true) || (!self.is_desired && self.is_recorded && !moves);
        is(self.container.filter(|(_, goes)| !goes).map(|(version, _)| version))
            || (self.is_desired && is(self.pin))
            || self.comes == Comes::Deploy(version)
            || (stays && (is(self.pin) || is(self.newest()) || is(self.chosen) || is(self.in_flight)))
            || (self.has(version) && (is_for_another || (self.is_desired && is_kept)))
    }
}

/// The world of some lives, the plan, and what the store has of images.
struct Scene {
    world: World,
    images: BTreeMap<StageKey, Result<ImageRef, Blocked>>,
    plan: Plan,
    held: Vec<RecordedImage>,
}

impl Scene {
    fn drops(&self) -> BTreeSet<usize> {
        let Self { world: World { desired, recorded, observed, options, .. }, images, plan, held } = self;
        let drops = Shelf { desired, recorded, observed, images, plan, options, now_ms: NOW_MS }.superfluous(held);
        let number = |drop: &ImageDrop| (0..VERSIONS.len()).find(|version| image(*version).digest == drop.image.digest);
        drops.iter().map(|drop| number(drop).unwrap()).collect()
    }
}

fn scene(lives: &[Life]) -> Scene {
    let mut world = World::new();
    let (mut images, mut plan, mut held) = (BTreeMap::new(), Plan::default(), Vec::new());
    let (mut picked, mut busy) = (Vec::new(), BTreeSet::new());
    for (n, (name, life)) in (1..).zip(STAGES.iter().zip(lives)) {
        let [is_paused, is_unpicked, is_busy, was_left] = life.apart;
        world = world.want(name, "v1").change(name, |stage| stage.keep_images = life.keep);
        let stage = world.desired.stages[&key(name)].clone();
        let blocked = Blocked { refused: false, reason: "away".into(), hint: None };
        images.insert(key(name), life.pin.filter(|_| life.is_desired).map(image).ok_or(blocked));
        if let Some((version, _)) = life.container {
            let mut container = world.instance(&stage, n);
            container.labels.as_mut().unwrap().digest = image(version).digest.to_string();
            container.state = if n == 1 { ContainerState::Exited } else { ContainerState::Running };
            world.observed.containers.push(container);
        }
        let verdict = match life.comes {
            Comes::Nothing => Verdict::Unchanged,
            Comes::Deploy(_) => Verdict::Replace,
            Comes::Remove => Verdict::Remove,
        };
        let mut planned = StagePlan::new(&key(name), verdict);
        if life.container.is_some_and(|(_, goes)| goes) {
            let target = Target::Existing { id: format!("id{n}"), name: "old".into(), deploy: deploy_id(n.into()) };
            planned.steps.push(Step::shared(Effect::Remove { target }));
        }
        if let Comes::Deploy(version) = life.comes {
            let (image, stage) = (image(version), stage.clone());
            let deploy = PlannedDeploy { image, stage, spec_hash: String::new(), secrets: None, resumes: None };
            planned.deploy = Some(Box::new(deploy));
        }
        plan.stages.push(planned);
        if life.is_recorded {
            world.recorded.stages.insert(key(name), recorded(&world, &stage, life, is_paused));
        }
        let versions: BTreeSet<usize> = life.past.iter().map(|(version, _)| *version).collect();
        held.extend(versions.into_iter().map(|version| RecordedImage {
            key: key(name),
            image: image(version),
            newer: life.newer(version).filter(|_| life.is_recorded),
            is_pulled: true,
            left_at_ms: was_left.then_some(NOW_MS - 1000),
        }));
        if !life.is_desired {
            world = world.drop_stage(name);
        }
        if !is_unpicked {
            picked.push((*name).to_owned());
        }
        if is_busy {
            busy.insert(key(name));
        }
    }
    picked.push("nothing".to_owned());
    world.options = Options { selection: Selection(picked), busy: Arc::new(busy), ..Options::default() };
    Scene { world, images, plan, held }
}

fn recorded(world: &World, stage: &DesiredStage, life: &Life, is_paused: bool) -> RecordedStage {
    let applied = |version| LiveDeploy { image: image(version), ..world.deployed(stage, 9) };
    let pause = Pause { kind: PauseKind::Suspended, since_ms: 0, until_ms: None };
    RecordedStage {
        pin: life.pin.map(image).as_ref().and_then(crate::model::recorded::Pin::of),
        live: life.newest().map(applied),
        choice: life.chosen.map(|version| {
            Box::new(Choice {
                kind: ChoiceKind::Rollback,
                from: None,
                image: image(version),
                spec_json: String::new(),
                refused_version: String::new(),
                refused_json: String::new(),
                refused_digest: None,
                chosen_at_ms: 0,
            })
        }),
        in_flight: life.in_flight.map(|version| {
            let (phase, host_port, giving_up) = (Phase::Creating, None, None);
            Box::new(InFlight { deploy: applied(version), secrets_label: String::new(), phase, host_port, giving_up })
        }),
        pause: is_paused.then_some(pause),
        ..RecordedStage::default()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn r24_nothing_goes_that_a_container_or_one_of_the_last_successes_refers_to(lives in [life(), life(), life()]) {
        let dropped = scene(&lives).drops();
        for life in &lives {
            let run = life.container.filter(|(_, goes)| !goes).map(|(version, _)| version);
            let successes = life.successes();
            let kept = successes.iter().filter(|_| life.is_desired).take(life.keep.into());
            for version in run.iter().chain(kept) {
                prop_assert!(!dropped.contains(version), "{} of {life:?}", VERSIONS[*version]);
            }
        }
    }

    #[test]
    fn r24_what_nobody_needs_goes_and_nothing_else(lives in [life(), life(), life()]) {
        let free = |version: &usize| lives.iter().any(|life| life.has(*version)) && !lives.iter().any(|life| life.needs(*version));
        let expected: BTreeSet<usize> = (0..VERSIONS.len()).filter(free).collect();
        prop_assert_eq!(scene(&lives).drops(), expected);
    }
}

#[test]
fn r3_r24_a_plan_that_is_held_lets_nothing_go() {
    let life = Life {
        is_desired: true,
        is_recorded: true,
        keep: 1,
        past: vec![(0, true), (1, true)],
        pin: Some(1),
        chosen: None,
        in_flight: None,
        container: Some((1, false)),
        comes: Comes::Nothing,
        apart: [false; 4],
    };
    let mut scene = scene(&[life]);
    assert_eq!(scene.drops(), [0].into());
    scene.plan.held = Some(Held::Prune { what: "all of it".into() });
    assert_eq!(scene.drops(), [].into());
}
