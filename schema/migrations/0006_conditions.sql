-- How everything is, as the last passes found it: of the host (`scope` is empty) and of each stage (`project/stage`).
-- `since` changes with `status` alone. What is no longer there has no rows: nothing refers to them, and the next pass
-- finds them again.
CREATE TABLE conditions (
    scope      TEXT    NOT NULL,
    kind       TEXT    NOT NULL,
    status     TEXT    NOT NULL CHECK (status IN ('True', 'False', 'Unknown')),
    reason     TEXT    NOT NULL,
    message    TEXT    NOT NULL,
    generation INTEGER NOT NULL,
    since_ms   INTEGER NOT NULL,
    PRIMARY KEY (scope, kind)
) STRICT, WITHOUT ROWID;
