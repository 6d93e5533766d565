//! R9, R12: a login that no program can do, a wrong password, a user who may not do it. The condition and the remedy are
//! told wherever one looks, and the other side is not asked again and again.

use super::ground::{Behind, EMAIL, PASSWORD, QUICK};
use crate::cli::landfall;
use crate::execute::ground::{image, web};

/// Says these words in a look, a pass and `status`, with so many logins in all of them.
async fn says_everywhere(behind: &Behind, words: &[&str], logins: usize) {
    behind.npm.reset_calls();
    for line in ["diff", "apply", "status", "diff", "apply", "apply"] {
        let said = landfall(&behind.host, &[line]).await;
        let text = said.out + &said.err;
        let code = match line {
            "diff" => 1,
            "apply" => 4,
            _ => 3,
        };
        assert_eq!(said.code, code, "{line}: {text}");
        for word in words {
            assert!(text.contains(word), "{line} does not say {word:?}: {text}");
        }
        assert!(!text.contains(PASSWORD), "{text}");
    }
    assert_eq!(behind.npm.logins(), logins, "{words:?}");
    assert_eq!(behind.npm.writes(), 0, "{words:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn r12_a_wrong_password_is_told_and_tried_once_and_a_right_one_at_once() {
    let behind = Behind::at_v1().await;
    behind.npm.set_password(EMAIL, "another");
    behind.npm.replace_keys();
    behind.host.write(&web("v2", QUICK));
    says_everywhere(&behind, &[&format!("refuses the login of {EMAIL}"), "`password` in `settings.proxy`"], 1).await;
    assert_eq!(behind.answer("web.test").await, "v1");
    behind.npm.reset_calls();
    behind.credential("another");
    assert_eq!(behind.pass().await.0, "success");
    assert_eq!(behind.npm.logins(), 1);
    behind.is_settled_at("v2").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r12_a_user_with_a_second_factor_is_told_what_to_do_and_asked_once() {
    let behind = Behind::at_v1().await;
    behind.npm.require_two_factor(EMAIL);
    // A token given out before goes on; a new login is what it asks the second factor for.
    behind.is_settled_at("v1").await;
    behind.npm.replace_keys();
    says_everywhere(&behind, &[&format!("asks {EMAIL} for a second factor"), "without two-factor login"], 1).await;
    assert_eq!(behind.answer("web.test").await, "v1");
}

#[tokio::test(flavor = "multi_thread")]
async fn r12_a_user_who_sees_no_hosts_is_told_what_permission_is_missing_and_logs_in_once() {
    for version in ["2.12.6", "2.15.1"] {
        let behind = Behind::version(version, &[&image("v1"), &image("v2")]).await;
        behind.host.apply(&web("v1", QUICK)).await;
        behind.npm.set_permission(EMAIL, "hidden");
        behind.host.write(&web("v2", QUICK));
        says_everywhere(&behind, &[&format!("does not let {EMAIL}"), "permission to manage proxy hosts"], 1).await;
        assert_eq!(behind.answer("web.test").await, "v1");
        // What was granted is in force at once.
        behind.npm.set_permission(EMAIL, "manage");
        behind.npm.reset_calls();
        assert_eq!(behind.pass().await.0, "success", "{version}");
        assert_eq!(behind.npm.logins(), 0, "{version}");
    }
}

#[tokio::test]
async fn r12_a_user_who_may_only_look_is_told_so_when_a_host_is_to_be_made_or_changed() {
    for version in ["2.12.6", "2.15.1"] {
        let behind = Behind::version(version, &[&image("v1")]).await;
        behind.npm.set_permission(EMAIL, "view");
        behind.host.write(&web("v1", QUICK));
        for _ in 0..3 {
            let (status, reason) = behind.pass().await;
            assert_eq!(status, "failed", "{version}: {reason}");
            assert!(reason.contains(&format!("does not let {EMAIL} do POST")), "{version}: {reason}");
            assert!(behind.host.log().contains("permission to manage proxy hosts"), "{}", behind.host.log());
        }
        assert!(behind.npm.logins() <= 2, "{version}: {}", behind.npm.logins());
        assert_eq!((behind.npm.hosts().len(), behind.host.containers().len()), (0, 0), "{version}");
        behind.npm.set_permission(EMAIL, "manage");
        assert_eq!(behind.pass().await.0, "success", "{version}");
        behind.npm.set_permission(EMAIL, "view");
        behind.npm.by_hand().edit(behind.id("web.test"), &serde_json::json!({ "forward_port": 9 }));
        let (_, reason) = behind.pass().await;
        assert!(reason.contains(&format!("does not let {EMAIL} do PUT")), "{version}: {reason}");
    }
}
