//! Certificates that the proxy gets from Let's Encrypt: made before the host, never with it.

use reqwest::Method;
use serde_json::{Value, json};

use super::NginxProxyManager;
use crate::proxy::ProxyError;

impl NginxProxyManager {
    /// Has one made for these names, and answers its number.
    pub(in crate::proxy) async fn certify(&self, names: &[String]) -> Result<u64, ProxyError> {
        let _alone = self.writes.lock().await;
        let body = json!({ "provider": "letsencrypt", "domain_names": names, "meta": { "dns_challenge": false } });
        let made = self.call(Method::POST, "/nginx/certificates", Some(&body)).await?;
        let id = made.get("id").and_then(Value::as_u64);
        id.ok_or(ProxyError::Unproven)
    }
}
