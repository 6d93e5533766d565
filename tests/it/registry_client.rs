//! The registry client against a fake registry: digests, logins that stay where they belong, and every way to fail.

use std::time::Duration;

use landfall::model::retry::Retry;
use landfall::model::{Digest, Repository, Tag, hash};
use landfall::registry::{Access, Credentials, Registry, RegistryError};

use crate::fake_docker::FakeImage;
use crate::fake_registry::{FakeRegistry, Login, Made, PASSWORD, USER};

/// One registry, one image in it, and how it is asked.
struct Ground {
    fake: FakeRegistry,
    repository: Repository,
    tag: Tag,
    digest: Digest,
}

impl Ground {
    fn new(login: Login) -> Self {
        let fake = FakeRegistry::with_login(login);
        let image = FakeImage::new(&fake.repository("demo/web"), "v1");
        fake.publish(&image);
        Self { repository: image.repository, tag: "v1".parse().unwrap(), digest: image.digest, fake }
    }

    async fn ask(&self, registry: &Registry, password: Option<&str>) -> Result<Digest, RegistryError> {
        let login = password.map(|password| Credentials { username: USER.into(), password: password.into() });
        let access = Access::new(&self.repository, None, login)?;
        registry.head(&self.repository, &self.tag, &access).await
    }

    /// `METHOD path`, and what kind of login went with it.
    fn requests(&self) -> Vec<String> {
        let kind =
            |seen: &Option<String>| seen.as_deref().map_or("-", |text| text.split(' ').next().unwrap()).to_owned();
        self.fake.seen().iter().map(|s| format!("{} {} {}", s.method, s.path, kind(&s.authorization))).collect()
    }
}

/// A token service at the registry itself.
fn bearer(expires_in: Option<u64>, anonymous: bool) -> Login {
    Login::Bearer { realm: "{here}/token".into(), expires_in, anonymous }
}

#[tokio::test]
async fn one_head_request_tells_the_digest_whatever_kind_of_manifest_it_is() {
    let ground = Ground::new(Login::None);
    assert_eq!(ground.ask(&Registry::new(), None).await.unwrap(), ground.digest);
    assert_eq!(ground.requests(), ["HEAD /v2/demo/web/manifests/v1 -"]);
    let accept = &ground.fake.seen()[0].accept;
    for kind in ["oci.image.index.v1", "manifest.list.v2", "oci.image.manifest.v1", "distribution.manifest.v2"] {
        assert!(accept.contains(kind), "{accept}");
    }
}

#[tokio::test]
async fn without_the_header_the_content_is_hashed_up_to_a_limit() {
    let ground = Ground::new(Login::None);
    let registry = Registry::new();
    ground.fake.tag_without_digest("demo/web", "plain", b"{}");
    ground.fake.tag_without_digest("demo/web", "huge", &vec![b' '; 5 * 1024 * 1024]);
    let access = Access::new(&ground.repository, None, None).unwrap();
    let digest = registry.head(&ground.repository, &"plain".parse().unwrap(), &access).await.unwrap();
    assert_eq!(digest.as_str(), format!("sha256:{}", hash::sha256_hex(b"{}")));
    let error = registry.head(&ground.repository, &"huge".parse().unwrap(), &access).await.unwrap_err();
    assert!(error.to_string().contains("more than 4194304 bytes"), "{error}");
}

#[tokio::test]
async fn a_name_and_password_are_sent_when_asked_for_and_remembered() {
    let ground = Ground::new(Login::Basic);
    let registry = Registry::new();
    for _ in 0..2 {
        assert_eq!(ground.ask(&registry, Some(PASSWORD)).await.unwrap(), ground.digest);
    }
    let head = "HEAD /v2/demo/web/manifests/v1";
    assert_eq!(ground.requests(), [format!("{head} -"), format!("{head} Basic"), format!("{head} Basic")]);
    let refused = ground.ask(&registry, Some("wrong")).await.unwrap_err();
    assert!(matches!(&refused, RegistryError::LoginRefused { username, .. } if username == USER), "{refused}");
    let needed = ground.ask(&registry, None).await.unwrap_err();
    assert!(matches!(needed, RegistryError::LoginNeeded { .. }), "{needed}");
    assert!(needed.hint().unwrap().contains("registries"));
}

#[tokio::test]
async fn a_token_is_bought_for_reading_one_repository_and_used_until_it_expires() {
    let ground = Ground::new(bearer(Some(300), false));
    let registry = Registry::new();
    for _ in 0..2 {
        assert_eq!(ground.ask(&registry, Some(PASSWORD)).await.unwrap(), ground.digest);
    }
    let head = "HEAD /v2/demo/web/manifests/v1";
    let token = "GET /token?service=the registry&scope=repository:demo/web:pull Basic";
    let expected = [format!("{head} -"), token.into(), format!("{head} Bearer"), format!("{head} Bearer")];
    assert_eq!(ground.requests(), expected);
    let refused = ground.ask(&registry, Some("wrong")).await.unwrap_err();
    assert!(matches!(refused, RegistryError::LoginRefused { .. }), "{refused}");
    let needed = ground.ask(&registry, None).await.unwrap_err();
    assert!(matches!(needed, RegistryError::LoginNeeded { .. }), "{needed}");
}

#[tokio::test]
async fn a_token_that_lives_shortly_is_bought_again_and_one_for_everybody_needs_no_name() {
    let ground = Ground::new(bearer(Some(1), true));
    let registry = Registry::new();
    for _ in 0..2 {
        assert_eq!(ground.ask(&registry, None).await.unwrap(), ground.digest);
    }
    let tokens = ground.requests().iter().filter(|request| request.contains("/token")).count();
    assert_eq!(tokens, 2);
}

#[tokio::test]
async fn a_token_that_ran_out_early_is_replaced_in_the_same_question() {
    let ground = Ground::new(bearer(None, true));
    let registry = Registry::new();
    ground.ask(&registry, None).await.unwrap();
    // Another client's token makes ours invalid.
    ground.ask(&Registry::new(), None).await.unwrap();
    assert_eq!(ground.ask(&registry, None).await.unwrap(), ground.digest);
}

#[tokio::test]
async fn r28_a_token_service_in_plain_text_elsewhere_is_not_asked() {
    for realm in ["http://auth.example.com/token", "ftp://127.0.0.1/token", "not a url"] {
        let ground = Ground::new(Login::Bearer { realm: realm.into(), expires_in: None, anonymous: true });
        let error = ground.ask(&Registry::new(), Some(PASSWORD)).await.unwrap_err();
        assert!(matches!(error, RegistryError::PlainText { .. } | RegistryError::Address { .. }), "{error:?}");
        assert_eq!((error.retry(), ground.requests().len()), (Retry::OnChange, 1));
    }
}

#[tokio::test]
async fn r28_a_redirect_does_not_carry_the_login_to_another_place() {
    let ground = Ground::new(Login::Basic);
    let registry = Registry::new();
    ground.ask(&registry, Some(PASSWORD)).await.unwrap();
    let other = FakeRegistry::start();
    other.tag("elsewhere", "v1", ground.digest.as_str());
    let location = format!("{}/v2/elsewhere/manifests/v1", other.url());
    ground.fake.answer_next(Made::Answer(307, vec![("location", location)], Vec::new()));
    ground.fake.forget();
    assert_eq!(ground.ask(&registry, Some(PASSWORD)).await.unwrap(), ground.digest);
    assert!(ground.fake.seen()[0].authorization.is_some());
    assert_eq!(other.seen().iter().map(|seen| seen.authorization.clone()).collect::<Vec<_>>(), [None]);
}

#[tokio::test]
async fn r28_a_place_that_was_redirected_to_cannot_ask_for_our_login() {
    let ground = Ground::new(Login::Basic);
    let other = FakeRegistry::with_login(bearer(None, true));
    let location = format!("{}/v2/elsewhere/manifests/v1", other.url());
    ground.fake.answer_next(Made::Answer(307, vec![("location", location)], Vec::new()));
    let error = ground.ask(&Registry::new(), Some(PASSWORD)).await.unwrap_err();
    assert!(error.to_string().contains("a redirect to a place that asks for a login"), "{error}");
    let carried: Vec<_> = other.seen().iter().map(|seen| (seen.path.clone(), seen.authorization.clone())).collect();
    assert_eq!(carried, [("/v2/elsewhere/manifests/v1".to_owned(), None)]);
}

#[tokio::test]
async fn redirects_end_and_stay_where_nobody_listens_in() {
    let ground = Ground::new(Login::None);
    let registry = Registry::new();
    for _ in 0..7 {
        let again = "/v2/demo/web/manifests/v1".to_owned();
        ground.fake.answer_next(Made::Answer(302, vec![("location", again)], Vec::new()));
    }
    let error = ground.ask(&registry, None).await.unwrap_err();
    assert!(error.to_string().contains("too many redirects"), "{error}");
    assert_eq!(ground.requests().len(), 6);
    let ground = Ground::new(Login::None);
    for location in ["http://example.com/x", "file:///etc/passwd"] {
        ground.fake.answer_next(Made::Answer(302, vec![("location", location.into())], Vec::new()));
        let error = ground.ask(&registry, None).await.unwrap_err();
        assert!(matches!(error, RegistryError::PlainText { .. }), "{error:?}");
    }
}

#[tokio::test]
async fn each_status_has_its_meaning() {
    let ground = Ground::new(Login::None);
    let kind = |error: &RegistryError| format!("{error:?}").split(' ').next().unwrap().to_owned();
    let cases = [
        (403, "Denied", Retry::OnChange),
        (404, "NotFound", Retry::OnChange),
        (429, "RateLimited", Retry::Backoff),
        (500, "Unavailable", Retry::Backoff),
        (503, "Unavailable", Retry::Backoff),
        (418, "Unexpected", Retry::Backoff),
        (204, "Unexpected", Retry::Backoff),
    ];
    for (status, wanted, retry) in cases {
        ground.fake.answer_next(Made::Answer(status, Vec::new(), b"<html>".to_vec()));
        let error = ground.ask(&Registry::new(), None).await.unwrap_err();
        assert_eq!((kind(&error).as_str(), error.retry()), (wanted, retry), "{status}");
    }
    ground.fake.answer_next(Made::Answer(429, vec![("retry-after", "17".into())], Vec::new()));
    let limited = ground.ask(&Registry::new(), None).await.unwrap_err();
    assert!(matches!(limited, RegistryError::RateLimited { retry_after: Some(wait), .. } if wait.as_secs() == 17));
}

#[tokio::test]
async fn a_token_service_gone_wrong_is_told_apart_and_never_quoted() {
    let ground = Ground::new(bearer(None, true));
    let challenge = format!("Bearer realm=\"{}/token\"", ground.fake.url());
    let huge = format!("{{\"token\":\"{}\"}}", "x".repeat(300 * 1024)).into_bytes();
    let cases = [
        (200, b"{\"hunter2\":1}".to_vec()),
        (200, b"hunter2".to_vec()),
        (200, huge),
        (429, Vec::new()),
        (500, Vec::new()),
        (302, Vec::new()),
    ];
    for (status, body) in cases {
        ground.fake.answer_next(Made::Answer(401, vec![("www-authenticate", challenge.clone())], Vec::new()));
        ground.fake.answer_next(Made::Answer(status, Vec::new(), body));
        let registry = Registry::new();
        let error = ground.ask(&registry, Some(PASSWORD)).await.unwrap_err();
        assert_eq!(error.retry(), Retry::Backoff, "{error:?}");
        let text = format!("{error} {error:?} {registry:?}");
        assert!(!text.contains("hunter2") && !text.contains(PASSWORD), "{text}");
    }
}

#[tokio::test]
async fn a_registry_that_is_silent_or_gone_ends_the_question() {
    let ground = Ground::new(Login::None);
    let limit = Duration::from_millis(100);
    ground.fake.answer_next(Made::Silence);
    let error = ground.ask(&Registry::with_timeout(limit), None).await.unwrap_err();
    assert!(matches!(error, RegistryError::Timeout { limit: told, .. } if told == limit), "{error:?}");
    let dead: Repository = "127.0.0.1:1/a".parse().unwrap();
    let access = Access::new(&dead, None, None).unwrap();
    let error = Registry::new().head(&dead, &ground.tag, &access).await.unwrap_err();
    assert!(error.to_string().contains("refused"), "{error}");
    assert_eq!(error.retry(), Retry::Backoff);
}
