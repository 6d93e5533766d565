//! `volumes`, `tmpfs` and `secret_files`: everything that appears in a container's file system.

use crate::config::code;
use crate::config::raw::{OneOrMany, Tmpfs, Volume, VolumeKind, VolumeLong};
use crate::config::report::Part;
use crate::config::syntax::short;
use crate::model::Bytes;
use crate::model::spec::{Mount, MountSource};

use super::policy::{absolute, is_docker_name};
use super::project::Context;
use super::sources::relative;

/// The mounts, sorted by target.
pub(super) fn mounts(cx: &Context<'_>, volumes: Option<Vec<Volume>>, tmpfs: Option<OneOrMany>) -> Vec<Mount> {
    let mut all: Vec<(Mount, String)> = Vec::new();
    for (i, volume) in volumes.unwrap_or_default().into_iter().enumerate() {
        let at = format!("volumes.{i}");
        let mount = match volume {
            Volume::Scalar(text) => short_form(cx, &at, &text),
            Volume::Map(long) => long_form(cx, &at, long),
        };
        all.extend(mount.map(|mount| (mount, at)));
    }
    let (is_list, paths) = match tmpfs {
        None => (false, Vec::new()),
        Some(OneOrMany::Scalar(path)) => (false, vec![path]),
        Some(OneOrMany::List(paths)) => (true, paths),
    };
    for (i, text) in paths.iter().enumerate() {
        let at = if is_list { format!("tmpfs.{i}") } else { "tmpfs".to_owned() };
        all.extend(in_memory(cx, &at, text).map(|mount| (mount, at)));
    }
    all.sort_by(|a, b| a.0.target.cmp(&b.0.target));
    for pair in all.windows(2) {
        if let [(first, first_at), (second, second_at)] = pair
            && first.target == second.target
        {
            let error = cx.site.error(code::CLASH, second_at, format!("two mounts at `{}`", second.target));
            let other = cx.site.at(Part::Value, first_at);
            cx.site.report.add(error.other(Some(other), "the other one").help("keep one of the two"));
        }
    }
    all.into_iter().map(|(mount, _)| mount).collect()
}

fn short_form(cx: &Context<'_>, at: &str, text: &str) -> Option<Mount> {
    let parts: Vec<&str> = text.split(':').collect();
    let (source, target, mode) = match parts[..] {
        [source, target] => (source, target, None),
        [source, target, mode] => (source, target, Some(mode)),
        _ => {
            let help = "write `source:/target` or `source:/target:ro`; a volume without a name would be lost with its container";
            cx.site.refuse(code::BAD_VALUE, at, format!("`{}` is not a mount", short(text)), help);
            return None;
        }
    };
    let mut read_only = None;
    for option in mode.into_iter().flat_map(|mode| mode.split(',')) {
        match option {
            "ro" => read_only = Some(true),
            "rw" => read_only = Some(false),
            other => {
                let title = format!("`{}` is not an option of a mount here", short(other));
                cx.site.refuse(code::BAD_VALUE, at, title, "`ro` and `rw` are");
            }
        }
    }
    let target = target_path(cx, at, target)?;
    let (source, read_only) = source_of(cx, at, source, read_only)?;
    Some(Mount { target, source, read_only })
}

/// What a source means, by how it is written.
fn source_of(cx: &Context<'_>, at: &str, source: &str, read_only: Option<bool>) -> Option<(MountSource, bool)> {
    if source.starts_with('/') {
        return host_path(cx, at, source).map(|source| (source, read_only.unwrap_or(false)));
    }
    if source == "." || source == ".." || source.starts_with("./") || source.starts_with("../") {
        return from_tree(cx, at, source, read_only).map(|source| (source, true));
    }
    if source.contains('/') || source.starts_with('~') {
        let title = format!("`{}` is neither a path nor the name of a volume", short(source));
        let help = "begin a path in the config directory with `./`, and one of the host with `/`";
        cx.site.refuse(code::BAD_VALUE, at, title, help);
        return None;
    }
    volume(cx, at, source, false).map(|source| (source, read_only.unwrap_or(false)))
}

fn volume(cx: &Context<'_>, at: &str, name: &str, is_external: bool) -> Option<MountSource> {
    if !is_docker_name(name) || name.len() > 64 {
        let title = format!("`{}` is not the name of a volume", short(name));
        cx.site.refuse(
            code::BAD_NAME,
            at,
            title,
            "use up to 64 letters, digits, `_`, `.` and `-`, beginning with a letter or digit",
        );
        return None;
    }
    Some(if is_external {
        MountSource::ExternalVolume(name.to_owned())
    } else {
        MountSource::Volume(format!("{}-{name}", cx.key.dns_name()))
    })
}

fn host_path(cx: &Context<'_>, at: &str, source: &str) -> Option<MountSource> {
    let path = absolute(&cx.site, Part::Value, at, source)?;
    cx.allowance().host_path(&cx.site, at, &path);
    Some(MountSource::HostPath(path))
}

/// A file of the config directory: a copy is mounted, so writing to it would change nothing that lasts.
fn from_tree(cx: &Context<'_>, at: &str, source: &str, read_only: Option<bool>) -> Option<MountSource> {
    if read_only == Some(false) {
        let title = format!("`{}` is a file of the config directory, and those are mounted read-only", short(source));
        cx.site.refuse(code::CONTRADICTION, at, title, "remove `rw`; for data that the app writes use a named volume");
    }
    let found = relative(source).and_then(|path| cx.sources.hash(&path).map(|hash| (path, hash)));
    match found {
        Ok((path, hash)) => Some(MountSource::ConfigTree { path, hash }),
        Err((title, help)) => {
            let help = beside(cx, at, source).unwrap_or(help);
            cx.site.refuse(code::BAD_FILE, at, title, help);
            None
        }
    }
}

/// People who come from Compose write paths relative to the YAML file.
fn beside(cx: &Context<'_>, at: &str, source: &str) -> Option<String> {
    let file = cx.site.at(Part::Value, at).file;
    let (folder, _) = file.rsplit_once('/')?;
    let path = relative(&format!("{folder}/{source}")).ok()?;
    cx.sources.hash(&path).ok()?;
    Some(format!("write `./{path}`: paths are relative to the config directory, not to the YAML file"))
}

fn long_form(cx: &Context<'_>, at: &str, long: VolumeLong) -> Option<Mount> {
    let VolumeLong { r#type, source, target, read_only, external, tmpfs } = long;
    let target = target_path(cx, &format!("{at}.target"), &target)?;
    let not_here = |key: &str, is_set: bool, what: &str| {
        if is_set {
            let error = cx.site.error_at_key(
                code::CONTRADICTION,
                &format!("{at}.{key}"),
                format!("`{key}` is for {what} only"),
            );
            cx.site.report.add(error.help("remove it, or change the type"));
        }
    };
    not_here("external", external.is_some() && r#type != VolumeKind::Volume, "volumes");
    not_here("tmpfs", tmpfs.is_some() && r#type != VolumeKind::Tmpfs, "mounts of type tmpfs");
    not_here("source", source.is_some() && r#type == VolumeKind::Tmpfs, "volumes and binds");
    let source_at = format!("{at}.source");
    if source.is_none() && r#type != VolumeKind::Tmpfs {
        cx.site.report.add(cx.site.error(code::MISSING, at, "the mount has no `source`").help("add it"));
    }
    let read_only = read_only.or(None);
    let (source, read_only) = match r#type {
        VolumeKind::Tmpfs => (memory(cx, at, tmpfs), read_only.unwrap_or(false)),
        VolumeKind::Volume => {
            (volume(cx, &source_at, &source?, external.unwrap_or(false))?, read_only.unwrap_or(false))
        }
        VolumeKind::Bind => {
            let source = source?;
            if !source.starts_with(['/', '.']) {
                let title = format!("`{}` is not a path", short(&source));
                cx.site.refuse(
                    code::BAD_VALUE,
                    &source_at,
                    title,
                    "begin a path in the config directory with `./`, and one of the host with `/`",
                );
                return None;
            }
            source_of(cx, &source_at, &source, read_only)?
        }
    };
    Some(Mount { target, source, read_only })
}

fn target_path(cx: &Context<'_>, at: &str, target: &str) -> Option<String> {
    let target = absolute(&cx.site, Part::Value, at, target)?;
    if target == "/" {
        cx.site.refuse(code::BAD_VALUE, at, "nothing can be mounted at `/`", "name a path below it");
        return None;
    }
    Some(target)
}

fn in_memory(cx: &Context<'_>, at: &str, text: &str) -> Option<Mount> {
    let (path, options) = text.split_once(':').unwrap_or((text, ""));
    let mut tmpfs = Tmpfs { size: None, mode: None };
    for option in options.split(',').filter(|option| !option.is_empty()) {
        match option.split_once('=') {
            Some(("size", size)) => tmpfs.size = Some(crate::config::raw::Size(size.to_owned())),
            Some(("mode", mode)) => tmpfs.mode = Some(crate::config::raw::Text(mode.to_owned())),
            _ => {
                let title = format!("`{}` is not an option of a tmpfs here", short(option));
                cx.site.refuse(code::BAD_VALUE, at, title, "`size=64m` and `mode=1777` are");
            }
        }
    }
    let target = target_path(cx, at, path)?;
    Some(Mount { target, source: memory_at(cx, at, at, tmpfs), read_only: false })
}

fn memory(cx: &Context<'_>, at: &str, tmpfs: Option<Tmpfs>) -> MountSource {
    let tmpfs = tmpfs.unwrap_or(Tmpfs { size: None, mode: None });
    memory_at(cx, &format!("{at}.tmpfs.size"), &format!("{at}.tmpfs.mode"), tmpfs)
}

fn memory_at(cx: &Context<'_>, size_at: &str, mode_at: &str, tmpfs: Tmpfs) -> MountSource {
    let Tmpfs { size, mode } = tmpfs;
    let size = size.and_then(|size| cx.site.parse::<Bytes>(size_at, &size.0));
    let mode = mode.and_then(|text| {
        let mode = u32::from_str_radix(text.0.trim_start_matches("0o"), 8).ok().filter(|mode| *mode <= 0o7777);
        if mode.is_none() {
            let title = format!("`{}` is not a mode", short(&text.0));
            cx.site.refuse(code::BAD_VALUE, mode_at, title, "write octal digits, as in `1777`");
        }
        mode
    });
    MountSource::Tmpfs { size, mode }
}
