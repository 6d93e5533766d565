//! The spec hash: a fingerprint of everything that makes a container need recreating (R19).
//!
//! Every version that was ever shipped stays here, and a container is compared by the version its label names, so
//! that a newer Landfall with an unchanged configuration recreates nothing (R18). A field that holds its default is
//! left out, so that a new field does not change the hash of those who do not use it.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::secret::Fingerprint;
use super::spec::{ContainerSpec, Logging, Mount, MountSource, Restart};

/// What the hash covers besides the container itself.
#[derive(Debug, Clone, Copy)]
pub struct HashInput<'a> {
    /// The container.
    pub container: &'a ContainerSpec,
    /// The network of the instances.
    pub network: &'a str,
    /// Whether the port is published on loopback for the proxy.
    pub published: bool,
}

/// The version that new containers are labelled with.
const CURRENT: &str = "v1";

/// The hash in the current version, as `v1:<32 hex digits>`.
pub fn spec_hash(input: HashInput<'_>) -> String {
    v1(input)
}

/// The spec hash of a container that a person made and nobody compared: it is that of no spec.
pub const ADOPTED: &str = "v1:adopted";

/// True when a label names the same spec, by the version that the label names. An unknown version counts as the
/// same: a downgrade must not recreate everything.
pub fn matches(label: &str, input: HashInput<'_>) -> bool {
    match label.split_once(':') {
        Some((CURRENT, _)) => label == v1(input),
        _ => true,
    }
}

fn v1(input: HashInput<'_>) -> String {
    let mut map = container_v1(input.container);
    map.insert("network", json!(input.network));
    if input.published {
        map.insert("published", json!(true));
    }
    let text = serde_json::to_string(&map).unwrap_or_default();
    format!("v1:{}", &hex(&Sha256::digest(text))[..32])
}

/// Destructures without `..`: a new field does not compile until it is decided how it counts.
#[expect(clippy::too_many_lines, reason = "one line for each field, twice")]
fn container_v1(spec: &ContainerSpec) -> BTreeMap<&'static str, Value> {
    let ContainerSpec {
        port,
        environment,
        secret_environment,
        secret_files,
        mounts,
        command,
        entrypoint,
        user,
        working_dir,
        labels,
        cap_add,
        cap_drop,
        privileged,
        devices,
        host_namespaces,
        read_only,
        init,
        shm_size,
        ulimits,
        extra_hosts,
        dns,
        logging,
        restart,
        stop_signal,
        security_opt,
        healthcheck,
        mem_limit,
        milli_cpus,
        pids_limit,
        ports,
        networks,
    } = spec;
    let mut map = BTreeMap::new();
    let mut put = |name: &'static str, value: Value, is_default: bool| {
        if !is_default {
            map.insert(name, value);
        }
    };
    put("port", json!(port), port.is_none());
    put("environment", json!(environment), environment.is_empty());
    // Only the names: whether a value changed is told by its fingerprint, wherever it is read from.
    put("secret_environment", json!(secret_environment.keys().collect::<Vec<_>>()), secret_environment.is_empty());
    put("secret_files", json!(secret_files.keys().collect::<Vec<_>>()), secret_files.is_empty());
    put("mounts", mounts.iter().map(mount_v1).collect(), mounts.is_empty());
    put("command", json!(command), command.is_none());
    put("entrypoint", json!(entrypoint), entrypoint.is_none());
    put("user", json!(user), user.is_none());
    put("working_dir", json!(working_dir), working_dir.is_none());
    put("labels", json!(labels), labels.is_empty());
    put("cap_add", json!(cap_add), cap_add.is_empty());
    put("cap_drop", json!(cap_drop), cap_drop.is_empty());
    put("privileged", json!(privileged), !privileged);
    put("devices", json!(devices), devices.is_empty());
    put("host_namespaces", json!(host_namespaces), host_namespaces.is_empty());
    put("read_only", json!(read_only), !read_only);
    put("init", json!(init), init.is_none());
    put("shm_size", json!(shm_size), shm_size.is_none());
    put("ulimits", json!(ulimits), ulimits.is_empty());
    put("extra_hosts", json!(extra_hosts), extra_hosts.is_empty());
    put("dns", json!(dns), dns.is_empty());
    put("logging", json!(logging), *logging == Logging::default());
    put("restart", json!(restart), *restart == Restart::default());
    put("stop_signal", json!(stop_signal), stop_signal.is_none());
    put("security_opt", json!(security_opt), security_opt.is_empty());
    put("healthcheck", json!(healthcheck), healthcheck.is_none());
    put("mem_limit", json!(mem_limit), mem_limit.is_none());
    put("milli_cpus", json!(milli_cpus), milli_cpus.is_none());
    put("pids_limit", json!(pids_limit), pids_limit.is_none());
    put("ports", json!(ports), ports.is_empty());
    put("networks", json!(networks), networks.is_empty());
    map
}

/// A file of the config tree counts by content, not by where it lies in the tree.
fn mount_v1(mount: &Mount) -> Value {
    let Mount { target, source, read_only } = mount;
    let source = match source {
        MountSource::ConfigTree { path: _, hash } => json!({ "content": hash }),
        MountSource::Volume(_)
        | MountSource::ExternalVolume(_)
        | MountSource::HostPath(_)
        | MountSource::Tmpfs { .. } => {
            json!(source)
        }
    };
    json!([target, source, read_only])
}

/// How the secrets of a container compare with what they are now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecretsMatch {
    /// The same values.
    Same,
    /// At least one differs.
    Changed,
    /// They cannot be compared (another key made the label, or they cannot be read): taken as unchanged, with a warning.
    Unknown,
}

/// The label that names the secrets of a container: `key_id:<16 hex digits>`; empty without secrets.
pub fn secrets_label(fingerprint: Option<&Fingerprint>) -> String {
    let Some(Fingerprint { key_id, values }) = fingerprint else {
        return String::new();
    };
    let text = serde_json::to_string(values).unwrap_or_default();
    format!("{key_id}:{}", &hex(&Sha256::digest(text))[..16])
}

/// Compares the label of a container with today's fingerprints.
pub fn secrets_match(label: &str, now: Option<&Fingerprint>) -> SecretsMatch {
    let today = secrets_label(now);
    match (label.split_once(':'), today.split_once(':')) {
        _ if label == today => SecretsMatch::Same,
        (Some((then_key, _)), Some((now_key, _))) if then_key == now_key => SecretsMatch::Changed,
        _ => SecretsMatch::Unknown,
    }
}

/// Lower-case hex digits of some bytes.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// SHA-256 of some bytes, as 64 hex digits.
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(container: &ContainerSpec) -> HashInput<'_> {
        HashInput { container, network: "landfall", published: true }
    }

    #[test]
    fn r18_the_shipped_hash_of_version_1_never_changes() {
        let spec = ContainerSpec {
            port: Some(8080),
            environment: [("A".to_owned(), "1".to_owned())].into(),
            ..ContainerSpec::default()
        };
        assert_eq!(spec_hash(input(&spec)), "v1:cd12da70aebbd01ba86ac93a1c2bcb8e");
        assert!(matches("v0:whatever", input(&spec)));
        assert!(!matches("v1:0", input(&spec)));
    }

    #[test]
    fn r19_the_content_of_a_mounted_file_counts_and_its_place_in_the_tree_does_not() {
        let with = |path: &str, hash: &str| ContainerSpec {
            mounts: vec![Mount {
                target: "/etc/app.conf".into(),
                source: MountSource::ConfigTree { path: path.into(), hash: hash.into() },
                read_only: true,
            }],
            ..ContainerSpec::default()
        };
        assert_eq!(spec_hash(input(&with("a.conf", "1"))), spec_hash(input(&with("b/a.conf", "1"))));
        assert_ne!(spec_hash(input(&with("a.conf", "1"))), spec_hash(input(&with("a.conf", "2"))));
    }

    #[test]
    fn r18_secrets_under_an_unknown_key_count_as_unchanged() {
        let print = |key: &str, value: &str| Fingerprint {
            key_id: key.into(),
            values: [("P".to_owned(), value.to_owned())].into(),
        };
        let label = secrets_label(Some(&print("k1", "aa")));
        assert_eq!(secrets_match(&label, Some(&print("k1", "aa"))), SecretsMatch::Same);
        assert_eq!(secrets_match(&label, Some(&print("k1", "bb"))), SecretsMatch::Changed);
        assert_eq!(secrets_match(&label, Some(&print("k2", "aa"))), SecretsMatch::Unknown);
        assert_eq!(secrets_match(&label, None), SecretsMatch::Unknown);
    }
}
