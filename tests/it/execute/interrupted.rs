//! A pass that is cut off at any call, before or after Docker did it, and the next one, which goes on with it (R15).
//!
//! The cut is the drop of the whole pass, tasks, store and lock included: what is left is what a kill leaves.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use landfall::execute::Sink;
use landfall::model::{DeployStatus, Phase, StageKey};
use landfall::plan::Options;
use landfall::reconcile::{self, Converged, Error, Order};
use landfall::store::{DataDir, DeployRow, Lock};

use super::ground::{Host, ended, image, web};
use crate::fake_docker::{Fault, Op};
use crate::router_support::until;
use crate::router_wire::Client;

/// Every call of a replace, in order, with the phase it belongs to.
const CALLS: [(Op, Phase); 10] = [
    (Op::Image, Phase::Pulling),
    (Op::Pull, Phase::Pulling),
    (Op::Tag, Phase::Pulling),
    (Op::Create, Phase::Creating),
    (Op::Start, Phase::Starting),
    (Op::Inspect, Phase::HealthChecking),
    (Op::Connect, Phase::Switching),
    (Op::Disconnect, Phase::Draining),
    (Op::Stop, Phase::Retiring),
    (Op::Remove, Phase::Retiring),
];

/// Begins a pass and drops it in the middle of a call: before Docker has done it, or after.
async fn cut_off(host: &Host, op: Op, done: bool) {
    let places = host.places();
    let pass = async move {
        let options = Options { secrets_needed: true, ..Options::default() };
        reconcile::converge(&places, &options, Sink::new(|_| {}), "apply").await.map(drop)
    };
    cut_off_at(host, pass, op, done).await;
}

/// The same for what a person asked for, after Docker did the call.
pub async fn cut_off_order(host: &Host, key: &StageKey, order: Order, op: Op) {
    let (places, key) = (host.places(), key.clone());
    let pass = async move { reconcile::by_hand(&places, &key, &order, Sink::new(|_| {})).await.map(drop) };
    cut_off_at(host, pass, op, true).await;
}

async fn cut_off_at(host: &Host, pass: impl Future<Output = Result<(), Error>> + Send + 'static, op: Op, done: bool) {
    let swallowed = host.fake.swallowed();
    host.fake.reset_calls();
    host.fake.inject(op, if done { Fault::Swallow } else { Fault::Hang });
    let pass = tokio::spawn(pass);
    until(&format!("{op:?} is in the middle"), async || {
        assert!(!pass.is_finished(), "the pass ended before {op:?}");
        host.fake.count(op) > 0 && (!done || host.fake.swallowed() > swallowed)
    })
    .await;
    pass.abort();
    drop(pass.await);
    // Tasks of the pass that ran at this instant end by themselves, and one of them may still hold its lock.
    let data = DataDir::new(host.path("data"));
    until("nothing of the pass is left", async || Lock::holder(&data).is_none()).await;
}

/// Asks through the proxy all the time; every answer must be one of an app.
pub struct Clients {
    stop: Arc<AtomicBool>,
    task: tokio::task::JoinHandle<Vec<u16>>,
}

impl Clients {
    pub fn start(host: &Host) -> Self {
        let (stop, addr) = (Arc::new(AtomicBool::new(false)), host.router.addr);
        let stopped = Arc::clone(&stop);
        let task = tokio::spawn(async move {
            let mut answers = Vec::new();
            while !stopped.load(Ordering::SeqCst) {
                answers.push(Client::connect(addr).await.get("web.test", "/").await.status);
                tokio::time::sleep(std::time::Duration::from_millis(1)).await;
            }
            answers
        });
        Self { stop, task }
    }

    pub async fn all_answered(self, what: &str) {
        self.stop.store(true, Ordering::SeqCst);
        let answers = self.task.await.expect("clients that were answered");
        assert!(!answers.is_empty() && answers.iter().all(|status| *status == 200), "{what}: {answers:?}");
    }
}

/// One container, routed, nothing open, nothing held, and one log that tells of the interruption. Answers how the deploy
/// of it ended.
async fn settled(host: &Host, version: &str, what: &str) -> DeployStatus {
    assert_eq!(host.containers(), [format!("web-prod@{version} running")], "{what}");
    assert_eq!(host.version_at("web.test").await, version, "{what}");
    assert_eq!(
        host.routes().await.into_iter().collect::<Vec<_>>(),
        [("web.test".to_owned(), format!("web-prod@{version}"))]
    );
    assert_eq!(host.reader().in_flight().unwrap(), [], "{what}");
    assert_eq!(host.instances().len(), 1, "{what}");
    assert!(host.recorded().stages.values().all(|stage| stage.quarantine.is_empty()), "{what}");
    assert!(host.look().await.unwrap().plan.is_noop(), "{what}");
    let tells = |deploy: &&DeployRow| {
        host.reader().log(deploy.id).unwrap().iter().any(|line| line.text.contains("interrupted"))
    };
    let deploys = host.deploys();
    let cut = deploys.iter().filter(tells).collect::<Vec<_>>();
    assert_eq!(cut.len(), 1, "{what}: {deploys:?}");
    cut[0].status
}

/// As [`settled`], and it was the same deploy that was begun: no other was made for it.
async fn went_on(host: &Host, deploys: usize, version: &str, what: &str) {
    assert_eq!(settled(host, version, what).await, DeployStatus::Success, "{what}");
    assert_eq!(host.deploys().len(), deploys, "{what}");
}

/// The next pass, which does what a look before it said, though it closes the interrupted deploy first.
async fn as_foretold(host: &Host, what: &str) -> Converged {
    let looked = host.look().await.unwrap();
    assert!(looked.open.len() == 1 && !looked.open[0].is_under_way, "{what}: {:?}", looked.open);
    let converged = host.converge().await;
    assert_eq!(converged.view.plan.to_string(), looked.plan.to_string(), "{what}");
    converged
}

/// A replace cut off at one call, and the next pass.
async fn replace_cut_off(op: Op, phase: Phase, done: bool) {
    let what = format!("{op:?}, done: {done}");
    let host = Host::with(&[&image("v1"), &image("v2")]).await;
    host.apply(&web("v1", "")).await;
    let clients = Clients::start(&host);
    host.write(&web("v2", ""));
    cut_off(&host, op, done).await;
    let open = host.reader().in_flight().unwrap();
    assert_eq!(open.iter().map(|deploy| deploy.phase).collect::<Vec<_>>(), [phase], "{what}");
    let converged = as_foretold(&host, &what).await;
    assert!(converged.results.values().all(landfall::execute::StageResult::is_ok), "{what}: {:?}", ended(&converged));
    clients.all_answered(&what).await;
    went_on(&host, 2, "v2", &what).await;
}

#[tokio::test]
async fn r15_a_replace_cut_off_before_any_call_ends_as_if_it_had_not_been() {
    for (op, phase) in CALLS {
        replace_cut_off(op, phase, false).await;
    }
}

#[tokio::test]
async fn r15_a_replace_cut_off_after_any_call_ends_as_if_it_had_not_been() {
    for (op, phase) in CALLS {
        replace_cut_off(op, phase, true).await;
    }
}

#[tokio::test]
async fn r15_a_first_deploy_cut_off_leaves_one_container_in_the_end() {
    for (op, _) in CALLS.into_iter().take(7) {
        for done in [false, true] {
            let host = Host::with(&[&image("v1")]).await;
            host.write(&web("v1", ""));
            cut_off(&host, op, done).await;
            assert_eq!(ended(&host.converge().await).0, "success", "{op:?} {done}");
            went_on(&host, 1, "v1", &format!("{op:?}, done: {done}")).await;
        }
    }
}

#[tokio::test]
async fn r15_a_recreate_cut_off_ends_with_the_new_one() {
    let volume = "        volumes: [ \"data:/data\" ]\n";
    for op in [Op::Pull, Op::Stop, Op::Create, Op::Connect, Op::Start, Op::Inspect, Op::Remove] {
        for done in [false, true] {
            let host = Host::with(&[&image("v1"), &image("v2")]).await;
            host.apply(&web("v1", volume)).await;
            host.write(&web("v2", volume));
            cut_off(&host, op, done).await;
            as_foretold(&host, &format!("{op:?}, done: {done}")).await;
            went_on(&host, 2, "v2", &format!("{op:?}, done: {done}")).await;
        }
    }
}

#[tokio::test]
async fn r15_a_replace_that_is_not_wanted_any_more_goes_back_to_the_old_one() {
    let superseded = [Op::Create, Op::Start, Op::Inspect, Op::Connect].map(|op| (op, DeployStatus::Superseded));
    for (op, status) in superseded.into_iter().chain([Op::Disconnect, Op::Stop].map(|op| (op, DeployStatus::Success))) {
        let host = Host::with(&[&image("v1"), &image("v2")]).await;
        host.apply(&web("v1", "")).await;
        let clients = Clients::start(&host);
        host.write(&web("v2", ""));
        cut_off(&host, op, true).await;
        host.write(&web("v1", ""));
        as_foretold(&host, &format!("{op:?}")).await;
        // What was stopped already cannot answer; until then, nobody may notice.
        if op != Op::Stop {
            clients.all_answered(&format!("{op:?}")).await;
        }
        assert_eq!(settled(&host, "v1", &format!("{op:?}")).await, status, "{op:?}");
    }
}

#[tokio::test]
async fn r15_a_clean_up_that_fails_or_is_cut_off_itself_is_done_by_the_one_after() {
    let host = Host::with(&[&image("v1"), &image("v2")]).await;
    host.apply(&web("v1", "")).await;
    host.write(&web("v2", ""));
    cut_off(&host, Op::Inspect, true).await;
    host.write(&web("v1", ""));
    host.fake.fail_next(Op::Remove, 500, "busy");
    let error = host.converge_with(Options::default()).await.unwrap_err();
    assert!(error.to_string().contains("interrupted") && error.to_string().contains("busy"), "{error}");
    assert_eq!(host.reader().in_flight().unwrap().len(), 1);
    cut_off(&host, Op::Remove, false).await;
    cut_off(&host, Op::Remove, true).await;
    host.converge().await;
    assert_eq!(settled(&host, "v1", "in the end").await, DeployStatus::Superseded);
}

#[tokio::test]
async fn r15_without_a_proxy_what_passed_its_gate_stays_since_the_old_one_may_be_gone() {
    for op in [Op::Connect, Op::Disconnect, Op::Stop, Op::Remove] {
        for done in [false, true] {
            let what = format!("{op:?}, done: {done}");
            let host = Host::with(&[&image("v1"), &image("v2")]).await;
            host.settings("  proxy: { none: {} }\n");
            let unrouted = |version| web(version, "").replace("        route: { domains: [ web.test ] }\n", "");
            host.apply(&unrouted("v1")).await;
            host.write(&unrouted("v2"));
            cut_off(&host, op, done).await;
            let new = host.fake.container(&host.last().container_name).id;
            host.converge().await;
            assert_eq!(host.containers(), ["web-prod@v2 running"], "{what}");
            assert_eq!(host.fake.containers()[0].id, new, "{what}");
            assert_eq!(host.reader().in_flight().unwrap(), [], "{what}");
        }
    }
}
