//! The private clone of a branch on a real server: what it asks, what it holds, and to whom it shows what it has.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use landfall::git::{Kind, Limits, Mirror};

use super::ground::{Remote, TOKEN, USER};
use super::reader::{Reader, objects, processes};

const LIMITS: Limits = Limits { files: 10, bytes: 1 << 20 };
/// A long history, and bytes of what each commit of it adds.
const COMMITS: usize = 300;
const BYTES: usize = 20_000;

/// What the clone has of its folder at a commit: paths, and texts.
fn files(mirror: &Mirror) -> Vec<(String, String)> {
    let commit = mirror.fetched().expect("a clone").expect("a commit");
    let entries = mirror.repository().list(&commit, mirror.remote().folder.as_str(), LIMITS).expect("a list");
    let blobs = mirror.repository().read(&entries).expect("the files");
    entries.into_iter().map(|entry| entry.path).zip(blobs.into_iter().map(|b| String::from_utf8(b).unwrap())).collect()
}

#[test]
fn r26_of_a_huge_repository_a_clone_takes_the_commits_and_the_files_of_its_folder_by_https_and_by_ssh() {
    let (web, ssh) = (Remote::web(), Remote::ssh());
    for repository in [&web.repository, &ssh.repository] {
        repository.grow(COMMITS, BYTES);
        repository.commit(&[("conf/a.yaml", "one: 1\n"), ("conf/sub/b.yaml", "two: 2\n")]);
    }
    let ways = [
        (Reader::web(&web), web.server.url(), &web.repository),
        (Reader::web(&web), web.server.plain_url(), &web.repository),
        (Reader::ssh(&ssh), ssh.server.url(), &ssh.repository),
    ];
    for (reader, url, repository) in ways {
        let mirror = reader.mirror(&url, "conf");
        let id = mirror.fetch().unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(id.as_str(), repository.head("main"));
        let expected = [("a.yaml", "one: 1\n"), ("sub/b.yaml", "two: 2\n")];
        assert_eq!(files(&mirror), expected.map(|(path, text)| (path.to_owned(), text.to_owned())));
        assert_eq!((objects(&mirror, "commit"), objects(&mirror, "blob")), (COMMITS + 1, 2), "{url}");
    }
    let sent: u64 = web.server.requests().iter().map(|request| request.sent).sum();
    let all = u64::try_from(COMMITS * BYTES).unwrap();
    assert!(sent < all / 10, "{sent} bytes for two clones of {all}");
}

#[test]
fn r26_a_server_that_sends_no_parts_is_read_all_the_same() {
    let remote = Remote::web();
    remote.repository.bare(&["config", "uploadpack.allowFilter", "false"]);
    remote.repository.grow(5, 100);
    remote.repository.commit(&[("conf/a.yaml", "one: 1\n")]);
    let reader = Reader::web(&remote);
    let mirror = reader.mirror(&remote.server.url(), "conf");
    mirror.fetch().unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(files(&mirror), [("a.yaml".to_owned(), "one: 1\n".to_owned())]);
}

#[test]
fn r26_who_asks_for_news_and_hears_of_none_asks_three_times_and_takes_nothing() {
    let remote = Remote::web();
    remote.repository.grow(20, 1000);
    remote.repository.commit(&[("conf/a.yaml", "one: 1\n")]);
    let reader = Reader::web(&remote);
    let mirror = reader.mirror(&remote.server.url(), "conf");
    let first = mirror.fetch().unwrap_or_else(|error| panic!("{error}"));
    let asked = || {
        let asked = remote.server.requests();
        remote.server.forget_requests();
        asked.into_iter().map(|request| (request.method.clone(), request.status, request.login())).collect::<Vec<_>>()
    };
    asked();
    assert_eq!(mirror.fetch(), Ok(first));
    let login = Some(format!("{USER}:{TOKEN}"));
    let (get, post) = ("GET".to_owned(), "POST".to_owned());
    let poll = [(get.clone(), 401, None), (get, 200, login.clone()), (post, 200, login)];
    assert_eq!(asked(), poll);
    remote.repository.commit(&[("elsewhere/b", "2"), ("conf/a.yaml", "one: 2\n")]);
    mirror.fetch().unwrap_or_else(|error| panic!("{error}"));
    let news = asked();
    // The question, the commits, and the files of the folder; each begins anew.
    assert!(news.len() <= 12, "{} requests: {news:?}", news.len());
    assert_eq!(files(&mirror), [("a.yaml".to_owned(), "one: 2\n".to_owned())]);
}

#[test]
fn r26_a_login_is_for_the_server_in_the_address_and_for_nobody_it_leads_to() {
    let remote = Remote::web();
    remote.repository.commit(&[("a", "1")]);
    let reader = Reader::web(&remote);
    let error = reader.mirror(&remote.server.moved_url(), "").fetch().expect_err("it needs a login there");
    assert_eq!(error.kind, Kind::Denied, "{error}");
    let asked = remote.server.requests();
    assert!(asked.iter().any(|request| request.host == "localhost"), "{asked:?}");
    assert!(asked.iter().all(|request| request.login().is_none()), "{asked:?}");
}

#[test]
fn r28_a_token_is_in_no_argument_and_in_no_variable_while_git_shows_it_to_a_server() {
    let remote = Remote::web();
    let id = remote.repository.commit(&[("a", "1")]);
    let reader = Reader::web(&remote);
    let (mirror, url) = (reader.mirror(&remote.server.url(), ""), remote.server.url());
    remote.server.set_held(true);
    let ended = std::thread::scope(|scope| {
        let fetch = scope.spawn(|| mirror.fetch());
        // It was let in no sooner than it has shown the token.
        let has_asked = || remote.server.requests().iter().any(|request| request.status == 401);
        let at_work = |seen: &[(PathBuf, String)]| seen.iter().any(|(_, text)| text.contains("remote-http"));
        let begin = std::time::Instant::now();
        while !(has_asked() && at_work(&processes())) {
            assert!(begin.elapsed().as_secs() < 30, "it does not ask");
        }
        for _ in 0..20 {
            let seen = processes();
            assert!(at_work(&seen) && seen.iter().any(|(_, text)| text.contains(&url)), "nobody to look at");
            let shown: Vec<_> = seen.iter().filter(|(_, text)| text.contains(TOKEN)).map(|(path, _)| path).collect();
            assert!(shown.is_empty(), "{shown:?}");
        }
        remote.server.set_held(false);
        fetch.join().expect("no panic")
    });
    assert_eq!(ended.map(|commit| commit.as_str().to_owned()), Ok(id));
    let shown = format!("{mirror:?}");
    assert!(!shown.contains(TOKEN), "{shown}");
    for (path, bytes) in crate::execute::ground::bytes_below(&reader.clones()) {
        assert!(!String::from_utf8_lossy(&bytes).contains(TOKEN), "{}", path.display());
    }
}

#[test]
fn r26_what_a_killed_git_left_in_the_clone_keeps_nobody_from_the_next_commit_for_long() {
    let remote = Remote::web();
    remote.repository.commit(&[("a", "0")]);
    let reader = Reader::web(&remote);
    let mirror = reader.mirror(&remote.server.url(), "");
    let first = mirror.fetch().unwrap_or_else(|error| panic!("{error}"));
    mirror.put_in_force(&first).unwrap();
    let left = |name: &str| {
        let path = mirror.repository().git_dir().join(name);
        (std::fs::File::create(&path).expect("a file"), path)
    };
    let (young, path) = left("refs/landfall/incoming.lock");
    remote.repository.commit(&[("a", "1")]);
    assert!(mirror.fetch().is_err() && path.exists(), "somebody may be at work with it");
    let names =
        ["refs/landfall/fetched.lock", "packed-refs.lock", "config.lock", "shallow.lock", "objects/pack/tmp_pack_x"];
    let all: Vec<_> = names.into_iter().map(left).chain([(young, path)]).collect();
    for (file, _) in &all {
        file.set_modified(SystemTime::now() - Duration::from_secs(3600)).unwrap();
    }
    assert_eq!(mirror.fetch().map(|commit| commit.as_str().to_owned()), Ok(remote.repository.head("main")));
    assert_eq!(files(&mirror), [("a".to_owned(), "1".to_owned())]);
    assert_eq!(mirror.in_force(), Ok(Some(first)));
    assert!(all.iter().all(|(_, path)| !path.exists()), "{all:?}");
}

#[test]
fn r26_a_clone_that_follows_a_branch_for_long_is_packed_anew_and_stays_whole() {
    let remote = Remote::web();
    remote.repository.commit(&[("a", "begin")]);
    let reader = Reader::web(&remote);
    let mirror = reader.mirror(&remote.server.public_url(), "");
    let first = mirror.fetch().unwrap_or_else(|error| panic!("{error}"));
    mirror.put_in_force(&first).unwrap();
    // Each of them makes two packs, one of commits and one of files; fifty are too many.
    let packs = |number: usize| {
        remote.repository.commit(&[("a", &number.to_string())]);
        mirror.fetch().unwrap_or_else(|error| panic!("{error}"));
        let dir = std::fs::read_dir(mirror.repository().git_dir().join("objects/pack")).unwrap();
        dir.flatten().filter(|entry| entry.path().extension().is_some_and(|ending| ending == "pack")).count()
    };
    let counts: Vec<_> = (1..=27).map(packs).collect();
    assert!(counts.iter().all(|count| *count <= 51) && counts.last() < Some(&10), "{counts:?}");
    assert_eq!(files(&mirror), [("a".to_owned(), "27".to_owned())]);
    assert_eq!(mirror.in_force(), Ok(Some(first.clone())));
    assert_eq!(mirror.repository().is_ancestor(&first, &mirror.fetched().unwrap().unwrap()), Ok(true));
}
