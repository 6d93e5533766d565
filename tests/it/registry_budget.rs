//! The budget of a registry: what it asked for is kept by every clone of a client, for every repository of it.

use std::time::Duration;

use landfall::model::retry::Retry;
use landfall::model::{Digest, Repository};
use landfall::registry::{Access, Registry, RegistryError};

use crate::fake_docker::FakeImage;
use crate::fake_registry::{FakeRegistry, Login, Made};

fn publish(fake: &FakeRegistry, path: &str) -> FakeImage {
    let image = FakeImage::new(&fake.repository(path), "v1");
    fake.publish(&image);
    image
}

async fn head(registry: &Registry, repository: &Repository) -> Result<Digest, RegistryError> {
    let access = Access::new(repository, None, None)?;
    registry.head(repository, &"v1".parse().unwrap(), &access).await
}

#[tokio::test]
async fn after_too_many_requests_nothing_is_sent_before_the_moment_that_was_named() {
    let fake = FakeRegistry::start();
    let (web, api) = (publish(&fake, "demo/web"), publish(&fake, "demo/api"));
    let other = FakeRegistry::start();
    let elsewhere = publish(&other, "demo/web");
    for status in [429, 503] {
        fake.forget();
        let registry = Registry::new();
        fake.answer_next(Made::Answer(status, vec![("retry-after", "3600".into())], Vec::new()));
        let first = head(&registry, &web.repository).await.unwrap_err();
        let early = chrono::Utc::now() + chrono::TimeDelta::seconds(3500);
        for repository in [&web.repository, &api.repository] {
            let error = head(&registry.clone(), repository).await.unwrap_err();
            assert!(matches!(&error, RegistryError::Paused { until, .. } if *until > early), "{error:?}");
            assert!(error.to_string().contains("not to be asked before 20"), "{error}");
            assert_eq!(error.retry(), Retry::Backoff);
        }
        assert_eq!((first.retry(), fake.seen().len()), (Retry::Backoff, 1), "{status}");
        assert_eq!(head(&registry, &elsewhere.repository).await.unwrap(), elsewhere.digest);
    }
}

#[tokio::test]
async fn a_pause_ends_and_the_registry_is_asked_again() {
    let fake = FakeRegistry::start();
    let web = publish(&fake, "demo/web");
    let registry = Registry::new();
    fake.answer_next(Made::Answer(429, vec![("retry-after", "1".into())], Vec::new()));
    head(&registry, &web.repository).await.unwrap_err();
    let asked_until_it_answers = async {
        while head(&registry, &web.repository).await.is_err() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), asked_until_it_answers).await.unwrap();
    assert_eq!(fake.seen().len(), 2);
}

#[tokio::test]
async fn a_token_service_that_is_asked_too_much_pauses_its_registry() {
    let fake =
        FakeRegistry::with_login(Login::Bearer { realm: "{here}/token".into(), expires_in: None, anonymous: true });
    let web = publish(&fake, "demo/web");
    let registry = Registry::new();
    let challenge = format!("Bearer realm=\"{}/token\"", fake.url());
    fake.answer_next(Made::Answer(401, vec![("www-authenticate", challenge)], Vec::new()));
    fake.answer_next(Made::Answer(429, vec![("retry-after", "60".into())], Vec::new()));
    assert!(matches!(head(&registry, &web.repository).await, Err(RegistryError::RateLimited { .. })));
    assert!(matches!(head(&registry, &web.repository).await, Err(RegistryError::Paused { .. })));
    assert_eq!(fake.seen().len(), 2);
}

#[tokio::test]
async fn four_questions_at_a_time_go_to_one_registry() {
    let fake = FakeRegistry::start();
    let web = publish(&fake, "demo/web");
    for _ in 0..4 {
        fake.answer_next(Made::Silence);
    }
    let registry = Registry::with_timeout(Duration::from_secs(2));
    let asked = futures_util::future::join_all((0..20).map(|_| head(&registry, &web.repository)));
    let watched = async {
        while fake.seen().len() < 4 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        // The four do not get an answer for a while; all others wait behind them.
        tokio::time::sleep(Duration::from_millis(300)).await;
        fake.seen().len()
    };
    let (answers, seen) = tokio::join!(asked, watched);
    assert_eq!(seen, 4);
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 16);
}
