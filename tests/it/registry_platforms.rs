//! What an image was built for, by a fake registry: indexes, single images, and content that is not what it should be.

use landfall::model::retry::Retry;
use landfall::model::{Digest, Platform, Repository, hash};
use landfall::registry::{Access, Registry, RegistryError};
use serde_json::{Value, json};

use crate::fake_registry::{FakeRegistry, Made};

struct Ground {
    fake: FakeRegistry,
    repository: Repository,
    registry: Registry,
}

impl Ground {
    fn new() -> Self {
        let fake = FakeRegistry::start();
        Self { repository: fake.repository("demo/web").parse().unwrap(), registry: Registry::new(), fake }
    }

    /// Keeps content under its digest.
    fn keep(&self, kind: &str, content: &Value) -> Digest {
        let body = content.to_string().into_bytes();
        let digest = format!("sha256:{}", hash::sha256_hex(&body));
        self.fake.keep(&format!("/v2/demo/web/{kind}/{digest}"), &body);
        digest.parse().unwrap()
    }

    /// An index of these platforms.
    fn index(&self, platforms: &[Value]) -> Digest {
        let entries: Vec<_> = platforms.iter().map(|platform| json!({ "platform": platform })).collect();
        self.keep("manifests", &json!({ "manifests": entries }))
    }

    async fn fits(&self, digest: &Digest, machine: &str) -> Result<(), RegistryError> {
        let access = Access::new(&self.repository, None, None)?;
        self.registry.fits(&self.repository, digest, &Platform::of_host("linux", machine), &access).await
    }
}

#[tokio::test]
async fn an_index_tells_what_there_is_and_is_asked_for_once() {
    let ground = Ground::new();
    let index = ground.index(&[
        json!({ "os": "linux", "architecture": "arm64", "variant": "v8" }),
        json!({ "os": "linux", "architecture": "arm", "variant": "v7" }),
        json!({ "os": "unknown", "architecture": "unknown" }),
    ]);
    ground.fits(&index, "aarch64").await.unwrap();
    ground.fits(&index, "armv7l").await.unwrap();
    let error = ground.fits(&index, "x86_64").await.unwrap_err();
    let said =
        format!("{}@{index} is for linux/arm/v7, linux/arm64/v8, and this host is linux/amd64", ground.repository);
    assert_eq!(error.to_string(), said);
    assert!(error.hint().unwrap().contains("--platform"), "{error:?}");
    assert_eq!((error.retry(), ground.fake.seen().len()), (Retry::OnChange, 1));
}

#[tokio::test]
async fn a_single_image_is_told_by_its_configuration() {
    let ground = Ground::new();
    let config = ground.keep("blobs", &json!({ "os": "linux", "architecture": "arm64", "config": {} }));
    let image = ground.keep("manifests", &json!({ "config": { "digest": config.as_str() }, "layers": [] }));
    ground.fits(&image, "aarch64").await.unwrap();
    let error = ground.fits(&image, "x86_64").await.unwrap_err();
    assert!(matches!(&error, RegistryError::WrongPlatform { offered, .. } if offered == "linux/arm64"), "{error:?}");
    assert_eq!(ground.fake.seen().len(), 2);
}

#[tokio::test]
async fn an_image_that_does_not_say_is_given_the_benefit_of_the_doubt() {
    let ground = Ground::new();
    let unsaid = ground.keep("manifests", &json!({ "manifests": [{ "digest": "sha256:x" }] }));
    ground.fits(&unsaid, "x86_64").await.unwrap();
    let bare = ground.keep("manifests", &json!({ "layers": [] }));
    ground.fits(&bare, "x86_64").await.unwrap();
}

#[tokio::test]
async fn content_that_is_cut_off_or_another_is_refused_and_not_remembered() {
    let ground = Ground::new();
    let amd = ground.index(&[json!({ "os": "linux", "architecture": "amd64" })]);
    let page = b"<html>please log in to this network</html>".to_vec();
    for body in [b"{\"manifests\":[".to_vec(), b"{\"manifests\":[]}".to_vec(), page, Vec::new()] {
        ground.fake.answer_next(Made::Answer(200, Vec::new(), body));
        let error = ground.fits(&amd, "x86_64").await.unwrap_err();
        assert!(error.to_string().contains("not what its digest names"), "{error}");
    }
    let nothing = ground.keep("manifests", &json!("no image"));
    let error = ground.fits(&nothing, "x86_64").await.unwrap_err();
    assert!(error.to_string().contains("no image"), "{error}");
    ground.fits(&amd, "x86_64").await.unwrap();
}
