//! Websockets that are held open through swaps: each ends with the instance that it leads to, and not before that one had
//! its time to drain (R9).

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;

use super::harness::Host;

/// Time between two bytes: what is cut is noticed so soon.
const BEAT: Duration = Duration::from_millis(20);
/// For a hung machine: one that is silent so long counts as cut.
const PATIENCE: Duration = Duration::from_secs(10);

/// One that is open.
pub(super) struct Tunnel {
    stage: String,
    cut_ms: JoinHandle<i64>,
}

/// A websocket that the app has agreed to; a read of it gives up after so long.
pub(super) fn opened(probe: &str, domain: &str, patience: Duration) -> TcpStream {
    let mut stream = TcpStream::connect(probe).expect("a connection");
    stream.set_read_timeout(Some(patience)).expect("a time limit");
    let ask = format!("GET /ws HTTP/1.1\r\nHost: {domain}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
    stream.write_all(ask.as_bytes()).expect("a request");
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).expect("an answer");
        head.push(byte[0]);
    }
    assert!(head.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&head));
    stream
}

impl Tunnel {
    /// Opens one to a stage by its domain, and returns once a byte came back.
    pub(super) fn open(probe: &str, stage: String, domain: &str) -> Self {
        let mut stream = opened(probe, domain, PATIENCE);
        assert!(echoes(&mut stream), "{domain} sends nothing back");
        let cut_ms = std::thread::spawn(move || {
            while echoes(&mut stream) {
                std::thread::sleep(BEAT);
            }
            now_ms()
        });
        Self { stage, cut_ms }
    }

    /// After a deploy that removed the instance it led to: it was open until that one had drained.
    #[track_caller]
    pub(super) fn outlived_the_drain(self, host: &Host) {
        let cut_ms = self.cut_ms.join().expect("an end");
        let newest = host.history(&self.stage)[0]["id"].as_str().expect("an id").to_owned();
        let deploy = host.landfall(&format!("show {newest} -o json")).exits(0).json();
        let lines = deploy["log"].as_array().unwrap_or_else(|| panic!("a log: {deploy}"));
        let said = |line: &&Value| {
            let text = line["text"].as_str().unwrap_or_default();
            ["to answer what it was asked", "they are cut", "is idle"].iter().any(|words| text.contains(words))
        };
        let drained = lines.iter().find(said).unwrap_or_else(|| panic!("it drained: {deploy}"));
        let at = drained["at"].as_str().and_then(|text| chrono::DateTime::parse_from_rfc3339(text).ok());
        let drained_ms = at.unwrap_or_else(|| panic!("a time: {drained}")).timestamp_millis();
        assert!(cut_ms >= drained_ms, "cut {} ms before the drain was over: {deploy}", drained_ms - cut_ms);
    }
}

/// A byte goes and comes back.
fn echoes(stream: &mut TcpStream) -> bool {
    let mut byte = [0];
    stream.write_all(b"x").is_ok() && stream.read_exact(&mut byte).is_ok() && &byte == b"x"
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock");
    i64::try_from(since.as_millis()).expect("a time")
}
