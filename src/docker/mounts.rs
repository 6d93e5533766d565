//! Mounts as Docker writes them. Pure.

use std::collections::BTreeMap;
use std::path::PathBuf;

use bollard::models::{Mount as ApiMount, MountTmpfsOptions, MountType};

use super::DockerError;
use crate::model::spec::{Mount, MountSource};

/// One mount; `config_files` tells where the host keeps the copy of a file of the config tree.
pub(super) fn mount(mount: &Mount, config_files: &BTreeMap<String, PathBuf>) -> Result<ApiMount, DockerError> {
    let Mount { target, source, read_only } = mount;
    let base = ApiMount { target: Some(target.clone()), read_only: Some(*read_only), ..ApiMount::default() };
    let volume = |name: &String| ApiMount { typ: Some(MountType::VOLUME), source: Some(name.clone()), ..base.clone() };
    let bind = |path: String| ApiMount { typ: Some(MountType::BIND), source: Some(path), ..base.clone() };
    Ok(match source {
        MountSource::Volume(name) | MountSource::ExternalVolume(name) => volume(name),
        MountSource::HostPath(path) => bind(path.clone()),
        MountSource::ConfigTree { path: _, hash } => {
            let copy = config_files.get(hash).and_then(|path| path.to_str());
            let copy = copy.ok_or_else(|| DockerError::MissingFile { target: target.clone() })?;
            // A copy is shared by every container of the same content, so none may write to it (R34).
            ApiMount { read_only: Some(true), ..bind(copy.to_owned()) }
        }
        MountSource::Tmpfs { size, mode } => {
            let size_bytes = size.map(|size| i64::try_from(size.0).unwrap_or(i64::MAX));
            let options = MountTmpfsOptions { size_bytes, mode: mode.map(i64::from), options: None };
            ApiMount { typ: Some(MountType::TMPFS), tmpfs_options: Some(options), ..base }
        }
    })
}
