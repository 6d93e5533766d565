//! The ground itself, by the plain `git`: what the servers serve, to whom, and what goes wrong when it is asked to.

use super::ground::{Client, Fault, MAIN, RETRY_AFTER_S, Remote, TOKEN, USER};

#[test]
fn a_web_server_serves_those_with_the_token_and_counts_what_they_ask() {
    let remote = Remote::web();
    let id = remote.repository.commit(&[("projects.yaml", "projects: {}\n"), ("deep/er/a.yaml", "one: 1\n")]);
    let client = Client::web(&remote, Some(TOKEN));
    for (url, clone) in [(remote.server.url(), "tls"), (remote.server.plain_url(), "plain")] {
        client.done(&["clone", "-q", &url, clone]);
        assert_eq!(client.done(&["-C", clone, "rev-parse", "HEAD"]), id);
        assert_eq!(std::fs::read_to_string(client.path(clone).join("deep/er/a.yaml")).unwrap(), "one: 1\n");
    }
    remote.server.forget_requests();
    let listed = client.done(&["ls-remote", &remote.server.url(), "refs/heads/main"]);
    assert_eq!(listed, format!("{id}\trefs/heads/{MAIN}"));
    let asked = remote.server.requests();
    let seen: Vec<_> = asked.iter().map(|request| (request.method.as_str(), request.status, request.login())).collect();
    let login = Some(format!("{USER}:{TOKEN}"));
    // git asks without a login first; then what the server can, and then for the branch.
    assert_eq!(seen, [("GET", 401, None), ("GET", 200, login.clone()), ("POST", 200, login)]);
    assert!(asked.iter().all(|request| request.protocol == "version=2"), "{asked:?}");
}

#[test]
fn without_the_token_nobody_gets_in_but_where_it_is_open_to_everybody() {
    let remote = Remote::web();
    let id = remote.repository.commit(&[("a", "1")]);
    let (nobody, wrong) = (Client::web(&remote, None), Client::web(&remote, Some("a-wrong-one")));
    let (url, public) = (remote.server.url(), remote.server.public_url());
    assert!(nobody.refused(&["ls-remote", &url]).contains("could not read Username"));
    assert!(wrong.refused(&["ls-remote", &url]).contains("Authentication failed"));
    assert!(nobody.done(&["ls-remote", &public]).contains(&id));
    assert!(remote.server.requests().iter().any(|request| request.login() == Some(format!("{USER}:a-wrong-one"))));
    remote.server.set_token("a-wrong-one");
    assert!(wrong.done(&["ls-remote", &url]).contains(&id), "the token was changed");
}

#[test]
fn a_certificate_of_an_authority_that_is_not_known_is_refused() {
    let (remote, other) = (Remote::web(), Remote::web());
    let id = remote.repository.commit(&[("a", "1")]);
    let said = Client::web(&other, Some(TOKEN)).refused(&["ls-remote", &remote.server.url()]);
    assert!(said.contains("certificate"), "{said}");
    assert!(Client::web(&remote, Some(TOKEN)).done(&["ls-remote", &remote.server.url()]).contains(&id));
}

#[test]
fn what_is_wrong_with_a_web_server_reaches_its_clients_until_it_is_healed() {
    let remote = Remote::web();
    let id = remote.repository.commit(&[("a", "1")]);
    let client = Client::web(&remote, Some(TOKEN));
    // What is said of a TLS connection that breaks is up to git's TLS library.
    let url = remote.server.plain_url();
    let faults = [
        (Fault::Forbidden, "403"),
        (Fault::Gone, "not found"),
        (Fault::Busy, "429"),
        (Fault::Broken, "500"),
        (Fault::Unavailable, "503"),
        (Fault::Closes, "Empty reply"),
    ];
    for (fault, said) in faults {
        remote.server.fail(fault);
        let err = client.refused(&["ls-remote", &url]);
        assert!(err.contains(said), "{fault:?}: {err}");
    }
    remote.server.fail(Fault::Slow);
    let err = Client::web(&remote, Some(TOKEN)).hasty().refused(&["ls-remote", &remote.server.public_url()]);
    assert!(err.contains("Operation too slow"), "{err}");
    remote.server.heal();
    assert!(client.done(&["ls-remote", &url]).contains(&id));
}

#[test]
fn a_web_server_that_was_stopped_or_silent_serves_again_at_the_same_address() {
    let mut remote = Remote::web();
    let id = remote.repository.commit(&[("a", "1")]);
    let (client, url) = (Client::web(&remote, Some(TOKEN)), remote.server.url());
    remote.server.stop();
    assert!(client.refused(&["ls-remote", &url]).contains("Failed to connect"));
    remote.server.start_again();
    assert!(client.done(&["ls-remote", &url]).contains(&id));
    remote.server.set_silent(true);
    let err = Client::web(&remote, Some(TOKEN)).hasty().refused(&["ls-remote", &remote.server.plain_url()]);
    assert!(err.contains("Operation too slow"), "{err}");
    remote.server.set_silent(false);
    assert!(client.done(&["ls-remote", &url]).contains(&id));
}

#[test]
fn a_server_that_is_asked_too_often_says_when_to_come_back() {
    let remote = Remote::web();
    remote.server.fail(Fault::Busy);
    let client = Client::web(&remote, Some(TOKEN));
    let mut command = std::process::Command::new("curl");
    let said = command.args(["-si", &remote.server.plain_url()]).output().expect("curl runs").stdout;
    let said = String::from_utf8(said).unwrap();
    assert!(said.contains(" 429 ") && said.contains(&format!("Retry-After: {RETRY_AFTER_S}\r\n")), "{said}");
    assert!(client.refused(&["ls-remote", &remote.server.url()]).contains("429"));
}

#[test]
fn a_moved_repository_leads_its_clients_to_another_host_and_their_login_too() {
    let remote = Remote::web();
    let id = remote.repository.commit(&[("a", "1")]);
    let client = Client::web(&remote, Some(TOKEN));
    assert!(client.done(&["ls-remote", &remote.server.moved_url()]).contains(&id));
    let asked = remote.server.requests();
    let seen: Vec<_> = asked.iter().map(|asked| (asked.host.as_str(), asked.status, asked.login().is_some())).collect();
    assert_eq!(seen[..2], [("127.0.0.1", 302, false), ("localhost", 401, false)]);
    assert!(seen.contains(&("localhost", 200, true)), "the plain git gives it to whoever it is led to: {seen:?}");
}

#[test]
fn sshd_serves_who_has_the_key_and_nobody_else() {
    let remote = Remote::ssh();
    let id = remote.repository.commit(&[("a", "1")]);
    let (client, url) = (Client::ssh(&remote), remote.server.url());
    client.done(&["clone", "-q", &url, "clone"]);
    assert_eq!(client.done(&["-C", "clone", "rev-parse", "HEAD"]), id);
    let asked = remote.server.requests();
    let path = remote.repository.bare_dir().display();
    assert_eq!(asked, [format!("version=2 git-upload-pack '{path}'")]);
    remote.server.set_open(false);
    let err = client.refused(&["ls-remote", &url]);
    assert!(err.contains("Permission denied (publickey)"), "{err}");
    assert_eq!(remote.server.requests().len(), 1, "{}", remote.server.log());
}

#[test]
fn sshd_with_another_key_of_its_own_is_not_believed() {
    let mut remote = Remote::ssh();
    let id = remote.repository.commit(&[("a", "1")]);
    let (client, url) = (Client::ssh(&remote), remote.server.url());
    remote.server.change_host_key();
    let err = client.refused(&["ls-remote", &url]);
    assert!(err.contains("Host key verification failed"), "{err}");
    assert!(remote.server.requests().is_empty());
    assert!(Client::ssh(&remote).done(&["ls-remote", &url]).contains(&id), "who knows the new one");
}

#[test]
fn sshd_that_was_stopped_or_silent_serves_again_at_the_same_address() {
    let mut remote = Remote::ssh();
    let id = remote.repository.commit(&[("a", "1")]);
    let (client, url) = (Client::ssh(&remote), remote.server.url());
    remote.server.stop();
    assert!(client.refused(&["ls-remote", &url]).contains("Connection refused"));
    remote.server.start_again();
    assert!(client.done(&["ls-remote", &url]).contains(&id));
    remote.server.set_silent(true);
    let err = Client::ssh(&remote).hasty().refused(&["ls-remote", &url]);
    assert!(err.contains("timed out during banner exchange"), "{err}");
    remote.server.set_silent(false);
    assert!(client.done(&["ls-remote", &url]).contains(&id));
}

#[test]
fn a_clone_without_blobs_has_those_alone_that_are_read() {
    let web = Remote::web();
    web.repository.grow(60, 20_000);
    web.repository.commit(&[("conf/a.yaml", "one: 1\n"), ("conf/b.yaml", "two: 2\n")]);
    let ssh = Remote::ssh();
    ssh.repository.grow(60, 20_000);
    ssh.repository.commit(&[("conf/a.yaml", "one: 1\n"), ("conf/b.yaml", "two: 2\n")]);
    let ways = [
        (Client::web(&web, Some(TOKEN)), web.server.url(), web.repository.objects()),
        (Client::ssh(&ssh), ssh.server.url(), ssh.repository.objects()),
    ];
    for (client, url, all) in ways {
        client.done(&["clone", "-q", "--bare", &url, "whole"]);
        client.done(&["clone", "-q", "--bare", "--filter=blob:none", &url, "lazy"]);
        assert_eq!(client.objects("whole"), all);
        let without = client.objects("lazy");
        // Every commit added two blobs, the last one two as well.
        assert_eq!(without, all - 61 * 2);
        assert_eq!(client.done(&["-C", "lazy", "cat-file", "blob", "HEAD:conf/a.yaml"]), "one: 1");
        assert_eq!(client.objects("lazy"), without + 1);
    }
}

#[test]
fn what_a_person_does_to_a_branch_is_seen_by_who_fetches() {
    let remote = Remote::web();
    let (repository, url) = (&remote.repository, remote.server.url());
    let first = repository.commit(&[("a", "1")]);
    let second = repository.commit(&[("a", "2")]);
    let client = Client::web(&remote, Some(TOKEN));
    client.done(&["clone", "-q", "--bare", &url, "clone"]);
    let fetched = || {
        client.done(&["-C", "clone", "fetch", "-q", &url, "+refs/heads/*:refs/heads/*"]);
        client.done(&["-C", "clone", "rev-parse", MAIN])
    };
    let follows = |old: &str, new: &str| client.git(&["-C", "clone", "merge-base", "--is-ancestor", old, new]).ok;
    assert_eq!(fetched(), second);
    repository.go_back(&first);
    assert_eq!(fetched(), first);
    let anew = repository.rewrite(&[("a", "3")]);
    assert_eq!(fetched(), anew);
    assert!(follows(&first, &second) && !follows(&second, &first) && !follows(&first, &anew));
    repository.branch("next");
    let beside = repository.commit(&[("a", "4")]);
    assert_eq!((fetched(), repository.head("next"), repository.head(MAIN)), (anew.clone(), beside, anew));
    repository.delete_branch(MAIN);
    assert!(!client.done(&["ls-remote", &url]).contains(&format!("refs/heads/{MAIN}")));
}

#[test]
fn submodules_and_links_are_in_the_tree_as_they_were_committed() {
    let remote = Remote::web();
    remote.repository.commit(&[("conf/a", "1"), ("gone", "")]);
    remote.repository.remove(&["gone"]);
    remote.repository.link("conf/out", "/etc/hostname");
    let id = remote.repository.submodule("conf/module", "https://127.0.0.1:9/module");
    let tree = remote.repository.bare(&["ls-tree", "-r", &id]);
    let modes: Vec<_> = tree.lines().map(|line| (&line[..6], line.split('\t').nth(1).unwrap())).collect();
    let expected = [("100644", ".gitmodules"), ("100644", "conf/a"), ("160000", "conf/module"), ("120000", "conf/out")];
    assert_eq!(modes, expected);
}
