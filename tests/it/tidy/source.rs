//! The sources of this package, read from disk, or made up by a test that plants a violation.

use std::fs;
use std::path::Path;

use super::tokens::{Token, tokens, without_tests};

/// One file.
pub(super) struct Source {
    /// From the root of the package, as in `src/plan/mod.rs`.
    pub(super) path: String,
    pub(super) text: String,
    /// All of it.
    pub(super) tokens: Vec<Token>,
    /// What is shipped: nothing of a test file, and nothing under `#[cfg(test)]`.
    pub(super) code: Vec<Token>,
}

impl Source {
    pub(super) fn new(path: &str, text: &str) -> Self {
        let tokens = tokens(text);
        let code = if is_test_file(path) { Vec::new() } else { without_tests(&tokens) };
        Self { path: path.to_owned(), text: text.to_owned(), tokens, code }
    }

    /// Where the module stands in the crate, as in `plan`, `stage`; nothing for a file that is not in src/.
    pub(super) fn module(&self) -> Vec<&str> {
        let Some(path) = self.path.strip_prefix("src/").and_then(|p| p.strip_suffix(".rs")) else { return Vec::new() };
        let mut parts: Vec<&str> = path.split('/').collect();
        if parts.len() > 1 && parts.last() == Some(&"mod") {
            parts.pop();
        }
        parts
    }
}

fn is_test_file(path: &str) -> bool {
    path.split('/').any(|part| part == "tests" || part == "tests.rs")
}

/// Every Rust file of the package, in the order of their names.
pub(super) fn sources() -> Vec<Source> {
    let mut found = Vec::new();
    for dir in ["src", "tests"] {
        collect(dir, &mut found);
    }
    assert!(found.len() > 100, "only {} files were found, so nothing is held", found.len());
    found
}

fn collect(dir: &str, found: &mut Vec<Source>) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut names: Vec<String> =
        fs::read_dir(root.join(dir)).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    for name in names {
        let path = format!("{dir}/{name}");
        if root.join(&path).is_dir() {
            collect(&path, found);
        } else if Path::new(&name).extension().is_some_and(|extension| extension == "rs") {
            found.push(Source::new(&path, &fs::read_to_string(root.join(&path)).unwrap()));
        }
    }
}

/// Fails with everything that was found, one line each.
#[track_caller]
pub(super) fn must_be_none(what: &str, findings: &[String]) {
    assert!(findings.is_empty(), "{what}:\n  {}\n", findings.join("\n  "));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_knows_its_module() {
        let module = |path| Source::new(path, "").module().join("::");
        assert_eq!(module("src/pin.rs"), "pin");
        assert_eq!(module("src/plan/mod.rs"), "plan");
        assert_eq!(module("src/config/resolve/stage.rs"), "config::resolve::stage");
        assert_eq!(module("tests/it/main.rs"), "");
    }

    #[test]
    fn a_test_file_ships_nothing() {
        for path in ["src/plan/tests.rs", "src/store/tests/open.rs", "tests/it/main.rs"] {
            assert!(Source::new(path, "fn a() {}").code.is_empty(), "{path}");
        }
        assert!(!Source::new("src/plan/text.rs", "fn a() {}").code.is_empty());
    }
}
