//! What a good configuration becomes.

use super::*;
use crate::model::desired::{Check, Strategy};
use crate::model::{Millis, StageKey, Track};

const SITE: &str = r#"
settings:
  domain: apps.example.com
registries:
  ghcr:
    url: https://ghcr.io
    username: deploy-bot
    password: { credential: ghcr_token }
projects:
  shop:
    image: ghcr.io/acme/shop
    port: 8080
    environment: { LOG_LEVEL: info, VERSION: 1.10, DEBUG: no }
    secret_environment: { DATABASE_URL: { credential: shop_db_url } }
    ready: { http: { path: /healthz }, deadline: 30s }
    mem_limit: 512m
    stages:
      staging:
        track: { tag: 2.10 }
        route: { subdomain: staging-shop }
      prod:
        track: { tag: "1.0" }
        route: { domains: [ shop.example.com, WWW.shop.example.com ] }
        environment: { LOG_LEVEL: warn, DEBUG: null }
  db:
    image: docker.io/library/postgres
    volumes: [ "pgdata:/var/lib/postgresql/data" ]
    stages:
      prod: { track: { tag: "16.4" } }
"#;

#[test]
fn a_site_becomes_settings_registries_and_stages() {
    let loaded = loaded(SITE);
    let stage = |key: &str| &loaded.desired.stages[&key.parse::<StageKey>().unwrap()];
    let prod = stage("shop/prod");
    assert_eq!(prod.repository.to_string(), "ghcr.io/acme/shop");
    assert_eq!(prod.track, Track::Tag("1.0".parse().unwrap()));
    let names: Vec<&str> = prod.domains.iter().map(crate::model::Domain::as_str).collect();
    assert_eq!(names, ["shop.example.com", "www.shop.example.com"]);
    assert_eq!(prod.container.environment.get("VERSION"), Some("1.10"));
    assert_eq!(prod.container.environment.get("LOG_LEVEL"), Some("warn"));
    assert_eq!(prod.container.environment.get("DEBUG"), None);
    assert_eq!(prod.ready.deadline, Millis::secs(30));
    assert!(matches!(&prod.ready.check, Check::Http { path, .. } if path == "/healthz"));
    let staging = stage("shop/staging");
    assert_eq!(staging.container.environment.get("DEBUG"), Some("no"));
    assert_eq!(staging.track, Track::Tag("2.10".parse().unwrap()));
    assert_eq!(staging.domains[0].as_str(), "staging-shop.apps.example.com");
    assert_eq!(stage("db/prod").strategy, Strategy::Recreate);
    assert_eq!(loaded.desired.registries.len(), 1);
}

#[test]
fn every_value_knows_where_it_is_written() {
    let loaded = loaded(SITE);
    let key: StageKey = "shop/prod".parse().unwrap();
    let at = |path: &str| loaded.origin(&key, path).map(|origin| origin.to_string());
    assert_eq!(at("").as_deref(), Some("site.yaml:21"));
    assert_eq!(at("track.tag").as_deref(), Some("site.yaml:22"));
    assert_eq!(at("environment.LOG_LEVEL").as_deref(), Some("site.yaml:24"));
    assert_eq!(at("environment.VERSION").as_deref(), Some("site.yaml:13"));
    assert_eq!(at("mem_limit").as_deref(), Some("site.yaml:16"));
    assert_eq!(at("drain"), None);
    assert_eq!(loaded.setting_origin("domain").map(|origin| origin.to_string()).as_deref(), Some("site.yaml:3"));
    assert_eq!(loaded.setting_origin("ports"), None);
}
