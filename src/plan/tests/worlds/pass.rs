//! One pass over the model: what was left open, the plan, the plan carried out, and what a deploy that fails puts back,
//! in the order of `reconcile::pass`, `execute::run` and `execute::give_up`.

use super::super::*;
use super::act::{Work, forget_stages, routes};
use super::model::{Deploy, Done, Model, Stop};
use crate::model::recorded::{GivingUp, InFlight};
use crate::model::{DeployStatus, Phase};

/// Of so many plans one is made a second time, without the specs of what stays.
const COMPARED: usize = 8;

impl Model {
    /// A pass to its end; an error when it was killed. The plan that it carried out.
    pub(super) fn pass(&mut self) -> Result<Plan, Stop> {
        self.forget_gone()?;
        // Looking whether a plan needs the specs that it was not given costs two more: one in so many will do.
        let plan = if self.ops.is_multiple_of(COMPARED) {
            self.world.plan()
        } else {
            self.world.plan_of(&self.world.recorded, &self.world.images())
        };
        self.look_at(&plan);
        self.close(&plan.endings)?;
        if plan.held.is_some() || plan.stages.iter().any(|s| s.blocked.as_ref().is_some_and(|b| b.refused)) {
            return Ok(plan);
        }
        self.op("accept configuration".to_owned(), forget_stages)?;
        self.record_live(&plan)?;
        self.carry_out(&plan)?;
        Ok(plan)
    }

    /// What can be told of a plan before it is carried out: whatever replaces a thing is live before the thing goes (R4).
    fn look_at(&mut self, plan: &Plan) {
        self.tell(|| format!("plan:\n{plan}"));
        for stage in &plan.stages {
            let is_recreate = stage.deploy.as_ref().is_some_and(|deploy| deploy.stage.strategy == Strategy::Recreate);
            let mut gone = None;
            for step in &stage.steps {
                match &step.effect {
                    Effect::Remove { target } => gone = Some(target),
                    Effect::Stop { target, .. } | Effect::LeaveNames { target } | Effect::Drain { target, .. } => {
                        gone = gone.or((!is_recreate).then_some(target));
                    }
                    Effect::CreateNetwork { .. } | Effect::Pull { .. } | Effect::CreateVolume { .. } => {}
                    Effect::Unroute { .. } if stage.verdict == Verdict::Remove => {}
                    Effect::Create { .. }
                    | Effect::Hook { .. }
                    | Effect::WriteSecrets
                    | Effect::Connect { .. }
                    | Effect::Start { .. }
                    | Effect::Unpause { .. }
                    | Effect::Rename { .. }
                    | Effect::Gate { .. }
                    | Effect::JoinNames { .. }
                    | Effect::Certify { .. }
                    | Effect::Switch { .. }
                    | Effect::Monitor { .. }
                    | Effect::Unroute { .. } => {
                        if let Some(gone) = gone {
                            let (key, effect) = (&stage.key, &step.effect);
                            let text = format!("removal does not come last (R4): {key} retires {gone} before {effect}");
                            return self.problem(text);
                        }
                    }
                }
            }
        }
    }

    fn forget_gone(&mut self) -> Done {
        let known = self.world.recorded.stages.values().flat_map(|stage| stage.instances.keys().cloned());
        let gone: Vec<String> = known.filter(|id| self.container(id).is_none()).collect();
        gone.iter().try_for_each(|id| self.forget(id))
    }

    /// What is wanted and found to serve counts as the newest success, before what it replaced goes.
    fn record_live(&mut self, plan: &Plan) -> Done {
        for stage in &plan.stages {
            let live = self.world.recorded.stages.get(&stage.key).and_then(|s| s.live.as_ref()).map(|live| live.id);
            if let Some(kept) = stage.keeps.filter(|kept| Some(*kept) != live) {
                self.set_live(kept)?;
            }
        }
        Ok(())
    }

    pub(super) fn set_live(&mut self, id: DeployId) -> Done {
        let Some(deploy) = self.deploys.get(&id).cloned() else { return Ok(()) };
        self.op(format!("live {}", id.short()), |world| make_live(world, deploy))
    }

    /// Every stage on its own, in the order that the plan asks for; one that fails touches no other.
    fn carry_out(&mut self, plan: &Plan) -> Done {
        for step in &plan.shared {
            let Effect::CreateNetwork { name } = &step.effect else { panic!("stages share networks alone") };
            self.make_network(name)?;
        }
        let mut waiting: Vec<&StagePlan> = plan.stages.iter().filter(|stage| !stage.steps.is_empty()).collect();
        let mut ended: BTreeMap<&StageKey, bool> = BTreeMap::new();
        while let Some(at) =
            waiting.iter().position(|s| s.after.iter().all(|after| ended.get(after.key()) == Some(&true)))
        {
            let stage = waiting.remove(at);
            let work = match &stage.deploy {
                Some(deploy) => self.deploy(stage, deploy),
                None => self.plain(stage),
            };
            match work {
                Err(Stop::Crash) => return Err(Stop::Crash),
                ended_so => drop(ended.insert(&stage.key, ended_so.is_ok())),
            }
        }
        Ok(())
    }

    fn plain(&mut self, plan: &StagePlan) -> Done {
        let mut work = work(plan, None);
        plan.steps.iter().try_for_each(|step| self.step(&mut work, &step.effect))
    }

    fn deploy(&mut self, plan: &StagePlan, planned: &PlannedDeploy) -> Done {
        let mut work = work(plan, None);
        let id = match &planned.resumes {
            Some(resumed) => self.go_on(&mut work, resumed)?,
            None => self.begin(&planned.stage)?,
        };
        work.deploy = Some(id);
        for step in &plan.steps {
            match self.enter(&mut work, id, step) {
                Ok(()) => {}
                Err(Stop::Failed(..)) if work.phase >= Phase::Draining => {}
                Err(Stop::Failed(_, is_at_fault)) => return self.give_up(&mut work, planned, id, is_at_fault),
                Err(Stop::Crash) => return Err(Stop::Crash),
            }
        }
        self.finish(id, DeployStatus::Success, false)
    }

    fn begin(&mut self, stage: &DesiredStage) -> Result<DeployId, Stop> {
        let live = self.world.deployed(stage, self.next);
        let (id, key) = (live.id, stage.key.clone());
        let open = InFlight {
            deploy: live.clone(),
            secrets_label: String::new(),
            phase: Phase::Pending,
            host_port: None,
            giving_up: None,
        };
        self.op(format!("begin deploy {}", id.short()), |world| {
            world.recorded.stages.entry(key).or_default().in_flight = Some(Box::new(open));
        })?;
        self.next += 1;
        self.deploys.insert(id, Deploy { stage: stage.clone(), live, ends: Vec::new() });
        Ok(id)
    }

    /// A change of a deploy without an end.
    pub(super) fn open(&mut self, id: DeployId, what: String, change: impl FnOnce(&mut InFlight)) -> Done {
        let key = self.deploys[&id].stage.key.clone();
        self.op(what, |world| {
            let open = world.recorded.stages.get_mut(&key).and_then(|stage| stage.in_flight.as_mut());
            change(open.unwrap());
        })
    }

    fn enter(&mut self, work: &mut Work<'_>, id: DeployId, step: &Step) -> Done {
        if step.phase < work.phase {
            self.problem(format!("a phase goes back (R14): {} to {}", work.phase, step.phase));
        }
        if step.phase != work.phase {
            self.open(id, format!("phase {}", step.phase), |open| open.phase = step.phase)?;
            work.phase = step.phase;
        }
        self.step(work, &step.effect)
    }

    pub(super) fn finish(&mut self, id: DeployId, status: DeployStatus, hold: bool) -> Done {
        let deploy = self.deploys[&id].clone();
        self.op(format!("{} ends {status}", id.short()), |world| {
            world.recorded.stages.entry(deploy.stage.key.clone()).or_default().in_flight = None;
            match status {
                DeployStatus::Success => make_live(world, deploy),
                _ if hold => hold_back(world, deploy),
                _ => {}
            }
            forget_stages(world);
        })?;
        self.deploys.get_mut(&id).unwrap().ends.push(status);
        Ok(())
    }

    /// That it is given up, then routes, the old instance and the new container (R11).
    fn give_up(&mut self, work: &mut Work<'_>, planned: &PlannedDeploy, id: DeployId, is_at_fault: bool) -> Done {
        let is_moved = work.proxy_touched || work.phase >= Phase::Monitoring;
        let status = if is_moved { DeployStatus::RolledBack } else { DeployStatus::Failed };
        let hold = is_at_fault || !work.stopped.is_empty();
        let giving_up = GivingUp { status, reason: "a model of a reason".into(), hold, is_at_fault };
        self.open(id, format!("{} is given up", id.short()), |open| open.giving_up = Some(giving_up))?;
        if self.lead_back(work, planned)? {
            self.clear_away(work)?;
        } else if let (true, Some(new)) = (is_at_fault, work.container.clone()) {
            self.mark_failed(&new)?;
        }
        self.finish(id, status, hold)?;
        Err(Stop::Failed("the deploy".into(), is_at_fault))
    }

    /// True when traffic surely goes where it went before.
    fn lead_back(&mut self, work: &mut Work<'_>, planned: &PlannedDeploy) -> Result<bool, Stop> {
        let back = planned.resumes.as_ref().map(|resumed| &resumed.back);
        let led = match (back, work.saved.take()) {
            (Some(WayBack::Unknown), _) => return Ok(false),
            (Some(WayBack::By(effect)), _) => self.step(work, effect),
            (Some(WayBack::NotNeeded) | None, Some(saved)) => {
                self.op("put the routes back".to_owned(), |world| *routes(world) = saved)
            }
            (Some(WayBack::NotNeeded) | None, None) => Ok(()),
        };
        match led {
            Err(Stop::Crash) => Err(Stop::Crash),
            led => Ok(led.is_ok()),
        }
    }

    /// The name first, then the old one again, and the new one goes.
    fn clear_away(&mut self, work: &Work<'_>) -> Done {
        if let (Some(new), true) = (&work.container, work.phase >= Phase::Monitoring) {
            self.change(new, format!("disconnect {new} {NAMES}"), |c| rejoin(c, |all| drop(all.remove(NAMES))))?;
        }
        if let (false, Some(new)) = (work.stopped.is_empty(), &work.container) {
            self.stop(new, format!("stop {new}"))?;
        }
        for old in work.stopped.clone() {
            self.start(&old, format!("start {old} again"))?;
        }
        if let Some(new) = work.container.clone() {
            self.mark_failed(&new)?;
            self.remove(&new, true)?;
        }
        Ok(())
    }

    pub(super) fn mark_failed(&mut self, id: &str) -> Done {
        self.op(format!("{id} has failed"), |world| {
            let row = world.recorded.stages.values_mut().find_map(|stage| stage.instances.get_mut(id));
            if let Some(row) = row {
                row.status = InstanceStatus::Failed;
            }
        })
    }
}

fn work(plan: &StagePlan, deploy: Option<DeployId>) -> Work<'_> {
    Work {
        plan,
        deploy,
        container: None,
        stopped: Vec::new(),
        saved: None,
        proxy_touched: false,
        phase: Phase::Pending,
    }
}

fn make_live(world: &mut World, deploy: Deploy) {
    let recorded = world.recorded.stages.entry(deploy.stage.key).or_default();
    recorded.quarantine.retain(|q| (&q.spec_hash, &q.digest) != (&deploy.live.spec_hash, &deploy.live.image.digest));
    recorded.live = Some(deploy.live);
    recorded.route = None;
}

fn hold_back(world: &mut World, deploy: Deploy) {
    let recorded = world.recorded.stages.entry(deploy.stage.key).or_default();
    recorded.quarantine.push(Quarantine {
        version: deploy.live.image.version(),
        spec_hash: deploy.live.spec_hash,
        digest: deploy.live.image.digest,
        secrets: String::new(),
        spec_json: deploy.live.spec_json.unwrap(),
        deploy: deploy.live.id,
        failed_at_ms: 0,
        reason: "a model of a reason".into(),
    });
}
