//! Images that stages use: recorded before they are fetched (R14), older with each other one that succeeds, forgotten once
//! they went (R24).

use std::collections::BTreeSet;

use rusqlite::{Connection, OptionalExtension as _, Row, Transaction};

use crate::model::name::StageKey;
use crate::model::recorded::RecordedImage;
use crate::model::{DeployId, ImageRef};

use super::clock::now_ms;
use super::config::stage_id;
use super::error::{Result, StoreError};
use super::rows::{image, parsed};

/// True when a stage has a row of an image.
pub(super) fn is_held(conn: &Connection, key: &StageKey, image: &ImageRef) -> Result<bool> {
    let sql = "SELECT EXISTS (SELECT 1 FROM images WHERE stage_id = ?1 AND repository = ?2 AND digest = ?3)";
    let row = (stage_id(conn, key)?, image.repository.to_string(), image.digest.as_str());
    Ok(conn.query_row(sql, row, |row| row.get(0))?)
}

/// Records that a stage uses an image. What another stage fetched is on the host by us, too.
pub(super) fn hold(tx: &Transaction<'_>, key: &StageKey, image: &ImageRef, is_pulled: bool) -> Result<()> {
    let sql = "INSERT INTO images (stage_id, repository, digest, tag, is_pulled) VALUES (?1, ?2, ?3, ?4, ?5 OR
                   EXISTS (SELECT 1 FROM images WHERE repository = ?2 AND digest = ?3 AND is_pulled = 1))
               ON CONFLICT DO UPDATE SET is_pulled = max(is_pulled, excluded.is_pulled)";
    let ImageRef { repository, tag, digest, local: _ } = image;
    let tag = tag.as_ref().map(ToString::to_string);
    tx.execute(sql, (stage_id(tx, key)?, repository.to_string(), digest.as_str(), tag, is_pulled))?;
    Ok(())
}

/// Makes the image of a deploy the newest of its stage; those that were newer are older by one. An image of the host alone
/// has no row, and counts for nothing.
pub(super) fn serves(tx: &Transaction<'_>, deploy: DeployId) -> Result<()> {
    let sql = "SELECT i.stage_id, i.repository, i.digest, i.newer FROM deploys d JOIN images i
                   ON (i.stage_id, i.repository, i.digest) = (d.stage_id, d.repository, d.digest)
               WHERE d.id = ?1 AND d.is_local = 0";
    let read = |row: &Row<'_>| {
        Ok((
            row.get::<_, String>(0)?,
            row.get::<_, String>(1)?,
            row.get::<_, String>(2)?,
            row.get::<_, Option<i64>>(3)?,
        ))
    };
    let Some((stage, repository, digest, newer)) = tx.query_row(sql, [deploy.to_string()], read).optional()? else {
        return Ok(());
    };
    let sql = "UPDATE images SET newer = newer + 1 WHERE stage_id = ?1 AND newer < ?2";
    tx.execute(sql, (&stage, newer.unwrap_or(i64::MAX)))?;
    let sql = "UPDATE images SET newer = 0 WHERE stage_id = ?1 AND repository = ?2 AND digest = ?3";
    tx.execute(sql, (&stage, &repository, &digest))?;
    Ok(())
}

/// Keeps nothing for a stage that is gone.
pub(super) fn stage_is_gone(tx: &Transaction<'_>, key: &StageKey) -> Result<()> {
    tx.execute("UPDATE images SET newer = NULL WHERE stage_id = ?1", [stage_id(tx, key)?])?;
    Ok(())
}

/// Forgets an image that went, whoever used it.
pub(super) fn forget(tx: &Transaction<'_>, image: &ImageRef) -> Result<()> {
    let sql = "DELETE FROM images WHERE repository = ?1 AND digest = ?2";
    tx.execute(sql, (image.repository.to_string(), image.digest.as_str()))?;
    Ok(())
}

/// Remembers that an image was to go and stayed.
pub(super) fn left(tx: &Transaction<'_>, image: &ImageRef) -> Result<()> {
    let sql = "UPDATE images SET left_at = ?3 WHERE repository = ?1 AND digest = ?2";
    tx.execute(sql, (image.repository.to_string(), image.digest.as_str(), now_ms()))?;
    Ok(())
}

/// The images that may be of no use: those that at least so many newer ones of their stage succeeded after, that never
/// succeeded, whose stages are gone, and all of some stages; each with every stage that has it. Two looks into an index,
/// where nothing is found.
pub(super) fn candidates(conn: &Connection, newer: u8, whole: &BTreeSet<StageKey>) -> Result<Vec<RecordedImage>> {
    let mut digests = BTreeSet::new();
    let mut by_age = conn.prepare("SELECT digest FROM images WHERE newer IS NULL OR newer >= ?1")?;
    for digest in by_age.query_map([newer], |row| row.get::<_, String>(0))? {
        digests.insert(digest?);
    }
    let mut by_stage = conn.prepare("SELECT digest FROM images WHERE stage_id = ?1")?;
    for key in whole {
        let id = match stage_id(conn, key) {
            Ok(id) => id,
            // One that is new has none.
            Err(StoreError::NotFound { .. }) => continue,
            Err(error) => return Err(error),
        };
        for digest in by_stage.query_map([id], |row| row.get::<_, String>(0))? {
            digests.insert(digest?);
        }
    }
    let sql = "SELECT p.name, s.name, i.repository, i.tag, i.digest, 0, i.newer, i.is_pulled, i.left_at
               FROM images i JOIN stages s ON s.id = i.stage_id JOIN projects p ON p.id = s.project_id
               WHERE i.digest = ?1 ORDER BY i.repository, p.name, s.name";
    let mut held = conn.prepare(sql)?;
    let mut found = Vec::new();
    for digest in &digests {
        for row in held.query_map([digest], recorded)? {
            found.push(row?);
        }
    }
    Ok(found)
}

fn recorded(row: &Row<'_>) -> rusqlite::Result<RecordedImage> {
    Ok(RecordedImage {
        key: StageKey::new(parsed(row, 0)?, parsed(row, 1)?),
        image: image(row, 2)?,
        newer: row.get(6)?,
        is_pulled: row.get(7)?,
        left_at_ms: row.get(8)?,
    })
}
