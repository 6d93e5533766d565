//! What a person said about a stage is kept until it is taken back or the stage is gone (R13, R5).

use super::support::{accepted, chosen, instance, key, scratch, succeeded};
use crate::model::{Pause, PauseKind};

const PAUSE: Pause = Pause { kind: PauseKind::Suspended, since_ms: 3, until_ms: Some(9) };

#[tokio::test]
async fn r13_a_choice_and_a_pause_are_read_back_as_they_were_said_and_can_be_taken_back() {
    let scratch = scratch();
    let (choice, other) = {
        let store = scratch.store_with(&["shop/prod", "shop/test"]).await;
        let choice = chosen("shop/prod", Some(succeeded(&store, "shop/prod").await));
        store.choose(&key("shop/prod"), Some(&chosen("shop/prod", None))).await.unwrap();
        store.choose(&key("shop/prod"), Some(&choice)).await.unwrap();
        store.pause(&key("shop/test"), Some(PAUSE)).await.unwrap();
        (choice, Pause { kind: PauseKind::Released, since_ms: 4, until_ms: None })
    };
    let store = scratch.store().await;
    let recorded = store.recorded().await.unwrap().stages;
    assert_eq!(
        (&recorded[&key("shop/prod")].choice, recorded[&key("shop/prod")].pause),
        (&Some(Box::new(choice)), None)
    );
    assert_eq!((&recorded[&key("shop/test")].choice, recorded[&key("shop/test")].pause), (&None, Some(PAUSE)));
    store.pause(&key("shop/test"), Some(other)).await.unwrap();
    store.choose(&key("shop/prod"), None).await.unwrap();
    let recorded = store.recorded().await.unwrap().stages;
    assert_eq!((&recorded[&key("shop/prod")].choice, recorded[&key("shop/test")].pause), (&None, Some(other)));
    store.pause(&key("shop/test"), None).await.unwrap();
    assert_eq!(store.recorded().await.unwrap().stages[&key("shop/test")].pause, None);
}

#[tokio::test]
async fn r5_what_was_said_of_a_stage_goes_with_the_last_of_it_and_not_before() {
    let scratch = scratch();
    let store = scratch.store_with(&["shop/prod", "shop/test"]).await;
    let live = succeeded(&store, "shop/prod").await;
    store.add_instance(instance("shop/prod", live, "c1")).await.unwrap();
    store.choose(&key("shop/prod"), Some(&chosen("shop/prod", None))).await.unwrap();
    store.pause(&key("shop/prod"), Some(PAUSE)).await.unwrap();
    store.accept_config(accepted("r2", &["shop/test"])).await.unwrap();
    assert_eq!(store.recorded().await.unwrap().stages[&key("shop/prod")].pause, Some(PAUSE), "its container is there");
    store.remove_instance("c1").await.unwrap();
    store.accept_config(accepted("r3", &["shop/prod", "shop/test"])).await.unwrap();
    let anew = &store.recorded().await.unwrap().stages[&key("shop/prod")];
    assert_eq!((&anew.choice, anew.pause), (&None, None));
}

#[tokio::test]
async fn a_page_and_a_certificate_that_could_not_be_had_outlive_the_process_and_end_when_it_is_said() {
    let scratch = scratch();
    {
        let store = scratch.store_with(&["shop/prod", "shop/test"]).await;
        store.maintain(&key("shop/prod"), Some(5)).await.unwrap();
        store.maintain(&key("shop/prod"), Some(9)).await.unwrap();
        for reason in [Some("no such name"), None, Some("too many")] {
            store.ask_certificate(&key("shop/prod"), "shop.test").await.unwrap();
            store.not_certified(&key("shop/prod"), reason).await.unwrap();
        }
    }
    let store = scratch.store().await;
    let recorded = store.recorded().await.unwrap().stages;
    let failure = recorded[&key("shop/prod")].certificate_failure.clone().unwrap();
    assert_eq!((failure.times, failure.reason.as_str()), (2, "too many"));
    assert_eq!(recorded[&key("shop/prod")].maintenance_since_ms, Some(5), "it began once");
    let other = &recorded[&key("shop/test")];
    assert_eq!((other.maintenance_since_ms, &other.certificate_failure), (None, &None));
    store.maintain(&key("shop/prod"), None).await.unwrap();
    store.ask_certificate(&key("shop/prod"), "other.test").await.unwrap();
    let asked = store.recorded().await.unwrap().stages[&key("shop/prod")].certificate_failure.clone().unwrap();
    assert_eq!((asked.times, asked.names.as_str()), (1, "other.test"), "other names begin anew");
    store.certified(&key("shop/prod")).await.unwrap();
    let over = &store.recorded().await.unwrap().stages[&key("shop/prod")];
    assert_eq!((over.maintenance_since_ms, &over.certificate_failure), (None, &None));
}
