//! The shipped units: well formed, and as closed as they can be. Needs no running systemd.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// What is shipped in `deploy/`.
const UNITS: [&str; 2] = ["landfall.service", "landfall-proxy.service"];
/// The most that `systemd-analyze security` may find, times ten: 2.0 of 10.
const EXPOSURE: &str = "--threshold=20";

/// The text of a unit.
pub fn shipped(unit: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(unit)).unwrap()
}

/// A copy that names a program that exists, in a directory of its own: units beside it would be looked at too.
fn copy(dir: &Path, unit: &str, text: &str) -> PathBuf {
    let path = tempfile::tempdir_in(dir).unwrap().keep().join(unit);
    let starts = format!("ExecStart={} ", env!("CARGO_BIN_EXE_landfall"));
    assert!(text.contains("\nExecStart=landfall "), "{unit} starts landfall");
    std::fs::write(&path, text.replace("ExecStart=landfall ", &starts)).unwrap();
    path
}

fn analyze(arguments: &[&str], unit: &Path) -> Output {
    Command::new("systemd-analyze").args(arguments).arg(unit).output().expect("systemd-analyze of systemd")
}

/// What `systemd-analyze verify` says of the unit; of others of the machine it may say more.
fn complaints(unit: &Path) -> Vec<String> {
    let output = analyze(&["verify", "--man=no"], unit);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let own = said.lines().filter(|line| line.contains("landfall")).map(str::to_owned).collect::<Vec<_>>();
    assert!(output.status.success() || !own.is_empty(), "{said}");
    own
}

#[test]
fn both_units_are_well_formed() {
    let dir = tempfile::tempdir().unwrap();
    for unit in UNITS {
        assert_eq!(complaints(&copy(dir.path(), unit, &shipped(unit))), Vec::<String>::new());
        let misspelt = shipped(unit).replace("ProtectHome=", "ProtectHom=");
        let found = complaints(&copy(dir.path(), unit, &misspelt));
        assert!(found.len() == 1 && found[0].contains("ProtectHom"), "a mistake is found: {found:?}");
    }
}

#[test]
fn both_units_are_open_to_little_and_an_open_one_would_be_refused() {
    let dir = tempfile::tempdir().unwrap();
    for unit in UNITS {
        let judged = |text: &str| analyze(&["security", "--offline=true", EXPOSURE], &copy(dir.path(), unit, text));
        let output = judged(&shipped(unit));
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        let is_kept = |line: &&str| !["SystemCall", "Protect"].iter().any(|beginning| line.starts_with(beginning));
        let opened: String = shipped(unit).lines().filter(is_kept).map(|line| format!("{line}\n")).collect();
        assert!(!judged(&opened).status.success(), "{unit} with half of its limits");
    }
}

#[test]
fn the_sockets_are_well_formed_and_the_proxys_and_come_only_where_they_are_enabled() {
    let dir = tempfile::tempdir().unwrap();
    let service = copy(dir.path(), "landfall-proxy.service", &shipped("landfall-proxy.service"));
    let mut names = Vec::new();
    for unit in ["landfall-proxy.socket", "landfall-proxy-tls.socket"] {
        let text = shipped(unit);
        let path = service.with_file_name(unit);
        std::fs::write(&path, &text).unwrap();
        assert_eq!(complaints(&path), Vec::<String>::new());
        std::fs::write(&path, text.replace("FileDescriptorName=", "FileDescriptorNam=")).unwrap();
        let found = complaints(&path);
        assert!(found.len() == 1 && found[0].contains("FileDescriptorNam"), "a mistake is found: {found:?}");
        std::fs::write(&path, &text).unwrap();
        assert!(text.contains("\nService=landfall-proxy.service\n"), "{unit}");
        names.extend(text.lines().find_map(|line| line.strip_prefix("FileDescriptorName=")).map(str::to_owned));
    }
    assert_eq!(names, ["http", "https"]);
    // It would open both though nobody enabled them, whatever a drop-in says.
    assert!(!shipped("landfall-proxy.service").contains("\nSockets="));
}

#[test]
fn the_daemon_is_waited_for_watched_and_reloaded_as_an_older_systemd_can() {
    let text = shipped("landfall.service");
    let value = |key: &str| text.lines().find_map(|line| line.strip_prefix(key)).unwrap_or_else(|| panic!("{key}"));
    assert_eq!(value("Type="), "notify", "notify-reload came with 253");
    assert_eq!(value("ExecReload="), "kill -HUP $MAINPID");
    let seconds = |key: &str| value(key).parse::<u64>().unwrap();
    assert!(seconds("WatchdogSec=") >= 10 && seconds("TimeoutStartSec=") >= 90);
    assert!(seconds("TimeoutStopSec=") > 30, "longer than the daemon lets a pass go on");
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        assert!(!line.starts_with("IPAddressDeny="), "registries and git servers are outside");
    }
}
