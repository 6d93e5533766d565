//! One HTTP request on a connection of its own.

use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

/// The answer of an app or of the proxy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    /// `X-Version`: which version of the app answered; empty when no app did.
    pub version: String,
    pub body: String,
}

/// Sends a request and reads the whole answer.
pub fn ask(address: &str, method: &str, host: &str, path: &str, body: &str) -> io::Result<Answer> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(15)))?;
    let length = body.len();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
    )?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let (head, body) = text.split_once("\r\n\r\n").ok_or_else(|| io::Error::other(format!("cut off: {text}")))?;
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0);
    let header = |line: &str| {
        line.split_once(':').filter(|(k, _)| k.eq_ignore_ascii_case("x-version")).map(|(_, v)| v.trim().to_owned())
    };
    let version = head.lines().find_map(header).unwrap_or_default();
    Ok(Answer { status, version, body: body.to_owned() })
}
