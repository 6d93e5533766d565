//! Stages that follow tags: what they run, when their registry is asked and how often, and what happens when it fails.

use landfall::model::Trigger;
use rustix::process::Signal;

use super::daemon::{Going, daemon};
use super::{Said, landfall};
use crate::execute::ground::Host;
use crate::fake_docker::FakeImage;
use crate::fake_registry::{FakeRegistry, Made};
use crate::router_support::until;

/// A registry with some versions of one image, and a host that knows them.
pub(super) struct Site {
    pub(super) host: Host,
    pub(super) registry: FakeRegistry,
    images: Vec<FakeImage>,
}

impl Site {
    /// Of all these versions, the first ones are pushed.
    pub(super) async fn new(versions: &[&str], pushed: usize) -> Self {
        let registry = FakeRegistry::start();
        let image = |version: &&str| FakeImage::new(&registry.repository("demo/web"), version);
        let images: Vec<FakeImage> = versions.iter().map(image).collect();
        let host = Host::with(&images.iter().collect::<Vec<_>>()).await;
        let site = Self { host, registry, images };
        site.images.iter().take(pushed).for_each(|image| site.registry.publish(image));
        site
    }

    pub(super) fn push(&self, version: &str) {
        self.registry.publish(self.images.iter().find(|image| image.version == version).expect("one of them"));
    }

    /// Stages of one project, each with what it tracks.
    fn write(&self, stages: &[(&str, &str)]) {
        let stage = |(name, track): &(&str, &str)| format!("      {name}: {{ track: {{ {track} }} }}\n");
        self.write_stages(&stages.iter().map(stage).collect::<String>());
    }

    /// One stage, with what it tracks and more keys of it.
    pub(super) fn write_stage(&self, name: &str, track: &str, more: &str) {
        self.write_stages(&format!("      {name}: {{ track: {track}, {more} }}\n"));
    }

    /// The stages as YAML, indented by six.
    pub(super) fn write_stages(&self, stages: &str) {
        self.host.write(&format!(
            "projects:\n  web:\n    image: {}\n    port: 8080\n    \
             ready: {{ http: {{ path: /healthz }}, interval: 20ms, timeout: 1s, deadline: 5s }}\n    stages:\n{}",
            self.images[0].repository, stages
        ));
    }

    pub(super) async fn run(&self, command: &str) -> Said {
        self.registry.forget();
        landfall(&self.host, &[command]).await
    }

    /// What the registry was asked since: lists of tags, and single tags.
    pub(super) fn asked(&self) -> (usize, Vec<String>) {
        let seen = self.registry.seen();
        let is_list = |path: &str| path.contains("/tags/list");
        let tag = |path: String| path.rsplit('/').next().unwrap_or_default().to_owned();
        let lists = seen.iter().filter(|seen| is_list(&seen.path)).count();
        (lists, seen.into_iter().filter(|seen| !is_list(&seen.path)).map(|seen| tag(seen.path)).collect())
    }

    pub(super) fn versions(&self) -> Vec<String> {
        let named = |text: String, image: &FakeImage| text.replace(image.digest.as_str(), &image.version);
        let shown = |text: String| self.images.iter().fold(text.replace(" running", ""), named);
        self.host.containers().into_iter().map(shown).collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r27_the_newest_tag_runs_and_is_asked_for_once_and_a_known_one_never_again() {
    let site = Site::new(&["v1.2.0", "v1.10.0", "v2.0.0"], 2).await;
    site.write(&[("prod", "semver: \"^1\"")]);
    let said = site.run("apply").await;
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    assert_eq!((site.versions(), site.asked()), (vec!["web-prod@v1.10.0".to_owned()], (1, vec!["v1.10.0".to_owned()])));
    for (command, lists) in [("status", 0), ("explain", 0), ("diff", 1), ("apply", 1)] {
        let said = site.run(command).await;
        assert_eq!((said.code, site.asked()), (0, (lists, vec![])), "{command}: {}{}", said.out, said.err);
    }
    // Another major version is not in the range.
    site.push("v2.0.0");
    assert_eq!(site.run("diff").await.code, 0);
    site.write(&[("prod", "semver: \">=1\"")]);
    assert_eq!(site.run("apply").await.code, 0);
    assert_eq!(site.versions(), ["web-prod@v2.0.0"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_tag_is_the_cause_of_its_deploy_and_the_registry_its_trigger() {
    let site = Site::new(&["dev-99", "dev-142"], 1).await;
    site.write(&[("preview", "glob: \"dev-*\"")]);
    assert_eq!(site.run("apply").await.code, 0);
    site.push("dev-142");
    let said = site.run("diff").await;
    assert!(said.code == 2 && said.out.contains("new tag dev-99 → dev-142"), "{}", said.out);
    assert_eq!(site.versions(), ["web-preview@dev-99"], "diff only looks");
    assert_eq!(site.run("apply").await.code, 0);
    assert_eq!(site.versions(), ["web-preview@dev-142"]);
    let newest = site.host.deploys().into_iter().find(|deploy| deploy.cause.contains("new tag")).expect("a deploy");
    assert_eq!(newest.trigger, Trigger::Registry);
}

#[tokio::test(flavor = "multi_thread")]
async fn r27_many_stages_of_one_repository_are_one_list_and_one_question_for_each_new_tag() {
    let site = Site::new(&["v1.0.0", "v2.0.0"], 2).await;
    let names: Vec<String> = (0..12).map(|n| format!("s{n}")).collect();
    let stages: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "semver: \"*\"")).collect();
    site.write(&[stages, vec![("old", "regex: { match: \"v(1[.].*)\", order: semver }")]].concat());
    let said = site.run("apply").await;
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    let (lists, mut tags) = site.asked();
    tags.sort();
    assert_eq!((lists, tags), (1, vec!["v1.0.0".to_owned(), "v2.0.0".to_owned()]));
    assert_eq!(site.host.containers().len(), 13);
}

#[tokio::test(flavor = "multi_thread")]
async fn r27_two_hundred_stages_of_one_registry_are_one_list_and_a_question_for_each_tag_that_nobody_knows() {
    let site = Site::new(&["v1.0.0", "v2.0.0", "dev-9", "dev-10", "edge"], 5).await;
    let tracks = ["semver: \"*\"", "semver: \"^1\"", "glob: \"dev-*\"", "mutable: edge"];
    let names: Vec<String> = (0..200).map(|n| format!("s{n}")).collect();
    site.write(
        &names.iter().zip(tracks.into_iter().cycle()).map(|(name, track)| (name.as_str(), track)).collect::<Vec<_>>(),
    );
    let said = site.run("diff").await;
    assert_eq!(said.code, 2, "{}", said.err);
    let (lists, mut tags) = site.asked();
    tags.sort();
    assert_eq!((lists, tags), (1, ["dev-10", "edge", "v1.0.0", "v2.0.0"].map(str::to_owned).to_vec()));
    let said = site.run("apply").await;
    assert_eq!(said.code, 0, "{}", said.err);
    assert_eq!(site.host.containers().len(), 200);
    let said = site.run("diff").await;
    assert_eq!((said.code, site.asked()), (0, (1, vec!["edge".to_owned()])), "only what moves: {}", said.out);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tag_that_moves_is_followed_where_it_is_said_to_move_and_nowhere_else() {
    let site = Site::new(&["edge", "v2"], 1).await;
    site.write(&[("moves", "mutable: edge"), ("stays", "tag: edge")]);
    assert_eq!(site.run("apply").await.code, 0);
    assert_eq!(site.asked(), (0, vec!["edge".to_owned()]), "one question for both");
    site.registry.tag("demo/web", "edge", site.images[1].digest.as_str());
    let said = site.run("apply").await;
    assert!(said.code == 0 && said.out.contains("1 done"), "{}{}", said.out, said.err);
    assert_eq!(site.asked(), (0, vec!["edge".to_owned()]));
    let causes: Vec<String> = site.host.deploys().into_iter().map(|deploy| deploy.cause).collect();
    assert!(causes.iter().any(|cause| cause.contains("the tag moved")), "{causes:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_fails_takes_no_stage_away_from_what_it_has_and_is_shown_until_it_answers() {
    let site = Site::new(&["v1.0.0"], 1).await;
    site.write(&[("prod", "semver: \"*\"")]);
    assert_eq!(site.run("apply").await.code, 0);
    site.registry.answer_next(Made::Answer(503, Vec::new(), Vec::new()));
    let said = site.run("apply").await;
    assert_eq!((said.code, site.versions()), (0, vec!["web-prod@v1.0.0".to_owned()]), "{}{}", said.out, said.err);
    let status = site.run("status").await;
    assert!(status.out.contains("not RegistriesReachable") && status.out.contains("503"), "{}", status.out);
    assert_eq!(site.run("apply").await.code, 0);
    let status = site.run("status").await;
    assert!(!status.out.contains("RegistriesReachable"), "{}", status.out);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_fits_no_tag_says_so_and_retires_nothing() {
    let site = Site::new(&["v1.0.0", "latest"], 2).await;
    site.write(&[("prod", "semver: \"^2\"")]);
    let said = site.run("apply").await;
    let text = format!("{}{}", said.out, said.err);
    assert!(
        said.code != 0 && text.contains("none of the 2 tags of ") && text.contains("1 of them cannot be read"),
        "{text}"
    );
    site.write(&[("prod", "semver: \"^1\"")]);
    assert_eq!(site.run("apply").await.code, 0);
    site.write(&[("prod", "semver: \"^2\"")]);
    assert_ne!(site.run("apply").await.code, 0);
    assert_eq!(site.versions(), ["web-prod@v1.0.0"]);
    let said = site.run("status").await;
    assert!(said.out.contains("not TagFound") && !said.out.contains("RegistriesReachable"), "{}", said.out);
    site.write(&[("prod", "semver: \"^1\"")]);
    assert_eq!(site.run("apply").await.code, 0);
    let said = site.run("status").await;
    assert!(said.code == 0 && !said.out.contains("TagFound"), "{}", said.out);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_daemon_asks_at_its_start_and_when_it_is_told_to_and_deploys_what_is_new() {
    let site = Site::new(&["v1.0.0", "v1.1.0"], 1).await;
    site.write(&[("prod", "semver: \"1\"")]);
    let daemon: Going = daemon(&site.host).await;
    until("the first one runs", async || site.versions() == ["web-prod@v1.0.0"]).await;
    site.push("v1.1.0");
    daemon.signal(Signal::HUP);
    until("the new one runs alone", async || site.versions() == ["web-prod@v1.1.0"]).await;
}
