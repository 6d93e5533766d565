//! A small disk of a test's own: the test runs itself again in a mount namespace, where it may mount one, fill it, and
//! make it read-only. Nobody else sees it, and it goes with the process.

use std::path::Path;
use std::process::Command;

const WITHIN: &str = "LANDFALL_TEST_OWN_DISK";

/// Runs an ignored test of this binary in a mount namespace of its own, and answers for it.
pub fn run(test: &str) {
    let mut command = Command::new("unshare");
    if !rustix::process::geteuid().is_root() {
        command.arg("--map-root-user");
    }
    command.arg("--mount").arg(std::env::current_exe().expect("this program"));
    command.args(["--exact", test, "--ignored", "--nocapture"]).env(WITHIN, "1");
    let output = command.output().expect("unshare of util-linux");
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && out.contains("1 passed"), "{test} in a namespace of its own\n{out}\n{err}");
}

/// True for who was run so.
pub fn is_there() -> bool {
    std::env::var_os(WITHIN).is_some()
}

/// Mounts a disk of some megabytes at a directory, which is made.
pub fn mount(at: &Path) {
    std::fs::create_dir_all(at).expect("a directory");
    mounted(at, "size=8m,mode=0700");
}

/// Lets nobody write to it, or everybody again.
pub fn set_read_only(at: &Path, is_read_only: bool) {
    mounted(at, if is_read_only { "remount,ro" } else { "remount,rw" });
}

fn mounted(at: &Path, options: &str) {
    let done = Command::new("mount").args(["-t", "tmpfs", "-o", options, "landfall-test"]).arg(at).output();
    let done = done.expect("mount of util-linux");
    assert!(done.status.success(), "mount -o {options}: {}", String::from_utf8_lossy(&done.stderr));
}
