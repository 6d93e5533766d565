//! `LoadCredential=`: secrets come from `$CREDENTIALS_DIRECTORY`, as systemd makes it: a directory of files that only
//! their owner may read.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;

use super::daemon::{Daemon, daemon, stopped};
use crate::execute::ground::{Host, image, web};
use crate::fake_docker::Op;
use crate::router_support::until;

const SECRET: &str = "        secret_environment: { PASSWORD: { credential: password } }\n";

/// The environment of the container that was made last.
fn environment(host: &Host) -> Vec<String> {
    let calls = host.fake.calls();
    let made = calls.iter().rev().find(|call| call.op == Op::Create).expect("a container was made");
    let env = made.body["Env"].as_array().expect("an environment");
    env.iter().filter_map(|line| line.as_str().map(str::to_owned)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_credentials_of_the_unit_are_read_and_those_of_the_command_line_win() {
    for (named, wanted) in [(false, "PASSWORD=of the unit"), (true, "PASSWORD=of the directory")] {
        let host = Host::with(&[&image("v1")]).await;
        host.write(&web("v1", SECRET));
        let loaded = host.path("loaded");
        for (dir, value) in [(&loaded, "of the unit"), (&host.path("credentials"), "of the directory")] {
            std::fs::create_dir_all(dir).unwrap();
            std::fs::write(dir.join("password"), value).unwrap();
            std::fs::set_permissions(dir.join("password"), Permissions::from_mode(0o400)).unwrap();
        }
        std::fs::set_permissions(&loaded, Permissions::from_mode(0o500)).unwrap();
        let mut command = daemon(&host);
        command.env("CREDENTIALS_DIRECTORY", &loaded);
        if !named {
            command.env_remove("LANDFALL_CREDENTIALS");
        }
        let running = Daemon::start(command, &host);
        until("the app is deployed", async || host.fake.count(Op::Start) > 0).await;
        assert!(environment(&host).contains(&wanted.to_owned()), "{wanted}");
        assert_eq!(stopped(running).await, 0);
        let written = std::fs::read_to_string(host.path("daemon.log")).unwrap();
        assert!(!written.contains("of the unit") && !written.contains("of the directory"), "{written}");
    }
}
