//! Images: on the host, and in registries.

use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use landfall::model::{Digest, ImageRef, Repository, Tag, hash};
use serde_json::{Value, json};

use super::app::Behaviour;
use super::fault::Fault;
use super::server::Asked;
use super::world::World;
use super::{Shared, answer};

/// An image of one version of one app.
#[derive(Debug, Clone)]
pub struct FakeImage {
    /// Where it comes from.
    pub repository: Repository,
    /// What its app answers, and its tag.
    pub version: String,
    /// Its manifest's digest, made from repository and version.
    pub digest: Digest,
    /// What its app does.
    pub behaviour: Behaviour,
    /// Where its app listens; 8080 unless told.
    pub port: u16,
    /// It carries a HEALTHCHECK.
    pub healthcheck: bool,
    /// Its names on the host.
    pub names: Vec<String>,
    /// The processor it was built for.
    pub architecture: &'static str,
}

impl FakeImage {
    /// A healthy app on port 8080, without a HEALTHCHECK.
    pub fn new(repository: &str, version: &str) -> Self {
        let repository: Repository = repository.parse().expect("a repository");
        let digest = digest(&format!("manifest {repository} {version}"));
        let names = vec![format!("{repository}@{digest}"), format!("{repository}:{version}")];
        let version = version.to_owned();
        Self {
            repository,
            version,
            digest,
            behaviour: Behaviour::Healthy,
            port: 8080,
            healthcheck: false,
            names,
            architecture: "amd64",
        }
    }

    /// An app that behaves so.
    pub fn behaving(mut self, behaviour: Behaviour) -> Self {
        self.behaviour = behaviour;
        self
    }

    /// An image with a HEALTHCHECK.
    pub fn with_healthcheck(mut self) -> Self {
        self.healthcheck = true;
        self
    }

    /// An image for another processor.
    pub fn built_for(mut self, architecture: &'static str) -> Self {
        self.architecture = architecture;
        self
    }

    /// An app that listens there.
    pub fn on_port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// Its id on the host.
    pub fn id(&self) -> String {
        digest(&format!("image {} {}", self.repository, self.version)).to_string()
    }

    /// As a deploy names it.
    pub fn image_ref(&self) -> ImageRef {
        let tag: Option<Tag> = self.version.parse().ok();
        ImageRef { repository: self.repository.clone(), tag, digest: self.digest.clone(), local: false }
    }
}

fn digest(text: &str) -> Digest {
    format!("sha256:{}", hash::sha256_hex(text.as_bytes())).parse().expect("a digest")
}

impl World {
    /// An image on the host by id or by one of its names.
    pub fn image(&self, reference: &str) -> Option<&FakeImage> {
        let named = |image: &&FakeImage| image.id() == reference || image.names.iter().any(|name| name == reference);
        self.images.iter().find(named)
    }
}

impl World {
    /// A pull by digest leaves that name alone, and those that the image has on the host.
    fn has_pulled(&mut self, image: FakeImage) {
        let name = format!("{}@{}", image.repository, image.digest);
        match self.images.iter_mut().find(|known| known.id() == image.id()) {
            Some(known) if known.names.contains(&name) => {}
            Some(known) => known.names.push(name),
            None => self.images.push(FakeImage { names: vec![name], ..image }),
        }
    }

    /// A container that was made from an image, by its name.
    fn user_of(&self, image: &str) -> Option<String> {
        self.containers.iter().find(|container| container.image_id == image).map(|container| container.name.clone())
    }
}

/// The repository of a name of an image.
fn repository(name: &str) -> &str {
    name.split_once('@').or_else(|| name.rsplit_once(':')).map_or(name, |(repository, _)| repository)
}

/// True when an image has one name, counting a tag and digests of the same repository as one.
fn has_one_name(names: &[String]) -> bool {
    let tags: Vec<_> = names.iter().filter(|name| !name.contains('@')).collect();
    let is_of_one = names.iter().all(|name| repository(name) == repository(&names[0]));
    names.len() <= 1 || (is_of_one && tags.len() <= 1)
}

/// `DELETE /images/{name}`, as dockerd does it: what a container uses keeps its last name.
pub fn remove(world: &Shared, asked: &Asked) -> Response {
    let mut world = world.lock();
    let name = &asked.object;
    let Some(image) = world.image(name).filter(|image| image.names.contains(name)).cloned() else {
        return answer::error(404, &format!("No such image: {name}"));
    };
    if let Some(user) = world.user_of(&image.id()).filter(|_| has_one_name(&image.names)) {
        let text = format!(
            "conflict: unable to remove repository reference \"{name}\" (must force) - container {user} is using its referenced image {}",
            &image.id()[7..19]
        );
        return answer::error(409, &text);
    }
    let mut names = image.names.clone();
    names.retain(|known| known != name);
    let has_tag = names.iter().any(|known| !known.contains('@') && repository(known) == repository(name));
    if !name.contains('@') && !has_tag {
        names.retain(|known| repository(known) != repository(name));
    }
    let deleted = if names.is_empty() {
        vec![json!({ "Untagged": name }), json!({ "Deleted": image.id() })]
    } else {
        vec![json!({ "Untagged": name })]
    };
    for known in world.images.iter_mut().filter(|known| known.id() == image.id()) {
        known.names.clone_from(&names);
    }
    world.images.retain(|known| !known.names.is_empty());
    answer::value(200, &Value::Array(deleted))
}

/// `GET /images/{name}/json`
pub fn inspect(world: &Shared, asked: &Asked) -> Response {
    let world = world.lock();
    let Some(image) = world.image(&asked.object) else {
        let name = &asked.object;
        return answer::error(404, &format!("no such image: {name}: No such image: {name}"));
    };
    let (digests, tags): (Vec<_>, Vec<_>) = image.names.iter().partition(|name| name.contains('@'));
    let check = image.healthcheck.then(|| json!({ "Test": ["CMD", "/app", "--health"] }));
    let body = json!({
        "Id": image.id(),
        "RepoTags": tags,
        "RepoDigests": digests,
        "Config": { "User": "", "Healthcheck": check },
        "Os": "linux",
        "Architecture": image.architecture,
        "Size": 1_000_000,
    });
    answer::value(200, &body)
}

/// `POST /images/{name}/tag?repo=&tag=`
pub fn tag(world: &Shared, asked: &Asked) -> Response {
    let name = format!("{}:{}", asked.query("repo"), asked.query("tag"));
    let mut world = world.lock();
    let Some(id) = world.image(&asked.object).map(FakeImage::id) else {
        return answer::error(404, &format!("No such image: {}", asked.object));
    };
    for image in &mut world.images {
        image.names.retain(|known| *known != name);
        if image.id() == id {
            image.names.push(name.clone());
        }
    }
    answer::empty(201)
}

/// `POST /images/create?fromImage=&tag=`
pub fn pull(world: &Shared, asked: &Asked) -> Response {
    let from = asked.query("fromImage");
    let wanted = asked.query("tag");
    let mut world = world.lock();
    let fits = |image: &&FakeImage| {
        image.repository.to_string() == from && (image.digest.as_str() == wanted || image.version == wanted)
    };
    let Some(image) = world.remote.iter().find(fits).cloned() else {
        let text = format!("manifest for {from}@{wanted} not found: manifest unknown: manifest unknown");
        return answer::error(404, &text);
    };
    let mut lines = progress(&image);
    match &asked.fault {
        Some(Fault::LastLine(message)) => {
            lines.push(json!({ "errorDetail": { "message": message }, "error": message }));
            stream(&lines, false)
        }
        Some(Fault::Cut) => stream(&lines, true),
        Some(
            Fault::Status(..)
            | Fault::LoseAnswer
            | Fault::Break
            | Fault::Stall
            | Fault::Hang
            | Fault::Swallow
            | Fault::Body(_)
            | Fault::Stale,
        )
        | None => {
            lines.push(json!({ "status": "Pull complete", "progressDetail": {}, "id": "0123456789ab" }));
            lines.push(json!({ "status": format!("Digest: {}", image.digest) }));
            world.has_pulled(image);
            stream(&lines, false)
        }
    }
}

fn progress(image: &FakeImage) -> Vec<Value> {
    let layer = |status: &str, current: u64| json!({ "status": status, "id": "0123456789ab", "progressDetail": { "current": current, "total": 1000 } });
    vec![
        json!({ "status": format!("Pulling from {}", image.repository.path()), "id": image.version }),
        json!({ "status": "Pulling fs layer", "progressDetail": {}, "id": "0123456789ab" }),
        layer("Downloading", 400),
        layer("Downloading", 1000),
    ]
}

fn stream(lines: &[Value], cut: bool) -> Response {
    let text = |line: &Value| Ok(format!("{line}\r\n"));
    let mut chunks: Vec<Result<String, std::io::Error>> = lines.iter().map(text).collect();
    if cut {
        chunks.push(Err(std::io::Error::other("cut on request")));
    }
    let body = Body::from_stream(futures_util::stream::iter(chunks));
    ([("content-type", "application/json")], body).into_response()
}
