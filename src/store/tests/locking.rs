//! One process changes things, and the others learn which.

use std::time::{Duration, Instant};

use super::child::{Role, Second};
use super::support::scratch;
use crate::store::{Lock, StoreError};

#[tokio::test]
async fn a_second_process_is_refused_with_the_name_of_the_first() {
    let scratch = scratch();
    let second = Second::start(Role::Lock, &scratch.dir);
    let error = Lock::acquire(&scratch.dir, "daemon", Duration::ZERO).await.unwrap_err();
    let StoreError::Locked { holder, .. } = &error else { panic!("{error:?}") };
    assert_eq!((holder.pid, holder.command.as_str()), (second.pid(), "apply"));
    let text = error.to_string();
    assert!(text.contains(&format!("`landfall apply` (process {}) since 20", second.pid())), "{text}");
}

#[tokio::test]
async fn a_killed_holder_holds_nothing() {
    let scratch = scratch();
    Second::start(Role::Lock, &scratch.dir).kill();
    Lock::acquire(&scratch.dir, "daemon", Duration::ZERO).await.unwrap();
}

#[tokio::test]
async fn who_waits_gets_the_lock_when_it_is_released() {
    let scratch = scratch();
    let first = scratch.lock().await;
    let waiting = Lock::acquire(&scratch.dir, "apply", Duration::from_secs(10));
    let release = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        drop(first);
    };
    let (got, ()) = tokio::join!(waiting, release);
    got.unwrap();
}

#[tokio::test]
async fn who_waits_in_vain_stops_in_time() {
    let scratch = scratch();
    let _first = scratch.lock().await;
    let begin = Instant::now();
    Lock::acquire(&scratch.dir, "apply", Duration::from_millis(120)).await.unwrap_err();
    assert!((100..2000).contains(&begin.elapsed().as_millis()));
}

#[tokio::test]
async fn a_lock_file_that_tells_nothing_still_locks() {
    let scratch = scratch();
    let _first = scratch.lock().await;
    std::fs::write(scratch.dir.lock_file(), "?").unwrap();
    let error = Lock::acquire(&scratch.dir, "apply", Duration::ZERO).await.unwrap_err();
    assert!(error.to_string().ends_with("is locked by another process"), "{error}");
}
