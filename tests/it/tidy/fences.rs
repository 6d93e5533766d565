//! What may be named only in one place, and what the pure modules may never name.

use super::paths::{Path, paths};
use super::source::{Source, must_be_none, sources};

/// Some names and where they may stand.
struct Fence {
    /// `name::` is a crate, `name!` a macro, `.name(` a call; anything else is a part of a path, and a `*` at its end
    /// stands for the rest of the word.
    names: &'static [&'static str],
    place: Place,
    why: &'static str,
}

/// Beginnings of file names.
enum Place {
    OnlyIn(&'static [&'static str]),
    NeverIn(&'static [&'static str]),
}

/// Modules that decide: the same input, the same answer.
const PURE: &[&str] = &[
    "src/model/",
    "src/plan/",
    "src/daemon/drift.rs",
    "src/daemon/scheduler/",
    "src/daemon/dice.rs",
    "src/daemon/repeats.rs",
];

const FENCES: &[Fence] = &[
    Fence { names: &["bollard::"], place: Place::OnlyIn(&["src/docker/"]), why: "docker/ is what knows bollard" },
    Fence { names: &["rusqlite::"], place: Place::OnlyIn(&["src/store/"]), why: "store/ is what knows SQLite" },
    Fence {
        names: &["serde_yaml::", "granit_parser::"],
        place: Place::OnlyIn(&["src/config/"]),
        why: "config/ is what knows YAML",
    },
    Fence { names: &["notify::"], place: Place::OnlyIn(&["src/daemon/"]), why: "file events are the daemon's hints" },
    Fence { names: &["cron::"], place: Place::OnlyIn(&["src/model/schedule.rs"]), why: "one file knows schedules" },
    Fence {
        names: &["regex::", "semver::"],
        place: Place::OnlyIn(&["src/model/policy/"]),
        why: "one module knows what tags are the newest",
    },
    Fence { names: &["similar::"], place: Place::OnlyIn(&["src/cli/"]), why: "diffs are rendered in cli/" },
    Fence {
        names: &["println!", "eprintln!", "print!", "eprint!", "dbg!", "anstream::", "io::stdout", "io::stderr"],
        place: Place::OnlyIn(&["src/cli/"]),
        why: "only cli/ prints",
    },
    Fence {
        names: &["tokio::", "tracing::", "std::fs", "std::env", "std::net", "std::process"],
        place: Place::NeverIn(PURE),
        why: "a pure module does not touch the world",
    },
    Fence {
        names: &["SystemTime::now", "Instant::now", "Utc::now", "Local::now", "Uuid::now*", "Uuid::new*"],
        place: Place::NeverIn(PURE),
        why: "time and ids are passed in to a pure module",
    },
    Fence {
        names: &["rand::", "getrandom::", "HashMap", "HashSet"],
        place: Place::NeverIn(PURE),
        why: "a pure module gives the same answer each time",
    },
    Fence {
        names: &[".unwrap(", ".expect(", "Option::unwrap", "Option::expect", "Result::unwrap", "Result::expect"],
        place: Place::NeverIn(&["src/"]),
        why: "an error has a place to go",
    },
    Fence { names: &["todo!", "unimplemented!"], place: Place::NeverIn(&["src/"]), why: "what is shipped is finished" },
];

/// Every name that stands where it may not.
fn findings(sources: &[Source]) -> Vec<String> {
    let mut found = Vec::new();
    for source in sources.iter().filter(|s| s.path.starts_with("src/")) {
        let fences: Vec<&Fence> = FENCES.iter().filter(|fence| fence.place.forbids(&source.path)).collect();
        for path in paths(&source.code) {
            for fence in &fences {
                for name in fence.names.iter().filter(|name| is_named(name, &path)) {
                    found.push(format!("{}:{}: {name} ({})", source.path, path.line, fence.why));
                }
            }
        }
    }
    found
}

impl Place {
    fn forbids(&self, path: &str) -> bool {
        let is_in = |places: &[&str]| places.iter().any(|place| path.starts_with(place));
        match self {
            Self::OnlyIn(places) => !is_in(places),
            Self::NeverIn(places) => is_in(places),
        }
    }
}

fn is_named(name: &str, path: &Path) -> bool {
    if let Some(name) = name.strip_suffix('!') {
        return path.next == "!" && path.segments.last().is_some_and(|s| s == name);
    }
    if let Some(name) = name.strip_prefix('.').and_then(|name| name.strip_suffix('(')) {
        return path.is_member && path.next == "(" && path.segments == [name];
    }
    if let Some(name) = name.strip_suffix("::") {
        return path.segments[0] == name && !path.is_member && (path.is_use || path.segments.len() > 1);
    }
    let wanted: Vec<&str> = name.split("::").collect();
    path.segments.windows(wanted.len()).any(|part| {
        part.iter().zip(&wanted).all(|(word, wanted)| match wanted.strip_suffix('*') {
            Some(beginning) => word.starts_with(beginning),
            None => word == wanted,
        })
    })
}

#[test]
fn names_stand_only_where_they_may() {
    must_be_none("names behind a fence", &findings(&sources()));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, text: &str) -> Vec<String> {
        findings(&[Source::new(path, text)])
    }

    /// What a violation of each fence looks like, and where it would be fine.
    const PLANTED: &[(&str, &str, &str)] = &[
        ("use bollard::Docker;", "src/execute/run.rs", "src/docker/connect.rs"),
        ("use {bollard as b};", "src/execute/run.rs", "src/docker/connect.rs"),
        ("fn f(c: &rusqlite::Connection) {}", "src/cli/status.rs", "src/store/open.rs"),
        ("serde_yaml::from_str(text)", "src/cli/validate.rs", "src/config/document.rs"),
        ("serde_yaml::granit_parser::Parser::new()", "src/plan/mod.rs", "src/config/document.rs"),
        ("use notify::{Watcher as _};", "src/reconcile.rs", "src/daemon/watch.rs"),
        ("use cron::Cron;", "src/daemon/scheduler/mod.rs", "src/model/schedule.rs"),
        ("use regex::bytes::Regex;", "src/plan/stage.rs", "src/model/policy/pattern.rs"),
        ("semver::Version::parse(text)", "src/pin.rs", "src/model/policy/range.rs"),
        ("similar::TextDiff::from_lines(a, b)", "src/plan/text.rs", "src/cli/diff.rs"),
        ("println!(\"a\");", "src/main.rs", "src/cli/render.rs"),
        ("std::eprintln!(\"a\");", "src/daemon/mod.rs", "src/cli/render.rs"),
        ("print!(\"a\");", "src/execute/log.rs", "src/cli/render.rs"),
        ("dbg!(a);", "src/execute/log.rs", "src/cli/render.rs"),
        ("anstream::stdout()", "src/execute/log.rs", "src/cli/render.rs"),
        ("use std::io::{self, stdout};", "src/execute/log.rs", "src/cli/render.rs"),
        ("tokio::spawn(a)", "src/plan/mod.rs", "src/execute/mod.rs"),
        ("use tracing::info;", "src/daemon/scheduler/mod.rs", "src/daemon/mod.rs"),
        ("#[tracing::instrument]\nfn f() {}", "src/model/name.rs", "src/execute/mod.rs"),
        ("use std::{fmt, fs};", "src/model/hash.rs", "src/config/files.rs"),
        ("std::env::var(a)", "src/model/hash.rs", "src/secrets/read.rs"),
        ("use std::net::TcpStream;", "src/plan/mod.rs", "src/execute/probe.rs"),
        ("let now = Instant::now();", "src/daemon/scheduler/mod.rs", "src/daemon/mod.rs"),
        ("std::time::SystemTime::now()", "src/plan/text.rs", "src/store/clock.rs"),
        ("Uuid::new_v4()", "src/model/id.rs", "src/store/open.rs"),
        ("uuid::Uuid::now_v7()", "src/model/id.rs", "src/store/clock.rs"),
        ("rand::random()", "src/plan/mod.rs", "src/daemon/mod.rs"),
        ("let a: HashMap<A, B>;", "src/plan/mod.rs", "src/router/table.rs"),
        ("use std::collections::{BTreeMap, HashSet};", "src/model/desired.rs", "src/router/table.rs"),
        ("a.b().unwrap();", "src/execute/run.rs", "src/execute/tests.rs"),
        ("a\n.expect(\"b\");", "src/config/mod.rs", "src/config/tests/loading.rs"),
        ("a.map(Option::unwrap)", "src/config/mod.rs", "src/config/tests/loading.rs"),
        ("todo!()", "src/config/mod.rs", "src/config/tests/loading.rs"),
        ("unimplemented!(\"a\")", "src/config/mod.rs", "src/config/tests/loading.rs"),
    ];

    #[test]
    fn a_planted_name_is_found_outside_its_fence_and_not_inside() {
        for (text, outside, inside) in PLANTED {
            assert_eq!(check(outside, text).len(), 1, "{text} in {outside}: {:?}", check(outside, text));
            assert_eq!(check(inside, text), Vec::<String>::new(), "{text} in {inside}");
        }
    }

    #[test]
    fn every_fence_has_a_planted_violation() {
        for fence in FENCES {
            let finds = |text: &str| {
                let source = Source::new("src/a.rs", text);
                paths(&source.code).iter().any(|path| fence.names.iter().any(|name| is_named(name, path)))
            };
            assert!(PLANTED.iter().any(|(text, ..)| finds(text)), "{:?}", fence.names);
        }
    }

    #[test]
    fn what_only_looks_alike_is_not_found() {
        for text in [
            "sd_notify::notify(&[]); notify(); self.notify.notified()",
            "a.unwrap_or(b).unwrap_or_default()",
            "#[expect(clippy::x, reason = \"y\")] fn f() {}",
            "let rand = similar; cron.next()",
            "// println!(\"a\") tokio::spawn\nlet a = \"bollard::Docker\";",
            "#[cfg(test)]\nmod tests { use std::fs; fn f() { a.unwrap(); println!(\"b\") } }",
        ] {
            assert_eq!(check("src/plan/stage.rs", text), Vec::<String>::new(), "{text}");
        }
    }
}
