//! What a host that is in sync costs (R22), and that looking changes nothing (R21).

use std::collections::BTreeMap;
use std::path::Path;
use std::time::SystemTime;

use super::harness::{Host, WEB_DOMAIN};
use crate::recorder::{Recorder, Request};

const INSTANCES: usize = 10;

/// Ten stages, one of them with a domain.
fn many() -> String {
    let stage = |number| {
        let route = if number == 0 { ", route: { domains: [ web.<id>.test ] }" } else { "" };
        format!("      s{number}: {{ track: {{ tag: v1 }}{route} }}\n")
    };
    let stages: String = (0..INSTANCES).map(stage).collect();
    format!(
        "projects:\n  many-<id>:\n    image: <images>/many\n    port: 8080\n    ready: {{ tcp: {{}}, interval: 100ms }}\n    stages:\n{stages}"
    )
}

/// Every file below a directory: its bytes and when it was changed.
fn files(dir: &Path) -> BTreeMap<std::path::PathBuf, (Vec<u8>, SystemTime)> {
    let mut all = BTreeMap::new();
    for entry in std::fs::read_dir(dir).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            all.extend(files(&path));
        } else {
            let changed = entry.metadata().unwrap().modified().unwrap();
            all.insert(path.clone(), (std::fs::read(&path).unwrap(), changed));
        }
    }
    all
}

#[test]
fn r22_a_host_in_sync_costs_three_docker_calls_and_two_of_the_proxy_and_changes_nothing() {
    let host = Host::new();
    host.deployed("many.yaml", &many());
    assert_eq!(host.get(WEB_DOMAIN, "/").version, "v1");
    let (docker, proxy) =
        (Recorder::start(&host.docker), Recorder::start(&host.path("proxy.sock").display().to_string()));
    let run = |arguments: &str| {
        docker.clear();
        proxy.clear();
        let mut command = host.command(arguments);
        command.env("LANDFALL_DOCKER", docker.url()).env("LANDFALL_PROXY_SOCKET", proxy.path());
        host.run(command).exits(0);
        for (requests, most) in [(docker.requests(), 3), (proxy.requests(), 2)] {
            assert!(!requests.is_empty() && requests.len() <= most, "{arguments}: {requests:#?}");
            assert!(!requests.iter().any(Request::is_mutation), "{arguments}: {requests:#?}");
        }
    };
    let before = files(&host.data());
    run("diff");
    run("diff -o json");
    run("status");
    assert_eq!(files(&host.data()).keys().collect::<Vec<_>>(), before.keys().collect::<Vec<_>>());
    assert!(files(&host.data()) == before, "looking changed the data directory (R21)");
    run("apply");
}
