//! Commands that need no host: the command line itself, files, schema, and two configurations against each other.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use super::{Said, plain};
use crate::execute::ground::web;
use crate::router_support::until;

fn dir_with(text: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("all.yaml"), text).unwrap();
    dir
}

/// A command on a config directory.
fn on(dir: &Path, args: &[&str]) -> Said {
    plain(&[args, &["--config", dir.to_str().unwrap()]].concat())
}

#[test]
fn usage_errors_exit_64_so_that_2_always_means_changes() {
    for args in [
        &[][..],
        &["deplyo"],
        &["apply", "--froce"],
        &["history", "-n", "0"],
        &["history", "-n", "many"],
        &["diff", "-o", "yaml"],
        &["show"],
        &["logs"],
        &["proxy", "--listen", "nowhere"],
        &["apply", "--config"],
    ] {
        let said = plain(args);
        assert_eq!((said.code, said.out.as_str()), (64, ""), "{args:?}: {said:?}");
        assert!(said.err.contains("Usage: landfall") || said.err.contains("--help"), "{args:?}: {}", said.err);
    }
    for args in [&["--help"][..], &["--version"], &["apply", "--help"], &["help", "diff"]] {
        let said = plain(args);
        assert_eq!((said.code, said.err.as_str()), (0, ""), "{args:?}");
        assert!(said.out.contains("landfall"), "{args:?}");
    }
}

#[test]
fn the_help_of_a_command_has_no_option_that_does_nothing_there_and_such_a_one_is_taken_all_the_same() {
    let is_in = |help: &str, option: &str| help.lines().any(|line| line.trim_start().contains(&format!("{option} ")));
    for (command, used, idle) in [
        (
            "proxy",
            &["--data", "--proxy-socket", "--acme-ca"][..],
            &["--config", "--git", "--docker", "--credentials"][..],
        ),
        ("validate", &["--config", "--output"], &["--git", "--worktree", "--docker", "--data", "--proxy-socket"]),
        ("backup", &["--data"], &["--config", "--git", "--docker", "--proxy-socket", "--credentials"]),
        ("history", &["--data", "--limit"], &["--config", "--git", "--docker", "--proxy-socket"]),
        ("schema", &[], &["--config", "--git-interval", "--docker", "--data", "--output"]),
        ("apply", &["--config", "--git", "--docker", "--credentials", "--data"], &[]),
    ] {
        for help in [plain(&[command, "--help"]), plain(&["help", command])] {
            assert_eq!(help.code, 0, "{help:?}");
            for option in used {
                assert!(is_in(&help.out, option), "{command} {option}: {}", help.out);
            }
            for option in idle {
                assert!(!is_in(&help.out, option), "{command} {option}: {}", help.out);
            }
        }
    }
    let remote = plain(&["validate", "--git", "https://git.example.com/ops.git"]);
    assert!(
        remote.code == 64 && remote.err.contains("`landfall validate DIR`"),
        "another place is not checked instead"
    );
    let schema = plain(&["schema"]);
    for same in [plain(&["--config", "elsewhere", "schema"]), plain(&["schema", "--docker", "unix:///nowhere"])] {
        assert!(same.code == 0 && same.out == schema.out, "{same:?}");
    }
}

#[tokio::test]
async fn what_is_made_is_its_owner_s_alone_whatever_the_umask() {
    let (config, dir) = (dir_with("projects: {}\n"), tempfile::tempdir().unwrap());
    let data = dir.path().join("data");
    let mut command = tokio::process::Command::new("sh");
    command.env_clear().args(["-c", "umask 000; exec \"$0\" daemon", env!("CARGO_BIN_EXE_landfall")]);
    command.env("LANDFALL_CONFIG", config.path()).env("LANDFALL_DATA", &data);
    command.env("LANDFALL_DOCKER", "unix:///nowhere.sock").stderr(Stdio::null()).kill_on_drop(true);
    let mut daemon = command.spawn().unwrap();
    let has = |name: &str| data.join(name).exists();
    until("a pass was tried", async || has("daemon.lock") && has("lock")).await;
    daemon.kill().await.unwrap();
    let socket = data.join("landfall.sock");
    let paths = std::fs::read_dir(&data).unwrap().map(|entry| entry.unwrap().path());
    for path in paths.chain([data.clone()]) {
        let mode = path.metadata().unwrap().permissions().mode();
        // Behind a directory that is its owner's alone, this is the mode for a directory that is not.
        let open = if path == socket { 0o660 & 0o077 } else { 0 };
        assert_eq!(mode & 0o077, open, "{}: {mode:o}", path.display());
    }
}

#[test]
fn validate_tells_good_from_bad_and_where() {
    let good = dir_with(&web("v1", ""));
    let said = on(good.path(), &["validate"]);
    assert_eq!((said.code, said.err.as_str()), (0, ""));
    assert_eq!(said.out, format!("{}: 1 project, 1 stage, 0 registries, no errors\n", good.path().display()));
    let bad = dir_with(&web("v1", "        drian: 1s\n"));
    let said = plain(&["validate", bad.path().to_str().unwrap()]);
    assert_eq!((said.code, said.out.as_str()), (1, ""));
    assert!(said.err.contains("all.yaml:10:9") && said.err.contains("drain"), "{}", said.err);
    for missing in ["/nowhere", good.path().join("all.yaml").to_str().unwrap()] {
        let said = plain(&["validate", missing]);
        assert_eq!((said.code, said.out.as_str()), (1, ""));
        assert!(said.err.contains("hint: "), "{}", said.err);
    }
    let empty = tempfile::tempdir().unwrap();
    let said = on(empty.path(), &["validate"]);
    assert!(said.code == 1 && said.err.contains("holds no YAML file") && said.err.contains("hint: "), "{}", said.err);
}

#[test]
fn the_schema_is_the_shipped_one() {
    let said = plain(&["schema"]);
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("schema/landfall.schema.json");
    assert_eq!((said.code, said.err.as_str()), (0, ""));
    assert_eq!(said.out.trim_end(), std::fs::read_to_string(shipped).unwrap().trim_end());
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_landfall"))
        .arg("schema")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Closed before a byte was read: what is written meets a broken pipe.
    drop(child.stdout.take());
    let said: Said = child.wait_with_output().unwrap().into();
    assert_eq!((said.code, said.err.as_str()), (0, ""));
}

#[test]
fn colour_is_for_terminals_and_no_color_is_obeyed() {
    let (old, new) = (dir_with(&web("v1", "")), dir_with(&web("v2", "")));
    let run = |variables: &[(&str, &str)]| {
        let mut command = assert_cmd::Command::new(env!("CARGO_BIN_EXE_landfall"));
        command.env_clear().envs(variables.iter().copied()).args(["diff", "--config"]).arg(new.path());
        let said: Said = command.arg("--against").arg(old.path()).output().unwrap().into();
        assert_eq!(said.code, 2, "{}", said.err);
        said.out.contains('\u{1b}')
    };
    assert!(!run(&[]), "a pipe is no terminal");
    assert!(run(&[("CLICOLOR_FORCE", "1")]), "or this test shows nothing");
    assert!(!run(&[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")]));
}

#[test]
fn against_a_directory_shows_what_differs_without_docker_or_store() {
    let (old, new) = (
        dir_with(&web("v1", "")),
        dir_with(&web(
            "v1",
            "        environment: { LEVEL: info }\n        secret_environment: { PASSWORD: { credential: one } }\n",
        )),
    );
    let against = old.path().to_str().unwrap();
    let nowhere = ["--docker", "unix:///nowhere.sock", "--data", "/nowhere"];
    let said = on(new.path(), &[&["diff", "--against", against], &nowhere[..]].concat());
    assert_eq!((said.code, said.err.as_str()), (2, ""));
    assert!(
        said.out.contains("web/prod   changed") && said.out.contains("~ environment.LEVEL  (none) → info"),
        "{}",
        said.out
    );
    let same = on(old.path(), &["diff", "--against", against]);
    assert_eq!((same.code, same.out), (0, format!("no differences from {against}\n")));
    let none = dir_with("projects: {}\n");
    for (dir, against, word) in [(&old, &none, "added"), (&none, &old, "removed")] {
        let said = on(dir.path(), &["diff", "--against", against.path().to_str().unwrap()]);
        assert!(said.code == 2 && said.out.contains(word), "{word}: {}", said.out);
    }
    let json = on(new.path(), &["diff", "web", "--against", against, "-o", "json"]);
    let json: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(
        (&json["format_version"], &json["in_sync"], &json["stages"][0]["key"]),
        (&1.into(), &false.into(), &"web/prod".into())
    );
    let said = on(new.path(), &["diff", "nope", "--against", against]);
    assert!(said.code == 1 && said.err.contains("neither a project nor a stage"), "{}", said.err);
}

#[test]
fn differences_are_told_in_the_words_and_units_of_the_yaml() {
    let config = |lines: &str| {
        let text = format!("projects:\n  web:\n    image: reg.test/web\n    port: 80\n{lines}");
        dir_with(&format!("{text}    stages: {{ prod: {{ track: {{ tag: v1 }} }} }}\n"))
    };
    let old = config(
        "    mem_limit: 512m\n    cpus: 1.5\n    drain: 5s\n    volumes: [ \"data:/data\", \"cache:/cache\" ]\n    \
         ports: [ \"127.0.0.1:8000:80\" ]\n    ready: { tcp: {}, deadline: 30s }\n    route: { domains: [ a.test ] }\n",
    );
    let new = config(
        "    mem_limit: 1g\n    cpus: 2\n    drain: 90s\n    volumes: [ \"data:/data:ro\", \"cache:/cache\" ]\n    \
         ports: [ \"127.0.0.1:8001:80\" ]\n    ready: { http: { path: /up }, deadline: 2m }\n    route: { domains: [ b.test ] }\n",
    );
    let said = on(new.path(), &["diff", "--against", old.path().to_str().unwrap()]);
    let expected = [
        "web/prod   changed",
        "  ~ cpus  1.5 → 2",
        "  ~ drain  5s → 1m30s",
        "  ~ mem_limit  512m → 1g",
        "  ~ ports.127.0.0.1:8000/tcp  80 → (none)",
        "  ~ ports.127.0.0.1:8001/tcp  (none) → 80",
        "  ~ ready  tcp → (none)",
        "  ~ ready.deadline  30s → 2m",
        "  ~ ready.http.expect  (none) → 200-399",
        "  ~ ready.http.path  (none) → /up",
        "  ~ route.domains  [\"a.test\"] → [\"b.test\"]",
        "  ~ volumes./data  web-prod-data → web-prod-data read-only",
    ];
    assert_eq!(said.out.lines().collect::<Vec<_>>(), expected, "{}", said.err);
}

#[test]
fn a_history_without_a_row_says_so() {
    let data = tempfile::tempdir().unwrap();
    let at = data.path().to_str().unwrap();
    for (args, told) in
        [(&["history"][..], "no deploy is recorded in "), (&["history", "shpo"], "no deploy of shpo is")]
    {
        let said = plain(&[args, &["--data", at]].concat());
        assert!(said.code == 0 && said.err.starts_with(told), "{args:?}: {said:?}");
    }
}

#[test]
fn against_a_revision_reads_git_s_objects_and_no_option_is_smuggled_in() {
    let dir = dir_with(&web("v1", ""));
    let git = |args: &[&str]| {
        let who = ["-c", "user.name=t", "-c", "user.email=t@t.test", "-c", "init.defaultBranch=main"];
        let output = Command::new("git").arg("-C").arg(dir.path()).args(who).args(args).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    for args in [&["init", "-q"][..], &["add", "-A"], &["commit", "-qm", "one"], &["tag", "one"]] {
        git(args);
    }
    std::fs::write(dir.path().join("all.yaml"), web("v2", "")).unwrap();
    for revision in ["HEAD", "main", "one", "HEAD~0"] {
        let said = on(dir.path(), &["diff", "--against", revision]);
        assert_eq!(said.code, 2, "{revision}: {}", said.err);
        assert!(said.out.contains("~ track.digest  sha256:") && said.out.contains(" → sha256:"), "{}", said.out);
    }
    git(&["commit", "-qam", "two"]);
    assert_eq!(on(dir.path(), &["diff", "--against", "HEAD"]).code, 0);
    assert_eq!(on(dir.path(), &["diff", "--against", "HEAD~1"]).code, 2);
    let marker = dir.path().join("made");
    let hostile = format!("--against=--output={}", marker.display());
    for args in [&["diff", "--against", "nope"][..], &["diff", &hostile], &["diff", "--against=--upload-pack=x"]] {
        let said = on(dir.path(), args);
        assert_eq!((said.code, said.out.as_str()), (1, ""), "{args:?}");
        assert!(said.err.contains("cannot be read") && said.err.contains("hint: "), "{}", said.err);
    }
    assert!(!marker.exists());
}
