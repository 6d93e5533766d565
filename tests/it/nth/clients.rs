//! Clients that ask through the proxy all the time, each time on a fresh connection (R9).

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use super::tape::Tape;
use crate::router_wire::Client;

/// Between two requests: some tens in a run, and the processor left to the run.
const PAUSE: Duration = Duration::from_millis(2);

/// One client for each domain, until asked how it went.
pub struct Clients {
    stop: Arc<AtomicBool>,
    tasks: Vec<JoinHandle<(usize, Vec<String>)>>,
}

impl Clients {
    pub fn start(addr: SocketAddr, domains: &[&'static str], tape: &Tape) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let start = |domain: &&'static str| {
            let (domain, stop, tape) = (*domain, Arc::clone(&stop), tape.clone());
            tokio::spawn(async move {
                let (mut asked, mut bad) = (0, Vec::new());
                while !stop.load(Ordering::SeqCst) {
                    asked += 1;
                    if let Err(why) = ask(addr, domain).await {
                        bad.push(format!("{domain}: {why}, after operation {}", tape.ops().len()));
                    }
                    tokio::time::sleep(PAUSE).await;
                }
                (asked, bad)
            })
        };
        let tasks = domains.iter().map(start).collect();
        Self { stop, tasks }
    }

    /// What went wrong, in words; nothing when every request was answered by an app.
    pub async fn stop(self) -> Vec<String> {
        self.stop.store(true, Ordering::SeqCst);
        let mut bad = Vec::new();
        for task in self.tasks {
            let (asked, these) = task.await.expect("a client to its end");
            if asked == 0 {
                bad.push("a client that asked nothing".to_owned());
            }
            bad.extend(these);
        }
        bad
    }
}

async fn ask(addr: SocketAddr, domain: &str) -> Result<(), String> {
    let stream = TcpStream::connect(addr).await.map_err(|error| error.to_string())?;
    let reply = Client(tokio::io::BufReader::new(stream)).try_get(domain, "/").await;
    match reply {
        None => Err("no answer".to_owned()),
        Some(reply) if reply.status == 200 && reply.header("x-version").is_some() => Ok(()),
        Some(reply) => Err(format!("status {}", reply.status)),
    }
}
