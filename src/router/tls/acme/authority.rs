//! The authority as it is asked: by way of one account, for one order at a time.

use std::sync::Arc;

use instant_acme::{Account, NewAccount, Order};

use super::super::aside;
use super::super::certificate::Tls;
use super::challenges::Challenges;
use super::disk::Disk;
use super::failure::Failure;
use super::http::Later;
use super::order::Kind;
use super::{AcmeOptions, http, order};

/// Who issues, and what it is asked with.
pub struct Authority {
    options: AcmeOptions,
    disk: Disk,
    tls: Tls,
    challenges: Arc<Challenges>,
    kinds: Vec<Kind>,
    account: Option<Account>,
    later: Later,
}

impl Authority {
    /// One that is shown hosts in these ways.
    pub fn new(options: AcmeOptions, disk: Disk, tls: Tls, challenges: Arc<Challenges>, kinds: Vec<Kind>) -> Self {
        Self { options, disk, tls, challenges, kinds, account: None, later: Later::default() }
    }

    /// An order for a host, of which nothing is proven yet.
    ///
    /// # Errors
    /// There is no account to be had, or the authority takes no order.
    pub async fn begin(&mut self, host: &str) -> Result<Order, Failure> {
        if self.kinds.is_empty() {
            return Err(Failure::common("nothing is listened on"));
        }
        self.later.take();
        let account = match &self.account {
            Some(account) => Ok(account.clone()),
            None => open_account(&self.options, &self.disk, &self.later).await,
        };
        let order = match account {
            Ok(account) => order::begin(self.account.insert(account), host).await,
            Err(failure) => Err(failure),
        };
        order.map_err(|failure| failure.not_before(self.later.take()))
    }

    /// The chain and key of a new certificate, in PEM. Each attempt uses the next way to prove itself.
    ///
    /// # Errors
    /// The authority refuses, cannot reach the host, or does not answer.
    pub async fn finish(&self, order: &mut Order, host: &str, failures: u32) -> Result<String, Failure> {
        let at =
            (failures as usize).checked_rem(self.kinds.len()).ok_or_else(|| Failure::new("nothing is listened on"))?;
        let got = order::finish(order, host, &self.challenges, &self.tls, self.kinds[at]).await;
        got.map_err(|failure| failure.not_before(self.later.take()))
    }

    /// The account is of no use any more.
    pub async fn forget_account(&mut self) {
        self.account = None;
        let disk = self.disk.clone();
        aside(move || disk.forget_account()).await;
    }
}

/// The account that was kept, or a new one.
async fn open_account(options: &AcmeOptions, disk: &Disk, later: &Later) -> Result<Account, Failure> {
    let client = http::client(options.ca.as_deref(), later.clone())?;
    let builder = Account::builder_with_http(Box::new(client));
    let (from, to) = (disk.clone(), disk.clone());
    let kept = aside(move || from.account()).await.map_err(|unreadable| Failure::common(unreadable.to_string()))?;
    if let Some(kept) = kept {
        return builder.from_credentials(kept).await.map_err(|error| Failure::before_account(&error));
    }
    let contact = options.email.as_ref().map(|email| format!("mailto:{email}"));
    let contact: Vec<&str> = contact.iter().map(String::as_str).collect();
    let wanted = NewAccount { contact: &contact, terms_of_service_agreed: true, only_return_existing: false };
    let made = builder.create(&wanted, options.directory.clone(), None).await;
    let (account, credentials) = made.map_err(|error| Failure::before_account(&error))?;
    let kept = aside(move || to.save_account(&credentials)).await;
    kept.map_err(|error| Failure::common(format!("the account cannot be kept: {error}")))?;
    tracing::info!(directory = %options.directory, "an account for certificates was made");
    Ok(account)
}

#[cfg(test)]
mod tests {
    use super::super::failure::Concern;
    use super::*;

    #[tokio::test]
    async fn an_account_that_cannot_be_read_is_not_made_anew() {
        let dir = tempfile::tempdir().unwrap();
        let mut options = AcmeOptions::new(dir.path().to_owned());
        // Nobody listens there: whoever is asked cannot answer.
        options.directory = "https://127.0.0.1:9/directory".to_owned();
        let disk = Disk::new(&options.keep, &options.directory);
        let account = disk.path().join("account.json");
        std::fs::create_dir_all(&account).unwrap();
        crate::client::install_tls_provider();
        let mut authority = Authority::new(options, disk, Tls::new(), Arc::default(), vec![Kind::Http]);
        let failure = authority.begin("a.test").await.err().unwrap();
        assert_eq!(failure.concern, Concern::Everyone);
        assert!(failure.text.contains(&*account.to_string_lossy()), "{}", failure.text);
        assert!(failure.text.contains("let the proxy read it"), "{}", failure.text);
    }
}
