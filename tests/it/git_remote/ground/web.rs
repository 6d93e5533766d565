//! nginx with `git http-backend` behind it, as git's own manual has it; between them stands fcgiwrap.
//!
//! Each request is written down, with the login that came with it. What is wrong with the server is a file that nginx
//! looks for, so that it needs no restart.

mod certificate;
mod conf;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;

use super::git::{done, git, surround};
use super::repository::NAME;
use crate::own_process::{Process, TRIES, free_port, program};

/// Who gets in.
pub const USER: &str = "x-access-token";
/// With what.
pub const TOKEN: &str = "a-token-that-nobody-is-shown";
/// What a server that is asked too often says of when to come back.
pub const RETRY_AFTER_S: u32 = 37;

/// What can be wrong with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// 403, whoever asks.
    Forbidden,
    /// 404: the repository is gone.
    Gone,
    /// 429 with `Retry-After`.
    Busy,
    /// 500.
    Broken,
    /// 503.
    Unavailable,
    /// The connection is closed without an answer.
    Closes,
    /// The answer begins and then comes some bytes a second.
    Slow,
}

/// One request, as the web server saw it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Request {
    pub method: String,
    /// The name by which the server was asked.
    pub host: String,
    /// Path and query.
    pub uri: String,
    pub status: u16,
    /// Bytes of the answer, its head too.
    pub sent: u64,
    authorization: String,
    /// What the client said of the protocol of git: `version=2`.
    pub protocol: String,
}

impl Request {
    /// `user:password`, if it came with a login.
    pub fn login(&self) -> Option<String> {
        let basic = self.authorization.strip_prefix("Basic ")?;
        Some(String::from_utf8(BASE64_STANDARD.decode(basic).expect("base 64")).expect("text"))
    }
}

/// The web server, running or stopped.
pub struct Web {
    dir: PathBuf,
    ports: (u16, u16),
    running: Option<(Process, Process)>,
}

impl Web {
    /// Serves what is in `served/`, by TLS and without.
    pub fn start(dir: &Path) -> Self {
        let web = dir.join("web");
        for place in ["logs", "run", "fault"] {
            std::fs::create_dir_all(web.join(place)).expect("a directory");
        }
        certificate::make(&web);
        let mut server = Self { dir: web, ports: (0, 0), running: None };
        server.set_token(TOKEN);
        for _ in 0..TRIES {
            let ((http, one), (https, two)) = (free_port(), free_port());
            drop((one, two));
            server.ports = (http, https);
            if server.launch() {
                return server;
            }
        }
        panic!("nginx does not start: {}", server.log());
    }

    /// Where it is by TLS, for those with a login.
    pub fn url(&self) -> String {
        format!("https://127.0.0.1:{}/git/{}", self.ports.1, NAME)
    }

    /// The same, open to everybody.
    pub fn public_url(&self) -> String {
        format!("https://127.0.0.1:{}/public/{}", self.ports.1, NAME)
    }

    /// For those with a login, without TLS.
    pub fn plain_url(&self) -> String {
        format!("http://127.0.0.1:{}/git/{}", self.ports.0, NAME)
    }

    /// An open address that sends its clients to the one for those with a login, by another name: `localhost`.
    pub fn moved_url(&self) -> String {
        format!("https://127.0.0.1:{}/moved/{}", self.ports.1, NAME)
    }

    /// The certificate of the authority that its own is from.
    pub fn authority(&self) -> PathBuf {
        self.dir.join("authority.pem")
    }

    /// Lets this token in from now on, and no other.
    pub fn set_token(&self, token: &str) {
        std::fs::write(self.dir.join("people"), format!("{USER}:{{PLAIN}}{token}\n")).expect("a file");
    }

    /// Something is wrong with it from now on.
    pub fn fail(&self, fault: Fault) {
        self.heal();
        std::fs::write(conf::fault(&self.dir, fault), "").expect("a file");
    }

    /// Nothing is wrong any more.
    pub fn heal(&self) {
        for fault in conf::FAULTS {
            let _ = std::fs::remove_file(conf::fault(&self.dir, fault));
        }
    }

    /// Takes connections and says nothing on them, or goes on with all of that.
    pub fn set_silent(&self, is_silent: bool) {
        let (nginx, _) = self.running.as_ref().expect("it runs");
        nginx.set_silent(is_silent);
    }

    /// Answers none of those that it lets in, or goes on with all of that. Who has no login hears so at once.
    pub fn set_held(&self, is_held: bool) {
        let (_, cgi) = self.running.as_ref().expect("it runs");
        cgi.set_silent(is_held);
    }

    /// Ends it.
    pub fn stop(&mut self) {
        self.running = None;
    }

    /// Starts it again, on the ports that it had.
    pub fn start_again(&mut self) {
        assert!(self.running.is_some() || self.launch(), "nginx does not start again: {}", self.log());
    }

    /// All requests so far, in the order in which they ended.
    pub fn requests(&self) -> Vec<Request> {
        if self.running.is_some() {
            self.mark();
        }
        let text = std::fs::read_to_string(self.dir.join("logs/requests")).unwrap_or_default();
        let all = text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}")));
        all.filter(|request: &Request| request.uri != conf::MARK).collect()
    }

    /// Forgets those so far.
    pub fn forget_requests(&self) {
        self.mark();
        // nginx appends, so that it goes on at the new end.
        std::fs::File::options().write(true).truncate(true).open(self.dir.join("logs/requests")).expect("a file");
    }

    /// A request of our own: its one worker is through with all before it, and has written them down.
    fn mark(&self) {
        let mut stream = TcpStream::connect(("127.0.0.1", self.ports.0)).expect("a connection");
        let head = format!("GET {} HTTP/1.0\r\n\r\n", conf::MARK);
        stream.write_all(head.as_bytes()).expect("a request");
        // Whatever is wrong with the server, it ends the connection.
        let _ = stream.read_to_end(&mut Vec::new());
    }

    /// False when a port was taken.
    fn launch(&mut self) -> bool {
        let at = |name: &str| self.dir.join(name);
        std::fs::write(at("nginx.conf"), conf::text(&self.dir, self.ports, &backend(&self.dir))).expect("a file");
        for left in ["run/cgi", "run/nginx.pid"] {
            let _ = std::fs::remove_file(at(left));
        }
        let mut command = Process::command(&program("fcgiwrap"));
        // What it runs has its surroundings, too.
        surround(&mut command, &self.dir);
        command.arg("-s").arg(format!("unix:{}", at("run/cgi").display()));
        let is_ready = || UnixStream::connect(at("run/cgi")).is_ok();
        let cgi = Process::start(command, &at("logs/cgi.log"), is_ready).expect("fcgiwrap runs");
        let mut command = Process::command(&program("nginx"));
        command.arg("-p").arg(&self.dir).arg("-e").arg(at("logs/error.log")).arg("-c").arg(at("nginx.conf"));
        let is_ready = || std::fs::read_to_string(at("run/nginx.pid")).is_ok_and(|text| !text.trim().is_empty());
        self.running = Process::start(command, &at("logs/start.log"), is_ready).map(|nginx| (nginx, cgi));
        self.running.is_some()
    }

    fn log(&self) -> String {
        ["logs/start.log", "logs/error.log", "logs/cgi.log"]
            .map(|name| std::fs::read_to_string(self.dir.join(name)).unwrap_or_default())
            .concat()
    }
}

/// Where git keeps its part for web servers.
fn backend(home: &Path) -> PathBuf {
    let mut command = git(home);
    command.arg("--exec-path");
    Path::new(&done(command)).join("git-http-backend")
}
