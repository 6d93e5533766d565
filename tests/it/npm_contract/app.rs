//! An app behind the proxy: answers its name and the head of the request as it came; `/status/503` with that status.

use axum::Router;
use axum::extract::Request;
use axum::http::StatusCode;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// An app that runs until it is dropped.
pub struct App {
    port: u16,
    server: JoinHandle<()>,
}

impl App {
    /// Listens on a port of 127.0.0.1 of its own.
    pub async fn start(name: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let name = name.to_owned();
        let answer = move |request: Request| async move {
            let code = request.uri().path().strip_prefix("/status/").and_then(|code| code.parse().ok());
            let status = code.map_or(StatusCode::OK, |code| StatusCode::from_u16(code).expect("a status"));
            (status, format!("{name}\n{} {:?}", request.uri(), request.headers()))
        };
        let router = Router::new().fallback(answer);
        let server = tokio::spawn(async move { axum::serve(listener, router).await.expect("the app serves") });
        Self { port, server }
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for App {
    fn drop(&mut self) {
        self.server.abort();
    }
}
