//! The command line: exit codes, what goes to which stream, JSON, and words, with the built binary over the fake
//! Docker daemon.

mod backup;
mod broken;
mod codes;
mod conditions;
pub mod daemon;
mod doctor;
mod json;
mod plain;
mod policies;
mod previews;
mod promotion;
mod remote;
mod socket;
mod through;
mod words;

use std::process::Output;

use crate::execute::ground::{Host, image};
use crate::router_support::soon;

/// How a command ended, and what it said.
#[derive(Debug)]
pub struct Said {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl From<Output> for Said {
    fn from(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).expect("text");
        let code = output.status.code().expect("an end of its own");
        Self { code, out: text(output.stdout), err: text(output.stderr) }
    }
}

/// Runs a command on a host. Global options of its own win.
pub async fn landfall(host: &Host, args: &[&str]) -> Said {
    soon("a command", command(host, args).output()).await.expect("landfall runs").into()
}

/// The same, not started yet; killed where the test ends early.
pub fn command(host: &Host, args: &[&str]) -> tokio::process::Command {
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_landfall"));
    command.env_clear().args(args).envs(host.variables()).kill_on_drop(true);
    command
}

/// Runs a command that needs no host.
pub fn plain(args: &[&str]) -> Said {
    let mut command = assert_cmd::Command::new(env!("CARGO_BIN_EXE_landfall"));
    let path = std::env::var_os("PATH").unwrap_or_default();
    command.env_clear().env("PATH", path).args(args).output().expect("landfall runs").into()
}

/// The same text whatever ids, ports and times it was made with.
pub fn masked(host: &Host, text: &str) -> String {
    let mut text = text.replace(&host.path("config").display().to_string(), "CONFIG");
    for version in ["v1", "v2", "v3"] {
        let digest = image(version).digest;
        text = text.replace(digest.as_str(), &format!("sha256:{version}")).replace(digest.short(), version);
    }
    if host.path("data").exists() {
        for (n, deploy) in host.deploys().iter().enumerate() {
            text = text.replace(&deploy.id.to_string(), &format!("DEPLOY{}", n + 1));
            text = text.replace(&deploy.id.short(), &format!("deploy-{}", n + 1));
        }
    }
    let (first, last) = host.ports();
    for port in first..=last {
        text = text.replace(&format!(":{port}"), ":PORT");
    }
    for number in 0..60 {
        for end in [" ", "\n"] {
            text = text.replace(&format!(" {number} s{end}"), &format!(" N s{end}"));
        }
    }
    // A plan is named by all that is in it, ids too.
    let line = |line: &str| match line.strip_prefix("Plan ").and_then(|rest| rest.split_once(':')) {
        Some((_, rest)) => format!("Plan ID:{rest}\n"),
        None => format!("{}\n", line.split_once("ready after ").map_or(line, |(before, _)| before).trim_end()),
    };
    text.lines().map(line).collect()
}
