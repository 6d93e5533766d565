//! What Landfall did not make is never touched, whatever it is called and whatever labels it carries (R1).

use serde_json::{Value, json};

use super::harness::{Engine, Host, WEB, WEB_DOMAIN, WEB_PROD};

/// A second project, with a volume, so that it is recreated.
const DB: &str = "
projects:
  db-<id>:
    image: <images>/web
    port: 8080
    volumes: [ \"state:/state\" ]
    ready: { http: { path: /healthz }, deadline: 20s, interval: 100ms }
    stages:
      prod: { track: { tag: v1 } }
";

/// Everything dockerd holds about what is not ours. Times, mounts, addresses and restarts count too.
fn snapshot(engine: &Engine, foreign: &Foreign) -> Value {
    let get = |path: String| engine.done("GET", &path, None);
    let containers = foreign.containers.iter().map(|name| get(format!("/containers/{name}/json")));
    let volumes = foreign.volumes.iter().map(|name| get(format!("/volumes/{name}")));
    let networks = foreign.networks.iter().map(|name| get(format!("/networks/{name}")));
    containers.chain(volumes).chain(networks).collect()
}

struct Foreign {
    containers: Vec<String>,
    volumes: Vec<String>,
    networks: Vec<String>,
}

/// Copies of our labels on another container, names that look like ours, and bystanders.
fn make_foreign(host: &Host) -> Foreign {
    let ours = host.engine.inspect(&host.instance(WEB_PROD).id).unwrap();
    let (image, labels) = (&ours["Config"]["Image"], &ours["Config"]["Labels"]);
    let text = |text: &str| host.text(text);
    let network = text("foreign-<id>");
    host.engine.create_network(&network);
    let volumes = [text("foreign-<id>-data"), text("web-<id>-prod-state")].to_vec();
    for volume in &volumes {
        host.engine.create_volume(volume);
    }
    let mounted = json!({ "Binds": [format!("{}:/data", volumes[0])], "NetworkMode": network });
    let copy = json!({ "Image": image, "Labels": labels, "HostConfig": mounted });
    let plain = json!({ "Image": image, "HostConfig": { "NetworkMode": network } });
    let containers = [text("copied-<id>"), text("web-<id>-prod-0123abcd"), text("web-<id>-prod")].to_vec();
    host.engine.run(&containers[0], &copy);
    host.engine.run(&containers[1], &plain);
    host.engine.run(&containers[2], &plain);
    Foreign { containers, volumes, networks: vec![network] }
}

#[test]
fn r1_a_foreign_container_with_our_labels_or_name_stays_as_it_is_through_a_whole_life() {
    let host = Host::new();
    host.write("db.yaml", DB);
    host.deployed("web.yaml", WEB);
    let foreign = make_foreign(&host);
    let before = snapshot(&host.engine, &foreign);
    host.landfall("diff").exits(0);
    host.landfall("status").exits(0).never_says("copied-<id>");

    host.write("web.yaml", &WEB.replace("v1", "v2"));
    host.write("db.yaml", &DB.replace("v1", "v2"));
    host.landfall("apply").exits(0);
    assert_eq!(host.get(WEB_DOMAIN, "/").version, "v2");
    let own = host.instances(WEB_PROD).into_iter().find(|i| i.version == "v2").unwrap();
    host.engine.remove(&own.id);
    host.landfall("apply").exits(0);

    for file in ["web.yaml", "db.yaml"] {
        std::fs::remove_file(host.config().join(file)).unwrap();
    }
    host.landfall("apply").exits(3).says("landfall apply --allow-prune");
    host.landfall("apply --allow-prune").exits(0);
    assert!(host.instances("db-<id>/prod").is_empty());
    assert_eq!(host.instances(WEB_PROD).len(), 1, "only the foreign copy is left");
    assert_eq!(snapshot(&host.engine, &foreign), before);
    assert!(host.engine.has_volume(&host.text("db-<id>-prod-state")), "a volume of ours went (R3)");
    host.landfall("diff").exits(0);
    assert_eq!(host.history("web-<id>").len(), 3, "the history of a removed project stays (R17)");
}

#[test]
fn r1_a_volume_of_that_name_that_is_not_ours_is_not_taken() {
    let host = Host::without_proxy();
    let volume = host.text("db-<id>-prod-state");
    host.engine.create_volume(&volume);
    let before = host.engine.done("GET", &format!("/volumes/{volume}"), None);
    host.write("db.yaml", DB);
    host.landfall("apply").exits(1).says(&volume).says("external: true");
    assert!(host.instances("db-<id>/prod").is_empty());
    assert_eq!(host.engine.done("GET", &format!("/volumes/{volume}"), None), before);

    host.write(
        "db.yaml",
        &DB.replace(
            "\"state:/state\"",
            &format!("{{ type: volume, source: {volume}, target: /state, external: true }}"),
        ),
    );
    host.landfall("apply").exits(0);
}

#[test]
fn r1_a_domain_of_another_store_is_held_and_names_its_owner() {
    let first = Host::new();
    first.deployed("web.yaml", WEB);
    let second = Host::without_proxy();
    let mut command = second.command("apply");
    command.env("LANDFALL_PROXY_SOCKET", first.path("proxy.sock"));
    second.write("web.yaml", &WEB.replace("web.<id>", &format!("web.{}", first.id)));
    let held = second.run(command).exits(3);
    held.says("belongs to").says(&first.text(WEB_PROD));
    assert!(second.instances(WEB_PROD).is_empty());
    assert_eq!(first.get(WEB_DOMAIN, "/").version, "v1");
    first.landfall("diff").exits(0);
}

#[test]
fn r16_a_store_that_is_lost_while_its_containers_run_changes_nothing_and_says_what_to_do() {
    let host = Host::new();
    host.write("db.yaml", DB);
    host.deployed("web.yaml", WEB);
    let ours = host.instance(WEB_PROD);
    let before = host.engine.inspect(&ours.id).unwrap();
    let kept = host.path("kept");
    std::fs::rename(host.data(), &kept).unwrap();

    let store = before["Config"]["Labels"]["landfall.store"].as_str().unwrap().to_owned();
    let way = format!("landfall apply --adopt-store {store}");
    host.landfall("apply").exits(4).says("there is no store in").says("2 containers").says(&way);
    host.landfall("diff").exits(1).says("there is no store in").says("landfall restore FILE").says(&way);
    host.landfall("status").exits(1).says("there is no store in");
    assert!(!host.data().join("landfall.db").exists(), "a new store was begun");
    assert_eq!(host.engine.inspect(&ours.id).unwrap(), before);
    assert_eq!(host.get(WEB_DOMAIN, "/").version, "v1");

    // Restored, all is as it was.
    let _ = std::fs::remove_dir_all(host.data());
    std::fs::rename(kept, host.data()).unwrap();
    host.landfall("diff").exits(0);

    // Lost for good, what runs is taken over as it is.
    std::fs::remove_dir_all(host.data()).unwrap();
    host.landfall(&format!("apply --adopt-store {store}")).exits(0);
    assert_eq!(host.engine.inspect(&ours.id).unwrap(), before);
    host.landfall("diff").exits(0);
    assert_eq!(host.get(WEB_DOMAIN, "/").version, "v1");
}
