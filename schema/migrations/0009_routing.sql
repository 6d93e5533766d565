-- Stages whose proxy shows a page in place of the app, because somebody said so, and since when.
CREATE TABLE maintenance (
    stage_id    TEXT    NOT NULL PRIMARY KEY REFERENCES stages (id) ON DELETE RESTRICT,
    since       INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Certificates that a proxy was asked for and that are not there: for which names, how often in a row, when last and why, so
-- that nobody asks again at once, whichever process it is. A row comes before the question, and goes once there is one.
CREATE TABLE certificate_failures (
    stage_id    TEXT    NOT NULL PRIMARY KEY REFERENCES stages (id) ON DELETE RESTRICT,
    names       TEXT    NOT NULL,
    times       INTEGER NOT NULL CHECK (times > 0),
    failed_at   INTEGER NOT NULL,
    reason      TEXT    NOT NULL
) STRICT, WITHOUT ROWID;
