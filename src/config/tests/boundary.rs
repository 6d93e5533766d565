//! Docker applies no policy of its own, so what is refused here is the boundary (R32).

use super::rules::{refuses, stage, titles, with};
use crate::model::spec::MountSource;

#[test]
fn r32_what_gives_power_over_the_host_is_refused_unless_the_policy_names_the_stage() {
    let table = [
        ("privileged: true", "`privileged` gives the container power over the host"),
        ("cap_add: [ NET_ADMIN ]", "`cap_add` gives the container power over the host"),
        ("devices: [ /dev/kvm ]", "`devices` gives the container power over the host"),
        ("network_mode: host", "`network_mode: host` gives the container power over the host"),
        ("pid: host", "`pid: host` gives the container power over the host"),
        ("ipc: host", "`ipc: host` gives the container power over the host"),
        ("security_opt: [ seccomp=unconfined ]", "`seccomp=unconfined` gives the container power over the host"),
        ("security_opt: [ apparmor=unconfined ]", "`apparmor=unconfined` gives the container power over the host"),
        ("security_opt: [ label=disable ]", "`label=disable` gives the container power over the host"),
    ];
    refuses(&table);
    for (lines, _) in table {
        let allowed = with(lines).replace("host_paths: [ /srv ]", "privileged: [ shop/prod ]");
        assert_eq!(titles(&allowed), [""; 0], "{lines}");
        let other = with(lines).replace("host_paths: [ /srv ]", "privileged: [ shop/dev ]");
        assert_eq!(titles(&other).len(), 2, "{lines}: the exception of another stage does not count");
    }
}

#[test]
fn r32_paths_of_the_host_are_refused_unless_the_policy_covers_them() {
    assert_eq!(
        stage("volumes: [ \"/srv/data:/d\" ]").container.mounts[0].source,
        MountSource::HostPath("/srv/data".into())
    );
    assert_eq!(stage("volumes: [ \"/srv/:/d\" ]").container.mounts[0].source, MountSource::HostPath("/srv".into()));
    refuses(&[
        ("volumes: [ \"/etc:/d\" ]", "`/etc` of the host is not in `settings.policy.host_paths`"),
        ("volumes: [ \"/srvx:/d\" ]", "`/srvx` of the host is not in `settings.policy.host_paths`"),
        ("volumes: [ \"/srv/../etc:/d\" ]", "`/srv/../etc` is not a plain path"),
        ("volumes: [ \"/srv//x:/d\" ]", "`/srv//x` is not a plain path"),
        (
            "volumes: [ { type: bind, source: /etc, target: /d } ]",
            "`/etc` of the host is not in `settings.policy.host_paths`",
        ),
    ]);
}

#[test]
fn r32_the_docker_socket_is_refused_by_every_way_to_it() {
    let socket = |path: &str| format!("`{path}` gives the container Docker's socket, which is root on the host");
    for path in ["/var/run/docker.sock", "/run/docker.sock", "/run", "/var/run", "/var", "/"] {
        let text = with(&format!("volumes: [ \"{path}:/d:ro\" ]")).replace("[ /srv ]", &format!("[ {path} ]"));
        assert!(titles(&text).contains(&socket(path)), "{path}: {:?}", titles(&text));
        let allowed = text.replace("host_paths:", "docker_socket: [ shop/prod ], host_paths:");
        assert_eq!(titles(&allowed), [""; 0], "{path}");
    }
}
