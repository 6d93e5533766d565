//! How long it takes from the word to switch until a client is answered by the new instance, for every provider in one
//! run, beside the bare write to the same proxy, which is what it cannot be faster than.
//!
//! `tests/bench/compare.sh switch` shows what it prints. Nothing is asserted of times: they are the machine's.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use landfall::model::route::{CaddySettings, Reach};
use landfall::model::{HostOptions, NpmSettings, ProxySettings, RouteOptions, SecretRef};
use landfall::proxy::{Access, Change, Proxy, Vault, Writes};
use landfall::secrets::Secrets;
use serde_json::{Value, json};

use crate::caddy::{Caddy, newest};
use crate::npm::{Nginx, Npm, Options};
use crate::router_support::{App, Router, control, domains, soon, stage, store};
use crate::router_wire::Client;

/// Switches of each kind at each provider.
const ROUNDS: usize = 10;
/// So many answers in a row by the same one tell that no other is left.
const SETTLED: usize = 300;
const DOMAIN: &str = "web.test";

/// Two instances of an app.
struct Apps([App; 2]);

impl Apps {
    async fn start() -> Self {
        Self([App::named("zero").await, App::named("one").await])
    }

    fn addr(&self, which: usize) -> SocketAddr {
        self.0[which].addr
    }
}

/// From the beginning of a write until the new one answers.
async fn until_answered<T>(at: SocketAddr, which: usize, write: impl Future<Output = T>) -> Duration {
    let wanted = ["zero", "one"][which];
    let begun = Instant::now();
    let answered = async {
        loop {
            // A server that the first write makes does not listen before.
            let Ok(mut client) = Client::try_connect(at).await else { continue };
            if client.try_get(DOMAIN, "/").await.is_some_and(|reply| reply.text() == wanted) {
                return begun.elapsed();
            }
        }
    };
    let (took, _) = tokio::join!(soon("the new one answers", answered), write);
    soon("nobody else answers", settled(at, wanted)).await;
    took
}

/// Until the old workers of a proxy that reloads are gone: they would answer for the next switch.
async fn settled(at: SocketAddr, wanted: &str) {
    let mut in_a_row = 0;
    while in_a_row < SETTLED {
        let reply = match Client::try_connect(at).await {
            Ok(mut client) => client.try_get(DOMAIN, "/").await,
            Err(_) => None,
        };
        in_a_row = if reply.is_some_and(|reply| reply.text() == wanted) { in_a_row + 1 } else { 0 };
    }
}

/// Switches to and fro, by the provider and by the bare write in turn; what each took.
async fn measure(proxy: &Proxy, apps: &Apps, at: SocketAddr, bare: impl AsyncFn(SocketAddr)) -> [Vec<Duration>; 2] {
    let (key, names) = (stage("shop/prod"), domains(&[DOMAIN]));
    let options: HostOptions = RouteOptions::default().by_name();
    let switch = async |which: usize| {
        let upstream = apps.addr(which).to_string();
        let change = Change { options: &options, ..Change::new(store(1), &key, &names, &upstream) };
        Box::pin(proxy.switch(&change)).await.expect("switched");
    };
    until_answered(at, 1, switch(1)).await;
    let mut took = [Vec::new(), Vec::new()];
    for _ in 0..ROUNDS {
        took[0].push(until_answered(at, 0, switch(0)).await);
        took[1].push(until_answered(at, 1, bare(apps.addr(1))).await);
    }
    took
}

fn proxy(settings: &ProxySettings, dir: &std::path::Path) -> Proxy {
    let vault = Vault { path: dir.join("token"), key_place: (dir.into(), dir.join("key")), key: Ok(None) };
    let socket = &dir.join("proxy.sock");
    Proxy::new(settings, Access { socket, secrets: Secrets::new(dir), vault, writes: Writes::default() })
}

async fn embedded(apps: &Apps) -> [Vec<Duration>; 2] {
    let router = Router::start().await;
    let key = stage("shop/prod");
    let bare = async |to: SocketAddr| {
        let owner = json!({ "store": store(1), "project": key.project, "stage": key.stage });
        let body = json!({ "owner": owner, "domains": [DOMAIN], "upstreams": [to] });
        assert_eq!(control(&router.control(), "PUT", "/routes", &body.to_string()).await.0, 200);
    };
    measure(&router.proxy, apps, router.addr, bare).await
}

async fn caddy(apps: &Apps, dir: &std::path::Path) -> [Vec<Duration>; 2] {
    let caddy = Caddy::empty(&newest());
    let settings = CaddySettings {
        admin: caddy.url(),
        upstream: Reach::Host,
        server: None,
        listen: vec![format!(":{}", caddy.http)],
    };
    let bare = async |to: SocketAddr| {
        // What is there, with another place to lead to: one atomic write of one route, as the provider makes it.
        let servers = caddy.config().await["apps"]["http"]["servers"].clone();
        let all = servers.as_object().expect("servers").values().filter_map(|server| server["routes"].as_array());
        let route = all.flatten().find(|route| route["@id"].is_string()).expect("a route of ours");
        let path = format!("/id/{}", route["@id"].as_str().expect("text"));
        let text = route.to_string().replace(&apps.addr(0).to_string(), &to.to_string());
        let route: Value = serde_json::from_str(&text).expect("JSON");
        caddy.by_hand("PATCH", &path, Some(route)).await;
    };
    measure(&proxy(&ProxySettings::Caddy(settings), dir), apps, caddy.addr(), bare).await
}

async fn npm(apps: &Apps, dir: &std::path::Path) -> [Vec<Duration>; 2] {
    const PASSWORD: &str = "correct-horse-battery-staple";
    let npm = Npm::start(&Options::new("2.15.1", Nginx::Local));
    npm.add_user("landfall@example.com", PASSWORD, true, "manage");
    std::fs::write(dir.join("npm"), PASSWORD).expect("a file");
    let settings = NpmSettings {
        url: npm.url(),
        email: "landfall@example.com".into(),
        password: SecretRef::Credential("npm".into()),
        upstream: Reach::Host,
        probe: npm.probe(),
    };
    let npm = &npm;
    let bare = async |to: SocketAddr| {
        let id = npm.host(DOMAIN).expect("a host")["id"].as_i64().expect("an id");
        tokio::task::block_in_place(|| npm.by_hand().edit(id, &json!({ "forward_port": to.port() })));
    };
    let at = npm.probe().parse().expect("an address");
    measure(&proxy(&ProxySettings::NginxProxyManager(settings), dir), apps, at, bare).await
}

/// Median, least and most, in milliseconds.
fn told(times: &[Duration]) -> (f64, String) {
    let mut ms: Vec<f64> = times.iter().map(|time| time.as_secs_f64() * 1000.0).collect();
    ms.sort_by(f64::total_cmp);
    let median = ms[ms.len() / 2];
    (median, format!("{median:7.1} ms [{:.1}-{:.1}]", ms[0], ms[ms.len() - 1]))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r9_how_soon_the_new_instance_answers_after_a_switch_is_told_for_every_provider_in_one_run() {
    let (apps, dir) = (Apps::start().await, tempfile::tempdir().unwrap());
    let runs = [
        ("embedded", embedded(&apps).await),
        ("caddy", caddy(&apps, dir.path()).await),
        ("npm", npm(&apps, dir.path()).await),
    ];
    for (name, [ours, bare]) in &runs {
        assert_eq!((ours.len(), bare.len()), (ROUNDS, ROUNDS));
        let ((ours, ours_told), (bare, bare_told)) = (told(ours), told(bare));
        println!("{name:<9} switch {ours_told}   bare write {bare_told}   ratio {:.2}", ours / bare);
    }
}
