//! The spec hash: a fingerprint of everything that makes a container need recreating (R19).
//!
//! Every version that was ever shipped stays here, and a container is compared by the version its label names, so
//! that a newer Landfall with an unchanged configuration recreates nothing (R18). A field that holds its default is
//! left out, so that a new field does not change the hash of those who do not use it.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::secret::{Fingerprint, SecretRef};
use super::spec::{ContainerSpec, Mount, MountSource, Restart};

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
    map.put("network", &input.network, false);
    map.put("published", &true, !input.published);
    let text = serde_json::to_string(&map).unwrap_or_default();
    format!("v1:{}", &hex(&Sha256::digest(text))[..32])
}

/// What counts, by name. Where little is set little is built: this is done for every stage at every look.
#[derive(Default, Serialize)]
#[serde(transparent)]
struct Fields(BTreeMap<&'static str, Value>);

impl Fields {
    fn put(&mut self, name: &'static str, value: &impl Serialize, is_default: bool) {
        if !is_default {
            self.0.insert(name, json!(value));
        }
    }
}

/// Destructures without `..`: a new field does not compile until it is decided how it counts.
fn container_v1(spec: &ContainerSpec) -> Fields {
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
    let names = |secrets: &BTreeMap<String, SecretRef>| secrets.keys().cloned().collect::<Vec<_>>();
    let mut map = Fields::default();
    map.put("port", port, port.is_none());
    map.put("environment", environment, environment.is_empty());
    // Only the names: whether a value changed is told by its fingerprint, wherever it is read from.
    map.put("secret_environment", &names(secret_environment), secret_environment.is_empty());
    map.put("secret_files", &names(secret_files), secret_files.is_empty());
    map.put("mounts", &mounts.iter().map(mount_v1).collect::<Vec<_>>(), mounts.is_empty());
    map.put("command", command, command.is_none());
    map.put("entrypoint", entrypoint, entrypoint.is_none());
    map.put("user", user, user.is_none());
    map.put("working_dir", working_dir, working_dir.is_none());
    map.put("labels", labels, labels.is_empty());
    map.put("cap_add", cap_add, cap_add.is_empty());
    map.put("cap_drop", cap_drop, cap_drop.is_empty());
    map.put("privileged", privileged, !privileged);
    map.put("devices", devices, devices.is_empty());
    map.put("host_namespaces", host_namespaces, host_namespaces.is_empty());
    map.put("read_only", read_only, !read_only);
    map.put("init", init, init.is_none());
    map.put("shm_size", shm_size, shm_size.is_none());
    map.put("ulimits", ulimits, ulimits.is_empty());
    map.put("extra_hosts", extra_hosts, extra_hosts.is_empty());
    map.put("dns", dns, dns.is_empty());
    map.put("logging", logging.as_ref(), logging.is_default());
    map.put("restart", restart, *restart == Restart::default());
    map.put("stop_signal", stop_signal, stop_signal.is_none());
    map.put("security_opt", security_opt, security_opt.is_empty());
    map.put("healthcheck", healthcheck, healthcheck.is_none());
    map.put("mem_limit", mem_limit, mem_limit.is_none());
    map.put("milli_cpus", milli_cpus, milli_cpus.is_none());
    map.put("pids_limit", pids_limit, pids_limit.is_none());
    map.put("ports", ports, ports.is_empty());
    map.put("networks", networks, networks.is_empty());
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
