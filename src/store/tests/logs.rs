//! R17: a deploy log has an end.

use super::support::{begun, scratch};
use crate::store::logs::{MAX_LINE_BYTES, PART_BYTES, PART_LINES};
use crate::store::{LogLine, Store};

fn lines(range: std::ops::Range<u32>) -> Vec<LogLine> {
    range.map(|n| LogLine { at_ms: n.into(), text: format!("line {n}") }).collect()
}

async fn kept(store: &Store, id: crate::model::DeployId) -> Vec<String> {
    store.log(id).await.unwrap().into_iter().map(|line| line.text).collect()
}

#[tokio::test]
async fn lines_are_kept_in_order_with_their_times() {
    let scratch = scratch();
    let store = scratch.store_with(&["shop/prod"]).await;
    let id = begun(&store, "shop/prod").await;
    store.append_log(id, lines(0..3)).await.unwrap();
    store.append_log(id, lines(3..5)).await.unwrap();
    assert_eq!(store.log(id).await.unwrap(), lines(0..5));
}

#[tokio::test]
async fn r17_of_a_long_log_the_beginning_and_the_end_stay_with_a_note_between() {
    let scratch = scratch();
    let store = scratch.store_with(&["shop/prod"]).await;
    let id = begun(&store, "shop/prod").await;
    let all = 4 * PART_LINES;
    for start in (0..all).step_by(100) {
        store.append_log(id, lines(start..start + 100)).await.unwrap();
    }
    let log = kept(&store, id).await;
    let part = PART_LINES as usize;
    assert_eq!(log.len(), 2 * part + 1);
    assert_eq!(log[part - 1], format!("line {}", part - 1));
    assert_eq!(log[part], format!("… {} lines were not kept …", 2 * part));
    assert_eq!(log[part + 1], format!("line {}", 3 * part));
    assert_eq!(log[2 * part], format!("line {}", all - 1));
}

#[tokio::test]
async fn r17_long_lines_fill_a_log_as_many_do_and_are_cut_themselves() {
    let scratch = scratch();
    let store = scratch.store_with(&["shop/prod"]).await;
    let id = begun(&store, "shop/prod").await;
    let long = |n: i64| LogLine { at_ms: n, text: "ü".repeat(10_000) };
    for batch in 0..10 {
        store.append_log(id, (0..20).map(|n| long(batch * 20 + n)).collect()).await.unwrap();
    }
    store.append_log(id, lines(0..1)).await.unwrap();
    let kept = kept(&store, id).await;
    assert!(kept[0].len() < MAX_LINE_BYTES + 50 && kept[0].ends_with("more bytes)"), "{}", kept[0].len());
    assert!(kept.iter().map(String::len).sum::<usize>() <= 2 * PART_BYTES + 100);
    assert!(kept.iter().any(|line| line.contains("lines were not kept")));
    assert_eq!(kept.last().unwrap(), "line 0");
}
