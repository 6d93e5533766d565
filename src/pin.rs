//! What a stage tracks turned into tag + digest. The choice is `model::policy`'s; only what it cannot know is asked, so
//! that a no-op asks no registry anything.
//!
//! *Expected flow*: what is known is taken as it is; of each repository that a policy chooses from the tags are listed
//! once, whoever chooses; then each tag that is new to somebody is asked for its digest, once (R27).
//!
//! *Guarantees*: a registry that fails takes no stage away from the image that is pinned.

mod held_back;
mod several;

use std::collections::{BTreeMap, BTreeSet};

use futures_util::{StreamExt as _, stream};

use crate::docker::Docker;
use crate::model::policy::{Choice, choose, select};
use crate::model::recorded::Pin;
use crate::model::{Desired, DesiredStage, Digest, ImageRef, Recorded, Repository, StageKey, Tag};
use crate::plan::{Blocked, Options};
use crate::registry::{self, Access, Credentials, Registry};
use crate::secrets::Secrets;
use several::Group;
pub use several::as_recorded;

/// Questions asked at the same time; registries limit clients by rate, and more gains nothing.
const CONCURRENT_QUESTIONS: usize = 8;

/// The tags of each repository that was asked.
type Lists = BTreeMap<Repository, Result<Vec<String>, Blocked>>;

/// The image of a stage, or why there is none.
pub type Pinned = Result<ImageRef, Blocked>;

/// Whom to ask, and how.
#[derive(Clone, Copy)]
pub struct Asking<'a> {
    /// The host.
    pub docker: &'a Docker,
    /// The client for all registries, which remembers what it was told.
    pub registry: &'a Registry,
    /// Passwords of registries.
    pub secrets: &'a Secrets,
    /// What is to be pinned.
    pub desired: &'a Desired,
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Pins {
    /// The image of each stage that was selected; each failure stays with its stage.
    pub images: BTreeMap<StageKey, Pinned>,
    /// What waits until somebody asks for it, of the stages that somebody has to ask for; none where nothing does.
    pub candidates: BTreeMap<StageKey, Option<Pin>>,
    /// The tags that each stage of several instances is to run, newest first.
    pub instances: BTreeMap<StageKey, Vec<Tag>>,
    /// Stages for which registries were asked for tags, and why none of these fits, where that is so.
    pub policies: BTreeMap<StageKey, Option<String>>,
    /// The registries that were asked, by host, and what is wrong with those that did not answer as they should.
    pub registries: BTreeMap<String, Option<String>>,
}

/// A stage whose tag has to be asked for.
struct Wanted {
    key: StageKey,
    repository: Repository,
    tag: Tag,
    /// What it has until then, and keeps if nobody answers.
    pinned: Option<ImageRef>,
}

/// Pins every selected stage. What may have changed since is asked for where the options say so; what ran long enough in
/// another stage was found out before.
pub async fn pin(
    asking: Asking<'_>,
    recorded: &Recorded,
    options: &Options,
    promoted: BTreeMap<StageKey, ImageRef>,
) -> Pins {
    let selected = asking.desired.stages.values().filter(|stage| options.selection.contains(&stage.key));
    let choice = |stage: &DesiredStage| {
        let pin = recorded.stages.get(&stage.key).and_then(|s| s.pin.as_ref());
        choose(stage, pin, options.asks(&stage.key))
    };
    let stages = selected.clone().filter(|stage| !held_back::waits(stage, recorded, options));
    let groups = several::groups(asking.desired, recorded, Some(options));
    let mut pins = asking.pins(stages.map(|stage| (stage, choice(stage))).collect(), groups).await;
    for (key, image) in promoted.into_iter().filter(|(key, _)| options.selection.contains(key)) {
        pins.images.insert(key, Ok(image));
    }
    selected.for_each(|stage| pins.hold_back(stage, recorded, options));
    pins
}

/// Looks up anew what a stage tracks, whatever was recorded before: someone asked for it. The stage may be another one
/// than the configuration has.
pub async fn look_up(asking: Asking<'_>, stage: &DesiredStage) -> Pinned {
    let mut pins = asking.pins(vec![(stage, choose(stage, None, true))], Vec::new()).await;
    let none = || Blocked { refused: true, reason: format!("there is no image of {}", stage.key), hint: None };
    pins.images.remove(&stage.key).unwrap_or_else(|| Err(none()))
}

/// Asks so many at a time.
async fn each<T, A: Future>(questions: impl IntoIterator<Item = T>, ask: impl Fn(T) -> A) -> Vec<A::Output> {
    stream::iter(questions.into_iter().map(ask).collect::<Vec<_>>())
        .buffer_unordered(CONCURRENT_QUESTIONS)
        .collect()
        .await
}

impl<'a> Asking<'a> {
    /// The image of each stage, and of each instance of those that run several, by what is known of it.
    async fn pins(self, choices: Vec<(&'a DesiredStage, Choice)>, groups: Vec<Group<'a>>) -> Pins {
        let (mut pins, mut lists, mut wanted) = (Pins::default(), Vec::new(), Vec::new());
        let mut hosts = Vec::new();
        for (stage, choice) in choices {
            let key = stage.key.clone();
            match choice {
                Choice::Known(image) => drop(pins.images.insert(key, Ok(image))),
                Choice::AskHost(repository, tag) => hosts.push((key, repository, tag)),
                Choice::AskRegistry(repository, tag) => wanted.push(Wanted { key, repository, tag, pinned: None }),
                Choice::AskMoved { repository, tag, pinned } => wanted.push(Wanted { key, repository, tag, pinned }),
                Choice::AskStage => {}
                Choice::AskTags { repository, pinned } => lists.push((stage, repository, pinned)),
            }
        }
        let host = |(key, repository, tag)| async move { (key, ask_host(self.docker, repository, tag).await) };
        pins.images.extend(each(hosts, host).await);
        let asked = lists.iter().map(|(_, repository, _)| repository);
        let asked = asked.chain(groups.iter().filter(|group| group.asks).map(|group| &group.stage.repository));
        let tags = self.lists(asked.cloned().collect(), &mut pins).await;
        wanted.extend(newest(lists, &tags, &mut pins));
        wanted.extend(groups.iter().flat_map(|group| group.pin(&tags, &mut pins)));
        self.digests(wanted, &mut pins).await;
        pins
    }

    /// The tags of each repository.
    async fn lists(self, repositories: BTreeSet<Repository>, pins: &mut Pins) -> Lists {
        let list = |repository: Repository| async move {
            let tags = self.tags(&repository).await;
            (repository, tags)
        };
        let lists: Lists = each(repositories, list).await.into_iter().collect();
        for (repository, list) in &lists {
            pins.heard(repository, list.as_ref().err());
        }
        lists
    }

    /// The digest of each tag, asked once whoever wants it.
    async fn digests(self, wanted: Vec<Wanted>, pins: &mut Pins) {
        let tags: BTreeSet<(Repository, Tag)> =
            wanted.iter().map(|one| (one.repository.clone(), one.tag.clone())).collect();
        let head = |(repository, tag): (Repository, Tag)| async move {
            let digest = self.digest(&repository, &tag).await;
            ((repository, tag), digest)
        };
        let digests: BTreeMap<(Repository, Tag), Result<Digest, Blocked>> =
            each(tags, head).await.into_iter().collect();
        for Wanted { key, repository, tag, pinned } in wanted {
            let asked = (repository, tag);
            let Some(digest) = digests.get(&asked) else { continue };
            let (repository, tag) = asked;
            pins.heard(&repository, digest.as_ref().err());
            let image = match (digest, pinned) {
                (Ok(digest), _) => Ok(ImageRef { repository, tag: Some(tag), digest: digest.clone(), local: false }),
                (Err(_), Some(image)) => Ok(image),
                (Err(blocked), None) => Err(blocked.clone()),
            };
            pins.images.insert(key, image);
        }
    }

    async fn tags(self, repository: &Repository) -> Result<Vec<String>, Blocked> {
        let access = access(self.secrets, self.desired, repository)?;
        self.registry.tags(repository, &access).await.map_err(|error| unanswered(&error))
    }

    async fn digest(self, repository: &Repository, tag: &Tag) -> Result<Digest, Blocked> {
        let access = access(self.secrets, self.desired, repository)?;
        self.registry.head(repository, tag, &access).await.map_err(|error| unanswered(&error))
    }
}

impl Pins {
    /// The newest tags of a stage; whether there are some is kept for each of these keys, where the registry said which there
    /// are.
    fn looked(
        &mut self,
        keys: impl IntoIterator<Item = StageKey>,
        stage: &DesiredStage,
        lists: &Lists,
    ) -> Result<Vec<Tag>, Blocked> {
        let chosen = chosen(stage, lists);
        if matches!(lists.get(&stage.repository), Some(Ok(_))) {
            let why = chosen.as_ref().err().map(|blocked| blocked.reason.clone());
            self.policies.extend(keys.into_iter().map(|key| (key, why.clone())));
        }
        chosen
    }

    /// A registry answered, or not; what is wrong is not forgotten by an answer to another question.
    fn heard(&mut self, repository: &Repository, blocked: Option<&Blocked>) {
        let heard = self.registries.entry(repository.host().to_owned()).or_default();
        if let Some(blocked) = blocked {
            heard.get_or_insert_with(|| blocked.to_string());
        }
    }
}

/// The newest tag of each stage by its policy; those that have it already are pinned by that.
fn newest(stages: Vec<(&DesiredStage, Repository, Option<ImageRef>)>, lists: &Lists, pins: &mut Pins) -> Vec<Wanted> {
    let mut wanted = Vec::new();
    for (stage, repository, pinned) in stages {
        let key = stage.key.clone();
        let chosen = pins.looked([key.clone()], stage, lists);
        match (chosen.map(|mut tags| tags.pop()), pinned) {
            (Ok(tag), Some(image)) if image.tag == tag => drop(pins.images.insert(key, Ok(image))),
            (Ok(Some(tag)), pinned) => wanted.push(Wanted { key, repository, tag, pinned }),
            (Err(_) | Ok(None), Some(image)) => drop(pins.images.insert(key, Ok(image))),
            (Err(blocked), None) => drop(pins.images.insert(key, Err(blocked))),
            (Ok(None), None) => {}
        }
    }
    wanted
}

/// The newest of the tags by what a stage tracks, as many as it runs, newest first.
///
/// # Errors
/// There is none, or the registry does not say.
fn chosen(stage: &DesiredStage, lists: &Lists) -> Result<Vec<Tag>, Blocked> {
    let repository = &stage.repository;
    let tags = match lists.get(repository) {
        Some(Ok(tags)) => tags.as_slice(),
        Some(Err(blocked)) => return Err(blocked.clone()),
        None => &[],
    };
    let selected = select(&stage.track, tags.iter().map(String::as_str), stage.max_instances.into());
    if !selected.newest.is_empty() {
        return Ok(selected.newest);
    }
    Err(Blocked {
        refused: false,
        reason: format!(
            "none of the {} tags of {repository} is {}; {} of them cannot be read by that",
            tags.len(),
            stage.track.version(),
            selected.skipped
        ),
        hint: Some("push such a tag, or change `track`".into()),
    })
}

fn unanswered(error: &registry::RegistryError) -> Blocked {
    Blocked { refused: false, reason: error.to_string(), hint: error.hint() }
}

/// `pull_policy: never`: the image is known by its id (R6).
async fn ask_host(docker: &Docker, repository: Repository, tag: Tag) -> Pinned {
    let reference = format!("{repository}:{tag}");
    match docker.image(&reference).await {
        Ok(Some(image)) => Ok(ImageRef { repository, tag: Some(tag), digest: image.id, local: true }),
        Ok(None) => Err(Blocked {
            refused: true,
            reason: format!("image {reference} is not on this host, and `pull_policy` is never"),
            hint: Some("build or load it here, or take `pull_policy: never` out".into()),
        }),
        Err(error) => Err(Blocked { refused: false, reason: error.to_string(), hint: error.hint() }),
    }
}

/// How the registry of a repository is asked, with its login.
///
/// # Errors
/// The password cannot be read, or the address not be used.
pub fn access(secrets: &Secrets, desired: &Desired, repository: &Repository) -> Result<Access, Blocked> {
    let entry = registry::find(&desired.registries, repository);
    let mut credentials = None;
    if let Some((username, password)) = entry.and_then(|r| r.username.clone().zip(r.password.as_ref())) {
        let blocked = |error: crate::secrets::SecretError| Blocked {
            refused: true,
            reason: format!("the password of registry {}: {error}", repository.host()),
            hint: error.hint(),
        };
        credentials = Some(Credentials { username, password: secrets.read(password).map_err(blocked)? });
    }
    Access::new(repository, entry, credentials).map_err(|error| unanswered(&error))
}
