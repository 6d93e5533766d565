//! The test app's load client: it asks all the time, on fresh and on kept-alive connections, and counts what is lost.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::Value;

use super::{eventually, ground};

/// A running client; killed on drop.
pub struct Load {
    child: Child,
    until: PathBuf,
    answered: Arc<AtomicU64>,
}

impl Load {
    /// Starts, and returns when answers flow.
    pub fn start(url: &str, host: &str, dir: &Path) -> Self {
        let until = dir.join(format!("until-{}", uuid::Uuid::new_v4().simple()));
        let mut child = Command::new(ground("LANDFALL_TEST_APP"))
            .args(["--load", "--url", url, "--host", host, "--rps", "200", "--connections", "8"])
            // For a test that never ends it; a soak takes half an hour.
            .args(["--seconds", "3600", "--progress", "--tick", "50", "--until"])
            .arg(&until)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let progress = BufReader::new(child.stderr.take().unwrap());
        let answered = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&answered);
        std::thread::spawn(move || {
            for line in progress.lines().map_while(Result::ok) {
                let count = line.split_once(": ").and_then(|(_, rest)| rest.split(' ').next()?.parse().ok());
                counter.store(count.unwrap_or(0), Ordering::SeqCst);
            }
        });
        let load = Self { child, until, answered };
        load.flows();
        load
    }

    /// Returns when every connection has sent and finished another request.
    pub fn flows(&self) {
        self.goes_on(40);
    }

    /// Returns when so many requests more were sent and finished.
    pub fn goes_on(&self, requests: u64) {
        let wanted = self.answered.load(Ordering::SeqCst) + requests;
        eventually("requests flow", || (self.answered.load(Ordering::SeqCst) >= wanted).then_some(()));
    }

    /// Ends it, once requests were sent after this moment too, and returns its tally.
    pub fn finish(mut self) -> Value {
        self.flows();
        std::fs::write(&self.until, "").unwrap();
        let mut text = String::new();
        let mut stdout = self.child.stdout.take().unwrap();
        std::io::Read::read_to_string(&mut stdout, &mut text).unwrap();
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Requests were sent, every one was answered by the app, and no idle connection was closed.
#[track_caller]
pub fn assert_lossless(tally: &Value) {
    assert!(tally["requests"].as_u64().unwrap() > 0, "{tally}");
    for count in ["lost", "idle_closed", "unexpected"] {
        assert_eq!(tally[count], 0, "{count}: {tally}");
    }
}

/// Each of these versions answered, at a hundred requests a second and more.
#[track_caller]
pub fn assert_answered(tally: &Value, versions: &[String]) {
    assert!(tally["rps"].as_f64() >= Some(100.0), "{tally}");
    for version in versions {
        assert!(tally["versions"][version]["count"].as_u64() > Some(0), "{version}: {tally}");
    }
}

/// Both versions answered, and the old one no more after the new one was first seen (R9).
#[track_caller]
pub fn assert_replaced(tally: &Value, old: &str, new: &str) {
    assert_lossless(tally);
    let time = |version: &str, what: &str| {
        tally["versions"][version][what].as_i64().unwrap_or_else(|| panic!("{version} did not answer: {tally}"))
    };
    assert!(time(old, "last_sent_ms") <= time(new, "first_answer_ms"), "{tally}");
}
