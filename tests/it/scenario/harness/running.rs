//! Runs of the binary: one that ended with its exit code and output, and one that goes on.

use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::eventually;

/// A command that ended.
#[derive(Debug)]
pub struct Ran {
    what: String,
    id: String,
    code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Ran {
    /// Runs a command to its end; one that takes too long is killed and fails the test with what it wrote.
    #[track_caller]
    pub fn run(command: Command, id: &str, patience: Duration) -> Self {
        let what = told(&command);
        let output = assert_cmd::Command::from_std(command).timeout(patience).output().expect("the binary runs");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("output is UTF-8");
        let ran = Self {
            what,
            id: id.to_owned(),
            code: output.status.code(),
            out: text(output.stdout),
            err: text(output.stderr),
        };
        assert!(ran.code.is_some(), "it was killed: {ran}");
        ran
    }

    /// It ended with this code.
    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self}");
        self
    }

    /// True when it ended with this code.
    pub fn is(&self, code: i32) -> bool {
        self.code == Some(code)
    }

    /// It wrote this text, to whichever stream.
    #[track_caller]
    pub fn says(self, text: &str) -> Self {
        assert!(self.wrote(text), "it does not say {text:?}: {self}");
        self
    }

    /// It did not write this text.
    #[track_caller]
    pub fn never_says(self, text: &str) -> Self {
        assert!(!self.wrote(text), "it says {text:?}: {self}");
        self
    }

    /// True when it wrote this text, to whichever stream.
    pub fn wrote(&self, text: &str) -> bool {
        let text = text.replace("<id>", &self.id);
        self.out.contains(&text) || self.err.contains(&text)
    }

    /// Its standard output as JSON, with the version of its form.
    #[track_caller]
    pub fn json(&self) -> Value {
        let data: Value = serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self}"));
        assert_eq!(data["format_version"], 1, "{self}");
        data
    }
}

impl std::fmt::Display for Ran {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { what, id: _, code, out, err } = self;
        write!(f, "`{what}` ended with {code:?}\n--- stdout\n{out}--- stderr\n{err}---")
    }
}

fn told(command: &Command) -> String {
    let arguments: Vec<_> = command.get_args().map(|argument| argument.to_string_lossy()).collect();
    format!("landfall {}", arguments.join(" "))
}

/// A command that goes on, and writes to a file; killed on drop.
pub struct Running {
    child: Child,
    log: PathBuf,
}

impl Running {
    pub fn start(mut command: Command, dir: &Path) -> Self {
        let log = dir.join(format!("run-{}.log", uuid::Uuid::new_v4().simple()));
        let file = std::fs::File::create(&log).unwrap();
        command.stdout(file.try_clone().unwrap()).stderr(file);
        Self { child: command.spawn().unwrap(), log }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it wrote so far, on both streams.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// Returns when it has written a text.
    #[track_caller]
    pub fn says(&mut self, text: &str) {
        self.says_times(text, 1);
    }

    /// Returns when it has written a text so many times.
    #[track_caller]
    pub fn says_times(&mut self, text: &str, times: usize) {
        self.until(text, |log| log.matches(text).count() >= times);
    }

    /// Returns when what it wrote is as wanted; one that ended before fails the test.
    #[track_caller]
    pub fn until(&mut self, what: &str, is_so: impl Fn(&str) -> bool) {
        eventually(what, || {
            let ended = self.child.try_wait().unwrap();
            let log = self.log();
            assert!(ended.is_none() || is_so(&log), "it ended ({ended:?}) before {what:?}:\n{log}");
            is_so(&log).then_some(())
        });
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<std::process::ExitStatus> {
        self.child.try_wait().unwrap()
    }

    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, signal).unwrap();
    }

    /// Kills it as a crash would, and returns when it is gone.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits for its end; gives its exit code.
    #[track_caller]
    pub fn ends(&mut self) -> Option<i32> {
        eventually("it ends", || self.child.try_wait().unwrap()).code()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- {} wrote:\n{}", self.log.display(), self.log());
        }
    }
}
