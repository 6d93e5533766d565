//! The nginx behind the server: its files, its test, its reload.
//!
//! The steps of a change are the real one's, in its order, and like there they are not serialised against each other.
//! Nothing here knows rows or answers.

mod conf;
mod container;
mod local;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

pub use conf::{DefaultSite, Site, Tls};
pub use container::Container;
use local::Local;

use super::Nginx;
use super::kind::Kind;

/// What runs the files.
enum Engine {
    /// Nothing: files are written, and every test of them passes.
    None,
    Local(Mutex<Local>),
    Container(Mutex<Container>),
}

/// Tells nginx to read its files again; fails when it does not run.
type Signal = Box<dyn FnOnce() -> Result<(), String> + Send>;

/// Files and what runs them.
pub struct Web {
    dir: tempfile::TempDir,
    engine: Engine,
    broken: AtomicBool,
    delay_ms: AtomicU64,
    stopped: AtomicBool,
    /// How many reloads there were; those who listen hear of each.
    reloads: watch::Sender<u64>,
}

/// Which nginx of which ports.
#[derive(Debug, Clone)]
pub struct Served {
    /// `127.0.0.1:port` of plain HTTP.
    pub probe: String,
    /// The same with TLS.
    pub https: String,
}

impl Web {
    /// Writes the files of an empty installation and starts what was asked for.
    pub fn start(nginx: &Nginx) -> Self {
        let dir = tempfile::Builder::new().prefix("npm-").tempdir().expect("a directory");
        for name in ["default_host", "proxy_host", "redirection_host", "dead_host", "temp", "custom_ssl", "logs", "run"]
        {
            std::fs::create_dir(dir.path().join(name)).expect("a directory");
        }
        let engine = match nginx {
            Nginx::None => Engine::None,
            Nginx::Local => Engine::Local(Mutex::new(Local::start(dir.path()))),
            Nginx::Container { docker, network, image } => {
                Engine::Container(Mutex::new(Container::start(dir.path(), docker, network, image)))
            }
        };
        Self {
            dir,
            engine,
            broken: AtomicBool::new(false),
            delay_ms: AtomicU64::new(0),
            stopped: AtomicBool::new(false),
            reloads: watch::Sender::new(0),
        }
    }

    /// Where it serves; none without an nginx.
    pub fn served(&self) -> Option<Served> {
        match &self.engine {
            Engine::None => None,
            Engine::Local(local) => Some(lock(local).served()),
            Engine::Container(container) => Some(lock(container).served()),
        }
    }

    /// The name of its container, if it is in one.
    pub fn container(&self) -> Option<String> {
        match &self.engine {
            Engine::None | Engine::Local(_) => None,
            Engine::Container(container) => Some(lock(container).name().to_owned()),
        }
    }

    /// Where its files are.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The file of a host.
    pub fn file(&self, kind: Kind, id: i64) -> PathBuf {
        self.dir.path().join(kind.dir()).join(format!("{id}.conf"))
    }

    /// What its files listen on, and whether the newer form of HTTP/2 is known.
    fn listen(&self) -> (String, String, bool) {
        match &self.engine {
            Engine::None => ("80".to_owned(), "443".to_owned(), true),
            Engine::Local(local) => lock(local).listen(),
            Engine::Container(container) => lock(container).listen(),
        }
    }

    /// Writes what answers for names that no host has; in force after a reload.
    pub fn write_default(&self, site: &DefaultSite) {
        let (http, _, _) = self.listen();
        std::fs::write(self.dir.path().join("default_host/site.conf"), site.text(&http)).expect("a file");
    }

    /// Writes the file of a host.
    pub fn write(&self, kind: Kind, id: i64, site: &Site) {
        let (http, https, modern) = self.listen();
        let text = site.text(&http, &https, modern);
        std::fs::write(self.file(kind, id), text).expect("a file");
    }

    /// Takes the file of a host away.
    pub fn remove(&self, kind: Kind, id: i64) {
        let _ = std::fs::remove_file(self.file(kind, id));
    }

    /// `nginx -t`: its words when the files are bad.
    pub async fn test(&self) -> Result<(), String> {
        let tested = match &self.engine {
            Engine::None if self.broken.load(Ordering::SeqCst) => Err(format!("nginx: [emerg] {BROKEN}\n")),
            Engine::None => Ok(()),
            Engine::Local(local) => {
                let command = lock(local).test_command();
                local::run(command).await
            }
            Engine::Container(container) => {
                let tester = lock(container).tester();
                tokio::task::spawn_blocking(move || tester.test()).await.expect("a test of the files")
            }
        };
        tested.map_err(|text| text.replace(&self.dir.path().display().to_string(), "/data/nginx"))
    }

    /// Tests once more and tells nginx to read its files again, which it does later. Fails when nginx does not run.
    pub async fn reload(&self) -> Result<(), String> {
        self.test().await?;
        if self.stopped.load(Ordering::SeqCst) {
            return Err("nginx: [error] invalid PID number \"\"".to_owned());
        }
        let delay = Duration::from_millis(self.delay_ms.load(Ordering::SeqCst));
        let signal = match &self.engine {
            Engine::None => None,
            Engine::Local(local) => Some(lock(local).hangup()),
            Engine::Container(container) => Some(lock(container).hangup()),
        };
        if let Some(signal) = signal {
            if delay.is_zero() {
                tokio::task::spawn_blocking(signal).await.expect("a signal")?;
            } else {
                tokio::spawn(async move {
                    tokio::time::sleep(delay).await;
                    let _ = tokio::task::spawn_blocking(signal).await;
                });
            }
        }
        self.reloads.send_modify(|count| *count += 1);
        Ok(())
    }

    /// Hears of reloads.
    pub fn reloads(&self) -> watch::Receiver<u64> {
        self.reloads.subscribe()
    }

    /// Reloads begin so much later than the answer.
    pub fn delay_reload(&self, delay: Duration) {
        self.delay_ms.store(u64::try_from(delay.as_millis()).unwrap_or(u64::MAX), Ordering::SeqCst);
    }

    /// Has a file that nginx refuses, which is no host's that anybody asks for, or has it no more.
    pub fn set_broken(&self, broken: bool) {
        self.broken.store(broken, Ordering::SeqCst);
        let file = self.dir.path().join("temp/elsewhere.conf");
        if broken {
            std::fs::write(file, format!("{BROKEN};\n")).expect("a file");
        } else {
            let _ = std::fs::remove_file(file);
        }
    }

    /// Ends nginx; its files stay.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::SeqCst);
        match &self.engine {
            Engine::None => {}
            Engine::Local(local) => lock(local).stop(),
            Engine::Container(container) => lock(container).stop(),
        }
    }

    /// Ends nginx and removes the files, for good: tasks that hold this may live on for a moment.
    pub fn end(&self) {
        match &self.engine {
            Engine::None => {}
            Engine::Local(local) => lock(local).stop(),
            Engine::Container(container) => lock(container).remove(),
        }
        let _ = std::fs::remove_dir_all(self.dir.path());
    }

    /// Starts nginx again, on its old ports.
    pub fn start_again(&self) {
        match &self.engine {
            Engine::None => {}
            Engine::Local(local) => lock(local).start_again(),
            Engine::Container(container) => lock(container).start_again(),
        }
        self.stopped.store(false, Ordering::SeqCst);
    }
}

/// A line that no nginx knows.
const BROKEN: &str = "a_line_of_somebody_else on";

fn lock<T>(engine: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    engine.lock().unwrap_or_else(PoisonError::into_inner)
}
