//! Which module may import which. The table is the one of ARCHITECTURE.md, which a test compares.

use std::fs;

use super::paths::{Path, paths};
use super::source::{Source, must_be_none, sources};

/// Left may import right, and everything may import `model`. A longer path on the right allows only what is below it.
/// Whoever needs a new direction changes this table and ARCHITECTURE.md, and says why in the commit.
const DIRECTIONS: &[(&str, &[&str])] = &[
    ("main", &["cli", "client::install_tls_provider"]),
    (
        "cli",
        &[
            "plan",
            "config",
            "git",
            "secrets",
            "docker",
            "proxy",
            "registry",
            "router",
            "store",
            "execute",
            "observe",
            "pin",
            "reconcile",
            "daemon",
            "http",
            "socket",
        ],
    ),
    ("http", &["daemon", "reconcile", "execute::Event", "execute::Sink", "socket", "store::now_ms"]),
    ("daemon", &["reconcile", "config", "git", "docker", "execute", "plan", "store", "registry::find"]),
    (
        "reconcile",
        &["config", "git", "secrets", "store", "docker", "proxy", "registry", "observe", "pin", "plan", "execute"],
    ),
    (
        "execute",
        &[
            "docker",
            "proxy",
            "store",
            "registry",
            "secrets",
            "plan",
            "faults",
            "config::TreeFiles",
            "config::TreeFile",
            "config::hash_files",
        ],
    ),
    ("pin", &["registry", "docker", "secrets", "plan"]),
    ("observe", &["docker", "proxy"]),
    ("proxy", &["router::control", "router::Table", "router::Conflict", "client", "secrets"]),
    ("config", &["git"]),
    ("git", &[]),
    ("docker", &[]),
    ("plan", &[]),
    ("registry", &["client"]),
    ("client", &[]),
    ("router", &["socket", "client"]),
    ("socket", &[]),
    ("secrets", &[]),
    ("store", &["faults"]),
    ("faults", &[]),
    ("model", &[]),
];

/// Every import against the directions, and every module that has none.
fn findings(sources: &[Source]) -> Vec<String> {
    let mut found = Vec::new();
    for source in sources.iter().filter(|s| s.path.starts_with("src/") && s.path != "src/lib.rs") {
        let module = source.module();
        let Some((own, allowed)) = DIRECTIONS.iter().find(|(name, _)| module.first() == Some(name)) else {
            found.push(format!("{}: the module has no line in the table of directions", source.path));
            continue;
        };
        for path in paths(&source.code) {
            let Some(target) = target(&module, &path) else { continue };
            if target[0] != *own && !may_import(own, allowed, &target) {
                found.push(format!("{}:{}: {own} may not import {}", source.path, path.line, target.join("::")));
            }
        }
    }
    found
}

fn may_import(own: &str, allowed: &[&str], target: &[&str]) -> bool {
    let is_below = |entry: &&str| target.starts_with(&entry.split("::").collect::<Vec<_>>());
    (target[0] == "model" && own != "main") || allowed.iter().any(is_below)
}

/// Where a path leads, from the root of the crate; none for one that leads out of it or only deeper into the module.
fn target<'a>(module: &[&'a str], path: &'a Path) -> Option<Vec<&'a str>> {
    let segments: Vec<&str> = path.segments.iter().map(String::as_str).collect();
    let is_root = segments[0] == "crate" || (segments[0] == "landfall" && module == ["main"]);
    if is_root && segments.len() > 1 {
        return Some(segments[1..].to_vec());
    }
    let ups = segments.iter().take_while(|s| **s == "super").count();
    if ups < module.len() || ups == segments.len() {
        return None;
    }
    // At the root: a file beside main.rs says `super::docker`. Inside an inline module `super` is nearer, so that only
    // names of modules count.
    let rest = &segments[ups..];
    DIRECTIONS.iter().any(|(name, _)| *name == rest[0]).then(|| rest.to_vec())
}

#[test]
fn modules_import_only_in_the_directions_of_the_architecture() {
    must_be_none("imports against the directions (ARCHITECTURE.md)", &findings(&sources()));
}

#[test]
fn the_architecture_shows_the_directions_that_are_held() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/ARCHITECTURE.md");
    let text = fs::read_to_string(path).unwrap();
    let lines: Vec<String> = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    let missing = DIRECTIONS.iter().map(|(own, allowed)| {
        let allowed = if allowed.is_empty() { "model alone".to_owned() } else { allowed.join(", ") };
        format!("{own} → {allowed}")
    });
    let missing: Vec<String> = missing.filter(|line| !lines.contains(line)).collect();
    must_be_none("ARCHITECTURE.md does not show these directions", &missing);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, text: &str) -> Vec<String> {
        findings(&[Source::new(path, text)])
    }

    #[test]
    fn a_planted_import_is_found_however_it_is_written() {
        for text in [
            "use crate::docker::Docker;",
            "use crate::{model::Name, docker};",
            "fn f() { crate::docker::connect() }",
            "use super::super::docker;",
            "#[cfg(unix)]\nuse crate::docker;",
        ] {
            let found = check("src/plan/stage.rs", text);
            assert_eq!(found.len(), 1, "{text}: {found:?}");
            assert!(found[0].contains("plan may not import docker"), "{}", found[0]);
        }
        assert_eq!(check("src/pin.rs", "\nuse super::store;"), ["src/pin.rs:2: pin may not import store"]);
        assert_eq!(check("src/main.rs", "use landfall::store;").len(), 1);
        assert_eq!(check("src/model/name.rs", "use crate::plan;").len(), 1);
    }

    #[test]
    fn what_is_allowed_or_no_code_is_not_found() {
        for (path, text) in [
            (
                "src/plan/stage.rs",
                "use crate::model::Name; use super::deploy; use crate::plan::Step; use super::super::model;",
            ),
            ("src/plan/stage.rs", "// use crate::docker;\nconst A: &str = \"crate::docker\";"),
            ("src/plan/stage.rs", "#[cfg(test)]\nmod tests { use crate::docker; }"),
            ("src/plan/tests.rs", "use crate::docker;"),
            ("src/execute/files.rs", "use crate::config::{TreeFile, TreeFiles};"),
            ("src/main.rs", "fn main() { landfall::cli::main() }"),
        ] {
            assert_eq!(check(path, text), Vec::<String>::new(), "{path}: {text}");
        }
    }

    #[test]
    fn a_longer_path_allows_only_what_is_below_it() {
        assert_eq!(check("src/execute/run.rs", "use crate::config::{self, TreeFiles, load};").len(), 2);
        assert_eq!(check("src/proxy/client.rs", "use crate::router::{control, run};").len(), 1);
    }

    #[test]
    fn a_module_without_a_line_is_found() {
        assert_eq!(check("src/helpers.rs", "").len(), 1);
    }
}
