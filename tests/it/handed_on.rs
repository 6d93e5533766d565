//! One HTTP call as a relay of a test hands it on: byte by byte, so that what arrives is what was sent.

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

/// A whole request; none when the connection ended before.
pub async fn request(client: &mut (impl AsyncRead + Unpin)) -> Option<String> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse().ok());
            if body.len() >= length.unwrap_or(0) {
                return Some(text);
            }
        }
        let count = client.read(&mut buffer).await.ok().filter(|count| *count > 0)?;
        bytes.extend(&buffer[..count]);
    }
}

/// What a server at this host answers to a request that says it is the last; nothing when the connection ended instead.
pub async fn answer(mut server: impl AsyncRead + AsyncWrite + Unpin, host: &str, request: &str) -> Vec<u8> {
    let host = format!("host: {host}");
    let lines =
        request.split("\r\n").map(|line| if line.to_ascii_lowercase().starts_with("host:") { &host } else { line });
    let request = lines.collect::<Vec<_>>().join("\r\n").replacen("\r\n", "\r\nConnection: close\r\n", 1);
    let mut answer = Vec::new();
    // What came before an end that is not a clean one is an answer all the same, and is checked where it is read.
    if server.write_all(request.as_bytes()).await.is_ok() {
        let _ = server.read_to_end(&mut answer).await;
    }
    answer
}
