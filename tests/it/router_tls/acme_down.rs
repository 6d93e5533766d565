//! An authority that does not do its part: it is silent, down, or asks to be left alone.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use landfall::router::Options;
use tokio::net::TcpListener;
use tokio::task::AbortHandle;

use super::Authority;
use super::acme::{is_served, route, scratch};
use super::pebble::kept;
use crate::router_support::{App, Router, until};

/// A server that takes connections and says nothing on them; it counts them.
struct Mute {
    directory: String,
    asked: Arc<AtomicUsize>,
    task: AbortHandle,
}

impl Mute {
    /// One that keeps connections open, or drops them at once.
    async fn new(keeps: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let directory = format!("https://localhost:{}/dir", listener.local_addr().unwrap().port());
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        let task = tokio::spawn(async move {
            let mut open = Vec::new();
            while let Ok((stream, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                open.extend(keeps.then_some(stream));
            }
        });
        Self { directory, asked, task: task.abort_handle() }
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    fn serves(&self) -> impl FnOnce(&mut Options) + use<> {
        let directory = self.directory.clone();
        |options| options.acme.directory = directory
    }
}

impl Drop for Mute {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_comes_while_an_order_runs_is_served_with_what_is_on_disk_at_once() {
    let (mute, dir, app, authority) = (Mute::new(true).await, scratch(), App::named("app").await, Authority::new());
    let router = Router::start_as(Arc::clone(&dir), mute.serves()).await.unwrap();
    route(&router, &["a.test"], &app).await;
    until("an order for a.test runs", async || mute.asked() == 1).await;
    let (chain, key) = authority.issue_as(&["b.test"], |params| {
        params.not_before = (SystemTime::now() - Duration::from_secs(3_600)).into();
        params.not_after = (SystemTime::now() + Duration::from_secs(90 * 86_400)).into();
    });
    std::fs::write(kept(dir.path()).join("b.test.pem"), key + &chain).unwrap();
    route(&router, &["a.test", "b.test"], &app).await;
    until("b.test is served", async || is_served(&authority.client(&[]), router.tls, "b.test").await).await;
    assert_eq!(mute.asked(), 1, "the order goes on, and it is the only one");
}
