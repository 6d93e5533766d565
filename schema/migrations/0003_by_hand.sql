-- What a person said about a stage, beyond its configuration.

-- A version that somebody chose, by going back or by hand, instead of the one that the configuration leads to (R13). It
-- stays until the configuration of the stage leads elsewhere: `refused_spec` and `refused_digest` are what it led to when
-- the choice was made. `from_deploy` is the deploy that was gone back to.
CREATE TABLE choices (
    stage_id        TEXT    PRIMARY KEY REFERENCES stages (id) ON DELETE RESTRICT,
    kind            TEXT    NOT NULL CHECK (kind IN ('rollback', 'deploy')),
    from_deploy     TEXT    REFERENCES deploys (id) ON DELETE RESTRICT,
    repository      TEXT    NOT NULL,
    tag             TEXT,
    digest          TEXT    NOT NULL CHECK (digest GLOB 'sha256:*' AND length(digest) = 71),
    is_local        INTEGER NOT NULL CHECK (is_local IN (0, 1)),
    spec            TEXT    NOT NULL CHECK (json_valid(spec)),
    refused_version TEXT    NOT NULL,
    refused_spec    TEXT    NOT NULL CHECK (json_valid(refused_spec)),
    refused_digest  TEXT,
    chosen_at       INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX choices_by_deploy ON choices (from_deploy) WHERE from_deploy IS NOT NULL;

-- A stage that is left alone: `suspended` for a while or until told, `released` for good (R5).
CREATE TABLE pauses (
    stage_id TEXT    PRIMARY KEY REFERENCES stages (id) ON DELETE RESTRICT,
    kind     TEXT    NOT NULL CHECK (kind IN ('suspended', 'released')),
    since    INTEGER NOT NULL,
    until    INTEGER,
    CHECK (kind = 'suspended' OR until IS NULL)
) STRICT, WITHOUT ROWID;
