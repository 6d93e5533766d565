//! R1: nothing without this store's id, or with labels copied from what has it, is ever touched; names of others (R30)
//! lead nowhere.

use std::collections::{BTreeMap, BTreeSet};

use landfall::model::StoreId;
use landfall::plan::{Held, Options};
use landfall::proxy::Change;
use landfall::reconcile::Error;

use super::ground::{Host, ended, image, web};
use crate::fake_docker::{Behaviour, Op};

/// Containers of others that look like ours: labels copied, another store, half of the labels, none.
async fn surround(host: &Host) -> BTreeSet<String> {
    let ours = host.fake.container(&host.last().container_name).labels;
    let with = |changes: &[(&str, &str)]| {
        let mut labels = ours.clone();
        labels.extend(changes.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        labels
    };
    let other = "018f0000-0000-4000-8000-000000000000";
    let half: BTreeMap<_, _> = ours.iter().filter(|(name, _)| *name == "landfall.store").collect();
    let half = half.into_iter().map(|(k, v)| (k.clone(), v.clone())).collect();
    let others = [
        ("web-prod-copied", with(&[])),
        ("web-prod-stopped", with(&[])),
        ("web-prod-ffffffff", with(&[("landfall.store", other), ("landfall.self", "web-prod-ffffffff")])),
        ("web-prod-half", half),
        ("web-prod-broken", with(&[("landfall.deploy", "../../x"), ("landfall.self", "web-prod-broken")])),
        ("database", BTreeMap::new()),
    ];
    for (name, labels) in &others {
        host.fake.run_by_hand(name, labels);
    }
    host.fake.stop_by_hand("web-prod-stopped").await;
    others.iter().map(|(name, _)| (*name).to_owned()).collect()
}

/// The containers of others, in full.
fn shown(host: &Host, others: &BTreeSet<String>) -> String {
    let all = host.fake.containers().into_iter().filter(|container| others.contains(&container.name));
    all.map(|container| format!("{container:?}\n")).collect()
}

#[tokio::test]
async fn r1_a_whole_life_of_a_stage_touches_no_container_of_others() {
    let host = Host::with(&[&image("v1"), &image("v2"), &image("v3").behaving(Behaviour::Unhealthy)]).await;
    let gate = "        ready: { http: { path: / }, deadline: 100ms }\n";
    host.apply(&web("v1", gate)).await;
    let others = surround(&host).await;
    let before = shown(&host, &others);
    host.fake.reset_calls();
    assert!(host.look().await.unwrap().plan.is_noop());
    host.apply(&web("v2", gate)).await;
    host.write(&web("v3", gate));
    assert_eq!(ended(&host.converge().await).0, "failed");
    host.fake.stop_by_hand(&host.instances()[0].name).await;
    host.converge().await;
    host.fake.remove_by_hand(&host.instances()[0].name).await;
    host.apply(&web("v2", gate)).await;
    host.write("projects: {}\n");
    host.converge_with(Options { allow_prune: true, ..Options::default() }).await.unwrap();
    assert_eq!(host.instances(), []);
    assert!(before == shown(&host, &others), "{}", shown(&host, &others));
    let touched: BTreeSet<String> = host
        .fake
        .calls()
        .iter()
        .filter(|c| c.op.is_mutation())
        .flat_map(|c| {
            let connected = c.body["Container"].as_str().unwrap_or_default().to_owned();
            [host.fake.name_of(&c.object), host.fake.name_of(&connected)]
        })
        .collect();
    assert!(touched.is_disjoint(&others), "{touched:?}");
    assert!(host.fake.count(Op::Remove) > 2, "the life had its deaths");
}

#[tokio::test]
async fn r1_a_domain_of_another_store_is_held_and_its_owner_named() {
    let host = Host::with(&[&image("v1")]).await;
    let (other, key) = (StoreId(uuid::Uuid::from_u128(7)), "shop/prod".parse().unwrap());
    host.router.proxy.switch(&Change::new(other, &key, &["web.test".parse().unwrap()], "127.0.0.1:9")).await.unwrap();
    host.write(&web("v1", ""));
    let converged = host.converge().await;
    let Some(Held::Clash { what }) = &converged.view.plan.stages[0].held else { panic!("{}", converged.view.plan) };
    assert_eq!(*what, format!("domain web.test belongs to shop/prod of store {other}"));
    assert_eq!(host.changes(), [""; 0]);
    assert_eq!(host.routes().await["web.test"], "127.0.0.1:9");
}

#[tokio::test]
async fn r30_a_name_that_leads_elsewhere_reaches_no_url() {
    let host = Host::with(&[&image("v1")]).await;
    host.apply(&web("v1", "")).await;
    let name = host.last().container_name;
    for hostile in ["../../images/x?force=1", "a/b", "..", "%2e%2e", "x\r\ny", ""] {
        // Ours by its id in the store, under a name of its own making.
        host.fake.change(&name, |container| drop(container.labels.insert("landfall.self".into(), hostile.into())));
        host.fake.reset_calls();
        let (end, reason) = ended(&host.converge().await);
        assert_eq!(end, "no deploy", "{hostile}: {reason}");
        assert!(reason.contains("is not a name that docker can have"), "{reason}");
        let plain = |c: char| c.is_ascii_alphanumeric() || "/_.-:@".contains(c);
        for call in host.fake.calls() {
            assert!(call.path.chars().all(plain) && !call.path.contains(".."), "{}", call.path);
        }
        assert_eq!(host.changes(), [""; 0], "{hostile}");
    }
    for hostile in ["../x", "web/../prod", "web%2fprod", "web/prod/..", "", "/"] {
        let options = Options { selection: landfall::plan::Selection(vec![hostile.to_owned()]), ..Options::default() };
        let error = host.converge_with(options).await.unwrap_err();
        assert!(matches!(error, Error::UnknownSelection { .. }), "{hostile}: {error}");
    }
}
