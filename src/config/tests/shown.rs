//! Typical mistakes, as people see them. Each snapshot is the whole answer to one configuration.

use super::*;

/// One stage with a line of its own.
fn stage(lines: &str) -> String {
    format!(
        "projects:\n  shop:\n    image: ghcr.io/acme/shop\n    port: 8080\n    stages:\n      prod:\n        track: {{ tag: \"1.0\" }}\n        {lines}\n"
    )
}

/// The same with Nginx Proxy Manager for a proxy.
fn with_npm(text: &str) -> String {
    format!(
        "settings:\n  proxy:\n    nginx_proxy_manager: {{ url: \"http://127.0.0.1:81\", email: a@b, password: {{ env: P }} }}\n{text}"
    )
}

/// Declares one test for each snapshot.
macro_rules! shown {
    ($($name:ident: $text:expr;)*) => {$(
        #[test]
        fn $name() {
            insta::assert_snapshot!(stringify!($name), refused(&$text));
        }
    )*};
}

shown! {
    a_misspelt_key_shows_the_nearest_one: stage("enviroment: { A: b }");
    several_mistakes_are_shown_at_once_by_place: stage("drain: soon\n        read_only: no\n        colour: red\n        ready: { http: { path: healthz, expect: 99 }, dead_line: 5s }");
    a_key_of_a_later_step_says_so: stage("sysctls: {}\n        gpus: all");
    a_key_of_compose_says_what_to_write_instead: stage("build: .\n        container_name: shop");
    a_tag_in_the_image_is_refused: "projects:\n  shop:\n    image: nginx:1.25\n    stages:\n      prod: { track: { tag: latest } }\n";
    a_route_beyond_the_embedded_proxy_says_what_it_needs: stage("route: { domains: [ a.example.com ], certificate: { id: 3 }, https: redirect, websockets: false }");
    a_route_that_contradicts_itself_shows_both_places: with_npm(&stage("route:\n          domains: [ a.example.com, b.a.example.com, example.com ]\n          certificate: { wildcard: \"*.example.com\" }\n          https: off\n          hsts: true"));
    https_without_a_certificate_is_refused: with_npm(&stage("route: { domains: [ a.example.com ], https: redirect, http2: true }"));
    a_certificate_and_https_say_what_they_can_be: with_npm(&stage("route: { domains: [ a.example.com ], certificate: wildcard, https: true }\n      dev: { track: { tag: a }, route: { certificate: \"*.a.b\", https: ridirect } }"));
    a_proxy_manager_without_its_keys_says_what_to_write: "settings:\n  proxy:\n    nginx_proxy_manager: {}\n";
    a_proxy_manager_is_checked: "settings:\n  proxy:\n    nginx_proxy_manager:\n      url: http://npm.lan:81/nginx\n      email: landfall\n      password: hunter2\n      probe: npm.lan\n      upstream: docker\n";
    a_way_to_track_that_is_none_says_what_there_is: "projects:\n  shop:\n    image: nginx\n    stages:\n      prod: { track: { promote: staging } }\n      dev: { track: { tga: \"1\" } }\n      test: { track: latest }\n";
    a_tag_policy_that_cannot_work_says_what_to_write: "projects:\n  shop:\n    image: nginx\n    pull_policy: never\n    stages:\n      a: { track: { semver: latest }, pull_policy: missing }\n      b: { track: { glob: dev }, pull_policy: missing }\n      c: { track: { regex: { match: \"v(1\", order: numeric } }, pull_policy: missing }\n      d: { track: { regex: { match: v1 } }, pull_policy: missing }\n      e: { track: { regex: v1 }, pull_policy: missing }\n      f: { track: { regex: { match: v1, order: newest } }, pull_policy: missing }\n      g: { track: { mutable: \"a b\" }, pull_policy: missing }\n      h: { track: { mutable: latest } }\n";
    a_duplicate_key_shows_both_places: stage("user: a\n        user: b");
    two_stages_on_one_domain_show_both_places: "projects:\n  a: { image: x, port: 80, stages: { s: { track: { tag: t }, route: { domains: [ www.example.com ] } } } }\n  b:\n    image: x\n    port: 80\n    stages:\n      s:\n        track: { tag: t }\n        route:\n          domains:\n            - WWW.example.com\n";
    a_route_without_port_or_base_domain_is_refused: "projects:\n  a: { image: x, stages: { s: { track: { tag: t }, route: { subdomain: a } } } }\n";
    a_tab_is_refused: "projects:\n\ta: {}\n";
    a_git_conflict_is_refused: "projects:\n<<<<<<< HEAD\n  a: {}\n=======\n  b: {}\n>>>>>>> main\n";
    a_key_without_value_is_refused: "settings:\n  domain:\nprojects:\n";
    a_second_document_is_refused: "projects: {}\n---\nprojects: {}\n";
    a_tag_of_yaml_is_refused: stage("user: !secret app");
    what_the_policy_refuses_says_how_to_allow_it: stage("privileged: true\n        volumes: [ \"/var/run/docker.sock:/var/run/docker.sock\", \"/etc:/host:ro\" ]");
    a_value_that_came_through_an_alias_shows_its_use: "x-common: &common\n  mem_limit: much\n  color: red\nprojects:\n  a:\n    <<: *common\n    image: x\n    stages: { s: { track: { tag: t } } }\n";
    files_outside_of_the_directory_are_refused: stage("volumes: [ \"../a:/a\", \"./gone:/b\", \"conf/x:/c\", \"./site.yaml:/d:rw\" ]\n        env_file: /etc/passwd");
    secret_files_say_what_they_cannot_work_with: stage("read_only: true\n        user: app\n        secret_files: { /run/key: { credential: key } }\n        tmpfs: /run");
    names_are_checked_at_their_place: "projects:\n  Shop_1:\n    image: x\n    stages:\n      a--: { track: { tag: t } }\n";
    registries_are_checked: "registries:\n  a: { url: ghcr.io }\n  b: { url: http://r.example.com }\n  c: { url: \"https://user:pw@ghcr.io\" }\n  d: { url: https://ghcr.io, username: me, poll: \"61 * * * *\" }\n  e: { url: https://ghcr.io/ }\n";
    a_dependency_that_is_not_there_shows_what_is: "projects:\n  db: { image: x, stages: { main: { track: { tag: t } }, dev: { track: { tag: t } } } }\n  shop:\n    image: x\n    depends_on:\n      - db\n      - shop/prot\n      - cache/prod\n    stages: { prod: { track: { tag: t } } }\n";
    a_circle_of_dependencies_shows_all_of_it: "projects:\n  a: { image: x, depends_on: [ b ], stages: { s: { track: { tag: t } } } }\n  b: { image: x, stages: { s: { track: { tag: t }, depends_on: [ c/s ] } } }\n  c:\n    image: x\n    stages:\n      s:\n        track: { tag: t }\n        depends_on:\n          - a\n";
    the_file_is_not_a_mapping: "- projects\n";
}

#[test]
fn a_project_in_two_files_shows_both() {
    let text = "projects:\n  shop: { image: x, stages: { s: { track: { tag: t } } } }\n";
    insta::assert_snapshot!("a_project_in_two_files", refused_files(&[("a.yaml", text), ("sub/b.yml", text)]));
}

#[test]
fn a_path_beside_the_yaml_file_is_told_how_to_write_it() {
    let text = "projects: { a: { image: x, volumes: [ \"./app.conf:/c\" ], stages: { s: { track: { tag: t } } } } }\n";
    let found = refused_files(&[("shop/site.yaml", text), ("shop/app.conf", "x")]);
    assert!(found.contains("write `./shop/app.conf`: paths are relative to the config directory"), "{found}");
}

#[test]
fn as_json_a_diagnostic_has_file_line_column_code_message_and_help() {
    let Err(LoadError::Invalid(found)) = load_tree(tree(&[("site.yaml", "proyects: {}\nprojects: {}\nsetings: {}\n")]))
    else {
        panic!("accepted")
    };
    insta::assert_snapshot!("as_json", serde_json::to_string_pretty(&found).unwrap());
}
