//! Files of the config tree in a container (R34), and what the policy lets in from the host (R32).

use super::harness::{Host, WEB, WEB_DOMAIN, WEB_PROD};

fn web(volumes: &str) -> String {
    WEB.replace("    stages:", &format!("    volumes: [ {volumes} ]\n    stages:"))
}

#[test]
fn r34_a_file_of_the_config_tree_is_in_the_container_and_only_its_content_counts() {
    let host = Host::new();
    host.write("app.conf", "one");
    host.write("conf/a.txt", "in a folder");
    let yaml = web("\"./app.conf:/etc/app.conf:ro\", \"./conf:/etc/conf:ro\"");
    host.deployed("web.yaml", &yaml);
    let read = |path: &str| host.get(WEB_DOMAIN, &format!("/file?{path}")).body;
    assert_eq!((read("/etc/app.conf"), read("/etc/conf/a.txt")), ("one".into(), "in a folder".into()));
    let first = host.instance(WEB_PROD);
    let write = host.request("PUT", WEB_DOMAIN, "/write?/etc/app.conf", "by the app");
    assert_eq!(write.status, 500, "a file of the config tree can be written: {write:?}");

    // Other files, comments, times and the order of keys recreate nothing (R19).
    host.write("web.yaml", &format!("# a comment\n{yaml}"));
    host.write("app.conf", "one");
    host.write("other.conf", "nobody mounts this");
    host.landfall("diff").exits(0);
    host.landfall("apply").exits(0).says("1 unchanged");
    assert_eq!(host.instance(WEB_PROD), first);

    host.write("app.conf", "two");
    assert_eq!(read("/etc/app.conf"), "one", "a running container saw a change that was not deployed");
    host.landfall("diff").exits(2).says("/etc/app.conf");
    host.landfall("apply").exits(0);
    assert_eq!(read("/etc/app.conf"), "two");
    host.landfall("diff").exits(0);

    host.write("conf/b.txt", "another one");
    host.landfall("diff").exits(2);
    host.landfall("apply").exits(0);
    assert_eq!(read("/etc/conf/b.txt"), "another one");
}

#[test]
fn r19_a_file_that_is_missing_or_leads_out_of_the_tree_is_refused() {
    let host = Host::new();
    host.write("web.yaml", &web("\"./app.conf:/etc/app.conf:ro\""));
    host.landfall("validate").exits(1).says("app.conf");
    std::os::unix::fs::symlink("/etc/hostname", host.config().join("app.conf")).unwrap();
    host.landfall("validate").exits(1).says("app.conf");
    host.landfall("apply").exits(4);
    assert!(host.instances(WEB_PROD).is_empty());
}

#[test]
fn r32_power_over_the_host_is_refused_unless_the_policy_names_the_stage() {
    let host = Host::new();
    let with = |line: &str| WEB.replace("    stages:", &format!("    {line}\n    stages:"));
    for (line, message) in [
        ("privileged: true", "`privileged` gives the container power over the host"),
        ("cap_add: [ SYS_ADMIN ]", "`cap_add`"),
        ("pid: host", "`pid: host`"),
        ("devices: [ /dev/null ]", "`devices`"),
        ("security_opt: [ \"seccomp=unconfined\" ]", "seccomp=unconfined"),
        ("volumes: [ \"/var/run/docker.sock:/docker.sock\" ]", "Docker's socket"),
        ("volumes: [ \"/:/host\" ]", "host_paths"),
        ("volumes: [ \"/etc:/host-etc:ro\" ]", "host_paths"),
    ] {
        host.write("web.yaml", &with(line));
        host.landfall("validate").exits(1).says(message);
        host.landfall("apply").exits(4).says(message);
    }
    assert!(host.instances(WEB_PROD).is_empty());

    let shared = host.path("shared");
    host.write_to(&shared, "note", "from the host");
    host.settings(&format!("policy: {{ host_paths: [ {} ], privileged: [ web-<id>/prod ] }}", shared.display()));
    let line = format!("cap_add: [ NET_BIND_SERVICE ]\n    volumes: [ \"{}:/shared:ro\" ]", shared.display());
    host.write("web.yaml", &with(&line));
    host.landfall("apply").exits(0);
    assert_eq!(host.get(WEB_DOMAIN, "/file?/shared/note").body, "from the host");
    host.landfall("diff").exits(0);
}

#[test]
fn r32_a_link_in_an_allowed_path_that_leads_out_of_it_is_refused() {
    let host = Host::new();
    let shared = host.path("shared");
    std::fs::create_dir(&shared).unwrap();
    std::os::unix::fs::symlink("/etc", shared.join("link")).unwrap();
    host.settings(&format!("policy: {{ host_paths: [ {} ] }}", shared.display()));
    host.write("web.yaml", &web(&format!("\"{}/link:/mnt:ro\"", shared.display())));
    host.landfall("apply").exits(1).says("leads out");
    assert!(host.instances(WEB_PROD).is_empty());
}
