//! R1: hosts of others on a domain that is wanted, of whatever kind and whoever may see them, are named and left alone;
//! and what is ours is told by more than its domain.

use serde_json::{Value, json};

use super::ground::{Behind, EMAIL, PASSWORD, QUICK, timeless};
use crate::execute::ground::{image, web};
use crate::npm::{Nginx, Npm, Options};

fn rows(behind: &Behind) -> Vec<Value> {
    behind.npm.hosts().into_iter().map(timeless).collect()
}

/// A pass that is held by name before anything is touched, and leaves every host.
async fn is_held(behind: &Behind, words: &str) {
    let before = rows(behind);
    behind.host.write(&web("v1", QUICK));
    behind.host.fake.reset_calls();
    behind.npm.reset_calls();
    let plan = behind.host.converge().await.view.plan.to_string();
    assert!(plan.contains(words), "{plan}");
    assert_eq!((behind.host.fake.mutations(), behind.npm.writes()), (0, 0), "{plan}");
    assert_eq!(rows(behind), before);
}

#[tokio::test]
async fn r1_a_host_of_any_kind_on_our_domain_holds_the_stage_by_name_however_it_is_spelled() {
    for name in ["web.test", "Web.TEST"] {
        let behind = Behind::with(&[&image("v1")]).await;
        let id = behind.npm.by_hand().create_host(&json!({
            "domain_names": [name, "www.test"], "forward_scheme": "http", "forward_host": "127.0.0.1", "forward_port": 9,
        }));
        is_held(&behind, &format!("domain web.test belongs to proxy host {id}, made by hand")).await;
        let behind = Behind::with(&[&image("v1")]).await;
        let id = behind.npm.by_hand().create_redirection(name, "blog.test");
        is_held(&behind, &format!("domain web.test belongs to redirection host {id}, made by hand")).await;
        let behind = Behind::with(&[&image("v1")]).await;
        let id = behind.npm.by_hand().create_dead(name);
        is_held(&behind, &format!("domain web.test belongs to 404 host {id}, made by hand")).await;
    }
}

#[tokio::test]
async fn r1_a_host_that_the_user_may_not_see_fails_the_deploy_by_name_and_is_untouched() {
    for version in ["2.10.4", "2.15.1"] {
        let npm = Npm::start(&Options::new(version, Nginx::Local));
        npm.add_user(EMAIL, PASSWORD, false, "manage");
        let behind = Behind { npm, host: crate::execute::ground::Host::with(&[&image("v1")]).await };
        behind.credential(PASSWORD);
        behind.settings("");
        behind.by_hand("web.test");
        let before = rows(&behind);
        behind.host.write(&web("v1", QUICK));
        let (status, reason) = behind.pass().await;
        assert_eq!(status, "failed", "{reason}");
        assert!(reason.contains("web.test belongs to a host of nginx proxy manager that"), "{reason}");
        assert_eq!((rows(&behind), behind.host.containers().len()), (before, 0));
        assert!(!behind.is_dirty());
    }
}

#[tokio::test]
async fn r1_a_host_made_by_hand_between_the_plan_and_the_switch_is_left_alone() {
    let behind = Behind::with(&[&image("v1")]).await;
    behind.host.write(&web("v1", QUICK));
    behind.host.fake.hang(crate::fake_docker::Op::Start);
    let in_the_middle = async {
        behind.host.called(crate::fake_docker::Op::Start).await;
        behind.by_hand("web.test");
        behind.host.fake.release(crate::fake_docker::Op::Start);
        rows(&behind)
    };
    let (ended, before) = tokio::join!(behind.pass(), in_the_middle);
    assert_eq!(ended.0, "failed", "{}", ended.1);
    assert!(ended.1.contains("made by hand"), "{}", ended.1);
    assert_eq!((rows(&behind), behind.npm.writes()), (before, 0));
}

#[tokio::test]
async fn r1_a_host_whose_mark_a_person_lost_is_marked_anew_when_number_and_domains_are_right() {
    let behind = Behind::at_v1().await;
    let (id, meta) = (behind.id("web.test"), behind.row("web.test")["meta"].clone());
    behind.npm.by_hand().edit(id, &json!({ "meta": { "letsencrypt_agree": false } }));
    assert!(behind.plan().await.contains("its mark is gone"));
    behind.npm.reset_calls();
    assert_eq!(behind.pass().await.0, "done");
    assert_eq!((behind.npm.writes(), behind.id("web.test")), (1, id));
    let now = behind.row("web.test")["meta"].clone();
    assert_eq!((&now["landfall"], &now["letsencrypt_agree"]), (&meta["landfall"], &json!(false)));
    behind.is_settled_at("v1").await;
}

#[tokio::test]
async fn r1_a_host_without_a_mark_and_with_other_domains_is_a_persons_from_then_on() {
    let behind = Behind::at_v1().await;
    let id = behind.id("web.test");
    behind.npm.by_hand().edit(id, &json!({ "meta": {}, "domain_names": ["web.test", "also.test"] }));
    let before = rows(&behind);
    behind.npm.reset_calls();
    let converged = behind.host.converge().await;
    let plan = converged.view.plan.to_string();
    assert!(plan.contains(&format!("domain web.test belongs to proxy host {id}, made by hand")), "{plan}");
    assert!(converged.results.is_empty() && converged.view.plan.is_held(), "held, and nothing is tried: {plan}");
    assert_eq!((rows(&behind), behind.npm.writes()), (before.clone(), 0));
    behind.remove_all().await;
    assert_eq!((rows(&behind), behind.npm.writes()), (before, 0), "also when the stage goes");
}

#[tokio::test]
async fn r1_a_host_with_the_mark_of_another_store_is_that_ones() {
    let behind = Behind::at_v1().await;
    let store = "00000000-0000-4000-8000-000000000001";
    let mark = json!({ "landfall": { "store": store, "project": "shop", "stage": "prod" } });
    behind.npm.by_hand().edit(behind.id("web.test"), &json!({ "meta": mark }));
    let before = rows(&behind);
    behind.npm.reset_calls();
    let plan = behind.host.converge().await.view.plan.to_string();
    assert!(plan.contains(&format!("domain web.test belongs to shop/prod of store {store}")), "{plan}");
    behind.remove_all().await;
    assert_eq!((rows(&behind), behind.npm.writes()), (before, 0));
}

#[tokio::test]
async fn r1_of_two_hosts_with_our_mark_the_one_that_the_store_knows_stays() {
    let behind = Behind::at_v1().await;
    let row = behind.row("web.test");
    behind.npm.by_hand().create_host(&json!({
        "domain_names": ["twin.test"], "forward_scheme": "http", "forward_host": "127.0.0.1",
        "forward_port": row["forward_port"], "meta": { "landfall": row["meta"]["landfall"] },
    }));
    assert!(!behind.host.look().await.unwrap().plan.is_noop());
    assert_eq!(behind.pass().await.0, "done");
    assert_eq!(behind.id("web.test"), row["id"]);
    behind.is_settled_at("v1").await;
}
