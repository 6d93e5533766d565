//! What a user who is no admin sees and may do.

use serde_json::{Value, json};

use super::Target;

const LIST: &str = "/nginx/proxy-hosts";

/// A service user: its id and a token.
async fn robot(target: &Target, visibility: &str, proxy_hosts: &str) -> (i64, String) {
    let email = format!("robot@{}", target.name("users"));
    let user = json!({
        "name": "Robot", "nickname": "robot", "email": email, "roles": [], "is_disabled": false,
        "auth": { "type": "password", "secret": "a long password" },
    });
    let made = target.done("POST", "/users", Some(&user)).await;
    assert_eq!(
        (&made["permissions"]["visibility"], &made["permissions"]["proxy_hosts"]),
        (&json!("user"), &json!("manage"))
    );
    let id = made["id"].as_i64().unwrap();
    let permissions = json!({ "visibility": visibility, "proxy_hosts": proxy_hosts });
    target.done("PUT", &format!("/users/{id}/permissions"), Some(&permissions)).await;
    (id, target.log_in(&email, "a long password").await)
}

fn refused(target: &Target, path: &str, (status, answer): &(u16, Value)) {
    let told = json!(format!("Not Found - {path}"));
    assert_eq!((*status, &answer["error"]["message"]), (404, &told), "{}", target.name("refused"));
}

#[tokio::test]
async fn it_sees_and_changes_only_its_own_hosts_and_others_look_missing() {
    let target = Target::asked().await;
    let (robot_id, token) = robot(&target, "user", "manage").await;
    let foreign = target.create(&target.host("foreign", 80)).await;
    let token = Some(token.as_str());
    assert_eq!(target.ask_as(token, "GET", LIST, None).await, (200, json!([])));
    let path = format!("{LIST}/{foreign}");
    let missing = foreign.to_string();
    refused(&target, &missing, &target.ask_as(token, "GET", &path, None).await);
    refused(&target, &missing, &target.ask_as(token, "PUT", &path, Some(&json!({ "forward_port": 81 }))).await);
    refused(&target, &missing, &target.ask_as(token, "DELETE", &path, None).await);
    let (status, answer) = target.ask_as(token, "POST", LIST, Some(&target.host("foreign", 80))).await;
    let told = format!("{} is already in use", target.name("foreign"));
    assert_eq!((status, &answer["error"]["message"]), (400, &json!(told)));

    let (status, own) = target.ask_as(token, "POST", LIST, Some(&target.host("own", 80))).await;
    assert_eq!((status, &own["owner_user_id"]), (201, &json!(robot_id)));
    let (_, listed) = target.ask_as(token, "GET", LIST, None).await;
    assert_eq!(listed.as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn who_owns_a_host_stays_when_the_admin_edits_it() {
    let target = Target::asked().await;
    let (robot_id, token) = robot(&target, "user", "manage").await;
    let (_, own) = target.ask_as(Some(&token), "POST", LIST, Some(&target.host("own", 80))).await;
    let id = own["id"].as_i64().unwrap();
    let (status, changed) = target.put(id, &json!({ "forward_port": 81 })).await;
    assert_eq!((status, &changed["owner_user_id"]), (200, &json!(robot_id)));
    assert_eq!(target.ask_as(Some(&token), "GET", &format!("{LIST}/{id}"), None).await.0, 200);
}

#[tokio::test]
async fn with_visibility_of_all_it_sees_every_host() {
    let target = Target::asked().await;
    let (_, token) = robot(&target, "all", "manage").await;
    let foreign = target.create(&target.host("foreign", 80)).await;
    let (status, changed) =
        target.ask_as(Some(&token), "PUT", &format!("{LIST}/{foreign}"), Some(&json!({ "forward_port": 81 }))).await;
    assert_eq!((status, &changed["forward_port"]), (200, &json!(81)));
}

#[tokio::test]
async fn a_missing_permission_looks_like_a_missing_path() {
    let target = Target::asked().await;
    let host = target.create(&target.host("web", 80)).await;
    let path = format!("{LIST}/{host}");
    let (robot_id, token) = robot(&target, "all", "view").await;
    let token = Some(token.as_str());
    assert_eq!(target.ask_as(token, "GET", &path, None).await.0, 200);
    refused(&target, &path, &target.ask_as(token, "PUT", &path, Some(&json!({ "forward_port": 81 }))).await);
    refused(&target, &path, &target.ask_as(token, "DELETE", &path, None).await);
    let (status, answer) = target.ask_as(token, "POST", LIST, Some(&target.host("own", 80))).await;
    assert_eq!((status, &answer["error"]["message"]), (500, &json!("Internal Error")));

    let hidden = json!({ "proxy_hosts": "hidden" });
    target.done("PUT", &format!("/users/{robot_id}/permissions"), Some(&hidden)).await;
    refused(&target, LIST, &target.ask_as(token, "GET", LIST, None).await);
    refused(&target, &path, &target.ask_as(token, "GET", &path, None).await);
}

#[tokio::test]
async fn a_user_disabled_after_its_login_is_refused_as_if_paths_were_missing() {
    let target = Target::asked().await;
    let (robot_id, token) = robot(&target, "user", "manage").await;
    target.done("PUT", &format!("/users/{robot_id}"), Some(&json!({ "is_disabled": true }))).await;
    refused(&target, LIST, &target.ask_as(Some(&token), "GET", LIST, None).await);
    // A refresh that works proves nothing.
    assert_eq!(target.ask_as(Some(&token), "GET", "/tokens", None).await.0, 200);
    let login = json!({ "identity": format!("robot@{}", target.name("users")), "secret": "a long password" });
    assert_eq!(target.ask_as(None, "POST", "/tokens", Some(&login)).await.0, 400);
}

#[tokio::test]
async fn one_learns_who_one_is_and_nothing_about_others() {
    let target = Target::asked().await;
    let (robot_id, token) = robot(&target, "user", "manage").await;
    let (status, me) = target.ask_as(Some(&token), "GET", "/users/me", None).await;
    assert_eq!((status, &me["id"], &me["roles"]), (200, &json!(robot_id), &json!([])));
    assert_eq!(target.done("GET", "/users/me", None).await["roles"], json!(["admin"]));
    refused(&target, "/users", &target.ask_as(Some(&token), "GET", "/users", None).await);
}
