//! What waits: for another stage (`promote`), for a time (`window`), or for somebody (`auto_deploy: false`).

use landfall::model::{DeployStatus, Trigger};
use landfall::store::DeployRow;
use rustix::process::Signal;

use super::daemon::{Going, daemon};
use super::landfall;
use super::policies::Site;
use crate::router_support::until;

/// Staging follows the newest version, and prod takes what ran there for so long.
fn promoting(site: &Site, after: &str) {
    site.write_stages(&format!(
        "      staging: {{ track: {{ semver: \"*\" }} }}\n      prod: {{ track: {{ promote: {{ from: staging, after: {after} }} }} }}\n"
    ));
}

fn success(site: &Site, stage: &str, version: &str) -> Option<DeployRow> {
    let is_it = |deploy: &DeployRow| deploy.key.stage.as_str() == stage && deploy.image.version() == version;
    // Before the first pass there is no store.
    let deploys = if site.host.path("data/landfall.db").exists() { site.host.deploys() } else { Vec::new() };
    deploys.into_iter().find(|deploy| is_it(deploy) && deploy.status == DeployStatus::Success)
}

#[tokio::test(flavor = "multi_thread")]
async fn r15_a_version_is_promoted_once_it_ran_long_enough_across_a_kill_of_the_daemon_in_between() {
    let site = Site::new(&["1.0.0", "1.1.0"], 1).await;
    promoting(&site, "3s");
    let first: Going = daemon(&site.host).await;
    until("staging runs", async || success(&site, "staging", "1.0.0").is_some()).await;
    assert!(success(&site, "prod", "1.0.0").is_none(), "not a moment before");
    first.signal(Signal::KILL);
    drop(first);
    let second: Going = daemon(&site.host).await;
    until("prod runs", async || success(&site, "prod", "1.0.0").is_some()).await;
    let (staging, prod) = (success(&site, "staging", "1.0.0").unwrap(), success(&site, "prod", "1.0.0").unwrap());
    assert!(prod.created_at_ms >= staging.finished_at_ms.unwrap() + 3000, "{staging:?} {prod:?}");
    assert_eq!(prod.image.digest, staging.image.digest);
    // The next one goes the same way, and only its digest is ever asked for.
    site.registry.forget();
    site.push("1.1.0");
    second.signal(Signal::HUP);
    until("prod follows", async || success(&site, "prod", "1.1.0").is_some()).await;
    let prod = success(&site, "prod", "1.1.0").unwrap();
    assert_eq!((prod.trigger, prod.cause.as_str()), (Trigger::Registry, "promoted 1.0.0 → 1.1.0"));
    assert_eq!(site.asked().1, ["1.1.0"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn r13_a_rollback_in_staging_keeps_what_was_refused_from_prod_and_explain_says_so() {
    let site = Site::new(&["1.0.0", "1.1.0"], 1).await;
    promoting(&site, "1ms");
    assert_ne!(site.run("apply").await.code, 1);
    assert_eq!(site.run("apply").await.code, 0);
    assert_eq!(site.versions(), ["web-prod@1.0.0", "web-staging@1.0.0"]);
    promoting(&site, "10h");
    site.push("1.1.0");
    assert_eq!(site.run("apply").await.code, 0);
    let said = site.run("explain").await;
    assert!(said.out.contains("1.1.0 comes once it was live and healthy in web/staging for 10h"), "{}", said.out);
    let said = site.run("status").await;
    assert!(said.code == 0 && said.out.contains("1.1.0 comes once"), "{}", said.out);
    assert_eq!(landfall(&site.host, &["rollback", "web/staging"]).await.code, 0);
    promoting(&site, "1ms");
    assert_ne!(site.run("apply").await.code, 1);
    assert_eq!(site.versions(), ["web-prod@1.0.0", "web-staging@1.0.0"]);
    let said = site.run("explain").await;
    assert!(said.out.contains("1.0.0"), "{}", said.out);
}

#[tokio::test(flavor = "multi_thread")]
async fn outside_its_window_a_stage_keeps_what_it_has_until_somebody_says_now() {
    let site = Site::new(&["v1.0.0", "v1.1.0"], 1).await;
    let write =
        |window: &str| site.write_stage("prod", "{ semver: \"*\" }", &format!("window: {{ cron: \"{window}\" }}"));
    write("* * * * *");
    assert_eq!(site.run("apply").await.code, 0);
    // Once in four years.
    write("0 0 29 2 *");
    site.push("v1.1.0");
    let said = site.run("apply").await;
    assert!(said.code == 3 && said.out.contains("its window is closed"), "{}: {}{}", said.code, said.out, said.err);
    assert_eq!(site.versions(), ["web-prod@v1.0.0"]);
    let said = landfall(&site.host, &["deploy", "web/prod"]).await;
    assert!(said.code == 3 && said.out.contains("landfall deploy web/prod --now"), "{}: {}", said.code, said.out);
    // What is gone is made again at any time.
    let name = site.host.instances()[0].name.clone();
    site.host.fake.remove_by_hand(&name).await;
    assert_ne!(site.run("apply").await.code, 1);
    assert_eq!(site.host.containers().len(), 1, "{:?}", site.host.containers());
    let said = landfall(&site.host, &["deploy", "web/prod", "--now"]).await;
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    assert_eq!(site.versions(), ["web-prod@v1.1.0"]);
    let deploy = success(&site, "prod", "v1.1.0").unwrap();
    assert!(deploy.cause.contains("asked for outside its window"), "{}", deploy.cause);
    assert_eq!(deploy.trigger, Trigger::Manual);
}

#[tokio::test(flavor = "multi_thread")]
async fn r27_what_somebody_has_to_ask_for_is_listed_and_taken_on_request() {
    let site = Site::new(&["v1.0.0", "v1.1.0", "v1.2.0"], 1).await;
    site.write_stage("prod", "{ semver: \"*\" }", "auto_deploy: false");
    let said = site.run("apply").await;
    assert!(said.code == 3 && said.out.contains("v1.0.0 is there"), "{}: {}{}", said.code, said.out, said.err);
    assert_eq!(site.run("status").await.code, 3);
    assert_eq!(site.asked(), (0, vec![]), "what waits is known");
    let said = landfall(&site.host, &["deploy", "web/prod"]).await;
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    assert_eq!(site.versions(), ["web-prod@v1.0.0"]);
    site.push("v1.1.0");
    site.push("v1.2.0");
    assert_eq!(site.run("apply").await.code, 0);
    assert_eq!(site.versions(), ["web-prod@v1.0.0"]);
    let said = site.run("status").await;
    assert!(
        said.code == 0 && said.out.contains("v1.2.0 is there") && said.out.contains("landfall deploy web/prod"),
        "{}",
        said.out
    );
    // A change of the configuration comes with what was taken.
    site.write_stage("prod", "{ semver: \"*\" }", "auto_deploy: false, environment: { A: b }");
    assert_eq!(site.run("apply").await.code, 0);
    assert_eq!(site.versions(), ["web-prod@v1.0.0"]);
    assert_eq!(landfall(&site.host, &["deploy", "web/prod"]).await.code, 0);
    assert_eq!(site.versions(), ["web-prod@v1.2.0"]);
    let said = site.run("status").await;
    assert!(said.code == 0 && !said.out.contains("is there"), "{}", said.out);
}

#[tokio::test(flavor = "multi_thread")]
async fn r13_what_waited_for_its_window_is_not_deployed_once_it_was_refused_in_staging() {
    let site = Site::new(&["1.0.0", "1.1.0"], 1).await;
    let write = |window: &str| {
        site.write_stages(&format!(
            "      staging: {{ track: {{ semver: \"*\" }} }}\n      \
             prod: {{ track: {{ promote: {{ from: staging, after: 1ms }} }}, window: {{ cron: \"{window}\" }} }}\n"
        ));
    };
    write("* * * * *");
    site.run("apply").await;
    assert_eq!(site.run("apply").await.code, 0);
    // Once in four years.
    write("0 0 29 2 *");
    site.push("1.1.0");
    site.run("apply").await;
    let said = site.run("apply").await;
    assert!(said.code == 3 && said.out.contains("its window is closed"), "{}: {}", said.code, said.out);
    assert_eq!(landfall(&site.host, &["rollback", "web/staging"]).await.code, 0);
    write("* * * * *");
    assert_ne!(site.run("apply").await.code, 1);
    assert_eq!(site.versions(), ["web-prod@1.0.0", "web-staging@1.0.0"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn r13_a_rollback_of_what_was_promoted_stays() {
    let site = Site::new(&["1.0.0", "1.1.0"], 1).await;
    promoting(&site, "1ms");
    site.run("apply").await;
    assert_eq!(site.run("apply").await.code, 0);
    site.push("1.1.0");
    site.run("apply").await;
    assert_eq!(site.run("apply").await.code, 0);
    assert_eq!(site.versions(), ["web-prod@1.1.0", "web-staging@1.1.0"]);
    assert_eq!(landfall(&site.host, &["rollback", "web/prod"]).await.code, 0);
    for _ in 0..2 {
        assert_ne!(site.run("apply").await.code, 1);
        assert_eq!(site.versions(), ["web-prod@1.0.0", "web-staging@1.1.0"]);
    }
}
