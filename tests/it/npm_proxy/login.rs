//! R9, R28: tokens that end, are none any more, or belong to a user who is gone, in every version's own words: one login
//! more, one repetition, and never more.

use std::os::unix::fs::PermissionsExt as _;

use super::ground::{Behind, EMAIL, QUICK};
use crate::execute::ground::{image, web};
use crate::npm::{Fault, Matcher};

const VERSIONS: [&str; 6] = ["2.9.0", "2.10.4", "2.12.6", "2.13.0", "2.13.6", "2.15.1"];

/// `web/prod` with its first version behind a version of the proxy.
async fn at_v1(version: &str) -> Behind {
    let behind = Behind::version(version, &[&image("v1"), &image("v2")]).await;
    behind.host.apply(&web("v1", QUICK)).await;
    behind
}

#[tokio::test]
async fn r9_every_version_is_driven_through_a_deploy_a_repair_and_a_removal() {
    for version in VERSIONS {
        let behind = at_v1(version).await;
        behind.is_settled_at("v1").await;
        behind.npm.by_hand().disable(behind.id("web.test"));
        assert_eq!(behind.pass().await.0, "done", "{version}");
        behind.is_settled_at("v1").await;
        assert_eq!(behind.npm.logins(), 1, "{version}");
        behind.remove_all().await;
        assert_eq!(behind.npm.hosts().len(), 0, "{version}");
    }
}

#[tokio::test]
async fn r9_a_token_that_is_too_old_or_of_another_key_is_renewed_by_one_login_and_the_question_repeated_once() {
    for version in VERSIONS {
        let behind = at_v1(version).await;
        for refuse in [crate::npm::Npm::expire_tokens, crate::npm::Npm::replace_keys] {
            refuse(&behind.npm);
            behind.npm.reset_calls();
            behind.is_settled_at("v1").await;
            assert_eq!((behind.npm.logins(), behind.npm.count("GET", "/nginx/proxy-hosts")), (1, 2), "{version}");
            behind.npm.reset_calls();
            behind.is_settled_at("v1").await;
            assert_eq!((behind.npm.logins(), behind.npm.count("GET", "/nginx/proxy-hosts")), (0, 1), "{version}");
        }
    }
}

#[tokio::test]
async fn r9_a_token_that_ends_between_the_plan_and_the_switch_costs_one_login() {
    for version in ["2.12.6", "2.15.1"] {
        for refuse in [crate::npm::Npm::expire_tokens, crate::npm::Npm::replace_keys] {
            let behind = Behind::version(version, &[&image("v1")]).await;
            behind.host.write(&web("v1", QUICK));
            behind.host.fake.hang(crate::fake_docker::Op::Start);
            let in_the_middle = async {
                behind.host.called(crate::fake_docker::Op::Start).await;
                refuse(&behind.npm);
                behind.host.fake.release(crate::fake_docker::Op::Start);
            };
            let (ended, ()) = tokio::join!(behind.pass(), in_the_middle);
            assert_eq!(ended.0, "success", "{version}: {}", ended.1);
            assert_eq!((behind.npm.logins(), behind.npm.writes()), (2, 1), "{version}");
            behind.is_settled_at("v1").await;
        }
    }
}

#[tokio::test]
async fn r9_a_user_who_was_disabled_is_told_and_asked_for_no_more_than_once() {
    for version in VERSIONS {
        let behind = at_v1(version).await;
        behind.npm.disable_user(EMAIL);
        behind.npm.reset_calls();
        for _ in 0..3 {
            let plan = behind.plan().await;
            assert!(plan.contains(&format!("refuses the login of {EMAIL}")), "{version}: {plan}");
        }
        assert_eq!(behind.npm.logins(), 1, "{version}");
        assert_eq!(behind.answer("web.test").await, "v1", "{version}");
    }
}

#[tokio::test]
async fn r9_a_question_that_goes_wrong_after_the_login_too_is_not_asked_a_third_time() {
    let behind = at_v1("2.15.1").await;
    behind.npm.reset_calls();
    for _ in 0..2 {
        behind.npm.fail_next(Matcher::new("GET", "/nginx/proxy-hosts"), Fault::Status(500));
    }
    assert!(behind.plan().await.contains("500"));
    assert_eq!((behind.npm.logins(), behind.npm.count("GET", "/nginx/proxy-hosts")), (1, 2));
}

#[tokio::test]
async fn r21_r28_the_token_is_kept_sealed_for_its_owner_only_and_the_next_process_uses_it() {
    let behind = at_v1("2.15.1").await;
    let file = landfall::store::DataDir::new(behind.host.path("data")).npm_token();
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(!text.contains("eyJ") && !text.contains(EMAIL), "{text}");
    behind.npm.reset_calls();
    let said = crate::cli::landfall(&behind.host, &["diff"]).await;
    assert_eq!((said.code, behind.npm.logins()), (0, 0), "{}", said.err);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), text, "a look leaves it");
}

#[tokio::test]
async fn r9_a_token_near_its_end_is_exchanged_without_the_password() {
    let behind = Behind::with(&[&image("v1")]).await;
    behind.npm.set_token_life("30m");
    behind.host.apply(&web("v1", QUICK)).await;
    behind.npm.set_token_life("1d");
    behind.npm.reset_calls();
    behind.is_settled_at("v1").await;
    behind.is_settled_at("v1").await;
    assert_eq!((behind.npm.count("GET", "/tokens"), behind.npm.logins()), (1, 0));
    behind.npm.set_token_life("1s");
    behind.npm.expire_tokens();
    behind.is_settled_at("v1").await;
    crate::router_support::until("the token is over", async || {
        tokio::time::sleep(std::time::Duration::from_millis(400)).await;
        behind.npm.reset_calls();
        behind.plan().await;
        behind.npm.count("GET", "/tokens") == 0 && behind.npm.logins() == 1
    })
    .await;
}
