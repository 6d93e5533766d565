//! Making the new container: its volumes, its port, its files and secrets, and the start that finds a port taken.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use secrecy::ExposeSecret;

use super::perform::{StepError, id};
use super::run::{self, Work};
use super::{files, perform};
use crate::docker::{ContainerInfo, CreateContainer, DockerError};
use crate::model::spec::{Healthcheck, MountSource, Restart};
use crate::model::{ContainerSpec, ContainerState, DeployId, Hook, HookLabels, Labels, Moment, Texts, hash};
use crate::plan::{Effect, PlannedDeploy, Target};

/// So many ports are tried when Docker finds the reserved one taken (R7).
const PORT_TRIES: usize = 5;

/// Makes a volume of the stage, or finds it; someone else's of that name is a clash (R1, R34).
pub(super) async fn volume(work: &Work<'_>, name: &str) -> Result<(), StepError> {
    let docker = &work.context.docker;
    let store = work.context.store.id().to_string();
    let labels: BTreeMap<String, String> = [
        (crate::model::labels::STORE.to_owned(), store),
        ("landfall.project".to_owned(), work.plan.key.project.to_string()),
        ("landfall.stage".to_owned(), work.plan.key.stage.to_string()),
    ]
    .into();
    match docker.volume(name).await? {
        None => Ok(docker.create_volume(name, &labels).await?),
        // The stage counts as well: `a/b-c` with `d` and `a/b` with `c-d` have one name for two volumes.
        Some(info) if labels.iter().all(|(name, value)| info.labels.get(name) == Some(value)) => Ok(()),
        Some(_) => Err(StepError::Other(format!(
            "volume {name} exists and was not made for this stage by this Landfall; to use it as it is, mount it with `external: true`"
        ))),
    }
}

/// Copies what the new container mounts of the config tree to the host, and says where each is, by hash. Done with the
/// pull, before anything that runs is touched, and found there when the container is made.
pub(super) fn mounted_files(work: &Work<'_>) -> Result<BTreeMap<String, PathBuf>, StepError> {
    let (_, deploy) = of(work)?;
    let mut copies = BTreeMap::new();
    for mount in &deploy.stage.container.mounts {
        if let MountSource::ConfigTree { path, hash } = &mount.source {
            let copy =
                files::keep(&work.context.files, &work.context.files_dir, path, hash).map_err(StepError::Other)?;
            copies.insert(hash.clone(), copy);
        }
    }
    Ok(copies)
}

/// Reserves a port where one is needed, then creates the container with everything that belongs to it (R7).
pub(super) async fn container(work: &mut Work<'_>) -> Result<(), StepError> {
    let (deploy_id, deploy) = of(work)?;
    let settings = &work.context.desired.settings;
    if deploy.stage.is_published(&settings.proxy) {
        let port = work.context.store.reserve_port(settings.ports, deploy_id, &BTreeSet::new()).await?;
        work.host_port = Some(port);
    }
    create(work).await
}

fn of<'a>(work: &Work<'a>) -> Result<(DeployId, &'a PlannedDeploy), StepError> {
    work.deploy.ok_or_else(|| StepError::Other("a container is only made by a deploy".into()))
}

async fn create(work: &mut Work<'_>) -> Result<(), StepError> {
    let (deploy_id, deploy) = of(work)?;
    let context = work.context;
    let spec = &deploy.stage.container;
    let name = work.new_name();
    let labels = labels(work, deploy_id, deploy, &name);
    let container = match ask(work, &name, spec, labels, spec.port.zip(work.host_port)).await {
        Ok(container) => container,
        Err(StepError::Docker(error)) => not_made(work, deploy_id, &deploy.spec_hash, error).await?,
        Err(other) => return Err(other),
    };
    work.container = Some(container.clone());
    let instance = run::instance(work, deploy_id, deploy, &container);
    Ok(context.store.add_instance(instance).await?)
}

/// Asks Docker for a container of the new image, with the secrets and files of the stage.
async fn ask(
    work: &Work<'_>,
    name: &str,
    spec: &ContainerSpec,
    labels: BTreeMap<String, String>,
    publish: Option<(u16, u16)>,
) -> Result<String, StepError> {
    let (_, deploy) = of(work)?;
    let context = work.context;
    let config_files = mounted_files(work)?;
    let mut secret_environment = Vec::new();
    for (name, reference) in &spec.secret_environment {
        secret_environment.push((name.clone(), context.secrets.read(reference)?));
    }
    let image = deploy.image.by_digest();
    let request = CreateContainer {
        name,
        image: &image,
        spec,
        labels,
        network: &context.desired.settings.network,
        aliases: Vec::new(),
        publish,
        secret_environment,
        config_files: &config_files,
        stop_timeout_secs: deploy.stage.stop_grace_period.secs_ceil(),
    };
    Ok(context.docker.create(&request).await?)
}

/// Makes the container of a hook: all that the instance has, and nothing by which others find it or Docker starts it
/// again. One that is there though its answer was lost is taken as it is.
pub(super) async fn for_hook(work: &Work<'_>, name: &str, moment: Moment, hook: &Hook) -> Result<String, StepError> {
    let (deploy_id, deploy) = of(work)?;
    let no_check =
        Healthcheck { test: vec!["NONE".into()], interval: None, timeout: None, retries: None, start_period: None };
    let spec = ContainerSpec {
        command: Some(hook.command.clone()),
        labels: Texts::default(),
        ports: Vec::new(),
        restart: Restart::No,
        healthcheck: Some(no_check),
        ..(*deploy.stage.container).clone()
    };
    let labels = HookLabels {
        store: work.context.store.id(),
        key: work.plan.key.clone(),
        deploy: deploy_id,
        hook: moment.key().to_owned(),
        own_name: name.to_owned(),
    };
    let error = match ask(work, name, &spec, labels.to_map(), None).await {
        Err(StepError::Docker(error)) => error,
        made => return made,
    };
    match work.context.docker.inspect(name).await {
        Ok(Some(holder)) if HookLabels::parse(&holder.labels) == Some(labels) => Ok(holder.id),
        Ok(Some(holder)) if matches!(error, DockerError::NameTaken { .. }) => Err(taken(name, &holder)),
        Ok(_) | Err(_) => Err(StepError::Docker(error)),
    }
}

fn taken(name: &str, holder: &ContainerInfo) -> StepError {
    StepError::Other(format!("name {name} is taken by container {} that is not Landfall's", &holder.id[..12]))
}

/// An answer may be lost after the work was done: a container under the new name that carries this deploy's id is its
/// own, and goes with it. When Docker says the name is taken, by one that was asked for before an interruption, it is
/// what was to be made (R15). Any other is foreign, and named.
async fn not_made(work: &mut Work<'_>, id: DeployId, spec: &str, error: DockerError) -> Result<String, StepError> {
    let name = work.new_name();
    let Ok(Some(holder)) = work.context.docker.inspect(&name).await else {
        return Err(StepError::Docker(error));
    };
    let is_own = |labels: Labels| {
        labels.store == work.context.store.id() && labels.deploy == id && labels.own_name == name && labels.spec == spec
    };
    let is_own = Labels::parse(&holder.labels).is_some_and(is_own);
    match error {
        DockerError::NameTaken { .. } if is_own && holder.state == ContainerState::Created => Ok(holder.id),
        DockerError::NameTaken { .. } if !is_own => Err(taken(&name, &holder)),
        error => {
            work.container = Some(holder.id).filter(|_| is_own);
            Err(StepError::Docker(error))
        }
    }
}

fn labels(work: &Work<'_>, id: DeployId, deploy: &PlannedDeploy, name: &str) -> BTreeMap<String, String> {
    Labels {
        store: work.context.store.id(),
        key: work.plan.key.clone(),
        instance: deploy.image.version(),
        deploy: id,
        spec: deploy.spec_hash.clone(),
        image: deploy.image.to_string(),
        digest: deploy.image.digest.to_string(),
        secrets: hash::secrets_label(deploy.secrets.as_ref()),
        config: work.context.desired.revision.clone(),
        own_name: name.to_owned(),
    }
    .to_map()
}

/// Writes the secret files into the made container: mode 0400, owned by the numeric user it runs as.
pub(super) async fn secret_files(work: &Work<'_>, container: &str) -> Result<(), StepError> {
    let (_, deploy) = of(work)?;
    let spec = &deploy.stage.container;
    let (uid, gid) = owner(spec.user.as_deref());
    let mut archive = tar::Builder::new(Vec::new());
    let broken = |error: std::io::Error| StepError::Other(format!("secret files: {error}"));
    for (path, reference) in &spec.secret_files {
        let value = work.context.secrets.read(reference)?;
        let bytes = value.expose_secret().as_bytes();
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o400);
        header.set_uid(uid);
        header.set_gid(gid);
        archive.append_data(&mut header, path.trim_start_matches('/'), bytes).map_err(broken)?;
    }
    let bytes = archive.into_inner().map_err(broken)?;
    Ok(work.context.docker.upload(container, bytes).await?)
}

/// The numeric user and group of `user`; `config` refuses secret files with any other form.
fn owner(user: Option<&str>) -> (u64, u64) {
    let (user, group) =
        user.map_or(("0", None), |text| text.split_once(':').map_or((text, None), |(u, g)| (u, Some(g))));
    let uid = user.parse().unwrap_or(0);
    (uid, group.and_then(|g| g.parse().ok()).unwrap_or(uid))
}

/// Starts it; when Docker finds the reserved port taken, the container is made again with the next one (R7).
pub(super) async fn start(work: &mut Work<'_>) -> Result<(), StepError> {
    let (deploy_id, _) = of(work)?;
    let mut taken = BTreeSet::new();
    loop {
        let id = id(work, &Target::New)?;
        let error = match work.context.docker.start(&id).await {
            Ok(()) => return Ok(()),
            Err(error) => error,
        };
        let (DockerError::PortTaken { .. }, Some(port)) = (&error, work.host_port) else {
            return Err(StepError::Start(error));
        };
        taken.insert(port);
        if taken.len() >= PORT_TRIES {
            return Err(StepError::Start(error));
        }
        work.log.line(format!("port {port} is taken by someone else; trying the next")).await;
        next_port(work, deploy_id, &id, &taken).await?;
    }
}

async fn next_port(work: &mut Work<'_>, deploy: DeployId, old: &str, taken: &BTreeSet<u16>) -> Result<(), StepError> {
    let context = work.context;
    context.docker.remove(old, true).await?;
    context.store.remove_instance(old).await?;
    work.container = None;
    work.host_port = Some(context.store.reserve_port(context.desired.settings.ports, deploy, taken).await?);
    create(work).await?;
    let again = |effect: &Effect| {
        matches!(effect, Effect::WriteSecrets)
            || matches!(effect, Effect::Connect { target: Target::New, .. })
            || matches!(effect, Effect::JoinNames { target: Target::New })
    };
    let before_start = work.plan.steps.iter().take_while(|s| !matches!(s.effect, Effect::Start { .. }));
    for effect in before_start.map(|s| &s.effect).filter(|e| again(e)) {
        Box::pin(perform::step(work, effect)).await?;
    }
    Ok(())
}
