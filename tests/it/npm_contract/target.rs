//! An installation to try things on: the contract server or a real one. The tests do not know which.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::npm::{ADMIN, Nginx, Npm, Options, self_signed};

/// The time limit is for a hung machine; nothing depends on how long something takes.
const PATIENCE: Duration = Duration::from_secs(30);
/// nginx starts its new workers 100 ms before it ends the old ones.
const OVERLAP: Duration = Duration::from_millis(250);
/// The release that is played unless a test asks for another.
pub const RELEASE: &str = "2.15.1";

/// An installation.
pub struct Target {
    /// Address of the API, `/api` included.
    api: String,
    probe: Option<String>,
    email: String,
    password: String,
    token: String,
    client: reqwest::Client,
    /// In every name of this test.
    mark: String,
    /// What was made, to be deleted at the end.
    made: Mutex<Vec<String>>,
    npm: Option<Npm>,
}

/// An answer of nginx.
#[derive(Debug)]
pub struct Seen {
    pub status: u16,
    /// `X-Served-By`.
    pub served_by: Option<String>,
    /// `Location`.
    pub location: Option<String>,
    pub body: String,
}

impl Target {
    /// An installation whose nginx serves.
    pub async fn serving() -> Self {
        Self::make(Nginx::Local, RELEASE).await
    }

    /// An installation that is only asked.
    pub async fn asked() -> Self {
        Self::make(Nginx::None, RELEASE).await
    }

    /// The contract server as a release; none where the tests run against a real one of another.
    pub async fn release(version: &str) -> Option<Self> {
        let target = Self::make(Nginx::None, version).await;
        let (_, health) = target.ask_as(None, "GET", "/", None).await;
        let part = |name: &str| health["version"][name].to_string();
        if [part("major"), part("minor"), part("revision")].join(".") != version {
            println!("skipped: this is about release {version}");
            return None;
        }
        Some(target)
    }

    fn is_real() -> bool {
        std::env::var_os("LANDFALL_TEST_NPM_URL").is_some()
    }

    async fn make(nginx: Nginx, version: &str) -> Self {
        landfall::client::install_tls_provider();
        let var = |name: &str| std::env::var(format!("LANDFALL_TEST_NPM_{name}")).expect("all four variables");
        let no_redirects = reqwest::redirect::Policy::none();
        let client = reqwest::Client::builder().redirect(no_redirects).pool_max_idle_per_host(0).timeout(PATIENCE);
        let npm = (!Self::is_real()).then(|| Npm::start(&Options::new(version, nginx.clone())));
        let (url, probe, email, password) = match &npm {
            Some(npm) => {
                (npm.url(), (nginx != Nginx::None).then(|| npm.probe()), ADMIN.0.to_owned(), ADMIN.1.to_owned())
            }
            None => (var("URL"), Some(var("PROBE")), var("EMAIL"), var("PASSWORD")),
        };
        let mut target = Self {
            api: format!("{}/api", url.trim_end_matches('/')),
            probe,
            email,
            password,
            token: String::new(),
            client: client.build().expect("a client"),
            mark: uuid::Uuid::new_v4().simple().to_string()[..8].to_owned(),
            made: Mutex::default(),
            npm,
        };
        target.token = target.log_in(&target.email, &target.password).await;
        target
    }

    /// The contract server, for what only it can do; none against a real one, and then it says what is skipped.
    pub fn npm(&self) -> Option<&Npm> {
        if self.npm.is_none() {
            println!("skipped: this needs a fault or a look inside");
        }
        self.npm.as_ref()
    }

    /// Has a file that nginx refuses beside those of hosts, or has it no more; false where that cannot be done.
    pub fn break_elsewhere(&self, broken: bool) -> bool {
        match (&self.npm, real_data()) {
            (Some(npm), _) => npm.break_nginx_elsewhere(broken),
            (None, Some(data)) => {
                let text = if broken { "a_line_of_somebody_else on;\n" } else { "" };
                std::fs::write(data.join("nginx/temp/elsewhere.conf"), text).expect("a file");
            }
            (None, None) => {
                println!("skipped: this needs LANDFALL_TEST_NPM_DATA");
                return false;
            }
        }
        true
    }

    /// The nginx file of a proxy host, with single spaces.
    pub fn conf(&self, id: i64) -> Option<String> {
        let real = || std::fs::read_to_string(real_data()?.join(format!("nginx/proxy_host/{id}.conf"))).ok();
        let text = self.npm.as_ref().map_or_else(real, |npm| npm.conf(id))?;
        Some(text.split_whitespace().collect::<Vec<_>>().join(" "))
    }

    /// The proxy host that has a name.
    pub async fn find(&self, name: &str) -> Option<Value> {
        let listed = self.done("GET", "/nginx/proxy-hosts", None).await;
        listed.as_array()?.iter().find(|host| host["domain_names"][0] == name).cloned()
    }

    /// The admin's name and password.
    pub fn admin(&self) -> (&str, &str) {
        (&self.email, &self.password)
    }

    /// The admin's token.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// A name of this test's own.
    pub fn name(&self, label: &str) -> String {
        format!("{label}-{}.test", self.mark)
    }

    /// The least that a proxy host needs: a name of this test, and a port of 127.0.0.1.
    pub fn host(&self, label: &str, port: u16) -> Value {
        json!({
            "domain_names": [self.name(label)], "forward_scheme": "http", "forward_host": "127.0.0.1", "forward_port": port,
        })
    }

    /// A token for a name and a password that are right.
    pub async fn log_in(&self, email: &str, password: &str) -> String {
        let login = json!({ "identity": email, "secret": password });
        let (status, answer) = self.ask_as(None, "POST", "/tokens", Some(&login)).await;
        assert_eq!(status, 200, "{answer}");
        answer["token"].as_str().expect("a token").to_owned()
    }

    /// Asks as the admin, on a connection of its own.
    pub async fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> (u16, Value) {
        self.ask_as(Some(&self.token), method, path, body).await
    }

    /// Asks with a token or without; a body that is no JSON comes back as text.
    pub async fn ask_as(&self, token: Option<&str>, method: &str, path: &str, body: Option<&Value>) -> (u16, Value) {
        self.try_as(token, method, path, body).await.unwrap_or_else(|error| panic!("{method} {path}: {error:?}"))
    }

    /// The same where there may be no answer.
    pub async fn try_as(
        &self,
        token: Option<&str>,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> reqwest::Result<(u16, Value)> {
        let mut request = self.client.request(method.parse().expect("a method"), format!("{}{path}", self.api));
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = request.send().await?;
        let status = answer.status().as_u16();
        let text = answer.text().await?;
        let value: Value = serde_json::from_str(&text).unwrap_or(Value::String(text));
        if status == 201
            && let Some(id) = value["id"].as_i64()
        {
            self.made.lock().unwrap_or_else(PoisonError::into_inner).push(format!("{path}/{id}"));
        }
        Ok((status, value))
    }

    /// What is answered for a path that is not below the API.
    pub async fn beside(&self, path: &str) -> (u16, String) {
        let url = format!("{}{path}", self.api.trim_end_matches("/api"));
        let answer = self.client.get(url).send().await.expect("an answer");
        (answer.status().as_u16(), answer.text().await.expect("a body"))
    }

    /// Asks for something that has to be granted.
    pub async fn done(&self, method: &str, path: &str, body: Option<&Value>) -> Value {
        let (status, answer) = self.ask(method, path, body).await;
        assert!((200..300).contains(&status), "{method} {path}: {status} {answer}");
        answer
    }

    /// Makes a proxy host; its id comes back.
    pub async fn create(&self, body: &Value) -> i64 {
        self.done("POST", "/nginx/proxy-hosts", Some(body)).await["id"].as_i64().expect("an id")
    }

    /// Uploads a certificate for a name of this test; its number comes back.
    pub async fn certificate(&self, label: &str) -> i64 {
        let files = self_signed(&std::env::temp_dir(), &[self.name(label)]).expect("openssl takes the name");
        let body = json!({ "provider": "other", "nice_name": self.name(label) });
        let id = self.done("POST", "/nginx/certificates", Some(&body)).await["id"].as_i64().expect("an id");
        let part = |name: &str, text: &str| {
            format!(
                "--part\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"{name}.pem\"\r\n\r\n{text}\r\n"
            )
        };
        let form = format!("{}{}--part--\r\n", part("certificate", &files.0), part("certificate_key", &files.1));
        let request = self.client.post(format!("{}/nginx/certificates/{id}/upload", self.api)).bearer_auth(&self.token);
        let answer = request.header("content-type", "multipart/form-data; boundary=part").body(form).send().await;
        let answer = answer.expect("an answer");
        assert_eq!(answer.status(), 200, "{}", answer.text().await.unwrap_or_default());
        id
    }

    /// A proxy host as it is now.
    pub async fn read(&self, id: i64) -> Value {
        self.done("GET", &format!("/nginx/proxy-hosts/{id}"), None).await
    }

    /// Changes a proxy host; status and body.
    pub async fn put(&self, id: i64, body: &Value) -> (u16, Value) {
        self.ask("PUT", &format!("/nginx/proxy-hosts/{id}"), Some(body)).await
    }

    /// What nginx answers for a name, on a connection of its own.
    pub async fn visit(&self, host: &str) -> Seen {
        self.visit_at(host, "/").await
    }

    /// The same for a path.
    pub async fn visit_at(&self, host: &str, path: &str) -> Seen {
        self.try_visit(host, path).await.expect("an answer")
    }

    /// The same where there may be no answer.
    pub async fn try_visit(&self, host: &str, path: &str) -> reqwest::Result<Seen> {
        let probe = self.probe.as_ref().expect("an installation that serves");
        let answer = self.client.get(format!("http://{probe}{path}")).header("host", host).send().await?;
        let header = |name: &str| answer.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let (status, served_by, location) = (answer.status().as_u16(), header("x-served-by"), header("location"));
        Ok(Seen { status, served_by, location, body: answer.text().await? })
    }

    /// Waits until nginx answers for a name as wanted, and only so: a change is in force some time after its answer, and
    /// then old workers and new ones answer side by side for a moment.
    pub async fn visit_until(&self, host: &str, wanted: impl Fn(&Seen) -> bool) -> Seen {
        let begin = Instant::now();
        let mut since = None;
        loop {
            let seen = self.visit(host).await;
            if !wanted(&seen) {
                since = None;
                assert!(begin.elapsed() < PATIENCE, "it goes on answering {seen:?}");
            } else if since.get_or_insert_with(Instant::now).elapsed() > OVERLAP {
                return seen;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

/// The `/data` of a real installation, where a test may look and write.
fn real_data() -> Option<PathBuf> {
    std::env::var_os("LANDFALL_TEST_NPM_DATA").map(PathBuf::from)
}

impl Drop for Target {
    /// A real installation is left as it was found.
    fn drop(&mut self) {
        if self.npm.is_some() {
            return;
        }
        let made = std::mem::take(&mut *self.made.lock().unwrap_or_else(PoisonError::into_inner));
        let (client, api, token) = (self.client.clone(), self.api.clone(), self.token.clone());
        let cleaning = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                for path in made.iter().rev() {
                    let _ = client.delete(format!("{api}{path}")).bearer_auth(&token).send().await;
                }
            });
        });
        let _ = cleaning.join();
    }
}

/// Awaits a condition that nothing signals.
pub async fn eventually(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let begin = Instant::now();
    while !condition().await {
        assert!(begin.elapsed() < PATIENCE, "did not happen: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
