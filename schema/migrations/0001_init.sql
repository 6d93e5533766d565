-- The store of Landfall, version 1. A migration that was shipped is never edited: a test holds its hash.
--
-- Times are whole milliseconds since 1970 UTC. Ids are UUIDs (v7 but for the store's own) as lower-case text.
-- Nothing refers to a row that is gone (RESTRICT): what the configuration no longer names keeps its row as a
-- tombstone (removed_at), so that its history stays (R17). Secrets stand here as references and keyed fingerprints
-- only (R28).

-- Who this store is (R1), and the last port handed out.
CREATE TABLE meta (
    id          INTEGER PRIMARY KEY CHECK (id = 1),
    store_id    TEXT    NOT NULL CHECK (length(store_id) = 36),
    created_at  INTEGER NOT NULL,
    last_port   INTEGER NOT NULL DEFAULT 0 CHECK (last_port BETWEEN 0 AND 65535)
) STRICT;

-- Every configuration that was accepted; the newest is in force.
CREATE TABLE generations (
    generation  INTEGER PRIMARY KEY CHECK (generation > 0),
    revision    TEXT    NOT NULL,
    commit_id   TEXT,
    accepted_at INTEGER NOT NULL
) STRICT;

-- The four configuration tables: what is in force, replaced in one transaction (R14). `generation` is the one that
-- last changed the row.
CREATE TABLE settings (
    id          INTEGER PRIMARY KEY CHECK (id = 1),
    spec        TEXT    NOT NULL CHECK (json_valid(spec)),
    generation  INTEGER NOT NULL REFERENCES generations (generation) ON DELETE RESTRICT
) STRICT;

CREATE TABLE registries (
    id          TEXT    PRIMARY KEY CHECK (length(id) = 36),
    name        TEXT    NOT NULL UNIQUE,
    spec        TEXT    NOT NULL CHECK (json_valid(spec)),
    generation  INTEGER NOT NULL REFERENCES generations (generation) ON DELETE RESTRICT,
    created_at  INTEGER NOT NULL,
    removed_at  INTEGER
) STRICT;

CREATE TABLE projects (
    id          TEXT    PRIMARY KEY CHECK (length(id) = 36),
    name        TEXT    NOT NULL UNIQUE,
    generation  INTEGER NOT NULL REFERENCES generations (generation) ON DELETE RESTRICT,
    created_at  INTEGER NOT NULL,
    removed_at  INTEGER
) STRICT;

CREATE TABLE stages (
    id          TEXT    PRIMARY KEY CHECK (length(id) = 36),
    project_id  TEXT    NOT NULL REFERENCES projects (id) ON DELETE RESTRICT,
    name        TEXT    NOT NULL,
    spec        TEXT    NOT NULL CHECK (json_valid(spec)),
    pin         TEXT    CHECK (pin IS NULL OR json_valid(pin)),
    live_deploy TEXT    REFERENCES deploys (id) ON DELETE RESTRICT,
    generation  INTEGER NOT NULL REFERENCES generations (generation) ON DELETE RESTRICT,
    created_at  INTEGER NOT NULL,
    removed_at  INTEGER,
    UNIQUE (project_id, name)
) STRICT;
CREATE INDEX stages_by_live_deploy ON stages (live_deploy) WHERE live_deploy IS NOT NULL;

-- One attempt to bring an instance live. `phase` is written before the effect it announces (R14); `status` follows
-- from it until the deploy is done.
CREATE TABLE deploys (
    id               TEXT    PRIMARY KEY CHECK (length(id) = 36),
    stage_id         TEXT    NOT NULL REFERENCES stages (id) ON DELETE RESTRICT,
    trigger          TEXT    NOT NULL CHECK (trigger IN
                         ('config', 'registry', 'webhook', 'drift', 'manual', 'rollback', 'resync')),
    cause            TEXT    NOT NULL,
    phase            TEXT    NOT NULL CHECK (phase IN
                         ('pending', 'pulling', 'creating', 'starting', 'health_checking', 'switching', 'monitoring',
                          'draining', 'retiring', 'done')),
    status           TEXT    NOT NULL CHECK (status IN
                         ('pending', 'pulling', 'starting', 'health_checking', 'configuring_proxy',
                          'success', 'failed', 'rolled_back', 'superseded')),
    reason           TEXT,
    repository       TEXT    NOT NULL,
    tag              TEXT,
    digest           TEXT    NOT NULL CHECK (digest GLOB 'sha256:*' AND length(digest) = 71),
    is_local         INTEGER NOT NULL CHECK (is_local IN (0, 1)),
    spec             TEXT    NOT NULL CHECK (json_valid(spec)),
    spec_hash        TEXT    NOT NULL,
    secrets          TEXT    CHECK (secrets IS NULL OR json_valid(secrets)),
    secrets_label    TEXT    NOT NULL,
    container_name   TEXT    NOT NULL,
    config_revision  TEXT    NOT NULL,
    generation       INTEGER NOT NULL REFERENCES generations (generation) ON DELETE RESTRICT,
    log_lines        INTEGER NOT NULL DEFAULT 0 CHECK (log_lines >= 0),
    log_head         INTEGER CHECK (log_head IS NULL OR log_head >= 0),
    created_at       INTEGER NOT NULL,
    updated_at       INTEGER NOT NULL,
    finished_at      INTEGER,
    CHECK (log_head IS NULL OR log_head <= log_lines),
    CHECK ((phase = 'done') = (status IN ('success', 'failed', 'rolled_back', 'superseded'))),
    CHECK ((phase = 'done') = (finished_at IS NOT NULL)),
    CHECK (phase = 'done' OR status = CASE phase
        WHEN 'pending' THEN 'pending'
        WHEN 'pulling' THEN 'pulling'
        WHEN 'creating' THEN 'starting'
        WHEN 'starting' THEN 'starting'
        WHEN 'health_checking' THEN 'health_checking'
        ELSE 'configuring_proxy' END)
) STRICT;
CREATE UNIQUE INDEX one_deploy_in_flight ON deploys (stage_id) WHERE phase <> 'done';
CREATE INDEX deploys_by_stage ON deploys (stage_id, id);

-- R14: a phase never goes back, a deploy ends once, and `success` is written only after the gate.
CREATE TRIGGER a_finished_deploy_stays_finished BEFORE UPDATE OF phase, status, reason, finished_at ON deploys
WHEN OLD.phase = 'done'
BEGIN
    SELECT RAISE(ABORT, 'a finished deploy does not change');
END;

CREATE TRIGGER a_phase_never_goes_back BEFORE UPDATE OF phase ON deploys
WHEN instr(',pending,pulling,creating,starting,health_checking,switching,monitoring,draining,retiring,done,',
           ',' || NEW.phase || ',')
   < instr(',pending,pulling,creating,starting,health_checking,switching,monitoring,draining,retiring,done,',
           ',' || OLD.phase || ',')
BEGIN
    SELECT RAISE(ABORT, 'a phase never goes back');
END;

CREATE TRIGGER success_comes_after_the_gate BEFORE UPDATE OF status ON deploys
WHEN NEW.status = 'success' AND OLD.phase IN ('pending', 'pulling', 'creating', 'starting')
BEGIN
    SELECT RAISE(ABORT, 'a deploy succeeds only after its gate');
END;

CREATE TRIGGER only_moved_traffic_rolls_back BEFORE UPDATE OF status ON deploys
WHEN NEW.status = 'rolled_back' AND OLD.phase NOT IN ('switching', 'monitoring', 'draining', 'retiring')
BEGIN
    SELECT RAISE(ABORT, 'a deploy rolls back only after traffic moved');
END;

-- What a deploy told while it ran, capped per deploy (R17): of a long log the first lines and the last ones stay, and
-- `seq` jumps over the others. `deploys.log_lines` counts all that were told, `log_head` those kept at the beginning
-- once that part is full.
CREATE TABLE deploy_logs (
    deploy_id   TEXT    NOT NULL REFERENCES deploys (id) ON DELETE RESTRICT,
    seq         INTEGER NOT NULL CHECK (seq >= 0),
    at          INTEGER NOT NULL,
    text        TEXT    NOT NULL,
    PRIMARY KEY (deploy_id, seq)
) STRICT, WITHOUT ROWID;

-- Containers that exist: one for each deploy that got so far (R7).
CREATE TABLE instances (
    id           TEXT    PRIMARY KEY CHECK (length(id) = 36),
    stage_id     TEXT    NOT NULL REFERENCES stages (id) ON DELETE RESTRICT,
    deploy_id    TEXT    NOT NULL UNIQUE REFERENCES deploys (id) ON DELETE RESTRICT,
    name         TEXT    NOT NULL,
    version      TEXT    NOT NULL,
    container_id TEXT    NOT NULL UNIQUE,
    host_port    INTEGER CHECK (host_port IS NULL OR host_port BETWEEN 1 AND 65535),
    status       TEXT    NOT NULL CHECK (status IN ('running', 'stopped', 'failed', 'removing')),
    created_at   INTEGER NOT NULL,
    updated_at   INTEGER NOT NULL
) STRICT;
CREATE INDEX instances_by_stage ON instances (stage_id);

-- Loopback ports of the host, each held by the deploy whose container is published there (R7).
CREATE TABLE port_reservations (
    port        INTEGER PRIMARY KEY CHECK (port BETWEEN 1 AND 65535),
    deploy_id   TEXT    NOT NULL UNIQUE REFERENCES deploys (id) ON DELETE RESTRICT,
    reserved_at INTEGER NOT NULL
) STRICT;

-- Combinations that failed and are not tried again until something changes or someone says so (R12).
CREATE TABLE holds (
    stage_id      TEXT    NOT NULL REFERENCES stages (id) ON DELETE RESTRICT,
    spec_hash     TEXT    NOT NULL,
    digest        TEXT    NOT NULL,
    secrets_label TEXT    NOT NULL,
    deploy_id     TEXT    NOT NULL REFERENCES deploys (id) ON DELETE RESTRICT,
    version       TEXT    NOT NULL,
    reason        TEXT    NOT NULL,
    held_at       INTEGER NOT NULL,
    PRIMARY KEY (stage_id, spec_hash, digest, secrets_label)
) STRICT, WITHOUT ROWID;
CREATE INDEX holds_by_deploy ON holds (deploy_id);
