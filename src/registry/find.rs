//! Which registry of the configuration an image belongs to. Pure.

use std::collections::BTreeMap;

use crate::model::{Name, Registry, Repository};

/// Names that Docker Hub goes by.
const DOCKER_HUB: [&str; 4] = ["docker.io", "index.docker.io", "registry-1.docker.io", "registry.hub.docker.com"];

/// The registry with the longest prefix of the repository, in whole path components; none when no prefix fits.
pub fn find<'a>(registries: &'a BTreeMap<Name, Registry>, repository: &Repository) -> Option<&'a Registry> {
    let image = repository.to_string();
    let fits = |prefix: &str| image.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    let matches = registries.values().filter_map(|registry| {
        let prefix = written_out(&registry.prefix);
        fits(&prefix).then_some((prefix.len(), registry))
    });
    matches.max_by_key(|(length, _)| *length).map(|(_, registry)| registry)
}

/// The prefix as repositories write it: Docker Hub by its first name, without a slash at the end.
fn written_out(prefix: &str) -> String {
    let prefix = prefix.trim_end_matches('/');
    let (host, path) = prefix.split_once('/').map_or((prefix, None), |(host, path)| (host, Some(path)));
    if !DOCKER_HUB.contains(&host) {
        return prefix.to_owned();
    }
    // `https://index.docker.io/v1/` is what `docker login` writes; its path is no part of an image's name.
    match path.filter(|path| *path != "v1" && *path != "v2") {
        Some(path) => format!("docker.io/{path}"),
        None => "docker.io".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(prefixes: &[&str], repository: &str) -> Option<String> {
        let entry = |prefix: &str| Registry {
            url: format!("https://{prefix}"),
            prefix: prefix.into(),
            username: None,
            password: None,
            poll: None,
            insecure: false,
            ca_file: None,
        };
        let registries =
            prefixes.iter().enumerate().map(|(n, prefix)| (format!("r{n}").parse().unwrap(), entry(prefix))).collect();
        find(&registries, &repository.parse().unwrap()).map(|registry| registry.prefix.clone())
    }

    #[test]
    fn the_longest_prefix_in_whole_components_decides() {
        let all = ["ghcr.io", "ghcr.io/acme", "ghcr.io/acme/shop"];
        assert_eq!(found(&all, "ghcr.io/acme/shop").unwrap(), "ghcr.io/acme/shop");
        assert_eq!(found(&all, "ghcr.io/acme/shops").unwrap(), "ghcr.io/acme");
        assert_eq!(found(&all, "ghcr.io/acmeister/x").unwrap(), "ghcr.io");
        assert_eq!(found(&all, "ghcr.io.evil.com/acme/shop"), None);
        assert_eq!(found(&["r.io:5000"], "r.io/x"), None);
    }

    #[test]
    fn docker_hub_is_found_under_each_of_its_names() {
        for prefix in ["docker.io", "index.docker.io/v1/", "registry-1.docker.io"] {
            assert_eq!(found(&[prefix], "nginx").unwrap(), prefix);
        }
    }
}
