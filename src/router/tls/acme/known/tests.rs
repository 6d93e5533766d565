//! Who is next, whom a failure counts for, and what is forgotten.

use super::super::schedule::{FIRST_PAUSE, LONGEST_PAUSE};
use super::*;
use crate::router::tls::Wish;

fn known(dir: &tempfile::TempDir) -> Known {
    let disk = Disk::new(dir.path(), "https://a.test/directory");
    Known::new(disk, Tls::new(), Arc::default(), FIRST_PAUSE)
}

fn wishes(hosts: impl IntoIterator<Item = String>) -> Wishes {
    hosts.into_iter().map(|host| (host, Wish { is_issued: true, ..Wish::default() })).collect()
}

#[test]
fn a_clock_that_is_set_back_while_the_proxy_runs_costs_half_a_day() {
    let dir = tempfile::tempdir().unwrap();
    let mut known = known(&dir);
    for host in [AUTHORITY, "a.test"] {
        known.book.begin(host, 9_000_000_000, FIRST_PAUSE);
    }
    known.rested.insert("b.test".to_owned(), 9_000_000_000);
    let before = now();
    known.follow(&wishes(["a.test".to_owned(), "b.test".to_owned()]));
    for host in ["a.test", "b.test"] {
        let wait = known.due(host) - before;
        assert!(wait <= LONGEST_PAUSE.as_secs() + 60, "{host} waits for {wait} s");
    }
    assert!(known.own_due("b.test") - before <= LONGEST_REST + 60);
    assert!(known.disk.book().unwrap().next("a.test") - before <= LONGEST_PAUSE.as_secs() + 60, "also over a restart");
}

#[test]
fn what_nobody_wants_any_more_is_forgotten_on_disk_too() {
    let dir = tempfile::tempdir().unwrap();
    let mut known = known(&dir);
    for host in ["a.test", "b.test"] {
        known.book.begin(host, 1_000, FIRST_PAUSE);
    }
    known.save();
    known.follow(&wishes(["a.test".to_owned()]));
    let book = known.disk.book().unwrap();
    assert_eq!((book.begun("a.test"), book.begun("b.test")), (1_000, 0));
}

#[test]
fn hosts_beyond_the_limit_are_told_so() {
    let dir = tempfile::tempdir().unwrap();
    let mut known = known(&dir);
    let all = |count: usize| wishes((0..count).map(|n| format!("h{n:05}.test")));
    let told = |known: &Known| {
        let states = known.certificates.states();
        let failed = states.into_iter().filter(|state| state.last_failure.is_some());
        failed.map(|state| (state.name, state.last_failure.unwrap(), state.next_try)).collect::<Vec<_>>()
    };
    known.follow(&all(MAX_HOSTS + 1));
    assert_eq!(told(&known), [(format!("h{MAX_HOSTS:05}.test"), TOO_MANY.to_owned(), None)]);
    assert!(TOO_MANY.contains(&MAX_HOSTS.to_string()));
    known.follow(&all(MAX_HOSTS));
    assert_eq!((told(&known), known.wanted.len()), (Vec::new(), MAX_HOSTS));
}

#[test]
fn who_was_tried_longest_ago_is_next_so_that_nobody_stands_before_all_others() {
    let dir = tempfile::tempdir().unwrap();
    let mut known = known(&dir);
    known.follow(&wishes(["a.test", "b.test", "c.test"].map(str::to_owned)));
    let mut tried = Vec::new();
    for at in [1_000, 2_000, 3_000, 4_000] {
        let (due, host) = known.next().unwrap();
        assert!(due <= now());
        for of in [AUTHORITY, &host] {
            known.book.begin(of, at, FIRST_PAUSE);
        }
        known.set_back(&host, "the authority is down");
        tried.push(host);
    }
    assert_eq!(tried, ["a.test", "b.test", "c.test", "a.test"]);
}

#[test]
fn a_failure_is_counted_for_the_host_or_for_all_but_never_for_both() {
    let dir = tempfile::tempdir().unwrap();
    let mut known = known(&dir);
    let end = |known: &mut Known, has_order: bool, failure: Failure| {
        let failures = known.begin("a.test").unwrap();
        if has_order {
            known.answered();
        }
        known.end("a.test", Err(failure));
        (failures, known.book.error(AUTHORITY).is_some())
    };
    assert_eq!(end(&mut known, false, Failure::common("down")), (0, true));
    assert_eq!(end(&mut known, true, Failure::common("broken")), (0, true), "the one before did not count");
    let pause = known.book.next(AUTHORITY) - known.book.begun("a.test");
    assert_eq!(pause, 2 * FIRST_PAUSE.as_secs(), "it is longer although an order was taken");
    assert_eq!(end(&mut known, false, Failure::new("the name is refused")), (0, false), "a refusal is an answer");
    assert_eq!(known.book.next(AUTHORITY), 0);
    assert_eq!(end(&mut known, true, Failure::new("not reached")), (1, false), "and that one did");
}

/// A key with a certificate of its own for a host, in PEM.
fn made(host: &str) -> String {
    let key = rcgen::KeyPair::generate().unwrap();
    let chain = rcgen::CertificateParams::new([host.to_owned()]).unwrap().self_signed(&key).unwrap().pem();
    format!("{}{chain}", key.serialize_pem())
}

#[test]
fn what_was_issued_is_served_on_when_a_host_asks_for_another_and_goes_with_the_host() {
    let dir = tempfile::tempdir().unwrap();
    let mut first = known(&dir);
    first.disk.save_certificate("a.test", &made("a.test")).unwrap();
    first.follow(&wishes(["a.test".to_owned()]));
    let file = Wish { file: Some("typo".to_owned()), ..Wish::default() };
    for wish in [file, Wish::default()] {
        let asked = Wishes::from([("a.test".to_owned(), wish)]);
        for known in [&mut first, &mut known(&dir)] {
            known.follow(&asked);
            assert!(known.certificates.has_certificate("a.test"), "also after a restart");
            assert!(known.next().is_none(), "and it is not renewed");
        }
    }
    first.follow(&Wishes::new());
    assert!(!first.certificates.has_certificate("a.test"), "no route is there any more");
}

#[test]
fn a_host_beyond_the_limit_takes_no_certificate_from_another() {
    let dir = tempfile::tempdir().unwrap();
    let mut known = known(&dir);
    let hosts = |from: usize| wishes((from..=MAX_HOSTS).map(|n| format!("h{n:05}.test")));
    let last = format!("h{MAX_HOSTS:05}.test");
    known.disk.save_certificate(&last, &made(&last)).unwrap();
    known.follow(&hosts(1));
    known.follow(&hosts(0));
    assert!(known.certificates.has_certificate(&last) && known.wanted.contains(&last), "it is renewed too");
    assert_eq!(known.left_out, BTreeSet::from([format!("h{:05}.test", MAX_HOSTS - 1)]));
}

/// What is told of a host: why it has no certificate, and when it is tried again.
fn told(known: &Known, host: &str) -> (String, Seconds) {
    known.tell();
    let state = known.certificates.states().into_iter().find(|state| state.name == host).unwrap();
    (state.last_failure.unwrap_or_default(), state.next_try.unwrap_or_default())
}

#[test]
fn a_book_that_cannot_be_read_is_not_made_anew_and_nothing_is_asked_for_until_it_can() {
    let dir = tempfile::tempdir().unwrap();
    let mut before = known(&dir);
    before.book.begin("a.test", now(), FIRST_PAUSE);
    before.book.failed("a.test", "no such name");
    before.save();
    let (book, aside) = (before.disk.path().join("failures.json"), before.disk.path().join("aside"));
    std::fs::rename(&book, &aside).unwrap();
    std::fs::create_dir(&book).unwrap();

    let mut known = known(&dir);
    let asked = wishes(["a.test".to_owned()]);
    known.follow(&asked);
    assert_eq!(known.begin("a.test"), None);
    let (why, next) = told(&known, "a.test");
    assert!(why.contains(&*book.to_string_lossy()) && why.contains("let the proxy read it"), "{why}");
    assert!(next > now() && book.is_dir(), "it waits, and nothing was written");

    std::fs::remove_dir(&book).unwrap();
    std::fs::rename(&aside, &book).unwrap();
    known.follow(&asked);
    assert_eq!(told(&known, "a.test").0, "no such name", "it is where it was");
}

#[test]
fn a_certificate_that_cannot_be_read_is_not_ordered_again_and_is_served_once_it_can() {
    let dir = tempfile::tempdir().unwrap();
    let mut known = known(&dir);
    let kept = known.disk.path().join("a.test.pem");
    std::fs::create_dir_all(&kept).unwrap();
    let asked = wishes(["a.test".to_owned(), "b.test".to_owned()]);
    known.follow(&asked);
    let (due, host) = known.next().unwrap();
    assert!(due <= now() && host == "b.test", "others are asked for");
    let (why, next) = told(&known, "a.test");
    assert!(why.contains(&*kept.to_string_lossy()) && why.contains("let the proxy read it"), "{why}");
    assert!(next > now(), "it waits");

    std::fs::remove_dir(&kept).unwrap();
    std::fs::write(&kept, made("a.test")).unwrap();
    known.follow(&asked);
    assert!(known.certificates.has_certificate("a.test"));
    assert_eq!(told(&known, "a.test").0, "", "all is well");
}
