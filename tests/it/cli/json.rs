//! `-o json`: one object with its version for every command that prints data, errors included.

use serde_json::{Value, json};

use super::landfall;
use crate::execute::ground::{Host, image, web};
use crate::fake_docker::Behaviour;

/// The object that a command prints; it must end so.
async fn object(host: &Host, line: &str, code: i32) -> Value {
    let mut args: Vec<&str> = line.split(' ').collect();
    args.extend(["-o", "json"]);
    let said = landfall(host, &args).await;
    assert_eq!(said.code, code, "{line}\n{}{}", said.out, said.err);
    let object: Value = serde_json::from_str(&said.out).unwrap_or_else(|error| panic!("{line}: {error}\n{}", said.out));
    assert_eq!(object["format_version"], 1, "{line}");
    object
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_prints_one_object_with_its_version() {
    let broken = image("v2").behaving(Behaviour::Unhealthy);
    let host = Host::with(&[&image("v1"), &broken]).await;
    host.write(&web("v1", ""));
    assert_eq!(object(&host, "validate", 0).await["stages"], 1);
    let plan = object(&host, "diff", 2).await;
    assert_eq!((&plan["in_sync"], &plan["stages"][0]["verdict"]), (&json!(false), &json!("create")));
    let applied = object(&host, "apply", 0).await;
    let result = &applied["results"][0];
    assert_eq!(
        (&result["key"], &result["ok"], &result["status"]),
        (&json!("web/prod"), &json!(true), &json!("success"))
    );
    let deploy = host.last();
    assert_eq!(result["deploy"], deploy.id.short());
    assert_eq!(object(&host, "diff", 0).await["in_sync"], true);
    let status = object(&host, "status", 0).await;
    let stage = &status["stages"][0];
    assert_eq!((&stage["instance"], &stage["urls"]), (&json!(deploy.container_name), &json!(["http://web.test"])));
    let shown = object(&host, &format!("show {}", deploy.id), 0).await;
    assert_eq!((&shown["deploy"]["id"], &shown["deploy"]["status"]), (&json!(deploy.id), &json!("success")));
    assert!(shown["log"].as_array().unwrap().len() > 5);
    assert_eq!(object(&host, "history", 0).await["deploys"][0]["id"], json!(deploy.id));
    let logs = object(&host, "logs web", 0).await;
    assert_eq!(logs["lines"], json!(["listening on :8080 as v1"]));
    host.write(&web("v2", "        ready: { http: { path: / }, deadline: 100ms }\n"));
    let failed = object(&host, "apply", 1).await;
    assert_eq!((&failed["results"][0]["ok"], &failed["results"][0]["status"]), (&json!(false), &json!("failed")));
    let held = object(&host, "apply", 3).await;
    assert_eq!(held["plan"]["stages"][0]["held"]["failed"]["deploy"], host.last().id.short());
    assert_eq!(object(&host, "status", 3).await["ok"], false);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_is_an_object_too() {
    let host = Host::with(&[&image("v1")]).await;
    host.apply(&web("v1", "")).await;
    for (line, code) in [
        ("apply nope", 4),
        ("diff nope", 1),
        ("logs nope", 1),
        ("show 01234567", 1),
        ("status --docker unix:///no.sock", 1),
    ] {
        let error = object(&host, line, code).await;
        assert!(error["error"].is_string() && error["hint"].is_string(), "{line}: {error}");
    }
    host.write("projects: { web: { imgae: x } }\n");
    let found = object(&host, "validate", 1).await;
    assert_eq!(found["valid"], false);
    let first = &found["diagnostics"][0];
    assert!(first["file"] == "projects.yaml" && first["line"] == 1 && first["message"].is_string(), "{first}");
    assert!(object(&host, "diff", 1).await["error"].is_string());
    assert_eq!(object(&host, "status", 3).await["stages"][0]["key"], "web/prod");
}

#[tokio::test(flavor = "multi_thread")]
async fn followed_logs_are_one_object_a_line() {
    let host = Host::with(&[&image("v1")]).await;
    host.apply(&web("v1", "")).await;
    let name = host.last().container_name;
    host.fake.say(&name, "two \"quoted\"");
    let follow = async {
        let said = landfall(&host, &["logs", "web", "-f", "-o", "json"]).await;
        assert_eq!(said.code, 0, "{}", said.err);
        said.out
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).expect("an object")["text"].clone())
            .collect::<Vec<_>>()
    };
    let end = async {
        host.called(crate::fake_docker::Op::Logs).await;
        host.fake.say(&name, "three");
        host.fake.stop_by_hand(&name).await;
    };
    let (lines, ()) = tokio::join!(follow, end);
    assert_eq!(lines, ["listening on :8080 as v1", "two \"quoted\"", "three"]);
}
