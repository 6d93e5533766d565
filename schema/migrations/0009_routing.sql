-- Stages whose proxy shows a page in place of the app, because somebody said so, and since when.
CREATE TABLE maintenance (
    stage_id    TEXT    NOT NULL PRIMARY KEY REFERENCES stages (id) ON DELETE RESTRICT,
    since       INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Certificates that a proxy could not get for a stage: how often in a row, when last and why, so that nobody asks for one
-- again at once, whichever process it is. A row goes once there is one.
CREATE TABLE certificate_failures (
    stage_id    TEXT    NOT NULL PRIMARY KEY REFERENCES stages (id) ON DELETE RESTRICT,
    times       INTEGER NOT NULL CHECK (times > 0),
    failed_at   INTEGER NOT NULL,
    reason      TEXT    NOT NULL
) STRICT, WITHOUT ROWID;
