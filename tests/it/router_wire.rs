//! HTTP/1 byte by byte, for tests of the embedded proxy: a client and an upstream that hide nothing, neither a closed
//! connection nor a header, and that never try twice.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use super::router_support::soon;

/// A small answer.
pub const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// An upstream whose every byte the test decides.
pub struct Raw(TcpListener);

impl Raw {
    pub async fn start() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").await.unwrap())
    }

    pub fn addr(&self) -> SocketAddr {
        self.0.local_addr().unwrap()
    }

    /// The next connection of the proxy.
    pub async fn accept(&self) -> Client {
        let (stream, _) = soon("a connection to the upstream", self.0.accept()).await.unwrap();
        Client(BufReader::new(stream))
    }

    /// Whether the proxy has no connection waiting.
    pub async fn is_left_alone(&self) -> bool {
        tokio::time::timeout(Duration::from_millis(100), self.0.accept()).await.is_err()
    }
}

/// An answer as it came over the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Reply {
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }
}

/// A client of its own, so that it neither retries nor hides a closed connection.
pub struct Client<S = TcpStream>(pub BufReader<S>);

impl Client {
    pub async fn connect(addr: SocketAddr) -> Self {
        Self::try_connect(addr).await.unwrap()
    }

    /// The same; an error where nobody listens.
    pub async fn try_connect(addr: SocketAddr) -> std::io::Result<Self> {
        Ok(Self(BufReader::new(TcpStream::connect(addr).await?)))
    }

    /// Whether it is open, with nothing to read.
    pub fn is_open(&self) -> bool {
        let mut byte = [0];
        let nothing = |error: &std::io::Error| error.kind() == std::io::ErrorKind::WouldBlock;
        self.0.get_ref().try_read(&mut byte).as_ref().is_err_and(nothing)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    pub async fn send(&mut self, raw: &str) {
        self.0.write_all(raw.as_bytes()).await.unwrap();
        self.0.flush().await.unwrap();
    }

    /// The head of a request, as the upstream gets it: its first line, then its headers in lower case.
    pub async fn request(&mut self) -> Vec<String> {
        self.try_request().await.expect("a request")
    }

    /// The same; none when the connection ended.
    pub async fn try_request(&mut self) -> Option<Vec<String>> {
        let mut lines = vec![soon("a request", self.line()).await?];
        loop {
            match soon("a whole head", self.line()).await? {
                line if line.is_empty() => return Some(lines),
                line => lines.push(line.to_ascii_lowercase()),
            }
        }
    }

    /// Exactly so many bytes.
    pub async fn bytes(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        soon("bytes", self.0.read_exact(&mut bytes)).await.unwrap();
        bytes
    }

    /// A GET, answered.
    pub async fn get(&mut self, host: &str, path: &str) -> Reply {
        self.try_get(host, path).await.expect("an answer")
    }

    /// A GET; none when the connection ended instead.
    pub async fn try_get(&mut self, host: &str, path: &str) -> Option<Reply> {
        self.try_send(host, path).await.ok()?;
        self.reply().await
    }

    /// Sends a GET; an error where the connection has ended already.
    pub async fn try_send(&mut self, host: &str, path: &str) -> std::io::Result<()> {
        let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n");
        self.0.write_all(request.as_bytes()).await?;
        self.0.flush().await
    }

    /// Sends anything, and reads one answer.
    pub async fn ask(&mut self, raw: &str) -> Reply {
        self.send(raw).await;
        self.reply().await.expect("an answer")
    }

    /// One answer; none when the connection ended.
    pub async fn reply(&mut self) -> Option<Reply> {
        soon("an answer", self.read(true)).await
    }

    /// One answer to a HEAD.
    pub async fn reply_to_head(&mut self) -> Option<Reply> {
        soon("an answer", self.read(false)).await
    }

    /// The head of an answer, leaving its body.
    pub async fn head(&mut self) -> Option<Reply> {
        let status = self.line().await?.split(' ').nth(1)?.parse().ok()?;
        let mut headers = Vec::new();
        loop {
            let line = self.line().await?;
            if line.is_empty() {
                return Some(Reply { status, headers, body: Vec::new() });
            }
            let (name, value) = line.split_once(':')?;
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
    }

    async fn read(&mut self, has_body: bool) -> Option<Reply> {
        let mut reply = self.head().await?;
        if !has_body || matches!(reply.status, 100..=199 | 204 | 304) {
            return Some(reply);
        }
        if reply.header("transfer-encoding") == Some("chunked") {
            while let Some(chunk) = self.chunk(&mut reply.headers).await? {
                reply.body.extend(chunk);
            }
        } else if let Some(length) = reply.header("content-length") {
            reply.body = vec![0; length.parse().ok()?];
            self.0.read_exact(&mut reply.body).await.ok()?;
        } else {
            self.0.read_to_end(&mut reply.body).await.ok()?;
        }
        Some(reply)
    }

    /// The next chunk; at the end none, and trailers are added to the headers.
    pub async fn chunk(&mut self, headers: &mut Vec<(String, String)>) -> Option<Option<Vec<u8>>> {
        let length = usize::from_str_radix(self.line().await?.trim(), 16).ok()?;
        if length == 0 {
            loop {
                match self.line().await?.split_once(':') {
                    Some((name, value)) => headers.push((name.to_ascii_lowercase(), value.trim().to_owned())),
                    None => return Some(None),
                }
            }
        }
        let mut chunk = vec![0; length + 2];
        self.0.read_exact(&mut chunk).await.ok()?;
        chunk.truncate(length);
        Some(Some(chunk))
    }

    /// One line, without its end.
    pub async fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        match self.0.read_line(&mut line).await {
            Ok(0) | Err(_) => None,
            Ok(_) => Some(line.trim_end().to_owned()),
        }
    }

    /// Whether the other side has closed it, without anything more to read.
    pub async fn is_closed(&mut self) -> bool {
        soon("an end", async { self.0.read_u8().await.is_err() }).await
    }
}
