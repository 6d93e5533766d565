//! R14: a phase is committed before its effect, a deploy ends once, and `success` is written at the end only.

use landfall::execute::Event;
use landfall::model::{DeployStatus, Phase};

use super::ground::{Host, ended, image, web};
use crate::fake_docker::{Behaviour, Op};

#[tokio::test]
async fn r14_the_phase_is_in_the_store_before_docker_is_asked() {
    let steps = [
        (Op::Pull, Phase::Pulling),
        (Op::Create, Phase::Creating),
        (Op::Start, Phase::Starting),
        (Op::Inspect, Phase::HealthChecking),
        (Op::Connect, Phase::Switching),
        (Op::Disconnect, Phase::Draining),
        (Op::Stop, Phase::Retiring),
        (Op::Remove, Phase::Retiring),
    ];
    let host = Host::with(&[&image("v1"), &image("v2")]).await;
    host.apply(&web("v1", "")).await;
    let old = host.last();
    host.fake.reset_calls();
    host.write(&web("v2", ""));
    for (op, _) in steps {
        host.fake.hang(op);
    }
    let watch = async {
        for (op, phase) in steps {
            host.called(op).await;
            let open = host.reader().in_flight().unwrap();
            assert_eq!(open.len(), 1, "{op:?}");
            assert_eq!((open[0].phase, Some(open[0].status)), (phase, phase.status()), "{op:?}");
            assert_eq!(host.recorded().stages.into_values().next().unwrap().live.unwrap().id, old.id, "{op:?}");
            host.fake.release(op);
        }
    };
    let (converged, ()) = tokio::join!(host.converge(), watch);
    assert_eq!(ended(&converged).0, "success");
    let (new, live) = (host.last(), host.recorded().stages.into_values().next().unwrap().live.unwrap());
    assert_eq!((new.status, new.phase, live.id), (DeployStatus::Success, Phase::Done, new.id));
    assert!(new.finished_at_ms.is_some() && new.reason.is_none());
}

#[tokio::test]
async fn r14_the_container_is_in_the_deploy_s_row_before_it_is_made_and_in_the_store_before_it_starts() {
    let host = Host::with(&[&image("v1")]).await;
    host.write(&web("v1", ""));
    host.fake.hang(Op::Create);
    host.fake.hang(Op::Start);
    let watch = async {
        host.called(Op::Create).await;
        let name = host.last().container_name;
        assert!(host.fake.calls().last().unwrap().query.contains(&name));
        assert_eq!(host.instances().len(), 0);
        host.fake.release(Op::Create);
        host.called(Op::Start).await;
        let instances = host.instances();
        assert_eq!((&instances[0].name, &instances[0].container_id), (&name, &host.fake.container(&name).id));
        host.fake.release(Op::Start);
    };
    tokio::join!(host.converge(), watch);
}

#[tokio::test]
async fn r14_a_failure_ends_once_too_and_the_phases_told_are_those_passed() {
    let host = Host::with(&[&image("v1").behaving(Behaviour::Unhealthy)]).await;
    host.write(&web("v1", "        ready: { http: { path: / }, deadline: 100ms }\n"));
    host.converge().await;
    let deploy = host.last();
    assert_eq!((deploy.status, deploy.phase), (DeployStatus::Failed, Phase::Done));
    let told = host.events();
    let phases =
        told.iter().filter_map(|event| if let Event::Phase { phase, .. } = event { Some(*phase) } else { None });
    let phases: Vec<_> = phases.collect();
    assert_eq!(phases, [Phase::Pulling, Phase::Creating, Phase::Starting, Phase::HealthChecking]);
    let ends = told.iter().filter(|event| matches!(event, Event::End { .. })).count();
    assert_eq!(ends, 1);
    assert_eq!(host.reader().in_flight().unwrap(), []);
}
