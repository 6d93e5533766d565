//! R28: no value of a secret in any output of the binary, whatever is logged and whatever goes wrong, nor on disk.

use std::process::Output;
use std::time::Duration;

use super::ground::{Host, bytes_below, image, web};
use crate::fake_docker::{Behaviour, Op};

const VARIABLE: &str = "hunter2-of-the-variable";
const FILE: &str = "hunter2-of-the-file";
const LOGIN: &str = "hunter2-of-the-registry";
const SECRETS: &str = "        secret_environment: { PASSWORD: { credential: variable } }
        secret_files: { /run/key: { credential: file } }
";

/// Everything that a log can be asked for, with the modules that know bodies named one by one.
const LOUD: &str = "trace,bollard=trace,bollard::docker=trace,bollard::read=trace,hyper=trace,hyper::proto=trace,\
                    hyper_util::client=trace,reqwest::connect=trace,landfall::docker=trace";

async fn landfall(host: &Host, args: &[&str]) -> Output {
    let places = host.places();
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_landfall"));
    command.env_clear().env("RUST_LOG", LOUD).env("RUST_BACKTRACE", "1").args(args);
    command.arg("--config").arg(host.path("config")).arg("--data").arg(places.data).args(["--docker", &places.docker]);
    command.arg("--credentials").arg(places.credentials).arg("--proxy-socket").arg(places.proxy_socket);
    crate::router_support::soon("a command", command.output()).await.unwrap()
}

/// A host with all kinds of secrets.
async fn host() -> Host {
    let crash = Behaviour::Crash {
        after: Duration::from_millis(100),
        exit_code: 1,
        last_words: format!("cannot log in with {VARIABLE}\nnor with {FILE}"),
    };
    let host = Host::with(&[&image("v1"), &image("v2").behaving(crash), &image("v3")]).await;
    for (name, value) in [("variable", VARIABLE), ("file", FILE), ("login", LOGIN)] {
        std::fs::write(host.path("credentials").join(name), value).unwrap();
    }
    let registry =
        "registries:\n  local: { url: \"http://127.0.0.1:5000\", username: bot, password: { credential: login } }\n";
    std::fs::write(host.path("config/registries.yaml"), registry).unwrap();
    host
}

/// No secret, plain or as it went to Docker, in these bytes.
fn has_none(host: &Host, what: &str, bytes: &[u8]) {
    let headers = host.fake.calls().into_iter().filter_map(|call| call.registry_auth);
    for secret in [VARIABLE, FILE, LOGIN].map(str::to_owned).into_iter().chain(headers) {
        let found = bytes.windows(secret.len()).position(|window| window == secret.as_bytes());
        let around = |at: usize| String::from_utf8_lossy(&bytes[at.saturating_sub(300)..at]).into_owned();
        assert_eq!(found, None, "{secret} in {what} after: {}", found.map(around).unwrap_or_default());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r28_no_secret_in_any_output_nor_in_the_data_whatever_goes_wrong() {
    let host = host().await;
    let mut said = Vec::new();
    let mut run = async |args: &[&str]| {
        let output = landfall(&host, args).await;
        has_none(&host, &format!("{args:?}"), &[output.stdout.clone(), output.stderr.clone()].concat());
        said.push((args.join(" "), output.status.code()));
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    host.write(&web("v1", SECRETS));
    run(&["validate"]).await;
    run(&["diff"]).await;
    run(&["apply"]).await;
    let container = host.fake.container(&host.last().container_name);
    assert!(container.environment.contains(&format!("PASSWORD={VARIABLE}")), "the app has it");
    assert_eq!(container.files["/run/key"], FILE.as_bytes(), "the app has it");
    assert!(host.fake.calls().iter().any(|call| call.registry_auth.is_some()), "dockerd has it");
    // An app that tells them when it ends.
    host.write(&web("v2", &format!("{SECRETS}        ready: {{ http: {{ path: /, expect: 500-599 }} }}\n")));
    run(&["apply"]).await;
    assert!(host.log().contains("| cannot log in with "), "{}", host.log());
    // Docker that echoes what it was sent.
    host.write(&web("v3", SECRETS));
    host.fake.fail_next(Op::Create, 400, &format!("bad variable PASSWORD={VARIABLE}"));
    run(&["apply", "-o", "json"]).await;
    host.fake.fail_next(Op::Pull, 500, &format!("unauthorized: {LOGIN}"));
    run(&["apply", "--retry"]).await;
    // A changed value is told by name.
    std::fs::write(host.path("credentials/variable"), "another").unwrap();
    let text = run(&["diff"]).await;
    assert!(text.contains("PASSWORD"), "{text}");
    std::fs::remove_file(host.path("credentials/file")).unwrap();
    for args in
        [&["diff"][..], &["apply"], &["diff", "-o", "json"], &["status"], &["status", "-o", "json"], &["history"]]
    {
        run(args).await;
    }
    for deploy in host.deploys() {
        run(&["show", &deploy.id.to_string()]).await;
        run(&["show", "-o", "json", &deploy.id.short()]).await;
    }
    assert!(said.iter().all(|(_, code)| code.is_some_and(|code| code < 5)), "{said:?}");
    for (path, bytes) in bytes_below(&host.path("data")) {
        has_none(&host, &path.display().to_string(), &bytes);
    }
    let labels: Vec<_> = host.fake.calls().iter().map(|call| call.body["Labels"].to_string()).collect();
    has_none(&host, "labels", labels.join("\n").as_bytes());
}
