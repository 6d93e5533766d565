//! What is refused and what is taken, key by key: each line of a table is one stage with one thing of its own.

use super::*;
use crate::model::desired::{PullPolicy, Strategy};
use crate::model::spec::{HostNamespace, MountSource, Restart};
use crate::model::{Bytes, DesiredStage, Millis, Texts};

/// A project with one stage; `lines` belong to the stage.
pub(super) fn with(lines: &str) -> String {
    format!(
        "settings: {{ policy: {{ host_paths: [ /srv ] }} }}\nprojects:\n  shop:\n    image: a/b\n    port: 80\n    stages:\n      prod:\n        track: {{ tag: \"1\" }}\n        {lines}\n"
    )
}

fn files(text: &str) -> Tree {
    tree(&[
        ("site.yaml", text),
        ("app.env", "A=1\nB = 'x y' # c\nexport C=\"l1\\nl2\"\n\n# no\nD=a # b\n"),
        ("conf/a.conf", "a"),
        ("conf/b.conf", "b"),
    ])
}

pub(super) fn stage(lines: &str) -> DesiredStage {
    let loaded = load_tree(files(&with(lines))).unwrap_or_else(|error| panic!("{lines}: {error}"));
    loaded.desired.stages.clone().into_values().next().expect("there is a stage")
}

/// The titles of what is wrong.
pub(super) fn titles(text: &str) -> Vec<String> {
    match load_tree(files(text)) {
        Err(LoadError::Invalid(found)) => found.list.into_iter().map(|d| d.title).collect(),
        Err(other) => panic!("{other}"),
        Ok(_) => Vec::new(),
    }
}

/// Each line of a stage is refused with this title, and with nothing else.
pub(super) fn refuses(table: &[(&str, &str)]) {
    for (lines, title) in table {
        assert_eq!(titles(&with(lines)), [*title], "{lines}");
    }
}

#[test]
fn r30_names_are_checked_before_they_name_anything() {
    for name in ["Shop", "a_b", "-a", "a.b", "a/b", "'a b'", "abcdefghijklmnopqrstuvwxy", "ä", "''", "'..'"] {
        let text = format!("projects: {{ {name}: {{ image: x, stages: {{ s: {{ track: {{ tag: t }} }} }} }} }}");
        assert_eq!(titles(&text).len(), 1, "project {name}");
        let text = format!("projects: {{ a: {{ image: x, stages: {{ {name}: {{ track: {{ tag: t }} }} }} }} }}");
        assert_eq!(titles(&text).len(), 1, "stage {name}");
        let text = format!("registries: {{ {name}: {{ url: https://ghcr.io }} }}");
        assert_eq!(titles(&text).len(), 1, "registry {name}");
    }
    refuses(&[
        ("volumes: [ \"a b:/d\" ]", "`a b` is not the name of a volume"),
        ("volumes: [ \"-a:/d\" ]", "`-a` is not the name of a volume"),
        ("networks: [ ../x ]", "`../x` is not a network name"),
        ("networks: [ host ]", "`host` is one of Docker's own networks"),
        ("networks: [ landfall ]", "`landfall` is Landfall's own network"),
        ("secret_environment: { A: { credential: ../x } }", "`../x` is not the name of a credential"),
        ("secret_environment: { A: { env: $X } }", "`$X` is not the name of a variable"),
        ("secret_environment: { A: { file: x } }", "`x` is not an absolute path"),
        ("route: { domains: [ \"*.example.com\" ] }", "`*.example.com` is a wildcard, and a route needs whole names"),
        ("route: { domains: [ \"http://a\" ] }", "`http://a` is not a domain name"),
    ]);
}

#[test]
fn r34_volumes_are_named_after_their_stage_and_files_known_by_content() {
    let mounts = stage("volumes: [ \"data:/a\", { type: volume, source: data, target: /b, external: true }, \"./conf:/c\", \"./conf/a.conf:/d:ro\" ]")
        .container
        .mounts;
    assert_eq!(mounts[0].source, MountSource::Volume("shop-prod-data".into()));
    assert_eq!(mounts[1].source, MountSource::ExternalVolume("data".into()));
    assert!(matches!(&mounts[2].source, MountSource::ConfigTree { path, hash } if path == "conf" && hash.len() == 64));
    assert!(matches!(&mounts[3].source, MountSource::ConfigTree { path, .. } if path == "conf/a.conf"));
    assert_eq!(mounts.iter().map(|m| m.read_only).collect::<Vec<_>>(), [false, false, true, true]);
}

#[test]
fn mounts_that_cannot_work_are_refused() {
    refuses(&[
        ("volumes: [ \"/data\" ]", "`/data` is not a mount"),
        ("volumes: [ \"a:b\" ]", "`b` is not an absolute path"),
        ("volumes: [ \"a:/\" ]", "nothing can be mounted at `/`"),
        ("volumes: [ \"a:/b:z\" ]", "`z` is not an option of a mount here"),
        ("volumes: [ \"a:/b\", \"c:/b\" ]", "two mounts at `/b`"),
        ("volumes: [ \"a:/b\" ]\n        tmpfs: /b/", "two mounts at `/b`"),
        (
            "volumes: [ \"./conf:/b:rw\" ]",
            "`./conf` is a file of the config directory, and those are mounted read-only",
        ),
        (
            "volumes: [ { type: bind, source: ./conf, target: /b, read_only: false } ]",
            "`./conf` is a file of the config directory, and those are mounted read-only",
        ),
        ("volumes: [ \".:/b\" ]", "`.` is the whole config directory"),
        ("volumes: [ \"./conf/../..:/b\" ]", "`./conf/../..` leads out of the config directory"),
        ("volumes: [ \"./gone:/b\" ]", "`gone` cannot be used: there is no such file in the config directory"),
        ("volumes: [ \"~/x:/b\" ]", "`~/x` is neither a path nor the name of a volume"),
        ("volumes: [ { type: bind, source: x, target: /b } ]", "`x` is not a path"),
        ("volumes: [ { type: bind, source: ./conf, target: /b, external: true } ]", "`external` is for volumes only"),
        ("volumes: [ { type: volume, target: /b } ]", "the mount has no `source`"),
        ("tmpfs: [ \"/b:noexec\" ]", "`noexec` is not an option of a tmpfs here"),
        ("tmpfs: [ \"/b:mode=9\" ]", "`9` is not a mode"),
        (
            "secret_files: { /run/k: { env: K } }\n        tmpfs: /run",
            "`/run/k` would be hidden by the mount at `/run`",
        ),
        ("secret_files: { k: { env: K } }", "`k` is not an absolute path"),
        (
            "secret_files: { /k: { env: K } }\n        read_only: true",
            "`secret_files` cannot work with `read_only: true`",
        ),
        ("secret_files: { /k: { env: K } }\n        user: app", "`secret_files` needs a numeric `user`"),
    ]);
}

#[test]
fn environment_is_text_as_written_in_both_forms_and_files_lie_below_it() {
    let env =
        |lines: &str| stage(lines).container.environment.iter().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>();
    assert_eq!(
        env("environment: { A: 1.10, B: no, C: 0x1F, D: \"\", E: 2024-01-02, F: true, G: 1_000 }"),
        ["A=1.10", "B=no", "C=0x1F", "D=", "E=2024-01-02", "F=true", "G=1_000"]
    );
    assert_eq!(env("environment: [ A=1.10, B=, \"C=x=y\" ]"), ["A=1.10", "B=", "C=x=y"]);
    assert_eq!(env("env_file: app.env"), ["A=1", "B=x y", "C=l1\nl2", "D=a"]);
    assert_eq!(env("env_file: [ ./app.env ]\n        environment: { A: 2, B: null }"), ["A=2", "C=l1\nl2", "D=a"]);
    assert_eq!(env("env_file: app.env\n        secret_environment: { A: { env: A } }"), ["B=x y", "C=l1\nl2", "D=a"]);
    refuses(&[
        ("environment: [ A ]", "`A` has no value"),
        ("environment: [ A=1, A=2 ]", "`A` is defined twice"),
        ("environment: { \"A B\": x }", "`A B` is not the name of a variable"),
        ("environment: { \"\": x }", "`` is not the name of a variable"),
        ("environment: { A: \"x\\0\" }", "a variable cannot hold a NUL character"),
        ("environment: { A: x }\n        secret_environment: { A: { env: A } }", "`A` is plain and secret at once"),
        ("env_file: conf/a.conf", "line 1 of `conf/a.conf` has no `=`"),
        ("env_file: gone.env", "`gone.env` cannot be used: there is no such file in the config directory"),
        ("env_file: ../x", "`../x` leads out of the config directory"),
        ("labels: { landfall.x: y }", "labels beginning with `landfall.` are Landfall's own"),
        ("labels: [ a ]", "`a` has no value"),
    ]);
}

#[test]
fn r28_a_secret_in_the_wrong_place_is_not_repeated() {
    for text in [
        "registries: { r: { url: https://r.example.com, username: u, password: hunter2 } }".to_owned(),
        "registries: { r: { url: https://r.example.com, username: u, password: { plain: hunter2 } } }".to_owned(),
        "registries: { r: { url: https://r.example.com, username: u, password: [ hunter2 ] } }".to_owned(),
        "registries: { r: { url: https://r.example.com, pasword: hunter2 } }".to_owned(),
        "registries: { r: { url: \"https://u:hunter2@r.example.com\" } }".to_owned(),
        with("secret_environment: { A: hunter2 }"),
        with("secret_environment: { A: 5hunter2 }"),
        with("secret_files: { /a: { value: hunter2 } }"),
        with("secret: hunter2"),
    ] {
        let shown = refused(&text);
        assert!(!shown.contains("hunter2"), "{shown}");
        let Err(LoadError::Invalid(found)) = load_tree(tree(&[("site.yaml", &text)])) else { panic!("accepted") };
        assert!(!serde_json::to_string(&found).unwrap().contains("hunter2"), "{text}");
    }
}

#[test]
fn a_stage_is_merged_over_its_project() {
    let text = "
projects:
  shop:
    image: a/b
    port: 80
    environment: { A: project, B: project, C: project }
    secret_environment: { S: { env: S }, T: { env: T } }
    labels: [ l=project, m=project ]
    command: [ project ]
    dns: [ 1.1.1.1 ]
    logging: { driver: local, options: { max-size: 1m, max-file: 2 } }
    healthcheck: { test: /probe, interval: 5s }
    ready: { http: { path: / }, interval: 3s, deadline: 9s }
    ulimits: { nofile: 1, nproc: 2 }
    route: { domains: [ shop.example.com ] }
    stages:
      prod:
        track: { tag: \"1\" }
        environment: [ B=stage, S=plain ]
        secret_environment: { T: null, C: { env: C } }
        labels: { l: stage, m: null }
        command: stage only
        logging: { options: { max-file: 9 } }
        healthcheck: { disable: true }
        ready: { tcp: {}, deadline: 4s }
        ulimits: { nproc: null }
";
    let loaded = loaded(text);
    let stage = loaded.desired.stages.values().next().unwrap();
    let spec = &stage.container;
    let pairs = |texts: &Texts| texts.iter().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>().join(" ");
    assert_eq!(pairs(&spec.environment), "A=project B=stage S=plain");
    assert_eq!(spec.secret_environment.keys().collect::<Vec<_>>(), ["C"]);
    assert_eq!(pairs(&spec.labels), "l=stage");
    assert_eq!(spec.command.as_deref(), Some(&["stage".to_owned(), "only".to_owned()][..]));
    assert_eq!(spec.dns, ["1.1.1.1"]);
    assert_eq!(pairs(&spec.logging.options.clone().into_iter().collect()), "max-file=9 max-size=1m");
    assert_eq!(spec.healthcheck.as_ref().unwrap().test, ["NONE"]);
    assert_eq!(stage.ready.check, crate::model::desired::Check::Tcp);
    assert_eq!((stage.ready.interval, stage.ready.deadline), (Millis::secs(3), Millis::secs(4)));
    assert_eq!(spec.ulimits.keys().collect::<Vec<_>>(), ["nofile"]);
    assert_eq!(stage.domains.len(), 1);
}

#[test]
fn r19_the_way_it_is_written_does_not_change_what_is_desired() {
    let one = stage(
        "environment: { B: \"2\", A: 1 }\n        labels: [ x=y ]\n        command: a b\n        restart: unless-stopped\n        logging: { driver: json-file }",
    );
    let two = stage(
        "environment: [ A=1, B=2 ]\n        labels: { x: y }\n        command: [ a, b ]\n        drain: 10s\n        networks: []",
    );
    assert_eq!(one, two);
}

#[test]
fn limits_and_texts_of_a_container_are_checked() {
    let spec = stage("cpus: 1.5\n        mem_limit: 64m\n        shm_size: 1024\n        pids_limit: -1\n        restart: on-failure:3\n        stop_signal: SIGINT\n        user: 1000:1000\n        cap_drop: [ all, cap_net_raw ]").container;
    assert_eq!(
        (spec.milli_cpus, spec.mem_limit, spec.shm_size),
        (Some(1500), Some(Bytes(64 << 20)), Some(Bytes(1024)))
    );
    assert_eq!((spec.restart, spec.pids_limit), (Restart::OnFailure(3), Some(-1)));
    assert_eq!(spec.cap_drop, ["ALL", "NET_RAW"]);
    refuses(&[
        ("cpus: 0", "`0` is not a number of CPUs"),
        ("cpus: 0.0001", "`0.0001` is not a number of CPUs"),
        ("cpus: two", "`two` is not a number of CPUs"),
        ("mem_limit: 1m", "a memory limit of 1m is too small"),
        ("mem_limit: 1.5g", "`1.5g` is not a size"),
        ("pids_limit: 0", "a limit on processes is at least 1"),
        ("ulimits: { nofiles: 5 }", "`nofiles` is not a resource limit"),
        ("ulimits: { nofile: { soft: 5, hard: 4 } }", "soft limit 5 and hard limit 4 do not fit"),
        ("extra_hosts: [ a ]", "`a` has no value"),
        ("extra_hosts: { a: b }", "`b` is not an IP address"),
        ("dns: one", "`one` is not an IP address"),
        ("restart: sometimes", "`sometimes` is not a restart policy"),
        ("restart: no-thanks", "`no-thanks` is not a restart policy"),
        ("stop_signal: kill -9", "`kill -9` is not a signal"),
        ("user: \"a b\"", "`a b` is not a user"),
        ("working_dir: app", "`app` is not an absolute path"),
        ("command: 'a \"b'", "a quote or backslash does not end"),
        ("healthcheck: { test: [ /probe ] }", "this is not a test"),
        ("healthcheck: { interval: 5 }", "`5` is not a duration"),
        ("pid: service:a", "`pid: service:a` is not supported, only `host` is"),
        ("cap_drop: [ net-raw ]", "`net-raw` is not a capability"),
        ("drain: 10", "`10` is not a duration"),
        ("pull_policy: Always", "expected `missing`, `always` or `never`, found `Always`"),
    ]);
}

#[test]
fn published_ports_are_numbers_and_force_recreate() {
    let stage_with = |lines: &str| stage(lines);
    let ports = stage_with(
        "ports: [ \"8080:80\", \"127.0.0.1:53:53/udp\", \"[::1]:8443:443\", { target: 1, published: 2, host_ip: 0.0.0.0 } ]",
    );
    assert_eq!(ports.strategy, Strategy::Recreate);
    let shown: Vec<String> = ports
        .container
        .ports
        .iter()
        .map(|p| format!("{:?}:{}:{}/{}", p.host_ip, p.host_port, p.container_port, p.protocol.as_str()))
        .collect();
    assert_eq!(
        shown,
        ["None:2:1/tcp", "None:8080:80/tcp", "Some(\"127.0.0.1\"):53:53/udp", "Some(\"::1\"):8443:443/tcp"]
    );
    let why = "is not a published port";
    refuses(&[
        ("ports: [ \"80\" ]", &format!("`80` {why}: it does not say which port of the host")),
        ("ports: [ 80 ]", &format!("`80` {why}: it does not say which port of the host")),
        ("ports: [ \"8000-8010:80\" ]", &format!("`8000-8010:80` {why}: ranges are not supported")),
        ("ports: [ \"0:80\" ]", &format!("`0:80` {why}: ports are numbers from 1 to 65535")),
        ("ports: [ \"80:80/sctp\" ]", &format!("`sctp` {why}: the protocol is `tcp` or `udp`")),
        ("ports: [ \"home:80:80\" ]", &format!("`home` {why}: the address is not an IP address")),
        ("ports: [ \"20001:80\" ]", "port 20001 lies in `settings.ports`, which Landfall gives to instances"),
        ("ports: [ \"8080:80\" ]\n        strategy: blue_green", "`blue_green` cannot work with ports of the host"),
    ]);
}

#[test]
fn a_writable_volume_makes_it_recreate_unless_the_stage_says_otherwise() {
    assert_eq!(stage("drain: 5s").strategy, Strategy::BlueGreen);
    assert_eq!(stage("volumes: [ \"a:/b\" ]").strategy, Strategy::Recreate);
    assert_eq!(stage("volumes: [ \"/srv/a:/b\" ]").strategy, Strategy::Recreate);
    assert_eq!(stage("volumes: [ \"a:/b:ro\", \"./conf:/c\" ]").strategy, Strategy::BlueGreen);
    assert_eq!(stage("volumes: [ \"a:/b\" ]\n        strategy: blue_green").strategy, Strategy::BlueGreen);
    assert_eq!(stage("pull_policy: never").pull_policy, PullPolicy::Never);
}

#[test]
fn the_hosts_network_leaves_no_room_for_a_route() {
    let text = with(
        "network_mode: host\n        ports: [ \"1:1\" ]\n        networks: [ x ]\n        route: { domains: [ a.example.com ] }",
    );
    let text = text.replace("host_paths: [ /srv ]", "privileged: [ shop/prod ]");
    assert_eq!(titles(&text).len(), 3, "{:?}", titles(&text));
    let alone = with("network_mode: host").replace("host_paths: [ /srv ]", "privileged: [ shop/prod ]");
    let stage = loaded(&alone).desired.stages.clone().into_values().next().unwrap();
    assert_eq!(
        (stage.strategy, &stage.container.host_namespaces[..]),
        (Strategy::Recreate, &[HostNamespace::Network][..])
    );
}

#[test]
fn the_gate_needs_what_it_looks_at() {
    refuses(&[
        ("ready: { http: { path: / }, tcp: {} }", "`ready` has both `http` and `tcp`"),
        (
            "ready: { docker: {} }\n        healthcheck: { disable: true }",
            "`ready: docker` needs the health check that is switched off",
        ),
        ("ready: { deadline: 0s }", "this time is 0"),
        ("ready: { http: { path: / , expect: 700 } }", "`700` is not a range of status codes"),
        ("ready: { http: { path: / , host: \"a b\" } }", "`a b` is not a host name"),
    ]);
    for check in ["http: { path: / }", "tcp: {}"] {
        let text = with(&format!("ready: {{ {check} }}")).replace("    port: 80\n", "");
        assert_eq!(titles(&text).len(), 1, "{check} needs a port");
    }
}

#[test]
fn two_stages_never_share_a_domain_a_port_or_a_name() {
    let two = |a: &str, b: &str| {
        format!(
            "projects:\n  a: {{ image: x, port: 80, stages: {{ s: {{ track: {{ tag: t }}, {a} }}, t: {{ track: {{ tag: t }}, {b} }} }} }}\n"
        )
    };
    let domain = "route: { domains: [ a.example.com ] }";
    assert_eq!(titles(&two(domain, domain)), ["`a.example.com` leads to both `a/s` and `a/t`"]);
    assert_eq!(
        titles(&two("ports: [ \"1:1\" ]", "ports: [ \"127.0.0.1:1:2\" ]")),
        ["port 1/tcp of the host is wanted by both `a/s` and `a/t`"]
    );
    assert_eq!(titles(&two("ports: [ \"1:1\" ]", "ports: [ \"1:1/udp\" ]")), [""; 0]);
    assert_eq!(titles(&two("ports: [ \"127.0.0.2:1:1\" ]", "ports: [ \"127.0.0.1:1:2\" ]")), [""; 0]);
    let one = |p: &str, s: &str| format!("  {p}: {{ image: x, stages: {{ {s}: {{ track: {{ tag: t }} }} }} }}\n");
    let text = format!("projects:\n{}{}", one("a-b", "c"), one("a", "b-c"));
    assert_eq!(titles(&text), ["`a/b-c` and `a-b/c` would both be called `a-b-c`"]);
    assert_eq!(
        titles(&two("route: { domains: [ a.example.com, A.example.com ] }", "drain: 1s")),
        ["`a.example.com` is written twice"]
    );
}

#[test]
fn a_route_needs_a_port_a_proxy_and_for_a_subdomain_a_domain() {
    let route = with("route: { subdomain: a }");
    assert_eq!(titles(&route), ["`subdomain` needs `settings.domain`"]);
    let based = route.replace("settings: {", "settings: { domain: example.com,");
    assert_eq!(titles(&based), [""; 0]);
    assert_eq!(titles(&based.replace("    port: 80\n", "")), ["`shop/prod` has a route and its project no `port`"]);
    let none = based.replace("settings: {", "settings: { proxy: { none: {} },");
    assert_eq!(titles(&none), ["`shop/prod` has a route, and the settings say that there is no proxy"]);
}

#[test]
fn what_stands_in_a_file_that_cannot_be_read_is_not_missed_elsewhere() {
    let site = with("route: { subdomain: a }\n        privileged: true").replace("settings:", "x-settings:");
    let found = refused_files(&[("a.yaml", "settings: { domain: [ }"), ("site.yaml", &site)]);
    assert!(found.contains("a.yaml") && !found.contains("subdomain") && !found.contains("policy"), "{found}");
}

#[test]
fn settings_and_registries_are_checked() {
    let cases = [
        ("settings: { network: host }", "`host` is one of Docker's own networks"),
        ("settings: { network: \"a b\" }", "`a b` is not a network name"),
        ("settings: { resync: 10ms }", "`resync` is shorter than a second"),
        ("settings: { ports: 80-90 }", "`80-90` is not a range of ports"),
        ("settings: { ports: 30000-20000 }", "`30000-20000` is not a range of ports"),
        ("settings: { domain: http://a }", "`http://a` is not a domain name"),
        ("settings: { policy: { host_paths: [ srv ] } }", "`srv` is not an absolute path"),
        ("settings: { policy: { privileged: [ shop ] } }", "`shop` is not a stage"),
        ("settings: { proxy: embedded }", "expected a mapping with one key, found the text `embedded`"),
        ("settings: { proxy: {} }", "nothing is chosen"),
        ("settings: { notifications: [] }", "`notifications` is not supported yet"),
        ("registries: { a: {} }", "the registry has no `url`"),
        ("registries: { a: { url: \"https://\" } }", "this is not the address of a registry"),
        ("registries: { a: { url: \"https://a b\" } }", "this is not the address of a registry"),
        (
            "registries: { a: { url: \"http://10.0.0.1:5000\" } }",
            "http to another host sends passwords and images in the clear",
        ),
        ("registries: { a: { url: https://a.b, password: { env: P } } }", "a password without a user name"),
        (
            "registries: { a: { url: https://a.b }, b: { url: https://a.b/ } }",
            "registries `a` and `b` are for the same images",
        ),
        (
            "registries: { a: { url: https://docker.io }, b: { url: \"https://index.docker.io/v1/\" } }",
            "registries `a` and `b` are for the same images",
        ),
        ("registries: { a: { url: https://a.b, ca_file: lan.pem } }", "`lan.pem` is not an absolute path"),
        ("services: { a: {} }", "`services` is not a key of Landfall here"),
        ("proyects: {}", "unknown key `proyects`"),
    ];
    for (text, title) in cases {
        assert_eq!(titles(text), [title], "{text}");
    }
    let good = "registries: { a: { url: \"http://127.0.0.1:5000\" }, b: { url: \"http://r.lan:5000/team/\", insecure: true }, c: { url: https://index.docker.io/v1/ } }";
    let loaded = loaded(good);
    let prefixes: Vec<&str> = loaded.desired.registries.values().map(|r| r.prefix.as_str()).collect();
    assert_eq!(prefixes, ["127.0.0.1:5000", "r.lan:5000/team", "docker.io"]);
}

#[test]
fn what_is_allowed_and_likely_not_meant_is_a_warning() {
    let warnings = |text: &str| loaded(text).warnings.list.into_iter().map(|d| d.title).collect::<Vec<_>>();
    assert_eq!(warnings("settings: { policy: { privileged: [ shop/prod ] } }"), ["there is no stage `shop/prod`"]);
    assert_eq!(warnings("settings: { policy: { host_paths: [ / ] } }"), ["whoever may mount `/` is root on the host"]);
    assert_eq!(warnings("registries: { a: { url: https://a.b, poll: \"*/5 * * * *\" } }"), [""; 0]);
    assert_eq!(warnings("projects: {}"), [""; 0]);
}

#[test]
fn every_key_of_the_table_of_later_keys_is_unknown_to_the_types() {
    for (within, key) in crate::config::later::keys() {
        let text = match within {
            "Layer" | "Stage" => with(&format!("{key}: x")),
            "Project" => with("").replace("    image:", &format!("    {key}: x\n    image:")),
            "File" => format!("{key}: x\n"),
            "Settings" => format!("settings: {{ {key}: x }}\n"),
            "Source" => format!("settings: {{ source: {{ {key}: x }} }}\n"),
            "Registry" => format!("registries: {{ a: {{ url: https://a.b, {key}: x }} }}\n"),
            "Route" => with(&format!("route: {{ {key}: x }}")),
            "Certificate" => with(&format!("route: {{ certificate: {key} }}")),
            "Healthcheck" => with(&format!("healthcheck: {{ test: x, {key}: x }}")),
            "Track" => with("").replace("tag: \"1\"", &format!("{key}: x")),
            "Proxy" => format!("settings: {{ proxy: {{ {key}: x }} }}\n"),
            "Secret" => with(&format!("secret_environment: {{ A: {{ {key}: x }} }}")),
            other => panic!("no test for {other}"),
        };
        assert_eq!(titles(&text).len(), 1, "{text}: {:?}", titles(&text));
        let shown = refused_files(&[("site.yaml", &text), ("app.env", "")]);
        assert!(shown.contains("C0202"), "{shown}");
    }
}

#[test]
fn r17_the_history_has_bounds_of_at_least_one() {
    let history = |lines: &str| {
        let text = format!("settings: {{ history: {{ {lines} }} }}\nprojects: {{}}\n");
        load_tree(files(&text)).map(|loaded| loaded.desired.settings.history).map_err(|_| titles(&text))
    };
    let kept = |days, per_stage| Ok(crate::model::desired::History { days, per_stage });
    assert_eq!(history(""), kept(90, 200));
    assert_eq!(history("days: 1"), kept(1, 200));
    assert_eq!(history("days: 7, per_stage: 1"), kept(7, 1));
    assert_eq!(
        history("days: 0, per_stage: 0"),
        Err(vec!["`history.days` is 0".into(), "`history.per_stage` is 0".into()])
    );
    assert_eq!(history("days: 36501"), Err(vec!["`history.days` is 36501".into()]));
}
