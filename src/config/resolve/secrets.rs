//! References to secrets. The value is never read here: `validate` works where no secret is (R28).

use std::collections::BTreeMap;

use crate::config::code;
use crate::config::raw;
use crate::config::report::{Part, Site};
use crate::config::syntax::short;
use crate::model::SecretRef;
use crate::model::name::InvalidName;

use super::policy::normal_path;

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
