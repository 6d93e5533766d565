//! Servers that say no, or nothing: which kind of trouble each is, that its text helps and shows no secret, and that what
//! was fetched stays.

use std::os::unix::fs::PermissionsExt as _;

use landfall::git::{self, GitError, Kind, Mirror};
use landfall::model::Retry;

use super::ground::{Fault, Remote, TOKEN};
use super::reader::Reader;

/// What a fetch ends with, which must not be good.
#[track_caller]
fn refused(mirror: &Mirror) -> GitError {
    let error = mirror.fetch().expect_err("refused");
    let text = format!("{error} {}", error.hint());
    assert!(!text.contains(TOKEN), "{text}");
    error
}

/// Fetches what is there: the commit's full name.
#[track_caller]
fn fetched(mirror: &Mirror) -> String {
    mirror.fetch().unwrap_or_else(|error| panic!("{error}")).as_str().to_owned()
}

#[test]
fn r26_whatever_is_wrong_with_a_web_server_is_told_for_what_it_is_and_what_was_fetched_stays() {
    let remote = Remote::web();
    let first = remote.repository.commit(&[("a", "1")]);
    let reader = Reader::web(&remote);
    let mirror = reader.mirror(&remote.server.url(), "");
    assert_eq!(fetched(&mirror), first);
    remote.repository.commit(&[("a", "2")]);
    let faults = [
        (Fault::Forbidden, Kind::Denied, "403"),
        (Fault::Gone, Kind::NoRepository, "not found"),
        (Fault::Busy, Kind::Unreachable, "429"),
        (Fault::Broken, Kind::Unreachable, "500"),
        (Fault::Unavailable, Kind::Unreachable, "503"),
        (Fault::Closes, Kind::Unreachable, "unable to access"),
    ];
    for (fault, kind, said) in faults {
        remote.server.fail(fault);
        let error = refused(&mirror);
        assert!(error.kind == kind && error.to_string().contains(said), "{fault:?}: {:?}: {error}", error.kind);
        let expected = if kind == Kind::Unreachable { Retry::Backoff } else { Retry::OnChange };
        assert_eq!(error.retry(), expected, "{fault:?}");
        assert_eq!(mirror.fetched().unwrap().unwrap().as_str(), first, "{fault:?}");
    }
    remote.server.heal();
    assert_eq!(fetched(&mirror), remote.repository.head("main"));
}

#[test]
fn r26_a_server_that_is_down_is_asked_again_and_serves_as_before() {
    let (mut web, mut ssh) = (Remote::web(), Remote::ssh());
    let (by_web, by_ssh) = (Reader::web(&web), Reader::ssh(&ssh));
    let first = [web.repository.commit(&[("a", "1")]), ssh.repository.commit(&[("a", "1")])];
    let mirrors = [by_web.mirror(&web.server.url(), ""), by_ssh.mirror(&ssh.server.url(), "")];
    assert_eq!([&mirrors[0], &mirrors[1]].map(fetched), first);
    web.server.stop();
    ssh.server.stop();
    for (mirror, first) in mirrors.iter().zip(&first) {
        let error = refused(mirror);
        assert_eq!((error.kind, error.retry()), (Kind::Unreachable, Retry::Backoff), "{error}");
        assert_eq!(mirror.fetched().unwrap().unwrap().as_str(), first);
    }
    web.server.start_again();
    ssh.server.start_again();
    let second = [web.repository.commit(&[("a", "2")]), ssh.repository.commit(&[("a", "2")])];
    assert_eq!([&mirrors[0], &mirrors[1]].map(fetched), second);
}

#[test]
fn r26_a_server_that_takes_connections_and_is_silent_holds_nobody_for_ever() {
    let (web, ssh) = (Remote::web(), Remote::ssh());
    let (by_web, by_ssh) = (Reader::web(&web), Reader::ssh(&ssh));
    for repository in [&web.repository, &ssh.repository] {
        repository.commit(&[("a", "1")]);
    }
    // While a connection by TLS is made git counts no time, and our limit ends it.
    let (web_mirror, ssh_mirror) = (by_web.mirror(&web.server.url(), ""), by_ssh.mirror(&ssh.server.url(), ""));
    web.server.set_silent(true);
    ssh.server.set_silent(true);
    let errors = std::thread::scope(|scope| {
        let asked = [&web_mirror, &ssh_mirror].map(|mirror| scope.spawn(|| refused(mirror)));
        asked.map(|thread| thread.join().expect("no panic"))
    });
    for error in errors {
        assert!(matches!(error.kind, Kind::Unreachable | Kind::TimedOut), "{:?}: {error}", error.kind);
        assert_eq!(error.retry(), Retry::Backoff);
    }
    web.server.set_silent(false);
    ssh.server.set_silent(false);
    assert_eq!(fetched(&web_mirror), web.repository.head("main"));
    assert_eq!(fetched(&ssh_mirror), ssh.repository.head("main"));
}

#[test]
fn r26_without_the_right_token_nothing_is_fetched_and_a_new_one_counts_at_once() {
    let remote = Remote::web();
    let id = remote.repository.commit(&[("a", "1")]);
    let reader = Reader::web(&remote);
    let mirror = reader.mirror(&remote.server.url(), "");
    reader.keep(git::TOKEN, "a-wrong-one\n");
    let error = refused(&mirror);
    assert!(error.kind == Kind::Denied && !error.to_string().contains("a-wrong-one"), "{:?}: {error}", error.kind);
    reader.lose(git::TOKEN);
    let error = refused(&mirror);
    assert!(error.kind == Kind::Denied && error.to_string().contains("there is no credential `git-token`"), "{error}");
    reader.keep(git::TOKEN, "");
    assert_eq!(refused(&mirror).kind, Kind::Denied);
    let named = remote.server.url().replace("://", "://someone@");
    reader.keep(git::TOKEN, TOKEN);
    assert_eq!(refused(&reader.mirror(&named, "")).kind, Kind::Denied, "the server knows no such user");
    let logins: Vec<_> = remote.server.requests().into_iter().filter_map(|request| request.login()).collect();
    assert!(logins.contains(&format!("someone:{TOKEN}")), "{logins:?}");
    // Without an end of line, too.
    reader.keep(git::TOKEN, TOKEN);
    assert_eq!(fetched(&mirror), id);
    remote.server.set_token("the-next-one");
    assert_eq!(refused(&mirror).kind, Kind::Denied);
    reader.keep(git::TOKEN, "the-next-one\n");
    assert_eq!(fetched(&mirror), id);
}

#[test]
fn r26_a_repository_that_is_open_to_everybody_needs_no_token() {
    let remote = Remote::web();
    let id = remote.repository.commit(&[("a", "1")]);
    let reader = Reader::web(&remote);
    let mirror = reader.mirror(&remote.server.public_url(), "");
    assert_eq!(fetched(&mirror), id);
    reader.lose(git::TOKEN);
    assert_eq!(fetched(&mirror), id);
    assert!(remote.server.requests().iter().all(|request| request.login().is_none()), "nobody asked for it");
}

#[test]
fn r26_a_certificate_that_no_known_authority_gave_is_refused() {
    let (remote, other) = (Remote::web(), Remote::web());
    let id = remote.repository.commit(&[("a", "1")]);
    let reader = Reader::web(&other);
    let mirror = reader.mirror(&remote.server.url(), "");
    let error = refused(&mirror);
    assert!(error.kind == Kind::Untrusted && error.hint().contains("`git-ca`"), "{:?}: {error}", error.kind);
    reader.lose(git::CA);
    assert_eq!(refused(&mirror).kind, Kind::Untrusted);
    assert!(remote.server.requests().is_empty(), "nothing was asked, so no token was shown");
    let authority = std::fs::read_to_string(remote.server.authority()).unwrap();
    reader.keep(git::CA, &authority);
    assert_eq!(fetched(&mirror), id);
}

#[test]
fn r26_another_key_of_an_ssh_server_is_never_taken_on_trust() {
    let mut remote = Remote::ssh();
    let first = remote.repository.commit(&[("a", "1")]);
    let reader = Reader::ssh(&remote);
    let mirror = reader.mirror(&remote.server.url(), "");
    assert_eq!(fetched(&mirror), first);
    let (known, asked) = (remote.server.known_host(), remote.server.requests());
    remote.server.change_host_key();
    for _ in 0..2 {
        let error = refused(&mirror);
        assert_eq!(error.kind, Kind::Untrusted, "{error}");
        assert!(error.hint().contains("`git-known-hosts`"), "{}", error.hint());
    }
    let kept = reader.credentials().join(git::KNOWN_HOSTS);
    assert_eq!(std::fs::read_to_string(&kept).unwrap(), known, "as it was laid down");
    reader.lose(git::KNOWN_HOSTS);
    assert_eq!(refused(&mirror).kind, Kind::Untrusted, "a first time is no reason to trust, either");
    assert!(!kept.exists());
    assert_eq!(remote.server.requests(), asked, "nothing was asked of it");
    reader.keep(git::KNOWN_HOSTS, &remote.server.known_host());
    assert_eq!(fetched(&mirror), first);
}

#[test]
fn r26_without_a_key_that_an_ssh_server_knows_nothing_is_fetched() {
    let remote = Remote::ssh();
    let id = remote.repository.commit(&[("a", "1")]);
    let reader = Reader::ssh(&remote);
    let mirror = reader.mirror(&remote.server.url(), "");
    remote.server.set_open(false);
    let error = refused(&mirror);
    assert!(error.kind == Kind::Denied && error.hint().contains("`git-ssh-key`"), "{:?}: {error}", error.kind);
    remote.server.set_open(true);
    let key = reader.credentials().join(git::KEY);
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(refused(&mirror).kind, Kind::Denied, "ssh takes no key that others can read");
    reader.lose(git::KEY);
    let error = refused(&mirror);
    assert!(error.to_string().contains("there is no credential `git-ssh-key`"), "{error}");
    assert!(remote.server.requests().is_empty());
    reader.keep(git::KEY, &std::fs::read_to_string(remote.server.identity()).unwrap());
    assert_eq!(fetched(&mirror), id);
}
