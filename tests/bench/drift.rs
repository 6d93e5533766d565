//! From `docker kill` to running again under the daemon, beside the least that anybody could need for it: a loop that
//! reads `/events` and starts what died, by plain API. In one run and in turns, each container killed once, so that no
//! pause for what dies again and again has a part in it. Prints medians; asserts that only events can have helped.
//!
//!   tests/ground/with cargo bench --profile dev --bench drift     with `LANDFALL_BIN` for another binary
//!
//! `BENCH_ROUNDS` (21) sets its size.

#[path = "../it/recorder.rs"]
#[expect(dead_code, reason = "the bench takes only what it needs of the tests' recorder")]
mod recorder;
#[expect(dead_code, reason = "the bench takes only what it needs of the others' host")]
mod setup;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use serde_json::Value;
use setup::{Daemon, Host, median, number, report};

/// Longest wait for one container.
const PATIENCE: Duration = Duration::from_secs(30);

fn main() {
    let rounds = number("BENCH_ROUNDS", 21);
    let host = Host::converged_with(rounds, "  resync: 1h\n");
    let raw = raw_containers(&host, rounds);
    let starts = listen(&host.socket);
    let socket = host.socket.clone();
    let daemon = Daemon::start(&host);
    let ours: Vec<String> = ours(&host.socket).iter().map(|container| text(&container["Id"])).collect();
    assert_eq!(ours.len(), rounds, "one container for each round");
    std::thread::spawn(move || raw_loop(&socket));
    let (mut by_raw, mut by_daemon) = (Vec::new(), Vec::new());
    for (raw, id) in raw.iter().zip(&ours) {
        by_raw.push(killed(&host.socket, raw, &starts));
        by_daemon.push(killed(&host.socket, id, &starts));
    }
    drop(daemon);
    report("raw loop: die heard, start asked for", &mut by_raw, None);
    let base = median(&mut by_raw);
    report("landfall daemon", &mut by_daemon, Some(base));
    let more = median(&mut by_daemon).as_secs_f64() - base.as_secs_f64();
    println!("raw + {:.0} ms in the median of {rounds}", more * 1000.0);
}

/// The containers of Landfall.
fn ours(socket: &Path) -> Vec<Value> {
    let listed = call(socket, "GET", setup::LIST, None);
    listed.as_array().cloned().unwrap_or_default()
}

/// Containers that are nobody's but the raw loop's, running.
fn raw_containers(host: &Host, count: usize) -> Vec<String> {
    let like = ours(&host.socket).swap_remove(0);
    let body = serde_json::json!({
        "Image": like["ImageID"], "Labels": { "raw": "1" },
        "HostConfig": { "NetworkMode": "bench", "RestartPolicy": { "Name": "unless-stopped" } },
    });
    let make = |number: usize| {
        let made = call(&host.socket, "POST", &format!("/containers/create?name=raw-{number}"), Some(&body));
        let id = text(&made["Id"]);
        // As many networks as an instance of ours has.
        let join = serde_json::json!({ "Container": id });
        call(&host.socket, "POST", "/networks/bench-names/connect", Some(&join));
        call(&host.socket, "POST", &format!("/containers/{id}/start"), None);
        id
    };
    (0..count).map(make).collect()
}

/// Kills a container, and waits until dockerd tells that it was started.
fn killed(socket: &Path, id: &str, starts: &mpsc::Receiver<(String, Instant)>) -> Duration {
    while starts.try_recv().is_ok() {}
    let begun = Instant::now();
    call(socket, "POST", &format!("/containers/{id}/kill"), None);
    loop {
        let left = PATIENCE.saturating_sub(begun.elapsed());
        let (started, at) = starts.recv_timeout(left).expect("it is started again");
        if started == id {
            return at - begun;
        }
    }
}

/// Every start of a container from now on, with the time at which it was told.
fn listen(socket: &Path) -> mpsc::Receiver<(String, Instant)> {
    let (tell, told) = mpsc::channel();
    let events = events(socket, "start");
    std::thread::spawn(move || {
        for id in events {
            if tell.send((id, Instant::now())).is_err() {
                return;
            }
        }
    });
    told
}

/// The least that puts right what was killed.
fn raw_loop(socket: &Path) {
    for id in events(socket, "die") {
        let (status, container) = ask(socket, "GET", &format!("/containers/{id}/json"), None);
        if status == 200 && container["Config"]["Labels"]["raw"] == "1" {
            call(socket, "POST", &format!("/containers/{id}/start"), None);
        }
    }
}

/// Ids of the containers to which this happens, once the subscription is in force.
fn events(socket: &Path, action: &str) -> impl Iterator<Item = String> + use<> {
    let filters = format!("%7B%22event%22%3A%5B%22{action}%22%5D%7D");
    let mut stream = UnixStream::connect(socket).expect("dockerd answers");
    write!(stream, "GET /v1.41/events?filters={filters} HTTP/1.0\r\nHost: docker\r\n\r\n").expect("dockerd reads");
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    lines.by_ref().find(String::is_empty).expect("a head");
    lines.filter_map(|line| serde_json::from_str::<Value>(&line).ok()).map(|event| text(&event["Actor"]["ID"]))
}

/// A call that has to work.
fn call(socket: &Path, method: &str, path: &str, body: Option<&Value>) -> Value {
    let (status, answer) = ask(socket, method, path, body);
    assert!((200..300).contains(&status) || status == 304, "{method} {path}: {status} {answer}");
    answer
}

fn ask(socket: &Path, method: &str, path: &str, body: Option<&Value>) -> (u16, Value) {
    let mut stream = UnixStream::connect(socket).expect("dockerd answers");
    let body = body.map(Value::to_string).unwrap_or_default();
    write!(
        stream,
        "{method} {path} HTTP/1.0\r\nHost: docker\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .expect("dockerd reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("dockerd answers");
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0);
    (status, serde_json::from_str(body).unwrap_or_default())
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
