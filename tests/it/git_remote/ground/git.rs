//! git for a person of these tests: nothing of who runs them, of the machine's settings, or of a directory above.

use std::path::Path;
use std::process::{Command, Output};

/// The variables that it has, beside its home.
const VARIABLES: [(&str, &str); 8] = [
    ("GIT_CONFIG_NOSYSTEM", "1"),
    ("GIT_CONFIG_GLOBAL", "/dev/null"),
    ("GIT_TERMINAL_PROMPT", "0"),
    ("GIT_AUTHOR_NAME", "t"),
    ("GIT_AUTHOR_EMAIL", "t@example.com"),
    ("GIT_COMMITTER_NAME", "t"),
    ("GIT_COMMITTER_EMAIL", "t@example.com"),
    ("LC_ALL", "C"),
];
/// Its settings: nothing goes on in the background, and what it needs no question for.
const SETTINGS: [&str; 6] = ["-c", "gc.auto=0", "-c", "maintenance.auto=false", "-c", "init.defaultBranch=main"];

/// Gives a command these surroundings, and no others.
pub fn surround(command: &mut Command, home: &Path) {
    let path = std::env::var_os("PATH").unwrap_or_default();
    command.env_clear().env("PATH", path).env("HOME", home).envs(VARIABLES).current_dir(home);
}

/// A call of it; its own arguments are still to come.
pub fn git(home: &Path) -> Command {
    let mut command = Command::new("git");
    surround(&mut command, home);
    command.args(SETTINGS);
    command
}

/// Runs what must work: the answer without a line end.
#[track_caller]
pub fn done(mut command: Command) -> String {
    let Output { status, stdout, stderr } = command.output().expect("it runs");
    assert!(status.success(), "{command:?}: {}", String::from_utf8_lossy(&stderr));
    String::from_utf8(stdout).expect("text").trim_end().to_owned()
}
