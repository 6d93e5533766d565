//! What the admin does in the user interface while a test goes on: through the same handlers, but neither counted nor
//! hit by faults.

use std::sync::{Arc, mpsc};

use axum::body::Bytes;
use serde_json::{Value, json};

use super::api::{self, Answer, Asked};
use super::certificate::{self, Provider};
use super::kind::Kind;
use super::token::Life;
use super::{ADMIN, DefaultSite, Npm};

/// The admin at work.
pub struct ByHand<'n> {
    npm: &'n Npm,
    email: String,
}

impl<'n> ByHand<'n> {
    pub(super) fn new(npm: &'n Npm) -> Self {
        Self { npm, email: ADMIN.0.to_owned() }
    }

    /// The same as another user.
    #[must_use]
    pub fn acting_as(mut self, email: &str) -> Self {
        email.clone_into(&mut self.email);
        self
    }

    /// One request below `/api`; status and body.
    pub fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> (u16, Value) {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let token = {
            let mut world = self.npm.shared.lock();
            let user = world.user_mut(&self.email).id;
            world.mint.give(user, "user", Life::parse("1h").expect("a period")).0
        };
        let asked = Asked {
            method: method.to_owned(),
            path: format!("/api{path}"),
            query: query.to_owned(),
            authorization: Some(format!("Bearer {token}")),
            is_json: body.is_some(),
            form: None,
            body: Ok(body.map(|body| Bytes::from(body.to_string())).unwrap_or_default()),
            fault: None,
        };
        let shared = Arc::clone(&self.npm.shared);
        match self.wait(async move { api::answer(&shared, asked).await }) {
            Answer::Json(status, body) => (status, body),
            Answer::Page(text) => (200, text.into()),
            Answer::Found(place) => (302, place.into()),
        }
    }

    /// Runs something on the server's own threads: a test may have a runtime of its own around it, or none.
    fn wait<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> T {
        let (done, result) = mpsc::channel();
        let runtime = self.npm.runtime.as_ref().expect("the server runs");
        runtime.spawn(async move { done.send(work.await) });
        result.recv().expect("a result")
    }

    /// Chooses what answers for names that no host has.
    pub fn set_default_site(&self, site: &DefaultSite) {
        let shared = Arc::clone(&self.npm.shared);
        shared.web.write_default(site);
        self.wait(async move { shared.web.reload().await }).expect("nginx takes the site");
    }

    /// A request that has to be granted.
    #[track_caller]
    pub fn done(&self, method: &str, path: &str, body: Option<&Value>) -> Value {
        let (status, answer) = self.ask(method, path, body);
        assert!((200..300).contains(&status), "{method} {path}: {status} {answer}");
        answer
    }

    /// Makes a proxy host; its id comes back.
    #[track_caller]
    pub fn create_host(&self, body: &Value) -> i64 {
        self.create(Kind::Proxy, body)
    }

    /// Makes a redirection host; its id comes back.
    #[track_caller]
    pub fn create_redirection(&self, domain: &str, to: &str) -> i64 {
        let body = json!({
            "domain_names": [domain], "forward_scheme": "auto", "forward_http_code": 301, "forward_domain_name": to,
        });
        self.create(Kind::Redirection, &body)
    }

    /// Makes a host that only answers 404; its id comes back.
    #[track_caller]
    pub fn create_dead(&self, domain: &str) -> i64 {
        self.create(Kind::Dead, &json!({ "domain_names": [domain] }))
    }

    #[track_caller]
    fn create(&self, kind: Kind, body: &Value) -> i64 {
        self.done("POST", kind.path(), Some(body))["id"].as_i64().expect("an id")
    }

    /// Changes fields of a proxy host.
    #[track_caller]
    pub fn edit(&self, id: i64, body: &Value) -> Value {
        self.done("PUT", &format!("/nginx/proxy-hosts/{id}"), Some(body))
    }

    /// Deletes a proxy host.
    #[track_caller]
    pub fn delete(&self, id: i64) {
        self.done("DELETE", &format!("/nginx/proxy-hosts/{id}"), None);
    }

    /// Takes a proxy host out of service.
    #[track_caller]
    pub fn disable(&self, id: i64) {
        self.done("POST", &format!("/nginx/proxy-hosts/{id}/disable"), None);
    }

    /// Brings a proxy host back.
    #[track_caller]
    pub fn enable(&self, id: i64) {
        self.done("POST", &format!("/nginx/proxy-hosts/{id}/enable"), None);
    }

    /// Has a certificate for these names; `is_custom` for one that was uploaded, whose key the API shows to whoever asks.
    pub fn certificate(&self, names: &[&str], is_custom: bool) -> i64 {
        let shared = &self.npm.shared;
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let pems = certificate::make(shared.web.dir(), &names).expect("openssl takes the names");
        let provider = if is_custom { Provider::Other } else { Provider::LetsEncrypt };
        let owner = shared.lock().user_mut(&self.email).id;
        certificate::add(shared, owner, provider, &names, Some(&pems))
    }

    /// Has an access list that lets in who knows a name and a password.
    pub fn access_list(&self, name: &str, people: &[(&str, &str)]) -> i64 {
        let mut world = self.npm.shared.lock();
        let owner = world.user_mut(&self.email).id;
        world.add_access_list(owner, name, people)
    }
}
