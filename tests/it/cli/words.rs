//! What people read, as it stands. Ids, versions, ports and times are masked.

use super::{landfall, masked};
use crate::execute::ground::{Host, image, web};
use crate::fake_docker::Behaviour;

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
