//! A deploy without an end: it goes on where it was, or is closed (R15).

use super::*;
use crate::model::recorded::{GivingUp, InFlight};
use crate::model::{DeployStatus, Phase};
use crate::plan::{Left, WayBack};

impl World {
    /// What is wanted now was begun as deploy `n`, and interrupted: its container runs, beside what served before.
    fn begun(mut self, name: &str, n: u16, phase: Phase) -> Self {
        let key = key(name);
        let (before, routes) = (self.recorded.stages.get(&key).cloned(), self.observed.proxy.clone());
        self = self.runs(name, n);
        let recorded = self.recorded.stages.get_mut(&key).unwrap();
        let deploy = recorded.live.take().unwrap();
        recorded.live = before.and_then(|before| before.live);
        recorded.in_flight = Some(Box::new(InFlight {
            deploy,
            secrets_label: String::new(),
            phase,
            host_port: Some(20_000 + n),
            giving_up: None,
        }));
        self.observed.proxy = routes;
        self.container(n, |container| rejoin(container, |all| drop(all.remove(NAMES))))
    }

    /// `shop/prod` at v1, and v2 begun.
    fn replacing(phase: Phase) -> Self {
        Self::new().want("shop/prod", "v1").runs("shop/prod", 1).want("shop/prod", "v2").begun("shop/prod", 2, phase)
    }

    /// The traffic of `shop/prod` goes to deploy `n`.
    fn leads_to(self, n: u16) -> Self {
        self.routes("shop.test", 20_000 + n, Some((store(), key("shop/prod"))))
    }

    fn giving_up(mut self, status: DeployStatus, hold: bool) -> Self {
        let open = self.recorded.stages.get_mut(&key("shop/prod")).unwrap().in_flight.as_mut().unwrap();
        open.giving_up = Some(GivingUp { status, reason: "exit 1".into(), hold, is_at_fault: hold });
        self
    }

    /// How the open deploy is closed.
    fn ending(&self) -> Option<(DeployStatus, Left)> {
        let mut endings = self.plan().endings;
        assert!(endings.len() <= 1, "{endings:?}");
        endings.pop().map(|ending| (ending.status, ending.container))
    }
}

fn name(n: u128) -> String {
    format!("shop-prod-{}", deploy_id(n).short())
}

fn removed(n: u128) -> Left {
    Left::Removed { id: format!("id{n}"), name: name(n) }
}

#[test]
fn r15_a_deploy_goes_on_with_what_is_left_of_it() {
    let world = World::replacing(Phase::HealthChecking);
    world.expect(
        "
            shop/prod replace: interrupted while health checking, and goes on; version v1 → v2
              ~ track.tag  v1 → v2
              gate (new) http /up within 1m
              name (new)
              switch shop.test to (new)
              unname shop-prod-00000001
              drain shop-prod-00000001 within 10s
              stop shop-prod-00000001 within 10s
              remove shop-prod-00000001
        ",
    );
    let deploy = world.plan().stages[0].deploy.clone().unwrap();
    let resumed = deploy.resumes.unwrap();
    assert_eq!((resumed.deploy, resumed.container.as_deref()), (deploy_id(2), Some("id2")));
    assert_eq!((resumed.host_port, resumed.back), (Some(20_002), WayBack::NotNeeded));
    assert_eq!(world.ending(), None);
}

#[test]
fn r15_one_that_was_made_and_never_started_is_started() {
    let world = World::replacing(Phase::Creating).container(2, |c| c.state = ContainerState::Created);
    let steps: Vec<String> = world.plan().stages[0].steps.iter().map(ToString::to_string).take(2).collect();
    assert_eq!(steps, ["start (new)", "gate (new) http /up within 1m"]);
}

#[test]
fn r15_one_that_was_not_made_is_made_by_the_same_deploy() {
    let mut world = World::replacing(Phase::Creating);
    world.observed.containers.retain(|container| container.id != "id2");
    let plan = world.plan();
    let stage = &plan.stages[0];
    let resumed = stage.deploy.as_ref().unwrap().resumes.as_ref().unwrap();
    assert_eq!((resumed.deploy, resumed.container.as_deref()), (deploy_id(2), None));
    assert!(stage.steps[0].to_string().starts_with("pull "), "{plan}");
    assert_eq!(stage.steps[1].to_string(), "create (new) next to shop-prod-00000001");
}

#[test]
fn r23_one_whose_container_is_made_goes_on_whatever_became_of_what_it_waited_for() {
    let on_db = |stage: &mut DesiredStage| stage.depends_on = vec![key("db/prod")];
    let world = World::new().want("shop/prod", "v1").runs("shop/prod", 1).want("shop/prod", "v2");
    let mut world = world.change("shop/prod", on_db).begun("shop/prod", 2, Phase::HealthChecking);
    world.options.selection = Selection(vec!["shop".into()]);
    assert!(world.plan().stages[0].deploy.is_some(), "{}", world.plan());
    world.observed.containers.retain(|container| container.id != "id2");
    assert!(world.plan().stages[0].blocked.is_some(), "{}", world.plan());
}

#[test]
fn r15_a_hook_that_ended_before_is_not_run_again() {
    let hook = |stage: &mut DesiredStage| {
        let hook = Some(Hook { command: vec!["up".into()], timeout: Millis::secs(60) });
        stage.hooks = Hooks { pre_deploy: hook.clone(), post_deploy: hook };
    };
    let world = World::new().want("shop/prod", "v1").runs("shop/prod", 1).want("shop/prod", "v2");
    let plan = world.change("shop/prod", hook).begun("shop/prod", 2, Phase::HealthChecking).plan().to_string();
    assert!(!plan.contains("hook pre_deploy") && plan.contains("hook post_deploy"), "{plan}");
}

#[test]
fn r14_no_step_of_a_deploy_that_goes_on_is_before_the_phase_that_was_reached() {
    for phase in Phase::ALL.iter().copied().filter(|phase| *phase <= Phase::Monitoring) {
        let plan = World::replacing(phase).plan();
        assert!(plan.stages[0].deploy.is_some(), "{phase}");
        assert!(plan.stages[0].steps.iter().all(|step| step.phase >= phase), "{phase}: {plan}");
    }
}

#[test]
fn r15_after_a_switch_the_way_back_is_to_what_served_before() {
    let world = World::replacing(Phase::Switching).leads_to(2);
    let back = world.plan().stages[0].deploy.clone().unwrap().resumes.unwrap().back;
    let WayBack::By(effect) = back else { panic!("{back:?}") };
    assert_eq!(effect.to_string(), "switch shop.test to shop-prod-00000001");
    let first = World::new().want("shop/prod", "v1").begun("shop/prod", 1, Phase::Switching).leads_to(1);
    let back = first.plan().stages[0].deploy.clone().unwrap().resumes.unwrap().back;
    let WayBack::By(effect) = back else { panic!("{back:?}") };
    assert_eq!(effect.to_string(), "unroute shop.test");
}

#[test]
fn r15_a_restart_that_was_interrupted_goes_on_though_what_runs_is_what_is_wanted() {
    let world = World::new().want("shop/prod", "v1").runs("shop/prod", 1).begun("shop/prod", 2, Phase::Starting);
    assert_eq!(world.plan().stages[0].verdict, Verdict::Replace);
    assert_eq!(world.ending(), None);
}

#[test]
fn r15_what_is_not_wanted_any_more_makes_way() {
    for phase in [Phase::Pending, Phase::Pulling, Phase::Creating, Phase::Starting, Phase::HealthChecking] {
        let world = World::replacing(phase).want("shop/prod", "v1");
        assert_eq!(world.ending(), Some((DeployStatus::Superseded, removed(2))), "{phase}");
        assert!(world.plan().is_noop(), "{phase}: {}", world.plan());
        let next = World::replacing(phase).want("shop/prod", "v3");
        assert_eq!(next.ending(), Some((DeployStatus::Superseded, removed(2))), "{phase}");
        assert!(!next.plan().to_string().contains(&name(2)), "{phase}: {}", next.plan());
        let gone = World::replacing(phase).drop_stage("shop/prod");
        assert_eq!(gone.ending(), Some((DeployStatus::Superseded, removed(2))), "{phase}");
    }
}

#[test]
fn r15_a_gate_that_was_changed_is_not_what_the_deploy_was_begun_with() {
    let world =
        World::replacing(Phase::HealthChecking).change("shop/prod", |stage| stage.ready.deadline = Millis::secs(5));
    assert_eq!(world.ending(), Some((DeployStatus::Superseded, removed(2))));
    assert!(world.plan().stages[0].deploy.as_ref().unwrap().resumes.is_none());
}

#[test]
fn r4_what_a_switch_that_was_cut_off_may_still_lead_to_stays_until_another_switch_is_proven() {
    let world = World::replacing(Phase::Switching).want("shop/prod", "v1");
    let (status, left) = world.ending().unwrap();
    assert_eq!(status, DeployStatus::Superseded);
    assert!(matches!(left, Left::Stays { id, .. } if id == "id2"));
    world.expect(
        "
            shop/prod repair: route: a switch of shop.test was cut off; shop-prod-00000002 is left over
              switch shop.test to shop-prod-00000001
              drain shop-prod-00000002 within 10s
              stop shop-prod-00000002 within 10s
              remove shop-prod-00000002
        ",
    );
}

#[test]
fn r14_what_is_seen_to_serve_and_was_overtaken_succeeded() {
    for phase in [Phase::Switching, Phase::Monitoring, Phase::Draining, Phase::Retiring] {
        let world = World::replacing(phase).leads_to(2).want("shop/prod", "v3");
        let ending = world.plan().endings.pop().unwrap();
        assert_eq!((ending.status, ending.is_live), (DeployStatus::Success, true), "{phase}");
        assert_eq!(ending.container, Left::Serves { name: name(2) }, "{phase}");
        let text = world.plan().to_string();
        assert!(text.contains("version v2 → v3") && text.contains("remove shop-prod-00000002"), "{phase}: {text}");
    }
}

#[test]
fn r15_past_its_switch_it_succeeded_and_the_old_one_is_a_leftover() {
    for phase in [Phase::Draining, Phase::Retiring] {
        let world = World::replacing(phase).leads_to(2).container(2, |c| {
            rejoin(c, |all| drop(all.insert(NAMES.into(), "10.1.0.2".into())));
        });
        assert_eq!(world.ending(), Some((DeployStatus::Success, Left::Serves { name: name(2) })), "{phase}");
        let text = world.plan().to_string();
        assert!(text.starts_with("shop/prod repair: shop-prod-00000001 is left over"), "{phase}: {text}");
    }
}

#[test]
fn r12_what_was_being_given_up_ends_as_it_failed_and_is_not_tried_again() {
    let held = World::replacing(Phase::HealthChecking).giving_up(DeployStatus::Failed, true);
    assert_eq!(held.ending(), Some((DeployStatus::Failed, removed(2))));
    assert_eq!(held.plan().stages[0].verdict, Verdict::Held);
    let outside = World::replacing(Phase::Pulling).giving_up(DeployStatus::Failed, false);
    let deploy = outside.plan().stages[0].deploy.clone().unwrap();
    assert!(deploy.resumes.is_none(), "it is begun anew");
    let back = World::replacing(Phase::Monitoring).leads_to(2).giving_up(DeployStatus::RolledBack, true);
    let (status, left) = back.ending().unwrap();
    assert_eq!(status, DeployStatus::RolledBack);
    assert!(matches!(left, Left::Stays { .. }), "traffic leads to it: {left:?}");
    let text = back.plan().to_string();
    let order = ["switch shop.test to shop-prod-00000001", "remove shop-prod-00000002"].map(|step| text.find(step));
    assert!(order[0].is_some() && order[0] < order[1], "{text}");
}

#[test]
fn r9_a_switch_that_nobody_knows_of_keeps_what_works_for_the_plan_to_choose() {
    let world = World::replacing(Phase::Switching).leads_to(2).giving_up(DeployStatus::RolledBack, false);
    assert_eq!(world.ending(), Some((DeployStatus::RolledBack, Left::MayServe { name: name(2) })));
    assert_eq!(world.plan().stages[0].keeps, Some(deploy_id(2)), "it serves, and is what is wanted");
}

#[test]
fn r15_it_waits_with_its_stage_and_nothing_touches_its_container() {
    let mut world = World::replacing(Phase::HealthChecking);
    world.observed.proxy = ObservedProxy::Unreachable("the proxy is away".into());
    assert_eq!(world.ending(), None);
    assert_eq!(world.plan().stages[0].verdict, Verdict::Blocked);
    assert!(!world.plan().to_string().contains(&name(2)), "{}", world.plan());
}

#[test]
fn r15_an_older_backup_does_not_bring_back_what_was_overtaken() {
    let mut world = World::replacing(Phase::Starting);
    world.recorded.stages.get_mut(&key("shop/prod")).unwrap().live.as_mut().unwrap().id = deploy_id(9);
    assert_eq!(world.ending(), Some((DeployStatus::Superseded, removed(2))));
}

#[test]
fn r1_a_look_alike_with_another_spec_is_not_gone_on_with() {
    let world = World::replacing(Phase::Starting).container(2, |container| {
        container.labels.as_mut().unwrap().spec = format!("v1:{}", "0".repeat(64));
    });
    assert_eq!(world.ending(), Some((DeployStatus::Failed, removed(2))));
}
