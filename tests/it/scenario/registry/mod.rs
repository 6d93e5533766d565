//! Debian's docker-registry, asked by our client: thousands of tags, deleted and moved ones, tokens, an authority of
//! one's own. Each test has a registry of its own, in memory, on loopback.

mod ground;
mod login;
mod tokens;

use std::path::Path;

use landfall::model::retry::Retry;
use landfall::model::{Digest, Platform, Repository};
use landfall::registry::{Access, Credentials, Registry, RegistryError};

use ground::{Auth, PASSWORD, RealRegistry, USER};
use tokens::TokenServer;

const TAGS: usize = 5000;

fn login(password: &str) -> Credentials {
    Credentials { username: USER.into(), password: password.into() }
}

async fn head(
    registry: &Registry,
    repository: &Repository,
    tag: &str,
    access: &Access,
) -> Result<Digest, RegistryError> {
    registry.head(repository, &tag.parse().unwrap(), access).await
}

#[tokio::test]
async fn thousands_of_tags_are_listed_and_deleted_and_moved_ones_are_followed() {
    let real = RealRegistry::start(&Auth::None);
    let repository = real.repository("demo/web");
    let (access, registry) = (Access::new(&repository, None, None).unwrap(), Registry::new());
    let error = registry.tags(&repository, &access).await.unwrap_err();
    assert!(matches!(error, RegistryError::NotFound { .. }), "{error}");

    let (amd, arm) = (real.push("demo/web", "moves", "amd64").await, real.push("demo/web", "arm", "arm64").await);
    let names: Vec<_> = (0..TAGS).map(|n| format!("build-{n}")).collect();
    real.tag_all("demo/web", &names, "arm64").await;
    let mut wanted: Vec<_> = names.iter().map(String::as_str).chain(["arm", "moves"]).collect();
    wanted.sort_unstable();
    assert_eq!(registry.tags(&repository, &access).await.unwrap(), wanted);
    assert_eq!(head(&registry, &repository, "build-4999", &access).await.unwrap(), arm);

    assert_eq!(head(&registry, &repository, "moves", &access).await.unwrap(), amd);
    real.push("demo/web", "moves", "arm64").await;
    assert_eq!(head(&registry, &repository, "moves", &access).await.unwrap(), arm);

    real.push("demo/web", "stays", "amd64").await;
    real.delete("demo/web", &arm).await;
    assert_eq!(registry.tags(&repository, &access).await.unwrap(), ["stays"]);
    let gone = head(&registry, &repository, "arm", &access).await.unwrap_err();
    assert!(matches!(gone, RegistryError::NotFound { .. }), "{gone}");
}

#[tokio::test]
async fn what_an_image_was_built_for_is_read_from_its_configuration() {
    let real = RealRegistry::start(&Auth::None);
    let repository = real.repository("demo/web");
    let (access, registry) = (Access::new(&repository, None, None).unwrap(), Registry::new());
    let arm = real.push("demo/web", "arm", "arm64").await;
    let host = |machine: &str| Platform::of_host("linux", machine);
    registry.fits(&repository, &arm, &host("aarch64"), &access).await.unwrap();
    let error = registry.fits(&repository, &arm, &host("x86_64"), &access).await.unwrap_err();
    assert!(error.to_string().contains("is for linux/arm64, and this host is linux/amd64"), "{error}");
}

#[tokio::test]
async fn r28_a_real_registry_that_wants_tokens_gets_signed_ones_for_reading() {
    let tokens = TokenServer::start();
    let real = RealRegistry::start(&Auth::Token(&tokens));
    let repository = real.repository("demo/web");
    let digest = real.push("demo/web", "v1", "amd64").await;
    let registry = Registry::new();
    let access = |login| Access::new(&repository, None, login).unwrap();
    let known = access(Some(login(PASSWORD)));
    assert_eq!(registry.tags(&repository, &known).await.unwrap(), ["v1"]);
    assert_eq!(head(&registry, &repository, "v1", &known).await.unwrap(), digest);
    registry.fits(&repository, &digest, &Platform::of_host("linux", "x86_64"), &known).await.unwrap();
    // One token was bought, for reading, and is good for all of it.
    assert_eq!(tokens.sold(), ["repository:demo/web:pull"]);
    let refused = registry.tags(&repository, &access(Some(login("wrong")))).await.unwrap_err();
    assert!(matches!(refused, RegistryError::LoginRefused { .. }), "{refused}");
    assert!(!format!("{refused} {refused:?}").contains("wrong"));
    let needed = registry.tags(&repository, &access(None)).await.unwrap_err();
    assert!(matches!(needed, RegistryError::LoginNeeded { .. }), "{needed}");
    assert_eq!((refused.retry(), needed.retry()), (Retry::OnChange, Retry::OnChange));
}

#[tokio::test]
async fn an_authority_of_ones_own_is_trusted_by_its_file_and_by_nothing_else() {
    let real = RealRegistry::start(&Auth::Tls);
    let repository = real.repository("demo/web");
    let digest = real.push("demo/web", "v1", "amd64").await;
    let registry = Registry::new();
    let entry = |ca_file: Option<&Path>| landfall::model::Registry {
        url: format!("https://{}", real.address()),
        prefix: real.address().to_owned(),
        username: None,
        password: None,
        poll: None,
        insecure: false,
        ca_file: ca_file.map(|path| path.to_str().unwrap().to_owned()),
    };
    let without = Access::new(&repository, Some(&entry(None)), None).unwrap();
    let error = head(&registry, &repository, "v1", &without).await.unwrap_err();
    assert!(matches!(&error, RegistryError::Untrusted { .. }), "{error:?}");
    assert!(error.hint().unwrap().contains("`ca_file`") && error.retry() == Retry::OnChange, "{error:?}");
    let with = Access::new(&repository, Some(&entry(Some(&real.authority()))), None).unwrap();
    assert_eq!(head(&registry, &repository, "v1", &with).await.unwrap(), digest);
    assert_eq!(registry.tags(&repository, &with).await.unwrap(), ["v1"]);
    // What one entry trusts, no other does.
    head(&registry, &repository, "v1", &without).await.unwrap_err();
    let missing = Access::new(&repository, Some(&entry(Some(Path::new("/nowhere/ca.pem")))), None).unwrap_err();
    assert!(matches!(&missing, RegistryError::CaFile { .. }) && missing.retry() == Retry::OnChange, "{missing:?}");
}
