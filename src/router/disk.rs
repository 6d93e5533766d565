//! The last table on disk, so that a proxy that starts serves at once, without asking anybody.
//!
//! One JSON line per route after a first line with the revision, so that a damaged file still gives every route whose
//! line is whole. Written to a second file, synced and renamed: a crash leaves the old table or the new one.
//! Addresses that Docker dealt do not outlive the host's run, since another app may have them after it (R1): a route by
//! such a one shows a page until the daemon's next pass leads it again.
//! A file that cannot be read never keeps the proxy from starting: it is set aside, said loudly, and the next
//! reconcile puts the missing routes back.

use std::fs::{self, File};
use std::io::{self, Read};
use std::net::SocketAddr;
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
/// What is another one each time that the kernel starts.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// The first line.
#[derive(Serialize, Deserialize)]
struct Head {
    format: u32,
    revision: u64,
    /// The run of the host that it is of; none where that cannot be told, or of before it was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    boot: Option<String>,
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
            let (mut table, boot, damaged) = parse(&bytes);
            if boot.zip(boot_id()).is_some_and(|(then, now)| then != now) {
                forget_dealt(&mut table);
            }
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
    let mut text = serde_json::to_vec(&Head { format: FORMAT, revision: table.revision, boot: boot_id() })?;
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

fn boot_id() -> Option<String> {
    let id = fs::read_to_string(BOOT_ID).ok()?;
    Some(id.trim_end().to_owned())
}

/// Leads every route nowhere that led to an address which Docker dealt before the host was started again.
fn forget_dealt(table: &mut Table) {
    let is_dealt = |route: &Route| {
        let own = route.upstreams.first().and_then(|own| own.as_str().parse::<SocketAddr>().ok());
        own.is_some_and(|own| !own.ip().is_loopback())
    };
    let mut forgotten = 0;
    for route in table.routes.values_mut().filter(|route| is_dealt(route)) {
        route.upstreams.clear();
        forgotten += 1;
    }
    if forgotten > 0 {
        tracing::warn!(
            routes = forgotten,
            "the host was started since the routing table was written, and Docker deals addresses anew: routes by them \
             show a page until the daemon's next pass"
        );
    }
}

/// The routes of all whole lines, the run of the host that they are of, and how many lines were not whole.
fn parse(bytes: &[u8]) -> (Table, Option<String>, usize) {
    let mut table = Table::default();
    let mut boot = None;
    let mut damaged = 0;
    let mut lines = bytes.split(|b| *b == b'\n');
    match lines.next().map(serde_json::from_slice::<Head>) {
        Some(Ok(head)) => (table.revision, boot) = (head.revision, head.boot),
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
    (table, boot, damaged)
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
        assert_eq!(parse(text.as_bytes()), (table(), None, 0));
    }

    #[test]
    fn r1_an_address_that_docker_dealt_before_a_reboot_leads_nowhere() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("table");
        let owner = Owner::new(StoreId(Uuid::from_u128(1)), &"shop/prod".parse().unwrap());
        let to = |upstreams: &[&str]| {
            Route::new(owner.clone(), upstreams.iter().map(|upstream| upstream.parse().unwrap()).collect())
        };
        let routes = [
            ("a.test", to(&["172.30.0.2:8080", "10.0.0.5:8080"])),
            ("b.test", to(&["127.0.0.1:20000", "10.0.0.5:8080"])),
            ("c.test", to(&["app.internal:80"])),
        ];
        let table = Table { revision: 7, routes: routes.into_iter().map(|(d, r)| (d.parse().unwrap(), r)).collect() };
        save(&path, &table).unwrap();
        assert_eq!(load(&path), table, "within one run of the host");
        let text = fs::read_to_string(&path).unwrap().replace(&boot_id().unwrap(), "of-another-run");
        fs::write(&path, text).unwrap();
        let mut after = table;
        after.routes.get_mut(&"a.test".parse::<Domain>().unwrap()).unwrap().upstreams.clear();
        assert_eq!(load(&path), after);
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
            let (found, ..) = parse(&bytes);
            let kept = table().routes.iter().filter(|(domain, route)| found.routes.get(*domain) == Some(route)).count();
            // A line feed that is overwritten joins two lines.
            proptest::prop_assert!(kept + 2 >= table().routes.len(), "{kept} kept");
        }
    }
}
