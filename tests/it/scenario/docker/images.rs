//! Pulling, naming, and asking registries.

use landfall::docker::{Credentials, DockerError, PullFailure};
use landfall::model::{Digest, Platform, Repository, Tag};
use landfall::registry::{self, Access, Registry, RegistryError};

use super::{digest, docker, ground, unique, web};

#[tokio::test]
async fn a_pull_tells_its_progress_and_the_image_gets_a_name_of_ours() {
    let docker = docker().await;
    let repository: Repository = format!("{}/many", ground("LANDFALL_TEST_IMAGES")).parse().unwrap();
    let wanted = digest(&repository, "v1").await;
    let mut last = None;
    docker.pull(&repository, &wanted, None, |progress| last = Some(progress)).await.unwrap();
    let last = last.expect("lines of progress");
    assert_eq!(last.layers_done, last.layers);
    let reference = format!("{repository}@{wanted}");
    let image = docker.image(&reference).await.unwrap().unwrap();
    assert!(image.repo_digests.contains(&reference), "{image:?}");
    let tag = unique("t");
    docker.tag_image(&reference, "landfall/many-test", &tag).await.unwrap();
    let tagged = docker.image(&format!("landfall/many-test:{tag}")).await.unwrap().unwrap();
    assert_eq!(tagged.id, image.id);
    assert_eq!(docker.image(image.id.as_str()).await.unwrap().unwrap().id, image.id);
    assert_eq!(docker.image("no/such:image").await.unwrap(), None);
}

#[tokio::test]
async fn the_host_is_told_in_the_words_of_images_and_runs_the_ones_of_the_ground() {
    let docker = docker().await;
    let host = docker.platform().await.unwrap();
    assert_eq!(host, Platform::of_host("linux", std::env::consts::ARCH));
    let (tag, access) = ("v1".parse().unwrap(), Access::new(&web(), None, None).unwrap());
    let digest = Registry::new().head(&web(), &tag, &access).await.unwrap();
    Registry::new().fits(&web(), &digest, &host, &access).await.unwrap();
    let other = Platform::of_host("linux", "s390x");
    let error = Registry::new().fits(&web(), &digest, &other, &access).await.unwrap_err();
    assert!(error.to_string().contains(&format!("is for {host}, and this host is linux/s390x")), "{error}");
}

#[tokio::test]
async fn why_a_pull_failed_is_told_apart() {
    let docker = docker().await;
    let nothing: Digest = format!("sha256:{}", "0".repeat(64)).parse().unwrap();
    let private: Repository = format!("{}/private/web", ground("LANDFALL_TEST_REGISTRY_AUTH")).parse().unwrap();
    let dead: Repository = "127.0.0.1:5009/demo/web".parse().unwrap();
    let wrong = credentials("wrong");
    let cases = [
        (&web(), &nothing, None, PullFailure::NotFound),
        (&dead, &nothing, None, PullFailure::Unavailable),
        (&private, &nothing, None, PullFailure::Unauthorized),
        (&private, &nothing, Some(&wrong), PullFailure::Unauthorized),
    ];
    for (repository, digest, credentials, wanted) in cases {
        let error = docker.pull(repository, digest, credentials, |_| {}).await.unwrap_err();
        assert!(matches!(&error, DockerError::Pull { kind, .. } if *kind == wanted), "{error:?}");
    }
}

fn credentials(password: &str) -> Credentials {
    Credentials { username: ground("LANDFALL_TEST_REGISTRY_USER"), password: password.into() }
}

#[tokio::test]
async fn a_registry_with_a_login_is_read_and_pulled_from() {
    let docker = docker().await;
    let private: Repository = format!("{}/private/web", ground("LANDFALL_TEST_REGISTRY_AUTH")).parse().unwrap();
    let tag: Tag = "v1".parse().unwrap();
    let registry = Registry::new();
    let user = ground("LANDFALL_TEST_REGISTRY_USER");
    let login = |password: &str| registry::Credentials { username: user.clone(), password: password.into() };
    let access = |login| Access::new(&private, None, login).unwrap();

    let password = ground("LANDFALL_TEST_REGISTRY_PASSWORD");
    let good = access(Some(login(&password)));
    let digest = registry.head(&private, &tag, &good).await.unwrap();
    let refused = registry.head(&private, &tag, &access(Some(login("wrong")))).await.unwrap_err();
    assert!(matches!(refused, RegistryError::LoginRefused { .. }), "{refused}");
    let needed = registry.head(&private, &tag, &access(None)).await.unwrap_err();
    assert!(matches!(needed, RegistryError::LoginNeeded { .. }), "{needed}");
    let missing = registry.head(&private, &"none".parse().unwrap(), &good).await.unwrap_err();
    assert!(matches!(missing, RegistryError::NotFound { .. }), "{missing}");

    docker.pull(&private, &digest, Some(&credentials(&password)), |_| {}).await.unwrap();
    assert!(docker.image(&format!("{private}@{digest}")).await.unwrap().is_some());
}
