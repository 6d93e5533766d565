//! Whatever is in the files: a clear answer, soon, and never a panic.

use std::fmt::Write as _;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::config::{Diagnostics, MAX_FILE_BYTES};

/// CPU time within which every file is answered, in a debug build; a release build takes a tenth.
const SOON: Duration = Duration::from_secs(4);

/// CPU time of this thread, so that a busy machine does not count.
fn cpu() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    Duration::from_nanos(text.split(' ').next().and_then(|ns| ns.parse().ok()).unwrap_or(0))
}

fn answer(bytes: &[u8]) -> Result<Loaded, Diagnostics> {
    let tree = Tree::from_memory([("site.yaml".to_owned(), bytes.to_vec())]);
    let start = cpu();
    let result = match load_tree(tree) {
        Ok(loaded) => Ok(loaded),
        Err(LoadError::Invalid(found)) => {
            assert!(!found.render(true).is_empty());
            Err(found)
        }
        Err(other) => panic!("{other}"),
    };
    let took = cpu().saturating_sub(start);
    assert!(took < SOON, "took {took:?}");
    result
}

fn titles(bytes: &[u8]) -> String {
    match answer(bytes) {
        Ok(_) => panic!("accepted"),
        Err(found) => found.list.iter().map(|d| d.title.as_str()).collect::<Vec<_>>().join("\n"),
    }
}

#[test]
fn text_that_is_not_yaml_is_refused_with_the_reason() {
    for (bytes, title) in [
        (&b""[..], "the file is empty"),
        (b"# nothing but comments\n", "the file is empty"),
        (b"---\n", "the file holds nothing"),
        (b"null\n", "the file holds nothing"),
        (b"a\0b", "a NUL byte: the file is not text"),
        (b"projects: {}\n# \xff\n", "this is not UTF-8 text"),
        (b"\xff\xfep\0r\0", "the file is UTF-16, not UTF-8"),
        (b"projects:\n\ta: b\n", "a tab is used for indentation"),
        (b"projects: {}\n<<<<<<< HEAD\n", "a git conflict is not resolved"),
        (b"projects: [\n", "a `[` or `{` is opened and never closed"),
        (b"projects: 'a\n", "a quote is opened and never closed"),
        (b"projects: *gone\n", "there is no anchor of this name before"),
        (b"projects: &a [ *a ]\n", "this alias is inside of what it refers to"),
        (b"projects: &a { b: *a }\n", "this alias is inside of what it refers to"),
        (b"%YAML 1.1\n---\nprojects: {}\n", "directives (`%YAML`, `%TAG`) are not supported"),
        (b"projects: {}\n---\nprojects: {}\n", "a second document begins here"),
        (b"projects: {}\n...\n---\nprojects: {}\n", "a second document begins here"),
        (b"{ [a]: b }\n", "a list or mapping is used as a key"),
        (b"x-a: !secret b\nprojects: {}\n", "tags (`!name`) are not supported"),
        (b"x-a: !!str b\nprojects: {}\n", "tags (`!name`) are not supported"),
        (b"x-a: ! b\nprojects: {}\n", "tags (`!name`) are not supported"),
        (b"x-a: !<x> [b]\nprojects: {}\n", "tags (`!name`) are not supported"),
        (b"projects: { <<: 5 }\n", "`<<` merges a mapping, or a list of mappings"),
    ] {
        let found = titles(bytes);
        assert!(found.contains(title), "{:?}: {found}", String::from_utf8_lossy(bytes));
    }
}

#[test]
fn a_byte_order_mark_and_windows_line_ends_are_fine() {
    let text = "\u{feff}projects:\r\n  a:\r\n    image: x\r\n    stages:\r\n      s: { track: { tag: t } }\r\n";
    assert!(answer(text.as_bytes()).is_ok());
    let wrong = titles(text.replace("image", "imgae").as_bytes());
    assert!(wrong.contains("unknown key `imgae`"), "{wrong}");
}

#[test]
fn nesting_and_aliases_are_bounded() {
    for open in ["[", "{", "- ", "{a: ", "[{a: "] {
        let deep = open.repeat(100_000 / open.len());
        answer(deep.as_bytes()).map(|_| ()).unwrap_err();
    }
    let mut block = String::new();
    for depth in 0..400 {
        let _ = writeln!(block, "{}a:", " ".repeat(depth));
    }
    let found = titles(block.as_bytes());
    assert!(found.contains("nested"), "{found}");
    let mut bomb = "x-0: &l0 [ a, a, a, a, a, a, a, a, a, a ]\n".to_owned();
    for level in 1..12 {
        let _ = writeln!(bomb, "x-{level}: &l{level} [ {} ]", vec![format!("*l{}", level - 1); 10].join(", "));
    }
    let found = titles(bomb.as_bytes());
    assert!(found.contains("stand for more than"), "{found}");
}

#[test]
fn large_files_of_mistakes_are_answered_soon() {
    let limit = usize::try_from(MAX_FILE_BYTES).unwrap();
    let mut keys = "projects:\n  a:\n".to_owned();
    let mut names = "projects:\n".to_owned();
    let mut duplicates = "projects:\n".to_owned();
    let mut variables =
        "projects:\n  a:\n    image: x\n    stages: { s: { track: { tag: t } } }\n    environment:\n".to_owned();
    for i in 0..200_000 {
        for (text, line) in [
            (&mut keys, format!("    k{i}: v\n")),
            (&mut names, format!("  N{i}: {{}}\n")),
            (&mut duplicates, "  a: {}\n".to_owned()),
            (&mut variables, format!("      $A{i}:\n")),
        ] {
            if text.len() + line.len() < limit {
                text.push_str(&line);
            }
        }
    }
    let flow = format!("projects: {{ {} }}", "A: {}, ".repeat(limit / 8 - 10));
    for text in [keys, names, duplicates, variables, flow] {
        let found = answer(text.as_bytes()).map(|_| ()).unwrap_err();
        assert!(found.list.len() <= 600, "{}", found.list.len());
    }
}

#[test]
fn what_a_project_gives_each_of_many_stages_is_bounded() {
    let mut text = "projects:\n  a:\n    image: x\n    environment:\n".to_owned();
    for i in 0..30_000 {
        let _ = writeln!(text, "      V{i}: v");
    }
    text.push_str("    stages:\n");
    for i in 0..10_000 {
        let _ = writeln!(text, "      s{i}: {{ track: {{ tag: t }} }}");
    }
    assert!(titles(text.as_bytes()).contains("all stages together hold more than"));
}

#[test]
fn a_value_of_any_length_is_told_in_a_few_lines() {
    let text = format!(
        "projects:\n  a:\n    image: x\n    stages: {{ s: {{ track: {{ tag: {} }} }} }}\n",
        "ä".repeat(300_000)
    );
    let found = answer(text.as_bytes()).map(|_| ()).unwrap_err();
    assert!(found.list[0].title.ends_with("` is not a tag"), "{}", found.list[0].title);
    let shown = found.render(false);
    assert!(shown.len() < 4000, "{} bytes", shown.len());
}

#[test]
fn control_characters_do_not_reach_the_terminal() {
    let found = answer("projects:\n  a: { image: \"x\\e[2J\", \"k\\e[31m\": v } # \u{9b}31m\n".as_bytes())
        .map(|_| ())
        .unwrap_err();
    let text = found.render(false);
    assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "{text:?}");
}

/// A configuration that uses about every key, to be changed by chance.
const SEED: &str = include_str!("seed.yaml");

#[test]
fn the_seed_of_the_chance_tests_loads() {
    let files = [("seed.yaml", SEED), ("app.env", "A=1\n"), ("conf/app.conf", "x\n")];
    load_tree(tree(&files)).unwrap_or_else(|error| panic!("{error}"));
}

proptest! {
    #[test]
    fn bytes_of_chance_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = answer(&bytes);
    }

    #[test]
    fn a_changed_configuration_never_panics(
        cuts in prop::collection::vec((any::<prop::sample::Index>(), 0usize..20, "[ \\n:#,\\[\\]{}&*!|>'\"a-z0-9~<./$@ü%-]{0,6}"), 1..5)
    ) {
        let mut text = SEED.to_owned();
        for (at, removed, inserted) in cuts {
            let at = at.index(text.len());
            let end = (at + removed).min(text.len());
            text.replace_range(floor(&text, at)..floor(&text, end), &inserted);
        }
        let _ = answer(text.as_bytes());
    }

    #[test]
    fn a_line_moved_elsewhere_never_panics(from in any::<prop::sample::Index>(), to in any::<prop::sample::Index>(), indent in 0usize..12) {
        let mut lines: Vec<String> = SEED.lines().map(str::to_owned).collect();
        let line = lines.remove(from.index(lines.len()));
        lines.insert(to.index(lines.len()), format!("{}{}", " ".repeat(indent), line.trim_start()));
        let _ = answer(lines.join("\n").as_bytes());
    }
}

fn floor(text: &str, mut at: usize) -> usize {
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}
