//! References to secrets. The value is never read here: `validate` works where no secret is (R28).

use std::collections::BTreeMap;

use crate::config::code;
use crate::config::raw;
use crate::config::report::{Part, Site};
use crate::config::syntax::short;
use crate::model::name::InvalidName;
use crate::model::spec::Mount;
use crate::model::{ContainerSpec, SecretRef};

use super::policy::{absolute, normal_path};
use super::project::Context;

/// Checks a reference; reported at its path when it cannot name a secret.
pub(super) fn reference(site: &Site<'_>, path: &str, secret: raw::Secret) -> Option<SecretRef> {
    match secret {
        raw::Secret::Credential(name) => {
            // It becomes a file name in the credentials directory.
            let ok = super::policy::is_docker_name(&name);
            let why =
                || format!("`{}` is not the name of a credential: use letters, digits, `_`, `.` and `-`", short(&name));
            if !ok {
                site.invalid(code::BAD_VALUE, Part::Value, &format!("{path}.credential"), &InvalidName(why()));
            }
            ok.then_some(SecretRef::Credential(name))
        }
        raw::Secret::Env(name) => {
            let ok = super::environment::is_name(&name);
            if !ok {
                let title = format!("`{}` is not the name of a variable", short(&name));
                site.refuse(
                    code::BAD_VALUE,
                    &format!("{path}.env"),
                    title,
                    "write a name such as `SLACK_URL`, without `$`",
                );
            }
            ok.then_some(SecretRef::Env(name))
        }
        raw::Secret::File(file) => match normal_path(&file) {
            Ok(file) => Some(SecretRef::File(file)),
            Err(why) => {
                site.invalid(code::BAD_VALUE, Part::Value, &format!("{path}.file"), &InvalidName(why));
                None
            }
        },
    }
}

/// Checks all references of a map; `key` is the map's path.
pub(super) fn references(
    site: &Site<'_>,
    key: &str,
    map: BTreeMap<String, Option<raw::Secret>>,
) -> BTreeMap<String, SecretRef> {
    let one = |(name, secret): (String, Option<raw::Secret>)| {
        let secret = reference(site, &format!("{key}.{name}"), secret?)?;
        Some((name, secret))
    };
    map.into_iter().filter_map(one).collect()
}

/// Secret files are written into the container's own root before it starts, owned by its numeric user.
pub(super) fn check_files(cx: &Context<'_>, spec: &ContainerSpec) {
    for target in spec.secret_files.keys() {
        let path = format!("secret_files.{target}");
        absolute(&cx.site, Part::Key, &path, target);
        let covers = |mount: &&Mount| target == &mount.target || target.starts_with(&format!("{}/", mount.target));
        if let Some(mount) = spec.mounts.iter().find(covers) {
            let title = format!("`{}` would be hidden by the mount at `{}`", short(target), mount.target);
            let error = cx.site.error_at_key(code::CONTRADICTION, &path, title);
            cx.site.report.add(
                error.help("secret files are written into the container's root: choose a path that no mount covers"),
            );
        }
    }
    if spec.secret_files.is_empty() {
        return;
    }
    let clash = |key: &str, title: &str, help: &str| {
        let error = cx.site.error_at_key(code::CONTRADICTION, "secret_files", title);
        let place = cx.site.at(Part::Key, key);
        cx.site.report.add(error.other(Some(place), "set here").help(help));
    };
    if spec.read_only {
        let help = "secret files are written into the container's root: use `secret_environment`, or drop `read_only`";
        clash("read_only", "`secret_files` cannot work with `read_only: true`", help);
    }
    let is_numeric = |user: &str| user.split(':').all(|id| !id.is_empty() && id.bytes().all(|b| b.is_ascii_digit()));
    if spec.user.as_deref().is_some_and(|user| !is_numeric(user)) {
        let help =
            "the files are owned by the user, and only the image knows the number of a name: write `user` as a number";
        clash("user", "`secret_files` needs a numeric `user`", help);
    }
}
