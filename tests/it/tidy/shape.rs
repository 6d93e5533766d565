//! How files are shaped: how they open, how long they and their functions may be, and that nothing is left for later.

use super::source::{Source, must_be_none, sources};
use super::tokens::{Token, behind_group, behind_item};

/// Lines of a file. House style is 60 to 250.
const FILE_LINES: usize = 500;
/// Files above this are named when one is over the limit.
const LONG_FILE_LINES: usize = 250;
/// Lines of a function, its signature included. House style is under 25. A `let Spec { … } =` counts as one line: it
/// names every field, so that a new one does not compile until it is handled, and gets longer with each.
const FUNCTION_LINES: usize = 70;

/// Files that are over the limit already. They may shrink, not grow, and leave the list when they are below it.
const TOO_LONG_ALREADY: &[(&str, usize)] = &[];

fn too_long(sources: &[Source], known: &[(&str, usize)]) -> Vec<String> {
    let lines = |source: &Source| source.text.lines().count();
    let limit = |source: &Source| known.iter().find(|(path, _)| *path == source.path).map_or(FILE_LINES, |(_, n)| *n);
    let over = |source: &&Source| lines(source) > limit(source);
    let mut found: Vec<String> = sources
        .iter()
        .filter(over)
        .map(|source| format!("{}: {} lines, and {} is the limit", source.path, lines(source), limit(source)))
        .collect();
    if !found.is_empty() {
        let long = sources.iter().filter(|source| !over(source) && lines(source) > LONG_FILE_LINES);
        found.extend(long.map(|source| format!("({}: {} lines, to be split next)", source.path, lines(source))));
    }
    for (path, n) in known {
        match sources.iter().find(|source| source.path == *path).map(lines) {
            Some(now) if now > FILE_LINES && now < *n => found.push(format!("{path}: lower its limit to {now}")),
            Some(now) if now > FILE_LINES => {}
            Some(_) | None => found.push(format!("{path}: take it off the list of long files")),
        }
    }
    found
}

fn long_functions(sources: &[Source]) -> Vec<String> {
    let mut found = Vec::new();
    for source in sources {
        for (at, pair) in source.tokens.windows(2).enumerate() {
            if pair[0].text != "fn" || !pair[1].is_word() {
                continue;
            }
            let function = &source.tokens[at..behind_item(&source.tokens, at)];
            let lines = height(function) - destructured(function);
            if lines > FUNCTION_LINES {
                let (path, line, name) = (&source.path, pair[0].line, &pair[1].text);
                found.push(format!("{path}:{line}: {name} has {lines} lines, and {FUNCTION_LINES} is the limit"));
            }
        }
    }
    found
}

fn height(tokens: &[Token]) -> usize {
    tokens.last().map_or(0, |last| last.line - tokens[0].line + 1)
}

/// Lines inside of `let Spec { … } =`.
fn destructured(function: &[Token]) -> usize {
    let mut lines = 0;
    for (at, three) in function.windows(3).enumerate() {
        if three[0].text == "let" && three[1].is_word() && three[2].text == "{" {
            let behind = behind_group(function, at + 2);
            if function.get(behind).is_some_and(|token| token.text == "=") {
                lines += height(&function[at + 2..behind]) - 1;
            }
        }
    }
    lines
}

fn badly_opened(sources: &[Source]) -> Vec<String> {
    let without = sources.iter().filter(|source| !source.text.starts_with("//! "));
    without.map(|source| format!("{}: does not open with //! and its purpose", source.path)).collect()
}

fn left_for_later(sources: &[Source]) -> Vec<String> {
    // In two halves, so that this file does not find itself.
    let marks = [concat!("TO", "DO"), concat!("FIX", "ME")];
    let mut found = Vec::new();
    for source in sources {
        for (at, line) in source.text.lines().enumerate() {
            let mut words = line.split(|c: char| !c.is_alphanumeric() && c != '_');
            if words.any(|word| marks.contains(&word)) {
                found.push(format!("{}:{}: {}", source.path, at + 1, line.trim()));
            }
        }
    }
    found
}

#[test]
fn no_file_is_longer_than_people_read() {
    must_be_none("files that are too long", &too_long(&sources(), TOO_LONG_ALREADY));
}

#[test]
fn no_function_is_longer_than_a_screen() {
    must_be_none("functions that are too long", &long_functions(&sources()));
}

#[test]
fn every_file_opens_with_its_purpose() {
    must_be_none("files without a purpose", &badly_opened(&sources()));
}

#[test]
fn nothing_is_left_for_later() {
    must_be_none("an issue is the place for these", &left_for_later(&sources()));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, lines: usize) -> Source {
        Source::new(path, &"a\n".repeat(lines))
    }

    #[test]
    fn a_file_over_the_limit_is_found_and_then_the_long_ones_are_named_too() {
        let files = [file("src/a.rs", 500), file("src/b.rs", 251), file("src/c.rs", 250)];
        assert_eq!(too_long(&files, &[]), Vec::<String>::new());
        let files = [file("src/a.rs", 501), file("src/b.rs", 251), file("src/c.rs", 250)];
        assert_eq!(
            too_long(&files, &[]),
            ["src/a.rs: 501 lines, and 500 is the limit", "(src/b.rs: 251 lines, to be split next)"]
        );
    }

    #[test]
    fn the_list_of_long_files_only_shrinks() {
        let known = &[("src/a.rs", 600)];
        assert_eq!(too_long(&[file("src/a.rs", 600)], known), Vec::<String>::new());
        assert_eq!(too_long(&[file("src/a.rs", 601)], known), ["src/a.rs: 601 lines, and 600 is the limit"]);
        assert_eq!(too_long(&[file("src/a.rs", 590)], known), ["src/a.rs: lower its limit to 590"]);
        assert_eq!(too_long(&[file("src/a.rs", 400)], known), ["src/a.rs: take it off the list of long files"]);
    }

    #[test]
    fn a_planted_long_function_is_found() {
        let body = |lines: usize| {
            format!("//! A.\nfn f(a: [u8; 2]) -> u8 {{\n{}}}\nfn g() {{}}\n", "    a();\n".repeat(lines))
        };
        assert_eq!(long_functions(&[Source::new("src/a.rs", &body(68))]), Vec::<String>::new());
        let found = long_functions(&[Source::new("src/a.rs", &body(69))]);
        assert_eq!(found, ["src/a.rs:2: f has 71 lines, and 70 is the limit"]);
        let alike = format!("type F = fn(u8) -> u8;\nconst A: &str = \"fn f() {{\";\n{}", "a();\n".repeat(99));
        assert_eq!(long_functions(&[Source::new("src/a.rs", &alike)]), Vec::<String>::new());
    }

    #[test]
    fn a_destructuring_counts_as_one_line() {
        let fields = "        a,\n".repeat(80);
        let text = format!("fn f(spec: &Spec) {{\n    let Spec {{\n{fields}    }} = spec;\n}}\n");
        assert_eq!(long_functions(&[Source::new("src/a.rs", &text)]), Vec::<String>::new());
        let text = format!("fn f() -> Spec {{\n    Spec {{\n{fields}    }}\n}}\n");
        assert_eq!(long_functions(&[Source::new("src/a.rs", &text)]).len(), 1);
    }

    #[test]
    fn a_file_that_opens_with_code_is_found() {
        assert_eq!(badly_opened(&[Source::new("src/a.rs", "use a;\n//! Late.")]).len(), 1);
        assert_eq!(badly_opened(&[Source::new("src/a.rs", "//! A.\nuse a;")]).len(), 0);
    }

    #[test]
    fn a_mark_for_later_is_found_in_a_comment_and_only_as_a_word() {
        let marked = concat!("a(); // TO", "DO: b\n/* FIX", "ME */\n");
        assert_eq!(left_for_later(&[Source::new("tests/a.rs", marked)]).len(), 2);
        assert_eq!(left_for_later(&[Source::new("src/a.rs", concat!("MASTO", "DON TO", "DOS"))]).len(), 0);
    }
}
