//! Every numbered rule that holds so far is named by a test: `rN_` in its name says which one it guards.

use std::collections::BTreeSet;

use super::source::{Source, must_be_none, sources};
use super::tokens::{Token, behind_attribute};

/// The rules that hold so far; a rule is added with the change that makes it hold.
const RULES: &[u8] = &[
    1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 26, 27, 28, 30, 32, 33, 34,
];

fn missing(sources: &[Source]) -> Vec<String> {
    let named: BTreeSet<u8> = sources.iter().flat_map(|source| test_names(&source.tokens)).flat_map(rules_of).collect();
    RULES.iter().filter(|rule| !named.contains(rule)).map(|rule| format!("R{rule}")).collect()
}

/// Functions under an attribute that ends in `test`, as `#[test]` and `#[tokio::test(…)]` do.
fn test_names(tokens: &[Token]) -> Vec<&str> {
    let mut names = Vec::new();
    let mut is_test = false;
    let mut at = 0;
    while at < tokens.len() {
        if let Some(behind) = behind_attribute(tokens, at) {
            is_test |= is_test_attribute(&tokens[at + 2..behind - 1]);
            at = behind;
            continue;
        }
        if tokens[at].text == "fn" {
            names.extend(tokens.get(at + 1).filter(|_| is_test).map(|name| name.text.as_str()));
            is_test = false;
        }
        at += 1;
    }
    names
}

fn is_test_attribute(inside: &[Token]) -> bool {
    let path = inside.iter().take_while(|token| token.is_word() || token.text == "::");
    path.last().is_some_and(|token| token.text == "test")
}

/// `r12_` at the beginning of a name, or behind a `_`.
fn rules_of(name: &str) -> Vec<u8> {
    let words: Vec<&str> = name.split('_').collect();
    let rules = words.iter().take(words.len() - 1).filter_map(|word| word.strip_prefix('r')?.parse().ok());
    rules.collect()
}

#[test]
fn every_rule_is_named_by_a_test() {
    must_be_none("no test guards these rules (a name with `rN_` says that it does)", &missing(&sources()));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> Vec<String> {
        missing(&[Source::new("src/a.rs", text)])
    }

    #[test]
    fn all_that_is_missing_is_said_at_once() {
        assert_eq!(check("").len(), RULES.len());
        let all = RULES.iter().map(|rule| format!("#[test] fn r{rule}_holds() {{}}\n"));
        assert_eq!(check(&all.collect::<String>()), Vec::<String>::new());
    }

    #[test]
    fn a_test_may_name_several_rules_in_any_form() {
        let named = |text: &str| RULES.len() - check(text).len();
        assert_eq!(named("#[tokio::test(start_paused = true)] async fn r1_r4_holds() {}"), 2);
        assert_eq!(named("#[test] #[ignore] fn what_r12_says() {}"), 1);
    }

    #[test]
    fn only_a_test_counts_and_only_a_whole_number() {
        for text in [
            "fn r1_holds() {}",
            "#[test] fn a() {} fn r1_holds() {}",
            "#[test] fn for1_holds() {}",
            "// #[test] fn r1_holds() {}",
            "#[test] fn r1() {}",
            "#[cfg(test)] fn r1_holds() {}",
        ] {
            assert!(check(text).contains(&"R1".to_owned()), "{text}");
        }
        assert!(check("#[test] fn r12_holds() {}").contains(&"R1".to_owned()));
    }
}
