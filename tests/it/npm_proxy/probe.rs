//! R9: the looks from outside. An app that answers errors is told from the default site, whatever that is; a host that
//! takes effect late is waited for; and one that does not reach its instance says what to look at.

use std::time::Duration;

use landfall::execute::Sink;
use landfall::plan::Options;
use landfall::reconcile;

use super::ground::{Behind, QUICK};
use crate::execute::ground::{ended, image, web};
use crate::fake_docker::Behaviour;
use crate::npm::DefaultSite;

/// Ready when it listens, so that its path may answer anything.
const LISTENS: &str = "        drain: 1s\n        ready: { tcp: {}, interval: 20ms, deadline: 5s }\n";

fn elsewhere() -> DefaultSite {
    DefaultSite::Redirect("http://example.com".to_owned())
}

#[tokio::test]
async fn r9_an_app_that_answers_errors_is_told_from_every_kind_of_default_site() {
    for (site, status) in [
        (DefaultSite::Congratulations, 401),
        (DefaultSite::Congratulations, 404),
        (DefaultSite::Congratulations, 500),
        (DefaultSite::NotFound, 404),
        (DefaultSite::NoAnswer, 404),
        (elsewhere(), 404),
    ] {
        let v1 = image("v1").behaving(Behaviour::Answers(status));
        let behind = Behind::with(&[&v1]).await;
        behind.npm.by_hand().set_default_site(&site);
        behind.host.write(&web("v1", LISTENS));
        let (ended, reason) = behind.pass().await;
        assert_eq!(ended, "success", "{site:?} {status}: {reason}");
        assert_eq!(behind.npm.writes(), 1, "{site:?} {status}");
        behind.is_settled_at("v1").await;
    }
}

#[tokio::test]
async fn r9_a_host_that_takes_effect_late_is_not_taken_for_proven_before() {
    for site in [DefaultSite::Congratulations, DefaultSite::NotFound, DefaultSite::NoAnswer, elsewhere()] {
        let v1 = image("v1").behaving(Behaviour::Answers(404));
        let behind = Behind::with(&[&v1]).await;
        behind.npm.by_hand().set_default_site(&site);
        behind.npm.delay_reload(Duration::from_millis(2500));
        behind.host.write(&web("v1", LISTENS));
        assert_eq!(behind.pass().await.0, "success", "{site:?}");
        assert_eq!(behind.answer("web.test").await, "v1", "{site:?}: in force when it is said to be");
        assert_eq!(behind.npm.writes(), 1, "{site:?}");
    }
}

#[tokio::test]
async fn r9_an_instance_that_the_proxy_does_not_reach_is_told_with_what_to_look_at() {
    let behind = Behind::with(&[&image("v1")]).await;
    let file = behind.host.path("config/settings.yaml");
    let text = std::fs::read_to_string(&file).unwrap().replace("upstream: host", "upstream: network");
    std::fs::write(&file, text).unwrap();
    behind.host.write(&web("v1", QUICK));
    let places = behind.host.places();
    let options = Options { secrets_needed: true, ..Options::default() };
    // As long as the proof may take, which is more than other tests wait for anything.
    let pass = reconcile::converge(&places, &options, Sink::new(|_| {}), "apply");
    let converged = tokio::time::timeout(Duration::from_secs(60), pass).await.expect("an end").expect("a pass");
    let (status, reason) = ended(&converged);
    assert_eq!(status, "rolled_back", "{reason}");
    assert!(reason.contains("web.test is not served at") && reason.contains("502"), "{reason}");
    let log = behind.host.log();
    assert!(log.contains("Landfall's network") && log.contains("landfall doctor"), "{log}");
    assert_eq!((behind.npm.hosts().len(), behind.host.containers().len()), (0, 0));
}
