//! `backup` and `restore` as they are typed: what they say, what they refuse, and that apply works afterwards.

use landfall::store::{DaemonLock, DataDir};

use super::{Said, landfall};
use crate::execute::ground::{Host, image, web};
use crate::fake_docker::Op;

async fn run(host: &Host, line: &str, code: i32) -> Said {
    let said = landfall(host, &line.split(' ').collect::<Vec<_>>()).await;
    assert_eq!(said.code, code, "{line}\n{}{}", said.out, said.err);
    said
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_says_what_is_in_it_and_what_is_not_and_is_restored_after_a_loss() {
    let host = Host::with(&[&image("v1")]).await;
    host.apply(&web("v1", "")).await;
    let file = host.path("one.db").display().to_string();
    let said = run(&host, &format!("backup {file}"), 0).await;
    let store = host.recorded().store.expect("a store");
    assert!(said.out.contains(&format!("{file}: store {store}, 1 deploys, ")), "{}", said.out);
    let key = DataDir::new(host.path("data")).fingerprint_key();
    assert!(said.out.contains(&format!("not in it: {}", key.display())), "{}", said.out);
    let said = run(&host, &format!("backup {file}"), 1).await;
    assert!(said.err.contains("is there already") && said.err.contains("`--force`"), "{}", said.err);
    run(&host, &format!("backup {file} --force"), 0).await;
    for name in ["landfall.db", "landfall.db-wal", "landfall.db-shm"] {
        std::fs::remove_file(host.path("data").join(name)).expect("a file");
    }
    host.fake.reset_calls();
    let said = run(&host, &format!("restore {file}"), 0).await;
    assert!(said.out.contains(&format!("restored store {store} with 1 deploys")), "{}", said.out);
    assert!(!said.out.contains("is kept as"), "{}", said.out);
    assert_eq!(run(&host, "apply", 0).await.out.lines().last(), Some("0 done, 0 failed, 0 held, 1 unchanged"));
    assert_eq!(host.changes(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_is_made_while_an_apply_goes_on_and_holds_what_it_had_begun() {
    let host = Host::with(&[&image("v1")]).await;
    host.write(&web("v1", ""));
    host.fake.hang(Op::Start);
    let file = host.path("one.db").display().to_string();
    let (_, ()) = tokio::join!(run(&host, "apply", 0), async {
        host.called(Op::Start).await;
        run(&host, &format!("backup {file}"), 0).await;
        let said = run(&host, &format!("restore {file} --data {}", host.path("other").display()), 0).await;
        assert!(said.out.contains("with 1 deploys"), "{}", said.out);
        host.fake.release(Op::Start);
    });
    let reader = landfall::store::Store::open_read(&DataDir::new(host.path("other"))).expect("a store").expect("one");
    assert_eq!(reader.in_flight().expect("deploys").len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_waits_for_no_daemon_and_says_what_it_puts_aside() {
    let host = Host::with(&[&image("v1")]).await;
    host.apply(&web("v1", "")).await;
    let file = host.path("one.db").display().to_string();
    run(&host, &format!("backup {file}"), 0).await;
    let daemon = DaemonLock::take(&DataDir::new(host.path("data")), "daemon", None).await.expect("the lock");
    let said = run(&host, &format!("restore {file}"), 1).await;
    assert!(said.err.contains("a daemon uses") && said.err.contains("systemctl stop landfall"), "{}", said.err);
    drop(daemon);
    let said = run(&host, &format!("restore {file}"), 0).await;
    assert!(said.out.contains("what was there before is kept as "), "{}", said.out);
    let said = run(&host, &format!("restore {}", host.path("config/settings.yaml").display()), 1).await;
    assert!(said.err.contains("cannot be restored") && said.err.contains("hint: "), "{}", said.err);
    let line = format!("backup {} --data {}", host.path("two.db").display(), host.path("x").display());
    assert!(run(&host, &line, 1).await.err.contains("there is no store in"));
    assert!(!host.path("x").exists());
}
