//! Faults of the contract server: each does what it says, and no more.

use std::time::{Duration, Instant};

use serde_json::json;

use super::Target;
use crate::npm::{Fault, Matcher};

const LIST: &str = "/nginx/proxy-hosts";

/// A matcher for creates.
fn creates() -> Matcher {
    Matcher::new("POST", LIST)
}

#[tokio::test]
async fn a_status_does_nothing_and_is_used_once() {
    let target = Target::asked().await;
    let Some(npm) = target.npm() else { return };
    npm.fail_next(creates(), Fault::Status(503));
    let host = target.host("web", 80);
    assert_eq!(target.ask("POST", LIST, Some(&host)).await.0, 503);
    assert_eq!((npm.hosts().len(), npm.faults_left(), npm.reloads()), (0, 0, 0));
    assert_eq!(target.ask("POST", LIST, Some(&host)).await.0, 201);
    assert_eq!((npm.count("POST", LIST), npm.writes(), npm.logins(), npm.reloads()), (2, 2, 1, 1));
    let statuses: Vec<_> = npm.calls().iter().filter(|call| call.is_write()).map(|call| call.status).collect();
    assert_eq!(statuses, [Some(503), Some(201)]);
}

#[tokio::test]
async fn the_work_is_done_when_only_the_answer_is_lost() {
    let faults = [Fault::DoneThen(500), Fault::CutAfter, Fault::HalfBody, Fault::Garbage];
    for (at, fault) in faults.into_iter().enumerate() {
        let target = Target::asked().await;
        let Some(npm) = target.npm() else { return };
        npm.fail_next(creates(), fault.clone());
        let host = target.host("web", 80);
        let answer = target.try_as(Some(target.token()), "POST", LIST, Some(&host)).await;
        let seen = answer.map(|(status, body)| (status, body.is_string())).ok();
        assert_eq!(seen, [Some((500, false)), None, None, Some((200, true))][at], "{fault:?}");
        let host = npm.host(&target.name("web")).expect("a row");
        assert_eq!(host["meta"]["nginx_online"], true, "{fault:?}");
        assert_eq!(npm.reloads(), 1, "{fault:?}");
    }
}

#[tokio::test]
async fn a_cut_before_does_nothing() {
    let target = Target::asked().await;
    let Some(npm) = target.npm() else { return };
    npm.fail_next(creates(), Fault::CutBefore);
    let host = target.host("web", 80);
    assert!(target.try_as(Some(target.token()), "POST", LIST, Some(&host)).await.is_err());
    assert_eq!((npm.hosts().len(), npm.reloads()), (0, 0));
    assert_eq!(npm.calls().last().unwrap().status, None);
}

#[tokio::test]
async fn row_then_changes_the_row_and_not_nginx() {
    let target = Target::asked().await;
    let Some(npm) = target.npm() else { return };
    let id = target.create(&target.host("web", 80)).await;
    npm.fail_next(Matcher::new("PUT", LIST), Fault::RowThen(502));
    assert_eq!(target.put(id, &json!({ "forward_port": 81 })).await.0, 502);
    assert_eq!(npm.hosts()[0]["forward_port"], 81);
    assert!(npm.conf(id).unwrap().contains("set $port 80;"));
    npm.fail_next(Matcher::new("DELETE", LIST), Fault::RowThen(500));
    assert_eq!(target.ask("DELETE", &format!("{LIST}/{id}"), None).await.0, 500);
    assert!(npm.hosts().is_empty());
    assert!(npm.conf(id).is_some());
}

#[tokio::test]
async fn offline_answers_well_and_takes_the_file_away() {
    let target = Target::asked().await;
    let Some(npm) = target.npm() else { return };
    npm.fail_next(creates(), Fault::Offline("nginx: [emerg] as asked".into()));
    let id = target.create(&target.host("web", 80)).await;
    assert_eq!(target.read(id).await["meta"], json!({ "nginx_online": false, "nginx_err": "nginx: [emerg] as asked" }));
    assert_eq!(npm.conf(id), None);
}

#[tokio::test]
async fn a_slow_answer_comes_late_and_a_late_one_does_so_too() {
    let target = Target::asked().await;
    let Some(npm) = target.npm() else { return };
    let wait = Duration::from_millis(100);
    for fault in [Fault::Slow(wait), Fault::Late(wait)] {
        npm.fail_next(Matcher::new("GET", LIST), fault);
        let begin = Instant::now();
        assert_eq!(target.ask("GET", LIST, None).await.0, 200);
        assert!(begin.elapsed() >= wait);
    }
}

#[tokio::test]
async fn calls_tell_who_asked_for_what() {
    let target = Target::asked().await;
    let Some(npm) = target.npm() else { return };
    npm.reset_calls();
    let body = target.host("web", 80);
    target.done("POST", LIST, Some(&body)).await;
    target.ask_as(None, "GET", &format!("{LIST}?expand=owner"), None).await;
    let calls = npm.calls();
    assert_eq!((calls[0].user.as_deref(), calls[1].user.as_deref()), (Some(target.admin().0), None));
    assert_eq!((&calls[0].body, calls[1].query.as_str()), (&body, "expand=owner"));
    assert!(calls[0].connection != calls[1].connection && calls[0].at <= calls[1].at);
}

#[tokio::test]
async fn users_are_changed_and_stood_in_for_by_a_test() {
    let target = Target::asked().await;
    let Some(npm) = target.npm() else { return };
    let robot = npm.add_user("robot@example.com", "a long password", false, "manage");
    let token = target.log_in("robot@example.com", "a long password").await;
    let id = npm.by_hand().acting_as("robot@example.com").create_host(&target.host("own", 80));
    assert_eq!(target.read(id).await["owner_user_id"], robot);
    npm.set_permission("robot@example.com", "hidden");
    assert_eq!(target.ask_as(Some(&token), "GET", LIST, None).await.0, 404);
    npm.set_permission("robot@example.com", "manage");
    assert_eq!(target.ask_as(Some(&token), "GET", LIST, None).await.0, 200);
    npm.disable_user("robot@example.com");
    assert_eq!(target.ask_as(Some(&token), "GET", LIST, None).await.0, 404);
}

#[tokio::test]
async fn what_is_done_by_hand_is_neither_counted_nor_hit() {
    let target = Target::asked().await;
    let Some(npm) = target.npm() else { return };
    npm.fail_next(creates(), Fault::Status(500));
    npm.reset_calls();
    let id = npm.by_hand().create_host(&target.host("web", 80));
    npm.by_hand().edit(id, &json!({ "forward_port": 81 }));
    npm.by_hand().disable(id);
    npm.by_hand().enable(id);
    npm.by_hand().create_redirection(&target.name("old"), "example.com");
    npm.by_hand().create_dead(&target.name("dead"));
    npm.by_hand().delete(id);
    assert_eq!((npm.calls().len(), npm.faults_left()), (0, 1));
    assert_eq!(npm.reloads(), 7);
}
