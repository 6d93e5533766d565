//! R11, R12: an Nginx Proxy Manager that is down, goes down in the middle, is slow, or is something else. Nothing is
//! touched before it is known to answer, the old route stays, and work goes on once it is back.

use std::time::Duration;

use landfall::plan::Options;
use serde_json::Value;

use super::door::Door;
use super::ground::{Behind, Clients, QUICK};
use crate::cli::landfall;
use crate::execute::ground::{REPOSITORY, image, web};
use crate::fake_docker::Op;
use crate::npm::{Fault, Matcher};

/// `web/prod`, and a stage without a route.
fn with_job(version: &str) -> String {
    let digest = image(version).digest;
    let job = format!("    image: {REPOSITORY}\n    port: 8080\n    ready: {{ tcp: {{}}, interval: 20ms }}\n");
    format!("{}  job:\n{job}    stages: {{ prod: {{ track: {{ digest: \"{digest}\" }} }} }}\n", web(version, QUICK))
}

#[tokio::test]
async fn r11_a_proxy_that_is_down_is_told_with_the_remedy_before_anything_is_touched() {
    let behind = Behind::at_v1().await;
    let door = Door::before(&behind.npm.url()).await;
    behind.settings_at(&door.url(), "");
    door.shut().await;
    behind.host.write(&web("v2", QUICK));
    behind.host.fake.reset_calls();
    let (rows, deploys) = (behind.npm.hosts(), behind.host.deploys().len());
    for (line, code) in [("diff", 1), ("apply", 4), ("status", 3)] {
        let said = landfall(&behind.host, &[line]).await;
        let text = said.out + &said.err;
        assert_eq!(said.code, code, "{line}: {text}");
        assert!(text.contains(&format!("nginx proxy manager does not answer at {}", door.url())), "{text}");
        assert!(text.contains("is `url` in `settings.proxy` the address"), "{text}");
    }
    let doctor = landfall(&behind.host, &["doctor"]).await;
    assert_eq!(doctor.out.matches("nginx proxy manager does not answer at").count(), 1, "{}", doctor.out);
    assert_eq!((behind.host.fake.mutations(), behind.host.deploys().len()), (0, deploys));
    assert_eq!(behind.npm.hosts(), rows);
    assert_eq!(behind.answer("web.test").await, "v1");
    door.open();
    assert_eq!(behind.pass().await.0, "success");
    behind.is_settled_at("v2").await;
}

#[tokio::test]
async fn r11_a_proxy_that_goes_down_in_the_middle_fails_the_deploy_and_the_old_one_serves() {
    let behind = Behind::at_v1().await;
    let door = Door::before(&behind.npm.url()).await;
    behind.settings_at(&door.url(), "");
    behind.host.write(&web("v2", QUICK));
    let clients = Clients::of(&behind, "web.test");
    behind.host.fake.reset_calls();
    behind.host.fake.hang(Op::Start);
    let shut_in_the_middle = async {
        behind.host.called(Op::Start).await;
        door.shut().await;
        behind.host.fake.release(Op::Start);
    };
    let (ended, ()) = tokio::join!(behind.pass(), shut_in_the_middle);
    assert_eq!(ended.0, "failed", "traffic never moved: {}", ended.1);
    assert!(ended.1.contains("does not answer at"), "{}", ended.1);
    assert_eq!(behind.host.containers(), ["web-prod@v1 running"]);
    assert!(behind.recorded().stages.values().all(|stage| stage.quarantine.is_empty()), "an outside fault");
    door.open();
    assert_eq!(behind.pass().await.0, "success");
    clients.saw_only(&["v1", "v2"]).await;
    behind.is_settled_at("v2").await;
}

#[tokio::test]
async fn r12_a_stage_without_a_route_goes_on_while_the_proxy_is_down() {
    let behind = Behind::with(&[&image("v1")]).await;
    let door = Door::before(&behind.npm.url()).await;
    behind.settings_at(&door.url(), "");
    door.shut().await;
    behind.host.write(&with_job("v1"));
    let converged = behind.host.converge().await;
    assert!(converged.refused && converged.results.is_empty(), "whole, or not at all");
    let converged = behind.host.converge_with(Options { partial: true, ..Options::default() }).await.unwrap();
    let ended: Vec<_> = converged.results.iter().map(|(key, result)| (key.to_string(), result.is_ok())).collect();
    assert_eq!(ended, [("job/prod".to_owned(), true)]);
    assert_eq!(behind.host.containers(), ["job-prod@v1 running"]);
    door.open();
    behind.host.converge().await;
    assert_eq!(behind.answer("web.test").await, "v1");
}

#[tokio::test]
async fn r11_what_is_no_list_of_hosts_is_never_taken_for_an_empty_one() {
    let behind = Behind::at_v1().await;
    let list = || Matcher::new("GET", "/nginx/proxy-hosts");
    for (faults, words) in [
        (vec![Fault::Status(502)], "502"),
        (vec![Fault::Status(500), Fault::Status(500)], "500"),
        (vec![Fault::Status(404)], "proxy-hosts is gone"),
        (vec![Fault::Garbage, Fault::Garbage], "no JSON"),
        (vec![Fault::CutBefore, Fault::CutBefore], "no answer"),
        (vec![Fault::HalfBody, Fault::HalfBody], "no answer"),
    ] {
        for fault in &faults {
            behind.npm.fail_next(list(), fault.clone());
        }
        behind.npm.reset_calls();
        let converged = behind.host.converge().await;
        let plan = converged.view.plan.to_string();
        assert!(converged.refused && converged.results.is_empty(), "{faults:?}: {plan}");
        assert!(plan.contains(words), "{faults:?}: {plan}");
        assert_eq!((behind.npm.faults_left(), behind.npm.writes()), (0, 0), "{faults:?}");
    }
    behind.is_settled_at("v1").await;
}

#[tokio::test]
async fn r9_a_list_that_breaks_off_once_and_answers_that_are_slow_change_nothing() {
    let behind = Behind::with(&[&image("v1")]).await;
    for (method, fault) in [
        ("GET", Fault::HalfBody),
        ("POST", Fault::Slow(Duration::from_secs(2))),
        ("GET", Fault::Late(Duration::from_secs(1))),
    ] {
        behind.npm.fail_next(Matcher::new(method, "/nginx/proxy-hosts"), fault);
    }
    behind.host.apply(&web("v1", QUICK)).await;
    assert_eq!((behind.npm.writes(), behind.npm.faults_left()), (1, 0));
    behind.is_settled_at("v1").await;
}

#[tokio::test]
async fn r28_what_answers_in_its_place_is_named_and_gets_no_second_login() {
    let behind = Behind::with(&[&image("v1")]).await;
    behind.npm.fail_next(Matcher::new("POST", "/tokens"), Fault::Garbage);
    behind.host.write(&web("v1", QUICK));
    let plan = behind.host.converge().await.view.plan.to_string();
    assert!(plan.contains("no JSON"), "{plan}");
    assert_eq!(behind.npm.hosts(), [] as [Value; 0]);
    assert_eq!(behind.npm.logins(), 1);
}
