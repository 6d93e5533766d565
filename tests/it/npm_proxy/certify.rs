//! Certificates from Let's Encrypt: first the certificate, then the host, and never `new`. One that cannot be had is told,
//! stops nothing and is not asked for again at once; one whose answer was lost is found.

use std::time::Duration;

use serde_json::json;

use super::ground::{Behind, QUICK};
use super::moving::two;
use crate::execute::ground::{image, web};
use crate::npm::{Authority, Fault, Matcher};

const CERTIFICATES: &str = "/nginx/certificates";
/// What certbot says when the authority does not reach the name.
const UNREACHED: &str = "Saving debug log to /tmp/letsencrypt-log/letsencrypt.log\n\nCertbot failed to authenticate some domains \
    (authenticator: webroot). The Certificate Authority reported these problems:\n  Domain: web.test\n  Type:   connection\n  \
    Detail: 192.0.2.1: Fetching http://web.test/.well-known/x: Connection refused\n\nSome challenges have failed.";

fn secured(version: &str) -> String {
    web(version, QUICK)
        .replace("domains: [ web.test ]", "domains: [ web.test ], certificate: letsencrypt, https: allow")
}

/// What was written, in order.
fn writes(behind: &Behind) -> Vec<String> {
    behind
        .npm
        .calls()
        .iter()
        .filter(|call| call.is_write())
        .map(|call| format!("{} {}", call.method, call.path))
        .collect()
}

fn asked(behind: &Behind) -> usize {
    behind.npm.count("POST", CERTIFICATES)
}

async fn is_noop(behind: &Behind) {
    let plan = behind.host.look().await.expect("a look").plan;
    assert!(plan.is_noop(), "{plan}");
}

#[tokio::test]
async fn r9_the_certificate_is_made_before_the_host_and_the_next_deploys_use_it() {
    for version in ["2.15.1", "2.12.6"] {
        let behind = Behind::version(version, &[&image("v1"), &image("v2")]).await;
        behind.host.apply(&secured("v1")).await;
        assert_eq!(writes(&behind), ["POST /nginx/certificates", "POST /nginx/proxy-hosts"], "{version}");
        let row = behind.row("web.test");
        assert_eq!(
            (&row["certificate_id"], behind.npm.certificates()[0]["domain_names"].clone()),
            (&json!(1), json!(["web.test"]))
        );
        assert!(behind.npm.calls().iter().all(|call| call.body["certificate_id"] != "new"), "{version}");
        is_noop(&behind).await;
        behind.npm.reset_calls();
        behind.host.apply(&secured("v2")).await;
        assert_eq!((asked(&behind), behind.npm.writes()), (0, 1), "{version}");
        behind.is_settled_at("v2").await;
    }
}

#[tokio::test]
async fn r9_r28_one_that_cannot_be_had_is_told_in_certbots_words_stops_nothing_and_is_not_asked_for_at_once() {
    let behind = Behind::with(&[&image("v1"), &image("v2")]).await;
    behind.npm.set_authority(Authority { says: Some(UNREACHED.to_owned()), ..Authority::default() });
    behind.host.write(&secured("v1"));
    assert_eq!(behind.pass().await.0, "success");
    let log = behind.host.log();
    assert!(log.contains("192.0.2.1: Fetching http://web.test/.well-known/x: Connection refused"), "{log}");
    assert!(!log.contains("certonly") && !log.contains("letsencrypt.log"), "{log}");
    assert_eq!((behind.answer("web.test").await.as_str(), asked(&behind)), ("v1", 1));
    assert_eq!(behind.npm.certificates(), [] as [serde_json::Value; 0]);
    behind.host.converge().await;
    behind.host.apply(&secured("v2")).await;
    assert_eq!(
        (asked(&behind), behind.answer("web.test").await.as_str()),
        (1, "v2"),
        "each asks much of the authority"
    );
}

#[tokio::test]
async fn r9_one_whose_answer_was_lost_is_found_and_not_asked_for_again() {
    for fault in [Fault::CutAfter, Fault::HalfBody, Fault::Garbage, Fault::DoneThen(502)] {
        let behind = Behind::with(&[&image("v1")]).await;
        behind.npm.fail_next(Matcher::new("POST", CERTIFICATES), fault.clone());
        behind.host.apply(&secured("v1")).await;
        assert_eq!((asked(&behind), &behind.row("web.test")["certificate_id"]), (1, &json!(1)), "{fault:?}");
        is_noop(&behind).await;
    }
}

#[tokio::test]
async fn r9_one_that_is_still_being_made_when_the_connection_breaks_is_waited_for() {
    let behind = Behind::with(&[&image("v1")]).await;
    let door = super::door::Door::before(&behind.npm.url()).await;
    behind.settings_at(&door.url(), "");
    behind.npm.set_authority(Authority { takes: Duration::from_secs(4), says: None });
    behind.host.write(&secured("v1"));
    let broken = async {
        crate::router_support::until("it is asked for", async || !behind.npm.certificates().is_empty()).await;
        door.shut().await;
        door.open();
    };
    let ((status, reason), ()) = tokio::join!(behind.pass(), broken);
    assert_eq!((status.as_str(), asked(&behind)), ("success", 1), "{reason}");
    assert_eq!(behind.row("web.test")["certificate_id"], 1, "{}", behind.host.log());
}

#[tokio::test]
async fn r9_two_stages_get_theirs_one_after_the_other_and_no_write_comes_between() {
    let behind = Behind::with(&[&image("v1"), &image("v2")]).await;
    let takes = Duration::from_millis(1200);
    behind.npm.set_authority(Authority { takes, says: None });
    let yaml = two("a.test", "b.test").replace(".test ] }", ".test ], certificate: letsencrypt, https: allow }");
    behind.host.apply(&yaml).await;
    let calls = behind.npm.calls();
    let writes: Vec<_> = calls.iter().filter(|call| call.is_write()).collect();
    let first = writes.iter().position(|call| call.path == CERTIFICATES).expect("one");
    assert_eq!(asked(&behind), 2);
    assert!(writes[first + 1].at - writes[first].at >= takes, "nothing is written while it is made");
    for domain in ["a.test", "b.test"] {
        assert_ne!(behind.row(domain)["certificate_id"], 0, "{domain}");
    }
    is_noop(&behind).await;
}

#[tokio::test]
async fn r9_one_that_has_ended_does_not_count_and_one_that_covers_the_name_does() {
    let behind = Behind::with(&[&image("v1")]).await;
    let old = behind.npm.by_hand().certificate(&["web.test"], false);
    behind.npm.set_certificate_end(old, "2020-01-01 00:00:00");
    let wide = behind.npm.by_hand().certificate(&["*.test"], true);
    behind.host.apply(&secured("v1")).await;
    assert_eq!((asked(&behind), &behind.row("web.test")["certificate_id"]), (0, &json!(wide)));
    behind.npm.by_hand().done("DELETE", &format!("{CERTIFICATES}/{wide}"), None);
    behind.host.converge().await;
    let row = behind.row("web.test");
    assert!(asked(&behind) == 1 && row["certificate_id"] != old && row["certificate_id"] != wide, "{row}");
    is_noop(&behind).await;
}
