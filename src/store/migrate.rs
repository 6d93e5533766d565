//! Brings the schema up to date: every migration that is missing, in one transaction with the version number, so that
//! a kill in the middle leaves the old schema and never half of the new one.
//!
//! Migrations are the files of `schema/migrations/`. One that was shipped is never edited; a test holds its hash.

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};

use super::error::{Result, StoreError};

/// Every migration, oldest first; the schema version is how many were run.
pub(super) const MIGRATIONS: &[&str] = &[
    include_str!("../../schema/migrations/0001_init.sql"),
    include_str!("../../schema/migrations/0002_proxy_hosts.sql"),
    include_str!("../../schema/migrations/0003_by_hand.sql"),
    include_str!("../../schema/migrations/0004_giving_up.sql"),
    include_str!("../../schema/migrations/0005_adopted.sql"),
    include_str!("../../schema/migrations/0006_conditions.sql"),
    include_str!("../../schema/migrations/0007_candidates.sql"),
    include_str!("../../schema/migrations/0008_images.sql"),
    include_str!("../../schema/migrations/0009_routing.sql"),
];

/// The newest schema version of a list.
pub(super) fn newest(migrations: &[&str]) -> i64 {
    i64::try_from(migrations.len()).unwrap_or(i64::MAX)
}

/// The schema version of the file.
pub(super) fn version(conn: &Connection) -> Result<i64> {
    Ok(conn.query_row("PRAGMA user_version", [], |row| row.get(0))?)
}

/// Refuses a newer schema and runs what is missing.
pub(super) fn migrate(conn: &mut Connection, path: &Path, migrations: &[&str]) -> Result<()> {
    migrate_then(conn, path, migrations, |_| ())
}

/// As [`migrate`], with a step before the commit, for the tests.
pub(super) fn migrate_then(
    conn: &mut Connection,
    path: &Path,
    migrations: &[&str],
    before_commit: impl FnOnce(&Connection),
) -> Result<()> {
    let known = newest(migrations);
    let found = version(conn)?;
    if found > known {
        return Err(StoreError::Newer { path: path.to_owned(), found, known });
    }
    if found == known {
        return Ok(());
    }
    // Power may fail right after: the new schema must be on disk before anything relies on it.
    conn.pragma_update(None, "synchronous", "FULL")?;
    let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for (number, sql) in (1..).zip(migrations).filter(|(number, _)| *number > found) {
        tx.execute_batch(sql)?;
        tx.pragma_update(None, "user_version", number)?;
    }
    refuse_broken_references(&tx, path)?;
    before_commit(&tx);
    tx.commit()?;
    Ok(())
}

/// Refuses a store with rows that refer to nothing.
pub(super) fn refuse_broken_references(conn: &Connection, path: &Path) -> Result<()> {
    match first_broken_reference(conn)? {
        None => Ok(()),
        Some(table) => {
            Err(StoreError::Damaged { path: path.to_owned(), what: format!("rows of {table} refer to nothing") })
        }
    }
}

fn first_broken_reference(conn: &Connection) -> Result<Option<String>> {
    let mut statement = conn.prepare("PRAGMA foreign_key_check")?;
    let mut rows = statement.query([])?;
    Ok(rows.next()?.map(|row| row.get(0)).transpose()?)
}
