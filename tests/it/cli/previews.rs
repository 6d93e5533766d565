//! A stage that runs several instances, one for each of the newest tags: previews.

use rustix::process::Signal;

use super::daemon::{Going, daemon};
use super::landfall;
use super::policies::Site;
use crate::router_support::until;

/// `web/preview` with the newest two of `dev-*`, each at a domain of its own.
fn previews(site: &Site) {
    site.write_stage("preview", "{ glob: \"dev-*\" }", "max_instances: 2, route: { domains: [ \"{tag}.test\" ] }");
}

/// Which version answers at a domain; none where nothing is routed.
async fn at(site: &Site, domain: &str) -> Option<String> {
    let answer = site.host.router.client().await.get(domain, "/").await;
    answer.header("x-version").map(str::to_owned)
}

#[tokio::test(flavor = "multi_thread")]
async fn each_of_the_newest_tags_runs_at_a_domain_of_its_own_and_the_next_one_retires_the_oldest() {
    let site = Site::new(&["dev-9", "dev-10", "dev-11", "dev-12"], 3).await;
    previews(&site);
    let said = site.run("apply").await;
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    assert_eq!(site.versions(), ["web-preview-dev-10@dev-10", "web-preview-dev-11@dev-11"]);
    assert_eq!(site.asked().0, 1, "one list");
    site.push("dev-12");
    let said = site.run("diff").await;
    assert!(said.code == 2 && said.out.contains("web/preview@dev-10") && said.out.contains("dev-12"), "{}", said.out);
    assert_eq!(site.run("apply").await.code, 0);
    assert_eq!(site.versions(), ["web-preview-dev-11@dev-11", "web-preview-dev-12@dev-12"]);
    assert_eq!(site.asked(), (1, vec!["dev-12".to_owned()]), "a known tag is never asked for again");
    for command in ["apply", "diff"] {
        assert_eq!(site.run(command).await.code, 0, "{command}");
    }
    let said = site.run("status").await;
    assert!(said.out.contains("dev-12.test") && !said.out.contains("dev-10.test"), "{}", said.out);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_daemon_brings_up_a_preview_for_a_tag_that_is_pushed_without_a_change_of_the_configuration() {
    let site = Site::new(&["dev-1", "dev-2", "dev-3"], 1).await;
    previews(&site);
    let daemon: Going = daemon(&site.host).await;
    for (pushed, running) in [
        (None, vec!["web-preview-dev-1@dev-1"]),
        (Some("dev-2"), vec!["web-preview-dev-1@dev-1", "web-preview-dev-2@dev-2"]),
        (Some("dev-3"), vec!["web-preview-dev-2@dev-2", "web-preview-dev-3@dev-3"]),
    ] {
        if let Some(tag) = pushed {
            site.push(tag);
            daemon.signal(Signal::HUP);
        }
        until(&format!("{running:?} run"), async || site.versions() == running).await;
    }
    until("each is at its own domain", async || {
        at(&site, "dev-2.test").await.as_deref() == Some("dev-2")
            && at(&site, "dev-3.test").await.as_deref() == Some("dev-3")
    })
    .await;
    assert_eq!(at(&site, "dev-1.test").await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_fails_or_has_no_such_tag_any_more_takes_no_preview_away() {
    let site = Site::new(&["dev-1"], 1).await;
    previews(&site);
    assert_eq!(site.run("apply").await.code, 0);
    site.registry.answer_next(crate::fake_registry::Made::Answer(503, Vec::new(), Vec::new()));
    assert_eq!(site.run("apply").await.code, 0);
    assert_eq!(site.versions(), ["web-preview-dev-1@dev-1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_instance_is_acted_upon_by_its_name_and_all_by_that_of_their_stage() {
    let site = Site::new(&["dev-1", "dev-2"], 2).await;
    previews(&site);
    assert_eq!(site.run("apply").await.code, 0);
    let before = site.host.instances();
    let said = landfall(&site.host, &["restart", "web/preview@dev-2"]).await;
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    let after = site.host.instances();
    assert_eq!(before[0], after[0], "the other one is left alone");
    assert_ne!(before[1].container_id, after[1].container_id);
    for (words, says) in [
        (vec!["restart", "web/preview"], "runs several instances"),
        (vec!["deploy", "web/preview@dev-1", "--tag", "dev-2"], "runs several instances"),
        (vec!["restart", "web/preview@dev-7"], "web/preview@dev-7"),
    ] {
        let said = landfall(&site.host, &words).await;
        assert!(said.code != 0 && said.err.contains(says), "{words:?}: {}", said.err);
    }
    assert_eq!(landfall(&site.host, &["suspend", "web/preview"]).await.code, 0);
    let said = site.run("status").await;
    assert_eq!(said.out.matches("suspended").count(), 2, "{}", said.out);
}

#[tokio::test(flavor = "multi_thread")]
async fn r16_previews_of_a_store_that_was_lost_are_taken_over_without_a_restart() {
    let site = Site::new(&["dev-1", "dev-2", "dev-3"], 2).await;
    previews(&site);
    assert_eq!(site.run("apply").await.code, 0);
    let (before, id) = (site.host.instances(), site.host.recorded().store.expect("a store").to_string());
    std::fs::remove_dir_all(site.host.path("data")).unwrap();
    assert_eq!(site.run("apply").await.code, 4);
    let said = landfall(&site.host, &["apply", "--adopt-store", &id]).await;
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    let ids =
        |rows: Vec<landfall::store::InstanceRow>| rows.into_iter().map(|row| row.container_id).collect::<Vec<_>>();
    assert_eq!(ids(site.host.instances()), ids(before));
    assert_eq!(site.run("diff").await.code, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn r5_previews_that_were_released_stay_when_the_configuration_forgets_them() {
    let site = Site::new(&["dev-1", "dev-2"], 2).await;
    previews(&site);
    assert_eq!(site.run("apply").await.code, 0);
    let before = site.versions();
    assert_eq!(landfall(&site.host, &["release", "web/preview"]).await.code, 0);
    site.write_stage("other", "{ tag: dev-1 }", "drain: 1s");
    for _ in 0..2 {
        assert_eq!(landfall(&site.host, &["apply", "--allow-prune"]).await.code, 0);
    }
    assert_eq!(site.versions().iter().filter(|version| before.contains(version)).count(), 2, "{:?}", site.versions());
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_remembered_of_an_instance_that_does_not_run() {
    let site = Site::new(&["dev-1", "dev-2", "dev-3"], 2).await;
    previews(&site);
    assert_eq!(site.run("apply").await.code, 0);
    site.push("dev-3");
    assert_eq!(site.run("apply").await.code, 0);
    let said = landfall(&site.host, &["deploy", "web/preview@dev-1"]).await;
    assert!(said.code != 0 && said.err.contains("web/preview@dev-1"), "{}", said.err);
    assert_eq!(site.versions(), ["web-preview-dev-2@dev-2", "web-preview-dev-3@dev-3"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn r4_a_policy_that_fits_nothing_yet_takes_no_preview_away() {
    let site = Site::new(&["dev-1", "dev-2"], 2).await;
    previews(&site);
    assert_eq!(site.run("apply").await.code, 0);
    let before = site.versions();
    site.write_stage("preview", "{ glob: \"pr-*\" }", "max_instances: 2, route: { domains: [ \"{tag}.test\" ] }");
    let said = site.run("apply").await;
    assert!(said.code != 0 && said.out.contains("none of the 2 tags"), "{}{}", said.out, said.err);
    assert_eq!(site.versions(), before);
}
