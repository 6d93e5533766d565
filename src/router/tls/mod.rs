//! TLS of the embedded proxy: which certificates there are, which one a client gets, and where they are from.
//!
//! It must not know routing: it is told which hosts want a certificate, and says which hosts have one.

mod acme;
mod certificate;
mod chosen;
mod files;
mod greet;
mod wish;

use std::panic::resume_unwind;

use tokio::task::spawn_blocking;

pub use acme::{Acme, AcmeOptions, Challenges, LETS_ENCRYPT, check_ca};
pub use certificate::{Certificate, Tls};
pub use chosen::Certificates;
pub use files::Directory;
pub use greet::{Greeted, greet};
pub use wish::{Wish, Wishes};

/// Does what waits for a disk where nobody else waits for it. Should it panic, so does whoever awaits it.
async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match spawn_blocking(work).await.map_err(tokio::task::JoinError::try_into_panic) {
        Ok(done) => done,
        Err(Ok(panic)) => resume_unwind(panic),
        // The runtime ends, and this with it.
        Err(Err(_)) => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    #[tokio::test]
    async fn what_panics_aside_panics_for_whoever_awaits_it() {
        assert_eq!(super::aside(|| 1).await, 1);
        let failed = tokio::spawn(super::aside(|| assert_eq!(1, 2, "aside"))).await;
        assert!(failed.unwrap_err().is_panic());
    }
}
