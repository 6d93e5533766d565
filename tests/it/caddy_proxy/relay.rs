//! A relay before Caddy's admin API that spoils answers, loses them, or lets somebody else write first.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use serde_json::json;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};

use crate::handed_on;

/// What becomes of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The connection ends, and Caddy hears of nothing.
    CutBefore,
    /// It is done, and the connection ends.
    CutAfter,
    /// It is done, and half of the answer comes.
    Half,
    /// It is done, and what comes is no HTTP.
    Garbage,
    /// It is not done, and answered with this status by something that is not Caddy.
    Status(u16),
    /// It is done, and answered with this status.
    DoneThen(u16),
    /// Somebody else makes a change right before.
    Overtaken,
}

/// What becomes of calls, in order.
type Faults = Arc<Mutex<VecDeque<Fault>>>;

/// One that runs until it is dropped.
pub struct Relay {
    pub addr: SocketAddr,
    writes: Faults,
    reads: Faults,
    then: Faults,
    calls: Arc<Mutex<Vec<String>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Relay {
    pub async fn before(admin: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let addr = listener.local_addr().expect("an address");
        let [writes, reads, then] = [(); 3].map(|()| Faults::default());
        let calls: Arc<Mutex<Vec<String>>> = Arc::default();
        let lists = (Arc::clone(&writes), Arc::clone(&reads), Arc::clone(&then), Arc::clone(&calls));
        let task = tokio::spawn(async move {
            let (writes, reads, then, calls) = lists;
            while let Ok((mut client, _)) = listener.accept().await {
                let Some(request) = handed_on::request(&mut client).await else { continue };
                let line = request.lines().next().unwrap_or_default().to_owned();
                let is_read = line.starts_with("GET ");
                let fault = if is_read { &reads } else { &writes }.lock().expect("a list").pop_front();
                if !is_read {
                    reads.lock().expect("a list").extend(then.lock().expect("a list").drain(..));
                }
                calls.lock().expect("a list").push(line);
                let answer = answer(admin, request, fault).await;
                let _ = client.write_all(&answer).await;
            }
        });
        Self { addr, writes, reads, then, calls, task }
    }

    /// Its address, as it stands in the settings.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// What becomes of the next writes.
    pub fn spoil_writes(&self, faults: &[Fault]) {
        *self.writes.lock().expect("a list") = faults.iter().copied().collect();
    }

    /// What becomes of the next reads.
    pub fn spoil_reads(&self, faults: &[Fault]) {
        *self.reads.lock().expect("a list") = faults.iter().copied().collect();
    }

    /// What becomes of the reads after the next write.
    pub fn spoil_reads_then(&self, faults: &[Fault]) {
        *self.then.lock().expect("a list") = faults.iter().copied().collect();
    }

    /// How many writes came since this was asked last.
    pub fn writes(&self) -> usize {
        let calls = std::mem::take(&mut *self.calls.lock().expect("a list"));
        calls.iter().filter(|line| !line.starts_with("GET ")).count()
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn answer(admin: u16, request: String, fault: Option<Fault>) -> Vec<u8> {
    let status =
        |code: u16| format!("HTTP/1.1 {code} Oops\r\nContent-Length: 5\r\nConnection: close\r\n\r\n<oops").into_bytes();
    match fault {
        Some(Fault::CutBefore) => return Vec::new(),
        Some(Fault::Status(code)) => return status(code),
        Some(Fault::Overtaken) => others(admin).await,
        None | Some(Fault::CutAfter | Fault::Half | Fault::Garbage | Fault::DoneThen(_)) => {}
    }
    let mut answer = forward(admin, &request).await;
    match fault {
        None | Some(Fault::Overtaken) => {}
        Some(Fault::CutAfter | Fault::CutBefore) => answer.clear(),
        Some(Fault::Half) => answer.truncate(answer.len() / 2),
        Some(Fault::Garbage) => answer = b"220 mail.test ESMTP\r\n".to_vec(),
        Some(Fault::DoneThen(code) | Fault::Status(code)) => answer = status(code),
    }
    answer
}

/// What Caddy answers.
async fn forward(admin: u16, request: &str) -> Vec<u8> {
    let caddy = TcpStream::connect(("127.0.0.1", admin)).await.expect("a caddy");
    handed_on::answer(caddy, &format!("127.0.0.1:{admin}"), request).await
}

/// A change by somebody else, another each time.
async fn others(admin: u16) {
    let id = uuid::Uuid::new_v4().simple().to_string();
    let route = json!({ "@id": id, "match": [{ "host": [format!("{id}.test")] }], "handle": [] }).to_string();
    let head = format!(
        "POST /config/apps/http/servers/sites/routes HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        route.len()
    );
    let answer = forward(admin, &(head + &route)).await;
    assert!(answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));
}
