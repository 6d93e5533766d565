//! R9, R11: a switch whose answer is lost is put back, and where even that cannot be told, both instances stay until
//! the next pass sees more.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use landfall::plan::Options;
use landfall::reconcile::Places;
use tokio::net::UnixListener;

use super::ground::{Host, ended, image, web};
use crate::cli::landfall;
use crate::router_support::control;

/// Stands before the control socket of the proxy, hands everything on, and loses answers.
#[derive(Clone)]
struct Lossy {
    behind: PathBuf,
    /// The answer to a change is lost, after the change was made.
    loses_changes: Arc<AtomicBool>,
    /// What asks to put it back is not handed on.
    loses_restores: Arc<AtomicBool>,
}

impl Lossy {
    fn start(at: &Path, behind: PathBuf) -> Self {
        let lossy = Self { behind, loses_changes: Arc::default(), loses_restores: Arc::default() };
        let app = Router::new().fallback(hand_on).with_state(lossy.clone());
        let listener = UnixListener::bind(at).expect("a socket");
        tokio::spawn(async move { axum::serve(listener, app).await });
        lossy
    }
}

async fn hand_on(State(lossy): State<Lossy>, request: Request) -> Response {
    let (method, path) = (request.method().to_string(), request.uri().to_string());
    let lost = || {
        let broken = futures_util::stream::iter([Err::<Vec<u8>, _>(std::io::Error::other("lost"))]);
        Body::from_stream(broken).into_response()
    };
    if path == "/routes/restore" && lossy.loses_restores.load(Ordering::SeqCst) {
        return lost();
    }
    let body = to_bytes(request.into_body(), usize::MAX).await.expect("a body");
    let (status, answer) = control(&lossy.behind, &method, &path, &String::from_utf8_lossy(&body)).await;
    if path == "/routes" && lossy.loses_changes.load(Ordering::SeqCst) {
        return lost();
    }
    (StatusCode::from_u16(status).expect("a status"), answer.to_string()).into_response()
}

/// A host that runs the first version, is to run the second, and asks its proxy through something that loses answers.
async fn to_be_replaced(more: &str) -> (Host, Lossy, Places) {
    let host = Host::with(&[&image("v1"), &image("v2")]).await;
    let lossy = Lossy::start(&host.path("lossy.sock"), host.router.control());
    let places = Places { proxy_socket: host.path("lossy.sock"), ..host.places() };
    host.apply(&web("v1", more)).await;
    host.write(&web("v2", more));
    (host, lossy, places)
}

#[tokio::test]
async fn r9_a_switch_whose_answer_is_lost_is_put_back_and_the_deploy_rolled_back() {
    for more in ["", "        volumes: [ \"data:/data\" ]\n"] {
        let (host, lossy, places) = to_be_replaced(more).await;
        lossy.loses_changes.store(true, Ordering::SeqCst);
        let (status, reason) = ended(&host.converge_at(places.clone()).await);
        assert_eq!(status, "rolled_back", "{reason}");
        assert_eq!(host.containers(), ["web-prod@v1 running"], "{}", host.log());
        assert_eq!(host.version_at("web.test").await, "v1");
        // An outside fault is not held against it.
        lossy.loses_changes.store(false, Ordering::SeqCst);
        assert_eq!(ended(&host.converge_at(places).await).0, "success");
        assert_eq!(host.containers(), ["web-prod@v2 running"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deploy_that_was_rolled_back_is_told_in_words_and_its_end_once() {
    let (host, lossy, places) = to_be_replaced("").await;
    lossy.loses_changes.store(true, Ordering::SeqCst);
    let said = landfall(&host, &["apply", "--proxy-socket", &places.proxy_socket.display().to_string()]).await;
    assert_eq!(said.err.matches("rolled back").count(), 1, "{}", said.err);
    let id = host.last().id.short();
    for line in ["history", "status", &format!("show {id}")] {
        let said = landfall(&host, &line.split(' ').collect::<Vec<_>>()).await;
        assert!(said.out.contains("rolled back") && !said.out.contains("rolled_back"), "{line}: {}", said.out);
    }
    let said = landfall(&host, &["history", "-o", "json"]).await;
    assert!(said.out.contains("\"rolled_back\""), "{}", said.out);
}

#[tokio::test]
async fn r9_where_nobody_can_tell_who_has_the_traffic_both_stay_and_the_next_pass_settles_it() {
    for wanted in ["v1", "v2"] {
        let (host, lossy, places) = to_be_replaced("").await;
        lossy.loses_changes.store(true, Ordering::SeqCst);
        lossy.loses_restores.store(true, Ordering::SeqCst);
        let (status, reason) = ended(&host.converge_at(places.clone()).await);
        assert_eq!(status, "rolled_back", "{reason}");
        assert_eq!(host.containers(), ["web-prod@v1 running", "web-prod@v2 running"]);
        assert!(host.log().contains("stays, since traffic may lead to it"), "{}", host.log());
        lossy.loses_changes.store(false, Ordering::SeqCst);
        lossy.loses_restores.store(false, Ordering::SeqCst);
        host.write(&web(wanted, ""));
        host.converge_at(places).await;
        assert_eq!(host.containers(), [format!("web-prod@{wanted} running")]);
        assert_eq!(host.version_at("web.test").await, wanted);
        assert_eq!(host.instances().len(), 1);
        // It is what a later failure goes back to.
        let live = host.recorded().stages[&"web/prod".parse().unwrap()].live.clone().unwrap();
        assert_eq!(live.image.digest, image(wanted).digest);
    }
}

#[tokio::test]
async fn r9_a_stage_that_loses_its_domain_is_replaced_and_its_routes_go_with_the_old_one() {
    let host = Host::with(&[&image("v1"), &image("v2")]).await;
    host.apply(&web("v1", "")).await;
    host.apply(&web("v2", "").replace("        route: { domains: [ web.test ] }\n", "")).await;
    assert!(host.routes().await.is_empty());
    assert_eq!(host.containers(), ["web-prod@v2 running"]);
    assert!(host.look().await.unwrap().plan.is_noop());
    host.converge_with(Options::default()).await.unwrap();
    host.apply(&web("v2", "")).await;
    assert_eq!(host.version_at("web.test").await, "v2");
}

#[tokio::test]
async fn r9_a_change_of_the_route_alone_that_was_not_made_is_not_remembered() {
    let host = Host::with(&[&image("v1")]).await;
    let lossy = Lossy::start(&host.path("lossy.sock"), host.router.control());
    let places = Places { proxy_socket: host.path("lossy.sock"), ..host.places() };
    host.apply(&web("v1", "")).await;
    let remembered = || host.recorded().stages[&"web/prod".parse().unwrap()].route.clone().map(|route| route.domains);
    let other = ["other.test".parse().unwrap()];
    host.write(&web("v1", "").replace("web.test", "other.test"));
    lossy.loses_changes.store(true, Ordering::SeqCst);
    host.converge_at(places.clone()).await;
    assert_eq!((host.version_at("web.test").await.as_str(), remembered()), ("v1", None));
    lossy.loses_changes.store(false, Ordering::SeqCst);
    host.converge_at(places).await;
    assert_eq!((host.version_at("other.test").await.as_str(), remembered()), ("v1", Some(other.to_vec())));
}
