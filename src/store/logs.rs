//! Deploy logs, capped per deploy with a note where lines are missing (R17).
//!
//! Of a long log the beginning and the end are kept: what was done, and why it did not work. What is between goes,
//! and the numbers of the lines tell how many were there.

use rusqlite::{Connection, OptionalExtension as _, Transaction};

use crate::model::DeployId;

use super::error::{Result, StoreError};
use super::rows::LogLine;

/// Lines kept at the beginning, and again at the end. A deploy tells some 30, and 50 of a container that failed; a
/// person reads some hundreds.
pub(super) const PART_LINES: u32 = 500;
/// Bytes kept at the beginning, and again at the end: 200 deploys, the history of a stage, stay below 50 MB.
pub(super) const PART_BYTES: usize = 128 << 10;
/// Bytes of one line: a page of text. Longer ones are dumps.
pub(super) const MAX_LINE_BYTES: usize = 4 << 10;

pub(super) fn append(tx: &Transaction<'_>, deploy: DeployId, lines: &[LogLine]) -> Result<()> {
    let id = deploy.to_string();
    let sql = "SELECT log_lines, log_head FROM deploys WHERE id = ?1";
    let found: Option<(u32, Option<u32>)> =
        tx.query_row(sql, [&id], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    let (first, mut head) = found.ok_or_else(|| StoreError::not_found("deploy", &deploy))?;
    let mut head_bytes = if head.is_none() { bytes(tx, &id)? } else { 0 };
    let mut insert = tx.prepare("INSERT INTO deploy_logs (deploy_id, seq, at, text) VALUES (?1, ?2, ?3, ?4)")?;
    let mut next = first;
    for line in lines {
        let text = cut(&line.text);
        head_bytes += text.len();
        if head.is_none() && (next >= PART_LINES || head_bytes > PART_BYTES) {
            head = Some(next);
        }
        insert.execute((&id, next, line.at_ms, &text))?;
        next += 1;
    }
    tx.execute("UPDATE deploys SET log_lines = ?1, log_head = ?2 WHERE id = ?3", (next, head, &id))?;
    match head {
        Some(head) => trim(tx, &id, head),
        None => Ok(()),
    }
}

fn bytes(tx: &Transaction<'_>, id: &str) -> Result<usize> {
    let sql = "SELECT coalesce(sum(octet_length(text)), 0) FROM deploy_logs WHERE deploy_id = ?1";
    let sum: i64 = tx.query_row(sql, [id], |row| row.get(0))?;
    Ok(usize::try_from(sum).unwrap_or(usize::MAX))
}

/// Removes lines after the beginning until the end is short enough.
fn trim(tx: &Transaction<'_>, id: &str, head: u32) -> Result<()> {
    let sql = "SELECT seq, octet_length(text) FROM deploy_logs WHERE deploy_id = ?1 AND seq >= ?2 ORDER BY seq DESC";
    let mut statement = tx.prepare(sql)?;
    let mut rows = statement.query((id, head))?;
    let (mut lines, mut bytes) = (0, 0);
    while let Some(row) = rows.next()? {
        let length: u32 = row.get(1)?;
        lines += 1;
        bytes += length as usize;
        if lines > PART_LINES || bytes > PART_BYTES {
            let last: u32 = row.get(0)?;
            let sql = "DELETE FROM deploy_logs WHERE deploy_id = ?1 AND seq BETWEEN ?2 AND ?3";
            tx.execute(sql, (id, head, last))?;
            return Ok(());
        }
    }
    Ok(())
}

/// The log, with a note where lines are missing.
pub(super) fn read(conn: &Connection, deploy: DeployId) -> Result<Vec<LogLine>> {
    let sql = "SELECT seq, at, text FROM deploy_logs WHERE deploy_id = ?1 ORDER BY seq";
    let mut statement = conn.prepare(sql)?;
    let mut rows = statement.query([deploy.to_string()])?;
    let (mut log, mut expected): (Vec<LogLine>, u32) = (Vec::new(), 0);
    while let Some(row) = rows.next()? {
        let (seq, at_ms): (u32, i64) = (row.get(0)?, row.get(1)?);
        if seq > expected {
            log.push(LogLine { at_ms, text: format!("… {} lines were not kept …", seq - expected) });
        }
        log.push(LogLine { at_ms, text: row.get(2)? });
        expected = seq + 1;
    }
    Ok(log)
}

fn cut(text: &str) -> String {
    if text.len() <= MAX_LINE_BYTES {
        return text.to_owned();
    }
    let kept = (0..=MAX_LINE_BYTES).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    format!("{}… ({} more bytes)", &text[..kept], text.len() - kept)
}
