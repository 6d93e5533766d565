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
use super::failure::Failure;

/// How the authority is asked whether it is done.
const POLL: RetryPolicy =
    RetryPolicy::new().initial_delay(Duration::from_millis(250)).backoff(1.5).timeout(Duration::from_secs(120));
/// A way to show that a host is ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// HTTP-01, on port 80.
    Http,
    /// TLS-ALPN-01, on port 443.
    Alpn,
}

/// An order for one host.
///
/// # Errors
/// The authority takes none, or does not answer.
pub async fn begin(account: &Account, host: &str) -> Result<Order, Failure> {
    let order = account.new_order(&NewOrder::new(&[Identifier::Dns(host.to_owned())])).await;
    order.map_err(|error| Failure::before_order(&error, host))
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
        return Err(reason(order, status, host).await);
    }
    let key = KeyPair::generate().map_err(|error| Failure::new(error.to_string()))?;
    let request = request(host, &key).map_err(|error| Failure::new(error.to_string()))?;
    order.finalize_csr(&request).await.map_err(|error| Failure::in_order(&error, host))?;
    let chain = order.poll_certificate(&POLL).await.map_err(|error| Failure::in_order(&error, host))?;
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
        let mut authorization = authorization.map_err(|error| Failure::in_order(&error, host))?;
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
        challenge.set_ready().await.map_err(|error| Failure::in_order(&error, host))?;
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
async fn reason(order: &mut Order, status: Result<OrderStatus, Error>, host: &str) -> Failure {
    let mut authorizations = order.authorizations();
    while let Some(Ok(mut authorization)) = authorizations.next().await {
        let Ok(state) = authorization.refresh().await else { break };
        if let Some(problem) = state.challenges.iter().find_map(|challenge| challenge.error.clone()) {
            return Failure::in_order(&Error::Api(problem), host);
        }
    }
    match status {
        Ok(status) => Failure::new(format!("the order is {status:?}")),
        Err(error) => Failure::in_order(&error, host),
    }
}

fn request(host: &str, key: &KeyPair) -> Result<Vec<u8>, rcgen::Error> {
    let mut params = CertificateParams::new([host.to_owned()])?;
    params.distinguished_name = DistinguishedName::new();
    Ok(params.serialize_request(key)?.der().to_vec())
}
