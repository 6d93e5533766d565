//! TLS of the embedded proxy: which certificates there are, which one a client gets, and where they are from.
//!
//! It must not know routing: it is told which hosts want a certificate, and says which hosts have one.

mod acme;
mod certificate;
mod chosen;
mod files;
mod greet;
mod wish;

pub use acme::{Acme, AcmeOptions, Challenges, LETS_ENCRYPT, check_ca};
pub use certificate::{Certificate, Tls};
pub use chosen::Certificates;
pub use files::Directory;
pub use greet::{Greeted, greet};
pub use wish::{Wish, Wishes};
