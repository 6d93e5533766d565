//! Scans: what counts as the same, and since when.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::Path;

use super::reading::{site, write};
use crate::config::{Cache, Scan, Uses, load_scanned};

fn uses(paths: &[&str]) -> Uses {
    paths.iter().map(|path| (*path).to_owned()).collect()
}

fn scan(dir: &Path) -> Scan {
    Scan::of(dir, &Uses::new(), None, false)
}

#[test]
fn a_scan_is_like_another_by_paths_and_content_of_all_that_is_not_hidden() {
    let site = site(&[("a.yaml", "x"), ("sub/b", "y")]);
    let dir = site.path();
    let first = scan(dir);
    assert!(scan(dir).is_like(&first));
    write(dir, ".git/index", "x");
    write(dir, ".a.yaml.swp", "x");
    write(dir, "a.yaml", "x");
    assert!(scan(dir).is_like(&first));
    write(dir, "sub/b", "z");
    assert!(!scan(dir).is_like(&first));
    write(dir, "sub/b", "y");
    assert!(scan(dir).is_like(&first));
    write(dir, "c", "");
    assert!(!scan(dir).is_like(&first));
    symlink("gone", dir.join("d.yaml")).unwrap();
    let broken = scan(dir);
    write(dir, "gone", "");
    assert!(!scan(dir).is_like(&broken));
    let nothing = scan(&dir.join("nothing"));
    assert!(!nothing.is_like(&first) && nothing.is_empty() && scan(&dir.join("nothing")).is_like(&nothing));
}

#[test]
fn what_counts_stands_still_until_it_is_written_however_it_is_written() {
    let site = site(&[("a.yaml", "x"), ("sub/b", "y"), ("log", "1")]);
    let (dir, used) = (site.path(), uses(&["sub", ".env"]));
    write(dir, ".env", "1");
    let after = |before: &Scan, change: &dyn Fn()| {
        change();
        Scan::of(dir, &used, Some(before), false)
    };
    let first = Scan::of(dir, &used, None, false);
    let mut last = after(&first, &|| write(dir, "log", "2"));
    assert_eq!((last.since(), last.moved()), (first.since(), None), "a file that does not count");
    let again = File::open(dir.join("a.yaml")).unwrap().metadata().unwrap().modified().unwrap();
    let ways: [(&str, &dyn Fn()); 8] = [
        ("a.yaml", &|| write(dir, "a.yaml", "z")),
        ("a.yaml", &|| write(dir, "a.yaml", "z")),
        // The same size, and the same time.
        ("a.yaml", &|| {
            write(dir, "a.yaml", "y");
            File::options().write(true).open(dir.join("a.yaml")).unwrap().set_modified(again).unwrap();
        }),
        ("sub/b", &|| write(dir, "sub/b", "z")),
        ("sub/.c", &|| write(dir, "sub/.c", "")),
        (".env", &|| write(dir, ".env", "2")),
        ("sub/b", &|| fs::remove_file(dir.join("sub/b")).unwrap()),
        ("new.yaml", &|| write(dir, "new.yaml", "")),
    ];
    for (path, change) in ways {
        // Times of files go in steps; what is written within one of them is seen by its content alone.
        let now = after(&last, change);
        let is_same_instant = now.moved().is_none() && now.is_like(&last);
        assert!(is_same_instant || (now.moved() == Some(path) && now.since() > last.since()), "{path}: {now:?}");
        let still = after(&now, &|| {});
        assert_eq!(still.since(), now.since(), "{path}");
        last = still;
    }
}

#[test]
fn a_load_that_meets_other_bytes_than_the_scan_saw_gives_nothing() {
    let site = site(&[("a.yaml", "projects: {}\n"), ("b.yaml", "projects: {}\n")]);
    let (dir, cache) = (site.path(), Cache::default());
    let seen = scan(dir);
    assert!(load_scanned(&cache, dir, &seen).is_some_and(|loaded| loaded.is_ok()));
    write(dir, "a.yaml", "projects:  {}\n");
    assert!(load_scanned(&cache, dir, &seen).is_none(), "other bytes");
    write(dir, "a.yaml", "projects: {}\n");
    write(dir, "c.yaml", "projects: {}\n");
    assert!(load_scanned(&cache, dir, &seen).is_none(), "a file more");
    fs::remove_file(dir.join("c.yaml")).unwrap();
    fs::remove_file(dir.join("b.yaml")).unwrap();
    assert!(load_scanned(&cache, dir, &seen).is_none(), "a file less");
    fs::remove_dir_all(dir).unwrap();
    assert!(load_scanned(&cache, dir, &seen).is_none(), "no directory");
    assert!(load_scanned(&cache, dir, &scan(dir)).is_some_and(|loaded| loaded.is_err()), "seen to be gone");
}
