//! What nginx serves, and when: the answer to a write comes before its effect.

use serde_json::json;

use super::{App, Target, eventually};
use crate::npm::DefaultSite;

#[tokio::test]
async fn a_created_host_is_served_and_says_so_in_a_header() {
    let target = Target::serving().await;
    let app = App::start("one").await;
    target.create(&target.host("web", app.port())).await;
    let seen = target.visit_until(&target.name("web"), |seen| seen.served_by.is_some()).await;
    assert_eq!(seen.served_by, Some(target.name("web")));
    assert_eq!(seen.status, 200);
    assert!(seen.body.starts_with("one\n"), "{}", seen.body);
}

#[tokio::test]
async fn an_unknown_host_gets_the_default_page_with_status_200_at_the_root_and_404_below() {
    let target = Target::serving().await;
    assert_eq!(target.visit_at(&target.name("unknown"), "/somewhere").await.status, 404);
    let seen = target.visit(&target.name("unknown")).await;
    assert_eq!((seen.status, seen.served_by), (200, None));
    assert!(seen.body.contains("Congratulations"), "{}", seen.body);
}

#[tokio::test]
async fn what_an_unknown_host_gets_can_be_chosen() {
    let target = Target::serving().await;
    let Some(npm) = target.npm() else { return };
    let name = target.name("unknown");
    npm.by_hand().set_default_site(&DefaultSite::NotFound);
    target.visit_until(&name, |seen| seen.status == 404).await;
    npm.by_hand().set_default_site(&DefaultSite::Redirect("https://example.com/".to_owned()));
    let seen = target.visit_until(&name, |seen| seen.status == 301).await;
    assert_eq!(seen.location.as_deref(), Some("https://example.com/"));
    npm.by_hand().set_default_site(&DefaultSite::NoAnswer);
    eventually("the connection is closed", async || target.try_visit(&name, "/").await.is_err()).await;
}

#[tokio::test]
async fn the_header_is_there_for_ten_statuses_only_and_tells_the_name_that_was_asked_for() {
    let target = Target::serving().await;
    let app = App::start("one").await;
    target.create(&target.host("web", app.port())).await;
    let name = target.name("web");
    target.visit_until(&name, |seen| seen.served_by.is_some()).await;
    for (code, is_told) in
        [(201, true), (204, true), (301, true), (202, false), (404, false), (401, false), (503, false)]
    {
        let seen = target.visit_at(&name, &format!("/status/{code}")).await;
        assert_eq!((seen.status, seen.served_by), (code, is_told.then(|| name.clone())));
    }
    let seen = target.visit(&format!("{}.:80", name.to_uppercase())).await;
    assert_eq!(seen.served_by, Some(name));
}

#[tokio::test]
async fn a_change_of_the_target_moves_traffic() {
    let target = Target::serving().await;
    let (one, two) = (App::start("one").await, App::start("two").await);
    let id = target.create(&target.host("web", one.port())).await;
    target.visit_until(&target.name("web"), |seen| seen.body.starts_with("one\n")).await;
    let (status, answer) = target.put(id, &json!({ "forward_port": two.port() })).await;
    assert_eq!((status, &answer["meta"]["nginx_online"]), (200, &json!(true)));
    target.visit_until(&target.name("web"), |seen| seen.body.starts_with("two\n")).await;
}

#[tokio::test]
async fn a_deleted_host_is_served_no_more_and_its_name_is_free() {
    let target = Target::serving().await;
    let app = App::start("one").await;
    let id = target.create(&target.host("web", app.port())).await;
    target.visit_until(&target.name("web"), |seen| seen.served_by.is_some()).await;
    assert_eq!(target.done("DELETE", &format!("/nginx/proxy-hosts/{id}"), None).await, json!(true));
    target.visit_until(&target.name("web"), |seen| seen.served_by.is_none()).await;
    let again = target.create(&target.host("web", app.port())).await;
    assert!(again > id, "{again} after {id}");
}

#[tokio::test]
async fn a_target_that_does_not_answer_is_online_and_a_502_without_the_header() {
    let target = Target::serving().await;
    let closed = App::start("gone").await.port();
    let id = target.create(&target.host("web", closed)).await;
    let seen = target.visit_until(&target.name("web"), |seen| seen.status != 200).await;
    assert_eq!((seen.status, seen.served_by), (502, None));
    assert_eq!(target.read(id).await["meta"]["nginx_online"], true);
}

#[tokio::test]
async fn enabled_false_by_put_goes_on_serving_and_disable_ends_it() {
    let target = Target::serving().await;
    let app = App::start("one").await;
    let id = target.create(&target.host("web", app.port())).await;
    target.visit_until(&target.name("web"), |seen| seen.served_by.is_some()).await;
    let (status, answer) = target.put(id, &json!({ "enabled": false })).await;
    assert_eq!((status, &answer["enabled"]), (200, &json!(false)));
    // Another write makes nginx read its files again, so that nothing old can be meant.
    target.create(&target.host("other", app.port())).await;
    target.visit_until(&target.name("other"), |seen| seen.served_by.is_some()).await;
    assert_eq!(target.visit(&target.name("web")).await.served_by, Some(target.name("web")));

    let path = |verb: &str| format!("/nginx/proxy-hosts/{id}/{verb}");
    // It cannot be taken down now but by way of another start.
    let (status, answer) = target.ask("POST", &path("disable"), None).await;
    assert_eq!((status, &answer["error"]["message"]), (400, &json!("Host is already disabled")));
    assert_eq!(target.done("POST", &path("enable"), None).await, json!(true));
    assert_eq!(target.done("POST", &path("disable"), None).await, json!(true));
    target.visit_until(&target.name("web"), |seen| seen.served_by.is_none()).await;
    assert_eq!(target.done("POST", &path("enable"), None).await, json!(true));
    target.visit_until(&target.name("web"), |seen| seen.served_by.is_some()).await;
    let (status, answer) = target.ask("POST", &path("enable"), None).await;
    assert_eq!((status, &answer["error"]["message"]), (400, &json!("Host is already enabled")));
}

#[tokio::test]
async fn a_bad_line_is_answered_with_success_and_takes_the_host_down() {
    let target = Target::serving().await;
    let app = App::start("one").await;
    let id = target.create(&target.host("web", app.port())).await;
    target.visit_until(&target.name("web"), |seen| seen.served_by.is_some()).await;
    let (status, answer) = target.put(id, &json!({ "advanced_config": "no_such_directive on;" })).await;
    assert_eq!((status, &answer["meta"]["nginx_online"]), (200, &json!(false)));
    let told = answer["meta"]["nginx_err"].as_str().unwrap().to_owned();
    assert!(told.contains("unknown directive \"no_such_directive\""), "{told}");
    assert!(told.contains(&format!("/data/nginx/proxy_host/{id}.conf:")), "{told}");
    assert!(told.ends_with("test failed\n"), "{told:?}");
    target.visit_until(&target.name("web"), |seen| seen.served_by.is_none()).await;

    let (status, answer) = target.put(id, &json!({ "advanced_config": "" })).await;
    assert_eq!(
        (status, &answer["meta"]["nginx_online"], &answer["meta"]["nginx_err"]),
        (200, &json!(true), &json!(null))
    );
    target.visit_until(&target.name("web"), |seen| seen.served_by.is_some()).await;
}

#[tokio::test]
async fn a_forward_host_takes_effect_as_it_is_written() {
    let target = Target::serving().await;
    let mut host = target.host("web", 80);
    host["forward_host"] = json!("127.0.0.1\"; return 418; set $z \"x");
    target.create(&host).await;
    target.visit_until(&target.name("web"), |seen| seen.status == 418).await;
}

#[tokio::test]
async fn a_name_of_a_location_must_resolve_when_the_file_is_read() {
    let target = Target::serving().await;
    let mut host = target.host("web", 80);
    host["locations"] = json!([{ "path": "/api", "forward_scheme": "http", "forward_host": target.name("nowhere"), "forward_port": 80 }]);
    let id = target.create(&host).await;
    let meta = target.read(id).await["meta"].clone();
    assert_eq!(meta["nginx_online"], false);
    assert!(meta["nginx_err"].as_str().unwrap().contains("host not found in upstream"), "{meta}");
}

#[tokio::test]
async fn a_host_made_disabled_is_not_served() {
    let target = Target::serving().await;
    let app = App::start("one").await;
    let mut host = target.host("web", app.port());
    host["enabled"] = json!(false);
    target.create(&host).await;
    target.create(&target.host("other", app.port())).await;
    target.visit_until(&target.name("other"), |seen| seen.served_by.is_some()).await;
    assert_eq!(target.visit(&target.name("web")).await.served_by, None);
}
