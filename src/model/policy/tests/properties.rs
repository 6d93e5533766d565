//! What holds for every policy and every list of tags.

use proptest::prelude::*;
use serde_json::json;

use super::super::order::{Natural, Number};
use super::super::*;

/// Tags as people write them, so that policies meet what they want, and text of any kind.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "v?[0-2]\\.[0-3]\\.[0-9]{1,2}(-rc\\.[0-9]{1,2})?",
        "(dev|build)-0?[0-9]{1,3}(-[ab0-9]{1,2})?",
        "[A-Za-z0-9_][A-Za-z0-9._-]{0,12}",
        any::<String>(),
    ]
}

fn track() -> impl Strategy<Value = Track> {
    let regex = |text: &str, order: &str| json!({ "regex": { "match": text, "order": order } });
    let all = [
        json!({ "semver": "*" }),
        json!({ "semver": ">=1.0.0-rc.1, <2" }),
        json!({ "glob": "dev-*" }),
        json!({ "glob": "*" }),
        json!({ "glob": "*-*" }),
        regex(".*?([0-9]+).*", "numeric"),
        regex("v?(.*)", "semver"),
        regex("(dev|build)-(?<order>.*)", "alphabetical"),
        json!({ "mutable": "dev-1" }),
    ];
    proptest::sample::select(all.map(|value| serde_json::from_value(value).unwrap()).to_vec())
}

fn of(track: &Track, tags: &[String], at_most: usize) -> Selected {
    select(track, tags.iter().map(String::as_str), at_most)
}

fn newest_of(track: &Track, tags: &[String]) -> Option<Tag> {
    of(track, tags, 1).newest.pop()
}

/// The newer of two tags, both accepted.
fn newer<'a>(track: &Track, a: &'a str, b: &'a str) -> &'a str {
    let newest = select(track, [a, b], 1).newest.pop();
    if newest.is_some_and(|newest| newest.as_str() == a) { a } else { b }
}

/// Two comparisons the other way round are opposite, and what is at most the next is at most the one after.
fn is_total<K: Ord>(a: &K, b: &K, c: &K) -> bool {
    a.cmp(b) == b.cmp(a).reverse() && (a > b || b > c || a <= c) && (a == b) == a.cmp(b).is_eq()
}

proptest! {
    #[test]
    fn the_newest_is_one_of_the_tags_and_accepted_by_its_policy(track in track(), tags in prop::collection::vec(text(), 0..20)) {
        let found = of(&track, &tags, 3);
        prop_assert_eq!(found.newest.len(), found.matched.min(3));
        prop_assert!(found.matched + found.skipped <= tags.len());
        for newest in found.newest {
            prop_assert!(tags.iter().any(|tag| tag == newest.as_str()));
            prop_assert!(accepts(&track, &newest));
        }
    }

    #[test]
    fn in_which_order_tags_are_listed_does_not_matter(
        track in track(), (tags, mixed) in prop::collection::vec(text(), 0..20).prop_flat_map(|tags| (Just(tags.clone()), Just(tags).prop_shuffle()))
    ) {
        prop_assert_eq!(of(&track, &tags, 3), of(&track, &mixed, 3));
    }

    #[test]
    fn an_older_tag_that_comes_changes_nothing(track in track(), mut tags in prop::collection::vec(text(), 1..20), more in text()) {
        let newest = newest_of(&track, &tags);
        tags.push(more.clone());
        let after = newest_of(&track, &tags);
        match &newest {
            Some(newest) if newer(&track, newest.as_str(), &more) == newest.as_str() => prop_assert_eq!(after, Some(newest.clone())),
            Some(_) | None => prop_assert!(after == newest || after.is_some_and(|after| after.as_str() == more)),
        }
    }

    #[test]
    fn the_newest_few_are_what_is_newest_once_the_newer_ones_are_gone(track in track(), mut tags in prop::collection::vec(text(), 0..12)) {
        tags.sort();
        tags.dedup();
        let few = of(&track, &tags, 4).newest;
        for tag in few {
            prop_assert_eq!(newest_of(&track, &tags), Some(tag.clone()));
            tags.retain(|other| other != tag.as_str());
        }
    }

    #[test]
    fn which_of_two_tags_is_newer_is_a_total_order(track in track(), tags in prop::collection::vec(text(), 3..12)) {
        let good: Vec<&str> = tags.iter().map(String::as_str).filter(|tag| select(&track, [*tag], 1).matched == 1).collect();
        for (a, b, c) in good.iter().flat_map(|a| good.iter().map(move |b| (a, b))).flat_map(|(a, b)| good.iter().map(move |c| (*a, *b, *c))) {
            prop_assert_eq!(newer(&track, a, b), newer(&track, b, a));
            if newer(&track, a, b) == b && newer(&track, b, c) == c {
                prop_assert_eq!(newer(&track, a, c), c, "{} {} {}", a, b, c);
            }
        }
    }

    #[test]
    fn natural_order_and_numbers_are_total_orders(a in "[0a19.-]{0,6}", b in "[0a19.-]{0,6}", c in "[0a19.-]{0,6}") {
        prop_assert!(is_total(&Natural(&a), &Natural(&b), &Natural(&c)));
        let number = |text: &'_ str| Number::read(text.as_bytes()).map(|_| ());
        prop_assert_eq!(number(&a).is_some(), a.parse::<u64>().is_ok());
        if let (Some(a), Some(b), Some(c)) = (Number::read(a.as_bytes()), Number::read(b.as_bytes()), Number::read(c.as_bytes())) {
            prop_assert!(is_total(&a, &b, &c));
        }
    }

    #[test]
    fn numbers_in_text_and_alone_are_ordered_as_numbers(a in any::<u64>(), b in any::<u64>(), zeros in "0{0,3}", rest in "(-[a-z0-9]{0,4})?") {
        let (left, right) = (format!("dev-{zeros}{a}{rest}"), format!("dev-{b}{rest}"));
        let (left_number, right_number) = (format!("{zeros}{a}"), b.to_string());
        if a != b {
            prop_assert_eq!(Natural(&left).cmp(&Natural(&right)), a.cmp(&b));
        }
        prop_assert_eq!(Number::read(left_number.as_bytes()).cmp(&Number::read(right_number.as_bytes())), a.cmp(&b));
    }

    #[test]
    fn text_without_digits_is_ordered_by_its_bytes(a in "[A-Za-z._-]{0,8}", b in "[A-Za-z._-]{0,8}") {
        prop_assert_eq!(Natural(&a).cmp(&Natural(&b)), a.cmp(&b));
    }

    #[test]
    fn a_pattern_of_any_text_is_refused_or_read_back_as_it_was(text in prop_oneof![any::<String>(), "[a-z0-9*?!^.\\[\\]()|+{},-]{0,12}"]) {
        let regex = RegexPolicy::new(&text, Order::Alphabetical).map(Track::Regex);
        let all = [text.parse().map(Track::Semver), text.parse().map(Track::Glob), regex];
        for track in all.into_iter().flatten() {
            let json = serde_json::to_value(&track).unwrap();
            prop_assert_eq!(&serde_json::from_value::<Track>(json).unwrap(), &track);
            prop_assert!(select(&track, ["a", "1.0.0", text.as_str()], 1).matched <= 3);
        }
    }
}
