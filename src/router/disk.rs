//! The last table on disk, so that a proxy that starts serves at once, without asking anybody.
//!
//! One JSON line per route after a first line with the revision, so that a damaged file still gives every route whose
//! line is whole. Written to a second file, synced and renamed: a crash leaves the old table or the new one.
//! A file that cannot be read never keeps the proxy from starting: it is set aside, said loudly, and the next
//! reconcile puts the missing routes back.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::control::Route;
use super::table::{MAX_ROUTES, Table};
use crate::model::Domain;
use crate::socket::{beside, replace};

/// Version of the file's form.
const FORMAT: u32 = 1;
/// Most bytes read: a full table of the longest routes, each with all the upstreams it may have, is somewhat less.
const MAX_FILE: u64 = 64 << 20;

/// The first line.
#[derive(Serialize, Deserialize)]
struct Head {
    format: u32,
    revision: u64,
}

/// Every other line.
#[derive(Serialize, Deserialize)]
struct Line {
    domain: Domain,
    route: Route,
}

/// Reads the table, or what can be read of it.
pub fn load(path: &Path) -> Table {
    match read(path) {
        Ok(None) => Table::default(),
        Ok(Some(bytes)) => {
            let (table, damaged) = parse(&bytes);
            if damaged > 0 {
                let kept = set_aside(path);
                tracing::error!(
                    path = %path.display(), kept = %kept, routes = table.routes.len(), damaged,
                    "the routing table on disk is damaged: serving the routes that could be read; \
                     the next reconcile puts the others back"
                );
            }
            table
        }
        Err(error) => {
            tracing::error!(
                path = %path.display(), %error,
                "the routing table on disk cannot be read: serving no routes until the next reconcile"
            );
            Table::default()
        }
    }
}

/// Writes the table; when this returns, a crash or a power cut cannot lose it.
pub fn save(path: &Path, table: &Table) -> io::Result<()> {
    let mut text = serde_json::to_vec(&Head { format: FORMAT, revision: table.revision })?;
    text.push(b'\n');
    for (domain, route) in &table.routes {
        serde_json::to_writer(&mut text, &Line { domain: domain.clone(), route: route.clone() })?;
        text.push(b'\n');
    }
    replace(path, &text)
}

fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut bytes = Vec::new();
    file.take(MAX_FILE).read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}

/// The routes of all whole lines, and how many lines were not.
fn parse(bytes: &[u8]) -> (Table, usize) {
    let mut table = Table::default();
    let mut damaged = 0;
    let mut lines = bytes.split(|b| *b == b'\n');
    match lines.next().map(serde_json::from_slice::<Head>) {
        Some(Ok(head)) => table.revision = head.revision,
        Some(Err(_)) | None => damaged += 1,
    }
    for line in lines.filter(|line| !line.is_empty()) {
        match serde_json::from_slice::<Line>(line) {
            Ok(Line { domain, route }) if table.routes.len() < MAX_ROUTES => {
                table.routes.insert(domain, route);
            }
            Ok(_) | Err(_) => damaged += 1,
        }
    }
    (table, damaged)
}

/// Keeps a copy of a damaged file for whoever wants to know; says where.
fn set_aside(path: &Path) -> String {
    let aside = beside(path, "broken");
    match fs::copy(path, &aside) {
        Ok(_) => aside.display().to_string(),
        Err(error) => format!("nowhere ({error})"),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use uuid::Uuid;

    use super::super::control::Owner;
    use super::*;
    use crate::model::StoreId;

    fn table() -> Table {
        let owner = Owner::new(StoreId(Uuid::from_u128(1)), &"shop/prod".parse().unwrap());
        let route = |port: u16| Route::new(owner.clone(), vec![format!("h:{port}").parse().unwrap()]);
        let routes = [("a.test", route(1)), ("b.test", route(2)), ("c.test", Route::new(owner.clone(), Vec::new()))];
        Table { revision: 7, routes: routes.into_iter().map(|(d, r)| (d.parse().unwrap(), r)).collect() }
    }

    #[test]
    fn a_saved_table_comes_back_and_is_nobody_elses_to_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("table");
        save(&path, &table()).unwrap();
        assert_eq!(load(&path), table());
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "no second file is left");
    }

    #[test]
    fn a_table_of_before_there_were_several_upstreams_is_read() {
        let owner = r#"{"store":"00000000-0000-0000-0000-000000000001","project":"shop","stage":"prod"}"#;
        let line = |domain: &str, upstream: &str| {
            format!("{{\"domain\":\"{domain}\",\"route\":{{\"upstream\":{upstream},\"owner\":{owner}}}}}\n")
        };
        let head = "{\"format\":1,\"revision\":7}\n".to_owned();
        let text = head + &line("a.test", "\"h:1\"") + &line("b.test", "\"h:2\"") + &line("c.test", "null");
        assert_eq!(parse(text.as_bytes()), (table(), 0));
    }

    #[test]
    fn a_damaged_file_still_gives_its_whole_lines_and_is_kept_aside() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("table");
        save(&path, &table()).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        let cut = &text[..text.len() - 20];
        fs::write(&path, cut).unwrap();
        let loaded = load(&path);
        assert_eq!((loaded.revision, loaded.routes.len()), (7, 2));
        assert_eq!(fs::read_to_string(dir.path().join("table.broken")).unwrap(), cut);
    }

    #[test]
    fn garbage_or_nothing_gives_an_empty_table() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(load(&dir.path().join("absent")), Table::default());
        let path = dir.path().join("table");
        fs::write(&path, [0xff, 0, b'\n', b'{']).unwrap();
        assert_eq!(load(&path), Table::default());
    }

    proptest::proptest! {
        #[test]
        fn any_damaged_byte_costs_at_most_the_lines_it_touches(at in 0..600_usize, byte: u8) {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("table");
            save(&path, &table()).unwrap();
            let mut bytes = fs::read(&path).unwrap();
            let at = at % bytes.len();
            bytes[at] = byte;
            let (found, _) = parse(&bytes);
            let kept = table().routes.iter().filter(|(domain, route)| found.routes.get(*domain) == Some(route)).count();
            // A line feed that is overwritten joins two lines.
            proptest::prop_assert!(kept + 2 >= table().routes.len(), "{kept} kept");
        }
    }
}
