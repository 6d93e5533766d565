//! `landfall doctor`: each part with what is wrong and what to do, and nothing of it changes a byte.

use std::fs::{self, Permissions};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use landfall::store::{DaemonLock, DataDir, Lock};

use super::{Said, landfall};
use crate::execute::ground::{Host, bytes_below, image, web};
use crate::fake_docker::{FakeDocker, FakeImage};
use crate::fake_registry::{FakeRegistry, Login, Made, PASSWORD, USER};
use crate::own_disk;

/// What it says, with this exit code; nothing is written, nothing done, and no secret told.
async fn doctor(host: &Host, code: i32) -> Said {
    host.fake.reset_calls();
    let before = bytes_below(&host.path("data"));
    let said = landfall(host, &["doctor"]).await;
    assert_eq!(said.code, code, "{}{}", said.out, said.err);
    assert!(bytes_below(&host.path("data")) == before, "it wrote");
    assert_eq!(host.fake.mutations(), 0);
    assert!(!said.out.contains(PASSWORD), "{}", said.out);
    said
}

/// The lines of one part, with the remedy below it.
fn part(said: &Said, what: &str) -> String {
    let mut lines = said.out.lines().skip_while(|line| !line.contains(&format!("  {what}: ")));
    let first = lines.next().unwrap_or_default().to_owned();
    lines
        .next()
        .filter(|line| line.trim_start().starts_with("hint: "))
        .map_or(first.clone(), |hint| first + "\n" + hint)
}

#[tokio::test(flavor = "multi_thread")]
async fn all_is_well_and_the_api_is_named_with_those_that_are_known() {
    let host = Host::with(&[&image("v1")]).await;
    host.apply(&web("v1", "")).await;
    let said = doctor(&host, 0).await;
    let store = host.recorded().store.expect("a store");
    let data = host.path("data").display().to_string();
    assert_eq!(part(&said, "store"), format!("ok   store: {store} in {data}, whole"));
    assert!(part(&said, "room").ends_with(&format!("MiB free on the disk of {data}")), "{}", said.out);
    assert_eq!(part(&said, "modes"), format!("ok   modes: {data} and its keys are for their owner only"));
    assert_eq!(part(&said, "lock"), "ok   lock: free; no daemon runs");
    assert!(part(&said, "docker").contains(" of 1.41 to 1.53 that are known"), "{}", said.out);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_embedded_proxy_can_neither_read_nor_keep_is_told_with_its_option() {
    let host = Host::with(&[&image("v1")]).await;
    host.apply(&web("v1", "")).await;
    assert!(part(&doctor(&host, 0).await, "proxy").starts_with("ok   proxy: embedded, "));
    fs::remove_dir(host.router.dir.path().join("certificates")).expect("to remove");
    let said = doctor(&host, 1).await;
    assert!(said.out.contains("ok   proxy: embedded, "), "it serves: {}", said.out);
    assert!(said.out.contains("BAD  proxy: no certificate of files can be read in "), "{}", said.out);
    assert!(said.out.contains("or name another one with `--certificates`"), "{}", said.out);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_page_is_found_though_the_store_can_be_opened() {
    let host = Host::with(&[&image("v1")]).await;
    host.apply(&web("v1", "")).await;
    let data = DataDir::new(host.path("data"));
    let mut bytes = fs::read(data.db()).expect("the store");
    let last_page = bytes.len() - 4096..;
    bytes[last_page].fill(0xa5);
    // In place: the file of a reader must not be another one.
    let mut file = fs::OpenOptions::new().write(true).open(data.db()).expect("the store");
    file.write_all(&bytes).expect("to write");
    let said = doctor(&host, 1).await;
    let told = part(&said, "store");
    assert!(
        told.starts_with("BAD  store: ") && told.contains("is damaged") && told.contains("landfall restore FILE"),
        "{told}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_can_use_is_named_with_the_command_that_mends_it() {
    let host = Host::with(&[&image("v1")]).await;
    host.apply(&web("v1", "")).await;
    let data = DataDir::new(host.path("data"));
    drop(DaemonLock::take(&data, "daemon", None).await.expect("the lock"));
    assert!(part(&doctor(&host, 0).await, "modes").starts_with("ok "));
    let mut told = Vec::new();
    for (path, mode) in [(data.root().to_owned(), 0o755), (data.fingerprint_key(), 0o640), (data.db(), 0o604)] {
        fs::set_permissions(&path, Permissions::from_mode(mode)).expect("a mode");
        told.push((format!("{} has mode {mode:04o}", path.display()), path));
    }
    let said = doctor(&host, 1).await;
    let modes = part(&said, "modes");
    for (words, path) in told {
        let mend = if path == data.root() { "700" } else { "600" };
        assert!(modes.contains(&words) && modes.contains(&format!("chmod {mend} {}", path.display())), "{modes}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_holds_the_lock_is_named_and_is_no_illness() {
    let host = Host::with(&[&image("v1")]).await;
    host.apply(&web("v1", "")).await;
    let data = DataDir::new(host.path("data"));
    let daemon = DaemonLock::take(&data, "daemon", None).await.expect("the lock");
    let lock = Lock::acquire(&data, "apply", Duration::ZERO).await.expect("the lock");
    let pid = std::process::id();
    let told = part(&doctor(&host, 0).await, "lock");
    assert!(told.starts_with(&format!("ok   lock: held by `landfall apply` (process {pid}) since 20")), "{told}");
    assert!(told.contains(&format!("; a daemon runs (pid {pid}, since 20")), "{told}");
    drop((lock, daemon));
    assert_eq!(part(&doctor(&host, 0).await, "lock"), "ok   lock: free; no daemon runs");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_docker_that_is_too_old_says_which_would_do() {
    let old = FakeDocker::builder().api_version("1.40").start();
    let host = Host::with(&[&image("v1")]).await;
    host.write(&web("v1", ""));
    let said = landfall(&host, &["--docker", &old.url(), "doctor"]).await;
    let told = part(&said, "docker");
    assert!(
        said.code == 1 && told.contains("1.40") && told.contains("Docker 20.10 or later is needed"),
        "{}",
        said.out
    );
}

/// A host with one stage of an image behind a login.
async fn behind_login(registry: &FakeRegistry, password: &str) -> Host {
    let host = Host::with(&[]).await;
    let web = FakeImage::new(&registry.repository("demo/web"), "v1");
    registry.publish(&web);
    std::fs::write(host.path("credentials/registry"), password).expect("a credential");
    host.write(&format!(
        "registries:
  here: {{ url: \"{}\", username: {USER}, password: {{ credential: registry }} }}
  unused: {{ url: \"https://unused.example.com\" }}
projects: {{ web: {{ image: {}, port: 8080, stages: {{ prod: {{ track: {{ tag: v1 }} }} }} }} }}\n",
        registry.url(),
        web.repository
    ));
    host
}

#[tokio::test(flavor = "multi_thread")]
async fn r28_each_registry_is_asked_with_its_login_for_what_is_to_come_from_it() {
    for login in [Login::Basic, Login::Bearer { realm: "{here}/token".into(), expires_in: Some(300), anonymous: false }]
    {
        let registry = FakeRegistry::with_login(login);
        let host = behind_login(&registry, PASSWORD).await;
        let said = landfall(&host, &["doctor"]).await;
        let well = format!("ok   registry: here: {} answers, as `{USER}`, for 1 images", registry.url());
        assert!(said.out.contains(&well), "{}", said.out);
        assert!(said.out.contains("ok   registry: unused: no stage has an image of it"), "{}", said.out);
        assert!(!said.out.contains(PASSWORD), "{}", said.out);
        assert!(registry.seen().iter().all(|seen| !seen.path.contains("manifests")), "nothing is pulled");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r28_a_registry_that_refuses_or_is_away_says_so_with_the_way_out() {
    let registry = FakeRegistry::with_login(Login::Basic);
    let host = behind_login(&registry, "hunter2-and-more").await;
    let said = landfall(&host, &["doctor"]).await;
    assert!(said.code == 1 && !said.out.contains("hunter2"), "{}", said.out);
    let told = part(&said, "registry");
    assert!(
        told.starts_with("BAD  registry: here: ") && told.contains("check the `password` under `registries`"),
        "{told}"
    );
    std::fs::write(host.path("credentials/registry"), PASSWORD).expect("a credential");
    registry.answer_next(Made::Answer(503, Vec::new(), Vec::new()));
    let told = part(&landfall(&host, &["doctor"]).await, "registry");
    assert!(told.contains("503") && told.contains("hint: "), "{told}");
    std::fs::remove_file(host.path("credentials/registry")).expect("to remove");
    let told = part(&landfall(&host, &["doctor"]).await, "registry");
    assert!(told.contains("the password of registry") && told.contains("hint: "), "{told}");
    std::fs::write(host.path("credentials/registry"), PASSWORD).expect("a credential");
    drop(registry);
    let told = part(&landfall(&host, &["doctor"]).await, "registry");
    assert!(told.starts_with("BAD  registry: here: ") && told.contains("check its `url` under `registries`"), "{told}");
}

#[test]
fn a_disk_with_little_room_is_ill_before_it_is_full() {
    own_disk::run("cli::doctor::meets_a_disk_with_little_room");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "run by the test above on a disk of its own; elsewhere it does nothing"]
async fn meets_a_disk_with_little_room() {
    if !own_disk::is_there() {
        return;
    }
    let host = Host::with(&[&image("v1")]).await;
    own_disk::mount(&host.path("data"));
    host.apply(&web("v1", "")).await;
    let told = part(&doctor(&host, 1).await, "room");
    assert!(told.starts_with("BAD  room: ") && told.contains(" MiB are free on the disk of "), "{told}");
    assert!(told.contains("hint: free some space, 64 MiB at least"), "{told}");
}
