//! R6: which image runs, and when it is fetched.

use super::ground::{Host, ended, image, web};
use crate::fake_docker::Op;

/// The stage, by tag and with this policy.
fn tagged(policy: &str) -> String {
    let digest = format!("track: {{ digest: \"{}\" }}", image("v1").digest);
    web("v1", &format!("        pull_policy: {policy}\n")).replace(&digest, "track: { tag: v1 }")
}

#[tokio::test]
async fn r6_an_image_that_is_on_the_host_is_not_fetched_unless_always() {
    for (policy, pulls) in [("missing", 0), ("always", 1)] {
        let host = Host::with(&[&image("v1")]).await;
        host.fake.add_image(&image("v1"));
        host.apply(&web("v1", &format!("        pull_policy: {policy}\n"))).await;
        assert_eq!(host.fake.count(Op::Pull), pulls, "{policy}");
        // Ours by a tag of its own, so that a prune by hand leaves it alone.
        let tag = format!("landfall/web-prod:{}", image("v1").digest.short());
        assert!(host.fake.image_names().contains(&tag), "{policy}: {:?}", host.fake.image_names());
    }
}

#[tokio::test]
async fn r6_never_takes_what_the_host_has_by_its_id_and_asks_no_registry() {
    let host = Host::with(&[]).await;
    host.write(&tagged("never"));
    let converged = host.converge().await;
    let blocked = converged.view.plan.stages[0].blocked.clone().expect("blocked");
    assert!(converged.refused && blocked.reason.contains("is not on this host"), "{blocked:?}");
    assert!(blocked.hint.is_some());
    assert_eq!(host.changes(), [""; 0]);
    host.fake.add_image(&image("v1"));
    host.apply(&tagged("never")).await;
    let created = host.fake.calls().into_iter().find(|call| call.op == Op::Create).unwrap();
    assert_eq!(created.body["Image"], image("v1").id());
    assert_eq!(host.fake.count(Op::Pull), 0);
    assert!(host.look().await.unwrap().plan.is_noop());
}

#[tokio::test]
async fn r6_an_image_that_cannot_be_fetched_leaves_all_that_runs_alone() {
    let host = Host::with(&[&image("v1")]).await;
    for more in ["", "        strategy: recreate\n"] {
        host.apply(&web("v1", more)).await;
        host.fake.reset_calls();
        // In no registry.
        host.write(&web("v2", more));
        let (status, reason) = ended(&host.converge().await);
        assert_eq!(status, "failed");
        assert!(reason.contains("manifest unknown"), "{reason}");
        assert_eq!(host.changes(), ["pull v2"]);
        assert_eq!(host.version_at("web.test").await, "v1");
    }
}

#[tokio::test]
async fn r6_a_pull_is_told_while_it_goes() {
    let host = Host::with(&[&image("v1")]).await;
    host.apply(&web("v1", "")).await;
    let told = host.events();
    let bytes = told.iter().filter_map(|event| match event {
        landfall::execute::Event::Pull { current, total, .. } => Some((*current, *total)),
        _ => None,
    });
    assert!(bytes.into_iter().any(|(current, total)| current == 1000 && total == 1000));
}

#[tokio::test]
async fn an_image_for_another_processor_is_told_of_in_the_log_of_its_deploy() {
    for (architecture, is_told) in [("amd64", false), ("386", false), ("arm64", true)] {
        let host = Host::with(&[&image("v1").built_for(architecture)]).await;
        host.apply(&web("v1", "")).await;
        let told = "the image is built for linux/arm64, and this host is linux/amd64: it runs here by emulation alone";
        assert_eq!(host.log().contains(told), is_told, "{architecture}: {}", host.log());
    }
}
