//! What stands before the API and can be shut: the way to an Nginx Proxy Manager that is stopped, and started again.

use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

/// The way in, at an address of its own.
pub struct Door {
    address: SocketAddr,
    behind: SocketAddr,
    keeper: Mutex<Option<JoinHandle<()>>>,
    /// Its port, while it is shut.
    held: Mutex<Option<TcpSocket>>,
}

impl Door {
    /// An open one.
    pub async fn before(url: &str) -> Self {
        let behind = url.strip_prefix("http://").expect("an address").parse().expect("an address");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let keeper = Mutex::new(Some(tokio::spawn(keep(listener, behind))));
        Self { address, behind, keeper, held: Mutex::default() }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on connections are refused, and those that are open are cut.
    pub async fn shut(&self) {
        let keeper = self.keeper.lock().unwrap_or_else(PoisonError::into_inner).take().expect("an open door");
        keeper.abort();
        drop(keeper.await);
        // Nobody else gets the port meanwhile: one that is bound and does not listen refuses.
        let held = TcpSocket::new_v4().expect("a socket");
        held.set_reuseaddr(true).and_then(|()| held.bind(self.address)).expect("the port it had");
        *self.held.lock().unwrap_or_else(PoisonError::into_inner) = Some(held);
    }

    /// Lets in again.
    pub fn open(&self) {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner).take().expect("a shut door");
        let listener = held.listen(1024).expect("the port it had");
        let keeper = tokio::spawn(keep(listener, self.behind));
        *self.keeper.lock().unwrap_or_else(PoisonError::into_inner) = Some(keeper);
    }
}

async fn keep(listener: TcpListener, behind: SocketAddr) {
    let mut open = JoinSet::new();
    while let Ok((mut client, _)) = listener.accept().await {
        open.spawn(async move {
            if let Ok(mut server) = TcpStream::connect(behind).await {
                drop(copy_bidirectional(&mut client, &mut server).await);
            }
        });
    }
}
