//! Addresses, branches and folders: what is taken, and what could do more than name a repository.

use crate::git::{Branch, Folder, Remote, RemoteUrl};

fn refused(text: &str) -> String {
    text.parse::<RemoteUrl>().expect_err(text)
}

#[test]
fn r26_addresses_of_https_ssh_and_this_host_are_taken() {
    for text in [
        "https://git.example.com/ops/conf.git",
        "https://bot@git.example.com:8443/ops",
        "http://localhost:3000/ops.git",
        "http://127.0.0.1/ops",
        "http://[::1]:3000/ops",
        "ssh://git@git.example.com:2222/ops.git",
        "git@git.example.com:ops/conf.git",
        "/srv/git/conf.git",
        "file:///srv/git/conf.git",
    ] {
        assert_eq!(text.parse::<RemoteUrl>().expect(text).as_str(), text);
    }
}

#[test]
fn r26_an_address_with_a_password_is_refused_and_says_where_the_password_goes() {
    for text in ["https://bot:hunter2@git.example.com/ops", "ssh://git:hunter2@git.example.com/ops"] {
        let said = refused(text);
        assert!(said.contains("credential `git-token`") && !said.contains("hunter2"), "{said}");
    }
}

#[test]
fn r26_an_address_that_would_run_a_program_or_send_a_token_in_the_clear_is_refused() {
    for text in [
        "",
        "-uevil",
        "--upload-pack=touch x",
        "ext::sh -c evil",
        "ext::evil",
        "fd::3",
        "git://git.example.com/ops",
        "http://git.example.com/ops",
        "http://localhost.example.com/ops",
        "https://",
        "https://git.example.com",
        "https:///ops",
        "https://git.example.com/ops?private_token=x",
        "ssh://-oProxyCommand=evil/ops",
        "ssh://-l@git.example.com/ops",
        "-oProxyCommand=evil:ops",
        "git@-oProxyCommand=evil:ops",
        "https://git.example.com/o ps",
        "https://git.example.com/ops\n",
        "conf",
        "./conf",
    ] {
        assert!(!refused(text).is_empty());
    }
}

#[test]
fn r26_branches_that_git_does_not_allow_are_refused() {
    for text in ["main", "release/2.0", "refs/heads/main", "größe", "@x"] {
        assert!(text.parse::<Branch>().is_ok(), "{text}");
    }
    for text in [
        "", "-x", "a..b", "a b", "a:b", "a*", "a~1", "a^", "a?", "a[", "a\\b", "@", "a@{1}", ".a", "a/.b", "a/", "/a",
        "a.lock", "a.",
    ] {
        assert!(text.parse::<Branch>().is_err(), "{text}");
    }
}

#[test]
fn a_folder_is_a_path_below_the_top_however_it_is_written() {
    for (text, path) in
        [("hosts/one", "hosts/one"), ("/hosts//one/", "hosts/one"), ("./", ""), ("", ""), ("a/./b", "a/b")]
    {
        assert_eq!(text.parse::<Folder>().unwrap().as_str(), path);
    }
    assert!("../up".parse::<Folder>().is_err() && "a/../../b".parse::<Folder>().is_err());
}

#[test]
fn a_remote_is_shown_with_what_was_named_of_it() {
    let remote = |branch: Option<&str>, folder: &str| {
        let url = "https://git.example.com/ops".parse().unwrap();
        Remote { url, branch: branch.map(|name| name.parse().unwrap()), folder: folder.parse().unwrap() }.to_string()
    };
    assert_eq!(remote(None, ""), "https://git.example.com/ops");
    assert_eq!(remote(Some("main"), "a/b"), "https://git.example.com/ops (branch main, folder a/b)");
}
