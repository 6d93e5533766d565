//! What the bench of loading measures: so many stages as YAML, in as many files as asked for, the store that remembers
//! them all as deployed, the containers that Docker would list, and the same services for Compose and `docker stack`.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use landfall::config;
use landfall::model::hash::{secrets_label, spec_hash};
use landfall::model::recorded::Pin;
use landfall::model::{
    ContainerState, Desired, DesiredStage, ImageRef, Labels, Observed, ObservedContainer, Recorded, Track, Trigger,
};
use landfall::store::{AcceptedConfig, DataDir, Lock, NewDeploy, NewInstance, Readopted, Store, new_deploy_id};

/// How long the store's lock may take; nobody else has it.
const LOCK_WAIT: Duration = Duration::from_secs(5);

/// Writes a configuration: each project with one stage, and everything written out, as in a file of Compose.
pub fn write_config(dir: &Path, stages: usize, files: usize) {
    fs::create_dir_all(dir).expect("a directory");
    let settings = "settings:\n  network: bench\n  proxy: { none: {} }\n";
    fs::write(dir.join("settings.yaml"), settings).expect("a file");
    for file in 0..files {
        let (from, to) = (stages * file / files, stages * (file + 1) / files);
        fs::write(dir.join(format!("{file:04}.yaml")), yaml(from..to)).expect("a file");
    }
}

fn yaml(numbers: std::ops::Range<usize>) -> String {
    let project = |n| {
        let keys = keys(n);
        format!(
            "  app{n}:\n    image: registry.example.com/team/app{}\n    port: 8080\n{keys}    stages:\n      prod:\n        track:\n          tag: \"1.{}.0\"\n",
            n % 97,
            n % 13
        )
    };
    "projects:\n".to_owned() + &numbers.map(project).collect::<String>()
}

/// One file of as many services.
pub fn compose_file(stages: usize) -> String {
    let service = |n| {
        let keys = keys(n);
        format!(
            "  app{n}:\n    image: registry.example.com/team/app{}:1.{}.0\n    ports: [\"8080\"]\n{keys}",
            n % 97,
            n % 13
        )
    };
    "version: \"3.8\"\nservices:\n".to_owned() + &(0..stages).map(service).collect::<String>()
}

/// What a stage and a service have in common.
fn keys(n: usize) -> String {
    format!(
        "    environment:\n      LOG_LEVEL: info\n      PORT: \"8080\"\n      DATABASE_HOST: db{}.internal\n      \
         NUMBER: \"{n}\"\n      FEATURES: search,cart,checkout\n    labels:\n      team: shop{}\n      tier: web\n      \
         owner: someone@example.com\n    restart: unless-stopped\n",
        n % 31,
        n % 17
    )
}

/// Makes a store in which every stage of a configuration was deployed with success.
pub async fn fill_store(config: &Path, data: &Path) {
    let desired = config::load(config).expect("a configuration").desired;
    let dir = DataDir::new(data);
    let lock = Lock::acquire(&dir, "bench", LOCK_WAIT).await.expect("the lock");
    let store = Store::open(&dir, lock).await.expect("a store");
    let revision = desired.revision.clone();
    let accepted = AcceptedConfig { revision, commit: None, desired: Arc::clone(&desired) };
    store.accept_config(accepted).await.expect("it is accepted");
    let found = desired.stages.values().map(|stage| deployed(&desired, stage)).collect();
    store.readopt(found, None).await.expect("it is recorded");
    for (key, stage) in &desired.stages {
        let pin = Pin::of(&image(stage)).expect("a tag");
        store.set_pin(key, &pin).await.expect("it is recorded");
    }
}

fn deployed(desired: &Desired, stage: &DesiredStage) -> Readopted {
    let id = new_deploy_id();
    let name = format!("{}-{}", stage.key.dns_name(), id.short());
    let deploy = NewDeploy {
        id,
        key: stage.key.clone(),
        trigger: Trigger::Config,
        cause: "first".into(),
        image: image(stage),
        spec: stage.clone(),
        spec_hash: spec_hash(stage.hash_input(&desired.settings)),
        secrets: None,
        secrets_label: secrets_label(None),
        container_name: name.clone(),
        config_revision: desired.revision.clone(),
        generation: 1,
    };
    let container_id = format!("{:0>64}", id.0.simple());
    let version = stage.track.version();
    let instance = NewInstance { container_id, name, deploy: id, key: stage.key.clone(), host_port: None, version };
    Readopted { deploy, instance, log: "made for the bench".into(), by_hand: false }
}

fn image(stage: &DesiredStage) -> ImageRef {
    let Track::Tag(tag) = &stage.track else { panic!("a tag") };
    let digest = format!("sha256:{}", "5e".repeat(32)).parse().expect("a digest");
    ImageRef { repository: stage.repository.clone(), tag: Some(tag.clone()), digest, local: false }
}

/// The host as it is when everything that was recorded runs.
pub fn observed(recorded: &Recorded) -> Observed {
    let mut containers = Vec::with_capacity(recorded.stages.len());
    for (key, stage) in &recorded.stages {
        let (live, (id, instance)) = (stage.live.as_ref().expect("one"), stage.instances.iter().next().expect("one"));
        let labels = Labels {
            store: recorded.store.expect("a store"),
            key: key.clone(),
            instance: live.image.version(),
            deploy: live.id,
            spec: live.spec_hash.clone(),
            image: live.image.to_string(),
            digest: live.image.digest.to_string(),
            secrets: String::new(),
            config: recorded.revision.clone(),
            own_name: instance.name.clone(),
        };
        containers.push(ObservedContainer {
            id: id.clone(),
            name: instance.name.clone(),
            labels: Some(labels),
            hook: None,
            state: ContainerState::Running,
            health: None,
            status_text: "Up 3 minutes".into(),
            networks: [("bench", "10.0.0.2"), ("bench-names", "10.0.1.2")].map(|(n, a)| (n.into(), a.into())).into(),
            ports: Vec::new(),
            created_ms: 0,
        });
    }
    let networks = ["bench".to_owned(), "bench-names".to_owned()].into();
    Observed { containers, networks, ..Observed::default() }
}
