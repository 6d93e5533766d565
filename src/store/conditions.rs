//! How everything is, as passes found it. What follows from what is for the model to say; here it is kept.

use rusqlite::{Connection, Transaction};

use crate::model::{AllConditions, Condition, ConditionKind, Conditions, Findings, StageKey, Truth};

use super::error::Result;
use super::rows::{known, parsed};

/// The scope of what is of the whole host.
const HOST: &str = "";

pub(super) fn read(conn: &Connection) -> Result<AllConditions> {
    let mut all = AllConditions::default();
    let sql = "SELECT scope, kind, status, reason, message, generation, since_ms FROM conditions";
    let mut statement = conn.prepare(sql)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let own = if row.get_ref(0)?.as_str().is_ok_and(|scope| scope == HOST) {
            &mut all.host
        } else {
            all.stages.entry(parsed::<StageKey>(row, 0)?).or_default()
        };
        let condition = Condition {
            status: known(row, 2, Truth::parse)?,
            reason: row.get(3)?,
            message: row.get(4)?,
            generation: row.get(5)?,
            since_ms: row.get(6)?,
        };
        own.restore(known(row, 1, ConditionKind::parse)?, condition);
    }
    Ok(all)
}

/// True when these findings would change a row.
pub(super) fn would_change(conn: &Connection, now_ms: i64, findings: &Findings) -> Result<bool> {
    let (before, after) = with(conn, now_ms, findings)?;
    Ok(after != before)
}

/// How everything is, before findings and with them.
fn with(conn: &Connection, now_ms: i64, findings: &Findings) -> Result<(AllConditions, AllConditions)> {
    let before = read(conn)?;
    let mut after = before.clone();
    after.take(now_ms, findings);
    Ok((before, after))
}

/// Takes findings in, and writes the rows that they change.
pub(super) fn find(tx: &Transaction<'_>, now_ms: i64, findings: &Findings) -> Result<()> {
    let (before, after) = with(tx, now_ms, findings)?;
    for key in before.stages.keys().filter(|key| !after.stages.contains_key(key)) {
        tx.execute("DELETE FROM conditions WHERE scope = ?1", [key.to_string()])?;
    }
    write(tx, HOST, &before.host, &after.host)?;
    let none = Conditions::default();
    for (key, own) in &after.stages {
        write(tx, &key.to_string(), before.stages.get(key).unwrap_or(&none), own)?;
    }
    Ok(())
}

fn write(tx: &Transaction<'_>, scope: &str, before: &Conditions, after: &Conditions) -> Result<()> {
    let sql = "INSERT OR REPLACE INTO conditions (scope, kind, status, reason, message, generation, since_ms)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    for (kind, condition) in after.iter().filter(|(kind, condition)| before.get(*kind) != Some(*condition)) {
        let Condition { status, reason, message, generation, since_ms } = condition;
        tx.prepare_cached(sql)?.execute((
            scope,
            kind.as_str(),
            status.as_str(),
            reason,
            message,
            generation,
            since_ms,
        ))?;
    }
    Ok(())
}
