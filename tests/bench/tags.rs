//! What a list of 5,000 tags costs beside the raw requests for its pages, against the same server on loopback, in one
//! run, interleaved. Prints medians and their ratio; time is the machine's, so nothing of it is asserted.
//!
//! `cargo bench --bench tags`; `BENCH_TAGS` (5000) and `BENCH_ROUNDS` (101) set its size.

use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::routing::get;
use landfall::model::Repository;
use landfall::registry::{Access, Registry};
use reqwest::Client;
use serde::Deserialize;
use serde_json::json;

#[derive(Deserialize)]
struct Asked {
    n: usize,
    last: Option<usize>,
}

fn main() {
    let tags = number("BENCH_TAGS", 5000);
    let rounds = number("BENCH_ROUNDS", 101);
    // The server has a thread of its own, as a registry has a machine of its own.
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let app = Router::new().route("/v2/{owner}/{name}/tags/list", get(page)).with_state(tags);
        tokio::spawn(async move { axum::serve(listener, app).await.expect("it serves") });
        measure(&address.to_string(), tags, rounds).await;
    });
}

async fn measure(address: &str, tags: usize, rounds: usize) {
    let repository: Repository = format!("{address}/demo/web").parse().expect("a repository");
    let (registry, access) = (Registry::new(), Access::new(&repository, None, None).expect("plain text on loopback"));
    landfall::client::install_tls_provider();
    let client = Client::builder().no_proxy().tls_certs_only([]).build().expect("a client");
    let (mut raw, mut ours) = (Vec::new(), Vec::new());
    for round in 0..=rounds {
        let begun = Instant::now();
        let pages = walk(&client, address).await;
        let between = Instant::now();
        let listed = registry.tags(&repository, &access).await.expect("a list");
        assert_eq!((listed.len(), pages), (tags, tags.div_ceil(1000)));
        // The first of each opens connections.
        if round > 0 {
            raw.push(between - begun);
            ours.push(between.elapsed());
        }
    }
    let (raw, ours) = (median(&mut raw), median(&mut ours));
    let ms = |time: Duration| time.as_secs_f64() * 1000.0;
    println!("{tags} tags, {rounds} rounds, raw pages {:.2} ms, our list {:.2} ms", ms(raw), ms(ours));
    println!("ratio {:.2}", ms(ours) / ms(raw));
}

/// The raw requests: each page read to its end and decoded, as anyone who wants the tags must.
async fn walk(client: &Client, address: &str) -> usize {
    let (mut pages, mut path) = (0, "/v2/demo/web/tags/list?n=1000".to_owned());
    loop {
        let answer = client.get(format!("http://{address}{path}")).send().await.expect("an answer");
        let link = answer.headers().get(header::LINK).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let list: serde_json::Value = serde_json::from_slice(&answer.bytes().await.expect("a body")).expect("a list");
        assert!(list["tags"].is_array());
        pages += 1;
        match link.and_then(|link| Some(link.strip_prefix('<')?.split_once('>')?.0.to_owned())) {
            Some(next) => path = next,
            None => return pages,
        }
    }
}

async fn page(
    State(tags): State<usize>,
    Path((owner, name)): Path<(String, String)>,
    Query(asked): Query<Asked>,
) -> (HeaderMap, String) {
    let begin = asked.last.map_or(0, |last| last + 1);
    let end = (begin + asked.n).min(tags);
    let list: Vec<_> = (begin..end).map(|n| format!("main-3f2a91c-{n:06}")).collect();
    let mut headers = HeaderMap::new();
    if end < tags {
        let link = format!("</v2/{owner}/{name}/tags/list?last={}&n={}>; rel=\"next\"", end - 1, asked.n);
        headers.insert(header::LINK, HeaderValue::try_from(link).expect("a header"));
    }
    (headers, json!({ "name": format!("{owner}/{name}"), "tags": list }).to_string())
}

fn number(name: &str, default: usize) -> usize {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort();
    times[times.len() / 2]
}
