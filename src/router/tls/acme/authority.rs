//! The authority as it is asked: by way of one account, for one order at a time.

use std::sync::Arc;

use instant_acme::{Account, NewAccount, Order};

use super::super::certificate::Tls;
use super::challenges::Challenges;
use super::disk::Disk;
use super::order::{Failure, Kind};
use super::{AcmeOptions, http, order};

/// Who issues, and what it is asked with.
pub struct Authority {
    options: AcmeOptions,
    disk: Disk,
    tls: Tls,
    challenges: Arc<Challenges>,
    kinds: Vec<Kind>,
    account: Option<Account>,
}

impl Authority {
    /// One that is shown hosts in these ways.
    pub fn new(options: AcmeOptions, disk: Disk, tls: Tls, challenges: Arc<Challenges>, kinds: Vec<Kind>) -> Self {
        Self { options, disk, tls, challenges, kinds, account: None }
    }

    /// An order for a host, of which nothing is proven yet.
    ///
    /// # Errors
    /// There is no account to be had, or the authority takes no order.
    pub async fn begin(&mut self, host: &str) -> Result<Order, Failure> {
        if self.kinds.is_empty() {
            return Err(Failure::new("nothing is listened on"));
        }
        let account = match &self.account {
            Some(account) => account,
            None => self.account.insert(open_account(&self.options, &self.disk).await?),
        };
        order::begin(account, host).await
    }

    /// The chain and key of a new certificate, in PEM. Each attempt uses the next way to prove itself.
    ///
    /// # Errors
    /// The authority refuses, cannot reach the host, or does not answer.
    pub async fn finish(&self, order: &mut Order, host: &str, failures: u32) -> Result<String, Failure> {
        let at =
            (failures as usize).checked_rem(self.kinds.len()).ok_or_else(|| Failure::new("nothing is listened on"))?;
        order::finish(order, host, &self.challenges, &self.tls, self.kinds[at]).await
    }

    /// The account is of no use any more.
    pub fn forget_account(&mut self) {
        self.account = None;
        self.disk.forget_account();
    }
}

/// The account that was kept, or a new one.
async fn open_account(options: &AcmeOptions, disk: &Disk) -> Result<Account, Failure> {
    let builder = || http::client(options.ca.as_deref()).map(|client| Account::builder_with_http(Box::new(client)));
    if let Some(kept) = disk.account() {
        return Ok(builder()?.from_credentials(kept).await?);
    }
    let contact = options.email.as_ref().map(|email| format!("mailto:{email}"));
    let contact: Vec<&str> = contact.iter().map(String::as_str).collect();
    let wanted = NewAccount { contact: &contact, terms_of_service_agreed: true, only_return_existing: false };
    let (account, credentials) = builder()?.create(&wanted, options.directory.clone(), None).await?;
    disk.save_account(&credentials).map_err(|error| Failure::new(format!("the account cannot be kept: {error}")))?;
    tracing::info!(directory = %options.directory, "an account for certificates was made");
    Ok(account)
}
