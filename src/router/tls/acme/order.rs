//! One order: the authority is shown that the host is ours, and gives a certificate for it.

use std::sync::Arc;
use std::time::Duration;

use instant_acme::{
    Account, AuthorizationStatus, ChallengeHandle, ChallengeType, Error, Identifier, NewOrder, Order, OrderStatus,
    RetryPolicy,
};
use rcgen::{CertificateParams, DistinguishedName, KeyPair};

use super::super::certificate::Tls;
use super::challenges::{Challenges, Shown};

/// How the authority is asked whether it is done.
const POLL: RetryPolicy =
    RetryPolicy::new().initial_delay(Duration::from_millis(250)).backoff(1.5).timeout(Duration::from_secs(120));
/// What an authority says of an account that it does not know.
const NO_ACCOUNT: &str = "urn:ietf:params:acme:error:accountDoesNotExist";

/// A way to show that a host is ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// HTTP-01, on port 80.
    Http,
    /// TLS-ALPN-01, on port 443.
    Alpn,
}

/// Why there is no certificate.
#[derive(Debug)]
pub struct Failure {
    /// For people.
    pub text: String,
    /// The authority does not know the account any more.
    pub is_account_gone: bool,
}

impl Failure {
    /// With a text.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), is_account_gone: false }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let is_account_gone = match &error {
            Error::Api(problem) => problem.r#type.as_deref() == Some(NO_ACCOUNT),
            _ => false,
        };
        Self { text: error.to_string(), is_account_gone }
    }
}

/// An order for one host.
///
/// # Errors
/// The authority takes none, or does not answer.
pub async fn begin(account: &Account, host: &str) -> Result<Order, Failure> {
    Ok(account.new_order(&NewOrder::new(&[Identifier::Dns(host.to_owned())])).await?)
}

/// A new key with the chain of its certificate, in PEM.
///
/// # Errors
/// The authority refuses, cannot reach the host, or does not answer.
pub async fn finish(
    order: &mut Order,
    host: &str,
    challenges: &Arc<Challenges>,
    tls: &Tls,
    kind: Kind,
) -> Result<String, Failure> {
    let shown = show(order, host, challenges, tls, kind).await?;
    let status = order.poll_ready(&POLL).await;
    drop(shown);
    if !matches!(status, Ok(OrderStatus::Ready)) {
        return Err(reason(order, status).await);
    }
    let key = KeyPair::generate().map_err(|error| Failure::new(error.to_string()))?;
    let request = request(host, &key).map_err(|error| Failure::new(error.to_string()))?;
    order.finalize_csr(&request).await?;
    let chain = order.poll_certificate(&POLL).await?;
    Ok(format!("{}{chain}", key.serialize_pem()))
}

/// Shows what is asked for, and says so.
async fn show(
    order: &mut Order,
    host: &str,
    challenges: &Arc<Challenges>,
    tls: &Tls,
    kind: Kind,
) -> Result<Vec<Shown>, Failure> {
    let mut shown = Vec::new();
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization?;
        match authorization.status {
            AuthorizationStatus::Pending => {}
            AuthorizationStatus::Valid => continue,
            other => return Err(Failure::new(format!("the authority has {host} as {other:?}"))),
        }
        let asked = match kind {
            Kind::Http => ChallengeType::Http01,
            Kind::Alpn => ChallengeType::TlsAlpn01,
        };
        let mut challenge = authorization
            .challenge(asked)
            .ok_or_else(|| Failure::new(format!("the authority has no {kind:?} challenge")))?;
        shown.push(put(&challenge, host, challenges, tls, kind)?);
        challenge.set_ready().await?;
    }
    Ok(shown)
}

fn put(
    challenge: &ChallengeHandle<'_>,
    host: &str,
    challenges: &Arc<Challenges>,
    tls: &Tls,
    kind: Kind,
) -> Result<Shown, Failure> {
    let answer = challenge.key_authorization();
    match kind {
        Kind::Http => Ok(challenges.put_answer(&challenge.token, answer.as_str())),
        Kind::Alpn => challenges.put_side(host, answer.digest().as_ref(), tls).map_err(Failure::new),
    }
}

/// What the authority says of a challenge that it does not take; else of the order.
async fn reason(order: &mut Order, status: Result<OrderStatus, Error>) -> Failure {
    let mut authorizations = order.authorizations();
    while let Some(Ok(mut authorization)) = authorizations.next().await {
        let Ok(state) = authorization.refresh().await else { break };
        if let Some(problem) = state.challenges.iter().find_map(|challenge| challenge.error.as_ref()) {
            return Failure::new(problem.to_string());
        }
    }
    match status {
        Ok(status) => Failure::new(format!("the order is {status:?}")),
        Err(error) => Failure::from(error),
    }
}

fn request(host: &str, key: &KeyPair) -> Result<Vec<u8>, rcgen::Error> {
    let mut params = CertificateParams::new([host.to_owned()])?;
    params.distinguished_name = DistinguishedName::new();
    Ok(params.serialize_request(key)?.der().to_vec())
}
