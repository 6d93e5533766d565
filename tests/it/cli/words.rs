//! What people read, as it stands. Ids, versions, ports and times are masked.

use super::{landfall, masked};
use crate::execute::ground::{Host, image, web};
use crate::fake_docker::{Behaviour, Op};

async fn out(host: &Host, line: &str) -> String {
    masked(host, &landfall(host, &line.split(' ').collect::<Vec<_>>()).await.out)
}

async fn err(host: &Host, line: &str) -> String {
    masked(host, &landfall(host, &line.split(' ').collect::<Vec<_>>()).await.err)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_deploy_a_replace_and_a_failure() {
    let host = Host::with(&[&image("v1"), &image("v2"), &image("v3").behaving(Behaviour::Unhealthy)]).await;
    host.write(&web("v1", ""));
    insta::assert_snapshot!("first_diff", out(&host, "diff").await);
    insta::assert_snapshot!("first_apply", err(&host, "apply").await);
    host.write(&web("v2", "        environment: { LEVEL: info }\n"));
    insta::assert_snapshot!("replace_diff", out(&host, "diff").await);
    host.converge().await;
    insta::assert_snapshot!("status", out(&host, "status").await);
    host.write(&web("v3", "        ready: { http: { path: / }, deadline: 100ms }\n"));
    insta::assert_snapshot!("failed_apply", err(&host, "apply").await);
    insta::assert_snapshot!("held_status", out(&host, "status").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_held_and_what_is_wrong() {
    let host = Host::with(&[&image("v1")]).await;
    host.apply(&web("v1", "")).await;
    host.write("projects: {}\n");
    insta::assert_snapshot!("pruned_apply", out(&host, "apply").await);
    host.write(&web("v1", "        drian: 1s\n"));
    insta::assert_snapshot!("invalid_diff", err(&host, "diff").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_try_that_failed_for_an_outside_fault_is_told_by_status_until_one_succeeds() {
    let host = Host::with(&[&image("v1"), &image("v2")]).await;
    host.apply(&web("v1", "")).await;
    host.write(&web("v2", ""));
    host.fake.fail_next(Op::Pull, 500, "toomanyrequests: wait");
    assert_eq!(landfall(&host, &["apply"]).await.code, 1);
    let last = host.last();
    insta::assert_snapshot!("failed_try_status", out(&host, "status").await);
    let json: serde_json::Value =
        serde_json::from_str(&landfall(&host, &["status", "-o", "json"]).await.out).expect("an object");
    let stage = &json["stages"][0];
    let told = &stage["last_try"];
    assert_eq!((&told["deploy"], &told["status"]), (&last.id.to_string().into(), &"failed".into()), "{stage}");
    assert_eq!(told["reason"], last.reason.expect("a reason"));
    for time in [&told["ended_at"], &stage["created_at"]] {
        assert!(chrono::DateTime::parse_from_rfc3339(time.as_str().expect("a time")).is_ok(), "{stage}");
    }
    host.apply(&web("v2", "")).await;
    host.write(&web("v1", ""));
    assert!(!out(&host, "status").await.contains("last try"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_setting_that_recreates_stages_is_told_with_its_own_place() {
    let host = Host::with(&[&image("v1")]).await;
    host.apply(&web("v1", "")).await;
    let file = host.path("config/settings.yaml");
    let settings = std::fs::read_to_string(&file).expect("the settings");
    std::fs::write(&file, settings.replace("network: landfall", "network: other")).expect("a file");
    let said = out(&host, "diff").await;
    assert!(said.contains("v1   (settings.yaml:2 settings.network; network landfall → other)\n"), "{said}");
}
