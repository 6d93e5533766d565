//! What a container mounts from the host lies where the policy says, links on the way included (R32).
//!
//! `config` compares paths as they are written and never looks at the host; here they are followed. Docker follows them
//! once more at each start, so whoever may write to an allowed directory is trusted with what lies in it.

use std::path::Path;

use crate::model::ContainerSpec;
use crate::model::desired::Policy;
use crate::model::spec::MountSource;

/// Says which mount leads out of what the policy allows, and where to.
pub(super) fn check(spec: &ContainerSpec, policy: &Policy) -> Result<(), String> {
    for mount in &spec.mounts {
        let MountSource::HostPath(path) = &mount.source else { continue };
        // Allowed by another rule: Docker's socket.
        if !policy.host_paths.iter().any(|root| Path::new(path).starts_with(root)) {
            continue;
        }
        // What is not there is Docker's to tell.
        let Ok(real) = Path::new(path).canonicalize() else { continue };
        let is_below = |root: &String| Path::new(root).canonicalize().is_ok_and(|root| real.starts_with(root));
        if !policy.host_paths.iter().any(is_below) {
            return Err(format!("{path} leads out of `settings.policy.host_paths`, to {}", real.display()));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::model::spec::Mount;

    #[test]
    fn r32_links_are_followed_and_must_stay_below_an_allowed_path() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name).display().to_string();
        for made in ["in", "in/deep", "also", "out"] {
            std::fs::create_dir(at(made)).unwrap();
        }
        symlink(at("out"), at("in/out")).unwrap();
        symlink(at("also"), at("in/also")).unwrap();
        symlink(at("in"), at("root")).unwrap();
        let policy = Policy { host_paths: vec![at("in"), at("also"), at("root")], ..Policy::default() };
        let checked = |path: &str| {
            let source = MountSource::HostPath(at(path));
            let mounts = vec![Mount { target: "/mnt".into(), source, read_only: true }];
            check(&ContainerSpec { mounts, ..ContainerSpec::default() }, &policy)
        };
        for fine in ["in", "in/deep", "in/also", "root", "root/deep", "in/not-there", "out"] {
            assert_eq!(checked(fine), Ok(()), "{fine}");
        }
        assert!(checked("in/out").unwrap_err().ends_with(&format!("to {}", at("out"))));
    }
}
