//! `landfall backup`: the store in one file, and what else is worth keeping.

use std::path::{Path, PathBuf};

use super::exit::Exit;
use super::failure::Failure;
use super::render::{Out, size, time};
use crate::reconcile::Places;
use crate::store::{self, Copied, DataDir};

/// Writes the file and says what is in it and what is not.
pub(super) fn run(places: &Places, file: &Path, force: bool, out: Out) -> Result<Exit, Failure> {
    let data = DataDir::new(&places.data);
    let copied = store::backup(&data, file, force)?;
    let Copied { store, schema, deploys, newest_ms, bytes } = copied;
    out.line(&format!("{}: store {store}, {deploys} deploys, {}", file.display(), size(bytes)));
    let apart = apart(&data);
    let named: Vec<String> = apart.iter().map(|path| path.display().to_string()).collect();
    let keys = if named.is_empty() { String::new() } else { format!("{}, ", named.join(", ")) };
    out.line(&format!("not in it: {keys}the configuration, the credentials; keep a copy of them too"));
    out.data(serde_json::json!({
        "file": file, "store": store, "schema": schema, "deploys": deploys, "newest_deploy_at": newest_ms.map(time),
        "bytes": bytes, "not_included": apart,
    }));
    Ok(Exit::Ok)
}

/// What else of the data directory cannot be made anew as it was: the keys, and the files that containers mount.
fn apart(data: &DataDir) -> Vec<PathBuf> {
    let all = [data.fingerprint_key(), data.sealing_key(), data.files()];
    all.into_iter().filter(|path| path.exists()).collect()
}
