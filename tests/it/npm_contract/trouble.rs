//! nginx in trouble: what a 500 leaves behind, and what comes before what.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::json;

use super::{App, Target, eventually};
use crate::npm::{Fault, Matcher};

const LIST: &str = "/nginx/proxy-hosts";

#[tokio::test]
async fn a_bad_file_of_somebody_else_fails_every_write_after_its_row_has_changed() {
    let target = Target::serving().await;
    let (one, two) = (App::start("one").await, App::start("two").await);
    let id = target.create(&target.host("web", one.port())).await;
    target.visit_until(&target.name("web"), |seen| seen.body.starts_with("one\n")).await;
    if !target.break_elsewhere(true) {
        return;
    }
    let (status, answer) = target.put(id, &json!({ "forward_port": two.port() })).await;
    let row = target.read(id).await;
    let (failed, _) = target.ask("POST", LIST, Some(&target.host("new", 80))).await;
    let made = target.find(&target.name("new")).await.expect("the row is there");
    let (again, _) = target.ask("POST", LIST, Some(&target.host("new", 80))).await;
    target.break_elsewhere(false);

    assert_eq!((status, &answer["error"]["message"]), (500, &json!("Internal Error")));
    assert_eq!((&row["forward_port"], &row["meta"]["nginx_online"]), (&json!(two.port()), &json!(true)));
    assert!(target.conf(id).unwrap().contains(&format!("set $port {};", one.port())));
    assert_eq!((failed, &made["meta"], again), (500, &json!({}), 400));
    // Nothing repairs it by itself: the row says what is wanted, nginx does not know.
    assert!(target.visit(&target.name("web")).await.body.starts_with("one\n"));
    assert_eq!(target.put(id, &json!({ "forward_port": two.port() })).await.0, 200);
    target.visit_until(&target.name("web"), |seen| seen.body.starts_with("two\n")).await;
    target.done("DELETE", &format!("{LIST}/{}", made["id"]), None).await;
}

#[tokio::test]
async fn a_delete_that_answers_500_has_deleted() {
    let target = Target::serving().await;
    let id = target.create(&target.host("web", 80)).await;
    if !target.break_elsewhere(true) {
        return;
    }
    let path = format!("{LIST}/{id}");
    let (first, second) = (target.ask("DELETE", &path, None).await.0, target.ask("DELETE", &path, None).await.0);
    target.break_elsewhere(false);
    assert_eq!((first, second), (500, 404));
    assert_eq!((target.find(&target.name("web")).await, target.conf(id)), (None, None));
}

#[tokio::test]
async fn a_disable_that_answers_500_has_disabled() {
    let target = Target::serving().await;
    let id = target.create(&target.host("web", 80)).await;
    if !target.break_elsewhere(true) {
        return;
    }
    let (status, _) = target.ask("POST", &format!("{LIST}/{id}/disable"), None).await;
    target.break_elsewhere(false);
    assert_eq!((status, target.read(id).await["enabled"].clone(), target.conf(id)), (500, json!(false), None));
}

#[tokio::test]
async fn without_a_running_nginx_a_write_is_a_500_with_everything_in_place() {
    let target = Target::serving().await;
    let Some(npm) = target.npm() else { return };
    let app = App::start("one").await;
    npm.stop_nginx();
    assert_eq!(target.ask("POST", LIST, Some(&target.host("web", app.port()))).await.0, 500);
    let made = npm.host(&target.name("web")).expect("the row is there");
    assert_eq!(made["meta"]["nginx_online"], true);
    npm.start_nginx();
    let seen = target.visit(&target.name("web")).await;
    assert_eq!(seen.served_by, Some(target.name("web")));
}

#[tokio::test]
async fn an_answer_comes_before_its_effect() {
    let target = Target::serving().await;
    let Some(npm) = target.npm() else { return };
    npm.delay_reload(Duration::from_millis(300));
    let app = App::start("one").await;
    target.create(&target.host("web", app.port())).await;
    assert_eq!(target.visit(&target.name("web")).await.served_by, None);
    target.visit_until(&target.name("web"), |seen| seen.served_by.is_some()).await;
}

#[tokio::test]
async fn a_write_closes_connections_to_the_api_that_are_kept_alive() {
    let target = Target::asked().await;
    let Some(npm) = target.npm() else { return };
    let address = npm.url().trim_start_matches("http://").to_owned();
    let mut stream = TcpStream::connect(&address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut ask = || {
        stream.write_all(b"GET /api/ HTTP/1.1\r\nHost: npm\r\n\r\n").ok()?;
        let mut buffer = [0; 1024];
        stream.read(&mut buffer).ok().filter(|count| *count > 0)
    };
    assert!(ask().is_some() && ask().is_some(), "the connection is kept alive");
    target.create(&target.host("web", 80)).await;
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).expect("it is closed in good order");
    assert_eq!(rest, b"", "without a word");
}

#[tokio::test]
async fn what_was_begun_is_done_when_the_client_does_not_wait() {
    let target = Target::asked().await;
    let Some(npm) = target.npm() else { return };
    npm.fail_next(Matcher::new("POST", LIST), Fault::Late(Duration::from_millis(50)));
    let body = target.host("web", 80).to_string();
    let mut stream = TcpStream::connect(npm.url().trim_start_matches("http://")).unwrap();
    let (token, length) = (target.token(), body.len());
    write!(
        stream,
        "POST /api{LIST} HTTP/1.1\r\nHost: npm\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\n\r\n{body}"
    )
    .unwrap();
    eventually("it has arrived", async || npm.count("POST", LIST) == 1).await;
    drop(stream);
    eventually("the host is there", async || npm.host(&target.name("web")).is_some()).await;
}
