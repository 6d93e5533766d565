//! A reload parses what changed and nothing else, and gives what a first load would.

use std::fs;

use super::*;
use crate::config::{Cache, load_tree_with, load_with};

const SHOP: &str = "projects:\n  shop:\n    image: acme/shop\n    stages: { prod: { track: { tag: v1 } } }\n";

/// As many files, each with a project of its own.
fn files(count: usize) -> Vec<(String, String)> {
    (0..count).map(|n| (format!("{n:03}.yaml"), SHOP.replace("shop", &format!("shop{n}")))).collect()
}

fn as_tree(files: &[(String, String)]) -> Tree {
    Tree::from_memory(files.iter().map(|(path, text)| (path.clone(), text.clone().into_bytes())))
}

/// The parsed count of a load that is good.
fn parsed(cache: &Cache, files: &[(String, String)]) -> usize {
    let (again, first) = (load_tree_with(cache, as_tree(files)).unwrap(), load_tree(as_tree(files)).unwrap());
    assert_eq!((&again.desired, &again.hash), (&first.desired, &first.hash));
    cache.parsed()
}

#[test]
fn a_reload_parses_the_one_file_that_changed_and_gives_what_a_first_load_gives() {
    // Enough of them that they are parsed on several threads.
    let (cache, mut files) = (Cache::default(), files(900));
    assert_eq!(parsed(&cache, &files), 900);
    assert_eq!(parsed(&cache, &files), 0);
    files[417].1 = files[417].1.replace("v1", "v2");
    assert_eq!(parsed(&cache, &files), 1);
    let loaded = load_tree_with(&cache, as_tree(&files)).unwrap();
    assert_eq!(loaded.desired.stages[&"shop417/prod".parse().unwrap()].track.version(), "v2");
    assert_eq!(loaded.desired.stages[&"shop418/prod".parse().unwrap()].track.version(), "v1");
    let (origin, key) = (|key: &str| loaded.origin(&key.parse().unwrap(), "track.tag"), "shop899/prod");
    assert_eq!(origin(key).map(|at| at.to_string()).as_deref(), Some("899.yaml:4"));
}

#[test]
fn only_the_files_of_the_last_tree_are_remembered_by_name_and_content() {
    let (cache, all) = (Cache::default(), files(3));
    assert_eq!(parsed(&cache, &all), 3);
    assert_eq!(parsed(&cache, &all[..1]), 0);
    assert_eq!(parsed(&cache, &all), 2, "those that were gone meanwhile");
    let renamed: Vec<_> = all.iter().map(|(path, text)| (format!("new-{path}"), text.clone())).collect();
    assert_eq!(parsed(&cache, &renamed), 3, "a message names the file that it is about");
}

#[test]
fn what_is_wrong_is_said_again_without_parsing_again_and_forgotten_once_mended() {
    let cache = Cache::default();
    let broken = [("a.yaml", SHOP), ("b.yaml", "settings:\n  domain: example.com\n  domain: example.org\n")];
    let said = |files: &[(&str, &str)]| load_tree_with(&cache, tree(files)).map_err(|error| error.to_string());
    let first = said(&broken).unwrap_err();
    assert!(first.contains("b.yaml:3") && first.contains("defined twice"), "{first}");
    assert_eq!((said(&broken).unwrap_err(), cache.parsed()), (first, 0));
    assert!(said(&[broken[0], ("b.yaml", "settings: { domain: example.org }\n")]).is_ok());
    assert_eq!(cache.parsed(), 1);
}

#[test]
fn a_directory_is_reloaded_alike_and_a_byte_order_mark_is_no_change_of_its_own() {
    let (dir, cache) = (tempfile::tempdir().unwrap(), Cache::default());
    let write = |path: &str, text: &str| fs::write(dir.path().join(path), text).unwrap();
    write("a.yaml", &format!("\u{feff}{SHOP}"));
    write("b.yaml", "settings: { domain: example.com }\n");
    let parsed = || load_with(&cache, dir.path()).map(|_| cache.parsed()).unwrap();
    assert_eq!((parsed(), parsed()), (2, 0));
    write("b.yaml", "settings: { domain: example.org }\n");
    assert_eq!((parsed(), parsed()), (1, 0));
}
