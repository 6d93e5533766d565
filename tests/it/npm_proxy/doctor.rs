//! R9, R28: what `landfall doctor` says of the user that Landfall has in the proxy, and what it costs the other side.

use super::ground::{Behind, EMAIL, PASSWORD};
use crate::cli::{Said, landfall};
use crate::execute::ground::image;

async fn doctor(behind: &Behind) -> Said {
    let said = landfall(&behind.host, &["doctor"]).await;
    assert!(!(said.out.clone() + &said.err).contains(PASSWORD), "{said:?}");
    said
}

#[tokio::test(flavor = "multi_thread")]
async fn r9_a_doctor_finds_a_wrong_password_though_a_token_is_good_and_tries_it_once() {
    let behind = Behind::at_v1().await;
    behind.npm.set_password(EMAIL, "another");
    behind.npm.reset_calls();
    for words in ["BAD  proxy login: nginx proxy manager refuses the login", "the next try is in"] {
        let said = doctor(&behind).await;
        assert!(said.code == 1 && said.out.contains(words), "{said:?}");
        assert!(said.out.contains("`password` in `settings.proxy`"), "{said:?}");
    }
    assert_eq!(behind.npm.logins(), 1);
    // The token that was good before is good still, for whoever needs no login.
    behind.is_settled_at("v1").await;
    assert_eq!(behind.npm.logins(), 1);
    behind.credential("another");
    let said = doctor(&behind).await;
    assert!(
        said.code == 0 && said.out.contains(&format!("{EMAIL} sees 1 proxy hosts and may change them")),
        "{said:?}"
    );
    assert_eq!(behind.npm.logins(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn r9_a_login_that_a_doctor_saw_refused_is_not_tried_again_when_the_token_ends() {
    let behind = Behind::at_v1().await;
    behind.npm.set_password(EMAIL, "another");
    behind.npm.reset_calls();
    doctor(&behind).await;
    behind.npm.expire_tokens();
    assert!(behind.plan().await.contains("the next try is in"));
    assert_eq!(behind.npm.logins(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn r9_a_user_who_may_only_look_or_not_even_that_is_found_out_by_the_doctor() {
    for version in ["2.12.6", "2.15.1"] {
        let behind = Behind::version(version, &[&image("v1")]).await;
        for (level, words) in
            [("view", "sees 0 proxy hosts and may only look at them"), ("hidden", "does not let landfall@example.com")]
        {
            behind.npm.set_permission(EMAIL, level);
            behind.npm.reset_calls();
            let said = doctor(&behind).await;
            assert!(said.code == 1 && said.out.contains(words), "{version}: {said:?}");
            assert!(said.out.contains("permission to manage proxy hosts"), "{version}: {said:?}");
            assert_eq!(behind.npm.logins(), 1, "{version}: {level}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r28_the_password_of_the_proxy_is_one_of_the_secrets() {
    let behind = Behind::with(&[&image("v1")]).await;
    assert!(doctor(&behind).await.out.contains("secrets: 1 readable"));
    std::fs::remove_file(behind.host.path("credentials/npm_password")).unwrap();
    let said = doctor(&behind).await;
    assert!(said.code == 1 && said.out.contains("BAD  secrets: "), "{said:?}");
}
