//! R5, R20: the fields that people set as well as stages: caching, access list, locations, text in nginx's own language.
//! One is ours from the write that asks for something in it until the one that asks for nothing; before and after it is a
//! person's, and nobody's access list goes because the YAML says nothing of it.

use serde_json::{Value, json};

use super::ground::{Behind, QUICK, timeless};
use crate::execute::ground::{image, web};
use crate::npm::{Fault, Matcher};

/// `web/prod` with more keys in its route.
fn routed(version: &str, more: &str) -> String {
    web(version, QUICK).replace("domains: [ web.test ]", &format!("domains: [ web.test ]{more}"))
}

/// A stage at its first version, which may write nginx's own language.
async fn allowed() -> Behind {
    let behind = Behind::with(&[&image("v1"), &image("v2")]).await;
    behind.settings("  policy: { advanced: [ web/prod ] }\n");
    behind.host.apply(&routed("v1", "")).await;
    behind.npm.reset_calls();
    behind
}

/// A pass that is one write and no deploy, with nothing left to do.
async fn is_one_write(behind: &Behind, what: &str) {
    behind.npm.reset_calls();
    let (status, reason) = behind.pass().await;
    assert_eq!((status.as_str(), behind.npm.writes()), ("done", 1), "{what}: {reason}");
    let plan = behind.host.look().await.expect("a look").plan;
    assert!(plan.is_noop(), "{what}: {plan}");
}

fn fields(row: &Value) -> [&Value; 4] {
    ["caching_enabled", "access_list_id", "locations", "advanced_config"].map(|name| &row[name])
}

#[tokio::test]
async fn r20_each_field_comes_by_one_write_is_put_right_and_goes_by_one_write() {
    let behind = allowed().await;
    behind.npm.by_hand().access_list("others", &[]);
    let list = behind.npm.by_hand().access_list("staff", &[("ann", "a password")]);
    let id = behind.id("web.test");
    let plain = timeless(behind.row("web.test"));
    for (yaml, field, value, drift, words) in [
        ("caching: true", "caching_enabled", json!(true), json!(false), "caching off → on"),
        ("access_list: staff", "access_list_id", json!(list), json!(0), "access list none → 2"),
        (
            "advanced: \"client_max_body_size 1m;\"",
            "advanced_config",
            json!("client_max_body_size 1m;"),
            json!("# no"),
            "advanced differ",
        ),
        (
            "locations: [ { path: /api, upstream: \"127.0.0.1:9\" } ]",
            "locations",
            json!([{ "path": "/api", "forward_scheme": "http", "forward_host": "127.0.0.1", "forward_port": 9,
                "forward_path": "", "advanced_config": "" }]),
            json!([]),
            "locations differ",
        ),
    ] {
        behind.host.write(&routed("v1", &format!(", {yaml}")));
        assert!(behind.plan().await.contains(words), "{yaml}: {}", behind.plan().await);
        is_one_write(&behind, yaml).await;
        assert_eq!(behind.row("web.test")[field], value, "{yaml}");
        behind.npm.by_hand().edit(id, &json!({ field: drift }));
        assert!(behind.plan().await.contains(words), "{yaml}: {}", behind.plan().await);
        is_one_write(&behind, yaml).await;
        assert_eq!(behind.row("web.test")[field], value, "{yaml}");
        behind.host.write(&routed("v1", ""));
        is_one_write(&behind, yaml).await;
        let mut row = timeless(behind.row("web.test"));
        if row["locations"] == json!([]) {
            row["locations"] = Value::Null;
        }
        assert_eq!(row, plain, "{yaml}: as if it had never been");
    }
    assert_eq!(behind.host.deploys().len(), 1, "no new container for any of it");
}

#[tokio::test]
async fn r20_an_access_list_by_name_keeps_everybody_else_out_of_a_stage() {
    let behind = Behind::with(&[&image("v1")]).await;
    behind.npm.by_hand().access_list("staff", &[("ann", "a password")]);
    behind.host.apply(&routed("v1", ", access_list: staff")).await;
    assert_eq!(behind.answer("web.test").await, "status 401");
    behind.host.write(&routed("v1", ", access_list: nobody"));
    behind.npm.reset_calls();
    let converged = behind.host.converge().await;
    let plan = converged.view.plan.to_string();
    assert!(converged.refused && plan.contains("has no access list `nobody`"), "{plan}");
    assert_eq!((behind.npm.writes(), behind.answer("web.test").await.as_str()), (0, "status 401"));
}

#[tokio::test]
async fn r5_what_a_person_set_at_an_adopted_host_stays_where_the_stage_asks_for_nothing() {
    let behind = Behind::with(&[&image("v1"), &image("v2")]).await;
    let list = behind.npm.by_hand().access_list("family", &[("ann", "a password")]);
    let guarded = json!([{ "path": "/admin", "forward_scheme": "http", "forward_host": "127.0.0.1", "forward_port": 9,
        "advanced_config": "deny all;" }]);
    let id = behind.npm.by_hand().create_host(&json!({
        "domain_names": ["web.test"], "forward_scheme": "http", "forward_host": "127.0.0.1", "forward_port": 9,
        "caching_enabled": true, "access_list_id": list, "locations": guarded, "advanced_config": "# by hand",
    }));
    let before: Vec<Value> = fields(&behind.row("web.test")).map(Value::clone).into();
    behind.host.write(&routed("v1", ""));
    landfall::reconcile::adopt(&behind.host.places(), &"web/prod".parse().unwrap()).await.unwrap();
    for version in ["v1", "v2"] {
        behind.host.apply(&routed(version, "")).await;
        assert_eq!(fields(&behind.row("web.test")).map(Value::clone).as_slice(), before, "{version}");
        assert!(behind.host.look().await.unwrap().plan.is_noop());
    }
    assert_eq!((behind.id("web.test"), behind.answer("web.test").await.as_str()), (id, "status 401"));
    // One of them is asked for: it alone becomes ours, and the path that the person guards stays beside ours.
    behind.host.apply(&routed("v2", ", locations: [ { path: /api, upstream: \"127.0.0.1:9\" } ]")).await;
    let row = behind.row("web.test");
    let paths: Vec<&Value> = row["locations"].as_array().unwrap().iter().map(|one| &one["path"]).collect();
    assert_eq!((paths, &row["access_list_id"]), (vec![&json!("/api"), &json!("/admin")], &json!(list)));
    assert_eq!(row["locations"][1]["advanced_config"], "deny all;");
    behind.host.apply(&routed("v2", "")).await;
    assert_eq!(fields(&behind.row("web.test")).map(Value::clone).as_slice(), before, "ours is gone, theirs is not");
}

#[tokio::test]
async fn r20_a_field_that_was_ours_and_is_asked_for_no_more_is_a_persons_again() {
    let behind = allowed().await;
    let list = behind.npm.by_hand().access_list("staff", &[]);
    let id = behind.id("web.test");
    behind.host.apply(&routed("v1", ", caching: true, access_list: staff, advanced: \"# ours\"")).await;
    behind.host.apply(&routed("v1", "")).await;
    assert_eq!(behind.row("web.test")["access_list_id"], 0, "taken off by who had set it");
    let theirs = json!({ "caching_enabled": true, "access_list_id": list, "advanced_config": "# theirs" });
    behind.npm.by_hand().edit(id, &theirs);
    assert!(behind.host.look().await.unwrap().plan.is_noop(), "{}", behind.plan().await);
    behind.host.apply(&routed("v2", "")).await;
    let row = behind.row("web.test");
    for (field, value) in theirs.as_object().unwrap() {
        assert_eq!(&row[field], value, "{field}");
    }
}

#[tokio::test]
async fn r20_what_a_person_writes_into_a_location_of_ours_stays_wherever_it_leads() {
    let behind = allowed().await;
    let yaml = |port: u16| routed("v1", &format!(", locations: [ {{ path: /api, upstream: \"127.0.0.1:{port}\" }} ]"));
    behind.host.apply(&yaml(9)).await;
    let mut locations = behind.row("web.test")["locations"].clone();
    locations[0]["advanced_config"] = json!("deny all;");
    locations[0]["forward_path"] = json!("/elsewhere");
    behind.npm.by_hand().edit(behind.id("web.test"), &json!({ "locations": locations }));
    is_one_write(&behind, "led back").await;
    assert_eq!(behind.row("web.test")["locations"][0]["forward_path"], "");
    behind.host.apply(&yaml(10)).await;
    let row = behind.row("web.test");
    assert_eq!(
        (&row["locations"][0]["forward_port"], &row["locations"][0]["advanced_config"]),
        (&json!(10), &json!("deny all;"))
    );
}

#[tokio::test]
async fn r5_r11_a_deploy_that_fails_puts_back_what_a_person_had_in_the_fields_that_it_took() {
    let behind = Behind::with(&[&image("v1")]).await;
    let family = behind.npm.by_hand().access_list("family", &[]);
    behind.npm.by_hand().access_list("staff", &[]);
    behind.npm.by_hand().create_host(&json!({
        "domain_names": ["web.test"], "forward_scheme": "http", "forward_host": "127.0.0.1", "forward_port": 9,
        "access_list_id": family, "locations": [{ "path": "/x", "forward_scheme": "http", "forward_host": "127.0.0.1",
        "forward_port": 9 }],
    }));
    behind.host.write(&routed(
        "v1",
        ", access_list: staff, caching: true, locations: [ { path: /x, upstream: \"127.0.0.1:10\" } ]",
    ));
    landfall::reconcile::adopt(&behind.host.places(), &"web/prod".parse().unwrap()).await.unwrap();
    let before = timeless(behind.row("web.test"));
    behind.npm.fail_next(Matcher::new("PUT", "/nginx/proxy-hosts/"), Fault::Offline("nginx: no\n".into()));
    let (status, reason) = behind.pass().await;
    assert_eq!((status.as_str(), behind.npm.faults_left()), ("rolled_back", 0), "{reason}");
    assert_eq!(timeless(behind.row("web.test")), before);
}
